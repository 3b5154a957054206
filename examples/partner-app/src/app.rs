//! The app: one connection at a time, again and again.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::command::{About, Command, Sent, Small, Text, Thing, Wish};
use crate::files::{Files, Passed};
use crate::keys::Key;
use crate::line::{Arrival, Socket, Way, dial};
use crate::outbox::{Outbox, Received, What};
use crate::profile::picture;
use crate::show::Show;

/// The shortest and the longest pause before the app connects again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long connecting, or the answer to `hello`, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The close code of a connection that a newer one has replaced.
const REPLACED: u16 = 4001;

/// How many frames the bridge may send ahead of the app's acknowledgements.
const CREDIT: usize = 256;

type Commands = mpsc::Receiver<Result<Command, String>>;

/// Why a connection ended.
#[derive(PartialEq, Eq)]
enum End {
    Lost,
    Quit,
    /// Another instance of this app has taken over: coming back would only drive it out.
    Replaced,
}

/// What the bridge allows on this connection.
struct Welcome {
    session: String,
    frames: usize,
    bytes: usize,
    silence: Duration,
}

pub(crate) struct App {
    way: Way,
    /// A connection that came while there was another.
    newer: Option<Arrival>,
    /// The pause before the app dials again, and when it may.
    pause: Duration,
    not_before: Instant,
    key: Key,
    show: Show,
    outbox: Outbox,
    received: Received,
    /// Files, if the app takes any, and what came of each.
    files: Option<(Files, mpsc::Receiver<Passed>)>,
    /// Makes the ids of this run unlike those of any other.
    run: String,
    sent: u64,
    input_ended: bool,
}

impl App {
    /// An app for these users, each `user` or `user=name`.
    pub(crate) fn new(
        way: Way,
        key: Key,
        show: Show,
        files: Option<(Files, mpsc::Receiver<Passed>)>,
        users: &[String],
    ) -> Result<Self> {
        let mut outbox = Outbox::default();
        for user in users {
            let (user, name) = match user.split_once('=') {
                Some((user, name)) => (user, Some(name.to_owned())),
                None => (user.as_str(), None),
            };
            // Enlisting again is harmless, and tells the name.
            outbox.enlist(user.to_owned(), name);
        }
        let run = getrandom::u64().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        Ok(Self {
            way,
            newer: None,
            pause: PAUSES.0,
            not_before: Instant::now(),
            key,
            show,
            outbox,
            received: Received::default(),
            files,
            run: format!("{run:016x}"),
            sent: 0,
            input_ended: false,
        })
    }

    /// Stays connected, or lets the bridge do so, until told to quit.
    pub(crate) async fn run(mut self, mut commands: Commands) -> Result<()> {
        loop {
            let Some((socket, nonce)) = self.meet(&mut commands).await? else { return Ok(()) };
            let end = match self.greet(socket, nonce.as_deref()).await {
                Ok((socket, welcome)) => {
                    self.pause = PAUSES.0;
                    self.talk(socket, &welcome, &mut commands).await?
                }
                Err(error) => {
                    self.show.note("disconnected", &error.to_string());
                    End::Lost
                }
            };
            match end {
                End::Quit => return Ok(()),
                End::Replaced => anyhow::bail!("another instance of this app has taken over"),
                End::Lost => {}
            }
        }
    }

    /// The next connection, with the nonce that the bridge asks for if it has dialled; `None` if the
    /// app was told to quit.
    async fn meet(&mut self, commands: &mut Commands) -> Result<Option<(Socket, Option<String>)>> {
        loop {
            if self.newer.is_none() && self.wait(commands).await == End::Quit {
                return Ok(None);
            }
            if let Some(Arrival { socket, nonce }) = self.newer.take() {
                return Ok(Some((socket, Some(nonce))));
            }
            let Way::Dial(url) = &self.way else { anyhow::bail!("the listener has ended") };
            self.not_before = Instant::now() + jittered(self.pause)?;
            self.pause = (self.pause * 2).min(PAUSES.1);
            match timeout(PATIENCE, dial(url, &self.key)).await {
                Ok(Ok(socket)) => return Ok(Some((socket, None))),
                Ok(Err(error)) => self.show.note("disconnected", &error.to_string()),
                Err(_) => self.show.note("disconnected", "the bridge does not answer"),
            }
        }
    }

