//! A folder for a user's chats: a private space of the bot's, with the portals of some networks in
//! it (client-server API, "Spaces").

use std::collections::BTreeSet;
use std::time::Duration;

use drawbridge_adapter::{Code, Delivered, Delivery, DeliveryError, Folder, log};
use ruma::api::client::membership::invite_user::{
    self,
    v3::{InvitationRecipient, InviteUserId},
};
use ruma::api::client::room::create_room;
use ruma::api::client::state::{get_state_events, send_state_event};
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rooms::retry;
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::log::FOLDER_NOT_KEPT;
use crate::spaces::{Astray, Space};

/// A field of ours in a space's creation: whose folder it is.
const OWNER: &str = "dev.drawbridge.folder";
/// A field of the event that makes a chat: for whom, before they are invited.
pub(super) const CHAT_OF: &str = "dev.drawbridge.chat";
/// How many portals are looked at together.
const AT_ONCE: usize = 100;
/// When what could not be seen to is tried again.
const AGAIN: Duration = Duration::from_secs(10);

#[derive(Deserialize, Default)]
pub(super) struct Creation {
    #[serde(default, rename = "type")]
    of_type: Option<String>,
    #[serde(default, rename = "dev.drawbridge.folder")]
    owner: Option<String>,
    #[serde(default, rename = "dev.drawbridge.chat")]
    pub(super) chat_of: Option<String>,
}

#[derive(Deserialize)]
struct Child {
    #[serde(rename = "type")]
    of_type: StateEventType,
    state_key: OwnedRoomId,
    content: ChildContent,
}

#[derive(Deserialize)]
struct ChildContent {
    /// Without it the room is no child (any more).
    via: Vec<String>,
}

