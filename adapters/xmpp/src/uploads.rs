//! Files on their way out: to the server's own upload service (XEP-0363), from where clients fetch them.
//!
//! The service gives a place for a file when a ghost asks; the bytes go there by HTTP. What was uploaded is
//! remembered under the key of its message, and written down for a month: for the next try, and for edits
//! of what is written with it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Attached, Bridge, Code, DeliveryError, FileInfo, Media, MediaKind, Refusal, Spooled, log,
};
use lru::LruCache;
use reqwest::{Client, redirect};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::address::Addresses;
use crate::log::{UPLOADS_IMPOSSIBLE, UPLOADS_POSSIBLE};
use crate::message::{Shared, extension_of};
use crate::outward::Outward;
use crate::privilege::is_own;

mod kept;
mod plain;
mod put;
mod service;
mod slot;
mod small;

pub(crate) use plain::PlainHost;
use service::Service;
pub(crate) use service::find;
use slot::Denied;

/// How many files are remembered without a look into the store.
const MOST: NonZeroUsize = NonZeroUsize::new(1024).expect("is not zero");
/// How long the service may take to give a place.
const SLOT: Duration = Duration::from_secs(15);
/// How long a connection to it may take.
const DIAL: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_mins(1);
/// How long it is taken for sure that there is no service, when a file is to go there.
const AGAIN: Duration = Duration::from_secs(30);
/// How long nobody is asked again if the server did not answer; and when the service is looked for again
/// without a file.
const SILENT: Duration = Duration::from_mins(1);
/// When an upload is tried again, if the service names no time.
const LATER: Duration = Duration::from_secs(30);

const NO_SERVICE: &str = "the server has no upload service for the bridge";

/// What the operator says of uploads.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// The service; without one it is looked for.
    pub(crate) service: Option<String>,
    /// Hosts to which files go without TLS.
    pub(crate) plain: Vec<PlainHost>,
}

/// What came of the search for the service.
#[derive(Clone, Default)]
enum Found {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is there.
    Service(Service),
    /// There is none, as was found out then.
    Absent(Instant),
    /// Then nobody answered.
    Silent(Instant),
}

impl Found {
    /// What holds still, and need not be looked for again.
    fn still(&self) -> Option<Result<Option<Service>, DeliveryError>> {
        match self {
            Self::Service(service) => Some(Ok(Some(service.clone()))),
            Self::Absent(since) if since.elapsed() < AGAIN => Some(Ok(None)),
            Self::Silent(since) if since.elapsed() < SILENT => {
                Some(Err(later("the server did not say of late which services it has")))
            }
            _ => None,
        }
    }
}

/// The way of files to the server.
pub(crate) struct Uploads {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    chosen: Chosen,
    http: OnceLock<Option<Client>>,
    found: Mutex<Found>,
    /// One looks for the service, and the others wait for what it finds.
    looking: tokio::sync::Mutex<()>,
    connected: Notify,
    /// Whether it was said on this connection that there is none.
    told: AtomicBool,
    shared: Mutex<LruCache<String, Arc<Shared>>>,
    /// Files that lie there, while their small pictures are still on their way.
    begun: Mutex<LruCache<String, Shared>>,
}

impl Uploads {
    /// Nothing known yet.
    pub(crate) fn new(addresses: Arc<Addresses>, outward: Arc<Outward>, chosen: Chosen) -> Self {
        Self {
            addresses,
            outward,
            chosen,
            http: OnceLock::new(),
            found: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            connected: Notify::new(),
            told: AtomicBool::new(false),
            shared: Mutex::new(LruCache::new(MOST)),
            begun: Mutex::new(LruCache::new(MOST)),
        }
    }

    /// A new connection.
    pub(crate) fn connected(&self) {
        self.told.store(false, Ordering::Relaxed);
        let mut found = lock(&self.found);
        if !matches!(*found, Found::Service(_)) {
            *found = Found::Unknown;
        }
        self.connected.notify_one();
    }

