//! Who is there (RFC 6121, 4), in both directions: users, as they show it to ghosts, and ghosts, as the
//! daemon shows them to users. Kept in little memory, for as long as the connection lasts.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Addressing, BlockEntry, Bridge, Passing, Presence, There, UserId};
use minidom::Element;
use tokio::time::Instant;

use crate::address::{self, Addresses};
use crate::ns;
use crate::profile::write;
use crate::xml::Xml;

/// Of how many pairs of a user and a ghost something is kept, for each direction: half of them in any case.
const PAIRS: usize = 16 * 1024;
/// How long a server may take to say that a ghost may not ask. What comes later is the user's own word.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest ids of a pair, together, of which something is kept, in bytes.
const MAX_IDS: usize = 512;
/// How many clients of one user are told apart; those that come later are not seen.
const CLIENTS: usize = 16;

/// What is known.
#[derive(Default)]
pub(crate) struct Availability(Mutex<State>);

#[derive(Default)]
struct State {
    /// The clients of users, by whom they show themselves to.
    users: Recent<Pair, Vec<(u64, There)>>,
    /// What makes numbers of clients' names.
    hash: RandomState,
    /// Of which users it was asked how they are, for whom.
    asked: Recent<Pair, Instant>,
    /// Users who were asked in return to show it to a ghost, since the connection is there.
    asked_back: Recent<Pair, ()>,
    /// Ghosts that are there, by the users who may see it.
    ghosts: Recent<Pair, There>,
    /// The pictures of ghosts, by the users to whom they were shown; `None` if one has none.
    photos: Recent<Pair, Option<String>>,
}

/// Who is there, and who may see it.
type Pair = (UserId, UserId);

fn fits((by, to): &Pair) -> bool {
    by.id().len() + to.id().len() <= MAX_IDS
}

/// What was touched last; the rest goes when there is no room.
struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { new: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.new.get(key).or_else(|| self.old.get(key))
    }

    fn take(&mut self, key: &K) -> Option<V> {
        let (new, old) = (self.new.remove(key), self.old.remove(key));
        new.or(old)
    }

    /// Keeps what was [taken](Recent::take), or is new.
    fn put(&mut self, key: K, value: V) {
        if self.new.len() >= PAIRS / 2 {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }
}

/// What a stanza tells of a user's client.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    by: UserId,
    to: UserId,
    /// Empty if it is all of them.
    client: String,
    /// `None` if it is not to be known any more.
    is: Option<There>,
}

/// What a presence stanza tells; its words in no part.
fn read(stanza: &Element, addresses: &Addresses, bridge: &Bridge) -> Option<Told> {
    let show = || stanza.get_child("show", stanza.ns().as_str()).map(Element::text);
    let is = match stanza.attr("type") {
        None if matches!(show().as_deref(), Some("away" | "xa")) => Some(There::Away),
        None => Some(There::Online),
        Some("unavailable") => Some(There::Offline),
        Some("unsubscribed") => None,
        Some(_) => return None,
    };
    // Whoever takes a ghost for a room shows nothing.
    if stanza.has_child("x", ns::MUC) {
        return None;
    }
    let from = stanza.attr("from")?;
    let by = addresses.canonical(from).ok()?;
    let to = addresses.user_at(stanza.attr("to")?).ok().filter(|user| bridge.knows(user))?;
    let jid = address::parse(from).ok()?;
    if !fits(&(by.clone(), to.clone())) {
        return None;
    }
    let client = jid.resource().map(ToString::to_string).unwrap_or_default();
    Some(Told { by, to, client, is })
}

impl Availability {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A presence stanza from a user: the daemon hears of it if something has changed.
    pub(crate) fn heard(&self, stanza: &Element, addresses: &Addresses, bridge: &Bridge) {
        let Some(told) = read(stanza, addresses, bridge) else { return };
        let (by, to) = (told.by.clone(), told.to.clone());
        let changed = self.lock().note(told);
        if let Some(is) = changed {
            bridge.pass(Passing::Presence(Presence { by, to, is }));
        }
    }

