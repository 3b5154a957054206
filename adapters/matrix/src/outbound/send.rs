//! One event, sent by a ghost into a room.

use drawbridge_adapter::Delivered;
use ruma::api::client::message::send_message_event;
use ruma::events::MessageLikeEventType;
use ruma::serde::Raw;
use ruma::{OwnedTransactionId, RoomId, UserId};
use serde_json::Value;

use super::message::{key_of, under};
use crate::core::Core;
use crate::homeserver::{As, CallError};

impl Core {
    /// Sends an event on the ghost's device: the same `txn` again shows once.
    pub(super) async fn send(
        &self,
        (room, ghost): (&RoomId, &UserId),
        txn: &str,
        of_type: &str,
        content: &Value,
    ) -> Result<Delivered, CallError> {
        let unsayable = || CallError::Refused { status: 400, errcode: "M_BAD_JSON".to_owned() };
        let raw = Raw::new(content).map_err(|_| unsayable())?.cast_unchecked();
        let request = send_message_event::v3::Request::new_raw(
            room.to_owned(),
            OwnedTransactionId::from(txn),
            MessageLikeEventType::from(of_type),
            raw,
        );
        let answer = self.homeserver.call(As::Device(ghost), request).await?;
        if let Some(key) = key_of(content) {
            let edit = content.get("m.new_content").is_some();
            let message = of_type == "m.room.message" && !edit;
            self.refs.sent(room, answer.event_id.clone(), key, message);
        }
        Ok(under(&answer.event_id))
    }
}
