//! What a message stanza is: its kind, its text, and the marks it bears.

use drawbridge_adapter::{Content, Kind, Marks};
use minidom::Element;

use crate::ns;

/// Stickers and timers, at any depth: also inside an edit, a reply, a forwarded message, whatever
/// namespace its outer element claims.
pub(crate) fn marks(element: &Element) -> Marks {
    let ns = element.ns();
    let mut marks = Marks {
        sticker: ns.starts_with(ns::STICKERS),
        disappearing: ns.starts_with(ns::EPHEMERAL) || ns == ns::EXPIRE,
    };
    for child in element.children() {
        let inner = self::marks(child);
        marks.sticker |= inner.sticker;
        marks.disappearing |= inner.disappearing;
    }
    marks
}

/// What it says; `None` if it is no message to anybody: a chat state, a receipt, a subject.
pub(crate) fn content(message: &Element, marks: Marks) -> Option<Content> {
    let body = body(message);
    if let Some(kind) = kind(message, body.as_deref()) {
        return Some(Content::Unsupported { kind });
    }
    match body {
        Some(body) => Some(Content::Text { body }),
        None if marks.disappearing => Some(Content::Unsupported { kind: Kind::Disappearing }),
        None if marks.sticker => Some(Content::Unsupported { kind: Kind::Sticker }),
        None => None,
    }
}

/// Whether it invites to a room (XEP-0045, XEP-0249).
pub(crate) fn invites(message: &Element) -> bool {
    message.children().any(|child| {
        child.is("x", ns::CONFERENCE)
            || (child.is("x", ns::MUC_USER) && child.has_child("invite", ns::MUC_USER))
    })
}

/// The text without a language, else the first one. An empty one is none.
fn body(message: &Element) -> Option<String> {
    let ns = message.ns();
    let bodies = || message.children().filter(|child| child.is("body", ns.as_str()));
    let language =
        |body: &&Element| body.attr_ns("http://www.w3.org/XML/1998/namespace", "lang").is_none();
    let body = bodies().find(language).or_else(|| bodies().next())?;
    Some(body.text()).filter(|text| !text.is_empty())
}

/// The kind, if it is something else than a text. What stands beside a text and would be lost with
/// it makes the whole message that kind: it is refused, never cut.
fn kind(message: &Element, body: Option<&str>) -> Option<Kind> {
    message.children().find_map(|child| of_child(child, body))
}

fn of_child(child: &Element, body: Option<&str>) -> Option<Kind> {
    let ns = child.ns();
    match (child.name(), ns.as_str()) {
        // XEP-0384: without a payload it only moves keys.
        ("encrypted", ns::OMEMO_OLD) => {
            (body.is_some() || child.has_child("payload", ns::OMEMO_OLD)).then_some(Kind::Encrypted)
        }
        ("encrypted", other) if other.starts_with(ns::OMEMO) => {
            (body.is_some() || child.has_child("payload", other)).then_some(Kind::Encrypted)
        }
        // It names the scheme; a stanza that only moves keys has no text for those without it.
        ("encryption", ns::EME) => body.is_some().then_some(Kind::Encrypted),
        ("x", ns::PGP_OLD) => Some(Kind::Encrypted),
        ("openpgp", other) if other.starts_with(ns::OPENPGP) => Some(Kind::Encrypted),
        ("replace", ns::CORRECT) => Some(Kind::Edit),
        ("retract", other) if other.starts_with(ns::RETRACT) => Some(Kind::Retraction),
        ("apply-to", ns::FASTEN) => {
            let retracts = |inner: &Element| inner.ns().starts_with(ns::RETRACT);
            child.children().any(retracts).then_some(Kind::Retraction)
        }
        ("reactions", other) if other.starts_with(ns::REACTIONS) => Some(Kind::Reaction),
        ("x", ns::OOB) => {
            let url = child.get_child("url", ns::OOB).map(Element::text).unwrap_or_default();
            let url = url.trim();
            // A link that the text holds, among other words, is not lost with the element.
            let said = body.is_some_and(|body| body.trim() != url && body.contains(url));
            (!said).then_some(Kind::Document)
        }
        ("file-sharing" | "sources", other) if other.starts_with(ns::FILES) => Some(media(child)),
        ("media-sharing", ns::SIMS) => Some(media(child)),
        ("reference", _) => child.get_child("media-sharing", ns::SIMS).map(media),
        ("geoloc", ns::GEOLOC) => Some(Kind::Location),
        ("propose", other) if other.starts_with(ns::JINGLE_MESSAGE) => Some(Kind::Call),
        ("invite", other) if other.starts_with(ns::CALL_INVITES) => Some(Kind::Call),
        ("x", ns::ROSTER_EXCHANGE) => Some(Kind::Contact),
        ("x", ns::MUC_USER) => child.has_child("invite", ns::MUC_USER).then_some(Kind::Other),
        ("x", ns::CONFERENCE) | ("forwarded", ns::FORWARD) => Some(Kind::Other),
        _ => None,
    }
}

/// The kind of a shared file, by the type that it declares.
fn media(shared: &Element) -> Kind {
    fn declared(element: &Element) -> Option<String> {
        if element.name() == "media-type" {
            return Some(element.text());
        }
        element.children().find_map(declared)
    }
    let declared = declared(shared).unwrap_or_default();
    match declared.trim().split('/').next() {
        Some("image") => Kind::Image,
        Some("video") => Kind::Video,
        Some("audio") => Kind::Audio,
        _ => Kind::Document,
    }
}
