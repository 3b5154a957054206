//! Who is reached where.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::Daemon;

/// Where users are reached: as the daemon itself says.
pub struct Addresses {
    daemon: PathBuf,
    config: PathBuf,
    known: Mutex<HashMap<(String, String), String>>,
}

impl Addresses {
    /// As the daemon says with this configuration.
    pub fn of_config(daemon: &Path, config: &Path) -> Self {
        let known = Mutex::new(HashMap::new());
        Self { daemon: daemon.to_owned(), config: config.to_owned(), known }
    }

    /// The address of `user` on `network`; on the user's own, the user's id there.
    pub fn of(&self, user: &str, network: &str) -> Result<String> {
        if let Some((home, id)) = user.split_once(':')
            && home == network
        {
            return Ok(id.to_owned());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user.to_owned(), network.to_owned());
        if let Some(address) = known.get(&key) {
            return Ok(address.clone());
        }
        let asker = Daemon::new(&self.daemon, &self.config, Path::new("/dev/null"), Vec::new());
        let address = asker.asks(&["address", user, "--on", network])?;
        known.insert(key, address.clone());
        Ok(address)
    }
}
