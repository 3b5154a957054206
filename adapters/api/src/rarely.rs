//! Few lines of the log for what happens often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::LogEvent;

/// Lets each event of the log be written once in a while: for what fails at each try, or what
/// anybody outside can bring about as often as they like.
#[derive(Debug)]
pub struct Rarely {
    each: Duration,
    last: Mutex<HashMap<(&'static str, &'static str), Instant>>,
}

impl Rarely {
    /// Each event at most once in this time.
    pub fn each(each: Duration) -> Self {
        Self { each, last: Mutex::default() }
    }

    /// Whether the event may be written now; if so, not again for a while.
    pub fn may(&self, event: &LogEvent) -> bool {
        self.may_because(event, "")
    }

    /// The same, for each of an event's reasons: a new one is written at once.
    pub fn may_because(&self, event: &LogEvent, why: &'static str) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let what = (event.name, why);
        let may = last.get(&what).is_none_or(|last| last.elapsed() >= self.each);
        if may {
            last.insert(what, Instant::now());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{DELIVERY_CARRIED_OUT, INPUT_SKIPPED};

    #[test]
    fn each_event_has_its_own_while() {
        let rarely = Rarely::each(Duration::from_hours(1));
        assert!(rarely.may(&INPUT_SKIPPED) && !rarely.may(&INPUT_SKIPPED));
        assert!(rarely.may(&DELIVERY_CARRIED_OUT));
        assert!(rarely.may_because(&INPUT_SKIPPED, "it is long"));
        assert!(!rarely.may_because(&INPUT_SKIPPED, "it is long"));
        assert!(rarely.may_because(&INPUT_SKIPPED, "it is loud"));
        let always = Rarely::each(Duration::ZERO);
        assert!(always.may(&INPUT_SKIPPED) && always.may(&INPUT_SKIPPED));
    }
}