    /// Looks for the service on each connection, and again while there is none, for as long as the daemon
    /// runs. Forgets old uploads.
    pub(crate) async fn run(&self, bridge: &Bridge) {
        let looking = async {
            loop {
                let is_new = timeout(SILENT, self.connected.notified()).await.is_ok();
                let is_known = matches!(*lock(&self.found), Found::Service(_));
                if is_new || !is_known {
                    let _looking = self.looking.lock().await;
                    // What comes of it is said, and stands there.
                    let _ = self.look(bridge).await;
                }
            }
        };
        tokio::select! {
            () = looking => {}
            () = kept::sweep(bridge) => {}
            () = bridge.stopping() => {}
        }
    }

    /// The largest file that the service takes, as far as is known: none, if there is no service.
    pub(crate) fn max(&self) -> u64 {
        match &*lock(&self.found) {
            Found::Service(service) => service.max.unwrap_or(u64::MAX),
            Found::Absent(_) => 0,
            Found::Unknown | Found::Silent(_) => u64::MAX,
        }
    }

    /// The file that was uploaded for the message with this key.
    pub(crate) fn known(&self, key: &str) -> Option<Arc<Shared>> {
        lock(&self.shared).get(key).cloned()
    }

    /// The same, also if it is only written down.
    pub(crate) async fn recall(
        &self,
        key: &str,
        bridge: &Bridge,
    ) -> Result<Option<Arc<Shared>>, DeliveryError> {
        if let Some(known) = self.known(key) {
            return Ok(Some(known));
        }
        let found = kept::find(key, bridge).await;
        let found = found.map_err(|_| later("the store did not say which file it was"))?;
        let found = found.map(Arc::new);
        if let Some(found) = &found {
            lock(&self.shared).put(key.to_owned(), Arc::clone(found));
        }
        Ok(found)
    }

    /// The message with this key was taken back.
    pub(crate) async fn forget(&self, key: &str, bridge: &Bridge) {
        if let Ok(Some(_)) = self.recall(key, bridge).await {
            lock(&self.shared).pop(key);
            // If it stays, then not for ever.
            let _ = kept::forget(key, bridge).await;
        }
    }

    /// The service that the operator chose.
    pub(crate) fn chosen(&self) -> Option<&str> {
        self.chosen.service.as_deref()
    }

