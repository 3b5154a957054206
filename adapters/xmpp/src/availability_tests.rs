#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{NetworkId, Signal};
use drawbridge_testkit::ReferenceBridge;
use proptest::prelude::*;

use super::*;
use crate::fleeting::Fleeting;
use crate::outward::Outward;
use crate::presence;

const CAROL: &str = "elsewhere_carol@bridge.p.test";
const DAVE: &str = "elsewhere_dave@bridge.p.test";

struct Here {
    bridge: ReferenceBridge,
    fleeting: Fleeting,
    addresses: Addresses,
}

impl Here {
    fn new() -> Self {
        let network = NetworkId::new("xmpp").unwrap();
        Self {
            bridge: ReferenceBridge::new(network.clone()),
            fleeting: Fleeting::new().0,
            addresses: Addresses::new(network, "bridge.p.test".to_owned()),
        }
    }

    /// A presence stanza comes; what is answered.
    fn comes(&self, from: &str, to: &str, attributes: &str, inner: &str) -> Vec<String> {
        let text = format!(
            "<presence xmlns='jabber:component:accept' from='{from}' to='{to}' {attributes}>\
             {inner}</presence>"
        );
        let (stanza, bridge): (Element, _) = (text.parse().unwrap(), self.bridge.handle());
        let availability = &self.fleeting.availability;
        let answers = presence::answers(&stanza, &self.addresses, availability, &bridge);
        availability.heard(&stanza, &self.addresses, &bridge);
        answers.iter().map(Xml::to_wire).collect()
    }

    /// Bob's client shows carol how he is.
    fn bob_is(&self, client: &str, attributes: &str, inner: &str) {
        let none: Vec<String> = Vec::new();
        assert_eq!(self.comes(&format!("bob@p.test{client}"), CAROL, attributes, inner), none);
    }

    /// What the daemon has heard of bob since it was last asked.
    fn heard(&self, after: usize) -> Vec<There> {
        let passing = self.bridge.journal().passing;
        let is = |passing: &Passing| match passing {
            Passing::Presence(Presence { by, to, is }) => {
                assert_eq!((by, to), (&bob(), &carol()));
                *is
            }
            other => unreachable!("{other:?}"),
        };
        passing[after..].iter().map(is).collect()
    }

    fn shows(&self, by: UserId, to: UserId, is: There) -> String {
        let signal = Signal::Presence(Presence { by, to, is });
        self.fleeting.write(&signal, &self.addresses).map(|it| it.to_wire()).unwrap_or_default()
    }
}

fn bob() -> UserId {
    "xmpp:bob@p.test".parse().unwrap()
}

fn ann() -> UserId {
    "xmpp:ann@p.test".parse().unwrap()
}

fn carol() -> UserId {
    "elsewhere:carol".parse().unwrap()
}

#[test]
fn a_user_is_there_as_the_best_of_the_clients_and_only_changes_are_told() {
    use There::{Away, Offline, Online};
    let here = Here::new();
    let gone = "type='unavailable'";
    for (client, attributes, inner, told) in [
        ("/phone", "", "<show>away</show>", Some(Away)),
        ("/phone", "", "<show>xa</show><status>in a meeting</status>", None),
        ("/desk", "", "", Some(Online)),
        ("/desk", "", "<show>dnd</show>", None),
        ("/phone", "", "<show>chat</show>", None),
        ("/desk", gone, "", None),
        ("/phone", "", "<show>away</show>", Some(Away)),
        ("/phone", gone, "", Some(Offline)),
        ("/phone", gone, "", None),
        ("/phone", "", "<show>odd</show>", Some(Online)),
        ("/desk", "", "", None),
        // The server speaks for all of them.
        ("", gone, "", Some(Offline)),
        ("/phone", "", "", Some(Online)),
        // She may not see him any more.
        ("", "type='unsubscribed'", "", Some(Offline)),
        ("/phone", "type='error'", "", None),
        ("/phone", "", "<x xmlns='http://jabber.org/protocol/muc'/>", None),
    ] {
        let before = here.bridge.journal().passing.len();
        here.bob_is(client, attributes, inner);
        let heard = here.heard(before);
        assert_eq!(heard, told.into_iter().collect::<Vec<_>>(), "{client} {attributes} {inner}");
    }
}

