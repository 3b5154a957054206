//! The maps.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use drawbridge_adapter::{MuteFor, NetworkId, Timestamp, UserId};

use super::names::{Likeness, likeness};
use super::{Known, Mute};
use crate::clock::OwnClock;
use crate::gate::Strictness;
use crate::store::{Block, PeopleChange};

/// The number of an account that a rule speaks of: a million rules hold numbers, not names.
pub(super) type Number = u32;

/// Whose word it is, and on whom.
pub(super) type Pair = (Number, Number);

#[derive(Default)]
pub(super) struct Book {
    numbers: HashMap<UserId, Number>,
    pub(super) accounts: Vec<UserId>,
    /// Which networks each user has switched on.
    pub(super) enabled: BTreeSet<(Number, NetworkId)>,
    /// Whom each owner has blocked.
    pub(super) blocks: BTreeMap<(Number, Number), Blocked>,
    /// The same pairs, the blocked first.
    pub(super) blocked_by: BTreeSet<(Number, Number)>,
    pub(super) contacts: BTreeSet<(Number, Number)>,
    pub(super) declines: BTreeMap<(Number, Number), Timestamp>,
    /// What waits for an owner's word on another.
    pub(super) waiting: BTreeMap<(Number, Number), Waiting>,
    /// Which chats of an owner make no noise.
    pub(super) mutes: BTreeMap<(Number, Number), Muted>,
    /// When those end that have an end, by the bridge's own clock.
    pub(super) ends: BTreeSet<(Timestamp, Pair)>,
    /// Of whom nobody is told what they have read.
    pub(super) unseen: BTreeSet<Number>,
    /// Who lets others see that they are there.
    pub(super) present: BTreeSet<Number>,
    /// Whose chats with third-party networks stand apart.
    pub(super) apart: BTreeSet<Number>,
    /// For whom the bridge is stricter than for others.
    pub(super) strict: HashMap<Number, Strictness>,
    /// How users call themselves, as far as they have told.
    pub(super) names: HashMap<Number, Named>,
    /// Who has written to whom, the reader first, and what their name looked like when it was shown.
    pub(super) met: BTreeMap<(Number, Number), Likeness>,
    /// Who was first shown to whom under a name that looks like this.
    pub(super) holders: BTreeMap<(Number, Likeness), Number>,
    /// The bridge's own clock, if it was ever needed.
    pub(super) clock: Option<OwnClock>,
    persons: HashMap<Number, i64>,
    members: BTreeMap<i64, BTreeSet<Number>>,
    /// The codes by which accounts may become one person's, and until when.
    pub(super) offers: HashMap<Number, (String, Timestamp)>,
}

/// How a user is called; `None` if it was told that they have no name.
pub(super) struct Named {
    pub(super) name: Option<String>,
    pub(super) like: Likeness,
}

/// A block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    pub(super) at: Timestamp,
    pub(super) named: bool,
}

/// That a chat makes no noise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Muted {
    pub(super) how: MuteFor,
    /// By the bridge's own clock.
    pub(super) until: Option<Timestamp>,
}

/// Messages that wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    /// How many, for the sender's share.
    pub(super) messages: usize,
    /// How many of them the owner may see.
    pub(super) shown: usize,
}

impl Book {
    pub(super) fn number(&self, user: &UserId) -> Option<Number> {
        self.numbers.get(user).copied()
    }

    fn numbered(&mut self, user: &UserId) -> Number {
        if let Some(number) = self.numbers.get(user) {
            return *number;
        }
        // Two billion accounts do not fit the memory: the number never saturates.
        let number = Number::try_from(self.accounts.len()).unwrap_or(Number::MAX);
        self.numbers.insert(user.clone(), number);
        self.accounts.push(user.clone());
        number
    }

    pub(super) fn account(&self, number: Number) -> Option<UserId> {
        self.accounts.get(usize::try_from(number).ok()?).cloned()
    }

    pub(super) fn pair(&self, owner: &UserId, other: &UserId) -> Option<(Number, Number)> {
        Some((self.number(owner)?, self.number(other)?))
    }