    /// Looks for the service, and says what was found.
    async fn look(&self, bridge: &Bridge) -> Result<Option<Service>, DeliveryError> {
        let is_own = |domain: &str| is_own(domain, &self.addresses, bridge);
        let found = service::find(&self.addresses, &self.outward, self.chosen(), is_own).await;
        let mut known = lock(&self.found);
        let was_there = matches!(*known, Found::Service(_));
        match &found {
            Ok(Some(service)) => {
                if !was_there {
                    log!(UPLOADS_POSSIBLE, max = service.max);
                }
                *known = Found::Service(service.clone());
            }
            Ok(None) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    log!(UPLOADS_IMPOSSIBLE);
                }
                *known = Found::Absent(Instant::now());
            }
            // It may be there still.
            Err(_) if was_there => {}
            Err(DeliveryError::Disconnected) => {}
            Err(_) => *known = Found::Silent(Instant::now()),
        }
        found
    }

    /// The service that is known, or is found now.
    async fn service(&self, bridge: &Bridge) -> Result<Option<Service>, DeliveryError> {
        let still = || lock(&self.found).still();
        if let Some(known) = still() {
            return known;
        }
        let _looking = self.looking.lock().await;
        match still() {
            Some(known) => known,
            None => self.look(bridge).await,
        }
    }

    /// Uploads the file of the message with this key and its small picture, from the ghost with this
    /// address, unless it was done before. No recipient sees anything of it yet.
    pub(crate) async fn share(
        &self,
        key: &str,
        media: &Media,
        attached: &Attached,
        ghost: &str,
        bridge: &Bridge,
    ) -> Result<(), DeliveryError> {
        if self.recall(key, bridge).await?.is_some() {
            return Ok(());
        }
        let begun = lock(&self.begun).get(key).cloned();
        let file = if let Some(file) = begun {
            file
        } else {
            let file = self.share_file(media, &attached.file, ghost, bridge).await?;
            lock(&self.begun).put(key.to_owned(), file.clone());
            file
        };
        let small = self.share_small(media, attached, ghost, bridge).await?;
        let shared = Shared { small, ..file };
        // It is remembered here at least, and the message need not wait for the store.
        let _ = kept::keep(key, &shared, bridge).await;
        lock(&self.shared).put(key.to_owned(), Arc::new(shared));
        lock(&self.begun).pop(key);
        Ok(())
    }

    /// The file alone.
    async fn share_file(
        &self,
        media: &Media,
        file: &Spooled,
        ghost: &str,
        bridge: &Bridge,
    ) -> Result<Shared, DeliveryError> {
        let unsupported = |why| refused(Code::UnsupportedKind(media.kind.kind()).into(), why);
        let Some(service) = self.service(bridge).await.map_err(before)? else {
            return Err(unsupported(NO_SERVICE));
        };
        let size = file.size();
        if let Some(max) = service.max.filter(|max| size > *max) {
            return Err(refused(Refusal::too_large(max), "the upload service takes no such file"));
        }
        let info = FileInfo { size: Some(size), sha256: Some(file.sha256()), ..media.info.clone() };
        let name = name_of(media.kind, &info);
        let mime = info.mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
        let query = |id: &str| slot::ask(ghost, &service.jid, id, &name, &mime, size);
        let answer = self.outward.ask_within(SLOT, &service.jid, query).await.map_err(before)?;
        let slot = match slot::read(&answer, &self.chosen.plain, bridge.now()) {
            Ok(slot) => slot,
            Err(denied) => return Err(self.denied(denied, unsupported)),
        };
        let http = self.http.get_or_init(client).as_ref();
        let http = http.ok_or(later("no HTTP client could be set up"))?;
        let link = slot.link.clone();
        put::put(http, slot, &mime, file).await?;
        Ok(Shared { link, kind: media.kind, info, small: None })
    }

    /// What it comes to that the service gave no place.
    fn denied(
        &self,
        denied: Denied,
        unsupported: impl Fn(&'static str) -> DeliveryError,
    ) -> DeliveryError {
        match denied {
            Denied::TooLarge(said) => {
                if let Found::Service(service) = &mut *lock(&self.found) {
                    service.max = said.or(service.max);
                }
                let refusal = said.map_or(Code::MediaTooLarge.into(), Refusal::too_large);
                refused(refusal, "the upload service calls the file too large")
            }
            Denied::Later(after) => DeliveryError::Retry {
                after: Some(after.unwrap_or(LATER)),
                why: "the upload service asks to wait",
            },
            Denied::Gone => {
                *lock(&self.found) = Found::Unknown;
                later("the upload service is not there")
            }
            Denied::Closed => unsupported("the upload service is not open to the bridge"),
            Denied::Plain => unsupported(
                "the upload service gives places without TLS, of no host in upload_plain_hosts",
            ),
            Denied::Refused => {
                refused(Code::Forbidden.into(), "the upload service does not take the file")
            }
            Denied::Unreadable => later("the upload service's answer cannot be read"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn later(why: &'static str) -> DeliveryError {
    DeliveryError::Retry { after: Some(LATER), why }
}

fn refused(refusal: Refusal, why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal, why }
}

/// Before the message itself is sent nothing is uncertain.
fn before(error: DeliveryError) -> DeliveryError {
    match error {
        DeliveryError::Unknown { why } => later(why),
        error => error,
    }
}

/// None follows redirects: the slot names the place.
fn client() -> Option<Client> {
    // A provider that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
    client.connect_timeout(DIAL).pool_idle_timeout(IDLE).build().ok()
}

/// What the file is called there. Clients without XEP-0447 know by the extension what to show.
fn name_of(kind: MediaKind, info: &FileInfo) -> String {
    let name = match &info.name {
        Some(name) => name.as_str(),
        None => kind.kind().as_str(),
    };
    let has_one = name.rsplit_once('.').is_some_and(|(stem, rest)| {
        !stem.is_empty() && (1..=5).contains(&rest.len()) && rest.is_ascii()
    });
    let extension = info.mime.as_deref().and_then(extension_of).filter(|_| !has_one);
    extension.map_or_else(|| name.to_owned(), |extension| format!("{name}.{extension}"))
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
