//! The partner adapter's keys in the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{Adapter, Addressing, Configuration, LogEvent, NetworkId, Place, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Partner, PartnerAddressing};

/// A partner: a third-party app that connects to the bridge over a WebSocket, by the protocol
/// `drawbridge.partner.v1` (see docs/partner-protocol.md).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PartnerConfig {
    /// Where the bridge waits for the partner's app: address and port. The connection is not
    /// encrypted here: keep it on loopback, and put a TLS proxy in front. The path is /partner/v1.
    #[schemars(example = &"127.0.0.1:8482")]
    pub listen: String,

    /// Who signs the partner's proofs: the `iss` of its tokens.
    #[schemars(example = &"birdychat")]
    pub issuer: String,

    /// The file with the partner's public keys: a JWK set (RFC 7517) of Ed25519 and P-256 keys,
    /// each with a `kid`. It is read again when it changes. Private keys do not belong there.
    #[schemars(example = &"birdychat.jwks.json")]
    pub jwks_file: PathBuf,

    /// For how many seconds the last good keys still count after the file has become unreadable
    /// or invalid. After that nobody gets in until it is mended.
    #[serde(default = "defaults::jwks_ttl_seconds")]
    pub jwks_ttl_seconds: u64,

    /// To whom the partner's proofs are addressed: the `aud` of its tokens.
    #[serde(default = "defaults::audience")]
    pub audience: String,

    /// The longest text, in bytes of UTF-8, that crosses to or from this partner; at most 1000000.
    #[serde(default = "defaults::max_text_bytes")]
    pub max_text_bytes: usize,

    /// How many frames the partner may have unanswered at a time; 1 to 1024.
    #[serde(default = "defaults::credit")]
    pub credit: usize,

    /// How often, in seconds, the bridge sends a ping; a peer that stays silent for three times as
    /// long is disconnected. 1 to 3600.
    #[serde(default = "defaults::ping_seconds")]
    pub ping_seconds: u64,

    /// How many connections of the partner's may be open at a time; 2 to 1024. Only one of them
    /// carries messages, and more have to wait.
    #[serde(default = "defaults::max_connections")]
    pub max_connections: usize,

    /// How many users the partner may enlist.
    #[serde(default = "defaults::max_users")]
    pub max_users: usize,
}

mod defaults {
    pub(super) fn jwks_ttl_seconds() -> u64 {
        600
    }
    pub(super) fn audience() -> String {
        "drawbridge".to_owned()
    }
    pub(super) fn max_text_bytes() -> usize {
        256 * 1024
    }
    pub(super) fn credit() -> usize {
        256
    }
    pub(super) fn ping_seconds() -> u64 {
        20
    }
    pub(super) fn max_connections() -> usize {
        64
    }
    pub(super) fn max_users() -> usize {
        100_000
    }
}

impl Configuration for PartnerConfig {
    const TYPE: &'static str = "partner";
    const LOGS: &'static [LogEvent] = crate::log::EVENTS;
    const DOMAINS: bool = false;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.listen.parse::<SocketAddr>().is_err() {
            let what = "expected an IP address and a port, for instance \"127.0.0.1:8482\"";
            problems.push(Problem::new("listen", what));
        }
        for (key, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() || value.len() > 256 {
                problems.push(Problem::new(key, "expected 1 to 256 bytes"));
            }
        }
        if self.jwks_file.as_os_str().is_empty() {
            problems.push(Problem::new("jwks_file", "expected the path of a JWK set"));
        }
        let ranges = [
            ("max_text_bytes", self.max_text_bytes as u64, 1, 1_000_000),
            ("credit", self.credit as u64, 1, 1024),
            ("ping_seconds", self.ping_seconds, 1, 3600),
            ("max_connections", self.max_connections as u64, 2, 1024),
            ("max_users", self.max_users as u64, 1, 10_000_000),
            ("jwks_ttl_seconds", self.jwks_ttl_seconds, 0, 86_400),
        ];
        for (key, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                problems.push(Problem::new(key, format!("expected {min} to {max}, not {value}")));
            }
        }
        problems
    }

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(PartnerAddressing::new(network.clone()))
    }

    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        Ok(Arc::new(Partner::open(self, network, place)?))
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("jwks_file", self.jwks_file.clone())]
    }

    // Public keys.
    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }
}
