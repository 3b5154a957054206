//! Which chats a user has muted: what their push rules say that is new, and what the bridge writes
//! there for them.
//!
//! A chat is whichever room is the portal of the two today. So what is known of it stands under the
//! ghost, with the room that it was written or seen for last: in another room it is written anew,
//! and that the old one is gone is no word of the user's.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use drawbridge_adapter::{
    Code, Delivered, DeliveryError, Gesture, Memo, MuteEntry, MuteFor, Timestamp, Unavailable,
};
use ruma::api::client::push::{delete_pushrule, set_pushrule};
use ruma::push::{NewPushRule, NewSimplePushRule};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::list::{MOST, TRIES, Told};
use super::rules::{Muted, Rule};
use super::watch::{self, all, look};
use super::write::failed;
use super::{Access, Watched};
use crate::core::Core;
use crate::homeserver::CallError;
use crate::outbound::retry;
use crate::portals::{Company, Room};

/// What is known of a user's chats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// By the ghosts' MXIDs. A chat that is not here makes noise.
    chats: BTreeMap<String, Mute>,
    told: Told,
}

/// A chat that is muted, or is to make noise again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mute {
    muted: bool,
    /// The room that it was seen in, or written for; none if there was none, or no access.
    room: Option<String>,
    /// Whether it was seen so.
    seen: bool,
    /// How often it was written and then not seen.
    #[serde(skip)]
    missed: u32,
}

impl Mute {
    fn new(muted: bool, room: Option<&str>, seen: bool) -> Self {
        Self { muted, room: room.map(str::to_owned), seen, missed: 0 }
    }
}

/// A chat as it is now: its room, and whether that is muted there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chat {
    room: Option<String>,
    muted: bool,
}

/// What a look shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    /// The user has muted the chats with these ghosts.
    muted: Vec<String>,
    /// And lets these make noise.
    unmuted: Vec<String>,
    /// What is to be written: the ghost, its room, and whether that is to be muted.
    write: Vec<(String, String, bool)>,
    chats: BTreeMap<String, Mute>,
}

/// Compares the chats with what is known of them.
fn news(known: &BTreeMap<String, Mute>, now: &BTreeMap<String, Chat>) -> News {
    let mut news = News { chats: known.clone(), ..News::default() };
    for (ghost, chat) in now {
        let Some(room) = chat.room.as_deref() else {
            // What is to make noise in no room does.
            if known.get(ghost).is_some_and(|mute| !mute.muted) {
                news.chats.remove(ghost);
            }
            continue;
        };
        let user = |news: &mut News| {
            if chat.muted {
                news.muted.push(ghost.clone());
                news.chats.insert(ghost.clone(), Mute::new(true, Some(room), true));
            } else {
                news.unmuted.push(ghost.clone());
                news.chats.remove(ghost);
            }
        };
        let Some(mute) = known.get(ghost) else {
            if chat.muted && news.chats.len() < MOST {
                user(&mut news);
            }
            continue;
        };
        let same_room = mute.room.as_deref() == Some(room);
        if chat.muted == mute.muted {
            if chat.muted {
                news.chats.insert(ghost.clone(), Mute::new(true, Some(room), true));
            } else {
                news.chats.remove(ghost);
            }
        } else if same_room && (mute.seen || mute.missed >= TRIES) {
            user(&mut news);
        } else {
            let missed = if same_room { mute.missed } else { 0 };
            let again = Mute { missed, ..Mute::new(mute.muted, Some(room), false) };
            news.chats.insert(ghost.clone(), again);
            news.write.push((ghost.clone(), room.to_owned(), mute.muted));
        }
    }
    news
}

fn key(user: &UserId, ghost: &str) -> String {
    format!("mute/{user}\n{ghost}")
}

fn memo_of(user: &UserId, ghost: &str, mute: Option<&Mute>) -> Memo {
    let Some(Mute { muted, room, seen, .. }) = mute else { return Memo::forget(key(user, ghost)) };
    let memo = serde_json::json!({ "muted": muted, "room": room, "seen": seen });
    Memo::set(key(user, ghost), memo.to_string())
}

/// The memos that lead from one state of things to another.
fn memos(user: &UserId, from: &BTreeMap<String, Mute>, to: &BTreeMap<String, Mute>) -> Vec<Memo> {
    let same = |a: &Mute, b: &Mute| (a.muted, a.seen, &a.room) == (b.muted, b.seen, &b.room);
    let old = |(ghost, mute): &(&String, &Mute)| from.get(*ghost).is_some_and(|a| same(a, mute));
    let changed = to.iter().filter(|one| !old(one));
    let gone = from.keys().filter(|ghost| !to.contains_key(*ghost));
    let set = changed.map(|(ghost, mute)| memo_of(user, ghost, Some(mute)));
    set.chain(gone.map(|ghost| memo_of(user, ghost, None))).collect()
}

