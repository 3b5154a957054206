//! Stanza errors (RFC 6120, 8.3), in both directions: refusals told to senders, and what servers
//! say about what we sent.

use std::time::Duration;

use drawbridge_adapter::{Bridge, Code, EventId, Refusal, Tag};
use minidom::Element;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::ns;
use crate::xml::Xml;

/// The address and id under which the sender of a stanza waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Who sent it.
    pub(crate) from: String,
    /// To whom, as the sender wrote it.
    pub(crate) to: String,
    /// The sender's id for it.
    pub(crate) id: Option<String>,
}

/// When what a server wants to wait with may be written again; servers name no time.
const LATER: Duration = Duration::from_secs(30);
/// The longest id that is repeated to its sender, in bytes.
const MAX_ID: usize = 1024;

impl Envelope {
    /// That of a stanza that was received; `None` if it does not say from whom and to whom.
    pub(crate) fn of(stanza: &Element) -> Option<Self> {
        let from = stanza.attr("from").filter(|from| !from.is_empty())?;
        let to = stanza.attr("to").filter(|to| !to.is_empty())?;
        let id = stanza.attr("id").filter(|id| !id.is_empty() && id.len() <= MAX_ID);
        Some(Self { from: from.to_owned(), to: to.to_owned(), id: id.map(str::to_owned) })
    }

    /// The pseudonym of a message that never becomes an event.
    pub(crate) fn tag(&self, bridge: &Bridge) -> Option<Tag> {
        let mut hash = Sha256::new();
        for part in [&self.from, &self.to, self.id.as_deref().unwrap_or_default()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let id = EventId::new(hex(&hash.finalize())).ok()?;
        Some(bridge.tag_event(&id))
    }

    /// The head of an answer.
    pub(crate) fn answer(&self, name: &'static str, kind: &'static str) -> Xml {
        Xml::new(name)
            .attr("type", kind)
            .attr("from", self.to.clone())
            .attr("to", self.from.clone())
            .attr_maybe("id", self.id.as_deref())
    }
}

/// How an error says what to do about it.
const CANCEL: &str = "cancel";
const MODIFY: &str = "modify";
const WAIT: &str = "wait";
const AUTH: &str = "auth";

/// The type and defined condition that fit a code.
fn fitting(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::NotReachable | Code::TargetNotFound => (CANCEL, "item-not-found"),
        Code::UnsupportedKind(_) | Code::GroupUnsupported => (CANCEL, "feature-not-implemented"),
        Code::TextTooLong | Code::MediaTooLarge => (MODIFY, "policy-violation"),
        Code::Malformed | Code::MediaTypeMismatch | Code::KindMismatch => (MODIFY, "bad-request"),
        Code::E2eeRequired => (MODIFY, "not-acceptable"),
        Code::RequestPending | Code::RequestLimit | Code::RateLimited => {
            (WAIT, "resource-constraint")
        }
        Code::Expired | Code::NetworkUnreachable => (WAIT, "remote-server-timeout"),
        Code::Forbidden => (AUTH, "forbidden"),
        Code::HostDenied => (CANCEL, "not-allowed"),
        _ => (CANCEL, "undefined-condition"),
    }
}

/// Tells the sender of a stanza of the kind `name` that it was refused. `retriable`: the same
/// stanza may pass later.
pub(crate) fn refuse(
    name: &'static str,
    envelope: &Envelope,
    refusal: Refusal,
    retriable: bool,
) -> Xml {
    let (kind, condition) = fitting(refusal.code);
    let seconds = refusal.retry_after.map(|after| after.as_secs().to_string());
    let code = Xml::within("code", ns::DRAWBRIDGE)
        .attr_maybe("retry-after", seconds.as_deref())
        .text(refusal.code.to_string());
    let error = Xml::new("error")
        .attr("type", if retriable { WAIT } else { kind })
        .child(Xml::within(condition, ns::STANZAS))
        .child(Xml::within("text", ns::STANZAS).attr("xml:lang", "en").text(refusal.explain()))
        .child(code);
    envelope.answer(name, "error").child(error)
}

/// Answers a stanza with an error that is none of the catalogue: `kind` is the error's type.
pub(crate) fn plain(
    name: &'static str,
    envelope: &Envelope,
    kind: &'static str,
    condition: &'static str,
) -> Xml {
    let error = Xml::new("error").attr("type", kind).child(Xml::within(condition, ns::STANZAS));
    envelope.answer(name, "error").child(error)
}

/// A message of ours that was refused by its recipient's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Returned {
    /// What it means for the message. For good, also where time may heal it: what was sent after
    /// it stands there already, and nothing may overtake.
    pub(crate) refusal: Refusal,
    /// For the log.
    pub(crate) why: &'static str,
    /// Whether it comes back like this when the recipient blocks its sender (XEP-0191, 3.5): by the
    /// server's own word, not that of a client.
    pub(crate) perhaps_blocked: bool,
}

