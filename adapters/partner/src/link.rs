//! The way to the app: what is on it, unacknowledged, on one connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Code, Delivered, Delivery, DeliveryError, EventId, Incoming, Refusal, Signal, log,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::PartnerAddressing;
use crate::files::{Files, Offer};
use crate::frame::{FetchFrame, FromBridge, Hello, MAX_IDS};
use crate::outward::Shows;

/// How long a frame may wait for its `ack`.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the app may read nothing of a file and not acknowledge it either, and how long it may take
/// to hand over one of its own.
const IDLE: Duration = Duration::from_mins(1);

/// How often the app may read the files of a delivery, and how many bytes besides, until what it reads
/// counts no more: else one that reads the same for ever would hold the delivery for ever.
const READINGS: u64 = 4;
const READ_BESIDES: u64 = 1024 * 1024;

/// What the writing side of a connection is told to do.
pub(crate) enum Out {
    /// Send a frame.
    Frame(FromBridge),
    /// Send a WebSocket ping.
    Ping,
    /// Send this close code and reason, and nothing more.
    Close(u16, &'static str),
}

/// One connection, as [`crate::Partner`]'s `deliver` sees it.
pub(crate) struct Link {
    out: mpsc::Sender<Out>,
    /// The app's credit: a permit for each frame it has not acknowledged.
    credit: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    /// The files of the app's that the bridge wants, by the ids of its frames.
    fetches: Mutex<HashMap<String, oneshot::Sender<Refusal>>>,
    /// The connection is over: nothing more will be answered.
    gone: CancellationToken,
    shows: Shows,
    addressing: PartnerAddressing,
}

#[derive(Default)]
struct Waiting {
    unanswered: HashMap<String, Unanswered>,
    /// Frames that the app has for sure: from `hello`, or acknowledged too late.
    received: HashSet<String>,
}

impl Waiting {
    /// Keeps in mind that the app has this.
    fn keep(&mut self, id: String) {
        if self.received.len() < 2 * MAX_IDS {
            self.received.insert(id);
        }
    }
}

struct Unanswered {
    answer: oneshot::Sender<Result<(), Refusal>>,
    _credit: OwnedSemaphorePermit,
}

/// How far one delivery has come.
enum Step {
    Failed(DeliveryError),
    /// The app has no use for it.
    Needless,
    /// The app has it from an earlier try.
    Received(String),
    /// The app may get the files until this is over.
    Sent(String, oneshot::Receiver<Result<(), Refusal>>, Option<Box<Offer>>),
}

impl Link {
    /// A link as `hello` wants it, to an app that shows this.
    pub(crate) fn new(
        hello: Hello,
        shows: Shows,
        addressing: PartnerAddressing,
        out: mpsc::Sender<Out>,
        gone: CancellationToken,
    ) -> Self {
        let received = hello.received.into_iter().collect();
        Self {
            out,
            credit: Arc::new(Semaphore::new(hello.credit)),
            waiting: Mutex::new(Waiting { unanswered: HashMap::new(), received }),
            fetches: Mutex::default(),
            gone,
            shows,
            addressing,
        }
    }

    /// Sends something fleeting, if there is much room: it is in nobody's way. Whether there was.
    pub(crate) fn signal(&self, signal: &Signal, is_enlisted: impl Fn(&str) -> bool) -> bool {
        let frame = self.shows.fleeting(signal, is_enlisted);
        frame.is_none_or(|frame| {
            let much = self.out.capacity() >= self.out.max_capacity() / 2;
            much && self.out.try_send(Out::Frame(frame)).is_ok()
        })
    }

    /// The app has these.
    pub(crate) fn acknowledged(&self, ids: Vec<String>) {
        for id in ids {
            self.answered(id, Ok(()));
        }
    }

    /// The app has answered. What was not asked is not heard.
    pub(crate) fn answered(&self, id: String, answer: Result<(), Refusal>) {
        let mut waiting = self.waiting();
        let Some(unanswered) = waiting.unanswered.remove(&id) else { return };
        let late = unanswered.answer.send(answer).is_err();
        if late && answer.is_ok() {
            waiting.keep(id);
        }
    }

    /// The largest file that the app takes, in bytes.
    pub(crate) fn max_media(&self) -> Option<u64> {
        self.shows.max_media()
    }

    /// The app cannot hand this file over. What was not asked is not heard.
    pub(crate) fn has_no_file(&self, id: &str, refusal: Refusal) {
        if let Some(asked) = self.fetches().remove(id) {
            let _ = asked.send(refusal);
        }
    }

