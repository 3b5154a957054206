//! The room for a message: the portal of its two, or a new one.

use drawbridge_adapter::{Code, DeliveryError, Shown, Unavailable};
use ruma::api::client::membership::{joined_members, joined_rooms};
use ruma::api::client::profile::get_profile;
use ruma::api::client::room::create_room;
use ruma::api::client::state::get_state_event_for_key;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::folders::CHAT_OF;
use crate::core::{Core, Later};
use crate::homeserver::{As, CallError};
use crate::portals::{Company, Room};

/// The most unknown rooms of a ghost that are searched after a crash.
const SEARCHED: usize = 500;

#[derive(Deserialize, Default)]
struct Member {
    #[serde(default)]
    membership: String,
}

impl Core {
    /// The portal of `user` and `ghost`, where the user is or is invited; in a new one the ghost is called
    /// `name`, unless more is known.
    pub(super) async fn portal(
        &self,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
        name: Option<&str>,
    ) -> Result<OwnedRoomId, DeliveryError> {
        if let Some((room, true)) = self.portals.of(user, ghost).await.map_err(retry)? {
            self.dress_again(&room, (user, ghost)).await;
            return Ok(room);
        }
        let _alone = self.portals.seek(user, ghost).await;
        if let Some(room) = self.still_stands(user, ghost).await? {
            return Ok(room);
        }
        if !self.exists(user).await? {
            let why = "no such user of the homeserver";
            return Err(DeliveryError::Refused { refusal: Code::NotReachable.into(), why });
        }
        let room = match self.opened_before_a_crash(user, ghost).await? {
            Some(room) => {
                // How it is shown may have changed since.
                self.will_dress(&room);
                if self.membership(&room, user, ghost).await?.is_empty() {
                    let shown = self.look_of(user, ghost, name).await?.unwrap_or_default();
                    self.dress_and_invite(&room, user, ghost, &shown).await?;
                }
                room
            }
            None => self.create(user, ghost, name).await?,
        };
        let portal = Room { ghost: ghost.clone(), user: user.clone(), company: Company::None };
        self.open(&room, &portal).await.map_err(retry)?;
        Ok(room)
    }

    /// The portal of `user` and `ghost`, if there is one: for what needs an earlier message in it.
    pub(super) async fn standing(
        &self,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        if let Some((room, true)) = self.portals.of(user, ghost).await.map_err(retry)? {
            return Ok(Some(room));
        }
        let _alone = self.portals.seek(user, ghost).await;
        self.still_stands(user, ghost).await
    }

    /// The portal that was written down, if the homeserver says that it is one still.
    pub(super) async fn still_stands(
        &self,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        match self.portals.of(user, ghost).await.map_err(retry)? {
            Some((room, true)) => return Ok(Some(room)),
            Some((room, false)) if self.is_there(&room, user, ghost).await? => {
                if self.are_alone(&room, user, ghost).await? {
                    self.portals.stands(user, ghost, &room);
                    return Ok(Some(room));
                }
                // Others came while the bridge was away, and the news of it may still be on its
                // way.
                let crowd =
                    Room { ghost: ghost.clone(), user: user.clone(), company: Company::Others };
                self.portals.crowd(&room, &crowd).await.map_err(retry)?;
            }
            Some((room, false)) => self.abandon(&room, user, ghost).await?,
            None => {}
        }
        Ok(None)
    }

