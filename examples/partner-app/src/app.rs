//! The app: one connection at a time, again and again.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::command::{Command, Text};
use crate::keys::Key;
use crate::outbox::{Outbox, Received};
use crate::show::Show;

/// The shortest and the longest pause before the app connects again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long connecting, or the answer to `hello`, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The close code of a connection that a newer one has replaced.
const REPLACED: u16 = 4001;

/// How many frames the bridge may send ahead of the app's acknowledgements.
const CREDIT: usize = 256;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
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
    frames: usize,
    bytes: usize,
    silence: Duration,
}

pub(crate) struct App {
    url: String,
    key: Key,
    show: Show,
    outbox: Outbox,
    received: Received,
    /// Makes the ids of this run unlike those of any other.
    run: String,
    sent: u64,
    input_ended: bool,
}

impl App {
    /// An app for these users, each `user` or `user=name`.
    pub(crate) fn new(url: String, key: Key, show: Show, users: &[String]) -> Result<Self> {
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
            url,
            key,
            show,
            outbox,
            received: Received::default(),
            run: format!("{run:016x}"),
            sent: 0,
            input_ended: false,
        })
    }

    /// Connects, and connects again whenever the connection is lost, until told to quit.
    pub(crate) async fn run(mut self, mut commands: Commands) -> Result<()> {
        let (mut pause, longest) = PAUSES;
        loop {
            let started = Instant::now();
            let end = match timeout(PATIENCE, self.connect()).await {
                Ok(Ok((socket, welcome))) => {
                    pause = PAUSES.0;
                    self.talk(socket, &welcome, &mut commands).await?
                }
                Ok(Err(error)) => {
                    self.show.note("disconnected", &error.to_string());
                    End::Lost
                }
                Err(_) => {
                    self.show.note("disconnected", "the bridge does not answer");
                    End::Lost
                }
            };
            match end {
                End::Quit => return Ok(()),
                End::Replaced => anyhow::bail!("another instance of this app has taken over"),
                End::Lost => {}
            }
            let until = started + jittered(pause)?;
            if self.wait(until.max(Instant::now() + PAUSES.0), &mut commands).await == End::Quit {
                return Ok(());
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Takes commands while there is no connection.
    async fn wait(&mut self, until: Instant, commands: &mut Commands) -> End {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return End::Lost,
                command = commands.recv(), if self.takes_commands() => match self.obey(command) {
                    Do::Quit => return End::Quit,
                    Do::Raw(_) => self.show.note("problem", "not connected: the raw frame is lost"),
                    Do::Nothing | Do::Disconnect => {}
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<(Socket, Welcome)> {
        let mut request = self.url.as_str().into_client_request()?;
        let proof = format!("Bearer {}", self.key.proof(None)?);
        let headers = request.headers_mut();
        headers.insert("Authorization", HeaderValue::from_str(&proof)?);
        let subprotocol = HeaderValue::from_static("drawbridge.partner.v1");
        headers.insert("Sec-WebSocket-Protocol", subprotocol);
        // Without Nagle's delay: the frames are small, and somebody waits for each.
        let (mut socket, _) = connect_async_with_config(request, None, true).await?;
        let hello = json!({
            "type": "hello",
            "versions": [1],
            "capabilities": {"kinds": {"text": "full"}, "text": {"max_bytes": 1_000_000}},
            "credit": CREDIT,
            "received": self.received.latest(),
        });
        socket.send(Message::text(hello.to_string())).await?;
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            let kind = frame["type"].as_str().unwrap_or_default();
            self.show.frame(kind, &frame);
            if kind == "welcome" {
                return Ok((socket, welcome(&frame)));
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
        self.show.note("connected", &self.url);
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
                self.outbox.answered(id.as_str().unwrap_or_default());
            }),
            "enlisted" | "delisted" => {
                self.outbox.answered(frame["user"].as_str().unwrap_or_default());
            }
            "error" => self.outbox_error(&frame),
            "event" | "status" => {
                let id = frame["id"].as_str().unwrap_or_default().to_owned();
                let is_new = self.received.is_new(&id);
                self.show.frame(if is_new { kind } else { "repeat" }, &frame);
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

    fn outbox_error(&mut self, frame: &Value) {
        // The credit was exceeded: the connection ends, and everything is sent again.
        if frame["code"] != "rate_limited"
            && let Some(about) = frame["about"].as_str()
        {
            self.outbox.answered(about);
        }
    }

    fn obey(&mut self, command: Option<Result<Command, String>>) -> Do {
        match command {
            None => self.input_ended = true,
            Some(Err(error)) => self.show.note("problem", &error),
            Some(Ok(Command::Send(text))) => {
                let content = json!({"type": "text", "body": text.body});
                self.event(text.id, &text.from, &text.to, &content, None);
            }
            Some(Ok(Command::Sticker { from, to, id })) => {
                let content = json!({"type": "sticker", "body": "a waving hand"});
                self.event(id, &from, &to, &content, None);
            }
            Some(Ok(Command::Disappearing { text, expires_in })) => {
                let Text { from, to, body, id } = text;
                let content = json!({"type": "text", "body": body});
                self.event(id, &from, &to, &content, Some(expires_in));
            }
            Some(Ok(Command::Enlist { user, name })) => self.outbox.enlist(user, name),
            Some(Ok(Command::Delist { user })) => self.outbox.delist(user),
            Some(Ok(Command::SendRaw { frame })) => return Do::Raw(frame.to_string()),
            Some(Ok(Command::Disconnect)) => return Do::Disconnect,
            Some(Ok(Command::Quit)) => return Do::Quit,
        }
        Do::Nothing
    }

    fn event(
        &mut self,
        id: Option<String>,
        from: &str,
        to: &str,
        content: &Value,
        expires_in: Option<u64>,
    ) {
        self.sent += 1;
        let id = id.unwrap_or_else(|| format!("{}-{}", self.run, self.sent));
        let mut frame = json!({"type": "event", "id": id, "from": from, "to": to,
                               "sent_at": now_millis(), "content": content});
        if let Some(seconds) = expires_in {
            frame["expires_in"] = json!(seconds);
        }
        self.show.note("sent", &id);
        self.outbox.event(id, frame);
    }
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
    Welcome { frames: size(&credit["frames"]), bytes: size(&credit["bytes"]), silence }
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
