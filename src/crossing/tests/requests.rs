//! Strangers wait for a word, commands are obeyed, and what is off is off.

use drawbridge_adapter::Gesture;

use super::*;

/// Whose left side is somebody else's app; senders there see when something waits.
pub(super) async fn third_party(dir: &TempDir) -> Town {
    let needs = StatusNeeds { accepted: true, pending: true };
    Town::open_between(dir, limits(), needs, [Role::ThirdParty, Role::Home]).await
}

impl Town {
    /// What the bridge answers to what a user of the right side says to it.
    pub(super) async fn asks(&mut self, by: &str, text: &str) -> String {
        let path = ReplyPath(format!("question {}", self.said));
        let event = Event { to: Destination::Bridge, ..self.event(by, "left:nobody", text) };
        let event = Event { reply_path: path.clone(), ..event };
        let answers = self.bridge("right").accept(vec![event]).await.unwrap();
        assert_eq!(answers[0].answer, Answer::Accepted);
        let answer = |right: &Fake| {
            right.heard.lock().unwrap().iter().find_map(|delivery| match &delivery.command {
                Command::Notice(notice) if notice.reply_path.as_ref() == Some(&path) => {
                    Some(notice.text.clone())
                }
                _ => None,
            })
        };
        self.right.until(|right| answer(right).is_some()).await;
        answer(&self.right).unwrap()
    }

    async fn says_to_bridge(&mut self, by: &str, text: &str) -> Answer {
        let event = Event { to: Destination::Bridge, ..self.event(by, "left:nobody", text) };
        let network = event.sender.user.network().as_str().to_owned();
        self.bridge(&network).accept(vec![event]).await.unwrap()[0].answer
    }

    pub(super) async fn gestures(&self, by: &str, gesture: Gesture) {
        let by = user(by);
        self.bridge(by.network().as_str()).gesture(&by, gesture).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_crosses_before_a_network_is_switched_on_and_nothing_tells() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    let nobody = Answer::Refused(Code::NotReachable.into());
    assert_eq!(town.says("left:carol", "right:bob", "hi").await, nobody);
    assert_eq!(town.says("left:carol", "right:ghost", "hi").await, nobody);
    assert_eq!(town.says("right:bob", "left:carol", "hi").await, nobody);
    // It is Bob's own switch: he is told of it, once.
    assert!(town.right.is_told(0).await.contains("left is off for you"));
    assert_eq!(town.says("right:bob", "left:carol", "hi").await, nobody);
    town.rests().await;
    assert_eq!(town.right.own().len(), 1);
    assert!(town.asks("right:bob", "enable left").await.starts_with("left is on"));
    assert_eq!(town.says("right:bob", "left:carol", "hi").await, Answer::Accepted);
    town.left.hears(&["hi"]).await;
    // Whom Bob has written to is no stranger.
    assert_eq!(town.says("left:carol", "right:bob", "oh").await, Answer::Accepted);
    town.right.hears(&["oh"]).await;
    assert!(town.asks("right:bob", "disable left").await.starts_with("left is off"));
    assert_eq!(town.says("left:carol", "right:bob", "still there?").await, nobody);
}

#[tokio::test]
async fn what_waits_when_a_network_is_switched_off_does_not_cross() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    town.loses("left");
    town.says("right:bob", "left:carol", "too late").await;
    town.asks("right:bob", "disable left").await;
    town.connects("left");
    town.right.learns(&[refused(Code::NotReachable)]).await;
    assert!(town.left.texts().is_empty());
}

#[tokio::test]
async fn a_stranger_waits_and_all_comes_in_order_with_a_word() {
    for word in ["accept left:carol", "accept carol", "a reply", "a gesture"] {
        let dir = TempDir::new().unwrap();
        let mut town = third_party(&dir).await;
        town.asks("right:bob", "enable left").await;
        for text in ["one", "two", "three", "four", "five"] {
            assert_eq!(town.says("left:carol", "right:bob", text).await, Answer::Accepted);
        }
        let limit = Answer::Refused(Code::RequestLimit.into());
        assert_eq!(town.says("left:carol", "right:bob", "six").await, limit);
        town.left.until(|left| left.states().len() == 6).await;
        assert_eq!(town.left.states()[..5], [State::Held; 5]);
        // Bob is asked once, and shown the first text and how many there are.
        let request = town.right.is_told(1).await;
        assert!(request.contains("“one”") && request.contains("left:carol"), "{request}");
        let listed = town.asks("right:bob", "requests").await;
        assert!(listed.contains("left:carol (Ann), 5 messages: “one”"), "{listed}");
        assert!(town.right.texts().is_empty());
        match word {
            "a reply" => _ = town.says("right:bob", "left:carol", "who is it?").await,
            "a gesture" => town.gestures("right:bob", Gesture::Accept(user("left:carol"))).await,
            word => _ = town.says_to_bridge("right:bob", word).await,
        }
        town.right.until(|right| right.own().contains(&"over: true".to_owned())).await;
        town.right.hears(&["one", "two", "three", "four", "five"]).await;
        // Each end is told, as each wait was.
        town.left.until(|left| left.states().len() == 11).await;
        assert_eq!(town.left.states()[6..], [State::Accepted; 5]);
        town.says("left:carol", "right:bob", "seven").await;
        town.right.until(|right| right.texts().len() == 6).await;
    }
}

