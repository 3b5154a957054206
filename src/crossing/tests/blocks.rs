//! Whom somebody blocked does not reach them, and sees no difference.

use super::*;
use crate::crossing::PeopleError;

impl Town {
    async fn blocks(&self, owner: &str, blocked: &str) {
        let change = Change::Block { owner: user(owner), blocked: user(blocked) };
        assert!(self.crossing.change_people(change).await.unwrap());
    }

    async fn unblocks(&self, owner: &str, blocked: &str) {
        let change = Change::Unblock { owner: user(owner), blocked: user(blocked) };
        assert!(self.crossing.change_people(change).await.unwrap());
    }
}

#[tokio::test]
async fn the_blocked_are_answered_alike_and_not_heard() {
    let dir = TempDir::new().unwrap();
    let needs = StatusNeeds { accepted: true, pending: false };
    let mut town = Town::open(&dir, limits(), needs).await;
    town.blocks("right:bob", "left:ann").await;
    for (from, to, text) in [
        ("left:ann", "right:bob", "not this"),
        ("left:ann", "right:carol", "one"),
        ("left:eve", "right:bob", "two"),
    ] {
        assert_eq!(town.says(from, to, text).await, Answer::Accepted);
        town.rests().await;
    }
    assert_eq!(town.right.texts(), ["one", "two"]);
    // Each of the three is told the same.
    town.left.learns(&[State::Accepted; 3]).await;
    // The other way nothing has changed, and what is refused is refused as ever.
    town.says("right:bob", "left:ann", "three").await;
    town.left.hears(&["three"]).await;
    let mut event = town.event("left:ann", "right:bob", "hi");
    event.content = Content::Unsupported { kind: Kind::Poll };
    let answer = town.bridge("left").accept(vec![event]).await.unwrap()[0].answer;
    assert_eq!(answer, Answer::Refused(Code::UnsupportedKind(Kind::Poll).into()));
}

#[tokio::test]
async fn what_waits_is_stopped_and_what_is_said_waits_without_its_text() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    for text in ["one", "two", "three"] {
        town.says("left:ann", "right:bob", text).await;
    }
    town.says("left:eve", "right:bob", "four").await;
    town.blocks("right:bob", "left:ann").await;
    let unmistakable = "an unmistakable text";
    town.says("left:ann", "right:bob", unmistakable).await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        let holds = bytes.windows(unmistakable.len()).any(|part| part == unmistakable.as_bytes());
        assert!(!holds, "a swallowed text is on disk");
    }
    // Ann's wait as long as anybody's; the sixth is the entry for Bob's own list.
    assert_eq!(town.crossing.queue(None, 0, 10).await.unwrap().len(), 6);
    town.connects("right");
    town.rests().await;
    assert_eq!(town.right.texts(), ["four"]);
    town.left.until(|left| *left.signals.lock().unwrap() == 5).await;
}

#[tokio::test]
async fn a_window_keeps_its_order_around_what_is_swallowed() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    // The two share one conversation with bob's statuses, and a network may fail in between.
    town.says("left:ann", "right:bob", "one").await;
    town.blocks("right:bob", "left:ann").await;
    town.says("left:ann", "right:bob", "two").await;
    town.unblocks("right:bob", "left:ann").await;
    town.says("left:ann", "right:bob", "three").await;
    town.says("left:ann", "right:bob", "four").await;
    town.right.fails(DeliveryError::Retry { after: Some(Duration::ZERO), why: "not now" });
    town.connects("right");
    town.rests().await;
    assert_eq!(town.right.texts(), ["one", "three", "four"]);
    assert_eq!(*town.left.signals.lock().unwrap(), 4);
}

#[tokio::test]
async fn a_block_outlives_the_process_and_ends_for_what_comes_later() {
    let dir = TempDir::new().unwrap();
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.blocks("right:bob", "left:ann").await;
    town.blocks("right:bob", "left:eve").await;
    town.unblocks("right:bob", "left:eve").await;
    town.ends().await;
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let known = town.crossing.people().blocks(Some(&user("right:bob")), None, 10);
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].blocked, user("left:ann"));
    town.says("left:ann", "right:bob", "never").await;
    town.rests().await;
    town.unblocks("right:bob", "left:ann").await;
    town.says("left:ann", "right:bob", "again").await;
    town.right.hears(&["again"]).await;
    town.ends().await;
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    assert!(town.crossing.people().blocks(None, None, 10).is_empty());
}

#[tokio::test]
async fn a_rule_about_nobody_is_refused() {
    let dir = TempDir::new().unwrap();
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let block = async |owner, blocked| {
        let (owner, blocked) = (user(owner), user(blocked));
        town.crossing.change_people(Change::Block { owner, blocked }).await
    };
    assert!(matches!(block("irc:bob", "left:ann").await, Err(PeopleError::NoNetwork(_))));
    assert!(matches!(block("right:bob", "left:Ann").await, Err(PeopleError::Spelling(_))));
    assert!(matches!(block("right:bob", "right:bob").await, Err(PeopleError::Oneself)));
    assert!(block("right:bob", "left:ann").await.unwrap());
    assert!(!block("right:bob", "left:ann").await.unwrap());
    let (owner, blocked) = (user("right:bob"), user("left:eve"));
    let unblocked = town.crossing.change_people(Change::Unblock { owner, blocked }).await;
    assert!(!unblocked.unwrap());
}
