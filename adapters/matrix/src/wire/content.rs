//! What an event means: text, a kind that is not carried, or nothing to anybody.

use drawbridge_adapter::{Content, Kind, Marks};
use serde_json::Value;

use super::WireEvent;
use super::marks::{is_timer_on, marks};

/// What an event means to the bridge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something said, to be handed to the daemon.
    Said(Content, Marks),
    /// Someone's membership changed.
    Membership,
    /// The room will be encrypted from here on.
    EncryptionOn,
    /// The room was closed, for another perhaps.
    Tombstone,
    /// Nothing that anybody said.
    Nothing,
}

/// What `event` means.
pub(crate) fn meaning(event: &WireEvent) -> Meaning {
    if event.state_key.is_some() {
        return of_state(event);
    }
    // Nobody misses what its sender took back before anyone saw it.
    if event.redacted {
        return Meaning::Nothing;
    }
    let kind = match event.kind.as_str() {
        "m.room.message" => return of_message(event),
        "m.sticker" => Kind::Sticker,
        "m.reaction" => Kind::Reaction,
        "m.room.redaction" => Kind::Retraction,
        "m.room.encrypted" => Kind::Encrypted,
        "m.call.invite" | "m.rtc.notification" | "org.matrix.msc4075.rtc.notification" => {
            Kind::Call
        }
        kind if kind.starts_with("m.poll.") => Kind::Poll,
        kind if kind.starts_with("org.matrix.msc3381.") => Kind::Poll,
        kind if kind.starts_with("m.beacon") => Kind::LiveLocation,
        kind if kind.starts_with("org.matrix.msc3672.") => Kind::LiveLocation,
        // The rest of a call's signalling belongs to an invite that was refused already.
        kind if kind.starts_with("m.call.") => return Meaning::Nothing,
        "com.beeper.message_send_status" => return Meaning::Nothing,
        _ => Kind::Other,
    };
    unsupported(event, kind)
}

fn of_state(event: &WireEvent) -> Meaning {
    match event.kind.as_str() {
        "m.room.member" => Meaning::Membership,
        "m.room.encryption" => Meaning::EncryptionOn,
        "m.room.tombstone" => Meaning::Tombstone,
        kind if is_timer_on(kind, &event.content) => {
            let marks = Marks { sticker: false, disappearing: true };
            Meaning::Said(Content::Unsupported { kind: Kind::Disappearing }, marks)
        }
        "m.beacon_info" | "org.matrix.msc3672.beacon_info"
            if event.content.get("live") == Some(&Value::Bool(true)) =>
        {
            unsupported(event, Kind::LiveLocation)
        }
        _ => Meaning::Nothing,
    }
}

fn unsupported(event: &WireEvent, kind: Kind) -> Meaning {
    Meaning::Said(Content::Unsupported { kind }, marks(&event.kind, &event.content))
}

fn of_message(event: &WireEvent) -> Meaning {
    let relation = event.content.get("m.relates_to").and_then(|to| to.get("rel_type"));
    if relation.and_then(Value::as_str) == Some("m.replace") {
        return unsupported(event, Kind::Edit);
    }
    let body = event.text("body").unwrap_or_default();
    let text = match event.text("msgtype").unwrap_or_default() {
        "m.text" | "m.notice" => body.to_owned(),
        // As XEP-0245 writes it, and people type it.
        "m.emote" => format!("/me {body}"),
        other => return unsupported(event, media(other, &event.content)),
    };
    if body.is_empty() {
        return unsupported(event, Kind::Other);
    }
    Meaning::Said(Content::text(text), marks(&event.kind, &event.content))
}

fn media(msgtype: &str, content: &Value) -> Kind {
    match msgtype {
        "m.image" => Kind::Image,
        "m.video" => Kind::Video,
        "m.audio" if is_voice(content) => Kind::Voice,
        "m.audio" => Kind::Audio,
        "m.file" => Kind::Document,
        "m.location" => Kind::Location,
        "m.sticker" => Kind::Sticker,
        _ => Kind::Other,
    }
}

/// MSC3245, and its stable name.
fn is_voice(content: &Value) -> bool {
    content.get("org.matrix.msc3245.voice").is_some() || content.get("m.voice").is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
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

    fn said(event: Value) -> (Content, Marks) {
        match meaning(&read(event).unwrap()) {
            Meaning::Said(content, marks) => (content, marks),
            other => panic!("{other:?}"),
        }
    }

    fn kind(event: Value) -> Kind {
        said(event).0.kind()
    }

    #[test]
    fn text_is_taken_as_it_stands() {
        let text = |msgtype: &str, body: &str| {
            said(json!({"content": {"msgtype": msgtype, "body": body}})).0
        };
        assert_eq!(text("m.text", " שלום\n "), Content::text(" שלום\n "));
        assert_eq!(text("m.notice", "x"), Content::text("x"));
        assert_eq!(text("m.emote", "waves"), Content::text("/me waves"));
        assert_eq!(text("m.text", "").kind(), Kind::Other);
        assert_eq!(text("m.emote", "").kind(), Kind::Other);
        let reply = json!({"content": {"msgtype": "m.text", "body": "> q\n\nyes",
            "m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}});
        assert_eq!(said(reply).0, Content::text("> q\n\nyes"));
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
        assert_eq!(kind(edit), Kind::Edit);
        for (of_type, expected) in [
            ("m.sticker", Kind::Sticker),
            ("m.reaction", Kind::Reaction),
            ("m.room.redaction", Kind::Retraction),
            ("m.room.encrypted", Kind::Encrypted),
            ("org.matrix.msc3381.poll.start", Kind::Poll),
            ("m.call.invite", Kind::Call),
            ("m.beacon", Kind::LiveLocation),
            ("com.example.odd", Kind::Other),
        ] {
            assert_eq!(kind(json!({"type": of_type})), expected);
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
            meaning(&read(event).unwrap())
        };
        let on =
            state("com.beeper.disappearing_timer", json!({"type": "after_send", "timer": 60000}));
        let marks = Marks { sticker: false, disappearing: true };
        assert_eq!(on, Meaning::Said(Content::Unsupported { kind: Kind::Disappearing }, marks));
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
            meaning(&event),
            Meaning::Said(Content::Unsupported { kind: Kind::Other }, _)
        ));
    }

    #[test]
    fn what_was_taken_back_already_means_nothing() {
        let event = json!({"unsigned": {"redacted_because": {"type": "m.room.redaction"}}});
        assert_eq!(meaning(&read(event).unwrap()), Meaning::Nothing);
    }

    proptest! {
        #[test]
        fn any_event_is_read_or_refused(mut event in any_json(), content in any_json(), depth in 0..200_usize, of_type in "m\\.[a-z._]{0,12}|m.room.message|com.beeper.disappearing_timer") {
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
                let _ = meaning(&event);
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
