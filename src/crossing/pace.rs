//! How long a network's deliveries took lately, so that what is not delivered can take as long.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many of the last deliveries are remembered.
const REMEMBERED: usize = 256;

/// The times of the last deliveries to one network.
#[derive(Default)]
pub(super) struct Pace(Mutex<Times>);

#[derive(Default)]
struct Times {
    last: Vec<Duration>,
    next: usize,
}

impl Pace {
    /// A delivery that succeeded took so long.
    pub(super) fn note(&self, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = times.next;
        match times.last.get_mut(next) {
            Some(oldest) => *oldest = took,
            None => times.last.push(took),
        }
        times.next = (next + 1) % REMEMBERED;
    }

    /// The time of one of them, by a random number; none if none was seen yet.
    pub(super) fn like(&self, random: u64) -> Duration {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = times.last.len().max(1) as u64;
        let place = usize::try_from(random % count).unwrap_or(0);
        times.last.get(place).copied().unwrap_or_default()
    }
}

/// The times of the last deliveries of files to one network, and how large these were.
#[derive(Default)]
pub(super) struct FilePace(Mutex<VecDeque<(u64, Duration)>>);

/// How many bytes take as long as all that is not the file.
const AROUND: u64 = 1 << 20;

/// Files of which one is at most so many times as large as the other are alike.
const ALIKE: u64 = 4;

/// The longest that anything is made up.
const LONGEST: Duration = Duration::from_mins(10);

impl FilePace {
    /// A file of so many bytes took so long.
    pub(super) fn note(&self, bytes: u64, took: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED {
            last.pop_front();
        }
        last.push_back((bytes, took));
    }

    /// How long one of so many bytes could take, by a random number: as one of its like did, else as
    /// the one that is nearest to it; nothing if none was seen yet.
    pub(super) fn like(&self, bytes: u64, random: u64) -> Option<Duration> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |(size, _): &&(u64, Duration)| {
            let (less, more) = (bytes.min(*size) + AROUND, bytes.max(*size) + AROUND);
            less * ALIKE >= more
        };
        let some: Vec<_> = last.iter().filter(alike).collect();
        let place = usize::try_from(random % some.len().max(1) as u64).unwrap_or(0);
        let nearest = || last.iter().min_by_key(|(size, _)| size.abs_diff(bytes));
        let (size, took) = some.get(place).copied().or_else(nearest)?;
        let micros = took.as_micros() * u128::from(bytes + AROUND) / u128::from(size + AROUND);
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).min(LONGEST))
    }
}

/// How long the word that a message was taken may be held back.
const HELD_BACK: Duration = Duration::from_millis(25);

/// For how long such a word is held back, by a random number. After a delivery the machine and the
/// other network's server are busy for a moment that nothing follows which was swallowed: a partner
/// could tell the two apart by less than a millisecond, if its statuses came without this.
pub(super) fn held_back(random: u64) -> Duration {
    let micros = u64::try_from(HELD_BACK.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % micros.max(1))
}

/// For how long the answer to a first word is held back at least, and for how long what became of it.
///
/// What is done about it differs: somebody is asked, or nobody. The answers leave when that is over,
/// as late as each other.
const FIRST_WORD: Duration = Duration::from_millis(25);
const FIRST_FATE: Duration = Duration::from_millis(50);

/// Lets pass what is left of the time after which a first word that came at `begun` is answered.
pub(super) async fn until_answered(begun: Instant, random: u64) {
    tokio::time::sleep_until(begun + FIRST_WORD + held_back(random)).await;
}

/// For how long the word that a message waits is held back, after `waited` of it are over.
pub(super) fn fate_held_back(waited: Duration, random: u64) -> Duration {
    FIRST_FATE.saturating_sub(waited) + held_back(random)
}

/// How exactly the runtime's timer keeps its times: one way and the other.
const TIMER: Duration = Duration::from_millis(2);

/// Lets so much time pass, more exactly than the timer would: who measures must not find the timer's
/// steps.
pub(super) async fn pass(time: Duration) {
    let until = Instant::now() + time;
    if let Some(coarse) = time.checked_sub(TIMER) {
        tokio::time::sleep(coarse).await;
    }
    while Instant::now() < until {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_as_long_as_its_like() {
        let pace = FilePace::default();
        assert_eq!(pace.like(5, 7), None);
        let (small, large) = (Duration::from_millis(500), Duration::from_mins(1));
        pace.note(10_000, small);
        pace.note(200 << 20, large);
        for random in 0..10 {
            assert_eq!(pace.like(10_000, random), Some(small));
            assert_eq!(pace.like(200 << 20, random), Some(large));
        }
        assert_eq!(pace.like(u64::MAX / 8, 1), Some(LONGEST));
    }

    #[test]
    fn it_is_one_of_the_last() {
        let pace = Pace::default();
        assert_eq!(pace.like(5), Duration::ZERO);
        for ms in 0..1000 {
            pace.note(Duration::from_millis(ms));
        }
        let seen: Vec<_> = (0..1000).map(|random| pace.like(random).as_millis()).collect();
        assert_eq!(seen.iter().min(), Some(&744));
        assert_eq!(seen.iter().max(), Some(&999));
    }
}
