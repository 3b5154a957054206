//! What passes without leaving a trace: that a user has read something, or writes.
//!
//! Lost without harm: what finds no room is dropped, and nothing of it holds up the transaction.

use std::sync::Arc;

use drawbridge_adapter::{EventId, Passing, Receipt, Reference, Typing, UserId, Was};
use ruma::{OwnedEventId, OwnedRoomId};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Mutex, Semaphore};

use crate::cache::Cache;
use crate::core::Core;
use crate::portals::{Company, Room};
use crate::wire::{Fleeting, fleeting};

/// What waits at most.
const MOST: usize = 1000;
/// Rooms of which it is known who writes.
const ROOMS: usize = 10_000;
/// How many events are looked up at a time.
const AT_ONCE: usize = 4;

/// What has come, and waits.
pub(crate) struct Passes {
    sender: Sender<Fleeting>,
    receiver: Mutex<Receiver<Fleeting>>,
    /// In which portals the user was writing last.
    typing: Cache<OwnedRoomId, ()>,
    looking: Arc<Semaphore>,
}

impl Passes {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(MOST);
        Self {
            sender,
            receiver: Mutex::new(receiver),
            typing: Cache::new(ROOMS),
            looking: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Core {
    /// Takes what came beside a transaction's events.
    pub(crate) fn take_fleeting(&self, ephemeral: Option<&RawValue>) {
        for passing in ephemeral.map(fleeting).unwrap_or_default() {
            // Without room it is dropped, and so is what comes behind it.
            if self.passes.sender.try_send(passing).is_err() {
                return;
            }
        }
    }
}

/// Hands over what passes, for ever.
pub(crate) async fn pass(core: &Arc<Core>) {
    let mut passes = core.passes.receiver.lock().await;
    while let Some(passing) = passes.recv().await {
        match passing {
            Fleeting::Typing { room, users } => {
                let Some(portal) = core.direct(&room).await else { continue };
                let typing = users.contains(&portal.user);
                if typing == core.passes.typing.get(&room).is_some() {
                    continue;
                }
                if typing {
                    core.passes.typing.put(room, ());
                } else {
                    core.passes.typing.forget(&room);
                }
                if let Some((by, to)) = core.pair_of(&portal) {
                    core.bridge.pass(Passing::Typing(Typing { by, to, typing }));
                }
            }
            Fleeting::Read { room, user, event } => {
                let Some(portal) = core.direct(&room).await else { continue };
                if user == portal.user {
                    core.has_read(portal, room, event);
                }
            }
        }
    }
}

impl Core {
    /// The portal, if only its two are in it.
    async fn direct(&self, room: &OwnedRoomId) -> Option<Room> {
        let portal = self.portals.room(room).await.ok().flatten()?;
        (portal.company == Company::None).then_some(portal)
    }

    fn pair_of(&self, portal: &Room) -> Option<(UserId, UserId)> {
        let by = self.names.user(portal.user.as_str())?;
        Some((by, self.names.behind(portal.ghost.as_str())?))
    }

    /// Tells of the last message up to the event that was read.
    fn has_read(self: &Arc<Self>, portal: Room, room: OwnedRoomId, event: OwnedEventId) {
        if let Some(known) = self.refs.get(&event) {
            if let Some(key) = known.read.filter(|_| known.room == room) {
                self.tell_read(&portal, &key);
            }
            return;
        }
        let Ok(permit) = Arc::clone(&self.passes.looking).try_acquire_owned() else { return };
        let core = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let found = core.look_up(&room, &portal.ghost, &event).await.ok().flatten();
            if let Some(key) = found.and_then(|found| core.recalls(&found).read) {
                core.tell_read(&portal, &key);
            }
        });
    }

    fn tell_read(&self, portal: &Room, key: &str) {
        if let (Some((by, to)), Ok(id)) = (self.pair_of(portal), EventId::new(key)) {
            let of = Reference { id, was: Was::Delivered, sent_at: None };
            self.bridge.pass(Passing::Receipt(Receipt { by, to, of, read: true }));
        }
    }
}
