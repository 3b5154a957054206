//! What servers let the bridge do in the name of their users (XEP-0356), and users' own lists of whom
//! they block (XEP-0191), read and written so.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use drawbridge_adapter::{Addressing, Bridge, UserId};

use minidom::Element;

use crate::address::Addresses;
use crate::failure;
use crate::ns;
use crate::stream::Stanza;
use crate::xml::Xml;

/// How many domains may say what they allow.
const DOMAINS: usize = 1024;

/// What a server lets the bridge do in the name of its users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// To read whom they block.
    pub(crate) read: bool,
    /// To write it.
    pub(crate) write: bool,
    /// To read and write their contacts.
    pub(crate) roster: bool,
}

/// What all servers allow, on this connection.
#[derive(Default)]
pub(crate) struct Grants(Mutex<HashMap<String, Grant>>);

impl Grants {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What servers allow, they say anew.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What a domain says.
    pub(crate) fn put(&self, domain: String, grant: Grant) {
        let mut grants = self.lock();
        if grants.len() < DOMAINS || grants.contains_key(&domain) {
            grants.insert(domain, grant);
        }
    }

    /// What may be done for a user.
    pub(crate) fn of(&self, owner: &UserId, addresses: &Addresses) -> Grant {
        let domain = addresses.domain(owner).unwrap_or_default();
        self.lock().get(domain).copied().unwrap_or_default()
    }
}

/// Why a list could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The user has blocked the whole bridge, and with it the question.
    Closed,
    /// The server forbids it: there is no such user.
    Forbidden,
    /// What is to be taken away is not there.
    Absent,
    /// Something else.
    Other,
}

/// What a server says in a message that it lets the bridge do (XEP-0356, 4.2), and which one it is.
pub(crate) fn granted(message: &Element) -> Option<(String, Grant)> {
    let privilege = message.get_child("privilege", ns::PRIVILEGE)?;
    let from =
        message.attr("from").filter(|from| !from.is_empty() && !from.contains(['@', '/']))?;
    let kind = kind_of(privilege).unwrap_or_default();
    let both = kind == "both";
    let roster = privilege.children().any(|perm| {
        perm.name() == "perm"
            && perm.attr("access") == Some("roster")
            && perm.attr("type") == Some("both")
    });
    let grant = Grant { read: both || kind == "get", write: both || kind == "set", roster };
    Some((from.to_owned(), grant))
}

/// Whether a domain is on a server of the operator's own, as its users are. Any other server can say the
/// same of itself, and would be told whom its users block here, or be given files.
pub(crate) fn is_own(domain: &str, addresses: &Addresses, bridge: &Bridge) -> bool {
    let somebody = addresses.canonical(&format!("somebody@{domain}"));
    somebody.is_ok_and(|somebody| bridge.is_local(&somebody))
}

/// At any depth: Prosody 0.12 nests one namespace within another.
fn kind_of(element: &Element) -> Option<&str> {
    if element.name() == "namespace" && element.attr("ns") == Some(ns::BLOCKING) {
        return element.attr("type");
    }
    element.children().find_map(kind_of)
}

/// Asks for a list. `component` is our own domain, `owner` whose list it is.
pub(crate) fn read(component: &str, owner: &str, id: &str) -> Xml {
    wrap(component, owner, id, "get", Xml::within("blocklist", ns::BLOCKING))
}

/// Puts an address on a list, or takes it away.
pub(crate) fn write(component: &str, owner: &str, id: &str, address: &str, blocked: bool) -> Xml {
    let item = Xml::new("item").attr("jid", address);
    let act = Xml::within(if blocked { "block" } else { "unblock" }, ns::BLOCKING).child(item);
    wrap(component, owner, id, "set", act)
}

fn wrap(component: &str, owner: &str, id: &str, kind: &str, payload: Xml) -> Xml {
    let inner = Xml::within("iq", ns::CLIENT).attr("type", kind).attr("to", owner);
    let inner = inner.attr("id", id).child(payload);
    let query = Xml::new("iq").attr("type", kind).attr("from", component).attr("to", owner);
    query.attr("id", id).child(Xml::within("privileged_iq", ns::PRIVILEGE).child(inner))
}

/// The addresses on the list that was asked for.
pub(crate) fn listed(answer: &Stanza) -> Result<Vec<String>, Trouble> {
    // With a part of it missing, what is missing would look unblocked.
    let inner = done(&answer.element).and_then(|inner| inner.ok_or(Trouble::Other))?;
    let list = inner.get_child("blocklist", ns::BLOCKING).filter(|_| answer.whole);
    let items = list.ok_or(Trouble::Other)?.children().filter(|item| item.name() == "item");
    Ok(items.filter_map(|item| item.attr("jid")).map(str::to_owned).collect())
}

