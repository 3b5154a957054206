//! How users of other networks look: each to one user, in the room of the two. A ghost's own profile would
//! show it to all.

use std::time::Duration;

use drawbridge_adapter::{Delivered, DeliveryError, Memo, Picture, Profile, Shown, log};
use ruma::events::StateEventType;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::rooms::retry;
use crate::cache::Cache;
use crate::core::Core;
use crate::ghosts::display_name;
use crate::homeserver::CallError;
use crate::log::{DISPLAY_NAME_REFUSED, PICTURE_REFUSED};
use crate::passing::PICTURED;
use crate::portals::Room;

/// Rooms in which a ghost does not look yet as it should.
const UNDRESSED: usize = 1_000;
/// The longest that is waited until the homeserver has a picture.
const UPLOAD: Duration = Duration::from_secs(30);
/// The same, where others' events wait behind it.
const BRIEFLY: Duration = Duration::from_secs(5);
const BETWEEN_TRIES: Duration = Duration::from_mins(1);

/// How ghosts look to users.
pub(crate) struct Looks {
    /// Since when.
    undressed: Cache<OwnedRoomId, Instant>,
}

impl Looks {
    pub(crate) fn new() -> Self {
        Self { undressed: Cache::new(UNDRESSED) }
    }
}

#[derive(Deserialize, Default)]
struct Member {
    #[serde(default)]
    membership: String,
    #[serde(default)]
    displayname: Option<String>,
    #[serde(default)]
    avatar_url: Option<String>,
}

/// Where a picture lies on the homeserver.
#[derive(Deserialize)]
struct Pictured {
    mxc: String,
}

impl Core {
    /// A user of another network is shown so to one user from now on.
    pub(super) async fn show_profile(&self, profile: &Profile) -> Result<Delivered, DeliveryError> {
        let Profile { of, to, shown } = profile;
        let Some((user, ghost)) = self.pair(to, of) else { return Ok(Delivered::default()) };
        // Before the turn, which others wait for.
        if let Some(picture) = &shown.picture
            && self.portals.of(&user, &ghost).await.map_err(retry)?.is_some()
        {
            self.ensure(&ghost).await?;
            self.take_picture(&ghost, picture).await?;
        }
        let _alone = self.portals.seek(&user, &ghost).await;
        if let Some(room) = self.still_stands(&user, &ghost).await? {
            self.ensure(&ghost).await?;
            self.dress(&room, &ghost, shown).await?;
            self.looks.undressed.forget(&room);
        }
        Ok(Delivered::default())
    }

    /// How a ghost looks to a user who knows only that it is called `name`; `None` as to everybody.
    pub(super) async fn look_of(
        &self,
        user: &UserId,
        ghost: &UserId,
        name: Option<&str>,
    ) -> Result<Option<Shown>, DeliveryError> {
        let shown = self.last_look(user, ghost).await?;
        if shown.is_none() && name.is_none() {
            return Ok(None);
        }
        let mut shown = shown.unwrap_or_default();
        shown.name = shown.name.or_else(|| name.map(str::to_owned));
        Ok(Some(shown))
    }