    /// See [`drawbridge_adapter::Adapter::open`].
    pub(crate) async fn fetch(
        &self,
        file: &str,
        files: &Arc<Files>,
    ) -> Result<Incoming, DeliveryError> {
        let deadline = Instant::now() + IDLE;
        let wanted = files.want()?;
        let (asked, refused) = oneshot::channel();
        let id = wanted.id.clone();
        {
            let mut fetches = self.fetches();
            // Those whose caller has given up.
            fetches.retain(|_, asked| !asked.is_closed());
            fetches.insert(id.clone(), asked);
        }
        let fetch = FetchFrame { id: id.clone(), file: file.to_owned(), url: wanted.url };
        let arrived = async {
            if self.out.send(Out::Frame(FromBridge::Fetch(fetch))).await.is_err() {
                return Err(DeliveryError::Disconnected);
            }
            tokio::select! {
                arrived = wanted.arrives => arrived.unwrap_or(Err(DeliveryError::Disconnected)),
                Ok(refusal) = refused => Err(unfetched(refusal)),
            }
        };
        let arrived = tokio::select! {
            biased;
            arrived = timeout_at(deadline, arrived) => arrived,
            () = self.gone.cancelled() => Ok(Err(DeliveryError::Disconnected)),
        };
        self.fetches().remove(&id);
        let why = "the app has not handed the file over";
        arrived.unwrap_or(Err(DeliveryError::Retry { after: None, why }))
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Refusal>>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`drawbridge_adapter::Adapter::deliver`].
    pub(crate) async fn deliver(
        &self,
        batch: &[Delivery],
        files: Option<&Arc<Files>>,
        is_enlisted: impl Fn(&str) -> bool,
    ) -> Vec<Result<Delivered, DeliveryError>> {
        let deadline = Instant::now() + PATIENCE;
        let mut steps = Vec::with_capacity(batch.len());
        for delivery in batch {
            let step = self.send(delivery, deadline, files, &is_enlisted).await;
            let ends = matches!(&step, Step::Failed(error) if !is_final(error));
            steps.push(step);
            if ends {
                break;
            }
        }
        let mut results = Vec::with_capacity(steps.len());
        let mut steps = steps.into_iter();
        for (delivery, step) in batch.iter().zip(steps.by_ref()) {
            let result = match step {
                Step::Failed(error) => Err(error),
                Step::Needless => Ok(Delivered::default()),
                Step::Received(id) => Ok(delivered(&id)),
                Step::Sent(id, answer, offer) => {
                    self.answer(id, answer, deadline, offer.as_deref()).await
                }
            };
            log!(log::DELIVERY_CARRIED_OUT, msg = %delivery.tag, outcome = outcome(&result));
            let ends = matches!(&result, Err(error) if !is_final(error));
            results.push(result);
            if ends {
                break;
            }
        }
        // The rest will be asked for again. What the app has answered already stays known; what it
        // answers from now on is late.
        for step in steps {
            match step {
                Step::Received(id) => self.waiting().keep(id),
                Step::Sent(id, mut answer, _) => {
                    answer.close();
                    if let Ok(Ok(())) = answer.try_recv() {
                        self.waiting().keep(id);
                    }
                }
                Step::Failed(_) | Step::Needless => {}
            }
        }
        results
    }

    async fn send(
        &self,
        delivery: &Delivery,
        deadline: Instant,
        files: Option<&Arc<Files>>,
        is_enlisted: &impl Fn(&str) -> bool,
    ) -> Step {
        {
            let mut waiting = self.waiting();
            if waiting.received.remove(&delivery.key) {
                return Step::Received(delivery.key.clone());
            }
            // An earlier try, which the app has not answered: this one takes its place and credit.
            waiting.unanswered.remove(&delivery.key);
        }
        let offer = delivery.attached.as_ref().zip(files);
        let offer = match offer.map(|(attached, files)| files.offer(attached)).transpose() {
            Ok(offer) => offer,
            Err(error) => return Step::Failed(error),
        };
        let frame = self.shows.frame(delivery, &self.addressing, offer.as_ref(), is_enlisted);
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return Step::Needless,
            Err(error) => return Step::Failed(error),
        };
        let disconnected = Step::Failed(DeliveryError::Disconnected);
        let credit = tokio::select! {
            () = self.gone.cancelled() => return disconnected,
            credit = timeout_at(deadline, Arc::clone(&self.credit).acquire_owned()) => credit,
        };
        let Ok(Ok(credit)) = credit else {
            let why = "the app does not acknowledge, and its credit is used up";
            return Step::Failed(DeliveryError::Retry { after: None, why });
        };
        let (answer, answered) = oneshot::channel();
        let unanswered = Unanswered { answer, _credit: credit };
        self.waiting().unanswered.insert(delivery.key.clone(), unanswered);
        let sent = tokio::select! {
            () = self.gone.cancelled() => false,
            sent = timeout_at(deadline, self.out.send(Out::Frame(frame))) => {
                matches!(sent, Ok(Ok(())))
            }
        };
        if sent {
            return Step::Sent(delivery.key.clone(), answered, offer.map(Box::new));
        }
        self.waiting().unanswered.remove(&delivery.key);
        disconnected
    }

