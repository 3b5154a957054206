//! What people forbid, as it changes: on disk first, then in force, then confirmed.

use drawbridge_adapter::{NetworkId, UserId, log};

use super::Crossing;
use crate::clock;
use crate::log::{BLOCK_LIFTED, BLOCK_SET};
use crate::people::People;
use crate::store::{Block, PeopleChange, StoreError};

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
    /// The store.
    #[error("it could not be written")]
    Store(#[from] StoreError),
}

impl Crossing {
    /// See [`drawbridge_adapter::Bridge::gesture`].
    pub(super) async fn gesture(
        &self,
        _network: &drawbridge_adapter::NetworkId,
        _by: &UserId,
        _gesture: drawbridge_adapter::Gesture,
    ) -> Result<(), drawbridge_adapter::Unavailable> {
        Ok(())
    }

    /// From now on nothing of `blocked` reaches `owner`, not even what waits. Whether this is new.
    pub(crate) async fn block(&self, owner: UserId, blocked: UserId) -> Result<bool, PeopleError> {
        self.spelled(&owner)?;
        self.spelled(&blocked)?;
        if owner == blocked {
            return Err(PeopleError::Oneself);
        }
        let _turn = self.changing_people.lock().await;
        let block = Block { owner, blocked, at: clock::now() };
        if self.people.has_blocked(&block.owner, &block.blocked) {
            return Ok(false);
        }
        self.store.change_people(vec![PeopleChange::Block(block.clone())]).await?;
        self.people.block(&block);
        let (user, other) = (self.tag_user(&block.owner), self.tag_user(&block.blocked));
        log!(BLOCK_SET, %user, %other);
        Ok(true)
    }

    /// From now on `blocked` reaches `owner` again; what was sent meanwhile never does. Whether there
    /// was a block.
    pub(crate) async fn unblock(
        &self,
        owner: UserId,
        blocked: UserId,
    ) -> Result<bool, PeopleError> {
        let _turn = self.changing_people.lock().await;
        if !self.people.has_blocked(&owner, &blocked) {
            return Ok(false);
        }
        let gone = PeopleChange::Unblock { owner: owner.clone(), blocked: blocked.clone() };
        self.store.change_people(vec![gone]).await?;
        self.people.unblock(&owner, &blocked);
        let (user, other) = (self.tag_user(&owner), self.tag_user(&blocked));
        log!(BLOCK_LIFTED, %user, %other);
        Ok(true)
    }

    /// What people forbid now.
    pub(crate) fn people(&self) -> &People {
        &self.people
    }

    /// Whether `user` is one of a configured network, spelt as that one does: otherwise the rule
    /// would speak of nobody.
    fn spelled(&self, user: &UserId) -> Result<(), PeopleError> {
        let network = self.networks.get(user.network());
        let network = network.ok_or_else(|| PeopleError::NoNetwork(user.network().clone()))?;
        if network.spells(user) { Ok(()) } else { Err(PeopleError::Spelling(user.clone())) }
    }
}
