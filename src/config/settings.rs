//! The daemon's own keys. Their doc comments are written for operators: they become
//! `config/drawbridge.toml` and the words of findings.

use std::net::SocketAddr;
use std::path::PathBuf;

use drawbridge_adapter::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use crate::gate::{Posture, Role};

/// The keys outside of `[networks]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// The folder in which the daemon keeps what must last: the queue and the ids of messages.
    /// Made if it is not there. One daemon a folder.
    #[schemars(example = "/var/lib/drawbridge")]
    pub(super) data_dir: PathBuf,
    /// The log, on standard error.
    #[serde(default)]
    pub(super) log: LogSettings,
    /// What the operator sees: health and metrics over HTTP, and the socket of `drawbridge status`
    /// and `drawbridge queue`.
    #[serde(default)]
    pub(super) operator: OperatorSettings,
    /// How much may come from a third-party network. What comes beyond is refused, and its sender
    /// told when to try again: `rate_limited`. A home network's own server has limits of its own.
    #[serde(default)]
    pub(super) limits: LimitSettings,
    /// What waits for a network that is down.
    #[serde(default)]
    pub(super) queue: QueueSettings,
    /// Files that people send: pictures, films, sounds, voice notes, documents.
    #[serde(default)]
    pub(super) media: MediaSettings,
    /// For how long something is kept of a message. Its body never is, after its final status.
    #[serde(default)]
    pub(super) retention: RetentionSettings,
}

/// Files that people send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct MediaSettings {
    /// The largest file that crosses, in MiB, if both networks take it: `media_too_large`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_mib: u32,
    /// How much of files may lie in `data_dir` at one time, in MiB, while they are on their way:
    /// at least four times as much as the largest file, because what one network sends to another may not
    /// take up more than a quarter of it. What finds no room waits.
    #[schemars(range(min = 4, max = 10_000_000))]
    pub(super) spool_mib: u32,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self { max_mib: 256, spool_mib: 2048 }
    }
}

/// The log, on standard error.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct LogSettings {
    /// `human` for reading, `json` with one object a line for machines, both on standard error with
    /// times in UTC; `journald` with fields for systemd's journal. `auto` is `journald` if standard
    /// error is the journal, as under systemd, and `human` elsewhere.
    pub(super) format: LogFormat,
    /// How much Drawbridge says of itself: `off`, `error`, `warn`, `info`, `debug` or `trace`;
    /// also for single parts, as in `info,drawbridge_xmpp=debug`. At no level does it hold
    /// messages, addresses or secrets.
    #[schemars(with = "String")]
    pub(super) level: LogLevels,
}

/// What the operator sees.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct OperatorSettings {
    /// Lets `listen` be an address that is not loopback. Whoever reaches it learns how much
    /// crosses between the networks, though nothing of whom or what: keep others out.
    pub(super) allow_remote: bool,
    /// Where `GET /health` and `GET /metrics` are answered: address and port. Not at all unless
    /// it is set. Plain HTTP without a password: loopback only.
    #[schemars(example = "127.0.0.1:9465")]
    pub(super) listen: Option<SocketAddr>,
    /// The socket for the commands `status` and `queue`, which only its owner and root may use;
    /// `control.sock` in `data_dir` unless it is set. At most 107 bytes with its folders.
    #[schemars(example = "/run/drawbridge/control.sock")]
    pub(super) socket: Option<PathBuf>,
}

/// How much may come from a third-party network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LimitSettings {
    /// How many messages of one network may come at once, after a rest: what waited with it while
    /// the bridge was away comes so.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub network_burst_messages: u32,
    /// How many messages a minute one network may send in the long run; 0 for no limit, here and
    /// below.
    #[schemars(range(max = 1_000_000))]
    pub network_messages_per_minute: u32,
    /// How many messages to one user may come at once from one network, whoever writes them.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub recipient_burst_messages: u32,
    /// How many messages a minute to one user, from one network.
    #[schemars(range(max = 1_000_000))]
    pub recipient_messages_per_minute: u32,
    /// How many messages of one sender may come at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sender_burst_messages: u32,
    /// How many messages a minute of one sender.
    #[schemars(range(max = 1_000_000))]
    pub sender_messages_per_minute: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            network_burst_messages: 50_000,
            network_messages_per_minute: 60_000,
            recipient_burst_messages: 10_000,
            recipient_messages_per_minute: 1200,
            sender_burst_messages: 5000,
            sender_messages_per_minute: 600,
        }
    }
}

/// For how long something is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct RetentionSettings {
    /// For how many days the ids of messages are kept after they were accepted: so long a repeat
    /// is known as one, and a message that comes back finds its sender. At least for a day longer
    /// than a message may wait.
    #[schemars(range(min = 1, max = 3650))]
    pub(super) ids_days: u16,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { ids_days: 90 }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// The journal's if standard error is the journal, else for reading.
    #[default]
    Auto,
    /// For reading.
    Human,
    /// One object a line.
    Json,
    /// Fields for systemd's journal.
    Journald,
}

