//! The program, told what to do, and the bridge that it talks with.
#![allow(unreachable_pub, reason = "this is a test")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use drawbridge_adapter::{
    Adapter, Command as Order, Configuration, Content, ConversationId, Delivery, Message,
    NetworkId, Party, Place, Tag, Timestamp, UserId,
};
use drawbridge_partner::{Partner, PartnerConfig};
use drawbridge_testkit::ReferenceBridge;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub const PATIENCE: Duration = Duration::from_secs(45);

/// The program, its input, and what it prints.
pub struct App {
    pub child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
}

impl App {
    pub fn start(dir: &Path, port: u16) -> Self {
        Self::run(dir, &["--url", &format!("ws://127.0.0.1:{port}/partner/v1")])
    }

    /// One that waits for a bridge that dials.
    pub fn listening(dir: &Path, port: u16) -> Self {
        let keys = dir.join("bridge.jwks.json");
        let at = format!("127.0.0.1:{port}");
        Self::run(dir, &["--listen", &at, "--bridge-keys", keys.to_str().unwrap()])
    }

    pub fn run(dir: &Path, way: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_partner-app"))
            .args(["run", "--user", "carol=Carol", "--user", "dave", "--key"])
            .arg(dir.join("birdychat.private.jwk.json"))
            .args(way)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, input, output }
    }

    pub fn does(&mut self, command: &Value) {
        writeln!(self.input, "{command}").unwrap();
    }

    pub fn says(&mut self, to: &str, body: &str) {
        let id = body.replace(' ', "-");
        self.does(&json!({"do": "send", "from": "carol", "to": to, "body": body, "id": id}));
    }

    /// The next line about this.
    pub fn saw(&self, what: &str) -> Value {
        self.line(what)["frame"].take()
    }

    /// The detail of the next line about this.
    pub fn notes(&self, what: &str) -> String {
        self.line(what)["detail"].as_str().unwrap().to_owned()
    }

    pub fn line(&self, what: &str) -> Value {
        loop {
            let line = self.output.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the app saw no {what}"));
            if line["saw"] == what {
                return line;
            }
        }
    }

    pub fn quits(mut self) {
        self.does(&json!({"do": "quit"}));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One life of the bridge's process: dropped, all of it ends at once.
pub struct Life {
    pub partner: Arc<Partner>,
    pub runtime: Runtime,
}

pub fn life(dir: &Path, port: u16, bridge: &ReferenceBridge) -> Life {
    life_as(dir, &json!({"listen": format!("127.0.0.1:{port}")}), bridge)
}

pub fn life_as(dir: &Path, way: &Value, bridge: &ReferenceBridge) -> Life {
    let config = configured(way);
    let place = Place { config_dir: dir.to_owned(), credentials_dir: None };
    let partner = Partner::open(config, bridge.handle().network().clone(), &place).unwrap();
    let (partner, runtime) = (Arc::new(partner), Runtime::new().unwrap());
    let (running, handle) = (Arc::clone(&partner), bridge.handle());
    runtime.spawn(async move { running.run(handle).await.unwrap() });
    Life { partner, runtime }
}

fn configured(way: &Value) -> PartnerConfig {
    let mut config = json!({"issuer": "birdychat", "jwks_file": "birdychat.jwks.json"});
    config.as_object_mut().unwrap().append(&mut way.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

/// How a bridge dials this app; its key is made, and handed over, as an operator does it.
pub fn dialling(dir: &Path, port: u16, bridge: &ReferenceBridge) -> Value {
    let url = format!("ws://127.0.0.1:{port}/drawbridge");
    let way = json!({"dial": url, "dial_key_file": "bridge.key.json"});
    let made = configured(&way).registration(bridge.handle().network()).unwrap();
    std::fs::write(dir.join(made.path), made.content.expose()).unwrap();
    let public = made.advice.lines().last().unwrap();
    std::fs::write(dir.join("bridge.jwks.json"), public).unwrap();
    way
}

pub fn scene() -> (tempfile::TempDir, u16, ReferenceBridge) {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_partner-app"))
        .args(["keys", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (dir, port, ReferenceBridge::new(NetworkId::new("birdychat").unwrap()))
}

pub fn message(key: &str, to: &str, body: &str) -> Delivery {
    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let to: UserId = to.parse().unwrap();
    let order = Order::Message(Message {
        from: Party { user: alice, name: Some("Alice".to_owned()) },
        to,
        content: Content::text(body),
        reply: None,
        sent_at: Timestamp(0),
        words: None,
        silent: false,
    });
    delivery(key, order)
}

pub fn delivery(key: &str, command: Order) -> Delivery {
    let (alice, carol) = ("elsewhere:alice".parse().unwrap(), "birdychat:carol".parse().unwrap());
    Delivery {
        key: key.to_owned(),
        tag: Tag::of(b"salt", &[key]),
        conversation: ConversationId::direct(&alice, &carol),
        accepted_at: Timestamp(0),
        attempt: 1,
        command,
        attached: None,
    }
}
