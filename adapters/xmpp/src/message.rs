//! Messages: what a stanza from a user means, and what a message to a user looks like.

use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Content, Destination, Event, Locator, Notice, Party, Passing,
    Repeats, ReplyPath, Status, Text, Timestamp, UserId,
};
use minidom::Element;
use serde::{Deserialize, Serialize};
use xmpp_parsers::date::DateTime;

use crate::address::{self, Addresses};
use crate::command::{self, Run};
use crate::failure::{self, Envelope};
use crate::fleeting::{self, Asks};
use crate::markup::{self, Written};
use crate::ns;
use crate::presence::{Who, who};
use crate::stream::Stanza;
use crate::xml::{Xml, one_line};

mod classify;
mod fallback;
mod file;
mod lately;
mod names;
mod place;
mod write;

use classify::Meaning;
use names::{Said, Way};

pub(crate) use file::extension_of;
pub(crate) use lately::Lately;
pub(crate) use names::{given_id, name_of, ours};
pub(crate) use write::{Shared, Small, nick, write};

/// Clients choose ids, and some use one twice: the same sender, id and content within this time is
/// a repeat.
const REPEATS_WITHIN: Duration = Duration::from_mins(10);
/// The longest display name, in characters.
const MAX_NAME: usize = 128;
/// How old a server's word may be on when a message was written: its offline store's patience.
const MAX_DELAY: Duration = Duration::from_hours(30 * 24);

/// What a message stanza means.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Somebody wrote to a user of another network, or to the bridge itself; and what is asked to be
    /// told of it.
    Event(Box<Event>, Envelope, Asks),
    /// Somebody writes, or got what was written.
    Passing(Vec<Passing>),
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

/// Reads a message stanza. `lately`: which files came.
pub(crate) fn read(
    stanza: Stanza,
    addresses: &Addresses,
    lately: &Lately,
    bridge: &Bridge,
) -> Heard {
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
    if !whole {
        // What was cut off might have been a timer or a sticker: nothing of it crosses.
        return Heard::Refused(envelope, Code::Malformed);
    }
    let sender = addresses.canonical(&envelope.from);
    let to = match addresses.user_at(&envelope.to) {
        Ok(to) if bridge.knows(&to) => Ok(Some(to)),
        _ if who(&envelope.to, addresses, bridge) == Who::Component => Ok(None),
        _ => Err(Code::NotReachable),
    };
    let way = Way {
        sender: sender.as_ref().map_or(envelope.from.as_str(), UserId::id),
        to: to.as_ref().ok().and_then(Option::as_ref),
    };
    let marks = classify::marks(&element);
    let (content, reply) = match classify::meaning(&element, marks, way, lately) {
        Meaning::Says(content, reply) => {
            let reply = classify::in_thread(&element, &content, reply, way);
            (content, reply)
        }
        Meaning::Malformed => return Heard::Refused(envelope, Code::Malformed),
        Meaning::Nothing => {
            let passing = match (sender, to) {
                (Ok(by), Ok(Some(to))) => fleeting::read(&element, &by, &to),
                _ => Vec::new(),
            };
            return if passing.is_empty() {
                Heard::Nothing("no message")
            } else {
                Heard::Passing(passing)
            };
        }
    };
    let said = Said { content: &content, reply: reply.as_ref(), marks };
    let id = way.event_id(&element, &said, bridge);
    // A server may let through what is no JID by its letter. Such a sender has no id.
    let Ok(sender) = sender else {
        return Heard::Refused(envelope, Code::Malformed);
    };
    let to = match to {
        Ok(to) => to,
        Err(code) => return Heard::Refused(envelope, code),
    };
    let Some(id) = id else {
        return Heard::Nothing("no id");
    };
    if let Content::Media(media) = &content
        && let Locator::Link(link) = &media.at
    {
        lately.came(&id, link);
    }
    let destination = match to {
        None => Destination::Bridge,
        Some(_) if classify::invites(&element) => Destination::Group,
        Some(to) => Destination::Direct(to),
    };
    let event = Event {
        repeats: match names::client_id(&element) {
            Some(_) => Repeats::Within(REPEATS_WITHIN),
            None => Repeats::Always,
        },
        id,
        to: destination,
        sent_at: sent_at(&element, bridge.now()),
        sender: Party { name: name(&element, &sender), user: sender },
        content,
        reply,
        marks,
        reply_path: way_back(&envelope, None),
    };
    Heard::Event(Box::new(event), envelope, fleeting::asks(&element))
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
    let Written { body, unstyled } = markup::write(&Text::plain(text));
    let stanza = Xml::new("message")
        .attr("type", "chat")
        .attr("from", addresses.component())
        .attr("to", to)
        .attr("id", key)
        .child(Xml::new("body").text(body));
    let unstyled = unstyled.then(|| Xml::within("unstyled", ns::STYLING));
    unstyled.into_iter().fold(stanza, Xml::child)
}

#[cfg(test)]
#[path = "message/relation_tests.rs"]
mod relation_tests;
#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
