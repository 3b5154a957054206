//! A host on loopback that plays tricks, and a book of names that may lie.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Certificate;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::proxy::addresses::Names;

/// What the host does after it heard a request.
#[derive(Clone)]
pub(super) enum Play {
    Say(Vec<u8>),
    /// Until nobody listens.
    Forever(Vec<u8>),
    /// So often, with a pause before each.
    Drip(Vec<u8>, Duration, usize),
    /// Says nothing more and keeps the line.
    Hold,
}

pub(super) fn say(text: &str) -> Play {
    Play::Say(text.replace('\n', "\r\n").into_bytes())
}

/// An answer with this status line, these header lines and this body.
pub(super) fn answer(status: &str, headers: &[&str], body: &str) -> Vec<Play> {
    let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    let head = format!("HTTP/1.1 {status}\r\n{headers}\r\n");
    vec![Play::Say(head.into_bytes()), Play::Say(body.as_bytes().to_vec())]
}

type Heard = Arc<Mutex<Vec<String>>>;

pub(super) struct Server {
    pub(super) port: u16,
    /// The heads of all requests.
    heard: Heard,
    /// Whom its certificate is from.
    pub(super) root: Option<Certificate>,
}

impl Server {
    /// Without TLS. `plays` is asked with each request's path.
    pub(super) async fn plain(plays: impl Fn(&str) -> Vec<Play> + Send + Sync + 'static) -> Self {
        Self::start(None, plays).await
    }

    /// With a certificate for these names.
    pub(super) async fn secure(
        names: &[&str],
        plays: impl Fn(&str) -> Vec<Play> + Send + Sync + 'static,
    ) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let mut server = Self::start(Some(TlsAcceptor::from(Arc::new(config))), plays).await;
        server.root = Some(Certificate::from_pem(authority.pem().as_bytes()).unwrap());
        server
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        plays: impl Fn(&str) -> Vec<Play> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Heard::default();
        let (plays, all) = (Arc::new(plays), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                let (plays, all, tls) = (Arc::clone(&plays), Arc::clone(&all), tls.clone());
                tokio::spawn(async move {
                    // Whoever hangs up has seen enough.
                    let _ = match tls {
                        None => serve(line, &all, &*plays).await,
                        Some(tls) => match tls.accept(line).await {
                            Ok(line) => serve(line, &all, &*plays).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { port, heard, root: None }
    }

    /// The heads of all requests so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut line: impl AsyncRead + AsyncWrite + Unpin,
    requests: &Heard,
    plays: &(dyn Fn(&str) -> Vec<Play> + Send + Sync),
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push(head);
    for play in plays(&path) {
        match play {
            Play::Say(bytes) => line.write_all(&bytes).await?,
            Play::Forever(bytes) => loop {
                line.write_all(&bytes).await?;
            },
            Play::Drip(bytes, pause, times) => {
                for _ in 0..times {
                    tokio::time::sleep(pause).await;
                    line.write_all(&bytes).await?;
                    line.flush().await?;
                }
            }
            Play::Hold => {
                line.flush().await?;
                line.read_u8().await?;
            }
        }
        line.flush().await?;
    }
    line.shutdown().await
}

/// An address of the open internet. Nothing is sent there: the book leads all to the test's own host.
pub(super) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers with what it was told, one after the other; the last answer stays.
#[derive(Default)]
pub(super) struct Book {
    port: u16,
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    dialled: Mutex<Vec<IpAddr>>,
}

impl Book {
    pub(super) fn of(port: u16) -> Arc<Self> {
        Arc::new(Self { port, ..Self::default() })
    }

    pub(super) fn name(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers);
    }

    /// The addresses that the client was told of.
    pub(super) fn dialled(&self) -> Vec<IpAddr> {
        self.dialled.lock().unwrap().clone()
    }
}

#[async_trait]
impl Names for Book {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(next.unwrap_or_default())
    }

    fn dial(&self, address: IpAddr) -> SocketAddr {
        self.dialled.lock().unwrap().push(address);
        SocketAddr::new(LOOPBACK, self.port)
    }
}
