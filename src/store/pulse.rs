//! Whether a thread of the store moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
}
