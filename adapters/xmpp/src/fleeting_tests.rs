#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::sync::Arc;

use drawbridge_adapter::{NetworkId, Reference};
use drawbridge_testkit::ReferenceBridge;
use minidom::Element;

use super::*;
use crate::message::{Heard, Lately, read};
use crate::stream::Stanza;

const KEY: &str = "01a2b3c4d5e0123456789abcdef";
const CAROL: &str = "elsewhere_carol@bridge.p.test";

struct Here {
    bridge: ReferenceBridge,
    fleeting: Arc<Fleeting>,
    addresses: Addresses,
    receipts: Option<Receipts>,
}

impl Here {
    fn new() -> Self {
        let network = NetworkId::new("xmpp").unwrap();
        let (fleeting, receipts) = Fleeting::new();
        Self {
            bridge: ReferenceBridge::new(network.clone()),
            fleeting: Arc::new(fleeting),
            addresses: Addresses::new(network, "bridge.p.test".to_owned()),
            receipts: Some(receipts),
        }
    }

    /// Bob's client sends a stanza; the name of the event, if it was one.
    fn hears(&self, inner: &str) -> Option<EventId> {
        let bridge = self.bridge.handle();
        let text = format!(
            "<message xmlns='jabber:component:accept' type='chat' id='m1' from='bob@p.test/phone' \
             to='{CAROL}'>{inner}</message>"
        );
        let element: Element = text.parse().unwrap();
        match read(Stanza { element, whole: true }, &self.addresses, &Lately::default(), &bridge) {
            Heard::Event(event, envelope, asks) => {
                self.fleeting.wrote(&event, &envelope.from, asks, &bridge);
                Some(event.id)
            }
            Heard::Passing(all) => {
                for one in all {
                    self.fleeting.passed(one, &bridge);
                }
                None
            }
            Heard::Nothing(_) => None,
            other => panic!("{inner}: {other:?}"),
        }
    }

    fn passed(&self) -> Vec<Passing> {
        self.bridge.journal().passing
    }

    fn writes(&self, signal: &Signal) -> String {
        let stanza = self.fleeting.write(signal, &self.addresses);
        stanza.map(|stanza| stanza.to_wire()).unwrap_or_default()
    }
}

fn bob() -> UserId {
    "xmpp:bob@p.test".parse().unwrap()
}

fn carol() -> UserId {
    "elsewhere:carol".parse().unwrap()
}

fn typing(typing: bool) -> Passing {
    Passing::Typing(Typing { by: bob(), to: carol(), typing })
}

fn got(read: bool) -> Passing {
    let of = Reference { id: EventId::new(KEY).unwrap(), was: Was::Delivered, sent_at: None };
    Passing::Receipt(Receipt { by: bob(), to: carol(), of, read })
}

fn state(name: &str) -> String {
    format!("<{name} xmlns='http://jabber.org/protocol/chatstates'/>")
}

