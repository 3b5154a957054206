//! One network's deliveries: which conversation is next, and how many at a time.

use std::sync::Arc;

use drawbridge_adapter::{NetworkId, log};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::lane;
use super::{Crossing, Network};
use crate::log::{DELIVERY_PANICKED, QUEUE_UNREADABLE};

/// How many lanes one look at the disk brings.
const LANES: usize = 512;

/// Runs until no more deliveries are wanted, then waits for those under way.
pub(super) async fn run(crossing: Arc<Crossing>, id: NetworkId) {
    let Some(network) = crossing.networks.get(&id) else { return };
    let mut link = network.link.subscribe();
    let mut workers = JoinSet::new();
    // Where the look at the disk goes on, if it is not done.
    let mut looking: Option<String> = None;
    network.lanes.look_on_disk();
    loop {
        let mut next = None;
        if network.is_up() {
            next = network.lanes.ripen();
            while workers.len() < network.descriptor.concurrency.max(1)
                && let Some((lane, tries)) = network.lanes.take()
            {
                workers.spawn(lane::run(Arc::clone(&crossing), id.clone(), lane, tries));
            }
            if network.lanes.has_room() {
                if looking.is_none() && network.lanes.begin_to_look() {
                    looking = Some(String::new());
                }
                if let Some(after) = looking.take() {
                    looking = look(&crossing, network, &after).await;
                    continue;
                }
            }
        }
        tokio::select! {
            () = crossing.stop_delivering.cancelled() => break,
            () = network.lanes.changed.notified() => {}
            _ = link.changed() => {
                if network.is_up() {
                    network.lanes.connected();
                }
            }
            Some(ended) = workers.join_next() => {
                // What a panic said is left out: it may quote what people wrote.
                if ended.is_err() {
                    log!(DELIVERY_PANICKED, network = %id);
                }
            }
            () = wait_until(next) => {}
        }
    }
    while workers.join_next().await.is_some() {}
}

/// Offers the lanes on disk after `after`. Where to go on, if there are more.
async fn look(crossing: &Crossing, network: &Network, after: &str) -> Option<String> {
    match crossing.store.lanes(&network.setup.id, after, LANES).await {
        Ok(lanes) => {
            for lane in &lanes {
                network.lanes.offer(lane);
            }
            if lanes.len() == LANES { lanes.into_iter().next_back() } else { None }
        }
        Err(error) => {
            if crossing.rarely.may(&QUEUE_UNREADABLE) {
                let error = &error as &dyn std::error::Error;
                log!(QUEUE_UNREADABLE, network = %network.setup.id, error);
            }
            network.lanes.look_on_disk();
            // Not at once again: whatever is wrong with the disk will not be better now.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            None
        }
    }
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
