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
use crate::address::{self, Addresses};
use crate::reports;
use crate::uploads::{Chosen, PlainHost};

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
    /// Who is told when a user is reported: at most three JIDs. Without any, those whom the user's
    /// own server names for that (XEP-0157), if it is yours.
    #[serde(default)]
    #[schemars(example = ["warden@p.test"])]
    pub report_to: Vec<String>,
    /// The service that takes files for users of this network (XEP-0363). Without it, the one that the
    /// server above the component's domain names, at that domain or below it, if that is one of
    /// `users.local` or stands below one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "upload.p.test")]
    pub upload_service: Option<String>,
    /// Hosts of the upload service to which files go without TLS, and from where users fetch them so:
    /// `host` or `host:port`. Let them be the server's own machine or a private network.
    #[serde(default)]
    #[schemars(example = ["127.0.0.1:5280"])]
    pub upload_plain_hosts: Vec<String>,
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
        if self.report_to.len() > reports::MOST {
            problems.push(Problem::new("report_to", "expected at most three JIDs"));
        }
        for (at, to) in self.report_to.iter().enumerate() {
            let what = match address::parse(to).ok().filter(|jid| jid.node().is_some()) {
                None => "expected a JID, such as warden@example.org".to_owned(),
                Some(jid) if jid.domain().as_str() == self.domain => {
                    "expected somebody who is not behind the bridge".to_owned()
                }
                Some(jid) if jid.to_string() != *to || jid.resource().is_some() => {
                    format!("write it as {}", jid.to_bare())
                }
                Some(_) => continue,
            };
            problems.push(Problem::new(format!("report_to[{at}]"), what));
        }
        if let Some(service) = &self.upload_service {
            let what = match address::parse(service).ok().filter(|jid| jid.resource().is_none()) {
                None => Some("expected an address, such as upload.example.org".to_owned()),
                Some(jid) if jid.domain().as_str() == self.domain => {
                    Some("expected a service that is not the bridge itself".to_owned())
                }
                Some(jid) if jid.to_string() != *service => Some(format!("write it as {jid}")),
                Some(_) => None,
            };
            problems.extend(what.map(|what| Problem::new("upload_service", what)));
        }
        for (at, host) in self.upload_plain_hosts.iter().enumerate() {
            if PlainHost::parse(host).is_none() {
                let what = "expected a host in lower case, with a port or without, such as \
                    127.0.0.1:5280";
                problems.push(Problem::new(format!("upload_plain_hosts[{at}]"), what));
            }
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
        let plain = self.upload_plain_hosts.iter().filter_map(|host| PlainHost::parse(host));
        let chosen = Chosen { service: self.upload_service, plain: plain.collect() };
        Ok(Arc::new(XmppAdapter::new(server, addresses, secret, self.report_to, chosen)))
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
            report_to: Vec::new(),
            upload_service: None,
            upload_plain_hosts: Vec::new(),
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

    #[test]
    fn reports_go_to_somebody() {
        let keys = |to: &[&str]| -> Vec<String> {
            let report_to = to.iter().map(|&to| to.to_owned()).collect();
            let config = XmppConfig { report_to, ..config("localhost:5347", "bridge.p.test") };
            config.problems().into_iter().map(|problem| problem.key).collect()
        };
        assert!(keys(&["warden@p.test", "ann@elsewhere.test"]).is_empty());
        let wrong = ["p.test", "Warden@p.test", "warden@p.test/phone", "x_y@bridge.p.test", ""];
        for one in wrong {
            assert_eq!(keys(&["ann@p.test", one]), ["report_to[1]"], "{one}");
        }
        assert_eq!(keys(&["a@p.test", "b@p.test", "c@p.test", "d@p.test"]), ["report_to"]);
    }

    #[test]
    fn files_go_to_a_service_and_without_tls_only_where_it_is_said() {
        let keys = |service: &str, plain: &[&str]| -> Vec<String> {
            let config = XmppConfig {
                upload_service: Some(service.to_owned()),
                upload_plain_hosts: plain.iter().map(|&host| host.to_owned()).collect(),
                ..config("localhost:5347", "bridge.p.test")
            };
            config.problems().into_iter().map(|problem| problem.key).collect()
        };
        assert!(keys("upload.p.test", &["127.0.0.1:5280", "p.test", "[::1]"]).is_empty());
        for service in ["", "Upload.p.test", "upload.p.test/x", "bridge.p.test"] {
            assert_eq!(keys(service, &[]), ["upload_service"], "{service}");
        }
        for host in ["", "http://p.test", "p.test/", "P.test", "p.test:http", "a@p.test"] {
            assert_eq!(keys("p.test", &["p.test", host]), ["upload_plain_hosts[1]"], "{host}");
        }
    }
}
