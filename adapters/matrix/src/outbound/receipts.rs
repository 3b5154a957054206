//! Read receipts by the bot, for what was said to it and taken: at most one a room and second, and
//! lost at a crash without harm.
//!
//! A ghost's receipt means that the one behind it has read: so what a target's server has taken is
//! shown by none.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::Status;
use futures_util::{StreamExt, stream};
use ruma::api::client::receipt::create_receipt;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use tokio::time::MissedTickBehavior;

use crate::core::{Core, WayBack};
use crate::homeserver::As;

const EVERY: Duration = Duration::from_secs(1);
const MOST_ROOMS: usize = 10_000;
const AT_ONCE: usize = 8;

/// The latest accepted event of each room, not yet told.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<BTreeMap<OwnedRoomId, (OwnedUserId, OwnedEventId)>>);

/// Notes that an event was taken, if the bot may say so.
pub(crate) fn note_accepted(core: &Core, status: &Status) {
    let way = WayBack::from_reply_path(&status.reply_path);
    let event = OwnedEventId::try_from(status.event.as_str());
    let (Some(way), Ok(event)) = (way, event) else { return };
    if way.ghost != core.names.bot() {
        return;
    }
    let mut latest = core.receipts.0.lock().unwrap_or_else(PoisonError::into_inner);
    if latest.len() < MOST_ROOMS || latest.contains_key(&way.room) {
        latest.insert(way.room, (way.ghost, event));
    }
}

/// Sends what was noted, each second, for ever.
pub(crate) async fn send_receipts(core: &Core) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let noted = {
            let mut latest = core.receipts.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *latest)
        };
        let sent = stream::iter(noted).for_each_concurrent(AT_ONCE, |(room, (ghost, event))| {
            let read = create_receipt::v3::ReceiptType::Read;
            let request = create_receipt::v3::Request::new(room, read, event);
            async move {
                // A receipt that fails is not worth a second try: the next one covers it.
                let _ = core.homeserver.call(As::Ghost(&ghost), request).await;
            }
        });
        sent.await;
    }
}
