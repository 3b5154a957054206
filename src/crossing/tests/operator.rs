//! What the operator learns of the crossing, and does to its queue.

use drawbridge_adapter::Connection;

use super::super::progress::Stalled;
use super::*;

/// What would be found to stall after `minutes` in which nothing happens, but for the sweep.
fn stalls_in(town: &Town, minutes: u64) -> Vec<Stalled> {
    let stalls = town.crossing.stalled(Instant::now() + Duration::from_mins(minutes));
    stalls.into_iter().map(|stall| stall.what).filter(|what| *what != Stalled::Sweep).collect()
}

#[tokio::test]
async fn a_delivery_that_does_not_end_is_a_stall() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.next(Next::Hangs);
    town.says("left:ann", "right:bob", "1").await;
    town.right.until(|right| right.texts() == ["1"]).await;
    assert_eq!(stalls_in(&town, 2), []);
    assert_eq!(stalls_in(&town, 4), [Stalled::Delivery(town.right.network.clone())]);
}

#[tokio::test]
async fn what_is_due_and_not_taken_is_a_stall_and_what_waits_is_none() {
    let dir = TempDir::new().unwrap();
    let (left, right) =
        (Fake::new("left", StatusNeeds::default()), Fake::new("right", StatusNeeds::default()));
    let setups = vec![setup(&left, Role::Home), setup(&right, Role::Home)];
    // Never started: nobody takes what is due.
    let crossing = Crossing::open(dir.path(), setups, limits(), SPOOL).await.unwrap();
    let mut town = Town { crossing, left, right, said: 0 };
    town.says("left:ann", "right:bob", "hi").await;
    assert_eq!(stalls_in(&town, 60), []);
    town.connects("right");
    assert_eq!(stalls_in(&town, 0), []);
    assert_eq!(stalls_in(&town, 2), [Stalled::Queue(town.right.network.clone())]);
    town.loses("right");
    assert_eq!(stalls_in(&town, 60), []);
}

#[tokio::test]
async fn a_store_that_ended_and_a_sweep_that_stands_are_stalls() {
    let dir = TempDir::new().unwrap();
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.rests().await;
    assert_eq!(town.crossing.stalled(Instant::now()), []);
    let later = town.crossing.stalled(Instant::now() + Duration::from_mins(2));
    assert_eq!(later.iter().map(|stall| &stall.what).collect::<Vec<_>>(), [&Stalled::Sweep]);
    town.crossing.close().await.unwrap();
    until(|| stalls_in(&town, 0) == [Stalled::Writer]).await;
}

#[tokio::test]
async fn a_report_counts_what_crossed_and_what_did_not() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let event = town.event("left:ann", "right:bob", "hi");
    town.bridge("left").accept(vec![event.clone()]).await.unwrap();
    town.bridge("left").accept(vec![event]).await.unwrap();
    town.says("left:ann", "nowhere:bob", "hi").await;
    town.right.fails(DeliveryError::Refused { refusal: Code::Forbidden.into(), why: "no" });
    town.right.fails(DeliveryError::Retry { after: None, why: "busy" });
    town.says("left:ann", "right:bob", "1").await;
    town.rests().await;
    town.says("left:ann", "right:bob", "1").await;
    town.rests().await;

    let report = town.crossing.report().await;
    let [left, right] = &report.networks[..] else { panic!("two networks") };
    let codes = |counts: &BTreeMap<String, u64>| counts.clone().into_iter().collect::<Vec<_>>();
    assert_eq!((left.tallied.accepted, left.tallied.repeated), (3, 1));
    assert_eq!(codes(&left.tallied.refused), [("not_reachable".to_owned(), 1)]);
    assert_eq!((right.tallied.crossed, right.tallied.milliseconds.count), (2, 2));
    let failed = [("expired".to_owned(), 0), ("forbidden".to_owned(), 1)];
    assert_eq!(codes(&right.tallied.failed), failed);
    assert_eq!(right.tallied.put_off, 1);
    assert_eq!((right.tallied.connects, right.tallied.disconnects), (1, 0));
    assert!(right.tallied.last_delivered.is_some() && left.tallied.last_heard.is_some());
    assert_eq!((right.queued, right.oldest, right.queue_limit), (0, None, 1000));
    assert!(report.writes.jobs.count > 0 && report.writes.failing_since.is_none());
    assert!(report.stored_bytes > Some(0) && report.stalls.is_empty());
}

#[tokio::test]
async fn a_report_says_what_waits_and_since_when() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let before = clock::now();
    town.loses("right");
    // Another try in vain changes the cause, and not the beginning.
    town.bridge("right").report(Connection::Waiting);
    town.bridge("right").report(Connection::Down { why: "still" });
    town.says("left:ann", "right:bob", "1").await;
    town.says("left:ann", "right:bob", "2").await;
    let report = town.crossing.report().await;
    let right = &report.networks[1];
    assert_eq!((right.queued, right.due), (2, 1));
    assert!(right.oldest.is_some_and(|oldest| oldest >= before && oldest <= report.at));
    assert!(right.since >= before);
    assert_eq!(
        (right.tallied.disconnects, right.connection),
        (1, Connection::Down { why: "still" })
    );
}