/// What the wrapped query was answered with, if it was done and the answer is there.
pub(crate) fn done(answer: &Element) -> Result<Option<&Element>, Trouble> {
    if answer.attr("type") != Some("result") {
        return Err(match failure::condition(answer) {
            "service-unavailable" => Trouble::Closed,
            "forbidden" => Trouble::Forbidden,
            _ => Trouble::Other,
        });
    }
    let inner = answer.get_child("privilege", ns::PRIVILEGE);
    let inner = inner.and_then(|privilege| privilege.get_child("forwarded", ns::FORWARD));
    let inner = inner.and_then(|forwarded| forwarded.get_child("iq", ns::CLIENT));
    match inner {
        Some(iq) if iq.attr("type") != Some("result") => Err(match failure::condition(iq) {
            "item-not-found" => Trouble::Absent,
            _ => Trouble::Other,
        }),
        inner => Ok(inner),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use drawbridge_adapter::NetworkId;
    use drawbridge_testkit::ReferenceBridge;

    use super::*;

    fn advertised(inner: &str) -> Option<(String, Grant)> {
        let text = format!(
            "<message xmlns='jabber:component:accept' from='p.test' to='bridge.p.test'>\
             <privilege xmlns='urn:xmpp:privilege:2'>{inner}</privilege></message>"
        );
        granted(&text.parse().unwrap())
    }

    #[test]
    fn a_grant_is_read_whatever_it_is_nested_in() {
        let all = Some(("p.test".to_owned(), Grant { read: true, write: true, roster: false }));
        let perm = |inner: &str| format!("<perm access='iq'>{inner}</perm>");
        let ours = "<namespace ns='urn:xmpp:blocking' type='both'/>";
        assert_eq!(advertised(&perm(ours)), all);
        let nested = format!("<namespace ns='urn:x' type='get'>{ours}</namespace>");
        assert_eq!(advertised(&perm(&nested)), all);
        let get = advertised(&perm("<namespace ns='urn:xmpp:blocking' type='get'/>")).unwrap().1;
        assert_eq!(get, Grant { read: true, ..Grant::default() });
        for (kind, roster) in [("both", true), ("get", false), ("set", false)] {
            let perm =
                format!("<perm access='roster' type='{kind}'/><perm access='iq'>{ours}</perm>");
            let expected = Grant { read: true, write: true, roster };
            assert_eq!(advertised(&perm).unwrap().1, expected, "{kind}");
        }
        let other = advertised("<perm access='message' type='both'/>").unwrap().1;
        assert_eq!(other, Grant::default());
        for user in ["bob@p.test", "p.test/x", ""] {
            let text = format!(
                "<message xmlns='jabber:component:accept' from='{user}'>\
                 <privilege xmlns='urn:xmpp:privilege:2'>{ours}</privilege></message>"
            );
            assert_eq!(granted(&text.parse().unwrap()), None, "{user}");
        }
    }

    #[test]
    fn only_servers_of_the_operators_own_grant_anything() {
        let network = NetworkId::new("xmpp").unwrap();
        let reference = ReferenceBridge::new(network.clone());
        reference.add_remote("far.test");
        let addresses = Addresses::new(network, "bridge.p.test".to_owned());
        for (domain, may) in
            [("p.test", true), ("far.test", false), ("bridge.p.test", false), ("", false)]
        {
            assert_eq!(is_own(domain, &addresses, &reference.handle()), may, "{domain}");
        }
    }

    fn answer(kind: &str, inner: &str) -> Stanza {
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='{kind}' from='bob@p.test' id='1'>{inner}</iq>"
        );
        Stanza { element: text.parse().unwrap(), whole: true }
    }

    fn wrapped(kind: &str, inner: &str) -> Stanza {
        answer(
            "result",
            &format!(
                "<privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>\
                 <iq xmlns='jabber:client' type='{kind}'>{inner}</iq></forwarded></privilege>"
            ),
        )
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let items = "<blocklist xmlns='urn:xmpp:blocking'><item jid='a@b'/><item/></blocklist>";
        assert_eq!(listed(&wrapped("result", items)), Ok(vec!["a@b".to_owned()]));
        let empty = "<blocklist xmlns='urn:xmpp:blocking'/>";
        assert_eq!(listed(&wrapped("result", empty)), Ok(Vec::new()));
        let cut = Stanza { whole: false, ..wrapped("result", items) };
        assert_eq!(listed(&cut), Err(Trouble::Other));
        assert_eq!(listed(&wrapped("result", "")), Err(Trouble::Other));
        assert_eq!(listed(&answer("result", "")), Err(Trouble::Other));
        let error = |condition: &str| {
            format!(
                "<error type='cancel'><{condition} \
                 xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            )
        };
        assert_eq!(listed(&wrapped("error", &error("item-not-found"))), Err(Trouble::Absent));
        for (condition, trouble) in [
            ("service-unavailable", Trouble::Closed),
            ("forbidden", Trouble::Forbidden),
            ("item-not-found", Trouble::Other),
        ] {
            assert_eq!(listed(&answer("error", &error(condition))), Err(trouble), "{condition}");
        }
    }
}
