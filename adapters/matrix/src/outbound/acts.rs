//! What a user of another network does with an earlier message: a new text, taking it back, reactions.
//!
//! It happens in the portal where the message stands. In one that its user has left nobody sees it.

use drawbridge_adapter::{
    Code, Content, Delivered, Delivery, DeliveryError, Emojis, EventId, Reference,
};
use ruma::api::client::redact::redact_event;
use ruma::api::client::relations::get_relating_events_with_rel_type_and_event_type as relating;
use ruma::events::TimelineEventType;
use ruma::events::relation::RelationType;
use ruma::{OwnedEventId, OwnedTransactionId, OwnedUserId, RoomId, UserId, uint};
use serde::Deserialize;
use serde_json::{Value, json};

use super::message::{KEY, under};
use super::words;
use crate::address::MatrixAddressing;
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::refs::{Known, Way};
use crate::wire::file;

const GONE: DeliveryError = DeliveryError::Refused {
    refusal: drawbridge_adapter::Refusal {
        code: Code::TargetNotFound,
        retry_after: None,
        limit: None,
    },
    why: "what it is about is not in the portal of the two",
};

/// The most pages of 100 events that are read of those that relate to one.
const PAGES: usize = 20;

/// An event that relates to another.
#[derive(Deserialize)]
struct Related {
    event_id: OwnedEventId,
    sender: OwnedUserId,
    content: Value,
}

/// Where it happens, and as whom.
#[derive(Clone, Copy)]
struct Place<'a> {
    room: &'a RoomId,
    ghost: &'a UserId,
}

fn is_file(content: &Value, names: &MatrixAddressing) -> bool {
    file(content, false, names).is_some_and(|file| file.is_ok())
}

/// What was said, without what tells by which delivery.
fn without_key(mut content: Value) -> Value {
    if let Some(fields) = content.as_object_mut() {
        fields.remove(KEY);
    }
    content
}

impl Core {
    /// Does this to an earlier message.
    pub(super) async fn act(
        &self,
        delivery: &Delivery,
        content: &Content,
        (user, ghost): (&OwnedUserId, &OwnedUserId),
    ) -> Result<Delivered, DeliveryError> {
        let Some(of) = content.about() else { return Err(GONE) };
        let Some(room) = self.standing(user, ghost).await? else { return Err(GONE) };
        let Some(of) = self.event_of(&room, ghost, of).await? else { return Err(GONE) };
        let place = Place { room: &room, ghost };
        let done = match content {
            Content::Edit { text, .. } => {
                if let Some(id) = self.sent_long_ago(&room, ghost, delivery).await? {
                    return Ok(under(&id));
                }
                // A file stays one: else clients would show the text in its place.
                let said = self.look_up(&room, ghost, &of).await?.map(|said| said.content);
                let new = match said.filter(|said| is_file(said, &self.names)) {
                    Some(said) => words::captioned(without_key(said), Some(text), &self.names),
                    None => words::content(text, &self.names),
                };
                let mut content = words::edit(&of, new);
                content[KEY] = delivery.key.as_str().into();
                self.send((&room, ghost), &delivery.key, "m.room.message", &content).await
            }
            Content::Retraction { .. } => self.take_back(place, &of, &delivery.key).await,
            Content::Reaction { emojis, .. } => self.react(delivery, place, &of, emojis).await,
            _ => return Err(GONE),
        };
        match done {
            // Thrown out: the message is not seen any more.
            Err(error) if error.is_forbidden() => {
                self.ghosts.forget(ghost);
                self.abandon(&room, user, ghost).await?;
                Err(GONE)
            }
            done => Ok(done?),
        }
    }

    /// The event of this room that a reference of the daemon's means.
    pub(super) async fn event_of(
        &self,
        room: &RoomId,
        ghost: &UserId,
        of: &Reference,
    ) -> Result<Option<OwnedEventId>, CallError> {
        let named = of.id.as_str();
        let event = match OwnedEventId::try_from(named) {
            Ok(event) => event,
            // Its delivery's key: what became of that is not known there yet, or not any more.
            Err(_) => match self.refs.under(named) {
                Some(event) => event,
                None => return self.said_under(room, ghost, named).await,
            },
        };
        if let Some(known) = self.refs.get(&event) {
            return Ok(if known.room == room { Some(event) } else { self.said_anew(room, &known) });
        }
        Ok(self.look_up(room, ghost, &event).await?.map(|found| found.id))
    }

