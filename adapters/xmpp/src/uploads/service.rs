//! The upload service: which address it has, and what it takes (XEP-0030, XEP-0128, XEP-0363).

use std::time::Duration;

use drawbridge_adapter::DeliveryError;
use futures_util::{StreamExt as _, stream};
use minidom::Element;
use tokio::time::timeout;

use crate::address::Addresses;
use crate::ns;
use crate::outward::Outward;
use crate::xml::Xml;

/// The most services of a server that are asked what they are.
const MOST: usize = 32;
/// How many of them at one time.
const AT_ONCE: usize = 8;
/// How long all of them together may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that takes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// Its address.
    pub(crate) jid: String,
    /// The largest file that it takes, if it says so.
    pub(super) max: Option<u64>,
}

/// The service that the operator chose, or that the component's server has; `None` if there is none.
/// `is_own`: whether the users of a domain are on a server of the operator's own.
pub(crate) async fn find(
    addresses: &Addresses,
    outward: &Outward,
    chosen: Option<&str>,
    is_own: impl Fn(&str) -> bool,
) -> Result<Option<Service>, DeliveryError> {
    let component = addresses.component();
    let finding = async {
        if let Some(jid) = chosen {
            let answer = ask_info(component, jid, outward).await?;
            if answer.attr("type") == Some("error") {
                // It was named, so it should be there, and perhaps is again soon.
                return Err(DeliveryError::Unknown { why: "the upload service is not there" });
            }
            return Ok(read(jid, &answer));
        }
        let Some(server) = server_of(component, is_own) else { return Ok(None) };
        let query = |id: &str| query(component, server, id, ns::DISCO_ITEMS);
        let items = outward.ask(server, query).await?;
        let mut silent = None;
        let items = items_of(&items.element, server);
        let all = std::iter::once(server).chain(items).filter(|jid| *jid != component);
        let all: Vec<_> = all.map(|jid| info(component, jid, outward)).collect();
        let mut answers = stream::iter(all).buffered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(None) => {}
                Ok(Some(service)) => return Ok(Some(service)),
                Err(DeliveryError::Disconnected) => return Err(DeliveryError::Disconnected),
                // Perhaps it is another.
                Err(error) => silent = Some(error),
            }
        }
        silent.map_or(Ok(None), Err)
    };
    let why = "the server did not say in time which services it has";
    timeout(PATIENCE, finding).await.unwrap_or(Err(DeliveryError::Unknown { why }))
}

/// The server of a component, whose name stands below it; `None` if that is not the operator's own: who
/// answers there would be given every file.
fn server_of(component: &str, is_own: impl Fn(&str) -> bool) -> Option<&str> {
    let (_, server) = component.split_once('.')?;
    let above = std::iter::successors(Some(server), |name| Some(name.split_once('.')?.1));
    above.into_iter().any(is_own).then_some(server)
}

async fn info(
    component: &str,
    jid: &str,
    outward: &Outward,
) -> Result<Option<Service>, DeliveryError> {
    Ok(read(jid, &ask_info(component, jid, outward).await?))
}

async fn ask_info(component: &str, jid: &str, outward: &Outward) -> Result<Element, DeliveryError> {
    let answer = outward.ask(jid, |id| query(component, jid, id, ns::DISCO_INFO)).await?;
    Ok(answer.element)
}

fn query(from: &str, to: &str, id: &str, what: &'static str) -> Xml {
    let iq = Xml::new("iq").attr("type", "get").attr("from", from).attr("to", to).attr("id", id);
    iq.child(Xml::within("query", what))
}

/// The services that a server names below itself: it may name any that are elsewhere.
fn items_of<'a>(answer: &'a Element, server: &str) -> impl Iterator<Item = &'a str> {
    let query = answer.get_child("query", ns::DISCO_ITEMS);
    let items = query.into_iter().flat_map(Element::children);
    let items = items.filter(|item| item.name() == "item" && item.attr("node").is_none());
    let jids = items.filter_map(|item| item.attr("jid"));
    let below = move |jid: &&str| jid.strip_suffix(server).is_some_and(|name| name.ends_with('.'));
    jids.filter(|jid| !jid.contains(['@', '/'])).filter(below).take(MOST)
}

