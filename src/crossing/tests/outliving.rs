//! What was taken outlives whoever asked, and the process.

use super::*;

#[tokio::test]
async fn an_accept_that_was_dropped_happened_wholly_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let bridge = town.bridge("left");
    let mut dropped = Vec::new();
    for n in 0..50 {
        let event = town.event("left:ann", "right:bob", &format!("{n}"));
        let mut accept = Box::pin(bridge.accept(vec![event.clone()]));
        // Polled once, then dropped: the job may be with the store by now.
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(accept.as_mut().poll(context).is_ready())
        });
        polled.await;
        drop(accept);
        dropped.push(event);
    }
    bridge.accept(dropped).await.unwrap();
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    town.right.hears(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    town.rests().await;
}

#[tokio::test]
async fn what_was_under_way_at_a_crash_comes_again_under_the_same_key() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.next(Next::Hangs);
    town.says("left:ann", "right:bob", "1").await;
    town.says("left:ann", "right:bob", "2").await;
    town.right.until(|right| right.texts() == ["1"]).await;
    let before = town.right.heard.lock().unwrap()[0].clone();
    // Patience of zero: the delivery is left, as a kill would leave it.
    town.crossing.stop_delivering(Duration::ZERO).await;
    town.crossing.close().await.unwrap();
    let (crossing, left) = (Arc::downgrade(&town.crossing), Arc::clone(&town.left));
    drop((town, left));
    assert!(crossing.upgrade().is_some(), "the hanging delivery holds the crossing");
    let copy = TempDir::new().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        if file.path().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let town = Town::open(&copy, limits(), StatusNeeds::default()).await;
    town.right.hears(&["1", "2"]).await;
    let after = town.right.heard.lock().unwrap()[0].clone();
    assert_eq!(before.key, after.key);
    assert_eq!((before.attempt, after.attempt), (1, 2));
}

#[tokio::test]
async fn conversations_at_rest_on_disk_are_taken_up_at_the_start() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    for n in 0..700 {
        town.says("left:ann", &format!("right:bob{n}"), "hi").await;
    }
    town.ends().await;
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.right.until(|right| right.texts().len() == 700).await;
    town.rests().await;
}

#[tokio::test]
async fn a_message_that_comes_back_after_all_is_told_once() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.says("left:ann", "right:bob", "hi").await;
    town.right.hears(&["hi"]).await;
    town.rests().await;
    let (id, bridge) = (EventId::new("hi").unwrap(), town.bridge("right"));
    let (bob, eve) = ("right:bob".parse().unwrap(), "right:eve".parse().unwrap());
    let why = Refusal::from(Code::NotReachable);
    assert_eq!(bridge.bounced(&id, &eve, why).await, Ok(false));
    assert_eq!(bridge.bounced(&id, &bob, why).await, Ok(true));
    assert_eq!(bridge.bounced(&id, &bob, why).await, Ok(false));
    let unknown = EventId::new("never").unwrap();
    assert_eq!(bridge.bounced(&unknown, &bob, why).await, Ok(false));
    town.left.learns(&[refused(Code::NotReachable)]).await;
}

#[tokio::test]
async fn memos_outlive_the_daemon_and_are_bounded() {
    use drawbridge_adapter::Memo;
    let dir = TempDir::new().unwrap();
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let bridge = town.bridge("left");
    bridge.remember(vec![Memo::set("room/1", "here")]).await.unwrap();
    let large = Memo::set("room/2", "x".repeat(70_000));
    assert_eq!(bridge.remember(vec![large]).await, Err(Unavailable::Failed));
    drop(bridge);
    town.ends().await;
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let recalled = town.bridge("left").recall("room/1").await.unwrap();
    assert_eq!(recalled.as_deref(), Some("here"));
    assert_eq!(town.bridge("right").recall("room/1").await.unwrap(), None);
}
