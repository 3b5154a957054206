//! How Matrix users call themselves and look, to everybody: not what they are called in one room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{NewPicture, ProfileChange, Unavailable};
use ruma::api::client::profile::get_profile;
use ruma::events::StateEventType;
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::cache::Cache;
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::mxc::Mxc;
use crate::turns::Turns;
use crate::wire::WireEvent;

/// Users whose profiles are at hand.
const AT_HAND: usize = 10_000;
/// Users whose profiles are looked up at one time because something changed.
const LOOKUPS: usize = 64;
/// The longest that others' events wait for a user's profile.
const BRIEFLY: Duration = Duration::from_secs(5);
/// How long a user's profile is not asked for again that could not be had.
const DENIED: Duration = Duration::from_mins(10);
/// When a lookup that failed is tried again.
const TRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];
/// The longest display name that is kept, in bytes.
const MAX_NAME: usize = 256;

/// What is known of users' profiles.
pub(crate) struct Profiles {
    /// What the daemon was told.
    told: Cache<OwnedUserId, Looks>,
    /// Those whose profiles could not be had lately.
    denied: Cache<OwnedUserId, Instant>,
    /// Who is looked up just now, and whether there was news since that began.
    asking: Mutex<HashMap<OwnedUserId, bool>>,
    turns: Turns,
    /// Apart: other servers may take their time.
    turns_of_others: Turns,
}

#[derive(Clone, PartialEq, Eq)]
struct Looks {
    name: Option<String>,
    picture: Option<Mxc>,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self {
            told: Cache::new(AT_HAND),
            denied: Cache::new(AT_HAND),
            asking: Mutex::default(),
            turns: Turns::new(),
            turns_of_others: Turns::new(),
        }
    }

    /// What is known of a user may be old: it is looked up at the next event.
    pub(super) fn forget(&self, user: &OwnedUserId) {
        self.told.forget(user);
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<OwnedUserId, bool>> {
        // A panic elsewhere leaves the list itself whole.
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// What a sender calls themselves; in this room, if their own profile cannot be had.
    pub(super) async fn display_name(
        self: &Arc<Self>,
        event: &WireEvent,
        ghost: &UserId,
    ) -> Option<String> {
        let user = &event.sender;
        if let Some(known) = self.profiles.told.get(user) {
            return known.name;
        }
        let denied = self.profiles.denied.get(user).is_some_and(|until| until > Instant::now());
        if user.server_name() != self.names.server() {
            // Another server answers, in its own time: nobody waits for that.
            if !denied {
                self.profiles.denied.put(user.clone(), Instant::now() + DENIED);
                self.may_look_otherwise(user);
            }
        } else if !denied {
            match timeout(BRIEFLY, self.ask_profile(user)).await {
                Ok(Ok(looks)) => return looks.name,
                // It costs nothing to ask again with the next event.
                Ok(Err(CallError::Unreachable)) => {}
                Ok(Err(_)) | Err(_) => {
                    self.profiles.denied.put(user.clone(), Instant::now() + DENIED);
                }
            }
        }
        timeout(BRIEFLY, self.name_in_room(event, ghost)).await.ok().flatten()
    }

    async fn name_in_room(&self, event: &WireEvent, ghost: &UserId) -> Option<String> {
        #[derive(Deserialize, Default)]
        struct Member {
            displayname: Option<String>,
        }
        let (of_type, user) = (StateEventType::RoomMember, event.sender.as_str());
        let member: Member = self.state_of(&event.room, ghost, of_type, user).await.ok()?;
        name(member.displayname.as_deref())
    }

    /// A user may look otherwise: this is found out, aside. Each room that they are in says so.
    pub(super) fn may_look_otherwise(self: &Arc<Self>, user: &OwnedUserId) {
        {
            let mut asking = self.profiles.asking();
            if let Some(again) = asking.get_mut(user) {
                *again = true;
                return;
            }
            if asking.len() >= LOOKUPS {
                self.profiles.forget(user);
                return;
            }
            asking.insert(user.clone(), false);
        }
        let (core, user) = (Arc::clone(self), user.clone());
        tokio::spawn(async move { core.find_out(&user).await });
    }

    async fn find_out(&self, user: &OwnedUserId) {
        let mut waits = TRIES.into_iter();
        loop {
            if let Some(again) = self.profiles.asking().get_mut(user) {
                *again = false;
            }
            match self.ask_profile(user).await {
                Err(error) if error.is_temporary() => {
                    let Some(wait) = waits.next() else {
                        self.profiles.forget(user);
                        self.profiles.asking().remove(user);
                        return;
                    };
                    sleep(wait).await;
                }
                _ => {
                    let mut asking = self.profiles.asking();
                    if asking.get(user) != Some(&true) {
                        asking.remove(user);
                        return;
                    }
                }
            }
        }
    }

    /// Asks for a user's own profile, and tells the daemon what is new in it.
    async fn ask_profile(&self, user: &OwnedUserId) -> Result<Looks, CallError> {
        // Of two answers the later one is told last.
        let local = user.server_name() == self.names.server();
        let turns = if local { &self.profiles.turns } else { &self.profiles.turns_of_others };
        let _alone = turns.of(user).lock().await;
        let request = get_profile::v3::Request::new(user.clone());
        let answer = self.homeserver.call(As::Bot, request).await?;
        let text = |field| answer.get(field).and_then(|value| value.as_str());
        let looks = Looks {
            name: name(text("displayname")),
            picture: text("avatar_url").and_then(Mxc::parse),
        };
        // What the store did not take is told with the next event.
        if self.tell_profile(user, &looks).await.is_err() {
            self.profiles.forget(user);
        }
        Ok(looks)
    }

    async fn tell_profile(&self, user: &OwnedUserId, looks: &Looks) -> Result<(), Unavailable> {
        let told = self.profiles.told.get(user);
        let Some(account) = self.names.user(user.as_str()) else { return Ok(()) };
        if told.as_ref() == Some(looks) {
            return Ok(());
        }
        let picture = looks.picture.as_ref();
        let picture = picture.map_or(NewPicture::Gone, |at| NewPicture::At(at.to_string()));
        let change = ProfileChange::of(account).name(looks.name.as_deref()).picture(picture);
        self.bridge.profile(change).await?;
        self.profiles.told.put(user.clone(), looks.clone());
        Ok(())
    }
}

/// A name that is one, and not too long.
fn name(name: Option<&str>) -> Option<String> {
    let name = name.map(|name| name[..name.floor_char_boundary(MAX_NAME)].to_owned());
    name.filter(|name| !name.trim().is_empty())
}
