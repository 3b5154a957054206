//! What people choose for themselves: silence, folders, strictness, reports, their own login.

use drawbridge_adapter::{Gesture, MuteFor, ReportReason, Text};

use super::requests::third_party;
use super::*;
use crate::gate::{Posture, Strictness};
use crate::store::{Block, PeopleChange};

impl Fake {
    /// Whether each of the texts came with a sound.
    fn sounds(&self) -> Vec<(String, bool)> {
        let sound = |delivery: &Delivery| match &delivery.command {
            Command::Message(message) => match &message.content {
                Content::Text(Text { body, .. }) => Some((body.clone(), !message.silent)),
                _ => None,
            },
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(sound).collect()
    }

    async fn keeps(&self, own: &str) {
        self.until(|fake| fake.own().iter().any(|known| known == own)).await;
    }

    pub(super) fn key_of(&self, text: &str) -> String {
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
async fn who_still_hears_a_muted_chat_is_told() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let closed = "your own settings are closed to me: your app still rings";
    let said = town.asks("right:closed", "mute left:ann 8h").await;
    assert!(said.contains("no noise for 8 hours") && said.contains(closed), "{said}");
    town.asks("right:closed", "mute left:eve always").await;
    assert!(town.asks("right:closed", "mute left:eve always").await.contains(closed));
    assert!(!town.asks("right:bob", "mute left:loud 8h").await.contains("rings"));
    town.right.until(|right| right.own().iter().any(|own| own.contains("did not let me"))).await;
    let own = town.asks("right:bob", "mute right:eve 8h").await;
    assert!(own.starts_with("right:eve is of your own network"), "{own}");
    assert!(!town.crossing.people().has_muted(&user("right:bob"), &user("right:eve")));
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
async fn what_is_on_disk_is_in_force_before_a_word_of_it_leaves() {
    let dir = TempDir::new().unwrap();
    let town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let bob = user("right:bob");
    let change = PeopleChange::Strict { user: bob.clone(), level: Strictness::Sealed };
    // Nobody but the commit itself is there to see to it.
    town.crossing.store.change_people(vec![change], Vec::new(), clock::now()).await.unwrap();
    assert_eq!(town.crossing.people().strictness(&bob), Strictness::Sealed);
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
async fn a_folder_that_was_refused_is_none() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:closed", "inbox separate").await;
    let told =
        |text: &'static str| move |right: &Fake| right.own().iter().any(|own| own.contains(text));
    town.right.until(told("they stay among the others")).await;
    assert!(town.asks("right:closed", "inbox").await.contains("stand among the others"));
    assert!(town.asks("right:closed", "inbox separate").await.contains("go into the folder"));
    town.asks("right:stuck", "inbox separate").await;
    town.asks("right:stuck", "inbox combined").await;
    town.right.until(told("bring your chats out of their folder")).await;
    town.rests().await;
    town.ends().await;
    let town = third_party(&dir).await;
    assert!(!town.crossing.people().is_apart(&user("right:closed")));
}

#[tokio::test]
async fn what_is_offered_no_more_can_be_switched_off() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    let policy = Policy { inactive: true, ..Policy::default() };
    let rules = NetworkRules { policy, ..NetworkRules::default() };
    town.crossing.change(limits(), vec![(town.left.network.clone(), rules)]);
    assert!(town.asks("right:bob", "enable left").await.starts_with("There is no network left"));
    assert!(town.asks("right:bob", "disable left").await.starts_with("left is off"));
    assert!(town.asks("right:bob", "disable left").await.starts_with("There is no network left"));
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
async fn what_waits_when_the_operator_demands_more_does_not_cross() {
    for raised in ["left", "right"] {
        let dir = TempDir::new().unwrap();
        let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
        town.loses("right");
        town.says("left:ann", "right:bob", "before").await;
        let policy = Policy { minimum: Posture::Bridged, ..Policy::default() };
        let rules = NetworkRules { policy, ..NetworkRules::default() };
        town.crossing.change(limits(), vec![(NetworkId::new(raised).unwrap(), rules)]);
        town.connects("right");
        town.left.learns(&[refused(Code::E2eeRequired)]).await;
        assert!(town.right.texts().is_empty());
    }
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
    let (about, reason) = (user("left:ann"), ReportReason::Spam);
    let known = town.right.own().len();
    town.gestures("right:bob", Gesture::Report { about, reason, messages: vec![] }).await;
    assert!(town.right.is_told(known).await.contains("enough for now"));
    // Nothing is looked for that is not sent.
    for (by, found) in [("right:bob", 0), ("right:bill", 1)] {
        town.says("left:ann", by, "bad").await;
        let event = town.event(by, "left:nobody", "report left:ann spam 1");
        assert_eq!(town.crossing.asked_about(&event).await.unwrap().said.len(), found, "{by}");
    }
    assert!(town.asks("right:eve", "report left:ann spam").await.contains("I report left:ann"));
}

#[tokio::test]
async fn a_report_that_is_not_written_down_is_not_counted() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.crossing.close().await.unwrap();
    let (by, about, reason) = (user("right:bob"), user("left:ann"), ReportReason::Spam);
    let bridge = town.bridge("right");
    for _ in 0..20 {
        let gesture = Gesture::Report { about: about.clone(), reason, messages: vec![] };
        assert!(bridge.gesture(&by, gesture).await.is_err());
        let event = town.event("right:bob", "left:nobody", "report left:ann spam");
        let event = Event { to: Destination::Bridge, ..event };
        assert!(bridge.accept(vec![event]).await.is_err());
    }
    assert_eq!(town.crossing.may_report(&by, &about, clock::now()), Ok(()));
}

#[tokio::test]
async fn who_has_not_switched_an_app_on_cannot_be_told_from_nobody_by_its_reports() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    let report = |about: &str| Gesture::Report {
        about: user(about),
        reason: ReportReason::Abuse,
        messages: vec![],
    };
    let known = town.left.own().len();
    for about in ["right:eve", "right:unreported"] {
        town.gestures("left:ann", report(about)).await;
    }
    town.left.until(|left| left.own().len() == known + 2).await;
    let told = &town.left.own()[known..];
    assert!(told[0].contains("nobody who takes a report about right:eve"), "{told:?}");
    assert_eq!(told[0].replace("right:eve", "right:unreported"), told[1]);
    town.gestures("left:ann", report("right:bob")).await;
    town.right.keeps("report right:bob by left:ann: abuse []").await;
    // Who has an app off may still report one of its users.
    town.gestures("right:eve", report("left:ann")).await;
    town.left.keeps("report left:ann by right:eve: abuse []").await;
}

#[tokio::test]
async fn a_report_names_only_what_was_seen() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "enable left").await;
    town.says("left:ann", "right:bob", "waits for a word").await;
    assert!(town.asks("right:bob", "report left:ann spam 5").await.contains("none of their"));
    town.asks("right:bob", "accept left:ann").await;
    town.right.hears(&["waits for a word"]).await;
    town.right.fails(not_taken(Code::Forbidden));
    town.says("left:ann", "right:bob", "1").await;
    town.left.until(|left| left.states().contains(&refused(Code::Forbidden))).await;
    let said = town.asks("right:bob", "report left:ann spam 5").await;
    assert!(said.contains("their last message."), "{said}");
    town.left.keeps(r#"report left:ann by right:bob: spam ["$2"]"#).await;
}

