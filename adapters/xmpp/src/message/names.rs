//! How messages are called: the ids of events, and what refers to messages, in both directions.

use drawbridge_adapter::{Bridge, Content, EventId, Marks, Reference, Reply, UserId, Was};
use minidom::Element;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// How many hex digits the key of a delivery has: see [`drawbridge_adapter::Delivery::key`].
const KEY: usize = 27;
/// How many bytes of a hash tell apart what one name was given to.
const SHORT: usize = 8;

/// From whom a message comes, and to whom it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    /// The bare JID.
    pub(crate) sender: &'a str,
    /// `None` is the bridge itself.
    pub(crate) to: Option<&'a UserId>,
}

/// What a message says: a repeat says the same.
#[derive(Serialize)]
pub(crate) struct Said<'a> {
    pub(crate) content: &'a Content,
    pub(crate) reply: Option<&'a Reply>,
    pub(crate) marks: Marks,
}

impl Way<'_> {
    /// The name of what the sender's client gave this id.
    fn name(self, id: &str) -> String {
        let (network, user) = self.to.map_or(("", ""), |to| (to.network().as_str(), to.id()));
        let mut hash = Sha256::new();
        for part in [self.sender, network, user, id] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hex(&hash.finalize())
    }

    /// The id of an event: its name, what it says, and the sender's own id, if there is room; the same
    /// for a repeat, and never for anything else. What comes without an id is always new.
    pub(crate) fn event_id(
        self,
        element: &Element,
        said: &Said<'_>,
        bridge: &Bridge,
    ) -> Option<EventId> {
        let Some(id) = client_id(element) else {
            return EventId::new(format!("{:016x}{:016x}", bridge.random(), bridge.random())).ok();
        };
        let said = Sha256::digest(serde_json::to_vec(said).ok()?);
        let this = format!("{}/{}", self.name(id), hex(&said[..SHORT]));
        EventId::new(format!("{this}/{id}")).or_else(|_| EventId::new(this)).ok()
    }

    /// The message that the sender calls so: by the id that we gave it, or by the sender's own.
    pub(crate) fn meant(self, id: &str) -> Option<Reference> {
        let (id, was) = if is_key(id) {
            (id.to_owned(), Was::Delivered)
        } else {
            // A stanza without an id has no name.
            (Some(id).filter(|id| !id.is_empty()).map(|id| self.name(id))?, Was::Sent)
        };
        Some(Reference { id: EventId::new(id).ok()?, was, sent_at: None })
    }
}

/// The message of ours that has this id, if it has the form of one.
pub(crate) fn ours(id: &str) -> Option<Reference> {
    let id = EventId::new(id).ok().filter(|_| is_key(id))?;
    Some(Reference { id, was: Was::Delivered, sent_at: None })
}

fn is_key(id: &str) -> bool {
    id.len() == KEY && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The id that the sender's client chose, if it did.
pub(crate) fn client_id(element: &Element) -> Option<&str> {
    element.attr("id").filter(|id| !id.is_empty())
}

/// What the sender's client called the message of this event: by it the sender's server may know it.
pub(crate) fn given_id(event: &EventId) -> Option<&str> {
    event.as_str().splitn(3, '/').nth(2)
}

/// The name of an event.
pub(crate) fn name_of(event: &EventId) -> &str {
    event.as_str().split('/').next().unwrap_or_default()
}

/// What the users' clients call a message; `None` if its sender's gave it no id, or a very long one.
pub(crate) fn called(reference: &Reference) -> Option<&str> {
    match reference.was {
        Was::Sent => given_id(&reference.id),
        Was::Delivered => Some(reference.id.as_str()),
    }
}
