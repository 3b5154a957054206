//! How ghosts are shown: the events of a user's server (XEP-0163), what is answered to those who ask, and
//! what ghosts announce that they want to be told (XEP-0115).

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_adapter::{Addressing, Picture, Shown, UserId};
use sha1::{Digest, Sha1};

use super::read::id_of;
use crate::address::Addresses;
use crate::failure::{self, Envelope};
use crate::ns;
use crate::xml::{Xml, one_line};

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 256;
/// What ghosts are, and what they can be asked.
const IDENTITIES: [(&str, &str); 2] = [("account", "registered"), ("pubsub", "pep")];
/// What ghosts can be asked, and what they want to be told.
const FEATURES: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::PING,
    ns::VCARD,
    ns::CORRECT,
    ns::FALLBACK,
    ns::GEOLOC,
    ns::MARKERS,
    ns::OOB,
    ns::PUBSUB_ITEMS,
    ns::REACTIONS,
    ns::RECEIPTS,
    ns::REPLY,
    ns::RETRACT,
    ns::SFS,
    ns::STATES,
    ns::STYLING,
    "http://jabber.org/protocol/nick+notify",
    "urn:xmpp:avatar:metadata+notify",
    "urn:xmpp:vcard4+notify",
];
/// What the announcements of ghosts are called.
const NODE: &str = ns::DRAWBRIDGE;

/// What a ghost is asked about how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// XEP-0054.
    Card,
    /// XEP-0292.
    Card4,
    /// XEP-0172.
    Nick,
    /// Which picture it has.
    Metadata,
    /// The bytes of the picture, of this id alone if there is one.
    Data(Option<String>),
}

/// Such a question, to be answered when it is known how the ghost is shown to who asks.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) envelope: Envelope,
    /// Who is asked about.
    pub(crate) ghost: UserId,
    /// Who asks; `None` is nobody to whom anything was shown.
    pub(crate) asker: Option<UserId>,
    pub(crate) about: About,
}

impl Question {
    /// The answer, to whom the ghost is shown so, if ever. To all others it says what it would say if
    /// there were nobody behind it.
    pub(crate) fn answer(&self, shown: Option<&Shown>) -> Xml {
        let picture = shown.and_then(|shown| shown.picture.as_deref());
        let name = shown.and_then(|shown| shown.name.as_deref());
        let id = self.ghost.to_string();
        let payload = match &self.about {
            About::Card => Some(card(&id, name, picture)),
            About::Card4 => Some(card4(&id, name, picture)),
            About::Nick => name.map(|name| items(ns::NICK, "current", nick(Some(name)))),
            About::Metadata => picture.map(|picture| {
                items(ns::AVATAR_METADATA, &id_of(&picture.bytes), metadata(Some(picture)))
            }),
            About::Data(asked) => picture.and_then(|picture| {
                let id = id_of(&picture.bytes);
                let is_it = asked.as_ref().is_none_or(|asked| *asked == id);
                let data = || Xml::within("data", ns::AVATAR_DATA).text(encoded(picture));
                is_it.then(|| items(ns::AVATAR_DATA, &id, data()))
            }),
        };
        match payload {
            Some(payload) => self.envelope.answer("iq", "result").child(payload),
            None => failure::plain("iq", &self.envelope, "cancel", "item-not-found"),
        }
    }
}

/// What tells a user how a ghost is shown to that user from now on.
pub(crate) fn events(
    of: &UserId,
    to: &UserId,
    shown: &Shown,
    addresses: &Addresses,
) -> Option<[Xml; 2]> {
    let from = addresses.address_of(of).ok()?;
    let event = |node: &'static str, id: &str, payload| {
        let item = Xml::new("item").attr("id", id).child(payload);
        let items = Xml::new("items").attr("node", node).child(item);
        Xml::new("message")
            .attr("type", "headline")
            .attr("from", from.as_str())
            .attr("to", to.id())
            .child(Xml::within("event", ns::PUBSUB_EVENT).child(items))
    };
    let picture = shown.picture.as_deref();
    let id = picture.map_or_else(|| "current".to_owned(), |picture| id_of(&picture.bytes));
    Some([
        event(ns::NICK, "current", nick(shown.name.as_deref())),
        event(ns::AVATAR_METADATA, &id, metadata(picture)),
    ])
}

/// XEP-0153: what a presence says of the picture.
pub(crate) fn card_update(photo: Option<&str>) -> Xml {
    let hash = Xml::new("photo");
    let hash = if let Some(photo) = photo { hash.text(photo) } else { hash };
    Xml::within("x", ns::CARD_UPDATE).child(hash)
}

