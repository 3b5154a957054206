//! From the text of a frame to its meaning. The text is hostile: whatever it is, this gives a
//! frame or says where it is wrong, and never repeats what it holds.

use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Code, Content, Destination, EventId, Gesture, Marks, MuteFor, Passing, Refusal,
    Reply, Report, ReportReason, Secret, Timestamp, UserId,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::PartnerAddressing;
use crate::frame::{
    self, Ack, AppCommand, AppEvent, AppGesture, AppMute, AppReport, Delist, Enlist, ErrorCode,
    ErrorFrame, Hello,
};

mod content;
mod file;
mod profile;
mod things;

pub(crate) use profile::Looks;

/// The year 9999 ends here.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// The longest wait that an app may ask for.
const LONGEST_WAIT_SECONDS: u32 = 86_400;

/// A frame of the app's.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events")]
pub(crate) enum Frame {
    Hello(Hello),
    Enlist(Enlist),
    Delist(Delist),
    Event(Submission),
    Gesture(Wish),
    Profile(Looks),
    /// Fleeting: never answered.
    Passing(Passing),
    Ack(Vec<String>),
    Refuse {
        id: String,
        refusal: Refusal,
    },
    /// A file that the bridge wants cannot be had.
    FetchFailed {
        id: String,
        refusal: Refusal,
    },
}

/// An event or a command of the app's, in the words of the chat model.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) id: EventId,
    pub(crate) from: UserId,
    pub(crate) to: Destination,
    /// `None` for a command: it is said now.
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) content: Content,
    pub(crate) reply: Option<Reply>,
    pub(crate) marks: Marks,
}

/// What a user of the app's wants of another, in the words of the chat model.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) id: String,
    pub(crate) from: UserId,
    pub(crate) gesture: Gesture,
}

/// A frame that breaks the protocol.
#[derive(Debug)]
pub(crate) struct Malformed {
    about: Option<String>,
    place: Option<String>,
    message: &'static str,
}

impl From<Malformed> for ErrorFrame {
    fn from(malformed: Malformed) -> Self {
        let Malformed { about, place, message } = malformed;
        Self { code: ErrorCode::Malformed, about, place, message }
    }
}

/// What is wrong, and where.
type Flaw = (Option<String>, &'static str);

fn flaw(place: &str, message: &'static str) -> Flaw {
    (Some(place.to_owned()), message)
}

/// Reads one frame.
pub(crate) fn read(text: &str, addressing: &PartnerAddressing) -> Result<Frame, Malformed> {
    let bare = |message| Malformed { about: None, place: None, message };
    // serde_json goes 128 levels deep, and no further.
    let value: Value =
        serde_json::from_str(text).map_err(|_| bare("not JSON, or nested too deeply"))?;
    let Value::Object(frame) = value else { return Err(bare("not a JSON object")) };
    let about = about(&frame);
    meaning(frame, addressing).map_err(|(place, message)| Malformed { about, place, message })
}

/// What the app calls the frame.
fn about(frame: &Map<String, Value>) -> Option<String> {
    let name = frame.get("id").or_else(|| frame.get("user"))?.as_str()?;
    (name.len() <= frame::MAX_ID).then(|| name.to_owned())
}

fn meaning(frame: Map<String, Value>, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    let kind = frame.get("type").and_then(Value::as_str);
    match kind.ok_or_else(|| flaw("type", "is missing, or no text"))? {
        "hello" => hello(typed(frame)?),
        "enlist" => enlist(typed(frame)?, addressing),
        "delist" => {
            let delist: Delist = typed(frame)?;
            user("user", &delist.user, addressing)?;
            Ok(Frame::Delist(delist))
        }
        "event" => {
            let mut marks = Marks::default();
            find_marks(&Value::Object(frame.clone()), &mut marks);
            event(typed(frame)?, marks, addressing)
        }
        "command" => command(typed(frame)?, addressing),
        "accept" => wish(typed(frame)?, Gesture::Accept, addressing),
        "decline" => wish(typed(frame)?, Gesture::Decline, addressing),
        "block" => wish(typed(frame)?, Gesture::Block, addressing),
        "unblock" => wish(typed(frame)?, Gesture::Unblock, addressing),
        "mute" => mute(typed(frame)?, addressing),
        "unmute" => wish(typed(frame)?, Gesture::Unmute, addressing),
        "report" => report(typed(frame)?, addressing),
        "profile" => profile::profile(typed(frame)?, addressing),
        "receipt" => content::receipt(&typed(frame)?, addressing),
        "typing" => content::typing(&typed(frame)?, addressing),
        "presence" => things::presence(&typed(frame)?, addressing),
        "ack" => {
            let ack: Ack = typed(frame)?;
            ids("ids", &ack.ids)?;
            Ok(Frame::Ack(ack.ids))
        }
        "refuse" => refuse(&typed(frame)?),
        "fetch_failed" => fetch_failed(&typed(frame)?),
        _ => Err(flaw("type", "is not a frame of version 1")),
    }
}

/// Reads a frame's fields. Errors name the field and never its value.
fn typed<T: DeserializeOwned>(frame: Map<String, Value>) -> Result<T, Flaw> {
    serde_path_to_error::deserialize(Value::Object(frame)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let words = error.inner().to_string();
        let missing = words.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match missing {
            Some(field) if path.is_empty() => (Some(field.to_owned()), "is missing"),
            Some(field) => (Some(format!("{path}.{field}")), "is missing"),
            None => (Some(path), "is not of the expected type, or out of range"),
        }
    })
}

