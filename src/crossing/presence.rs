//! Who is there, and to whom it is shown: kept in memory alone, as long as it can be told.
//!
//! What was shown is taken back as soon as it may not be shown any more: whoever is blocked, or
//! sees a user switch presence off, sees somebody leave.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use drawbridge_adapter::{Kind, Level, NetworkId, Presence, Signal, There, UserId};

use super::Crossing;
use crate::store::{Block, PeopleChange};

/// How much is known at a time: of more, nothing is shown.
const MOST: usize = 65_536;

/// Who is there.
#[derive(Default)]
pub(super) struct Presences(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By who it is, and then by whom it is for.
    by: HashMap<UserId, HashMap<UserId, Seen>>,
    /// For whom something is known, and of whom.
    to: HashMap<UserId, HashSet<UserId>>,
    count: usize,
}

/// How somebody is there, and what was shown of it.
#[derive(Clone, Copy)]
struct Seen {
    is: There,
    shown: There,
}

impl Presences {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held; if it did, the maps would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn get(&mut self, by: &UserId, to: &UserId) -> Option<&mut Seen> {
        self.by.get_mut(by)?.get_mut(to)
    }

    fn note(&mut self, Presence { by, to, is }: &Presence) {
        if let Some(seen) = self.get(by, to) {
            seen.is = *is;
        } else if *is != There::Offline && self.count < MOST {
            let seen = Seen { is: *is, shown: There::Offline };
            self.by.entry(by.clone()).or_default().insert(to.clone(), seen);
            self.to.entry(to.clone()).or_default().insert(by.clone());
            self.count += 1;
        }
    }

    fn forget(&mut self, by: &UserId, to: &UserId) {
        if let Some(all) = self.by.get_mut(by) {
            self.count -= usize::from(all.remove(to).is_some());
            if all.is_empty() {
                self.by.remove(by);
            }
        }
        if let Some(all) = self.to.get_mut(to) {
            all.remove(by);
            if all.is_empty() {
                self.to.remove(to);
            }
        }
    }

    /// All that is known of a user, and for them.
    fn around(&self, user: &UserId) -> Vec<(UserId, UserId)> {
        let of = self.by.get(user).into_iter().flat_map(HashMap::keys);
        let of = of.map(|to| (user.clone(), to.clone()));
        let others = self.to.get(user).into_iter().flatten();
        of.chain(others.map(|by| (by.clone(), user.clone()))).collect()
    }

    fn pairs(&self) -> Vec<(UserId, UserId)> {
        let of = |(by, all): (&UserId, &HashMap<UserId, Seen>)| {
            all.keys().map(|to| (by.clone(), to.clone())).collect::<Vec<_>>()
        };
        self.by.iter().flat_map(of).collect()
    }
}

impl Crossing {
    /// Somebody comes, goes away or leaves.
    pub(super) fn note_presence(&self, presence: &Presence) {
        let known = &mut self.presences.lock();
        known.note(presence);
        self.show_presence(known, &presence.by, &presence.to);
    }

    /// What people want has changed.
    pub(super) fn show_anew(&self, changes: &[PeopleChange]) {
        let known = &mut self.presences.lock();
        if known.count == 0 {
            return;
        }
        for user in changes.iter().filter_map(concerned) {
            for (by, to) in known.around(user) {
                self.show_presence(known, &by, &to);
            }
        }
    }

    /// A network has come or gone: nobody there is known to be there any more, and what was shown to
    /// its users is to be shown anew.
    pub(super) fn presence_by_link(&self, id: &NetworkId) {
        let is_up = self.networks.get(id).is_some_and(super::Network::is_up);
        let known = &mut self.presences.lock();
        for (by, to) in known.pairs() {
            let here = (by.network() == id, to.network() == id);
            if here == (false, false) {
                continue;
            }
            if let Some(seen) = known.get(&by, &to).filter(|_| !is_up) {
                match here {
                    (true, _) => seen.is = There::Offline,
                    (_, _) => seen.shown = There::Offline,
                }
            }
            if here.0 || is_up {
                self.show_presence(known, &by, &to);
            }
        }
    }

    fn show_presence(&self, known: &mut Known, by: &UserId, to: &UserId) {
        let Some(seen) = known.get(by, to) else { return };
        let is = if self.may_see(by, to) { seen.is } else { There::Offline };
        let Some(target) = self.networks.get(to.network()) else { return };
        let takes = target.capabilities.level(Kind::Presence) > Level::Rejected;
        // Who is not there now is shown it on coming.
        if seen.shown != is && takes && target.is_up() {
            seen.shown = is;
            let presence = Presence { by: by.clone(), to: to.clone(), is };
            target.setup.adapter.signal(Signal::Presence(presence));
        }
        if (seen.is, seen.shown) == (There::Offline, There::Offline) {
            known.forget(by, to);
        }
    }

    fn may_see(&self, by: &UserId, to: &UserId) -> bool {
        let Some(source) = self.networks.get(by.network()) else { return false };
        self.people.shows_presence(by) && self.passes(source, by, to, Kind::Presence).is_some()
    }
}

/// The user for whom a change decides who sees what; all that is between two concerns both.
fn concerned(change: &PeopleChange) -> Option<&UserId> {
    match change {
        PeopleChange::Block(Block { owner, .. })
        | PeopleChange::Unblock { owner, .. }
        | PeopleChange::Contact { owner, .. }
        | PeopleChange::Decline { owner, .. } => Some(owner),
        PeopleChange::Enable { user, .. }
        | PeopleChange::Disable { user, .. }
        | PeopleChange::Presence { user, .. }
        | PeopleChange::Strict { user, .. }
        | PeopleChange::Erase { user } => Some(user),
        _ => None,
    }
}
