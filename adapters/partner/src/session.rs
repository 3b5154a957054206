//! One connection of the app's, from `hello` to the close.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Bridge, Connection, Passing, log};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::adapter::{Claim, Shared};
use crate::complaints::Complaints;
use crate::frame::{ErrorCode, ErrorFrame, FromBridge, Hello, MAX_FRAME};
use crate::hello::{PartnerProof, effective, first, turn_away, welcome};
use crate::intake::{Intake, Job, Open, What};
use crate::link::{Link, Out};
use crate::log::{SESSION_ENDED, SESSION_OPENED};
use crate::outward::Shows;
use crate::read::{self, Frame};
use crate::trickle::Trickle;

/// How long `hello` may take.
pub(crate) const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// How long a newcomer waits for the connection that it replaces.
const FLOOR_WITHIN: Duration = Duration::from_secs(10);

/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// How long what was read may take to be handed over, when the connection ends.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);

/// How long the app may take to answer a close.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long the last frames may take to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// How many pings may stay without any sign of life.
const MAX_SILENCE: u32 = 2;

/// How many frames wait for the writing side.
const OUT: usize = 256;

/// What carries a WebSocket: TCP, with or without TLS.
pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Line>>;

/// The bounds of a WebSocket, whoever dialled.
pub(crate) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        .read_buffer_size(64 * 1024)
        .write_buffer_size(64 * 1024)
}

/// A connection that never carried anything: why, and in which words the app was told.
pub(crate) struct TurnedAway {
    pub(crate) end: End,
    pub(crate) message: Option<&'static str>,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The app closed it.
    Closed,
    /// It broke.
    Lost,
    /// The bridge stops.
    Stopping,
    /// Another connection took over.
    Replaced,
    /// Nothing was heard for too long.
    Silent,
    /// What the app sends is no longer handed over, though nobody asked for that.
    Failed,
    NotUtf8,
    TooLarge,
    Binary,
    TooManyErrors,
    CreditExceeded,
    NoHello,
    NoProof,
}

impl End {
    /// The close code and the reason that the app is told; `None` if there is nobody to tell.
    pub(crate) fn close(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Closed | Self::Lost => return None,
            Self::Stopping => (1001, "stopping"),
            Self::Binary => (1003, "binary_frame"),
            Self::NotUtf8 => (1007, "not_utf8"),
            Self::TooLarge => (1009, "frame_too_large"),
            Self::Failed => (1011, "failed"),
            Self::NoHello => (4000, "bad_hello"),
            Self::Replaced => (4001, "replaced"),
            Self::TooManyErrors => (4002, "too_many_errors"),
            Self::CreditExceeded => (4003, "credit_exceeded"),
            Self::Silent => (4004, "ping_timeout"),
            Self::NoProof => (4005, "proof_invalid"),
        })
    }

    /// Whether the WebSocket can still be read after this.
    pub(crate) fn is_readable(self) -> bool {
        !matches!(self, Self::Closed | Self::Lost | Self::NotUtf8 | Self::TooLarge)
    }

    fn connection(self) -> Connection {
        match self {
            Self::Closed | Self::Stopping | Self::Replaced => Connection::Waiting,
            Self::Silent => Connection::Down { why: "the partner's app does not answer" },
            Self::Lost => Connection::Down { why: "the connection of the partner's app broke" },
            Self::Failed => Connection::Down { why: "handing over the app's events failed" },
            _ => Connection::Down { why: "the partner's app broke the protocol" },
        }
    }
}

/// Serves one upgraded connection to its end.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    bridge: &Bridge,
    mut socket: Socket,
    proof: &PartnerProof,
    stop: &CancellationToken,
) -> Result<(), TurnedAway> {
    let hello = tokio::select! {
        () = stop.cancelled() => Err((None, End::Stopping)),
        hello = timeout(HELLO_WITHIN, first(shared, bridge, &mut socket, proof)) => {
            hello.unwrap_or(Err((None, End::NoHello)))
        }
    };
    let hello = match hello {
        Ok(hello) => hello,
        Err((error, end)) => {
            if let Some(error) = &error {
                error.log(bridge);
            }
            let message = error.as_ref().map(|error| error.message);
            turn_away(socket, error, end).await;
            return Err(TurnedAway { end, message });
        }
    };
    let claim = shared.claim();
    let floor = tokio::select! {
        () = stop.cancelled() => Err(End::Stopping),
        () = claim.replaced.cancelled() => Err(End::Replaced),
        floor = timeout(FLOOR_WITHIN, Arc::clone(&shared.floor).lock_owned()) => {
            floor.map_err(|_| End::Replaced)
        }
    };
    match floor {
        Ok(floor) => {
            Session::start(shared, bridge, socket, hello, claim).run(stop, floor).await;
            Ok(())
        }
        Err(end) => {
            turn_away(socket, None, end).await;
            Err(TurnedAway { end, message: None })
        }
    }
}