    /// Asks how a user is, who has something to do with a ghost, if nothing is known of it: no server says
    /// it again to a bridge that was away. What `says` could not take is asked the next time.
    pub(crate) fn wonders(
        &self,
        ghost: &UserId,
        user: &UserId,
        addresses: &Addresses,
        says: impl FnOnce(&Xml) -> bool,
    ) {
        let pair = (user.clone(), ghost.clone());
        // Held until it is noted: the answer may come at once.
        let mut state = self.lock();
        if !fits(&pair) || state.users.get(&pair).is_some() || state.asked.get(&pair).is_some() {
            return;
        }
        let Ok(from) = addresses.address_of(ghost) else { return };
        let probe = Xml::new("presence").attr("type", "probe").attr("from", from);
        if says(&probe.attr("to", user.id())) {
            state.asked.put(pair, Instant::now());
        }
    }

    /// Whether this, of a user to a ghost, only says that the ghost may not ask how the user is: it is a
    /// server's word, and no gesture.
    pub(crate) fn is_answer(
        &self,
        stanza: &Element,
        addresses: &Addresses,
        bridge: &Bridge,
    ) -> bool {
        let Some(Told { by, to, is: None, .. }) = read(stanza, addresses, bridge) else {
            return false;
        };
        self.lock().asked.get(&(by, to)).is_some_and(|asked| asked.elapsed() < ANSWER)
    }

    /// Whether a ghost asks a user in return to see how it is: no more than once, and not if it sees that.
    pub(crate) fn asks_back(&self, ghost: &UserId, user: &UserId) -> bool {
        let pair = (user.clone(), ghost.clone());
        let mut state = self.lock();
        let is_shown = state.users.get(&pair).is_some_and(|clients| !clients.is_empty());
        if is_shown || !fits(&pair) || state.asked_back.get(&pair).is_some() {
            return false;
        }
        state.asked_back.put(pair, ());
        true
    }

    /// What the daemon shows of a ghost; the stanza that says it.
    pub(crate) fn shows(&self, presence: &Presence, addresses: &Addresses) -> Option<Xml> {
        let Presence { by, to, is } = presence;
        let from = addresses.address_of(by).ok()?;
        let pair = (by.clone(), to.clone());
        let mut state = self.lock();
        state.ghosts.take(&pair);
        if *is != There::Offline && fits(&pair) {
            state.ghosts.put(pair, *is);
        }
        Some(state.dressed(*is, by, to).attr("from", from).attr("to", to.id()))
    }

    /// What is known of a ghost for one user: for all others, and of all others, it is not there.
    pub(crate) fn of(&self, ghost: &UserId, user: &UserId) -> There {
        let pair = (ghost.clone(), user.clone());
        self.lock().ghosts.get(&pair).copied().unwrap_or(There::Offline)
    }

    /// The stanza that shows a ghost anew to a user who does not block it any more, if it is there.
    pub(crate) fn again(&self, entry: &BlockEntry, addresses: &Addresses) -> Option<Xml> {
        let BlockEntry { owner, other, blocked } = entry;
        if *blocked { None } else { self.still(other, owner, addresses) }
    }

    /// The stanza that says again how a ghost is there for a user, if it is.
    fn still(&self, ghost: &UserId, user: &UserId, addresses: &Addresses) -> Option<Xml> {
        let is = self.of(ghost, user);
        if is == There::Offline {
            return None;
        }
        let from = addresses.address_of(ghost).ok()?;
        Some(self.stanza(is, ghost, user).attr("from", from).attr("to", user.id()))
    }

    /// A ghost has this picture for a user from now on; the stanza that says so, if it is there.
    pub(crate) fn wears(
        &self,
        ghost: &UserId,
        user: &UserId,
        photo: Option<String>,
        addresses: &Addresses,
    ) -> Option<Xml> {
        let pair = (ghost.clone(), user.clone());
        if fits(&pair) {
            let mut state = self.lock();
            state.photos.take(&pair);
            state.photos.put(pair, photo);
        }
        self.still(ghost, user, addresses)
    }

