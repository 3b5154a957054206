//! Messages to users, as stanzas of their senders' puppets.

use drawbridge_adapter::{
    Addressing, Code, Content, Emojis, Location, Message, Party, Text, Timestamp, Was,
};

use super::MAX_NAME;
use super::names::called;
use super::place;
use crate::address::Addresses;
use crate::xml::{Xml, one_line};
use crate::{markup, ns};

use std::time::Duration;

/// How long a message waits on its way before its recipient is told when it was written.
const WORTH_A_STAMP: Duration = Duration::from_mins(1);
/// How much is quoted for clients that know no replies, in characters.
const MAX_QUOTE: usize = 500;
/// XEP-0424, for clients without it.
const RETRACTED: &str = "This person attempted to retract a previous message, \
    but it is unsupported by your client.";

/// A message from a puppet, with `key` as its id; or why it cannot be said here.
pub(crate) fn write(
    message: &Message,
    key: &str,
    addresses: &Addresses,
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
        Content::Text(text) => said(stanza, text, message, &from),
        Content::Edit { of, text } => {
            let replace = Xml::within("replace", ns::CORRECT).attr("id", about(of)?);
            said(stanza, text, message, &from).child(replace)
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
    let stanza = stanza.child(Xml::within("origin-id", ns::SID).attr("id", key));
    let stanza = nick(&message.from).into_iter().fold(stanza, Xml::child);
    let late = now.since(message.sent_at) > WORTH_A_STAMP;
    let stamp = stamp(message.sent_at).filter(|_| late).map(|stamp| {
        Xml::within("delay", ns::DELAY).attr("from", addresses.component()).attr("stamp", stamp)
    });
    Ok(stamp.into_iter().fold(stanza, Xml::child))
}

/// The text of a message, what it answers, and what is asked of the client.
fn said(stanza: Xml, text: &Text, message: &Message, from: &str) -> Xml {
    let markup::Written { body, unstyled } = markup::write(text);
    let quoted = message.reply.as_ref().and_then(|reply| reply.quote.as_deref());
    let quote = quoted.map(as_quotation).unwrap_or_default();
    let answers = answers(message, from);
    let end = quote.chars().count().to_string();
    let fallback = (answers.is_some() && !quote.is_empty()).then(|| {
        let part = Xml::new("body").attr("start", "0").attr("end", end);
        Xml::within("fallback", ns::FALLBACK).attr("for", ns::REPLY).child(part)
    });
    let unstyled = unstyled.then(|| Xml::within("unstyled", ns::STYLING));
    let after = [answers, fallback, unstyled].into_iter().flatten();
    let stanza = stanza.child(Xml::new("body").text(quote + &body));
    asking(after.fold(stanza, Xml::child))
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