fn hello(hello: Hello) -> Result<Frame, Flaw> {
    if !(1..=1024).contains(&hello.credit) {
        return Err(flaw("credit", "is not 1 to 1024"));
    }
    if !hello.received.is_empty() {
        ids("received", &hello.received)?;
    }
    hello.proof.as_ref().map_or(Ok(()), proof)?;
    Ok(Frame::Hello(hello))
}

fn proof(proof: &Secret) -> Result<(), Flaw> {
    let fits = proof.expose().len() <= frame::MAX_PROOF;
    if fits { Ok(()) } else { Err(flaw("proof", "is longer than 8192 bytes")) }
}

fn enlist(enlist: Enlist, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    user("user", &enlist.user, addressing)?;
    proof(&enlist.proof)?;
    enlist.name.as_deref().map_or(Ok(()), |one| name("name", one))?;
    Ok(Frame::Enlist(enlist))
}

fn name(place: &str, name: &str) -> Result<(), Flaw> {
    let fits = (1..=frame::MAX_NAME).contains(&name.len());
    if fits && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(flaw(place, "is not 1 to 256 bytes without control characters"))
    }
}

fn event(event: AppEvent, marks: Marks, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    id("id", &event.id)?;
    let from = user("from", &event.from, addressing)?;
    let to = Destination::Direct(foreign("to", &event.to, addressing)?);
    if !(0..=LAST_MILLISECOND).contains(&event.sent_at) {
        return Err(flaw("sent_at", "is not in milliseconds since 1970"));
    }
    let content = content::content(event.content, addressing)?;
    let (answered, thread) = (event.in_reply_to.as_ref(), event.thread.as_ref());
    let reply = content::reply(answered, event.quote, thread, &content)?;
    let id = EventId::new(event.id).map_err(|_| flaw("id", "is too long"))?;
    let sent_at = Some(Timestamp(event.sent_at));
    Ok(Frame::Event(Submission { id, from, to, sent_at, content, reply, marks }))
}

fn command(command: AppCommand, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    id("id", &command.id)?;
    let from = user("from", &command.from, addressing)?;
    if command.text.is_empty() {
        return Err(flaw("text", "is empty"));
    }
    let id = EventId::new(command.id).map_err(|_| flaw("id", "is too long"))?;
    let (to, content) = (Destination::Bridge, Content::text(command.text));
    let marks = Marks::default();
    Ok(Frame::Event(Submission { id, from, to, sent_at: None, content, reply: None, marks }))
}

fn wish(
    wish: AppGesture,
    gesture: fn(UserId) -> Gesture,
    addressing: &PartnerAddressing,
) -> Result<Frame, Flaw> {
    id("id", &wish.id)?;
    let from = user("from", &wish.from, addressing)?;
    let other = foreign("other", &wish.other, addressing)?;
    Ok(Frame::Gesture(Wish { id: wish.id, from, gesture: gesture(other) }))
}

fn mute(mute: AppMute, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    id("id", &mute.id)?;
    let from = user("from", &mute.from, addressing)?;
    let other = foreign("other", &mute.other, addressing)?;
    let duration = MuteFor::ALL.into_iter().find(|one| one.as_str() == mute.duration);
    let duration = duration.ok_or_else(|| flaw("for", "is not 8h, 1w, 1y or always"))?;
    let gesture = Gesture::Mute(other, duration);
    Ok(Frame::Gesture(Wish { id: mute.id, from, gesture }))
}

