//! What one user gets or may do only so often. Kept in memory: a restart forgets it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Timestamp, UserId};

/// How many users are counted at a time; the others wait until some are forgotten.
const USERS: usize = 4096;

/// A few times in a while, for each user.
pub(super) struct Sparing {
    times: u32,
    each: Duration,
    counted: Mutex<HashMap<UserId, (Timestamp, u32)>>,
}

impl Sparing {
    pub(super) fn new(times: u32, each: Duration) -> Self {
        Self { times, each, counted: Mutex::default() }
    }

    /// Counts one more, if it may be.
    pub(super) fn may(&self, user: &UserId, at: Timestamp) -> bool {
        // Nothing panics while it is held; if it did, the counts would still be whole.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= USERS {
            counted.retain(|_, (since, _)| at.since(*since) < self.each);
        }
        let room = counted.len() < USERS;
        match counted.get_mut(user) {
            Some((since, count)) if at.since(*since) < self.each => {
                *count += u32::from(*count < self.times + 1);
                *count <= self.times
            }
            Some(known) => {
                *known = (at, 1);
                true
            }
            None if room => counted.insert(user.clone(), (at, 1)).is_none(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn so_often_and_no_more() {
        let sparing = Sparing::new(2, Duration::from_hours(1));
        let (alice, bob) = ("m:alice".parse().unwrap(), "m:bob".parse().unwrap());
        let at = |minutes: u64| Timestamp(0).plus(Duration::from_mins(minutes));
        assert!(sparing.may(&alice, at(0)) && sparing.may(&alice, at(1)));
        assert!(!sparing.may(&alice, at(2)) && sparing.may(&bob, at(2)));
        assert!(!sparing.may(&alice, at(59)) && sparing.may(&alice, at(60)));
    }

    #[test]
    fn it_counts_a_bounded_number_of_users() {
        let sparing = Sparing::new(1, Duration::from_hours(1));
        let user = |number: usize| format!("m:{number}").parse().unwrap();
        let at = Timestamp(0);
        assert!((0..USERS).all(|number| sparing.may(&user(number), at)));
        assert!(!sparing.may(&user(USERS), at));
        assert!(sparing.may(&user(USERS), at.plus(Duration::from_hours(1))));
    }
}
