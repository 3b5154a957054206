//! Keeps the component connected: dials, shakes hands, and begins anew when the connection is gone.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Bridge, Connection, Secret};
use minidom::Element;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use xmpp_parsers::component::Handshake;

use crate::address::Addresses;
use crate::fleeting::Fleeting;
use crate::folders::Folders;
use crate::hex::hex;
use crate::intake::Inlet;
use crate::lists::Lists;
use crate::message::Lately;
use crate::ns;
use crate::outward::Outward;
use crate::privilege::Grants;
use crate::profile::Profiles;
use crate::reports::Reports;
use crate::session::{Ending, Session};
use crate::stream::StanzaReader;
use crate::uploads::Uploads;

/// For the address, the connection and the handshake together.
pub(crate) const TO_CONNECT: Duration = Duration::from_secs(10);
/// For one address of several: a silent one must not use up what the next needs.
pub(crate) const TO_DIAL: Duration = Duration::from_secs(3);
/// How long a connection must have lasted for the next one to be tried without much waiting.
const LASTING: Duration = Duration::from_secs(10);
/// The wait before the second try, which doubles, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What the system may hold of what the server wrote, in bytes; Linux makes it double. Lost, if this
/// process is killed, like what the reader holds and the messages on their way to the daemon: some
/// 20 KiB, which are dozens of short messages, and at most 64 more. With it, loopback carries 35 MB
/// in a second.
const RECEIVE_BUFFER: u32 = 8 * 1024;

/// What it takes to stay connected.
pub(crate) struct Link<'a> {
    pub(crate) server: &'a (String, u16),
    pub(crate) secret: &'a Secret,
    pub(crate) addresses: &'a Arc<Addresses>,
    pub(crate) outward: &'a Outward,
    pub(crate) lists: &'a Lists,
    pub(crate) folders: &'a Folders,
    pub(crate) fleeting: &'a Fleeting,
    pub(crate) grants: &'a Grants,
    pub(crate) reports: &'a Reports,
    pub(crate) uploads: &'a Uploads,
    pub(crate) profiles: &'a Profiles,
    pub(crate) lately: &'a Lately,
    pub(crate) bridge: &'a Bridge,
}

impl Link<'_> {
    /// Until the daemon stops.
    pub(crate) async fn keep(&self, inlet: Inlet) {
        self.bridge.report(Connection::Waiting);
        let mut wait = FIRST_WAIT;
        let mut told = None;
        loop {
            let why = tokio::select! {
                biased;
                () = self.bridge.stopping() => return,
                joined = timeout(TO_CONNECT, self.join()) => match joined {
                    Ok(Ok(session)) => {
                        told = None;
                        self.bridge.report(Connection::Up);
                        let since = Instant::now();
                        let ending = session.run(&inlet).await;
                        if since.elapsed() >= LASTING {
                            wait = FIRST_WAIT;
                        }
                        match ending {
                            Ending::Stopped => return,
                            Ending::Lost(why) => why,
                        }
                    }
                    Ok(Err(why)) => why,
                    Err(_) => "the server does not answer",
                },
            };
            if told != Some(why) {
                self.bridge.report(Connection::Down { why });
                told = Some(why);
            }
            // Between half and the whole, so that many bridges do not come back in step.
            let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
            let jittered = Duration::from_millis(half + self.bridge.random() % (half + 1));
            tokio::select! {
                () = self.bridge.stopping() => return,
                () = tokio::time::sleep(jittered) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn join(
        &self,
    ) -> Result<Session<'_, impl AsyncRead + Unpin, impl AsyncWrite + Unpin>, &'static str> {
        let stream = dial(self.server).await?;
        let (read, mut write) = stream.into_split();
        let mut reader = StanzaReader::new(read);
        shake_hands(&mut reader, &mut write, self.addresses.component(), self.secret).await?;
        Ok(Session {
            reader,
            write,
            addresses: self.addresses,
            outward: self.outward,
            lists: self.lists,
            folders: self.folders,
            fleeting: self.fleeting,
            grants: self.grants,
            reports: self.reports,
            uploads: self.uploads,
            profiles: self.profiles,
            lately: self.lately,
            bridge: self.bridge,
        })
    }
}

pub(crate) const REFUSED_SECRET: &str = "the server refused the component's secret";
pub(crate) const CONFLICT: &str = "another connection uses the component's domain";
pub(crate) const NO_COMPONENT: &str = "the server has no component of this domain";

/// Connects.
pub(crate) async fn dial((host, port): &(String, u16)) -> Result<TcpStream, &'static str> {
    let mut why = "the server's name has no address";
    let found = lookup_host((host.as_str(), *port)).await.map_err(|_| why)?;
    for address in found {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let Ok(socket) = socket else {
            why = "this system gives no socket";
            continue;
        };
        // Both are wishes: without them the bridge is slower, or loses more in a crash.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = socket.set_nodelay(true);
        match timeout(TO_DIAL, socket.connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => why = "the server takes no connection",
            Err(_) => why = "the server does not answer",
        }
    }
    Err(why)
}

/// XEP-0114, 3.
pub(crate) async fn shake_hands<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut StanzaReader<R>,
    write: &mut W,
    domain: &str,
    secret: &Secret,
) -> Result<(), &'static str> {
    const BROKE: &str = "the connection broke before the handshake";
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' to='{domain}'>",
        ns::COMPONENT,
        ns::STREAM
    );
    write.write_all(header.as_bytes()).await.map_err(|_| BROKE)?;
    let id = reader.header().await.map_err(|_| BROKE)?;
    let id = id.ok_or("what answers is no XMPP server")?;
    let Some(digest) = Handshake::from_stream_id_and_password(id, secret.expose()).data else {
        return Err(BROKE);
    };
    let handshake = format!("<handshake>{}</handshake>", hex(&digest));
    write.write_all(handshake.as_bytes()).await.map_err(|_| BROKE)?;
    match reader.next().await {
        Ok(Some(stanza)) if stanza.element.is("handshake", ns::COMPONENT) => Ok(()),
        Ok(Some(stanza)) => Err(refusal(&stanza.element)),
        Ok(None) | Err(_) => Err(BROKE),
    }
}

/// What a stream error says, in words for the operator (RFC 6120, 4.9.3).
pub(crate) fn refusal(error: &Element) -> &'static str {
    let condition = error.children().find(|child| child.name() != "text");
    match condition.map_or("", Element::name) {
        "not-authorized" => REFUSED_SECRET,
        "conflict" => CONFLICT,
        "host-unknown" => NO_COMPONENT,
        "system-shutdown" => "the server shut down",
        "policy-violation" => "the server ended the stream for a breach of its limits",
        "connection-timeout" => "the server gave the connection up",
        _ => "the server ended the stream with an error",
    }
}
