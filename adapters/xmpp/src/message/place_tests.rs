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
        ("At the pier\n", "<text>pier</text>", Some("pier")),
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
        "<body>geo:1,2</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>".to_owned(),
        format!("{place}<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"),
    ] {
        assert_eq!(heard(&inner), NOWHERE, "{inner}");
    }
    let marked = format!(
        "<body>A place:\nhttps://maps.test/1</body>{place}<fallback xmlns='urn:xmpp:fallback:0' \
         for='http://jabber.org/protocol/geoloc'><body/></fallback>"
    );
    assert!(heard(&marked) == Content::Location(spot()));
}

#[test]
fn other_words_stay_what_they_are() {
    for body in ["geo:91,0", "see geo:1,2", "geo:1,2 or so", "geo:0,0?q=1,2", "geo:1,2?z=x", "geo:"]
    {
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
        assert!(event.reply == Some(Reply { to: ours(KEY), quote }), "{inner}");
    }
}

#[test]
fn a_place_is_written_as_clients_show_it() {
    let place = spot().within(Some(35)).named(Some("the <pier>"));
    let reply = Some(Reply { to: ours(KEY), quote: Some("where?".to_owned()) });
    assert!(ours(KEY).is_some_and(|of| of.was == Was::Delivered));
    let message = Message { content: Content::Location(place), reply, ..message("", None) };
    let wire = write_message(&message, "k1", &addresses(), NOW).unwrap().to_wire();
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
