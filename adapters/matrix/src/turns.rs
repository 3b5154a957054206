//! Turns: what concerns the same users is done one after the other.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::Mutex;

/// How many may have a turn at the same time, at most.
const PLACES: usize = 64;

/// A bounded number of locks, shared by all.
pub(crate) struct Turns([Mutex<()>; PLACES]);

impl Turns {
    pub(crate) fn new() -> Self {
        Self([const { Mutex::const_new(()) }; PLACES])
    }

    /// While this is held, nobody else has a turn for `whom`.
    pub(crate) fn of(&self, whom: impl Hash) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        whom.hash(&mut hasher);
        let place = hasher.finish() % PLACES as u64;
        &self.0[usize::try_from(place).unwrap_or(0)]
    }
}
