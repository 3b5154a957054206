//! Which room is the portal of which two, a user and a ghost or the bot: remembered durably, and kept at hand.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use drawbridge_adapter::{Bridge, Memo, Timestamp, Unavailable, log};
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::cache::Cache;
use crate::log::SWEEP_PUT_OFF;

/// Rooms at hand; all others are looked up.
const AT_HAND: usize = 10_000;
/// How many pairs may look for their portal at the same time, at most.
const SEEKERS: usize = 64;

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

/// For how long after a portal was left its ghost's last words may come back from there: the
/// homeserver may order them behind the ghost's own leaving, and send them after a long outage.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
const BETWEEN_SWEEPS: Duration = Duration::from_hours(24);
const SWEPT_AT_ONCE: usize = 500;

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
    seekers: [Mutex<()>; SEEKERS],
    rooms: Cache<OwnedRoomId, Room>,
    by_pair: Cache<(OwnedUserId, OwnedUserId), OwnedRoomId>,
}

impl Portals {
    pub(crate) fn new(bridge: Bridge) -> Self {
        Self {
            bridge,
            seekers: [const { Mutex::const_new(()) }; SEEKERS],
            rooms: Cache::new(AT_HAND),
            by_pair: Cache::new(AT_HAND),
        }
    }

    /// While this is held, nobody else looks for the portal of these two, or makes one.
    pub(crate) async fn seek(&self, user: &UserId, ghost: &UserId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (user, ghost).hash(&mut hasher);
        let place = hasher.finish() % SEEKERS as u64;
        self.seekers[usize::try_from(place).unwrap_or(0)].lock().await
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

    /// Forgets portals that were left long ago, for ever.
    pub(crate) async fn sweep(&self) {
        loop {
            if self.forget_left(self.bridge.now()).await.is_err() {
                log!(SWEEP_PUT_OFF);
            }
            tokio::time::sleep(BETWEEN_SWEEPS).await;
        }
    }

    async fn forget_left(&self, now: Timestamp) -> Result<(), Unavailable> {
        let mut after = String::new();
        loop {
            let page = self.bridge.recall_all("left/", &after, SWEPT_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            let old = |memo: &str| {
                let left = serde_json::from_str::<Left>(memo);
                left.map_or(true, |left| now.since(left.at) > REMEMBERED)
            };
            let old = page.into_iter().filter(|(_, memo)| old(memo));
            let memos: Vec<_> = old.map(|(key, _)| Memo::forget(key)).collect();
            if !memos.is_empty() {
                self.bridge.remember(memos).await?;
            }
        }
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
        self.bridge.remember(memos).await?;
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

fn memo_of_left(id: &RoomId, left: &Left) -> Memo {
    let (ghost, user, seen, at) = (&left.ghost, &left.user, &left.seen, &left.at);
    let memo = serde_json::json!({ "ghost": ghost, "user": user, "seen": seen, "at": at });
    Memo::set(left_key(id), memo.to_string())
}

fn left_key(room: &RoomId) -> String {
    format!("left/{room}")
}

fn notice_key(room: &RoomId) -> String {
    format!("notice/{room}")
}

/// No MXID holds a line feed.
fn pair_key(what: &str, user: &UserId, ghost: &UserId) -> String {
    format!("{what}/{user}\n{ghost}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::{ALICE, GHOST, Stub};

    #[tokio::test]
    async fn a_portal_that_was_left_is_forgotten_in_the_end() {
        let stub = Stub::well().await;
        let portals = &stub.core.portals;
        let room = Room {
            ghost: GHOST.try_into().unwrap(),
            user: ALICE.try_into().unwrap(),
            company: Company::None,
        };
        let rooms = (0..=SWEPT_AT_ONCE).map(|n| OwnedRoomId::try_from(format!("!r{n}:hs.test")));
        let rooms: Vec<_> = rooms.map(Result::unwrap).collect();
        for id in &rooms {
            portals.close_behind(id, &room, None).await.unwrap();
        }
        let now = stub.bridge.handle().now();
        portals.forget_left(now.plus(REMEMBERED / 2)).await.unwrap();
        assert!(portals.left(&rooms[0]).await.unwrap().is_some());
        portals.forget_left(now.plus(REMEMBERED * 2)).await.unwrap();
        for id in &rooms {
            assert_eq!(portals.left(id).await.unwrap(), None);
        }
    }
}
