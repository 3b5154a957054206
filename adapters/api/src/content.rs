//! What an event is, and what a network can carry of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ContactCard, EventId, Location, Media, Poll, Rich, Timestamp};

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
    /// How people call themselves and look.
    Profile = "profile",
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
    /// Text.
    Text(Text),
    /// A message of the sender's own has a new text.
    Edit {
        /// Which message.
        of: Reference,
        /// Its whole text from now on.
        text: Text,
    },
    /// A message of the sender's own is taken back; or a reaction, where each is an event by itself.
    Retraction {
        /// Which.
        of: Reference,
    },
    /// What the sender thinks of a message, in emojis.
    Reaction {
        /// Of which message: the sender's own or the recipient's.
        to: Reference,
        /// What they are.
        emojis: Emojis,
    },
    /// A file.
    Media(Box<Media>),
    /// A place.
    Location(Location),
    /// A contact card.
    Contact(ContactCard),
    /// A poll.
    Poll(Poll),
    /// Something of a kind that is not carried. The gate refuses it by its code.
    Unsupported {
        /// Its kind.
        kind: Kind,
    },
}

/// What somebody wrote.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// As plain text, as the sender's client gave it: any Unicode, never trimmed, never empty. It
    /// reads well by itself.
    pub body: String,
    /// The same, formatted, if anything in it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rich: Option<Rich>,
}

impl Text {
    /// Without formatting.
    pub fn plain(body: impl Into<String>) -> Self {
        Self { body: body.into(), rich: None }
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        self.body.len() + self.rich.as_ref().map_or(0, Rich::size)
    }
}

/// A message of the same chat that something is about, as the adapter's own network names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// What it is called. Of one that came from this network it is the [`crate::Event::id`] (in an
    /// event, where [`crate::Repeats::Within`] holds, its name alone). Of one that was delivered
    /// there: in an event the [`crate::Delivery::key`], in a command the [`crate::Delivered::id`],
    /// or the key if there was none.
    pub id: EventId,
    /// On which way it was.
    pub was: Was,
    /// When it was sent, by this network's word. In an event it must be told of what came from this
    /// network, if its ids are [`crate::Repeats::AlwaysDated`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

/// Which way a message went, as seen by the adapter of one of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// A user of this network sent it.
    Sent,
    /// It was delivered to this network.
    Delivered,
}

/// A message that is answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Which; `None` in a command if it is not known there, or cannot be shown.
    pub to: Option<Reference>,
    /// How the sender's client quoted it, for those who do not see which it is. Never a part of what
    /// the sender wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// The thread in which the answer stands, if it stands in one; in a command only if the adapter
    /// declared [`Feature::Thread`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
}

impl Reply {
    /// An answer in no thread.
    pub fn answering(to: Option<Reference>, quote: Option<String>) -> Self {
        Self { to, quote, thread: None }
    }

    /// Whether nothing is left of it: neither what is answered nor where.
    pub fn is_empty(&self) -> bool {
        self.to.is_none() && self.quote.is_none() && self.thread.is_none()
    }
}

/// Never the quoted.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reply to {:?}", self.to)
    }
}

/// A thread: what is said about one message of a chat, beside the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The message with which it begins.
    pub root: Reference,
    /// Whether what stands in it only comes after [`Reply::to`], for those who see no threads, and
    /// does not answer it.
    pub follows: bool,
}

/// Reactions of one user to one message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emojis {
    /// In an event: this one comes to those that there are, where each is an event by itself. It is
    /// taken away by a [`Content::Retraction`] of that event.
    One(String),
    /// In an event: these are all from now on.
    All(Vec<String>),
    /// In a command, for networks of either sort.
    Now {
        /// All that there are from now on.
        all: Vec<String>,
        /// Those of them that are new.
        new: Vec<String>,
        /// Those that are gone, each with its id from [`crate::Delivered::reactions`], if it had one.
        gone: Vec<(String, Option<EventId>)>,
    },
}

