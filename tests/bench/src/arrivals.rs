//! What came through, and when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memchr::memmem;
use tokio::sync::Notify;
use tokio::time::timeout_at;

/// How long is waited for the next message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message's conversation, and its number within it.
pub(crate) type Message = (usize, usize);

/// What a stub has heard.
#[derive(Default)]
pub(crate) struct Arrivals {
    heard: Mutex<Heard>,
    more: Notify,
}

/// What a stub has heard of its present flood, and what was wrong in all of them.
#[derive(Default)]
struct Heard {
    /// The flood's number.
    flood: usize,
    /// When each of its messages came first.
    came: HashMap<Message, Instant>,
    /// For each conversation, the number that is due.
    next: HashMap<usize, usize>,
    flaws: Flaws,
}

/// What is wrong with what came through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Flaws {
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) reordered: usize,
}

impl std::ops::AddAssign for Flaws {
    fn add_assign(&mut self, more: Self) {
        self.lost += more.lost;
        self.twice += more.twice;
        self.reordered += more.reordered;
    }
}

/// The text of a message of a flood: found again by [`Arrivals::note`], and of an everyday length.
pub(crate) fn text(flood: usize, (conversation, number): Message) -> String {
    format!(
        "bench:{flood}:{conversation}:{number}: the quick brown fox jumps over the lazy dog, and \
         back again"
    )
}

fn parse(bytes: &[u8]) -> Option<(usize, Message)> {
    let start = memmem::find(bytes, b"bench:")? + 6;
    let mut numbers = bytes[start..].split(|byte| *byte == b':');
    let mut number = || std::str::from_utf8(numbers.next()?).ok()?.parse().ok();
    Some((number()?, (number()?, number()?)))
}

impl Heard {
    fn note(&mut self, flood: usize, message: Message, at: Instant) {
        // Of an earlier flood everything was there already.
        if flood != self.flood || self.came.contains_key(&message) {
            self.flaws.twice += 1;
            return;
        }
        self.came.insert(message, at);
        self.flaws.lost = self.flaws.lost.saturating_sub(1);
        let (conversation, number) = message;
        let due = self.next.entry(conversation).or_default();
        if number == *due {
            *due += 1;
        } else {
            self.flaws.reordered += 1;
            *due = (*due).max(number + 1);
        }
    }
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes each of the messages in `wires`.
    pub(crate) fn note<'a>(&self, wires: impl IntoIterator<Item = &'a [u8]>) {
        let at = Instant::now();
        let mut heard = self.lock();
        for (flood, message) in wires.into_iter().filter_map(parse) {
            heard.note(flood, message, at);
        }
        drop(heard);
        self.more.notify_one();
    }

    /// From now on, `count` messages of this flood are due. No two floods have the same number.
    pub(crate) fn expect(&self, flood: usize, count: usize) {
        let mut heard = self.lock();
        heard.flaws.lost += count;
        let flaws = heard.flaws;
        *heard = Heard { flood, flaws, ..Heard::default() };
    }

    /// Waits until `count` different messages of the flood have come, and says when the last one
    /// did; fails when none comes any more.
    pub(crate) async fn wait(&self, count: usize) -> Result<Instant> {
        let mut before = 0;
        let mut deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = {
                let heard = self.lock();
                if heard.came.len() >= count {
                    return Ok(heard.came.values().max().copied().unwrap_or_else(Instant::now));
                }
                heard.came.len()
            };
            if now > before {
                before = now;
                deadline = tokio::time::Instant::now() + PATIENCE;
            }
            if timeout_at(deadline, self.more.notified()).await.is_err() {
                bail!("{} of {count} messages never came", count - now);
            }
        }
    }

    /// What was wrong so far, in all floods.
    pub(crate) fn flaws(&self) -> Flaws {
        self.lock().flaws
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn come(arrivals: &Arrivals, flood: usize, messages: &[Message]) {
        for message in messages {
            arrivals.note([text(flood, *message).as_bytes()]);
        }
    }

    fn flaws(lost: usize, twice: usize, reordered: usize) -> Flaws {
        Flaws { lost, twice, reordered }
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_does_not_stand_for_what_is_lost() {
        let arrivals = Arrivals::default();
        arrivals.expect(1, 3);
        come(&arrivals, 1, &[(0, 0), (0, 1), (0, 1)]);
        let why = arrivals.wait(3).await.unwrap_err().to_string();
        assert_eq!(why, "1 of 3 messages never came");
        assert_eq!(arrivals.flaws(), flaws(1, 1, 0));
        come(&arrivals, 1, &[(0, 2)]);
        arrivals.wait(3).await.unwrap();
        assert_eq!(arrivals.flaws(), flaws(0, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_of_an_earlier_flood_is_none_of_this_one() {
        let arrivals = Arrivals::default();
        arrivals.expect(1, 1);
        come(&arrivals, 1, &[(0, 0)]);
        arrivals.wait(1).await.unwrap();
        arrivals.expect(2, 1);
        come(&arrivals, 1, &[(0, 0)]);
        assert!(arrivals.wait(1).await.is_err());
        assert_eq!(arrivals.flaws(), flaws(1, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_alone_are_not_waited_for() {
        let arrivals = Arrivals::default();
        arrivals.expect(1, 2);
        let repeats = async {
            loop {
                come(&arrivals, 1, &[(0, 0)]);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(10 * PATIENCE, arrivals.wait(2)) => {
                assert!(done.unwrap().is_err());
            }
            () = repeats => {}
        }
    }

    #[test]
    fn what_overtakes_is_seen_within_its_conversation() {
        let arrivals = Arrivals::default();
        arrivals.expect(1, 5);
        come(&arrivals, 1, &[(0, 0), (1, 0), (0, 2), (0, 1), (1, 1)]);
        assert_eq!(arrivals.flaws(), flaws(0, 0, 2));
    }
}
