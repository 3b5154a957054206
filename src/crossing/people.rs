//! What people want, as it changes: on disk first, then in force, then confirmed.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    Access, BlockEntry, Capabilities, Command, ConversationId, Folder, Gesture, MuteEntry, MuteFor,
    NetworkId, RequestOver, Tag, Timestamp, Unavailable, UserId, log,
};

use serde::{Deserialize, Serialize};

use super::{Crossing, Network};
use crate::clock::{self, Machine};
use crate::gate::{Role, Strictness};
use crate::log::{
    ACCOUNT_UNLINKED, ACCOUNTS_LINKED, BLOCK_LIFTED, BLOCK_SET, CHAT_MUTED, CHAT_UNMUTED,
    CONTACT_MADE, INBOX_CHANGED, NETWORK_SWITCHED_OFF, NETWORK_SWITCHED_ON, PRESENCE_CHANGED,
    RECEIPTS_CHANGED, REQUEST_DECLINED, STRICTNESS_CHANGED, USER_ERASED,
};
use crate::people::{LinkError, MOST_SAID, People, Said};
use crate::store::{Block, NewRow, Payload, PeopleChange, StoreError};

/// How often the bridge's own clock is kept while something waits for it: so long a jump of the
/// machine's clock counts, if the machine is then started anew.
const KEEP_CLOCK: Duration = Duration::from_hours(1);

/// Why a rule about people cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeopleError {
    /// No such network is configured.
    #[error("there is no network {0}")]
    NoNetwork(NetworkId),
    /// The network spells its users in another way, or has no such users.
    #[error("{0} is not how its network spells a user")]
    Spelling(UserId),
    /// Nobody is kept from themselves.
    #[error("a user cannot block themselves")]
    Oneself,
    /// Only a third-party network is switched on and off.
    #[error("{0} is no third-party network: it is always on")]
    AlwaysOn(NetworkId),
    /// Nobody says so much of others.
    #[error("a user has at most {MOST_SAID} {0}")]
    TooManySaid(Said),
    /// A person has not so many accounts.
    #[error("a person has at most {0} accounts")]
    TooManyAccounts(usize),
    /// The store.
    #[error("it could not be written")]
    Store(#[from] StoreError),
}

/// A change that somebody asked for from outside a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Change {
    Block {
        owner: UserId,
        blocked: UserId,
    },
    Unblock {
        owner: UserId,
        blocked: UserId,
    },
    Enable {
        user: UserId,
        network: NetworkId,
    },
    Disable {
        user: UserId,
        network: NetworkId,
    },
    Accept {
        owner: UserId,
        other: UserId,
    },
    Decline {
        owner: UserId,
        other: UserId,
    },
    Mute {
        owner: UserId,
        other: UserId,
        #[serde(rename = "for")]
        how: MuteFor,
    },
    Unmute {
        owner: UserId,
        other: UserId,
    },
    /// Whether nobody is told what the user has read.
    Receipts {
        user: UserId,
        unseen: bool,
    },
    /// Whether others see that the user is there.
    Presence {
        user: UserId,
        shown: bool,
    },
    /// Whether chats with third-party networks stand apart.
    Inbox {
        user: UserId,
        apart: bool,
    },
    Strict {
        user: UserId,
        level: Strictness,
    },
    /// The operator vouches for it, as when it was exported before.
    Link {
        one: UserId,
        other: UserId,
    },
    Erase {
        user: UserId,
    },
}

impl Crossing {
    /// Makes a change. Whether it was not so before.
    pub(crate) async fn change_people(
        self: &Arc<Self>,
        change: Change,
    ) -> Result<bool, PeopleError> {
        self.make(change, None).await
    }

