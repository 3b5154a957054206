//! Whether the homeserver is there: asked at the start, again and again, and when a call failed.

use std::time::Duration;

use drawbridge_adapter::{Bridge, Connection, log};
use ruma::api::client::appservice::request_ping;

use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::log::HOMESERVER_IS_DEAF;

/// Between two pings while all is well.
const CALM: Duration = Duration::from_secs(30);
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Watches the homeserver, for ever.
///
/// The ping makes Synapse send at once what it has kept for the bridge, instead of after its
/// backoff, and shows whether it reaches the bridge at all.
pub(crate) async fn watch(core: &Core, appservice: &str) {
    let mut reported = None;
    let mut deaf = false;
    let mut wait = FIRST;
    loop {
        let ping = request_ping::v1::Request::new(appservice.to_owned());
        let answer = core.homeserver.call(As::Bot, ping).await;
        let deaf_now = answer.as_ref().is_err_and(is_one_way);
        if deaf_now && !deaf {
            log!(HOMESERVER_IS_DEAF);
        }
        deaf = deaf_now;
        let connection = match answer {
            Err(error) if !deaf_now => judge(&error),
            _ => Connection::Up,
        };
        // What crosses once it is up must know.
        if connection == Connection::Up {
            core.homeserver.learn_max_file().await;
        }
        if reported != Some(connection) {
            core.bridge.report(connection);
            reported = Some(connection);
        }
        if connection == Connection::Up {
            wait = FIRST;
            let _ = tokio::time::timeout(CALM, core.lost.notified()).await;
        } else {
            tokio::time::sleep(jittered(&core.bridge, wait)).await;
            wait = (wait * 2).min(LONGEST);
        }
    }
}

/// The homeserver's words on its way to the bridge: messages can go the other way.
fn is_one_way(error: &CallError) -> bool {
    let words = ["M_BAD_STATUS", "M_CONNECTION_FAILED", "M_CONNECTION_TIMEOUT", "M_URL_NOT_SET"];
    words.into_iter().any(|code| error.says(code))
}

/// What a failed ping says about the way from the bridge to the homeserver.
fn judge(error: &CallError) -> Connection {
    let why = match error {
        CallError::Unreachable => "the homeserver does not listen",
        CallError::Unanswered | CallError::Oversized => "the homeserver does not answer",
        CallError::Failed { .. } => "the homeserver fails",
        CallError::Limited(_) => "the homeserver limits the bridge's pings",
        error if error.is_unknown_token() => {
            "the homeserver does not know the bridge: is the registration file in its configuration?"
        }
        CallError::Refused { .. } => "the homeserver refuses the bridge's ping",
    };
    Connection::Down { why }
}

/// Half to all of `wait`, so that many bridges do not come back as one.
pub(crate) fn jittered(bridge: &Bridge, wait: Duration) -> Duration {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(2);
    Duration::from_millis(millis / 2 + bridge.random() % (millis / 2))
}
