#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::sync::Arc;

use drawbridge_adapter::{
    Acceptance, BridgePort, CommandForm, Connection, Content, EventId, Gesture, Kind, Marks, Memo,
    Message, NetworkId, Passing, ProfileChange, Refusal, Shown, State, Unavailable, async_trait,
};
use proptest::prelude::*;

use super::*;
use crate::availability::Availability;

/// A daemon that knows everybody, at a fixed time.
struct Daemon(NetworkId);

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[async_trait]
impl BridgePort for Daemon {
    fn network(&self) -> &NetworkId {
        &self.0
    }
    async fn accept(&self, _: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        Err(Unavailable::Stopping)
    }
    async fn bounced(&self, _: &EventId, _: &UserId, _: Refusal) -> Result<bool, Unavailable> {
        Ok(false)
    }
    async fn gesture(&self, _: &UserId, _: Gesture) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn profile(&self, _: ProfileChange) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn shown(&self, _: &UserId, _: &UserId) -> Result<Option<Shown>, Unavailable> {
        Ok(None)
    }
    fn pass(&self, _: Passing) {}

    fn commands(&self) -> Vec<CommandForm> {
        Vec::new()
    }
    fn report(&self, _: Connection) {}
    fn knows(&self, user: &UserId) -> bool {
        user.network().as_str() == "matrix"
    }
    fn is_local(&self, _: &UserId) -> bool {
        true
    }
    async fn remember(&self, _: Vec<Memo>) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn recall(&self, _: &str) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }
    async fn recall_all(
        &self,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(String, String)>, Unavailable> {
        Ok(Vec::new())
    }
    async fn stopping(&self) {}
    fn now(&self) -> Timestamp {
        NOW
    }
    fn random(&self) -> u64 {
        7
    }
    fn salt(&self) -> &[u8] {
        b"salt"
    }
}

pub(super) fn addresses() -> Addresses {
    Addresses::new(NetworkId::new("xmpp").unwrap(), "bridge.p.test".to_owned())
}

pub(super) fn hear(element: Element) -> Heard {
    hear_after(&Lately::default(), element)
}

pub(super) fn hear_after(lately: &Lately, element: Element) -> Heard {
    let bridge = Bridge::new(Arc::new(Daemon(NetworkId::new("xmpp").unwrap())));
    read(Stanza { element, whole: true }, &addresses(), lately, &bridge)
}

pub(super) const PUPPET: &str = r"matrix_\40alice\3ahs.test@bridge.p.test";

pub(super) fn stanza(attributes: &str, inner: &str) -> Element {
    let text = format!(
        "<message xmlns='jabber:component:accept' from='Bob@p.test/phone' to='{PUPPET}' \
         {attributes}>{inner}</message>"
    );
    text.parse().unwrap()
}

pub(super) fn event(attributes: &str, inner: &str) -> Event {
    match hear(stanza(attributes, inner)) {
        Heard::Event(event, ..) => *event,
        other => panic!("{inner}: {other:?}"),
    }
}

#[test]
fn a_text_comes_as_it_was_written() {
    let event = event("type='chat' id='m1'", "<body>  a\n&lt;b&gt; </body>");
    assert_eq!(event.content, Content::text("  a\n<b> "));
    assert_eq!(event.sender.user.id(), "bob@p.test");
    assert_eq!(event.sender.name.as_deref(), Some("bob"));
    let Destination::Direct(to) = &event.to else { panic!("not direct") };
    assert_eq!(to.to_string(), "matrix:@alice:hs.test");
    assert_eq!(event.repeats, Repeats::Within(REPEATS_WITHIN));
    assert_eq!(event.sent_at, NOW);
    assert_eq!(event.marks, Marks::default());
}

