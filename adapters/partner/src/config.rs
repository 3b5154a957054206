//! The partner adapter's keys in the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{
    Adapter, Addressing, Configuration, LogEvent, NetworkId, Place, Problem, Registration,
    SecretFile,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::target::Target;
use crate::{Partner, PartnerAddressing, identity};

/// A partner: a third-party app, bridged over a WebSocket by the protocol `drawbridge.partner.v1`
/// (see docs/partner-protocol.md). Either the app connects to the bridge, then set `listen`; or the
/// bridge connects to the app, then set `dial` and `dial_key_file`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PartnerConfig {
    /// Where the bridge waits for the partner's app: address and port. The connection is not
    /// encrypted here: keep it on loopback, and put a TLS proxy in front. The path is /partner/v1.
    #[serde(default)]
    #[schemars(example = &"127.0.0.1:8482")]
    pub listen: Option<String>,

    /// Where the bridge finds the partner's app, if it is the bridge that connects. The server
    /// must show a certificate for this name. Plain `ws` only on loopback; anywhere else `wss`.
    #[serde(default)]
    #[schemars(example = &"wss://partner.example/drawbridge")]
    pub dial: Option<String>,

    /// With `dial`: the file with the bridge's own key, by which the partner knows the bridge.
    /// `drawbridge registration <network>` makes it, and prints what the partner needs. It is
    /// secret.
    #[serde(default)]
    #[schemars(example = &"birdychat.key.json")]
    pub dial_key_file: Option<SecretFile>,

    /// With `dial`: a PEM file with the certificate authorities that may vouch for the partner's
    /// server. Then no others count; without it the system's do.
    #[serde(default)]
    #[schemars(example = &"birdychat-ca.pem")]
    pub dial_ca_file: Option<PathBuf>,

    /// With `dial`: allows plain `ws` beyond loopback. Whoever sits on the way can then read and
    /// change everything: only for a network that is private as a whole.
    #[serde(default)]
    pub dial_unencrypted: bool,

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

    /// The bridge's name: to whom the partner's proofs are addressed, the `aud` of its tokens. With
    /// `dial`, also the `iss` of the bridge's own. Agree on one that is yours alone: what the partner
    /// shows to one bridge opens every other bridge of the same name that trusts the same keys.
    /// Without it the name is `drawbridge`, as anybody's, and `drawbridge check` warns.
    #[serde(default)]
    #[schemars(example = &"drawbridge.example.org")]
    pub audience: Option<String>,

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

    /// With `listen`: how many connections of the partner's may be open at a time; 2 to 1024. Only
    /// one of them carries messages, and more have to wait.
    #[serde(default = "defaults::max_connections")]
    pub max_connections: usize,

    /// How many users the partner may enlist.
    #[serde(default = "defaults::max_users")]
    pub max_users: usize,

    /// Where the partner's app gets and puts files (images, videos, sounds, documents): address and
    /// port. Plain HTTP: keep it on loopback, and put a TLS proxy in front. Without it no files cross.
    #[serde(default)]
    #[schemars(example = &"127.0.0.1:8484")]
    pub media_listen: Option<String>,

    /// With `media_listen`: how the app reaches it, through the proxy. `https`, or `http` on loopback.
    #[serde(default)]
    #[schemars(example = &"https://bridge.example.org/partner-files")]
    pub media_public_url: Option<String>,

    /// With `media_listen`: the largest file that crosses to or from this partner, in MiB; at most
    /// 10240.
    #[serde(default = "defaults::max_media_mib")]
    pub max_media_mib: u64,
}

const ONLY_WITH: &str = "only with media_listen";

/// What a bridge is called in proofs whose operator gave it no name.
const EVERYBODYS_NAME: &str = "drawbridge";

mod defaults {
    pub(super) fn jwks_ttl_seconds() -> u64 {
        600
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
    pub(super) fn max_media_mib() -> u64 {
        100
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
        self.way_problems(&mut problems);
        problems.extend(self.files_at().err().unwrap_or_default());
        for (key, value) in [("issuer", self.issuer.as_str()), ("audience", self.audience())] {
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
            ("max_media_mib", self.max_media_mib, 1, 10_240),
            ("jwks_ttl_seconds", self.jwks_ttl_seconds, 0, 86_400),
        ];
        for (key, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                problems.push(Problem::new(key, format!("expected {min} to {max}, not {value}")));
            }
        }
        problems
    }

