//! What people want: which networks, whom to hear, whom not; and which accounts are one person's.
//!
//! Kept in memory, because the gate asks at every message; what changes is on disk before it is
//! known here, and confirmed after both. It remembers and answers: what follows is the gate's.
//!
//! Invariant: an answer costs a few lookups, however many people and blocks there are.

mod book;
mod changes;
mod names;
#[cfg(test)]
mod tests;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use drawbridge_adapter::{MuteFor, NetworkId, Timestamp, UserId};

use crate::clock::{Machine, OwnClock};
use crate::gate::{Between, Strictness};
use crate::store::{Block, PeopleChange};
use book::{Book, Number};
pub(crate) use changes::{LinkError, MOST_SAID, Said};

/// For how long one who was turned away stays so.
pub(crate) const DECLINED_FOR: Duration = Duration::from_hours(30 * 24);

/// The most strangers whose messages wait for one user's word.
const MOST_STRANGERS: usize = 200;

/// All that is known of people.
#[derive(Default)]
pub(crate) struct People(RwLock<Book>);

/// A stranger whose messages wait for a user's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) user: UserId,
    /// How many messages wait that the user may see.
    pub(crate) messages: usize,
}

/// What is known of one user, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    /// The third-party networks that are switched on.
    pub(crate) enabled: Vec<NetworkId>,
    /// Whom the user wants to hear from, of those who must be accepted.
    pub(crate) contacts: Vec<UserId>,
    /// Whom the user does not want to hear.
    pub(crate) blocks: Vec<UserId>,
    /// Which chats make no noise.
    pub(crate) mutes: Vec<Mute>,
    /// Whether nobody is told what the user has read.
    pub(crate) unseen: bool,
    /// Whether others see that the user is there.
    pub(crate) present: bool,
    /// Whether the chats with third-party networks stand apart.
    pub(crate) apart: bool,
    /// How strict the bridge is for the user.
    pub(crate) strict: Strictness,
    /// The other accounts of the same person.
    pub(crate) accounts: Vec<UserId>,
}

/// How a user is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    /// `None` if it was told that they have no name.
    pub(crate) name: Option<String>,
}

/// That the chat with another makes no noise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mute {
    pub(crate) other: UserId,
    pub(crate) how: MuteFor,
    /// By the bridge's own clock; `None` if it has no end.
    pub(crate) until: Option<Timestamp>,
}

impl People {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        // Nothing panics while it is held; if it did, the maps would still be whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows of a change.
    pub(crate) fn apply(&self, change: &PeopleChange) {
        self.write().apply(change);
    }

    /// What the gate must know of a sender and a recipient.
    pub(crate) fn between(&self, sender: &UserId, recipient: &UserId, now: Timestamp) -> Between {
        let book = self.read();
        let (from, to) = (book.number(sender), book.number(recipient));
        let enabled = |user: Option<Number>, network: &NetworkId| {
            user.is_some_and(|user| book.enabled.contains(&(user, network.clone())))
        };
        let strict = |user: Option<Number>| user.map(|user| book.strict_of(user));
        let mut between = Between {
            sender_enabled: enabled(from, recipient.network()),
            recipient_enabled: enabled(to, sender.network()),
            sender_strict: strict(from).unwrap_or_default(),
            recipient_strict: strict(to).unwrap_or_default(),
            ..Between::default()
        };
        let Some(to) = to else { return between };
        between.crowded = book.strangers(to).take(MOST_STRANGERS).count() == MOST_STRANGERS;
        let Some(from) = from else { return between };
        let pair = (to, from);
        between.contact = book.contacts.contains(&pair);
        between.held = book.waiting.get(&pair).map_or(0, |waiting| waiting.messages);
        let declined = book.declines.get(&pair);
        between.declined = declined.is_some_and(|at| now.since(*at) < DECLINED_FOR);
        between.blocked = book.blocks.contains_key(&pair);
        between
    }