#[test]
fn what_is_shown_to_nobody_who_can_be_is_told_to_nobody() {
    let here = Here::new();
    for (from, to) in [
        ("bob@p.test/phone", "bridge.p.test"),
        ("bob@p.test/phone", "carol@bridge.p.test"),
        ("bob@p.test/phone", "irc_carol@bridge.p.test"),
        ("p.test", CAROL),
        ("elsewhere_dave@bridge.p.test", CAROL),
    ] {
        here.comes(from, to, "", "");
        assert!(here.bridge.journal().passing.is_empty(), "{from} {to}");
    }
}

#[test]
fn when_the_connection_is_lost_nobody_is_seen_and_nothing_is_known() {
    let here = Here::new();
    here.bob_is("/phone", "", "");
    here.shows(carol(), bob(), There::Online);
    here.fleeting.availability.lost(&here.bridge.handle());
    assert_eq!(here.heard(0), [There::Online, There::Offline]);
    assert_eq!(here.fleeting.availability.of(&carol(), &bob()), There::Offline);
    here.fleeting.availability.lost(&here.bridge.handle());
    assert_eq!(here.heard(2), []);
    here.bob_is("/phone", "", "");
    assert_eq!(here.heard(2), [There::Online]);
}

#[test]
fn a_ghost_is_there_for_those_to_whom_the_daemon_shows_it_and_for_nobody_else() {
    let here = Here::new();
    let probe = |from: &str, to: &str| here.comes(from, to, "type='probe'", "");
    let absent = |to: &str, from: &str| {
        vec![format!("<presence type='unavailable' from='{from}' to='{to}'/>")]
    };
    let nobody = absent("bob@p.test", DAVE);
    assert_eq!(probe("bob@p.test", CAROL), absent("bob@p.test", CAROL));
    let caps = write::caps().to_wire();
    for (is, inner) in
        [(There::Online, ""), (There::Away, "<show>away</show>"), (There::Online, "")]
    {
        let stanza = format!("<presence from='{CAROL}' to='bob@p.test'>{inner}{caps}</presence>");
        assert_eq!(here.shows(carol(), bob(), is), stanza);
        assert_eq!(probe("bob@p.test", CAROL), [stanza]);
        assert_eq!(probe("bob@p.test", DAVE), nobody);
        assert_eq!(probe("ann@p.test/x", CAROL), absent("ann@p.test/x", CAROL));
    }
    let gone = here.shows(carol(), bob(), There::Offline);
    assert_eq!([gone], absent("bob@p.test", CAROL)[..]);
    assert_eq!(probe("bob@p.test", CAROL), absent("bob@p.test", CAROL));
}

#[test]
fn a_ghosts_picture_is_named_where_it_is_there_for_whom_it_was_shown() {
    let here = Here::new();
    let availability = &here.fleeting.availability;
    let wears = |photo: Option<&str>| {
        let stanza =
            availability.wears(&carol(), &bob(), photo.map(str::to_owned), &here.addresses);
        stanza.map(|stanza| stanza.to_wire())
    };
    assert_eq!(wears(Some("0123")), None);
    let update = |photo: &str| format!("<x xmlns='vcard-temp:x:update'>{photo}</x></presence>");
    assert!(here.shows(carol(), bob(), There::Online).ends_with(&update("<photo>0123</photo>")));
    assert!(wears(None).unwrap().ends_with(&update("<photo/>")));
    let ann: UserId = "xmpp:ann@p.test".parse().unwrap();
    assert!(!here.shows(carol(), ann, There::Online).contains("x:update"));
    // A lost connection makes nobody look otherwise.
    availability.lost(&here.bridge.handle());
    assert!(here.shows(carol(), bob(), There::Away).ends_with(&update("<photo/>")));
}

