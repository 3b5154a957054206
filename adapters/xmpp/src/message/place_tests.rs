#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use drawbridge_adapter::{Message, Reply, Was};
use proptest::prelude::*;

use super::super::tests::{NOW, PUPPET, addresses, event, message};
use super::super::{ours, write as write_message};
use super::*;

/// The key of a delivery.
const KEY: &str = "01a2b3c4d5e0123456789abcdef";

fn geoloc(inner: &str) -> String {
    format!("<geoloc xmlns='http://jabber.org/protocol/geoloc'>{inner}</geoloc>")
}

fn spot() -> Location {
    Location::new(52.373_056, -4.892_222).unwrap()
}

/// What the daemon gets of a message with this in it.
fn heard(inner: &str) -> Content {
    event("type='chat' id='m1'", inner).content
}

const SPOT: &str = "<lat>52.373056</lat><lon> -4.892222 </lon>";
const NOWHERE: Content = Content::Unsupported { kind: Kind::Location };

#[test]
fn a_place_comes_as_an_element_or_as_a_uri() {
    let uri = "geo:52.373056,-4.892222";
    let oob = |url: &str| format!("<x xmlns='jabber:x:oob'><url>{url}</url></x>");
    for (inner, place) in [
        (format!("<body>{uri}</body>"), spot()),
        (format!("<body> {uri};u=34.2\n</body>"), spot().within(Some(35))),
        (format!("<body>{uri}?z=15</body>"), spot()),
        (format!("<body>{uri}</body>{}", oob(uri)), spot()),
        (geoloc(SPOT), spot()),
        (format!("<body>{uri}</body>{}", geoloc(SPOT)), spot()),
        (
            geoloc(&format!("{SPOT}<accuracy>12.5</accuracy><datum>WGS84</datum>")),
            spot().within(Some(13)),
        ),
        (geoloc(&format!("{SPOT}<accuracy>vast</accuracy>")), spot()),
    ] {
        assert!(heard(&inner) == Content::Location(place), "{inner}");
    }
}

#[test]
fn a_place_has_the_best_name_that_there_is() {
    let long = "x".repeat(2000);
    for (body, inner, name) in [
        ("", "<text>pier</text><description>d</description>", Some("pier")),
        ("", "<text> </text><locality>l</locality><description>d</description>", Some("d")),
        ("", "<area>a</area><locality>l</locality>", Some("l")),
        ("", "<area>a\nb\tc</area>", Some("a b c")),
        ("At the pier", "", Some("At the pier")),
        ("At the pier\n", "<text>At the&#9;pier </text>", Some("At the pier")),
        (" \n ", "<text>pier</text>", Some("pier")),
        ("geo:1,2", "<text>pier</text>", Some("pier")),
        ("geo:1,2", "", None),
        ("", &format!("<text>{long}</text>"), Some(&long[..Location::MAX_NAME])),
    ] {
        let body = if body.is_empty() { String::new() } else { format!("<body>{body}</body>") };
        let inner = format!("{body}{}", geoloc(&format!("{SPOT}{inner}")));
        assert!(heard(&inner) == Content::Location(spot().named(name)), "{inner}");
    }
}

#[test]
fn what_is_nowhere_or_would_lose_words_is_refused() {
    let place = geoloc(SPOT);
    let long = "x".repeat(MAX_BODY + 1);
    for inner in [
        geoloc(""),
        geoloc("<lat>1</lat>"),
        geoloc("<lat>91</lat><lon>0</lon>"),
        geoloc("<lat>NaN</lat><lon>0</lon>"),
        geoloc("<lat>1e1</lat><lon>0</lon>"),
        geoloc("<lat/><lon/>"),
        geoloc(&format!("<lat>{}</lat><lon>0</lon>", "1".repeat(100))),
        geoloc(&format!("{SPOT}<datum>ED50</datum>")),
        format!("<body>I am here.\nCome!</body>{place}"),
        format!("<body>{long}</body>{place}"),
        format!("<body>Bring the keys</body>{}", geoloc(&format!("{SPOT}<text>pier</text>"))),
        format!("<body>a</body>{}", geoloc(&format!("{SPOT}<text>t</text><area>a</area>"))),
        format!("<body>geo:1,2; bring the keys</body>{}", geoloc(&format!("{SPOT}<text>t</text>"))),
        "<body>geo:1,2</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>".to_owned(),
        format!("{place}<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"),
    ] {
        assert_eq!(heard(&inner), NOWHERE, "{inner}");
    }
}

