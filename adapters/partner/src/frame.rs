//! The frames of `drawbridge.partner.v1`, as Rust types: what `docs/partner-protocol.md` says in
//! words, and what [`schema`] says in JSON Schema.

use std::collections::BTreeMap;

use drawbridge_adapter::{Bridge, EventId, Feature, Kind, Level, Secret, UserId, log};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::log::FRAME_REFUSED;

mod content;
mod file;
mod people;
mod profile;
mod things;

pub(crate) use content::{
    AppContent, AppEdit, AppReaction, AppReceipt, AppRetraction, AppText, AppTyping, BridgeContent,
    BridgeText, ReceiptFrame, ReceiptState, Ref, TypingFrame,
};
pub(crate) use file::{AppFile, AppFileInfo, BridgeFile, BridgeFileInfo, FetchFailed, FetchFrame};
pub(crate) use people::{
    AppCommand, AppGesture, AppMute, AppReport, BlockFrame, InboxFrame, MuteFrame, NoticeFrame,
    ReportFrame, RequestFrame, RequestOverFrame, UnmuteFrame,
};
pub(crate) use profile::{AppProfile, ProfileFrame, Told};
pub(crate) use things::{AppPresence, ContactContent, LocationContent, PollContent, PresenceFrame};

/// The subprotocol that both sides name in the upgrade.
pub(crate) const SUBPROTOCOL: &str = "drawbridge.partner.v1";

/// The path of the upgrade.
pub(crate) const PATH: &str = "/partner/v1";

/// The version that this bridge speaks.
pub(crate) const VERSION: u32 = 1;

/// The largest frame, in bytes.
pub(crate) const MAX_FRAME: usize = 1024 * 1024;

/// The longest id of a frame, in bytes.
pub(crate) const MAX_ID: usize = 128;

/// The longest display name, in bytes.
pub(crate) const MAX_NAME: usize = 256;

/// The longest text that is quoted beside a reply, in bytes.
pub(crate) const MAX_QUOTE: usize = 4096;

/// The longest proof, in bytes.
pub(crate) const MAX_PROOF: usize = 8 * 1024;

/// The most ids in one `ack` or in `hello.received`.
pub(crate) const MAX_IDS: usize = 1024;

/// How many bytes of frames the app may have unanswered.
pub(crate) const CREDIT_BYTES: usize = 8 * 1024 * 1024;

/// A frame that the app sends to the bridge.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only the schema needs the frames under one roof: see `read`")]
enum FromApp {
    /// The first frame of a connection.
    Hello(Hello),
    /// Speaks for a user from now on.
    Enlist(Enlist),
    /// Speaks no longer for a user.
    Delist(Delist),
    /// Something that one of the app's users did.
    Event(Box<AppEvent>),
    /// Something that one of the app's users says to the bridge itself.
    Command(AppCommand),
    /// One of the app's users wants to hear from somebody, whose request is granted.
    Accept(AppGesture),
    /// One of the app's users turns a request away.
    Decline(AppGesture),
    /// One of the app's users does not want to hear from somebody.
    Block(AppGesture),
    /// One of the app's users hears somebody again.
    Unblock(AppGesture),
    /// One of the app's users wants no noise from the chat with somebody.
    Mute(AppMute),
    /// One of the app's users wants noise from that chat again.
    Unmute(AppGesture),
    /// One of the app's users reports somebody.
    Report(AppReport),
    /// How one of the app's users is called and looks from now on.
    Profile(AppProfile),
    /// A message of the bridge's has reached one of the app's users. Never answered.
    Receipt(AppReceipt),
    /// One of the app's users writes, or has stopped. Never answered.
    Typing(AppTyping),
    /// One of the app's users comes, goes away or leaves. Never answered.
    Presence(AppPresence),
    /// These frames of the bridge are durable with the app.
    Ack(Ack),
    /// This frame of the bridge can't be taken.
    Refuse(Refuse),
    /// The app cannot hand over a file that the bridge wants.
    FetchFailed(FetchFailed),
}

