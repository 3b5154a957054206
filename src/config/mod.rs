//! The configuration: one TOML file and the environment, checked whole before anything starts.
//!
//! [`load`] reads the file, lays `DRAWBRIDGE_…` variables over it, holds the result against the
//! schemas of the daemon's and the adapters' own types, and gives either a [`Loaded`] or every
//! [`Finding`] at once, each with its key and its place. It looks at no other file and at no
//! network: secrets are read when adapters are built.
//!
//! What is not here: an adapter's keys (each adapter owns its type), and any decision about
//! messages (the gate's).
//!
//! Invariant: no value of the configuration is ever printed.

mod adapters;
mod check;
mod conformance;
mod document;
mod environment;
mod finding;
mod network;
mod origin;
#[cfg(test)]
mod reference;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod values;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{NetworkId, Place};
use serde_json::Value;

pub use adapters::{ADAPTERS, AdapterType};
pub use finding::{Finding, Severity};
pub use network::{Network, NetworkAdapter};
pub use origin::Origin;
pub use settings::{LimitSettings, LogFormat, LogLevels};
pub use values::Values;

use check::Checker;
use environment::Variables;
use origin::{KeyPath, Origins};
use settings::{OperatorSettings, Settings};

/// The largest configuration file that is read, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The environment, as [`std::env::vars_os`] gives it.
pub type Environment = Vec<(OsString, OsString)>;

/// A configuration without an error.
pub struct Loaded {
    /// Where the daemon keeps what must last.
    pub data_dir: PathBuf,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What is logged of Drawbridge itself.
    pub log_levels: LogLevels,
    /// The most commands that may wait for one network.
    pub max_messages: u32,
    /// After which time an undelivered message fails.
    pub expire_after: Duration,
    /// What the operator sees, and where.
    pub operator: Operator,
    /// For how long the ids of messages are kept after they were accepted.
    pub keep_ids: Duration,
    /// How much may come from a third-party network.
    pub limits: LimitSettings,
    /// The largest file that crosses, in bytes.
    pub max_file: u64,
    /// How much of files may lie on disk at one time, in bytes.
    pub spool: u64,
    /// The networks, by id.
    pub networks: Vec<Network>,
    /// Where adapters find their files.
    pub place: Place,
    /// The value of every key.
    pub values: Values,
}

/// Where the operator sees what the daemon does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Where health and metrics are answered over HTTP, if they are.
    pub listen: Option<SocketAddr>,
    /// The socket for the commands of a running daemon.
    pub socket: PathBuf,
}

impl Loaded {
    /// What the operator should know before the daemon starts with it, in the order of the file:
    /// what an adapter warns of, and each file that it will read and that is not there yet; and as
    /// an error what would keep it from starting in a file that is there.
    pub fn findings(&self) -> Vec<Finding> {
        let of = |network: &Network| network.findings(&self.place);
        let mut findings: Vec<_> = self.networks.iter().flat_map(of).collect();
        findings.sort_by(Finding::order);
        findings
    }

    /// The network of this id.
    pub fn network(&self, id: &NetworkId) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == *id)
    }
}

