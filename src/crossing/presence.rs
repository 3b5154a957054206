//! Who is there, and to whom it is shown: kept in memory alone, as long as it can be told.
//!
//! What was shown is taken back when it may not be shown any more: whoever is blocked, or was seen
//! by somebody who switches presence off, sees a user leave. What does not follow from a user's own
//! coming and going is shown in portions, so that no network is flooded; and what follows from a
//! word of one user about another after a while of any length, so that two who leave at one time
//! are not known by it to be one person's accounts.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Kind, NetworkId, Presence, Signal, There, UserId};
use tokio::time::Instant;

use super::{Crossing, Network};
use crate::clock;
use crate::store::{Block, PeopleChange};

/// How much is known of the users of one network; of more, nothing is shown.
const OF_NETWORK: usize = 16 * 1024;

/// Of how many others something is known to one user, or to how many of one.
const OF_USER: usize = 512;

/// How many are shown at a time to one network.
const PORTION: usize = 64;

/// After what time at most a word of one user about another shows.
const LATER: Duration = Duration::from_secs(10);

/// Who is there.
#[derive(Default)]
pub(super) struct Presences(Mutex<Known>);

/// Who is there, and who may see it.
type Pair = (UserId, UserId);

#[derive(Default)]
struct Known {
    /// By who it is, and then by whom it is for.
    by: HashMap<UserId, HashMap<UserId, Seen>>,
    /// For whom something is known, and of whom.
    to: HashMap<UserId, HashSet<UserId>>,
    /// How much is known of each network's users.
    counts: HashMap<NetworkId, usize>,
    /// What is to be looked at again, and when.
    due: HashMap<Pair, Instant>,
}

