//! What an event is, and what a network can carry of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal,)*) => {
        /// What an event is. Every kind has a name from the first day, whether it is carried or
        /// not: what is not is refused by this name. The text form is stable.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* #[serde(rename = $text)] $kind,)* }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }
        }
    };
}

kinds! {
    /// Text.
    Text = "text",
    /// A picture.
    Image = "image",
    /// A moving picture.
    Video = "video",
    /// A voice note: recorded speech, played in place.
    Voice = "voice",
    /// Any other sound.
    Audio = "audio",
    /// A file.
    Document = "document",
    /// A place.
    Location = "location",
    /// A place that moves.
    LiveLocation = "live_location",
    /// A contact card.
    Contact = "contact",
    /// A sticker; never crosses to or from a third-party network.
    Sticker = "sticker",
    /// Anything with a timer or a view-once flag; never crosses to or from a third-party network.
    Disappearing = "disappearing",
    /// A reaction to a message.
    Reaction = "reaction",
    /// A message's new text.
    Edit = "edit",
    /// A message taken back.
    Retraction = "retraction",
    /// A poll, or a vote in one.
    Poll = "poll",
    /// A status or story.
    Story = "story",
    /// A call.
    Call = "call",
    /// A delivery or read receipt.
    Receipt = "receipt",
    /// A typing notification.
    Typing = "typing",
    /// Presence.
    Presence = "presence",
    /// A ciphertext that the bridge cannot read.
    Encrypted = "encrypted",
    /// Anything that the adapter has no name for.
    Other = "other",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| "not a kind of this version".to_owned())
    }
}

/// What an event says. Only kinds that are carried have a variant of their own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Plain text, as the sender wrote it: any Unicode, never trimmed, never empty.
    Text {
        /// The text.
        body: String,
    },
    /// Something of a kind that is not carried. The gate refuses it by its code.
    Unsupported {
        /// Its kind.
        kind: Kind,
    },
}

impl Content {
    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text { body: body.into() }
    }

    /// What this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text { .. } => Kind::Text,
            Self::Unsupported { kind } => *kind,
        }
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        match self {
            Self::Text { body } => body.len(),
            Self::Unsupported { .. } => 0,
        }
    }
}

/// Never the content itself: a `{:?}` in a log must not show what people wrote.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.kind(), self.size())
    }
}

/// What an event bears besides its content, at any depth: also inside an edit, a reply or a
/// fallback. Adapters only report; the gate holds its two bans against these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// A sticker is in it, even if a text stands beside.
    pub sticker: bool,
    /// A timer, an expiry or a view-once flag is in it, or switches one on.
    pub disappearing: bool,
}

/// How well a network carries a kind.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all. What is not declared is this.
    #[default]
    Rejected,
    /// As something else that can be read (a quoted text for a reply).
    Fallback,
    /// With losses that are documented.
    Partial,
    /// Wholly.
    Full,
}

/// The limits of a network on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLimits {
    /// The longest text, in bytes of UTF-8.
    pub max_bytes: usize,
    /// Whether the network can carry control characters other than tab, line feed and carriage
    /// return (XML 1.0 cannot, nor U+FFFE and U+FFFF).
    pub controls: bool,
}

/// What a network carries, as source and as target alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is declared by itself")]
pub struct Capabilities {
    levels: Vec<(Kind, Level)>,
    /// The limits on text.
    pub text: TextLimits,
    /// Whether a message that the network took may still come back: the adapter calls
    /// [`crate::Bridge::bounced`]. For other networks the daemon keeps no way back.
    pub bounces: bool,
    /// Whether the adapter shows a stranger's request by itself: see [`crate::Command::Request`].
    pub requests: bool,
    /// Whether the adapter writes the network's own lists of blocked users: see
    /// [`crate::Command::Block`].
    pub block_lists: bool,
    /// Whether the adapter writes to the network which chats make no noise: see
    /// [`crate::Command::Mute`].
    #[serde(default)]
    pub mutes: bool,
    /// Whether the adapter gathers chats in folders: see [`crate::Command::Folder`].
    #[serde(default)]
    pub folders: bool,
    /// Whether those who run the network can be told of a reported user: see
    /// [`crate::Command::Report`].
    #[serde(default)]
    pub reports: bool,
    /// Whether users may give the adapter their own login: see [`crate::Command::Access`].
    #[serde(default)]
    pub access: bool,
}

impl Capabilities {
    /// A network that carries nothing yet, with these limits on text.
    pub fn new(text: TextLimits) -> Self {
        Self {
            levels: Vec::new(),
            text,
            bounces: false,
            requests: false,
            block_lists: false,
            mutes: false,
            folders: false,
            reports: false,
            access: false,
        }
    }

    /// Declares how well `kind` is carried.
    #[must_use]
    pub fn with(mut self, kind: Kind, level: Level) -> Self {
        self.levels.retain(|(known, _)| *known != kind);
        self.levels.push((kind, level));
        self
    }

    /// Declares that a message which the network took may still come back.
    #[must_use]
    pub fn bouncing(self) -> Self {
        Self { bounces: true, ..self }
    }

    /// Declares that the adapter shows requests.
    #[must_use]
    pub fn showing_requests(self) -> Self {
        Self { requests: true, ..self }
    }

    /// Declares that the adapter writes the network's own block lists.
    #[must_use]
    pub fn keeping_block_lists(self) -> Self {
        Self { block_lists: true, ..self }
    }

    /// Declares that the adapter writes to the network which chats make no noise.
    #[must_use]
    pub fn muting(self) -> Self {
        Self { mutes: true, ..self }
    }

    /// Declares that the adapter gathers chats in folders.
    #[must_use]
    pub fn keeping_folders(self) -> Self {
        Self { folders: true, ..self }
    }

    /// Declares that those who run the network can be told of a reported user.
    #[must_use]
    pub fn taking_reports(self) -> Self {
        Self { reports: true, ..self }
    }

    /// Declares that users may give the adapter their own login.
    #[must_use]
    pub fn taking_access(self) -> Self {
        Self { access: true, ..self }
    }

    /// How well `kind` is carried; undeclared is [`Level::Rejected`].
    pub fn level(&self, kind: Kind) -> Level {
        let declared = self.levels.iter().find(|(known, _)| *known == kind);
        declared.map_or(Level::Rejected, |(_, level)| *level)
    }
}
