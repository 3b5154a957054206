//! A transaction and its events, each parsed alone.

use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// `PUT /_matrix/app/v1/transactions/{txnId}`: only the part that is read here.
#[derive(Deserialize)]
pub(crate) struct Transaction {
    /// Events, unparsed: one that can't be read must not harm the others.
    #[serde(default)]
    pub(crate) events: Vec<Box<RawValue>>,
    /// What passes without leaving a trace, unparsed; in whatever form.
    #[serde(default)]
    pub(crate) ephemeral: Option<Box<RawValue>>,
}

/// One event of a room.
pub(crate) struct WireEvent {
    pub(crate) id: OwnedEventId,
    pub(crate) room: OwnedRoomId,
    pub(crate) sender: OwnedUserId,
    pub(crate) kind: String,
    /// Present in state events only.
    pub(crate) state_key: Option<String>,
    /// Milliseconds since the Unix epoch, by the sender's server.
    pub(crate) sent_at: i64,
    /// `null` if it is nested too deeply.
    pub(crate) content: Value,
    /// Which event it takes back, if it does: of the content, or beside it up to room version 10.
    pub(crate) redacts: Option<OwnedEventId>,
    /// The sender took it back before it came here.
    pub(crate) redacted: bool,
    /// The membership before, if it is a change of one and the homeserver says so.
    pub(crate) was: Option<String>,
    /// It is the first of its key, or whose it is bears another name or picture than in the one before.
    pub(crate) is_changed: bool,
}

#[derive(Deserialize)]
struct Head {
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    sender: OwnedUserId,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    state_key: Option<String>,
    #[serde(default)]
    origin_server_ts: Value,
    content: Box<RawValue>,
    #[serde(default)]
    redacts: Value,
    #[serde(default)]
    unsigned: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
struct Unsigned {
    #[serde(default)]
    redacted_because: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    prev_content: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Member {
    membership: String,
    #[serde(default)]
    displayname: Value,
    #[serde(default)]
    avatar_url: Value,
}

impl WireEvent {
    /// Reads one event; none if it lacks what would be needed to answer its sender.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let head: Head = serde_json::from_str(raw.get()).ok()?;
        // serde_json stops at 128 levels.
        let content: Value = serde_json::from_str(head.content.get()).unwrap_or(Value::Null);
        let redacts = content.get("redacts").and_then(event_id);
        let unsigned = head.unsigned.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let unsigned: Unsigned = unsigned.unwrap_or_default();
        let before = unsigned.prev_content.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let before: Option<Member> = before;
        let is_changed = before.as_ref().is_none_or(|before| {
            let now = |field: &str| content.get(field).unwrap_or(&Value::Null);
            before.displayname != *now("displayname") || before.avatar_url != *now("avatar_url")
        });
        Some(Self {
            id: head.event_id,
            room: head.room_id,
            sender: head.sender,
            kind: head.kind,
            state_key: head.state_key,
            sent_at: head.origin_server_ts.as_i64().unwrap_or(0),
            redacts: redacts.or_else(|| event_id(&head.redacts)),
            content,
            redacted: unsigned.redacted_because.is_some(),
            was: before.map(|member| member.membership),
            is_changed,
        })
    }

    /// A text field of the content.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.content.get(field)?.as_str()
    }

    /// The event to which it relates in this way.
    pub(crate) fn relation(&self, rel_type: &str) -> Option<OwnedEventId> {
        let to = self.content.get("m.relates_to")?;
        let related = to.get("rel_type")?.as_str() == Some(rel_type);
        related.then(|| event_id(to.get("event_id")?)).flatten()
    }

    /// Whether it is a message, and no other one's new text.
    pub(crate) fn is_new_message(&self) -> bool {
        self.kind == "m.room.message" && self.relation("m.replace").is_none()
    }

    /// The event that it answers; in a thread the one before, or the first.
    pub(crate) fn answered(&self) -> Option<OwnedEventId> {
        let to = self.content.get("m.relates_to")?;
        let answered = to.get("m.in_reply_to").and_then(|to| event_id(to.get("event_id")?));
        answered.or_else(|| self.relation("m.thread"))
    }

    /// With which event the thread begins in which it stands, and whether it only follows there what it
    /// answers: if it names nothing, it follows.
    pub(crate) fn thread(&self) -> Option<(OwnedEventId, bool)> {
        let root = self.relation("m.thread")?;
        let to = self.content.get("m.relates_to")?;
        let named = to.get("m.in_reply_to").and_then(|to| event_id(to.get("event_id")?));
        let follows = to.get("is_falling_back") == Some(&Value::Bool(true));
        Some((root, follows || named.is_none()))
    }
}

fn event_id(id: &Value) -> Option<OwnedEventId> {
    OwnedEventId::try_from(id.as_str()?).ok()
}