    async fn answer(
        &self,
        id: String,
        mut answer: oneshot::Receiver<Result<(), Refusal>>,
        deadline: Instant,
        offer: Option<&Offer>,
    ) -> Result<Delivered, DeliveryError> {
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered.ok(),
            () = self.gone.cancelled() => None,
            () = given_up(deadline, offer) => None,
        };
        match answered {
            Some(Ok(())) => Ok(delivered(&id)),
            // Also final if it asks to wait: what was sent after it may have been shown already,
            // and must not be overtaken by it. The sender is told when to try again.
            Some(Err(refusal)) => {
                Err(DeliveryError::Refused { refusal, why: "the app refused it" })
            }
            None => Err(DeliveryError::Unknown { why: "the app has not acknowledged" }),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the app has had its time: with a file that is as long as it goes on reading it.
async fn given_up(deadline: Instant, offer: Option<&Offer>) {
    let Some(offer) = offer else { return tokio::time::sleep_until(deadline).await };
    // An earlier try may have read, too.
    let mut read = offer.read_so_far();
    let most =
        read.saturating_add(offer.size().saturating_mul(READINGS).saturating_add(READ_BESIDES));
    loop {
        tokio::time::sleep(IDLE).await;
        let now = offer.read_so_far().min(most);
        if now == read {
            return;
        }
        read = now;
    }
}

/// What it means that the app hands a file over not.
fn unfetched(refusal: Refusal) -> DeliveryError {
    match refusal.code {
        Code::RateLimited | Code::NetworkUnreachable => {
            let why = "the app cannot hand the file over now";
            DeliveryError::Retry { after: refusal.retry_after, why }
        }
        _ => DeliveryError::Refused { refusal, why: "the app does not have the file" },
    }
}

fn is_final(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Refused { .. })
}

fn outcome(result: &Result<Delivered, DeliveryError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(DeliveryError::Refused { .. }) => "refused",
        Err(DeliveryError::Retry { .. }) => "not now",
        Err(DeliveryError::Unknown { .. }) => "unknown",
        Err(DeliveryError::Disconnected) => "disconnected",
    }
}

