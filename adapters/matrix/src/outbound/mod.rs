//! From the daemon to the homeserver: messages by ghosts, and outcomes for Matrix users.

mod message;
mod notices;
mod receipts;
mod rooms;
mod send;
mod status;

pub(crate) use notices::{Notices, tell_encrypted, tell_group};
pub(crate) use receipts::{Receipts, note_accepted, send_receipts};

use drawbridge_adapter::{Command, Delivered, Delivery, DeliveryError};

use crate::core::Core;
use notices::Failures;

/// Carries out one conversation's next commands, one after another.
pub(crate) async fn deliver(
    core: &Core,
    batch: &[Delivery],
) -> Vec<Result<Delivered, DeliveryError>> {
    let mut results = Vec::with_capacity(batch.len());
    let mut failures = Failures::default();
    for delivery in batch {
        let result = match &delivery.command {
            Command::Message(message) => core.say(delivery, message).await,
            Command::Status(status) => {
                let told = core.tell(delivery, status).await;
                if told.is_ok() {
                    failures.add(results.len(), delivery, status);
                }
                told
            }
        };
        let goes_on = matches!(result, Ok(_) | Err(DeliveryError::Refused { .. }));
        results.push(result);
        if !goes_on {
            break;
        }
    }
    // Many failures at once are one notice. If it could not be shown, the last of them is not
    // done, and neither is what came after it.
    if let Err((last, error)) = core.notices.show(core, &failures).await {
        results.truncate(last);
        results.push(Err(error));
    }
    if results.last() == Some(&Err(DeliveryError::Disconnected)) {
        core.lost.notify_one();
    }
    results
}
