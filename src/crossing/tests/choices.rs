//! What people choose for themselves: silence, folders, strictness, reports, their own login.

use drawbridge_adapter::{Gesture, MuteFor, ReportReason};

use super::requests::third_party;
use super::*;
use crate::gate::Strictness;

impl Fake {
    /// Whether each of the texts came with a sound.
    fn sounds(&self) -> Vec<(String, bool)> {
        let sound = |delivery: &Delivery| match &delivery.command {
            Command::Message(message) => match &message.content {
                Content::Text { body } => Some((body.clone(), !message.silent)),
                _ => None,
            },
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(sound).collect()
    }

    async fn keeps(&self, own: &str) {
        self.until(|fake| fake.own().iter().any(|known| known == own)).await;
    }

    fn key_of(&self, text: &str) -> String {
        let heard = self.heard.lock().unwrap();
        let found = heard.iter().find(|delivery| match &delivery.command {
            Command::Message(message) => message.content == Content::text(text),
            _ => false,
        });
        found.unwrap().key.clone()
    }
}

#[tokio::test]
async fn a_muted_chat_goes_on_without_a_sound() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let said = town.asks("right:bob", "mute left:ann 8h").await;
    assert!(said.contains("no noise for 8 hours") && said.contains("unmute left:ann"), "{said}");
    town.right.keeps("mute left:ann Some(EightHours)").await;
    assert!(town.asks("right:bob", "who left:ann").await.contains("muted (8h)"));
    town.says("left:ann", "right:bob", "hushed").await;
    town.says("left:eve", "right:bob", "loud").await;
    assert!(town.asks("right:bob", "unmute left:ann").await.contains("noise again"));
    town.right.keeps("mute left:ann None").await;
    town.says("left:ann", "right:bob", "loud again").await;
    town.right.until(|right| right.sounds().len() == 3).await;
    let mut sounds = town.right.sounds();
    sounds.sort();
    let expected = [("hushed", false), ("loud", true), ("loud again", true)];
    assert_eq!(sounds, expected.map(|(text, sound)| (text.to_owned(), sound)));
}

#[tokio::test]
async fn a_mute_in_the_client_is_of_all_accounts_and_not_written_back() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let link = Change::Link { one: user("right:bob"), other: user("left:bob") };
    town.crossing.change_people(link).await.unwrap();
    town.gestures("right:bob", Gesture::Mute(user("left:ann"), MuteFor::Always)).await;
    // Ann is of the same network as Bob's other account: its list may have her too.
    town.left.keeps("mute left:ann Some(Always)").await;
    let again = town.asks("right:bob", "mute left:ann always").await;
    assert!(again.contains("already"), "{again}");
    town.gestures("right:bob", Gesture::Unmute(user("left:ann"))).await;
    town.left.keeps("mute left:ann None").await;
    town.rests().await;
    let own = town.right.own();
    assert!(!own.iter().any(|own| own.starts_with("mute ")), "{own:?}");
}

#[tokio::test]
async fn a_mute_and_all_choices_outlive_the_process() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.asks("right:bob", "mute left:ann 1w").await;
    town.asks("right:bob", "strict on").await;
    let before = town.crossing.people().know(&user("right:bob")).unwrap();
    town.ends().await;
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    assert_eq!(town.crossing.people().know(&user("right:bob")).unwrap(), before);
    assert_eq!((before.mutes.len(), before.strict), (1, Strictness::On));
    town.says("left:ann", "right:bob", "hushed").await;
    town.right.until(|right| right.sounds() == [("hushed".to_owned(), false)]).await;
}

#[tokio::test]
async fn chats_stand_apart_where_somebody_wants_them_to() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    let said = town.asks("right:bob", "inbox separate").await;
    assert!(said.contains("the folder “Other apps”"), "{said}");
    town.right.keeps(r#"folder ["left"]"#).await;
    assert!(town.asks("right:bob", "inbox").await.contains("Say inbox combined"));
    // A network that is switched on may be one that the folder did not know.
    town.asks("right:bob", "enable left").await;
    let folders = |right: &Fake| {
        right.own().iter().filter(|own| own.starts_with("folder")).cloned().collect::<Vec<_>>()
    };
    town.right.until(|right| folders(right).len() == 2).await;
    town.asks("right:bob", "inbox combined").await;
    town.right.keeps("folder []").await;
    town.rests().await;
    assert_eq!(folders(&town.right).len(), 3);
}

