//! How people call themselves and look.

use anyhow::{Context, Result, anyhow, bail, ensure};
use drawbridge_adapter::{Kind, Level, NewPicture, Picture, There, UserId};
use tokio::time::timeout;

use crate::play::Play;
use crate::{Deed, Done, Journal, Sight, Stage, Tried, portrait};

/// Rule: how a user calls themselves and looks is told to the bridge, each time that it changes, as
/// theirs alone and not anew with each message; the picture can be fetched, byte by byte.
pub async fn profile_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !declared(&play) {
        return Ok(Done::Undeclared(UNDECLARED));
    }
    gets_acquainted(&mut play).await?;
    let names = names(&play);
    for name in &names {
        if play.performs(&Deed::CallsItself(name.clone())).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot call itself otherwise"));
        }
        is_called(&play, name).await?;
    }
    let mut before = None;
    for face in [portrait([120, 0, 60]), portrait([0, 90, 120])] {
        if play.performs(&Deed::Wears(Some(face.clone()))).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot have a picture"));
        }
        let picture = looks_otherwise(&play, before.as_ref()).await?;
        play.keeps_the_contract()?;
        let bytes = fetched(&play, &picture).await?;
        ensure!(bytes == face, "its picture has other bytes: {} of {}", bytes.len(), face.len());
        before = Some(picture);
    }
    play.performs(&Deed::Wears(None)).await?;
    let gone = told(&play, "has no picture any more", |journal, peer| {
        (journal.picture_of(peer) == Some(&NewPicture::Gone)).then_some(())
    });
    gone.await?;
    let so_far = profiles_of_peer(&play);
    for number in 1..=MESSAGES {
        play.crosses_in(&format!("still me {number}")).await?;
    }
    let more = profiles_of_peer(&play) - so_far;
    ensure!(more <= MESSAGES / 2, "how it looks was told {more} times with {MESSAGES} messages");
    is_called(&play, &names[1]).await?;
    let peer = play.peer.user();
    for change in play.bridge.journal().profiles {
        let theirs = change.name.as_ref().is_some_and(|name| names.contains(name));
        ensure!(change.user == peer || !theirs, "the peer's name was told as somebody else's");
    }
    play.closes().await
}

/// Rule: a user of another network is shown as they call themselves and look, to the one whom the
/// bridge names and to nobody else, and not as a message; also if it comes again, beside a message, or
/// before there was any.
pub async fn profile_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !declared(&play) {
        return Ok(Done::Undeclared(UNDECLARED));
    }
    gets_acquainted(&mut play).await?;
    let (red, green, blue) = (portrait([200, 0, 0]), portrait([0, 200, 0]), portrait([0, 0, 200]));
    let once = play.profile("Caroline", Some(&red))?;
    play.deliver_one(&once).await?;
    if play.sees(&Sight::Name("Caroline".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer does not see how others are called"));
    }
    if play.sees(&Sight::Face(Some(red.clone()))).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer does not see how others look"));
    }
    let mut again = once;
    again.attempt = 2;
    play.deliver_one(&again).await?;
    play.crosses_out("as before").await?;
    is_shown(&mut play, "Caroline", Some(&red)).await.context("the same again")?;

    let plain = play.profile("Zoë <of> & the \"tower\" 🗼", None)?;
    play.deliver_one(&plain).await?;
    is_shown(&mut play, "Zoë <of> & the \"tower\" 🗼", None).await.context("without a picture")?;

    if let Some(nobody) = play.nobody.clone() {
        // Whether that one can be shown anything is not the question here.
        let elsewhere = play.profile_to(&nobody, "Not for you", &green)?;
        play.delivers_once(&[elsewhere]).await?;
        play.crosses_out("the same to you").await?;
        let same = is_shown(&mut play, "Zoë <of> & the \"tower\" 🗼", None).await;
        same.context("after somebody else was shown another")?;
    }

    let (profile, message) = (play.profile("Carola", Some(&blue))?, play.message("both at once")?);
    let both = tokio::try_join!(play.deliver_one(&message), play.deliver_one(&profile));
    both.context("a profile beside a message")?;
    play.hears("both at once").await?;
    is_shown(&mut play, "Carola", Some(&blue)).await.context("beside a message")?;

    // Of one who has written nothing there may be nothing yet in which it could be shown.
    play.carol = UserId::new(play.carol.network().clone(), "erin")?;
    let early = play.profile("Erin of the mill", Some(&green))?;
    play.deliver_one(&early).await.context("before a message")?;
    play.crosses_out("my first word").await?;
    is_shown(&mut play, "Erin of the mill", Some(&green))
        .await
        .context("with the first message")?;
    play.closes().await
}

