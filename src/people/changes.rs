//! What a wish changes: pure, of what is known now. Nothing is known of it before it is on disk.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use drawbridge_adapter::{MuteFor, Timestamp, UserId};

use super::People;
use super::book::{Book, Number};
use crate::clock::Machine;
use crate::store::{Block, PeopleChange};

/// The most accounts of one person.
const ACCOUNTS: usize = 8;

/// The most others of whom one user may have said something of one sort: blocks, mutes, contacts.
pub(crate) const MOST_SAID: usize = 10_000;

/// What a user says of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Blocks,
    Mutes,
    Contacts,
}

impl Said {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Mutes => "mutes",
            Self::Contacts => "contacts",
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many mutes end at one look; the next look ends more.
const ENDED: usize = 256;

/// Why two accounts do not become one person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// They are already.
    Already,
    /// The person would have more accounts than this.
    TooMany(usize),
}

impl People {
    /// What is to change so that nothing of `blocked`'s person reaches `owner`'s; nothing if it is so
    /// already.
    pub(crate) fn blocking(
        &self,
        owner: &UserId,
        blocked: &UserId,
        at: Timestamp,
    ) -> Vec<PeopleChange> {
        let book = self.read();
        let named = book
            .pair(owner, blocked)
            .and_then(|pair| book.blocks.get(&pair))
            .is_some_and(|b| b.named);
        drop(book);
        if named {
            return Vec::new();
        }
        let (owners, others) = (self.accounts(owner), self.accounts(blocked));
        let mut changes = Vec::new();
        for owner in &owners {
            for other in others.iter().filter(|other| !owners.contains(other)) {
                let named = other == blocked || self.has_named(owner, other);
                let (owner, blocked) = (owner.clone(), other.clone());
                changes.push(PeopleChange::Block(Block { owner, blocked, at, named }));
            }
        }
        changes
    }

    /// What is to change so that the chats of all of `owner`'s accounts with this account make no
    /// noise; nothing if it is so already.
    ///
    /// Only this account: which others are the same person's is not shown.
    pub(crate) fn muting(
        &self,
        owner: &UserId,
        other: &UserId,
        how: MuteFor,
        machine: Machine,
    ) -> Vec<PeopleChange> {
        let clock = self.own_clock(machine);
        let until = how.duration().map(|duration| clock.shown().plus(duration));
        let owners = self.accounts(owner).into_iter();
        // An end that comes later than before is a change too.
        let new = owners.filter(|owner| until.is_some() || self.muted(owner, other) != Some(how));
        let mut changes: Vec<_> = new
            .map(|owner| PeopleChange::Mute { owner, other: other.clone(), how, until })
            .collect();
        if !changes.is_empty() && until.is_some() {
            changes.push(PeopleChange::OwnClock(clock));
        }
        changes
    }

    /// What is to change so that those chats make noise again; nothing if they do.
    pub(crate) fn unmuting(&self, owner: &UserId, other: &UserId) -> Vec<PeopleChange> {
        let owners = self.accounts(owner).into_iter();
        let muted = owners.filter(|owner| self.has_muted(owner, other));
        muted.map(|owner| PeopleChange::Unmute { owner, other: other.clone() }).collect()
    }

    /// What ends because the bridge's own clock shows its time. That clock is kept now and then
    /// while something waits for it.
    pub(crate) fn mutes_over(
        &self,
        machine: impl FnOnce() -> Machine,
        keep_each: Duration,
    ) -> Vec<PeopleChange> {
        let book = self.read();
        let Some(clock) = book.clock.as_ref().filter(|_| !book.ends.is_empty()) else {
            return Vec::new();
        };
        let machine = machine();
        let now = clock.read(&machine);
        let over = book.ends.iter().take_while(|(until, _)| *until <= now).take(ENDED);
        let mut changes: Vec<_> = over
            .filter_map(|(_, (owner, other))| {
                let (owner, other) = (book.account(*owner)?, book.account(*other)?);
                Some(PeopleChange::Unmute { owner, other })
            })
            .collect();
        if clock.age(&machine) >= keep_each {
            changes.push(PeopleChange::OwnClock(clock.kept(machine)));
        }
        changes
    }

    /// Whether a user has as many of these as anybody may have.
    pub(crate) fn has_said_enough(&self, owner: &UserId, of: Said) -> bool {
        let book = self.read();
        let Some(owner) = book.number(owner) else { return false };
        let all = (owner, 0)..=(owner, Number::MAX);
        let last = MOST_SAID - 1;
        match of {
            Said::Blocks => book.blocks.range(all).nth(last).is_some(),
            Said::Mutes => book.mutes.range(all).nth(last).is_some(),
            Said::Contacts => book.contacts.range(all).nth(last).is_some(),
        }
    }