    /// See [`drawbridge_adapter::Bridge::gesture`].
    pub(super) async fn gesture(
        self: &Arc<Self>,
        network: &NetworkId,
        by: &UserId,
        gesture: Gesture,
    ) -> Result<(), Unavailable> {
        let owner = by.clone();
        let changes = match gesture {
            Gesture::Accept(other) => vec![Change::Accept { owner, other }],
            Gesture::Decline(other) => vec![Change::Decline { owner, other }],
            Gesture::Block(blocked) => vec![Change::Block { owner, blocked }],
            Gesture::Unblock(blocked) => vec![Change::Unblock { owner, blocked }],
            Gesture::Disable => self.all_off(by),
            Gesture::Mute(other, how) => vec![Change::Mute { owner, other, how }],
            Gesture::Unmute(other) => vec![Change::Unmute { owner, other }],
            Gesture::Report { about, reason, messages } => {
                return self.report_by_gesture(by, &about, reason, &messages).await;
            }
            _ => Vec::new(),
        };
        let takes_part = self.networks.get(network).is_some_and(|network| network.admits(by));
        for change in changes.into_iter().filter(|_| takes_part) {
            let done = match self.make(change, Some(by)).await {
                Err(PeopleError::TooManySaid(of)) => {
                    self.console(by, self.too_many_said(of), clock::now()).await.map(drop)
                }
                Err(PeopleError::Store(error)) => Err(error),
                // Any other error is about nobody that could be meant.
                Ok(_) | Err(_) => Ok(()),
            };
            done.map_err(|error| self.unavailable(&error))?;
        }
        Ok(())
    }

    fn all_off(&self, user: &UserId) -> Vec<Change> {
        let on = self.networks.keys().filter(|network| self.people.has_enabled(user, network));
        on.map(|network| Change::Disable { user: user.clone(), network: network.clone() }).collect()
    }

    /// What people want now.
    pub(crate) fn people(&self) -> &People {
        &self.people
    }

    async fn make(
        self: &Arc<Self>,
        change: Change,
        told_by: Option<&UserId>,
    ) -> Result<bool, PeopleError> {
        let (crossing, told_by) = (Arc::clone(self), told_by.cloned());
        // The turn lasts until the commit, whether anybody waits for the answer or not.
        let work = tokio::spawn(async move {
            let _turn = crossing.changing_people.lock().await;
            let at = clock::now();
            let changes = crossing.changes(&change, at)?;
            if changes.is_empty() {
                return Ok(false);
            }
            let rows = crossing.consequences(&changes, told_by.as_ref(), at);
            crossing.store.change_people(changes.clone(), rows, at).await?;
            crossing.now_known(&changes);
            Ok(true)
        });
        work.await.unwrap_or(Err(PeopleError::Store(StoreError::Closed)))
    }

    /// What a change changes; nothing if it is so already.
    pub(super) fn changes(
        &self,
        change: &Change,
        at: Timestamp,
    ) -> Result<Vec<PeopleChange>, PeopleError> {
        let people = &self.people;
        match change.clone() {
            Change::Block { owner, blocked } => {
                self.spelled(&owner)?;
                self.spelled(&blocked)?;
                if people.accounts(&owner).contains(&blocked) {
                    return Err(PeopleError::Oneself);
                }
                self.not_too_many(&owner, Said::Blocks, people.blocking(&owner, &blocked, at))
            }
            Change::Mute { owner, other, how } => {
                self.spelled(&owner)?;
                self.spelled(&other)?;
                if people.accounts(&owner).contains(&other) {
                    return Err(PeopleError::Oneself);
                }
                let changes = people.muting(&owner, &other, how, Machine::now());
                self.not_too_many(&owner, Said::Mutes, changes)
            }
            Change::Unmute { owner, other } => Ok(people.unmuting(&owner, &other)),
            Change::Receipts { user, unseen } => {
                self.spelled(&user)?;
                let is_new = people.reads_unseen(&user) != unseen;
                let change = PeopleChange::Receipts { user, unseen };
                Ok(is_new.then_some(change).into_iter().collect())
            }
            Change::Presence { user, shown } => {
                self.spelled(&user)?;
                let is_new = people.shows_presence(&user) != shown;
                Ok(is_new.then_some(PeopleChange::Presence { user, shown }).into_iter().collect())
            }
            Change::Inbox { user, apart } => {
                self.spelled(&user)?;
                let is_new = people.is_apart(&user) != apart;
                Ok(is_new.then_some(PeopleChange::Inbox { user, apart }).into_iter().collect())
            }
            Change::Strict { user, level } => {
                self.spelled(&user)?;
                let is_new = people.strictness(&user) != level;
                Ok(is_new.then_some(PeopleChange::Strict { user, level }).into_iter().collect())
            }
            Change::Unblock { owner, blocked } => Ok(people.unblocking(&owner, &blocked)),
            Change::Enable { user, network } => {
                self.spelled(&user)?;
                self.switchable(&network)?;
                let is_new = !people.has_enabled(&user, &network);
                let change = PeopleChange::Enable { user, network, at };
                Ok(is_new.then_some(change).into_iter().collect())
            }
            Change::Disable { user, network } => {
                let is_on = people.has_enabled(&user, &network);
                Ok(is_on.then_some(PeopleChange::Disable { user, network }).into_iter().collect())
            }
            Change::Accept { owner, other } => {
                self.spelled(&owner)?;
                let strange = self.spelled(&other)?.has_stranger(&other);
                let is_new = strange && !people.is_contact(&owner, &other);
                let heard = is_new && !people.has_blocked(&owner, &other);
                let change = PeopleChange::Contact { owner: owner.clone(), other, at };
                let changes = heard.then_some(change).into_iter().collect();
                self.not_too_many(&owner, Said::Contacts, changes)
            }
            Change::Link { one, other } => {
                self.spelled(&one)?;
                self.spelled(&other)?;
                match people.linking(&one, &other, clock::random_person(), at) {
                    Ok(changes) => Ok(changes),
                    Err(LinkError::Already) => Ok(Vec::new()),
                    Err(LinkError::TooMany(most)) => Err(PeopleError::TooManyAccounts(most)),
                }
            }
            Change::Erase { user } => {
                // Whether there is a login only the network itself knows.
                let access = self.spelled(&user).is_ok_and(|network| network.capabilities.access);
                let known = access || people.know(&user).is_some() || people.was_seen(&user);
                Ok(known.then_some(PeopleChange::Erase { user }).into_iter().collect())
            }
            Change::Decline { owner, other } => {
                let is_asked = people.is_asked(&owner, &other);
                let change = PeopleChange::Decline { owner, other, at };
                Ok(is_asked.then_some(change).into_iter().collect())
            }
        }
    }

