//! How people call themselves and look.

use drawbridge_adapter::{NewPicture, Profile, ProfileChange};

use super::*;

const ANN: &str = "left:ann";
const BOB: &str = "right:bob";
const FACE: &[u8] = b"\x89PNG\r\n\x1a\n a face";
const OTHER_FACE: &[u8] = b"GIF89a another face";

impl Town {
    async fn tells(&self, change: ProfileChange) {
        let network = change.user.network().as_str().to_owned();
        self.bridge(&network).profile(change).await.unwrap();
    }

    async fn calls(&self, who: &str, name: &str) {
        self.tells(ProfileChange::of(user(who)).name(Some(name))).await;
    }

    async fn wears(&self, who: &str, at: &str) {
        let picture = NewPicture::At(at.to_owned());
        self.tells(ProfileChange::of(user(who)).picture(picture)).await;
    }

    /// What users of the right network were shown, as soon as it is so much.
    async fn shows(&self, count: usize) -> Vec<Profile> {
        self.right.until(|right| right.profiles.lock().unwrap().len() >= count).await;
        let shown = self.right.profiles.lock().unwrap().clone();
        assert_eq!(shown.len(), count, "{:?}", names(&shown));
        shown
    }

    /// Waits until nothing is due for users of the right network.
    async fn has_looked(&self) {
        let right = NetworkId::new("right").unwrap();
        loop {
            let due = self.crossing.store.profiles_due(&right, Timestamp(i64::MAX), 1).await;
            if due.unwrap().dues.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Fake {
    fn has_picture(&self, at: &str, bytes: &[u8]) {
        self.pictures.lock().unwrap().insert(at.to_owned(), (bytes.to_vec(), 0));
    }

    fn fetched(&self, at: &str) -> usize {
        self.pictures.lock().unwrap()[at].1
    }

    /// How often a picture was asked for that it does not have.
    fn asked(&self, at: &str) -> usize {
        self.missed.lock().unwrap().iter().filter(|missed| *missed == at).count()
    }
}

fn names(shown: &[Profile]) -> Vec<String> {
    shown.iter().map(|profile| profile.shown.name.clone().unwrap_or_default()).collect()
}

fn face(profile: &Profile) -> Option<&[u8]> {
    profile.shown.picture.as_ref().map(|picture| picture.bytes.as_slice())
}

async fn town(dir: &TempDir) -> Town {
    Town::open(dir, limits(), StatusNeeds::default()).await
}

#[tokio::test]
async fn who_has_written_is_shown_and_nobody_else() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_picture("1st", FACE);
    town.calls(ANN, "  Ann\u{202e} of the hill ").await;
    town.wears(ANN, "1st").await;
    town.says(BOB, ANN, "who are you?").await;
    town.rests().await;
    town.has_looked().await;
    assert_eq!(town.left.fetched("1st"), 0, "nobody may see it yet");
    town.says(ANN, BOB, "it is me").await;
    let shown = town.shows(1).await;
    assert_eq!((&shown[0].of, &shown[0].to), (&user(ANN), &user(BOB)));
    assert_eq!(shown[0].shown.name.as_deref(), Some("Ann of the hill"));
    assert_eq!(face(&shown[0]), Some(FACE));
    assert_eq!(shown[0].shown.picture.as_ref().unwrap().mime, "image/png");
    let heard = town.right.heard.lock().unwrap()[0].clone();
    let Command::Message(message) = heard.command else { panic!("a message") };
    assert_eq!(message.from.name.as_deref(), Some("Ann of the hill"), "as she calls herself");
    town.has_looked().await;
    let right = town.bridge("right");
    let kept = right.shown(&user(ANN), &user(BOB)).await.unwrap();
    assert_eq!(kept.as_ref(), Some(&shown[0].shown));
    assert_eq!(right.shown(&user(ANN), &user("right:carol")).await, Ok(None));
    assert_eq!(town.bridge("left").shown(&user(ANN), &user(BOB)).await, Ok(None), "not theirs");
}

#[tokio::test]
async fn a_change_follows_and_the_same_again_is_none() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_picture("1st", FACE);
    town.left.has_picture("2nd", OTHER_FACE);
    town.calls(ANN, "Ann").await;
    town.says(ANN, BOB, "hi").await;
    town.shows(1).await;
    town.calls(ANN, "Ann").await;
    town.calls(ANN, "Anna").await;
    assert_eq!(names(&town.shows(2).await), ["Ann", "Anna"]);
    town.wears(ANN, "1st").await;
    assert_eq!(face(&town.shows(3).await[2]), Some(FACE));
    town.wears(ANN, "1st").await;
    town.wears(ANN, "2nd").await;
    assert_eq!(face(&town.shows(4).await[3]), Some(OTHER_FACE));
    let here = ProfileChange::of(user(ANN)).picture(NewPicture::Here(FACE.to_vec()));
    town.tells(here.clone()).await;
    assert_eq!(face(&town.shows(5).await[4]), Some(FACE));
    town.tells(here).await;
    // What is no picture is none.
    let page = NewPicture::Here(b"<svg onload='alert(1)'/>".to_vec());
    town.tells(ProfileChange::of(user(ANN)).name(None).picture(page)).await;
    let last = town.shows(6).await.pop().unwrap();
    assert_eq!((last.shown.name.as_deref(), face(&last)), (None, None));
    assert_eq!(town.left.fetched("1st"), 1);
    let large = NewPicture::Here([FACE, &vec![0; 70_000]].concat());
    town.tells(ProfileChange::of(user(ANN)).picture(large)).await;
    town.tells(ProfileChange::of(user("right:eve")).name(Some("not hers to tell"))).await;
    town.has_looked().await;
    town.shows(6).await;
    let count = |table: &str| {
        let file = dir.path().join("drawbridge.sqlite3");
        let store = rusqlite::Connection::open(file).unwrap();
        let sql = format!("SELECT count(*) FROM {table}");
        store.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count("pictures"), 0, "a picture that nobody has is forgotten");
}

#[tokio::test]
async fn a_block_holds_and_shows_in_nothing() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_picture("1st", FACE);
    town.calls(ANN, "Ann").await;
    town.says(ANN, BOB, "hi").await;
    town.shows(1).await;
    for (owner, blocked) in [(BOB, ANN), (ANN, BOB)] {
        town.crossing
            .change_people(Change::Block { owner: user(owner), blocked: user(blocked) })
            .await
            .unwrap();
    }
    town.calls(ANN, "Mallory").await;
    town.wears(ANN, "1st").await;
    town.has_looked().await;
    town.shows(1).await;
    assert_eq!(town.left.fetched("1st"), 1, "as it would be without a block");
    let shown = town.bridge("right").shown(&user(ANN), &user(BOB)).await.unwrap().unwrap();
    assert_eq!((shown.name.as_deref(), shown.picture), (Some("Ann"), None), "as it was");
    let lift = |owner, blocked| Change::Unblock { owner: user(owner), blocked: user(blocked) };
    town.crossing.change_people(lift(BOB, ANN)).await.unwrap();
    town.has_looked().await;
    town.shows(1).await;
    town.crossing.change_people(lift(ANN, BOB)).await.unwrap();
    let shown = town.shows(2).await;
    assert_eq!((names(&shown)[1].as_str(), face(&shown[1])), ("Mallory", Some(FACE)));
}

