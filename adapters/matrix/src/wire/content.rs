//! What an event means: something said, a kind that is not carried, or nothing to anybody.

use drawbridge_adapter::{Content, Emojis, Kind, Marks, Media, Text};
use ruma::OwnedEventId;
use serde_json::Value;

use super::WireEvent;
use super::marks::{is_timer_on, marks};
use super::media::{Sent, file, file_kind};
use super::things;
use super::written::{Written, unquoted, written};
use crate::address::MatrixAddressing;

/// What an event means to the bridge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something said, to be handed to the daemon.
    Said(Said, Marks),
    /// Someone's membership changed.
    Membership,
    /// The room will be encrypted from here on.
    EncryptionOn,
    /// The room was closed, for another perhaps.
    Tombstone,
    /// Nothing that anybody said.
    Nothing,
}

/// What was said, and of which other event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text, which may answer another event.
    Text(Text, Option<Answer>),
    /// A file, a place or a poll, which may answer another event.
    Thing(Content, Option<Answer>),
    /// This event's new text.
    Edit(OwnedEventId, Text),
    /// This event is this file now: only what is written with it may be new.
    FileEdit(OwnedEventId, Box<Media>),
    /// This event is taken back.
    Retraction(OwnedEventId),
    /// A reaction to this event.
    Reaction(OwnedEventId, String),
    /// A kind that is not carried.
    Unsupported(Kind),
}

/// What is answered.
#[derive(PartialEq, Eq)]
pub(crate) struct Answer {
    /// The event.
    pub(crate) to: OwnedEventId,
    /// How the client quoted it.
    pub(crate) quote: Option<String>,
    /// With which event the thread begins in which this stands, and whether it only follows there.
    pub(crate) thread: Option<(OwnedEventId, bool)>,
}

impl Answer {
    /// What `event` answers, quoted so.
    fn of(event: &WireEvent, quote: Option<String>) -> Option<Self> {
        Some(Self { to: event.answered()?, quote, thread: event.thread() })
    }
}

/// Never the quoted.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("answer")
    }
}

#[cfg(test)]
impl Said {
    /// What kind it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Text(..) => Kind::Text,
            Self::Thing(thing, _) => thing.kind(),
            Self::Edit(..) | Self::FileEdit(..) => Kind::Edit,
            Self::Retraction(_) => Kind::Retraction,
            Self::Reaction(..) => Kind::Reaction,
            Self::Unsupported(kind) => *kind,
        }
    }
}

/// What `event` means; `names` tell who is mentioned.
pub(crate) fn meaning(event: &WireEvent, names: &MatrixAddressing) -> Meaning {
    if event.state_key.is_some() {
        return of_state(event);
    }
    // Nobody misses what its sender took back before anyone saw it.
    if event.redacted {
        return Meaning::Nothing;
    }
    let kind = match event.kind.as_str() {
        "m.room.message" => return said(event, of_message(event, names)),
        "m.reaction" => return said(event, of_reaction(event)),
        "m.room.redaction" => {
            let of = event.redacts.clone();
            return said(event, of.map_or(Said::Unsupported(Kind::Retraction), Said::Retraction));
        }
        "m.sticker" => Kind::Sticker,
        "m.room.encrypted" => Kind::Encrypted,
        "m.call.invite" | "m.rtc.notification" | "org.matrix.msc4075.rtc.notification" => {
            Kind::Call
        }
        kind if things::is_place(kind) => return said(event, of_place(event, "m.text")),
        kind if things::is_poll_start(kind) => return said(event, of_poll(event)),
        kind if kind.starts_with("m.poll.") => Kind::Poll,
        kind if kind.starts_with("org.matrix.msc3381.") => Kind::Poll,
        kind if kind.starts_with("m.beacon") => Kind::LiveLocation,
        kind if kind.starts_with("org.matrix.msc3672.") => Kind::LiveLocation,
        kind if kind.starts_with("org.matrix.msc3489.") => Kind::LiveLocation,
        // The rest of a call's signalling belongs to an invite that was refused already.
        kind if kind.starts_with("m.call.") => return Meaning::Nothing,
        "com.beeper.message_send_status" => return Meaning::Nothing,
        _ => Kind::Other,
    };
    said(event, Said::Unsupported(kind))
}