/// A connection that holds the floor.
struct Session {
    shared: Arc<Shared>,
    bridge: Bridge,
    name: String,
    incoming: SplitStream<Socket>,
    out: mpsc::Sender<Out>,
    link: Arc<Link>,
    jobs: mpsc::UnboundedSender<Job>,
    open: Arc<Open>,
    claim: Claim,
    closing: CancellationToken,
    gone: CancellationToken,
    /// Nothing is handed over any more.
    untaken: CancellationToken,
    writing: AbortOnDropHandle<SplitSink<Socket, Message>>,
    taking: AbortOnDropHandle<()>,
    complaints: Complaints,
    fleeting: Trickle,
    silence: u32,
}

impl Session {
    fn start(
        shared: &Arc<Shared>,
        bridge: &Bridge,
        socket: Socket,
        hello: Hello,
        claim: Claim,
    ) -> Self {
        let (sink, incoming) = socket.split();
        let (out, to_write) = mpsc::channel(OUT);
        let (jobs, to_take) = mpsc::unbounded_channel();
        let (closing, gone) = (CancellationToken::new(), CancellationToken::new());
        let untaken = CancellationToken::new();
        let ended = untaken.clone().drop_guard();
        let open = Arc::new(Open::default());
        let effective = effective(shared, &hello);
        let shows = Shows(effective.clone());
        let name = format!("{:016x}", bridge.random());
        let welcome = welcome(shared, bridge, &name, effective);
        // The channel is new: there is room.
        let _ = out.try_send(Out::Frame(FromBridge::Welcome(welcome)));
        let link =
            Arc::new(Link::new(hello, shows, shared.addressing.clone(), out.clone(), gone.clone()));
        let intake = Intake {
            shared: Arc::clone(shared),
            bridge: bridge.clone(),
            out: out.clone(),
            open: Arc::clone(&open),
            closing: closing.clone(),
        };
        Self {
            shared: Arc::clone(shared),
            bridge: bridge.clone(),
            name,
            incoming,
            complaints: Complaints::new(out.clone()),
            out,
            link,
            jobs,
            open,
            claim,
            closing,
            writing: AbortOnDropHandle::new(tokio::spawn(write(sink, to_write, gone.clone()))),
            taking: AbortOnDropHandle::new(tokio::spawn(intake.run(to_take, ended))),
            gone,
            untaken,
            fleeting: Trickle::default(),
            silence: 0,
        }
    }

    async fn run<F>(mut self, stop: &CancellationToken, floor: F) {
        self.shared.install(&self.link);
        self.bridge.report(Connection::Up);
        log!(SESSION_OPENED, session = self.name);
        let end = self.read_on(stop).await;
        self.shared.uninstall(&self.link);
        self.finish(end, floor).await;
    }

