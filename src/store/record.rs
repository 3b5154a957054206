//! What is written and read: events with their verdicts, commands that wait, and what became of them.

use drawbridge_adapter::{
    Answer, Command, Content, EventId, FileInfo, Kind, Media, Message, NetworkId, Refusal, Repeats,
    ReplyPath, State, Status, Tag, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use super::{PeopleChange, Reacted, Reacting};

/// An event, judged, on its way into the inbox.
pub(crate) struct Admission {
    pub(crate) network: NetworkId,
    pub(crate) event: EventId,
    /// What stands for its name: see [`Repeats::name_of`].
    pub(crate) tag: Tag,
    pub(crate) repeats: Repeats,
    /// When it was sent, by its network's word.
    pub(crate) sent_at: Timestamp,
    pub(crate) at: Timestamp,
    /// The verdict on it.
    pub(crate) answer: Answer,
    /// What follows from it: the message to the target, the refusal back to the sender, the answer
    /// to a command.
    pub(crate) rows: Vec<NewRow>,
    /// The message, if it waits until its recipient accepts its sender.
    pub(crate) hold: Option<Hold>,
    /// What it changes of what is remembered of people.
    pub(crate) people: Vec<PeopleChange>,
    /// What stands for sender and recipient: below zero if that one is not to see it, 0 if there is
    /// none.
    pub(crate) pair: i64,
    /// How it changes somebody's reactions.
    pub(crate) reacting: Option<Reacting>,
    /// The inbox row of the message that it takes back: what of it still waits loses its body.
    pub(crate) retracts: Option<Retracted>,
}

/// A message that is taken back while it may still wait.
pub(crate) struct Retracted {
    /// Its inbox row.
    pub(crate) inbox: i64,
    /// Its sender.
    pub(crate) by: UserId,
    /// Its recipient.
    pub(crate) to: UserId,
    /// When it was accepted.
    pub(crate) at: Timestamp,
}

/// A message that is to wait for a word.
pub(crate) struct Hold {
    /// Whose word.
    pub(crate) owner: UserId,
    /// On whom.
    pub(crate) other: UserId,
    /// How it goes on if the word is yes.
    pub(crate) row: NewRow,
}

/// What became of an admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) answer: Answer,
    pub(crate) repeat: bool,
}

/// A command to be delivered.
pub(crate) struct NewRow {
    pub(crate) network: NetworkId,
    pub(crate) lane: String,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    pub(crate) payload: Payload,
}

/// What is kept of a command while it waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payload {
    Message {
        message: Message,
        source: Source,
    },
    /// A message that a block has swallowed: all but what it says. It waits like any other, so that
    /// its sender sees no difference.
    Swallowed {
        from: UserId,
        to: UserId,
        source: Source,
        /// Its file, with as much as is needed to fetch it: who offers it must see no difference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<Box<Media>>,
        /// Whether it was its sender who took it back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        taken_back: bool,
    },
    /// What a block has kept the bridge from saying by itself: it waits like the words that others
    /// have brought about.
    Unsaid,
    Status(Status),
    /// What the bridge says or wants by itself.
    Own(Command),
}

/// Where a message came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) network: NetworkId,
    pub(crate) event: EventId,
    pub(crate) reply_path: ReplyPath,
    /// The inbox row of the message that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<i64>,
    /// The inbox row of the first message of its thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<i64>,
    /// What the event was, of whatever kind it is where it goes.
    pub(crate) kind: Kind,
    /// Whether its sender was told that it waits for a word: then the end of that is told too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) waited: bool,
}

/// The way back to a message's sender.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) network: NetworkId,
    /// What it is to be told, but for the state.
    pub(crate) status: Status,
    /// Whether it was told that the message waits for a word.
    pub(crate) waited: bool,
}

impl Payload {
    /// What is to be carried out, if anything.
    pub(crate) fn command(&self) -> Option<Command> {
        match self {
            Self::Message { message, .. } => Some(Command::Message(message.clone())),
            Self::Swallowed { .. } | Self::Unsaid => None,
            Self::Status(status) => Some(Command::Status(status.clone())),
            Self::Own(command) => Some(command.clone()),
        }
    }

    /// The same, after the sender has taken back the message of the inbox row `taken`, if it says
    /// anything of that; `inbox` is its own.
    pub(super) fn after_taking_back(self, inbox: i64, taken: i64) -> Option<Self> {
        match self {
            Self::Message { .. } if inbox == taken || self.edits(taken) => {
                let mut hollow = self.without_body();
                if let Self::Swallowed { taken_back, file, .. } = &mut hollow {
                    (*taken_back, *file) = (true, None);
                }
                Some(hollow)
            }
            // A block has it already: then nothing shows but whether it is fetched.
            Self::Swallowed { from, to, source, file: Some(_), taken_back } if inbox == taken => {
                Some(Self::Swallowed { from, to, source, file: None, taken_back })
            }
            Self::Message { mut message, source } if source.about == Some(taken) => {
                let reply = message.reply.as_mut()?;
                (reply.to, reply.quote) = (None, None);
                message.reply.take_if(|reply| reply.is_empty());
                Some(Self::Message { message, source })
            }
            _ => None,
        }
    }