/// A frame that the bridge sends to the app.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FromBridge {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// A user is enlisted: durable.
    Enlisted {
        /// The user.
        user: String,
    },
    /// A user is not enlisted: durable.
    Delisted {
        /// The user.
        user: String,
    },
    /// These frames of the app are durable with the bridge, or refused.
    Ack(Ack),
    /// A message for one of the app's users. To be acknowledged.
    Event(Box<BridgeEvent>),
    /// What became of an event of the app's. To be acknowledged.
    Status(StatusFrame),
    /// What the bridge itself says to one of the app's users. To be acknowledged.
    Notice(NoticeFrame),
    /// A stranger wants to write to one of the app's users. To be acknowledged.
    Request(RequestFrame),
    /// A request is over. To be acknowledged.
    RequestOver(RequestOverFrame),
    /// One of the app's users has blocked somebody, here or elsewhere. To be acknowledged.
    Block(BlockFrame),
    /// One of the app's users hears somebody again. To be acknowledged.
    Unblock(BlockFrame),
    /// One of the app's users has muted a chat, here or elsewhere. To be acknowledged.
    Mute(MuteFrame),
    /// One of the app's users hears that chat again, or its time is over. To be acknowledged.
    Unmute(UnmuteFrame),
    /// Which chats of a user's stand in a folder of their own. To be acknowledged.
    Inbox(InboxFrame),
    /// Somebody elsewhere has reported one of the app's users. To be acknowledged.
    Report(ReportFrame),
    /// How somebody elsewhere is called and looks, to one of the app's users. To be acknowledged.
    Profile(ProfileFrame),
    /// The bridge wants a file of the app's. Answered by an HTTP PUT, or `fetch_failed`.
    Fetch(FetchFrame),
    /// A message of the app's has reached its recipient. Not to be answered.
    Receipt(ReceiptFrame),
    /// Somebody writes to one of the app's users, or has stopped. Not to be answered.
    Typing(TypingFrame),
    /// Somebody comes, goes away or leaves, as one of the app's users may see. Not to be answered.
    Presence(PresenceFrame),
    /// A frame of the app's was not taken.
    Error(ErrorFrame),
}

/// `hello`: what the app is and has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Hello {
    /// The versions of the protocol that the app speaks.
    pub(crate) versions: Vec<u32>,
    /// What the app can show to its users.
    pub(crate) capabilities: AppCapabilities,
    /// How many frames of the bridge that have an `id` may be unacknowledged at a time.
    #[serde(default = "default_credit")]
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) credit: usize,
    /// The ids of the latest frames of the bridge that are durable with the app: the bridge does
    /// not send these again, should their `ack` have been lost.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub(crate) received: Vec<String>,
    /// Where the bridge has dialled: the partner proof, a JWT with `nonce` = the `jti` of the
    /// bridge's own. Ignored where the app has.
    #[serde(default, deserialize_with = "maybe_secret")]
    #[schemars(with = "Option<String>", length(max = 8192))]
    pub(crate) proof: Option<Secret>,
}

/// A proof opens the bridge to whoever shows it: what prints the frame prints a placeholder.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

fn maybe_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(from).map(|proof| proof.map(Secret::new))
}

fn default_credit() -> usize {
    256
}

/// What the app can show.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "one for each thing that an app may have")]
pub(crate) struct AppCapabilities {
    /// How well each kind is carried. A kind that is not named is rejected; an unknown one is
    /// ignored.
    pub(crate) kinds: BTreeMap<String, Level>,
    /// How well each feature of texts is shown: `formatting`, `mention`, `reply`, `thread`. One that
    /// is not named is rejected, `thread` without `reply` too; an unknown one is ignored.
    #[serde(default)]
    pub(crate) features: BTreeMap<String, Level>,
    /// The limits on text.
    pub(crate) text: TextLimit,
    /// The largest file that the app takes, in bytes; if absent, what the bridge takes.
    #[serde(default)]
    pub(crate) max_media_bytes: Option<u64>,
    /// Whether the app shows requests by itself. If not, their words come as a `notice`.
    #[serde(default)]
    pub(crate) requests: bool,
    /// Whether the app keeps its users' lists of blocked people, and takes `block` and `unblock`.
    #[serde(default)]
    pub(crate) block_lists: bool,
    /// Whether the app keeps which chats of its users make no noise, and takes `mute` and `unmute`.
    #[serde(default)]
    pub(crate) mutes: bool,
    /// Whether the app can gather chats in a folder of their own, and takes `inbox`.
    #[serde(default)]
    pub(crate) folders: bool,
    /// Whether those who run the app read reports of its users, and it takes `report`.
    #[serde(default)]
    pub(crate) reports: bool,
}

/// The limits on text.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TextLimit {
    /// The longest text, in bytes of UTF-8.
    pub(crate) max_bytes: usize,
}

/// `enlist`: the app speaks for this user, until `delist`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Enlist {
    /// The user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) user: String,
    /// The user proof: a JWT with `sub` = `user`.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(max = 8192))]
    pub(crate) proof: Secret,
    /// The name shown to others from now on, as in a `profile`; if absent, it is as it was there.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    pub(crate) name: Option<String>,
}

/// `delist`: the app no longer speaks for this user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Delist {
    /// The user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) user: String,
}