#[test]
fn who_writes_is_told_until_the_message_comes() {
    let here = Here::new();
    here.hears(&state("composing"));
    assert_eq!(here.passed(), [typing(true)]);
    here.hears(&format!("<body>x</body>{}", state("active")));
    assert_eq!(here.passed(), [typing(true), typing(false)]);
    // Of a message whose writer was not told to write nothing is told but itself.
    here.hears(&format!("<body>y</body>{}", state("active")));
    assert_eq!(here.passed().len(), 2);
    for name in ["active", "paused", "inactive", "gone"] {
        here.hears(&state(name));
        assert_eq!(here.passed().last(), Some(&typing(false)), "{name}");
    }
    here.hears("<odd xmlns='http://jabber.org/protocol/chatstates'/>");
    assert_eq!(here.passed().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn receipts_come_when_their_message_can_be_known() {
    let mut here = Here::new();
    for inner in [
        format!("<received xmlns='urn:xmpp:receipts' id='{KEY}'/>"),
        format!("<displayed xmlns='urn:xmpp:chat-markers:0' id='{KEY}'/>"),
        // Not of a message of ours.
        "<received xmlns='urn:xmpp:receipts' id='m1'/>".to_owned(),
        "<displayed xmlns='urn:xmpp:chat-markers:0'/>".to_owned(),
    ] {
        here.hears(&inner);
    }
    assert_eq!(here.passed(), []);
    let (handle, began) = (here.bridge.handle(), Instant::now());
    let receipts = here.receipts.take().unwrap();
    let seen = here.bridge.wait_for(Duration::from_secs(5), "receipts", |journal| {
        (journal.passing.len() == 2).then(|| journal.passing.clone())
    });
    tokio::select! {
        () = here.fleeting.run(receipts, &handle) => panic!("it ended"),
        seen = seen => assert_eq!(seen.unwrap(), [got(false), got(true)]),
    }
    assert!(began.elapsed() >= SETTLING);
}

#[test]
fn a_flood_of_receipts_takes_no_more_room_than_there_is() {
    let mut here = Here::new();
    for _ in 0..2 * WAITING {
        here.hears(&format!("<received xmlns='urn:xmpp:receipts' id='{KEY}'/>"));
    }
    assert_eq!(here.receipts.as_mut().map(|receipts| receipts.len()), Some(WAITING));
}

fn receipt(of: EventId, read: bool) -> Signal {
    let of = Reference { id: of, was: Was::Sent, sent_at: None };
    Signal::Receipt(Receipt { by: carol(), to: bob(), of, read })
}

const RECEIVED: &str = "<received xmlns='urn:xmpp:receipts' id='m1'/>";
const DISPLAYED: &str = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>";

#[test]
fn a_receipt_goes_to_the_client_that_asked_for_it() {
    let here = Here::new();
    let request = "<request xmlns='urn:xmpp:receipts'/>";
    let markable = "<markable xmlns='urn:xmpp:chat-markers:0'/>";
    for (asks, read, expected) in [
        ("", false, String::new()),
        ("", true, String::new()),
        (request, false, RECEIVED.to_owned()),
        (request, true, RECEIVED.to_owned()),
        (markable, false, String::new()),
        (markable, true, DISPLAYED.to_owned()),
        (&format!("{request}{markable}"), true, format!("{RECEIVED}{DISPLAYED}")),
    ] {
        let id = here.hears(&format!("<body>x</body>{asks}")).unwrap();
        let expected = match expected.as_str() {
            "" => String::new(),
            marks => {
                format!(
                    "<message type='chat' from='{CAROL}' to='bob@p.test/phone'>{marks}</message>"
                )
            }
        };
        assert_eq!(here.writes(&receipt(id, read)), expected, "{asks} {read}");
    }
}

#[test]
fn a_receipt_for_a_place_is_told_too() {
    let here = Here::new();
    here.hears(&state("composing"));
    let id = here.hears("<body>geo:1,2</body><request xmlns='urn:xmpp:receipts'/>").unwrap();
    assert_eq!(here.passed(), [typing(true), typing(false)]);
    let wire = here.writes(&receipt(id, true));
    assert!(wire.contains("to='bob@p.test/phone'") && wire.contains(RECEIVED), "{wire}");
}

#[test]
fn of_what_is_not_known_any_more_all_is_told_to_the_user() {
    let here = Here::new();
    let id = EventId::new("aa/bb/m1").unwrap();
    let expected = format!(
        "<message type='chat' from='{CAROL}' to='bob@p.test'>{RECEIVED}{DISPLAYED}</message>"
    );
    assert_eq!(here.writes(&receipt(id, true)), expected);
    assert_eq!(here.writes(&receipt(EventId::new("aabb").unwrap(), true)), "");
}

#[test]
fn what_is_known_is_bounded() {
    let here = Here::new();
    let mut state = here.fleeting.lock();
    for n in 0..3 * REMEMBERED {
        state.keep(&n.to_string(), Wrote { from: String::new(), asks: Asks::default() });
        let by = UserId::new(NetworkId::new("xmpp").unwrap(), format!("u{n}@p.test")).unwrap();
        state.note(&Typing { by, to: carol(), typing: true });
    }
    assert!(state.wrote.len() + state.wrote_before.len() <= 2 * REMEMBERED);
    assert!(state.find(&(3 * REMEMBERED - 1).to_string()).is_some());
    assert!(state.writing.len() <= MAX_WRITING);
}

#[test]
fn a_puppet_shows_that_its_user_writes() {
    let here = Here::new();
    let signal = |typing| Signal::Typing(Typing { by: carol(), to: bob(), typing });
    for (typing, state) in [(true, "composing"), (false, "paused")] {
        let expected = format!(
            "<message type='chat' from='{CAROL}' to='bob@p.test'>\
             <{state} xmlns='http://jabber.org/protocol/chatstates'/>\
             <no-store xmlns='urn:xmpp:hints'/></message>"
        );
        assert_eq!(here.writes(&signal(typing)), expected);
    }
}
