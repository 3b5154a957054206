//! How many files are on their way to one network at a time, and who is next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use drawbridge_adapter::NetworkId;

use super::super::lanes::Lanes;

/// How many files are on their way to a network at a time.
const AT_ONCE: usize = 4;

/// How many of them from one other network.
const OF_ONE: usize = 2;

/// The most conversations of which is known that they wait; others look again by themselves.
const WAITING: usize = 1024;

/// The turns of the files to one network.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    taken: BTreeMap<NetworkId, usize>,
    /// The lanes of those who found none, oldest first.
    waiting: VecDeque<String>,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    lanes: &'a Lanes,
    source: NetworkId,
}

impl Turns {
    /// Takes a turn for a file from `source`. If there is none, `lane` is woken when there may be.
    pub(super) fn take<'a>(
        &'a self,
        lanes: &'a Lanes,
        source: &NetworkId,
        lane: &str,
    ) -> Option<Turn<'a>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = inner.taken.values().sum();
        let its = inner.taken.get(source).copied().unwrap_or_default();
        if all >= AT_ONCE || its >= OF_ONE {
            if inner.waiting.len() < WAITING && !inner.waiting.iter().any(|one| one == lane) {
                inner.waiting.push_back(lane.to_owned());
            }
            return None;
        }
        *inner.taken.entry(source.clone()).or_default() += 1;
        inner.waiting.retain(|one| one != lane);
        Some(Turn { turns: self, lanes, source: source.clone() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut inner = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = inner.taken.get_mut(&self.source) {
            *its = its.saturating_sub(1);
        }
        // The first may be of a network that has its share: so a few are woken.
        let count = inner.waiting.len().min(AT_ONCE);
        let next: Vec<String> = inner.waiting.drain(..count).collect();
        drop(inner);
        for lane in next {
            self.lanes.hurry(Some(&lane));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn no_network_takes_all_turns() {
        let (turns, lanes) = (Turns::default(), Lanes::default());
        let network = |id| NetworkId::new(id).unwrap();
        let take = |from| turns.take(&lanes, &network(from), from);
        let (one, two) = (take("a").unwrap(), take("a").unwrap());
        assert!(take("a").is_none());
        let others = [take("b").unwrap(), take("c").unwrap()];
        assert!(take("d").is_none());
        drop(one);
        // Those who waited are looked at again.
        assert_eq!(lanes.take().unwrap().0, "a");
        assert_eq!(lanes.take().unwrap().0, "d");
        assert!(take("d").is_some());
        drop((two, others));
    }
}
