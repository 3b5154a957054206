//! Files.

use drawbridge_adapter::{FileInfo, Locator, Media, MediaKind, Sha256, Thumbnail};

use super::refer::{ANN, BOB};
use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";
const OGG: &[u8] = b"OggS and what follows";
const MP3: &[u8] = b"ID3\x03 and what follows";
const PAGE: &[u8] = b"<!DOCTYPE html><html><script>alert(1)</script></html>";

fn media(kind: MediaKind, at: &str) -> Media {
    let at = Locator::Own(at.to_owned());
    Media { kind, at, info: FileInfo::default(), thumbnail: None, caption: None }
}

fn picture(at: &str) -> Media {
    let name = Some("../pier.png".to_owned());
    let info = FileInfo { name, mime: Some("image/png".to_owned()), ..FileInfo::default() };
    let caption = Some(Text::plain("the pier"));
    Media { info, caption, ..media(MediaKind::Image, at) }
}

impl Town {
    async fn sends(&mut self, media: Media) -> Answer {
        self.does(ANN, BOB, Content::Media(Box::new(media))).await
    }

    /// The files that came to Bob's network, as soon as there are so many.
    async fn given(&self, count: usize) -> Vec<(Media, Vec<u8>)> {
        self.right.until(|right| right.given.lock().unwrap().len() >= count).await;
        let given = self.right.given.lock().unwrap().clone();
        assert_eq!(given.len(), count);
        given
    }
}

async fn town(dir: &TempDir) -> Town {
    Town::open(dir, limits(), StatusNeeds { accepted: true, pending: false }).await
}

#[tokio::test]
async fn a_file_crosses_whole_and_in_its_place() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    let bytes = [PNG, &vec![9; 700_000]].concat();
    town.left.has_file("1st", &bytes);
    town.says(ANN, BOB, "look").await;
    assert_eq!(town.sends(picture("1st")).await, Answer::Accepted);
    town.says(ANN, BOB, "nice?").await;
    town.right.hears(&["look", "nice?"]).await;
    let (media, given) = town.given(1).await.remove(0);
    assert!(given == bytes);
    assert_eq!((media.kind, &media.at), (MediaKind::Image, &Locator::Attached));
    assert_eq!(media.caption, Some(Text::plain("the pier")));
    assert_eq!(media.info.name.as_deref(), Some("pier.png"));
    assert_eq!(media.info.mime.as_deref(), Some("image/png"));
    assert_eq!(media.info.size, Some(bytes.len() as u64));
    let order = |delivery: &Delivery| match &delivery.command {
        Command::Message(message) => Some(message.content.kind()),
        _ => None,
    };
    let order: Vec<_> = town.right.heard.lock().unwrap().iter().filter_map(order).collect();
    assert_eq!(order, [Kind::Text, Kind::Image, Kind::Text]);
    town.rests().await;
    // The adapter's word of the last delivery is the last to hold it.
    town.right.heard.lock().unwrap().clear();
    assert_eq!(town.crossing.files.spooled(), 0);
    assert_eq!(town.left.opened("1st"), 1);
}

#[tokio::test]
async fn what_breaks_off_is_fetched_again() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_file("1st", PNG);
    town.left.files.lock().unwrap().get_mut("1st").unwrap().breaks = 1;
    town.sends(picture("1st")).await;
    assert!(town.given(1).await[0].1 == PNG);
    assert_eq!(town.left.opened("1st"), 2);
}

#[tokio::test]
async fn what_is_no_picture_is_told_and_holds_nothing_up() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_file("page", PAGE);
    town.left.has_file("large", &[PNG, &vec![0; 1 << 20]].concat());
    town.left.has_file("other", PNG);
    town.sends(picture("page")).await;
    town.sends(picture("large")).await;
    town.sends(picture("gone")).await;
    let sha256 = Some(Sha256([1; 32]));
    let info = FileInfo { sha256, ..FileInfo::default() };
    town.sends(Media { info, ..media(MediaKind::Image, "other") }).await;
    let size = Some((1 << 20) + 1);
    let info = FileInfo { size, ..FileInfo::default() };
    let answer = town.sends(Media { info, ..media(MediaKind::Image, "large") }).await;
    let too_large = Refusal::too_large(1 << 20);
    assert_eq!(answer, Answer::Refused(too_large));
    town.says(ANN, BOB, "end").await;
    town.right.hears(&["end"]).await;
    town.left.until(|left| left.states().len() == 6).await;
    let states = town.left.states();
    for expected in [
        refused(Code::MediaTypeMismatch),
        State::FailedPermanent(too_large),
        refused(Code::Expired),
        refused(Code::Malformed),
    ] {
        assert!(states.contains(&expected), "{expected:?} of {states:?}");
    }
    assert!(town.given(0).await.is_empty());
    assert_eq!(town.crossing.files.spooled(), 0);
}

#[tokio::test]
async fn links_are_followed_where_the_operator_says() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    let at = Locator::Link("https://elsewhere.test/1".to_owned());
    let answer = town.sends(Media { at, ..media(MediaKind::Image, "") }).await;
    assert_eq!(answer, Answer::Refused(Code::HostDenied.into()));
}

