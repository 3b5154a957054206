//! How the daemon is: what `GET /health` and `drawbridge status` say.
//!
//! Pure: a report goes in, a judgement with its reasons comes out. No body, no address, no name.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use drawbridge_adapter::{Connection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::crossing::{NetworkReport, Report};

/// After which time without its network a daemon fails: nothing that is done at once takes longer.
const DOWN: Duration = Duration::from_mins(5);

/// After which time a message that waits is worth a word, although its network is there.
const WAITS: Duration = Duration::from_mins(10);

/// From which part of its bound on a queue is worth a word.
const FILLING: u64 = 80;

/// How the daemon is, with all that it says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Health {
    /// The worst of the reasons.
    pub(crate) status: Standing,
    /// Why it is not `ok`: what is worst first.
    pub(crate) reasons: Vec<Reason>,
    /// The daemon's version.
    pub(crate) version: String,
    /// When it was asked, in RFC 3339.
    pub(crate) at: String,
    /// When the daemon started.
    pub(crate) started: String,
    /// Each network, by id.
    pub(crate) networks: BTreeMap<String, NetworkHealth>,
    /// Whether what must last can be written.
    pub(crate) store: StoreHealth,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// All is well.
    Ok,
    /// It works, and somebody should know: messages wait, a network is away.
    Degraded,
    /// Something does not work, and does not heal by itself soon.
    Failing,
}

/// Why the daemon is not `ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    /// How bad it is.
    pub(crate) status: Standing,
    /// What it is.
    pub(crate) code: ReasonCode,
    /// The network that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) network: Option<String>,
    /// For how many seconds it has been so.
    pub(crate) seconds: u64,
    /// One sentence.
    pub(crate) says: String,
}

/// What can be wrong. Stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasonCode {
    /// Something is due and does not move.
    Stalled,
    /// The last write to the disk failed.
    StoreFailing,
    /// As much waits for the network as may.
    QueueFull,
    /// The network is not connected.
    NetworkDown,
    /// The network has not come yet, and messages wait for it.
    NetworkAwaited,
    /// The queue is four fifths full.
    QueueFilling,
    /// A message has waited for long, although its network is connected.
    MessagesWait,
}

/// How one network is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkHealth {
    /// The adapter's type.
    pub(crate) adapter: String,
    /// Whether it is connected.
    pub(crate) state: NetworkState,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) why: Option<String>,
    /// Since when it is up, or since when it is not.
    pub(crate) since: String,
    /// For how many seconds.
    pub(crate) seconds: u64,
    /// How much waits for it: messages, and words to senders.
    pub(crate) queued: u64,
    /// How much may.
    pub(crate) queue_limit: u64,
    /// When the oldest of what waits was accepted.
    pub(crate) oldest_waiting: Option<String>,
    /// How many seconds ago that was.
    pub(crate) oldest_waiting_seconds: Option<u64>,
    /// When it last took something, since the start.
    pub(crate) last_success: Option<String>,
    /// When something last came from it, since the start.
    pub(crate) last_heard: Option<String>,
    /// Its conversations that are not at rest.
    pub(crate) conversations: Conversations,
}

/// Conversations on their way to a network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Conversations {
    /// It is their turn next.
    pub(crate) due: usize,
    /// They are being delivered.
    pub(crate) running: usize,
    /// They wait for their next try.
    pub(crate) waiting: usize,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkState {
    /// Messages can be delivered.
    Up,
    /// Nobody is there yet.
    Waiting,
    /// It is not reached; the adapter tries again.
    Down,
}

/// Whether what must last can be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreHealth {
    /// Whether the last write worked.
    pub(crate) writes: bool,
    /// Since when writing fails.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) failing_since: Option<String>,
    /// The bytes on disk, if they can be told.
    pub(crate) bytes: Option<u64>,
}

impl NetworkState {
    pub(super) fn of(connection: Connection) -> Self {
        match connection {
            Connection::Up => Self::Up,
            Connection::Waiting => Self::Waiting,
            Connection::Down { .. } => Self::Down,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Waiting => "waiting",
            Self::Down => "down",
        }
    }
}

