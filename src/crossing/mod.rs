//! One event's way: accept → route → gate → outbox → deliver → confirm.
//!
//! It carries, and decides nothing: the verdict is the gate's, the memory the store's. Every
//! network is source and target alike.
//!
//! Invariant: `accept` answers only after the commit, and what it wrote is on its way even if
//! the caller is gone.
//! Invariant: one conversation's commands reach a network one window after another, in the order
//! in which they were accepted.
//! Invariant: a conversation at rest has no task, no timer and no memory.
//! Invariant: nothing waits in memory for a network that is down.

mod abuse;
mod accept;
mod choices;
mod desk;
mod dispatcher;
mod files;
mod lane;
mod lanes;
mod name;
mod pace;
mod passing;
mod people;
mod port;
mod presence;
mod profiles;
mod progress;
mod queue;
mod rate;
mod refer;
mod report;
mod requests;
mod shape;
mod sparing;
mod sweep;
mod tally;
#[cfg(test)]
mod tests;
mod things;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawbridge_adapter::{
    Adapter, Addressing, Bridge, Capabilities, Connection, Descriptor, EventId, NetworkId, Rarely,
    Tag, Timestamp, UserId, log,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::gate::{Policy, Role};
use crate::log::{BETWEEN_COMPLAINTS, DELIVERIES_LEFT};
use crate::people::People;
use crate::proxy::Hosts;
use crate::store::{OnCommit, Store, StoreError};
use crate::words::Words;
use files::{Files, Turns};
use lanes::Lanes;
use pace::{FilePace, Pace};
use passing::Lossy;
pub(crate) use people::{Change, PeopleError};
use presence::Presences;
use profiles::Lately;
pub(crate) use queue::{QueueError, Waiting, WaitingState};
use rate::Buckets;
pub(crate) use rate::{Rate, Rates};
pub(crate) use report::{NetworkReport, Report};
use sparing::Sparing;
#[cfg(test)]
pub(crate) use tally::Tallied;
use tally::Tally;

/// How many reports one user may make in an hour.
const REPORTS: u32 = 10;

/// How many all users of one network may make in an hour: people read them.
const REPORTS_TOGETHER: u32 = 100;

/// What the crossing must know of one network.
pub(crate) struct NetworkSetup {
    pub(crate) id: NetworkId,
    pub(crate) role: Role,
    /// What a reload may change.
    pub(crate) rules: watch::Sender<NetworkRules>,
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) addressing: Arc<dyn Addressing>,
}

/// Who and what may cross to and from one network.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkRules {
    /// The domains whose users are local; empty where the network has no domains.
    pub(crate) local_domains: Vec<String>,
    pub(crate) policy: Policy,
    /// From where files of its messages are fetched.
    pub(crate) hosts: Hosts,
}

/// The bounds that the operator set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most commands that may wait for one network.
    pub(crate) queue: i64,
    /// After which time an undelivered command fails.
    pub(crate) expire_after: Duration,
    /// After which time a sender is told that a message waits.
    pub(crate) pending_after: Duration,
    /// For how long ids are kept after they were accepted, and longer if messages may wait longer.
    pub(crate) keep_ids: Duration,
    /// The largest file that crosses, in bytes.
    pub(crate) max_file: u64,
    /// How much a third-party network may send.
    pub(crate) rates: Rates,
}

/// One network, at run time.
struct Network {
    setup: NetworkSetup,
    descriptor: Descriptor,
    capabilities: Capabilities,
    link: watch::Sender<Link>,
    /// Its adapter has reported for the first time: what it listens on stands.
    stands: CancellationToken,
    lanes: Arc<Lanes>,
    /// How many commands wait for it.
    depth: Arc<AtomicI64>,
    /// No row that waits for it stands before this one.
    oldest: AtomicI64,
    tally: Tally,
    /// How long its deliveries take.
    pace: Pace,
    /// The same of files.
    file_pace: FilePace,
    /// Which files are on their way to it.
    turns: Turns,
    /// How much it may still send, if it is a third-party network.
    buckets: Mutex<Buckets>,
    /// How often its users may still change how they call themselves and look.
    changes: Mutex<Buckets>,
    /// What its users do that is fleeting.
    passing: Lossy,
    /// Says that its users may have to be shown how others call themselves.
    faces: Arc<Notify>,
}

