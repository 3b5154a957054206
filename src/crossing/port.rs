//! The daemon as one adapter sees it.

use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, PoisonError};

use drawbridge_adapter::{
    Acceptance, BridgePort, CommandForm, Connection, Event, EventId, Gesture, Memo, NetworkId,
    Passing, ProfileChange, Refusal, Shown, Timestamp, Unavailable, UserId, async_trait, log,
};
use tokio::time::Instant;

use super::Crossing;
use crate::clock;
use crate::log::{MEMO_OVER_LIMIT, NETWORK_CONNECTED, NETWORK_DISCONNECTED, NETWORK_WAITING};

/// The longest memo key and value, in bytes.
const MEMO: (usize, usize) = (4096, 64 * 1024);

pub(super) struct Port {
    crossing: Arc<Crossing>,
    network: NetworkId,
    told: Mutex<Told>,
}

/// What the log was told of the connection.
#[derive(Default)]
struct Told {
    state: Option<Discriminant<Connection>>,
    /// Why it is down. A peer may come back to the same few reasons with each try.
    reasons: BTreeSet<&'static str>,
}

impl Port {
    pub(super) fn new(crossing: Arc<Crossing>, network: NetworkId) -> Self {
        Self { crossing, network, told: Mutex::default() }
    }

    /// One line for each change of state, and for each new reason to be down.
    fn log(&self, connection: Connection) {
        let network = &self.network;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let state = Some(discriminant(&connection));
        let changed = told.state != state;
        if changed {
            *told = Told { state, reasons: BTreeSet::new() };
        }
        match connection {
            Connection::Waiting if changed => log!(NETWORK_WAITING, %network),
            Connection::Up if changed => log!(NETWORK_CONNECTED, %network),
            Connection::Down { why } if told.reasons.insert(why) => {
                log!(NETWORK_DISCONNECTED, %network, why);
            }
            _ => {}
        }
    }
}

#[async_trait]
impl BridgePort for Port {
    fn network(&self) -> &NetworkId {
        &self.network
    }

    async fn accept(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        self.crossing.accept(&self.network, events).await
    }

    async fn bounced(
        &self,
        id: &EventId,
        by: &UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable> {
        self.crossing.bounced(&self.network, id.clone(), by.clone(), refusal).await
    }

    async fn gesture(&self, by: &UserId, gesture: Gesture) -> Result<(), Unavailable> {
        self.crossing.gesture(&self.network, by, gesture).await
    }

    async fn profile(&self, change: ProfileChange) -> Result<(), Unavailable> {
        self.crossing.profile(&self.network, change).await
    }

    async fn shown(&self, of: &UserId, to: &UserId) -> Result<Option<Shown>, Unavailable> {
        self.crossing.shown(&self.network, of, to).await
    }

    fn pass(&self, passing: Passing) {
        self.crossing.pass(&self.network, passing);
    }

    fn commands(&self) -> Vec<CommandForm> {
        self.crossing.forms(&self.network)
    }

    fn report(&self, connection: Connection) {
        let Some(network) = self.crossing.networks.get(&self.network) else { return };
        let mut renewed = false;
        let before = network.is_up();
        network.link.send_if_modified(|link| {
            let changed = link.connection != connection;
            let was_up = link.is_up();
            renewed = was_up && connection == Connection::Up;
            link.connection = connection;
            if was_up != link.is_up() {
                network.tally.switched(!was_up);
                (link.since, link.at) = (clock::now(), Instant::now());
            }
            changed
        });
        network.stands.cancel();
        // Another connection in the place of one that nobody has seen end is both.
        if before && (renewed || !network.is_up()) {
            self.crossing.presence_lost(&self.network);
        }
        if network.is_up() && (renewed || !before) {
            self.crossing.presence_found(&self.network);
            network.faces.notify_one();
        }
        self.log(connection);
    }

    fn knows(&self, user: &UserId) -> bool {
        let network = self.crossing.networks.get(user.network());
        network.is_some_and(|network| network.spells(user))
    }

    fn is_local(&self, user: &UserId) -> bool {
        let network = self.crossing.networks.get(user.network());
        network.is_some_and(|network| network.is_local(user))
    }

    async fn remember(&self, memos: Vec<Memo>) -> Result<(), Unavailable> {
        let fits = |memo: &Memo| {
            memo.key.len() <= MEMO.0 && memo.value.as_ref().is_none_or(|v| v.len() <= MEMO.1)
        };
        if !memos.iter().all(fits) {
            log!(MEMO_OVER_LIMIT, network = %self.network);
            return Err(Unavailable::Failed);
        }
        let written = self.crossing.store.remember(self.network.clone(), memos).await;
        written.map_err(|error| self.crossing.unavailable(&error))
    }

    async fn recall(&self, key: &str) -> Result<Option<String>, Unavailable> {
        let found = self.crossing.store.recall(&self.network, key).await;
        found.map_err(|error| self.crossing.unavailable(&error))
    }

    async fn recall_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, Unavailable> {
        let found = self.crossing.store.recall_all(&self.network, prefix, after, limit).await;
        found.map_err(|error| self.crossing.unavailable(&error))
    }

    async fn stopping(&self) {
        self.crossing.stop_intake.cancelled().await;
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn random(&self) -> u64 {
        clock::random()
    }

    fn salt(&self) -> &[u8] {
        self.crossing.store.salt()
    }
}
