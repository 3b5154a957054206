//! Keeps the connection to an app that the bridge dials: connects, proves who is calling, and begins
//! anew when the connection is gone.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Bridge, Connection, Place, Problem, Timestamp, log};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_util::sync::CancellationToken;

use crate::adapter::Shared;
use crate::frame::SUBPROTOCOL;
use crate::hello::PartnerProof;
use crate::identity::Identity;
use crate::log::{DIALLING_UNENCRYPTED, PROOF_INVALID};
use crate::session::{self, End, Line, Socket, TurnedAway, limits};
use crate::target::Target;
use crate::{PartnerConfig, tls};

/// For the address, the connection, TLS and the upgrade together.
pub(crate) const TO_CONNECT: Duration = Duration::from_secs(10);
/// For one address of several: a silent one must not use up what the next needs.
const TO_DIAL: Duration = Duration::from_secs(3);
/// How long a connection must have lasted for the next one to be tried without much waiting.
const LASTING: Duration = Duration::from_secs(10);
/// The wait before the second try, which doubles, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why there is no connection, and what is wrong with the partner proof if it is that.
type Why = (&'static str, Option<&'static str>);

/// Who is dialled, and as whom.
pub(crate) struct Dialler {
    target: Target,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    identity: Identity,
}

impl Dialler {
    /// Reads the bridge's key and the authorities, and connects nothing.
    pub(crate) fn open(config: &PartnerConfig, place: &Place) -> Result<Self, Problem> {
        let url = config.dial.as_deref().unwrap_or_default();
        let target = Target::parse(url).map_err(|what| Problem::new("dial", what))?;
        let missing = || Problem::new("dial_key_file", "missing");
        let file = config.dial_key_file.as_ref().ok_or_else(missing)?;
        let key = file.read(place, "dial_key_file")?;
        let identity = Identity::read(&key, config.audience().to_owned(), config.issuer.clone());
        let identity = identity.map_err(|what| Problem::new("dial_key_file", what))?;
        let tls = if target.tls {
            let trust = match &config.dial_ca_file {
                Some(file) => tls::trusting(&place.find(file))
                    .map_err(|what| Problem::new("dial_ca_file", what))?,
                None => tls::trusting_system().map_err(|what| Problem::new("dial", what))?,
            };
            let name = ServerName::try_from(target.host.clone());
            let name = name.map_err(|_| Problem::new("dial", "the host is no name for TLS"))?;
            Some((trust, name))
        } else {
            None
        };
        Ok(Self { target, tls, identity })
    }

    /// Until the daemon stops.
    pub(crate) async fn keep(
        &self,
        shared: &Arc<Shared>,
        bridge: &Bridge,
        stop: &CancellationToken,
    ) {
        if !self.target.tls && !self.target.is_loopback() {
            log!(DIALLING_UNENCRYPTED);
        }
        let mut wait = FIRST_WAIT;
        let mut told = None;
        loop {
            let dialled = tokio::select! {
                () = stop.cancelled() => return,
                dialled = timeout(TO_CONNECT, self.connect(bridge)) => dialled,
            };
            let since = Instant::now();
            let served = match dialled.unwrap_or(Err("the partner does not answer")) {
                Ok((socket, nonce)) => {
                    let proof = PartnerProof::InHello(nonce);
                    let served = session::serve(shared, bridge, socket, &proof, stop).await;
                    served.map_err(turned_away)
                }
                Err(why) => Err((why, None)),
            };
            if stop.is_cancelled() {
                return;
            }
            match served {
                // How it ended was told by the session.
                Ok(()) => told = None,
                Err(why) if told == Some(why) => {}
                Err(why) => {
                    if let Some(doubt) = why.1
                        && shared.rarely.may_because(&PROOF_INVALID, doubt)
                    {
                        log!(PROOF_INVALID, doubt);
                    }
                    bridge.report(Connection::Down { why: why.0 });
                    told = Some(why);
                }
            }
            if served.is_ok() && since.elapsed() >= LASTING {
                wait = FIRST_WAIT;
            }
            // Between half and the whole, so that many bridges do not come back in step.
            let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
            let jittered = Duration::from_millis(half + bridge.random() % (half + 1));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// A WebSocket to the app, and the nonce that it must answer.
    async fn connect(&self, bridge: &Bridge) -> Result<(Socket, String), &'static str> {
        let nonce = format!("{:016x}{:016x}", bridge.random(), bridge.random());
        let stream = self.reach().await?;
        let line = self.secure(stream).await?;
        Ok((self.upgrade(line, &nonce, bridge.now()).await?, nonce))
    }

    /// A connection to the app's server.
    pub(crate) async fn reach(&self) -> Result<TcpStream, &'static str> {
        let mut why = "the partner's name has no address";
        let found = lookup_host((self.target.host.as_str(), self.target.port)).await;
        for address in found.map_err(|_| why)? {
            match timeout(TO_DIAL, TcpStream::connect(address)).await {
                // Without it each small frame would wait for the acknowledgement of the last.
                Ok(Ok(stream)) if stream.set_nodelay(true).is_ok() => return Ok(stream),
                Ok(_) => why = "the partner takes no connection",
                Err(_) => why = "the partner does not answer",
            }
        }
        Err(why)
    }

    /// Whether the way to the app is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// The connection, encrypted if the URL says so.
    pub(crate) async fn secure(&self, stream: TcpStream) -> Result<Box<dyn Line>, &'static str> {
        let Some((config, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), stream).await;
        Ok(Box::new(stream.map_err(|error| tls::why(&error))?))
    }

    /// The WebSocket, which the app lets the bridge open for its proof with this nonce.
    pub(crate) async fn upgrade(
        &self,
        line: Box<dyn Line>,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Socket, &'static str> {
        let request = self.request(nonce, now).ok_or("the upgrade cannot be written")?;
        let upgraded = client_async_with_config(request, line, Some(limits())).await;
        upgraded.map(|(socket, _)| socket).map_err(|error| refusal(&error))
    }

    fn request(&self, nonce: &str, now: Timestamp) -> Option<Request> {
        let mut request = self.target.url.as_str().into_client_request().ok()?;
        let proof = self.identity.proof(nonce, now)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", proof.expose())).ok()?;
        bearer.set_sensitive(true);
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, bearer);
        let offered = HeaderValue::from_static(SUBPROTOCOL);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
        Some(request)
    }
}

const NO_WEBSOCKET: &str = "what answers is no WebSocket server";

/// Why an upgrade failed, in words for the operator.
fn refusal(error: &Error) -> &'static str {
    match error {
        Error::Http(response) => match response.status().as_u16() {
            401 | 403 => "the partner does not take the bridge's proof",
            200..=299 => NO_WEBSOCKET,
            300..=399 => "the partner redirects, which is not followed",
            404 => "the partner has nothing at this path",
            500..=599 => "the partner's server fails",
            _ => "the partner refuses the upgrade",
        },
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "the partner does not speak drawbridge.partner.v1"
        }
        Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            "the connection broke in the upgrade"
        }
        _ => NO_WEBSOCKET,
    }
}

fn turned_away(TurnedAway { end, message }: TurnedAway) -> Why {
    let why = match end {
        End::NoProof => "the app's partner proof does not hold",
        End::NoHello => "the app said no hello that can be taken",
        End::Closed | End::Lost => "the app ended the connection before its hello",
        _ => "the app broke the protocol before its hello",
    };
    (why, message.filter(|_| end == End::NoProof))
}
