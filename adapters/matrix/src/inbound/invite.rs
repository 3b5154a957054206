//! A Matrix user invites a ghost, or the bot.

use std::sync::Arc;

use drawbridge_adapter::UserId as Account;
use drawbridge_adapter::log;
use ruma::api::client::membership::join_room_by_id;
use ruma::api::client::state::get_state_event_for_key;
use ruma::events::StateEventType;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::core::{Core, Later};
use crate::homeserver::{As, CallError};
use crate::log::{INVITE_NOT_FOLLOWED, INVITE_UNANSWERED, JOIN_REFUSED};
use crate::outbound;
use crate::portals::{Company, Room};
use crate::wire::WireEvent;

impl Core {
    /// The account behind a ghost, if the ghost is well-formed and its network configured.
    pub(super) fn known_ghost(&self, mxid: &str) -> Option<(OwnedUserId, Account)> {
        let account = self.names.behind(mxid)?;
        let known = self.bridge.knows(&account);
        known.then_some((OwnedUserId::try_from(mxid).ok()?, account))
    }

    /// Follows an invite, or declines it.
    pub(super) async fn invited(
        self: &Arc<Self>,
        event: &WireEvent,
        ghost: OwnedUserId,
    ) -> Result<(), Later> {
        let (id, user) = (event.room.clone(), event.sender.clone());
        if user.server_name() == self.names.server() {
            return self.follow(id, ghost, user).await;
        }
        // A join over federation may take long, and others' events wait behind this one.
        let Ok(permit) = Arc::clone(&self.remote_invites).try_acquire_owned() else {
            log!(INVITE_UNANSWERED);
            return Ok(());
        };
        let core = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            if core.follow(id, ghost, user).await.is_err() {
                log!(INVITE_NOT_FOLLOWED);
            }
        });
        Ok(())
    }

    async fn follow(
        &self,
        id: OwnedRoomId,
        ghost: OwnedUserId,
        user: OwnedUserId,
    ) -> Result<(), Later> {
        let taken = self.portals.room(&id).await?.is_some_and(|room| room.ghost != ghost);
        let known = ghost == self.names.bot() || self.known_ghost(ghost.as_str()).is_some();
        if !known || taken || self.names.user(user.as_str()).is_none() {
            return self.decline(&id, &ghost).await;
        }
        if let Err(error) = self.ensure(&ghost).await {
            Later::if_gone(&error)?;
        }
        self.profiles.forget(&user);
        // Remembered before the join, so that nothing said right after it is missed.
        let room = Room { ghost, user, company: Company::Unknown };
        self.portals.learn(&id, &room).await?;
        if let Err(error) = self.join(&id, &room.ghost).await {
            Later::if_gone(&error)?;
            log!(JOIN_REFUSED);
            return self.leave(&id, &room).await;
        }
        let Some(room) = self.look_around(&id, &room).await? else { return Ok(()) };
        if room.company == Company::None {
            self.accepts(&room.user, &room.ghost).await?;
        }
        if self.is_encrypted(&id, &room).await {
            outbound::tell_encrypted(self, &id, &room.ghost).await?;
        }
        Ok(())
    }

    async fn join(&self, id: &RoomId, ghost: &UserId) -> Result<(), CallError> {
        let request = join_room_by_id::v3::Request::new(id.to_owned());
        self.homeserver.insist(As::Ghost(ghost), request).await.map(drop)
    }

    /// A ghost has to exist to say no, even one of a network that is not configured.
    async fn decline(&self, id: &RoomId, ghost: &UserId) -> Result<(), Later> {
        if let Err(error) = crate::ghosts::register(&self.homeserver, ghost).await {
            Later::if_gone(&error)?;
        }
        self.step_out(id, ghost).await
    }

    async fn is_encrypted(&self, id: &RoomId, room: &Room) -> bool {
        let request = get_state_event_for_key::v3::Request::new(
            id.to_owned(),
            StateEventType::RoomEncryption,
            String::new(),
        );
        self.homeserver.call(As::Ghost(&room.ghost), request).await.is_ok()
    }
}
