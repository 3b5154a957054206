//! The group of a user's contact list in which the chats with users of some networks stand.
//!
//! XMPP clients show chats where their contacts stand, so a folder is a group of the roster, read and
//! written where the server lets the bridge do so (XEP-0356). A chat is put there when it is met: by
//! what crosses in either direction, or by a subscription. What has no contact yet gets one, without a
//! subscription; a contact that the user has put into a group is left there. The folders of all users
//! stand in memos, `folder/<owner>`, and in memory, so that a message costs no look into the store.
//! Of chats without a contact only those met since the daemon's start are known when a folder is made;
//! older ones follow when they are met.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Delivered, DeliveryError, Folder, Memo, NetworkId, Unavailable,
    UserId, log,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::sleep;

use crate::address::Addresses;
use crate::log::{FOLDER_UNKEPT, FOLDER_UNREADABLE, FOLDERS_FORBIDDEN, FOLDERS_UNREAD};
use crate::outward::Outward;
use crate::privilege::Grants;
use crate::roster::{self, Item};
use crate::turns::{PAGE, Turns, WAITING, later};

/// What a memo begins with. The rest is the owner's JID.
const PREFIX: &str = "folder/";
/// How many folders are kept in memory. Beyond, only those of now are sorted, not those to come.
const FOLDERS: usize = 64 * 1024;
/// How many chats of one folder are known to stand in it.
const CHATS: usize = 1024;
/// How many chats are remembered of those that were met.
const MET: usize = 16 * 1024;
/// How long to wait before the memos are read again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The folders of all users.
pub(crate) struct Folders {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    grants: Arc<Grants>,
    loaded: OnceCell<()>,
    state: Mutex<HashMap<String, Kept>>,
    met: Mutex<Met>,
    /// One roster is written by one at a time.
    turns: Turns,
    wanted: mpsc::Sender<Want>,
    told: AtomicBool,
}

/// A folder, as a memo holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    name: String,
    networks: Vec<NetworkId>,
    /// How it was called before, as long as chats may stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
}

/// A folder in memory.
struct Kept {
    noted: Noted,
    /// Whose chats are known to stand where they should, or are about to.
    known: HashSet<UserId>,
    /// Whether the roster was looked through on this connection.
    looked: bool,
}

/// The chats that were met, by their owners.
#[derive(Default)]
struct Met {
    of: HashMap<String, HashSet<UserId>>,
    count: usize,
}

/// What is to be put into a folder: this chat, or all that stand nowhere.
pub(crate) struct Want {
    owner: UserId,
    other: Option<UserId>,
}

impl Folders {
    /// None yet; what is to be done for them comes out of the receiver.
    pub(crate) fn new(
        addresses: Arc<Addresses>,
        outward: Arc<Outward>,
        grants: Arc<Grants>,
    ) -> (Self, mpsc::Receiver<Want>) {
        let (wanted, wants) = mpsc::channel(WAITING);
        let folders = Self {
            addresses,
            outward,
            grants,
            loaded: OnceCell::new(),
            state: Mutex::default(),
            met: Mutex::default(),
            turns: Turns::new(),
            wanted,
            told: AtomicBool::new(false),
        };
        (folders, wants)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection: contacts may have changed meanwhile.
    pub(crate) fn connected(&self) {
        self.told.store(false, Ordering::Relaxed);
        for kept in self.lock().values_mut() {
            kept.known.clear();
            kept.looked = false;
        }
    }

    /// Somebody wrote to, or heard from, somebody; it never waits.
    pub(crate) fn met(&self, owner: &UserId, other: &UserId) {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).add(owner, other);
        let mut state = self.lock();
        let Some(kept) = state.get_mut(owner.id()) else { return };
        let wanted = kept.noted.networks.contains(other.network()) && !kept.known.contains(other);
        if !wanted || !self.may_keep(owner) {
            return;
        }
        let want = Want { owner: owner.clone(), other: Some(other.clone()) };
        if self.wanted.try_send(want).is_ok() {
            kept.knows(other.clone());
        }
    }

    /// A user is there, and may have made contacts.
    pub(crate) fn look(&self, owner: &UserId) {
        let mut state = self.lock();
        let Some(kept) = state.get_mut(owner.id()).filter(|kept| !kept.looked) else { return };
        if !kept.noted.networks.is_empty() && self.may_keep(owner) {
            let want = Want { owner: owner.clone(), other: None };
            kept.looked = self.wanted.try_send(want).is_ok();
        }
    }

    fn may_keep(&self, owner: &UserId) -> bool {
        self.grants.of(owner, &self.addresses).roster
    }

    async fn load(&self, bridge: &Bridge) -> Result<(), Unavailable> {
        let load = async {
            let mut after = String::new();
            loop {
                let page = bridge.recall_all(PREFIX, &after, PAGE).await?;
                let Some((last, _)) = page.last() else { return Ok(()) };
                after.clone_from(last);
                for (key, value) in &page {
                    let owner = key.strip_prefix(PREFIX).unwrap_or_default();
                    if let Some(noted) = self.read(owner, value, bridge) {
                        self.keep(owner, noted);
                    }
                }
            }
        };
        self.loaded.get_or_try_init(|| load).await.map(drop)
    }

