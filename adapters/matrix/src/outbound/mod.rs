//! From the daemon to the homeserver: messages by ghosts, and outcomes for Matrix users.

mod acts;
mod folders;
mod media;
mod message;
mod notices;
mod profiles;
mod receipts;
mod reports;
mod requests;
mod rooms;
mod send;
mod signals;
mod status;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use folders::keep_folders;
pub(crate) use media::Uploads;
pub(crate) use message::{key_of, say_again};
pub(crate) use notices::{Notices, tell_encrypted, tell_group};
pub(crate) use profiles::Looks;
pub(crate) use receipts::{Receipts, note_accepted, send_receipts};
pub(crate) use rooms::retry;
pub(crate) use signals::{Signals, note_signal, send_signals};

use std::pin::pin;
use std::time::Duration;

use drawbridge_adapter::{Attached, Command, Delivered, Delivery, DeliveryError, Spooled, log};

use tokio::time::Instant;

use crate::core::Core;
use notices::Failures;

/// After this time nothing more is begun, if something is done: the daemon waits for two minutes,
/// and then knows of none.
const ENOUGH: Duration = Duration::from_mins(1);
/// Until then what was begun must be done.
const LONGEST: Duration = Duration::from_secs(90);
/// Until then its notices must be shown.
const LONGEST_WITH_NOTICES: Duration = Duration::from_secs(110);
/// How often is looked whether a file moves: as long as it does, it may take longer.
const GLANCE: Duration = Duration::from_secs(1);
const TOO_SLOW: DeliveryError = DeliveryError::Unknown { why: "the homeserver is too slow" };

/// Carries out one conversation's next commands, one after another.
pub(crate) async fn deliver(
    core: &Core,
    batch: &[Delivery],
) -> Vec<Result<Delivered, DeliveryError>> {
    deliver_since(core, batch, Instant::now()).await
}

async fn deliver_since(
    core: &Core,
    batch: &[Delivery],
    started: Instant,
) -> Vec<Result<Delivered, DeliveryError>> {
    let mut results = Vec::with_capacity(batch.len());
    let mut failures = Failures::default();
    for delivery in batch {
        if !results.is_empty() && started.elapsed() >= ENOUGH {
            break;
        }
        let deadline = started + LONGEST;
        let carried = carry(core, delivery);
        let result = match &delivery.attached {
            Some(files) => while_it_moves(files, deadline, carried).await,
            None => tokio::time::timeout_at(deadline, carried).await.unwrap_or(Err(TOO_SLOW)),
        };
        log!(log::DELIVERY_CARRIED_OUT, msg = %delivery.tag, outcome = outcome(&result));
        if let (Ok(_), Command::Status(status)) = (&result, &delivery.command) {
            failures.add(results.len(), delivery, status);
        }
        let goes_on = matches!(result, Ok(_) | Err(DeliveryError::Refused { .. }));
        results.push(result);
        if !goes_on {
            break;
        }
    }
    // Many failures at once are one notice. If it could not be shown, none of them is done, so
    // that it tells of all when it comes again.
    let shown = core.notices.show(core, &failures, started + LONGEST_WITH_NOTICES).await;
    if let Err((first, error)) = shown {
        results.truncate(first);
        results.push(Err(error));
    }
    if results.last() == Some(&Err(DeliveryError::Disconnected)) {
        core.lost.notify_one();
    }
    results
}

/// The same with files: the deadline moves as long as they are read.
async fn while_it_moves(
    files: &Attached,
    mut deadline: Instant,
    carried: impl Future<Output = Result<Delivered, DeliveryError>>,
) -> Result<Delivered, DeliveryError> {
    let read = || {
        let small = files.thumbnail.as_ref().map_or(0, Spooled::read_so_far);
        files.file.read_so_far() + small
    };
    let (mut carried, mut seen) = (pin!(carried), read());
    loop {
        if let Ok(result) = tokio::time::timeout(GLANCE, carried.as_mut()).await {
            return result;
        }
        let now = Instant::now();
        if read() != seen {
            (seen, deadline) = (read(), now + LONGEST);
        } else if now >= deadline {
            return Err(TOO_SLOW);
        }
    }
}

async fn carry(core: &Core, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
    match &delivery.command {
        Command::Message(message) => core.say(delivery, message).await,
        Command::Status(status) => core.tell(delivery, status).await,
        Command::Notice(notice) => core.announce(delivery, notice).await,
        Command::Request(request) => core.ask(delivery, request).await,
        Command::RequestOver(over) => core.ask_no_more(over).await,
        Command::Block(entry) => core.write_block(entry, delivery.accepted_at).await,
        Command::Mute(entry) => core.write_mute(entry, delivery.accepted_at).await,
        Command::Access(access) => core.take_access(access).await,
        Command::Folder(folder) => core.gather(delivery, folder).await,
        Command::Report(report) => core.report(delivery, report).await,
        Command::Profile(profile) => core.show_profile(profile).await,
    }
}

/// A word for the log; the daemon says more.
fn outcome(result: &Result<Delivered, DeliveryError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(DeliveryError::Refused { .. }) => "refused",
        Err(DeliveryError::Retry { .. }) => "not now",
        Err(DeliveryError::Unknown { .. }) => "unknown",
        Err(DeliveryError::Disconnected) => "disconnected",
    }
}
