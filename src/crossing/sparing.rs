//! What one user gets or may do only so often. Kept in memory: a restart forgets it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{NetworkId, Timestamp, UserId};

/// How many users of one network are counted at a time; of more, the one who began first is forgotten.
const USERS: usize = 4096;

/// A few times in a while, for each user, and for all users of a network together.
pub(super) struct Sparing {
    times: u32,
    together: u32,
    each: Duration,
    counted: Mutex<HashMap<NetworkId, Counted>>,
}

/// Since when, and how often since.
type Count = (Timestamp, u32);

/// Those of one network: no other network's users take their place.
#[derive(Default)]
struct Counted {
    users: HashMap<UserId, Count>,
    /// The same, who began first first.
    begun: BTreeSet<(Timestamp, UserId)>,
    all: Option<Count>,
}

impl Sparing {
    pub(super) fn new(times: u32, each: Duration) -> Self {
        Self { times, together: u32::MAX, each, counted: Mutex::default() }
    }

    /// All users of a network together may no more often than this.
    pub(super) fn with_together(self, together: u32) -> Self {
        Self { together, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NetworkId, Counted>> {
        // Nothing panics while it is held; if it did, the counts would still be whole.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there may be one more now.
    pub(super) fn may(&self, user: &UserId, at: Timestamp) -> bool {
        self.allows(self.lock().get(user.network()), user, at)
    }

    /// Counts one.
    pub(super) fn count(&self, user: &UserId, at: Timestamp) {
        self.add(&mut self.lock(), user, at);
    }

    /// Counts one more, if it may be.
    pub(super) fn take(&self, user: &UserId, at: Timestamp) -> bool {
        let mut counted = self.lock();
        let may = self.allows(counted.get(user.network()), user, at);
        if may {
            self.add(&mut counted, user, at);
        }
        may
    }

    fn allows(&self, counted: Option<&Counted>, user: &UserId, at: Timestamp) -> bool {
        let Some(counted) = counted else { return true };
        let is_below = |count: Option<&Count>, most| {
            count.is_none_or(|(since, count)| at.since(*since) >= self.each || *count < most)
        };
        is_below(counted.users.get(user), self.times)
            && is_below(counted.all.as_ref(), self.together)
    }

    fn add(&self, counted: &mut HashMap<NetworkId, Counted>, user: &UserId, at: Timestamp) {
        let more = |count: Option<&Count>| match count {
            Some((since, count)) if at.since(*since) < self.each => {
                (*since, count.saturating_add(1))
            }
            _ => (at, 1),
        };
        let counted = counted.entry(user.network().clone()).or_default();
        counted.all = Some(more(counted.all.as_ref()));
        let known = counted.users.get(user).copied();
        let count = more(known.as_ref());
        if let Some((since, _)) = known {
            counted.begun.remove(&(since, user.clone()));
        } else if counted.users.len() >= USERS
            && let Some((_, first)) = counted.begun.pop_first()
        {
            counted.users.remove(&first);
        }
        counted.begun.insert((count.0, user.clone()));
        counted.users.insert(user.clone(), count);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn so_often_and_no_more() {
        let sparing = Sparing::new(2, Duration::from_hours(1));
        let (alice, bob) = (user("m:alice"), user("m:bob"));
        let at = |minutes: u64| Timestamp(0).plus(Duration::from_mins(minutes));
        assert!(sparing.take(&alice, at(0)) && sparing.take(&alice, at(1)));
        assert!(!sparing.take(&alice, at(2)) && sparing.take(&bob, at(2)));
        assert!(!sparing.take(&alice, at(59)) && sparing.take(&alice, at(60)));
        // To ask is not to count.
        assert!(sparing.may(&alice, at(61)) && sparing.may(&alice, at(61)));
        sparing.count(&alice, at(61));
        assert!(!sparing.may(&alice, at(61)));
    }

    #[test]
    fn one_network_takes_no_room_of_anothers_and_loses_its_own_oldest() {
        let sparing = Sparing::new(1, Duration::from_hours(1));
        let of = |number: usize| user(&format!("m:{number}"));
        let at = |number: usize| Timestamp(number.try_into().unwrap());
        assert!((0..=USERS).all(|number| sparing.take(&of(number), at(number))));
        assert!(sparing.take(&user("x:bob"), at(USERS)));
        assert!(!sparing.may(&of(1), at(USERS)) && sparing.may(&of(0), at(USERS)));
        let sizes = sparing.lock()[of(0).network()].users.len();
        assert_eq!(sizes, USERS);
    }

    #[test]
    fn the_users_of_a_network_share_what_all_may_together() {
        let sparing = Sparing::new(2, Duration::from_hours(1)).with_together(3);
        let (alice, bob) = (user("m:alice"), user("m:bob"));
        let at = Timestamp(0);
        assert!(sparing.take(&alice, at) && sparing.take(&alice, at) && sparing.take(&bob, at));
        assert!(!sparing.take(&bob, at) && sparing.take(&user("x:bob"), at));
        assert!(sparing.take(&bob, at.plus(Duration::from_hours(1))));
    }
}
