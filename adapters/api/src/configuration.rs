//! An adapter's own keys in the configuration file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Adapter, Addressing, LogEvent, NetworkId};

/// The keys of one `[networks.<id>]` table that belong to the adapter.
///
/// The doc comments of the type and its fields, and their `#[schemars(example = …)]`, become
/// `config/drawbridge.toml` and the words of error messages: write them for operators. Units stand
/// in key names. Do not `deny_unknown_fields`: the daemon finds unknown keys by the schema, and
/// suggests the right one.
pub trait Configuration: DeserializeOwned + JsonSchema + Send + Sync + Sized + 'static {
    /// The value of the key `type`.
    const TYPE: &'static str;

    /// What the adapter logs: the `EVENTS` of its [`log_events!`](crate::log_events), for the
    /// operator's list.
    const LOGS: &'static [LogEvent] = &[];

    /// Whether users live under domains, so that an operator must say which are local.
    const DOMAINS: bool = true;

    /// Everything that is wrong by itself. Pure: looks at no file and no network.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// What works and is not as it should be: `drawbridge check` warns of it. Pure, and called only
    /// without [`Self::problems`].
    fn warnings(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// How users are named on a network so configured. Called only without [`Self::problems`].
    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing>;

    /// Makes the adapter: reads its files, connects nothing.
    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>>;

    /// The files that [`Self::build`] will read, by key.
    fn files(&self) -> Vec<(&'static str, PathBuf)>;

    /// Those of [`Self::files`] that nobody but the daemon and root may read: all, unless the
    /// adapter says otherwise.
    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.files()
    }

    /// The content of the file that the network's own server needs to let the bridge in, if it
    /// needs one, with words on where it goes. Made anew, with fresh secrets.
    fn registration(&self, _network: &NetworkId) -> Option<Registration> {
        None
    }
}

/// A file for the network's own server.
pub struct Registration {
    /// Where the adapter will read it: by the configuration.
    pub path: PathBuf,
    /// What belongs in it. Holds secrets.
    pub content: crate::Secret,
    /// What the operator does with it.
    pub advice: String,
}

/// Something wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, below `networks.<id>`: `listen`, `users.local`.
    pub key: String,
    /// What is wrong, and what was expected instead. Never a secret's value.
    pub what: String,
}

impl Problem {
    /// Something wrong with `key`.
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }
}

/// Where files are looked for.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder of the configuration file: relative paths start here.
    pub config_dir: PathBuf,
    /// systemd's `$CREDENTIALS_DIRECTORY`, if there is one.
    pub credentials_dir: Option<PathBuf>,
}

impl Place {
    /// Where the configuration's `path` is: among systemd's credentials if it is relative and one
    /// of that name is there, else as written, below the configuration's folder.
    ///
    /// systemd names what it loads from a folder after both: `secrets/a` is the credential
    /// `secrets_a` of `LoadCredential=secrets:…` (systemd.exec(5)).
    pub fn find(&self, path: &Path) -> PathBuf {
        if path.is_relative()
            && let Some(credentials) = &self.credentials_dir
        {
            let parts: Vec<_> = path.iter().collect();
            let credential = credentials.join(parts.join(OsStr::new("_")));
            if credential.exists() {
                return credential;
            }
        }
        self.config_dir.join(path)
    }
}
