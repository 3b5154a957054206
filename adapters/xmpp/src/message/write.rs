//! Messages to users, as stanzas of their senders' puppets.

use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_adapter::{
    Addressing, Code, Content, Emojis, FileInfo, Location, MediaKind, Message, Party, Text,
    Timestamp, Was,
};
use serde::{Deserialize, Serialize};

use super::MAX_NAME;
use super::file::{VOICE, thumbs};
use super::names::called;
use super::place;
use crate::address::Addresses;
use crate::xml::{Xml, one_line};
use crate::{markup, ns};

/// How long a message waits on its way before its recipient is told when it was written.
const WORTH_A_STAMP: Duration = Duration::from_mins(1);
/// How much is quoted for clients that know no replies, in characters.
const MAX_QUOTE: usize = 500;
/// XEP-0424, for clients without it.
const RETRACTED: &str = "This person attempted to retract a previous message, \
    but it is unsupported by your client.";

/// A file that lies where the recipient's client finds it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// Where that is.
    pub(crate) link: String,
    /// As what it is shown.
    pub(crate) kind: MediaKind,
    /// What is said of it.
    pub(crate) info: FileInfo,
    /// The small picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) small: Option<Small>,
}

/// A small picture of a file, that lies there too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Small {
    /// Where that is.
    pub(crate) link: String,
    /// Its MIME type.
    pub(crate) mime: String,
    /// How wide it is, in pixels.
    pub(crate) width: Option<u32>,
    /// How high it is, in pixels.
    pub(crate) height: Option<u32>,
}

/// A message from a puppet, with `key` as its id; or why it cannot be said here. `shared` is the file of
/// the message, or of the one that it edits.
pub(crate) fn write(
    message: &Message,
    key: &str,
    addresses: &Addresses,
    shared: Option<&Shared>,
    now: Timestamp,
) -> Result<Xml, Code> {
    let from = addresses.address_of(&message.from.user).map_err(|_| Code::NotReachable)?;
    let stanza = Xml::new("message")
        .attr("type", "chat")
        .attr("from", from.as_str())
        .attr("to", message.to.id())
        .attr("id", key);
    let about = |reference| called(reference).ok_or(Code::TargetNotFound);
    let stanza = match &message.content {
        Content::Text(text) => said(stanza, Some(text), None, message, &from),
        Content::Media(media) => {
            let shared = shared.ok_or(Code::Malformed)?;
            said(stanza, media.caption.as_ref(), Some(shared), message, &from)
        }
        Content::Edit { of, text } => {
            let replace = Xml::within("replace", ns::CORRECT).attr("id", about(of)?);
            said(stanza, Some(text), shared, message, &from).child(replace)
        }
        Content::Retraction { of } => stanza
            .child(Xml::new("body").text(RETRACTED))
            .child(Xml::within("fallback", ns::FALLBACK).attr("for", ns::RETRACT))
            .child(Xml::within("retract", ns::RETRACT).attr("id", about(of)?))
            .child(Xml::within("store", ns::HINTS)),
        Content::Reaction { to, emojis } => {
            stanza.child(reactions(about(to)?, emojis)).child(Xml::within("store", ns::HINTS))
        }
        Content::Location(place) => placed(stanza, place, message, &from),
        _ => return Err(Code::Malformed),
    };
    let stanza = thread(message).into_iter().fold(stanza, Xml::child);
    let stanza = stanza.child(Xml::within("origin-id", ns::SID).attr("id", key));
    let stanza = nick(&message.from).into_iter().fold(stanza, Xml::child);
    let late = now.since(message.sent_at) > WORTH_A_STAMP;
    let stamp = stamp(message.sent_at).filter(|_| late).map(|stamp| {
        Xml::within("delay", ns::DELAY).attr("from", addresses.component()).attr("stamp", stamp)
    });
    Ok(stamp.into_iter().fold(stanza, Xml::child))
}

/// The text of a message, its file, what it answers, and what is asked of the client.
fn said(
    stanza: Xml,
    text: Option<&Text>,
    shared: Option<&Shared>,
    message: &Message,
    from: &str,
) -> Xml {
    let written = text.map(markup::write);
    // A link that stands alone is shown as the file; with a quotation before it, as a link.
    let reply = message.reply.as_ref().filter(|_| text.is_some());
    let quoted = reply.and_then(|reply| reply.quote.as_deref());
    let quote = quoted.map(as_quotation).unwrap_or_default();
    let answers = answers(message, from);
    let quotation = 0..quote.chars().count();
    let is_cut = answers.is_some() && !quote.is_empty();
    let fallback = is_cut.then(|| fallback(ns::REPLY, quotation));
    let unstyled = written.as_ref().is_some_and(|written| written.unstyled);
    let unstyled = unstyled.then(|| Xml::within("unstyled", ns::STYLING));
    let mut body = quote + &written.map(|written| written.body).unwrap_or_default();
    let shared = shared.map(|shared| beside(&mut body, shared)).into_iter().flatten();
    let after = [answers, fallback, unstyled].into_iter().flatten().chain(shared);
    let stanza = stanza.child(Xml::new("body").text(body));
    asking(after.fold(stanza, Xml::child))
}

