//! Places and polls, as clients write them: MSC3488 and MSC3381, under their stable names and under
//! those that are in use before.

use drawbridge_adapter::{Kind, Location, Poll};
use serde_json::Value;

const LOCATION: [&str; 2] = ["org.matrix.msc3488.location", "m.location"];
const ASSET: [&str; 2] = ["org.matrix.msc3488.asset", "m.asset"];
const POLL: [&str; 4] =
    ["m.poll", "m.poll.start", "org.matrix.msc3381.v2.poll", "org.matrix.msc3381.poll.start"];
const TEXT: [&str; 3] = ["m.text", "org.matrix.msc1767.text", "body"];

/// Whether an event of this type is a place by itself.
pub(super) fn is_place(kind: &str) -> bool {
    LOCATION.contains(&kind)
}

/// Whether an event of this type asks something: votes, and the end of a poll, do not.
pub(super) fn is_poll_start(kind: &str) -> bool {
    let unstable = kind.strip_prefix("org.matrix.msc3381.");
    kind == "m.poll.start" || unstable.is_some_and(|kind| kind.ends_with("poll.start"))
}

/// Reads a place, called as its sender calls it; `body` is what clients show that know no places.
pub(super) fn place(content: &Value, body: Option<&str>) -> Result<Location, Kind> {
    let field = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let asset = first(content, &ASSET).and_then(|asset| field(asset, "type"));
    if asset.as_deref() == Some("m.self.live") {
        return Err(Kind::LiveLocation);
    }
    let extended = first(content, &LOCATION);
    let uri = content.get("geo_uri").or_else(|| extended.and_then(|of| of.get("uri")));
    let uri = uri.and_then(Value::as_str).ok_or(Kind::Location)?;
    let place = Location::from_geo(uri).ok_or(Kind::Location)?;
    let description = extended.and_then(|of| field(of, "description"));
    let mut names = [description.as_deref(), body].into_iter().flatten();
    let name = names.find(|name| is_name(name, uri)).map(one_line);
    Ok(place.named(name.as_deref()))
}

/// Whether somebody called a place so: what clients write by themselves holds its URI, or is a link
/// to a map.
fn is_name(text: &str, uri: &str) -> bool {
    let text = text.trim();
    let link = ["https://", "http://"].into_iter().any(|start| text.starts_with(start));
    let of_a_map = |word: &str| {
        Location::from_geo(word.trim_matches(|c: char| !c.is_alphanumeric())).is_some()
    };
    let mut words = text.split_whitespace();
    let generated =
        text.contains(uri) || link && words.clone().nth(1).is_none() || words.any(of_a_map);
    !generated && !text.is_empty()
}

/// Reads the start of a poll; `None` if there is nothing to choose, or more than is carried.
pub(super) fn poll(content: &Value) -> Option<Poll> {
    let poll = first(content, &POLL)?;
    let question = line(poll.get("question")?)?;
    let answers = poll.get("answers")?.as_array()?;
    if !(2..=Poll::MOST).contains(&answers.len()) {
        return None;
    }
    let answers: Vec<_> = answers.iter().map(line).collect::<Option<_>>()?;
    let most = poll.get("max_selections").and_then(Value::as_u64).unwrap_or(1);
    let all = u32::try_from(answers.len()).ok()?;
    let most = u32::try_from(most).unwrap_or(all).clamp(1, all);
    Some(Poll { question, answers, most })
}

/// The plain text of a question or an answer: a string, or a list of the same in several formats.
fn line(of: &Value) -> Option<String> {
    let text = TEXT.into_iter().find_map(|name| match of.get(name)? {
        Value::String(text) => Some(text.as_str()),
        Value::Array(all) => all.iter().find(|one| is_plain(one))?.get("body")?.as_str(),
        _ => None,
    })?;
    let text = one_line(text);
    (1..=Poll::MAX_LINE).contains(&text.len()).then_some(text)
}

fn is_plain(one: &Value) -> bool {
    one.get("mimetype").is_none_or(|mimetype| mimetype == "text/plain")
}

