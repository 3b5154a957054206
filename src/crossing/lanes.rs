//! Which conversations of one network have something to deliver: bounded, however many there are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The most lanes that are known in memory; the rest is found on disk when there is room.
const MOST: usize = 4096;

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(5);

/// The longest wait that a network may ask for: a lane must look at what expires meanwhile.
const MOST_ASKED: Duration = Duration::from_hours(1);

/// The lanes of one network that are not at rest.
#[derive(Default)]
pub(super) struct Lanes {
    inner: Mutex<Inner>,
    /// Something changed that the dispatcher may act on.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct Inner {
    states: HashMap<String, State>,
    ready: VecDeque<String>,
    /// There may be lanes on disk which are not known here.
    more_on_disk: bool,
    /// When a lane was last taken.
    taken: Option<Instant>,
}

enum State {
    Ready {
        tries: u32,
        since: Instant,
    },
    /// `step` is when its worker last began with a window.
    Running {
        again: bool,
        tries: u32,
        step: Instant,
    },
    Waiting {
        until: Instant,
        tries: u32,
        for_connection: bool,
    },
}

/// How the lanes of one network move.
pub(super) struct Moves {
    /// How many are due and wait for their turn.
    pub(super) ready: usize,
    /// How many have a worker.
    pub(super) running: usize,
    /// How many wait for their next try.
    pub(super) waiting: usize,
    /// How long ago the worker that is longest at one window began with it.
    pub(super) longest_step: Option<Duration>,
    /// How long the lane that is longest due has waited for its turn.
    pub(super) longest_due: Option<Duration>,
    /// By how much a lane's next try is overdue.
    pub(super) longest_overdue: Option<Duration>,
    /// How long ago a lane was last taken; without end if none ever was.
    pub(super) since_taken: Duration,
}

impl Inner {
    /// Makes room for a lane that can go on at once, by leaving to the disk the one that would
    /// wait the longest. False if none waits.
    fn forget_last_waiting(&mut self) -> bool {
        let waiting = self.states.iter().filter_map(|(lane, state)| match state {
            State::Waiting { until, .. } => Some((*until, lane)),
            _ => None,
        });
        let Some(last) = waiting.max().map(|(_, lane)| lane.clone()) else { return false };
        self.states.remove(&last);
        self.more_on_disk = true;
        true
    }
}

/// How a lane stands, for those who look at it from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is its turn next, once the network is there.
    Due,
    /// A worker is on it.
    Running,
    /// It waits for its next try.
    Waiting { until: Instant },
}

/// How a worker left its lane.
pub(super) enum Left {
    /// Everything that it saw is done.
    Empty,
    /// It is the next one's turn; there is more.
    MoreToDo,
    /// It must wait; `after` is the network's own word.
    /// `progressed` if anything was done before: then the pauses begin anew.
    Backoff { after: Option<Duration>, for_connection: bool, progressed: bool },
}

impl Left {
    /// Something failed that says nothing of when to try again.
    pub(super) const FAILED: Self =
        Self::Backoff { after: None, for_connection: false, progressed: false };

    /// The same, after something was done or not.
    pub(super) fn after_progress(self, progressed: bool) -> Self {
        match self {
            Self::Backoff { after, for_connection, .. } => {
                Self::Backoff { after, for_connection, progressed }
            }
            left => left,
        }
    }
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the map whole: each change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane has new rows on disk.
    pub(super) fn offer(&self, lane: &str) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let full = inner.states.len() >= MOST && !inner.states.contains_key(lane);
        let room = !full || inner.forget_last_waiting();
        match inner.states.get_mut(lane) {
            Some(State::Running { again, .. }) => *again = true,
            Some(State::Ready { .. } | State::Waiting { .. }) => return,
            None if !room => inner.more_on_disk = true,
            None => {
                let since = Instant::now();
                inner.states.insert(lane.to_owned(), State::Ready { tries: 0, since });
                inner.ready.push_back(lane.to_owned());
            }
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// There may be rows on disk of which nobody told.
    pub(super) fn look_on_disk(&self) {
        self.lock().more_on_disk = true;
        self.changed.notify_one();
    }

    /// Whether there is room for lanes from the disk, and nothing else to do.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.ready.is_empty() && inner.states.len() < MOST
    }

    /// Whether the disk is to be looked at; asked once, before the look, so that what comes
    /// meanwhile asks again.
    pub(super) fn begin_to_look(&self) -> bool {
        std::mem::take(&mut self.lock().more_on_disk)
    }

    /// Takes the next lane to run, with the number of tries that failed before.
    pub(super) fn take(&self) -> Option<(String, u32)> {
        let mut inner = self.lock();
        let lane = inner.ready.pop_front()?;
        let tries = match inner.states.get(&lane) {
            Some(State::Ready { tries, .. }) => *tries,
            _ => 0,
        };
        let step = Instant::now();
        inner.taken = Some(step);
        inner.states.insert(lane.clone(), State::Running { again: false, tries, step });
        Some((lane, tries))
    }

