//! Words by a ghost to the people in a room: what did not cross, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use drawbridge_adapter::{Code, Delivery, DeliveryError, EventId, Refusal, Status, log};
use ruma::{OwnedRoomId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::TOO_SLOW;
use super::rooms::retry;
use crate::cache::Cache;
use crate::core::{Core, Later, WayBack};
use crate::log::GROUP_LEFT_SILENTLY;

/// Between two notices of failures in a room.
const PAUSE: Duration = Duration::from_secs(1);

/// When notices were shown last.
pub(crate) struct Notices(Cache<OwnedRoomId, Instant>);

/// The failures of one batch, by the rooms where they are shown.
#[derive(Default)]
pub(super) struct Failures(Vec<(WayBack, Vec<Failure>)>);

/// One message that did not cross.
struct Failure {
    /// Where it stands in the batch.
    place: usize,
    key: String,
    event: EventId,
    refusal: Refusal,
}

impl Failures {
    pub(super) fn add(&mut self, place: usize, delivery: &Delivery, status: &Status) {
        let Some(refusal) = status.state.refusal() else { return };
        let Some(way) = WayBack::from_reply_path(&status.reply_path) else { return };
        let key = delivery.key.clone();
        let failure = Failure { place, key, event: status.event.clone(), refusal };
        match self.0.iter_mut().find(|(known, _)| *known == way) {
            Some((_, failures)) => failures.push(failure),
            None => self.0.push((way, vec![failure])),
        }
    }
}

fn notice(failures: &[Failure]) -> Value {
    let mut reasons = BTreeMap::new();
    for Failure { refusal, .. } in failures {
        *reasons.entry((refusal.code.to_string(), refusal.explain())).or_insert(0_usize) += 1;
    }
    let mut lines = Vec::with_capacity(reasons.len());
    for ((name, words), count) in reasons {
        let many = if count == 1 { String::new() } else { format!(" ({count} messages)") };
        lines.push(format!("Not delivered{many}: {words} [{name}]"));
    }
    let mut content = json!({ "msgtype": "m.notice", "body": lines.join("\n") });
    if let [one] = failures {
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": one.event.as_str() } });
    }
    content
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self(Cache::new(10_000))
    }

    /// Shows the failures of a batch, until `deadline` at the latest. An error names the place in
    /// the batch of the first failure in the notice that was not shown.
    pub(super) async fn show(
        &self,
        core: &Core,
        failures: &Failures,
        deadline: Instant,
    ) -> Result<(), (usize, DeliveryError)> {
        for (way, failures) in &failures.0 {
            let shown = tokio::time::timeout_at(deadline, self.tell(core, way, failures)).await;
            let first = failures.first().map_or(0, |failure| failure.place);
            shown.unwrap_or(Err(TOO_SLOW)).map_err(|error| (first, error))?;
        }
        Ok(())
    }

    /// A notice that was begun before a crash is shown as it was then, so that the homeserver
    /// knows it again; what failed since is one of its own.
    async fn tell(
        &self,
        core: &Core,
        way: &WayBack,
        failures: &[Failure],
    ) -> Result<(), DeliveryError> {
        let begun = core.portals.noticed(&way.room).await.map_err(retry)?;
        let same = |failure: &Failure| begun.as_ref() == Some(&failure.key);
        let (again, new) = failures.split_at(failures.iter().position(same).map_or(0, |at| at + 1));
        if let Some(last) = again.last() {
            self.say(core, way, last, again).await?;
        }
        if let Some(last) = new.last() {
            core.portals.notice(&way.room, &last.key).await.map_err(retry)?;
            self.say(core, way, last, new).await?;
        }
        Ok(())
    }

    /// Notices of a room keep a second's distance: what fails meanwhile comes with the next
    /// batch, and is one notice again.
    async fn say(
        &self,
        core: &Core,
        WayBack { room, ghost }: &WayBack,
        last: &Failure,
        failures: &[Failure],
    ) -> Result<(), DeliveryError> {
        if let Some(earlier) = self.0.get(room) {
            tokio::time::sleep_until(earlier + PAUSE).await;
        }
        let key = format!("{}-notice", last.key);
        match core.send((room, ghost), &key, "m.room.message", &notice(failures)).await {
            Ok(_) => self.0.put(room.clone(), Instant::now()),
            Err(error) if error.is_forbidden() || error.is_missing() => {}
            Err(error) => return Err(error.into()),
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
        log!(GROUP_LEFT_SILENTLY);
    }
}
