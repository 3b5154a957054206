//! What waits, for the operator to look at, to hurry and to take out.

use std::time::Duration;

use drawbridge_adapter::{Code, Command, Kind, NetworkId, Tag, Timestamp};
use tokio::time::Instant;

use super::lane::{Outcome, Turn};
use super::lanes::{Left, Stand};
use super::{Crossing, Network};
use crate::clock;
use crate::store::{Payload, Row, StoreError};

/// One command that waits: what the operator may know of it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// Its number in the queue, which no other ever has.
    pub(crate) id: i64,
    /// The network that it waits for.
    pub(crate) network: NetworkId,
    /// The pseudonym of the message that it is or speaks of, as in the log.
    pub(crate) msg: Tag,
    /// The pseudonym of who wrote that message.
    pub(crate) user: Tag,
    /// The pseudonym of the conversation.
    pub(crate) conversation: Tag,
    /// The name of the status that it tells; nothing if it is a message.
    pub(crate) status: Option<&'static str>,
    /// The kind of the message.
    pub(crate) kind: Kind,
    /// The message's size in bytes; nothing if it is a status.
    pub(crate) bytes: Option<usize>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) state: WaitingState,
    /// How many tries of its conversation failed in a row.
    pub(crate) tries: u32,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitingState {
    /// The network is not connected.
    Network,
    /// The network is not in the configuration.
    Unconfigured,
    /// Its conversation's turn.
    Turn,
    /// Its conversation's next try, after this time.
    Retry(Duration),
    /// Its conversation is being delivered.
    Running,
}

/// What became of a command that was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Whether its sender is told: a status that is taken out has nobody to be told.
    pub(crate) told: bool,
}

/// Why the operator's wish could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    /// It is no longer there, or never was.
    #[error("nothing of this number waits")]
    NoSuch,
    /// Its conversation is being delivered: nobody can say whether the network has it already.
    #[error("its conversation is being delivered now, try again")]
    Running,
    /// There is no such network.
    #[error("there is no such network in the configuration")]
    NoNetwork,
    /// The store.
    #[error("the queue cannot be read")]
    Store(#[from] StoreError),
}

impl Crossing {
    /// What waits, of one network or of all, behind `after`, in the order of acceptance. Fewer
    /// than `limit` may come although there are more: only none is the end.
    pub(crate) async fn queue(
        &self,
        network: Option<&NetworkId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Waiting>, QueueError> {
        if network.is_some_and(|network| !self.networks.contains_key(network)) {
            return Err(QueueError::NoNetwork);
        }
        let rows = self.store.queue(network, after, limit).await?;
        let now = Instant::now();
        Ok(rows.iter().map(|row| self.waiting(row, now)).collect())
    }

    /// One command that waits.
    pub(crate) async fn queued(&self, id: i64) -> Result<Waiting, QueueError> {
        let row = self.store.row(id).await?.ok_or(QueueError::NoSuch)?;
        Ok(self.waiting(&row, Instant::now()))
    }

    /// Lets the conversation of a command be tried at once, as soon as its network is there.
    pub(crate) async fn hurry(&self, id: i64) -> Result<Waiting, QueueError> {
        let row = self.store.row(id).await?.ok_or(QueueError::NoSuch)?;
        let network = self.networks.get(&row.network).ok_or(QueueError::NoNetwork)?;
        network.lanes.hurry(Some(&row.lane));
        Ok(self.waiting(&row, Instant::now()))
    }

    /// Lets all conversations to a network be tried at once. Tells whether it is connected.
    pub(crate) fn hurry_all(&self, network: &NetworkId) -> Result<bool, QueueError> {
        let network = self.networks.get(network).ok_or(QueueError::NoNetwork)?;
        network.lanes.hurry(None);
        Ok(network.is_up())
    }

    /// Takes a command out of the queue. A message fails with `expired`, and its sender is told.
    pub(crate) async fn take_out(&self, id: i64) -> Result<Dropped, QueueError> {
        let row = self.store.row(id).await?.ok_or(QueueError::NoSuch)?;
        let lanes = self.networks.get(&row.network).map(|network| &network.lanes);
        // From here on no worker takes the conversation up, so that nothing is on its way.
        let mut turn = match lanes {
            Some(lanes) if !lanes.seize(&row.lane) => return Err(QueueError::Running),
            lanes => lanes.map(|lanes| Turn::of(lanes, row.lane.clone())),
        };
        let taken = self.take_out_seized(id).await;
        if let Some(turn) = &mut turn {
            turn.leave(&Left::MoreToDo);
        }
        taken
    }

    async fn take_out_seized(&self, id: i64) -> Result<Dropped, QueueError> {
        // A worker may have been quicker before the conversation was taken, with this one or with
        // others that stand beside it.
        let row = self.store.row(id).await?.ok_or(QueueError::NoSuch)?;
        let settlement = self.refused(&row, Code::Expired.into(), clock::now());
        let told = settlement.tell.is_some();
        // Another operator may have been quicker.
        if self.settle(vec![settlement]).await? == 0 {
            return Err(QueueError::NoSuch);
        }
        let why = "the operator took it out";
        self.note_outcome(&row, clock::now(), Outcome::Failed { code: Code::Expired, why });
        Ok(Dropped { told })
    }

    fn waiting(&self, row: &Row, now: Instant) -> Waiting {
        let (status, kind, bytes, user) = match &row.payload {
            Payload::Unsaid => (Some("nothing"), Kind::Other, None, None),
            Payload::Message { message, source } => {
                (None, source.kind, Some(message.content.size()), Some(&message.from.user))
            }
            Payload::Swallowed { from, source, .. } => (None, source.kind, None, Some(from)),
            Payload::Status(status) => {
                (Some(status.state.as_str()), status.kind, None, Some(&status.sender))
            }
            Payload::Own(command) => {
                (Some(word_of(command)), Kind::Other, None, Some(command.addressee()))
            }
        };
        let (state, tries) = match self.networks.get(&row.network) {
            Some(network) => network.waits(&row.lane, now),
            None => (WaitingState::Unconfigured, 0),
        };
        Waiting {
            id: row.seq,
            network: row.network.clone(),
            msg: self.tag(row),
            user: user.map_or_else(|| self.tag(row), |user| self.tag_user(user)),
            conversation: Tag::of(self.store.salt(), &["conversation", &row.lane]),
            status,
            kind,
            bytes,
            accepted_at: row.at,
            state,
            tries,
        }
    }
}

/// What something of the bridge's own is, in a word.
fn word_of(command: &Command) -> &'static str {
    match command {
        Command::Message(_) => "message",
        Command::Status(_) => "status",
        Command::Notice(_) => "notice",
        Command::Request(_) => "request",
        Command::RequestOver(_) => "request_over",
        Command::Block(_) => "block_entry",
        Command::Mute(_) => "mute",
        Command::Folder(_) => "folder",
        Command::Report(_) => "report",
        Command::Access(_) => "access",
        Command::Profile(_) => "profile",
    }
}

impl Network {
    fn waits(&self, lane: &str, now: Instant) -> (WaitingState, u32) {
        let (stand, tries) = self.lanes.stand(lane);
        let state = match stand {
            Stand::Running => WaitingState::Running,
            _ if !self.is_up() => WaitingState::Network,
            Stand::Due => WaitingState::Turn,
            Stand::Waiting { until } => WaitingState::Retry(until.saturating_duration_since(now)),
        };
        (state, tries)
    }
}
