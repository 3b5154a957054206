//! Transactions that Synapse leaves behind.
//!
//! After an outage Synapse sends what it kept, oldest first, and then marks the bridge as up. A
//! transaction that it makes between the last look into that queue and the mark is kept, but not
//! sent: it waits for the next outage, while later ones pass it by (seen with 1.163). Their
//! numbers tell: one is missing. Then the later one is not taken, once: to Synapse that is an
//! outage, and it sends the missing one, and after it this one.

use std::time::Duration;

use drawbridge_adapter::Timestamp;

/// After a gap that was none, doubts wait for this time, and twice as long after each further one:
/// numbers are shared with other application services of the homeserver.
const PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The numbers of the transactions so far.
#[derive(Debug)]
pub(super) struct Sequence {
    last: Option<u64>,
    doubt: Option<Doubt>,
    pause: Duration,
    no_doubt_before: Timestamp,
}

/// A transaction that was not taken because of a gap before it.
#[derive(Debug)]
struct Doubt {
    number: u64,
    founded: bool,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { last: None, doubt: None, pause: PAUSE, no_doubt_before: Timestamp(0) }
    }
}

impl Sequence {
    /// Whether a transaction is to be taken; if not, the homeserver is to send it again.
    pub(super) fn takes(&mut self, transaction: &str, now: Timestamp) -> bool {
        let Ok(number) = transaction.parse::<u64>() else { return true };
        match &mut self.doubt {
            Some(doubt) if number < doubt.number => {
                doubt.founded = true;
                return true;
            }
            Some(doubt) if number == doubt.number => {
                if doubt.founded {
                    self.pause = PAUSE;
                } else {
                    self.no_doubt_before = now.plus(self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                self.doubt = None;
                return true;
            }
            _ => {}
        }
        let gap = self.last.is_some_and(|last| number > last.saturating_add(1));
        if !gap || now < self.no_doubt_before {
            return true;
        }
        self.doubt = Some(Doubt { number, founded: false });
        false
    }

    /// A transaction was taken.
    pub(super) fn took(&mut self, transaction: &str) {
        if let Ok(number) = transaction.parse() {
            self.last = self.last.max(Some(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands transactions over, and says which were taken.
    fn taken(sequence: &mut Sequence, now: i64, numbers: &[&str]) -> Vec<bool> {
        let take = |number: &&str| {
            let takes = sequence.takes(number, Timestamp(now));
            if takes {
                sequence.took(number);
            }
            takes
        };
        numbers.iter().map(take).collect()
    }

    #[test]
    fn without_a_gap_all_are_taken() {
        let mut sequence = Sequence::default();
        let numbers = ["7", "8", "9", "9", "3", "10", "txn", "11"];
        assert_eq!(taken(&mut sequence, 0, &numbers), [true; 8]);
    }

    #[test]
    fn a_transaction_that_was_left_behind_comes_first() {
        let mut sequence = Sequence::default();
        let numbers = ["1", "3", "2", "3", "4"];
        assert_eq!(taken(&mut sequence, 0, &numbers), [true, false, true, true, true]);
        // And again, at once: that one was founded.
        let numbers = ["7", "5", "7", "8"];
        assert_eq!(taken(&mut sequence, 0, &numbers), [false, true, true, true]);
    }

    #[test]
    fn numbers_of_other_application_services_are_soon_believed() {
        let mut sequence = Sequence::default();
        let numbers = ["1", "3", "3", "5", "9"];
        assert_eq!(taken(&mut sequence, 0, &numbers), [true, false, true, true, true]);
        assert_eq!(taken(&mut sequence, 60_000, &["11", "11", "13"]), [false, true, true]);
        assert_eq!(taken(&mut sequence, 120_000, &["15"]), [true]);
        assert_eq!(taken(&mut sequence, 180_000, &["17", "17"]), [false, true]);
    }

    #[test]
    fn the_largest_number_is_no_trap() {
        let mut sequence = Sequence::default();
        let largest = u64::MAX.to_string();
        assert_eq!(
            taken(&mut sequence, 0, &["1", &largest, &largest, "2"]),
            [true, false, true, true]
        );
    }
}
