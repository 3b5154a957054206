//! What passes without leaving a trace: that somebody else has read a message, or writes.
//!
//! Only the last of each waits, of a bounded number of chats; what fails is not tried again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::Signal;
use futures_util::{StreamExt, stream};
use ruma::api::client::receipt::create_receipt;
use ruma::api::client::typing::create_typing_event::{self, v3::TypingInfo};
use ruma::{OwnedEventId, OwnedUserId};
use tokio::sync::Notify;

use crate::core::Core;
use crate::homeserver::As;

/// The most chats for which something waits.
const MOST: usize = 10_000;
const AT_ONCE: usize = 8;
/// The longest that the homeserver may take.
const LONGEST: Duration = Duration::from_secs(5);
/// For how long somebody is shown to write who says nothing further.
const TYPING: Duration = Duration::from_secs(30);

/// What waits, by the user and the ghost.
#[derive(Default)]
pub(crate) struct Signals {
    waiting: Mutex<BTreeMap<(OwnedUserId, OwnedUserId), Waiting>>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    read: Option<OwnedEventId>,
    typing: Option<bool>,
}

/// Notes what is to be shown, if there is room.
pub(crate) fn note_signal(core: &Core, signal: Signal) -> bool {
    let (by, to) = match &signal {
        Signal::Receipt(receipt) if receipt.read => (&receipt.by, &receipt.to),
        Signal::Typing(typing) => (&typing.by, &typing.to),
        // That a device has got a message, Matrix has no word for.
        _ => return true,
    };
    let Some(pair) = core.pair(to, by) else { return true };
    let mut waiting = core.signals.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if waiting.len() >= MOST && !waiting.contains_key(&pair) {
        return false;
    }
    let waits = waiting.entry(pair).or_default();
    match signal {
        Signal::Receipt(receipt) => {
            waits.read = OwnedEventId::try_from(receipt.of.id.as_str()).ok().or(waits.read.take());
        }
        Signal::Typing(typing) => waits.typing = Some(typing.typing),
        _ => {}
    }
    drop(waiting);
    core.signals.news.notify_one();
    true
}

/// Shows what was noted, for ever: in each room one after the other.
pub(crate) async fn send_signals(core: &Core) {
    loop {
        core.signals.news.notified().await;
        let noted = {
            let mut waiting = core.signals.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let shown = stream::iter(noted).for_each_concurrent(
            AT_ONCE,
            |((user, ghost), waiting)| async move {
                let shown = core.show_signals(&user, &ghost, waiting);
                let _ = tokio::time::timeout(LONGEST, shown).await;
            },
        );
        shown.await;
    }
}

impl Core {
    async fn show_signals(&self, user: &OwnedUserId, ghost: &OwnedUserId, waiting: Waiting) {
        // Where there is no portal, nobody reads or writes.
        let Ok(Some((room, _))) = self.portals.of(user, ghost).await else { return };
        if let Some(event) = waiting.read {
            let read = create_receipt::v3::ReceiptType::Read;
            let request = create_receipt::v3::Request::new(room.clone(), read, event);
            let _ = self.homeserver.call(As::Ghost(ghost), request).await;
        }
        if let Some(typing) = waiting.typing {
            let state = if typing {
                TypingInfo::new(TYPING).into()
            } else {
                create_typing_event::v3::Typing::No
            };
            let request = create_typing_event::v3::Request::new(ghost.clone(), room, state);
            let _ = self.homeserver.call(As::Ghost(ghost), request).await;
        }
    }
}
