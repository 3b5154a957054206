//! Which room is the portal of which two: remembered durably, and kept at hand.

use drawbridge_adapter::{Bridge, Memo, Unavailable};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;

/// Rooms at hand; all others are looked up.
const AT_HAND: usize = 10_000;

/// What is known of a room with a ghost in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Room {
    /// The ghost.
    pub(crate) ghost: OwnedUserId,
    /// The Matrix user whose chat with the ghost this is.
    pub(crate) user: OwnedUserId,
    /// Who else is there.
    pub(crate) company: Company,
}

/// Who is in a room besides one ghost and one Matrix user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Company {
    /// Not known yet: the ghost was invited, and has not looked around.
    Unknown,
    /// Nobody: a direct chat.
    None,
    /// Others: a group.
    Others,
}

/// The memory of portals.
pub(crate) struct Portals {
    bridge: Bridge,
    rooms: Cache<OwnedRoomId, Room>,
    by_pair: Cache<(OwnedUserId, OwnedUserId), OwnedRoomId>,
}

impl Portals {
    pub(crate) fn new(bridge: Bridge) -> Self {
        Self { bridge, rooms: Cache::new(AT_HAND), by_pair: Cache::new(AT_HAND) }
    }

    /// What is known of `room`.
    pub(crate) async fn room(&self, room: &RoomId) -> Result<Option<Room>, Unavailable> {
        if let Some(known) = self.rooms.get(&room.to_owned()) {
            return Ok(Some(known));
        }
        let memo = self.bridge.recall(&room_key(room)).await?;
        let known: Option<Room> = memo.and_then(|memo| serde_json::from_str(&memo).ok());
        if let Some(known) = &known {
            self.rooms.put(room.to_owned(), known.clone());
        }
        Ok(known)
    }

    /// The portal of `user` and `ghost`, and whether it is fresh in memory (else the homeserver
    /// should be asked whether it still stands: the bridge may have been away).
    pub(crate) async fn of(
        &self,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<Option<(OwnedRoomId, bool)>, Unavailable> {
        if let Some(room) = self.by_pair.get(&(user.to_owned(), ghost.to_owned())) {
            return Ok(Some((room, true)));
        }
        let memo = self.bridge.recall(&pair_key("portal", user, ghost)).await?;
        Ok(memo.and_then(|room| OwnedRoomId::try_from(room).ok()).map(|room| (room, false)))
    }

    /// The portal was seen to stand.
    pub(crate) fn stands(&self, user: &UserId, ghost: &UserId, room: &RoomId) {
        self.by_pair.put((user.to_owned(), ghost.to_owned()), room.to_owned());
    }

    /// Remembers what is known of a room, before it is the portal of anybody.
    pub(crate) async fn learn(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        self.bridge.remember(vec![memo_of(id, room)]).await?;
        self.rooms.put(id.to_owned(), room.clone());
        Ok(())
    }

    /// Remembers a room as the portal of its two, instead of any earlier one.
    pub(crate) async fn open(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        let (user, ghost) = (&room.user, &room.ghost);
        let memos = vec![
            memo_of(id, room),
            Memo::set(pair_key("portal", user, ghost), id.as_str()),
            Memo::forget(pair_key("opening", user, ghost)),
        ];
        self.bridge.remember(memos).await?;
        self.rooms.put(id.to_owned(), room.clone());
        self.stands(user, ghost, id);
        Ok(())
    }

    /// Others have come into a room: it is the portal of nobody, so that nothing meant for one
    /// is shown to all.
    pub(crate) async fn crowd(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        self.unlink(id, room, Some(Company::Others)).await
    }

    /// Forgets a room, and that it is the portal of its two, if it is.
    pub(crate) async fn close(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        self.unlink(id, room, None).await
    }

    /// In one commit: a crash in between would leave people in a room that nobody knows.
    async fn unlink(
        &self,
        id: &RoomId,
        room: &Room,
        left: Option<Company>,
    ) -> Result<(), Unavailable> {
        let (user, ghost) = (&room.user, &room.ghost);
        let left = left.map(|company| Room { company, ..room.clone() });
        let of_room = left.as_ref().map(|left| memo_of(id, left));
        let mut memos = vec![of_room.unwrap_or_else(|| Memo::forget(room_key(id)))];
        memos.push(Memo::forget(notice_key(id)));
        let portal = self.of(user, ghost).await?;
        if portal.is_some_and(|(portal, _)| portal == id) {
            memos.push(Memo::forget(pair_key("portal", user, ghost)));
        }
        self.bridge.remember(memos).await?;
        match left {
            Some(left) => self.rooms.put(id.to_owned(), left),
            None => self.rooms.forget(&id.to_owned()),
        }
        self.by_pair.forget(&(user.clone(), ghost.clone()));
        Ok(())
    }

    /// Whether a room for these two was about to be made: after a crash it may stand already.
    pub(crate) async fn was_opening(
        &self,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<bool, Unavailable> {
        Ok(self.bridge.recall(&pair_key("opening", user, ghost)).await?.is_some())
    }

    /// A room for these two is about to be made.
    pub(crate) async fn opening(&self, user: &UserId, ghost: &UserId) -> Result<(), Unavailable> {
        self.bridge.remember(vec![Memo::set(pair_key("opening", user, ghost), "")]).await
    }

    /// The key of the last failure in the last notice that was begun in a room.
    pub(crate) async fn noticed(&self, room: &RoomId) -> Result<Option<String>, Unavailable> {
        self.bridge.recall(&notice_key(room)).await
    }

    /// A notice up to this failure is about to be shown.
    pub(crate) async fn notice(&self, room: &RoomId, last: &str) -> Result<(), Unavailable> {
        self.bridge.remember(vec![Memo::set(notice_key(room), last)]).await
    }

    /// Whether people in a room were told that the bridge reads no ciphertext.
    pub(crate) async fn told_encrypted(&self, room: &RoomId) -> Result<bool, Unavailable> {
        Ok(self.bridge.recall(&format!("encrypted/{room}")).await?.is_some())
    }

    /// They were told.
    pub(crate) async fn tell_encrypted(&self, room: &RoomId) -> Result<(), Unavailable> {
        self.bridge.remember(vec![Memo::set(format!("encrypted/{room}"), "told")]).await
    }
}

fn memo_of(id: &RoomId, room: &Room) -> Memo {
    let memo = serde_json::json!({
        "ghost": room.ghost, "user": room.user, "company": room.company,
    });
    Memo::set(room_key(id), memo.to_string())
}

fn room_key(room: &RoomId) -> String {
    format!("room/{room}")
}

fn notice_key(room: &RoomId) -> String {
    format!("notice/{room}")
}

/// No MXID holds a line feed.
fn pair_key(what: &str, user: &UserId, ghost: &UserId) -> String {
    format!("{what}/{user}\n{ghost}")
}