#[tokio::test]
async fn who_is_turned_away_or_blocked_sees_what_anybody_sees_who_waits() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    for bob in ["right:declines", "right:blocks", "right:waits"] {
        town.asks(bob, "enable left").await;
    }
    let mut answers = Vec::new();
    for bob in ["right:declines", "right:blocks", "right:waits"] {
        let from = town.left.states().len();
        let mut seen = vec![town.says("left:carol", bob, "an unmistakable text").await];
        match bob {
            "right:declines" => town.gestures(bob, Gesture::Decline(user("left:carol"))).await,
            "right:blocks" => town.gestures(bob, Gesture::Block(user("left:carol"))).await,
            _ => {}
        }
        for _ in 0..6 {
            seen.push(town.says("left:carol", bob, "an unmistakable text").await);
        }
        town.left.until(|left| left.states().len() == from + 7).await;
        answers.push((seen, town.left.states()[from..].to_vec()));
    }
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], answers[2]);
    // Nothing of it is shown, nor brought back by a change of mind; a new word is a new request.
    assert!(town.asks("right:declines", "requests").await.contains("Nobody waits"));
    town.asks("right:blocks", "unblock left:carol").await;
    assert!(town.asks("right:blocks", "requests").await.contains("Nobody waits"));
    town.asks("right:declines", "accept left:carol").await;
    town.rests().await;
    assert!(town.right.texts().is_empty());
    town.says("left:carol", "right:declines", "again").await;
    town.right.hears(&["again"]).await;
}

#[tokio::test]
async fn what_waits_for_a_word_outlives_the_process_without_what_was_hushed() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    town.says("left:carol", "right:bob", "a text that is kept").await;
    town.says("left:dora", "right:bob", "a text that is gone").await;
    town.gestures("right:bob", Gesture::Decline(user("left:dora"))).await;
    town.rests().await;
    town.ends().await;
    let database = std::fs::read(dir.path().join("drawbridge.sqlite3")).unwrap();
    let holds = |text: &str| database.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("a text that is kept"));
    assert!(!holds("a text that is gone"));
    let mut town = Town { said: 100, ..third_party(&dir).await };
    let listed = town.asks("right:bob", "requests").await;
    assert!(listed.contains("left:carol") && !listed.contains("left:dora"), "{listed}");
    town.asks("right:bob", "accept left:carol").await;
    town.right.hears(&["a text that is kept"]).await;
    // The turned away still is.
    town.says("left:dora", "right:bob", "hello?").await;
    assert!(town.asks("right:bob", "requests").await.contains("Nobody waits"));
}

#[tokio::test]
async fn what_nobody_answers_expires_for_all_alike() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    town.says("left:carol", "right:bob", "hi").await;
    town.says("left:dora", "right:bob", "hi").await;
    town.left.until(|left| left.states().len() == 2).await;
    assert_eq!(town.left.states(), [State::Held, State::Held]);
    town.gestures("right:bob", Gesture::Block(user("left:dora"))).await;
    let month = Duration::from_hours(30 * 24 + 1);
    town.crossing.end_requests(clock::now().plus(month)).await.unwrap();
    let expired = refused(Code::Expired);
    town.left.until(|left| left.states().len() == 4).await;
    assert_eq!(town.left.states()[2..], [expired, expired]);
    assert!(town.asks("right:bob", "requests").await.contains("Nobody waits"));
    // There is room again.
    assert_eq!(town.says("left:carol", "right:bob", "hi again").await, Answer::Accepted);
}

#[tokio::test]
async fn a_command_that_comes_again_is_obeyed_once() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    let event = town.event("right:bob", "left:nobody", "enable left");
    let event = Event { to: Destination::Bridge, ..event };
    let bridge = town.bridge("right");
    bridge.accept(vec![event.clone()]).await.unwrap();
    town.asks("right:bob", "disable left").await;
    let again = bridge.accept(vec![event]).await.unwrap();
    assert!(again[0].repeat);
    assert!(
        !town.crossing.people().has_enabled(&user("right:bob"), &NetworkId::new("left").unwrap())
    );
    town.rests().await;
    assert_eq!(town.right.own().len(), 2);
}