    /// The same changes, if there is room for what they add to what `owner` has said.
    fn not_too_many(
        &self,
        owner: &UserId,
        of: Said,
        changes: Vec<PeopleChange>,
    ) -> Result<Vec<PeopleChange>, PeopleError> {
        let people = &self.people;
        let adds = |change: &PeopleChange| match change {
            PeopleChange::Block(block) => !people.has_blocked(&block.owner, &block.blocked),
            PeopleChange::Mute { owner, other, .. } => !people.has_muted(owner, other),
            PeopleChange::Contact { .. } => true,
            _ => false,
        };
        if changes.iter().any(adds) && people.has_said_enough(owner, of) {
            return Err(PeopleError::TooManySaid(of));
        }
        Ok(changes)
    }

    pub(super) fn too_many_said(&self, of: Said) -> String {
        let most = MOST_SAID.to_string();
        self.words.say("too-many-said", &[("most", &most), ("what", of.as_str())])
    }

    /// What follows from changes that are about to be made, for other networks. What a user has told
    /// with their own network's means that network knows already.
    pub(super) fn consequences(
        &self,
        changes: &[PeopleChange],
        told_by: Option<&UserId>,
        at: Timestamp,
    ) -> Vec<NewRow> {
        let can = |user: &UserId, can: fn(&Capabilities) -> bool| {
            self.networks.get(user.network()).is_some_and(|n| can(&n.capabilities))
        };
        let lists = |owner: &UserId| told_by != Some(owner) && can(owner, |it| it.block_lists);
        let mutes = |owner: &UserId| told_by != Some(owner) && can(owner, |it| it.mutes);
        let mut rows = Vec::new();
        for change in changes {
            match change {
                PeopleChange::Block(Block { owner, blocked, named, .. }) => {
                    rows.extend(self.request_over(owner, blocked, false, at));
                    if *named && lists(owner) {
                        rows.push(self.entry_row(owner, blocked, true, at));
                    }
                }
                PeopleChange::Unblock { owner, blocked }
                    if self.people.has_named(owner, blocked) && lists(owner) =>
                {
                    rows.push(self.entry_row(owner, blocked, false, at));
                }
                PeopleChange::Contact { owner, other, .. } => {
                    rows.extend(self.request_over(owner, other, true, at));
                }
                PeopleChange::Decline { owner, other, .. } => {
                    rows.extend(self.request_over(owner, other, false, at));
                }
                PeopleChange::Mute { owner, other, how, .. } if mutes(owner) => {
                    rows.push(self.mute_row(owner, other, Some(*how), at));
                }
                PeopleChange::Unmute { owner, other } if mutes(owner) => {
                    rows.push(self.mute_row(owner, other, None, at));
                }
                PeopleChange::Inbox { user, apart } if can(user, |it| it.folders) => {
                    rows.push(self.folder_row(user, *apart, at));
                }
                // There may be a network more than when the folder was made.
                PeopleChange::Enable { user, .. }
                    if self.people.is_apart(user) && can(user, |it| it.folders) =>
                {
                    rows.push(self.folder_row(user, true, at));
                }
                PeopleChange::Erase { user } => {
                    let known = self.people.know(user);
                    let others = known.as_ref().filter(|_| can(user, |it| it.mutes));
                    let others = others.iter().flat_map(|known| &known.mutes);
                    let unmute = others.map(|mute| self.mute_row(user, &mute.other, None, at));
                    let mut own: Vec<_> = unmute.collect();
                    if known.is_some_and(|known| known.apart) && can(user, |it| it.folders) {
                        own.push(self.folder_row(user, false, at));
                    }
                    if can(user, |it| it.access) {
                        let access = Access { owner: user.clone(), secret: None };
                        own.push(self.own_row(Command::Access(access), at));
                    }
                    // One after the other: without the login the settings cannot be written.
                    let lane = user.to_string();
                    rows.extend(own.into_iter().map(|row| NewRow { lane: lane.clone(), ..row }));
                }
                _ => {}
            }
        }
        rows
    }

