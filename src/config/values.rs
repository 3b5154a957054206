//! The value of every key, and which of them a running daemon takes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Finding;
use super::origin::{KeyPath, Origins};

/// The keys that a reload changes; `*` stands for a network's id. All others want a restart.
const RELOADABLE: &[&str] = &[
    "limits.network_burst_messages",
    "limits.network_messages_per_minute",
    "limits.recipient_burst_messages",
    "limits.recipient_messages_per_minute",
    "limits.sender_burst_messages",
    "limits.sender_messages_per_minute",
    "log.level",
    "media.max_mib",
    "queue.expire_after_hours",
    "queue.max_messages",
    "retention.ids_days",
    "networks.*.users.local",
    "networks.*.users.remote",
    "networks.*.admission.minimum_posture",
    "networks.*.available_to.domains",
    "networks.*.available_to.share_percent",
    "networks.*.available_to.users",
    "networks.*.kinds.deny",
    "networks.*.kinds.allow",
    "networks.*.media.hosts",
    "networks.*.media.private_hosts",
];

/// The value of every key, set or by default. Never printed.
#[derive(Clone, Default)]
pub struct Values {
    of: BTreeMap<KeyPath, Value>,
    origins: Arc<Origins>,
}

impl Values {
    pub(super) fn new(of: BTreeMap<KeyPath, Value>, origins: Arc<Origins>) -> Self {
        Self { of, origins }
    }

    /// The keys by which these differ from `running`, those of a running daemon.
    ///
    /// Errors are all keys that cannot change while it runs.
    pub fn changes(&self, running: &Self) -> Result<Vec<String>, Vec<Finding>> {
        let keys: BTreeSet<_> = self.of.keys().chain(running.of.keys()).collect();
        let differs = |key: &&&KeyPath| self.of.get(**key) != running.of.get(**key);
        let (mut changed, mut refused) = (Vec::new(), BTreeMap::new());
        for key in keys.iter().filter(differs) {
            if let Some(network) = self.not_in_both(running, key) {
                refused.insert(network, "a network cannot come or go while the daemon runs");
            } else if is_reloadable(&key.names().collect::<Vec<_>>()) {
                changed.push(key.to_string());
            } else {
                refused.insert((*key).clone(), "cannot change while the daemon runs");
            }
        }
        if refused.is_empty() {
            return Ok(changed);
        }
        let finding = |(key, what): (KeyPath, &str)| {
            let origin = self.origins.at(&key).cloned();
            Finding::error(origin, key.to_string(), format!("{what}: put it back, or restart"))
        };
        let mut findings: Vec<_> = refused.into_iter().map(finding).collect();
        findings.sort_by(Finding::order);
        Err(findings)
    }

    /// The network that the key belongs to, if only one of the two configurations has it.
    fn not_in_both(&self, running: &Self, key: &KeyPath) -> Option<KeyPath> {
        let mut names = key.names();
        let id = names.next().filter(|name| *name == "networks").and(names.next())?;
        let network = KeyPath::default().then("networks").then(id);
        let kind = network.then("type");
        (self.of.contains_key(&kind) != running.of.contains_key(&kind)).then_some(network)
    }
}

/// Whether a reload changes the key of these names.
pub(super) fn is_reloadable(names: &[&str]) -> bool {
    RELOADABLE.iter().any(|known| {
        let known: Vec<_> = known.split('.').collect();
        known.len() == names.len()
            && known.iter().zip(names).all(|(known, name)| *known == "*" || known == name)
    })
}
