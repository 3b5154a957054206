#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{
    Content, Destination, EventId, Marks, NetworkId, Party, Repeats, ReplyPath,
};
use drawbridge_testkit::{Journal, ReferenceBridge};

use super::*;
use crate::address::Addresses;
use crate::outward::Outward;

const PATIENCE: Duration = Duration::from_secs(20);

fn bridge() -> ReferenceBridge {
    ReferenceBridge::new(NetworkId::new("xmpp").unwrap())
}

fn here() -> (Arc<Addresses>, Arc<Outward>) {
    let addresses = Addresses::new(NetworkId::new("xmpp").unwrap(), "bridge.p.test".to_owned());
    (Arc::new(addresses), Arc::new(Outward::new("bridge.p.test".to_owned())))
}

/// Nobody was seen yet, and no server allows anything.
fn lists() -> Lists {
    let (addresses, outward) = here();
    Lists::new(addresses, outward, Arc::default()).0
}

/// Nobody has any.
fn folders() -> Folders {
    let (addresses, outward) = here();
    Folders::new(addresses, outward, Arc::default()).0
}

fn event(text: &str) -> Event {
    Event {
        id: EventId::new(text).unwrap(),
        repeats: Repeats::Always,
        sender: Party { user: "xmpp:bob@p.test".parse().unwrap(), name: None },
        to: Destination::Direct("elsewhere:carol".parse().unwrap()),
        sent_at: drawbridge_adapter::Timestamp(0),
        content: Content::text(text),
        reply: None,
        marks: Marks::default(),
        reply_path: ReplyPath::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_says_it_stops_and_does_not_is_asked_again() {
    let bridge = bridge();
    bridge.fail_next(3, Unavailable::Stopping);
    let (inlet, intake) = channel();
    let handle = bridge.handle();
    let running = tokio::spawn(async move { intake.run(&lists(), &folders(), &handle).await });
    inlet.put(event("one")).await.unwrap();
    bridge.hears(PATIENCE, "one").await.unwrap();
    inlet.put(event("two")).await.unwrap();
    bridge.hears(PATIENCE, "two").await.unwrap();
    drop(inlet);
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_stops_is_not_asked_again() {
    let bridge = bridge();
    bridge.break_down(Unavailable::Stopping);
    bridge.stop();
    let (inlet, intake) = channel();
    inlet.put(event("one")).await.unwrap();
    let handle = bridge.handle();
    let running = tokio::spawn(async move { intake.run(&lists(), &folders(), &handle).await });
    let turned_away = |journal: &Journal| (journal.turned_away.len() == 1).then_some(());
    bridge.wait_for(PATIENCE, "the refusal", turned_away).await.unwrap();
    assert_eq!(inlet.put(event("two")).await, Err(Code::NetworkUnreachable));
    drop(inlet);
    running.await.unwrap();
    assert_eq!(bridge.journal().turned_away.len(), 1);
}

fn error(id: &str, from: &str) -> Option<Bounce> {
    let stanza = format!(
        "<message xmlns='jabber:component:accept' type='error' id='{id}' from='{from}'>\
         <error type='cancel'><service-unavailable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    );
    let network = NetworkId::new("xmpp").unwrap();
    let addresses = Addresses::new(network, "bridge.p.test".to_owned());
    Bounce::of(&stanza.parse().unwrap(), &addresses)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_back_is_told_once_its_delivery_is_written_down() {
    let bridge = bridge();
    let (inlet, intake) = channel();
    let handle = bridge.handle();
    let running = tokio::spawn(async move { intake.run(&lists(), &folders(), &handle).await });
    let before = tokio::time::Instant::now();
    for n in 0..3 {
        let bounce = error(&format!("00000000000000a{n}"), "Bob@p.test/phone").unwrap();
        inlet.bounced(bounce, &bridge.handle());
    }
    let all = |journal: &Journal| (journal.bounces.len() == 3).then(|| journal.bounces.clone());
    let told = bridge.wait_for(PATIENCE, "the bounces", all).await.unwrap();
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(2), "{waited:?}");
    let (id, by, refusal) = &told[1];
    assert_eq!((id.as_str(), by.to_string().as_str()), ("00000000000000a1", "xmpp:bob@p.test"));
    assert_eq!(*refusal, Code::NotReachable.into());
    drop(inlet);
    running.await.unwrap();
}

#[test]
fn an_error_about_what_is_not_ours_is_none() {
    for (id, from) in [
        ("", "bob@p.test"),
        ("m1", "bob@p.test"),
        ("00000000000000zz", "bob@p.test"),
        ("00000000000000a1", "p.test"),
        ("00000000000000a1", "x@bridge.p.test"),
        ("00000000000000a1", "@@"),
    ] {
        assert!(error(id, from).is_none(), "{id} {from}");
    }
}