#[tokio::test]
async fn who_has_said_as_much_as_anybody_may_is_told_and_may_say_it_again() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    for number in 0..crate::people::MOST_SAID {
        let (owner, blocked) = (user("right:bob"), user(&format!("left:{number}")));
        let other = blocked.clone();
        let block = Block { owner: owner.clone(), blocked, at: Timestamp(1), named: number > 0 };
        town.crossing.people.apply(&PeopleChange::Block(block));
        let (how, until) = (MuteFor::Always, None);
        town.crossing.people.apply(&PeopleChange::Mute { owner, other, how, until });
    }
    let known = town.right.own().len();
    town.gestures("right:bob", Gesture::Block(user("left:ann"))).await;
    let told = town.right.is_told(known).await;
    assert!(told.contains("blocked 10000 users already") && told.contains("Say unblock"), "{told}");
    let said = town.asks("right:bob", "mute left:ann 8h").await;
    assert!(said.contains("silenced 10000 chats already"), "{said}");
    // What is so already may be said anew: for another time, or of the very account.
    assert!(town.asks("right:bob", "mute left:7 8h").await.contains("for 8 hours"));
    assert!(town.asks("right:bob", "block left:0").await.contains("nothing more of left:0"));
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

#[tokio::test]
async fn who_is_erased_leaves_nothing_with_their_own_network() {
    let dir = TempDir::new().unwrap();
    let mut town = third_party(&dir).await;
    town.asks("right:bob", "inbox separate").await;
    town.asks("right:bob", "mute left:ann always").await;
    town.right.keeps("mute left:ann Some(Always)").await;
    // Of Eve no more is known than a login, and that only by her network.
    town.asks("right:eve", "login right").await;
    town.right.keeps("access true").await;
    town.rests().await;
    let known = town.right.own().len();
    for who in ["right:bob", "right:eve"] {
        let erased = town.crossing.change_people(Change::Erase { user: user(who) }).await;
        assert!(erased.unwrap(), "{who}");
        town.rests().await;
    }
    let expected = ["mute left:ann None", "folder []", "access false", "access false"];
    assert_eq!(town.right.own()[known..], expected);
    // Where there is no login either, there may be nothing to forget.
    let nobody = town.crossing.change_people(Change::Erase { user: user("nowhere:ann") }).await;
    assert!(!nobody.unwrap());
}