/// Reads the configuration at `path` and lays `environment` over it; its networks are carried by
/// `adapters`.
///
/// Errors are all that is wrong, in the order of the file.
pub fn load(
    path: &Path,
    environment: Environment,
    adapters: &[AdapterType],
) -> Result<Loaded, Vec<Finding>> {
    let unreadable = |what: String| vec![Finding::error(None, String::new(), what)];
    let file = File::open(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let mut text = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
    read.map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(unreadable(format!("is larger than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(text).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        let what = "is not UTF-8".to_owned();
        vec![Finding::error(Some(Origin::Line(line)), String::new(), what)]
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Whoever reads a path in a message need not know from where the daemon was started.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    read_text(&text, &folder, environment, adapters)
}

/// Everything of [`load`] but the file. Pure.
fn read_text(
    text: &str,
    folder: &Path,
    environment: Environment,
    adapters: &[AdapterType],
) -> Result<Loaded, Vec<Finding>> {
    if let Some(name) = adapters::twice(adapters) {
        let what = format!(
            "two of the adapters that this program is built with are of the type {name:?}: each \
             needs a type of its own"
        );
        return Err(vec![Finding::error(None, String::new(), what)]);
    }
    let mut findings = Vec::new();
    let mut origins = Origins::default();
    let file = document::read(text, &mut origins).map_err(|finding| vec![finding])?;
    let variables = Variables::take(environment, &mut origins, &mut findings);
    let credentials_dir = variables.credentials_dir.clone();
    let merged = merge(file, variables).map_err(|what| {
        vec![Finding::error(None, String::new(), format!("cannot be merged: {what}"))]
    })?;

    let origins = Arc::new(origins);
    let mut checker = Checker::new(&origins, &mut findings);
    let (settings, networks) = read_merged(merged, &mut checker, adapters);
    let operator = settings.as_ref().map(|settings| operator(settings, folder, &mut checker));
    if settings.as_ref().is_some_and(|it| it.media.spool_mib / 4 < it.media.max_mib) {
        let what = "expected at least four times media.max_mib";
        checker.error_unless_repaired(
            &KeyPath::default().then("media").then("spool_mib"),
            what.to_owned(),
        );
    }
    let values = Values::new(std::mem::take(&mut checker.effective), Arc::clone(&origins));
    if !findings.is_empty() {
        findings.sort_by(Finding::order);
        findings.dedup();
        return Err(findings);
    }
    // Without a finding there are settings; a missing one would be the finding.
    let Some((settings, operator)) = settings.zip(operator) else { return Err(findings) };
    Ok(Loaded {
        data_dir: folder.join(settings.data_dir),
        log_format: settings.log.format,
        log_levels: settings.log.level,
        max_messages: settings.queue.max_messages,
        expire_after: Duration::from_secs(u64::from(settings.queue.expire_after_hours) * 3600),
        operator,
        keep_ids: Duration::from_hours(u64::from(settings.retention.ids_days) * 24),
        limits: settings.limits,
        max_file: mebibytes(settings.media.max_mib),
        spool: mebibytes(settings.media.spool_mib),
        networks,
        place: Place { config_dir: folder.to_owned(), credentials_dir },
        values,
    })
}

fn mebibytes(count: u32) -> u64 {
    u64::from(count) << 20
}

/// The longest path of a Unix socket that the kernel takes, in bytes.
const SOCKET: usize = 107;

fn operator(settings: &Settings, folder: &Path, checker: &mut Checker<'_>) -> Operator {
    let table = KeyPath::default().then("operator");
    let OperatorSettings { listen, socket, allow_remote } = &settings.operator;
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) && !allow_remote {
        let what = "expected a loopback address, as in \"127.0.0.1:9465\": there is no password; \
                    operator.allow_remote = true takes any";
        checker.error_unless_repaired(&table.then("listen"), what.to_owned());
    }
    let data_dir = folder.join(&settings.data_dir);
    let (key, socket) = match socket {
        Some(socket) => (table.then("socket"), folder.join(socket)),
        None => (KeyPath::default().then("data_dir"), data_dir.join("control.sock")),
    };
    if socket.as_os_str().as_bytes().len() > SOCKET {
        let what = if settings.operator.socket.is_some() {
            format!("longer than the {SOCKET} bytes that a socket's path may have")
        } else {
            format!(
                "control.sock in it is longer than the {SOCKET} bytes that a socket's path may \
                     have; set operator.socket to a shorter one"
            )
        };
        checker.error_unless_repaired(&key, what);
    }
    Operator { listen: *listen, socket }
}

/// Lays the variables over the file, with the crate `config`.
fn merge(file: document::Document, variables: Variables) -> Result<Value, ::config::ConfigError> {
    let merged =
        ::config::Config::builder().add_source(file).add_source(variables.into_source()).build()?;
    merged.try_deserialize()
}

fn read_merged(
    mut merged: Value,
    checker: &mut Checker<'_>,
    adapters: &[AdapterType],
) -> (Option<Settings>, Vec<Network>) {
    let root = KeyPath::default();
    let networks = merged.as_object_mut().and_then(|table| table.remove("networks"));
    let schema = schemars::schema_for!(Settings).to_value();
    let settings = checker.read(&schema, merged, &root, &["networks"], |value| {
        serde_path_to_error::deserialize(value)
    });
    let networks = match networks {
        None => {
            let what = "missing; expected a table [networks.<id>] for each network";
            checker.error(&root.then("networks"), what);
            Vec::new()
        }
        Some(Value::Object(tables)) => {
            let all = tables.len();
            let read = |(id, table): (String, Value)| network::read(&id, table, checker, adapters);
            let mut networks: Vec<_> = tables.into_iter().filter_map(read).collect();
            if networks.len() == all {
                network::spell_offers(&mut networks, checker);
            }
            networks
        }
        Some(_) => {
            checker.error(&root.then("networks"), "expected tables [networks.<id>]");
            Vec::new()
        }
    };
    (settings, networks)
}
