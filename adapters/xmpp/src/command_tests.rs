#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use drawbridge_adapter::{NetworkId, Notice, State, Status};
use drawbridge_testkit::ReferenceBridge;

use super::*;

const NOW: i64 = 1_800_000_000_000;

/// The bridge knows `help`, and `block` with one field, which must be filled in.
struct Here {
    bridge: Bridge,
    clock: ReferenceBridge,
    addresses: Addresses,
}

impl Here {
    fn new() -> Self {
        let network = NetworkId::new("xmpp").unwrap();
        let clock = ReferenceBridge::new(network.clone());
        clock.set_clock(Timestamp(NOW));
        let addresses = Addresses::new(network, "bridge.p.test".to_owned());
        Self { bridge: clock.handle(), clock, addresses }
    }

    fn asks(&self, attributes: &str, inner: &str) -> Asked {
        let text = format!(
            "<iq xmlns='jabber:component:accept' type='set' id='i1' from='Bob@p.test/phone' \
             to='bridge.p.test'><command xmlns='http://jabber.org/protocol/commands' {attributes}>\
             {inner}</command></iq>"
        );
        let stanza = Stanza { element: text.parse().unwrap(), whole: true };
        take(&stanza, &self.addresses, &self.bridge).unwrap()
    }

    fn is_answered(&self, attributes: &str, inner: &str) -> Element {
        let Asked::Answer(answer) = self.asks(attributes, inner) else {
            panic!("{attributes} {inner} was run");
        };
        let wire = answer.to_wire().replacen("<iq", "<iq xmlns='jabber:component:accept'", 1);
        wire.parse().unwrap()
    }

    fn runs(&self, attributes: &str, inner: &str) -> Event {
        match self.asks(attributes, inner) {
            Asked::Event(event, _) => *event,
            Asked::Answer(answer) => panic!("{attributes} {inner}: {}", answer.to_wire()),
        }
    }

    /// The conditions of the error.
    fn is_refused(&self, attributes: &str, inner: &str) -> Vec<String> {
        let answer = self.is_answered(attributes, inner);
        assert_eq!(answer.attr("type"), Some("error"), "{attributes} {inner}");
        let error = answer.children().next().unwrap();
        error.children().map(|child| child.name().to_owned()).collect()
    }
}

fn filled(fields: &[(&str, &str)]) -> String {
    let field = |(name, value)| format!("<field var='{name}'><value>{value}</value></field>");
    let fields: Vec<_> = fields.iter().copied().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{}</x>", fields.concat())
}

#[test]
fn a_command_without_fields_is_run_at_once() {
    let here = Here::new();
    let event = here.runs("node='help'", "");
    assert_eq!(event.content, Content::text("help"));
    assert_eq!(event.to, Destination::Bridge);
    assert_eq!(event.sender.user.id(), "bob@p.test");
    assert_ne!(event.id, here.runs("node='help' action='execute'", "").id);
}

#[test]
fn a_form_is_shown_filled_in_and_answered() {
    let here = Here::new();
    let shown = here.is_answered("node='block' action='execute'", "");
    let command = shown.children().next().unwrap();
    assert_eq!(command.attr("status"), Some("executing"));
    let field = command.get_child("x", ns::DATA).unwrap().get_child("field", ns::DATA).unwrap();
    assert_eq!(field.attr("var"), Some("user"));
    assert!(field.has_child("required", ns::DATA));

    let session = command.attr("sessionid").unwrap();
    let attributes = format!("node='block' action='complete' sessionid='{session}'");
    let event = here.runs(&attributes, &filled(&[("user", " elsewhere:carol ")]));
    assert_eq!(event.content, Content::text("block elsewhere:carol"));

    let notice = Notice {
        to: event.sender.user.clone(),
        text: "done & <well>".to_owned(),
        reply_path: Some(event.reply_path.clone()),
    };
    let answer = message::notice(&notice, "k1", &here.addresses).to_wire();
    assert_eq!(
        answer,
        format!(
            "<iq type='result' from='bridge.p.test' to='Bob@p.test/phone' id='i1'>\
             <command xmlns='http://jabber.org/protocol/commands' node='block' \
             sessionid='{session}' status='completed'>\
             <note type='info'>done &amp; &lt;well&gt;</note></command></iq>"
        )
    );

    let refused = Status {
        event: event.id,
        sender: event.sender.user,
        recipient: None,
        kind: event.content.kind(),
        reply_path: event.reply_path,
        state: State::FailedPermanent(drawbridge_adapter::Code::RateLimited.into()),
    };
    let told = message::status(&refused, &here.addresses).unwrap().to_wire();
    assert!(
        told.starts_with("<iq type='error' from='bridge.p.test' to='Bob@p.test/phone' id='i1'>")
    );
}