#[tokio::test]
async fn a_voice_note_stays_one_where_it_can_be_played() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_file("ogg", OGG);
    town.left.has_file("mp3", MP3);
    town.left.has_file("film", b"\x1a\x45\xdf\xa3 webm");
    for (kind, at) in
        [(MediaKind::Voice, "ogg"), (MediaKind::Voice, "mp3"), (MediaKind::Video, "film")]
    {
        let waveform = vec![1, 2, 1024];
        let info = FileInfo { waveform, ..FileInfo::default() };
        assert_eq!(town.sends(Media { info, ..media(kind, at) }).await, Answer::Accepted);
    }
    let given = town.given(3).await;
    assert_eq!((given[0].0.kind, given[0].0.info.waveform.len()), (MediaKind::Voice, 3));
    assert_eq!(given[0].0.caption, None);
    assert_eq!(given[1].0.kind, MediaKind::Audio);
    assert_eq!(given[1].0.caption, Some(Text::plain("Voice note")));
    assert_eq!(given[2].0.kind, MediaKind::Document);
}

#[tokio::test]
async fn nothing_is_fetched_of_what_waits_for_a_word_or_was_taken_back() {
    let dir = TempDir::new().unwrap();
    let mut town = requests::third_party(&dir).await;
    town.left.has_file("1st", PNG);
    let left = NetworkId::new("left").unwrap();
    town.changes(Change::Enable { user: user(BOB), network: left }).await;
    assert_eq!(town.sends(picture("1st")).await, Answer::Accepted);
    let asked = town.right.is_told(0).await;
    assert!(!asked.contains("pier"), "{asked}");
    assert_eq!(town.left.opened("1st"), 0);
    town.changes(Change::Accept { owner: user(BOB), other: user(ANN) }).await;
    assert!(town.given(1).await[0].1 == PNG);
    assert_eq!(town.left.opened("1st"), 1);

    town.left.has_file("2nd", PNG);
    town.rests().await;
    town.loses("right");
    town.sends(picture("2nd")).await;
    let picture = town.said;
    let of = refer::sent(&format!("${picture}"));
    town.does(ANN, BOB, Content::Retraction { of }).await;
    town.connects("right");
    town.says(ANN, BOB, "end").await;
    town.right.hears(&["end"]).await;
    assert_eq!(town.left.opened("2nd"), 0);
}

/// Whoever offers a file sees whether it is fetched.
#[tokio::test]
async fn what_a_block_swallows_is_fetched_and_thrown_away() {
    let dir = TempDir::new().unwrap();
    let mut town = requests::third_party(&dir).await;
    town.left.has_file("1st", PNG);
    town.left.has_file("page", PAGE);
    let left = NetworkId::new("left").unwrap();
    town.changes(Change::Enable { user: user(BOB), network: left }).await;
    town.changes(Change::Accept { owner: user(BOB), other: user(ANN) }).await;
    town.changes(Change::Block { owner: user(BOB), blocked: user(ANN) }).await;
    assert_eq!(town.sends(picture("1st")).await, Answer::Accepted);
    town.sends(picture("page")).await;
    // A refusal is told as if there were no block.
    town.left.learns(&[State::Accepted, refused(Code::MediaTypeMismatch)]).await;
    assert_eq!((town.left.opened("1st"), town.left.opened("page")), (1, 1));
    // The small picture as well; and nothing of what its sender takes back in time, as of anybody's.
    town.left.has_file("3rd", PNG);
    town.left.has_file("small", PNG);
    let thumbnail = Thumbnail { at: Locator::Own("small".to_owned()), info: FileInfo::default() };
    town.sends(Media { thumbnail: Some(thumbnail), ..picture("3rd") }).await;
    town.left.until(|left| left.opened("small") == 1).await;
    town.rests().await;
    town.loses("right");
    town.left.has_file("4th", PNG);
    town.sends(picture("4th")).await;
    let of = refer::sent(&format!("${}", town.said));
    town.does(ANN, BOB, Content::Retraction { of }).await;
    town.connects("right");
    town.rests().await;
    assert_eq!(town.left.opened("4th"), 0);
    assert!(town.given(0).await.is_empty());
}

#[tokio::test]
async fn what_could_not_be_delivered_is_not_fetched_again() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_file("1st", PNG);
    town.right.fails(DeliveryError::Retry { after: None, why: "as the test says" });
    town.right.fails(DeliveryError::Unknown { why: "as the test says" });
    let media = Media { caption: Some(Text::plain("1")), ..picture("1st") };
    town.sends(media).await;
    assert!(town.given(1).await[0].1 == PNG);
    assert_eq!(town.left.opened("1st"), 1);
    town.rests().await;
    town.right.heard.lock().unwrap().clear();
    assert_eq!(town.crossing.files.spooled(), 0);
}

#[tokio::test]
async fn what_is_taken_back_while_its_file_comes_is_not_delivered() {
    let dir = TempDir::new().unwrap();
    let mut town = town(&dir).await;
    town.left.has_file("1st", PNG);
    *town.left.gate.lock().unwrap() = true;
    town.sends(picture("1st")).await;
    let of = refer::sent(&format!("${}", town.said));
    town.left.until(|left| left.opened("1st") == 1).await;
    town.does(ANN, BOB, Content::Retraction { of }).await;
    *town.left.gate.lock().unwrap() = false;
    town.left.changed.notify_waiters();
    town.says(ANN, BOB, "end").await;
    town.right.hears(&["end"]).await;
    assert!(town.given(0).await.is_empty());
}
