//! The adapter itself: it listens or dials, and knows the one connection that counts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Adapter, Bridge, Capabilities, Circumstances, Code, Configuration, Connection, Delivered,
    Delivery, DeliveryError, Descriptor, Diagnosis, Fatal, Feature, Incoming, Level, NetworkId,
    Place, Problem, Rarely, Signal, StatusNeeds, TextLimits, async_trait, log,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::crowd::Crowd;
use crate::dial::Dialler;
use crate::files::Files;
use crate::hello::PartnerProof;
use crate::link::Link;
use crate::log::{
    CONNECTION_LEFT, CONNECTION_NOT_TAKEN, LISTENING_UNENCRYPTED, USERS_READ, USERS_UNREADABLE,
};
use crate::outward::carried;
use crate::proof::KeyRing;
use crate::users::Users;
use crate::{PartnerAddressing, PartnerConfig, doctor, door, session};

/// How long the connections may take to end, when the bridge stops.
const END_WITHIN: Duration = Duration::from_millis(4500);

/// The pause after an error that may pass by itself.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two lines of one event, and one reason, on what fails at each try.
const BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);

/// The adapter of one partner network.
pub struct Partner {
    way: Way,
    shared: Arc<Shared>,
}

/// Who connects to whom.
enum Way {
    /// The app to the bridge.
    Listen {
        at: SocketAddr,
        max_connections: usize,
        /// Where, once it does.
        listening: watch::Sender<Option<SocketAddr>>,
    },
    /// The bridge to the app.
    Dial(Dialler),
}

/// What all connections of one partner share.
pub(crate) struct Shared {
    pub(crate) addressing: PartnerAddressing,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) users: Users,
    pub(crate) credit: usize,
    pub(crate) max_text_bytes: usize,
    pub(crate) max_users: usize,
    pub(crate) ping: Duration,
    /// Where files pass, if they do.
    pub(crate) files: Option<Arc<Files>>,
    /// Held by the one connection that may hand events over.
    pub(crate) floor: Arc<tokio::sync::Mutex<()>>,
    link: Mutex<Option<Arc<Link>>>,
    /// Anybody can knock as often as they like: the log must not fill up by that.
    pub(crate) rarely: Rarely,
    newest: Mutex<CancellationToken>,
}

/// A connection's claim to be the one that counts.
pub(crate) struct Claim {
    /// A newer one has claimed it.
    pub(crate) replaced: CancellationToken,
}

impl Shared {
    /// Takes over from whichever connection has, or waits for, the floor.
    pub(crate) fn claim(&self) -> Claim {
        let replaced = CancellationToken::new();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.cancel();
        newest.clone_from(&replaced);
        Claim { replaced }
    }

    /// Whether nobody has taken over from this claim.
    pub(crate) fn is_next(&self, claim: &Claim) -> bool {
        let _newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        !claim.replaced.is_cancelled()
    }