    /// A lane's worker begins with a window.
    pub(super) fn steps(&self, lane: &str) {
        if let Some(State::Running { step, .. }) = self.lock().states.get_mut(lane) {
            *step = Instant::now();
        }
    }

    /// A worker left its lane. `jitter` is any random number.
    pub(super) fn leave(&self, lane: String, left: &Left, jitter: u64) {
        let mut inner = self.lock();
        let (again, tries) = match inner.states.get(&lane) {
            Some(State::Running { again, tries, .. }) => (*again, *tries),
            _ => (false, 0),
        };
        match left {
            Left::Empty if !again => {
                inner.states.remove(&lane);
            }
            Left::Empty | Left::MoreToDo => {
                let since = Instant::now();
                inner.states.insert(lane.clone(), State::Ready { tries: 0, since });
                inner.ready.push_back(lane);
            }
            Left::Backoff { after, for_connection, progressed } => {
                let tries = if *progressed { 0 } else { tries };
                let wait = after.unwrap_or_default().min(MOST_ASKED).max(backoff(tries, jitter));
                let until = Instant::now() + wait;
                let tries = tries.saturating_add(1);
                let for_connection = *for_connection;
                inner.states.insert(lane, State::Waiting { until, tries, for_connection });
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Makes ready what has waited long enough. Tells when the next one will have.
    pub(super) fn ripen(&self) -> Option<Instant> {
        let now = Instant::now();
        self.wake(|until, _| until <= now)
    }

    /// Makes ready what waited for the connection.
    pub(super) fn connected(&self) {
        self.wake(|_, for_connection| for_connection);
        self.changed.notify_one();
    }

    fn wake(&self, due: impl Fn(Instant, bool) -> bool) -> Option<Instant> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let mut next: Option<Instant> = None;
        for (lane, state) in &mut inner.states {
            let State::Waiting { until, tries, for_connection } = *state else { continue };
            if due(until, for_connection) {
                *state = State::Ready { tries, since: Instant::now() };
                inner.ready.push_back(lane.clone());
            } else {
                next = Some(next.map_or(until, |earliest| earliest.min(until)));
            }
        }
        next
    }

    /// Gives what waits for its next try its turn now. All lanes, or one, which need not be known.
    pub(super) fn hurry(&self, lane: Option<&str>) {
        match lane {
            None => {
                self.wake(|_, _| true);
                self.look_on_disk();
            }
            Some(lane) => {
                let mut guard = self.lock();
                let inner = &mut *guard;
                if let Some(state @ State::Waiting { .. }) = inner.states.get_mut(lane) {
                    *state = State::Ready { tries: 0, since: Instant::now() };
                    inner.ready.push_back(lane.to_owned());
                }
                drop(guard);
                self.offer(lane);
            }
        }
        self.changed.notify_one();
    }

    /// Takes a lane out of turn, so that no worker is on it until it is left. False if one is.
    pub(super) fn seize(&self, lane: &str) -> bool {
        let mut inner = self.lock();
        let tries = match inner.states.get(lane) {
            Some(State::Running { .. }) => return false,
            Some(State::Ready { tries, .. } | State::Waiting { tries, .. }) => *tries,
            None => 0,
        };
        inner.ready.retain(|ready| ready != lane);
        let step = Instant::now();
        inner.states.insert(lane.to_owned(), State::Running { again: false, tries, step });
        true
    }

    /// How a lane stands, and how many tries failed. What is not known here waits on disk.
    pub(super) fn stand(&self, lane: &str) -> (Stand, u32) {
        match self.lock().states.get(lane) {
            None => (Stand::Due, 0),
            Some(State::Ready { tries, .. }) => (Stand::Due, *tries),
            Some(State::Running { tries, .. }) => (Stand::Running, *tries),
            Some(State::Waiting { until, tries, .. }) => (Stand::Waiting { until: *until }, *tries),
        }
    }

    /// Whether a worker is on the lane now.
    pub(super) fn is_running(&self, lane: &str) -> bool {
        matches!(self.lock().states.get(lane), Some(State::Running { .. }))
    }

    /// How they move.
    pub(super) fn moves(&self, now: Instant) -> Moves {
        let inner = self.lock();
        let since_taken =
            inner.taken.map_or(Duration::MAX, |taken| now.saturating_duration_since(taken));
        let mut moves = Moves {
            ready: 0,
            running: 0,
            waiting: 0,
            longest_step: None,
            longest_due: None,
            longest_overdue: None,
            since_taken,
        };
        for state in inner.states.values() {
            let (count, longest, since) = match state {
                State::Ready { since, .. } => (&mut moves.ready, &mut moves.longest_due, since),
                State::Running { step, .. } => (&mut moves.running, &mut moves.longest_step, step),
                State::Waiting { until, .. } => {
                    (&mut moves.waiting, &mut moves.longest_overdue, until)
                }
            };
            *count += 1;
            *longest = (*longest).max(now.checked_duration_since(*since));
        }
        moves
    }

    /// How many lanes are not at rest.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().states.len()
    }
}

/// One second, doubled with each try, up to [`LONGEST`]; a random half of it is left away, so that
/// what failed together does not come back together.
fn backoff(tries: u32, jitter: u64) -> Duration {
    let whole = Duration::from_secs(1 << tries.min(9)).min(LONGEST);
    let half = whole / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(jitter % spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_bound_and_no_further() {
        for tries in 0..100 {
            for jitter in [0, 1, 499, 12_345, u64::MAX] {
                let wait = backoff(tries, jitter);
                assert!(wait >= Duration::from_millis(500) && wait <= LONGEST);
            }
        }
        assert_eq!(backoff(0, 0), Duration::from_millis(500));
        assert_eq!(backoff(50, 0), LONGEST / 2);
    }

    #[test]
    fn what_comes_while_a_lane_runs_is_not_forgotten() {
        let lanes = Lanes::default();
        lanes.offer("a");
        lanes.offer("a");
        let (lane, _) = lanes.take().unwrap_or_default();
        assert_eq!((lane.as_str(), lanes.take()), ("a", None));
        lanes.offer("a");
        lanes.leave(lane, &Left::Empty, 0);
        let (lane, _) = lanes.take().unwrap_or_default();
        lanes.leave(lane, &Left::Empty, 0);
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_disk_is_asked_when_there_is_room() {
        let lanes = Lanes::default();
        for n in 0..MOST + 10 {
            lanes.offer(&n.to_string());
        }
        assert_eq!(lanes.len(), MOST);
        assert!(!lanes.has_room());
        while let Some((lane, _)) = lanes.take() {
            lanes.leave(lane, &Left::Empty, 0);
        }
        assert!(lanes.has_room() && lanes.begin_to_look() && !lanes.begin_to_look());
    }

    #[tokio::test]
    async fn those_that_wait_keep_no_place_from_those_that_could_go_on() {
        let lanes = Lanes::default();
        for n in 0..MOST {
            lanes.offer(&n.to_string());
        }
        while let Some((lane, _)) = lanes.take() {
            lanes.leave(lane, &Left::FAILED, 0);
        }
        lanes.offer("quick");
        assert_eq!(lanes.take(), Some(("quick".to_owned(), 0)));
        assert!(lanes.len() == MOST && lanes.begin_to_look());
    }

    #[tokio::test]
    async fn a_seized_lane_is_taken_by_nobody_until_it_is_left() {
        let lanes = Lanes::default();
        lanes.offer("a");
        assert!(lanes.seize("a") && !lanes.seize("a"));
        assert_eq!((lanes.take(), lanes.stand("a").0), (None, Stand::Running));
        lanes.offer("a");
        lanes.leave("a".to_owned(), &Left::MoreToDo, 0);
        assert_eq!(lanes.take(), Some(("a".to_owned(), 0)));
        assert_eq!(lanes.take(), None);
    }

    #[tokio::test]
    async fn a_hurried_lane_has_its_turn_at_once() {
        let lanes = Lanes::default();
        for name in ["a", "b", "c"] {
            lanes.offer(name);
        }
        while let Some((lane, _)) = lanes.take() {
            lanes.leave(lane, &Left::FAILED, 0);
        }
        assert!(matches!(lanes.stand("b"), (Stand::Waiting { .. }, 1)));
        lanes.hurry(Some("b"));
        assert_eq!(lanes.take(), Some(("b".to_owned(), 0)));
        assert_eq!(lanes.take(), None);
        lanes.hurry(Some("d"));
        assert_eq!(lanes.take(), Some(("d".to_owned(), 0)));
        lanes.hurry(None);
        assert!(lanes.take().is_some() && lanes.take().is_some() && lanes.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_begin_anew_after_progress() {
        let lanes = Lanes::default();
        lanes.offer("a");
        for (progressed, tries) in [(false, 1), (false, 2), (true, 1), (false, 2)] {
            let (lane, _) = lanes.take().unwrap_or_default();
            lanes.leave(lane, &Left::FAILED.after_progress(progressed), 0);
            tokio::time::advance(LONGEST).await;
            lanes.ripen();
            let seen = match lanes.lock().states.get("a") {
                Some(State::Ready { tries, .. }) => *tries,
                _ => 0,
            };
            assert_eq!(seen, tries);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_waits_its_time_or_for_the_connection() {
        let lanes = Lanes::default();
        for (lane, for_connection) in [("slow", false), ("cut", true)] {
            lanes.offer(lane);
            let taken = lanes.take().unwrap_or_default().0;
            let after = Some(Duration::from_mins(1));
            lanes.leave(taken, &Left::Backoff { after, for_connection, progressed: false }, 0);
        }
        assert!(lanes.ripen().is_some());
        assert_eq!(lanes.take(), None);
        lanes.connected();
        assert_eq!(lanes.take(), Some(("cut".to_owned(), 1)));
        tokio::time::advance(Duration::from_secs(61)).await;
        lanes.ripen();
        assert_eq!(lanes.take(), Some(("slow".to_owned(), 1)));
    }
}