fn delivered(key: &str) -> Delivered {
    Delivered::under(EventId::new(key).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;
    use drawbridge_adapter::{
        Attached, Code, Command, Content, ConversationId, Kind, Level, Message, NetworkId, Party,
        Spooled, Tag, Timestamp, UserId,
    };
    use drawbridge_testkit::spooled;
    use futures_util::StreamExt;

    fn link(credit: usize) -> (Arc<Link>, mpsc::Receiver<Out>) {
        let hello = serde_json::json!({"versions": [1], "credit": credit,
            "capabilities": {"kinds": {"text": "full"}, "text": {"max_bytes": 100}}});
        let (out, written) = mpsc::channel(10);
        let hello = serde_json::from_value(hello).unwrap();
        let mut shows = Shows::default();
        shows.0.kinds.insert(Kind::Text, Level::Full);
        shows.0.text.max_bytes = 100;
        let addressing = PartnerAddressing::new(NetworkId::new("birdychat").unwrap());
        (Arc::new(Link::new(hello, shows, addressing, out, CancellationToken::new())), written)
    }

    fn delivery(key: &str) -> Delivery {
        let alice: UserId = "matrix:@alice:hs.test".parse().unwrap();
        let carol: UserId = "birdychat:carol".parse().unwrap();
        Delivery {
            key: key.to_owned(),
            tag: Tag::of(b"salt", &[key]),
            conversation: ConversationId::direct(&alice, &carol),
            accepted_at: Timestamp(0),
            attempt: 1,
            attached: None,
            command: Command::Message(Message {
                from: Party { user: alice, name: None },
                to: carol,
                content: Content::text("hi"),
                reply: None,
                sent_at: Timestamp(0),
                words: None,
                silent: false,
            }),
        }
    }

    fn ids(written: &mut mpsc::Receiver<Out>) -> Vec<String> {
        let mut ids = Vec::new();
        while let Ok(Out::Frame(FromBridge::Event(event))) = written.try_recv() {
            ids.push(event.id);
        }
        ids
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_without_an_answer_is_unknown_until_the_late_ack() {
        let (link, mut written) = link(10);
        let batch = [delivery("1"), delivery("2")];
        let results = link.deliver(&batch, None, |_| true).await;
        assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
        assert_eq!(ids(&mut written), ["1", "2"]);
        link.acknowledged(vec!["1".to_owned(), "2".to_owned()]);
        let results = link.deliver(&batch, None, |_| true).await;
        assert!(results.len() == 2 && results.iter().all(Result::is_ok), "{results:?}");
        assert!(ids(&mut written).is_empty(), "it was sent again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_takes_the_place_and_credit_of_the_first_try() {
        let (link, mut written) = link(1);
        for _ in 0..3 {
            let results = link.deliver(&[delivery("1")], None, |_| true).await;
            assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
            assert_eq!(ids(&mut written), ["1"]);
        }
        let results = link.deliver(&[delivery("2")], None, |_| true).await;
        assert!(matches!(results[..], [Err(DeliveryError::Retry { .. })]), "{results:?}");
        assert!(ids(&mut written).is_empty(), "it was sent without credit");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_beyond_a_gap_is_not_sent_again() {
        let (link, mut written) = link(10);
        let acking = Arc::clone(&link);
        let batch = [delivery("1"), delivery("2"), delivery("3")];
        let again = batch.clone();
        let delivering = tokio::spawn(async move { link.deliver(&batch, None, |_| true).await });
        while acking.waiting().unanswered.len() < 3 {
            tokio::task::yield_now().await;
        }
        acking.acknowledged(vec!["2".to_owned(), "3".to_owned()]);
        let results = delivering.await.unwrap();
        assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
        assert_eq!(ids(&mut written), ["1", "2", "3"]);
        let results = acking.deliver(&again, None, |_| true).await;
        assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
        assert_eq!(ids(&mut written), ["1"], "only the first was unanswered");
        acking.acknowledged(vec!["1".to_owned()]);
        let results = acking.deliver(&again, None, |_| true).await;
        assert!(results.len() == 3 && results.iter().all(Result::is_ok), "{results:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_that_cannot_be_sent_gives_its_credit_back() {
        let (link, mut written) = link(1);
        link.deliver(&[delivery("1")], None, |_| true).await;
        let results = link.deliver(&[delivery("1")], None, |_| false).await;
        assert!(matches!(results[..], [Err(DeliveryError::Refused { .. })]), "{results:?}");
        link.deliver(&[delivery("2")], None, |_| true).await;
        assert_eq!(ids(&mut written), ["1", "2"]);
        // The app has the second after all: whoever has left since, it was delivered.
        link.acknowledged(vec!["2".to_owned()]);
        let results = link.deliver(&[delivery("2")], None, |_| false).await;
        assert!(matches!(results[..], [Ok(_)]), "{results:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_refusal_harms_no_neighbour() {
        let (link, mut written) = link(10);
        let acking = Arc::clone(&link);
        let batch = [delivery("1"), delivery("2"), delivery("3")];
        let delivering = tokio::spawn(async move { link.deliver(&batch, None, |_| true).await });
        while acking.waiting().unanswered.len() < 3 {
            tokio::task::yield_now().await;
        }
        acking.answered("2".to_owned(), Err(Code::Forbidden.into()));
        acking.acknowledged(vec!["3".to_owned(), "1".to_owned()]);
        let results = delivering.await.unwrap();
        assert!(matches!(results[..], [Ok(_), Err(DeliveryError::Refused { .. }), Ok(_)]));
        assert_eq!(ids(&mut written), ["1", "2", "3"]);
    }
    /// How long an offer of so many bytes stands while the app reads it, and how much of it is read.
    async fn offer_stands(size: usize, reads: impl AsyncFn(&Spooled)) -> (Duration, u64) {
        let files = Files::new(([127, 0, 0, 1], 0).into(), "http://bridge.test", 8 << 20);
        let file = spooled(&vec![7; size]).unwrap();
        let offer = files.offer(&Attached { file: file.clone(), thumbnail: None }).unwrap();
        let since = Instant::now();
        let over = given_up(since + PATIENCE, Some(&offer));
        let reading = async {
            reads(&file).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = over => {}
            () = reading => {}
        }
        (since.elapsed(), file.read_so_far())
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_the_first_piece_again_and_again_has_had_its_time() {
        let size = 300_000;
        let (stood, read) = offer_stands(size, async |file| {
            loop {
                file.body().next().await;
                tokio::time::sleep(IDLE / 2).await;
            }
        })
        .await;
        assert!(read >= READINGS * size as u64 + READ_BESIDES, "{read} bytes");
        assert!(stood < 20 * IDLE, "{stood:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_file_slowly_and_more_than_once_is_waited_for() {
        let (size, pause) = (2 << 20, IDLE * 3 / 4);
        let (stood, read) = offer_stands(size, async |file| {
            for _ in 0..READINGS {
                let mut body = file.body();
                while body.next().await.is_some() {
                    tokio::time::sleep(pause).await;
                }
            }
        })
        .await;
        assert_eq!(read, READINGS * size as u64);
        assert!(stood > 16 * IDLE, "{stood:?}");
    }
}
