//! Messages to users, as stanzas of their senders' puppets.

use drawbridge_adapter::{
    Addressing, Code, Content, Emojis, Message, Party, Reply, Text, Timestamp, Was,
};

use super::MAX_NAME;
use super::names::called;
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
    let mut after = Vec::new();
    let mut quote = String::new();
    if let Some(Reply { to, quote: quoted }) = &message.reply {
        quote = quoted.as_deref().map(as_quotation).unwrap_or_default();
        if let Some((to, id)) = to.as_ref().and_then(|to| Some((to, called(to)?))) {
            let author = if to.was == Was::Sent { message.to.id() } else { from };
            after.push(Xml::within("reply", ns::REPLY).attr("to", author).attr("id", id));
            if !quote.is_empty() {
                let end = quote.chars().count().to_string();
                let part = Xml::new("body").attr("start", "0").attr("end", end);
                let fallback = Xml::within("fallback", ns::FALLBACK).attr("for", ns::REPLY);
                after.push(fallback.child(part));
            }
        }
    }
    if unstyled {
        after.push(Xml::within("unstyled", ns::STYLING));
    }
    after.push(Xml::within("active", ns::STATES));
    after.push(Xml::within("request", ns::RECEIPTS));
    after.push(Xml::within("markable", ns::MARKERS));
    after.into_iter().fold(stanza.child(Xml::new("body").text(quote + &body)), Xml::child)
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