/// The service with this address, if that is what it says it is.
fn read(jid: &str, answer: &Element) -> Option<Service> {
    let query = answer.get_child("query", ns::DISCO_INFO)?;
    let is_one = |child: &Element| {
        child.is("feature", ns::DISCO_INFO) && child.attr("var") == Some(ns::UPLOAD)
    };
    let max = query.children().filter(|child| child.is("x", ns::DATA)).find_map(max_of);
    query.children().any(is_one).then(|| Service { jid: jid.to_owned(), max })
}

fn max_of(form: &Element) -> Option<u64> {
    let field = |name: &str| {
        let field = form.children().find(|field| field.attr("var") == Some(name))?;
        Some(field.get_child("value", ns::DATA)?.text())
    };
    field("FORM_TYPE").filter(|kind| kind.trim() == ns::UPLOAD)?;
    field("max-file-size")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn answer(inner: &str) -> Element {
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='result'>\
             <query xmlns='http://jabber.org/protocol/disco#info'>{inner}</query></iq>"
        );
        text.parse().unwrap()
    }

    #[test]
    fn a_service_says_what_it_takes() {
        let feature = "<feature var='urn:xmpp:http:upload:0'/>";
        let form = |kind: &str, max: &str| {
            format!(
                "<x xmlns='jabber:x:data' type='result'>\
                 <field var='FORM_TYPE' type='hidden'><value>{kind}</value></field>\
                 <field var='max-file-size'><value>{max}</value></field></x>"
            )
        };
        for (inner, max) in [
            (format!("{feature}{}", form(ns::UPLOAD, "5000")), Some(Some(5000))),
            (
                format!("{}{}{feature}", form("urn:other", "1"), form(ns::UPLOAD, " 7 ")),
                Some(Some(7)),
            ),
            (format!("{feature}{}", form(ns::UPLOAD, "-1")), Some(None)),
            (feature.to_owned(), Some(None)),
            (form(ns::UPLOAD, "5000"), None),
            (String::new(), None),
        ] {
            let found = read("upload.p.test", &answer(&inner));
            assert_eq!(found.map(|service| service.max), max, "{inner}");
        }
    }

    #[test]
    fn a_server_names_its_services() {
        let item = |jid: &str| format!("<item jid='{jid}'/>");
        let many: String = (0..100).map(|n| item(&format!("s{n}.p.test"))).collect();
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='result'>\
             <query xmlns='http://jabber.org/protocol/disco#items'>{}{}\
             <item jid='x.p.test' node='n'/><item/>{many}</query></iq>",
            ["bob@p.test", "bob@x.p.test/y", "evil.test", "evilp.test", "p.test.evil.test", "test"]
                .map(item)
                .concat(),
            item("rooms.p.test")
        );
        let element: Element = text.parse().unwrap();
        let all: Vec<_> = items_of(&element, "p.test").collect();
        assert_eq!((all[0], all[1], all.len()), ("rooms.p.test", "s0.p.test", MOST));
    }

    #[test]
    fn only_a_server_of_the_operators_own_is_looked_at() {
        for (component, own, server) in [
            ("bridge.p.test", "p.test", Some("p.test")),
            ("bridge.im.p.test", "im.p.test", Some("im.p.test")),
            ("bridge.im.p.test", "p.test", Some("im.p.test")),
            ("bridge.p.test", "im.p.test", None),
            ("bridge.p.test", "bridge.p.test", None),
            ("p.test", "p.test", None),
            ("bridge", "bridge", None),
        ] {
            assert_eq!(server_of(component, |domain| domain == own), server, "{component} {own}");
        }
    }
}
