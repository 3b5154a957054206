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
    /// The bridge's own user: the text is a command to it. Its answer comes as a
    /// [`Command::Notice`] with the event's [`ReplyPath`].
    Bridge,
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
    /// Say something to a user of the adapter's network in the bridge's own name.
    Notice(Notice),
    /// Show that a stranger wants to write to a user of the adapter's network. Only where
    /// [`crate::Capabilities::requests`] is declared; elsewhere its words come as a notice.
    Request(Request),
    /// A request is over: nothing is to be accepted any more. Only after a [`Command::Request`].
    RequestOver(RequestOver),
    /// Write to the network's own list whom a user of it has blocked. Only where
    /// [`crate::Capabilities::block_lists`] is declared.
    Block(BlockEntry),
}

impl Command {
    /// The user of the adapter's network whom it is for.
    pub fn addressee(&self) -> &UserId {
        match self {
            Self::Message(message) => &message.to,
            Self::Status(status) => &status.sender,
            Self::Notice(notice) => &notice.to,
            Self::Request(request) => &request.to,
            Self::RequestOver(over) => &over.to,
            Self::Block(entry) => &entry.owner,
        }
    }
}

/// What the bridge itself says to a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who gets it.
    pub to: UserId,
    /// The words, in plain text of one or more lines.
    pub text: String,
    /// The way back of the command that it answers, if it answers one.
    pub reply_path: Option<ReplyPath>,
}

/// Never the words: they name people.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "notice of {} bytes", self.text.len())
    }
}

/// A stranger wants to write. The answer is a [`crate::Gesture`] of the user, or a command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who wants to.
    pub from: Party,
    /// To whom.
    pub to: UserId,
    /// The first text, if it was one.
    pub text: Option<String>,
    /// The same in words that tell the user what to do, to be said in the bridge's own name where
    /// the network has nothing of its own that shows it all.
    pub words: String,
}

/// Never what was written.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request")
    }
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestOver {
    /// Who wanted to write.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// Whether that user accepted.
    pub accepted: bool,
}

/// An entry of a user's own list of those whom the user does not want to hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Whose list: a user of the adapter's network.
    pub owner: UserId,
    /// Who is on it: a user of another network, who has a ghost there, or one of the same network.
    pub other: UserId,
    /// Whether to write it or to take it away.
    pub blocked: bool,
}

/// What a user of the adapter's network does with the network's own means, about another user:
/// accepting an invite, using the client's own block. See [`crate::Bridge::gesture`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gesture {
    /// Wants to hear from this user: a request of theirs is accepted.
    Accept(UserId),
    /// Turns away the request of this user, if there is one.
    Decline(UserId),
    /// Does not want to hear from this user.
    Block(UserId),
    /// Hears this user again.
    Unblock(UserId),
    /// Wants nothing of the whole bridge any more: all third-party networks are switched off.
    Disable,
}

/// A command to the bridge's own user, for networks that show commands as forms. Its text is the
/// name, followed by what was filled in, each after a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandForm {
    /// The first word of the command.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: String,
    /// What is to be filled in, in order: its name, and the words to ask for it.
    pub fields: Vec<FormField>,
}

/// A field of a [`CommandForm`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Its name, unique in its form.
    pub name: &'static str,
    /// The words to ask for it.
    pub label: String,
    /// Whether it must be filled in.
    pub required: bool,
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
    /// It waits until the recipient accepts its sender: pending, with the code `request_pending`.
    Held,
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
            Self::Accepted | Self::Pending | Self::Held => None,
        }
    }

    /// The stable name of the state.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending | Self::Held => "pending",
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