    fn warnings(&self) -> Vec<Problem> {
        let what = format!(
            "other bridges are called {EVERYBODYS_NAME:?} as well: what the partner shows to one of \
             them opens this one, if they trust the same keys; set a name of your own, as in \
             \"{EVERYBODYS_NAME}.example.org\", and tell it to the partner"
        );
        let shared = self.audience() == EVERYBODYS_NAME;
        shared.then(|| Problem::new("audience", what)).into_iter().collect()
    }

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(PartnerAddressing::new(network.clone()))
    }

    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        Ok(Arc::new(Partner::open(self, network, place)?))
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let mut files = vec![("jwks_file", self.jwks_file.clone())];
        files.extend(self.dial_key_file.clone().map(|file| ("dial_key_file", file.0)));
        files.extend(self.dial_ca_file.clone().map(|file| ("dial_ca_file", file)));
        files
    }

    // All the others are public.
    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.dial_key_file.clone().map(|file| ("dial_key_file", file.0)).into_iter().collect()
    }

    fn registration(&self, network: &NetworkId) -> Option<Registration> {
        let path = self.dial_key_file.as_ref()?.0.clone();
        let (private, public) = identity::make(network);
        let advice = format!(
            "it is the bridge's own key: keep it. Hand this to the partner, who knows the bridge by \
             it:\n{public}"
        );
        Some(Registration { path, content: private, advice })
    }
}

impl PartnerConfig {
    /// The bridge's name in proofs.
    pub(crate) fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(EVERYBODYS_NAME)
    }

    /// Where files pass; `None` if they do not.
    pub(crate) fn files_at(&self) -> Result<Option<Arc<Files>>, Vec<Problem>> {
        let (listen, url) = match (&self.media_listen, &self.media_public_url) {
            (None, None) => return Ok(None),
            (Some(listen), Some(url)) => (listen, url),
            (None, Some(_)) => return Err(vec![Problem::new("media_public_url", ONLY_WITH)]),
            (Some(_), None) => {
                let what = "missing; expected how the app reaches media_listen, as in \
                            \"https://bridge.example.org/partner-files\"";
                return Err(vec![Problem::new("media_public_url", what)]);
            }
        };
        let mut problems = Vec::new();
        let at = listen.parse::<SocketAddr>().ok();
        if at.is_none() {
            let what = "expected an IP address and a port, as in \"127.0.0.1:8484\"";
            problems.push(Problem::new("media_listen", what));
        } else if at.is_some_and(|at| at.port() != 0) && self.listen.as_ref() == Some(listen) {
            problems.push(Problem::new("media_listen", "expected another address than listen's"));
        }
        // The same rules as of a WebSocket's address.
        let target = Target::parse(&url.replacen("http", "ws", 1));
        match target.ok().filter(|_| url.starts_with("http")) {
            None => {
                let what = "expected a URL like https://bridge.example.org/partner-files, without \
                            user, query and fragment";
                problems.push(Problem::new("media_public_url", what));
            }
            Some(target) if !target.tls && !target.is_loopback() => {
                problems
                    .push(Problem::new("media_public_url", "expected https:// beyond loopback"));
            }
            Some(_) => {}
        }
        match at.filter(|_| problems.is_empty()) {
            Some(at) => Ok(Some(Files::new(at, url, self.max_media_mib.min(10_240) << 20))),
            None => Err(problems),
        }
    }

    /// What is wrong with the keys that say who connects to whom.
    fn way_problems(&self, problems: &mut Vec<Problem>) {
        let mut wrong = |key: &str, what: &str| problems.push(Problem::new(key, what));
        let dial = match (&self.listen, &self.dial) {
            (None, None) => {
                wrong("listen", "missing; expected listen, for an app that connects, or dial");
                return;
            }
            (Some(_), Some(_)) => {
                wrong("dial", "listen is set as well; expected one of the two");
                return;
            }
            (Some(listen), None) => {
                if listen.parse::<SocketAddr>().is_err() {
                    let what = "expected an IP address and a port, as in \"127.0.0.1:8482\"";
                    wrong("listen", what);
                }
                for (key, is_set) in [
                    ("dial_key_file", self.dial_key_file.is_some()),
                    ("dial_ca_file", self.dial_ca_file.is_some()),
                    ("dial_unencrypted", self.dial_unencrypted),
                ] {
                    if is_set {
                        wrong(key, "only with dial");
                    }
                }
                return;
            }
            (None, Some(dial)) => dial,
        };
        match Target::parse(dial) {
            Err(what) => wrong("dial", what),
            Ok(target) if target.tls => {}
            Ok(target) => {
                if !target.is_loopback() && !self.dial_unencrypted {
                    wrong(
                        "dial",
                        "expected wss://; plain ws:// beyond loopback needs dial_unencrypted = true",
                    );
                }
                if self.dial_ca_file.is_some() {
                    wrong("dial_ca_file", "only with wss://");
                }
            }
        }
        if self.dial_key_file.as_ref().is_none_or(|file| file.0.as_os_str().is_empty()) {
            wrong(
                "dial_key_file",
                "missing; expected the path of the bridge's own key, which `drawbridge \
                 registration <network>` makes",
            );
        }
    }
}
