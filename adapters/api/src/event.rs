//! What happens: an event comes from one network, a command goes to another.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Content, EventId, Kind, Marks, NetworkId, Profile, Refusal, Reply, Secret, Timestamp, UserId,
};

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
    /// The message that it answers, if it is an answer. What stands in a thread answers the thread's
    /// last message, or its first: see [`crate::Thread::follows`].
    pub reply: Option<Reply>,
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
    /// Only for so long: for networks whose clients choose ids freely and may use one twice. What
    /// stands before the first `/` of the id is the event's name: a [`Reference`] gives it alone, and
    /// the last event of that name is meant. At most [`Repeats::LONGEST`].
    Within(Duration),
}

impl Repeats {
    /// The longest time within which an id that comes free again is the same event.
    pub const LONGEST: Duration = Duration::from_mins(10);

    /// The name of an event with this id: by it other events refer to it.
    pub fn name_of(self, id: &EventId) -> &str {
        match self {
            Self::Always | Self::AlwaysDated => id.as_str(),
            Self::Within(_) => id.as_str().split_once('/').map_or(id.as_str(), |(name, _)| name),
        }
    }
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
    /// The display name, if the network knows one. Where [`Kind::Profile`] is declared, the first one that
    /// an event brings counts until [`crate::Bridge::profile`] tells another.
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
#[expect(clippy::large_enum_variant, reason = "nearly all are messages")]
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
    /// Write to the network's own settings that a chat makes no noise for a user of it, or makes
    /// noise again. Only where [`crate::Capabilities::mutes`] is declared.
    Mute(MuteEntry),
    /// Show a user the chats with users of some networks in a folder of their own. Only where
    /// [`crate::Capabilities::folders`] is declared.
    Folder(Folder),
    /// Tell those who run the network that one of its users was reported. Only where
    /// [`crate::Capabilities::reports`] is declared.
    Report(Report),
    /// Take, or give back, access to what a user of the network keeps there. Only where
    /// [`crate::Capabilities::access`] is declared.
    Access(Access),
    /// Show a user of another network as they call themselves and look now, to one user of the
    /// adapter's. Only where [`Kind::Profile`] is declared. It is in a conversation of its own, beside
    /// what the two write; where there is nothing yet in which it could be shown it is carried out all
    /// the same, and [`crate::Bridge::shown`] tells it later. It may come again under another key.
    Profile(Profile),
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
            Self::Mute(entry) => &entry.owner,
            Self::Folder(folder) => &folder.owner,
            Self::Report(report) => &report.about,
            Self::Access(access) => &access.owner,
            Self::Profile(profile) => &profile.to,
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

/// For how long a chat makes no noise. The daemon's own clock ends it: a later
/// [`Command::Mute`] without it says so, also where the network knows no durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MuteFor {
    /// Eight hours.
    #[serde(rename = "8h")]
    EightHours,
    /// Seven days.
    #[serde(rename = "1w")]
    Week,
    /// 365 days.
    #[serde(rename = "1y")]
    Year,
    /// Until it is taken back.
    #[serde(rename = "always")]
    Always,
}

impl MuteFor {
    /// All there are: no others are taken.
    pub const ALL: [Self; 4] = [Self::EightHours, Self::Week, Self::Year, Self::Always];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EightHours => "8h",
            Self::Week => "1w",
            Self::Year => "1y",
            Self::Always => "always",
        }
    }

    /// How long that is; `None` if it has no end.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::EightHours => Some(Duration::from_hours(8)),
            Self::Week => Some(Duration::from_hours(7 * 24)),
            Self::Year => Some(Duration::from_hours(365 * 24)),
            Self::Always => None,
        }
    }
}

/// Whether the chat of a user with another makes noise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuteEntry {
    /// Whose setting: a user of the adapter's network.
    pub owner: UserId,
    /// With whom the chat is: a user of another network, who has a ghost there.
    pub other: UserId,
    /// For how long it is silent from now on; `None` if it makes noise again.
    pub muted: Option<MuteFor>,
}

