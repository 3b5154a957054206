//! The refusal codes: stable, snake case, shown to senders and written down in `docs/codes.md`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// Why something did not cross. The text form (`Display`, serde) is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Code {
    /// A kind that this crossing does not carry; `unsupported_kind:<kind>`.
    UnsupportedKind(Kind),
    /// The text is over the target's limit; it is never cut.
    TextTooLong,
    /// The file is over the smaller of both sides' limits.
    MediaTooLarge,
    /// The declared type is not what the bytes are.
    MediaTypeMismatch,
    /// Not what the protocol says, or a character that the target forbids.
    Malformed,
    /// Unknown, opted-out and never-existed look alike.
    NotReachable,
    /// The message waits for the recipient to accept the sender.
    RequestPending,
    /// No more messages are held for an unanswered request.
    RequestLimit,
    /// The conversation demands encryption that this crossing cannot keep.
    E2eeRequired,
    /// A sealed payload was not of its declared kind.
    KindMismatch,
    /// Too much at once; comes with a `retry_after`.
    RateLimited,
    /// What an edit, reply, reaction or retraction points at is unknown.
    TargetNotFound,
    /// The sender may not do this.
    Forbidden,
    /// The network lacks groups.
    GroupUnsupported,
    /// The media's host is not on the list.
    HostDenied,
    /// It could not be delivered within its limit.
    Expired,
    /// The target network is down, and no more can be queued for it.
    NetworkUnreachable,
}

/// Every code without a parameter, with its stable text.
const PLAIN: &[(Code, &str)] = &[
    (Code::TextTooLong, "text_too_long"),
    (Code::MediaTooLarge, "media_too_large"),
    (Code::MediaTypeMismatch, "media_type_mismatch"),
    (Code::Malformed, "malformed"),
    (Code::NotReachable, "not_reachable"),
    (Code::RequestPending, "request_pending"),
    (Code::RequestLimit, "request_limit"),
    (Code::E2eeRequired, "e2ee_required"),
    (Code::KindMismatch, "kind_mismatch"),
    (Code::RateLimited, "rate_limited"),
    (Code::TargetNotFound, "target_not_found"),
    (Code::Forbidden, "forbidden"),
    (Code::GroupUnsupported, "group_unsupported"),
    (Code::HostDenied, "host_denied"),
    (Code::Expired, "expired"),
    (Code::NetworkUnreachable, "network_unreachable"),
];

const UNSUPPORTED_KIND: &str = "unsupported_kind:";

impl Code {
    /// Every code but [`Code::UnsupportedKind`], in the order of the documentation.
    pub fn plain() -> impl Iterator<Item = Self> {
        PLAIN.iter().map(|(code, _)| *code)
    }

    /// One sentence for the person whose message did not cross.
    pub fn explain(self) -> String {
        let words = match self {
            Self::UnsupportedKind(Kind::Sticker) => "Stickers do not cross this bridge.",
            Self::UnsupportedKind(Kind::Disappearing) => {
                "Disappearing and view-once messages do not cross this bridge."
            }
            Self::UnsupportedKind(Kind::Encrypted) => {
                "This message is encrypted, and the bridge cannot read it."
            }
            Self::UnsupportedKind(kind) => {
                return format!("This kind of message ({kind}) does not cross this bridge.");
            }
            Self::TextTooLong => "The text is too long for the other network.",
            Self::MediaTooLarge => "The file is too large for the other network.",
            Self::MediaTypeMismatch => "The file is not of the type that it claims to be.",
            Self::Malformed => "The message holds something that the other network cannot show.",
            Self::NotReachable => "This person cannot be reached here.",
            Self::RequestPending => "The message waits until the recipient accepts you.",
            Self::RequestLimit => "No more messages can wait until the recipient accepts you.",
            Self::E2eeRequired => {
                "One of the two sides demands more encryption than this bridge has."
            }
            Self::KindMismatch => "The message is not of the kind that it claims to be.",
            Self::RateLimited => "Too many messages at once. Try again later.",
            Self::TargetNotFound => "The message that this refers to is not known here.",
            Self::Forbidden => "You may not do this across this bridge.",
            Self::GroupUnsupported => "Group chats do not cross this bridge.",
            Self::HostDenied => "The file lies on a host that is not allowed.",
            Self::Expired => "The message came too late, or could not be delivered in time.",
            Self::NetworkUnreachable => "The other network cannot be reached.",
        };
        words.to_owned()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::UnsupportedKind(kind) = self {
            return write!(f, "{UNSUPPORTED_KIND}{kind}");
        }
        let text = PLAIN.iter().find(|(code, _)| code == self).map_or("unknown", |(_, text)| text);
        f.write_str(text)
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(kind) = text.strip_prefix(UNSUPPORTED_KIND) {
            return kind.parse().map(Self::UnsupportedKind);
        }
        let found = PLAIN.iter().find(|(_, known)| *known == text).map(|(code, _)| *code);
        found.ok_or_else(|| "not a code of this version".to_owned())
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

/// A refusal: a code, and when to try again, where that helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// When a repeat may succeed; only with codes that time heals.
    pub retry_after: Option<Duration>,
    /// How much would do, in bytes; only with [`Code::MediaTooLarge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl Refusal {
    /// A file is larger than `limit`, in bytes.
    pub fn too_large(limit: u64) -> Self {
        Self { limit: Some(limit), ..Code::MediaTooLarge.into() }
    }

    /// One sentence for the person whose message did not cross.
    pub fn explain(self) -> String {
        match self.limit {
            Some(limit) if self.code == Code::MediaTooLarge => {
                format!("The file is too large: at most {} can cross here.", in_units(limit))
            }
            _ => self.code.explain(),
        }
    }
}

/// So many bytes, in the unit in which they are best read, never rounded up.
fn in_units(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit);
    let Some((unit, name)) = unit else { return format!("{bytes} bytes") };
    match (bytes / unit, bytes % unit * 10 / unit) {
        (whole, tenth) if whole < 10 && tenth > 0 => format!("{whole}.{tenth} {name}"),
        (whole, _) => format!("{whole} {name}"),
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, retry_after: None, limit: None }
    }
}
