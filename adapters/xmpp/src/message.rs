//! Messages: what a stanza from a user means, and what a message to a user looks like.

use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Content, Destination, Event, EventId, Message, Notice, Party,
    Repeats, ReplyPath, Status, Timestamp, UserId,
};
use minidom::Element;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xmpp_parsers::date::DateTime;

use crate::address::{self, Addresses};
use crate::command::{self, Run};
use crate::failure::{self, Envelope};
use crate::hex::hex;
use crate::ns;
use crate::presence::{Who, who};
use crate::stream::Stanza;
use crate::xml::{Xml, one_line};

mod classify;

/// Clients choose ids, and some use one twice: the same sender, id and content within this time is
/// a repeat.
const REPEATS_WITHIN: Duration = Duration::from_mins(10);
/// The longest display name, in characters.
const MAX_NAME: usize = 128;
/// How old a server's word may be on when a message was written: its offline store's patience.
const MAX_DELAY: Duration = Duration::from_hours(30 * 24);
/// How long a message waits on its way before its recipient is told when it was written.
const WORTH_A_STAMP: Duration = Duration::from_mins(1);

/// What a message stanza means.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Somebody wrote to a user of another network, or to the bridge itself.
    Event(Box<Event>, Envelope),
    /// It is refused here: nobody can be reached under that address, or it could not be read.
    Refused(Envelope, Code),
    /// Something that we sent came back.
    Bounced(Element),
    /// Nothing that anybody waits for.
    Nothing(&'static str),
}

/// The way back to a sender, as the daemon keeps it.
#[derive(Serialize, Deserialize)]
struct Back {
    from: String,
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The command that the stanza ran, if it was no message but a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ran: Option<Run>,
}

/// Reads a message stanza.
pub(crate) fn read(stanza: Stanza, addresses: &Addresses, bridge: &Bridge) -> Heard {
    let Stanza { element, whole } = stanza;
    match element.attr("type") {
        Some("error") => return Heard::Bounced(element),
        Some("headline") => return Heard::Nothing("headline"),
        Some("groupchat") => return Heard::Nothing("groupchat"),
        // RFC 6121, 5.2.2: any other type is to be read as normal.
        _ => {}
    }
    let Some(envelope) = Envelope::of(&element) else {
        return Heard::Nothing("no address");
    };
    if !envelope.from.contains('@') {
        return Heard::Nothing("not from a user");
    }
    let (content, marks) = if whole {
        let marks = classify::marks(&element);
        let Some(content) = classify::content(&element, marks) else {
            return Heard::Nothing("no message");
        };
        (content, marks)
    } else {
        // What was cut off might have been a timer or a sticker: nothing of it crosses.
        return Heard::Refused(envelope, Code::Malformed);
    };
    let Ok(sender) = addresses.canonical(&envelope.from) else {
        // A server may let through what is no JID by its letter. Such a sender has no id.
        return Heard::Refused(envelope, Code::Malformed);
    };
    let to = match addresses.user_at(&envelope.to) {
        Ok(to) if bridge.knows(&to) => Some(to),
        _ if who(&envelope.to, addresses, bridge) == Who::Component => None,
        _ => return Heard::Refused(envelope, Code::NotReachable),
    };
    let Some(id) = event_id(&element, &sender, to.as_ref(), &content, bridge) else {
        return Heard::Nothing("no id");
    };
    let destination = match to {
        None => Destination::Bridge,
        Some(_) if classify::invites(&element) => Destination::Group,
        Some(to) => Destination::Direct(to),
    };
    let event = Event {
        repeats: match client_id(&element) {
            Some(_) => Repeats::Within(REPEATS_WITHIN),
            None => Repeats::Always,
        },
        id,
        to: destination,
        sent_at: sent_at(&element, bridge.now()),
        sender: Party { name: name(&element, &sender), user: sender },
        content,
        marks,
        reply_path: way_back(&envelope, None),
    };
    Heard::Event(Box::new(event), envelope)
}

/// The same for a repeat, and never for anything else; with the sender's own id, if there is room.
/// What comes without an id is always new.
fn event_id(
    element: &Element,
    sender: &UserId,
    to: Option<&UserId>,
    content: &Content,
    bridge: &Bridge,
) -> Option<EventId> {
    let Some(id) = client_id(element) else {
        return EventId::new(format!("{:016x}{:016x}", bridge.random(), bridge.random())).ok();
    };
    let body = match content {
        Content::Text { body } => body.as_str(),
        _ => "",
    };
    let mut hash = Sha256::new();
    let (network, user) = to.map_or(("", ""), |to| (to.network().as_str(), to.id()));
    let parts = [sender.id(), network, user, id, content.kind().as_str(), body];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash = hex(&hash.finalize());
    EventId::new(format!("{hash}/{id}")).or_else(|_| EventId::new(hash)).ok()
}

/// What the sender's client called the message of this event: by it the sender's server may know it.
pub(crate) fn given_id(event: &EventId) -> Option<&str> {
    event.as_str().split_once('/').map(|(_, id)| id)
}

/// The id that the sender's client chose, if it did.
fn client_id(element: &Element) -> Option<&str> {
    element.attr("id").filter(|id| !id.is_empty())
}