/// How a network's connection stands.
#[derive(Debug, Clone, Copy)]
struct Link {
    connection: Connection,
    /// Since when it is up, or since when it is not: trying in vain changes nothing.
    since: Timestamp,
    /// The same moment, by the clock that nobody sets.
    at: Instant,
}

impl Link {
    fn is_up(&self) -> bool {
        self.connection == Connection::Up
    }
}

/// All networks, and what connects them.
pub(crate) struct Crossing {
    networks: BTreeMap<NetworkId, Network>,
    store: Store,
    people: Arc<People>,
    /// One change of what people forbid at a time.
    changing_people: tokio::sync::Mutex<()>,
    /// Who was told lately that a network is off for them.
    hinted: Sparing,
    /// Who has reported somebody lately.
    reported: Sparing,
    /// Who was told lately that something which they did in their client came to nothing.
    consoled: Sparing,
    /// Who is there.
    presences: Presences,
    /// What files need.
    files: Files,
    /// What was lately shown of people, or could not be had.
    lately: Lately,
    words: Words,
    limits: watch::Sender<Limits>,
    /// When was last looked at what time alone brings.
    swept: watch::Sender<Instant>,
    /// No new window is started any more.
    stop_delivering: CancellationToken,
    /// Adapters take nothing in any more.
    stop_intake: CancellationToken,
    tasks: TaskTracker,
    rarely: Rarely,
}

impl Crossing {
    /// Opens the store in `data_dir` and takes up what waits there. Of files at most `spool` bytes may
    /// lie there at one time.
    pub(crate) async fn open(
        data_dir: &Path,
        setups: Vec<NetworkSetup>,
        limits: Limits,
        spool: u64,
    ) -> Result<Arc<Self>, StoreError> {
        let mut networks = BTreeMap::new();
        let mut queues = BTreeMap::new();
        let mut faces = Vec::new();
        for setup in setups {
            let network = Network::new(setup);
            let queue = (Arc::clone(&network.lanes), Arc::clone(&network.depth));
            queues.insert(network.setup.id.clone(), queue);
            faces.push(Arc::clone(&network.faces));
            networks.insert(network.setup.id.clone(), network);
        }
        let people = Arc::new(People::default());
        let known = Arc::clone(&people);
        let on_commit: OnCommit = Box::new(move |changes| {
            // Before a word of it leaves: what is confirmed is in force.
            for change in &changes.people {
                known.apply(change);
            }
            if changes.people.iter().any(profiles::may_show) {
                for network in &faces {
                    network.notify_one();
                }
            }
            // Rows for a network that was taken out of the configuration wait until it is back.
            for (network, lane) in &changes.lanes {
                if let Some((lanes, _)) = queues.get(network) {
                    lanes.offer(lane);
                }
            }
            for (network, growth) in &changes.growth {
                if let Some((_, depth)) = queues.get(network) {
                    depth.fetch_add(*growth, Ordering::Relaxed);
                }
            }
        });
        let salt = [clock::random().to_le_bytes(), clock::random().to_le_bytes()].concat();
        let store = Store::open(data_dir, &salt, on_commit)?;
        // Behind the store, which is one daemon's alone.
        let files = Files::open(data_dir, spool).map_err(StoreError::Spool)?;
        let known = Arc::clone(&people);
        store.read_people(move |change| known.apply(&change)).await?;
        for (id, network) in &networks {
            network.depth.fetch_add(store.depth(id).await?, Ordering::Relaxed);
        }
        Ok(Arc::new(Self {
            networks,
            store,
            people,
            changing_people: tokio::sync::Mutex::default(),
            hinted: Sparing::new(1, Duration::from_hours(1)),
            reported: Sparing::new(REPORTS, Duration::from_hours(1))
                .with_together(REPORTS_TOGETHER),
            consoled: Sparing::new(10, Duration::from_hours(1)),
            presences: Presences::default(),
            files,
            lately: Lately::default(),
            words: Words::english(),
            limits: watch::Sender::new(limits),
            swept: watch::Sender::new(Instant::now()),
            stop_delivering: CancellationToken::new(),
            stop_intake: CancellationToken::new(),
            tasks: TaskTracker::new(),
            rarely: Rarely::each(BETWEEN_COMPLAINTS),
        }))
    }

