//! The conformance suite's peer: a user of the partner's app, over a real WebSocket.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "shared by two test binaries; a test fails by panicking"
)]

mod chat;
mod files;
mod things;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use drawbridge_adapter::{Code, Kind, MuteFor, NetworkId, UserId, async_trait};
use drawbridge_partner::{Partner, PartnerAddressing};
use drawbridge_testkit::{Deed, Heard, Peer, Scene, Sight, Tried};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use self::chat::{Chat, looks};
use self::files::Shelf;
use crate::common::{App, Line, claims, hello, key};

/// How the app and the bridge come together.
#[async_trait]
pub trait Way: Send + Sync {
    /// A connection on which `hello` was not said yet, and what else must stand in it. `proof` is
    /// the partner proof, where it is not the bridge that asks for one.
    async fn meet(&mut self, proof: &str) -> Result<(App, Value)>;

    /// From now on the app is away.
    async fn leave(&mut self) {}
}

/// What cannot be played with dave.
pub const SKIPS: [(&str, &str); 1] =
    [("access", "the bridge needs nobody's login: the app does what it is told")];

/// Dave, with an adapter to talk to.
pub fn scene(
    partner: Arc<Partner>,
    dir: tempfile::TempDir,
    way: impl Way + 'static,
) -> Result<Scene> {
    let network = NetworkId::new("birdychat")?;
    let proofs = [key().sign(&claims(None)), key().sign(&claims(Some("dave")))];
    let (got, inbox) = mpsc::unbounded_channel();
    let dave = Dave {
        way: Box::new(way),
        shelf: Arc::new(Shelf::new(Arc::clone(&partner))),
        proofs: proofs.clone(),
        line: None,
        got,
        inbox,
        latest: Value::Null,
        said: Vec::new(),
        acked: Arc::default(),
        shown: HashSet::new(),
        codes: Vec::new(),
        messages: Vec::new(),
        chat: Chat::default(),
        told: Vec::new(),
        requests: Vec::new(),
        blocked: HashSet::new(),
        muted: HashSet::new(),
        folder: (String::new(), Vec::new()),
        reports: Vec::new(),
    };
    Ok(Scene {
        addressing: Arc::new(PartnerAddressing::new(network.clone())),
        nobody: Some(UserId::new(network.clone(), "nobody")?),
        network,
        adapter: partner,
        peer: Box::new(dave),
        log_target: "drawbridge_partner",
        secrets: proofs.to_vec(),
        props: Box::new(dir),
    })
}

type Sink = Arc<tokio::sync::Mutex<SplitSink<WebSocketStream<Box<dyn Line>>, Message>>>;

/// A user of the partner's app, and the app.
struct Dave {
    way: Box<dyn Way>,
    /// Files that dave offers, and those that he got.
    shelf: Arc<Shelf>,
    /// The partner proof, and dave's own: what no log may show.
    proofs: [String; 2],
    line: Option<(Sink, JoinHandle<()>)>,
    got: mpsc::UnboundedSender<Value>,
    inbox: mpsc::UnboundedReceiver<Value>,
    latest: Value,
    said: Vec<(String, String)>,
    acked: Arc<Mutex<HashSet<String>>>,
    shown: HashSet<String>,
    codes: Vec<(String, Code)>,
    /// What dave has not heard yet, each with its id.
    messages: Vec<(String, Heard)>,
    chat: Chat,
    /// What the bridge itself said.
    told: Vec<String>,
    /// Who wants to write.
    requests: Vec<String>,
    /// Dave's list of blocked people.
    blocked: HashSet<String>,
    /// The chats that make no noise for dave.
    muted: HashSet<String>,
    /// Dave's folder, and the networks whose chats stand in it.
    folder: (String, Vec<String>),
    /// What the app's moderators were told of dave: ids of messages.
    reports: Vec<Vec<String>>,
}

