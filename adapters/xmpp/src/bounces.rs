//! Messages that came back after the server had taken them, on their way to the daemon. Apart from
//! what users write: it says nothing about it, and a flood of errors must not stand in its way.

use std::time::Duration;

use drawbridge_adapter::{Addressing, Bridge, EventId, UserId, log};
use minidom::Element;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::address::Addresses;
use crate::failure::{self, Returned};
use crate::intake::stops;
use crate::lists::Lists;
use crate::log::{BOUNCE_HANDED_OVER, BOUNCE_LOST, BOUNCE_SWALLOWED};

/// How many may wait. Beyond, they are dropped: the stream must be read on.
pub(crate) const WAITING: usize = 1024;
/// An error may come on the heels of the server's confirmation. So long the daemon has to write
/// that one down, before it is told that the message came back.
const SETTLING: Duration = Duration::from_secs(1);
/// The longest key of a delivery, in hex digits.
const MAX_KEY: usize = 64;
/// How long to wait before the daemon is asked again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One message that came back.
#[derive(Debug)]
pub(crate) struct Bounce {
    id: EventId,
    by: UserId,
    /// Whose ghost wrote it, if a ghost did.
    of: Option<UserId>,
    returned: Returned,
    at: Instant,
}

impl Bounce {
    /// What an error stanza says; `None` if it cannot be about a message of ours.
    pub(crate) fn of(stanza: &Element, addresses: &Addresses) -> Option<Self> {
        // The form of a delivery's key; whether it is one, the daemon knows.
        let ours = |id: &&str| id.len() <= MAX_KEY && id.bytes().all(|b| b.is_ascii_hexdigit());
        let id = EventId::new(stanza.attr("id").filter(ours)?).ok()?;
        let by = addresses.canonical(stanza.attr("from")?).ok()?;
        let of = stanza.attr("to").and_then(|to| addresses.user_at(to).ok());
        Some(Self { id, by, of, returned: failure::read(stanza), at: Instant::now() })
    }

    /// Puts it where the daemon gets it from, if there is room.
    pub(crate) fn put(self, bounces: &mpsc::Sender<Self>, bridge: &Bridge) {
        let msg = bridge.tag_event(&self.id);
        if bounces.try_send(self).is_err() {
            log!(BOUNCE_LOST, %msg, why = "too many wait for the daemon");
        }
    }
}

/// Until no more can come and all are handed over.
pub(crate) async fn run(mut bounces: mpsc::Receiver<Bounce>, lists: &Lists, bridge: &Bridge) {
    while let Some(bounce) = bounces.recv().await {
        let (msg, code) = (bridge.tag_event(&bounce.id), bounce.returned.refusal.code);
        if let Some(of) = bounce.of.as_ref().filter(|_| bounce.returned.perhaps_blocked) {
            lists.seen.came_back(&bounce.by);
            if lists.hides(&bounce.by, of, bounce.at, bridge).await {
                log!(BOUNCE_SWALLOWED, %msg);
                continue;
            }
        }
        sleep_until(bounce.at + SETTLING).await;
        let known = hand_over(&bounce, bridge).await;
        if let Some(known) = known {
            log!(BOUNCE_HANDED_OVER, %msg, %code, known);
        } else {
            log!(BOUNCE_LOST, %msg, why = "the daemon stopped before");
        }
    }
}

/// Whether the daemon knows the message; `None` if it stops.
async fn hand_over(bounce: &Bounce, bridge: &Bridge) -> Option<bool> {
    let mut wait = FIRST_WAIT;
    loop {
        match bridge.bounced(&bounce.id, &bounce.by, bounce.returned.refusal).await {
            Ok(known) => return Some(known),
            Err(_) if stops(bridge).await => return None,
            Err(_) => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
