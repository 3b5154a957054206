//! Words by a ghost to the people in a room: what did not cross, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use drawbridge_adapter::{Code, Delivery, DeliveryError, State, Status};
use ruma::{OwnedRoomId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cache::Cache;
use crate::core::{Core, Later, WayBack};

/// Between two notices of failures in a room.
const PAUSE: Duration = Duration::from_secs(1);

/// When notices were shown last.
pub(crate) struct Notices(Cache<OwnedRoomId, Instant>);

/// The permanent failures of one batch, of one room at a time.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<OwnedRoomId, Notice>);

/// One notice to be shown.
struct Notice {
    way: WayBack,
    /// Where the last of its failures stands in the batch.
    last: usize,
    key: String,
    event: String,
    count: usize,
    codes: BTreeMap<String, (Code, usize)>,
}

impl Failures {
    pub(super) fn add(&mut self, place: usize, delivery: &Delivery, status: &Status) {
        let State::FailedPermanent(refusal) = status.state else { return };
        let Some(way) = WayBack::from_reply_path(&status.reply_path) else { return };
        let notice = self.0.entry(way.room.clone()).or_insert_with(|| Notice {
            way,
            last: place,
            key: String::new(),
            event: String::new(),
            count: 0,
            codes: BTreeMap::new(),
        });
        notice.last = place;
        notice.count += 1;
        notice.key = format!("{}-notice", delivery.key);
        status.event.as_str().clone_into(&mut notice.event);
        notice.codes.entry(refusal.code.to_string()).or_insert((refusal.code, 0)).1 += 1;
    }
}

impl Notice {
    fn content(&self) -> Value {
        let mut lines = Vec::with_capacity(self.codes.len());
        for (name, (code, count)) in &self.codes {
            let many = if *count == 1 { String::new() } else { format!(" ({count} messages)") };
            lines.push(format!("Not delivered{many}: {} [{name}]", code.explain()));
        }
        let mut content = json!({ "msgtype": "m.notice", "body": lines.join("\n") });
        if self.count == 1 {
            content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": self.event } });
        }
        content
    }
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self(Cache::new(10_000))
    }

    /// Shows the failures of a batch. An error names the place in the batch of the last failure
    /// that was not shown.
    ///
    /// Notices of a room keep a second's distance: what fails meanwhile comes with the next
    /// batch, and is one notice again.
    pub(super) async fn show(
        &self,
        core: &Core,
        failures: &Failures,
    ) -> Result<(), (usize, DeliveryError)> {
        let mut notices: Vec<&Notice> = failures.0.values().collect();
        notices.sort_by_key(|notice| notice.last);
        for notice in notices {
            let room = &notice.way.room;
            if let Some(last) = self.0.get(room) {
                tokio::time::sleep_until(last + PAUSE).await;
            }
            let place = (room.as_ref(), notice.way.ghost.as_ref());
            match core.send(place, &notice.key, "m.room.message", &notice.content()).await {
                Ok(_) => self.0.put(room.clone(), Instant::now()),
                Err(error) if error.is_forbidden() || error.is_missing() => {}
                Err(error) => return Err((notice.last, error.into())),
            }
        }
        Ok(())
    }
}

/// Says once in a room that ciphertext can't be read here.
pub(crate) async fn tell_encrypted(
    core: &Core,
    room: &RoomId,
    ghost: &UserId,
) -> Result<(), Later> {
    if core.portals.told_encrypted(room).await? {
        return Ok(());
    }
    let body = "This room is encrypted, and the bridge cannot read encrypted messages: none of \
                them will be delivered. Please write in a room without encryption.";
    let content = json!({ "msgtype": "m.notice", "body": body });
    match core.send((room, ghost), "encrypted", "m.room.message", &content).await {
        Ok(_) => Ok(core.portals.tell_encrypted(room).await?),
        // The next encrypted message is another occasion.
        Err(error) => Later::if_gone(&error),
    }
}

/// Says why the ghost does not stay.
pub(crate) async fn tell_group(core: &Core, room: &RoomId, ghost: &UserId) {
    let content = json!({ "msgtype": "m.notice", "body": Code::GroupUnsupported.explain() });
    if core.send((room, ghost), "group", "m.room.message", &content).await.is_err() {
        tracing::debug!("a ghost left a group without a word");
    }
}