/// XEP-0172, else what stands before the @.
fn name(element: &Element, sender: &UserId) -> Option<String> {
    let nick = element.get_child("nick", ns::NICK).map(Element::text);
    let nick = nick.as_deref().map(str::trim).filter(|nick| !nick.is_empty());
    let local = sender.id().split_once('@').map(|(local, _)| local);
    nick.or(local).map(|name| one_line(name, MAX_NAME).into_owned())
}

/// XEP-0203, if its word is one that a server's store may have: not of the future, not too old.
fn sent_at(element: &Element, now: Timestamp) -> Timestamp {
    let stamp = element.get_child("delay", ns::DELAY).and_then(|delay| delay.attr("stamp"));
    let Some(stamp) = stamp.and_then(|stamp| stamp.parse::<DateTime>().ok()) else {
        return now;
    };
    let stamp = Timestamp(stamp.0.timestamp_millis());
    if stamp <= now && now.since(stamp) <= MAX_DELAY { stamp } else { now }
}

/// What leads back to the sender of a stanza, and of a command that it ran.
pub(crate) fn way_back(envelope: &Envelope, ran: Option<Run>) -> ReplyPath {
    let Envelope { from, to, id } = envelope.clone();
    let back = Back { from, to, id, ran };
    // Even with every byte escaped, two JIDs and an id may only just not fit: then the answer goes
    // to the bare address, by what the status itself says.
    let path = serde_json::to_string(&back).ok().filter(|path| path.len() <= ReplyPath::MAX);
    ReplyPath(path.unwrap_or_default())
}

/// Tells the sender of an event what became of it; `None` if there is nothing to tell.
pub(crate) fn status(status: &Status, addresses: &Addresses) -> Option<Xml> {
    let refusal = status.state.refusal()?;
    let retriable = matches!(status.state, drawbridge_adapter::State::FailedRetriable(_));
    let (envelope, ran) = if let Some(known) = back(&status.reply_path) {
        known
    } else {
        let from = status.sender.id().to_owned();
        let to = addresses.address_of(status.recipient.as_ref()?).ok()?;
        (Envelope { from, to, id: None }, None)
    };
    // Only ever from ourselves, whatever the store gave back.
    let ours =
        address::parse(&envelope.to).is_ok_and(|to| to.domain().as_str() == addresses.component());
    let name = if ran.is_some() { "iq" } else { "message" };
    ours.then(|| failure::refuse(name, &envelope, refusal, retriable))
}

/// What was written down to lead back.
fn back(path: &ReplyPath) -> Option<(Envelope, Option<Run>)> {
    let Back { from, to, id, ran } = serde_json::from_str(&path.0).ok()?;
    Some((Envelope { from, to, id }, ran))
}

/// What the bridge itself says, from the component's bare address: to the client that asked, in the
/// way in which it asked.
pub(crate) fn notice(notice: &Notice, key: &str, addresses: &Addresses) -> Xml {
    // Only ever to the user, whatever the store gave back.
    let asked = notice.reply_path.as_ref().and_then(back).filter(|(envelope, _)| {
        addresses.canonical(&envelope.from).is_ok_and(|user| user == notice.to)
    });
    match asked {
        Some((envelope, Some(run))) => {
            let envelope = Envelope { to: addresses.component().to_owned(), ..envelope };
            command::done(&envelope, &run, &notice.text)
        }
        Some((envelope, None)) => say(&notice.text, &envelope.from, key, addresses),
        None => say(&notice.text, notice.to.id(), key, addresses),
    }
}

/// A text in the bridge's own name.
pub(crate) fn say(text: &str, to: &str, key: &str, addresses: &Addresses) -> Xml {
    Xml::new("message")
        .attr("type", "chat")
        .attr("from", addresses.component())
        .attr("to", to)
        .attr("id", key)
        .child(Xml::new("body").text(text))
}

/// A message from a puppet, with `key` as its id; `None` if it cannot be said here.
pub(crate) fn write(
    message: &Message,
    key: &str,
    addresses: &Addresses,
    now: Timestamp,
) -> Option<Xml> {
    let Content::Text { body } = &message.content else {
        return None;
    };
    let from = addresses.address_of(&message.from.user).ok()?;
    let mut stanza = Xml::new("message")
        .attr("type", "chat")
        .attr("from", from)
        .attr("to", message.to.id())
        .attr("id", key)
        .child(Xml::new("body").text(body.as_str()))
        .child(Xml::within("origin-id", ns::SID).attr("id", key));
    if let Some(nick) = nick(&message.from) {
        stanza = stanza.child(nick);
    }
    if now.since(message.sent_at) > WORTH_A_STAMP
        && let Some(stamp) = stamp(message.sent_at)
    {
        let delay = Xml::within("delay", ns::DELAY).attr("from", addresses.component());
        stanza = stanza.child(delay.attr("stamp", stamp));
    }
    Some(stanza)
}

/// XEP-0172, if there is a name to show.
pub(crate) fn nick(party: &Party) -> Option<Xml> {
    let name = one_line(party.name.as_deref()?, MAX_NAME);
    (!name.trim().is_empty()).then(|| Xml::within("nick", ns::NICK).text(name))
}

/// XEP-0082, in UTC.
fn stamp(at: Timestamp) -> Option<String> {
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

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