#[test]
fn kinds_and_marks_are_told_apart() {
    let sticker = "<sticker xmlns='urn:xmpp:stickers:0' pack='p'/>";
    let timer = "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>";
    let edit = "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>";
    let oob = "<x xmlns='jabber:x:oob'><url>https://x.test/a.png</url></x>";
    let none = Marks::default();
    let (stuck, brief) = (Marks { sticker: true, ..none }, Marks { disappearing: true, ..none });
    let rows: Vec<(String, Kind, Marks)> = vec![
        (format!("<body>x</body>{sticker}"), Kind::Text, stuck),
        (sticker.to_owned(), Kind::Sticker, stuck),
        (format!("<body>x</body>{timer}"), Kind::Text, brief),
        (timer.to_owned(), Kind::Disappearing, brief),
        ("<body>x</body><x xmlns='jabber:x:expire' seconds='9'/>".to_owned(), Kind::Text, brief),
        (format!("<body>x</body>{edit}"), Kind::Edit, none),
        (format!("<body>x</body>{edit}{timer}"), Kind::Edit, brief),
        (format!("<body>x</body>{edit}{sticker}"), Kind::Edit, stuck),
        (
            format!(
                "<body>x</body><reply xmlns='urn:xmpp:reply:0' to='a@b' id='1'>{timer}</reply>"
            ),
            Kind::Text,
            brief,
        ),
        (
            "<body>&gt; q\nx</body><reply xmlns='urn:xmpp:reply:0' id='1'/>".to_owned(),
            Kind::Text,
            none,
        ),
        (
            format!(
                "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>\
                 <body>x</body>{sticker}{timer}</message></forwarded>"
            ),
            Kind::Other,
            Marks { sticker: true, disappearing: true },
        ),
        ("<retract xmlns='urn:xmpp:message-retract:1' id='1'/>".to_owned(), Kind::Retraction, none),
        (
            "<apply-to xmlns='urn:xmpp:fasten:0' id='1'><retract \
             xmlns='urn:xmpp:message-retract:0'/></apply-to><body>fallback</body>"
                .to_owned(),
            Kind::Retraction,
            none,
        ),
        ("<reactions xmlns='urn:xmpp:reactions:0' id='1'/>".to_owned(), Kind::Reaction, none),
        (
            "<body>I sent you an OMEMO encrypted message</body>\
             <encrypted xmlns='eu.siacs.conversations.axolotl'><payload>x</payload></encrypted>"
                .to_owned(),
            Kind::Encrypted,
            none,
        ),
        (
            "<encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>".to_owned(),
            Kind::Encrypted,
            none,
        ),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>".to_owned(), Kind::Encrypted, none),
        (
            "<body>x</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:x'/>".to_owned(),
            Kind::Encrypted,
            none,
        ),
        (format!("<body>https://x.test/a.png</body>{oob}"), Kind::Image, none),
        (oob.to_owned(), Kind::Image, none),
        (format!("<body>look</body>{oob}"), Kind::Image, none),
        (format!("<body>x</body>{oob}{sticker}"), Kind::Sticker, stuck),
        (format!("{oob}{timer}"), Kind::Image, brief),
        (format!("<body>look: https://x.test/a.png</body>{oob}"), Kind::Text, none),
        (
            "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>\
             <media-type>image/png</media-type></file></file-sharing><body>u</body>"
                .to_owned(),
            Kind::Image,
            none,
        ),
        ("<geoloc xmlns='http://jabber.org/protocol/geoloc'/>".to_owned(), Kind::Location, none),
        ("<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>".to_owned(), Kind::Call, none),
        ("<x xmlns='jabber:x:conference' jid='r@c.test'/>".to_owned(), Kind::Other, none),
    ];
    for (inner, kind, marks) in rows {
        for attributes in ["type='chat' id='1'", "id='1'", "type='normal'", "type='odd'"] {
            let event = event(attributes, &inner);
            assert_eq!((event.content.kind(), event.marks), (kind, marks), "{inner}");
        }
    }
}

#[test]
fn an_invitation_goes_to_a_group() {
    let event = event("id='1'", "<body>come</body><x xmlns='jabber:x:conference' jid='r@c.test'/>");
    assert_eq!(event.to, Destination::Group);
}

