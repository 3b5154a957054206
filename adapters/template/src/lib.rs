//! A whole adapter, to copy: it joins the bridge to a chat server that speaks lines over TCP.
//!
//! The bridge dials. A line is words with one space between them; the text, at its end, is a JSON
//! string, so that it holds no line feed:
//!
//! ```text
//! bridge → hello THE_SECRET
//! server → welcome
//! server → message m1 text dora matrix:@alice:hs.test 1763722801000 "hi Alice"
//! bridge → answer m1 ok
//! bridge → outcome 5f0c31d2a8b4e697 m1 failed_permanent not_reachable
//! server → answer 5f0c31d2a8b4e697 ok
//! bridge → message 9b1d07c5e2f3a486 text matrix:@alice:hs.test dora 1763722802000 "hi Dora"
//! server → answer 9b1d07c5e2f3a486 ok
//! ```
//!
//! - Each `message` (id, kind, from, to, milliseconds since 1970, text), each `outcome` (id, of
//!   which message, state, code) and each `notice` (id, to, text) is answered, under its id: `ok`,
//!   or the code of a refusal.
//! - A message to `bridge` is a command to the bridge itself; a notice is what the bridge says.
//! - What was not answered is sent again on the next connection: the same, under the same id, in
//!   the same order. Who has seen an id before answers again, and shows nothing.
//! - The server has at most 128 messages unanswered. It reads while it writes, and sends a line at
//!   least every 30 seconds: `ping`, if there is nothing to say. A line is at most 512 KiB long; a
//!   longer one is left aside.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use drawbridge_adapter::{
    Adapter, AddressError, Addressing, Bridge, Capabilities, Code, Command, Configuration,
    Connection, Content, Delivered, Delivery, DeliveryError, Descriptor, Destination, Event,
    EventId, Fatal, Kind, Level, Marks, NetworkId, Party, Place, Problem, Repeats, ReplyPath,
    Secret, SecretFile, StatusNeeds, Text, TextLimits, Timestamp, UserId, async_trait, log,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, tcp::OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The longest line, in bytes: room for the longest text with every byte escaped.
const MAX_LINE: u64 = 512 * 1024;
/// How many messages of the server's may wait for an answer.
const UNANSWERED: usize = 128;
/// How long the server may take for any one thing, and after how much silence it is gone.
const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(1);
/// The pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// A chat server that speaks lines over TCP (see docs/adapter-guide.md).
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct LineConfig {
    /// Where the server listens: address and port. The connection is not encrypted, so let it be
    /// the server's own machine or a private network.
    #[schemars(example = &"127.0.0.1:7001")]
    pub server: SocketAddr,
    /// The file with the secret that the bridge shows to the server.
    #[schemars(example = &"lines.secret")]
    pub secret_file: SecretFile,
}

impl Configuration for LineConfig {
    const TYPE: &'static str = "lines";
    const DOMAINS: bool = false;

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(LineAddressing(network.clone()))
    }

    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        let secret = self.secret_file.read(place, "secret_file").map_err(|it| vec![it])?;
        let (server, addressing) = (self.server, LineAddressing(network));
        Ok(Arc::new(Lines { server, secret, addressing, link: Mutex::default() }))
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("secret_file", self.secret_file.0.clone())]
    }
}

/// Names on one line network: its own users are 1 to 64 of `a-z 0-9 . _ -`, all others have their
/// `network:id`, unless it holds what would end a word.
pub struct LineAddressing(pub NetworkId);

impl Addressing for LineAddressing {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        let (id, rule) = (id.to_ascii_lowercase(), "1 to 64 of a-z 0-9 . _ -");
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let user = UserId::new(self.0.clone(), id).ok().filter(|it| plain && it.id().len() <= 64);
        user.ok_or(AddressError::Invalid(rule))
    }

    fn domain<'a>(&self, _user: &'a UserId) -> Option<&'a str> {
        None
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        self.user_at(&foreign.to_string()).map(|user| user.to_string())
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        let ends_a_word = |c: char| c.is_whitespace() || c.is_control();
        let user = address.parse().ok().filter(|user: &UserId| *user.network() != self.0);
        user.filter(|_| !address.contains(ends_a_word)).ok_or(AddressError::NotOurs)
    }
}

/// A line with an id, and where the server's answer to it goes.
type Ask = (String, String, oneshot::Sender<String>);

/// The adapter of one line network.
pub struct Lines {
    server: SocketAddr,
    secret: Secret,
    addressing: LineAddressing,
    /// The way into the connection that is up.
    link: Mutex<Option<mpsc::Sender<Ask>>>,
}

async fn say(to: &mut OwnedWriteHalf, line: String) -> Result<()> {
    Ok(timeout(PATIENCE, to.write_all((line + "\n").as_bytes())).await??)
}