    async fn last_look(
        &self,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<Option<Shown>, DeliveryError> {
        let pair = (self.names.behind(ghost.as_str()), self.names.user(user.as_str()));
        let (Some(of), Some(to)) = pair else { return Ok(None) };
        self.bridge.shown(&of, &to).await.map_err(retry)
    }

    /// Lets a ghost look so in a room that was just made. The picture may come later.
    pub(super) async fn dress_new(
        &self,
        room: &RoomId,
        ghost: &UserId,
        shown: &Shown,
    ) -> Result<(), DeliveryError> {
        match self.dress(room, ghost, shown).await {
            Err(DeliveryError::Retry { .. } | DeliveryError::Unknown { .. })
                if shown.picture.is_some() =>
            {
                let named = Shown { name: shown.name.clone(), picture: None };
                self.dress(room, ghost, &named).await?;
                self.will_dress(room);
                Ok(())
            }
            dressed => dressed,
        }
    }

    /// The ghost does not look in this room as it should.
    pub(super) fn will_dress(&self, room: &RoomId) {
        self.looks.undressed.put(room.to_owned(), Instant::now());
    }

    /// Lets a ghost look in a portal as it should, if an earlier try failed.
    pub(super) async fn dress_again(
        &self,
        id: &RoomId,
        (user, ghost): (&OwnedUserId, &OwnedUserId),
    ) {
        let failed = self.looks.undressed.get(&id.to_owned());
        if failed.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.looks.undressed.put(id.to_owned(), Instant::now() + BETWEEN_TRIES);
        let dressed = timeout(BRIEFLY, self.dress_as_shown(id, user, ghost)).await;
        if matches!(dressed, Ok(Ok(()))) {
            self.looks.undressed.forget(&id.to_owned());
        }
    }

    /// Lets a ghost look in a portal as it does to the user, if what it bears there is something else.
    pub(crate) async fn dress_if_otherwise(
        &self,
        id: &RoomId,
        room: &Room,
        (name, picture): (Option<&str>, Option<&str>),
    ) {
        let Some(user) = self.names.behind(room.ghost.as_str()) else { return };
        let Ok(Some(shown)) = self.last_look(&room.user, &room.ghost).await else { return };
        let wanted = display_name(shown.name.as_deref().unwrap_or(user.id()), &user);
        let pictured = picture.is_some_and(|at| !at.is_empty());
        if name != Some(&wanted) || pictured != shown.picture.is_some() {
            self.dress_portal(id, room).await;
        }
    }

    /// A room has become the portal of its two: the ghost looks there as it does to the user. If that
    /// fails it is tried again with what is said there.
    pub(crate) async fn dress_portal(&self, id: &RoomId, room: &Room) {
        let dressed = timeout(BRIEFLY, self.dress_as_shown(id, &room.user, &room.ghost)).await;
        if !matches!(dressed, Ok(Ok(()))) {
            self.will_dress(id);
        }
    }

    async fn dress_as_shown(
        &self,
        id: &RoomId,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<(), DeliveryError> {
        let mut shown = self.last_look(user, ghost).await?;
        while let Some(look) = shown {
            self.dress(id, ghost, &look).await?;
            // Something newer may have been shown meanwhile.
            shown = self.last_look(user, ghost).await?.filter(|newer| *newer != look);
        }
        Ok(())
    }

    /// Lets a ghost look so in a room.
    async fn dress(
        &self,
        room: &RoomId,
        ghost: &UserId,
        shown: &Shown,
    ) -> Result<(), DeliveryError> {
        let Some(user) = self.names.behind(ghost.as_str()) else { return Ok(()) };
        let name = display_name(shown.name.as_deref().unwrap_or(user.id()), &user);
        let picture = match &shown.picture {
            Some(picture) => self.take_picture(ghost, picture).await?,
            None => None,
        };
        let of_type = StateEventType::RoomMember;
        let member: Member = self.state_of(room, ghost, of_type.clone(), ghost.as_str()).await?;
        let worn = member.avatar_url.filter(|at| !at.is_empty());
        let same = member.displayname.as_ref() == Some(&name) && worn == picture;
        if same || member.membership != "join" {
            return Ok(());
        }
        let mut content = json!({ "membership": "join", "displayname": name });
        if let Some(picture) = picture {
            content["avatar_url"] = picture.into();
        }
        match self.set((room, ghost), of_type, ghost.as_str(), &content).await {
            // A message is worth more than its writer's name.
            Err(CallError::Refused { status, .. }) if status != 401 => {
                log!(DISPLAY_NAME_REFUSED, status);
                Ok(())
            }
            set => Ok(set?),
        }
    }

    /// Takes a picture to the homeserver, if that was not done lately.
    async fn take_picture(
        &self,
        ghost: &UserId,
        picture: &Picture,
    ) -> Result<Option<String>, DeliveryError> {
        let key = format!("{PICTURED}{}", picture.sha256);
        let known = self.bridge.recall(&key).await.map_err(retry)?;
        if let Some(known) = known.and_then(|memo| serde_json::from_str::<Pictured>(&memo).ok()) {
            return Ok(Some(known.mxc));
        }
        let upload = self.homeserver.upload_picture(ghost, &picture.mime, &picture.bytes);
        match timeout(UPLOAD, upload).await.unwrap_or(Err(CallError::Unanswered)) {
            Ok(at) => {
                let memo = json!({ "mxc": at.to_string(), "at": self.bridge.now() }).to_string();
                self.bridge.remember(vec![Memo::set(key, memo)]).await.map_err(retry)?;
                Ok(Some(at.to_string()))
            }
            Err(CallError::Refused { status, .. }) if status != 401 => {
                log!(PICTURE_REFUSED, status);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