fn of_state(event: &WireEvent) -> Meaning {
    match event.kind.as_str() {
        "m.room.member" => Meaning::Membership,
        "m.room.encryption" => Meaning::EncryptionOn,
        "m.room.tombstone" => Meaning::Tombstone,
        kind if is_timer_on(kind, &event.content) => {
            let marks = Marks { sticker: false, disappearing: true };
            Meaning::Said(Said::Unsupported(Kind::Disappearing), marks)
        }
        "m.beacon_info" | "org.matrix.msc3672.beacon_info"
            if event.content.get("live") == Some(&Value::Bool(true)) =>
        {
            said(event, Said::Unsupported(Kind::LiveLocation))
        }
        _ => Meaning::Nothing,
    }
}

fn said(event: &WireEvent, said: Said) -> Meaning {
    Meaning::Said(said, marks(&event.kind, &event.content))
}

fn of_message(event: &WireEvent, names: &MatrixAddressing) -> Said {
    let content = &event.content;
    if event.text("msgtype") == Some("m.location") {
        return of_place(event, "body");
    }
    if let Some(of) = event.relation("m.replace") {
        // Some clients replace what is written with a file without a content of its own.
        let new = content.get("m.new_content");
        let new = new.or_else(|| file_kind(content).map(|_| content));
        return new.map_or(Said::Unsupported(Kind::Edit), |new| new_content(of, new, names));
    }
    let answers = event.answered().is_some();
    match written(content, answers, names) {
        Ok(Written { text, quote }) => Said::Text(text, Answer::of(event, quote)),
        Err(msgtype) => match file(content, answers, names) {
            Some(Ok(Sent { media, quote })) => {
                Said::Thing(Content::Media(Box::new(media)), Answer::of(event, quote))
            }
            Some(Err(kind)) => Said::Unsupported(kind),
            None => Said::Unsupported(other(msgtype)),
        },
    }
}

fn new_content(of: OwnedEventId, new: &Value, names: &MatrixAddressing) -> Said {
    match written(new, false, names) {
        Ok(Written { text, .. }) => Said::Edit(of, text),
        Err(msgtype) => match file(new, false, names) {
            Some(Ok(Sent { media, .. })) => Said::FileEdit(of, Box::new(media)),
            Some(Err(kind)) => Said::Unsupported(kind),
            None => Said::Unsupported(other(msgtype)),
        },
    }
}

/// A place, whose words for other clients stand in this field.
fn of_place(event: &WireEvent, field: &str) -> Said {
    if event.relation("m.replace").is_some() {
        return Said::Unsupported(Kind::Location);
    }
    let answers = event.answered().is_some();
    let (body, quote) = unquoted(event.text(field).unwrap_or_default(), answers);
    match things::place(&event.content, Some(body)) {
        Ok(place) => Said::Thing(Content::Location(place), Answer::of(event, quote)),
        Err(kind) => Said::Unsupported(kind),
    }
}

fn of_poll(event: &WireEvent) -> Said {
    let read = things::poll(&event.content).filter(|_| event.relation("m.replace").is_none());
    read.map_or(Said::Unsupported(Kind::Poll), |poll| {
        Said::Thing(Content::Poll(poll), Answer::of(event, None))
    })
}

fn of_reaction(event: &WireEvent) -> Said {
    let key = event.content.get("m.relates_to").and_then(|to| to.get("key")?.as_str());
    // A picture of the sender's own server's stands under its address there.
    let key = key.filter(|key| !key.starts_with("mxc://"));
    match (event.relation("m.annotation"), key) {
        (Some(to), Some(key)) if (1..=Emojis::MAX_BYTES).contains(&key.len()) => {
            Said::Reaction(to, key.to_owned())
        }
        _ => Said::Unsupported(Kind::Reaction),
    }
}

