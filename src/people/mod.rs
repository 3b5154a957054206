//! Whom people do not want to hear from.
//!
//! Kept in memory, because the gate asks at every message; what changes is on disk before it is
//! known here, and confirmed after both. It remembers and answers: what follows is the gate's.
//!
//! Invariant: an answer costs two lookups, however many people and blocks there are.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use drawbridge_adapter::{Timestamp, UserId};

use crate::store::Block;

/// The number of an account that a rule speaks of: a million rules hold numbers, not names.
type Number = u32;

/// All that is known of people.
#[derive(Default)]
pub(crate) struct People(RwLock<Book>);

#[derive(Default)]
struct Book {
    numbers: HashMap<UserId, Number>,
    accounts: Vec<UserId>,
    /// Whom each owner has blocked, and since when.
    blocks: BTreeMap<(Number, Number), Timestamp>,
}

impl Book {
    fn number(&mut self, user: &UserId) -> Number {
        if let Some(number) = self.numbers.get(user) {
            return *number;
        }
        // Two billion accounts do not fit the memory: the number never saturates.
        let number = Number::try_from(self.accounts.len()).unwrap_or(Number::MAX);
        self.numbers.insert(user.clone(), number);
        self.accounts.push(user.clone());
        number
    }

    fn pair(&self, owner: &UserId, blocked: &UserId) -> Option<(Number, Number)> {
        Some((*self.numbers.get(owner)?, *self.numbers.get(blocked)?))
    }

    fn block_of(&self, ((owner, blocked), at): (&(Number, Number), &Timestamp)) -> Option<Block> {
        let account = |number: Number| self.accounts.get(usize::try_from(number).ok()?).cloned();
        Some(Block { owner: account(*owner)?, blocked: account(*blocked)?, at: *at })
    }
}

impl People {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        // Nothing panics while it is held; if it did, the maps would still be whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `owner` has blocked `other`.
    pub(crate) fn has_blocked(&self, owner: &UserId, other: &UserId) -> bool {
        let book = self.read();
        book.pair(owner, other).is_some_and(|pair| book.blocks.contains_key(&pair))
    }

    /// Knows of a block. Whether it is new.
    pub(crate) fn block(&self, block: &Block) -> bool {
        let mut book = self.write();
        let pair = (book.number(&block.owner), book.number(&block.blocked));
        book.blocks.insert(pair, block.at).is_none()
    }

    /// Knows no more of a block. Whether there was one.
    pub(crate) fn unblock(&self, owner: &UserId, blocked: &UserId) -> bool {
        let mut book = self.write();
        book.pair(owner, blocked).is_some_and(|pair| book.blocks.remove(&pair).is_some())
    }

    /// Blocks behind `after`, at most `limit`, of one owner or of all, in an order that stays while
    /// the daemon runs.
    pub(crate) fn blocks(
        &self,
        owner: Option<&UserId>,
        after: Option<(&UserId, &UserId)>,
        limit: usize,
    ) -> Vec<Block> {
        let book = self.read();
        let after = after.and_then(|(owner, blocked)| book.pair(owner, blocked));
        let (first, last) = match owner.map(|owner| book.numbers.get(owner)) {
            None => ((0, 0), (Number::MAX, Number::MAX)),
            Some(None) => return Vec::new(),
            Some(Some(owner)) => ((*owner, 0), (*owner, Number::MAX)),
        };
        let found = book.blocks.range(after.unwrap_or(first).max(first)..=last);
        let behind = found.filter(|(pair, _)| Some(**pair) != after);
        behind.filter_map(|block| book.block_of(block)).take(limit).collect()
    }
}
