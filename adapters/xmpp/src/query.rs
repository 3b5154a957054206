//! IQ requests: what the component and its puppets say of themselves, and the gateway prompt of
//! XEP-0100. Puppets answer by the form of their address alone, so nobody can find out who exists.

use drawbridge_adapter::{Addressing, Bridge, UserId};
use minidom::Element;

use crate::address::Addresses;
use crate::command;
use crate::failure::{self, Envelope};
use crate::ns;
use crate::presence::{Who, who};
use crate::profile::write::{self, About, Question};
use crate::xml::Xml;

/// What the component can be asked.
const OF_COMPONENT: &[&str] =
    &[ns::COMMANDS, ns::DISCO_INFO, ns::DISCO_ITEMS, ns::GATEWAY, ns::PING, ns::VCARD, ns::VERSION];
/// What comes of an IQ stanza.
#[derive(Debug)]
pub(crate) enum Reply {
    /// This answer.
    Now(Xml),
    /// One that depends on how the puppet is shown to whom asks.
    OfProfile(Question),
}

/// The answer to an IQ stanza; `None` for what is itself an answer.
pub(crate) fn answer(stanza: &Element, addresses: &Addresses, bridge: &Bridge) -> Option<Reply> {
    let kind = stanza.attr("type").filter(|kind| matches!(*kind, "get" | "set"))?;
    let envelope = Envelope::of(stanza)?;
    // An id that is too long to repeat would make an answer that nobody can match.
    envelope.id.as_ref()?;
    let payload = stanza.children().next();
    let whom = who(&envelope.to, addresses, bridge);
    if let (Some(about), Who::Puppet(ghost), "get") = (payload.and_then(about), &whom, kind) {
        let (ghost, asker) = (ghost.clone(), addresses.canonical(&envelope.from).ok());
        return Some(Reply::OfProfile(Question { envelope, ghost, asker, about }));
    }
    let answered = match (payload, whom) {
        (_, Who::Nobody) => Err(("cancel", "item-not-found")),
        (None, _) => Err(("modify", "bad-request")),
        (Some(asked), Who::Component) => of_component(kind, asked, addresses, bridge),
        (Some(asked), Who::Puppet(_)) => of_puppet(kind, asked),
    };
    Some(Reply::Now(match answered {
        Ok(Some(payload)) => envelope.answer("iq", "result").child(payload),
        Ok(None) => envelope.answer("iq", "result"),
        Err((kind, condition)) => failure::plain("iq", &envelope, kind, condition),
    }))
}

/// What somebody wants to know of how a puppet is shown, if that is what is asked.
fn about(asked: &Element) -> Option<About> {
    match (asked.name(), asked.ns().as_str()) {
        ("vCard", ns::VCARD) => Some(About::Card),
        ("pubsub", ns::PUBSUB) => {
            let items = asked.get_child("items", ns::PUBSUB)?;
            let id = items.get_child("item", ns::PUBSUB).and_then(|item| item.attr("id"));
            match items.attr("node")? {
                ns::VCARD4_NODE => Some(About::Card4),
                ns::NICK => Some(About::Nick),
                ns::AVATAR_METADATA => Some(About::Metadata),
                // A longer one is no picture's.
                ns::AVATAR_DATA => Some(About::Data(id.map(|id| id.chars().take(64).collect()))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The payload of a result, or type and condition of an error.
type Answered = Result<Option<Xml>, (&'static str, &'static str)>;

const UNAVAILABLE: Answered = Err(("cancel", "service-unavailable"));

fn of_component(kind: &str, asked: &Element, addresses: &Addresses, bridge: &Bridge) -> Answered {
    let node = asked.attr("node");
    match (kind, asked.name(), asked.ns().as_str()) {
        ("get", "query", ns::DISCO_INFO) => {
            if let Some(known) = node.and_then(|node| command::info(node, bridge)) {
                return Ok(Some(known));
            }
            let identity = identity("gateway", "drawbridge").attr("name", "Drawbridge");
            info(asked, identity, OF_COMPONENT)
        }
        ("get", "query", ns::DISCO_ITEMS) if node == Some(ns::COMMANDS) => {
            Ok(Some(command::items(addresses, bridge)))
        }
        ("get", "query", ns::DISCO_ITEMS) => Ok(Some(Xml::within("query", ns::DISCO_ITEMS))),
        ("get", "ping", ns::PING) => Ok(None),
        ("get", "vCard", ns::VCARD) => Ok(Some(write::card("Drawbridge", None, None))),
        ("get", "query", ns::VERSION) => {
            let version = env!("CARGO_PKG_VERSION");
            let query = Xml::within("query", ns::VERSION);
            let query = query.child(Xml::new("name").text("Drawbridge"));
            Ok(Some(query.child(Xml::new("version").text(version))))
        }
        ("get", "query", ns::GATEWAY) => {
            let desc = "Write the network and the person's id there, \
                such as matrix:@alice:example.org.";
            let query = Xml::within("query", ns::GATEWAY).child(Xml::new("desc").text(desc));
            Ok(Some(query.child(Xml::new("prompt").text("Person"))))
        }
        ("set", "query", ns::GATEWAY) => {
            let typed = asked.get_child("prompt", ns::GATEWAY).map(Element::text);
            let address = reach(&typed.unwrap_or_default(), addresses, bridge)?;
            Ok(Some(Xml::within("query", ns::GATEWAY).child(Xml::new("jid").text(address))))
        }
        _ => UNAVAILABLE,
    }
}

/// The address of whom somebody typed at the prompt.
fn reach(
    typed: &str,
    addresses: &Addresses,
    bridge: &Bridge,
) -> Result<String, (&'static str, &'static str)> {
    const NOT_ACCEPTABLE: (&str, &str) = ("modify", "not-acceptable");
    let user: UserId = typed.trim().parse().map_err(|_| NOT_ACCEPTABLE)?;
    if !bridge.knows(&user) {
        return Err(("cancel", "item-not-found"));
    }
    addresses.address_of(&user).map_err(|_| NOT_ACCEPTABLE)
}

fn of_puppet(kind: &str, asked: &Element) -> Answered {
    match (kind, asked.name(), asked.ns().as_str()) {
        ("get", "query", ns::DISCO_INFO) => match asked.attr("node") {
            None => Ok(Some(write::info(None))),
            Some(node) if write::is_announced(node) => Ok(Some(write::info(Some(node)))),
            // XEP-0030, 3.2: there are no nodes below.
            Some(_) => Err(("cancel", "item-not-found")),
        },
        ("get", "query", ns::DISCO_ITEMS) => Ok(Some(Xml::within("query", ns::DISCO_ITEMS))),
        ("get", "ping", ns::PING) => Ok(None),
        ("get", "pubsub", ns::PUBSUB) => Err(("cancel", "item-not-found")),
        _ => UNAVAILABLE,
    }
}

fn identity(category: &str, kind: &str) -> Xml {
    Xml::new("identity").attr("category", category).attr("type", kind)
}

fn info(asked: &Element, identity: Xml, features: &[&str]) -> Answered {
    // XEP-0030, 3.2: there are no nodes below.
    if asked.attr("node").is_some() {
        return Err(("cancel", "item-not-found"));
    }
    let query = Xml::within("query", ns::DISCO_INFO).child(identity);
    let add = |query: Xml, feature: &&str| query.child(Xml::new("feature").attr("var", *feature));
    Ok(Some(features.iter().fold(query, add)))
}