    /// Whether it is an edit of the message of this inbox row.
    fn edits(&self, inbox: i64) -> bool {
        match self {
            Self::Message { message, source } => {
                source.about == Some(inbox) && matches!(message.content, Content::Edit { .. })
            }
            _ => false,
        }
    }

    /// The same, if it is a message, without what it says.
    pub(super) fn without_body(self) -> Self {
        match self {
            Self::Message { message, source } => {
                let (from, to) = (message.from.user, message.to);
                let file = bare_file(message.content);
                Self::Swallowed { from, to, source, file, taken_back: false }
            }
            other => other,
        }
    }

    /// The same, whose sender was told that it waited.
    pub(super) fn after_waiting(mut self) -> Self {
        if let Self::Message { source, .. } | Self::Swallowed { source, .. } = &mut self {
            source.waited = true;
        }
        self
    }

    /// The way back to a message's sender; a status has none.
    pub(crate) fn back(&self) -> Option<Back> {
        let (source, from, to) = match self {
            Self::Message { message, source } => (source, &message.from.user, &message.to),
            Self::Swallowed { from, to, source, .. } => (source, from, to),
            Self::Unsaid | Self::Status(_) | Self::Own(_) => return None,
        };
        let Source { network, event, reply_path, kind, waited, .. } = source.clone();
        let status = Status {
            event,
            sender: from.clone(),
            recipient: Some(to.clone()),
            kind,
            reply_path,
            state: State::Pending,
        };
        Some(Back { network, status, waited })
    }
}

/// What is needed to fetch the file of a message, if it brings one, and nothing of what it says.
pub(crate) fn bare_file(content: Content) -> Option<Box<Media>> {
    let Content::Media(mut media) = content else { return None };
    let bare = |info: &mut FileInfo| {
        let FileInfo { mime, size, sha256, .. } = std::mem::take(info);
        *info = FileInfo { mime, size, sha256, ..FileInfo::default() };
    };
    media.caption = None;
    bare(&mut media.info);
    media.thumbnail.as_mut().into_iter().for_each(|small| bare(&mut small.info));
    Some(media)
}

/// A row of the outbox, which holds a few commands of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The number of the first of them, when it was written.
    pub(crate) seq: i64,
    /// How many it held when it was read.
    pub(crate) items: i64,
}

/// A command that waits.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    /// The row of the outbox that it stands in, with others.
    pub(crate) chunk: Chunk,
    /// The inbox row that it came from.
    pub(crate) inbox: i64,
    pub(crate) network: NetworkId,
    pub(crate) lane: String,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    pub(crate) payload: Payload,
}

/// The next rows of a lane.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) rows: Vec<Row>,
    /// The last one looked at, also if it could not be read.
    pub(crate) last: i64,
    /// Whether there may be more behind it. If not, whatever comes later is told by its commit.
    pub(crate) more: bool,
}

/// What became of a row.
pub(crate) struct Settlement {
    pub(crate) seq: i64,
    pub(crate) chunk: Chunk,
    pub(crate) inbox: i64,
    /// The network that it waited for.
    pub(crate) network: NetworkId,
    pub(crate) fate: Fate,
    /// What the source is to be told durably, if anything.
    pub(crate) tell: Option<NewRow>,
    /// Tell it only if the source was told before that the row waits.
    pub(crate) only_after_pending: bool,
    /// What a user chose and their network did not take.
    pub(crate) undo: Option<PeopleChange>,
    /// That two have to do with each other for the first time.
    pub(crate) met: Option<PeopleChange>,
}

/// The news that a row still waits.
pub(crate) struct Tiding {
    /// The row that waits.
    pub(crate) seq: i64,
    pub(crate) chunk: Chunk,
    pub(crate) inbox: i64,
    /// The status that says so.
    pub(crate) row: NewRow,
}

/// The end of a row.
#[expect(clippy::large_enum_variant, reason = "nearly all are the largest")]
pub(crate) enum Fate {
    /// The network took a message.
    Delivered {
        /// What it is called there, if it is to be kept: with the way back, if it may come back.
        id: Option<(EventId, Option<Back>)>,
        /// What became of reactions.
        reacted: Option<Reacted>,
    },
    /// A block has swallowed it, or its sender has taken it back before its turn.
    Swallowed,
    /// A message did not cross.
    Failed(Refusal),
    /// A status was told, or could not be: it has no fate of its own.
    Told,
}