    /// From now on deliveries go this way.
    pub(crate) fn install(&self, link: &Arc<Link>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(link));
    }

    /// Deliveries no longer go this way.
    pub(crate) fn uninstall(&self, link: &Arc<Link>) {
        let mut current = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            *current = None;
        }
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Partner {
    /// Makes the adapter: reads the partner's keys, and connects nothing.
    pub fn open(
        config: PartnerConfig,
        network: NetworkId,
        place: &Place,
    ) -> Result<Self, Vec<Problem>> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let way = match config.listen.as_deref().map(str::parse) {
            Some(Ok(at)) => Way::Listen {
                at,
                max_connections: config.max_connections,
                listening: watch::Sender::new(None),
            },
            Some(Err(_)) => return Err(vec![Problem::new("listen", "not an address")]),
            None => Way::Dial(Dialler::open(&config, place).map_err(|problem| vec![problem])?),
        };
        let files = config.files_at()?;
        let audience = config.audience().to_owned();
        let keys = KeyRing::open(
            place.find(&config.jwks_file),
            config.issuer,
            audience,
            Duration::from_secs(config.jwks_ttl_seconds),
        );
        let keys = keys.map_err(|what| vec![Problem::new("jwks_file", what)])?;
        let shared = Shared {
            addressing: PartnerAddressing::new(network),
            keys: Arc::new(keys),
            users: Users::default(),
            credit: config.credit,
            max_text_bytes: config.max_text_bytes,
            max_users: config.max_users,
            ping: Duration::from_secs(config.ping_seconds),
            files,
            floor: Arc::default(),
            link: Mutex::new(None),
            rarely: Rarely::each(BETWEEN_COMPLAINTS),
            newest: Mutex::new(CancellationToken::new()),
        };
        Ok(Self { way, shared: Arc::new(shared) })
    }

    /// Where it listens, once it does: tells the port if the configuration left it open (`:0`).
    /// `None` if it dials.
    pub async fn listening(&self) -> Option<SocketAddr> {
        let Way::Listen { listening, .. } = &self.way else { return None };
        let mut listening = listening.subscribe();
        // The sender lives as long as `self`.
        listening.wait_for(Option::is_some).await.ok().and_then(|found| *found)
    }

    /// Where it listens for files, once it does. `None` if it carries none.
    pub async fn listening_for_files(&self) -> Option<SocketAddr> {
        self.shared.files.as_ref()?.listening().await
    }

    /// What comes before any connection.
    async fn begin(&self, bridge: &Bridge, stop: &CancellationToken) {
        bridge.report(Connection::Waiting);
        let mut told = false;
        loop {
            let error = match self.shared.users.load(bridge).await {
                Ok(count) => {
                    log!(USERS_READ, count);
                    if told {
                        bridge.report(Connection::Waiting);
                    }
                    return;
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut told, true) {
                log!(USERS_UNREADABLE, %error);
            }
            bridge.report(Connection::Down { why: "the enlisted users cannot be read" });
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn listen_on(
        &self,
        listener: TcpListener,
        max_connections: usize,
        bridge: &Bridge,
        stop: &CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(max_connections));
        let mut connections = JoinSet::new();
        let mut crowd = Crowd::default();
        loop {
            while connections.try_join_next().is_some() {}
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = listener.accept() => taken,
            };
            let stream = match taken {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: others may close theirs.
                    if self.shared.rarely.may(&CONNECTION_NOT_TAKEN) {
                        log!(CONNECTION_NOT_TAKEN, %error);
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (shared, bridge) = (Arc::clone(&self.shared), bridge.clone());
            let (stop, room, place) = (stop.clone(), Arc::clone(&room), crowd.join());
            connections.spawn(async move {
                connected(&shared, &bridge, stream, &stop, &room, place).await;
            });
        }
        drop(listener);
        let ended = timeout(END_WITHIN, async { while connections.join_next().await.is_some() {} });
        if ended.await.is_err() {
            log!(CONNECTION_LEFT);
        }
    }
}

async fn connected(
    shared: &Arc<Shared>,
    bridge: &Bridge,
    stream: TcpStream,
    stop: &CancellationToken,
    room: &Arc<Semaphore>,
    place: CancellationToken,
) {
    let left = place.clone().drop_guard();
    // Without it each small frame would wait for the acknowledgement of the last.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let upgraded = tokio::select! {
        () = stop.cancelled() => None,
        () = place.cancelled() => None,
        upgraded = door::upgrade(shared, bridge, stream, room) => upgraded,
    };
    drop(left);
    if let Some((socket, _permit)) = upgraded {
        // Who was turned away has been told.
        let _ = session::serve(shared, bridge, socket, &PartnerProof::Shown, stop).await;
    }
}

/// When what was to stop has had its time.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(END_WITHIN).await;
}

async fn bind(at: SocketAddr, bridge: &Bridge) -> Result<(TcpListener, SocketAddr), Fatal> {
    let bound = TcpListener::bind(at).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let bound = bound.map_err(|error| cannot_listen(at, bridge, error))?;
    let address = bound.1;
    Ok((listening_on(bound), address))
}