    fn entry_row(&self, owner: &UserId, other: &UserId, blocked: bool, at: Timestamp) -> NewRow {
        let entry = BlockEntry { owner: owner.clone(), other: other.clone(), blocked };
        self.own_row(Command::Block(entry), at)
    }

    fn mute_row(
        &self,
        owner: &UserId,
        other: &UserId,
        muted: Option<MuteFor>,
        at: Timestamp,
    ) -> NewRow {
        let entry = MuteEntry { owner: owner.clone(), other: other.clone(), muted };
        self.own_row(Command::Mute(entry), at)
    }

    fn folder_row(&self, owner: &UserId, apart: bool, at: Timestamp) -> NewRow {
        let third = self.networks.iter().filter(|(_, n)| n.setup.role == Role::ThirdParty);
        let networks = third.map(|(id, _)| id.clone()).filter(|id| apart && id != owner.network());
        let (owner, name) = (owner.clone(), self.words.say("folder", &[]));
        let folder = Folder { owner, name, networks: networks.collect() };
        self.own_row(Command::Folder(folder), at)
    }

    /// Ends what the bridge's own clock ends.
    pub(super) async fn end_mutes(self: &Arc<Self>) -> Result<(), StoreError> {
        // It is looked at once a second: a change that is under way is waited for the next time.
        let Ok(_turn) = self.changing_people.try_lock() else { return Ok(()) };
        let over = self.people.mutes_over(Machine::now, KEEP_CLOCK);
        if over.is_empty() {
            return Ok(());
        }
        let at = clock::now();
        let rows = self.consequences(&over, None, at);
        self.store.change_people(over.clone(), rows, at).await?;
        self.now_known(&over);
        Ok(())
    }

    fn request_over(
        &self,
        to: &UserId,
        from: &UserId,
        accepted: bool,
        at: Timestamp,
    ) -> Option<NewRow> {
        let shows = self.networks.get(to.network()).is_some_and(|n| n.capabilities.requests);
        let over = RequestOver { from: from.clone(), to: to.clone(), accepted };
        (shows && self.people.is_asked(to, from))
            .then(|| self.own_row(Command::RequestOver(over), at))
    }