/// Which of a user's chats stand in a folder of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Whose chats: a user of the adapter's network.
    pub owner: UserId,
    /// How the folder is called.
    pub name: String,
    /// The chats with users of these networks stand in it, those of now and those to come; all
    /// others, and all if it is empty, stand where chats stand.
    pub networks: Vec<NetworkId>,
}

/// Why somebody is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    /// Unwanted advertising or bulk.
    Spam,
    /// Harassment, threats, anything that hurts.
    Abuse,
    /// Anything else.
    Other,
}

impl ReportReason {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Spam, Self::Abuse, Self::Other];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Other => "other",
        }
    }
}

/// A user was reported by one of another network. It names messages and holds none: those who run
/// the reported user's network have them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who was reported: a user of the adapter's network.
    pub about: UserId,
    /// Who reported them: a user of another network, who has a ghost there.
    pub by: UserId,
    /// Why.
    pub reason: ReportReason,
    /// The messages that `by` picked, by the [`Event::id`] under which the adapter handed them
    /// over, oldest first; at most [`Report::MOST`], perhaps none.
    pub messages: Vec<EventId>,
    /// The same in words, for people who read reports.
    pub words: String,
}

impl Report {
    /// The most messages that a report names.
    pub const MOST: usize = 5;
}

/// Never the words: they name people.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report with {} messages", self.messages.len())
    }
}

/// Access to what a user keeps on the network: the lists and settings that only the user's own
/// login reaches. Refused ([`crate::DeliveryError::Refused`]) if the secret does not open it, or
/// opens somebody else's; the daemon tells the user either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Whose: a user of the adapter's network.
    pub owner: UserId,
    /// What opens it, as the user gave it; `None` to forget what was given before.
    pub secret: Option<Secret>,
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
    /// Wants no noise from the chat with this user. Of a network without durations it is
    /// [`MuteFor::Always`]; what the adapter itself wrote by order of a [`Command::Mute`] must not
    /// come back as a gesture, or its end would be lost.
    Mute(UserId, MuteFor),
    /// Wants noise from that chat again.
    Unmute(UserId),
    /// Reports this user to those who run the user's network.
    Report {
        /// Who is reported.
        about: UserId,
        /// Why.
        reason: ReportReason,
        /// The picked messages of theirs, by the [`crate::Delivery::key`] under which they came;
        /// those that are not known any more are left out.
        messages: Vec<String>,
    },
}

impl Gesture {
    /// The stable name, for logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accept(_) => "accept",
            Self::Decline(_) => "decline",
            Self::Block(_) => "block",
            Self::Unblock(_) => "unblock",
            Self::Disable => "disable",
            Self::Mute(..) => "mute",
            Self::Unmute(_) => "unmute",
            Self::Report { .. } => "report",
        }
    }
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

/// A field of a [`CommandForm`]. Nothing that is filled in has a space in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Its name, unique in its form.
    pub name: &'static str,
    /// The words to ask for it.
    pub label: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// What may be filled in; anything, if it is empty.
    pub options: &'static [&'static str],
    /// Whether what is filled in is a secret, not to be shown on the screen.
    pub secret: bool,
}

/// A message for a user of the adapter's network, from a user of another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote it; shown as that user's ghost.
    pub from: Party,
    /// Who gets it.
    pub to: UserId,
    /// What it says; always of a kind that the adapter declared, and with nothing in its texts that
    /// it did not.
    pub content: Content,
    /// The message that it answers, if it is an answer and the adapter declared
    /// [`crate::Feature::Reply`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// The same in words, of a place, a contact card or a poll: for clients that do not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// When it was written.
    pub sent_at: Timestamp,
    /// Whether the recipient has muted this chat: it is to make no noise, where the network can be
    /// told so with the message.
    #[serde(default)]
    pub silent: bool,
}

/// Never the words.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message of {} from {:?} to {:?}", self.content.kind(), self.from, self.to)
    }
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
