//! The space that gathers a user's portals, if the user wants one (client-server API, "Spaces"):
//! remembered durably.

use drawbridge_adapter::{Bridge, Memo, NetworkId, Unavailable};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::{MutexGuard, Notify};

use crate::address::MatrixAddressing;
use crate::turns::Turns;

/// What is known of a user's space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Space {
    /// Its room; `None` while it is about to be made.
    pub(crate) room: Option<OwnedRoomId>,
    /// How it was called last.
    pub(crate) name: String,
    /// The portals of ghosts of these networks are to be in it.
    pub(crate) networks: Vec<NetworkId>,
    /// Whether its owner is to be shown it (again).
    pub(crate) invites: bool,
    /// The key of the last command that was carried out whole.
    pub(crate) done: Option<String>,
}

/// A room of a user and a ghost which has become a portal, or is none any more: it is to be seen to
/// whether it should be in the user's space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Astray {
    pub(crate) user: OwnedUserId,
    pub(crate) ghost: OwnedUserId,
    /// Tells it from what became of the same room before.
    once: u64,
}

/// The memory of spaces.
pub(crate) struct Spaces {
    bridge: Bridge,
    names: MatrixAddressing,
    changing: Turns,
    arranging: Turns,
    /// Something may be astray.
    pub(crate) news: Notify,
}

impl Spaces {
    pub(crate) fn new(bridge: Bridge, names: MatrixAddressing) -> Self {
        let (changing, arranging) = (Turns::new(), Turns::new());
        Self { bridge, names, changing, arranging, news: Notify::new() }
    }

    /// While this is held, nobody else changes what is in the space of `user`.
    pub(crate) async fn arranging(&self, user: &UserId) -> MutexGuard<'_, ()> {
        self.arranging.of(user).lock().await
    }

    /// While this is held, what is remembered of the space of `user` stays as it is. Held for one
    /// commit.
    pub(crate) async fn unchanged(&self, user: &UserId) -> MutexGuard<'_, ()> {
        self.changing.of(user).lock().await
    }

    pub(crate) async fn of(&self, user: &UserId) -> Result<Option<Space>, Unavailable> {
        let memo = self.bridge.recall(&space_key(user)).await?;
        Ok(memo.and_then(|memo| serde_json::from_str(&memo).ok()))
    }

    /// Remembers what is known of the space of `user`.
    pub(crate) async fn keep(&self, user: &UserId, space: &Space) -> Result<(), Unavailable> {
        let _alone = self.unchanged(user).await;
        let owner = space.room.iter().map(|room| Memo::set(owner_key(room), user.as_str()));
        let memos = owner.chain([memo_of(user, space)]).collect();
        self.bridge.remember(memos).await
    }

    /// The room of the space is no more, if there was one.
    pub(crate) async fn lost(&self, user: &UserId, space: &mut Space) -> Result<(), Unavailable> {
        let Some(room) = space.room.take() else { return Ok(()) };
        let _alone = self.unchanged(user).await;
        self.bridge.remember(vec![Memo::forget(owner_key(&room)), memo_of(user, space)]).await
    }

    /// There is no space of `user`.
    pub(crate) async fn forget(&self, user: &UserId) -> Result<(), Unavailable> {
        let _alone = self.unchanged(user).await;
        self.bridge.remember(vec![Memo::forget(space_key(user))]).await
    }

    /// Whether a room is known as a space of somebody's.
    pub(crate) async fn knows(&self, room: &RoomId) -> Result<bool, Unavailable> {
        Ok(self.bridge.recall(&owner_key(room)).await?.is_some())
    }

    /// Whether the portal of this ghost belongs into the space.
    pub(crate) fn holds(&self, space: &Space, ghost: &UserId) -> bool {
        let behind = self.names.behind(ghost.as_str());
        behind.is_some_and(|user| space.networks.contains(user.network()))
    }

    /// What is to be written down in one commit with a change of the portal of these two.
    pub(crate) async fn astray(
        &self,
        room: &RoomId,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<Option<Memo>, Unavailable> {
        if self.names.behind(ghost.as_str()).is_none() {
            return Ok(None);
        }
        let space = self.of(user).await?;
        if !space.is_some_and(|space| self.holds(&space, ghost)) {
            return Ok(None);
        }
        let once = self.bridge.random();
        let memo = serde_json::json!({ "user": user, "ghost": ghost, "once": once });
        Ok(Some(Memo::set(astray_key(room), memo.to_string())))
    }

    /// The next rooms behind `after` that may be astray.
    pub(crate) async fn next_astray(
        &self,
        after: Option<&RoomId>,
        most: usize,
    ) -> Result<Vec<(OwnedRoomId, Astray)>, Unavailable> {
        let after = after.map(astray_key).unwrap_or_default();
        let page = self.bridge.recall_all(ASTRAY, &after, most).await?;
        let of = |(key, memo): (String, String)| {
            let room = OwnedRoomId::try_from(key.strip_prefix(ASTRAY)?).ok()?;
            Some((room, serde_json::from_str(&memo).ok()?))
        };
        Ok(page.into_iter().filter_map(of).collect())
    }

    /// This was seen to, unless there is news since.
    pub(crate) async fn settled(&self, room: &RoomId, astray: &Astray) -> Result<(), Unavailable> {
        let _alone = self.unchanged(&astray.user).await;
        let memo = self.bridge.recall(&astray_key(room)).await?;
        if memo.and_then(|memo| serde_json::from_str(&memo).ok()).as_ref() == Some(astray) {
            self.bridge.remember(vec![Memo::forget(astray_key(room))]).await?;
        }
        Ok(())
    }
}

fn memo_of(user: &UserId, space: &Space) -> Memo {
    let memo = serde_json::json!({
        "room": space.room,
        "name": space.name,
        "networks": space.networks,
        "invites": space.invites,
        "done": space.done,
    });
    Memo::set(space_key(user), memo.to_string())
}

const ASTRAY: &str = "astray/";

fn astray_key(room: &RoomId) -> String {
    format!("{ASTRAY}{room}")
}

fn space_key(user: &UserId) -> String {
    format!("space/{user}")
}

fn owner_key(room: &RoomId) -> String {
    format!("space-owner/{room}")
}