#[test]
fn what_nobody_waits_for_is_left_alone() {
    for (attributes, inner) in [
        ("type='chat'", "<received xmlns='urn:xmpp:receipts' id='1'/>"),
        ("type='chat'", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"),
        ("type='chat'", "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>"),
        ("", "<subject>s</subject>"),
        ("", "<body/>"),
        ("", ""),
        ("type='headline'", "<body>x</body>"),
        ("type='groupchat'", "<body>x</body>"),
    ] {
        let heard = hear(stanza(attributes, inner));
        assert!(matches!(heard, Heard::Nothing(_)), "{inner}: {heard:?}");
    }
    assert!(matches!(hear(stanza("type='error'", "<body>x</body>")), Heard::Bounced(_)));
}

#[test]
fn an_address_that_is_nobodys_is_refused() {
    for to in ["x@bridge.p.test", "irc_x@bridge.p.test", "matrix_=zz@bridge.p.test", "@@"] {
        let mut stanza = stanza("id='1'", "<body>x</body>");
        let (namespace, name) = (minidom::rxml::Namespace::NONE, "to".try_into().unwrap());
        stanza.set_attr(namespace, name, to);
        let heard = hear(stanza);
        assert!(matches!(heard, Heard::Refused(_, Code::NotReachable)), "{to}: {heard:?}");
    }
}

fn to_the_bridge(to: &str, inner: &str) -> Event {
    let mut stanza = stanza("type='chat' id='c1'", inner);
    stanza.set_attr(minidom::rxml::Namespace::NONE, "to".try_into().unwrap(), to);
    match hear(stanza) {
        Heard::Event(event, ..) => *event,
        other => panic!("{inner}: {other:?}"),
    }
}

#[test]
fn what_is_said_to_the_component_is_said_to_the_bridge() {
    for (to, inner, content) in [
        ("bridge.p.test", "<body>help</body>", Content::text("help")),
        ("bridge.p.test/x", "<body>help</body>", Content::text("help")),
        (
            "bridge.p.test",
            "<x xmlns='jabber:x:conference' jid='r@rooms.p.test'/>",
            Content::Unsupported { kind: Kind::Other },
        ),
    ] {
        let event = to_the_bridge(to, inner);
        assert_eq!((event.to, event.content), (Destination::Bridge, content), "{to} {inner}");
    }
    let one = to_the_bridge("bridge.p.test", "<body>help</body>").id;
    assert_ne!(one, event("id='c1'", "<body>help</body>").id);
}

#[test]
fn an_answer_goes_to_the_client_that_asked_and_to_no_other_user() {
    let asked = to_the_bridge("bridge.p.test", "<body>help</body>");
    let answer = |path: Option<ReplyPath>, to: &str| {
        let to = UserId::new(NetworkId::new("xmpp").unwrap(), to).unwrap();
        notice(&Notice { to, text: "a\nb".to_owned(), reply_path: path }, "k", &addresses())
            .to_wire()
    };
    let says = |to: &str| {
        format!(
            "<message type='chat' from='bridge.p.test' to='{to}' id='k'><body>a\nb</body></message>"
        )
    };
    let path = Some(asked.reply_path);
    assert_eq!(answer(path.clone(), "bob@p.test"), says("Bob@p.test/phone"));
    assert_eq!(answer(path, "eve@p.test"), says("eve@p.test"));
    assert_eq!(answer(None, "bob@p.test"), says("bob@p.test"));
    assert_eq!(answer(Some(ReplyPath::default()), "bob@p.test"), says("bob@p.test"));
    let said = say("say *help*", "bob@p.test", "k", &addresses()).to_wire();
    assert!(
        said.ends_with("*help*</body><unstyled xmlns='urn:xmpp:styling:0'/></message>"),
        "{said}"
    );
}

#[test]
fn what_was_cut_off_crosses_in_no_part() {
    let bridge = Bridge::new(Arc::new(Daemon(NetworkId::new("xmpp").unwrap())));
    let cut = Stanza { element: stanza("id='1'", "<body>x</body>"), whole: false };
    assert!(matches!(
        read(cut, &addresses(), &Lately::default(), &bridge),
        Heard::Refused(_, Code::Malformed)
    ));
}

#[test]
fn only_the_same_message_is_a_repeat() {
    let id = |attributes, body: &str| event(attributes, &format!("<body>{body}</body>")).id;
    assert_eq!(id("id='1'", "x"), id("id='1' type='chat'", "x"));
    assert_ne!(id("id='1'", "x"), id("id='2'", "x"));
    assert_ne!(id("id='1'", "x"), id("id='1'", "y"));
    for none in ["", "id=''"] {
        assert_eq!(event(none, "<body>x</body>").repeats, Repeats::Always, "{none}");
    }
}

#[test]
fn a_stamp_of_the_past_is_believed_and_no_other() {
    let at = |stamp: &str| {
        let inner = format!("<body>x</body><delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>");
        event("", &inner).sent_at
    };
    assert_eq!(at("2027-01-15T07:59:59.250Z"), Timestamp(NOW.0 - 750));
    for odd in
        ["2027-01-15T08:00:01Z", "1999-01-01T00:00:00Z", "yesterday", "", "9999-99-99T99:99:99Z"]
    {
        assert_eq!(at(odd), NOW, "{odd}");
    }
}

pub(super) fn message(body: &str, name: Option<&str>) -> Message {
    let matrix = NetworkId::new("matrix").unwrap();
    let xmpp = NetworkId::new("xmpp").unwrap();
    Message {
        from: Party {
            user: UserId::new(matrix, "@alice:hs.test").unwrap(),
            name: name.map(str::to_owned),
        },
        to: UserId::new(xmpp, "bob@p.test").unwrap(),
        content: Content::text(body),
        reply: None,
        sent_at: Timestamp(NOW.0 - 1000),
        words: None,
        silent: false,
    }
}

#[test]
fn a_message_is_a_chat_from_the_puppet() {
    let wire =
        write(&message("a < b", Some("Alice\n")), "k1", &addresses(), None, NOW).unwrap().to_wire();
    assert_eq!(
        wire,
        format!(
            "<message type='chat' from='{PUPPET}' to='bob@p.test' id='k1'><body>a &lt; b</body>\
             <active xmlns='http://jabber.org/protocol/chatstates'/>\
             <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
             <origin-id xmlns='urn:xmpp:sid:0' id='k1'/>\
             <nick xmlns='http://jabber.org/protocol/nick'>Alice</nick></message>"
        )
    );
}

#[test]
fn a_late_message_says_when_it_was_written() {
    let wire = write(&message("x", None), "k", &addresses(), None, Timestamp(NOW.0 + 60_000));
    assert!(wire.unwrap().to_wire().contains("stamp='2027-01-15T07:59:59.000Z'"));
    assert_eq!(
        super::write::stamp(Timestamp(951_782_400_000)).unwrap(),
        "2000-02-29T00:00:00.000Z"
    );
    assert_eq!(super::write::stamp(Timestamp(i64::MAX)), None);
}

#[test]
fn the_longest_text_fits_into_a_stanza() {
    let longest = "&".repeat(100_000);
    let wire =
        write(&message(&longest, Some(&"&".repeat(500))), "k", &addresses(), None, NOW).unwrap();
    assert!(wire.to_wire().len() < 512 * 1024);
}

#[test]
fn a_refusal_finds_its_way_back() {
    let heard = event("type='chat' id='m1'", "<body>x</body>");
    let mut told = Status {
        event: heard.id,
        sender: heard.sender.user,
        recipient: Some(UserId::new(NetworkId::new("matrix").unwrap(), "@alice:hs.test").unwrap()),
        kind: Kind::Text,
        reply_path: heard.reply_path,
        state: State::FailedPermanent(Code::Forbidden.into()),
    };
    let wire = status(&told, &addresses()).unwrap().to_wire();
    let start = format!("<message type='error' from='{PUPPET}' to='Bob@p.test/phone' id='m1'>");
    assert!(wire.starts_with(&start), "{wire}");
    assert!(wire.contains("<code xmlns='urn:drawbridge:1'>forbidden</code>"));

    told.reply_path = ReplyPath::default();
    let wire = status(&told, &addresses()).unwrap().to_wire();
    let start = format!("<message type='error' from='{PUPPET}' to='bob@p.test'>");
    assert!(wire.starts_with(&start), "{wire}");

    told.state = State::Accepted;
    assert!(status(&told, &addresses()).is_none());
}

fn bears(element: &Element, namespace: &str) -> bool {
    element.ns() == namespace || element.children().any(|child| bears(child, namespace))
}

fn any_element() -> impl Strategy<Value = Element> {
    let names = prop::sample::select(vec![
        "message",
        "body",
        "x",
        "replace",
        "encrypted",
        "payload",
        "sticker",
        "ephemeral",
        "delay",
        "nick",
        "forwarded",
        "media-sharing",
        "media-type",
        "file-sharing",
        "file",
        "sources",
        "url-data",
        "hash",
        "length",
        "size",
        "x",
        "url",
        "error",
        "invite",
        "retract",
        "apply-to",
        "reactions",
        "reaction",
        "reply",
        "fallback",
        "html",
        "p",
        "composing",
        "displayed",
        "thread",
    ]);
    let spaces = prop::sample::select(vec![
        "jabber:component:accept",
        "jabber:client",
        ns::OOB,
        ns::OMEMO_OLD,
        ns::CORRECT,
        ns::DELAY,
        ns::NICK,
        ns::FORWARD,
        ns::SIMS,
        ns::MUC_USER,
        ns::FASTEN,
        ns::RETRACT,
        ns::REACTIONS,
        ns::REPLY,
        ns::FALLBACK,
        ns::XHTML_IM,
        ns::XHTML,
        ns::STATES,
        ns::MARKERS,
        "urn:xmpp:stickers:0",
        "urn:xmpp:ephemeral:0",
        ns::SFS,
        ns::FILE_METADATA,
        ns::URL_DATA,
        ns::HASHES,
        ns::THUMBS,
        "urn:xmpp:omemo:2",
        "urn:x",
    ]);
    let keys = prop::sample::select(vec![
        "id", "from", "to", "type", "stamp", "timer", "node", "for", "start", "end",
    ]);
    let leaf =
        (names.clone(), spaces.clone(), prop::collection::vec((keys, ".{0,20}"), 0..4), ".{0,30}");
    let leaf = leaf.prop_map(|(name, space, attributes, text)| {
        let mut element = Element::bare(name, space);
        for (key, value) in attributes {
            let key = key.try_into().unwrap();
            element.set_attr(minidom::rxml::Namespace::NONE, key, value);
        }
        element.append_text(text);
        element
    });
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let whole = (names.clone(), spaces.clone(), prop::collection::vec(inner, 0..6));
        whole.prop_map(|(name, space, children)| {
            let mut element = Element::bare(name, space);
            for child in children {
                element.append_child(child);
            }
            element
        })
    })
}

