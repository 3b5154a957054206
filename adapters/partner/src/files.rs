//! Files on their way between the bridge and the app: each under a token of its own, by which it is
//! got or put over HTTP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawbridge_adapter::{Attached, DeliveryError, Incoming, Sha256 as Hex, Spooled};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

mod answer;
mod door;

/// The most transfers at a time.
const TRANSFERS: usize = 64;

/// All that is on its way, and the door for it.
pub(crate) struct Files {
    at: SocketAddr,
    /// How the app reaches the door, without a slash at its end.
    public_url: String,
    /// The largest file, in bytes.
    pub(crate) max_bytes: u64,
    /// By the hash of its token: how long a look takes says nothing of the token.
    waiting: Mutex<HashMap<[u8; 32], Waiting>>,
    room: Arc<Semaphore>,
    /// Where it listens, once it does.
    listening: watch::Sender<Option<SocketAddr>>,
}

/// What a token is for.
enum Waiting {
    /// The app puts a file here, once.
    Wanted(oneshot::Sender<Result<Incoming, DeliveryError>>),
    /// The app gets this file, until the offer is over.
    Offered(Spooled, CancellationToken),
}

/// A token's claim to be one: dropped, it is none any more.
struct Known {
    files: Arc<Files>,
    hash: [u8; 32],
}

impl Drop for Known {
    fn drop(&mut self) {
        self.files.waiting().remove(&self.hash);
    }
}

/// A file that the app is to put.
pub(crate) struct Wanted {
    /// By what the bridge asks for it.
    pub(crate) id: String,
    /// Where.
    pub(crate) url: String,
    /// It, once the app has begun.
    pub(crate) arrives: oneshot::Receiver<Result<Incoming, DeliveryError>>,
    /// The place is there as long as somebody waits.
    _known: Known,
}

/// The files of a delivery, while the app may get them.
pub(crate) struct Offer {
    pub(crate) file: Offered,
    pub(crate) thumbnail: Option<Offered>,
}

/// A file that the app may get.
pub(crate) struct Offered {
    /// Where.
    pub(crate) url: String,
    pub(crate) file: Spooled,
    _known: Known,
    _until: DropGuard,
}

impl Files {
    pub(crate) fn new(at: SocketAddr, public_url: &str, max_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            at,
            public_url: public_url.trim_end_matches('/').to_owned(),
            max_bytes,
            waiting: Mutex::default(),
            room: Arc::new(Semaphore::new(TRANSFERS)),
            listening: watch::Sender::new(None),
        })
    }

    /// Where it is to listen.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Where it listens, once it does.
    pub(crate) async fn listening(&self) -> Option<SocketAddr> {
        let mut listening = self.listening.subscribe();
        // The sender lives as long as `self`.
        listening.wait_for(Option::is_some).await.ok().and_then(|found| *found)
    }

    /// A place for one file of the app's.
    pub(crate) fn want(self: &Arc<Self>) -> Result<Wanted, DeliveryError> {
        let (taker, arrives) = oneshot::channel();
        let (url, known) = self.admit(Waiting::Wanted(taker))?;
        // Nobody learns the token by it.
        let mut id = Hex(known.hash).to_string();
        id.truncate(32);
        Ok(Wanted { id, url, arrives, _known: known })
    }

    /// Lets the app get these files, until the offer is dropped.
    pub(crate) fn offer(self: &Arc<Self>, attached: &Attached) -> Result<Offer, DeliveryError> {
        let thumbnail = attached.thumbnail.as_ref().map(|file| self.lend(file)).transpose()?;
        Ok(Offer { file: self.lend(&attached.file)?, thumbnail })
    }

    fn lend(self: &Arc<Self>, file: &Spooled) -> Result<Offered, DeliveryError> {
        let over = CancellationToken::new();
        let (url, known) = self.admit(Waiting::Offered(file.clone(), over.clone()))?;
        Ok(Offered { url, file: file.clone(), _known: known, _until: over.drop_guard() })
    }

    /// A new token for this, as a URL.
    fn admit(self: &Arc<Self>, what: Waiting) -> Result<(String, Known), DeliveryError> {
        let mut token = [0; 32];
        let why = "the system gives no random numbers";
        getrandom::fill(&mut token).map_err(|_| DeliveryError::Retry { after: None, why })?;
        let token = Hex(token).to_string();
        let hash = hash(&token);
        self.waiting().insert(hash, what);
        Ok((format!("{}/{token}", self.public_url), Known { files: Arc::clone(self), hash }))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<[u8; 32], Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    /// How many bytes its files have.
    pub(crate) fn size(&self) -> u64 {
        let thumbnail = self.thumbnail.as_ref().map_or(0, |offered| offered.file.size());
        self.file.file.size().saturating_add(thumbnail)
    }

    /// How much of its files was read so far.
    pub(crate) fn read_so_far(&self) -> u64 {
        let thumbnail = self.thumbnail.as_ref().map_or(0, |offered| offered.file.read_so_far());
        self.file.file.read_so_far() + thumbnail
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
