//! Whom users block, by the lists that their own servers keep.
//!
//! No server tells the bridge of a change, so a list is read when there is a reason: the connection is
//! new, its owner shows presence, a message to its owner came back, or an owner of whom a ghost is
//! blocked writes, or has not been asked for a while. What is on it now and was not before, or the
//! other way round, is a gesture. What was seen last stands in memos, one for each blocked ghost:
//! `listed/<owner>/<ghost's node>`, and with an empty node for the whole bridge.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, BlockEntry, Bridge, Code, Delivered, DeliveryError, Gesture, Memo, Unavailable,
    UserId, log,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::address::{self, Addresses};
use crate::gestures;
use crate::log::{LIST_UNREADABLE, LISTS_FORBIDDEN};
use crate::outward::Outward;
use crate::privilege::{self, Grant, Grants, Trouble};
use crate::seen::{self, Note, Seen};
use crate::turns::{PAGE, Turns, WAITING, later};

/// What a memo of a list begins with.
const PREFIX: &str = "listed/";
/// The value of a memo: it was on the list; or it is being written, and the list may show it or not.
const LISTED: &str = "";
const WRITING: &str = "writing";
/// How many owners of lists with ghosts are remembered, and how many reads just done.
const OWNERS: usize = 16 * 1024;
/// How often the lists with ghosts are read without another reason.
const AGAIN: Duration = Duration::from_mins(1);
/// The pause between two lists, when many are read.
const BETWEEN: Duration = Duration::from_millis(20);

/// The lists of all users.
pub(crate) struct Lists {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    grants: Arc<Grants>,
    /// Who was seen.
    pub(crate) seen: Seen,
    state: Mutex<State>,
    /// One list is read or written by one at a time: what was seen last must fit what was read.
    turns: Turns,
    wanted: mpsc::Sender<UserId>,
    granted: Notify,
    told: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Whose list is to be read.
    wanted: HashSet<String>,
    /// On whose list ghosts were.
    owners: BTreeSet<String>,
    /// When a list was last asked for, of those that were got.
    read: HashMap<String, Instant>,
}

impl State {
    /// Whether ghosts are on a user's list.
    fn owns(&mut self, owner: &UserId, owns: bool) {
        if !owns {
            self.owners.remove(owner.id());
        } else if self.owners.len() < OWNERS {
            self.owners.insert(owner.id().to_owned());
        }
    }
}

/// What [`Lists::run`] works on.
pub(crate) struct Work {
    wanted: mpsc::Receiver<UserId>,
    noted: mpsc::Receiver<Note>,
}

/// Why it is not known what stands on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// The user's server does not let the bridge read it, or did not answer.
    Closed,
    /// There is no such user.
    Nobody,
}

