#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::sync::Arc;

use drawbridge_adapter::{NetworkId, Picture, Sha256, Shown};
use drawbridge_testkit::ReferenceBridge;
use minidom::Element;
use proptest::prelude::*;

use super::read::{self, Card, Fact, Told};
use super::write;
use super::{Known, Profiles};
use crate::address::Addresses;
use crate::failure::Envelope;
use crate::outward::Outward;
use crate::profile::write::{About, Question};
use crate::stream::Stanza;

const CAROL: &str = "elsewhere_carol@bridge.p.test";

fn element(text: &str) -> Element {
    text.replacen(' ', " xmlns='jabber:component:accept' ", 1).parse().unwrap()
}

fn event(from: &str, parts: &str) -> Element {
    element(&format!(
        "<message type='headline' from='{from}' to='{CAROL}'>\
         <event xmlns='http://jabber.org/protocol/pubsub#event'>{parts}</event></message>"
    ))
}

fn items(node: &str, payload: &str) -> String {
    format!("<items node='{node}'><item id='1'>{payload}</item></items>")
}

fn nick(name: &str) -> String {
    items(
        "http://jabber.org/protocol/nick",
        &format!("<nick xmlns='http://jabber.org/protocol/nick'>{name}</nick>"),
    )
}

fn metadata(infos: &str) -> String {
    let metadata = format!("<metadata xmlns='urn:xmpp:avatar:metadata'>{infos}</metadata>");
    items("urn:xmpp:avatar:metadata", &metadata)
}

fn told(parts: &str) -> Option<Vec<Told>> {
    read::event(&event("bob@p.test", parts))
}

