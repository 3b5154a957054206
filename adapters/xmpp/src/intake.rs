//! What came from the server, on its way to the daemon: in order, one call at a time, with little
//! in hand, because nothing in hand would survive a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drawbridge_adapter::{Acceptance, Answer, Bridge, Code, Destination, Event, Unavailable, log};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::bounces::{self, Bounce};
use crate::folders::Folders;
use crate::gestures::{self, Shown};
use crate::lists::Lists;
use crate::log::{INTAKE_STALLED, MESSAGES_LOST};

/// The most events in one call to the daemon, and the most that wait for the next one: 64
/// together.
const BATCH: usize = 32;
/// How long to wait before the daemon is asked again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long the daemon is asked for, after it wants to stop.
const LAST_TRY: Duration = Duration::from_millis(4500);

/// Where the session puts events.
#[derive(Clone)]
pub(crate) struct Inlet {
    events: mpsc::Sender<Event>,
    stalled: Arc<AtomicBool>,
    bounces: mpsc::Sender<Bounce>,
    gestures: mpsc::Sender<Shown>,
}

/// Where they are handed over.
pub(crate) struct Intake {
    events: mpsc::Receiver<Event>,
    stalled: Arc<AtomicBool>,
    bounces: mpsc::Receiver<Bounce>,
    gestures: mpsc::Receiver<Shown>,
}

/// Both ends.
pub(crate) fn channel() -> (Inlet, Intake) {
    let (sender, receiver) = mpsc::channel(BATCH);
    let stalled = Arc::new(AtomicBool::new(false));
    let (back, bounces) = mpsc::channel(bounces::WAITING);
    let (shown, gestures) = mpsc::channel(gestures::WAITING);
    let inlet = Inlet { events: sender, stalled: stalled.clone(), bounces: back, gestures: shown };
    (inlet, Intake { events: receiver, stalled, bounces, gestures })
}

impl Inlet {
    /// Puts in that a message came back, if there is room; it never waits.
    pub(crate) fn bounced(&self, bounce: Bounce, bridge: &Bridge) {
        bounce.put(&self.bounces, bridge);
    }

    /// Puts in what a user showed, if there is room; it never waits.
    pub(crate) fn shown(&self, shown: Shown, bridge: &Bridge) {
        shown.put(&self.gestures, bridge);
    }

    /// Puts an event in, waiting while the daemon is merely busy. While it takes nothing at all,
    /// what no longer fits is refused instead: the connection must go on being read, because the
    /// statuses that the daemon wants to get rid of are confirmed on it.
    pub(crate) async fn put(&self, event: Event) -> Result<(), Code> {
        let mut event = event;
        loop {
            match self.events.try_send(event) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(Code::NetworkUnreachable),
                Err(TrySendError::Full(back)) => event = back,
            }
            if self.stalled.load(Ordering::Relaxed) {
                return Err(Code::RateLimited);
            }
            // Room comes when the daemon answers; a stall, before it does.
            let room = tokio::time::timeout(FIRST_WAIT, self.events.reserve()).await;
            if let Ok(Ok(permit)) = room {
                permit.send(event);
                return Ok(());
            }
        }
    }
}

impl Intake {
    /// Until every [`Inlet`] is gone and all is handed over, or the daemon takes no more.
    pub(crate) async fn run(self, lists: &Lists, folders: &Folders, bridge: &Bridge) {
        let Self { events, stalled, bounces, gestures } = self;
        tokio::join!(
            Events { events, stalled }.run(folders, bridge),
            bounces::run(bounces, lists, bridge),
            gestures::run(gestures, bridge)
        );
    }
}

struct Events {
    events: mpsc::Receiver<Event>,
    stalled: Arc<AtomicBool>,
}

impl Events {
    async fn run(mut self, folders: &Folders, bridge: &Bridge) {
        let too_late = async {
            bridge.stopping().await;
            tokio::time::sleep(LAST_TRY).await;
        };
        tokio::pin!(too_late);
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            if self.events.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let taken = tokio::select! {
                taken = self.hand_over(&batch, folders, bridge) => taken,
                () = &mut too_late => false,
            };
            if !taken {
                let lost = batch.len() + self.events.len();
                log!(MESSAGES_LOST, lost);
                return;
            }
        }
    }

    /// Whether the daemon took them.
    async fn hand_over(&self, batch: &[Event], folders: &Folders, bridge: &Bridge) -> bool {
        let mut wait = FIRST_WAIT;
        loop {
            match bridge.accept(batch.to_vec()).await {
                Ok(answers) => {
                    self.stalled.store(false, Ordering::Relaxed);
                    for (event, answer) in batch.iter().zip(&answers) {
                        log(event, *answer, bridge);
                        if let (Destination::Direct(to), Answer::Accepted) =
                            (&event.to, answer.answer)
                        {
                            folders.met(&event.sender.user, to);
                        }
                    }
                    return true;
                }
                Err(Unavailable::Stopping) if stops(bridge).await => return false,
                Err(why) => {
                    if !self.stalled.swap(true, Ordering::Relaxed) {
                        log!(INTAKE_STALLED, %why);
                    }
                }
            }
            let jitter = Duration::from_millis(bridge.random() % 50);
            tokio::time::sleep(wait + jitter).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Whether the daemon stops, and not only says so in answer to one call.
pub(crate) async fn stops(bridge: &Bridge) -> bool {
    tokio::select! {
        biased;
        () = bridge.stopping() => true,
        () = std::future::ready(()) => false,
    }
}

fn log(event: &Event, acceptance: Acceptance, bridge: &Bridge) {
    let msg = bridge.tag_event(&event.id);
    let (kind, bytes, repeat) = (event.content.kind(), event.content.size(), acceptance.repeat);
    let code = acceptance.answer.code().map(log::display);
    log!(log::EVENT_HANDED_OVER, %msg, %kind, bytes, repeat, code);
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