    /// Loads until it can be done.
    async fn load_at_last(&self, bridge: &Bridge) {
        let mut wait = FIRST_WAIT;
        while let Err(why) = self.load(bridge).await {
            if wait == FIRST_WAIT {
                log!(FOLDERS_UNREAD, %why);
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn read(&self, owner: &str, value: &str, bridge: &Bridge) -> Option<Noted> {
        let noted = serde_json::from_str(value).ok();
        if noted.is_none() {
            let user = self.addresses.canonical(owner).ok();
            log!(FOLDER_UNREADABLE, user = user.map(|user| log::display(bridge.tag_user(&user))));
        }
        noted
    }

    fn keep(&self, owner: &str, noted: Noted) {
        let mut state = self.lock();
        if state.len() < FOLDERS || state.contains_key(owner) {
            let kept = Kept { noted, known: HashSet::new(), looked: false };
            state.insert(owner.to_owned(), kept);
        }
    }

    /// Puts chats into folders for as long as the daemon runs.
    pub(crate) async fn run(&self, mut wants: mpsc::Receiver<Want>, bridge: &Bridge) {
        let sorting = async {
            while let Some(Want { owner, other }) = wants.recv().await {
                if let Err(error) = self.place(&owner, other.as_ref(), bridge).await {
                    log!(FOLDER_UNKEPT, user = %bridge.tag_user(&owner), why = why(&error));
                    let mut state = self.lock();
                    let Some(kept) = state.get_mut(owner.id()) else { continue };
                    match &other {
                        Some(other) => drop(kept.known.remove(other)),
                        None => kept.looked = false,
                    }
                }
            }
        };
        let work = async { tokio::join!(self.load_at_last(bridge), sorting) };
        tokio::select! {
            _ = work => {}
            () = bridge.stopping() => {}
        }
    }

    /// Puts the chat with `other`, or all that stand nowhere, into the owner's folder.
    async fn place(
        &self,
        owner: &UserId,
        other: Option<&UserId>,
        bridge: &Bridge,
    ) -> Result<(), DeliveryError> {
        let _turn = self.turns.take(owner).await;
        let Some(noted) = self.lock().get(owner.id()).map(|kept| kept.noted.clone()) else {
            return Ok(());
        };
        let items = self.contacts(owner, bridge).await?;
        let mut rest = Vec::new();
        match other {
            None => rest.extend(items),
            Some(other) => match items.into_iter().find(|(user, _)| user == other) {
                Some(found) => rest.push(found),
                // Who has no address here has no ghost either.
                None => rest.extend(
                    self.addresses
                        .address_of(other)
                        .ok()
                        .map(|address| (other.clone(), Item::new(address))),
                ),
            },
        }
        for (user, mut item) in rest {
            if !noted.networks.contains(user.network()) {
                continue;
            }
            let stands = !item.groups.is_empty() || {
                item.groups.push(noted.name.clone());
                self.set(owner, &item, bridge).await?
            };
            if let Some(kept) = self.lock().get_mut(owner.id()) {
                if stands {
                    kept.knows(user);
                } else {
                    kept.known.remove(&user);
                }
            }
        }
        Ok(())
    }

    /// Sorts a user's chats by order of the daemon. What it cannot sort leaves all as it was, also what is
    /// noted: chats that stand in a folder are not forgotten there.
    pub(crate) async fn write(
        &self,
        folder: &Folder,
        bridge: &Bridge,
    ) -> Result<Delivered, DeliveryError> {
        let Folder { owner, name, networks } = folder;
        self.load(bridge).await.map_err(later)?;
        let _turn = self.turns.take(owner).await;
        let memo = bridge.recall(&key(owner)).await.map_err(later)?;
        if !self.may_keep(owner) {
            // What a server allows it says first of all on a connection: before it confirms this.
            self.outward.confirm().await?;
        }
        if !self.may_keep(owner) {
            if !self.told.swap(true, Ordering::Relaxed) {
                log!(FOLDERS_FORBIDDEN);
            }
            if networks.is_empty() && memo.is_none() {
                return Ok(Delivered::default());
            }
            return Err(refused("the server does not let the bridge write contacts"));
        }
        let earlier = memo.and_then(|memo| self.read(owner.id(), &memo, bridge));
        let mut before = earlier.map_or_else(Vec::new, |Noted { name, mut before, .. }| {
            before.push(name);
            before
        });
        before.retain(|earlier| earlier != name);
        let noted = Noted { name: name.clone(), networks: networks.clone(), before };
        self.note(owner, &noted, bridge).await?;
        let Sorted { taken, left } = self.sort(owner, &noted, bridge).await?;
        if left > 0 {
            // What is noted stays: it says where chats may still stand.
            return if taken == 0 || networks.is_empty() {
                Err(refused(UNTAKEN))
            } else {
                Ok(Delivered::default())
            };
        }
        if networks.is_empty() {
            bridge.remember(vec![Memo::forget(key(owner))]).await.map_err(later)?;
            self.lock().remove(owner.id());
        } else {
            self.note(owner, &Noted { before: Vec::new(), ..noted }, bridge).await?;
        }
        Ok(Delivered::default())
    }

    async fn sort(
        &self,
        owner: &UserId,
        noted: &Noted,
        bridge: &Bridge,
    ) -> Result<Sorted, DeliveryError> {
        let mut chats = self.contacts(owner, bridge).await?;
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).of(owner);
        for other in met.into_iter().filter(|other| noted.networks.contains(other.network())) {
            let address = self.addresses.address_of(&other).ok();
            let new = address.filter(|_| chats.iter().all(|(user, _)| *user != other));
            chats.extend(new.map(|address| (other, Item::new(address))));
        }
        let mut sorted = Sorted::default();
        for (user, mut item) in chats {
            let was = item.groups.clone();
            noted.sort(&user, &mut item.groups);
            if item.groups != was {
                let taken = self.set(owner, &item, bridge).await?;
                *(if taken { &mut sorted.taken } else { &mut sorted.left }) += 1;
            }
        }
        Ok(sorted)
    }

    /// Writes down what a folder is, before it is anywhere else.
    async fn note(
        &self,
        owner: &UserId,
        noted: &Noted,
        bridge: &Bridge,
    ) -> Result<(), DeliveryError> {
        let value =
            serde_json::to_string(noted).map_err(|_| refused("it cannot be written down"))?;
        bridge.remember(vec![Memo::set(key(owner), value)]).await.map_err(later)?;
        self.keep(owner.id(), noted.clone());
        Ok(())
    }

    /// The contacts of a user that are ghosts, and whose.
    async fn contacts(
        &self,
        owner: &UserId,
        bridge: &Bridge,
    ) -> Result<Vec<(UserId, Item)>, DeliveryError> {
        let query = |id: &str| roster::read(self.addresses.component(), owner.id(), id);
        let answer = self.outward.ask(owner.id(), query).await?;
        let items = roster::items(&answer).ok_or_else(|| refused(UNREADABLE))?;
        let ghost = |item: Item| {
            let user = self.addresses.user_at(&item.jid).ok().filter(|user| bridge.knows(user))?;
            Some((user, item))
        };
        Ok(items.into_iter().filter_map(ghost).collect())
    }

    /// Writes a contact; whether the user's server takes it.
    async fn set(
        &self,
        owner: &UserId,
        item: &Item,
        bridge: &Bridge,
    ) -> Result<bool, DeliveryError> {
        let query = |id: &str| roster::write(self.addresses.component(), owner.id(), id, item);
        let answer = self.outward.ask(owner.id(), query).await?;
        let taken = answer.element.attr("type") == Some("result");
        if !taken {
            log!(FOLDER_UNKEPT, user = %bridge.tag_user(owner), why = UNTAKEN);
        }
        Ok(taken)
    }
}

/// How many contacts the server took, and how many it left where they stood.
#[derive(Default)]
struct Sorted {
    taken: usize,
    left: usize,
}

impl Noted {
    /// Puts a chat into its folder or takes it out. What its user has grouped by hand stays there.
    fn sort(&self, chat: &UserId, groups: &mut Vec<String>) {
        let within = self.networks.contains(chat.network());
        let begun = groups.len();
        groups.retain(|group| !self.before.contains(group) && (within || *group != self.name));
        let stood_there = groups.len() < begun;
        let stands = groups.contains(&self.name);
        if within && !stands && (stood_there || groups.is_empty()) {
            groups.push(self.name.clone());
        }
    }
}

impl Met {
    fn add(&mut self, owner: &UserId, other: &UserId) {
        if self.of.get(owner.id()).is_some_and(|met| met.contains(other)) {
            return;
        }
        if self.count >= MET {
            *self = Self::default();
        }
        self.count += 1;
        self.of.entry(owner.id().to_owned()).or_default().insert(other.clone());
    }

    fn of(&self, owner: &UserId) -> HashSet<UserId> {
        self.of.get(owner.id()).cloned().unwrap_or_default()
    }
}

impl Kept {
    fn knows(&mut self, user: UserId) {
        if self.known.len() >= CHATS {
            self.known.clear();
        }
        self.known.insert(user);
    }
}

fn key(owner: &UserId) -> String {
    format!("{PREFIX}{}", owner.id())
}

const UNTAKEN: &str = "the user's server does not take it into the roster";
const UNREADABLE: &str = "the user's server does not show the roster, or it is too long";

fn refused(why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: Code::Forbidden.into(), why }
}

fn why(error: &DeliveryError) -> &'static str {
    match error {
        DeliveryError::Refused { why, .. }
        | DeliveryError::Retry { why, .. }
        | DeliveryError::Unknown { why } => why,
        DeliveryError::Disconnected => "the connection was lost",
    }
}

#[cfg(test)]
#[path = "folders_tests.rs"]
mod tests;