#[test]
fn who_subscribes_is_asked_for_the_same_unless_it_is_seen_already() {
    let here = Here::new();
    let subscribe = |from: &str, to: &str| {
        let answers = here.comes(from, to, "type='subscribe'", "");
        answers.iter().map(|it| it.replace(to, "GHOST").replace(from, "USER")).collect::<Vec<_>>()
    };
    let subscribed = "<presence type='subscribed' from='GHOST' to='USER'/>";
    let absent = "<presence type='unavailable' from='GHOST' to='USER'/>";
    let asks = "<presence type='subscribe' from='GHOST' to='USER'/>";
    for to in [CAROL, DAVE] {
        assert_eq!(subscribe("bob@p.test", to), [subscribed, absent, asks]);
    }
    here.shows(carol(), bob(), There::Away);
    let caps = write::caps().to_wire();
    let away = format!("<presence from='GHOST' to='USER'><show>away</show>{caps}</presence>");
    assert_eq!(subscribe("bob@p.test", CAROL), [subscribed, &away]);
    here.comes("ann@p.test/x", CAROL, "", "");
    assert_eq!(subscribe("ann@p.test", CAROL), [subscribed, absent]);
    let unsubscribed = format!("<presence type='unsubscribed' from='{CAROL}' to='bob@p.test'/>");
    let gone = format!("<presence type='unavailable' from='{CAROL}' to='bob@p.test'/>");
    let unsubscribe = || here.comes("bob@p.test", CAROL, "type='unsubscribe'", "");
    assert_eq!(unsubscribe(), [unsubscribed.clone(), gone]);
    assert_eq!(unsubscribe(), [unsubscribed]);
    let there = "<presence from='GHOST' to='USER'/>";
    let component = subscribe("bob@p.test", "bridge.p.test");
    assert_eq!(component, [subscribed, there]);
}

