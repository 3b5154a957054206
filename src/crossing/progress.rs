//! Whether what is due moves: the facts behind the health and the watchdog.
//!
//! A delivery has its own bound, a network that is down is a declared wait, and so is a pause
//! between two tries. What outlasts these is a stall: a bug, a disk that answers no more.

use std::fmt;
use std::time::Duration;

use drawbridge_adapter::NetworkId;
use tokio::time::Instant;

use super::lane::PATIENCE;
use super::{Crossing, Network};
use crate::store::Thread;

/// The longest that one window of a delivery may take, with what it asks of the store.
const DELIVERY: Duration = PATIENCE.saturating_add(Duration::from_mins(1));

/// The longest that anything else may take: a commit, a question, a due conversation's turn.
const STEP: Duration = Duration::from_mins(1);

/// Something that is due and does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stall {
    /// What it is.
    pub(crate) what: Stalled,
    /// For how long it has not moved.
    pub(crate) since: Duration,
}

/// What does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stalled {
    /// A delivery to this network has not ended.
    Delivery(NetworkId),
    /// Conversations are due to this network, which is up, and nobody takes them.
    Queue(NetworkId),
    /// The store's writing thread is at one commit, or has ended.
    Writer,
    /// The store's reading thread is at one question, or has ended.
    Reader,
    /// Nothing looks any more at what expires.
    Sweep,
}

impl Stalled {
    /// The network that is concerned, if it is one.
    pub(crate) fn network(&self) -> Option<&NetworkId> {
        match self {
            Self::Delivery(network) | Self::Queue(network) => Some(network),
            Self::Writer | Self::Reader | Self::Sweep => None,
        }
    }

    /// What does not move, without the network.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Delivery(_) => "a delivery does not end",
            Self::Queue(_) => "due conversations are not taken up",
            Self::Writer => "the store does not write",
            Self::Reader => "the store does not read",
            Self::Sweep => "nothing looks for what expires",
        }
    }
}

/// One line for the operator, without content.
impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(network) = self.what.network() {
            write!(f, "{network}: ")?;
        }
        write!(f, "{} for {} s", self.what.as_str(), self.since.as_secs())
    }
}

impl Crossing {
    /// All that is due and does not move at `now`; nothing while all is well. To be asked between
    /// [`Crossing::start`] and [`Crossing::stop_delivering`]. Never blocks, asks no disk.
    pub(crate) fn stalled(&self, now: Instant) -> Vec<Stall> {
        let mut stalls: Vec<Stall> =
            self.networks.values().flat_map(|network| network.stalled(now)).collect();
        let (writer, reader) = self.store.threads();
        for (thread, what) in [(writer, Stalled::Writer), (reader, Stalled::Reader)] {
            let since = match thread {
                Thread::Busy(since) if since > STEP => since,
                Thread::Ended => Duration::ZERO,
                Thread::Idle | Thread::Busy(_) => continue,
            };
            stalls.push(Stall { what, since });
        }
        let since = now.saturating_duration_since(*self.swept.borrow());
        if since > STEP {
            stalls.push(Stall { what: Stalled::Sweep, since });
        }
        stalls
    }
}

impl Network {
    fn stalled(&self, now: Instant) -> Vec<Stall> {
        let mut stalls = Vec::new();
        let lanes = self.lanes.moves(now);
        let id = &self.setup.id;
        if let Some(since) = lanes.longest_step.filter(|since| *since > DELIVERY) {
            stalls.push(Stall { what: Stalled::Delivery(id.clone()), since });
        }
        // A conversation may wait long for its turn among many; then others are taken meanwhile.
        let idle = lanes.running < self.descriptor.concurrency.max(1);
        let untaken = lanes.longest_due.filter(|_| idle).map(|due| due.min(lanes.since_taken));
        let untaken = untaken.max(lanes.longest_overdue);
        // Nobody takes anything for a network that is down, and that is well.
        let link = *self.link.borrow();
        let up = link.is_up().then(|| now.saturating_duration_since(link.at));
        if let Some(since) = untaken.zip(up).map(|(untaken, up)| untaken.min(up))
            && since > STEP
        {
            stalls.push(Stall { what: Stalled::Queue(id.clone()), since });
        }
        stalls
    }
}
