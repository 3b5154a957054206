//! The partner's enlisted users: in the bridge's store, and in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use drawbridge_adapter::{Bridge, Memo, Unavailable};
use serde::{Deserialize, Serialize};

/// Before the user's id, in the bridge's store.
const PREFIX: &str = "user/";

/// How many users are read from the store at a time.
const PAGE: usize = 1000;

/// An enlisted user, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enlisted {
    /// The name shown to others.
    pub(crate) name: Option<String>,
}

/// Everyone for whom the partner speaks.
#[derive(Default)]
pub(crate) struct Users(RwLock<HashMap<String, Enlisted>>);

impl Users {
    /// Reads them all from the store.
    pub(crate) async fn load(&self, bridge: &Bridge) -> Result<usize, Unavailable> {
        let mut all = HashMap::new();
        let mut after = String::new();
        loop {
            let page = bridge.recall_all(PREFIX, &after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (key, value) in page {
                let id = key.strip_prefix(PREFIX).unwrap_or_default().to_owned();
                let user = serde_json::from_str(&value).unwrap_or(Enlisted { name: None });
                all.insert(id, user);
            }
        }
        let count = all.len();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(count)
    }

    /// This user, if enlisted.
    pub(crate) fn find(&self, id: &str) -> Option<Enlisted> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.get(id).cloned()
    }

    /// Whether this user is enlisted.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes over what the store has taken.
    pub(crate) fn apply(&self, changes: Vec<Change>) {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Enlist { id, name } => users.insert(id, Enlisted { name }),
                Change::Delist { id } => users.remove(&id),
            };
        }
    }
}

/// A user comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Enlist { id: String, name: Option<String> },
    Delist { id: String },
}

impl Change {
    /// How the store writes it down.
    pub(crate) fn memo(&self) -> Memo {
        match self {
            Self::Enlist { id, name } => {
                let value = serde_json::json!({ "name": name });
                Memo::set(format!("{PREFIX}{id}"), value.to_string())
            }
            Self::Delist { id } => Memo::forget(format!("{PREFIX}{id}")),
        }
    }
}
