//! A partner's app for the tests, over a real WebSocket: it knows the protocol from its
//! documentation, and nothing of the adapter's code.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by several test binaries; a test fails by panicking"
)]

pub mod http;
pub mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use drawbridge_adapter::{
    Adapter, Command, Configuration, Connection, Content, ConversationId, Delivery, Fatal,
    NetworkId, Party, Place, Tag, Timestamp, UserId,
};
use drawbridge_partner::{Partner, PartnerConfig};
use drawbridge_testkit::ReferenceBridge;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use self::server::Server;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A key pair that the tests sign with.
pub struct Key {
    pub kid: &'static str,
    key: SigningKey,
}

impl Key {
    pub fn new(kid: &'static str, seed: u8) -> Self {
        Self { kid, key: SigningKey::from_bytes(&[seed; 32]) }
    }

    pub fn jwk(&self) -> Value {
        let x = BASE64.encode(self.key.verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "alg": "EdDSA", "x": x})
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"typ": "JWT", "alg": "EdDSA", "kid": self.kid}), claims)
    }

    /// A token made by hand, so that it can be wrong.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// The partner's right key.
pub fn key() -> Key {
    Key::new("k1", 1)
}

pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Claims that hold for five minutes.
pub fn claims(user: Option<&str>) -> Value {
    let mut claims =
        json!({"iss": "birdychat", "aud": "drawbridge", "iat": now(), "exp": now() + 300});
    if let Some(user) = user {
        claims["sub"] = json!(user);
    }
    claims
}

/// The adapter at work, between the reference bridge and whoever connects.
pub struct Home {
    pub partner: Arc<Partner>,
    pub bridge: ReferenceBridge,
    pub dir: Arc<tempfile::TempDir>,
    run: JoinHandle<Result<(), Fatal>>,
}

/// A partner adapter, not yet running, and the folder of its keys.
pub fn partner(change: impl FnOnce(&mut Value)) -> (Partner, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    write_jwks(dir.path().join("jwks.json"), &[key().jwk()]);
    let mut config =
        json!({"listen": "127.0.0.1:0", "issuer": "birdychat", "jwks_file": "jwks.json"});
    change(&mut config);
    (opened(config, &dir), dir)
}

/// What makes the bridge dial this server; its key is made as an operator makes it.
pub fn dialling(server: &Server, dir: &tempfile::TempDir) -> Value {
    write_jwks(dir.path().join("jwks.json"), &[key().jwk()]);
    let config = json!({"dial": server.url(), "dial_key_file": "bridge.json",
                        "dial_ca_file": server.ca_file(), "issuer": "birdychat",
                        "jwks_file": "jwks.json"});
    let read: PartnerConfig = serde_json::from_value(config.clone()).unwrap();
    let made = read.registration(&NetworkId::new("birdychat").unwrap()).unwrap();
    std::fs::write(dir.path().join(made.path), made.content.expose()).unwrap();
    let public = made.advice.lines().last().unwrap();
    server.knows(&serde_json::from_str(public).unwrap());
    config
}

/// Lets files pass: under a path as a proxy has it.
pub fn carries_files(config: &mut Value) {
    config["media_listen"] = json!("127.0.0.1:0");
    config["media_public_url"] = json!("https://bridge.test/files/");
    config["max_media_mib"] = json!(1);
}

pub fn opened(config: Value, dir: &tempfile::TempDir) -> Partner {
    let config: PartnerConfig = serde_json::from_value(config).unwrap();
    let place = Place { config_dir: dir.path().to_owned(), credentials_dir: None };
    let partner = Partner::open(config, NetworkId::new("birdychat").unwrap(), &place);
    partner.unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub fn write_jwks(path: PathBuf, keys: &[Value]) {
    std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

impl Home {
    pub fn open() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        let (partner, dir) = partner(change);
        Self::running(partner, dir)
    }

    /// The adapter, dialling this server.
    pub fn dialling(server: &Server, dir: tempfile::TempDir) -> Self {
        let partner = opened(dialling(server, &dir), &dir);
        Self::running(partner, dir)
    }

    /// This adapter, running.
    pub fn running(partner: Partner, dir: tempfile::TempDir) -> Self {
        let bridge = ReferenceBridge::new(NetworkId::new("birdychat").unwrap());
        Self::start(Arc::new(partner), bridge, Arc::new(dir))
    }

    fn start(partner: Arc<Partner>, bridge: ReferenceBridge, dir: Arc<tempfile::TempDir>) -> Self {
        let (running, handle) = (Arc::clone(&partner), bridge.handle());
        let run = tokio::spawn(async move { running.run(handle).await });
        Self { partner, bridge, dir, run }
    }

    /// Ends at once, with nothing put in order, and comes back on the same store.
    pub fn crashes(self) -> Self {
        self.run.abort();
        let mut config = json!({"listen": "127.0.0.1:0", "issuer": "birdychat"});
        config["jwks_file"] = json!(self.jwks());
        Self::start(Arc::new(opened(config, &self.dir)), self.bridge, self.dir)
    }

    pub fn jwks(&self) -> PathBuf {
        self.dir.path().join("jwks.json")
    }

    /// Dials, and tries the upgrade with this token.
    pub async fn dial(&self, token: &str) -> Result<App, Error> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Sec-WebSocket-Protocol", "drawbridge.partner.v1"),
        ];
        App::dial(&self.partner, "/partner/v1", &headers).await
    }

    /// A connection that has said nothing yet.
    pub async fn silent(&self) -> App {
        self.dial(&key().sign(&claims(None))).await.unwrap()
    }

    /// A connection that is welcome.
    pub async fn app(&self) -> App {
        self.app_saying(&json!({})).await
    }

    /// A connection that is welcome, with more in its `hello`.
    pub async fn app_saying(&self, more: &Value) -> App {
        let mut app = self.silent().await;
        app.says(&hello(more)).await;
        assert_eq!(app.hears().await["type"], "welcome");
        app
    }

    /// A connection that is welcome, and carol is enlisted.
    pub async fn carols_app(&self) -> App {
        let mut app = self.app().await;
        app.enlists("carol").await;
        app
    }

    pub async fn reports(&self, wanted: impl Fn(&[Connection]) -> bool) {
        let what = "the connection is reported";
        let seen = self
            .bridge
            .wait_for(PATIENCE, what, |journal| wanted(&journal.connections).then_some(()));
        seen.await.unwrap();
    }

    pub async fn crosses(&self, text: &str) -> drawbridge_adapter::Event {
        self.bridge.hears(PATIENCE, text).await.unwrap()
    }

    pub async fn stops(self) {
        self.bridge.stop();
        let ended = timeout(Duration::from_secs(10), self.run).await;
        ended.expect("run did not return in time").unwrap().unwrap();
    }
}