    /// The event of this room under which a message of another room was said again.
    fn said_anew(&self, room: &RoomId, known: &Known) -> Option<OwnedEventId> {
        let Way::Delivered(key) = &known.way else { return None };
        let event = self.refs.under(key)?;
        self.refs.get(&event).is_some_and(|known| known.room == room).then_some(event)
    }

    /// Takes back a message, and first what its edits say: each is an event of its own.
    async fn take_back(
        &self,
        place: Place<'_>,
        message: &OwnedEventId,
        key: &str,
    ) -> Result<Delivered, CallError> {
        let of = (RelationType::Replacement, TimelineEventType::RoomMessage);
        for edit in self.related(place, message, of).await? {
            let txn = format!("{key}-{}", edit.event_id);
            self.take_away(place, &edit.event_id, &txn).await?;
        }
        self.take_away(place, message, key).await
    }

    async fn take_away(
        &self,
        place: Place<'_>,
        event: &OwnedEventId,
        txn: &str,
    ) -> Result<Delivered, CallError> {
        let (room, txn) = (place.room.to_owned(), OwnedTransactionId::from(txn));
        let request = redact_event::v3::Request::new(room, event.clone(), txn);
        self.homeserver.call(As::Device(place.ghost), request).await?;
        Ok(Delivered::default())
    }

    /// Each reaction is an event of its own.
    async fn react(
        &self,
        delivery: &Delivery,
        place: Place<'_>,
        to: &OwnedEventId,
        emojis: &Emojis,
    ) -> Result<Delivered, CallError> {
        let Emojis::Now { new, gone, .. } = emojis else { return Ok(Delivered::default()) };
        for (at, (emoji, event)) in gone.iter().enumerate() {
            let known = event.as_ref().and_then(|id| OwnedEventId::try_from(id.as_str()).ok());
            let event = match known {
                Some(event) => Some(event),
                None => self.reaction(place, to, emoji).await?,
            };
            let Some(event) = event else { continue };
            match self.take_away(place, &event, &format!("{}-gone-{at}", delivery.key)).await {
                Ok(_) => {}
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        let mut reactions = Vec::with_capacity(new.len());
        for (at, emoji) in new.iter().enumerate() {
            let content = json!({
                "m.relates_to": { "rel_type": "m.annotation", "event_id": to, "key": emoji },
                KEY: delivery.key,
            });
            let txn = format!("{}-{at}", delivery.key);
            let speaks = (place.room, place.ghost);
            let id = match self.send(speaks, &txn, "m.reaction", &content).await {
                Ok(delivered) => delivered.id,
                Err(error) if error.says("M_DUPLICATE_ANNOTATION") => {
                    let event = self.reaction(place, to, emoji).await?;
                    event.and_then(|event| EventId::new(event.as_str()).ok())
                }
                Err(error) => return Err(error),
            };
            reactions.extend(id.map(|id| (emoji.clone(), id)));
        }
        Ok(Delivered { id: None, reactions })
    }

    /// The ghost's own reaction with this emoji, by the homeserver's word.
    async fn reaction(
        &self,
        place: Place<'_>,
        to: &OwnedEventId,
        emoji: &str,
    ) -> Result<Option<OwnedEventId>, CallError> {
        let of = (RelationType::Annotation, TimelineEventType::Reaction);
        let mut own = self.related(place, to, of).await?.into_iter();
        let same = own.find(|found| found.content["m.relates_to"]["key"] == emoji);
        Ok(same.map(|found| found.event_id))
    }

    /// The ghost's own events that relate so to this one, by the homeserver's word.
    async fn related(
        &self,
        place: Place<'_>,
        to: &OwnedEventId,
        (how, what): (RelationType, TimelineEventType),
    ) -> Result<Vec<Related>, CallError> {
        let mut request = relating::v1::Request::new(place.room.to_owned(), to.clone(), how, what);
        request.limit = Some(uint!(100));
        let mut own = Vec::new();
        for _ in 0..PAGES {
            let page = match self.homeserver.call(As::Ghost(place.ghost), request.clone()).await {
                Ok(page) => page,
                Err(error) if error.is_missing() => break,
                Err(error) => return Err(error),
            };
            let all = page.chunk.iter().filter_map(|raw| raw.deserialize_as_unchecked().ok());
            own.extend(all.filter(|found: &Related| found.sender == place.ghost));
            request.from = page.next_batch;
            if request.from.is_none() {
                break;
            }
        }
        Ok(own)
    }
}