/// What waits for a network that is down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct QueueSettings {
    /// The most messages that wait on disk for one network. What comes beyond is refused, and its
    /// sender told: `network_unreachable`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(super) max_messages: u32,
    /// After how many hours a message that could not be delivered fails, and its sender is told:
    /// `expired`.
    #[schemars(range(min = 1, max = 8760))]
    pub(super) expire_after_hours: u16,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { max_messages: 100_000, expire_after_hours: 72 }
    }
}

/// The keys that every network has.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NetworkSettings {
    /// Whose network it is: `home`, the operator's own community, or `third_party`, somebody
    /// else's app. A third-party network is off for each user until they switch it on.
    pub(super) role: Role,
    /// Who takes part.
    #[serde(default)]
    pub(super) users: UserSettings,
    /// What crosses, within what the networks can carry.
    #[serde(default)]
    pub(super) kinds: KindSettings,
    /// By what a third-party network was admitted. Without it the network is inactive: nothing
    /// crosses to or from it, and nobody can switch it on.
    #[serde(default)]
    pub(super) admission: Option<AdmissionSettings>,
    /// To whom of your users a third-party network is offered; without it, to all.
    #[serde(default)]
    pub(super) available_to: Option<OfferSettings>,
    /// From where files are fetched to which its messages hold links.
    #[serde(default)]
    pub(super) media: MediaHostSettings,
}

/// From where files are fetched to which messages hold links.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct MediaHostSettings {
    /// These hosts, over HTTPS: `files.example.org`, with a port if it is not 443, `*.example.org` for
    /// all below a domain, `*` for any; and, without being named, all at and below the domains of
    /// `users.local`, also at the usual ports of XMPP upload services, 5281 and 5443. What lies
    /// elsewhere is refused: `host_denied`. Addresses of private networks are never fetched from,
    /// whatever name leads there.
    #[schemars(example = ["files.example.org"])]
    pub(super) hosts: Vec<String>,
    /// These hosts too, also over plain HTTP, and also if they are in a private network or this
    /// machine: for an upload service of your own, with its port if it is not 443 (or 80).
    #[schemars(example = ["upload.example.org:5281"])]
    pub(super) private_hosts: Vec<String>,
}

/// By what a third-party network was admitted.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AdmissionSettings {
    /// The file with the report of the conformance suite, as JSON. Every check that it names must
    /// have passed or have been skipped with a reason.
    #[schemars(example = "birdychat.conformance.json")]
    pub(super) conformance_report: PathBuf,
    /// What a chat with its users must be at least. All that is carried today is `clear`: anything
    /// more is refused with `e2ee_required`.
    pub(super) minimum_posture: Posture,
}

/// To whom a third-party network is offered: all of these together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct OfferSettings {
    /// These users, as `network:id`.
    #[schemars(example = ["matrix:@alice:example.org"])]
    pub(super) users: Vec<String>,
    /// All users who live under these domains.
    #[schemars(example = ["example.org"])]
    pub(super) domains: Vec<String>,
    /// Of all other users so many in a hundred, always the same ones.
    #[schemars(range(max = 100))]
    pub(super) share_percent: u8,
}

/// Who takes part.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct UserSettings {
    /// A home network's own domains, in lower case: their users are local, all others remote.
    #[schemars(example = ["example.org"])]
    pub(super) local: Vec<String>,
    /// Whether remote users may write and be written to across the bridge.
    pub(super) remote: Remote,
}

/// Whether remote users take part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Remote {
    /// They may not.
    #[default]
    Deny,
    /// They may.
    Allow,
    /// Their first messages wait until the recipient accepts them.
    Request,
}

/// What crosses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct KindSettings {
    /// Kinds of messages that do not cross to or from this network.
    #[schemars(example = ["text"])]
    pub(super) deny: Vec<Kind>,
    /// Kinds that are refused by default and may cross between home networks: `sticker`, if both
    /// allow it and carry it (no adapter does yet). Towards and from a third-party network nothing
    /// can allow it.
    #[schemars(example = ["sticker"])]
    pub(super) allow: Vec<Kind>,
}

/// What is logged of Drawbridge's own parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevels {
    /// What is logged of everything that is Drawbridge's own.
    pub all: LevelFilter,
    /// What is logged of single parts: the targets start with `drawbridge`.
    pub parts: Vec<(String, LevelFilter)>,
}

impl Default for LogLevels {
    fn default() -> Self {
        Self { all: LevelFilter::INFO, parts: Vec::new() }
    }
}

impl Serialize for LogLevels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.all)
    }
}

impl TryFrom<String> for LogLevels {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut levels = Self::default();
        for part in text.split(',') {
            let (target, level) = match part.split_once('=') {
                Some((target, level)) => (Some(target.trim()), level),
                None => (None, part),
            };
            let level = level_of(level.trim())?;
            match target {
                None => levels.all = level,
                Some(target) if target.starts_with("drawbridge") => {
                    levels.parts.push((target.to_owned(), level));
                }
                Some(_) => {
                    return Err("expected only parts of Drawbridge, whose names start with \
                                drawbridge: the log of others would show messages");
                }
            }
        }
        Ok(levels)
    }
}

fn level_of(word: &str) -> Result<LevelFilter, &'static str> {
    match word {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("expected off, error, warn, info, debug or trace, or parts with levels as in \
                  info,drawbridge_xmpp=debug"),
    }
}