fn one_line(text: &str) -> String {
    let breaks =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    text.replace("\r\n", " ").replace(breaks, " ").trim().to_owned()
}

fn first<'a>(content: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| content.get(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    const URI: &str = "geo:52.5,-4.25;u=35";

    fn named(description: &Value, body: &str) -> Option<String> {
        let extended = json!({ "uri": URI, "description": description });
        let content = json!({ "geo_uri": URI, "org.matrix.msc3488.location": extended });
        let place = place(&content, Some(body)).unwrap();
        assert_eq!((place.latitude(), place.longitude()), (52.5, -4.25));
        assert_eq!(place.uncertainty, Some(35));
        place.name
    }

    #[test]
    fn a_place_is_called_as_its_sender_calls_it() {
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(named(&json!("the pier"), "Location"), some("the pier"));
        assert_eq!(named(&json!(null), "the <pier>\r\n& harbour"), some("the <pier> & harbour"));
        assert_eq!(named(&json!("  "), "at 5: the pier, geo: no"), some("at 5: the pier, geo: no"));
        assert_eq!(named(&json!(URI), "the pier"), some("the pier"));
        assert_eq!(named(&json!(["x"]), "see https://pier.test"), some("see https://pier.test"));
        let link = "https://pier.test is it";
        assert_eq!(named(&json!(null), link), some(link));
        for body in [
            URI,
            "geo:52.5,-4.25",
            "",
            " \n",
            "Location geo:52.5,-4.25;u=35 at 2026-11-22T12:00:00.000Z",
            "Location was shared at GEO:52.5,-4.25.",
            " https://maps.test/ ",
            "https://www.openstreetmap.org/?mlat=52.5&mlon=-4.25#map=16/52.5/-4.25",
        ] {
            assert_eq!(named(&json!(null), body), None, "{body}");
        }
    }

    #[test]
    fn a_place_needs_its_uri() {
        let of = |content: Value| place(&content, Some("the pier"));
        for name in LOCATION {
            let there = of(json!({ name: { "uri": URI } })).unwrap();
            assert_eq!(there.to_geo(), URI);
            assert_eq!(there.name.as_deref(), Some("the pier"));
        }
        for bad in [
            json!({}),
            json!(null),
            json!({ "geo_uri": 5 }),
            json!({ "geo_uri": "geo:91,0" }),
            json!({ "geo_uri": "https://osm.test", "m.location": { "uri": URI } }),
            json!({ "geo_uri": null, "m.location": { "uri": URI } }),
            json!({ "m.location": URI }),
        ] {
            assert_eq!(of(bad), Err(Kind::Location));
        }
        let moves =
            json!({ "geo_uri": URI, "org.matrix.msc3488.asset": { "type": "m.self.live" } });
        assert_eq!(of(moves), Err(Kind::LiveLocation));
        let stays = json!({ "geo_uri": URI, "m.asset": { "type": "m.self" } });
        assert!(of(stays).is_ok());
    }

    fn lunch() -> Poll {
        let answers = vec!["soup".to_owned(), "bread & cheese".to_owned()];
        Poll { question: "What is for lunch?".to_owned(), answers, most: 2 }
    }

    #[test]
    fn polls_are_read_as_they_were_and_are_written() {
        let block =
            |text: &str| json!([{ "mimetype": "text/html", "body": "<b>" }, { "body": text }]);
        let question = "What is for\nlunch?";
        let (soup, bread) = ("soup", " bread & cheese ");
        let stable = json!({
            "m.text": block("What is for lunch?\n1. soup\n2. bread & cheese"),
            "m.poll": {
                "kind": "m.undisclosed", "max_selections": 2, "question": { "m.text": block(question) },
                "answers": [{ "m.id": "1", "m.text": block(soup) }, { "m.id": "2", "m.text": block(bread) }],
            },
        });
        let text = "org.matrix.msc1767.text";
        let unstable = |name: &str| {
            json!({
                text: "What is for lunch?",
                name: {
                    "kind": "org.matrix.msc3381.poll.disclosed", "max_selections": 5,
                    "question": { text: question, "body": "?", "msgtype": "m.text" },
                    "answers": [{ "id": "1", text: soup }, { "id": "2", text: bread }],
                },
            })
        };
        assert_eq!(poll(&stable), Some(lunch()));
        for name in ["org.matrix.msc3381.poll.start", "m.poll.start", "org.matrix.msc3381.v2.poll"]
        {
            assert_eq!(poll(&unstable(name)), Some(lunch()), "{name}");
        }
    }

    #[test]
    fn what_is_no_poll_or_too_much_of_one_is_none() {
        let of = |question: &str, answers: Vec<&str>, most: Value| {
            let answers = answers.into_iter().map(|text| json!({ "m.text": [{ "body": text }] }));
            let question = json!({ "m.text": [{ "body": question }] });
            let answers: Vec<_> = answers.collect();
            let asked = json!({ "question": question, "answers": answers, "max_selections": most });
            poll(&json!({ "m.poll": asked }))
        };
        assert_eq!(of("?", vec!["a"; 20], json!(3)).unwrap().most, 3);
        assert_eq!(of(&"x".repeat(1024), vec!["a", "b"], json!(u64::MAX)).unwrap().most, 2);
        for odd in [json!(0), json!(-1), json!("2"), json!(null)] {
            assert_eq!(of("?", vec!["a", "b"], odd).unwrap().most, 1);
        }
        for (question, answers) in [
            ("?", vec!["a"; 21]),
            ("?", vec!["a"]),
            ("?", vec![]),
            (" \n", vec!["a", "b"]),
            ("?", vec!["a", ""]),
            (&"x".repeat(1025), vec!["a", "b"]),
            ("?", vec!["a", &"x".repeat(1025)]),
        ] {
            assert_eq!(of(question, answers, json!(1)), None);
        }
        for none in [json!(null), json!({ "m.poll": 1 }), json!({ "m.poll": { "question": "?" } })]
        {
            assert_eq!(poll(&none), None);
        }
    }

    #[test]
    fn votes_and_ends_ask_nothing() {
        for start in
            ["m.poll.start", "org.matrix.msc3381.poll.start", "org.matrix.msc3381.v2.poll.start"]
        {
            assert!(is_poll_start(start));
        }
        for other in ["m.poll.response", "m.poll.end", "org.matrix.msc3381.poll.response", "m.poll"]
        {
            assert!(!is_poll_start(other));
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_within_bounds(
            question in any_json(),
            answers in prop::collection::vec(
                prop_oneof![4 => "\\PC{0,12}".prop_map(Value::from), 1 => any_json()], 0..24,
            ),
            most in any_json(),
            text in "\\PC{0,40}|[\\s ]{0,4}",
        ) {
            let line = |of: &Value| json!({ "m.text": of, "body": text });
            let asked = json!({
                "question": line(&question), "answers": answers.iter().map(line).collect::<Vec<_>>(),
                "max_selections": most,
            });
            if let Some(poll) = poll(&json!({ "m.poll.start": asked })) {
                prop_assert!((2..=Poll::MOST).contains(&poll.answers.len()));
                prop_assert!(poll.lines().all(|line| (1..=Poll::MAX_LINE).contains(&line.len())));
                prop_assert!(poll.lines().all(|line| !line.trim().is_empty() && !line.contains('\n')));
                prop_assert!((1..=poll.answers.len()).contains(&(poll.most as usize)));
            }
        }

        #[test]
        fn any_uri_and_any_name_is_a_place_or_none(
            uri in "geo:[-0-9.,;u=a ]{0,24}|\\PC{0,12}",
            name in "\\PC{0,40}|(é\n){0,600}",
            extended in any_json(),
        ) {
            let content = json!({ "geo_uri": uri, "m.location": extended, "m.asset": extended });
            let _ = place(&extended, Some(&name));
            if let Ok(place) = place(&content, Some(&name)) {
                let name = place.name.unwrap_or_else(|| "x".to_owned());
                prop_assert!((1..=Location::MAX_NAME).contains(&name.len()) && !name.contains('\n'));
            }
        }
    }
}
