//! What the daemon calls: one [`Adapter`] a network.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Attached, Bridge, Capabilities, Circumstances, Command, ConversationId, Diagnosis, EventId,
    Incoming, Refusal, Signal, Tag, Timestamp, UserId,
};

/// One external network. It translates, in both directions, and decides nothing.
///
/// # Contract
/// - Everything that comes from outside is hostile: bounded in size, depth, time and count.
///   Nothing that a user sends may panic, or end the connection that others use too.
/// - Upstream is acknowledged only after [`Bridge::accept`] returned.
/// - [`Adapter::run`] survives the loss of its peer: it reports [`crate::Connection::Down`] and
///   tries again, with backoff and jitter.
/// - No body, address, token or secret reaches a log, at any level: use [`Bridge::tag_user`] and
///   [`Bridge::tag_event`].
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// What this adapter is, and what it wants of the daemon. Constant.
    fn describe(&self) -> Descriptor;

    /// What the network carries. Constant while the adapter lives. The daemon enforces it before
    /// it calls: [`Adapter::deliver`] never sees a kind that is not declared here.
    fn capabilities(&self) -> Capabilities;

    /// Listens, says so by a first [`crate::Connection::Waiting`], connects, and reports what happens
    /// there to `bridge`, until [`Bridge::stopping`] resolves. Then it takes no more in, hands over
    /// what it has read, closes its connections in order, and returns within five seconds.
    ///
    /// Called once. An error is one that no waiting heals.
    async fn run(&self, bridge: Bridge) -> Result<(), Fatal>;

    /// Carries out the next commands of one conversation, in order; 1 to
    /// [`Descriptor::window`] of them.
    ///
    /// The answer holds one result for each command from the first on. After [`DeliveryError::Retry`],
    /// [`DeliveryError::Unknown`] or [`DeliveryError::Disconnected`] it ends, so that nothing
    /// overtakes: the rest was not tried. `Ok` means that the target's server has taken it.
    ///
    /// A command may come again under the same [`Delivery::key`], also after a restart: it must
    /// show once, as far as the network can tell. May be called for several conversations at
    /// once, never for one conversation twice at a time, and also while disconnected.
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>>;

    /// Opens the file of an event of this network's: what stood in [`crate::Locator::Own`]. The daemon
    /// reads it as fast as it can write, and drops it when it has enough. May be called long after
    /// the event came, more than once, also after a restart; never for a file of a message that nobody
    /// has accepted.
    ///
    /// [`DeliveryError::Retry`] and [`DeliveryError::Disconnected`] mean that it can be tried again;
    /// a file that is not there any more is refused as [`crate::Code::Expired`].
    async fn open(&self, _at: &str) -> Result<Incoming, DeliveryError> {
        let why = "the adapter opens no files";
        Err(DeliveryError::Refused { refusal: crate::Code::Malformed.into(), why })
    }

    /// Fetches the picture of a user of this network's, whole: what stood in
    /// [`crate::NewPicture::At`]. Where the network has it in several sizes, the best of at most
    /// [`crate::Picture::MAX`] bytes. May be called long after that was said, also after a restart; never
    /// before somebody has accepted the user, where users must be accepted.
    ///
    /// [`DeliveryError::Retry`] and [`DeliveryError::Disconnected`] mean that it can be tried again.
    async fn picture(&self, _of: &UserId, _at: &str) -> Result<Vec<u8>, DeliveryError> {
        let why = "the adapter fetches no pictures";
        Err(DeliveryError::Refused { refusal: crate::Code::Malformed.into(), why })
    }

    /// The largest file that the network takes now, in bytes. Asked whenever a file is to cross.
    fn max_media(&self) -> u64 {
        u64::MAX
    }

    /// Tries what the adapter needs of the world, for `drawbridge doctor`: without [`Adapter::run`],
    /// and without harm to a daemon that runs. Ends within thirty seconds.
    async fn examine(&self, _around: Circumstances<'_>) -> Vec<Diagnosis> {
        Vec::new()
    }

    /// Whether the adapter may touch the own settings of `user` now, as by a login that they gave
    /// ([`crate::Command::Access`]). Only asked where [`Capabilities::access`] is declared.
    fn has_access(&self, _user: &UserId) -> bool {
        false
    }

    /// Takes a fleeting signal, and never waits. Whether there was room for it: what somebody is to
    /// see until it changes ([`Signal::Presence`]) comes again if there was none, all else does not.
    /// What the network has no word for is taken.
    fn signal(&self, _signal: Signal) -> bool {
        true
    }
}