    /// A row with something that the bridge says or wants by itself.
    pub(super) fn own_row(&self, command: Command, at: Timestamp) -> NewRow {
        let user = command.addressee();
        let other = match &command {
            Command::Message(message) => Some(&message.from.user),
            Command::Request(request) => Some(&request.from.user),
            Command::RequestOver(over) => Some(&over.from),
            Command::Block(entry) => Some(&entry.other),
            Command::Mute(entry) => Some(&entry.other),
            Command::Report(report) => Some(&report.by),
            Command::Profile(profile) => Some(&profile.of),
            Command::Status(_) | Command::Notice(_) | Command::Folder(_) | Command::Access(_) => {
                None
            }
        };
        let lane = other.map_or_else(
            || ConversationId::from_stored(user.to_string()),
            |other| ConversationId::direct(user, other),
        );
        let moment = format!("{:011x}", at.0);
        let random = clock::random().to_string();
        let parts = ["own", lane.as_str(), &moment, &random];
        NewRow {
            network: user.network().clone(),
            lane: lane.as_str().to_owned(),
            key: moment.clone() + &Tag::of(self.store.salt(), &parts).to_hex(),
            at,
            payload: Payload::Own(command),
        }
    }

    /// Writes into the log what is on disk, and in force since the commit, and shows what follows of
    /// it at once.
    pub(super) fn now_known(&self, changes: &[PeopleChange]) {
        for change in changes {
            self.log_change(change);
        }
        self.show_anew(changes);
    }

    fn log_change(&self, change: &PeopleChange) {
        let tag = |user: &UserId| self.tag_user(user);
        match change {
            PeopleChange::Block(Block { owner, blocked, named: true, .. }) => {
                let (user, other) = (tag(owner), tag(blocked));
                log!(BLOCK_SET, %user, %other);
            }
            PeopleChange::Unblock { owner, blocked } => {
                let (user, other) = (tag(owner), tag(blocked));
                log!(BLOCK_LIFTED, %user, %other);
            }
            PeopleChange::Enable { user, network, .. } => {
                let user = tag(user);
                log!(NETWORK_SWITCHED_ON, %user, %network);
            }
            PeopleChange::Disable { user, network } => {
                let user = tag(user);
                log!(NETWORK_SWITCHED_OFF, %user, %network);
            }
            PeopleChange::Contact { owner, other, .. } => {
                let (user, other) = (tag(owner), tag(other));
                log!(CONTACT_MADE, %user, %other);
            }
            PeopleChange::Decline { owner, other, .. } => {
                let (user, other) = (tag(owner), tag(other));
                log!(REQUEST_DECLINED, %user, %other);
            }
            PeopleChange::Mute { owner, other, how, .. } => {
                let (user, other, muted) = (tag(owner), tag(other), how.as_str());
                log!(CHAT_MUTED, %user, %other, muted);
            }
            PeopleChange::Unmute { owner, other } => {
                let (user, other) = (tag(owner), tag(other));
                log!(CHAT_UNMUTED, %user, %other);
            }
            PeopleChange::Receipts { user, unseen } => {
                let user = tag(user);
                log!(RECEIPTS_CHANGED, %user, unseen);
            }
            PeopleChange::Presence { user, shown } => {
                let user = tag(user);
                log!(PRESENCE_CHANGED, %user, shown);
            }
            PeopleChange::Inbox { user, apart } => {
                let user = tag(user);
                log!(INBOX_CHANGED, %user, apart);
            }
            PeopleChange::Strict { user, level } => {
                let (user, level) = (tag(user), level.as_str());
                log!(STRICTNESS_CHANGED, %user, level);
            }
            PeopleChange::Person { user, .. } => {
                let user = tag(user);
                log!(ACCOUNTS_LINKED, %user);
            }
            PeopleChange::Alone { user } => {
                let user = tag(user);
                log!(ACCOUNT_UNLINKED, %user);
            }
            PeopleChange::Erase { user } => {
                let user = tag(user);
                log!(USER_ERASED, %user);
            }
            _ => {}
        }
    }

    /// The network of `user`, if they are spelt as it does: otherwise a rule would speak of nobody.
    fn spelled(&self, user: &UserId) -> Result<&Network, PeopleError> {
        let network = self.networks.get(user.network());
        let network = network.ok_or_else(|| PeopleError::NoNetwork(user.network().clone()))?;
        if network.spells(user) { Ok(network) } else { Err(PeopleError::Spelling(user.clone())) }
    }

    /// Whether a network can be switched on and off.
    fn switchable(&self, id: &NetworkId) -> Result<(), PeopleError> {
        match self.networks.get(id) {
            None => Err(PeopleError::NoNetwork(id.clone())),
            Some(network) if network.setup.role == Role::Home => {
                Err(PeopleError::AlwaysOn(id.clone()))
            }
            Some(_) => Ok(()),
        }
    }
}