/// `event`, from the app.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppEvent {
    /// Its id: unique among all events that this partner ever sends. The same id again is the
    /// same event.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who did it: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// To whom: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) to: String,
    /// When: milliseconds since the Unix epoch, UTC.
    #[schemars(range(min = 0, max = 253_402_300_799_999_i64))]
    pub(crate) sent_at: i64,
    /// What it says.
    #[schemars(with = "AppContent")]
    pub(crate) content: Map<String, Value>,
    /// The message that it answers, for `text`, `location`, `contact`, `poll` and files.
    #[serde(default)]
    pub(crate) in_reply_to: Option<Ref>,
    /// How the app quotes that message, for those who do not see which it is; passed over if it is
    /// longer than 4096 bytes. Never a part of the content.
    #[serde(default)]
    pub(crate) quote: Option<String>,
    /// The message with which the thread begins in which it stands, for what may answer a message.
    #[serde(default)]
    pub(crate) thread: Option<Ref>,
    /// Seconds until it disappears. Such an event never crosses.
    #[serde(default)]
    #[expect(dead_code, reason = "marks are found at any depth: see `read`")]
    pub(crate) expires_in: Option<Value>,
    /// Whether it can be seen once only. Such an event never crosses.
    #[serde(default)]
    #[expect(dead_code, reason = "marks are found at any depth: see `read`")]
    pub(crate) view_once: Option<Value>,
}

/// `ack`: these are durable.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ack {
    /// Their ids.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) ids: Vec<String>,
}

/// `refuse`: the app can't take a frame of the bridge, and says why.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Refuse {
    /// The id of the frame.
    pub(crate) id: String,
    /// A code of docs/codes.md. Each is final, `rate_limited` too; the sender is told.
    pub(crate) code: String,
    /// With `rate_limited`: when the sender may write again.
    #[serde(default)]
    #[schemars(range(max = 86_400))]
    pub(crate) retry_after_seconds: Option<u32>,
}

/// `welcome`: what holds on this connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Welcome {
    /// The version that both sides speak from now on.
    pub(crate) version: u32,
    /// The name of this connection, for the logs of both sides.
    pub(crate) session: String,
    /// The network's id at this bridge: the partner's users are `network:user` to others.
    pub(crate) network: String,
    /// What both the bridge and the app carry.
    pub(crate) capabilities: Effective,
    /// How much of the app's may be unanswered at a time.
    pub(crate) credit: Credit,
    /// Other limits.
    pub(crate) limits: Limits,
    /// How often the bridge pings.
    pub(crate) ping_seconds: u64,
    /// The bridge's clock: milliseconds since the Unix epoch, UTC.
    pub(crate) time: i64,
}

/// What crosses: the bridge's capabilities, narrowed by the app's.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "one for each thing that an app may have")]
pub(crate) struct Effective {
    /// How well each kind is carried; what is not named is rejected.
    pub(crate) kinds: BTreeMap<Kind, Level>,
    /// How well each feature of texts is shown; what is not named is rejected.
    pub(crate) features: BTreeMap<Feature, Level>,
    /// The limits on text.
    pub(crate) text: TextLimit,
    /// The largest file that crosses to the app, in bytes; absent where the bridge carries no files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_media_bytes: Option<u64>,
    /// Whether `request` and `request_over` come.
    pub(crate) requests: bool,
    /// Whether `block` and `unblock` come.
    pub(crate) block_lists: bool,
    /// Whether `mute` and `unmute` come.
    pub(crate) mutes: bool,
    /// Whether `inbox` comes.
    pub(crate) folders: bool,
    /// Whether `report` comes.
    pub(crate) reports: bool,
}

/// How many frames of the app's that the bridge answers one by one may be unanswered: all but
/// `hello`, `ack`, `refuse`, `fetch_failed`, `receipt`, `typing` and `presence`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Credit {
    /// Frames.
    pub(crate) frames: usize,
    /// Bytes of frames.
    pub(crate) bytes: usize,
}

/// Limits of the protocol.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Limits {
    /// The largest frame, in bytes.
    pub(crate) frame_bytes: usize,
    /// The longest id of a frame, in bytes.
    pub(crate) id_bytes: usize,
    /// The longest display name, in bytes.
    pub(crate) name_bytes: usize,
    /// The largest picture of a user, in bytes before they are encoded.
    pub(crate) avatar_bytes: usize,
    /// The most ids in an `ack` or in `hello.received`.
    pub(crate) ids: usize,
    /// The most users that can be enlisted.
    pub(crate) users: usize,
}