#[tokio::test]
async fn two_accounts_become_one_person_by_a_code_and_a_block_is_of_both() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let told = town.asks("right:bob", "link").await;
    let code = told.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(code.len(), 10, "{told}");
    assert!(town.asks("right:bob", &format!("link {code}")).await.contains("other account"));
    assert!(town.asks("right:eve", "link ABCDEFGHJK").await.contains("not right"));
    town.says_to_bridge("left:bob2", &format!("link {}", code.to_lowercase())).await;
    assert!(town.left.is_told(0).await.contains("one person's now"));
    // It counts once.
    assert!(town.asks("right:eve", &format!("link {code}")).await.contains("not right"));
    // Both of the accounts block, and both are blocked; only the named one stands in lists.
    town.says_to_bridge("left:bob2", "block right:mallory").await;
    town.left.until(|left| left.own().contains(&"left:bob2 right:mallory true".to_owned())).await;
    let entry = "right:bob right:mallory true".to_owned();
    town.right.until(|right| right.own().contains(&entry)).await;
    town.says("right:carol", "left:bob2", "heard").await;
    town.says("right:mallory", "left:bob2", "not heard").await;
    town.left.hears(&["heard"]).await;
    town.rests().await;
    assert_eq!(town.left.texts(), ["heard"]);
}

#[tokio::test]
async fn a_block_is_written_to_other_lists_and_not_back_to_the_one_it_came_from() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.gestures("right:bob", Gesture::Block(user("left:ann"))).await;
    town.gestures("right:bob", Gesture::Block(user("left:ann"))).await;
    assert!(town.asks("right:bob", "blocks").await.contains("left:ann"));
    town.asks("right:bob", "unblock left:ann").await;
    town.right.until(|right| right.own().len() == 3).await;
    let mut own = town.right.own();
    own.sort();
    assert!(own[1].starts_with("You hear") && own[2] == "right:bob left:ann false", "{own:?}");
    // What is about nobody is passed over.
    town.gestures("right:bob", Gesture::Block(user("right:Bob"))).await;
    town.gestures("right:bob", Gesture::Block(user("irc:ann"))).await;
    town.gestures("right:bob", Gesture::Block(user("right:bob"))).await;
    assert!(town.crossing.people().blocks(None, None, 9).is_empty());
}

#[tokio::test]
async fn the_gesture_against_the_whole_bridge_switches_everything_off() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    town.gestures("right:bob", Gesture::Disable).await;
    let nobody = Answer::Refused(Code::NotReachable.into());
    assert_eq!(town.says("left:carol", "right:bob", "hi").await, nobody);
}

#[tokio::test]
async fn whatever_is_said_to_the_bridge_is_answered() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    for (says, expected) in [
        ("help", "enable NETWORK: switch a network on"),
        ("networks", "left: off"),
        ("enable nowhere", "There is: left."),
        ("blok left:ann", "Did you mean block?"),
        ("block", "Say block and a user, for instance block left:carol."),
        ("block somebody", "cannot tell who “somebody” is"),
        ("block right:bob", "That is you."),
        ("unblock left:ann", "have not blocked"),
        ("decline left:ann", "has not asked"),
        ("chat left:ann", "left is off for you"),
        ("who left:ann", "You have not heard from them"),
        ("unlink", "on its own"),
        ("mute left:ann", "Say mute, the user, and 8h, 1w, 1y or always"),
        ("mute left:ann 2d", "there may stand: 8h, 1w, 1y, always. Not “2d”."),
        ("mute right:bob 8h", "That is you."),
        ("unmute left:ann", "is not muted"),
        ("inbox", "Say inbox separate"),
        ("inbox combined", "So it is already: combined."),
        ("strict", "not stricter for you"),
        ("strict off", "So it is already: off."),
        ("report left:ann", "and spam, abuse or other"),
        ("report left:ann boring", "there may stand: spam, abuse, other"),
        ("login", "your access token"),
        ("requests now", "I understand nothing after requests"),
    ] {
        let answer = town.asks("right:bob", says).await;
        assert!(answer.contains(expected), "{says}: {answer}");
    }
    let mut picture = town.event("right:bob", "left:nobody", "");
    picture.to = Destination::Bridge;
    picture.content = Content::Unsupported { kind: Kind::Image };
    let known = town.right.own().len();
    town.bridge("right").accept(vec![picture]).await.unwrap();
    assert!(town.right.is_told(known).await.starts_with("I only read text"));
}