    /// Whether `owner` has blocked this very account of `other`.
    pub(crate) fn has_named(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        let block = book.pair(owner, other).and_then(|pair| book.blocks.get(&pair));
        block.is_some_and(|block| block.named)
    }

    /// What is to change so that `owner`'s person hears `blocked`'s again; nothing if it is so already.
    pub(crate) fn unblocking(&self, owner: &UserId, blocked: &UserId) -> Vec<PeopleChange> {
        let (owners, others) = (self.accounts(owner), self.accounts(blocked));
        let pairs = owners.iter().flat_map(|owner| others.iter().map(move |other| (owner, other)));
        let blocked = pairs.filter(|(owner, other)| self.has_blocked(owner, other));
        blocked
            .map(|(owner, other)| PeopleChange::Unblock {
                owner: owner.clone(),
                blocked: other.clone(),
            })
            .collect()
    }

    /// What is to change so that two accounts are one person's. Each block that holds for one of them
    /// or against one of them then holds for and against all. `new` is a number that no person has.
    pub(crate) fn linking(
        &self,
        one: &UserId,
        other: &UserId,
        new: i64,
        at: Timestamp,
    ) -> Result<Vec<PeopleChange>, LinkError> {
        let accounts = self.accounts(one);
        if accounts.contains(other) {
            return Err(LinkError::Already);
        }
        let all: Vec<UserId> = accounts.into_iter().chain(self.accounts(other)).collect();
        if all.len() > ACCOUNTS {
            return Err(LinkError::TooMany(ACCOUNTS));
        }
        let book = self.read();
        let person = |user: &UserId| book.number(user).and_then(|user| book.person_number(user));
        let person = person(one).or_else(|| person(other)).unwrap_or(new);
        let mut changes: Vec<_> =
            all.iter().map(|user| PeopleChange::Person { user: user.clone(), person }).collect();
        let numbers: Vec<Number> = all.iter().filter_map(|user| book.number(user)).collect();
        changes.extend(book.spread(&all, &numbers, at));
        changes.extend(book.spread_mutes(&all, &numbers));
        Ok(changes)
    }
}

impl Book {
    /// The blocks that are missing if these accounts are one person's.
    fn spread(&self, all: &[UserId], numbers: &[Number], at: Timestamp) -> Vec<PeopleChange> {
        let by: BTreeSet<Number> = numbers.iter().flat_map(|of| self.blocked_of(*of)).collect();
        let against: BTreeSet<Number> =
            numbers.iter().flat_map(|of| self.blockers_of(*of)).collect();
        let mut changes = Vec::new();
        for user in all {
            let number = self.number(user);
            let ours = by.iter().map(|other| (number, Some(*other)));
            let theirs = against.iter().map(|other| (Some(*other), number));
            for (owner, blocked) in ours.chain(theirs) {
                let held = owner.zip(blocked).is_some_and(|pair| self.blocks.contains_key(&pair));
                let name = |number: Option<Number>| match number {
                    Some(number) => self.account(number),
                    None => Some(user.clone()),
                };
                let (Some(owner), Some(blocked)) = (name(owner), name(blocked)) else { continue };
                // Nobody is kept from themselves.
                if held || (all.contains(&owner) && all.contains(&blocked)) {
                    continue;
                }
                changes.push(PeopleChange::Block(Block { owner, blocked, at, named: false }));
            }
        }
        changes
    }

    /// The mutes that are missing if these accounts are one person's, and those that end then.
    fn spread_mutes(&self, all: &[UserId], numbers: &[Number]) -> Vec<PeopleChange> {
        let mutes: Vec<_> = numbers.iter().flat_map(|of| self.mutes_of(*of)).collect();
        let mut changes = Vec::new();
        for owner in all {
            let number = self.number(owner);
            for mute in &mutes {
                let pair = number.zip(self.number(&mute.other));
                let is_muted = pair.is_some_and(|pair| self.mutes.contains_key(&pair));
                // Nobody is kept from themselves.
                if all.contains(&mute.other) {
                    let (owner, other) = (owner.clone(), mute.other.clone());
                    changes.extend(is_muted.then_some(PeopleChange::Unmute { owner, other }));
                    continue;
                }
                if is_muted {
                    continue;
                }
                let (owner, other) = (owner.clone(), mute.other.clone());
                let (how, until) = (mute.how, mute.until);
                changes.push(PeopleChange::Mute { owner, other, how, until });
            }
        }
        changes
    }

    fn blocked_of(&self, owner: Number) -> impl Iterator<Item = Number> {
        Self::seconds(self.blocks.range((owner, 0)..=(owner, Number::MAX)).map(|(pair, _)| pair))
    }

    fn blockers_of(&self, blocked: Number) -> impl Iterator<Item = Number> {
        Self::seconds(self.blocked_by.range((blocked, 0)..=(blocked, Number::MAX)))
    }
}
