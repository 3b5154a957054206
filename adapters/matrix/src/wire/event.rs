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
    /// The sender took it back before it came here.
    pub(crate) redacted: bool,
    /// The membership before, if it is a change of one and the homeserver says so.
    pub(crate) was: Option<String>,
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
}

impl WireEvent {
    /// Reads one event; none if it lacks what would be needed to answer its sender.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let head: Head = serde_json::from_str(raw.get()).ok()?;
        // serde_json stops at 128 levels.
        let content = serde_json::from_str(head.content.get()).unwrap_or(Value::Null);
        let unsigned = head.unsigned.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let unsigned: Unsigned = unsigned.unwrap_or_default();
        let before = unsigned.prev_content.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Some(Self {
            id: head.event_id,
            room: head.room_id,
            sender: head.sender,
            kind: head.kind,
            state_key: head.state_key,
            sent_at: head.origin_server_ts.as_i64().unwrap_or(0),
            content,
            redacted: unsigned.redacted_because.is_some(),
            was: before.map(|member: Member| member.membership),
        })
    }

    /// A text field of the content.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.content.get(field)?.as_str()
    }
}
