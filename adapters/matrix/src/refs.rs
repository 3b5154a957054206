//! What later events may be about: which event of which room is which message.
//!
//! A ghost's event bears the key of the delivery by which it was sent; of everybody else's the daemon
//! knows id and time. What passed lately is at hand, and of the rest the homeserver is asked.

use std::sync::Arc;

use drawbridge_adapter::{EventId, Reference, Timestamp, Was};
use ruma::api::client::room::get_room_event;
use ruma::{OwnedEventId, OwnedRoomId, RoomId, UserId};

use crate::cache::Cache;
use crate::core::{Core, Later};
use crate::homeserver::{As, CallError};
use crate::outbound::key_of;
use crate::wire::WireEvent;

/// Events at hand.
const AT_HAND: usize = 20_000;
/// Rooms of which the last message at hand is known.
const ROOMS: usize = 10_000;

/// The events at hand.
pub(crate) struct Refs {
    events: Cache<OwnedEventId, Known>,
    delivered: Cache<Arc<str>, OwnedEventId>,
    last: Cache<OwnedRoomId, Arc<str>>,
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Where it is.
    pub(crate) room: OwnedRoomId,
    /// What it is.
    pub(crate) way: Way,
    /// The key of the last message that was delivered up to there.
    pub(crate) read: Option<Arc<str>>,
}

/// Which way an event went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It was delivered under this key.
    Delivered(Arc<str>),
    /// Somebody sent it, at this time.
    Sent(Timestamp),
    /// It is of the room alone, and went nowhere.
    Aside,
}

impl Refs {
    pub(crate) fn new() -> Self {
        Self {
            events: Cache::new(AT_HAND),
            delivered: Cache::new(AT_HAND),
            last: Cache::new(ROOMS),
        }
    }

    /// What is at hand of an event.
    pub(crate) fn get(&self, event: &OwnedEventId) -> Option<Known> {
        self.events.get(event)
    }

    /// The event that was delivered under this key, if it is at hand.
    pub(crate) fn under(&self, key: &str) -> Option<OwnedEventId> {
        self.delivered.get(&Arc::from(key))
    }

    /// An event was delivered. What is no message of its own is known when it comes back.
    pub(crate) fn sent(&self, room: &RoomId, event: OwnedEventId, key: &str, message: bool) {
        let key = Arc::<str>::from(key);
        self.delivered.put(Arc::clone(&key), event.clone());
        if self.events.get(&event).is_none() {
            let read = message.then(|| Arc::clone(&key));
            let known = Known { room: room.to_owned(), way: Way::Delivered(key), read };
            self.events.put(event, known);
        }
    }
}

impl Core {
    /// Notes an event that passes, in the homeserver's order.
    pub(crate) fn notes(&self, event: &WireEvent) {
        // What was taken back lost its key, and all that it may be about.
        if event.redacted && self.refs.get(&event.id).is_some() {
            return;
        }
        let mut known = self.recalls(event);
        if let Some(key) = &known.read {
            self.refs.last.put(event.room.clone(), Arc::clone(key));
        } else if let Some(last) = self.refs.last.get(&event.room) {
            known.read = Some(last);
            self.refs.events.put(event.id.clone(), known);
        }
    }

    /// What an event of this room is, by what is at hand or by the homeserver's word; `None` if there is
    /// no such event there, or nobody says.
    pub(crate) async fn refer(
        &self,
        room: &RoomId,
        ghost: &UserId,
        event: &OwnedEventId,
    ) -> Result<Option<Known>, Later> {
        if let Some(known) = self.refs.get(event) {
            return Ok(Some(known).filter(|known| known.room == room));
        }
        Ok(self.fetch(room, ghost, event).await?.map(|found| self.recalls(&found)))
    }

    /// An event of this room, by the homeserver's word.
    pub(crate) async fn fetch(
        &self,
        room: &RoomId,
        ghost: &UserId,
        event: &OwnedEventId,
    ) -> Result<Option<WireEvent>, Later> {
        let request = get_room_event::v3::Request::new(room.to_owned(), event.clone());
        match self.homeserver.insist(As::Ghost(ghost), request).await {
            Ok(answer) => {
                self.unseen.forget(&room.to_owned());
                Ok(WireEvent::read(answer.event.json()).filter(|found| found.room == room))
            }
            Err(CallError::Unreachable) => Err(Later),
            Err(error) if error.is_temporary() && self.waits_for(room) => Err(Later),
            Err(_) => Ok(None),
        }
    }

    /// The same, asked once.
    pub(crate) async fn look_up(
        &self,
        room: &RoomId,
        ghost: &UserId,
        event: &OwnedEventId,
    ) -> Result<Option<WireEvent>, CallError> {
        let request = get_room_event::v3::Request::new(room.to_owned(), event.clone());
        match self.homeserver.call(As::Ghost(ghost), request).await {
            Ok(answer) => Ok(WireEvent::read(answer.event.json()).filter(|it| it.room == room)),
            Err(error) if error.is_forbidden() || error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes an event of earlier: what was said before it is not known.
    pub(crate) fn recalls(&self, event: &WireEvent) -> Known {
        let ours = self.names.is_ours(event.sender.as_str());
        let way = match key_of(&event.content) {
            Some(key) if ours => Way::Delivered(key.into()),
            _ if ours || event.state_key.is_some() => Way::Aside,
            _ => Way::Sent(Timestamp(event.sent_at)),
        };
        let mut read = None;
        if let Way::Delivered(key) = &way {
            self.refs.delivered.put(Arc::clone(key), event.id.clone());
            read = event.is_new_message().then(|| Arc::clone(key));
        }
        let known = Known { room: event.room.clone(), way, read };
        self.refs.events.put(event.id.clone(), known.clone());
        known
    }
}

/// How the daemon is told of an event; of one that nobody knows, so that it is not found.
pub(crate) fn reference(event: &OwnedEventId, known: Option<&Known>) -> Option<Reference> {
    let own = |sent_at| {
        let id = EventId::new(event.as_str()).ok()?;
        Some(Reference { id, was: Was::Sent, sent_at: Some(sent_at) })
    };
    match known.map(|known| &known.way) {
        Some(Way::Delivered(key)) => {
            let id = EventId::new(&**key).ok()?;
            Some(Reference { id, was: Was::Delivered, sent_at: None })
        }
        Some(Way::Sent(at)) => own(*at),
        Some(Way::Aside) | None => own(Timestamp(0)),
    }
}