fn report(report: AppReport, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    id("id", &report.id)?;
    let from = user("from", &report.from, addressing)?;
    let about = foreign("about", &report.about, addressing)?;
    let reason = ReportReason::ALL.into_iter().find(|one| one.as_str() == report.reason);
    let reason = reason.ok_or_else(|| flaw("reason", "is not spam, abuse or other"))?;
    if report.messages.len() > Report::MOST {
        return Err(flaw("messages", "is not at most 5 ids"));
    }
    report.messages.iter().try_for_each(|one| id("messages", one))?;
    let gesture = Gesture::Report { about, reason, messages: report.messages };
    Ok(Frame::Gesture(Wish { id: report.id, from, gesture }))
}

fn refuse(refuse: &frame::Refuse) -> Result<Frame, Flaw> {
    id("id", &refuse.id)?;
    let refusal = refusal(&refuse.code, refuse.retry_after_seconds)?;
    Ok(Frame::Refuse { id: refuse.id.clone(), refusal })
}

fn fetch_failed(failed: &frame::FetchFailed) -> Result<Frame, Flaw> {
    id("id", &failed.id)?;
    let refusal = refusal(&failed.code, failed.retry_after_seconds)?;
    Ok(Frame::FetchFailed { id: failed.id.clone(), refusal })
}

fn refusal(code: &str, seconds: Option<u32>) -> Result<Refusal, Flaw> {
    let code: Code = code.parse().map_err(|_| flaw("code", "is not a known code"))?;
    if seconds.is_some_and(|seconds| seconds > LONGEST_WAIT_SECONDS) {
        return Err(flaw("retry_after_seconds", "is more than a day"));
    }
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Ok(Refusal { retry_after, ..code.into() })
}

fn user(place: &str, id: &str, addressing: &PartnerAddressing) -> Result<UserId, Flaw> {
    addressing.user(id).map_err(|_| flaw(place, "is not 1 to 128 of a-z 0-9 . _ -"))
}

fn foreign(place: &str, address: &str, addressing: &PartnerAddressing) -> Result<UserId, Flaw> {
    let user = addressing.user_at(address);
    user.map_err(|_| flaw(place, "is not network:id, with another network than this"))
}

fn ids(place: &str, ids: &[String]) -> Result<(), Flaw> {
    if ids.is_empty() || ids.len() > frame::MAX_IDS {
        return Err(flaw(place, "is not 1 to 1024 ids"));
    }
    ids.iter().try_for_each(|one| id(place, one))
}

fn id(place: &str, id: &str) -> Result<(), Flaw> {
    if frame::is_id(id) {
        Ok(())
    } else {
        Err(flaw(place, "is not 1 to 128 printable ASCII characters"))
    }
}