fn other(msgtype: &str) -> Kind {
    match msgtype {
        "m.location" => Kind::Location,
        "m.sticker" => Kind::Sticker,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use drawbridge_adapter::{Location, Poll};
    use proptest::prelude::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    fn read(mut event: Value) -> Option<WireEvent> {
        let head = json!({
            "event_id": "$e", "room_id": "!r:hs.test", "sender": "@a:hs.test",
            "origin_server_ts": 1, "type": "m.room.message", "content": {},
        });
        for (key, value) in head.as_object().unwrap() {
            event.as_object_mut().unwrap().entry(key).or_insert(value.clone());
        }
        WireEvent::read(&to_raw_value(&event).unwrap())
    }

    fn names() -> MatrixAddressing {
        let network = drawbridge_adapter::NetworkId::new("matrix").unwrap();
        MatrixAddressing::new(network, "hs.test", "_drawbridge_", "drawbridge")
    }

    fn said(event: Value) -> (Said, Marks) {
        match meaning(&read(event).unwrap(), &names()) {
            Meaning::Said(said, marks) => (said, marks),
            other => panic!("{other:?}"),
        }
    }

    fn text(body: &str) -> Said {
        Said::Text(Text::plain(body), None)
    }

    fn id(id: &str) -> OwnedEventId {
        id.try_into().unwrap()
    }

    fn kind(event: Value) -> Kind {
        said(event).0.kind()
    }

    #[test]
    fn text_is_taken_as_it_stands() {
        let of = |msgtype: &str, body: &str| {
            said(json!({"content": {"msgtype": msgtype, "body": body}})).0
        };
        assert_eq!(of("m.text", " שלום\n "), text(" שלום\n "));
        assert_eq!(of("m.notice", "x"), text("x"));
        assert_eq!(of("m.emote", "waves"), text("/me waves"));
        assert_eq!(of("m.text", "").kind(), Kind::Other);
        assert_eq!(of("m.emote", "").kind(), Kind::Other);
    }

    #[test]
    fn an_answer_is_told_from_what_it_quotes() {
        let answer = |body: &str, to: Value| {
            let content = json!({"msgtype": "m.text", "body": body, "m.relates_to": to});
            match said(json!({"content": content})).0 {
                Said::Text(text, Some(answer)) => {
                    assert_eq!(answer.thread, None);
                    (text.body, answer.to, answer.quote)
                }
                other => panic!("{other:?}"),
            }
        };
        let reply = || json!({"m.in_reply_to": {"event_id": "$x"}});
        let plain = |body: &str| (body.to_owned(), id("$x"), None);
        assert_eq!(answer("yes", reply()), plain("yes"));
        // What she quotes herself is hers.
        assert_eq!(answer("> q\n\nyes", reply()), plain("> q\n\nyes"));
        let quoted = ("yes\n> no".to_owned(), id("$x"), Some("one\ntwo".to_owned()));
        assert_eq!(answer("> <@a:b> one\n> two\n\nyes\n> no", reply()), quoted);
    }

    #[test]
    fn what_stands_in_a_thread_answers_or_follows() {
        let stands = |mut relation: Value| {
            relation["rel_type"] = "m.thread".into();
            let content = json!({"msgtype": "m.text", "body": "yes", "m.relates_to": relation});
            match said(json!({"content": content})).0 {
                Said::Text(_, answer) => answer.map(|answer| (answer.to, answer.thread)),
                other => panic!("{other:?}"),
            }
        };
        let to = || json!({"event_id": "$x"});
        let thread = |to: &str, follows| Some((id(to), Some((id("$root"), follows))));
        let follows = json!({"event_id": "$root", "is_falling_back": true, "m.in_reply_to": to()});
        assert_eq!(stands(follows), thread("$x", true));
        let answers = json!({"event_id": "$root", "is_falling_back": false, "m.in_reply_to": to()});
        assert_eq!(stands(answers), thread("$x", false));
        assert_eq!(
            stands(json!({"event_id": "$root", "m.in_reply_to": to()})),
            thread("$x", false)
        );
        // Nothing is named that it could answer.
        assert_eq!(stands(json!({"event_id": "$root"})), thread("$root", true));
        let odd = json!({"event_id": "$root", "is_falling_back": 1, "m.in_reply_to": 7});
        assert_eq!(stands(odd), thread("$root", true));
        assert_eq!(stands(json!({"event_id": 7, "m.in_reply_to": to()})), Some((id("$x"), None)));
        assert_eq!(stands(json!({})), None);
    }

    #[test]
    fn edits_retractions_and_reactions_name_what_they_are_about() {
        let edit = |new: Value| {
            said(json!({"content": {"msgtype": "m.text", "body": "* b", "m.new_content": new,
                "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}}))
            .0
        };
        let b = Said::Edit(id("$x"), Text::plain("b"));
        assert_eq!(edit(json!({"msgtype": "m.text", "body": "b"})), b);
        assert_eq!(edit(json!({"msgtype": "m.image", "body": "b"})).kind(), Kind::Image);
        assert_eq!(edit(json!(null)), Said::Unsupported(Kind::Other));
        let of = "m.room.redaction";
        let retraction = Said::Retraction(id("$x"));
        assert_eq!(said(json!({"type": of, "redacts": "$x"})).0, retraction);
        assert_eq!(said(json!({"type": of, "content": {"redacts": "$x"}})).0, retraction);
        let reaction =
            |to: Value| said(json!({"type": "m.reaction", "content": {"m.relates_to": to}})).0;
        let to = |key: &str| json!({"rel_type": "m.annotation", "event_id": "$x", "key": key});
        assert_eq!(reaction(to("👍🏽")), Said::Reaction(id("$x"), "👍🏽".to_owned()));
        for odd in [to(""), to(&"x".repeat(65)), to("mxc://hs.test/x"), json!({"key": "x"})] {
            assert_eq!(reaction(odd), Said::Unsupported(Kind::Reaction));
        }
    }

    #[test]
    fn places_and_polls_may_be_answers_and_are_not_replaced() {
        let place = Location::new(1.5, -2.0).unwrap().named(Some("the pier"));
        let poll = Poll {
            question: "?".to_owned(),
            answers: vec!["a".to_owned(), "b".to_owned()],
            most: 1,
        };
        let quote = || Some("where?".to_owned());
        let located =
            |body: &str| json!({"msgtype": "m.location", "body": body, "geo_uri": "geo:1.5,-2"});
        let extended = json!({"m.location": {"uri": "geo:1.5,-2", "description": "the pier"}});
        let line = |text: &str| json!({"m.text": [{"body": text}]});
        let asked = json!({"m.poll": {"question": line("?"), "answers": [line("a"), line("b")]}});
        for (of_type, content, thing, quote) in [
            ("m.room.message", located("the pier"), Content::Location(place.clone()), None),
            (
                "m.room.message",
                located("> <@a:b> where?\n\nthe pier"),
                Content::Location(place.clone()),
                quote(),
            ),
            ("m.location", extended.clone(), Content::Location(place), None),
            ("m.poll.start", asked.clone(), Content::Poll(poll.clone()), None),
            ("org.matrix.msc3381.poll.start", asked, Content::Poll(poll), None),
        ] {
            let related = |how: Value| {
                let mut content = content.clone();
                content["m.relates_to"] = how;
                said(json!({"type": of_type, "content": content})).0
            };
            let answer = Answer { to: id("$x"), quote, thread: None };
            let answered = related(json!({"m.in_reply_to": {"event_id": "$x"}}));
            assert_eq!(answered, Said::Thing(thing.clone(), Some(answer)));
            let replaced = related(json!({"rel_type": "m.replace", "event_id": "$x"}));
            assert_eq!(replaced, Said::Unsupported(thing.kind()));
        }
        let edit = json!({"content": {"msgtype": "m.text", "body": "* b",
            "m.new_content": located("the pier"),
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}});
        assert_eq!(said(edit).0, Said::Unsupported(Kind::Location));
    }

    #[test]
    fn files_may_be_answers_and_may_be_replaced() {
        let image = |more: Value| {
            let mut content = json!({"msgtype": "m.image", "body": "the pier",
                "filename": "pier.png", "url": "mxc://hs.test/pier"});
            content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            said(json!({"content": content})).0
        };
        let to = json!({"m.in_reply_to": {"event_id": "$x"}});
        let Said::Thing(Content::Media(media), Some(answer)) = image(json!({"m.relates_to": to}))
        else {
            panic!("no answer");
        };
        assert_eq!((answer.to, answer.quote), (id("$x"), None));
        assert_eq!(media.caption, Some(Text::plain("the pier")));
        let by = json!({"rel_type": "m.replace", "event_id": "$x"});
        let new = json!({"msgtype": "m.image", "body": "pier.png", "url": "mxc://hs.test/other"});
        let edit = image(json!({"m.relates_to": by, "m.new_content": new}));
        assert!(matches!(edit, Said::FileEdit(of, new) if of == id("$x") && new.caption.is_none()));
        let edit = image(json!({"m.relates_to": by}));
        assert!(matches!(edit, Said::FileEdit(of, new) if of == id("$x") && new.caption.is_some()));
        let encrypted = json!({"msgtype": "m.image", "body": "b", "file": {"url": "mxc://a/b"}});
        let edit = image(json!({"m.relates_to": by, "m.new_content": encrypted}));
        assert_eq!(edit, Said::Unsupported(Kind::Encrypted));
        // A sticker stays one, however its event is called.
        let marked = json!({"content": {"msgtype": "m.image", "body": "a cat",
            "url": "mxc://hs.test/cat", "info": {"org.example.sticker": {}}}});
        assert!(said(marked).1.sticker);
    }

    #[test]
    fn every_other_kind_has_its_name() {
        for (msgtype, expected) in [
            ("m.image", Kind::Image),
            ("m.video", Kind::Video),
            ("m.audio", Kind::Audio),
            ("m.file", Kind::Document),
            ("m.location", Kind::Location),
            ("m.what", Kind::Other),
        ] {
            assert_eq!(kind(json!({"content": {"msgtype": msgtype, "body": "b"}})), expected);
        }
        let voice = json!({"content": {"msgtype": "m.audio", "org.matrix.msc3245.voice": {}}});
        assert_eq!(kind(voice), Kind::Voice);
        let edit = json!({"content": {"msgtype": "m.text", "body": "* b",
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}});
        assert_eq!(said(edit).0, Said::Unsupported(Kind::Edit));
        for (of_type, expected) in [
            ("m.sticker", Kind::Sticker),
            ("m.reaction", Kind::Reaction),
            ("m.room.redaction", Kind::Retraction),
            ("m.room.encrypted", Kind::Encrypted),
            ("org.matrix.msc3381.poll.start", Kind::Poll),
            ("org.matrix.msc3381.poll.response", Kind::Poll),
            ("m.poll.end", Kind::Poll),
            ("org.matrix.msc3488.location", Kind::Location),
            ("m.call.invite", Kind::Call),
            ("m.beacon", Kind::LiveLocation),
            ("org.matrix.msc3672.beacon", Kind::LiveLocation),
            ("org.matrix.msc3489.beacon", Kind::LiveLocation),
            ("com.example.odd", Kind::Other),
        ] {
            let (said, _) = said(json!({"type": of_type}));
            assert_eq!(said, Said::Unsupported(expected), "{of_type}");
        }
    }

    #[test]
    fn stickers_and_timers_are_seen_at_any_depth() {
        let marks = |content: Value| said(json!({"content": content})).1;
        let text = json!({"msgtype": "m.text", "body": "b"});
        assert_eq!(marks(text.clone()), Marks::default());
        let with = |key: &str, value: Value| {
            let mut content = text.clone();
            content[key] = value;
            marks(content)
        };
        for key in [
            "com.beeper.disappearing_timer",
            "org.matrix.self_destruct_after",
            "m.self_destruct_after",
            "org.matrix.self_destruct",
            "org.matrix.msc2228.self_destruct",
            "org.example.view_once",
        ] {
            assert!(with(key, json!(1000)).disappearing, "{key}");
            assert!(with("m.new_content", json!({key: {"timer": 5}})).disappearing, "{key}");
            assert!(with("m.relates_to", json!({"x": [[{key: true}]]})).disappearing, "{key}");
            assert!(!with(key, json!(null)).disappearing, "{key}");
        }
        assert!(with("m.new_content", json!({"msgtype": "m.sticker"})).sticker);
        assert!(with("m.relates_to", json!({"m.in_reply_to": {"type": "m.sticker"}})).sticker);
        assert!(with("com.example.sticker", json!({"url": "mxc://x/y"})).sticker);
        assert!(said(json!({"type": "m.sticker"})).1.sticker);
    }

    #[test]
    fn a_timer_switched_on_is_said_and_one_switched_off_is_not() {
        let state = |of_type: &str, content: Value| {
            let event = json!({"type": of_type, "state_key": "", "content": content});
            meaning(&read(event).unwrap(), &names())
        };
        let on =
            state("com.beeper.disappearing_timer", json!({"type": "after_send", "timer": 60000}));
        let marks = Marks { sticker: false, disappearing: true };
        assert_eq!(on, Meaning::Said(Said::Unsupported(Kind::Disappearing), marks));
        assert_eq!(state("com.beeper.disappearing_timer", json!({})), Meaning::Nothing);
        assert_eq!(state("com.beeper.disappearing_timer", json!({"timer": 0})), Meaning::Nothing);
        assert_eq!(state("m.room.name", json!({"name": "x"})), Meaning::Nothing);
        assert_eq!(state("m.room.encryption", json!({})), Meaning::EncryptionOn);
    }

    #[test]
    fn a_content_nested_too_deeply_is_still_refused_by_name() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let raw = format!(
            r#"{{"event_id":"$e","room_id":"!r:hs.test","sender":"@a:hs.test","type":"m.room.message","content":{{"msgtype":"m.text","body":"b","x":{deep}}}}}"#
        );
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&raw).unwrap();
        let event = WireEvent::read(&raw).unwrap();
        assert!(matches!(
            meaning(&event, &names()),
            Meaning::Said(Said::Unsupported(Kind::Other), _)
        ));
    }

    #[test]
    fn what_was_taken_back_already_means_nothing() {
        let event = json!({"unsigned": {"redacted_because": {"type": "m.room.redaction"}}});
        assert_eq!(meaning(&read(event).unwrap(), &names()), Meaning::Nothing);
    }

    proptest! {
        #[test]
        fn any_event_is_read_or_refused(mut event in any_json(), content in any_json(), depth in 0..200_usize, of_type in "m\\.[a-z._]{0,12}|m.room.message|m.location|m.poll.start|com.beeper.disappearing_timer") {
            let _ = WireEvent::read(&to_raw_value(&event).unwrap());
            if let Some(event) = event.as_object_mut() {
                let nested = (0..depth).fold(content, |inner, _| json!({ "x": [inner] }));
                event.insert("content".to_owned(), nested);
                event.insert("type".to_owned(), of_type.into());
                for (key, id) in [("event_id", "$e"), ("room_id", "!r"), ("sender", "@a:b")] {
                    event.insert(key.to_owned(), id.into());
                }
            }
            if let Some(event) = WireEvent::read(&to_raw_value(&event).unwrap()) {
                let _ = meaning(&event, &names());
            }
        }

        #[test]
        fn any_text_is_a_transaction_or_is_refused(text in "\\PC{0,64}|\\{\"events\":\\[[\\[\\]{}\":,0-9a-z]{0,40}\\]\\}") {
            if let Ok(transaction) = serde_json::from_str::<super::super::Transaction>(&text) {
                transaction.events.iter().for_each(|raw| drop(WireEvent::read(raw)));
            }
        }
    }
}