    /// The pairs of one owner, or all, that stand behind a pair; nothing if there is no such owner.
    pub(super) fn behind(
        &self,
        owner: Option<&UserId>,
        after: Option<(&UserId, &UserId)>,
    ) -> Option<(Bound<Pair>, Bound<Pair>)> {
        let (first, last) = match owner.map(|owner| self.number(owner)) {
            None => (0, Number::MAX),
            Some(owner) => (owner?, owner?),
        };
        let after = after.and_then(|(owner, other)| self.pair(owner, other));
        let begin = match after {
            Some(after) if after >= (first, 0) => Bound::Excluded(after),
            _ => Bound::Included((first, 0)),
        };
        // Behind the last there is nothing: a range must not end before it begins.
        let end = (last, Number::MAX).max(after.unwrap_or_default());
        Some((begin, Bound::Included(end)))
    }

    pub(super) fn block_of(
        &self,
        ((owner, blocked), how): (&(Number, Number), &Blocked),
    ) -> Option<Block> {
        let (owner, blocked) = (self.account(*owner)?, self.account(*blocked)?);
        Some(Block { owner, blocked, at: how.at, named: how.named })
    }

    /// All accounts of a person, by the number of one of them.
    pub(super) fn person(&self, account: Number) -> Vec<Number> {
        let person = self.persons.get(&account).and_then(|person| self.members.get(person));
        person.map_or_else(|| vec![account], |members| members.iter().copied().collect())
    }

    pub(super) fn person_number(&self, account: Number) -> Option<i64> {
        self.persons.get(&account).copied()
    }

    /// The strangers that `owner` is asked about, with how many of their messages wait.
    pub(super) fn strangers(&self, owner: Number) -> impl Iterator<Item = (Number, usize)> {
        let waiting = self.waiting.range((owner, 0)..=(owner, Number::MAX));
        waiting.filter(|(_, waiting)| waiting.shown > 0).map(|((_, other), w)| (*other, w.shown))
    }

