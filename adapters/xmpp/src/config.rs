//! The operator's keys.

use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{
    Adapter, Addressing, Configuration, LogEvent, NetworkId, Place, Problem, SecretFile,
};
use jid::BareJid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter::XmppAdapter;
use crate::address::Addresses;

/// An XMPP server, which the bridge joins as an external component (XEP-0114).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct XmppConfig {
    /// Where the server takes components: host and port. The connection is not encrypted, so let
    /// it be the server's own machine or a private network.
    #[schemars(example = "127.0.0.1:5347")]
    pub server: String,
    /// The component's domain, as the server's configuration names it. Users of other networks
    /// get their addresses below it, so it cannot change once they are in use.
    #[schemars(example = "bridge.p.test")]
    pub domain: String,
    /// The file with the secret that the server's configuration gives the component.
    #[schemars(example = "secrets/xmpp.secret")]
    pub secret_file: SecretFile,
}

impl XmppConfig {
    /// Host and port of the server, if they are written as they should be.
    fn server(&self) -> Option<(String, u16)> {
        let (host, port) = self.server.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let fits = !host.is_empty() && !host.contains(char::is_whitespace) && !host.contains('/');
        fits.then(|| (host.to_owned(), port))
    }

    /// The domain in its normal form, if it is one.
    fn domain(&self) -> Option<String> {
        let jid = BareJid::new(&self.domain).ok().filter(|jid| jid.node().is_none())?;
        Some(jid.to_string())
    }
}

impl Configuration for XmppConfig {
    const TYPE: &'static str = "xmpp";
    const LOGS: &'static [LogEvent] = crate::log::EVENTS;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.server().is_none() {
            let what = "expected the server's host and component port, such as 127.0.0.1:5347";
            problems.push(Problem::new("server", what));
        }
        match self.domain() {
            None => {
                let what = "expected a domain, such as bridge.example.org";
                problems.push(Problem::new("domain", what));
            }
            Some(normal) if normal != self.domain => {
                problems.push(Problem::new("domain", format!("write it as {normal}")));
            }
            Some(_) => {}
        }
        if self.secret_file.0.as_os_str().is_empty() {
            problems.push(Problem::new("secret_file", "expected the path of a file"));
        }
        problems
    }

    fn addressing(&self, network: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(Addresses::new(network.clone(), self.domain.clone()))
    }

    fn build(self, network: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        let problems = self.problems();
        let Some(server) = self.server().filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let secret =
            self.secret_file.read(place, "secret_file").map_err(|problem| vec![problem])?;
        let addresses = Addresses::new(network, self.domain);
        Ok(Arc::new(XmppAdapter::new(server, addresses, secret)))
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("secret_file", self.secret_file.0.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str, domain: &str) -> XmppConfig {
        XmppConfig {
            server: server.to_owned(),
            domain: domain.to_owned(),
            secret_file: SecretFile("xmpp.secret".into()),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let keys = |server, domain| -> Vec<String> {
            config(server, domain).problems().into_iter().map(|problem| problem.key).collect()
        };
        assert!(keys("127.0.0.1:5347", "bridge.p.test").is_empty());
        assert!(keys("[::1]:5347", "bridge.p.test").is_empty());
        assert_eq!(keys("127.0.0.1", "bridge.p.test"), ["server"]);
        assert_eq!(keys("localhost:0", "bridge.p.test"), ["server"]);
        assert_eq!(keys(":5347", ""), ["server", "domain"]);
        assert_eq!(keys("localhost:5347", "bot@bridge.p.test"), ["domain"]);
        assert_eq!(keys("localhost:5347", "bridge.p.test/x"), ["domain"]);
        assert_eq!(keys("localhost:5347", "Bridge.P.test"), ["domain"]);
    }
}