/// What is known, looked up if need be.
async fn recalled<'a>(
    core: &Core,
    user: &UserId,
    state: &'a mut Option<Known>,
) -> Result<&'a mut Known, Unavailable> {
    if let Some(known) = state.take() {
        return Ok(state.insert(known));
    }
    let found = all(core, &key(user, "")).await?.into_iter();
    let chats = found.filter_map(|(ghost, memo)| Some((ghost, serde_json::from_str(&memo).ok()?)));
    Ok(state.insert(Known { chats: chats.collect(), told: Told::default() }))
}

/// Changes what is known of one chat: on disk, then in memory.
async fn change(
    core: &Core,
    user: &UserId,
    known: &mut Known,
    ghost: &str,
    mute: Option<Mute>,
) -> Result<(), Unavailable> {
    let mut chats = known.chats.clone();
    match mute {
        Some(mute) => chats.insert(ghost.to_owned(), mute),
        None => chats.remove(ghost),
    };
    let memos = memos(user, &known.chats, &chats);
    if !memos.is_empty() {
        core.bridge.remember(memos).await?;
    }
    known.chats = chats;
    Ok(())
}

/// Tells which chats the user has muted, or not any more, and then remembers that it was told.
/// `commands` is how many there were before it was looked at.
pub(super) async fn tell(
    core: &Core,
    (user, watched, access): (&UserId, &Watched, &Access),
    muted: &Muted,
    commands: u64,
) -> Result<watch::Told, Unavailable> {
    let Some(account) = core.names.user(user.as_str()) else { return Ok(watch::Told::All) };
    let mut state = watched.state.lock().await;
    if watched.commands() != commands {
        return Ok(watch::Told::Outdated);
    }
    let known = recalled(core, user, &mut state.mutes).await?;
    let now = chats(core, user, known, muted).await?;
    let news = news(&known.chats, &now);
    for (of, changed) in [
        ((|who| Gesture::Mute(who, MuteFor::Always)) as fn(_) -> _, &news.muted),
        (Gesture::Unmute as fn(_) -> _, &news.unmuted),
    ] {
        for other in changed.iter().filter_map(|ghost| core.names.behind(ghost)) {
            core.bridge.gesture(&account, of(other)).await?;
        }
    }
    let memos = memos(user, &known.chats, &news.chats);
    if !memos.is_empty() {
        core.bridge.remember(memos).await?;
    }
    // Later than the gestures: a command that is older than they are is not carried out any more.
    let at = core.bridge.now();
    known.told.add(&news.muted, true, at);
    known.told.add(&news.unmuted, false, at);
    known.chats = news.chats;
    let mut told = watch::Told::All;
    for (ghost, room, mute) in &news.write {
        let rules = muted.get(room).map_or(&[][..], Vec::as_slice);
        match write(core, (user, watched, access), room, *mute, rules).await {
            Ok(()) => {
                if let Some(mute) = known.chats.get_mut(ghost) {
                    mute.missed += 1;
                }
            }
            Err(error) if error.is_temporary() => told = watch::Told::ButNotWritten,
            Err(_) => {}
        }
    }
    Ok(told)
}

/// The chats that are known, and all that are muted.
async fn chats(
    core: &Core,
    user: &UserId,
    known: &Known,
    muted: &Muted,
) -> Result<BTreeMap<String, Chat>, Unavailable> {
    let mut chats = BTreeMap::new();
    for ghost in known.chats.keys() {
        let Ok(mxid) = <&UserId>::try_from(ghost.as_str()) else { continue };
        let room = core.portals.of(user, mxid).await?.map(|(room, _)| room.to_string());
        let is_muted = room.as_ref().is_some_and(|room| muted.contains_key(room));
        chats.insert(ghost.clone(), Chat { room, muted: is_muted });
    }
    for room in muted.keys() {
        let Ok(id) = <&RoomId>::try_from(room.as_str()) else { continue };
        let Some(Room { ghost, user: of, company: Company::None }) = core.portals.room(id).await?
        else {
            continue;
        };
        let portal = core.portals.of(user, &ghost).await?;
        let today = portal.is_some_and(|(portal, _)| portal == id);
        if of == user && today && core.names.behind(ghost.as_str()).is_some() {
            let chat = Chat { room: Some(room.clone()), muted: true };
            chats.insert(ghost.into(), chat);
        }
    }
    Ok(chats)
}

