//! Which room is the portal of which two, a user and a ghost or the bot: remembered durably, and kept at hand.

use std::sync::Arc;

use drawbridge_adapter::{Bridge, Memo, Timestamp, Unavailable};
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;

use crate::cache::Cache;
use crate::passing::LEFT;
use crate::spaces::Spaces;
use crate::turns::Turns;

/// Rooms at hand; all others are looked up.
const AT_HAND: usize = 10_000;

/// What is known of a room with a ghost in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Room {
    /// The ghost, or the bot.
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

/// The most pages of portals that were left which are searched for those of one pair.
const LEFT_SEARCHED: usize = 20;
const LEFT_AT_ONCE: usize = 500;

/// A portal that its user has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// The ghost.
    pub(crate) ghost: OwnedUserId,
    /// The Matrix user who left.
    pub(crate) user: OwnedUserId,
    /// The user's leaving, once it came in a transaction: what comes in after it was not seen.
    pub(crate) seen: Option<OwnedEventId>,
    /// When the portal was closed, by the daemon's clock.
    pub(crate) at: Timestamp,
}

/// The memory of portals.
pub(crate) struct Portals {
    bridge: Bridge,
    spaces: Arc<Spaces>,
    seekers: Turns,
    rooms: Cache<OwnedRoomId, Room>,
    by_pair: Cache<(OwnedUserId, OwnedUserId), OwnedRoomId>,
}

impl Portals {
    pub(crate) fn new(bridge: Bridge, spaces: Arc<Spaces>) -> Self {
        Self {
            bridge,
            spaces,
            seekers: Turns::new(),
            rooms: Cache::new(AT_HAND),
            by_pair: Cache::new(AT_HAND),
        }
    }

