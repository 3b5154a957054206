//! Secrets: read from files, compared by their owners, printed by nobody.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Place, Problem};

/// A secret text. `Debug` does not show it, only [`Secret::expose`] does; it is serialised for the
/// daemon's own store alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself: for its one use, never for a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

/// A configuration key that names the file of a secret: a path relative to the configuration's
/// folder, or a systemd credential (see [`Place::find`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretFile(pub PathBuf);

impl SecretFile {
    /// The largest file that is read, in bytes.
    pub const MAX: u64 = 64 * 1024;

    /// Reads the secret, without the line end that editors leave.
    pub fn read(&self, place: &Place, key: &str) -> Result<Secret, Problem> {
        let path = place.find(&self.0);
        let failed = |what: String| Problem::new(key, format!("{}: {what}", path.display()));
        let file = std::fs::File::open(&path).map_err(|error| failed(error.to_string()))?;
        let mut text = String::new();
        let read = file.take(Self::MAX + 1).read_to_string(&mut text);
        let read = read.map_err(|error| failed(error.to_string()))?;
        if read as u64 > Self::MAX {
            return Err(failed(format!("larger than {} bytes", Self::MAX)));
        }
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(failed("the file is empty".to_owned()));
        }
        Ok(Secret::new(secret))
    }
}