    async fn read_on(&mut self, stop: &CancellationToken) -> End {
        let mut beat = tokio::time::interval(self.shared.ping);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.reset();
        loop {
            let end = tokio::select! {
                biased;
                () = stop.cancelled() => Some(End::Stopping),
                () = self.claim.replaced.cancelled() => Some(End::Replaced),
                () = self.gone.cancelled() => Some(End::Lost),
                () = self.untaken.cancelled() => Some(End::Failed),
                _ = beat.tick() => self.beat(),
                () = self.complaints.told() => None,
                message = self.incoming.next() => self.hear(message),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn beat(&mut self) -> Option<End> {
        if self.silence >= MAX_SILENCE {
            return Some(End::Silent);
        }
        self.silence += 1;
        // No room means that much is being written: the app is heard by that.
        let _ = self.out.try_send(Out::Ping);
        None
    }

    fn hear(&mut self, message: Option<Result<Message, Error>>) -> Option<End> {
        self.silence = 0;
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Some(End::Binary),
            Some(Ok(Message::Close(_))) => return Some(End::Closed),
            Some(Ok(_)) => return None,
            Some(Err(error)) => return Some(end_of(&error)),
            None => return Some(End::Lost),
        };
        match read::read(&text, &self.shared.addressing) {
            Ok(Frame::Ack(ids)) => self.link.acknowledged(ids),
            Ok(Frame::Refuse { id, refusal }) => self.link.answered(id, Err(refusal)),
            Ok(Frame::FetchFailed { id, refusal }) => self.link.has_no_file(&id, refusal),
            Ok(Frame::Passing(passing)) => self.pass(passing),
            Ok(Frame::Event(event)) => return self.take(What::Event(event), text.len()),
            Ok(Frame::Gesture(wish)) => return self.take(What::Gesture(wish), text.len()),
            Ok(Frame::Profile(looks)) => return self.take(What::Profile(looks), text.len()),
            Ok(Frame::Enlist(enlist)) => return self.take(What::Enlist(enlist), text.len()),
            Ok(Frame::Delist(delist)) => return self.take(What::Delist(delist), text.len()),
            Ok(Frame::Hello(_)) => {
                let message = "hello was said already";
                let code = ErrorCode::Malformed;
                return self.complain(ErrorFrame { code, about: None, place: None, message });
            }
            Err(malformed) => return self.complain(malformed.into()),
        }
        None
    }

    /// Hands over something fleeting, unless there is too much of it.
    fn pass(&mut self, passing: Passing) {
        let by = match &passing {
            Passing::Receipt(receipt) => &receipt.by,
            Passing::Typing(typing) => &typing.by,
            Passing::Presence(presence) => &presence.by,
            _ => return,
        };
        if self.shared.users.contains(by.id()) && self.fleeting.take() {
            self.bridge.pass(passing);
        }
    }

    fn take(&mut self, what: What, bytes: usize) -> Option<End> {
        if self.open.take(bytes, self.shared.credit) {
            // Fails only when nothing is handed over any more: the app sends it again.
            return self.jobs.send(Job { what, bytes }).err().map(|_| End::Failed);
        }
        let about = Some(match what {
            What::Event(event) => event.id.as_str().to_owned(),
            What::Gesture(wish) => wish.id,
            What::Profile(looks) => looks.id,
            What::Enlist(enlist) => enlist.user,
            What::Delist(delist) => delist.user,
        });
        let message = "more is unanswered than the credit allows";
        let error = ErrorFrame { code: ErrorCode::RateLimited, about, place: None, message };
        error.log(&self.bridge);
        let _ = self.out.try_send(Out::Frame(FromBridge::Error(error)));
        Some(End::CreditExceeded)
    }

    fn complain(&mut self, error: ErrorFrame) -> Option<End> {
        error.log(&self.bridge);
        self.complaints.add(error)
    }

    /// Hands over what was read, says goodbye, and lets the next one in.
    async fn finish<F>(self, end: End, floor: F) {
        let Self { shared, bridge, link, mut incoming, out, claim, gone, .. } = self;
        self.closing.cancel();
        drop(self.jobs);
        let mut taking = self.taking;
        if timeout(DRAIN_WITHIN, &mut taking).await.is_err() {
            // Cancel-safe: what was not acknowledged comes again.
            taking.abort();
            let _ = taking.await;
        }
        let (code, reason) = end.close().unwrap_or((1000, ""));
        let told = timeout(WRITTEN_WITHIN, out.send(Out::Close(code, reason))).await;
        if shared.is_next(&claim) && end != End::Stopping {
            bridge.report(end.connection());
        }
        log!(SESSION_ENDED, session = self.name, ?end);
        drop(floor);
        if matches!(told, Ok(Ok(()))) && end.is_readable() {
            let answers = async {
                while let Some(Ok(message)) = incoming.next().await {
                    late(&shared, &link, &message);
                }
            };
            let _ = timeout(CLOSE_WITHIN, answers).await;
        }
        let mut writing = self.writing;
        let written = timeout(WRITTEN_WITHIN, &mut writing).await;
        gone.cancel();
        let Ok(Ok(sink)) = written else {
            writing.abort();
            return;
        };
        if matches!(end, End::NotUtf8 | End::TooLarge)
            && let Ok(mut socket) = sink.reunite(incoming)
        {
            let _ = timeout(CLOSE_WITHIN, drain(socket.get_mut())).await;
        }
    }
}

/// After the close only answers still count.
fn late(shared: &Shared, link: &Link, message: &Message) {
    let Message::Text(text) = message else { return };
    match read::read(text, &shared.addressing) {
        Ok(Frame::Ack(ids)) => link.acknowledged(ids),
        Ok(Frame::Refuse { id, refusal }) => link.answered(id, Err(refusal)),
        _ => {}
    }
}

/// Writes what it is told to, until a close or a failure.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut out: mpsc::Receiver<Out>,
    gone: CancellationToken,
) -> SplitSink<Socket, Message> {
    let mut more = Vec::new();
    'writing: loop {
        let got = tokio::select! {
            got = out.recv_many(&mut more, OUT) => got,
            () = gone.cancelled() => 0,
        };
        if got == 0 {
            break;
        }
        for what in more.drain(..) {
            let (message, is_last) = match what {
                Out::Frame(frame) => (text(&frame), false),
                Out::Ping => (Message::Ping(Vec::new().into()), false),
                Out::Close(code, reason) => (Message::Close(Some(close_frame(code, reason))), true),
            };
            let fed = timeout(WRITE_WITHIN, sink.feed(message)).await;
            if !matches!(fed, Ok(Ok(()))) {
                gone.cancel();
                break 'writing;
            }
            if is_last {
                let _ = timeout(WRITE_WITHIN, sink.flush()).await;
                break 'writing;
            }
        }
        if !matches!(timeout(WRITE_WITHIN, sink.flush()).await, Ok(Ok(()))) {
            gone.cancel();
            break;
        }
    }
    sink
}

/// Reads and forgets: a close frame is lost if the socket is dropped with bytes unread.
pub(crate) async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

pub(crate) fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooLarge,
        Error::Utf8(_) => End::NotUtf8,
        _ => End::Lost,
    }
}

pub(crate) fn text(frame: &FromBridge) -> Message {
    // Plain data with text keys: it always serializes.
    Message::text(serde_json::to_string(frame).unwrap_or_default())
}

pub(crate) fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code: code.into(), reason: reason.into() }
}