    /// While this is held, nobody else looks for the portal of these two, or makes one.
    pub(crate) async fn seek(&self, user: &UserId, ghost: &UserId) -> MutexGuard<'_, ()> {
        self.seekers.of((user, ghost)).lock().await
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
        Ok(self.remembered(user, ghost).await?.map(|room| (room, false)))
    }

    /// The portal of `user` and `ghost`, as it was written down last.
    pub(crate) async fn remembered(
        &self,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<Option<OwnedRoomId>, Unavailable> {
        let memo = self.bridge.recall(&pair_key("portal", user, ghost)).await?;
        Ok(memo.and_then(|room| OwnedRoomId::try_from(room).ok()))
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
        let before = self.of(user, ghost).await?.map(|(before, _)| before);
        let rooms = match &before {
            Some(before) if before != id => vec![&**before, id],
            _ => vec![id],
        };
        self.commit(room, &rooms, memos).await?;
        self.rooms.put(id.to_owned(), room.clone());
        self.stands(user, ghost, id);
        Ok(())
    }

    /// Others have come into a room: it is the portal of nobody, so that nothing meant for one
    /// is shown to all.
    pub(crate) async fn crowd(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        let crowd = Room { company: Company::Others, ..room.clone() };
        self.unlink(id, room, vec![memo_of(id, &crowd)]).await?;
        self.rooms.put(id.to_owned(), crowd);
        Ok(())
    }

    /// Forgets a room, and that it is the portal of its two, if it is.
    pub(crate) async fn close(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        self.unlink(id, room, vec![Memo::forget(room_key(id))]).await?;
        self.rooms.forget(&id.to_owned());
        Ok(())
    }

    /// Closes a portal that its user has left, by the event `seen` if that has come already.
    pub(crate) async fn close_behind(
        &self,
        id: &RoomId,
        room: &Room,
        seen: Option<&EventId>,
    ) -> Result<(), Unavailable> {
        let seen = seen.map(ToOwned::to_owned);
        let (ghost, user) = (room.ghost.clone(), room.user.clone());
        let left = Left { ghost, user, seen, at: self.bridge.now() };
        let memos = vec![Memo::forget(room_key(id)), memo_of_left(id, &left)];
        self.unlink(id, room, memos).await?;
        self.rooms.forget(&id.to_owned());
        Ok(())
    }

    /// The portal which this room was until its user left.
    pub(crate) async fn left(&self, id: &RoomId) -> Result<Option<Left>, Unavailable> {
        let memo = self.bridge.recall(&left_key(id)).await?;
        Ok(memo.and_then(|memo| serde_json::from_str(&memo).ok()))
    }

    /// The leaving came in a transaction.
    pub(crate) async fn saw_leaving(
        &self,
        id: &RoomId,
        left: Left,
        event: &EventId,
    ) -> Result<(), Unavailable> {
        let left = Left { seen: Some(event.to_owned()), ..left };
        self.bridge.remember(vec![memo_of_left(id, &left)]).await
    }

    /// In one commit: a crash in between would leave people in a room that nobody knows.
    async fn unlink(
        &self,
        id: &RoomId,
        room: &Room,
        mut memos: Vec<Memo>,
    ) -> Result<(), Unavailable> {
        let (user, ghost) = (&room.user, &room.ghost);
        memos.push(Memo::forget(notice_key(id)));
        let portal = self.of(user, ghost).await?;
        if portal.is_some_and(|(portal, _)| portal == id) {
            memos.push(Memo::forget(pair_key("portal", user, ghost)));
        }
        self.commit(room, &[id], memos).await?;
        self.by_pair.forget(&(user.clone(), ghost.clone()));
        Ok(())
    }

    /// Writes down that these rooms have become the portal of the two, or are none any more; and with
    /// it, that it is to be seen to whether they should be in the user's space.
    async fn commit(
        &self,
        of: &Room,
        rooms: &[&RoomId],
        mut memos: Vec<Memo>,
    ) -> Result<(), Unavailable> {
        let _unchanged = self.spaces.unchanged(&of.user).await;
        for room in rooms {
            memos.extend(self.spaces.astray(room, &of.user, &of.ghost).await?);
        }
        self.bridge.remember(memos).await?;
        self.spaces.news.notify_one();
        Ok(())
    }

    /// The portals of `user` with ghosts, and with the bot, from behind the one with `after` on.
    pub(crate) async fn of_user(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        most: usize,
    ) -> Result<Vec<(OwnedUserId, OwnedRoomId)>, Unavailable> {
        let prefix = format!("portal/{user}\n");
        let after = after.map(|ghost| format!("{prefix}{ghost}")).unwrap_or_default();
        let page = self.bridge.recall_all(&prefix, &after, most).await?;
        let of = |(key, room): (String, String)| {
            let ghost = OwnedUserId::try_from(key.strip_prefix(&prefix)?).ok()?;
            Some((ghost, OwnedRoomId::try_from(room).ok()?))
        };
        Ok(page.into_iter().filter_map(of).collect())
    }

    /// Rooms that were the portal of the two until the user left, the last first.
    pub(crate) async fn left_by(
        &self,
        user: &UserId,
        ghost: &UserId,
    ) -> Result<Vec<OwnedRoomId>, Unavailable> {
        let mut theirs = Vec::new();
        let mut after = String::new();
        for _ in 0..LEFT_SEARCHED {
            let page = self.bridge.recall_all(LEFT, &after, LEFT_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (key, memo) in page {
                let Ok(left) = serde_json::from_str::<Left>(&memo) else { continue };
                let room = key.strip_prefix(LEFT).and_then(|id| OwnedRoomId::try_from(id).ok());
                if left.user == user && left.ghost == ghost {
                    theirs.extend(room.map(|room| (left.at, room)));
                }
            }
        }
        theirs.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        Ok(theirs.into_iter().map(|(_, room)| room).collect())
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

fn memo_of_left(id: &RoomId, left: &Left) -> Memo {
    let (ghost, user, seen, at) = (&left.ghost, &left.user, &left.seen, &left.at);
    let memo = serde_json::json!({ "ghost": ghost, "user": user, "seen": seen, "at": at });
    Memo::set(left_key(id), memo.to_string())
}

fn left_key(room: &RoomId) -> String {
    format!("{LEFT}{room}")
}

fn notice_key(room: &RoomId) -> String {
    format!("notice/{room}")
}

/// No MXID holds a line feed.
fn pair_key(what: &str, user: &UserId, ghost: &UserId) -> String {
    format!("{what}/{user}\n{ghost}")
}