impl Emojis {
    /// The most reactions of one user to one message.
    pub const MOST: usize = 20;
    /// The longest reaction, in bytes: an emoji of many parts, or a short word.
    pub const MAX_BYTES: usize = 64;

    /// Those that an event brings, or that there are.
    pub fn shown(&self) -> &[String] {
        match self {
            Self::One(emoji) => std::slice::from_ref(emoji),
            Self::All(all) | Self::Now { all, .. } => all,
        }
    }
}

impl Content {
    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text::plain(body))
    }

    /// What this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Edit { .. } => Kind::Edit,
            Self::Retraction { .. } => Kind::Retraction,
            Self::Reaction { .. } => Kind::Reaction,
            Self::Media(media) => media.kind.kind(),
            Self::Location(_) => Kind::Location,
            Self::Contact(_) => Kind::Contact,
            Self::Poll(_) => Kind::Poll,
            Self::Unsupported { kind } => *kind,
        }
    }

    /// What is written in it: a text, an edit, or what stands with a file.
    pub fn written(&self) -> Option<&Text> {
        match self {
            Self::Text(text) | Self::Edit { text, .. } => Some(text),
            Self::Media(media) => media.caption.as_ref(),
            _ => None,
        }
    }

    /// The message that it is about, without which it means nothing.
    pub fn about(&self) -> Option<&Reference> {
        match self {
            Self::Edit { of, .. } | Self::Retraction { of } | Self::Reaction { to: of, .. } => {
                Some(of)
            }
            Self::Text(_)
            | Self::Media(_)
            | Self::Location(_)
            | Self::Contact(_)
            | Self::Poll(_)
            | Self::Unsupported { .. } => None,
        }
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        match self {
            Self::Reaction { emojis, .. } => emojis.shown().iter().map(String::len).sum(),
            Self::Media(media) => media.size(),
            Self::Location(place) => place.size(),
            Self::Contact(card) => card.size(),
            Self::Poll(poll) => poll.size(),
            _ => self.written().map_or(0, Text::size),
        }
    }
}

/// Never the text itself.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of {} bytes", self.size())
    }
}

/// Never which they are.
impl fmt::Debug for Emojis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reactions", self.shown().len())
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
    /// As something else that can be read: a quoted text for a reply, words for a place, a contact
    /// card or a poll, which then come to the adapter as [`Content::Text`]; a document for any other
    /// file, and an audio file for a voice note, if that is carried.
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

/// What a text may bear.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Formatting: [`Text::rich`].
    Formatting,
    /// Naming somebody: [`crate::Inline::Mention`].
    Mention,
    /// Answering a message: [`Reply`].
    Reply,
    /// Standing in a thread: [`Thread`]. An adapter that declares it declares [`Feature::Reply`] too.
    Thread,
}

impl Feature {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Formatting, Self::Mention, Self::Reply, Self::Thread];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Formatting => "formatting",
            Self::Mention => "mention",
            Self::Reply => "reply",
            Self::Thread => "thread",
        }
    }
}

/// What a network carries, as source and as target alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is declared by itself")]
pub struct Capabilities {
    levels: Vec<(Kind, Level)>,
    #[serde(default)]
    features: Vec<(Feature, Level)>,
    /// The limits on text.
    pub text: TextLimits,
    /// For how long a message can be edited there; `None` for ever.
    #[serde(default)]
    pub edit_within: Option<Duration>,
    /// For how long a message can be taken back there; `None` for ever.
    #[serde(default)]
    pub retract_within: Option<Duration>,
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
            features: Vec::new(),
            text,
            edit_within: None,
            retract_within: None,
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

    /// Declares how well texts bear `feature`.
    #[must_use]
    pub fn bearing(mut self, feature: Feature, level: Level) -> Self {
        self.features.retain(|(known, _)| *known != feature);
        self.features.push((feature, level));
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

    /// How well texts bear `feature`; undeclared is [`Level::Rejected`].
    pub fn feature(&self, feature: Feature) -> Level {
        let declared = self.features.iter().find(|(known, _)| *known == feature);
        declared.map_or(Level::Rejected, |(_, level)| *level)
    }
}