#[test]
fn only_what_is_marked_as_there_for_others_is_cut() {
    let all: &[&str] = &[""];
    for (body, parts, own, expected) in [
        ("A place:\nhttps://maps.test/1", all, "", Some(None)),
        ("A place:\nhttps://maps.test/1", all, "pier", Some(Some("pier"))),
        ("Keys! geo:1,2", &["start='6'"], "", Some(Some("Keys!"))),
        ("Keys! geo:1,2", &["start='6'"], "Keys!", Some(Some("Keys!"))),
        ("Keys! geo:1,2", &["start='6'"], "pier", None),
        ("Keys! geo:1,2", &["start='0' end='6'"], "pier", Some(Some("pier"))),
        ("Map: x\nBring the keys\nnow", &["start='0' end='7'"], "", None),
        ("Map: x\nBring the keys", &["start='0' end='7'"], "pier", None),
        ("Map: x\nBring the keys", &["start='0' end='7'"], "", Some(Some("Bring the keys"))),
        ("Map Keys x", &["start='0' end='3'", "start='8'"], "", Some(Some("Keys"))),
        ("Map Keys x", &["start='0' end='3'", "start='8'"], "pier", None),
        ("\u{e9}\u{1F5FA}x rest", &["end='3'"], "", Some(Some("rest"))),
        // What marks nothing, cuts nothing.
        ("Bring the keys", &["start='9' end='2'"], "pier", None),
        ("Bring the keys", &["start='x'"], "pier", None),
    ] {
        let parts: Vec<_> = parts.iter().map(|part| format!("<body {part}/>")).collect();
        let inner = format!(
            "<body>{body}</body>{}<fallback xmlns='urn:xmpp:fallback:0' \
             for='http://jabber.org/protocol/geoloc'>{}</fallback>",
            geoloc(&format!("{SPOT}<text>{own}</text>")),
            parts.concat(),
        );
        let expected = expected.map_or(NOWHERE, |name| Content::Location(spot().named(name)));
        assert!(heard(&inner) == expected, "{inner}");
    }
}

#[test]
fn other_words_stay_what_they_are() {
    for body in [
        "geo:91,0",
        "see geo:1,2",
        "geo:1,2 or so",
        "geo:0,0?q=1,2",
        "geo:1,2?z=x",
        "geo:",
        "geo:52.5,13.4; bring the keys",
        "geo:52.5,13.4;u=5;\nbring the keys",
        "geo:52.5, 13.4",
        "geo:52.5,13.4;schl\u{fc}ssel",
        "geo:52.5,13.4;bring/keys",
        "geo:52.5,13.4;bring,keys",
        "geo:52.5,13.4;\u{a0}keys",
        "geo:52.5,13.4;why?z=1?z=1",
    ] {
        assert!(heard(&format!("<body>{body}</body>")) == Content::text(body), "{body}");
    }
    let place = geoloc(SPOT);
    for (inner, kind) in [
        (format!("{place}<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>"), Kind::Encrypted),
        (format!("{place}<retract xmlns='urn:xmpp:message-retract:1' id='m0'/>"), Kind::Retraction),
        (
            "<body>geo:1,2</body><x xmlns='jabber:x:oob'><url>https://x.test/a</url></x>"
                .to_owned(),
            Kind::Document,
        ),
        ("<x xmlns='jabber:x:oob'><url>geo:1,2</url></x>".to_owned(), Kind::Document),
    ] {
        assert_eq!(heard(&inner).kind(), kind, "{inner}");
    }
    let timer = "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>";
    assert!(event("id='m1'", &format!("{place}{timer}")).marks.disappearing);
}

#[test]
fn a_place_can_answer_a_message() {
    let reply = format!("<reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{KEY}'/>");
    let quoted = "<body>&gt; where?\ngeo:52.373056,-4.892222</body>\
        <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='9'/></fallback>";
    for (inner, quote) in [(geoloc(SPOT), None), (quoted.to_owned(), Some("where?".to_owned()))] {
        let event = event("type='chat' id='m1'", &format!("{inner}{reply}"));
        assert!(event.content == Content::Location(spot()), "{inner}");
        assert!(event.reply == Some(Reply::answering(ours(KEY), quote)), "{inner}");
    }
}

