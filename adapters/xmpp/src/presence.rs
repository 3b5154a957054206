//! Presence: every well-formed puppet answers alike, whether anybody stands behind it or not.
//!
//! Puppets claim no presence but what the daemon shows of them ([`Availability`]), and only to those to
//! whom it does. The component itself is online. A user's subscription to a puppet, and the answer to
//! a puppet's, are gestures: they say whether the user wants to hear from it. Whoever subscribes to a
//! puppet is asked for the same in return, because servers tell nobody else how a user is there: once,
//! so that two who ask in return do not ask each other for ever.

use drawbridge_adapter::{Addressing, Bridge, Gesture, Party, There, UserId};
use minidom::Element;

use crate::address::{self, Addresses};
use crate::availability::{self, Availability};
use crate::failure::{self, Envelope};
use crate::message;
use crate::xml::Xml;

/// The answers to a presence stanza, in order.
pub(crate) fn answers(
    stanza: &Element,
    addresses: &Addresses,
    availability: &Availability,
    bridge: &Bridge,
) -> Vec<Xml> {
    let Some(kind @ ("subscribe" | "probe" | "unsubscribe")) = stanza.attr("type") else {
        return Vec::new();
    };
    let Some(mut envelope) = Envelope::of(stanza) else {
        return Vec::new();
    };
    let puppet = match who(&envelope.to, addresses, bridge) {
        Who::Component => None,
        Who::Puppet(puppet) => Some(puppet),
        // An error in answer to a probe would be noise: servers send it, not people.
        Who::Nobody if kind == "probe" => return Vec::new(),
        Who::Nobody => {
            return vec![failure::plain("presence", &envelope, "cancel", "item-not-found")];
        }
    };
    // RFC 6121, 3.1: subscriptions are between bare JIDs.
    if let Ok(to) = address::parse(&envelope.to) {
        envelope.to = to.to_bare().to_string();
    }
    let pair = puppet.clone().zip(addresses.canonical(&envelope.from).ok());
    let is = match (&pair, &puppet) {
        (Some((puppet, user)), _) => availability.of(puppet, user),
        (None, None) => There::Online,
        (None, Some(_)) => There::Offline,
    };
    let says =
        |stanza: Xml| stanza.attr("from", envelope.to.as_str()).attr("to", envelope.from.as_str());
    let shown = |is| {
        says(match &pair {
            Some((puppet, user)) => availability.stanza(is, puppet, user),
            None => availability::stanza(is),
        })
    };
    match kind {
        "subscribe" => {
            let asks =
                pair.as_ref().is_some_and(|(puppet, user)| availability.asks_back(puppet, user));
            let asked = asks.then(|| says(Xml::new("presence").attr("type", "subscribe")));
            let subscribed = envelope.answer("presence", "subscribed");
            [subscribed, shown(is)].into_iter().chain(asked).collect()
        }
        "unsubscribe" => {
            let was_there =
                pair.as_ref().is_some_and(|(puppet, user)| availability.unwanted(puppet, user));
            let gone = was_there.then(|| shown(There::Offline));
            [envelope.answer("presence", "unsubscribed")].into_iter().chain(gone).collect()
        }
        _ => vec![shown(is)],
    }
}

/// The user who comes or goes.
pub(crate) fn shown(stanza: &Element, addresses: &Addresses) -> Option<UserId> {
    let comes_or_goes = matches!(stanza.attr("type"), None | Some("unavailable"));
    addresses.canonical(stanza.attr("from").filter(|_| comes_or_goes)?).ok()
}

/// What a presence stanza shows of what its sender wants.
pub(crate) fn gesture(
    stanza: &Element,
    addresses: &Addresses,
    bridge: &Bridge,
) -> Option<(UserId, Gesture)> {
    let meant = match stanza.attr("type")? {
        "subscribe" | "subscribed" => Gesture::Accept,
        "unsubscribed" => Gesture::Decline,
        _ => return None,
    };
    let by = addresses.canonical(stanza.attr("from")?).ok()?;
    let other = addresses.user_at(stanza.attr("to")?).ok().filter(|user| bridge.knows(user))?;
    Some((by, meant(other)))
}

/// A puppet asks to see a user's presence: so clients show that a stranger wants to write.
pub(crate) fn ask(from: &Party, to: &UserId, addresses: &Addresses) -> Option<Xml> {
    let stanza = subscription("subscribe", &from.user, to, addresses)?;
    Some(message::nick(from).into_iter().fold(stanza, Xml::child))
}

/// It does not ask any more.
pub(crate) fn take_back(from: &UserId, to: &UserId, addresses: &Addresses) -> Option<Xml> {
    subscription("unsubscribe", from, to, addresses)
}

fn subscription(kind: &str, from: &UserId, to: &UserId, addresses: &Addresses) -> Option<Xml> {
    let from = addresses.address_of(from).ok()?;
    Some(Xml::new("presence").attr("type", kind).attr("from", from).attr("to", to.id()))
}

/// Whom an address of ours stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// The component itself.
    Component,
    /// A user of another network, who may exist.
    Puppet(UserId),
    /// Nobody can: it is no address of a puppet.
    Nobody,
}

/// By the form of the address alone.
pub(crate) fn who(to: &str, addresses: &Addresses, bridge: &Bridge) -> Who {
    let Ok(jid) = address::parse(to) else {
        return Who::Nobody;
    };
    if jid.node().is_none() && jid.domain().as_str() == addresses.component() {
        return Who::Component;
    }
    match addresses.user_at(to) {
        Ok(user) if bridge.knows(&user) => Who::Puppet(user),
        _ => Who::Nobody,
    }
}