pub fn hello(more: &Value) -> Value {
    let mut hello = json!({"type": "hello", "versions": [1],
        "capabilities": {"kinds": {"text": "full"}, "text": {"max_bytes": 1_000_000}}});
    for (key, value) in more.as_object().unwrap() {
        hello[key] = value.clone();
    }
    hello
}

pub fn text(id: &str, body: &str) -> Value {
    json!({"type": "event", "id": id, "from": "carol", "to": "elsewhere:alice",
           "sent_at": 1_700_000_000_000_i64, "content": {"type": "text", "body": body}})
}

/// A text of alice's to carol, from another network.
pub fn delivery(key: &str, body: &str) -> Delivery {
    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let carol: UserId = "birdychat:carol".parse().unwrap();
    Delivery {
        key: key.to_owned(),
        tag: Tag::of(b"salt", &[key]),
        conversation: ConversationId::direct(&alice, &carol),
        accepted_at: Timestamp(0),
        attempt: 1,
        attached: None,
        command: Command::Message(drawbridge_adapter::Message {
            from: Party { user: alice, name: Some("Alice".to_owned()) },
            to: carol,
            content: Content::text(body),
            reply: None,
            sent_at: Timestamp(7),
            words: None,
            silent: false,
        }),
    }
}

/// What carries a WebSocket.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// One connection of the partner's app.
pub struct App {
    pub socket: WebSocketStream<Box<dyn Line>>,
}

impl App {
    pub async fn dial(
        partner: &Partner,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let address = partner.listening().await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream: Box<dyn Line> = Box::new(stream);
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let dialled = timeout(PATIENCE, client_async(request, stream)).await;
        let (socket, _) = dialled.expect("the upgrade took too long")?;
        Ok(Self { socket })
    }

    pub async fn says(&mut self, frame: &Value) {
        self.says_text(&frame.to_string()).await;
    }

    pub async fn says_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame.
    pub async fn hears(&mut self) -> Value {
        loop {
            let heard = timeout(PATIENCE, self.socket.next()).await;
            match heard.expect("the bridge said nothing") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no frame, but {other:?}"),
            }
        }
    }

    /// The code and the reason of the close, after any frames.
    pub async fn hears_close(&mut self) -> (u16, String) {
        loop {
            let heard = timeout(PATIENCE, self.socket.next()).await;
            match heard.expect("the bridge did not close") {
                Some(Ok(Message::Close(Some(close)))) => {
                    return (close.code.into(), close.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("no close, but {other:?}"),
            }
        }
    }

    pub async fn enlists(&mut self, user: &str) {
        let proof = key().sign(&claims(Some(user)));
        self.says(&json!({"type": "enlist", "user": user, "proof": proof, "name": "Carol"})).await;
        assert_eq!(self.hears().await, json!({"type": "enlisted", "user": user}));
    }

    pub async fn acks(&mut self, id: &Value) {
        self.says(&json!({"type": "ack", "ids": [id]})).await;
    }

    /// The next frame must be an error with this code, about this.
    pub async fn hears_error(&mut self, code: &str, about: Option<&str>) -> Value {
        let frame = self.hears().await;
        assert_eq!(frame["type"], "error", "{frame}");
        assert_eq!((frame["code"].as_str(), frame["about"].as_str()), (Some(code), about));
        frame
    }

    /// The next frame must be an ack of exactly these.
    pub async fn hears_ack(&mut self, ids: &[&str]) {
        let mut acked = Vec::new();
        while acked.len() < ids.len() {
            let frame = self.hears().await;
            assert_eq!(frame["type"], "ack", "{frame}");
            let some = frame["ids"].as_array().unwrap().iter();
            acked.extend(some.map(|id| id.as_str().unwrap().to_owned()));
        }
        assert_eq!(acked, ids);
    }
}

/// What is said against this file of keys.
pub fn problems(file: &str, dir: &tempfile::TempDir) -> String {
    let config = json!({"listen": "127.0.0.1:0", "issuer": "birdychat", "jwks_file": file});
    problems_of(config, dir)
}

/// What is said against this configuration.
pub fn problems_of(config: Value, dir: &tempfile::TempDir) -> String {
    let config: PartnerConfig = serde_json::from_value(config).unwrap();
    let place = Place { config_dir: dir.path().to_owned(), credentials_dir: None };
    let Err(problems) = Partner::open(config, NetworkId::new("birdychat").unwrap(), &place) else {
        panic!("it was taken");
    };
    let lines = problems.iter().map(|problem| format!("{}: {}", problem.key, problem.what));
    lines.collect::<Vec<_>>().join("\n")
}