/// Which characters of the body are there for clients without `what` (XEP-0428).
fn fallback(what: &'static str, range: Range<usize>) -> Xml {
    let (start, end) = (range.start.to_string(), range.end.to_string());
    let part = Xml::new("body").attr("start", start).attr("end", end);
    Xml::within("fallback", ns::FALLBACK).attr("for", what).child(part)
}

/// A file beside a body, to which its link is added for clients without XEP-0447.
fn beside(body: &mut String, shared: &Shared) -> [Xml; 3] {
    let start = body.chars().count();
    if !body.is_empty() {
        body.push('\n');
    }
    body.push_str(&shared.link);
    let url = Xml::new("url").text(shared.link.as_str());
    let oob = Xml::within("x", ns::OOB).child(url);
    [sharing(shared), oob, fallback(ns::SFS, start..body.chars().count())]
}

/// XEP-0447.
fn sharing(shared: &Shared) -> Xml {
    let Shared { link, kind, info, small } = shared;
    let part = |name, text: String| Xml::new(name).text(text);
    let number = |name, number: Option<u64>| number.map(|number| part(name, number.to_string()));
    let mime = info.mime.as_deref().map(|mime| match (kind, mime) {
        (MediaKind::Voice, "audio/ogg" | "audio/opus") => VOICE,
        _ => mime,
    });
    let hash = info.sha256.map(|hash| {
        Xml::within("hash", ns::HASHES).attr("algo", "sha-256").text(STANDARD.encode(hash.0))
    });
    let millis = info.duration.and_then(|duration| u64::try_from(duration.as_millis()).ok());
    let parts = [
        mime.map(|mime| part("media-type", mime.to_owned())),
        info.name.as_ref().map(|name| part("name", name.clone())),
        number("size", info.size),
        number("width", info.width.map(u64::from)),
        number("height", info.height.map(u64::from)),
        number("length", millis),
        hash,
    ];
    let file = Xml::within("file", ns::FILE_METADATA);
    let parts = parts.into_iter().chain(thumbs::write(small.as_ref(), info));
    let file = parts.flatten().fold(file, Xml::child);
    let source = Xml::within("url-data", ns::URL_DATA).attr("target", link.as_str());
    Xml::within("file-sharing", ns::SFS)
        .attr("disposition", "inline")
        .child(file)
        .child(Xml::new("sources").child(source))
}

/// A place. With a quotation before it the body would be no URI any more.
fn placed(stanza: Xml, place: &Location, message: &Message, from: &str) -> Xml {
    let (body, geoloc) = place::write(place);
    let stanza = stanza.child(Xml::new("body").text(body)).child(geoloc);
    asking(answers(message, from).into_iter().fold(stanza, Xml::child))
}

/// What says which message is answered (XEP-0461), if that can be said here.
fn answers(message: &Message, from: &str) -> Option<Xml> {
    let to = message.reply.as_ref()?.to.as_ref()?;
    let author = if to.was == Was::Sent { message.to.id() } else { from };
    Some(Xml::within("reply", ns::REPLY).attr("to", author).attr("id", called(to)?))
}

/// The thread in which it stands, by the id of the message with which that begins, if it has one here.
fn thread(message: &Message) -> Option<Xml> {
    let reply = message.reply.as_ref().filter(|_| message.content.about().is_none())?;
    let root = called(&reply.thread.as_ref()?.root)?;
    Some(Xml::new("thread").text(root))
}

/// What the recipient's client is to tell of it.
fn asking(stanza: Xml) -> Xml {
    stanza
        .child(Xml::within("active", ns::STATES))
        .child(Xml::within("request", ns::RECEIPTS))
        .child(Xml::within("markable", ns::MARKERS))
}

fn as_quotation(quoted: &str) -> String {
    let mut short: String = quoted.chars().take(MAX_QUOTE).collect();
    if short.len() < quoted.len() {
        short.push('…');
    }
    let mut quotation = String::new();
    for line in short.lines() {
        quotation.extend(["> ", line, "\n"]);
    }
    quotation
}

fn reactions(to: &str, emojis: &Emojis) -> Xml {
    let reactions = Xml::within("reactions", ns::REACTIONS).attr("id", to);
    let reaction = |emoji: &String| Xml::new("reaction").text(emoji.as_str());
    emojis.shown().iter().map(reaction).fold(reactions, Xml::child)
}

/// XEP-0172, if there is a name to show.
pub(crate) fn nick(party: &Party) -> Option<Xml> {
    let name = one_line(party.name.as_deref()?, MAX_NAME);
    (!name.trim().is_empty()).then(|| Xml::within("nick", ns::NICK).text(name))
}

/// XEP-0082, in UTC.
pub(super) fn stamp(at: Timestamp) -> Option<String> {
    let days = at.0.div_euclid(86_400_000);
    let millis = at.0.rem_euclid(86_400_000);
    // Days to a date of the proleptic Gregorian calendar, by eras of 400 years from 1 March.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    let (second, milli) = (millis / 1_000 % 60, millis % 1_000);
    (1970..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    })
}