fn cannot_listen(at: SocketAddr, bridge: &Bridge, error: std::io::Error) -> Fatal {
    Fatal::because(format!("cannot listen on {at} for network {}", bridge.network()), error)
}

fn listening_on((listener, address): (TcpListener, SocketAddr)) -> TcpListener {
    if !address.ip().is_loopback() {
        log!(LISTENING_UNENCRYPTED, %address);
    }
    listener
}

#[async_trait]
impl Adapter for Partner {
    fn describe(&self) -> Descriptor {
        Descriptor {
            adapter: PartnerConfig::TYPE,
            version: env!("CARGO_PKG_VERSION"),
            window: 64,
            concurrency: 64,
            status: StatusNeeds { accepted: true, pending: true },
        }
    }

    fn capabilities(&self) -> Capabilities {
        let text = TextLimits { max_bytes: self.shared.max_text_bytes, controls: true };
        // An app that has no use for them is not asked: see `outward`.
        let mut content = Capabilities::new(text);
        for kind in carried(self.shared.files.is_some()) {
            content = content.with(kind, Level::Full);
        }
        for feature in Feature::ALL {
            content = content.bearing(feature, Level::Full);
        }
        content.showing_requests().keeping_block_lists().muting().keeping_folders().taking_reports()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        let stop = CancellationToken::new();
        let _stop_with_run = stop.clone().drop_guard();
        let stopping = async {
            bridge.stopping().await;
            stop.cancel();
        };
        // Both stand before the bridge says that it waits.
        let files = match &self.shared.files {
            Some(files) => {
                let bound =
                    files.bind().map_err(|error| cannot_listen(files.at(), &bridge, error))?;
                Some((files, listening_on(bound)))
            }
            None => None,
        };
        let files = async {
            if let Some((files, listener)) = files {
                files.serve(listener, &self.shared.rarely, &stop).await;
            }
        };
        match &self.way {
            Way::Listen { at, max_connections, listening } => {
                let (listener, address) = bind(*at, &bridge).await?;
                let work = async {
                    self.begin(&bridge, &stop).await;
                    listening.send_replace(Some(address));
                    self.listen_on(listener, *max_connections, &bridge, &stop).await;
                };
                tokio::join!(work, stopping, files);
            }
            Way::Dial(dialler) => {
                let work = async {
                    self.begin(&bridge, &stop).await;
                    tokio::select! {
                        () = dialler.keep(&self.shared, &bridge, &stop) => {}
                        () = overdue(&stop) => log!(CONNECTION_LEFT),
                    }
                };
                tokio::join!(work, stopping, files);
            }
        }
        Ok(())
    }

    async fn examine(&self, around: Circumstances<'_>) -> Vec<Diagnosis> {
        let mut found = match &self.way {
            Way::Listen { at, .. } => vec![doctor::door(*at, around, "listen").await],
            Way::Dial(dialler) => doctor::way(dialler, &self.shared, around).await,
        };
        if let Some(files) = &self.shared.files {
            found.push(doctor::door(files.at(), around, "media_listen").await);
        }
        found
    }

    async fn open(&self, at: &str) -> Result<Incoming, DeliveryError> {
        let Some(files) = &self.shared.files else {
            let (refusal, why) = (Code::Expired.into(), "files are no longer carried");
            return Err(DeliveryError::Refused { refusal, why });
        };
        let link = self.shared.link().ok_or(DeliveryError::Disconnected)?;
        link.fetch(at, files).await
    }

    fn max_media(&self) -> u64 {
        let Some(files) = &self.shared.files else { return 0 };
        let app = self.shared.link().and_then(|link| link.max_media());
        app.map_or(files.max_bytes, |most| most.min(files.max_bytes))
    }

    fn signal(&self, signal: Signal) -> bool {
        let link = self.shared.link();
        link.is_some_and(|link| link.signal(&signal, |id| self.shared.users.contains(id)))
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        let Some(link) = self.shared.link() else {
            return vec![Err(DeliveryError::Disconnected)];
        };
        link.deliver(batch, self.shared.files.as_ref(), |id| self.shared.users.contains(id)).await
    }
}