impl Lines {
    /// One connection's life; its end is an error. To stop at any `await` loses nothing, because
    /// what was not answered comes again.
    async fn connection(&self, bridge: &Bridge) -> Result<()> {
        let stream = timeout(PATIENCE, TcpStream::connect(self.server)).await??;
        stream.set_nodelay(true)?;
        let (from, mut to) = stream.into_split();
        let mut from = BufReader::new(from).take(MAX_LINE);
        say(&mut to, format!("hello {}", self.secret.expose())).await?;
        let (asks, mut asked) = mpsc::channel::<Ask>(UNANSWERED);
        let (mut line, mut cut, mut heard) = (Vec::new(), false, Instant::now());
        let (mut events, mut waiting) = (Vec::new(), HashMap::new());
        loop {
            tokio::select! {
                () = sleep_until(heard + SILENCE) => bail!("the server is silent"),
                () = sleep(PAUSE), if !events.is_empty() => {}
                Some((id, line, answer)) = asked.recv() => {
                    waiting.insert(id, answer);
                    say(&mut to, line).await?;
                }
                // If another is first, what was read of a line stays in `line`.
                read = from.read_until(b'\n', &mut line), if events.len() < UNANSWERED => {
                    let whole = line.ends_with(b"\n");
                    ensure!(read? > 0 && (whole || from.limit() == 0), "the server hung up");
                    (heard, cut) = (Instant::now(), cut || !whole);
                    from.set_limit(MAX_LINE);
                    let text = str::from_utf8(if cut { b"" } else { &line }).unwrap_or_default();
                    match *text.trim_end().splitn(7, ' ').collect::<Vec<_>>() {
                        ["welcome"] => {
                            *self.link.lock().await = Some(asks.clone());
                            bridge.report(Connection::Up);
                        }
                        ["answer", id, how] => _ = waiting.remove(id).map(|to| to.send(how.into())),
                        ["message", id, ref words @ ..] => match self.event(id, words) {
                            Some(event) => events.push(event),
                            None => say(&mut to, format!("answer {id} malformed")).await?,
                        },
                        ["ping"] => {}
                        _ => log!(log::INPUT_SKIPPED),
                    }
                    cut = !whole;
                    line.clear();
                }
            }
            // As many at once as are there. What the bridge cannot take now is tried again.
            let more = from.get_ref().buffer().contains(&b'\n') && events.len() < UNANSWERED;
            if !events.is_empty() && !more && bridge.accept(events.clone()).await.is_ok() {
                for Event { id, .. } in events.drain(..) {
                    say(&mut to, format!("answer {} ok", id.as_str())).await?;
                }
            }
        }
    }

    /// The message in these words: kind, from, to, when, text.
    fn event(&self, id: &str, words: &[&str]) -> Option<Event> {
        let [kind, from, to, sent_at, text] = words else { return None };
        let text = serde_json::from_str::<String>(text).ok()?;
        let to = if *to == "bridge" { None } else { Some(self.addressing.user_at(to).ok()?) };
        Some(Event {
            id: EventId::new(id).ok()?,
            repeats: Repeats::Always,
            sender: Party { user: self.addressing.canonical(from).ok()?, name: None },
            to: to.map_or(Destination::Bridge, Destination::Direct),
            sent_at: Timestamp(sent_at.parse().ok()?),
            content: match kind.parse() {
                Ok(Kind::Text) => Content::text(Some(text).filter(|text| !text.is_empty())?),
                kind => Content::Unsupported { kind: kind.unwrap_or(Kind::Other) },
            },
            reply: None,
            marks: Marks::default(),
            reply_path: ReplyPath::default(),
        })
    }

    async fn carry_out(&self, it: &Delivery) -> Result<Delivered, DeliveryError> {
        let open = self.link.lock().await.clone().ok_or(DeliveryError::Disconnected)?;
        let refused = |code: Code, why| DeliveryError::Refused { refusal: code.into(), why };
        let (id, quoted) = (it.key.clone(), |text: &str| serde_json::Value::from(text));
        let line = match &it.command {
            Command::Message(it) if let Content::Text(Text { body, .. }) = &it.content => {
                let from = self.addressing.address_of(&it.from.user);
                let from = from.map_err(|_| refused(Code::NotReachable, "no such name"))?;
                let (to, at, text) = (it.to.id(), it.sent_at.0, quoted(body));
                format!("message {id} text {from} {to} {at} {text}")
            }
            Command::Notice(it) => format!("notice {id} {} {}", it.to.id(), quoted(&it.text)),
            Command::Status(status) => {
                let code = status.state.refusal().map(|it| it.code.to_string()).unwrap_or_default();
                format!("outcome {id} {} {} {code}", status.event.as_str(), status.state.as_str())
            }
            // Neither other kinds than text nor anything more of people was declared.
            _ => return Err(refused(Code::Malformed, "not declared")),
        };
        let (answer, answered) = oneshot::channel();
        open.send((id.clone(), line, answer)).await.map_err(|_| DeliveryError::Disconnected)?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(word)) if word == "ok" => Ok(Delivered::under(EventId::new(id).ok())),
            Ok(Ok(code)) => Err(refused(code.parse().unwrap_or(Code::NotReachable), "server says")),
            _ => Err(DeliveryError::Unknown { why: "the server did not answer" }),
        }
    }
}

#[async_trait]
impl Adapter for Lines {
    fn describe(&self) -> Descriptor {
        let (adapter, version) = (LineConfig::TYPE, env!("CARGO_PKG_VERSION"));
        Descriptor { adapter, version, window: 64, concurrency: 16, status: StatusNeeds::default() }
    }

    fn capabilities(&self) -> Capabilities {
        let limits = TextLimits { max_bytes: 64 * 1024, controls: true };
        Capabilities::new(limits).with(Kind::Text, Level::Full)
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        let mut pause = PAUSE;
        bridge.report(Connection::Waiting);
        loop {
            tokio::select! {
                biased;
                _ = self.connection(&bridge) => {}
                () = bridge.stopping() => return Ok(()),
            }
            bridge.report(Connection::Down { why: "no connection to the server, or no welcome" });
            pause = self.link.lock().await.take().map_or(SILENCE.min(2 * pause), |_| PAUSE);
            // The jitter: not all bridges come back to a restarted server at once.
            tokio::select! {
                () = bridge.stopping() => return Ok(()),
                () = sleep(pause + Duration::from_millis(bridge.random() % 500)) => {}
            }
        }
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        let mut results = Vec::new();
        for delivery in batch {
            results.push(self.carry_out(delivery).await);
            // Nothing may overtake what must be tried again.
            let Some(Ok(_) | Err(DeliveryError::Refused { .. })) = results.last() else { break };
        }
        results
    }
}
