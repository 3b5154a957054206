//! What the crossing tells the operator of itself: numbers, times and states, of nobody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use drawbridge_adapter::{Connection, NetworkId, Timestamp};
use tokio::time::{Instant, timeout};

use super::progress::Stall;
use super::tally::Tallied;
use super::{Crossing, Network};
use crate::clock;
use crate::store::Writes;

/// How long a report waits for the disk. It must come also when the disk does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// From how many rows on the oldest is looked for in another way.
const MANY: u64 = 4096;

/// How everything stands at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    /// By id.
    pub(crate) networks: Vec<NetworkReport>,
    pub(crate) writes: Writes,
    /// The bytes of the database and its log on disk, if they can be told.
    pub(crate) stored_bytes: Option<u64>,
    /// The bytes of files on their way that lie on disk.
    pub(crate) spooled_bytes: u64,
    pub(crate) stalls: Vec<Stall>,
}

/// How one network stands.
#[derive(Debug, Clone)]
pub(crate) struct NetworkReport {
    pub(crate) id: NetworkId,
    /// The adapter's type.
    pub(crate) adapter: &'static str,
    pub(crate) connection: Connection,
    /// Since when it is up, or since when it is not.
    pub(crate) since: Timestamp,
    /// How many commands wait for it, and how many may.
    pub(crate) queued: u64,
    pub(crate) queue_limit: u64,
    /// When the oldest of them was accepted; also nothing if the disk did not answer in time.
    pub(crate) oldest: Option<Timestamp>,
    /// Conversations that are due, that are being delivered, and that wait for their next try.
    pub(crate) due: usize,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) tallied: Tallied,
}

impl Crossing {
    /// How everything stands now.
    pub(crate) async fn report(&self) -> Report {
        let mut networks = Vec::with_capacity(self.networks.len());
        let deadline = Instant::now() + PATIENCE;
        for network in self.networks.values() {
            networks.push(self.report_of(network, deadline).await);
        }
        Report {
            at: clock::now(),
            networks,
            writes: self.store.writes(),
            stored_bytes: self.store.bytes(),
            spooled_bytes: self.files.spooled(),
            stalls: self.stalled(Instant::now()),
        }
    }

    async fn report_of(&self, network: &Network, deadline: Instant) -> NetworkReport {
        let id = &network.setup.id;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let queued = count(network.depth.load(Ordering::Relaxed));
        let oldest = if queued == 0 {
            None
        } else {
            let asked = timeout(
                deadline.saturating_duration_since(Instant::now()),
                self.store.oldest_of(id, network.oldest.load(Ordering::Relaxed), queued > MANY),
            );
            let found = asked.await.ok().and_then(Result::ok).flatten();
            // Rows come behind all others, so that the oldest never stands before an older one.
            found
                .inspect(|(seq, _)| network.oldest.store(*seq, Ordering::Relaxed))
                .map(|(_, at)| at)
        };
        let link = *network.link.borrow();
        let moves = network.lanes.moves(Instant::now());
        NetworkReport {
            id: id.clone(),
            adapter: network.descriptor.adapter,
            connection: link.connection,
            since: link.since,
            queued,
            queue_limit: count(self.limits().queue),
            oldest,
            due: moves.ready,
            running: moves.running,
            waiting: moves.waiting,
            tallied: network.tally.read(),
        }
    }
}