    /// Whom an account is paired with in a map or set that is ordered by pairs.
    pub(super) fn seconds<'a>(
        pairs: impl Iterator<Item = &'a (Number, Number)>,
    ) -> impl Iterator<Item = Number> {
        pairs.map(|(_, second)| *second)
    }

    pub(super) fn mutes_of(&self, owner: Number) -> Vec<Mute> {
        let muted = self.mutes.range((owner, 0)..=(owner, Number::MAX));
        let mute = |((_, other), muted): (&Pair, &Muted)| {
            Some(Mute { other: self.account(*other)?, how: muted.how, until: muted.until })
        };
        muted.filter_map(mute).collect()
    }

    pub(super) fn strict_of(&self, user: Number) -> Strictness {
        self.strict.get(&user).copied().unwrap_or_default()
    }

    pub(super) fn known(&self, user: &UserId) -> Option<Known> {
        let number = self.number(user)?;
        let all = (number, 0)..=(number, Number::MAX);
        let names = |numbers: Vec<Number>| {
            numbers.into_iter().filter_map(|number| self.account(number)).collect::<Vec<_>>()
        };
        let blocked = self.blocks.range(all.clone()).filter(|(_, how)| how.named);
        let known = Known {
            user: user.clone(),
            enabled: self
                .enabled
                .iter()
                .skip_while(|(of, _)| *of < number)
                .take_while(|(of, _)| *of == number)
                .map(|(_, network)| network.clone())
                .collect(),
            contacts: names(Self::seconds(self.contacts.range(all)).collect()),
            blocks: names(Self::seconds(blocked.map(|(pair, _)| pair)).collect()),
            mutes: self.mutes_of(number),
            unseen: self.unseen.contains(&number),
            present: self.present.contains(&number),
            apart: self.apart.contains(&number),
            strict: self.strict_of(number),
            accounts: names(self.person(number).into_iter().filter(|n| *n != number).collect()),
        };
        let empty = known.enabled.is_empty()
            && known.contacts.is_empty()
            && known.blocks.is_empty()
            && known.mutes.is_empty()
            && !known.apart
            && !known.unseen
            && !known.present
            && known.strict == Strictness::Off
            && known.accounts.is_empty();
        (!empty).then_some(known)
    }

    pub(super) fn apply(&mut self, change: &PeopleChange) {
        match change {
            PeopleChange::Block(Block { owner, blocked, at, named }) => {
                let pair = (self.numbered(owner), self.numbered(blocked));
                self.blocks.insert(pair, Blocked { at: *at, named: *named });
                self.blocked_by.insert((pair.1, pair.0));
                self.hush(pair);
            }
            PeopleChange::Unblock { owner, blocked } => {
                if let Some(pair) = self.pair(owner, blocked) {
                    self.blocks.remove(&pair);
                    self.blocked_by.remove(&(pair.1, pair.0));
                }
            }
            PeopleChange::Enable { user, network, .. } => {
                let user = self.numbered(user);
                self.enabled.insert((user, network.clone()));
            }
            PeopleChange::Disable { user, network } => {
                let user = self.numbered(user);
                self.enabled.remove(&(user, network.clone()));
            }
            PeopleChange::Contact { owner, other, .. } => {
                let pair = (self.numbered(owner), self.numbered(other));
                self.contacts.insert(pair);
                self.declines.remove(&pair);
                self.waiting.remove(&pair);
            }
            PeopleChange::Decline { owner, other, at } => {
                let pair = (self.numbered(owner), self.numbered(other));
                self.declines.insert(pair, *at);
                self.hush(pair);
            }
            PeopleChange::DeclineOver { owner, other } => {
                self.pair(owner, other).map(|pair| self.declines.remove(&pair));
            }
            PeopleChange::Mute { .. }
            | PeopleChange::Unmute { .. }
            | PeopleChange::Receipts { .. }
            | PeopleChange::Presence { .. }
            | PeopleChange::Inbox { .. }
            | PeopleChange::Strict { .. }
            | PeopleChange::OwnClock(_) => self.choose(change),
            PeopleChange::Person { user, person } => {
                let user = self.numbered(user);
                self.leave(user);
                self.persons.insert(user, *person);
                self.members.entry(*person).or_default().insert(user);
            }
            PeopleChange::Alone { user } => {
                let user = self.numbered(user);
                self.leave(user);
            }
            PeopleChange::Name { .. }
            | PeopleChange::Fetched { .. }
            | PeopleChange::Reachable { .. }
            | PeopleChange::Gone { .. }
            | PeopleChange::Met { .. }
            | PeopleChange::Shown { .. }
            | PeopleChange::Picture { .. }
            | PeopleChange::Looked { .. } => self.introduce(change),
            PeopleChange::Erase { user } => self.erase(user),
            PeopleChange::Held { owner, other, shown } => {
                let pair = (self.numbered(owner), self.numbered(other));
                let waiting = self.waiting.entry(pair).or_default();
                waiting.messages += 1;
                waiting.shown += usize::from(*shown);
            }
            PeopleChange::HeldOver { owner, other, shown } => {
                let Some(pair) = self.pair(owner, other) else { return };
                let Some(waiting) = self.waiting.get_mut(&pair) else { return };
                waiting.messages = waiting.messages.saturating_sub(1);
                waiting.shown = waiting.shown.saturating_sub(usize::from(*shown));
                if waiting.messages == 0 {
                    self.waiting.remove(&pair);
                }
            }
            PeopleChange::Offer { user, code, until } => {
                let user = self.numbered(user);
                self.offers.insert(user, (code.clone(), *until));
            }
            PeopleChange::OfferOver { user } => {
                self.number(user).map(|user| self.offers.remove(&user));
            }
        }
    }

    /// Knows of what a user has chosen for themselves.
    fn choose(&mut self, change: &PeopleChange) {
        match change {
            PeopleChange::Mute { owner, other, how, until } => {
                let pair = (self.numbered(owner), self.numbered(other));
                self.unmute(pair);
                self.mutes.insert(pair, Muted { how: *how, until: *until });
                self.ends.extend(until.map(|until| (until, pair)));
            }
            PeopleChange::Unmute { owner, other } => {
                if let Some(pair) = self.pair(owner, other) {
                    self.unmute(pair);
                }
            }
            PeopleChange::Receipts { user, unseen: true } => {
                let user = self.numbered(user);
                self.unseen.insert(user);
            }
            PeopleChange::Receipts { user, unseen: false } => {
                self.number(user).map(|user| self.unseen.remove(&user));
            }
            PeopleChange::Presence { user, shown: true } => {
                let user = self.numbered(user);
                self.present.insert(user);
            }
            PeopleChange::Presence { user, shown: false } => {
                self.number(user).map(|user| self.present.remove(&user));
            }
            PeopleChange::Inbox { user, apart: true } => {
                let user = self.numbered(user);
                self.apart.insert(user);
            }
            PeopleChange::Inbox { user, apart: false } => {
                self.number(user).map(|user| self.apart.remove(&user));
            }
            PeopleChange::Strict { user, level: Strictness::Off } => {
                self.number(user).map(|user| self.strict.remove(&user));
            }
            PeopleChange::Strict { user, level } => {
                let user = self.numbered(user);
                self.strict.insert(user, *level);
            }
            PeopleChange::OwnClock(clock) => self.clock = Some(clock.clone()),
            _ => {}
        }
    }

    /// Knows of how users call themselves, and to whom.
    fn introduce(&mut self, change: &PeopleChange) {
        match change {
            PeopleChange::Name { user, name, guessed, .. } => {
                let user = self.numbered(user);
                if !guessed || !self.names.contains_key(&user) {
                    let like = name.as_deref().map(likeness).unwrap_or_default();
                    self.names.insert(user, Named { name: name.clone(), like });
                }
            }
            PeopleChange::Gone { user } => {
                self.number(user).map(|user| self.names.remove(&user));
            }
            PeopleChange::Met { owner, other, name, .. } => {
                let pair = (self.numbered(owner), self.numbered(other));
                if let Entry::Vacant(new) = self.met.entry(pair) {
                    new.insert(Likeness::default());
                    self.is_shown(pair, name.as_deref());
                }
            }
            PeopleChange::Shown { owner, other, name, .. } => {
                // Unless they were erased meanwhile.
                if let Some(pair) = self.pair(owner, other) {
                    self.is_shown(pair, name.as_deref());
                }
            }
            _ => {}
        }
    }

    /// Forgets all that a user wanted.
    fn erase(&mut self, user: &UserId) {
        let Some(user) = self.number(user) else { return };
        self.names.remove(&user);
        self.met.retain(|(owner, other), _| *owner != user && *other != user);
        self.holders.retain(|(owner, _), other| *owner != user && *other != user);
        self.enabled.retain(|(of, _)| *of != user);
        self.contacts.retain(|(owner, other)| *owner != user && *other != user);
        self.declines.retain(|(owner, other), _| *owner != user && *other != user);
        self.blocks.retain(|(owner, _), _| *owner != user);
        self.blocked_by.retain(|(_, owner)| *owner != user);
        self.mutes.retain(|(owner, _), _| *owner != user);
        self.ends.retain(|(_, (owner, _))| *owner != user);
        self.apart.remove(&user);
        self.unseen.remove(&user);
        self.present.remove(&user);
        self.strict.remove(&user);
        self.leave(user);
    }

    /// The first of two, who have met, is shown the other under this name.
    fn is_shown(&mut self, pair: Pair, name: Option<&str>) {
        let Some(met) = self.met.get_mut(&pair) else { return };
        let now = name.map(likeness).unwrap_or_default();
        let before = std::mem::replace(met, now);
        let (owner, other) = pair;
        if before != now && self.holders.get(&(owner, before)) == Some(&other) {
            // It comes free, or is somebody else's who bears it.
            let mut all = self.met.range((owner, 0)..=(owner, Number::MAX));
            match all.find(|(_, like)| **like == before) {
                Some(((_, next), _)) => self.holders.insert((owner, before), *next),
                None => self.holders.remove(&(owner, before)),
            };
        }
        if now != Likeness::default() {
            self.holders.entry((owner, now)).or_insert(other);
        }
    }

    /// What waits between two is not shown any more.
    fn hush(&mut self, pair: (Number, Number)) {
        if let Some(waiting) = self.waiting.get_mut(&pair) {
            waiting.shown = 0;
        }
    }

    fn unmute(&mut self, pair: Pair) {
        let until = self.mutes.remove(&pair).and_then(|muted| muted.until);
        until.map(|until| self.ends.remove(&(until, pair)));
    }

    fn leave(&mut self, user: Number) {
        let Some(person) = self.persons.remove(&user) else { return };
        if let Some(members) = self.members.get_mut(&person) {
            members.remove(&user);
        }
    }
}
