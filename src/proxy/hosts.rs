//! From which hosts files are fetched, as the operator allows it.

use std::net::{IpAddr, Ipv6Addr};

use drawbridge_adapter::Locator;
use url::{Host, Url};

use super::Unfetched;
use super::addresses::is_global;

/// The longest name of a host, in bytes (RFC 1035).
const MAX_NAME: usize = 253;
/// The longest part of one, in bytes.
const MAX_LABEL: usize = 63;

/// Where Prosody and ejabberd give out files unless they are told otherwise, over TLS.
const UPLOADS: [u16; 2] = [5281, 5443];

/// From where files are fetched for one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    open: Vec<Pattern>,
    private: Vec<Pattern>,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadHost {
    /// Which one, from 0 on.
    pub(crate) which: usize,
    /// What is wrong with it, for the operator.
    pub(crate) why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    name: Name,
    /// `None`: the scheme's own.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// Any that has a dot in it: others depend on where the machine stands.
    Any,
    /// This one.
    Exact(Host<String>),
    /// What lies under this domain.
    Under(String),
    /// This domain, and what lies under it.
    Within(String),
}

/// A link that may be fetched as far as its text tells.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its host in normal form, without user and fragment.
    pub(super) url: Url,
    /// Whether its host is one that the operator called private.
    pub(super) is_private: bool,
}

impl Hosts {
    /// These hosts: `example.org`, `example.org:8443`, `*.example.org` (not `example.org` itself), or `*`.
    pub(crate) fn new(hosts: &[String]) -> Result<Self, BadHost> {
        let parse = |host: &String| {
            let pattern = Pattern::new(host)?;
            match &pattern.name {
                Name::Exact(host) if address(host).is_some_and(|address| !is_global(address)) => {
                    Err("this address is not of the open internet: it belongs to the private hosts")
                }
                _ => Ok(pattern),
            }
        };
        Ok(Self { open: each(hosts, parse)?, private: Vec::new() })
    }

    /// The same, and these, which may have addresses of the operator's own network, and may be asked without TLS:
    /// whole names or addresses, with a port if it is not the scheme's own.
    pub(crate) fn and_private(mut self, hosts: &[String]) -> Result<Self, BadHost> {
        let parse = |host: &String| {
            let pattern = Pattern::new(host)?;
            match pattern.name {
                Name::Exact(_) => Ok(pattern),
                _ => Err("a private host has to be named in full, without *"),
            }
        };
        self.private.extend(each(hosts, parse)?);
        Ok(self)
    }

    /// The same, and whatever lies on or under these domains, also at the ports of upload services. What is
    /// no domain is left away.
    #[must_use]
    pub(crate) fn and_domains(mut self, domains: &[String]) -> Self {
        let within = domains.iter().filter_map(|domain| match normal(domain)? {
            Host::Domain(domain) => Some(Pattern { name: Name::Within(domain), port: None }),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        });
        self.open.extend(within);
        self
    }

    /// Whether a link may be fetched as far as its text tells; its name may still have no address that may be
    /// dialled.
    pub(crate) fn admits(&self, link: &str) -> bool {
        self.target(link).is_ok()
    }

    /// Where a link leads.
    pub(super) fn target(&self, link: &str) -> Result<Target, Unfetched> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if link.len() > Locator::MAX || link.contains(odd) {
            return Err(Unfetched::Malformed);
        }
        self.check(Url::parse(link).map_err(|_| Unfetched::Malformed)?)
    }

    /// Where an address leads, from wherever it comes.
    pub(super) fn check(&self, mut url: Url) -> Result<Target, Unfetched> {
        let is_web = matches!(url.scheme(), "https" | "http");
        if !is_web || !url.username().is_empty() || url.password().is_some() {
            return Err(Unfetched::Malformed);
        }
        url.set_fragment(None);
        let written = url.host_str().unwrap_or_default();
        // The root's dot changes nothing but the spelling. Without it the host is read anew: `1.2.3.4..` is a
        // name, and `1.2.3.4.` an address.
        if let Some(plain) = written.strip_suffix('.').map(str::to_owned) {
            url.set_host(Some(&plain)).map_err(|_| Unfetched::Malformed)?;
        }
        let host = url.host().map(|host| host.to_owned()).ok_or(Unfetched::Malformed)?;
        if !is_possible(&host) {
            return Err(Unfetched::Malformed);
        }
        let matches = |pattern: &Pattern| pattern.matches(&host, &url);
        let is_private = self.private.iter().any(matches);
        let is_global = address(&host).is_none_or(is_global);
        let is_open = url.scheme() == "https" && is_global && self.open.iter().any(matches);
        if is_private || is_open { Ok(Target { url, is_private }) } else { Err(Unfetched::Denied) }
    }
}

fn each(
    hosts: &[String],
    parse: impl Fn(&String) -> Result<Pattern, &'static str>,
) -> Result<Vec<Pattern>, BadHost> {
    let patterns = hosts.iter().enumerate();
    patterns.map(|(which, host)| parse(host).map_err(|why| BadHost { which, why })).collect()
}

impl Pattern {
    fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.contains(['/', '@', '?', '#', '\\']) {
            return Err("this is no host: only a name or an address, with a port if need be");
        }
        let (name, port) = split(text);
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(0) | Err(_)) => return Err("this is no port"),
            Some(Ok(port)) => Some(port),
        };
        let exact = |name| normal(name).ok_or("this is no host name, and no address");
        let name = match name.strip_prefix("*.") {
            _ if name == "*" => Name::Any,
            None if name.contains('*') => {
                return Err("* stands alone, or for what is before a dot");
            }
            None => Name::Exact(exact(name)?),
            Some(domain) if domain.contains('*') => return Err("only one * can stand there"),
            Some(domain) => match exact(domain)? {
                Host::Domain(domain) => Name::Under(domain),
                Host::Ipv4(_) | Host::Ipv6(_) => return Err("nothing lies under an address"),
            },
        };
        Ok(Self { name, port })
    }

    fn matches(&self, host: &Host<String>, url: &Url) -> bool {
        let port = match (self.port, &self.name) {
            (Some(_), _) => url.port_or_known_default() == self.port,
            (None, Name::Within(_)) => url.port().is_none_or(|port| UPLOADS.contains(&port)),
            (None, _) => url.port().is_none(),
        };
        let under = |name: &str, domain: &str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        };
        port && match (&self.name, host) {
            (Name::Exact(exact), host) => exact == host,
            (Name::Any, Host::Domain(name)) => name.contains('.'),
            (Name::Any, Host::Ipv4(_) | Host::Ipv6(_)) => true,
            (Name::Under(domain), Host::Domain(name)) => under(name, domain),
            (Name::Within(domain), Host::Domain(name)) => name == domain || under(name, domain),
            (Name::Under(_) | Name::Within(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

/// The host and the port of a pattern. An IPv6 address may stand without brackets if it has no port.
fn split(text: &str) -> (&str, Option<&str>) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    }
}

/// A host in normal form, without the root's dot; `None` if there can be none of that name.
fn normal(host: &str) -> Option<Host<String>> {
    if let Ok(address) = host.parse() {
        return Some(Host::Ipv6(address));
    }
    let host = Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()?;
    is_possible(&host).then_some(host)
}

fn is_possible(host: &Host<String>) -> bool {
    let Host::Domain(name) = host else { return true };
    let mut labels = name.split('.');
    name.len() <= MAX_NAME && labels.all(|label| (1..=MAX_LABEL).contains(&label.len()))
}

fn address(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
    }
}
