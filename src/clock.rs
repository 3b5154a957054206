//! The one place that asks the machine for the time and for randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use drawbridge_adapter::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// An unpredictable number. Without the kernel's randomness nothing here can be safe: it waits
/// for it at start, and has it ever after.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    while getrandom::fill(&mut bytes).is_err() {
        std::thread::yield_now();
    }
    u64::from_le_bytes(bytes)
}

/// A number that no person has: of 2^64, nobody draws one twice.
pub(crate) fn random_person() -> i64 {
    i64::from_ne_bytes(random().to_ne_bytes())
}