#[test]
fn an_event_tells_a_name_or_a_picture() {
    let is = |name: &str| Some(vec![Told::Name(Some(name.to_owned()))]);
    assert_eq!(told(&nick("Bob")), is("Bob"));
    assert_eq!(told(&nick("  Bob\tB.\n ")), is("BobB."));
    assert_eq!(told(&nick(&"b".repeat(9000))), is(&"b".repeat(256)));
    assert_eq!(told(&nick(" ")), Some(vec![Told::Name(None)]));
    assert_eq!(told(""), Some(Vec::new()));
    assert_eq!(told(&items("urn:x", "<nick xmlns='urn:x'/>")), Some(Vec::new()));
    for vague in [
        "<purge node='urn:xmpp:avatar:metadata'/>".to_owned(),
        "<items node='urn:xmpp:avatar:metadata'><retract id='1'/></items>".to_owned(),
        items("urn:xmpp:avatar:metadata", "<nick xmlns='http://jabber.org/protocol/nick'/>"),
        items("urn:xmpp:vcard4", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"),
    ] {
        assert_eq!(told(&vague), Some(vec![Told::Something]), "{vague}");
    }
    assert_eq!(read::event(&element("<message from='bob@p.test'><body>x</body></message>")), None);
}

#[test]
fn of_several_pictures_the_best_that_fits_is_taken() {
    let face = |infos: &str| match told(&metadata(infos)).unwrap().pop() {
        Some(Told::Face(face)) => face,
        other => panic!("{other:?}"),
    };
    let png = |id: &str, bytes: u32| format!("<info type='image/png' id='{id}' bytes='{bytes}'/>");
    assert_eq!(face(""), None);
    assert_eq!(face(&png("a", 10)).as_deref(), Some("a"));
    let several = png("a", 10) + &png("b", 65536) + &png("c", 65537);
    assert_eq!(face(&several).as_deref(), Some("b"));
    let hash = "AB".repeat(20);
    assert_eq!(face(&png(&hash, 10)), Some(hash.to_lowercase()));
    for closed in [
        png("", 10),
        png(&"a".repeat(257), 10),
        "<info type='image/svg+xml' id='a' bytes='10'/>".to_owned(),
        "<info type='image/png' id='a' bytes='10' url='https://p.test/a.png'/>".to_owned(),
        "<info type='image/png' bytes='10'/>".to_owned(),
    ] {
        assert_eq!(face(&closed), None, "{closed}");
    }
}

fn card(inner: &str) -> Card {
    read::card(&format!("<vCard xmlns='vcard-temp'>{inner}</vCard>").parse().unwrap())
}

#[test]
fn a_card_is_read_as_far_as_it_makes_sense() {
    let name = |inner: &str| card(inner).name;
    assert_eq!(name("<FN>Robert</FN><NICKNAME>Bob</NICKNAME>").as_deref(), Some("Bob"));
    assert_eq!(name("<FN>Robert</FN><NICKNAME/>").as_deref(), Some("Robert"));
    assert_eq!(name("<FN> </FN>"), None);
    let photo = |base64: &str| card(&format!("<PHOTO><BINVAL>{base64}</BINVAL></PHOTO>")).photo;
    assert_eq!(photo("Z\n m8 =\n").as_deref(), Some(b"fo".as_slice()));
    assert_eq!(photo("Zm8").as_deref(), Some(b"fo".as_slice()));
    assert_eq!(photo(""), None);
    assert_eq!(photo("%%%"), None);
    assert_eq!(photo(&"AAAA".repeat(Picture::MAX / 3)).map(|it| it.len()), Some(65535));
    assert_eq!(photo(&"AAAA".repeat(Picture::MAX / 3 + 2)), None);
    assert_eq!(photo(&"A".repeat(200_000)), None);
    assert_eq!(card("<PHOTO><EXTVAL>https://p.test/</EXTVAL></PHOTO>"), Card::default());
}

#[test]
fn what_is_published_goes_before_what_is_said_and_what_is_on_the_card() {
    let is = |text: &str| Fact::Is(text.to_owned());
    let mut known = Known::default();
    assert_eq!((known.name(), known.picture()), (None, None));
    (known.nick, known.face) = (Fact::Absent, Fact::Absent);
    assert_eq!((known.name(), known.picture()), (None, None), "the card is not read");
    (known.named, known.photo) = (Fact::Absent, Fact::Absent);
    assert_eq!((known.name(), known.picture()), (Some(String::new()), Some(String::new())));
    (known.named, known.photo) = (is("Robert"), is("1"));
    assert_eq!((known.name().unwrap(), known.picture().unwrap()), ("Robert".into(), "1".into()));
    known.said = is("Rob");
    assert_eq!(known.name().unwrap(), "Rob");
    (known.nick, known.face) = (is("Bob"), is("2"));
    assert_eq!((known.name().unwrap(), known.picture().unwrap()), ("Bob".into(), "2".into()));
}

#[tokio::test]
async fn only_the_account_itself_tells_how_it_is_called() {
    let network = NetworkId::new("xmpp").unwrap();
    let reference = ReferenceBridge::new(network.clone());
    let bridge = reference.handle();
    let addresses = Arc::new(Addresses::new(network, "bridge.p.test".to_owned()));
    let outward = Arc::new(Outward::new("bridge.p.test".to_owned()));
    let profiles = Profiles::new(addresses, outward);
    let hears = |from: &str, whole| {
        let element = event(from, &nick(from));
        assert!(profiles.heard(&Stanza { element, whole }, &bridge));
    };
    hears("bob@p.test/phone", true);
    hears("p.test", true);
    hears("ann@p.test", false);
    hears("bob@p.test", true);
    let beside = "<body xmlns='jabber:component:accept'>x</body>";
    for mut message in [event("bob@p.test", ""), element("<message from='bob@p.test'/>")] {
        message.append_child(beside.parse().unwrap());
        assert!(!profiles.heard(&Stanza { element: message, whole: true }, &bridge));
    }
    let telling = async {
        let told = reference.wait_for(std::time::Duration::from_secs(5), "bob's name", |journal| {
            (!journal.profiles.is_empty()).then(|| journal.profiles.clone())
        });
        let told = told.await.unwrap();
        reference.stop();
        told
    };
    let ((), told) = tokio::join!(profiles.run(&bridge), telling);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].name.as_deref(), Some("bob@p.test"));
    assert_eq!(told[0].picture, None);
}

fn question(about: About) -> Question {
    let envelope = Envelope {
        from: "bob@p.test/x".to_owned(),
        to: CAROL.to_owned(),
        id: Some("1".to_owned()),
    };
    Question { envelope, ghost: "elsewhere:carol".parse().unwrap(), asker: None, about }
}