#[tokio::test]
async fn a_block_shows_in_no_picture_that_is_fetched_late() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.calls(ANN, "Ann").await;
    town.says(ANN, BOB, "hi").await;
    town.shows(1).await;
    let block = Change::Block { owner: user(BOB), blocked: user(ANN) };
    town.crossing.change_people(block).await.unwrap();
    // The first try fails.
    town.wears(ANN, "later").await;
    town.left.until(|left| left.asked("later") > 0).await;
    town.left.has_picture("later", FACE);
    town.left.until(|left| left.fetched("later") == 1).await;
    town.has_looked().await;
    town.shows(1).await;
}

#[tokio::test]
async fn the_last_word_waits_for_a_network_also_across_a_restart() {
    let dir = TempDir::new().unwrap();
    let mut first = town(&dir).await;
    first.left.has_picture("1st", FACE);
    first.calls(ANN, "Ann").await;
    first.wears(ANN, "1st").await;
    first.says(ANN, BOB, "hi").await;
    first.shows(1).await;
    first.rests().await;
    first.loses("right");
    for name in ["Anne", "Anna", "Annika"] {
        first.calls(ANN, name).await;
    }
    first.ends().await;
    let second = town(&dir).await;
    let shown = second.shows(1).await;
    assert_eq!(names(&shown), ["Annika"]);
    assert_eq!(face(&shown[0]), Some(FACE), "without its being fetched anew");
}

