//! What an adapter calls: the handle on the daemon.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Code, CommandForm, Event, EventId, Gesture, NetworkId, Passing, ProfileChange, Refusal, Shown,
    Tag, Timestamp, UserId,
};

/// The daemon, as one adapter sees it. Cheap to clone.
#[derive(Clone)]
pub struct Bridge(Arc<dyn BridgePort>);

/// What stands behind a [`Bridge`]: the daemon, or the testkit's reference bridge.
#[async_trait]
pub trait BridgePort: Send + Sync + 'static {
    /// See [`Bridge::network`].
    fn network(&self) -> &NetworkId;
    /// See [`Bridge::accept`].
    async fn accept(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable>;
    /// See [`Bridge::bounced`].
    async fn bounced(
        &self,
        id: &EventId,
        by: &UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable>;
    /// See [`Bridge::gesture`].
    async fn gesture(&self, by: &UserId, gesture: Gesture) -> Result<(), Unavailable>;
    /// See [`Bridge::profile`].
    async fn profile(&self, change: ProfileChange) -> Result<(), Unavailable>;
    /// See [`Bridge::shown`].
    async fn shown(&self, of: &UserId, to: &UserId) -> Result<Option<Shown>, Unavailable>;
    /// See [`Bridge::pass`].
    fn pass(&self, passing: Passing);
    /// See [`Bridge::commands`].
    fn commands(&self) -> Vec<CommandForm>;
    /// See [`Bridge::report`].
    fn report(&self, connection: Connection);
    /// See [`Bridge::knows`].
    fn knows(&self, user: &UserId) -> bool;
    /// See [`Bridge::is_local`].
    fn is_local(&self, user: &UserId) -> bool;
    /// See [`Bridge::remember`].
    async fn remember(&self, memos: Vec<Memo>) -> Result<(), Unavailable>;
    /// See [`Bridge::recall`].
    async fn recall(&self, key: &str) -> Result<Option<String>, Unavailable>;
    /// See [`Bridge::recall_all`].
    async fn recall_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, Unavailable>;
    /// See [`Bridge::stopping`].
    async fn stopping(&self);
    /// See [`Bridge::now`].
    fn now(&self) -> Timestamp;
    /// See [`Bridge::random`].
    fn random(&self) -> u64;
    /// The salt of the pseudonyms.
    fn salt(&self) -> &[u8];
}

impl Bridge {
    /// A handle on what stands behind it.
    pub fn new(port: Arc<dyn BridgePort>) -> Self {
        Self(port)
    }

    /// The network that this handle is for.
    pub fn network(&self) -> &NetworkId {
        self.0.network()
    }

    /// Hands events over, in the order in which they happened.
    ///
    /// When it returns `Ok`, each event is durable or refused, and upstream may be
    /// acknowledged; the answers stand in the order of the events. One bad event never harms its
    /// neighbours. Refusals reach the sender as a [`crate::Command::Status`]: do not tell them
    /// twice. Cancel-safe: a call that was dropped has happened wholly or not at all, and the
    /// same events may be handed over again.
    ///
    /// Events of one conversation must not be handed over by two calls at a time: their order
    /// would be undefined.
    pub async fn accept(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        self.0.accept(events).await
    }

    /// A message that the target's server had taken came back after all: its sender is told.
    ///
    /// `id` is what [`crate::Delivered::id`] gave, `by` who sends it back, and only the message's
    /// recipient can. False if no such message is known, or it came back before.
    pub async fn bounced(
        &self,
        id: &EventId,
        by: &UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable> {
        self.0.bounced(id, by, refusal).await
    }

    /// A user of this network has shown, with the network's own means, what they want of another.
    ///
    /// Durable and in force when it returns `Ok`. The same gesture again changes nothing, so
    /// a list may be handed over anew whenever it was read; what the adapter itself wrote there by
    /// order of a [`crate::Command::Block`] changes nothing either. A gesture about nobody that is
    /// known is passed over.
    pub async fn gesture(&self, by: &UserId, gesture: Gesture) -> Result<(), Unavailable> {
        self.0.gesture(by, gesture).await
    }

    /// A user of this network calls themselves otherwise, or looks otherwise. Only where
    /// [`crate::Kind::Profile`] is declared.
    ///
    /// Durable when it returns `Ok`. The same again changes nothing, and costs little. To whom it is
    /// shown is the daemon's business: it may be told of users who have written to nobody. A name or a
    /// picture that cannot be is passed over, as if there were none.
    pub async fn profile(&self, change: ProfileChange) -> Result<(), Unavailable> {
        self.0.profile(change).await
    }

    /// As what `of`, a user of another network, was last shown to `to`, one of this network's: what came
    /// by [`crate::Command::Profile`], also after a restart. `None` if `of` was never shown to `to`, and
    /// it must look then as if nobody knew anything of `of`.
    pub async fn shown(&self, of: &UserId, to: &UserId) -> Result<Option<Shown>, Unavailable> {
        self.0.shown(of, to).await
    }

    /// A user of this network did something fleeting. Never waits, and nobody is told whether anything
    /// comes of it.
    pub fn pass(&self, passing: Passing) {
        self.0.pass(passing);
    }

    /// The commands that the bridge's own user understands, for networks that show forms.
    pub fn commands(&self) -> Vec<CommandForm> {
        self.0.commands()
    }

    /// Says how the connection stands. Only changes are needed.
    ///
    /// The first report is [`Connection::Waiting`], and says that all that the adapter listens on
    /// stands: the daemon calls itself ready when every adapter has made it.
    pub fn report(&self, connection: Connection) {
        self.0.report(connection);
    }

    /// Whether `user` names a configured network, and spells the id as that network does. It says
    /// nothing about whether the account exists: nobody may learn that.
    pub fn knows(&self, user: &UserId) -> bool {
        self.0.knows(user)
    }

    /// Whether the account, of this network, is on a server of the operator's own (`users.local`);
    /// true for all where users have no domain.
    pub fn is_local(&self, user: &UserId) -> bool {
        self.0.is_local(user)
    }

    /// Writes down what the adapter must still know after a crash, all or nothing; returns after
    /// the commit.
    pub async fn remember(&self, memos: Vec<Memo>) -> Result<(), Unavailable> {
        self.0.remember(memos).await
    }

    /// What was written down under `key`.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, Unavailable> {
        self.0.recall(key).await
    }

    /// Keys and values whose keys start with `prefix` and sort after `after` (empty: from the
    /// start), in order, at most `limit`.
    pub async fn recall_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, Unavailable> {
        self.0.recall_all(prefix, after, limit).await
    }

    /// Resolves when the daemon wants to stop; at once if it already does.
    pub async fn stopping(&self) {
        self.0.stopping().await;
    }

    /// The time, by the daemon's clock.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// An unpredictable number, from the daemon's source of randomness.
    pub fn random(&self) -> u64 {
        self.0.random()
    }

    /// The pseudonym of a user, for logs.
    pub fn tag_user(&self, user: &UserId) -> Tag {
        Tag::of(self.0.salt(), &["user", user.network().as_str(), user.id()])
    }

    /// The pseudonym of an event of this network, for logs: the same one follows the message
    /// through its whole way.
    pub fn tag_event(&self, event: &EventId) -> Tag {
        Tag::of(self.0.salt(), &["event", self.network().as_str(), event.as_str()])
    }
}

/// What became of one event that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// The answer; the same for each repeat.
    pub answer: Answer,
    /// Whether this event had been handed over before.
    pub repeat: bool,
}

/// The answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is durable, and on its way.
    Accepted,
    /// It does not cross. The sender is told.
    Refused(Refusal),
}

impl Answer {
    /// The code of a refusal.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Accepted => None,
            Self::Refused(refusal) => Some(refusal.code),
        }
    }
}

/// The daemon could not take it: nothing was written, do not acknowledge upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// The queue back to this very network is full: it must take its statuses first.
    #[error("the queue back to the source is full")]
    Full,
    /// The store failed; the daemon says more in its own log.
    #[error("the store failed")]
    Failed,
}

/// Something to write down: a value under a key, or `None` to forget the key.
///
/// Keys are the adapter's own: at most 4,096 bytes; values at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Option<String>,
}

impl Memo {
    /// Writes `value` under `key`.
    pub fn set(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// Forgets `key`.
    pub fn forget(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None }
    }
}

/// How an adapter's connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It listens, and nobody is there yet; or it is about to dial.
    Waiting,
    /// Messages can be delivered.
    Up,
    /// They cannot; the adapter tries again.
    Down {
        /// Why: a fixed sentence for the operator.
        why: &'static str,
    },
}