#[tokio::test]
async fn who_wants_only_what_is_sealed_gets_nothing_that_waited_either() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    town.says("left:ann", "right:bob", "before").await;
    town.crossing
        .change_people(Change::Strict { user: user("right:bob"), level: Strictness::Sealed })
        .await
        .unwrap();
    town.connects("right");
    town.left.learns(&[refused(Code::E2eeRequired)]).await;
    let sealed = Answer::Refused(Code::E2eeRequired.into());
    assert_eq!(town.says("left:ann", "right:bob", "hi").await, sealed);
    assert_eq!(town.says("right:bob", "left:ann", "hi").await, sealed);
    town.asks("right:bob", "strict off").await;
    assert_eq!(town.says("left:ann", "right:bob", "at last").await, Answer::Accepted);
    town.right.hears(&["at last"]).await;
}

#[tokio::test]
async fn a_report_names_the_picked_messages_and_no_others() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let mut ids = Vec::new();
    for (from, to, text) in [
        ("left:ann", "right:bob", "old"),
        ("left:ann", "right:eve", "to another"),
        ("right:bob", "left:ann", "from the other side"),
        ("left:ann", "right:bob", "bad"),
        ("left:ann", "right:bob", "worse"),
    ] {
        let event = town.event(from, to, text);
        ids.push(event.id.as_str().to_owned());
        let network = event.sender.user.network().as_str().to_owned();
        town.bridge(&network).accept(vec![event]).await.unwrap();
    }
    town.right.until(|right| right.texts().len() == 4).await;
    town.gestures("right:bob", Gesture::Block(user("left:ann"))).await;
    town.says("left:ann", "right:bob", "never seen").await;
    let said = town.asks("right:bob", "report left:ann spam 2").await;
    assert!(said.contains("last 2 messages"), "{said}");
    let named = |ids: &[&String], reason| format!("report left:ann by right:bob: {reason} {ids:?}");
    town.left.keeps(&named(&[&ids[3], &ids[4]], "spam")).await;
    assert!(town.asks("right:bob", "report left:ann abuse").await.contains("none of their"));
    town.left.keeps(&named(&[], "abuse")).await;
    // By the client's own means: a message of another chat, and what is no key, are left out.
    let keys = ["bad", "to another"].map(|text| town.right.key_of(text));
    let messages = keys.into_iter().chain(["0000019abcd".to_owned(), "ü".repeat(9)]).collect();
    let (about, reason) = (user("left:ann"), ReportReason::Other);
    town.gestures("right:bob", Gesture::Report { about, reason, messages }).await;
    town.left.keeps(&named(&[&ids[3]], "other")).await;
}

#[tokio::test]
async fn a_report_that_reaches_nobody_is_said_and_reports_have_an_end() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.asks("right:bob", "report left:unreported spam").await;
    let failed = |right: &Fake| right.own().iter().any(|own| own.contains("did not reach"));
    town.right.until(failed).await;
    for _ in 0..9 {
        town.asks("right:bob", "report left:ann spam").await;
    }
    assert!(town.asks("right:bob", "report left:ann spam").await.contains("enough for now"));
    assert!(town.asks("right:eve", "report left:ann spam").await.contains("I report left:ann"));
}

#[tokio::test]
async fn a_login_that_works_and_one_that_does_not_are_said() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    for (token, expected) in [("right", "It works"), ("wrong", "does not open your account")] {
        town.asks("right:bob", &format!("login {token}")).await;
        town.right.until(|right| right.own().iter().any(|own| own.contains(expected))).await;
    }
    assert!(town.asks("right:bob", "logout").await.starts_with("Forgotten"));
    town.right.keeps("access false").await;
    // The secret is nowhere any more.
    town.rests().await;
    town.ends().await;
    let database = std::fs::read(dir.path().join("drawbridge.sqlite3")).unwrap();
    assert!(!database.windows(12).any(|part| part == b"\"secret\":\"ri"));
}