/// `event`, from the bridge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BridgeEvent {
    /// Its id. A repeat bears the same, and must be shown once.
    pub(crate) id: String,
    /// Who wrote it: `network:id`.
    pub(crate) from: String,
    /// The writer's display name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_name: Option<String>,
    /// Who gets it: an enlisted user.
    pub(crate) to: String,
    /// When it was written: milliseconds since the Unix epoch, UTC.
    pub(crate) sent_at: i64,
    /// What it says.
    pub(crate) content: BridgeContent,
    /// The same in words, of a place, a contact card or a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) words: Option<String>,
    /// The message that it answers, if it is an answer, that message is known, and the app shows
    /// replies. To an app that shows no threads also what it follows in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<Ref>,
    /// How the writer's client quoted that message, if it did, and the app shows replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quote: Option<String>,
    /// The message with which the thread begins in which it stands, if that message is known, and
    /// the app shows threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<Ref>,
    /// True if the user has muted this chat: the app shows it, and makes no noise. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) silent: bool,
}

/// `status`: what became of an event or command of the app's.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// The id of the app's event or command.
    pub(crate) event: String,
    /// Who sent the event.
    pub(crate) from: String,
    /// To whom it went: `network:id`; absent for a group, and for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// What it was.
    pub(crate) kind: Kind,
    /// What became of it.
    pub(crate) state: StateName,
    /// Why it did not cross, or `request_pending` for what waits until the recipient accepts the
    /// sender: a code of docs/codes.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The code, in words for the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// When a new event of the same content may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_seconds: Option<u64>,
    /// With `media_too_large`: how large a file may be, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_bytes: Option<u64>,
}

/// The states of an event.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateName {
    /// The target's server took it. Final.
    Accepted,
    /// It has waited for more than ten seconds, or until the recipient accepts the sender, and
    /// waits on.
    Pending,
    /// It did not cross, but a new event may, later. Final.
    FailedRetriable,
    /// It did not and will not cross. Final.
    FailedPermanent,
}

/// `error`: a frame was not taken; nothing of it crossed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorFrame {
    /// Why.
    pub(crate) code: ErrorCode,
    /// The `id` (or `user`) of the frame, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    /// Where in the frame.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    /// In words, for the developer.
    pub(crate) message: &'static str,
}

impl ErrorFrame {
    /// Tells the log of it: with the pseudonym of what it is about, and nothing that the app said.
    pub(crate) fn log(&self, bridge: &Bridge) {
        let (code, why) = (self.code, self.message);
        let is_user = matches!(code, ErrorCode::ProofInvalid | ErrorCode::TooManyUsers);
        let about = self.about.as_deref();
        let msg = about.filter(|_| !is_user).and_then(|id| EventId::new(id).ok());
        let user = about.filter(|_| is_user);
        let user = user.and_then(|id| UserId::new(bridge.network().clone(), id).ok());
        let msg = msg.map(|id| log::display(bridge.tag_event(&id)));
        let user = user.map(|user| log::display(bridge.tag_user(&user)));
        log!(FRAME_REFUSED, msg, user, ?code, why);
    }
}

/// Why a frame was not taken. Stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// Not what the protocol says.
    Malformed,
    /// The user is not enlisted.
    Forbidden,
    /// The proof does not hold. A partner proof's connection ends.
    ProofInvalid,
    /// No more users can be enlisted.
    TooManyUsers,
    /// More is unanswered than the credit allows. The connection ends.
    RateLimited,
    /// The first frame was no `hello`. The connection ends.
    HelloExpected,
    /// None of the versions is spoken here. The connection ends.
    UnsupportedVersion,
}

/// Whether one of the two sides could have chosen this id.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// The protocol as JSON Schema: every frame, in both directions.
pub fn schema() -> serde_json::Value {
    let mut from_app = schema_for!(FromApp).to_value();
    let mut from_bridge = schema_for!(FromBridge).to_value();
    let mut defs = serde_json::Map::new();
    for side in [&mut from_app, &mut from_bridge] {
        let Some(side) = side.as_object_mut() else { continue };
        side.remove("$schema");
        if let Some(serde_json::Value::Object(own)) = side.remove("$defs") {
            defs.extend(own);
        }
    }
    defs.insert("FromApp".to_owned(), from_app);
    defs.insert("FromBridge".to_owned(), from_bridge);
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SUBPROTOCOL,
        "description": "The frames of the partner protocol, in both directions. The words are in partner-protocol.md; generated, do not edit.",
        "anyOf": [{ "$ref": "#/$defs/FromApp" }, { "$ref": "#/$defs/FromBridge" }],
        "$defs": defs,
    })
}

#[cfg(test)]
mod asyncapi;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    #[test]
    fn the_schema_in_the_documentation_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/partner-protocol.schema.json");
        let fresh = format!("{:#}\n", super::schema());
        if std::env::var_os("DRAWBRIDGE_REGENERATE").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == fresh, "{path} is stale: run the tests with DRAWBRIDGE_REGENERATE=1");
    }
}
