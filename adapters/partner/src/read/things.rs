//! Places, contact cards, polls, and who is there.

use drawbridge_adapter::{ContactCard, Location, Passing, Poll, Presence, metres};

use super::{Flaw, Frame, flaw, foreign, user};
use crate::PartnerAddressing;
use crate::frame::{AppPresence, ContactContent, LocationContent, PollContent};

pub(super) fn location(location: LocationContent) -> Result<Location, Flaw> {
    let LocationContent { latitude, longitude, uncertainty, name } = location;
    let place = Location::new(latitude, 0.0);
    place.ok_or_else(|| flaw("content.latitude", "is not -90 to 90 degrees"))?;
    let place = Location::new(latitude, longitude);
    let place = place.ok_or_else(|| flaw("content.longitude", "is not -180 to 180 degrees"))?;
    let within = uncertainty.map(|far| {
        let far = far.as_f64().and_then(metres);
        far.ok_or_else(|| flaw("content.uncertainty", "is not 0 to 20000000 metres"))
    });
    let name = name.map(|name| {
        let name = (name.len() <= Location::MAX_NAME).then(|| one_line(&name)).flatten();
        name.ok_or_else(|| {
            flaw("content.name", "is longer than 1024 bytes, or has U+FFFE or U+FFFF")
        })
    });
    let name = name.transpose()?;
    Ok(place.within(within.transpose()?).named(name.as_deref()))
}

pub(super) fn contact(contact: ContactContent) -> Result<ContactCard, Flaw> {
    const LINE: &str = "is blank, is longer than 256 bytes, or has U+FFFE or U+FFFF";
    const LINES: &str =
        "is not at most 10 texts of 1 to 256 bytes, none of them blank or with U+FFFE or U+FFFF";
    let lines = |place: &str, lines: Option<Vec<String>>| {
        let lines = lines.unwrap_or_default();
        let fits = lines.len() <= ContactCard::MOST;
        let lines: Option<_> = lines.iter().map(|one| line(one, ContactCard::MAX_LINE)).collect();
        lines.filter(|_| fits).ok_or_else(|| flaw(place, LINES))
    };
    let ContactContent { name, phones, emails, addresses } = contact;
    let name = line(&name, ContactCard::MAX_LINE);
    Ok(ContactCard {
        name: name.ok_or_else(|| flaw("content.name", LINE))?,
        phones: lines("content.phones", phones)?,
        emails: lines("content.emails", emails)?,
        addresses: lines("content.addresses", addresses)?,
    })
}

pub(super) fn poll(poll: PollContent) -> Result<Poll, Flaw> {
    const LINE: &str = "is blank, is longer than 1024 bytes, or has U+FFFE or U+FFFF";
    const LINES: &str =
        "is not 2 to 20 texts of 1 to 1024 bytes, none of them blank or with U+FFFE or U+FFFF";
    let PollContent { question, answers, max_selections } = poll;
    let question = line(&question, Poll::MAX_LINE).ok_or_else(|| flaw("content.question", LINE))?;
    let fits = (2..=Poll::MOST).contains(&answers.len());
    let answers: Option<Vec<_>> = answers.iter().map(|one| line(one, Poll::MAX_LINE)).collect();
    let answers = answers.filter(|_| fits).ok_or_else(|| flaw("content.answers", LINES))?;
    let all = u32::try_from(answers.len()).unwrap_or(u32::MAX);
    match max_selections.unwrap_or(1) {
        0 => Err(flaw("content.max_selections", "is not at least 1")),
        most => Ok(Poll { question, answers, most: most.min(all) }),
    }
}

pub(super) fn presence(
    presence: &AppPresence,
    addressing: &PartnerAddressing,
) -> Result<Frame, Flaw> {
    let by = user("from", &presence.from, addressing)?;
    let to = foreign("to", &presence.to, addressing)?;
    Ok(Frame::Passing(Passing::Presence(Presence { by, to, is: presence.state.into() })))
}