/// What an error stanza, in answer to a message of ours, means.
pub(crate) fn read(stanza: &Element) -> Returned {
    let (refusal, why) = meaning(stanza);
    let by_server = stanza.attr("from").is_some_and(|from| !from.contains('/'));
    let unavailable = condition(stanza) == "service-unavailable";
    let perhaps_blocked = by_server && unavailable && refusal.code == Code::NotReachable;
    Returned { refusal, why, perhaps_blocked }
}

/// The defined condition of an error stanza, or of a query in one.
pub(crate) fn condition(stanza: &Element) -> &str {
    let error = stanza.children().find(|child| child.name() == "error");
    let mut conditions = error.into_iter().flat_map(Element::children);
    let found = conditions.find(|child| child.ns() == ns::STANZAS && child.name() != "text");
    found.map_or("undefined-condition", Element::name)
}

fn meaning(stanza: &Element) -> (Refusal, &'static str) {
    let Some(error) = stanza.children().find(|child| child.name() == "error") else {
        return (Code::NotReachable.into(), "the server refused it without a reason");
    };
    match condition(stanza) {
        // RFC 6120, 8.3.3: what time may heal says so by its type.
        _ if error.attr("type") == Some(WAIT) => (
            Refusal { retry_after: Some(LATER), ..Code::RateLimited.into() },
            "the recipient's server asks to wait",
        ),
        "service-unavailable"
        | "item-not-found"
        | "remote-server-not-found"
        | "remote-server-timeout"
        | "recipient-unavailable"
        | "gone"
        | "redirect"
        | "jid-malformed" => {
            (Code::NotReachable.into(), "the recipient's server does not deliver it")
        }
        "bad-request" | "unexpected-request" => {
            (Code::Malformed.into(), "the recipient's server calls it malformed")
        }
        _ => (Code::Forbidden.into(), "the recipient's server forbids it"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use drawbridge_adapter::Kind;

    use super::*;

    fn bounced(kind: &str, condition: &str) -> Refusal {
        let text = format!(
            "<message xmlns='jabber:component:accept' type='error'><error type='{kind}'>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>x</text>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        );
        read(&text.parse().unwrap()).refusal
    }

    #[test]
    fn errors_become_outcomes() {
        for (kind, condition, code) in [
            ("cancel", "service-unavailable", Code::NotReachable),
            ("cancel", "remote-server-not-found", Code::NotReachable),
            ("cancel", "policy-violation", Code::Forbidden),
            ("modify", "not-acceptable", Code::Forbidden),
            ("modify", "bad-request", Code::Malformed),
        ] {
            assert_eq!(bounced(kind, condition), code.into(), "{kind} {condition}");
        }
        let wait = bounced("wait", "resource-constraint");
        assert_eq!(wait, Refusal { retry_after: Some(LATER), ..Code::RateLimited.into() });
        let empty = "<message xmlns='jabber:component:accept' type='error'/>".parse().unwrap();
        assert_eq!(read(&empty).refusal, Code::NotReachable.into());
    }

    #[test]
    fn only_a_server_can_mean_a_block() {
        for (from, kind, condition, perhaps) in [
            ("bob@p.test", "cancel", "service-unavailable", true),
            ("bob@p.test/phone", "cancel", "service-unavailable", false),
            ("bob@p.test", "wait", "service-unavailable", false),
            ("bob@p.test", "cancel", "item-not-found", false),
            ("bob@p.test", "cancel", "not-acceptable", false),
        ] {
            let text = format!(
                "<message xmlns='jabber:component:accept' type='error' from='{from}'>\
                 <error type='{kind}'><{condition} \
                 xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            );
            let read = read(&text.parse().unwrap());
            assert_eq!(read.perhaps_blocked, perhaps, "{from} {kind} {condition}");
        }
    }

    #[test]
    fn a_refusal_is_said_in_three_ways() {
        let envelope = Envelope {
            from: "bob@p.test/phone".to_owned(),
            to: "matrix_a@bridge.p.test".to_owned(),
            id: Some("m1".to_owned()),
        };
        let code = Code::UnsupportedKind(Kind::Sticker);
        let wire = refuse("message", &envelope, code.into(), false).to_wire();
        assert_eq!(
            wire,
            "<message type='error' from='matrix_a@bridge.p.test' to='bob@p.test/phone' id='m1'>\
             <error type='cancel'>\
             <feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>\
             Stickers do not cross this bridge.</text>\
             <code xmlns='urn:drawbridge:1'>unsupported_kind:sticker</code></error></message>"
        );
    }
}