/// Writes that a room makes no noise, or takes away what says so.
async fn write(
    core: &Core,
    (user, watched, access): (&UserId, &Watched, &Access),
    room: &str,
    muted: bool,
    rules: &[Rule],
) -> Result<(), CallError> {
    if muted {
        let Ok(room) = OwnedRoomId::try_from(room) else { return Ok(()) };
        let rule = NewPushRule::Room(NewSimplePushRule::new(room, Vec::new()));
        let request = set_pushrule::v3::Request::new(rule);
        return core.call_as(user, watched, access, request).await.map(drop);
    }
    for rule in rules {
        let request = delete_pushrule::v3::Request::new(rule.kind.clone(), rule.id.clone());
        match core.call_as(user, watched, access, request).await {
            Ok(_) => {}
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Core {
    /// Mutes a chat in a user's push rules, or lets it make noise again. Where there is no chat yet,
    /// or no access, it is remembered until there is.
    pub(crate) async fn write_mute(
        &self,
        entry: &MuteEntry,
        asked: Timestamp,
    ) -> Result<Delivered, DeliveryError> {
        let user = OwnedUserId::try_from(entry.owner.id()).ok();
        let user = user.filter(|user| self.is_local(user));
        let (Some(user), Some(ghost)) = (user, self.names.ghost_of(&entry.other)) else {
            let why = "one of the two has no push rules here";
            return Err(DeliveryError::Refused { refusal: Code::Forbidden.into(), why });
        };
        self.remembered().await.map_err(retry)?;
        self.meets(&user).await.map_err(retry)?;
        let muted = entry.muted.is_some();
        let Some((watched, access)) = self.lists.open(&user) else {
            return self.wish(&user, ghost.as_str(), muted).await;
        };
        let mut state = watched.state.lock().await;
        watched.commands.fetch_add(1, Ordering::Relaxed);
        let known = recalled(self, &user, &mut state.mutes).await.map_err(retry)?;
        if known.told.outdates(ghost.as_str(), muted, asked) {
            return Ok(Delivered::default());
        }
        let portal = self.portals.of(&user, &ghost).await.map_err(retry)?;
        let Some((room, _)) = portal else {
            let wish = muted.then(|| Mute::new(true, None, false));
            change(self, &user, known, ghost.as_str(), wish).await.map_err(retry)?;
            return Ok(Delivered::default());
        };
        let looked = look(self, (&user, &watched, &access), None).await;
        let looked = looked.map_err(|error| failed(&self.lists, &access, error))?;
        let rules = looked.muted.as_ref().and_then(|muted| muted.get(room.as_str()));
        let rules = rules.map_or(&[][..], Vec::as_slice);
        let stands = rules.is_empty() != muted;
        // Before it is written, so that it is not taken for the user's own.
        let mute = Mute::new(muted, Some(room.as_str()), stands);
        let mute = (muted || !stands).then_some(mute);
        change(self, &user, known, ghost.as_str(), mute).await.map_err(retry)?;
        if !stands {
            let written =
                write(self, (&user, &watched, &access), room.as_str(), muted, rules).await;
            written.map_err(|error| failed(&self.lists, &access, error))?;
        }
        Ok(Delivered::default())
    }

    /// Remembers what is to be written once there is access.
    async fn wish(
        &self,
        user: &UserId,
        ghost: &str,
        muted: bool,
    ) -> Result<Delivered, DeliveryError> {
        let memo = self.bridge.recall(&key(user, ghost)).await.map_err(retry)?;
        let earlier: Option<Mute> = memo.and_then(|memo| serde_json::from_str(&memo).ok());
        let room = earlier.as_ref().and_then(|mute| mute.room.as_deref());
        let wish = (muted || room.is_some()).then(|| Mute::new(muted, room, false));
        self.bridge.remember(vec![memo_of(user, ghost, wish.as_ref())]).await.map_err(retry)?;
        self.wished(user).await;
        Ok(Delivered::default())
    }

    /// A room has become the portal of two: if their chat is muted, so is the room, before anything
    /// is said there.
    pub(crate) async fn open(&self, id: &RoomId, room: &Room) -> Result<(), Unavailable> {
        self.portals.open(id, room).await?;
        let Some((watched, access)) = self.lists.open(&room.user) else { return Ok(()) };
        if self.bridge.recall(&key(&room.user, room.ghost.as_str())).await?.is_none() {
            return Ok(());
        }
        let mut state = watched.state.lock().await;
        let known = recalled(self, &room.user, &mut state.mutes).await?;
        let mute = known.chats.get(room.ghost.as_str());
        if mute.is_some_and(|mute| mute.muted && mute.room.as_deref() != Some(id.as_str())) {
            let mute = Mute::new(true, Some(id.as_str()), false);
            change(self, &room.user, known, room.ghost.as_str(), Some(mute)).await?;
            let of = (&*room.user, &*watched, &access);
            if write(self, of, id.as_str(), true, &[]).await.is_err() {
                watched.changed.notify_one();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn chat(room: Option<&str>, muted: bool) -> BTreeMap<String, Chat> {
        BTreeMap::from([("g".to_owned(), Chat { room: room.map(str::to_owned), muted })])
    }

    fn known(mute: Mute) -> BTreeMap<String, Mute> {
        BTreeMap::from([("g".to_owned(), mute)])
    }

    #[test]
    fn a_mute_follows_its_chat_from_room_to_room() {
        let seen = known(Mute::new(true, Some("!a"), true));
        // The chat was left: that its rule means nothing any more is no word of the user's.
        assert_eq!(
            news(&seen, &chat(None, false)),
            News { chats: seen.clone(), ..News::default() }
        );
        let again = news(&seen, &chat(Some("!b"), false));
        assert_eq!(again.write, [("g".to_owned(), "!b".to_owned(), true)]);
        assert_eq!((again.muted, again.unmuted), (vec![], vec![]));
        let there = news(&again.chats, &chat(Some("!b"), true));
        let chats = known(Mute::new(true, Some("!b"), true));
        assert_eq!(there, News { chats, ..News::default() });
        assert_eq!(news(&there.chats, &chat(Some("!b"), false)).unmuted, ["g"]);
        // What is to make noise again does where there is no room.
        let noise = known(Mute::new(false, Some("!a"), false));
        assert_eq!(news(&noise, &chat(None, false)), News::default());
    }

    #[test]
    fn what_is_written_in_vain_is_given_up() {
        let mut now = known(Mute::new(true, Some("!a"), false));
        for _ in 0..TRIES {
            let again = news(&now, &chat(Some("!a"), false));
            assert_eq!((again.write.len(), again.unmuted.len()), (1, 0));
            now = again.chats;
            now.get_mut("g").unwrap().missed += 1;
        }
        let given_up = news(&now, &chat(Some("!a"), false));
        assert_eq!((given_up.unmuted, given_up.chats), (vec!["g".to_owned()], BTreeMap::new()));
    }

    proptest! {
        #[test]
        fn both_sides_agree_in_the_end(
            steps in prop::collection::vec((0..4_u8, any::<bool>(), 0..3_u8), 0..40),
        ) {
            // What the daemon believes, what the user's clients show, and in which room.
            let (mut mutes, mut rules) = (BTreeSet::new(), BTreeSet::new());
            let mut rooms = BTreeMap::new();
            let mut known = BTreeMap::new();
            for (ghost, muted, what) in steps {
                let ghost = format!("g{ghost}");
                let room = rooms.entry(ghost.clone()).or_insert(0);
                match what {
                    0 => {
                        if muted { mutes.insert(ghost.clone()) } else { mutes.remove(&ghost) };
                        known.insert(ghost, Mute::new(muted, Some(&room.to_string()), false));
                    }
                    1 => {
                        let rule = (ghost, *room);
                        if muted { rules.insert(rule) } else { rules.remove(&rule) };
                    }
                    _ => *room += 1,
                }
            }
            for _ in 0..=TRIES + 2 {
                let now = rooms.iter().map(|(ghost, room)| {
                    let muted = rules.contains(&(ghost.clone(), *room));
                    (ghost.clone(), Chat { room: Some(room.to_string()), muted })
                });
                let found = news(&known, &now.collect());
                mutes.extend(found.muted);
                mutes.retain(|ghost| !found.unmuted.contains(ghost));
                known = found.chats;
                for (ghost, room, muted) in found.write {
                    known.get_mut(&ghost).unwrap().missed += 1;
                    let rule = (ghost, room.parse().unwrap());
                    if muted { rules.insert(rule) } else { rules.remove(&rule) };
                }
            }
            let shown = rooms.iter().filter(|(ghost, room)| rules.contains(&((*ghost).clone(), **room)));
            let shown: BTreeSet<_> = shown.map(|(ghost, _)| ghost.clone()).collect();
            prop_assert_eq!(&mutes, &shown);
            prop_assert!(known.values().all(|mute| mute.seen));
        }
    }
}
