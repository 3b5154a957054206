//! A user of another network reports one of Matrix: the ghost reports the picked events to the
//! homeserver, each once.

use drawbridge_adapter::{Code, Delivered, Delivery, DeliveryError, Memo, Report};
use ruma::api::client::reporting::report_user;
use ruma::api::client::room::{report_content, report_room};
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, UserId};
use serde::Deserialize;

use super::rooms::retry;
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::passing::REPORTED;

/// The longest reason, in bytes: Synapse takes 1,000 characters for a user.
const LONGEST_REASON: usize = 1000;

/// How far a report has come: what was told to the homeserver is not told again.
#[derive(Default, Deserialize)]
struct Progress {
    /// How many of its messages were dealt with.
    tried: usize,
    /// How many of these the homeserver knew.
    taken: usize,
    /// Whether all is done.
    whole: bool,
}

impl Core {
    /// Reports each picked message (client-server API, "Reporting content"); if there is none, or
    /// the homeserver knows none of them, the user (MSC4260) or the chat (MSC4151).
    pub(super) async fn report(
        &self,
        delivery: &Delivery,
        report: &Report,
    ) -> Result<Delivered, DeliveryError> {
        let Some((user, ghost)) = self.pair(&report.about, &report.by) else {
            return Err(nothing("one of the two ids has no room in an MXID"));
        };
        let key = format!("{REPORTED}{}", delivery.key);
        let memo = self.bridge.recall(&key).await.map_err(retry)?;
        let mut progress: Progress =
            memo.and_then(|memo| serde_json::from_str(&memo).ok()).unwrap_or_default();
        if progress.whole {
            return Ok(Delivered::default());
        }
        self.ensure(&ghost).await?;
        let portal = self.portals.of(&user, &ghost).await.map_err(retry)?;
        let left = self.portals.left_by(&user, &ghost).await.map_err(retry)?;
        let rooms: Vec<_> = portal.into_iter().map(|(room, _)| room).chain(left).collect();
        let reason = &report.words[..report.words.floor_char_boundary(LONGEST_REASON)];
        for message in report.messages.iter().skip(progress.tried) {
            if let Ok(event) = OwnedEventId::try_from(message.as_str()) {
                let taken = self.report_event(&ghost, &rooms, &event, reason).await?;
                progress.taken += usize::from(taken);
            }
            progress.tried += 1;
            self.note(&key, &progress).await?;
        }
        if progress.taken == 0 {
            self.report_person(&user, &ghost, rooms.first(), reason).await?;
        }
        progress.whole = true;
        self.note(&key, &progress).await?;
        Ok(Delivered::default())
    }

    async fn note(&self, key: &str, progress: &Progress) -> Result<(), DeliveryError> {
        let memo = serde_json::json!({
            "tried": progress.tried,
            "taken": progress.taken,
            "whole": progress.whole,
            "at": self.bridge.now(),
        });
        self.bridge.remember(vec![Memo::set(key, memo.to_string())]).await.map_err(retry)
    }

    /// Whether the event is in one of these rooms, and was reported.
    async fn report_event(
        &self,
        ghost: &UserId,
        rooms: &[OwnedRoomId],
        event: &OwnedEventId,
        reason: &str,
    ) -> Result<bool, CallError> {
        for room in rooms {
            let mut request = report_content::v3::Request::new(room.clone(), event.clone());
            request.reason = Some(reason.to_owned());
            match self.homeserver.call(As::Ghost(ghost), request).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_forbidden() || error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// A homeserver takes reports of its own users only.
    async fn report_person(
        &self,
        user: &OwnedUserId,
        ghost: &UserId,
        room: Option<&OwnedRoomId>,
        reason: &str,
    ) -> Result<(), DeliveryError> {
        let speaker = As::Ghost(ghost);
        if user.server_name() == self.names.server() {
            let request = report_user::v3::Request::new(user.clone(), reason.to_owned());
            match self.homeserver.call(speaker, request).await {
                Ok(_) => return Ok(()),
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(room) = room else { return Err(nothing("nothing to report through")) };
        let request = report_room::v3::Request::new(room.clone(), reason.to_owned());
        match self.homeserver.call(speaker, request).await {
            Ok(_) => Ok(()),
            Err(error) if is_unknown(&error) => Err(nothing("the homeserver takes no reports")),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether there is no such user or room, or a homeserver before Matrix 1.14 knows no such request.
fn is_unknown(error: &CallError) -> bool {
    error.is_missing() || error.is_forbidden() || error.says("M_UNRECOGNIZED")
}

fn nothing(why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: Code::TargetNotFound.into(), why }
}