#[tokio::test]
async fn nothing_of_a_stranger_is_fetched_before_they_are_accepted() {
    let dir = TempDir::new().unwrap();
    let roles = [Role::ThirdParty, Role::Home];
    let mut town = Town::open_between(&dir, limits(), StatusNeeds::default(), roles).await;
    let network = NetworkId::new("left").unwrap();
    town.crossing.change_people(Change::Enable { user: user(BOB), network }).await.unwrap();
    town.left.has_picture("1st", FACE);
    town.calls(ANN, "Ann").await;
    town.wears(ANN, "1st").await;
    town.says(ANN, BOB, "a first word").await;
    town.right.until(|right| right.own().iter().any(|own| own.starts_with("request"))).await;
    town.rests().await;
    town.has_looked().await;
    town.shows(0).await;
    assert_eq!(town.left.fetched("1st"), 0);
    town.crossing
        .change_people(Change::Accept { owner: user(BOB), other: user(ANN) })
        .await
        .unwrap();
    assert_eq!(face(&town.shows(1).await[0]), Some(FACE));
}

#[tokio::test]
async fn who_could_be_taken_for_another_is_marked() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.calls(ANN, "Ann").await;
    town.says(ANN, BOB, "it is me").await;
    town.shows(1).await;
    // Not for Carol, who does not know the other one.
    town.calls("left:eve", "Аnn").await;
    town.says("left:eve", "right:carol", "hello").await;
    assert_eq!(names(&town.shows(2).await), ["Ann", "Аnn"]);
    town.says("left:eve", BOB, "it is me").await;
    assert_eq!(names(&town.shows(3).await)[2], "Аnn [eve]");
    town.right.until(|right| right.texts().len() == 3).await;
    let heard = town.right.heard.lock().unwrap()[2].clone();
    let Command::Message(message) = heard.command else { panic!("a message") };
    assert_eq!(message.from.name.as_deref(), Some("Аnn [eve]"), "from the first word on");
    // The first one may change her name and come back to it, and the name may come free.
    town.calls(ANN, "Annika").await;
    assert_eq!(names(&town.shows(4).await)[3], "Annika");
    town.calls("left:eve", "Eve").await;
    town.calls("left:eve", "ann").await;
    town.has_looked().await;
    let last = town.right.profiles.lock().unwrap().clone();
    let to_bob = last.iter().rfind(|it| it.of == user("left:eve") && it.to == user(BOB)).unwrap();
    assert_eq!(to_bob.shown.name.as_deref(), Some("ann"));
    for name in ["Draw-bridge", "Annika [ann]"] {
        town.calls("left:eve", name).await;
        town.has_looked().await;
        let marked = names(&town.right.profiles.lock().unwrap());
        assert!(marked.contains(&format!("{name} [eve]")), "{marked:?}");
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_had_keeps_no_name_back() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.calls(ANN, "Ann").await;
    town.wears(ANN, "later").await;
    town.says(ANN, BOB, "hi").await;
    let shown = town.shows(1).await;
    assert_eq!((names(&shown)[0].as_str(), face(&shown[0])), ("Ann", None));
    town.left.has_picture("later", FACE);
    assert_eq!(face(&town.shows(2).await[1]), Some(FACE));
}

#[tokio::test]
async fn the_name_of_an_event_counts_until_another_was_told() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    // Each event says that its sender is called Ann.
    town.says("left:zoe", BOB, "one").await;
    assert_eq!(names(&town.shows(1).await), ["Ann"]);
    let mut event = town.event("left:zoe", BOB, "one more");
    event.sender.name = Some("Another".to_owned());
    town.bridge("left").accept(vec![event]).await.unwrap();
    town.calls("left:zoe", "Zoë").await;
    assert_eq!(names(&town.shows(2).await)[1], "Zoë");
    town.says("left:zoe", BOB, "two").await;
    town.rests().await;
    town.has_looked().await;
    town.shows(2).await;
    town.tells(ProfileChange::of(user("left:zoe")).name(None)).await;
    town.says("left:zoe", BOB, "three").await;
    assert_eq!(names(&town.shows(3).await)[2], "", "that there is none was told too");
    let change = Change::Erase { user: user("left:zoe") };
    town.crossing.change_people(change).await.unwrap();
    let right = town.bridge("right");
    assert_eq!(right.shown(&user("left:zoe"), &user(BOB)).await, Ok(None));
}

#[tokio::test]
async fn a_strict_user_is_shown_to_contacts_alone() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    let strict = Change::Strict { user: user(ANN), level: crate::gate::Strictness::On };
    town.crossing.change_people(strict).await.unwrap();
    town.calls(ANN, "Ann").await;
    town.says(ANN, BOB, "hi").await;
    town.rests().await;
    town.has_looked().await;
    town.shows(0).await;
    let off = Change::Strict { user: user(ANN), level: crate::gate::Strictness::Off };
    town.crossing.change_people(off).await.unwrap();
    assert_eq!(names(&town.shows(1).await), ["Ann"]);
}