    /// Whether `user` is in the room, or invited. False too if the ghost is not there.
    async fn is_there(
        &self,
        room: &RoomId,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<bool, CallError> {
        let membership = self.membership(room, user, ghost).await?;
        Ok(matches!(membership.as_str(), "join" | "invite"))
    }

    /// The membership of `user` in the room; empty if it has none, or the ghost is not there.
    pub(super) async fn membership(
        &self,
        room: &RoomId,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<String, CallError> {
        let member = StateEventType::RoomMember;
        Ok(self.state_of::<Member>(room, ghost, member, user.as_str()).await?.membership)
    }

    /// A state event of a room, as the ghost sees it; empty if there is none, or the ghost is not there.
    pub(crate) async fn state_of<T: DeserializeOwned + Default>(
        &self,
        room: &RoomId,
        ghost: &UserId,
        of_type: StateEventType,
        state_key: &str,
    ) -> Result<T, CallError> {
        let (room, state_key) = (room.to_owned(), state_key.to_owned());
        let request = get_state_event_for_key::v3::Request::new(room, of_type, state_key);
        match self.homeserver.call(As::Ghost(ghost), request).await {
            Ok(answer) => {
                Ok(serde_json::from_str(answer.event_or_content.get()).unwrap_or_default())
            }
            Err(error) if error.is_forbidden() || error.is_missing() => Ok(T::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody else would read what is meant for one.
    async fn are_alone(
        &self,
        room: &RoomId,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<bool, CallError> {
        let request = joined_members::v3::Request::new(room.to_owned());
        let present = self.homeserver.call(As::Ghost(ghost), request).await?.joined;
        let ours = |one: &OwnedUserId| *one == user || *one == ghost || *one == self.names.bot();
        Ok(present.keys().all(ours))
    }

    /// A portal that is none any more: its user has left, or its ghost was thrown out.
    pub(super) async fn abandon(
        &self,
        id: &RoomId,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
    ) -> Result<(), DeliveryError> {
        let room = Room { ghost: ghost.clone(), user: user.clone(), company: Company::None };
        self.portals.close_behind(id, &room, None).await.map_err(retry)?;
        self.step_out(id, ghost).await.map_err(|Later| DeliveryError::Disconnected)
    }

    /// Whether a user of the homeserver exists; of other servers nobody knows.
    pub(super) async fn exists(&self, user: &OwnedUserId) -> Result<bool, CallError> {
        if user.server_name() != self.names.server() || self.existing.get(user).is_some() {
            return Ok(true);
        }
        let request = get_profile::v3::Request::new(user.clone());
        match self.homeserver.call(As::Bot, request).await {
            Ok(_) => {
                self.existing.put(user.clone(), ());
                Ok(true)
            }
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(
        &self,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
        name: Option<&str>,
    ) -> Result<OwnedRoomId, DeliveryError> {
        self.portals.opening(user, ghost).await.map_err(retry)?;
        let shown = self.look_of(user, ghost, name).await?;
        let direct = |request: &mut create_room::v3::Request| {
            request.is_direct = true;
            if shown.is_some() {
                let of = serde_json::value::to_raw_value(&json!({ CHAT_OF: user }));
                request.creation_content = of.ok().map(Raw::from_json);
            } else {
                request.invite = vec![user.clone()];
            }
        };
        let room = self.make_room(ghost, &json!({ "users_default": 50 }), direct).await?;
        if let Some(shown) = &shown {
            self.dress_and_invite(&room, user, ghost, shown).await?;
        }
        Ok(room)
    }

    /// Invites the user to a room that was made for them, once the ghost looks there as it should: an
    /// invite bears its sender's name of then.
    async fn dress_and_invite(
        &self,
        room: &RoomId,
        user: &UserId,
        ghost: &UserId,
        shown: &Shown,
    ) -> Result<(), DeliveryError> {
        self.dress_new(room, ghost, shown).await?;
        let invite = json!({ "membership": "invite", "is_direct": true });
        let member = StateEventType::RoomMember;
        Ok(self.set((room, ghost), member, user.as_str(), &invite).await?)
    }

    /// A new private room.
    pub(super) async fn make_room(
        &self,
        ghost: &UserId,
        power: &Value,
        change: impl FnOnce(&mut create_room::v3::Request),
    ) -> Result<OwnedRoomId, CallError> {
        let mut request = create_room::v3::Request::new();
        // In a trusted chat the invited is a creator too (MSC4289), and no creator's invite can be
        // taken back. So the user may change all but that, as a moderator.
        request.preset = Some(create_room::v3::RoomPreset::PrivateChat);
        let power = serde_json::value::to_raw_value(power).ok();
        request.power_level_content_override = power.map(Raw::from_json);
        change(&mut request);
        Ok(self.homeserver.call(As::Ghost(ghost), request).await?.room_id)
    }

    /// A room of the two alone that was made, but not written down. The user may not be invited yet.
    pub(super) async fn opened_before_a_crash(
        &self,
        user: &OwnedUserId,
        ghost: &OwnedUserId,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        if !self.portals.was_opening(user, ghost).await.map_err(retry)? {
            return Ok(None);
        }
        for room in self.unknown_rooms(ghost).await? {
            let theirs = match self.membership(&room, user, ghost).await?.as_str() {
                "join" | "invite" => true,
                "" => {
                    let made = self.creation(&room, ghost).await?;
                    made.chat_of.as_deref() == Some(user.as_str())
                }
                _ => false,
            };
            if theirs
                && self.are_alone(&room, user, ghost).await?
                && !self.is_space(&room, ghost).await?
            {
                return Ok(Some(room));
            }
        }
        Ok(None)
    }

    /// Rooms with the ghost in them of which nothing is written down, as a crash leaves them.
    pub(super) async fn unknown_rooms(
        &self,
        ghost: &UserId,
    ) -> Result<Vec<OwnedRoomId>, DeliveryError> {
        let request = joined_rooms::v3::Request::new();
        let rooms = self.homeserver.call(As::Ghost(ghost), request).await?.joined_rooms;
        let mut unknown = Vec::new();
        for room in rooms {
            if unknown.len() >= SEARCHED {
                break;
            }
            // The bot sits in a room with every user who speaks with it, and in their spaces.
            let portal = self.portals.room(&room).await.map_err(retry)?.is_some();
            if !portal && !self.spaces.knows(&room).await.map_err(retry)? {
                unknown.push(room);
            }
        }
        Ok(unknown)
    }
}

pub(crate) fn retry(_: Unavailable) -> DeliveryError {
    DeliveryError::Retry { after: None, why: "the daemon's store did not answer" }
}
