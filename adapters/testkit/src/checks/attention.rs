//! What people want of their chats: silence, folders, somebody reported; and the login that some of
//! it needs.

use anyhow::{Context, Result, bail, ensure};
use drawbridge_adapter::{Code, DeliveryError, Gesture, MuteFor, Secret};
use tokio::time::timeout;

use crate::play::Play;
use crate::{Done, Stage, Tried};

/// Rule: what a user mutes with the network's own means, the bridge hears, and also that it makes
/// noise again; at the latest when the two next have to do with each other. What the adapter itself
/// wrote there is no news.
pub async fn mute_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().mutes {
        return Ok(Done::Skipped(NO_MUTES));
    }
    let address = play.address()?;
    // One mutes whom one knows.
    play.crosses_in("good morning").await?;
    play.crosses_out("good morning to you").await?;
    for muted in [Some(MuteFor::Always), None] {
        let tried = timeout(play.patience, play.peer.mutes(&address, muted)).await;
        if tried.context("the peer could not mute in time")?? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot mute"));
        }
        let word = if muted.is_some() { "muted" } else { "heard again" };
        play.crosses_out(word).await?;
        play.crosses_in(&format!("I know: {word}")).await?;
        play.gestures(&mute_or_unmute(&play, muted)).await?;
    }
    // The bridge's own writing, and after it something of the user's own, by which it is known that
    // all before it was read.
    let before = play.bridge.journal().gestures.len();
    for muted in [Some(MuteFor::EightHours), None] {
        let order = play.mute(muted)?;
        play.delivers(&[order]).await?;
        let word = if muted.is_some() { "muted by you" } else { "heard by your leave" };
        play.crosses_out(word).await?;
        play.crosses_in(&format!("I see: {word}")).await?;
    }
    timeout(play.patience, play.peer.mutes(&address, Some(MuteFor::Always))).await??;
    play.crosses_in("the last word").await?;
    let last = mute_or_unmute(&play, Some(MuteFor::Always));
    let heard =
        play.bridge.wait_for(play.patience, "the bridge hears of the last mute", |journal| {
            let new = &journal.gestures[before..];
            let at = new.iter().position(|(_, gesture)| *gesture == last)?;
            Some(new[..at].to_vec())
        });
    let others = heard.await?;
    ensure!(others.is_empty(), "what the bridge wrote came back as a gesture: {others:?}");
    play.closes().await
}

fn mute_or_unmute(play: &Play, muted: Option<MuteFor>) -> Gesture {
    let carol = play.carol.clone();
    match muted {
        Some(length) => Gesture::Mute(carol, length),
        None => Gesture::Unmute(carol),
    }
}

/// Rule: what the bridge says is muted makes no noise on the network, and what it says is not makes
/// noise; messages come all the time.
pub async fn mute_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().mutes {
        return Ok(Done::Skipped(NO_MUTES));
    }
    let address = play.address()?;
    play.crosses_out("one mutes whom one knows").await?;
    for muted in [Some(MuteFor::EightHours), Some(MuteFor::Always), None] {
        let once = play.mute(muted)?;
        // Again under its key, and under another: it stays as it is.
        let (mut again, other) = (once.clone(), play.mute(muted)?);
        again.attempt = 2;
        play.delivers(&[once, again, other]).await?;
        match timeout(play.patience, play.peer.sees_mute(&address, muted.is_some())).await {
            Ok(Ok(Tried::Done)) => {}
            Ok(Ok(Tried::Impossible)) => {
                return Ok(Done::Skipped("the peer does not see what is muted"));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if muted.is_some() => bail!("the chat with carol is not muted"),
            Err(_) => bail!("the chat with carol is still muted"),
        }
        play.crosses_out("heard or not, it comes").await?;
    }
    play.closes().await
}

/// Rule: a folder holds the chats with users of the networks that the bridge names, and no others;
/// no chat is lost by it.
pub async fn folder_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().folders {
        return Ok(Done::Skipped("the adapter gathers no chats in folders"));
    }
    let address = play.address()?;
    play.crosses_out("a chat of now").await?;
    for inside in [true, false] {
        let once = play.folder(FOLDER, inside)?;
        let (mut again, other) = (once.clone(), play.folder(FOLDER, inside)?);
        again.attempt = 2;
        let first = play.delivers_once(std::slice::from_ref(&once)).await?;
        if let Some(Err(DeliveryError::Refused { refusal, .. })) = first.first()
            && refusal.code == Code::Forbidden
        {
            return Ok(Done::Skipped("the network does not let the adapter arrange chats"));
        }
        play.delivers(&[once, again, other]).await?;
        match timeout(play.patience, play.peer.sees_in_folder(FOLDER, &address, inside)).await {
            Ok(Ok(Tried::Done)) => {}
            Ok(Ok(Tried::Impossible)) => {
                return Ok(Done::Skipped("the peer does not see its folders"));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if inside => bail!("carol's chat is not in the folder"),
            Err(_) => bail!("carol's chat is still in the folder"),
        }
        play.crosses_out("wherever it stands, it goes on").await?;
    }
    play.closes().await
}

/// Rule: a report reaches those who run the network, once under one key, with the messages that were
/// picked and no others.
pub async fn report_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().reports {
        return Ok(Done::Skipped("the adapter takes no reports"));
    }
    let mut events = Vec::new();
    for text in ["Buy now!", "My own business.", "Buy two!"] {
        events.push(play.crosses_in(text).await?.id);
    }
    let picked = vec![events[0].clone(), events[2].clone()];
    let first = play.report(picked)?;
    let (mut again, second) = (first.clone(), play.report(Vec::new())?);
    again.attempt = 2;
    play.delivers(&[first, again, second]).await?;
    for expected in [&["Buy now!", "Buy two!"][..], &[]] {
        let reported = timeout(play.patience, play.peer.is_reported()).await;
        let Some(texts) = reported.context("nobody was told of the report")?? else {
            return Ok(Done::Skipped("what is reported cannot be seen"));
        };
        ensure!(texts == expected, "the report held {texts:?} instead of {expected:?}");
    }
    // None of it was shown to the one who was reported.
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: a secret that opens nothing is refused, one that does is taken, and given back.
pub async fn access(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().access {
        return Ok(Done::Skipped("the adapter takes nobody's login"));
    }
    let given = timeout(play.patience, play.peer.gives_access()).await;
    let Some(secret) = given.context("the peer gave no secret in time")?? else {
        return Ok(Done::Skipped("the peer has no secret to give"));
    };
    let wrong = play.access(Some(Secret::new("opens nothing")))?;
    let answers = play.delivers_once(&[wrong]).await?;
    let refused = |answer: &Result<_, DeliveryError>| match answer {
        Err(DeliveryError::Refused { refusal, .. }) => refusal.code != Code::Malformed,
        _ => false,
    };
    ensure!(refused(&answers[0]), "a wrong secret was answered with {:?}", answers[0]);
    let right = play.access(Some(secret))?;
    let mut again = right.clone();
    again.attempt = 2;
    let (back, back_again) = (play.access(None)?, play.access(None)?);
    play.delivers(&[right, again, back, back_again]).await?;
    play.closes().await
}

const NO_MUTES: &str = "the adapter mutes nothing";

const FOLDER: &str = "Elsewhere";