#[tokio::test]
async fn what_waits_is_listed_without_a_word_of_it() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    town.says("left:ann", "right:bob", "seven b").await;
    town.says("left:ann", "right:carl", "seven b").await;
    town.says("left:ann", "right:bob", "seven b").await;
    let right = town.right.network.clone();
    let listed = town.crossing.queue(Some(&right), 0, 10).await.unwrap();
    let [one, two, three] = &listed[..] else { panic!("three wait") };
    assert_eq!((one.state, one.tries, one.bytes), (WaitingState::Network, 0, Some(7)));
    assert_eq!((one.kind, one.status), (Kind::Text, None));
    assert!(one.conversation == three.conversation && one.conversation != two.conversation);
    assert!(one.msg != three.msg && one.user == two.user);
    let page = town.crossing.queue(None, one.id, 1).await.unwrap();
    assert_eq!(page.iter().map(|waiting| waiting.id).collect::<Vec<_>>(), [two.id]);
    assert_eq!(town.crossing.queue(None, three.id, 1).await.unwrap().len(), 0);
    let text = format!("{listed:?}");
    assert!(!text.contains("ann") && !text.contains("bob") && !text.contains("seven"), "{text}");
    let nowhere = NetworkId::new("nowhere").unwrap();
    assert!(matches!(town.crossing.queue(Some(&nowhere), 0, 1).await, Err(QueueError::NoNetwork)));
}

#[tokio::test]
async fn what_is_taken_out_fails_for_its_sender_and_lets_the_next_pass() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let after = Some(Duration::from_mins(30));
    town.right.fails(DeliveryError::Retry { after, why: "busy" });
    town.says("left:ann", "right:bob", "1").await;
    town.says("left:ann", "right:bob", "2").await;
    let right = town.right.network.clone();
    until(|| town.crossing.networks[&right].lanes.moves(Instant::now()).waiting == 1).await;
    let first = town.crossing.queue(None, 0, 1).await.unwrap().remove(0);
    let WaitingState::Retry(next) = first.state else { panic!("{:?}", first.state) };
    assert!(next > Duration::from_mins(29) && first.tries == 1);

    assert!(town.crossing.take_out(first.id).await.unwrap().told);
    assert!(matches!(town.crossing.take_out(first.id).await, Err(QueueError::NoSuch)));
    assert!(matches!(town.crossing.queued(first.id).await, Err(QueueError::NoSuch)));
    town.left.learns(&[refused(Code::Expired)]).await;
    town.right.hears(&["2"]).await;
    town.rests().await;
}

#[tokio::test]
async fn what_is_under_way_is_not_taken_out() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.next(Next::Hangs);
    town.says("left:ann", "right:bob", "1").await;
    town.right.until(|right| right.texts() == ["1"]).await;
    let waiting = town.crossing.queue(None, 0, 1).await.unwrap().remove(0);
    assert_eq!(waiting.state, WaitingState::Running);
    assert!(matches!(town.crossing.take_out(waiting.id).await, Err(QueueError::Running)));
}

#[tokio::test]
async fn what_waits_for_its_next_try_is_tried_when_the_operator_says_so() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let right = town.right.network.clone();
    let after = Some(Duration::from_mins(30));
    for all in [false, true] {
        town.right.fails(DeliveryError::Retry { after, why: "busy" });
        town.says("left:ann", "right:bob", "1").await;
        until(|| town.crossing.networks[&right].lanes.moves(Instant::now()).waiting == 1).await;
        if all {
            assert!(town.crossing.hurry_all(&right).unwrap());
        } else {
            let waiting = town.crossing.queue(None, 0, 1).await.unwrap().remove(0);
            town.crossing.hurry(waiting.id).await.unwrap();
        }
        town.rests().await;
    }
    town.right.hears(&["1", "1"]).await;
}

#[tokio::test]
async fn ids_are_kept_for_their_time_and_no_longer() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let event = town.event("left:ann", "right:bob", "hi");
    let bridge = town.bridge("left");
    let repeat = async || bridge.accept(vec![event.clone()]).await.unwrap()[0].repeat;
    assert!(!repeat().await);
    town.rests().await;
    let settled = clock::now();
    let days = |days: u64| settled.plus(Duration::from_hours(days * 24));
    assert_eq!(town.crossing.forget(days(89)).await.unwrap(), 0);
    assert!(repeat().await);
    assert_eq!(town.crossing.forget(days(91)).await.unwrap(), 1);
    assert!(!repeat().await);
}
