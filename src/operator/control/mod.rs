//! The words between a running daemon and `drawbridge status`, `queue`, `people`: one JSON
//! object a line, a request and its answer, over a Unix socket.
//!
//! Both ends are of one version, so that this is no public protocol.

pub(crate) mod client;
pub(super) mod server;
#[cfg(test)]
mod tests;

use drawbridge_adapter::{MuteFor, NetworkId, UserId};
use serde::{Deserialize, Serialize};

use super::health::Health;
use crate::crossing::Change;
use crate::gate::Strictness;

/// The most items in one answer.
pub(crate) const PAGE: usize = 1000;

/// What is asked of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// How it is.
    Status,
    /// What waits, of one network or of all, behind the item `after`; at most `limit` and
    /// [`PAGE`]. Only an empty list is the end.
    Queue { network: Option<NetworkId>, after: i64, limit: usize },
    /// One item.
    Show { id: i64 },
    /// Try an item's conversation at once.
    Retry { id: i64 },
    /// Try all conversations to a network at once.
    RetryAll { network: NetworkId },
    /// Take an item out; its sender is told.
    Drop { id: i64 },
    /// Blocks, of one user or of all, behind the pair `after`; at most `limit` and [`PAGE`]. Only an
    /// empty list is the end.
    Blocks { owner: Option<UserId>, after: Option<(UserId, UserId)>, limit: usize },
    /// What is known of one user, or of all behind the user `after`; at most `limit` and [`PAGE`].
    /// Only an empty list is the end.
    People { user: Option<UserId>, after: Option<UserId>, limit: usize },
    /// Who waits for a user's word, or for anybody's, behind the pair `after`; at most `limit` and
    /// [`PAGE`]. Only an empty list is the end.
    Requests { owner: Option<UserId>, after: Option<(UserId, UserId)>, limit: usize },
    /// Change what somebody wants, in their name.
    Change(Change),
}

/// What the daemon answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Response {
    /// To [`Request::Status`].
    Health(Box<Health>),
    /// To [`Request::Queue`].
    Queue(Vec<Item>),
    /// To [`Request::Show`] and [`Request::Retry`]: as it stands now.
    Item(Item),
    /// To [`Request::RetryAll`]: whether the network is connected; if not, all is tried when it is.
    Retried { connected: bool },
    /// To [`Request::Drop`]: whether a sender is told.
    Dropped { sender_told: bool },
    /// To [`Request::Blocks`].
    Blocks(Vec<BlockItem>),
    /// To [`Request::People`].
    People(Vec<Person>),
    /// To [`Request::Requests`].
    Requests(Vec<Stranger>),
    /// To [`Request::Change`]: whether it was not so before.
    Changed { changed: bool },
    /// It cannot be done.
    Error { code: Problem, says: String },
}

/// Why it cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Problem {
    /// There is no such item or network.
    NoSuch,
    /// Not now: try again.
    Busy,
    /// The request is not understood.
    Malformed,
    /// The daemon could not do it.
    Failed,
}

/// A block. Here stand no pseudonyms: whoever rules over blocks must see whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockItem {
    /// Who does not want to hear.
    pub(crate) owner: UserId,
    /// From whom.
    pub(crate) blocked: UserId,
    /// Since when, in RFC 3339.
    pub(crate) since: String,
}

/// That a chat makes no noise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MuteItem {
    /// With whom it is.
    pub(crate) other: UserId,
    /// For how long, counted from when it was said.
    #[serde(rename = "for")]
    pub(crate) how: MuteFor,
}

/// Where chats with third-party networks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Inbox {
    /// Among the others.
    Combined,
    /// In a folder of their own.
    Separate,
}

/// Whether others see something of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    /// They do.
    On,
    /// They do not.
    Off,
}

/// What is known of a user: one line of an export. Here stand no pseudonyms either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// Who.
    pub(crate) user: UserId,
    /// The third-party networks that are switched on.
    #[serde(default)]
    pub(crate) enabled: Vec<NetworkId>,
    /// Whom the user wants to hear from, of those who must be accepted.
    #[serde(default)]
    pub(crate) contacts: Vec<UserId>,
    /// Whom the user does not want to hear.
    #[serde(default)]
    pub(crate) blocks: Vec<UserId>,
    /// Which chats make no noise. An import counts each duration anew.
    #[serde(default)]
    pub(crate) mutes: Vec<MuteItem>,
    /// Whether others see what the user has read; left out if they do, so that an import of what was
    /// exported takes nothing away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receipts: Option<Shown>,
    /// Whether others see that the user is there; left out if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<Shown>,
    /// Whether chats with third-party networks stand apart from others; left out if they do not, so
    /// that an import of what was exported takes nothing away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inbox: Option<Inbox>,
    /// How strict the bridge is for the user; left out likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<Strictness>,
    /// The other accounts of the same person.
    #[serde(default)]
    pub(crate) accounts: Vec<UserId>,
}

/// Somebody who waits for a user's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stranger {
    /// Whose word.
    pub(crate) owner: UserId,
    /// Who waits.
    pub(crate) other: UserId,
    /// How many messages of theirs.
    pub(crate) messages: usize,
}

/// Something that waits in the queue. Ids of people and messages are pseudonyms, as in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// Its number, for `show`, `retry` and `drop`.
    pub(crate) id: i64,
    /// The network that it waits for.
    pub(crate) network: String,
    /// The message, as in the log's field `msg`.
    pub(crate) msg: String,
    /// Who wrote the message, as in the log's field `user`.
    pub(crate) user: String,
    /// The conversation.
    pub(crate) conversation: String,
    /// `message`, or `status`: what a sender is to be told.
    pub(crate) what: What,
    /// What the status says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) status: Option<String>,
    /// The kind of the message.
    pub(crate) kind: String,
    /// The size of the message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<usize>,
    /// When it was accepted, in RFC 3339.
    pub(crate) accepted_at: String,
    /// How many seconds ago.
    pub(crate) age_seconds: u64,
    /// What it waits for.
    pub(crate) waits_for: WaitsFor,
    /// In how many seconds its conversation is tried again, if that is what it waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next_try_seconds: Option<u64>,
    /// How many tries of its conversation failed in a row.
    pub(crate) tries: u32,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Message,
    Status,
}

/// What an item waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitsFor {
    /// Its network is not connected.
    Network,
    /// Its network is not in the configuration any more.
    Configuration,
    /// Its conversation's turn.
    Turn,
    /// Its conversation's next try.
    Retry,
    /// Nothing: its conversation is being delivered.
    Delivery,
}