    /// Takes commands while there is no connection: for a while if it is the app that dials, else
    /// until the bridge does.
    async fn wait(&mut self, commands: &mut Commands) -> End {
        let until = self.not_before.max(Instant::now() + PAUSES.0);
        let dials = matches!(self.way, Way::Dial(_));
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until), if dials => return End::Lost,
                arrival = self.way.arrival() => {
                    self.newer = arrival;
                    return End::Lost;
                }
                command = commands.recv(), if self.takes_commands() => match self.obey(command) {
                    Do::Quit => return End::Quit,
                    Do::Raw(_) => self.show.note("problem", "not connected: what is not repeated is lost"),
                    Do::Nothing | Do::Disconnect => {}
                },
            }
        }
    }

    /// Says hello: with the partner's proof, if the bridge has dialled and asks for this nonce.
    async fn greet(
        &mut self,
        mut socket: Socket,
        nonce: Option<&str>,
    ) -> Result<(Socket, Welcome)> {
        let proof = nonce.map(|nonce| self.key.answer(nonce)).transpose()?;
        let mut hello = json!({
            "type": "hello",
            "versions": [1],
            "proof": proof,
            "capabilities": {"kinds": {"text": "full", "edit": "full", "retraction": "full",
                                       "reaction": "full", "location": "full",
                                       "contact": "full", "poll": "full", "receipt": "full",
                                       "typing": "full", "presence": "full",
                                       "profile": "full"},
                             "features": {"formatting": "full", "mention": "full",
                                          "reply": "full", "thread": "full"},
                             "text": {"max_bytes": 1_000_000},
                             "requests": true, "block_lists": true, "mutes": true,
                             "folders": true, "reports": true},
            "credit": CREDIT,
            "received": self.received.latest(),
        });
        if self.files.is_some() {
            for kind in ["image", "video", "voice", "audio", "document"] {
                hello["capabilities"]["kinds"][kind] = json!("full");
            }
        }
        let welcome = async {
            socket.send(Message::text(hello.to_string())).await?;
            self.welcomed(&mut socket).await
        };
        let welcome = timeout(PATIENCE, welcome).await.context("the bridge does not answer")??;
        Ok((socket, welcome))
    }

    async fn welcomed(&self, socket: &mut Socket) -> Result<Welcome> {
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            let kind = frame["type"].as_str().unwrap_or_default();
            self.show.frame(kind, &frame);
            if kind == "welcome" {
                return Ok(welcome(&frame));
            }
        }
        anyhow::bail!("the bridge did not welcome us")
    }

    async fn talk(
        &mut self,
        mut socket: Socket,
        welcome: &Welcome,
        commands: &mut Commands,
    ) -> Result<End> {
        self.show.note("connected", &welcome.session);
        self.outbox.restart();
        let mut deadline = Instant::now() + welcome.silence;
        loop {
            // What is due goes out together; then we listen.
            let written = async {
                while let Some(text) = self.next(welcome)? {
                    socket.feed(Message::text(text)).await?;
                }
                Ok::<_, anyhow::Error>(socket.flush().await?)
            };
            if let Err(error) = written.await {
                self.show.note("disconnected", &error.to_string());
                return Ok(End::Lost);
            }
            tokio::select! {
                message = socket.next() => {
                    deadline = Instant::now() + welcome.silence;
                    if let Some(Ok(Message::Close(close))) = message {
                        return Ok(self.closed(close, &mut socket).await);
                    }
                    if let Err(why) = self.hear(message, &mut socket).await {
                        self.show.note("disconnected", &why.to_string());
                        return Ok(End::Lost);
                    }
                }
                command = commands.recv(), if self.takes_commands() => match self.obey(command) {
                    Do::Nothing => {}
                    Do::Raw(text) => { let _ = socket.send(Message::text(text)).await; }
                    Do::Disconnect => return Ok(End::Lost),
                    Do::Quit => {
                        let _ = socket.close(None).await;
                        let rest = async { while let Some(Ok(_)) = socket.next().await {} };
                        let _ = timeout(Duration::from_secs(2), rest).await;
                        return Ok(End::Quit);
                    }
                },
                passed = passed(&mut self.files) => {
                    if let Some(text) = self.passed(passed) {
                        let _ = socket.send(Message::text(text)).await;
                    }
                }
                // It dialled again: it has lost the old connection, whether we know or not.
                arrival = self.way.arrival() => {
                    self.newer = arrival;
                    self.show.note("disconnected", "the bridge came again");
                    return Ok(End::Lost);
                }
                () = tokio::time::sleep_until(deadline) => {
                    self.show.note("disconnected", "the bridge is silent");
                    return Ok(End::Lost);
                }
            }
        }
    }

    /// A full outbox leaves the rest in the pipe, and slows down whoever writes there.
    fn takes_commands(&self) -> bool {
        !self.input_ended && self.outbox.has_room()
    }

    fn next(&mut self, welcome: &Welcome) -> Result<Option<String>> {
        self.outbox.next(&self.key, welcome.frames, welcome.bytes)
    }

    /// The bridge has said goodbye.
    async fn closed(&self, close: Option<CloseFrame>, socket: &mut Socket) -> End {
        // The library has an answer ready, and sends it with the next flush.
        let _ = timeout(Duration::from_secs(1), socket.flush()).await;
        let (code, reason) = close
            .map_or((1005, String::new()), |close| (close.code.into(), close.reason.to_string()));
        self.show.note("disconnected", &format!("the bridge closed: {code} {reason}"));
        if code == REPLACED { End::Replaced } else { End::Lost }
    }

    async fn hear(
        &mut self,
        message: Option<Result<Message, Error>>,
        socket: &mut Socket,
    ) -> Result<()> {
        let Message::Text(text) = message.context("the connection ended")?? else {
            return Ok(());
        };
        let frame: Value = serde_json::from_str(&text)?;
        let kind = frame["type"].as_str().unwrap_or_default();
        match kind {
            "ack" => frame["ids"].as_array().into_iter().flatten().for_each(|id| {
                self.outbox.taken(What::Frame, id.as_str().unwrap_or_default());
            }),
            "enlisted" | "delisted" => {
                let what = if kind == "enlisted" { What::Enlist } else { What::Delist };
                self.outbox.taken(what, frame["user"].as_str().unwrap_or_default());
            }
            "error" => self.outbox_error(&frame),
            "fetch" => {
                let has = self.files.as_mut().is_some_and(|(files, _)| files.put(&frame));
                if !has {
                    let failed = json!({"type": "fetch_failed", "id": frame["id"],
                                        "code": "expired"});
                    socket.feed(Message::text(failed.to_string())).await?;
                }
            }
            // It is acknowledged when its file is here.
            "event" if self.gets(&frame) => return Ok(()),
            // Whatever has an id is to be acknowledged.
            _ if frame["id"].is_string() => {
                let id = frame["id"].as_str().unwrap_or_default().to_owned();
                let is_new = self.received.is_new(&id);
                if kind == "status" && frame["state"] != "pending" {
                    self.is_over(frame["event"].as_str().unwrap_or_default());
                }
                if !is_new {
                    self.show.frame("repeat", &frame);
                } else if let Some(path) = self.keeps_picture(&frame).await {
                    self.show.file(kind, &frame, &path, None);
                } else {
                    self.show.frame(kind, &frame);
                }
                // A real app commits to its database here, before it acknowledges. What came
                // before is acknowledged again: the first acknowledgement was lost.
                let ack = json!({"type": "ack", "ids": [id]});
                socket.feed(Message::text(ack.to_string())).await?;
                return Ok(());
            }
            _ => {}
        }
        self.show.frame(kind, &frame);
        Ok(())
    }

    /// Keeps somebody's picture with the other files, if a profile brings one.
    async fn keeps_picture(&mut self, frame: &Value) -> Option<PathBuf> {
        let picture = picture(frame).filter(|_| frame["type"] == "profile")?;
        let (files, _) = self.files.as_mut()?;
        let kept = files.keep(&picture).await;
        kept.inspect_err(|error| self.show.note("problem", &error.to_string())).ok()
    }

    /// Begins to get the file that an event brings, if it does and is new.
    fn gets(&mut self, frame: &Value) -> bool {
        let id = frame["id"].as_str().unwrap_or_default();
        let has_file = frame["content"]["url"].is_string() && !self.received.has(id);
        let Some((files, _)) = self.files.as_mut().filter(|_| has_file) else { return false };
        files.get(frame.clone());
        true
    }

    /// What to tell the bridge of a transfer that is over.
    fn passed(&mut self, passed: Passed) -> Option<String> {
        let (frame, path, thumbnail) = match passed {
            Passed::Got { frame, path, thumbnail } => (frame, path, thumbnail),
            Passed::Problem(problem) => {
                self.show.note("problem", &problem);
                return None;
            }
        };
        let id = frame["id"].as_str().unwrap_or_default();
        if let Some((files, _)) = &mut self.files {
            files.is_got(id);
        }
        if self.received.is_new(id) {
            self.show.file("event", &frame, &path, thumbnail.as_deref());
        }
        Some(json!({"type": "ack", "ids": [id]}).to_string())
    }

    /// An event has come to its end: its file is not asked for any more.
    fn is_over(&mut self, event: &str) {
        if let Some((files, _)) = &mut self.files {
            files.is_over(event);
        }
    }

    fn outbox_error(&mut self, frame: &Value) {
        // The credit was exceeded: the connection ends, and everything is sent again.
        if frame["code"] != "rate_limited"
            && let Some(about) = frame["about"].as_str()
        {
            self.outbox.refused(about);
        }
    }

    fn obey(&mut self, command: Option<Result<Command, String>>) -> Do {
        match command {
            None => self.input_ended = true,
            Some(Err(error)) => self.show.note("problem", &error),
            Some(Ok(Command::Send(text))) => self.write(text, json!({"type": "text"})),
            Some(Ok(Command::Edit { text, of })) => {
                self.write(text, json!({"type": "edit", "of": of}));
            }
            Some(Ok(Command::Retract(About { from, to, of, id }))) => {
                self.event(id, &from, &to, &json!({"type": "retraction", "of": of}), json!({}));
            }
            Some(Ok(Command::React { about: About { from, to, of, id }, emojis })) => {
                let content = json!({"type": "reaction", "to": of, "emojis": emojis});
                self.event(id, &from, &to, &content, json!({}));
            }
            Some(Ok(Command::Location(thing))) => self.thing("location", thing),
            Some(Ok(Command::Contact(thing))) => self.thing("contact", thing),
            Some(Ok(Command::Poll(thing))) => self.thing("poll", thing),
            Some(Ok(Command::File(sent))) => {
                if let Err(error) = self.send_file(sent) {
                    self.show.note("problem", &error.to_string());
                }
            }
            // What is fleeting is said once, and not kept.
            Some(Ok(Command::Read(About { from, to, of, .. }))) => {
                let read = json!({"type": "receipt", "of": of, "from": from, "to": to,
                                  "state": "read"});
                return Do::Raw(read.to_string());
            }
            Some(Ok(Command::Typing { from, to, typing })) => {
                let typing = json!({"type": "typing", "from": from, "to": to, "typing": typing});
                return Do::Raw(typing.to_string());
            }
            Some(Ok(Command::Presence { from, to, state })) => {
                let presence = json!({"type": "presence", "from": from, "to": to, "state": state});
                return Do::Raw(presence.to_string());
            }
            Some(Ok(Command::Ask { from, text, id })) => {
                self.say(id, json!({"type": "command", "from": from, "text": text}));
            }
            Some(Ok(Command::Accept(wish))) => self.wish("accept", wish),
            Some(Ok(Command::Decline(wish))) => self.wish("decline", wish),
            Some(Ok(Command::Block(wish))) => self.wish("block", wish),
            Some(Ok(Command::Unblock(wish))) => self.wish("unblock", wish),
            Some(Ok(Command::Mute { wish: Wish { from, other, id }, duration })) => {
                let frame = json!({"type": "mute", "from": from, "other": other, "for": duration});
                self.say(id, frame);
            }
            Some(Ok(Command::Unmute(wish))) => self.wish("unmute", wish),
            Some(Ok(Command::Report { from, about, reason, messages, id })) => {
                let frame = json!({"type": "report", "from": from, "about": about,
                                   "reason": reason, "messages": messages});
                self.say(id, frame);
            }
            Some(Ok(Command::Profile(looks))) => match looks.frame() {
                Ok(frame) => self.say(looks.id, frame),
                Err(error) => self.show.note("problem", &error.to_string()),
            },
            Some(Ok(Command::Sticker { from, to, id })) => {
                let content = json!({"type": "sticker", "body": "a waving hand"});
                self.event(id, &from, &to, &content, json!({}));
            }
            Some(Ok(Command::Disappearing { text, expires_in })) => {
                let Text { from, to, body, id, .. } = text;
                let content = json!({"type": "text", "body": body});
                self.event(id, &from, &to, &content, json!({"expires_in": expires_in}));
            }
            Some(Ok(Command::Enlist { user, name })) => self.outbox.enlist(user, name),
            Some(Ok(Command::Delist { user })) => self.outbox.delist(user),
            Some(Ok(Command::SendRaw { frame })) => return Do::Raw(frame.to_string()),
            Some(Ok(Command::Disconnect)) => return Do::Disconnect,
            Some(Ok(Command::Quit)) => return Do::Quit,
        }
        Do::Nothing
    }

    /// Sends what somebody wrote. What is absent may be `null`.
    fn write(&mut self, text: Text, mut content: Value) {
        (content["body"], content["markdown"]) = (json!(text.body), json!(text.markdown));
        let more = json!({"in_reply_to": text.in_reply_to, "thread": text.thread});
        self.event(text.id, &text.from, &text.to, &content, more);
    }

    /// Sends a place, a contact card or a poll.
    fn thing(&mut self, kind: &str, thing: Thing) {
        let Thing { from, to, in_reply_to, thread, id, content } = thing;
        let mut content = Value::Object(content);
        content["type"] = json!(kind);
        let more = json!({"in_reply_to": in_reply_to, "thread": thread});
        self.event(id, &from, &to, &content, more);
    }

    /// Sends a file: where we host it, or so that the bridge asks for it.
    fn send_file(&mut self, sent: Sent) -> Result<()> {
        let Sent { path, hosted, thumbnail, mut thing } = sent;
        let (files, _) = self.files.as_mut().context("without --files there are none")?;
        let size = path.metadata().context("there is no such file")?.len();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let content = &mut thing.content;
        content.insert("size".to_owned(), json!(size));
        content.entry("name").or_insert(json!(name));
        let id = thing.id.get_or_insert_with(|| format!("{}-file-{}", self.run, self.sent)).clone();
        let mut lay = |path| {
            let at = if hosted { files.host(path)? } else { files.offer(path, &id)? };
            anyhow::Ok((if hosted { "url" } else { "file" }.to_owned(), json!(at)))
        };
        content.extend([lay(path)?]);
        if let Some(Small { path, mut said }) = thumbnail {
            said.extend([lay(path)?]);
            content.insert("thumbnail".to_owned(), Value::Object(said));
        }
        let kind = content.get("type").and_then(Value::as_str).unwrap_or("document").to_owned();
        self.thing(&kind, thing);
        Ok(())
    }

    /// Sends an event, with more in its frame.
    fn event(
        &mut self,
        id: Option<String>,
        from: &str,
        to: &str,
        content: &Value,
        mut frame: Value,
    ) {
        (frame["type"], frame["from"], frame["to"]) = (json!("event"), json!(from), json!(to));
        (frame["sent_at"], frame["content"]) = (json!(now_millis()), content.clone());
        self.say(id, frame);
    }

    fn wish(&mut self, kind: &str, Wish { from, other, id }: Wish) {
        self.say(id, json!({"type": kind, "from": from, "other": other}));
    }

    /// Sends a frame that the bridge acknowledges, under this id or a new one.
    fn say(&mut self, id: Option<String>, mut frame: Value) {
        self.sent += 1;
        let id = id.unwrap_or_else(|| format!("{}-{}", self.run, self.sent));
        frame["id"] = json!(id);
        self.show.note("sent", &id);
        self.outbox.frame(id, frame);
    }
}

/// What came of a file. Never, if the app takes none.
async fn passed(files: &mut Option<(Files, mpsc::Receiver<Passed>)>) -> Passed {
    if let Some((_, passed)) = files
        && let Some(passed) = passed.recv().await
    {
        return passed;
    }
    std::future::pending().await
}

/// What a command asks of the connection.
enum Do {
    Nothing,
    Raw(String),
    Disconnect,
    Quit,
}

fn welcome(frame: &Value) -> Welcome {
    let number = |value: &Value, otherwise: u64| value.as_u64().unwrap_or(otherwise);
    let size = |value: &Value| usize::try_from(number(value, 1)).unwrap_or(usize::MAX);
    let silence = Duration::from_secs(3 * number(&frame["ping_seconds"], 20));
    let credit = &frame["credit"];
    let session = frame["session"].as_str().unwrap_or_default().to_owned();
    Welcome { session, frames: size(&credit["frames"]), bytes: size(&credit["bytes"]), silence }
}

fn now_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Three quarters to five quarters of `pause`: so that not all apps come back at once.
fn jittered(pause: Duration) -> Result<Duration> {
    let random = getrandom::u32().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(pause.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0))
}
