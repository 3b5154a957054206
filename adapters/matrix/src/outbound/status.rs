//! What became of a Matrix user's event, told where it was said.

use drawbridge_adapter::{Code, Delivered, Delivery, DeliveryError, State, Status, log};
use serde_json::{Value, json};

use crate::core::{Core, WayBack};
use crate::log::OUTCOME_UNTOLD;

const STATUS: &str = "com.beeper.message_send_status";

impl Core {
    /// Marks the event, for clients that show such marks.
    pub(super) async fn tell(
        &self,
        delivery: &Delivery,
        status: &Status,
    ) -> Result<Delivered, DeliveryError> {
        let Some(way) = WayBack::from_reply_path(&status.reply_path) else {
            return Ok(Delivered::default());
        };
        let content = content(status);
        let sent = self.send((&way.room, &way.ghost), &delivery.key, STATUS, &content).await;
        match sent {
            Ok(delivered) => Ok(delivered),
            // The ghost has left: there is nobody to tell, and no place to tell it in.
            Err(error) if error.is_forbidden() || error.is_missing() => {
                log!(OUTCOME_UNTOLD, msg = %delivery.tag);
                Ok(Delivered::default())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The status event, in Beeper's form. A success comes as one only to end a wait that was told.
fn content(status: &Status) -> Value {
    let word = match status.state {
        State::Pending | State::Held => "PENDING",
        State::FailedRetriable(_) => "FAIL_RETRIABLE",
        State::FailedPermanent(_) => "FAIL_PERMANENT",
        _ => "SUCCESS",
    };
    let mut content = json!({
        "m.relates_to": { "rel_type": "m.reference", "event_id": status.event.as_str() },
        "network": status.recipient.as_ref().map(|recipient| recipient.network().as_str()),
        "status": word,
    });
    if status.state == State::Held {
        content["reason"] = Code::RequestPending.to_string().into();
    }
    if let Some(refusal) = status.state.refusal() {
        let code = refusal.code.to_string();
        content["reason"] = code.clone().into();
        content["error"] = code.into();
        content["message"] = refusal.explain().into();
        if let Some(after) = refusal.retry_after {
            content["retry_after_ms"] = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into();
        }
    }
    content
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use drawbridge_adapter::{EventId, Kind, Refusal, ReplyPath};
    use std::time::Duration;

    #[test]
    fn each_state_has_its_word() {
        let full = Refusal::from(Code::NetworkUnreachable);
        let limited =
            Refusal { retry_after: Some(Duration::from_secs(2)), ..Code::RateLimited.into() };
        for (state, word, reason, after) in [
            (State::Pending, "PENDING", None, None),
            (State::Accepted, "SUCCESS", None, None),
            (State::Held, "PENDING", Some("request_pending"), None),
            (State::FailedRetriable(full), "FAIL_RETRIABLE", Some("network_unreachable"), None),
            (State::FailedRetriable(limited), "FAIL_RETRIABLE", Some("rate_limited"), Some(2000)),
            (
                State::FailedPermanent(Code::UnsupportedKind(Kind::Sticker).into()),
                "FAIL_PERMANENT",
                Some("unsupported_kind:sticker"),
                None,
            ),
        ] {
            let status = Status {
                event: EventId::new("$e").unwrap(),
                sender: "matrix:@alice:hs.test".parse().unwrap(),
                recipient: Some("elsewhere:carol".parse().unwrap()),
                kind: Kind::Text,
                reply_path: ReplyPath::default(),
                state,
            };
            let content = content(&status);
            assert_eq!(content["status"], word);
            assert_eq!(content["reason"].as_str(), reason, "{word}");
            let failed = word.starts_with("FAIL");
            assert_eq!(content["error"].as_str(), reason.filter(|_| failed));
            assert_eq!(content["message"].is_string(), failed);
            assert_eq!(content["retry_after_ms"].as_u64(), after);
            assert_eq!(content["network"], "elsewhere");
            let relation = json!({ "rel_type": "m.reference", "event_id": "$e" });
            assert_eq!(content["m.relates_to"], relation);
        }
    }
}
