//! What lists and contacts of users, read and written in their name, have in common: one user's are seen
//! to by one at a time.

use std::hash::{DefaultHasher, Hash, Hasher};

use drawbridge_adapter::{DeliveryError, Unavailable, UserId};
use tokio::sync::{Mutex, MutexGuard};

/// How many users may wait to be seen to. Beyond, they are left to the next reason.
pub(crate) const WAITING: usize = 1024;
/// How many memos are looked at together.
pub(crate) const PAGE: usize = 256;
/// How many users can be seen to at a time.
const TURNS: usize = 64;

/// A bounded number of locks, shared by all users.
pub(crate) struct Turns([Mutex<()>; TURNS]);

impl Turns {
    /// Nobody's yet.
    pub(crate) fn new() -> Self {
        Self([const { Mutex::const_new(()) }; TURNS])
    }

    /// While this is held, nobody else sees to this user.
    pub(crate) async fn take(&self, owner: &UserId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        owner.hash(&mut hasher);
        let place = hasher.finish() % TURNS as u64;
        self.0[usize::try_from(place).unwrap_or(0)].lock().await
    }
}

/// What a delivery comes to while the store does not take what must be noted first.
pub(crate) fn later(_: Unavailable) -> DeliveryError {
    DeliveryError::Retry { after: None, why: "the daemon could not write it down" }
}
