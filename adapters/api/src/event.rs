//! What happens: an event comes from one network, a command goes to another.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Content, EventId, Kind, Marks, Refusal, Timestamp, UserId};

/// Something that a user of the adapter's network did, addressed to a user of another network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id on the source network: the same id again is the same event.
    pub id: EventId,
    /// When the same id means the same event.
    pub repeats: Repeats,
    /// Who did it, and under which name.
    pub sender: Party,
    /// To whom.
    pub to: Destination,
    /// When, by the source network's word.
    pub sent_at: Timestamp,
    /// What it says.
    pub content: Content,
    /// What it bears besides.
    pub marks: Marks,
    /// How the adapter finds the way back, to tell the sender what became of it.
    pub reply_path: ReplyPath,
}

/// When an id that was seen before means the same event again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// Always.
    Always,
    /// Always, and each repeat bears the same [`Event::sent_at`] too, as where the id is a hash of
    /// the event. The daemon knows it again sooner; with another time it would be another event.
    AlwaysDated,
    /// Only for so long: for networks whose clients choose ids freely and may use one twice.
    Within(Duration),
}

/// Where an event goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Destination {
    /// A direct chat with this user of another network.
    Direct(UserId),
    /// A group chat, which is not carried: refused with `group_unsupported`.
    Group,
}

/// A user, with the name shown to others.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The account.
    pub user: UserId,
    /// The display name, if the network knows one.
    pub name: Option<String>,
}

/// Never the name itself.
impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)
    }
}

/// What an adapter needs to reach an event's sender again (a room, a full JID), in a form of its
/// own, at most [`ReplyPath::MAX`] bytes. The daemon keeps it and gives it back unread.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplyPath(pub String);

impl ReplyPath {
    /// The longest path, in bytes.
    pub const MAX: usize = 8192;
}

impl fmt::Debug for ReplyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reply path")
    }
}

/// What an adapter is asked to do. Closed on purpose: a new command is a new version of the trait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Show a message to a user of the adapter's network.
    Message(Message),
    /// Tell a user of the adapter's network what became of an event.
    Status(Status),
}

/// A message for a user of the adapter's network, from a user of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote it; shown as that user's ghost.
    pub from: Party,
    /// Who gets it.
    pub to: UserId,
    /// What it says; always of a kind that the adapter declared.
    pub content: Content,
    /// When it was written.
    pub sent_at: Timestamp,
}

/// What became of an event that came from the adapter's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The event, by its id there.
    pub event: EventId,
    /// Who sent it: the one to tell.
    pub sender: UserId,
    /// To whom it went; `None` for a group.
    pub recipient: Option<UserId>,
    /// What it was.
    pub kind: Kind,
    /// The adapter's own way back.
    pub reply_path: ReplyPath,
    /// What became of it.
    pub state: State,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// The target's server took it.
    Accepted,
    /// It has waited for more than ten seconds, and waits on.
    Pending,
    /// It did not cross, but may if it is sent again later.
    FailedRetriable(Refusal),
    /// It did not and will not cross.
    FailedPermanent(Refusal),
}

impl State {
    /// Why it did not cross, if it did not.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::FailedRetriable(refusal) | Self::FailedPermanent(refusal) => Some(*refusal),
            Self::Accepted | Self::Pending => None,
        }
    }

    /// The stable name of the state.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::FailedRetriable(_) => "failed_retriable",
            Self::FailedPermanent(_) => "failed_permanent",
        }
    }
}

/// Something fleeting: never on disk, never in a message's way, dropped when there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An event was taken by its target's server, and the source wants no durable status of it.
    Accepted(Status),
}