/// The peer and carol have written to each other, and she may see that it is there, where the network
/// has that: afterwards she may know how it looks.
pub(super) async fn gets_acquainted(play: &mut Play) -> Result<()> {
    play.crosses_in("good morning").await?;
    play.crosses_out("good morning to you").await?;
    play.performs(&Deed::Is(There::Online)).await?;
    Ok(())
}

/// Whether the adapter has anything to do with profiles.
pub(super) fn declared(play: &Play) -> bool {
    play.adapter.capabilities().level(Kind::Profile) != Level::Rejected
}

/// Names that nobody else has taken, also where several scenes share a server.
pub(super) fn names(play: &Play) -> [String; 2] {
    let number = play.bridge.handle().now().0;
    [format!("Zoë of the tower {number}"), format!("<Zoë> & the \"sea\" {number} 🌊")]
}

/// Waits until the bridge was told that the peer calls itself so.
pub(super) async fn is_called(play: &Play, name: &str) -> Result<()> {
    let called = told(play, "calls itself otherwise", |journal, peer| {
        (journal.name_of(peer) == Some(name)).then_some(())
    });
    called.await
}

/// Waits until the bridge was told of a picture of the peer's, and another one than before.
async fn looks_otherwise(play: &Play, before: Option<&NewPicture>) -> Result<NewPicture> {
    let looks = told(play, "looks otherwise", |journal, peer| {
        let picture = journal.picture_of(peer)?;
        (*picture != NewPicture::Gone && Some(picture) != before).then(|| picture.clone())
    });
    looks.await
}

async fn told<T>(
    play: &Play,
    what: &str,
    mut found: impl FnMut(&Journal, &UserId) -> Option<T>,
) -> Result<T> {
    let peer = play.peer.user();
    let what = format!("the bridge is told that the peer {what}");
    play.bridge.wait_for(play.patience, &what, |journal| found(journal, &peer)).await
}

async fn fetched(play: &Play, picture: &NewPicture) -> Result<Vec<u8>> {
    let at = match picture {
        NewPicture::Gone => bail!("there is no picture"),
        NewPicture::Here(bytes) => return Ok(bytes.clone()),
        NewPicture::At(at) => at,
    };
    let bytes = timeout(play.patience, play.adapter.picture(&play.peer.user(), at)).await;
    let bytes = bytes.context("its picture was not fetched in time")?;
    let bytes = bytes.map_err(|error| anyhow!("its picture was not fetched: {error:?}"))?;
    ensure!(bytes.len() <= Picture::MAX, "its picture is too large: {} bytes", bytes.len());
    Ok(bytes)
}

fn profiles_of_peer(play: &Play) -> usize {
    let peer = play.peer.user();
    play.bridge.journal().profiles.iter().filter(|change| change.user == peer).count()
}

async fn is_shown(play: &mut Play, name: &str, face: Option<&[u8]>) -> Result<()> {
    play.sees(&Sight::Name(name.to_owned())).await?;
    play.sees(&Sight::Face(face.map(<[u8]>::to_vec))).await?;
    Ok(())
}

const UNDECLARED: &str = "the adapter does not carry how people call themselves and look";

/// So many messages follow, and most of them do not tell how the peer looks.
const MESSAGES: usize = 8;