    /// Whether `owner` has blocked `other`, by either's any account.
    pub(crate) fn has_blocked(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.blocks.contains_key(&pair))
    }

    /// Whether `owner`'s chat with `other` makes no noise.
    pub(crate) fn has_muted(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.mutes.contains_key(&pair))
    }

    /// For how long `owner`'s chat with `other` makes no noise, counted from when it was said.
    pub(crate) fn muted(&self, owner: &UserId, other: &UserId) -> Option<MuteFor> {
        let book = self.read();
        book.pair(owner, other).and_then(|pair| book.mutes.get(&pair)).map(|muted| muted.how)
    }

    /// Whether a user's chats with third-party networks stand apart.
    pub(crate) fn is_apart(&self, user: &UserId) -> bool {
        let book = self.read();
        book.number(user).is_some_and(|user| book.apart.contains(&user))
    }

    /// Whether nobody is told what a user has read.
    pub(crate) fn reads_unseen(&self, user: &UserId) -> bool {
        let book = self.read();
        book.number(user).is_some_and(|user| book.unseen.contains(&user))
    }

    /// Whether a user lets others see that they are there.
    pub(crate) fn shows_presence(&self, user: &UserId) -> bool {
        let book = self.read();
        book.number(user).is_some_and(|user| book.present.contains(&user))
    }

    /// How a user is called, if that was told.
    pub(crate) fn called(&self, user: &UserId) -> Option<Called> {
        let book = self.read();
        let named = book.number(user).and_then(|user| book.names.get(&user));
        named.map(|named| Called { name: named.name.clone() })
    }

    /// Whether `other` has written to `owner`.
    pub(crate) fn have_met(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.met.contains_key(&pair))
    }

    /// Whether `owner` could take `other` under this name for themselves, for the bridge, or for
    /// somebody who was shown to them under it before. That one may be the same person by another
    /// account: which are is not shown.
    pub(crate) fn looks_like_another(&self, owner: &UserId, other: &UserId, name: &str) -> bool {
        let book = self.read();
        let other = book.number(other);
        let known = other.and_then(|other| book.names.get(&other));
        let known = known.filter(|known| known.name.as_deref() == Some(name));
        let like = known.map_or_else(|| names::likeness(name), |known| known.like);
        let Some(owner) = book.number(owner) else { return names::is_bridges(like) };
        let own = book.names.get(&owner).is_some_and(|own| own.like == like);
        let is_own = other.is_some_and(|other| book.person(owner).contains(&other));
        let holder = book.holders.get(&(owner, like)).copied();
        names::is_bridges(like)
            || (own && !is_own)
            || holder.is_some_and(|holder| Some(holder) != other)
    }

    /// Whether anything is known of how a user calls themselves, or to whom they have written.
    pub(crate) fn was_seen(&self, user: &UserId) -> bool {
        let book = self.read();
        book.number(user).is_some_and(|user| {
            book.names.contains_key(&user)
                || book.met.keys().any(|(owner, other)| [*owner, *other].contains(&user))
        })
    }

    /// How strict the bridge is for a user.
    pub(crate) fn strictness(&self, user: &UserId) -> Strictness {
        let book = self.read();
        book.number(user).map(|user| book.strict_of(user)).unwrap_or_default()
    }

    /// The bridge's own clock, as it is to be kept now.
    pub(crate) fn own_clock(&self, machine: Machine) -> OwnClock {
        match &self.read().clock {
            Some(clock) => clock.kept(machine),
            None => OwnClock::begin(machine),
        }
    }

    /// Whether `owner` wants to hear from `other`, who had to be accepted.
    pub(crate) fn is_contact(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.contacts.contains(&pair))
    }

    /// Whether `owner` is asked whether to hear from `other`.
    pub(crate) fn is_asked(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        let waiting = book.pair(owner, other).and_then(|pair| book.waiting.get(&pair));
        waiting.is_some_and(|waiting| waiting.shown > 0)
    }

    /// Whether anything of `other` waits for `owner`'s word, shown or not.
    pub(crate) fn waits(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.waiting.contains_key(&pair))
    }

    /// Whether `user` has switched `network` on.
    pub(crate) fn has_enabled(&self, user: &UserId, network: &NetworkId) -> bool {
        let book = self.read();
        book.number(user).is_some_and(|user| book.enabled.contains(&(user, network.clone())))
    }

    /// The strangers that wait for a user's word.
    pub(crate) fn strangers(&self, owner: &UserId) -> Vec<Stranger> {
        let book = self.read();
        let Some(owner) = book.number(owner) else { return Vec::new() };
        let stranger = |(other, messages)| Some(Stranger { user: book.account(other)?, messages });
        book.strangers(owner).filter_map(stranger).collect()
    }

    /// Who waits for an owner's word, or for anybody's, behind `after`, with how many messages; at most
    /// `limit`, in an order that stays while the daemon runs.
    pub(crate) fn requests(
        &self,
        owner: Option<&UserId>,
        after: Option<(&UserId, &UserId)>,
        limit: usize,
    ) -> Vec<(UserId, UserId, usize)> {
        let book = self.read();
        let Some(range) = book.behind(owner, after) else { return Vec::new() };
        let shown = book.waiting.range(range).filter(|(_, waiting)| waiting.shown > 0);
        let name = |(pair, waiting): (&(Number, Number), &book::Waiting)| {
            Some((book.account(pair.0)?, book.account(pair.1)?, waiting.shown))
        };
        shown.filter_map(name).take(limit).collect()
    }

    /// All accounts of a user's person, the user's own first.
    pub(crate) fn accounts(&self, user: &UserId) -> Vec<UserId> {
        let book = self.read();
        let others = book.number(user).map(|number| book.person(number)).unwrap_or_default();
        let others = others.into_iter().filter_map(|number| book.account(number));
        std::iter::once(user.clone()).chain(others.filter(|other| other != user)).collect()
    }

    /// Who asked for this code, if it still counts.
    pub(crate) fn offered(&self, code: &str, now: Timestamp) -> Option<UserId> {
        let book = self.read();
        let (user, _) = book
            .offers
            .iter()
            .find(|(_, (offered, until))| offered.eq_ignore_ascii_case(code) && now < *until)?;
        book.account(*user)
    }

    /// Those for whom being turned away is over.
    pub(crate) fn declines_over(&self, now: Timestamp) -> Vec<PeopleChange> {
        let book = self.read();
        let over = book.declines.iter().filter(|(_, at)| now.since(**at) >= DECLINED_FOR);
        let change = |(owner, other)| {
            let (owner, other) = (book.account(owner)?, book.account(other)?);
            Some(PeopleChange::DeclineOver { owner, other })
        };
        over.filter_map(|(pair, _)| change(*pair)).collect()
    }

    /// Blocks behind `after`, at most `limit`, of one owner or of all, in an order that stays while
    /// the daemon runs. Only those that were named.
    pub(crate) fn blocks(
        &self,
        owner: Option<&UserId>,
        after: Option<(&UserId, &UserId)>,
        limit: usize,
    ) -> Vec<Block> {
        let book = self.read();
        let Some(range) = book.behind(owner, after) else { return Vec::new() };
        let named = book.blocks.range(range).filter(|(_, how)| how.named);
        named.filter_map(|block| book.block_of(block)).take(limit).collect()
    }

    /// Users of whom anything is known, behind `after`, at most `limit`, in an order that stays while
    /// the daemon runs.
    pub(crate) fn known(&self, after: Option<&UserId>, limit: usize) -> Vec<Known> {
        let book = self.read();
        let first = after.and_then(|after| book.number(after)).map_or(0, |number| number + 1);
        let behind =
            book.accounts.iter().enumerate().skip(usize::try_from(first).unwrap_or(usize::MAX));
        let known = behind.filter_map(|(_, user)| book.known(user));
        known.take(limit).collect()
    }

    /// What is known of one user.
    pub(crate) fn know(&self, user: &UserId) -> Option<Known> {
        self.read().known(user)
    }
}