/// How users are named on a network, and under which addresses others appear there. Pure.
///
/// Law: for each canonical user `u` of another network, `address_of(u)` either fails or gives an
/// address for which `user_at` gives `u` back.
pub trait Addressing: Send + Sync + 'static {
    /// The one spelling of an id of this network's own: case, Unicode form, no resource.
    fn canonical(&self, id: &str) -> Result<UserId, AddressError>;

    /// The domain that a user of this network lives under; `None` if the network has one only.
    fn domain<'a>(&self, user: &'a UserId) -> Option<&'a str>;

    /// The address on this network under which `foreign`, a user of another, is reached.
    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError>;

    /// Who is reached under an address of this network. The id of that user is not checked
    /// against the user's own network: see [`Bridge::knows`].
    fn user_at(&self, address: &str) -> Result<UserId, AddressError>;
}

/// Why there is no such address or user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It breaks the network's rules for ids.
    #[error("not an id of this network: {0}")]
    Invalid(&'static str),
    /// The address would be longer than the network allows.
    #[error("the address would be longer than the {0} bytes that this network allows")]
    TooLong(usize),
    /// An address of this network, but not one of the bridge's.
    #[error("not an address of this bridge")]
    NotOurs,
}

/// What an adapter is.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// Its type, as in the configuration.
    pub adapter: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The most commands in one call of [`Adapter::deliver`]; 1 to 64.
    pub window: usize,
    /// The most conversations in [`Adapter::deliver`] at one time; besides them at most eight
    /// [`Command::Profile`]s.
    pub concurrency: usize,
    /// Which outcomes its senders can be told.
    pub status: StatusNeeds,
}

/// Which outcomes, besides failures, come as a [`Command::Status`]. Failures always do.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusNeeds {
    /// Durable [`crate::State::Accepted`]; otherwise it comes as a [`Signal::Accepted`], and as a
    /// command only where a [`crate::State::Pending`] was told before, so that this has an end.
    pub accepted: bool,
    /// [`crate::State::Pending`], after ten seconds.
    pub pending: bool,
}

/// One command, on its way to a network.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The same for each repeat of this command, and for no other: 27 hex digits, of which the first
    /// eleven are the time, so that later commands have larger keys.
    pub key: String,
    /// The pseudonym of the message, for logs.
    pub tag: Tag,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// When the daemon took it.
    pub accepted_at: Timestamp,
    /// Which try this is, from 1. More than 1 means that an earlier one may have worked.
    pub attempt: u32,
    /// What to do.
    pub command: Command,
    /// The files of a [`crate::Content::Media`], whole: always there with one. A command with files
    /// comes alone.
    pub attached: Option<Attached>,
}

/// A command was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The id which the message has on this network, if it has one.
    pub id: Option<EventId>,
    /// The ids of reactions that are new, where each is an event by itself: they come back in
    /// [`crate::Emojis::Now`] when the reaction is taken away.
    pub reactions: Vec<(String, EventId)>,
}

impl Delivered {
    /// Under this id.
    pub fn under(id: Option<EventId>) -> Self {
        Self { id, reactions: Vec::new() }
    }
}

/// A command was not carried out, or perhaps.
///
/// `why` is for the log: a fixed sentence, never anything that came from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryError {
    /// Not now. Try again, after this time if the network named one.
    Retry {
        /// The network's own word on when.
        after: Option<Duration>,
        /// For the log.
        why: &'static str,
    },
    /// Never. The sender is told.
    Refused {
        /// Why, as the sender is told.
        refusal: Refusal,
        /// For the log.
        why: &'static str,
    },
    /// Perhaps it worked. Try again, under the same key.
    Unknown {
        /// For the log.
        why: &'static str,
    },
    /// There is no connection. Try again when there is.
    Disconnected,
}

/// An adapter can't go on, and waiting will not help: the daemon ends, saying this.
#[derive(Debug)]
pub struct Fatal {
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fatal {
    /// What can't be done, in words for the operator, without secrets.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// What can't be done, and the error that says why.
    pub fn because(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fatal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