/// What a ghost says of itself to a user's server unasked: that it wants to be told what the user's nodes
/// tell. Servers ask that of whoever shows presence, and a ghost may have none to show. Prosody takes
/// it unasked as well, under this id; others pass it over.
pub(crate) fn announce(ghost: &UserId, user: &UserId, addresses: &Addresses) -> Option<Xml> {
    let from = addresses.address_of(ghost).ok()?;
    let stanza = Xml::new("iq").attr("type", "result").attr("id", "disco");
    Some(stanza.attr("from", from).attr("to", user.id()).child(info(Some(&announced_node()))))
}

/// XEP-0030, of any ghost.
pub(crate) fn info(node: Option<&str>) -> Xml {
    let query = Xml::within("query", ns::DISCO_INFO).attr_maybe("node", node);
    let identity = |query: Xml, (category, kind): (&'static str, &'static str)| {
        query.child(Xml::new("identity").attr("category", category).attr("type", kind))
    };
    let query = IDENTITIES.into_iter().fold(query, identity);
    let feature =
        |query: Xml, feature: &&str| query.child(Xml::new("feature").attr("var", *feature));
    FEATURES.iter().fold(query, feature)
}

/// XEP-0115: what the presence of a ghost says of it.
pub(crate) fn caps() -> Xml {
    let caps = Xml::within("c", ns::CAPS).attr("hash", "sha-1").attr("node", NODE);
    caps.attr("ver", ver())
}

/// Whether a node is the one that [`caps`] names.
pub(crate) fn is_announced(node: &str) -> bool {
    node == announced_node()
}

fn announced_node() -> String {
    format!("{NODE}#{}", ver())
}

/// XEP-0115, 5.1.
fn ver() -> &'static str {
    static VER: OnceLock<String> = OnceLock::new();
    VER.get_or_init(|| {
        let mut identities = IDENTITIES.map(|(category, kind)| format!("{category}/{kind}//<"));
        identities.sort_unstable();
        let mut features: Vec<_> = FEATURES.iter().map(|feature| format!("{feature}<")).collect();
        features.sort_unstable();
        STANDARD.encode(Sha1::digest(identities.concat() + &features.concat()))
    })
}

fn nick(name: Option<&str>) -> Xml {
    let nick = Xml::within("nick", ns::NICK);
    if let Some(name) = name { nick.text(one_line(name, MAX_NAME)) } else { nick }
}

fn metadata(picture: Option<&Picture>) -> Xml {
    let info = picture.map(|picture| {
        Xml::new("info")
            .attr("bytes", picture.bytes.len().to_string())
            .attr("id", id_of(&picture.bytes))
            .attr("type", picture.mime.as_str())
    });
    info.into_iter().fold(Xml::within("metadata", ns::AVATAR_METADATA), Xml::child)
}

fn items(node: &'static str, id: &str, payload: Xml) -> Xml {
    let item = Xml::new("item").attr("id", id).child(payload);
    let items = Xml::new("items").attr("node", node).child(item);
    Xml::within("pubsub", ns::PUBSUB).child(items)
}

fn encoded(picture: &Picture) -> String {
    STANDARD.encode(&picture.bytes)
}

/// XEP-0054. `id` is what somebody is called of whom nothing is known.
pub(crate) fn card(id: &str, name: Option<&str>, picture: Option<&Picture>) -> Xml {
    let line = |part, text: &str| Xml::new(part).text(one_line(text, MAX_NAME));
    let photo = picture.map(|picture| {
        Xml::new("PHOTO")
            .child(Xml::new("TYPE").text(picture.mime.as_str()))
            .child(Xml::new("BINVAL").text(encoded(picture)))
    });
    let card = Xml::within("vCard", ns::VCARD).child(line("FN", name.unwrap_or(id)));
    name.map(|name| line("NICKNAME", name)).into_iter().chain(photo).fold(card, Xml::child)
}

/// XEP-0292.
fn card4(id: &str, name: Option<&str>, picture: Option<&Picture>) -> Xml {
    let line =
        |part, text: &str| Xml::new(part).child(Xml::new("text").text(one_line(text, MAX_NAME)));
    let photo = picture.map(|picture| {
        let uri = format!("data:{};base64,{}", picture.mime, encoded(picture));
        Xml::new("photo").child(Xml::new("uri").text(uri))
    });
    let card = Xml::within("vcard", ns::VCARD4).child(line("fn", name.unwrap_or(id)));
    let more = name.map(|name| line("nickname", name)).into_iter().chain(photo);
    items(ns::VCARD4_NODE, "current", more.fold(card, Xml::child))
}
