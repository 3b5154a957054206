//! How the store's threads are: whether they move, what a commit costs, whether writing works.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use drawbridge_adapter::Timestamp;

use crate::clock;
use crate::count::{Distribution, Histogram};

/// The ranges of jobs in one commit.
const JOBS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// The ranges of a commit's duration, in microseconds.
const MICROSECONDS: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// What a thread is at, for others to see: since when it works on the piece that it has in hand.
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds from `start` to the moment at which the piece in hand was begun, plus one;
    /// zero while there is none.
    busy: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), busy: AtomicU64::new(0) }
    }

    /// A piece of work begins.
    pub(super) fn begin(&self) {
        self.busy.store(self.elapsed().saturating_add(1), Ordering::Relaxed);
    }

    /// It is done.
    pub(super) fn end(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// For how long the piece in hand has been worked on; nothing if there is none.
    pub(super) fn busy_for(&self) -> Option<Duration> {
        let begun = self.busy.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.elapsed().saturating_sub(begun)))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What the writing thread tells of itself.
pub(super) struct Vitals {
    pub(super) pulse: Pulse,
    jobs: Histogram,
    microseconds: Histogram,
    failures: AtomicU64,
    /// When writing began to fail; zero while it works.
    failing: AtomicI64,
}

/// How writing goes, since the start.
#[derive(Debug, Clone)]
pub(crate) struct Writes {
    /// How many jobs shared a commit.
    pub(crate) jobs: Distribution,
    /// How many microseconds a commit took.
    pub(crate) microseconds: Distribution,
    /// How many commits failed, wholly or in one of their jobs.
    pub(crate) failures: u64,
    /// Since when writing fails, if the last commit did.
    pub(crate) failing_since: Option<Timestamp>,
}

impl Vitals {
    pub(super) fn new() -> Self {
        Self {
            pulse: Pulse::new(),
            jobs: Histogram::new(JOBS),
            microseconds: Histogram::new(MICROSECONDS),
            failures: AtomicU64::new(0),
            failing: AtomicI64::new(0),
        }
    }

    /// A commit with something in it ended.
    pub(super) fn committed(&self, jobs: usize, took: Duration, well: bool) {
        self.jobs.observe(jobs as u64);
        self.microseconds.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if well {
            self.failing.store(0, Ordering::Relaxed);
            return;
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = clock::now().0;
        // The first failure stays the beginning.
        let _ = self.failing.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Writes {
        let failing = self.failing.load(Ordering::Relaxed);
        Writes {
            jobs: self.jobs.read(),
            microseconds: self.microseconds.read(),
            failures: self.failures.load(Ordering::Relaxed),
            failing_since: (failing != 0).then_some(Timestamp(failing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_piece_in_hand_takes_time() {
        let pulse = Pulse::new();
        assert_eq!(pulse.busy_for(), None);
        pulse.begin();
        assert!(pulse.busy_for().is_some());
        pulse.end();
        assert_eq!(pulse.busy_for(), None);
    }

    #[test]
    fn a_commit_that_works_ends_the_failing() {
        let vitals = Vitals::new();
        vitals.committed(1, Duration::ZERO, false);
        let since = vitals.read().failing_since;
        assert!(since.is_some());
        vitals.committed(1, Duration::ZERO, false);
        assert_eq!((vitals.read().failing_since, vitals.read().failures), (since, 2));
        vitals.committed(1, Duration::ZERO, true);
        assert_eq!((vitals.read().failing_since, vitals.read().jobs.count), (None, 3));
    }
}