#[test]
fn who_asks_in_return_as_well_is_asked_once_in_each_connection() {
    let here = Here::new();
    // The peer answers every request with one of its own.
    let rounds = || {
        let asks = |answer: &String| answer.contains("type='subscribe'");
        let asked = || here.comes("bob@p.test", CAROL, "type='subscribe'", "").iter().any(asks);
        (0..9).take_while(|_| asked()).count()
    };
    assert_eq!(rounds(), 1);
    // Nor does it help to take it back meanwhile.
    here.comes("bob@p.test", CAROL, "type='unsubscribe'", "");
    here.bob_is("", "type='unsubscribed'", "");
    assert_eq!(rounds(), 0);
    here.fleeting.availability.lost(&here.bridge.handle());
    assert_eq!(rounds(), 1);
    let long = format!("{}@p.test", "b".repeat(MAX_IDS));
    assert!(
        !here
            .fleeting
            .availability
            .asks_back(&carol(), &UserId::new(bob().network().clone(), long).unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn of_whom_nothing_is_known_is_asked_once_and_the_servers_word_is_no_gesture() {
    let here = Here::new();
    let availability = &here.fleeting.availability;
    let wonders = |user: &UserId| {
        let mut said = String::new();
        availability.wonders(&carol(), user, &here.addresses, |probe| {
            said = probe.to_wire();
            true
        });
        said
    };
    let probe = format!("<presence type='probe' from='{CAROL}' to='bob@p.test'/>");
    let unsubscribed = format!(
        "<presence xmlns='jabber:component:accept' from='bob@p.test' to='{CAROL}' \
         type='unsubscribed'/>"
    );
    let unsubscribed: Element = unsubscribed.parse().unwrap();
    let (addresses, bridge) = (&here.addresses, here.bridge.handle());
    let is_answer = || availability.is_answer(&unsubscribed, addresses, &bridge);
    assert!(!is_answer());
    assert_eq!(wonders(&bob()), probe);
    assert_eq!(wonders(&bob()), "");
    assert!(is_answer());
    availability.heard(&unsubscribed, addresses, &bridge);
    assert_eq!(here.heard(0), []);
    // From now on it is his own word.
    assert!(!is_answer());
    assert_eq!(wonders(&bob()), "");
    here.bob_is("/phone", "", "");
    availability.heard(&unsubscribed, addresses, &bridge);
    assert_eq!(here.heard(0), [There::Online, There::Offline]);
    availability.lost(&bridge);
    assert_eq!(wonders(&bob()), probe);
    here.bob_is("/phone", "", "");
    assert!(!is_answer());
    // A server that says nothing must not keep him from saying it.
    availability.lost(&bridge);
    assert_eq!(wonders(&bob()), probe);
    tokio::time::advance(ANSWER).await;
    assert!(!is_answer());
    assert_eq!(wonders(&bob()), "");
}

#[tokio::test]
async fn a_question_for_which_there_is_no_room_is_asked_the_next_time() {
    let here = Here::new();
    let availability = &here.fleeting.availability;
    let outward = Outward::new("bridge.p.test".to_owned());
    let wonders =
        || availability.wonders(&carol(), &bob(), &here.addresses, |probe| outward.mention(probe));
    let unsubscribed = format!(
        "<presence xmlns='jabber:component:accept' from='bob@p.test' to='{CAROL}' \
         type='unsubscribed'/>"
    );
    let unsubscribed: Element = unsubscribed.parse().unwrap();
    let is_answer =
        || availability.is_answer(&unsubscribed, &here.addresses, &here.bridge.handle());
    // Not connected.
    wonders();
    let (answers, mut written) = tokio::sync::mpsc::channel(4);
    outward.lend(answers.clone());
    for _ in 0..2 {
        answers.try_send(String::new()).unwrap();
    }
    wonders();
    assert!(!is_answer());
    for _ in 0..2 {
        assert_eq!(written.try_recv().unwrap(), "");
    }
    wonders();
    wonders();
    let probe = format!("<presence type='probe' from='{CAROL}' to='bob@p.test'/>");
    assert_eq!(written.try_recv().unwrap(), probe);
    assert!(written.try_recv().is_err());
    assert!(is_answer());
}

#[test]
fn when_the_bridge_goes_the_ghosts_that_are_there_go() {
    let here = Here::new();
    here.shows(carol(), bob(), There::Online);
    here.shows(carol(), ann(), There::Online);
    here.shows(carol(), ann(), There::Offline);
    let farewell = here.fleeting.availability.farewell(&here.addresses);
    let farewell: Vec<_> = farewell.iter().map(Xml::to_wire).collect();
    let gone = format!("<presence type='unavailable' from='{CAROL}' to='bob@p.test'/>");
    assert_eq!(farewell, [gone]);
}

#[test]
fn what_is_known_is_bounded_and_what_was_touched_last_stays() {
    let availability = Availability::default();
    let mut state = availability.lock();
    let stranger = |n: usize| UserId::new(bob().network().clone(), format!("u{n}@p.test")).unwrap();
    let online = |by: UserId, client: &str| Told {
        by,
        to: carol(),
        client: client.to_owned(),
        is: Some(There::Online),
    };
    for n in 0..3 * PAIRS {
        state.note(online(stranger(n), "x"));
        state.note(online(bob(), "x"));
        state.ghosts.put((carol(), stranger(n)), There::Online);
        state.asked.put((stranger(n), carol()), Instant::now());
        state.asked_back.put((stranger(n), carol()), ());
    }
    assert!(state.users.new.len() + state.users.old.len() <= PAIRS);
    assert!(state.ghosts.new.len() + state.ghosts.old.len() <= PAIRS);
    assert!(state.asked.new.len() + state.asked.old.len() <= PAIRS);
    assert!(state.asked_back.new.len() + state.asked_back.old.len() <= PAIRS);
    assert_eq!(state.note(online(bob(), "x")), None);
    for n in 0..3 * CLIENTS {
        state.note(online(ann(), &n.to_string()));
    }
    assert_eq!(state.users.get(&(ann(), carol())).map(Vec::len), Some(CLIENTS));
}

proptest! {
    #[test]
    fn no_presence_makes_it_panic(
        [from, to] in proptest::array::uniform2("[a-z@/._=]{0,30}|bob@p\\.test(/[a-z ]{0,5})?|elsewhere_carol@bridge\\.p\\.test"),
        kind in "|unavailable|probe|subscribe|subscribed|unsubscribe|unsubscribed|error|[a-z]{0,9}",
        show in "[a-z ]{0,9}|away|xa",
    ) {
        let here = Here::new();
        let kind = if kind.is_empty() { String::new() } else { format!("type='{kind}'") };
        here.comes(&from, &to, &kind, &format!("<show>{show}</show><show/>"));
    }
}
