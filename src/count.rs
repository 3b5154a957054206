//! What is counted on a message's way, cheaply and without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often values fell into which range.
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what lies above the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// Each bound with how many values were at most that.
    pub(crate) up_to: Vec<(u64, u64)>,
    /// How many values there were.
    pub(crate) count: u64,
    /// Their sum.
    pub(crate) sum: u64,
}

impl Histogram {
    /// A histogram with these upper bounds, which rise.
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one value.
    pub(crate) fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What it holds now.
    pub(crate) fn read(&self) -> Distribution {
        let sum = self.sum.load(Ordering::Relaxed);
        let mut count = 0;
        let mut counts = self.counts.iter().map(|counted| {
            count += counted.load(Ordering::Relaxed);
            count
        });
        let up_to = self.bounds.iter().copied().zip(&mut counts).collect();
        counts.for_each(drop);
        Distribution { up_to, count, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_up_from_its_range() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 1000] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read, Distribution { up_to: vec![(1, 2), (10, 4)], count: 6, sum: 1024 });
    }
}
