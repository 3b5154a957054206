//! The server of an app that the bridge dials.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

use crate::keys::BridgeKeys;
use crate::line::{Arrival, Line, SUBPROTOCOL, Way};
use crate::show::Show;

/// For TLS and the upgrade together.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many connections may be at the door; more wait.
const AT_THE_DOOR: usize = 64;

/// Where, and how.
pub(crate) struct Door {
    pub(crate) at: SocketAddr,
    pub(crate) path: String,
    /// The certificate with its chain, and its key: in PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) bridge: BridgeKeys,
}

/// What each connection needs.
struct Doorkeeper {
    path: String,
    tls: Option<TlsAcceptor>,
    bridge: BridgeKeys,
    show: Show,
    arrivals: mpsc::Sender<Arrival>,
}

impl Door {
    /// Listens from now on.
    pub(crate) async fn open(self, show: Show) -> Result<Way> {
        let tls = self.tls.map(|(cert, key)| acceptor(&cert, &key)).transpose()?;
        let listener = TcpListener::bind(self.at).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.at))?;
        show.note("listening", &listener.local_addr()?.to_string());
        let (arrivals, way) = mpsc::channel(1);
        let Self { path, bridge, .. } = self;
        let keeper = Arc::new(Doorkeeper { path, tls, bridge, show, arrivals });
        tokio::spawn(keep(listener, keeper));
        Ok(Way::Listen(way))
    }
}

fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| anyhow!("{}: {error}", cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key);
    let private = private.map_err(|error| anyhow!("{}: {error}", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn keep(listener: TcpListener, keeper: Arc<Doorkeeper>) {
    let room = Arc::new(Semaphore::new(AT_THE_DOOR));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others may close theirs.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let keeper = Arc::clone(&keeper);
        tokio::spawn(async move {
            let _place = place;
            let came = timeout(PATIENCE, keeper.admit(stream)).await;
            match came.unwrap_or_else(|_| Err(anyhow!("it was too slow"))) {
                // The app takes it, and leaves the one that it had.
                Ok(arrival) => drop(keeper.arrivals.send(arrival).await),
                Err(why) => keeper.show.note("turned away", &format!("{why:#}")),
            }
        });
    }
}

impl Doorkeeper {
    async fn admit(&self, stream: TcpStream) -> Result<Arrival> {
        // Without Nagle's delay: the frames are small, and somebody waits for each.
        stream.set_nodelay(true)?;
        let line: Box<dyn Line> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.accept(stream).await.context("no TLS")?),
        };
        let mut asked = Err("it is no upgrade");
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let answer = |request: &Request, mut response: Response| match self.look(request) {
            Ok(nonce) => {
                asked = Ok(nonce);
                let chosen = HeaderValue::from_static(SUBPROTOCOL);
                response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
                Ok(response)
            }
            Err((status, why)) => {
                asked = Err(why);
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status;
                Err(refusal)
            }
        };
        let upgraded = accept_hdr_async(line, answer).await;
        let nonce = asked.map_err(anyhow::Error::msg)?;
        Ok(Arrival { socket: upgraded?, nonce })
    }

    /// The nonce of the bridge's proof; or what is answered, and why. Whoever knocks does not learn
    /// what is wrong with a proof.
    fn look(&self, request: &Request) -> Result<String, (StatusCode, &'static str)> {
        if request.uri().path() != self.path {
            return Err((StatusCode::NOT_FOUND, "another path"));
        }
        let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
        let bearer = header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        let nonce = bearer.ok_or("it shows no proof").and_then(|token| self.bridge.nonce(token));
        let nonce = nonce.map_err(|why| (StatusCode::UNAUTHORIZED, why))?;
        let offered = header("Sec-WebSocket-Protocol").unwrap_or_default();
        if !offered.split(',').any(|one| one.trim() == SUBPROTOCOL) {
            return Err((StatusCode::BAD_REQUEST, "it speaks another protocol"));
        }
        Ok(nonce)
    }
}