/// How somebody is there, and what was shown of it; `None` if that is not known.
#[derive(Clone, Copy)]
struct Seen {
    is: There,
    shown: Option<There>,
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
            return;
        }
        let few = |count: Option<usize>| count.is_none_or(|count| count < OF_USER);
        let room = few(self.by.get(by).map(HashMap::len))
            && few(self.to.get(to).map(HashSet::len))
            && self.counts.get(by.network()).is_none_or(|count| *count < OF_NETWORK);
        if *is == There::Offline || !room {
            return;
        }
        let seen = Seen { is: *is, shown: Some(There::Offline) };
        self.by.entry(by.clone()).or_default().insert(to.clone(), seen);
        self.to.entry(to.clone()).or_default().insert(by.clone());
        *self.counts.entry(by.network().clone()).or_default() += 1;
    }

    fn forget(&mut self, by: &UserId, to: &UserId) {
        if let Some(all) = self.by.get_mut(by) {
            if all.remove(to).is_some()
                && let Some(count) = self.counts.get_mut(by.network())
            {
                *count -= 1;
            }
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

    /// It is to be looked at again, then or before.
    fn look_at(&mut self, pair: Pair, at: Instant) {
        if self.get(&pair.0, &pair.1).is_some() {
            let due = self.due.entry(pair).or_insert(at);
            *due = at.min(*due);
        }
    }

    /// All that is known of a user, and for them.
    fn around(&self, user: &UserId) -> Vec<Pair> {
        let of = self.by.get(user).into_iter().flat_map(HashMap::keys);
        let of = of.map(|to| (user.clone(), to.clone()));
        let others = self.to.get(user).into_iter().flatten();
        of.chain(others.map(|by| (by.clone(), user.clone()))).collect()
    }

    fn pairs(&self, of: impl Fn(&UserId, &UserId) -> bool) -> Vec<Pair> {
        let all = self.by.iter().flat_map(|(by, all)| all.keys().map(move |to| (by, to)));
        all.filter(|(by, to)| of(by, to)).map(|(by, to)| (by.clone(), to.clone())).collect()
    }
}

impl Crossing {
    /// Somebody of this network comes, goes away or leaves.
    pub(super) fn note_presence(&self, source: &Network, presence: &Presence) {
        let Presence { by, to, is } = presence;
        if by.network() != &source.setup.id {
            return;
        }
        // Whoever could not write to somebody takes no room among those who can.
        let may = self.passes(source, by, to, Kind::Presence).is_some();
        let known = &mut self.presences.lock();
        // What was under way when the network went is not so any more.
        let is_so = *is == There::Offline || source.is_up();
        if is_so && (may || known.get(by, to).is_some()) {
            known.note(presence);
            self.show_presence(known, by, to);
        }
    }

    /// Somebody of this network is no user of it any more.
    pub(super) fn note_leaving(&self, source: &Network, user: &UserId) {
        if user.network() == &source.setup.id {
            let known = &mut self.presences.lock();
            self.nobody_is_there(known, |by| by == user);
        }
    }

    fn nobody_is_there(&self, known: &mut Known, of: impl Fn(&UserId) -> bool) {
        for (by, to) in known.pairs(|by, _| of(by)) {
            if let Some(seen) = known.get(&by, &to) {
                seen.is = There::Offline;
            }
            known.look_at((by, to), Instant::now());
        }
        self.show_due(known);
    }

    /// What people want has changed.
    pub(super) fn show_anew(&self, changes: &[PeopleChange]) {
        let known = &mut self.presences.lock();
        if known.by.is_empty() {
            return;
        }
        let now = Instant::now();
        for change in changes {
            match concerned(change) {
                Concerned::Two(owner, other) => {
                    // What the owner sees, the owner has wanted so.
                    known.look_at((other.clone(), owner.clone()), now);
                    let most = u64::try_from(LATER.as_millis()).unwrap_or(u64::MAX);
                    let later = Duration::from_millis(clock::random() % most.max(1));
                    known.look_at((owner.clone(), other.clone()), now + later);
                }
                Concerned::One(user) => {
                    for pair in known.around(user) {
                        known.look_at(pair, now);
                    }
                }
                Concerned::Nobody => {}
            }
        }
        self.show_due(known);
    }

    /// The operator's rules have changed.
    pub(super) fn show_all_anew(&self) {
        let known = &mut self.presences.lock();
        for pair in known.pairs(|_, _| true) {
            known.look_at(pair, Instant::now());
        }
    }

    /// A network has gone: nobody there is known to be there any more, nor what its users still see.
    pub(super) fn presence_lost(&self, id: &NetworkId) {
        let known = &mut self.presences.lock();
        for (by, to) in known.pairs(|_, to| to.network() == id) {
            if let Some(seen) = known.get(&by, &to) {
                seen.shown = None;
            }
        }
        self.nobody_is_there(known, |by| by.network() == id);
    }

    /// A network has come: what its users may see is shown them, at the next look.
    pub(super) fn presence_found(&self, id: &NetworkId) {
        let known = &mut self.presences.lock();
        for pair in known.pairs(|_, to| to.network() == id) {
            known.look_at(pair, Instant::now());
        }
    }

    /// Shows a portion of what waits to be shown.
    pub(super) fn show_presences(&self) {
        self.show_due(&mut self.presences.lock());
    }

    fn show_due(&self, known: &mut Known) {
        let now = Instant::now();
        let mut portions: HashMap<NetworkId, Vec<Pair>> = HashMap::new();
        for (pair, _) in known.due.iter().filter(|(_, at)| **at <= now) {
            let portion = portions.entry(pair.1.network().clone()).or_default();
            if portion.len() < PORTION {
                portion.push(pair.clone());
            }
        }
        for portion in portions.into_values() {
            for (by, to) in portion {
                known.due.remove(&(by.clone(), to.clone()));
                // Who is behind in a network without room waits for the next look.
                if !self.show_presence(known, &by, &to) {
                    break;
                }
            }
        }
    }

    /// Shows it, if there is room; whether there was.
    fn show_presence(&self, known: &mut Known, by: &UserId, to: &UserId) -> bool {
        let Some(seen) = known.get(by, to) else { return true };
        let is = if self.may_see(by, to) { seen.is } else { There::Offline };
        let target = self.networks.get(to.network());
        // Who is not there now is shown it on coming.
        if let Some(target) = target.filter(|target| target.is_up())
            && seen.shown != Some(is)
        {
            let presence = Presence { by: by.clone(), to: to.clone(), is };
            if !target.setup.adapter.signal(Signal::Presence(presence)) {
                known.due.insert((by.clone(), to.clone()), Instant::now());
                return false;
            }
            seen.shown = Some(is);
        }
        if (seen.is, seen.shown) == (There::Offline, Some(There::Offline)) {
            known.forget(by, to);
        }
        true
    }

    fn may_see(&self, by: &UserId, to: &UserId) -> bool {
        let Some(source) = self.networks.get(by.network()) else { return false };
        self.people.shows_presence(by) && self.passes(source, by, to, Kind::Presence).is_some()
    }
}

/// For whom a change decides who sees what.
enum Concerned<'a> {
    /// What the first says of the other.
    Two(&'a UserId, &'a UserId),
    One(&'a UserId),
    Nobody,
}

fn concerned(change: &PeopleChange) -> Concerned<'_> {
    match change {
        PeopleChange::Block(Block { owner, blocked: other, .. })
        | PeopleChange::Unblock { owner, blocked: other }
        | PeopleChange::Contact { owner, other, .. }
        | PeopleChange::Decline { owner, other, .. } => Concerned::Two(owner, other),
        PeopleChange::Enable { user, .. }
        | PeopleChange::Disable { user, .. }
        | PeopleChange::Presence { user, .. }
        | PeopleChange::Strict { user, .. }
        | PeopleChange::Erase { user } => Concerned::One(user),
        _ => Concerned::Nobody,
    }
}