/// Judges a report of a daemon that has run since `started`.
pub(crate) fn judge(report: &Report, started: Timestamp) -> Health {
    let mut reasons: Vec<Reason> = report
        .stalls
        .iter()
        .map(|stall| Reason {
            status: Standing::Failing,
            code: ReasonCode::Stalled,
            network: stall.what.network().map(ToString::to_string),
            seconds: stall.since.as_secs(),
            says: stall.what.as_str().to_owned(),
        })
        .collect();
    reasons.extend(report.writes.failing_since.map(|since| Reason {
        status: Standing::Failing,
        code: ReasonCode::StoreFailing,
        network: None,
        seconds: report.at.since(since).as_secs(),
        says: "nothing can be written to the disk".to_owned(),
    }));
    reasons.extend(report.networks.iter().flat_map(|network| reasons_of(network, report.at)));
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.status));
    Health {
        status: reasons.first().map_or(Standing::Ok, |worst| worst.status),
        reasons,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: written(report.at),
        started: written(started),
        networks: report
            .networks
            .iter()
            .map(|network| (network.id.to_string(), health_of(network, report.at)))
            .collect(),
        store: StoreHealth {
            writes: report.writes.failing_since.is_none(),
            failing_since: report.writes.failing_since.map(written),
            bytes: report.stored_bytes,
        },
    }
}

fn reasons_of(network: &NetworkReport, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut reason = |status, code, since: Duration, says: String| {
        let (network, seconds) = (Some(network.id.to_string()), since.as_secs());
        reasons.push(Reason { status, code, network, seconds, says });
    };
    let since = now.since(network.since);
    let waited = network.oldest.map(|oldest| now.since(oldest)).unwrap_or_default();
    let failing_if = |long| if long { Standing::Failing } else { Standing::Degraded };
    let (queued, limit) = (network.queued, network.queue_limit);
    if queued >= limit {
        let says = format!("{queued} wait for it, and no more may");
        reason(Standing::Failing, ReasonCode::QueueFull, waited, says);
    } else if queued >= limit.saturating_mul(FILLING) / 100 && queued > 0 {
        let says = format!("{queued} of at most {limit} wait for it");
        reason(Standing::Degraded, ReasonCode::QueueFilling, waited, says);
    }
    match network.connection {
        Connection::Down { why } => {
            let says = format!("not connected: {why}");
            reason(failing_if(since > DOWN), ReasonCode::NetworkDown, since, says);
        }
        // A partner's app comes and goes as it likes. Only what waits for it is missed.
        Connection::Waiting if queued > 0 => {
            let says = format!("it has not come, and {queued} wait for it");
            reason(failing_if(waited > DOWN), ReasonCode::NetworkAwaited, since, says);
        }
        Connection::Up if waited > WAITS => {
            let says = "connected, and something waits for it all the same".to_owned();
            reason(Standing::Degraded, ReasonCode::MessagesWait, waited, says);
        }
        Connection::Waiting | Connection::Up => {}
    }
    reasons
}

fn health_of(network: &NetworkReport, now: Timestamp) -> NetworkHealth {
    NetworkHealth {
        adapter: network.adapter.to_owned(),
        state: NetworkState::of(network.connection),
        why: match network.connection {
            Connection::Down { why } => Some(why.to_owned()),
            Connection::Up | Connection::Waiting => None,
        },
        since: written(network.since),
        seconds: now.since(network.since).as_secs(),
        queued: network.queued,
        queue_limit: network.queue_limit,
        oldest_waiting: network.oldest.map(written),
        oldest_waiting_seconds: network.oldest.map(|oldest| now.since(oldest).as_secs()),
        last_success: network.tallied.last_delivered.map(written),
        last_heard: network.tallied.last_heard.map(written),
        conversations: Conversations {
            due: network.due,
            running: network.running,
            waiting: network.waiting,
        },
    }
}

/// An instant as RFC 3339 has it, in UTC.
pub(super) fn written(at: Timestamp) -> String {
    let time = DateTime::from_timestamp_millis(at.0);
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}