impl Dave {
    async fn meet(&mut self) -> Result<()> {
        let [partner, user] = &self.proofs;
        let (mut app, mut more) = self.way.meet(partner).await?;
        let kinds = [
            "text",
            "edit",
            "retraction",
            "reaction",
            "location",
            "contact",
            "poll",
            "receipt",
            "typing",
            "presence",
            "profile",
            "image",
            "video",
            "voice",
            "audio",
            "document",
        ];
        let kinds: Map<String, Value> =
            kinds.map(|one| (one.to_owned(), json!("full"))).into_iter().collect();
        let features =
            json!({"formatting": "full", "mention": "full", "reply": "full", "thread": "full"});
        more["capabilities"] = json!({"kinds": kinds, "features": features,
                                      "text": {"max_bytes": 1_000_000},
                                      "requests": true, "block_lists": true, "mutes": true,
                                      "folders": true, "reports": true});
        app.says(&hello(&more)).await;
        app.hears().await;
        app.says(&json!({"type": "enlist", "user": "dave", "proof": user})).await;
        app.hears().await;
        let (sink, mut stream) = app.socket.split();
        let sink: Sink = Arc::new(tokio::sync::Mutex::new(sink));
        let (got, answers, acked) = (self.got.clone(), Arc::clone(&sink), Arc::clone(&self.acked));
        let files = Arc::clone(&self.shelf);
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Text(text) = message else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                if let Some(ids) = frame["ids"].as_array() {
                    let ids = ids.iter().filter_map(|id| id.as_str().map(str::to_owned));
                    acked.lock().expect("no panic").extend(ids);
                    continue;
                }
                if frame["id"].is_null() {
                    if got.send(frame).is_err() {
                        return;
                    }
                    continue;
                }
                if frame["type"] == "fetch" {
                    let files = Arc::clone(&files);
                    tokio::spawn(async move { files.puts(&frame).await });
                    continue;
                }
                files.gets(&frame).await;
                let ack = json!({"type": "ack", "ids": [frame["id"]]}).to_string();
                if got.send(frame).is_err()
                    || answers.lock().await.send(Message::text(ack)).await.is_err()
                {
                    return;
                }
            }
        });
        self.line = Some((sink, reading));
        Ok(())
    }

    async fn send(&mut self, frame: Value) -> Result<()> {
        let (sink, _) = self.line.as_ref().context("dave is not connected")?;
        sink.lock().await.send(Message::text(frame.to_string())).await?;
        self.latest = frame;
        Ok(())
    }

    fn event(&self, to: &str, content: &Value) -> Value {
        json!({"type": "event", "id": self.new_id(), "from": "dave", "to": to, "sent_at": 1,
               "content": content})
    }

    fn new_id(&self) -> String {
        format!("dave-{}", self.said.len())
    }

    /// What dave wants of somebody.
    async fn wants(&mut self, what: &str, other: &str) -> Result<Tried> {
        self.does_to(json!({"type": what, "other": other})).await
    }

    async fn does_to(&mut self, mut frame: Value) -> Result<Tried> {
        frame["from"] = json!("dave");
        self.does_so(frame).await
    }

    async fn does_so(&mut self, mut frame: Value) -> Result<Tried> {
        let id = self.new_id();
        frame["id"] = json!(id);
        self.said.push((id, String::new()));
        self.send(frame).await?;
        Ok(Tried::Done)
    }

    /// Sorts the next frame into messages and outcomes.
    async fn next(&mut self) -> Result<()> {
        let frame = self.inbox.recv().await.context("the line is dead")?;
        let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
        match text("type").as_str() {
            "event" if self.shown.insert(text("id")) => {
                if let Some(file) = self.shelf.got(&frame) {
                    self.chat.files.push(file);
                } else if let Some(body) = self.chat.shows(&frame) {
                    self.messages.push((text("id"), Heard { from: text("from"), text: body }));
                }
            }
            "status" if frame["code"].is_string() => {
                let code = text("code").parse().map_err(anyhow::Error::msg)?;
                self.codes.push((text("event"), code));
            }
            "notice" if self.shown.insert(text("id")) => self.told.push(text("text")),
            "report" if self.shown.insert(text("id")) => {
                self.reports.push(texts(&frame["messages"]));
            }
            "event" | "status" | "notice" | "report" => {}
            "receipt" | "typing" | "presence" => self.chat.passes(&frame),
            "profile" => self.chat.meets(&frame),
            "request" => self.requests.push(text("from")),
            "request_over" => self.requests.retain(|from| *from != text("from")),
            "block" => _ = self.blocked.insert(text("other")),
            "unblock" => _ = self.blocked.remove(&text("other")),
            "mute" => _ = self.muted.insert(text("other")),
            "unmute" => _ = self.muted.remove(&text("other")),
            "inbox" => self.folder = (text("name"), texts(&frame["networks"])),
            _ => bail!("an unexpected frame: {frame}"),
        }
        Ok(())
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

#[async_trait]
impl Peer for Dave {
    fn user(&self) -> UserId {
        "birdychat:dave".parse().expect("a user")
    }

    async fn joins(&mut self) -> Result<()> {
        self.meet().await
    }

    async fn says(&mut self, to: &str, text: &str) -> Result<()> {
        let frame = self.event(to, &json!({"type": "text", "body": text}));
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        self.chat.said.clone_from(&id);
        self.said.push((id, text.to_owned()));
        self.send(frame).await
    }

    async fn hears(&mut self) -> Result<Heard> {
        while self.messages.is_empty() {
            self.next().await?;
        }
        let (id, heard) = self.messages.remove(0);
        self.chat.heard = id;
        Ok(heard)
    }

    async fn is_told(&mut self) -> Result<String> {
        while self.told.is_empty() {
            self.next().await?;
        }
        Ok(self.told.remove(0))
    }

    async fn learns(&mut self) -> Result<Code> {
        let event = self.latest["id"].as_str().unwrap_or_default().to_owned();
        loop {
            if let Some((_, code)) = self.codes.iter().find(|(known, _)| *known == event) {
                return Ok(*code);
            }
            self.next().await?;
        }
    }

    async fn says_again(&mut self) -> Result<Tried> {
        let latest = self.latest.clone();
        self.send(latest).await?;
        Ok(Tried::Done)
    }

    async fn does(&mut self, to: &str, kind: Kind) -> Result<Tried> {
        let mut frame = self.event(to, &json!({"type": "text", "body": "a text beside it"}));
        match kind {
            Kind::Disappearing => frame["expires_in"] = json!(60),
            Kind::Sticker => frame["content"]["sticker"] = json!({"pack": "waves"}),
            other => frame["content"]["type"] = json!(other.as_str()),
        }
        self.said.push((frame["id"].as_str().unwrap_or_default().to_owned(), String::new()));
        self.send(frame).await?;
        Ok(Tried::Done)
    }

    async fn performs(&mut self, to: &str, deed: &Deed) -> Result<Tried> {
        if let Some(frame) = self.chat.passing(to, deed) {
            self.send(frame).await?;
            return Ok(Tried::Done);
        }
        if let Some(frame) = looks(deed) {
            return self.does_so(frame).await;
        }
        let content = match deed {
            Deed::SendsFile(sample) => self.shelf.offers(sample),
            other => self.chat.content(other),
        };
        let mut frame = self.event(to, &content);
        self.chat.add_to(&mut frame, deed);
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        if let Deed::SaysBold(_) | Deed::Replies(_) | Deed::Threads(_) = deed {
            self.chat.said.clone_from(&id);
        }
        self.said.push((id, String::new()));
        self.send(frame).await?;
        Ok(Tried::Done)
    }

    async fn is_shown(&mut self, from: &str, sight: &Sight) -> Result<Tried> {
        while !self.chat.is_shown(from, sight) {
            self.next().await?;
        }
        Ok(Tried::Done)
    }

    async fn asks_bridge(&mut self, text: &str) -> Result<Tried> {
        let id = self.new_id();
        let frame = json!({"type": "command", "id": id, "from": "dave", "text": text});
        self.said.push((id, text.to_owned()));
        self.send(frame).await?;
        Ok(Tried::Done)
    }

    async fn answers_request(&mut self, from: &str, accepts: bool) -> Result<Tried> {
        while !self.requests.iter().any(|one| one == from) {
            self.next().await?;
        }
        self.wants(if accepts { "accept" } else { "decline" }, from).await
    }

    async fn blocks(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        self.wants(if blocked { "block" } else { "unblock" }, address).await
    }

    async fn sees_block(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        while self.blocked.contains(address) != blocked {
            self.next().await?;
        }
        Ok(Tried::Done)
    }

    async fn mutes(&mut self, address: &str, muted: Option<MuteFor>) -> Result<Tried> {
        let Some(length) = muted else { return self.wants("unmute", address).await };
        self.does_to(json!({"type": "mute", "other": address, "for": length.as_str()})).await
    }

    async fn sees_mute(&mut self, address: &str, muted: bool) -> Result<Tried> {
        while self.muted.contains(address) != muted {
            self.next().await?;
        }
        Ok(Tried::Done)
    }

    async fn sees_in_folder(&mut self, folder: &str, address: &str, inside: bool) -> Result<Tried> {
        let network = address.split(':').next().unwrap_or_default();
        while (self.folder.0 == folder && self.folder.1.iter().any(|one| one == network)) != inside
        {
            self.next().await?;
        }
        Ok(Tried::Done)
    }

    async fn is_reported(&mut self) -> Result<Option<Vec<String>>> {
        while self.reports.is_empty() {
            self.next().await?;
        }
        let said = |id: &String| {
            let found = self.said.iter().find(|(known, _)| known == id);
            found.map_or_else(|| id.clone(), |(_, text)| text.clone())
        };
        let texts = self.reports[0].iter().map(said).collect();
        self.reports.remove(0);
        Ok(Some(texts))
    }

    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        let acked = self.acked.lock().expect("no panic").clone();
        let taken = self.said.iter().filter(|(id, _)| acked.contains(id));
        Ok(Some(taken.map(|(_, text)| text.clone()).collect()))
    }

    async fn files_fetched(&mut self) -> Result<Option<usize>> {
        Ok(Some(self.shelf.fetched()))
    }

    async fn files_shown(&mut self) -> Result<Option<usize>> {
        Ok(Some(self.chat.files.len()))
    }

    async fn network_goes_away(&mut self) -> Result<Tried> {
        self.way.leave().await;
        if let Some((_sink, reading)) = self.line.take() {
            reading.abort();
            // Until it has ended it may still acknowledge.
            let _ = reading.await;
        }
        Ok(Tried::Done)
    }

    async fn network_comes_back(&mut self) -> Result<()> {
        self.meet().await
    }
}