#[test]
fn a_ghost_answers_by_how_it_is_shown_to_who_asks() {
    let bytes = b"\x89PNG".to_vec();
    let id = read::id_of(&bytes);
    let picture = Picture { mime: "image/png".to_owned(), sha256: Sha256([0; 32]), bytes };
    let shown = Shown { name: Some("Carol".to_owned()), picture: Some(Arc::new(picture)) };
    let answer = |about, shown| question(about).answer(shown).to_wire();
    let says = |about| answer(about, Some(&shown));
    assert!(says(About::Card).contains(
        "<vCard xmlns='vcard-temp'><FN>Carol</FN><NICKNAME>Carol</NICKNAME><PHOTO>\
         <TYPE>image/png</TYPE><BINVAL>iVBORw==</BINVAL></PHOTO></vCard>"
    ));
    assert!(says(About::Card4).contains("<uri>data:image/png;base64,iVBORw==</uri>"));
    assert!(says(About::Nick).contains(">Carol</nick>"));
    assert!(says(About::Metadata).contains(&format!("<info bytes='4' id='{id}'")));
    assert!(says(About::Data(Some(id.clone()))).contains(">iVBORw==</data>"));
    assert!(says(About::Data(None)).contains(">iVBORw==</data>"));
    assert!(says(About::Data(Some("0".repeat(40)))).contains("item-not-found"));
    // To all others it is as if there were nobody.
    for shown in [None, Some(&Shown::default())] {
        let card = answer(About::Card, shown);
        assert!(card.contains("<vCard xmlns='vcard-temp'><FN>elsewhere:carol</FN></vCard>"));
        assert!(answer(About::Card4, shown).contains("<text>elsewhere:carol</text></fn></vcard>"));
        for about in
            [About::Nick, About::Metadata, About::Data(None), About::Data(Some(id.clone()))]
        {
            assert!(answer(about, shown).contains("item-not-found"));
        }
    }
}

#[test]
fn an_announcement_names_what_its_hash_is_of() {
    assert!(write::is_announced(&format!("urn:drawbridge:1#{}", caps_ver())));
    assert!(!write::is_announced("urn:drawbridge:1#"));
    let info = write::info(None).to_wire();
    for node in ["http://jabber.org/protocol/nick", "urn:xmpp:avatar:metadata"] {
        assert!(info.contains(&format!("'{node}+notify'")));
    }
}

fn caps_ver() -> String {
    let caps: Element = write::caps().to_wire().parse().unwrap();
    caps.attr("ver").unwrap().to_owned()
}

fn tree() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[A-Za-z0-9+/= \n]{0,40}", "\\PC{0,40}"];
    let leaf =
        text.prop_map(|text| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let name = prop_oneof![
        Just("item"),
        Just("items"),
        Just("purge"),
        Just("nick xmlns='http://jabber.org/protocol/nick'"),
        Just("metadata xmlns='urn:xmpp:avatar:metadata'"),
        Just("info id='x' bytes='99999999999999999999999'"),
        Just("items node='http://jabber.org/protocol/nick'"),
        Just("items node='urn:xmpp:avatar:metadata'"),
        Just("NICKNAME"),
        Just("PHOTO"),
        Just("BINVAL"),
        Just("x xmlns=''"),
    ];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        (name.clone(), prop::collection::vec(inner, 0..4)).prop_map(|(name, inner)| {
            let end = name.split(' ').next().unwrap_or_default();
            format!("<{name}>{}</{end}>", inner.concat())
        })
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_in_bounds(inner in tree()) {
        for told in told(&inner).unwrap_or_default() {
            match told {
                Told::Name(Some(name)) => {
                    prop_assert!(!name.trim().is_empty() && name.chars().count() <= 256);
                }
                Told::Face(Some(id)) => prop_assert!((1..=256).contains(&id.len())),
                _ => {}
            }
        }
        let Card { photo, .. } = card(&inner);
        prop_assert!(photo.is_none_or(|photo| photo.len() <= Picture::MAX));
    }
}
