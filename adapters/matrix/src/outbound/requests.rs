//! A stranger's request: the invite to the portal, and the bot's words beside it.

use drawbridge_adapter::{Code, Delivered, Delivery, DeliveryError, Request, RequestOver, UserId};
use ruma::OwnedUserId;
use ruma::api::client::membership::kick_user;

use super::message::in_own_name;
use super::rooms::retry;
use crate::core::{Core, Later};
use crate::homeserver::As;
use crate::portals::{Company, Room};

impl Core {
    /// The stranger's ghost invites the user, and the bot says what that means.
    pub(super) async fn ask(
        &self,
        delivery: &Delivery,
        request: &Request,
    ) -> Result<Delivered, DeliveryError> {
        let (pair, bot) = (self.pair(&request.to, &request.from.user), self.names.bot_user());
        let (Some((user, ghost)), Some(bot)) = (pair, bot) else {
            let why = "one of the two ids has no room in an MXID";
            return Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why });
        };
        self.ensure(&ghost).await?;
        self.portal(&user, &ghost, request.from.name.as_deref()).await?;
        let words = in_own_name(delivery, &request.words);
        self.show(delivery, None, (&user, &bot), (&words, None)).await
    }

    /// Unless the user has accepted, the invite is taken back, and the next one is a new one.
    pub(super) async fn ask_no_more(&self, over: &RequestOver) -> Result<Delivered, DeliveryError> {
        let Some((user, ghost)) = self.pair(&over.to, &over.from) else {
            return Ok(Delivered::default());
        };
        if over.accepted {
            return Ok(Delivered::default());
        }
        let _alone = self.portals.seek(&user, &ghost).await;
        let known = self.portals.of(&user, &ghost).await.map_err(retry)?;
        let id = match known {
            Some((id, _)) => Some(id),
            None => self.opened_before_a_crash(&user, &ghost).await?,
        };
        let Some(id) = id else { return Ok(Delivered::default()) };
        if self.membership(&id, &user, &ghost).await? == "invite" {
            let request = kick_user::v3::Request::new(id.clone(), user.clone());
            match self.homeserver.call(As::Ghost(&ghost), request).await {
                Ok(_) => {}
                // The user was faster, or the ghost was thrown out.
                Err(error) if error.is_forbidden() || error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let room = Room { ghost, user, company: Company::None };
        self.step_out(&id, &room.ghost).await.map_err(|Later| DeliveryError::Disconnected)?;
        self.portals.close(&id, &room).await.map_err(retry)?;
        Ok(Delivered::default())
    }

    /// The MXIDs of a user of Matrix and of another user's ghost.
    pub(super) fn pair(&self, user: &UserId, other: &UserId) -> Option<(OwnedUserId, OwnedUserId)> {
        Some((OwnedUserId::try_from(user.id()).ok()?, self.names.ghost_of(other)?))
    }
}
