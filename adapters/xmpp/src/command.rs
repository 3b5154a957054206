//! XEP-0050: what the bridge's own user understands, as forms for clients that show such.
//!
//! The bridge remembers no session: its id says when it began, and a form that was filled in brings
//! the rest. Whoever makes up a session of their own gains nothing by it.

use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, CommandForm, Content, Destination, Event, EventId, FormField, Marks, Party,
    Repeats, Timestamp,
};
use minidom::Element;
use serde::{Deserialize, Serialize};

use crate::address::Addresses;
use crate::failure::Envelope;
use crate::message;
use crate::ns;
use crate::presence::{Who, who};
use crate::stream::Stanza;
use crate::xml::{Xml, one_line};

/// How long a form may lie open.
const SESSION: Duration = Duration::from_mins(30);
/// The most that may be filled into one field, in bytes: an address, or a few words.
const MAX_FIELD: usize = 4096;

/// The command that a query ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    node: String,
    session: String,
}

/// What a query about a command comes to.
pub(crate) enum Asked {
    /// It is answered here.
    Answer(Xml),
    /// It is run: the daemon answers.
    Event(Box<Event>, Envelope),
}

/// Why a command is not run: type and condition of the error, and the condition of XEP-0050.
type Wrong = (&'static str, &'static str, Option<&'static str>);

const BAD_ACTION: Wrong = ("modify", "bad-request", Some("bad-action"));
const BAD_PAYLOAD: Wrong = ("modify", "bad-request", Some("bad-payload"));
const BAD_SESSION: Wrong = ("modify", "bad-request", Some("bad-sessionid"));
const EXPIRED: Wrong = ("cancel", "not-allowed", Some("session-expired"));
const NO_SUCH: Wrong = ("cancel", "item-not-found", None);
const MALFORMED: Wrong = ("modify", "bad-request", None);

/// What an IQ stanza asks of a command; `None` if it asks for something else.
pub(crate) fn take(stanza: &Stanza, addresses: &Addresses, bridge: &Bridge) -> Option<Asked> {
    let element = &stanza.element;
    let command = element.get_child("command", ns::COMMANDS)?;
    let envelope = Envelope::of(element).filter(|envelope| envelope.id.is_some())?;
    let ours = who(&envelope.to, addresses, bridge) == Who::Component;
    if element.attr("type") != Some("set") || !ours {
        return None;
    }
    let next = if stanza.whole { step(command, bridge) } else { Err(MALFORMED) };
    let wanted = match next {
        Ok(Step::Answer(answer)) => Ok(answer),
        Ok(Step::Run(run, text)) => match event(&envelope, run, text, addresses, bridge) {
            Some(event) => return Some(Asked::Event(Box::new(event), envelope)),
            None => Err(MALFORMED),
        },
        Err(wrong) => Err(wrong),
    };
    Some(Asked::Answer(match wanted {
        Ok(answer) => envelope.answer("iq", "result").child(answer),
        Err((kind, condition, more)) => {
            let error = Xml::new("error").attr("type", kind);
            let error = error.child(Xml::within(condition, ns::STANZAS));
            let more = more.map(|more| Xml::within(more, ns::COMMANDS));
            envelope.answer("iq", "error").child(more.into_iter().fold(error, Xml::child))
        }
    }))
}

enum Step {
    Answer(Xml),
    Run(Run, String),
}

fn step(command: &Element, bridge: &Bridge) -> Result<Step, Wrong> {
    let node = command.attr("node").unwrap_or_default();
    let form = find(node, bridge).ok_or(NO_SUCH)?;
    let session = match command.attr("sessionid") {
        Some(given) => {
            let began = began(given).ok_or(BAD_SESSION)?;
            let now = bridge.now();
            if began > now || now.since(began) > SESSION {
                return Err(EXPIRED);
            }
            given.to_owned()
        }
        None => format!("{:016x}-{:016x}", bridge.now().0, bridge.random()),
    };
    let run = Run { node: form.name.to_owned(), session };
    match command.attr("action").unwrap_or("execute") {
        "cancel" => return Ok(Step::Answer(state(&run, "canceled"))),
        "execute" | "next" | "complete" => {}
        "prev" => return Err(BAD_ACTION),
        _ => return Err(("modify", "bad-request", Some("malformed-action"))),
    }
    let filled = command.get_child("x", ns::DATA).filter(|x| x.attr("type") == Some("submit"));
    match filled {
        Some(filled) => Ok(Step::Run(run, text(&form, filled)?)),
        None if form.fields.is_empty() => Ok(Step::Run(run, form.name.to_owned())),
        None if command.attr("sessionid").is_some() => Err(BAD_PAYLOAD),
        None => Ok(Step::Answer(to_fill_in(&run, &form))),
    }
}

fn find(node: &str, bridge: &Bridge) -> Option<CommandForm> {
    bridge.commands().into_iter().find(|form| form.name == node)
}

/// When a session of ours began.
fn began(session: &str) -> Option<Timestamp> {
    let (at, random) = session.split_once('-')?;
    let digits = |part: &str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let ours = digits(at) && digits(random);
    i64::from_str_radix(at, 16).ok().filter(|_| ours).map(Timestamp)
}

/// What was filled in, as it would be said to the bridge's own user.
fn text(form: &CommandForm, filled: &Element) -> Result<String, Wrong> {
    let mut text = form.name.to_owned();
    let mut gap = false;
    for field in &form.fields {
        let found = filled
            .children()
            .find(|child| child.is("field", ns::DATA) && child.attr("var") == Some(field.name));
        let value = found.and_then(|found| found.get_child("value", ns::DATA)).map(Element::text);
        let value = value.unwrap_or_default();
        let value = value.trim();
        if value.is_empty() {
            if field.required {
                return Err(BAD_PAYLOAD);
            }
            gap = true;
            continue;
        }
        // A client may send what it was not offered.
        let offered = field.options.is_empty() || field.options.contains(&value);
        // What stands behind a gap would be read as what is missing.
        if !offered || gap || value.len() > MAX_FIELD || value.contains(char::is_control) {
            return Err(BAD_PAYLOAD);
        }
        text.push(' ');
        text.push_str(value);
    }
    Ok(text)
}

fn event(
    envelope: &Envelope,
    run: Run,
    text: String,
    addresses: &Addresses,
    bridge: &Bridge,
) -> Option<Event> {
    let sender = addresses.canonical(&envelope.from).ok()?;
    let name =
        sender.id().split_once('@').map(|(local, _)| one_line(local, MAX_FIELD).into_owned());
    Some(Event {
        // No server repeats a query.
        id: EventId::new(format!("{:016x}{:016x}", bridge.random(), bridge.random())).ok()?,
        repeats: Repeats::Always,
        sender: Party { user: sender, name },
        to: Destination::Bridge,
        sent_at: bridge.now(),
        content: Content::text(text),
        reply: None,
        marks: Marks::default(),
        reply_path: message::way_back(envelope, Some(run)),
    })
}

fn state(run: &Run, status: &str) -> Xml {
    Xml::within("command", ns::COMMANDS)
        .attr("node", run.node.as_str())
        .attr("sessionid", run.session.as_str())
        .attr("status", status)
}

fn to_fill_in(run: &Run, form: &CommandForm) -> Xml {
    let actions = Xml::new("actions").attr("execute", "complete").child(Xml::new("complete"));
    let data = Xml::within("x", ns::DATA).attr("type", "form");
    let data = data.child(Xml::new("title").text(form.about.as_str()));
    let data = form.fields.iter().fold(data, |data, field| {
        let kind = match field {
            FormField { secret: true, .. } => "text-private",
            FormField { options: [], .. } => "text-single",
            _ => "list-single",
        };
        let shown = Xml::new("field").attr("type", kind).attr("var", field.name);
        let shown = shown.attr("label", field.label.as_str());
        let shown = if field.required { shown.child(Xml::new("required")) } else { shown };
        data.child(field.options.iter().fold(shown, |shown, option| {
            let value = Xml::new("value").text(*option);
            shown.child(Xml::new("option").attr("label", *option).child(value))
        }))
    });
    state(run, "executing").child(actions).child(data)
}

/// The answer to a command that was run.
pub(crate) fn done(envelope: &Envelope, run: &Run, text: &str) -> Xml {
    let note = Xml::new("note").attr("type", "info").text(text);
    envelope.answer("iq", "result").child(state(run, "completed").child(note))
}

/// XEP-0050, 2.4: what can be run.
pub(crate) fn items(addresses: &Addresses, bridge: &Bridge) -> Xml {
    let query = Xml::within("query", ns::DISCO_ITEMS).attr("node", ns::COMMANDS);
    bridge.commands().iter().fold(query, |query, form| {
        let item = Xml::new("item").attr("jid", addresses.component());
        query.child(item.attr("node", form.name).attr("name", form.about.as_str()))
    })
}

/// XEP-0050, 2.3 and 2.5: what a node of ours is; `None` if there is no such node.
pub(crate) fn info(node: &str, bridge: &Bridge) -> Option<Xml> {
    let query = Xml::within("query", ns::DISCO_INFO).attr("node", node);
    let identity = Xml::new("identity").attr("category", "automation");
    if node == ns::COMMANDS {
        return Some(query.child(identity.attr("type", "command-list")));
    }
    let form = find(node, bridge)?;
    let query = query.child(identity.attr("type", "command-node").attr("name", form.about));
    let feature = |query: Xml, var: &str| query.child(Xml::new("feature").attr("var", var));
    Some([ns::COMMANDS, ns::DATA].into_iter().fold(query, feature))
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
