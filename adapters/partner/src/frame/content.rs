//! What messages may be besides plain texts, and what passes beside them.

use drawbridge_adapter::{EventId, Reference, Was};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::{AppFile, BridgeFile};
use super::things::{ContactContent, LocationContent, PollContent};

/// A message that something is about. It has exactly one of these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ref {
    /// An event of the app's, by its id.
    App(String),
    /// An event of the bridge's, by its id.
    Bridge(String),
}

impl Ref {
    /// How the app is told of this message.
    pub(crate) fn of(reference: &Reference) -> Self {
        let id = reference.id.as_str().to_owned();
        match reference.was {
            Was::Sent => Self::App(id),
            Was::Delivered => Self::Bridge(id),
        }
    }

    /// The same in the words of the chat model; `None` if it is no id that the one or the other side
    /// could have chosen.
    pub(crate) fn reference(&self) -> Option<Reference> {
        let (id, was) = match self {
            Self::App(id) => (id, Was::Sent),
            Self::Bridge(id) => (id, Was::Delivered),
        };
        let fits = match was {
            Was::Sent => super::is_id(id),
            Was::Delivered => id.len() == KEY && id.bytes().all(|b| b.is_ascii_hexdigit()),
        };
        let id = EventId::new(id.as_str()).ok().filter(|_| fits)?;
        Some(Reference { id, was, sent_at: None })
    }
}

/// How long the ids of the bridge's events are.
const KEY: usize = 27;

/// The content of an event from the app.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only the schema needs them under one roof: see `read`")]
pub(crate) enum AppContent {
    /// Text.
    Text(AppText),
    /// A message of the sender's own has a new text.
    Edit(AppEdit),
    /// A message of the sender's own is taken back.
    Retraction(AppRetraction),
    /// What the sender thinks of a message.
    Reaction(AppReaction),
    /// A place.
    Location(LocationContent),
    /// A contact card.
    Contact(ContactContent),
    /// A poll.
    Poll(PollContent),
    /// A picture.
    Image(Box<AppFile>),
    /// A moving picture.
    Video(Box<AppFile>),
    /// Recorded speech, played in place.
    Voice(Box<AppFile>),
    /// Any other sound.
    Audio(Box<AppFile>),
    /// A file to be opened elsewhere.
    Document(Box<AppFile>),
    /// Another kind, which the bridge refuses by its name.
    #[serde(untagged)]
    Other {
        /// The kind.
        #[serde(rename = "type")]
        #[schemars(length(min = 1, max = 64))]
        kind: String,
    },
}

/// `text`, from the app.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppText {
    /// The text, as it is shown to those who see no formatting.
    #[schemars(length(min = 1))]
    pub(crate) body: String,
    /// The same in Markdown, if it is formatted, or names somebody.
    #[serde(default)]
    pub(crate) markdown: Option<String>,
}

/// `edit`, from the app.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppEdit {
    /// The message that was first sent.
    pub(crate) of: Ref,
    /// Its whole text from now on.
    #[serde(flatten)]
    pub(crate) text: AppText,
}

/// `retraction`, from the app.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppRetraction {
    /// The message that was first sent.
    pub(crate) of: Ref,
}

/// `reaction`, from the app.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppReaction {
    /// The message, of either side.
    pub(crate) to: Ref,
    /// All reactions of this user to it from now on, each of 1 to 64 bytes.
    #[schemars(length(max = 20))]
    pub(crate) emojis: Vec<String>,
}

/// The content of an event from the bridge.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum BridgeContent {
    /// Text.
    Text(BridgeText),
    /// A message of the writer's has a new text.
    Edit {
        /// The message that was first sent.
        of: Ref,
        /// Its whole text from now on.
        #[serde(flatten)]
        text: BridgeText,
    },
    /// A message of the writer's is taken back.
    Retraction {
        /// Which.
        of: Ref,
    },
    /// What the writer thinks of a message.
    Reaction {
        /// The message, of either side.
        to: Ref,
        /// All reactions of the writer to it from now on.
        emojis: Vec<String>,
    },
    /// A place.
    Location(LocationContent),
    /// A contact card.
    Contact(ContactContent),
    /// A poll.
    Poll(PollContent),
    /// A picture.
    Image(Box<BridgeFile>),
    /// A moving picture.
    Video(Box<BridgeFile>),
    /// Recorded speech, played in place.
    Voice(Box<BridgeFile>),
    /// Any other sound.
    Audio(Box<BridgeFile>),
    /// A file to be opened elsewhere.
    Document(Box<BridgeFile>),
}

/// What was written, from the bridge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BridgeText {
    /// As plain text, as it was written.
    pub(crate) body: String,
    /// The same in Markdown, if anything is formatted and the app shows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) markdown: Option<String>,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReceiptState {
    /// The recipient's device has it.
    Delivered,
    /// It was shown to the recipient.
    Read,
}

/// `receipt`, from the app: one of its users has got a message.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppReceipt {
    /// Which message: one that the bridge sent.
    pub(crate) of: Ref,
    /// Who has got it: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// Who wrote it: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) to: String,
    /// How far it has come.
    pub(crate) state: ReceiptState,
}

/// `typing`, from the app: one of its users writes, or has stopped.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppTyping {
    /// Who: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// To whom: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) to: String,
    /// Whether they began or stopped.
    pub(crate) typing: bool,
}

/// `receipt`, from the bridge: a message of the app's has reached its recipient.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReceiptFrame {
    /// Which message: one that the app sent.
    pub(crate) of: Ref,
    /// Who has got it: `network:id`.
    pub(crate) from: String,
    /// Who wrote it: an enlisted user.
    pub(crate) to: String,
    /// How far it has come.
    pub(crate) state: ReceiptState,
}

/// `typing`, from the bridge: somebody writes, or has stopped.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TypingFrame {
    /// Who: `network:id`.
    pub(crate) from: String,
    /// To whom: an enlisted user.
    pub(crate) to: String,
    /// Whether they began or stopped.
    pub(crate) typing: bool,
}