    /// Starts to deliver what waits.
    pub(crate) fn start(self: &Arc<Self>) {
        for id in self.networks.keys() {
            self.tasks.spawn(dispatcher::run(Arc::clone(self), id.clone()));
            self.tasks.spawn(passing::run(Arc::clone(self), id.clone()));
            self.tasks.spawn(profiles::run(Arc::clone(self), id.clone()));
        }
        self.tasks.spawn(sweep::run(Arc::clone(self)));
    }

    /// The adapters, each with the handle it is to be run with.
    pub(crate) fn adapters(self: &Arc<Self>) -> Vec<(NetworkId, Arc<dyn Adapter>, Bridge)> {
        let handle = |(id, network): (&NetworkId, &Network)| {
            let port = port::Port::new(Arc::clone(self), id.clone());
            (id.clone(), Arc::clone(&network.setup.adapter), Bridge::new(Arc::new(port)))
        };
        self.networks.iter().map(handle).collect()
    }

    /// Resolves when all that the adapters listen on stands.
    pub(crate) async fn stands(&self) {
        for network in self.networks.values() {
            network.stands.cancelled().await;
        }
    }

    /// How each network's connection stands.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (&NetworkId, Connection)> {
        let of = |network: &Network| network.link.borrow().connection;
        self.networks.iter().map(move |(id, network)| (id, of(network)))
    }

    /// The bounds, as they are now.
    fn limits(&self) -> Limits {
        *self.limits.borrow()
    }

    /// From now on these bounds and rules hold. What was decided before stays so.
    pub(crate) fn change(&self, limits: Limits, rules: Vec<(NetworkId, NetworkRules)>) {
        self.limits.send_replace(limits);
        for (id, rules) in rules {
            if let Some(network) = self.networks.get(&id) {
                network.setup.rules.send_replace(rules);
            }
        }
        self.show_all_anew();
    }

    /// Starts no more deliveries, and waits for those under way, at most `patience`.
    pub(crate) async fn stop_delivering(&self, patience: Duration) {
        self.stop_delivering.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            log!(DELIVERIES_LEFT);
        }
    }

    /// Tells the adapters to stop.
    pub(crate) fn stop_intake(&self) {
        self.stop_intake.cancel();
    }

    /// Closes the store: the last thing of all.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }

    fn tag_event(&self, network: &NetworkId, event: &EventId) -> Tag {
        Tag::of(self.store.salt(), &["event", network.as_str(), event.as_str()])
    }

    fn tag_user(&self, user: &UserId) -> Tag {
        Tag::of(self.store.salt(), &["user", user.network().as_str(), user.id()])
    }
}

impl Network {
    fn new(setup: NetworkSetup) -> Self {
        Self {
            descriptor: setup.adapter.describe(),
            capabilities: setup.adapter.capabilities(),
            link: watch::Sender::new(Link {
                connection: Connection::Waiting,
                since: clock::now(),
                at: Instant::now(),
            }),
            stands: CancellationToken::new(),
            lanes: Arc::default(),
            depth: Arc::default(),
            oldest: AtomicI64::new(0),
            tally: Tally::new(),
            pace: Pace::default(),
            file_pace: FilePace::default(),
            turns: Turns::default(),
            buckets: Mutex::default(),
            changes: Mutex::default(),
            passing: Lossy::default(),
            faces: Arc::default(),
            setup,
        }
    }

    /// Whether `user` is spelt as this network spells its users.
    fn spells(&self, user: &UserId) -> bool {
        self.setup.addressing.canonical(user.id()).is_ok_and(|canonical| canonical == *user)
    }

    /// Whether no more may wait for it.
    fn is_full(&self, limits: &Limits) -> bool {
        self.depth.load(Ordering::Relaxed) >= limits.queue
    }

    fn is_up(&self) -> bool {
        self.link.borrow().is_up()
    }
}
