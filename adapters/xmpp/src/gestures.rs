//! What users show with their clients' own means, on its way to the daemon. Apart from what they
//! write: neither stands in the other's way.

use std::time::Duration;

use drawbridge_adapter::{Bridge, Gesture, UserId, log};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::intake::stops;
use crate::log::{ANSWER_DROPPED, GESTURE_LOST};

/// How many may wait. Beyond, they are dropped: the stream must be read on.
pub(crate) const WAITING: usize = 256;
/// How long to wait before the daemon is asked again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One gesture, and what is said to the user's server once the daemon has written it down.
pub(crate) struct Shown {
    pub(crate) by: UserId,
    pub(crate) gesture: Gesture,
    pub(crate) answers: Vec<String>,
    pub(crate) answer_to: mpsc::Sender<String>,
}

impl Shown {
    /// Puts it where the daemon gets it from, if there is room.
    pub(crate) fn put(self, gestures: &mpsc::Sender<Self>, bridge: &Bridge) {
        let user = bridge.tag_user(&self.by);
        if gestures.try_send(self).is_err() {
            log!(GESTURE_LOST, %user, why = "too many wait for the daemon");
        }
    }
}

/// Until no more can come and all are handed over.
pub(crate) async fn run(mut gestures: mpsc::Receiver<Shown>, bridge: &Bridge) {
    let mut batch = Vec::new();
    while gestures.recv_many(&mut batch, WAITING).await > 0 {
        let mut before = None;
        for Shown { by, gesture, answers, answer_to } in batch.drain(..) {
            // A client that says one thing many times costs the disk one commit.
            let what = Some((by, gesture));
            if what != before {
                if let Some((by, gesture)) = &what {
                    tell(by, gesture, bridge).await;
                }
                before = what;
            }
            for answer in answers {
                if answer_to.try_send(answer).is_err() {
                    log!(ANSWER_DROPPED);
                }
            }
        }
    }
}

/// Tells the daemon until it has taken it; whether it has.
pub(crate) async fn tell(by: &UserId, gesture: &Gesture, bridge: &Bridge) -> bool {
    let user = bridge.tag_user(by);
    let mut wait = FIRST_WAIT;
    loop {
        match bridge.gesture(by, gesture.clone()).await {
            Ok(()) => {
                log!(log::GESTURE_HANDED_OVER, %user, what = gesture.as_str());
                return true;
            }
            Err(_) if stops(bridge).await => {
                log!(GESTURE_LOST, %user, why = "the daemon stopped before");
                return false;
            }
            Err(_) => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