/// Looks for stickers and timers wherever they may hide: in an edit, a reply, or a key that this
/// version does not know. What is not plainly absent is there.
fn find_marks(value: &Value, marks: &mut Marks) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| find_marks(value, marks)),
        Value::Object(object) => {
            for (key, value) in object {
                match key.as_str() {
                    "type" => marks.sticker |= value == "sticker",
                    "sticker" => marks.sticker |= !value.is_null(),
                    "expires_in" => marks.disappearing |= !value.is_null(),
                    "view_once" => {
                        marks.disappearing |= !value.is_null() && *value != Value::Bool(false);
                    }
                    _ => {}
                }
                marks.disappearing |= key == "type" && value == "disappearing";
                find_marks(value, marks);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;
    use drawbridge_adapter::{Kind, NetworkId};
    use proptest::prelude::*;
    use serde_json::json;

    pub(super) fn read(value: &Value) -> Result<Frame, Malformed> {
        read_text(&value.to_string())
    }

    fn read_text(text: &str) -> Result<Frame, Malformed> {
        let network = NetworkId::new("birdychat").unwrap();
        super::read(text, &PartnerAddressing::new(network))
    }

    pub(super) fn event(content: &Value) -> Value {
        json!({"type": "event", "id": "e1", "from": "carol", "to": "matrix:@alice:hs.test",
               "sent_at": 1, "content": content})
    }

    pub(super) fn submitted(value: &Value) -> Submission {
        match read(value) {
            Ok(Frame::Event(submission)) => submission,
            other => panic!("not an event: {other:?}"),
        }
    }

    pub(super) fn place_of(value: &Value) -> String {
        read(value).unwrap_err().place.unwrap_or_default()
    }

    #[test]
    fn a_text_is_a_text() {
        let event = submitted(&event(&json!({"type": "text", "body": "hi"})));
        assert_eq!(event.content, Content::text("hi"));
        assert_eq!(event.marks, Marks::default());
        let alice = "matrix:@alice:hs.test".parse().unwrap();
        assert_eq!(event.to, Destination::Direct(alice));
    }

    #[test]
    fn a_command_is_a_text_to_the_bridge() {
        let frame = json!({"type": "command", "id": "c1", "from": "carol", "text": "help"});
        let event = submitted(&frame);
        assert_eq!((event.to, event.content), (Destination::Bridge, Content::text("help")));
        for (key, value) in [("text", json!("")), ("text", json!(1)), ("from", json!("Carol"))] {
            let mut bad = frame.clone();
            bad[key] = value;
            assert_eq!(place_of(&bad), key);
        }
    }

    #[test]
    fn gestures_keep_their_names_and_say_of_whom() {
        let alice: UserId = "matrix:@alice:hs.test".parse().unwrap();
        let frame = |kind: &str| json!({"type": kind, "id": "g1", "from": "carol", "other": alice});
        for (kind, expected) in [
            ("accept", Gesture::Accept(alice.clone())),
            ("decline", Gesture::Decline(alice.clone())),
            ("block", Gesture::Block(alice.clone())),
            ("unblock", Gesture::Unblock(alice.clone())),
            ("unmute", Gesture::Unmute(alice.clone())),
        ] {
            let Ok(Frame::Gesture(wish)) = read(&frame(kind)) else { panic!("not a gesture") };
            assert_eq!(wish.gesture, expected);
            for (key, value) in [("other", "birdychat:dave"), ("other", "alice"), ("from", "Carol")]
            {
                let mut bad = frame(kind);
                bad[key] = json!(value);
                assert_eq!(place_of(&bad), key);
            }
        }
    }

    #[test]
    fn a_mute_has_one_of_four_lengths() {
        let alice: UserId = "matrix:@alice:hs.test".parse().unwrap();
        let frame = |length: Value| json!({"type": "mute", "id": "g1", "from": "carol", "other": alice, "for": length});
        for length in MuteFor::ALL {
            let Ok(Frame::Gesture(wish)) = read(&frame(json!(length))) else {
                panic!("no gesture")
            };
            assert_eq!(wish.gesture, Gesture::Mute(alice.clone(), length));
        }
        for bad in [json!("2h"), json!("8H"), json!(""), json!(8), Value::Null] {
            assert_eq!(place_of(&frame(bad)), "for");
        }
        let error = read(&frame(json!("an hour"))).unwrap_err();
        for length in MuteFor::ALL {
            assert!(error.message.contains(length.as_str()), "{}", error.message);
        }
    }

    #[test]
    fn a_report_names_at_most_five_messages() {
        let report = |key: &str, value: Value| {
            let mut frame = json!({"type": "report", "id": "g1", "from": "carol",
                                   "about": "matrix:@mallory:hs.test", "reason": "spam",
                                   "messages": ["1", "2", "3", "4", "5"]});
            frame[key] = value;
            frame
        };
        let about: UserId = "matrix:@mallory:hs.test".parse().unwrap();
        for reason in ReportReason::ALL {
            let Ok(Frame::Gesture(wish)) = read(&report("reason", json!(reason))) else {
                panic!("not a gesture")
            };
            let messages = ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec();
            assert_eq!(wish.gesture, Gesture::Report { about: about.clone(), reason, messages });
        }
        assert!(read(&report("messages", json!([]))).is_ok());
        for (key, bad) in [
            ("reason", json!("revenge")),
            ("reason", Value::Null),
            ("messages", json!(["1", "2", "3", "4", "5", "6"])),
            ("messages", json!([""])),
            ("messages", json!(["x".repeat(129)])),
            ("about", json!("birdychat:dave")),
            ("about", json!("mallory")),
            ("from", json!("Carol")),
        ] {
            assert_eq!(place_of(&report(key, bad)), key);
        }
        let mut none = report("id", json!("g2"));
        none.as_object_mut().unwrap().remove("messages");
        assert!(read(&none).is_ok());
    }

    #[test]
    fn other_kinds_keep_their_names() {
        for (name, kind) in [("sticker", Kind::Sticker), ("image", Kind::Image), ("?", Kind::Other)]
        {
            let event = submitted(&event(&json!({"type": name, "body": "fallback"})));
            assert_eq!(event.content, Content::Unsupported { kind });
        }
    }

    #[test]
    fn errors_name_the_field() {
        let text = json!({"type": "text", "body": "hi"});
        let with = |key: &str, value: Value| {
            let mut event = event(&text);
            event[key] = value;
            event
        };
        assert_eq!(place_of(&with("from", json!("Carol"))), "from");
        assert_eq!(place_of(&with("to", json!("alice"))), "to");
        assert_eq!(place_of(&with("to", json!("birdychat:dave"))), "to");
        assert_eq!(place_of(&with("id", json!("a b"))), "id");
        assert_eq!(place_of(&with("id", json!("x".repeat(129)))), "id");
        assert_eq!(place_of(&with("sent_at", json!("now"))), "sent_at");
        assert_eq!(place_of(&with("sent_at", json!(-1))), "sent_at");
        assert_eq!(place_of(&with("type", json!("events"))), "type");
        assert_eq!(place_of(&event(&json!({"type": "text"}))), "content.body");
        assert_eq!(place_of(&event(&json!({"type": "text", "body": ""}))), "content.body");
        assert_eq!(place_of(&event(&json!({"type": "text", "body": 1}))), "content.body");
        assert_eq!(place_of(&event(&json!({"body": "hi"}))), "content.type");
        assert_eq!(place_of(&json!({"type": "event", "id": "e1"})), "from");
    }

    #[test]
    fn an_error_is_about_the_frame_and_does_not_repeat_it() {
        let error = read(&json!({"type": "event", "id": "e1", "from": "the secret body"}));
        let error = ErrorFrame::from(error.unwrap_err());
        assert_eq!(error.about.as_deref(), Some("e1"));
        assert!(!serde_json::to_string(&error).unwrap().contains("secret"));
    }

    #[test]
    fn deep_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read_text(&format!(r#"{{"type":"event","x":{deep}}}"#)).is_err());
        let nested = |levels: usize| {
            let mut frame = event(&json!({"type": "text", "body": "hi"})).to_string();
            frame.insert_str(1, &format!(r#""x":{}{},"#, "[".repeat(levels), "]".repeat(levels)));
            read_text(&frame)
        };
        // The frame itself is a level.
        assert!(nested(126).is_ok());
        assert!(nested(127).is_err());
    }

    /// Puts `inner` somewhere within an event.
    fn hidden(inner: Value, depth: &[u8]) -> Value {
        depth.iter().fold(inner, |inner, step| match step % 4 {
            0 => json!([1, inner]),
            1 => json!({"content": inner}),
            2 => json!({"type": "edit", "of": "e0", "content": inner}),
            _ => json!({"in_reply_to": {"id": "e0", "quoted": inner}}),
        })
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = read_text(&text);
        }

        #[test]
        fn no_frame_panics(
            kind in "hello|enlist|delist|event|command|accept|block|mute|report|profile|receipt|typing|presence|ack|refuse",
            key in "id|ids|of|from|to|other|about|for|reason|messages|text|user|name|avatar|content|sent_at|code",
            value in "(null|1e999|-1|\\[\\]|\\{\\}|\"x\"|\\[1,\"a\"\\]|true|[0-9]{1,30})",
        ) {
            let _ = read_text(&format!(r#"{{"type":"{kind}","{key}":{value}}}"#));
        }

        #[test]
        fn a_sticker_is_found_at_any_depth(depth in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut frame = event(&json!({"type": "text", "body": "hi"}));
            frame["x"] = hidden(json!({"type": "sticker", "body": "hi"}), &depth);
            let marks = submitted(&frame).marks;
            prop_assert!(marks.sticker && !marks.disappearing);
        }

        #[test]
        fn a_timer_is_found_at_any_depth(
            depth in proptest::collection::vec(any::<u8>(), 0..20),
            timer in prop::sample::select(vec![
                json!({"expires_in": 0}), json!({"expires_in": 60}), json!({"expires_in": "1h"}),
                json!({"view_once": true}), json!({"view_once": 1}), json!({"type": "disappearing"}),
            ]),
        ) {
            let mut frame = event(&json!({"type": "text", "body": "hi"}));
            frame["content"]["x"] = hidden(timer, &depth);
            let marks = submitted(&frame).marks;
            prop_assert!(marks.disappearing && !marks.sticker);
        }

        #[test]
        fn what_says_that_there_is_none_is_no_mark(
            depth in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut frame = event(&json!({"type": "text", "body": "sticker expires_in view_once"}));
            let none = json!({"expires_in": null, "view_once": false, "sticker": null});
            frame["x"] = hidden(none, &depth);
            prop_assert_eq!(submitted(&frame).marks, Marks::default());
        }
    }
}
