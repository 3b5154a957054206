//! Identifiers: one newtype for each, so that none is taken for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A network id breaks its rule.
    #[error("a network id is 1 to 16 of a-z, 0-9 and -, starting with a letter")]
    Network,
    /// A user id lacks its network or its own part.
    #[error("a user is written network:id, for instance xmpp:bob@example.net")]
    User,
    /// The id of an event has no characters.
    #[error("the id of an event is empty")]
    Event,
    /// An identifier is longer than [`UserId::MAX`] or [`EventId::MAX`].
    #[error("the id is longer than {0} bytes")]
    TooLong(usize),
}

/// The id of one configured network (one adapter instance): `matrix`, `xmpp`, `birdychat`, …
///
/// 1 to 16 of `a-z 0-9 -`, starting with a letter, so that every network can put it into an
/// address of its own and find its end again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct NetworkId(Arc<str>);

impl NetworkId {
    /// The longest network id, in bytes.
    pub const MAX: usize = 16;

    /// Checks and takes a network id.
    pub fn new(id: &str) -> Result<Self, IdError> {
        let mut bytes = id.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if first && rest && id.len() <= Self::MAX {
            Ok(Self(id.into()))
        } else {
            Err(IdError::Network)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NetworkId {
    type Error = IdError;

    fn try_from(id: String) -> Result<Self, IdError> {
        Self::new(&id)
    }
}

impl From<NetworkId> for String {
    fn from(id: NetworkId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account on a network, written `network:id`: `matrix:@alice:example.org`,
/// `xmpp:bob@example.net`, `birdychat:carol`.
///
/// The id is in the network's canonical form (see [`crate::Addressing::canonical`]): two
/// spellings of one account must never be two users, or a block would miss one of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct UserId {
    network: NetworkId,
    id: String,
}

impl UserId {
    /// The longest id within a network, in bytes: a JID of the longest node, domain and no
    /// resource (RFC 7622).
    pub const MAX: usize = 2047;

    /// Takes an id that the network's adapter has already put into its canonical form.
    pub fn new(network: NetworkId, id: impl Into<String>) -> Result<Self, IdError> {
        let id = id.into();
        match id.len() {
            0 => Err(IdError::User),
            1..=Self::MAX => Ok(Self { network, id }),
            _ => Err(IdError::TooLong(Self::MAX)),
        }
    }

    /// The network that the account lives on.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The id within the network.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FromStr for UserId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (network, id) = text.split_once(':').ok_or(IdError::User)?;
        Self::new(NetworkId::new(network)?, id)
    }
}

impl TryFrom<String> for UserId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(user: UserId) -> Self {
        user.to_string()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.network, self.id)
    }
}

/// Never the address itself: a `{:?}` in a log must not name a person.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.network)
    }
}

/// The id of an event, unique within its source network for as long as that network may send it
/// again. Opaque to the daemon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct EventId(String);

impl EventId {
    /// The longest event id, in bytes.
    pub const MAX: usize = 512;

    /// Takes an event id as its network spells it.
    pub fn new(id: impl Into<String>) -> Result<Self, IdError> {
        let id = id.into();
        match id.len() {
            0 => Err(IdError::Event),
            1..=Self::MAX => Ok(Self(id)),
            _ => Err(IdError::TooLong(Self::MAX)),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = IdError;

    fn try_from(id: String) -> Result<Self, IdError> {
        Self::new(id)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

/// Never the id itself, which its network chose: it may name a server or a person. Logs follow an
/// event by its [`Tag`].
impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event:…")
    }
}

/// One conversation, the same on every network that shows it: messages of one conversation stay
/// in order on their way to one network.
///
/// For a direct chat it follows from the two users alone, so portals at rest cost nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(String);

impl ConversationId {
    /// The direct chat of two users, whoever writes first.
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        // No canonical user id holds a line feed: every adapter's `canonical` refuses controls.
        Self(format!("{first}\n{second}"))
    }

    /// Reads back what [`Self::as_str`] gave, from the store.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The id as text, for the store. It holds addresses: not for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("conversation:…")
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant, moved by `by`; never past the ends of time.
    #[must_use]
    pub fn plus(self, by: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        let millis = self.0.saturating_sub(earlier.0);
        std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// A pseudonym for logs: the same thing has the same tag within one installation, and nobody
/// outside can tell which thing it is. See [`crate::Bridge::tag_user`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u64);

impl Tag {
    /// The tag of `thing`, made with the installation's `salt`.
    pub fn of(salt: &[u8], thing: &[&str]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update(salt);
        for part in thing {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(bytes))
    }

    /// The tag as a number, where it serves as a key in an index.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// All 16 hex digits, where a tag serves as a key rather than to be read.
    pub fn to_hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0 >> 16)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
