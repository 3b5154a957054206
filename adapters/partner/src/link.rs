//! The way to the app: what is on it, unacknowledged, on one connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Code, Command, Content, Delivered, Delivery, DeliveryError, EventId, Kind, Message, Refusal,
    Status,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::frame::{
    BridgeContent, BridgeEvent, FromBridge, Hello, MAX_IDS, StateName, StatusFrame,
};

/// How long a frame may wait for its `ack`.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// The connection is over: nothing more will be answered.
    gone: CancellationToken,
    text: Option<usize>,
}

#[derive(Default)]
struct Waiting {
    unanswered: HashMap<String, Unanswered>,
    /// Frames that the app has for sure: from `hello`, or acknowledged too late.
    received: HashSet<String>,
}

struct Unanswered {
    answer: oneshot::Sender<Result<(), Refusal>>,
    _credit: OwnedSemaphorePermit,
}

/// How far one delivery has come.
enum Step {
    Done(Result<Delivered, DeliveryError>),
    Sent(String, oneshot::Receiver<Result<(), Refusal>>),
}

impl Link {
    /// A link as `hello` wants it: `text` is the longest text in bytes, if there may be any.
    pub(crate) fn new(
        hello: Hello,
        text: Option<usize>,
        out: mpsc::Sender<Out>,
        gone: CancellationToken,
    ) -> Self {
        let received = hello.received.into_iter().collect();
        Self {
            out,
            credit: Arc::new(Semaphore::new(hello.credit)),
            waiting: Mutex::new(Waiting { unanswered: HashMap::new(), received }),
            gone,
            text,
        }
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
        if late && answer.is_ok() && waiting.received.len() < 2 * MAX_IDS {
            waiting.received.insert(id);
        }
    }

    /// See [`drawbridge_adapter::Adapter::deliver`].
    pub(crate) async fn deliver(
        &self,
        batch: &[Delivery],
        is_enlisted: impl Fn(&str) -> bool,
    ) -> Vec<Result<Delivered, DeliveryError>> {
        let deadline = Instant::now() + PATIENCE;
        let mut steps = Vec::with_capacity(batch.len());
        for delivery in batch {
            let step = self.send(delivery, deadline, &is_enlisted).await;
            let ends = matches!(&step, Step::Done(Err(error)) if !is_final(error));
            steps.push(step);
            if ends {
                break;
            }
        }
        let mut results = Vec::with_capacity(steps.len());
        for step in steps {
            let result = match step {
                Step::Done(result) => result,
                Step::Sent(id, answer) => self.answer(id, answer, deadline).await,
            };
            let ends = matches!(&result, Err(error) if !is_final(error));
            results.push(result);
            if ends {
                break;
            }
        }
        results
    }

    async fn send(
        &self,
        delivery: &Delivery,
        deadline: Instant,
        is_enlisted: &impl Fn(&str) -> bool,
    ) -> Step {
        let frame = match self.frame(delivery, is_enlisted) {
            Ok(frame) => frame,
            Err(error) => return Step::Done(Err(error)),
        };
        if self.waiting().received.remove(&delivery.key) {
            return Step::Done(Ok(delivered(&delivery.key)));
        }
        // An earlier try, which the app has not answered: this one takes its place and credit.
        self.waiting().unanswered.remove(&delivery.key);
        let disconnected = Step::Done(Err(DeliveryError::Disconnected));
        let credit = tokio::select! {
            () = self.gone.cancelled() => return disconnected,
            credit = timeout_at(deadline, Arc::clone(&self.credit).acquire_owned()) => credit,
        };
        let Ok(Ok(credit)) = credit else {
            let why = "the app does not acknowledge, and its credit is used up";
            return Step::Done(Err(DeliveryError::Retry { after: None, why }));
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
            return Step::Sent(delivery.key.clone(), answered);
        }
        self.waiting().unanswered.remove(&delivery.key);
        disconnected
    }

    async fn answer(
        &self,
        id: String,
        mut answer: oneshot::Receiver<Result<(), Refusal>>,
        deadline: Instant,
    ) -> Result<Delivered, DeliveryError> {
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered.ok(),
            () = self.gone.cancelled() => None,
            () = tokio::time::sleep_until(deadline) => None,
        };
        match answered {
            Some(Ok(())) => Ok(delivered(&id)),
            Some(Err(Refusal { code: Code::RateLimited, retry_after })) => {
                Err(DeliveryError::Retry { after: retry_after, why: "the app asked to wait" })
            }
            Some(Err(refusal)) => {
                Err(DeliveryError::Refused { refusal, why: "the app refused it" })
            }
            None => Err(DeliveryError::Unknown { why: "the app has not acknowledged" }),
        }
    }

    fn frame(
        &self,
        delivery: &Delivery,
        is_enlisted: &impl Fn(&str) -> bool,
    ) -> Result<FromBridge, DeliveryError> {
        let id = delivery.key.clone();
        match &delivery.command {
            Command::Message(message) if !is_enlisted(message.to.id()) => {
                Err(refused(Code::NotReachable, "the recipient is not enlisted"))
            }
            Command::Message(message) => Ok(FromBridge::Event(self.event(id, message)?)),
            Command::Status(status) => Ok(FromBridge::Status(status_frame(id, status))),
        }
    }

    fn event(&self, id: String, message: &Message) -> Result<BridgeEvent, DeliveryError> {
        let content = match (&message.content, self.text) {
            (Content::Text { body }, Some(max)) if body.len() > max => {
                return Err(refused(Code::TextTooLong, "longer than the app can show"));
            }
            (Content::Text { body }, Some(_)) => BridgeContent::Text { body: body.clone() },
            (other, _) => {
                return Err(refused(
                    Code::UnsupportedKind(other.kind()),
                    "of a kind that the app cannot show",
                ));
            }
        };
        Ok(BridgeEvent {
            id,
            from: message.from.user.to_string(),
            from_name: message.from.name.clone(),
            to: message.to.id().to_owned(),
            sent_at: message.sent_at.0,
            content,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_final(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Refused { .. })
}

fn refused(code: Code, why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: code.into(), why }
}

fn delivered(key: &str) -> Delivered {
    Delivered { id: EventId::new(key).ok() }
}

fn status_frame(id: String, status: &Status) -> StatusFrame {
    use drawbridge_adapter::State;
    let refusal = status.state.refusal();
    StatusFrame {
        id,
        event: status.event.as_str().to_owned(),
        from: status.sender.id().to_owned(),
        to: status.recipient.as_ref().map(ToString::to_string),
        kind: status.kind,
        state: match status.state {
            State::Pending => StateName::Pending,
            State::FailedRetriable(_) => StateName::FailedRetriable,
            State::FailedPermanent(_) => StateName::FailedPermanent,
            _ => StateName::Accepted,
        },
        code: refusal.map(|refusal| refusal.code.to_string()),
        message: refusal.map(|refusal| refusal.code.explain()),
        retry_after_seconds: refusal
            .and_then(|refusal| refusal.retry_after)
            // Rounded up: a second too early would be in vain.
            .map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0)),
    }
}

/// The kind that this version carries.
pub(crate) const CARRIED: Kind = Kind::Text;
