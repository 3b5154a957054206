#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{Content, Destination, EventId, Marks, NetworkId, Party, ReplyPath};
use drawbridge_testkit::ReferenceBridge;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn bridge() -> ReferenceBridge {
    ReferenceBridge::new(NetworkId::new("xmpp").unwrap())
}

fn event(text: &str) -> Event {
    Event {
        id: EventId::new(text).unwrap(),
        repeats_within: None,
        sender: Party { user: "xmpp:bob@p.test".parse().unwrap(), name: None },
        to: Destination::Direct("elsewhere:carol".parse().unwrap()),
        sent_at: drawbridge_adapter::Timestamp(0),
        content: Content::text(text),
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
    let running = tokio::spawn(async move { intake.run(&handle).await });
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
    intake.run(&bridge.handle()).await;
    assert_eq!(inlet.put(event("two")).await, Err(Code::NetworkUnreachable));
    assert_eq!(bridge.journal().turned_away.len(), 1);
}
