//! The registry: which adapters a daemon is built with.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{
    Adapter, Addressing, Configuration, LogEvent, NetworkId, Place, Problem, Registration,
};
use serde_json::Value;

/// The adapters of this repository: one line each. A daemon with others besides hands its own list
/// to [`cli::main`](crate::cli::main); `docs/adapter-guide.md` shows how.
pub static ADAPTERS: &[AdapterType] = &[
    AdapterType::of::<drawbridge_matrix::MatrixConfig>(),
    AdapterType::of::<drawbridge_xmpp::XmppConfig>(),
    AdapterType::of::<drawbridge_partner::PartnerConfig>(),
];

pub(super) type ReadError = serde_path_to_error::Error<serde_json::Error>;

/// One kind of adapter: its configuration type, erased.
#[derive(Clone, Copy)]
pub struct AdapterType {
    /// The value of `type`.
    pub name: &'static str,
    /// Whether its users live under domains.
    pub(super) domains: bool,
    /// What it logs.
    pub logs: &'static [LogEvent],
    pub(super) schema: fn() -> Value,
    pub(super) read: fn(&Value) -> Result<Box<dyn AnyConfiguration>, ReadError>,
}

impl AdapterType {
    /// The registry's entry for an adapter.
    pub const fn of<C: Configuration>() -> Self {
        Self {
            name: C::TYPE,
            domains: C::DOMAINS,
            logs: C::LOGS,
            schema: || schemars::schema_for!(C).to_value(),
            read: |value| {
                let read: C = serde_path_to_error::deserialize(value)?;
                Ok(Box::new(read))
            },
        }
    }
}

/// The type that two of these adapters have, if any two do: nobody could say which was meant.
pub(super) fn twice(adapters: &[AdapterType]) -> Option<&'static str> {
    let mut names = BTreeSet::new();
    adapters.iter().map(|adapter| adapter.name).find(|name| !names.insert(*name))
}

/// [`Configuration`], as far as it does without knowing the type.
pub(super) trait AnyConfiguration: Send + Sync {
    fn problems(&self) -> Vec<Problem>;
    fn warnings(&self) -> Vec<Problem>;
    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing>;
    fn files(&self) -> Vec<(&'static str, PathBuf)>;
    fn secret_files(&self) -> Vec<(&'static str, PathBuf)>;
    fn registration(&self, network: &NetworkId) -> Option<Registration>;
    fn build(
        self: Box<Self>,
        network: NetworkId,
        place: &Place,
    ) -> Result<Arc<dyn Adapter>, Vec<Problem>>;
}

impl<C: Configuration> AnyConfiguration for C {
    fn problems(&self) -> Vec<Problem> {
        Configuration::problems(self)
    }

    fn warnings(&self) -> Vec<Problem> {
        Configuration::warnings(self)
    }

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Configuration::addressing(self, network)
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        Configuration::files(self)
    }

    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        Configuration::secret_files(self)
    }

    fn registration(&self, network: &NetworkId) -> Option<Registration> {
        Configuration::registration(self, network)
    }

    fn build(
        self: Box<Self>,
        network: NetworkId,
        place: &Place,
    ) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        Configuration::build(*self, network, place)
    }
}
