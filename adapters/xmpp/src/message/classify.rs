//! What a message stanza is: its kind, its text, and the marks it bears.

use drawbridge_adapter::{Content, Emojis, Kind, Marks, Reply, Text};
use minidom::Element;

use super::fallback::{self, Split};
use super::names::Way;
use super::place;
use crate::{markup, ns};

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

/// What a message is.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Something that is said, perhaps in answer to a message.
    Says(Content, Option<Reply>),
    /// It refers to nothing, or holds more than there may be.
    Malformed,
    /// No message to anybody: a chat state, a receipt, a subject.
    Nothing,
}

/// What it says, on its way.
pub(crate) fn meaning(message: &Element, marks: Marks, way: Way<'_>) -> Meaning {
    let whole = body(message);
    let (body, reply) = body_and_reply(message, whole.as_deref(), way);
    let unsupported = |kind| Meaning::Says(Content::Unsupported { kind }, None);
    if let Some(kind) = kind(message, body.as_deref()) {
        return unsupported(kind);
    }
    let about = |id: Option<&str>| id.and_then(|id| way.meant(id));
    // What stands beside these is there for clients that do not know them.
    if let Some(retraction) = retraction(message) {
        return match about(retraction.attr("id")) {
            Some(of) => Meaning::Says(Content::Retraction { of }, None),
            None => Meaning::Malformed,
        };
    }
    if let Some(reactions) = message.get_child("reactions", ns::REACTIONS) {
        return match (about(reactions.attr("id")), emojis(reactions)) {
            (Some(to), Some(emojis)) => Meaning::Says(Content::Reaction { to, emojis }, None),
            _ => Meaning::Malformed,
        };
    }
    let edited = message.get_child("replace", ns::CORRECT);
    if let Some(content) = place::read(message, body.as_deref(), whole.as_deref()) {
        // A place cannot become another, nor a text one.
        return match (content, edited) {
            (Content::Location(place), None) => Meaning::Says(Content::Location(place), reply),
            _ => unsupported(Kind::Location),
        };
    }
    let text = body.map(|body| {
        let rich = markup::read(message, &body, reply.is_none());
        Text { body, rich }
    });
    match (text, edited) {
        (Some(text), Some(edited)) => match about(edited.attr("id")) {
            Some(of) => Meaning::Says(Content::Edit { of, text }, reply),
            None => Meaning::Malformed,
        },
        (Some(text), None) => Meaning::Says(Content::Text(text), reply),
        (None, Some(_)) => unsupported(Kind::Edit),
        (None, None) if marks.disappearing => unsupported(Kind::Disappearing),
        (None, None) if marks.sticker => unsupported(Kind::Sticker),
        (None, None) => Meaning::Nothing,
    }
}

/// What the sender wrote, and what it answers (XEP-0461).
fn body_and_reply(
    message: &Element,
    whole: Option<&str>,
    way: Way<'_>,
) -> (Option<String>, Option<Reply>) {
    let Some(element) = message.get_child("reply", ns::REPLY) else {
        return (whole.map(str::to_owned), None);
    };
    let Split { body, quote } = match whole {
        Some(body) => fallback::split(message, body),
        None => Split { body: None, quote: None },
    };
    let to = element.attr("id").and_then(|id| way.meant(id));
    let reply = (to.is_some() || quote.is_some()).then_some(Reply { to, quote });
    (body, reply)
}

/// What names the message that is taken back, if one is (XEP-0424): also in the form of before 2023.
fn retraction(message: &Element) -> Option<&Element> {
    let retracts =
        |child: &Element| child.name() == "retract" && child.ns().starts_with(ns::ANY_RETRACT);
    let carries =
        |child: &Element| child.is("apply-to", ns::FASTEN) && child.children().any(retracts);
    message.children().find(|child| retracts(child) || carries(child))
}

/// All reactions, each once; `None` if they are too many or too long.
fn emojis(reactions: &Element) -> Option<Emojis> {
    let mut all: Vec<String> = Vec::new();
    for reaction in reactions.children().filter(|child| child.is("reaction", ns::REACTIONS)) {
        let emoji = reaction.text().trim().to_owned();
        if emoji.is_empty() || all.contains(&emoji) {
            continue;
        }
        if emoji.len() > Emojis::MAX_BYTES || all.len() == Emojis::MOST {
            return None;
        }
        all.push(emoji);
    }
    Some(Emojis::All(all))
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
    let language = |body: &&Element| body.attr_ns(ns::XML, "lang").is_none();
    let body = bodies().find(language).or_else(|| bodies().next())?;
    Some(body.text()).filter(|text| !text.is_empty())
}

/// The kind, if it is one that is not carried. What stands beside a text and would be lost with
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
        ("x", ns::OOB) => {
            let url = child.get_child("url", ns::OOB).map(Element::text).unwrap_or_default();
            let url = url.trim();
            // A link that the text holds, among other words, is not lost with the element.
            let said = body.is_some_and(|body| {
                body.contains(url) && (body.trim() != url || place::of_uri(url).is_some())
            });
            (!said).then_some(Kind::Document)
        }
        ("file-sharing" | "sources", other) if other.starts_with(ns::FILES) => Some(media(child)),
        ("media-sharing", ns::SIMS) => Some(media(child)),
        ("reference", _) => child.get_child("media-sharing", ns::SIMS).map(media),
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