    /// A presence stanza of a ghost for a user, without addresses.
    pub(crate) fn stanza(&self, is: There, ghost: &UserId, user: &UserId) -> Xml {
        self.lock().dressed(is, ghost, user)
    }

    /// Whether a user lets a ghost see how they are, and is there.
    pub(crate) fn sees(&self, ghost: &UserId, user: &UserId) -> bool {
        let pair = (user.clone(), ghost.clone());
        self.lock().users.get(&pair).is_some_and(|clients| !clients.is_empty())
    }

    /// A user does not want to see a ghost any more; whether it was there.
    pub(crate) fn unwanted(&self, ghost: &UserId, user: &UserId) -> bool {
        self.lock().ghosts.take(&(ghost.clone(), user.clone())).is_some()
    }

    /// What the ghosts say that are there, when the bridge goes.
    pub(crate) fn farewell(&self, addresses: &Addresses) -> Vec<Xml> {
        let ghosts = std::mem::take(&mut self.lock().ghosts);
        let gone = |(ghost, user): &Pair| {
            let from = addresses.address_of(ghost).ok()?;
            Some(stanza(There::Offline).attr("from", from).attr("to", user.id()))
        };
        ghosts.new.keys().chain(ghosts.old.keys()).filter_map(gone).collect()
    }

    /// The connection is gone: who comes and goes is seen no more.
    pub(crate) fn lost(&self, bridge: &Bridge) {
        let State { users, .. } = {
            let mut state = self.lock();
            let photos = std::mem::take(&mut state.photos);
            std::mem::replace(&mut *state, State { photos, ..State::default() })
        };
        for ((by, to), clients) in users.new.into_iter().chain(users.old) {
            if !clients.is_empty() {
                bridge.pass(Passing::Presence(Presence { by, to, is: There::Offline }));
            }
        }
    }
}

impl State {
    /// A presence stanza of a ghost for a user, with what is known of how it looks.
    fn dressed(&self, is: There, ghost: &UserId, user: &UserId) -> Xml {
        let stanza = stanza(is);
        if is == There::Offline {
            return stanza;
        }
        let photo = self.photos.get(&(ghost.clone(), user.clone()));
        let update = photo.map(|photo| write::card_update(photo.as_deref()));
        update.into_iter().fold(stanza.child(write::caps()), Xml::child)
    }

    /// How the user is there now, if that has changed.
    fn note(&mut self, Told { by, to, client, is }: Told) -> Option<There> {
        let pair = (by, to);
        let (all, client) = (client.is_empty(), self.hash.hash_one(client));
        self.asked.take(&pair);
        let known = self.users.take(&pair);
        let before = known.as_deref().map(best);
        let mut clients = known.unwrap_or_default();
        let Some(is) = is else {
            // So it is not asked for again.
            self.users.put(pair, Vec::new());
            return before.filter(|before| *before != There::Offline).map(|_| There::Offline);
        };
        match is {
            There::Offline if all => clients.clear(),
            There::Offline => clients.retain(|(other, _)| *other != client),
            _ => {
                clients.retain(|(other, _)| *other != client);
                if clients.len() < CLIENTS {
                    clients.push((client, is));
                }
            }
        }
        let now = best(&clients);
        self.users.put(pair, clients);
        (before != Some(now)).then_some(now)
    }
}

/// How somebody is there whose clients are these.
fn best(clients: &[(u64, There)]) -> There {
    let is = |wanted: There| clients.iter().any(|(_, is)| *is == wanted);
    match (is(There::Online), is(There::Away)) {
        (true, _) => There::Online,
        (false, true) => There::Away,
        (false, false) => There::Offline,
    }
}

/// A presence stanza without addresses.
pub(crate) fn stanza(is: There) -> Xml {
    let stanza = Xml::new("presence");
    match is {
        There::Online => stanza,
        There::Away => stanza.child(Xml::new("show").text("away")),
        There::Offline => stanza.attr("type", "unavailable"),
    }
}

#[cfg(test)]
#[path = "availability_tests.rs"]
mod tests;
