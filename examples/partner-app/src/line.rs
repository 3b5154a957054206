//! The WebSocket to the bridge, whoever of the two has dialled.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::keys::Key;

/// The name of the protocol, which both sides must say.
pub(crate) const SUBPROTOCOL: &str = "drawbridge.partner.v1";

/// What carries a WebSocket: TCP, with or without TLS.
pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Line>>;

/// A connection of the bridge's, with the nonce that it asks the app to answer.
pub(crate) struct Arrival {
    pub(crate) socket: Socket,
    pub(crate) nonce: String,
}

/// Who connects to whom.
pub(crate) enum Way {
    /// The app to the bridge, at this URL.
    Dial(String),
    /// The bridge to the app.
    Listen(mpsc::Receiver<Arrival>),
}

impl Way {
    /// The next connection of the bridge's. Never, if it is the app that dials.
    pub(crate) async fn arrival(&mut self) -> Option<Arrival> {
        match self {
            Self::Dial(_) => std::future::pending().await,
            Self::Listen(arrivals) => arrivals.recv().await,
        }
    }
}

/// Connects to the bridge. In production a TLS proxy stands before it, and the app dials `wss`.
pub(crate) async fn dial(url: &str, key: &Key) -> Result<Socket> {
    let mut request = url.into_client_request()?;
    let uri = request.uri();
    if uri.scheme_str() != Some("ws") {
        bail!("this example dials ws:// only");
    }
    let host = uri.host().context("the URL names no host")?.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    // Without Nagle's delay: the frames are small, and somebody waits for each.
    stream.set_nodelay(true)?;
    let proof = format!("Bearer {}", key.partner_proof()?);
    let headers = request.headers_mut();
    headers.insert("Authorization", HeaderValue::from_str(&proof)?);
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    let line: Box<dyn Line> = Box::new(stream);
    Ok(client_async(request, line).await?.0)
}