impl Core {
    /// Puts the portals of these networks into the user's folder, and takes all others out. An empty
    /// folder stays: it is the user's, who may leave it.
    pub(super) async fn gather(
        &self,
        delivery: &Delivery,
        folder: &Folder,
    ) -> Result<Delivered, DeliveryError> {
        let refused = |why| Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why });
        let Some(bot) = self.names.bot_user() else {
            return refused("the bot's name is no MXID");
        };
        let Ok(user) = OwnedUserId::try_from(folder.owner.id()) else {
            return refused("the owner's id is no MXID");
        };
        let _alone = self.spaces.arranging(&user).await;
        let before = self.spaces.of(&user).await.map_err(retry)?;
        let begun = before.as_ref().is_some_and(|space| space.room.is_none());
        let mut space = match before {
            Some(space) => space,
            None if folder.networks.is_empty() => return Ok(Delivered::default()),
            None => Space::default(),
        };
        if space.done.as_ref() == Some(&delivery.key) {
            return Ok(Delivered::default());
        }
        if !self.exists(&user).await? {
            return refused("no such user of the homeserver");
        }
        self.ensure(&bot).await?;
        // Who has left it is not asked again by a command that only says anew what is to be in it.
        space.invites |= space.networks.is_empty();
        space.invites &= !folder.networks.is_empty();
        // From here on new portals find their way by themselves.
        space.networks.clone_from(&folder.networks);
        self.spaces.keep(&user, &space).await.map_err(retry)?;
        let stands = match &space.room {
            Some(room) => self.children(room, &bot).await?.map(|there| (room.clone(), there)),
            None => None,
        };
        let (room, there) = if let Some((room, there)) = stands {
            self.offer(&room, &user, &bot, &space, folder).await?;
            (room, there)
        } else {
            self.spaces.lost(&user, &mut space).await.map_err(retry)?;
            let Some(room) = self.space(&user, &bot, begun, folder).await? else {
                self.spaces.forget(&user).await.map_err(retry)?;
                return Ok(Delivered::default());
            };
            (room, BTreeSet::new())
        };
        space.room = Some(room.clone());
        space.invites = false;
        space.name.clone_from(&folder.name);
        self.spaces.keep(&user, &space).await.map_err(retry)?;
        self.arrange(&space, (&room, &bot), &user, &there).await?;
        space.done = Some(delivery.key.clone());
        self.spaces.keep(&user, &space).await.map_err(retry)?;
        Ok(Delivered::default())
    }

    /// A space that stands gets its name, and its owner is invited who wants one and is not there.
    async fn offer(
        &self,
        room: &RoomId,
        user: &OwnedUserId,
        bot: &UserId,
        space: &Space,
        folder: &Folder,
    ) -> Result<(), CallError> {
        if space.name != folder.name {
            let name = json!({ "name": folder.name });
            self.set((room, bot), StateEventType::RoomName, "", &name).await?;
        }
        if !space.invites
            || matches!(self.membership(room, user, bot).await?.as_str(), "join" | "invite")
        {
            return Ok(());
        }
        let recipient = InvitationRecipient::UserId(InviteUserId::new(user.clone()));
        let request = invite_user::v3::Request::new(room.to_owned(), recipient);
        self.homeserver.call(As::Ghost(bot), request).await.map(drop)
    }

    /// A space for the user: the one that was made before a crash, or a new one. None if there is
    /// none, and nothing to put into it.
    async fn space(
        &self,
        user: &OwnedUserId,
        bot: &OwnedUserId,
        begun: bool,
        folder: &Folder,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        if begun && let Some(room) = self.made_before_a_crash(user, bot).await? {
            return Ok(Some(room));
        }
        if folder.networks.is_empty() {
            return Ok(None);
        }
        let creation = serde_json::value::to_raw_value(&json!({ "type": "m.space", OWNER: user }));
        let space = |request: &mut create_room::v3::Request| {
            request.creation_content = creation.ok().map(Raw::from_json);
            request.name = Some(folder.name.clone());
            request.invite = vec![user.clone()];
        };
        // The owner may arrange it, and nobody writes there.
        let power = json!({ "users_default": 50, "events_default": 100 });
        Ok(Some(self.make_room(bot, &power, space).await?))
    }

    async fn made_before_a_crash(
        &self,
        user: &UserId,
        bot: &UserId,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        for room in self.unknown_rooms(bot).await? {
            if self.creation(&room, bot).await?.owner.as_deref() == Some(user.as_str()) {
                return Ok(Some(room));
            }
        }
        Ok(None)
    }

    /// Whether a room with the bot in it is a space, written down or not.
    pub(crate) async fn is_space(&self, room: &RoomId, bot: &UserId) -> Result<bool, CallError> {
        Ok(self.creation(room, bot).await?.of_type.as_deref() == Some("m.space"))
    }

    pub(super) async fn creation(
        &self,
        room: &RoomId,
        ghost: &UserId,
    ) -> Result<Creation, CallError> {
        self.state_of(room, ghost, StateEventType::RoomCreate, "").await
    }

    /// The rooms in a space; `None` if there is no such space (any more).
    async fn children(
        &self,
        space: &RoomId,
        bot: &UserId,
    ) -> Result<Option<BTreeSet<OwnedRoomId>>, CallError> {
        let request = get_state_events::v3::Request::new(space.to_owned());
        let state = match self.homeserver.call(As::Ghost(bot), request).await {
            Ok(answer) => answer.room_state,
            Err(error) if error.is_forbidden() || error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let children = state.iter().filter_map(|raw| raw.deserialize_as_unchecked::<Child>().ok());
        let children = children.filter(|child| {
            child.of_type == StateEventType::SpaceChild && !child.content.via.is_empty()
        });
        Ok(Some(children.map(|child| child.state_key).collect()))
    }

    /// Puts into the space, and takes out of it, what of the user's portals is in the wrong place.
    /// What the user put there stays.
    async fn arrange(
        &self,
        space: &Space,
        place: (&RoomId, &UserId),
        user: &UserId,
        there: &BTreeSet<OwnedRoomId>,
    ) -> Result<(), DeliveryError> {
        let mut after = None;
        loop {
            let page =
                self.portals.of_user(user, after.as_deref(), AT_ONCE).await.map_err(retry)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (ghost, portal) in page {
                let holds = self.spaces.holds(space, &ghost);
                if holds != there.contains(&portal) {
                    self.put(place, (&portal, &ghost), holds).await?;
                }
            }
        }
    }

    /// Puts a room into a space or takes it out, with a word of it in the room where the ghost may say
    /// it. State alone: nothing is unread by it.
    async fn put(
        &self,
        (space, bot): (&RoomId, &UserId),
        (room, ghost): (&RoomId, &UserId),
        holds: bool,
    ) -> Result<(), CallError> {
        let via = [self.names.server()];
        let (parent, child) = if holds {
            (json!({ "via": via, "canonical": true }), json!({ "via": via }))
        } else {
            (json!({}), json!({}))
        };
        let said =
            self.set((room, ghost), StateEventType::SpaceParent, space.as_str(), &parent).await;
        match said {
            Err(error) if error.is_temporary() || error.is_unknown_token() => return Err(error),
            // In a room of the user's own it may be no moderator, and here it may have left.
            Err(_) | Ok(()) => {}
        }
        self.set((space, bot), StateEventType::SpaceChild, room.as_str(), &child).await
    }

    pub(super) async fn set(
        &self,
        (room, ghost): (&RoomId, &UserId),
        of_type: StateEventType,
        state_key: &str,
        content: &Value,
    ) -> Result<(), CallError> {
        let unsayable = || CallError::Refused { status: 400, errcode: "M_BAD_JSON".to_owned() };
        let content = Raw::new(content).map_err(|_| unsayable())?.cast_unchecked();
        let (room, state_key) = (room.to_owned(), state_key.to_owned());
        let request = send_state_event::v3::Request::new_raw(room, of_type, state_key, content);
        self.homeserver.call(As::Ghost(ghost), request).await.map(drop)
    }

    /// Sees to all rooms that may be astray. False if the homeserver or the store failed.
    async fn settle_all(&self) -> bool {
        let mut after: Option<OwnedRoomId> = None;
        loop {
            let Ok(page) = self.spaces.next_astray(after.as_deref(), AT_ONCE).await else {
                return false;
            };
            let Some((last, _)) = page.last() else { return true };
            after = Some(last.clone());
            for (room, astray) in page {
                if self.settle(&room, &astray).await.is_err() {
                    return false;
                }
            }
        }
    }

    async fn settle(&self, room: &RoomId, astray: &Astray) -> Result<(), DeliveryError> {
        let (user, ghost) = (&astray.user, &astray.ghost);
        let _alone = self.spaces.arranging(user).await;
        let space = self.spaces.of(user).await.map_err(retry)?;
        // Whoever makes the space puts all portals into it.
        if let (Some(bot), Some(space)) = (self.names.bot_user(), space)
            && let Some(place) = &space.room
        {
            let portal = self.portals.remembered(user, ghost).await.map_err(retry)?;
            let holds = portal.is_some_and(|p| p == room) && self.spaces.holds(&space, ghost);
            match self.put((place, &bot), (room, ghost), holds).await {
                Ok(()) => {}
                Err(error) if error.is_temporary() || error.is_unknown_token() => {
                    return Err(error.into());
                }
                Err(_) => log!(FOLDER_NOT_KEPT),
            }
        }
        self.spaces.settled(room, astray).await.map_err(retry)
    }
}

/// Lets rooms that become portals, or are none any more, find their way into their users' folders
/// and out of them; for ever.
pub(crate) async fn keep_folders(core: &Core) {
    loop {
        if core.settle_all().await {
            core.spaces.news.notified().await;
        } else {
            tokio::time::sleep(AGAIN).await;
        }
    }
}