#[test]
fn what_may_be_picked_is_offered_and_nothing_else_is_taken() {
    let here = Here::new();
    let shown = here.is_answered("node='mute'", "");
    let command = shown.children().next().unwrap();
    let fields: Vec<_> = command.get_child("x", ns::DATA).unwrap().children().skip(1).collect();
    let options = |field: &Element| -> Vec<_> {
        let options = field.children().filter(|child| child.name() == "option");
        options.map(|option| option.get_child("value", ns::DATA).unwrap().text()).collect()
    };
    assert_eq!(fields[0].attr("type"), Some("text-single"));
    assert_eq!(fields[1].attr("type"), Some("list-single"));
    assert_eq!(options(fields[1]), ["8h", "always"]);
    let secret = here.is_answered("node='login'", "");
    let secret = secret.children().next().unwrap().get_child("x", ns::DATA).unwrap();
    assert_eq!(secret.get_child("field", ns::DATA).unwrap().attr("type"), Some("text-private"));

    let attributes = format!("node='mute' sessionid='{NOW:016x}-{:016x}'", 7);
    let event = here.runs(&attributes, &filled(&[("user", "x:y"), ("duration", "always")]));
    assert_eq!(event.content, Content::text("mute x:y always"));
    for other in ["2h", "ALWAYS", "always 8h", ""] {
        let refused =
            here.is_refused(&attributes, &filled(&[("user", "x:y"), ("duration", other)]));
        assert_eq!(refused, ["bad-request", "bad-payload"], "{other:?}");
    }
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_standard() {
    let here = Here::new();
    let good = format!("{NOW:016x}-{:016x}", 7);
    let late = format!("{:016x}-{:016x}", NOW - 31 * 60_000, 7);
    let early = format!("{:016x}-{:016x}", NOW + 1, 7);
    let user = filled(&[("user", "elsewhere:carol")]);
    let long = filled(&[("user", &"x".repeat(4097))]);
    let rows: Vec<(String, &str, &[&str])> = vec![
        (String::new(), "", &["item-not-found"]),
        ("node='dance'".to_owned(), "", &["item-not-found"]),
        ("node='block' action='fly'".to_owned(), "", &["bad-request", "malformed-action"]),
        ("node='block' action='prev'".to_owned(), "", &["bad-request", "bad-action"]),
        ("node='block' sessionid='x'".to_owned(), &user, &["bad-request", "bad-sessionid"]),
        (format!("node='block' sessionid='{late}'"), &user, &["not-allowed", "session-expired"]),
        (format!("node='block' sessionid='{early}'"), &user, &["not-allowed", "session-expired"]),
        (format!("node='block' sessionid='{good}'"), "", &["bad-request", "bad-payload"]),
        (format!("node='block' sessionid='{good}'"), &long, &["bad-request", "bad-payload"]),
    ];
    for (attributes, inner, conditions) in rows {
        assert_eq!(here.is_refused(&attributes, inner), conditions, "{attributes} {inner}");
    }
    for fields in [&[][..], &[("user", "  ")], &[("user", "a\nb")], &[("other", "elsewhere:carol")]]
    {
        let attributes = format!("node='block' sessionid='{good}'");
        let refused = here.is_refused(&attributes, &filled(fields));
        assert_eq!(refused, ["bad-request", "bad-payload"], "{fields:?}");
    }
    let cancelled =
        here.is_answered(&format!("node='block' action='cancel' sessionid='{good}'"), "");
    assert_eq!(cancelled.children().next().unwrap().attr("status"), Some("canceled"));
    here.clock.set_clock(Timestamp(NOW + 29 * 60_000));
    let event = here.runs(&format!("node='block' sessionid='{good}'"), &user);
    assert_eq!(event.content, Content::text("block elsewhere:carol"));
}
