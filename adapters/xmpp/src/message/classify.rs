//! What a message stanza is: its kind, its text, and the marks it bears.

use drawbridge_adapter::{Content, Emojis, EventId, Kind, Marks, Media, Reply, Text, Thread};
use minidom::Element;

use super::fallback::{self, Split};
use super::file::{self, Found};
use super::lately::Lately;
use super::names::{self, Way};
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
#[expect(clippy::large_enum_variant, reason = "nearly all say something")]
pub(crate) enum Meaning {
    /// Something that is said, perhaps in answer to a message.
    Says(Content, Option<Reply>),
    /// It refers to nothing, or holds more than there may be.
    Malformed,
    /// No message to anybody: a chat state, a receipt, a subject.
    Nothing,
}

/// What it says, on its way. `lately`: which files came.
pub(crate) fn meaning(message: &Element, marks: Marks, way: Way<'_>, lately: &Lately) -> Meaning {
    let whole = body(message);
    let (body, reply) = body_and_reply(message, whole.as_deref(), way);
    let unsupported = |kind| Meaning::Says(Content::Unsupported { kind }, None);
    if let Some(kind) = kind(message, body.as_deref()) {
        return unsupported(kind);
    }
    if let Some(found) = file::read(message, whole.as_deref()) {
        return match found {
            _ if marks.sticker => unsupported(Kind::Sticker),
            Found::Closed(kind) => unsupported(kind),
            Found::File(media, link) => filed(message, *media, &link, reply, way, lately),
        };
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
            Some(of) => {
                let text = match lately.without_link(&of, &text.body) {
                    // What was written with the file is taken away, and the file stays.
                    Some(body) if body.is_empty() => return unsupported(Kind::Edit),
                    Some(body) => Text { rich: markup::read(message, &body, false), body },
                    None => text,
                };
                Meaning::Says(Content::Edit { of, text }, reply)
            }
            None => Meaning::Malformed,
        },
        (Some(text), None) => Meaning::Says(Content::Text(text), reply),
        (None, Some(_)) => unsupported(Kind::Edit),
        (None, None) if marks.disappearing => unsupported(Kind::Disappearing),
        (None, None) if marks.sticker => unsupported(Kind::Sticker),
        (None, None) => Meaning::Nothing,
    }
}

/// What a message with a file says. What else it claims to be would be lost with the file, or the file with
/// it.
fn filed(
    message: &Element,
    media: Media,
    link: &str,
    reply: Option<Reply>,
    way: Way<'_>,
    lately: &Lately,
) -> Meaning {
    let unsupported = |kind| Meaning::Says(Content::Unsupported { kind }, None);
    let kind = media.kind.kind();
    if retraction(message).is_some()
        || message.has_child("reactions", ns::REACTIONS)
        || message.has_child("geoloc", ns::GEOLOC)
    {
        return unsupported(kind);
    }
    let Some(edited) = message.get_child("replace", ns::CORRECT) else {
        return Meaning::Says(Content::Media(Box::new(media)), reply);
    };
    match edited.attr("id").and_then(|id| way.meant(id)) {
        None => Meaning::Malformed,
        // The file stays as it was: only what is written with it is new.
        Some(of) if lately.was(&of, link) => match media.caption {
            Some(text) => Meaning::Says(Content::Edit { of, text }, reply),
            None => unsupported(Kind::Edit),
        },
        Some(_) => unsupported(kind),
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
    let reply = (to.is_some() || quote.is_some()).then_some(Reply::answering(to, quote));
    (body, reply)
}

/// What a message answers, in the thread in which it stands (RFC 6121, 5.2.5): by the id of the message
/// with which that begins. Any other id is one that clients made up, and names no message.
pub(crate) fn in_thread(
    message: &Element,
    content: &Content,
    reply: Option<Reply>,
    way: Way<'_>,
) -> Option<Reply> {
    let may_stand = matches!(content, Content::Text(_) | Content::Media(_) | Content::Location(_));
    let thread = message.get_child("thread", message.ns().as_str());
    let id = thread.filter(|_| may_stand && way.to.is_some()).map(Element::text);
    // A thread that begins with the message itself is none yet.
    let root = id
        .filter(|id| id.len() <= EventId::MAX && names::client_id(message) != Some(id))
        .and_then(|id| way.meant(&id));
    let Some(root) = root else { return reply };
    let follows = reply.is_none();
    let reply = reply.unwrap_or_else(|| Reply::answering(Some(root.clone()), None));
    Some(Reply { thread: Some(Thread { root, follows }), ..reply })
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
        // It tells where else the file of an earlier message is.
        ("sources", other) if other.starts_with(ns::FILES) => Some(Kind::Document),
        ("propose", other) if other.starts_with(ns::JINGLE_MESSAGE) => Some(Kind::Call),
        ("invite", other) if other.starts_with(ns::CALL_INVITES) => Some(Kind::Call),
        ("x", ns::ROSTER_EXCHANGE) => Some(Kind::Contact),
        ("x", ns::MUC_USER) => child.has_child("invite", ns::MUC_USER).then_some(Kind::Other),
        ("x", ns::CONFERENCE) | ("forwarded", ns::FORWARD) => Some(Kind::Other),
        _ => None,
    }
}