#[test]
fn quotes_and_what_is_there_for_others_are_counted_in_the_same_body() {
    let reply = format!("<reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{KEY}'/>");
    let cut = |what: &str, part: &str| {
        format!("<fallback xmlns='urn:xmpp:fallback:0' for='{what}'><body {part}/></fallback>")
    };
    let inner = format!(
        "<body>&gt; where?\nMap: x\nPier</body>{}{reply}{}{}",
        geoloc(SPOT),
        cut("urn:xmpp:reply:0", "start='0' end='9'"),
        cut("http://jabber.org/protocol/geoloc", "start='9' end='16'"),
    );
    let event = event("type='chat' id='m1'", &inner);
    assert!(event.content == Content::Location(spot().named(Some("Pier"))));
    assert!(event.reply == Some(Reply::answering(ours(KEY), Some("where?".to_owned()))));
}

#[test]
fn a_place_is_written_as_clients_show_it() {
    let place = spot().within(Some(35)).named(Some("the <pier>"));
    let reply = Some(Reply::answering(ours(KEY), Some("where?".to_owned())));
    assert!(ours(KEY).is_some_and(|of| of.was == Was::Delivered));
    let message = Message { content: Content::Location(place), reply, ..message("", None) };
    let wire = write_message(&message, "k1", &addresses(), None, NOW).unwrap().to_wire();
    let expected = format!(
        "<body>geo:52.373056,-4.892222;u=35</body>\
         <geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>52.373056</lat>\
         <lon>-4.892222</lon><accuracy>35</accuracy><text>the &lt;pier&gt;</text></geoloc>\
         <reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{KEY}'/><active"
    );
    assert!(wire.contains(&expected), "{wire}");
    assert!(!wire.contains("fallback"), "{wire}");
}

proptest! {
    #[test]
    fn every_place_is_read_as_it_was_written(
        (latitude, longitude) in (-90.0..=90.0, -180.0..=180.0),
        uncertainty in proptest::option::of(0_u32..20_000_000),
        name in proptest::option::of("[^\\pC]{0,80}"),
        alone in any::<bool>(),
    ) {
        let place = Location::new(latitude, longitude).unwrap().within(uncertainty);
        let named = place.clone().named(name.as_deref());
        let (body, geoloc) = write(&named);
        let body = Xml::new("body").text(body).to_wire();
        if alone {
            prop_assert!(heard(&body) == Content::Location(place));
        } else {
            prop_assert!(heard(&(body + &geoloc.to_wire())) == Content::Location(named));
        }
    }

    #[test]
    fn no_words_beside_a_place_are_lost(
        said in "[a-z]{1,9}( [a-z]{1,9}){0,3}",
        own in proptest::option::of("[A-Z]{1,9}"),
        map in "[0-9 ]{0,9}",
        parameter in any::<bool>(),
    ) {
        let text = own.as_deref().map(|own| format!("<text>{own}</text>")).unwrap_or_default();
        let inner = format!(
            "<body>{map}{said}</body>{}<fallback xmlns='urn:xmpp:fallback:0' \
             for='http://jabber.org/protocol/geoloc'><body start='0' end='{}'/></fallback>",
            geoloc(&format!("{SPOT}{text}")), map.len(),
        );
        let name = spot().named(Some(&said));
        let expected = own.map_or(Content::Location(name), |_| NOWHERE);
        prop_assert!(heard(&inner) == expected);
        let between = if parameter { "; " } else { " " };
        let body = format!("geo:1,2{between}{said}");
        let content = heard(&format!("<body>{body}</body>"));
        prop_assert!(content == Content::text(body));
    }

    #[test]
    fn no_place_makes_it_panic(
        [lat, lon, accuracy, text, body] in proptest::array::uniform5("[-+0-9.e]{0,40}|[^\\pC]{0,20}|geo:[-0-9.,;?z=u]{0,20}"),
    ) {
        let part = |name, text: &str| Xml::new(name).text(text);
        let inner = Xml::within("geoloc", ns::GEOLOC)
            .child(part("lat", &lat)).child(part("lon", &lon))
            .child(part("accuracy", &accuracy)).child(part("text", &text));
        let body = part("body", &body);
        heard(&(body.to_wire() + &inner.to_wire()));
        if !body.to_wire().contains("<body></body>") {
            let _ = super::super::tests::hear(super::super::tests::stanza("id='m1'", &body.to_wire()));
        }
    }
}