/// A line that says something, and fits.
fn line(text: &str, most: usize) -> Option<String> {
    let line = (text.len() <= most).then(|| one_line(text)).flatten();
    line.filter(|line| !line.trim().is_empty())
}

/// The same without line breaks and control characters: what is shown as one line stays one.
/// `None` if it has what not every network can carry.
fn one_line(text: &str) -> Option<String> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    (!text.contains(['\u{fffe}', '\u{ffff}'])).then(|| text.replace(breaks, " "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use drawbridge_adapter::{Content, There, UserId};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::tests::{event, place_of, read, submitted};
    use super::*;

    fn said(content: &Value) -> Content {
        submitted(&event(content)).content
    }

    fn strings(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_place_has_its_coordinates_and_perhaps_a_name() {
        let bare = json!({"type": "location", "latitude": 52.373_056, "longitude": -4});
        let place = Location::new(52.373_056, -4.0).unwrap();
        assert!(said(&bare) == Content::Location(place.clone()));
        let named = json!({"type": "location", "latitude": 52.373_056, "longitude": -4,
                           "uncertainty": 12.5, "name": "the\npier"});
        let place = place.within(Some(13)).named(Some("the pier"));
        assert!(said(&named) == Content::Location(place));
        let blank = json!({"type": "location", "latitude": 0, "longitude": 0, "name": " ",
                           "uncertainty": null});
        assert!(said(&blank) == Content::Location(Location::new(0.0, 0.0).unwrap()));
    }

    #[test]
    fn a_card_has_a_name_and_what_there_is_of_the_rest() {
        let bare = json!({"type": "contact", "name": "Zoë", "phones": null});
        let (phones, emails, addresses) = (Vec::new(), Vec::new(), Vec::new());
        let card = ContactCard { name: "Zoë".to_owned(), phones, emails, addresses };
        assert!(said(&bare) == Content::Contact(card.clone()));
        let full = json!({"type": "contact", "name": "Zoë", "phones": ["+31 20 123", "112"],
                          "emails": ["zoe@p.test"], "addresses": ["xmpp:zoe@p.test\r\n!"]});
        let (phones, emails) = (strings(&["+31 20 123", "112"]), strings(&["zoe@p.test"]));
        let addresses = strings(&["xmpp:zoe@p.test  !"]);
        assert!(said(&full) == Content::Contact(ContactCard { phones, emails, addresses, ..card }));
    }

    #[test]
    fn a_control_character_in_a_line_is_a_space() {
        let controls = "\0\t\n\u{b}\u{c}\r\u{1b}\u{7f}\u{80}\u{85}\u{9f}\u{2028}\u{2029}";
        let (dirty, clean) = (format!("a{controls}b"), format!("a{}b", " ".repeat(13)));
        let place = json!({"type": "location", "latitude": 1, "longitude": 2, "name": dirty});
        let named = Location::new(1.0, 2.0).unwrap().named(Some(&clean));
        assert!(said(&place) == Content::Location(named));
        let card = json!({"type": "contact", "name": dirty, "phones": [dirty], "emails": [dirty],
                          "addresses": [dirty]});
        let lines = strings(&[&clean]);
        let (phones, emails, addresses) = (lines.clone(), lines.clone(), lines);
        let name = clean.clone();
        assert!(said(&card) == Content::Contact(ContactCard { name, phones, emails, addresses }));
        let poll = json!({"type": "poll", "question": dirty, "answers": [dirty, "no"]});
        let (question, answers) = (clean.clone(), strings(&[&clean, "no"]));
        assert!(said(&poll) == Content::Poll(Poll { question, answers, most: 1 }));
    }

    #[test]
    fn of_a_poll_one_answer_may_be_chosen_unless_it_says_more() {
        let poll = |most: Value| {
            json!({"type": "poll", "question": "Tea?", "answers": ["yes", "no"],
                   "max_selections": most})
        };
        for (told, most) in [(Value::Null, 1), (json!(1), 1), (json!(2), 2), (json!(99), 2)] {
            let (question, answers) = ("Tea?".to_owned(), strings(&["yes", "no"]));
            assert!(said(&poll(told)) == Content::Poll(Poll { question, answers, most }));
        }
    }

    #[test]
    fn what_is_no_message_of_its_kind_is_named_by_its_field() {
        let spot = json!({"type": "location", "latitude": 1, "longitude": 2});
        let card = json!({"type": "contact", "name": "Zoë"});
        let poll = json!({"type": "poll", "question": "Tea?", "answers": ["yes", "no"]});
        let long = |bytes: usize| json!("x".repeat(bytes));
        for (good, key, bad) in [
            (&spot, "latitude", json!(90.1)),
            (&spot, "latitude", json!("52")),
            (&spot, "longitude", json!(-181)),
            (&spot, "longitude", json!(1e300)),
            (&spot, "longitude", Value::Null),
            (&spot, "uncertainty", json!(-1)),
            (&spot, "uncertainty", json!(20_000_001)),
            (&spot, "uncertainty", json!("far")),
            (&spot, "name", long(1025)),
            (&spot, "name", json!(["pier"])),
            (&spot, "name", json!("pier\u{fffe}")),
            (&card, "name", json!(" \n")),
            (&card, "name", json!("\u{1} \u{9f}")),
            (&card, "name", json!("Zoë\u{ffff}")),
            (&card, "phones", json!(["112", "\u{ffff}"])),
            (&card, "emails", json!(["\u{fffe}zoe@p.test"])),
            (&card, "addresses", json!(["xmpp:\u{ffff}"])),
            (&card, "name", long(257)),
            (&card, "phones", json!("112")),
            (&card, "phones", json!([""])),
            (&card, "emails", json!(["zoe@p.test", long(257)])),
            (&card, "addresses", json!(vec!["x"; 11])),
            (&poll, "question", json!("\u{2028}")),
            (&poll, "question", long(1025)),
            (&poll, "question", json!("Tea\u{fffe}?")),
            (&poll, "answers", json!(["yes", "no\u{ffff}"])),
            (&poll, "answers", json!(["yes"])),
            (&poll, "answers", json!(["yes", " "])),
            (&poll, "answers", json!(["yes", long(1025)])),
            (&poll, "answers", json!(vec!["x"; 21])),
            (&poll, "max_selections", json!(0)),
            (&poll, "max_selections", json!(1.5)),
            (&poll, "max_selections", json!(-1)),
        ] {
            assert!(read(&event(good)).is_ok());
            let mut content = good.clone();
            content[key] = bad;
            let found = place_of(&event(&content));
            assert!(found.starts_with(&format!("content.{key}")), "{content}: {found}");
        }
        for (good, key) in [(&spot, "longitude"), (&card, "name"), (&poll, "answers")] {
            let mut content = good.clone();
            content.as_object_mut().unwrap().remove(key);
            assert_eq!(place_of(&event(&content)), format!("content.{key}"));
        }
    }

    #[test]
    fn the_longest_of_each_is_taken() {
        let long = |bytes: usize| "x".repeat(bytes);
        let place = json!({"type": "location", "latitude": -90, "longitude": 180,
                           "uncertainty": 20_000_000, "name": long(1024)});
        let lines = vec![long(256); 10];
        let card = json!({"type": "contact", "name": long(256), "phones": lines, "emails": lines,
                          "addresses": lines});
        let poll = json!({"type": "poll", "question": long(1024), "answers": vec![long(1024); 20],
                          "max_selections": 20});
        for content in [place, card, poll] {
            assert!(read(&event(&content)).is_ok());
        }
    }

    #[test]
    fn each_may_answer_a_message() {
        for content in [
            json!({"type": "location", "latitude": 1, "longitude": 2}),
            json!({"type": "contact", "name": "Zoë"}),
            json!({"type": "poll", "question": "Tea?", "answers": ["yes", "no"]}),
        ] {
            let mut frame = event(&content);
            (frame["in_reply_to"], frame["quote"]) = (json!({"app": "m1"}), json!("where?"));
            let reply = submitted(&frame).reply.unwrap();
            assert_eq!(reply.to.unwrap().id.as_str(), "m1");
            assert_eq!(reply.quote.as_deref(), Some("where?"));
        }
    }

    #[test]
    fn who_is_there_is_one_of_three_words() {
        let alice: UserId = "matrix:@alice:hs.test".parse().unwrap();
        let by: UserId = "birdychat:carol".parse().unwrap();
        let frame =
            |state: &str| json!({"type": "presence", "from": "carol", "to": alice, "state": state});
        for (state, is) in
            [("online", There::Online), ("away", There::Away), ("offline", There::Offline)]
        {
            let Ok(Frame::Passing(passing)) = read(&frame(state)) else { panic!("no presence") };
            let (by, to) = (by.clone(), alice.clone());
            assert_eq!(passing, Passing::Presence(Presence { by, to, is }));
            for (key, value) in
                [("state", json!("busy")), ("from", json!("Carol")), ("to", json!("alice"))]
            {
                let mut bad = frame(state);
                bad[key] = value;
                assert_eq!(place_of(&bad), key);
            }
        }
    }

    /// The examples of docs/partner-protocol.md.
    #[test]
    fn the_examples_in_the_documentation_can_be_read() {
        let page = include_str!("../../../../docs/partner-protocol.md");
        let (mut kinds, mut blocks) = (Vec::new(), page.split("\n```json frames\n").skip(1));
        let frames = blocks.by_ref().flat_map(|rest| rest.split("\n```").next().unwrap().lines());
        for frame in frames {
            let frame: Value = serde_json::from_str(frame).unwrap();
            assert!(read(&frame).is_ok(), "{frame}");
            let kind = &frame["content"]["type"];
            kinds.push(kind.as_str().or(frame["type"].as_str()).unwrap().to_owned());
        }
        let all = [
            "location",
            "contact",
            "poll",
            "text",
            "presence",
            "profile",
            "profile",
            "image",
            "voice",
            "fetch_failed",
        ];
        assert_eq!(kinds, all);
    }

    /// Whatever there might stand in a frame.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-200.0..200.0_f64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "(x| |\n|é){0,600}".prop_map(Value::from),
            "(x|\u{0}|\u{1b}|\u{9f}|\u{2028}|\u{fffe}){1,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 32, 24, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
                inner.prop_map(|value| json!({"a": value})),
            ]
        })
    }

    fn is_line(line: &str, most: usize) -> bool {
        let unfit = |c: char| {
            c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
        };
        !line.trim().is_empty() && line.len() <= most && !line.contains(unfit)
    }

    proptest! {
        #[test]
        fn no_thing_panics_or_breaks_its_bounds(
            kind in "location|contact|poll",
            changes in proptest::collection::vec(
                ("latitude|longitude|uncertainty|name|phones|emails|addresses|question|answers|max_selections",
                 value()),
                0..4,
            ),
        ) {
            let mut content = json!({"type": kind, "latitude": 1, "longitude": 2, "name": "a",
                                     "question": "b", "answers": ["c", "d"]});
            for (key, value) in changes {
                content[key] = value;
            }
            let Ok(Frame::Event(event)) = read(&event(&content)) else { return Ok(()) };
            match event.content {
                Content::Location(place) => {
                    prop_assert!(place.latitude().abs() <= 90.0 && place.longitude().abs() <= 180.0);
                    prop_assert!(place.name.is_none_or(|name| is_line(&name, Location::MAX_NAME)));
                }
                Content::Contact(card) => {
                    prop_assert!(card.lines().all(|line| is_line(line, ContactCard::MAX_LINE)));
                    for lines in [card.phones, card.emails, card.addresses] {
                        prop_assert!(lines.len() <= ContactCard::MOST);
                    }
                }
                Content::Poll(poll) => {
                    prop_assert!(poll.lines().all(|line| is_line(line, Poll::MAX_LINE)));
                    let answers = poll.answers.len();
                    prop_assert!((2..=Poll::MOST).contains(&answers));
                    prop_assert!((1..=answers).contains(&(poll.most as usize)));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