impl Lists {
    /// Nothing known yet.
    pub(crate) fn new(
        addresses: Arc<Addresses>,
        outward: Arc<Outward>,
        grants: Arc<Grants>,
    ) -> (Self, Work) {
        let (wanted, wants) = mpsc::channel(WAITING);
        let (seen, noted) = Seen::new();
        let lists = Self {
            addresses,
            outward,
            grants,
            seen,
            state: Mutex::default(),
            turns: Turns::new(),
            wanted,
            granted: Notify::new(),
            told: AtomicBool::new(false),
        };
        (lists, Work { wanted: wants, noted })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection.
    pub(crate) fn connected(&self) {
        self.told.store(false, Ordering::Relaxed);
    }

    /// A server has said what it allows.
    pub(crate) fn granted(&self) {
        self.granted.notify_one();
    }

    fn allows(&self, owner: &UserId) -> Grant {
        self.grants.of(owner, &self.addresses)
    }

    /// There is a reason to read a user's list.
    pub(crate) fn look(&self, owner: &UserId) {
        if !self.allows(owner).read {
            return;
        }
        let mut state = self.lock();
        if !state.wanted.contains(owner.id()) && self.wanted.try_send(owner.clone()).is_ok() {
            state.wanted.insert(owner.id().to_owned());
        }
    }

    /// A user wrote. Who has blocked ghosts may have unblocked one to do so.
    pub(crate) fn wrote(&self, user: &UserId) {
        self.seen.wrote(user);
        let owns = self.lock().owners.contains(user.id());
        if owns {
            self.look(user);
        }
    }

    /// Reads lists for as long as the daemon runs.
    pub(crate) async fn run(&self, work: Work, bridge: &Bridge) {
        let Work { mut wanted, mut noted } = work;
        let reads = async {
            while let Some(owner) = wanted.recv().await {
                self.lock().wanted.remove(owner.id());
                if self.seen.has(&owner, bridge).await {
                    let _ = self.read(&owner, bridge).await;
                }
            }
        };
        let work =
            async { tokio::join!(reads, self.rounds(bridge), self.seen.keep(&mut noted, bridge)) };
        tokio::select! {
            _ = work => {}
            () = bridge.stopping() => {}
        }
    }

    /// Reads the lists of all users seen when a server allows it, and those with ghosts now and then.
    async fn rounds(&self, bridge: &Bridge) {
        loop {
            let granted = timeout(AGAIN, self.granted.notified()).await.is_ok();
            if granted {
                self.read_all(bridge).await;
            } else {
                let owners: Vec<_> = self.lock().owners.iter().cloned().collect();
                self.read_these(owners.iter().map(String::as_str), bridge).await;
            }
        }
    }

    async fn read_all(&self, bridge: &Bridge) {
        let mut after = String::new();
        while let Ok(page) = bridge.recall_all(seen::PREFIX, &after, PAGE).await {
            let Some((last, _)) = page.last() else { return };
            after.clone_from(last);
            let owners = page.iter().filter_map(|(key, _)| key.strip_prefix(seen::PREFIX));
            self.read_these(owners, bridge).await;
        }
    }

    async fn read_these(&self, owners: impl Iterator<Item = &str>, bridge: &Bridge) {
        for owner in owners.filter_map(|owner| self.addresses.canonical(owner).ok()) {
            if self.allows(&owner).read {
                let _ = self.read(&owner, bridge).await;
                sleep(BETWEEN).await;
            }
        }
    }

    /// A message to `owner` from the ghost of `other` came back, as one does that is blocked, and one
    /// to nobody: whether nothing is to be said about it. `since` is when it came back.
    pub(crate) async fn hides(
        &self,
        owner: &UserId,
        other: &UserId,
        since: Instant,
        bridge: &Bridge,
    ) -> bool {
        let recent = self.lock().read.get(owner.id()).is_some_and(|asked| *asked >= since);
        let read = if recent { Ok(()) } else { self.read(owner, bridge).await };
        match read {
            Ok(()) => self.has_listed(owner, other, bridge).await,
            Err(Unread::Nobody) => false,
            Err(Unread::Closed) => self.seen.has(owner, bridge).await,
        }
    }

    async fn has_listed(&self, owner: &UserId, other: &UserId, bridge: &Bridge) -> bool {
        let ghost = self.node(other);
        for node in [Some(String::new()), ghost].into_iter().flatten() {
            // What cannot be looked up now is treated like what is there.
            if !matches!(bridge.recall(&key(owner, &node)).await, Ok(None)) {
                return true;
            }
        }
        false
    }

    /// The node of a ghost's address.
    fn node(&self, user: &UserId) -> Option<String> {
        let address = self.addresses.address_of(user).ok()?;
        address.rsplit_once('@').map(|(node, _)| node.to_owned())
    }

    /// Reads a list, and tells the daemon what has changed.
    async fn read(&self, owner: &UserId, bridge: &Bridge) -> Result<(), Unread> {
        if !self.allows(owner).read {
            return Err(Unread::Closed);
        }
        let _turn = self.turns.take(owner).await;
        let asked = Instant::now();
        let query = |id: &str| privilege::read(self.addresses.component(), owner.id(), id);
        let answer = self.outward.ask(owner.id(), query).await.map_err(|_| Unread::Closed)?;
        let now = match privilege::listed(&answer) {
            Ok(listed) => Some(self.ghosts(&listed)),
            Err(Trouble::Closed) => None,
            Err(Trouble::Forbidden) => return Err(Unread::Nobody),
            Err(trouble) => {
                log!(LIST_UNREADABLE, user = %bridge.tag_user(owner), why = ?trouble);
                return Err(Unread::Closed);
            }
        };
        self.compare(owner, now, bridge).await.map_err(|_| Unread::Closed)?;
        let mut state = self.lock();
        if state.read.len() >= OWNERS {
            state.read.clear();
        }
        state.read.insert(owner.id().to_owned(), asked);
        Ok(())
    }

    /// The nodes of ghosts in a list; an empty one stands for the whole bridge.
    fn ghosts(&self, listed: &[String]) -> BTreeSet<String> {
        let ours = |item: &String| {
            let jid = address::parse(item).ok().filter(|jid| jid.resource().is_none())?;
            let ours = jid.domain().as_str() == self.addresses.component();
            ours.then(|| jid.node().map(|node| node.as_str().to_owned()).unwrap_or_default())
        };
        listed.iter().filter_map(ours).collect()
    }

    /// Tells what is on a list and was not, and the other way round. `now` is `None` if the whole bridge
    /// is blocked and nothing else is known.
    async fn compare(
        &self,
        owner: &UserId,
        now: Option<BTreeSet<String>>,
        bridge: &Bridge,
    ) -> Result<(), Unavailable> {
        let before = before(owner, bridge).await?;
        let closed = now.is_none();
        let now = now.unwrap_or_else(|| BTreeSet::from([String::new()]));
        let mut memos = Vec::new();
        for node in now.iter().filter(|node| !before.contains_key(*node)) {
            if let Some(gesture) = self.gesture(node, Gesture::Block, bridge) {
                tell(owner, gesture, bridge).await?;
                memos.push(Memo::set(key(owner, node), LISTED));
            }
        }
        for (node, _) in before
            .iter()
            .filter(|(node, value)| !closed && value.as_str() == LISTED && !now.contains(*node))
        {
            // Nothing is switched on again by itself.
            let gesture = self.gesture(node, Gesture::Unblock, bridge);
            if let Some(gesture) = gesture.filter(|_| !node.is_empty()) {
                tell(owner, gesture, bridge).await?;
            }
            memos.push(Memo::forget(key(owner, node)));
        }
        self.lock().owns(owner, !now.is_empty());
        if memos.is_empty() { Ok(()) } else { bridge.remember(memos).await }
    }

    fn gesture(
        &self,
        node: &str,
        meant: impl Fn(UserId) -> Gesture,
        bridge: &Bridge,
    ) -> Option<Gesture> {
        if node.is_empty() {
            return Some(Gesture::Disable);
        }
        let address = format!("{node}@{}", self.addresses.component());
        let user = self.addresses.user_at(&address).ok().filter(|user| bridge.knows(user))?;
        Some(meant(user))
    }

    /// Writes an entry by order of the daemon.
    pub(crate) async fn write(
        &self,
        entry: &BlockEntry,
        bridge: &Bridge,
    ) -> Result<Delivered, DeliveryError> {
        let BlockEntry { owner, other, blocked } = entry;
        if !self.allows(owner).write {
            // What a server allows it says first of all on a connection: before it confirms this.
            self.outward.confirm().await?;
        }
        if !self.allows(owner).write {
            if !self.told.swap(true, Ordering::Relaxed) {
                log!(LISTS_FORBIDDEN);
            }
            return Ok(Delivered::default());
        }
        let own = other.network() == owner.network();
        let node = if own { None } else { self.node(other) };
        let address = match &node {
            Some(node) => format!("{node}@{}", self.addresses.component()),
            None if own => other.id().to_owned(),
            // Who has no address here has no ghost either.
            None => return Ok(Delivered::default()),
        };
        let _turn = self.turns.take(owner).await;
        let memo = node.map(|node| key(owner, &node));
        let before = match &memo {
            Some(memo) => bridge.recall(memo).await.map_err(later)?,
            None => None,
        };
        note(memo.as_deref(), Some(WRITING), bridge).await?;
        let query = |id: &str| {
            privilege::write(self.addresses.component(), owner.id(), id, &address, *blocked)
        };
        let answer = self.outward.ask(owner.id(), query).await?;
        let outcome = privilege::done(&answer.element);
        let written = outcome.is_ok() || (outcome == Err(Trouble::Absent) && !blocked);
        let after = match (written, blocked) {
            (true, true) => Some(LISTED),
            (true, false) => None,
            (false, _) => before.as_deref().filter(|before| *before == LISTED),
        };
        note(memo.as_deref(), after, bridge).await?;
        if written {
            return Ok(Delivered::default());
        }
        let why = "the user's server does not take it on the list";
        Err(DeliveryError::Refused { refusal: Code::Forbidden.into(), why })
    }
}

async fn note(
    key: Option<&str>,
    value: Option<&str>,
    bridge: &Bridge,
) -> Result<(), DeliveryError> {
    let Some(key) = key else { return Ok(()) };
    let memo = Memo { key: key.to_owned(), value: value.map(str::to_owned) };
    bridge.remember(vec![memo]).await.map_err(later)
}

async fn tell(owner: &UserId, gesture: Gesture, bridge: &Bridge) -> Result<(), Unavailable> {
    if gestures::tell(owner, &gesture, bridge).await { Ok(()) } else { Err(Unavailable::Stopping) }
}

fn key(owner: &UserId, node: &str) -> String {
    format!("{PREFIX}{}/{node}", owner.id())
}

/// What was last seen on a list.
async fn before(owner: &UserId, bridge: &Bridge) -> Result<BTreeMap<String, String>, Unavailable> {
    let prefix = key(owner, "");
    let (mut found, mut after) = (BTreeMap::new(), String::new());
    loop {
        let page = bridge.recall_all(&prefix, &after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        let nodes = page.into_iter().filter_map(|(key, value)| {
            key.strip_prefix(&prefix).map(|node| (node.to_owned(), value))
        });
        found.extend(nodes);
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
