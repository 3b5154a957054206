//! The operator's keys for a Matrix network.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{
    Adapter, Addressing, Configuration, LogEvent, NetworkId, Place, Problem, Registration,
    SecretFile,
};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter::MatrixAdapter;
use crate::address::MatrixAddressing;
use crate::registration;

/// A Matrix homeserver, which lets the bridge in as an application service. Its registration
/// file is made by `drawbridge registration <network>`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MatrixConfig {
    /// Where the bridge reaches the homeserver's client-server API. Plain `http` only on
    /// loopback; anywhere else `https`.
    #[schemars(example = "http://127.0.0.1:8008")]
    pub homeserver_url: String,
    /// The homeserver's name: what follows the colon in `@alice:example.org`.
    #[schemars(example = "hs.test")]
    pub server_name: String,
    /// Where the bridge listens for the homeserver. The registration file names this address, so
    /// make that file anew after changing it.
    #[schemars(example = "127.0.0.1:8481")]
    pub listen: SocketAddr,
    /// The registration file, which the homeserver reads too. It holds secrets.
    #[schemars(example = "secrets/registration.yaml")]
    pub registration_file: SecretFile,
    /// A second registration, by which the bridge may speak as every user of the homeserver: then
    /// whom they ignore and which chats they mute in their own clients holds in the bridge, and the
    /// other way round. You write that file yourself, as `docs/install.md` says. Without it each
    /// user may give the bridge a login of their own, or block and mute by a word to the bridge.
    #[schemars(example = "secrets/puppets.yaml")]
    pub puppet_registration_file: Option<SecretFile>,
    /// The start of every ghost's name. Never change it later: all ghosts would be strangers.
    #[serde(default = "default_ghost_prefix")]
    pub ghost_prefix: String,
    /// The id of the application service, unique on the homeserver.
    #[serde(default = "default_appservice_id")]
    pub appservice_id: String,
    /// The name of the bridge's own user on the homeserver, without server.
    #[serde(default = "default_bot_localpart")]
    pub bot_localpart: String,
}

fn default_ghost_prefix() -> String {
    "_drawbridge_".to_owned()
}

fn default_appservice_id() -> String {
    "drawbridge".to_owned()
}

fn default_bot_localpart() -> String {
    "drawbridge".to_owned()
}

impl MatrixConfig {
    pub(crate) fn names(&self, network: &NetworkId) -> MatrixAddressing {
        let network = network.clone();
        MatrixAddressing::new(network, &self.server_name, &self.ghost_prefix, &self.bot_localpart)
    }

    fn homeserver_url_problem(&self) -> Option<&'static str> {
        let Ok(url) = Url::parse(&self.homeserver_url) else {
            return Some("not a URL; expected one like https://matrix.example.org");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Some("a name or password does not belong into this URL");
        }
        if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
            return Some("expected scheme, host and port only");
        }
        match url.scheme() {
            "https" => None,
            "http" if is_loopback(&url) => None,
            "http" => Some("http would send tokens in the clear; expected https, or loopback"),
            _ => Some("expected https, or http on loopback"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn is_localpart(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' | b'+');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}

impl Configuration for MatrixConfig {
    const TYPE: &'static str = "matrix";
    const LOGS: &'static [LogEvent] = crate::log::EVENTS;

    fn problems(&self) -> Vec<Problem> {
        const LOCALPART: &str = "expected 1 to 64 of a-z 0-9 . _ - / +";
        let mut problems = Vec::new();
        let mut problem = |key: &str, what: &str| problems.push(Problem::new(key, what));
        if let Some(what) = self.homeserver_url_problem() {
            problem("homeserver_url", what);
        }
        if ruma::ServerName::parse(self.server_name.as_str()).is_err() {
            problem("server_name", "not a server name; expected one like example.org");
        }
        if self.listen.port() == 0 {
            problem("listen", "port 0 has no address to register; expected a fixed port");
        }
        if self.registration_file.0.as_os_str().is_empty() {
            problem("registration_file", "expected the path of a file");
        }
        if self.puppet_registration_file.as_ref().is_some_and(|file| file.0.as_os_str().is_empty())
        {
            problem("puppet_registration_file", "expected the path of a file, or no such key");
        }
        if !is_localpart(&self.ghost_prefix) {
            problem("ghost_prefix", LOCALPART);
        }
        if self.appservice_id.is_empty() || self.appservice_id.len() > 255 {
            problem("appservice_id", "expected 1 to 255 characters");
        }
        if !is_localpart(&self.bot_localpart) {
            problem("bot_localpart", LOCALPART);
        } else if self.bot_localpart.starts_with(&self.ghost_prefix) {
            problem("bot_localpart", "starts with ghost_prefix; expected a name of its own");
        }
        problems
    }

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(self.names(network))
    }

    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        let file = self.registration_file.read(place, "registration_file");
        let tokens = file.map_err(|problem| vec![problem])?;
        let tokens = registration::read(&self, &tokens)?;
        let puppets = match &self.puppet_registration_file {
            None => None,
            Some(file) => {
                let file =
                    file.read(place, registration::PUPPETS).map_err(|problem| vec![problem])?;
                Some(registration::read_puppets(&self, &file, &tokens)?)
            }
        };
        Ok(Arc::new(MatrixAdapter::new(&self, &network, tokens, puppets)?))
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let mut files = vec![("registration_file", self.registration_file.0.clone())];
        let puppets = self.puppet_registration_file.clone();
        files.extend(puppets.map(|file| (registration::PUPPETS, file.0)));
        files
    }

    fn warnings(&self) -> Vec<Problem> {
        let what = "whoever reads this file can speak and listen as every user of the homeserver: \
                    the bridge only reads and writes whom they ignore and which chats they mute, but \
                    keep the file as safe as the homeserver itself, or take the key away";
        let puppets = self.puppet_registration_file.iter();
        puppets.map(|_| Problem::new(registration::PUPPETS, what)).collect()
    }

    fn registration(&self, _network: &NetworkId) -> Option<Registration> {
        registration::make(self)
    }
}
