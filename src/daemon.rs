//! The daemon's life: open, run, drain, close.
//!
//! It wires the rooms together and watches over them; what happens to a message is none of its
//! business.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Connection, Fatal, NetworkId, Place, log};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use crate::config::{Finding, Loaded, Network};
use crate::crossing::{Crossing, Limits, NetworkRules, NetworkSetup, Rate, Rates};
use crate::log::{
    ADAPTER_CLOSED_BADLY, ADAPTER_LEFT, DAEMON_STARTED, DAEMON_STOPPED, DAEMON_STOPPING,
    NETWORK_INACTIVE, STORE_LEFT,
};
use crate::operator::logging::LogLevel;
use crate::operator::notify::{Notice, Notifier};
use crate::operator::watchdog::{self, Watched};
use crate::operator::{Operator, OperatorError};
use crate::reload::Reloader;
use crate::store::StoreError;

/// After how long a sender learns that a message waits; a promise to people, not a setting.
const PENDING: Duration = Duration::from_secs(10);

/// How long deliveries under way may take at the end. With what follows, the daemon ends within
/// ten seconds.
const DELIVERIES: Duration = Duration::from_secs(3);

/// How long the adapters may then take to hand over what they have read, and to close.
const ADAPTERS: Duration = Duration::from_secs(5);

/// How long the store may take to close.
const STORE: Duration = Duration::from_secs(1);

/// Why the daemon could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// Adapters could not be made of their configuration.
    #[error("the configuration does not work")]
    Configuration(Vec<Finding>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operator would see nothing.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A network's adapter says that no waiting will help.
    #[error("the network {0} cannot go on")]
    Network(NetworkId, #[source] Fatal),
    /// A network's adapter ended without being asked to.
    #[error("the adapter of the network {0} ended by itself")]
    Ended(NetworkId),
    /// A network's adapter panicked. What it said is left out: it may quote what people wrote.
    #[error("the adapter of a network panicked")]
    Panicked,
    /// The signals of the operating system cannot be heard.
    #[error("the signals of the operating system cannot be heard")]
    Signals(#[source] std::io::Error),
}

/// Runs until the operating system says to stop (SIGTERM, SIGINT), or until an adapter can't go
/// on.
pub(crate) async fn run(
    loaded: Loaded,
    load: impl Fn() -> Result<Loaded, Vec<Finding>>,
    log: LogLevel,
) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
    let limits = limits(&loaded);
    let reloader = Reloader::new(load, log, loaded.values);
    let notifier = Notifier::from_environment();
    let setups = setups(loaded.networks, &loaded.place)?;
    let crossing = Crossing::open(&loaded.data_dir, setups, limits, loaded.spool).await?;
    let operator = Operator::start(&loaded.operator, Arc::clone(&crossing)).await?;
    let mut adapters = JoinSet::new();
    for (id, adapter, bridge) in crossing.adapters() {
        adapters.spawn(async move {
            let ended = adapter.run(bridge).await;
            (id, ended)
        });
    }
    crossing.start();
    let outcome = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(ended) = adapters.join_next() => Err(why(ended)),
        never = attend(&notifier, &crossing, &reloader, hangup) => match never {},
    };
    log!(DAEMON_STOPPING);
    notifier.tell(&[Notice::Stopping, Notice::Status("stopping")]);
    crossing.stop_delivering(DELIVERIES).await;
    crossing.stop_intake();
    if timeout(ADAPTERS, drain(&mut adapters)).await.is_err() {
        log!(ADAPTER_LEFT);
        adapters.shutdown().await;
    }
    operator.stop().await;
    if let Ok(closed) = timeout(STORE, crossing.close()).await {
        closed?;
    } else {
        // What it still had to write was not answered: it comes again.
        log!(STORE_LEFT);
    }
    log!(DAEMON_STOPPED);
    outcome
}

/// Waits until all that is listened on stands, says that the daemon is ready, and then watches it
/// and reloads its configuration when asked to.
async fn attend<F: Fn() -> Result<Loaded, Vec<Finding>>>(
    notifier: &Notifier,
    crossing: &Crossing,
    reloader: &Reloader<F>,
    hangup: Signal,
) -> Infallible {
    crossing.stands().await;
    log!(DAEMON_STARTED, networks = crossing.connections().count());
    notifier.tell(&[Notice::Ready]);
    let overview = Overview { crossing, reloader };
    let reload = reloader.run(hangup, notifier, crossing);
    let (never, ()) = tokio::join!(watchdog::watch(notifier, &overview), reload);
    never
}

/// What the service manager is told.
struct Overview<'a, F> {
    crossing: &'a Crossing,
    reloader: &'a Reloader<F>,
}

impl<F: Fn() -> Result<Loaded, Vec<Finding>>> Watched for Overview<'_, F> {
    fn status(&self) -> String {
        let of = |(id, connection): (&NetworkId, Connection)| match connection {
            Connection::Waiting => format!("{id}: waiting"),
            Connection::Up => format!("{id}: up"),
            Connection::Down { why } => format!("{id}: down, {why}"),
        };
        let refused = "the last reload was refused, see the log".to_owned();
        let refused = self.reloader.is_refused().then_some(refused);
        let networks = self.crossing.connections().map(of);
        refused.into_iter().chain(networks).collect::<Vec<_>>().join("; ")
    }

    fn stalled(&self) -> Vec<impl Display> {
        self.crossing.stalled(Instant::now())
    }
}

/// The bounds of the configuration.
pub(crate) fn limits(loaded: &Loaded) -> Limits {
    let (limits, rate) = (&loaded.limits, Rate::per_minute);
    Limits {
        queue: loaded.max_messages.into(),
        expire_after: loaded.expire_after,
        pending_after: PENDING,
        keep_ids: loaded.keep_ids,
        max_file: loaded.max_file,
        rates: Rates {
            network: rate(limits.network_messages_per_minute, limits.network_burst_messages),
            sender: rate(limits.sender_messages_per_minute, limits.sender_burst_messages),
            recipient: rate(limits.recipient_messages_per_minute, limits.recipient_burst_messages),
        },
    }
}

/// Builds every adapter; all that is wrong with any of them at once.
fn setups(networks: Vec<Network>, place: &Place) -> Result<Vec<NetworkSetup>, DaemonError> {
    let (mut setups, mut findings) = (Vec::new(), Vec::new());
    for network in networks {
        findings.extend(network.conformance(place).err());
        if network.policy.inactive {
            log!(NETWORK_INACTIVE, network = %network.id);
        }
        let Network { id, role, local_domains, policy, hosts, addressing, adapter, .. } = network;
        match adapter.build(place) {
            Ok(adapter) => {
                let rules = watch::Sender::new(NetworkRules { local_domains, policy, hosts });
                setups.push(NetworkSetup { id, role, rules, adapter, addressing });
            }
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok(setups) } else { Err(DaemonError::Configuration(findings)) }
}

async fn drain(adapters: &mut JoinSet<(NetworkId, Result<(), Fatal>)>) {
    while let Some(ended) = adapters.join_next().await {
        if let Ok((_, Ok(()))) = ended {
            continue;
        }
        let error = why(ended);
        log!(ADAPTER_CLOSED_BADLY, error = &error as &dyn std::error::Error);
    }
}

fn why(ended: Result<(NetworkId, Result<(), Fatal>), JoinError>) -> DaemonError {
    match ended {
        Ok((id, Ok(()))) => DaemonError::Ended(id),
        Ok((id, Err(fatal))) => DaemonError::Network(id, fatal),
        Err(_) => DaemonError::Panicked,
    }
}