proptest! {
    #[test]
    fn no_stanza_makes_it_panic(
        children in prop::collection::vec(any_element(), 0..6),
        kind in "chat|normal|error|headline|groupchat|.{0,5}",
        from in "bob@p\\.test/x|.{0,20}",
        id in ".{0,20}",
        name in "message|presence|iq",
    ) {
        let bridge = Bridge::new(Arc::new(Daemon(NetworkId::new("xmpp").unwrap())));
        let mut element = Element::bare(name.as_str(), "jabber:component:accept");
        for (key, value) in [("type", &kind), ("from", &from), ("id", &id), ("to", &PUPPET.to_owned())] {
            element.set_attr(minidom::rxml::Namespace::NONE, key.try_into().unwrap(), value.as_str());
        }
        for child in children {
            element.append_child(child);
        }
        let _ = crate::presence::answers(&element, &addresses(), &Availability::default(), &bridge);
        let _ = crate::query::answer(&element, &addresses(), &bridge);
        let query = Stanza { element: element.clone(), whole: true };
        let _ = crate::command::take(&query, &addresses(), &bridge);
        let _ = crate::failure::read(&element);
        let sticker = bears(&element, "urn:xmpp:stickers:0");
        let disappearing = bears(&element, "urn:xmpp:ephemeral:0");
        if let Heard::Event(event, ..) = hear(element) {
            prop_assert_eq!(event.marks, Marks { sticker, disappearing });
            prop_assert!(event.reply_path.0.len() <= ReplyPath::MAX);
            if let Some(text) = event.content.written() {
                prop_assert!(!text.body.is_empty());
                prop_assert!(text.rich.as_ref().is_none_or(drawbridge_adapter::Rich::fits));
            }
        }
    }
}
