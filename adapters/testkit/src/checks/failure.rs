//! When something goes wrong, or ends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Code, Command, Connection, Refusal, Signal, State, Unavailable};
use tokio::time::timeout;

use super::hundred;
use crate::play::Play;
use crate::{Done, Journal, Stage, Tried};

/// Rule: a refusal reaches its sender, by its code, exactly as the status says it, and is not told
/// by the answer of `accept` already; the refused message's neighbours cross.
pub async fn refusal(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    for (text, code) in [("to nobody", Code::NotReachable), ("far too long", Code::TextTooLong)] {
        // The daemon says the same twice. Here the answer differs: it is not to be told.
        play.bridge.refuse(text, Code::Forbidden);
        let event = play.crosses_in(text).await?;
        let status = play.status(&event, State::FailedPermanent(Refusal::from(code)))?;
        play.delivers(&[status]).await?;
        let learnt = play.learns().await?;
        ensure!(learnt == code, "the peer learnt {learnt}, not {code}");
    }
    play.crosses_in("end").await?;
    ensure!(play.crossed() == ["end"], "a refused text crossed");
    play.closes().await
}

/// Rule: every state can be told, and none is shown as a message.
pub async fn status(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let event = play.crosses_in("how far did it get?").await?;
    for state in [State::Pending, State::Accepted] {
        let status = play.status(&event, state)?;
        play.delivers(&[status]).await?;
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: signals are taken without waiting, however many, and none is shown as a message.
pub async fn signals(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let event = play.crosses_in("is it there?").await?;
    if let Command::Status(status) = play.status(&event, State::Accepted)?.command {
        let adapter = Arc::clone(&play.adapter);
        let many =
            move || (0..100).for_each(|_| _ = adapter.signal(Signal::Accepted(status.clone())));
        let taken = timeout(play.patience, tokio::task::spawn_blocking(many)).await;
        taken.context("a signal had to wait")?.context("a signal made it panic")?;
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: what the bridge could not take is handed over again, by the adapter or by its network,
/// in order, each once.
pub async fn retry_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.crosses_in("start").await?;
    play.bridge.break_down(Unavailable::Failed);
    for text in ["first", "second", "third"] {
        play.says(text).await?;
    }
    play.turned_away(1).await?;
    play.bridge.mend();
    play.arrives("third").await?;
    play.crosses_in("end").await?;
    let heard = play.crossed();
    ensure!(heard == ["start", "first", "second", "third", "end"], "they arrived as {heard:?}");
    play.closes().await
}

/// Rule: upstream is not acknowledged before the bridge took the message.
pub async fn not_taken(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.bridge.break_down(Unavailable::Full);
    play.says("is it safe?").await?;
    // The second try comes after the first was wholly dealt with, acknowledgement included.
    play.turned_away(2).await?;
    let Some(taken) = play.taken().await? else {
        return Ok(Done::Skipped("the peer cannot know what its network considers taken"));
    };
    ensure!(taken.is_empty(), "it was acknowledged, though the bridge did not take it");
    play.bridge.mend();
    play.arrives("is it safe?").await?;
    play.crosses_in("end").await?;
    let heard = play.crossed();
    ensure!(heard == ["is it safe?", "end"], "they arrived as {heard:?}");
    play.closes().await
}

/// Rule: the adapter outlives the loss of its network: it says so, claims no delivery meanwhile,
/// connects again by itself, and carries both ways as before.
pub async fn recovery(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.crosses_in("before").await?;
    let before = play.bridge.journal().connections.len();
    if timeout(play.patience, play.peer.network_goes_away()).await?? == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot cut its network off"));
    }
    let meanwhile = [play.message("meanwhile")?, play.message("and then")?];
    let answers = play.delivers_once(&meanwhile).await?;
    ensure!(answers.iter().all(Result::is_err), "a delivery without a network is called done");
    let what = "the adapter reports that its connection is not up";
    let down = |journal: &Journal| {
        let reports = journal.connections.iter().skip(before);
        reports.clone().any(|c| *c != Connection::Up).then(|| before + reports.count())
    };
    let reports = play.bridge.wait_for(play.patience, what, down).await?;
    let back = timeout(play.patience, play.peer.network_comes_back()).await;
    back.context("the network did not come back in time")??;
    play.up(reports).await?;
    play.delivers(&meanwhile).await?;
    play.hears("meanwhile").await?;
    play.hears("and then").await?;
    play.crosses_out("end").await?;
    play.crosses_in("after").await?;
    play.closes().await
}

/// Rule: asked to stop under traffic, `run` returns within five seconds, without an error, and
/// what the bridge got until then is in order.
pub async fn stops(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let texts = stop_under_traffic(&mut play).await?;
    let heard = play.crossed();
    ensure!(texts.starts_with(&heard), "they arrived as {heard:?}");
    play.closes().await
}

/// Rule: asked to stop before it has ever been connected, `run` returns within ten seconds.
pub async fn stops_early(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::set(stage).await?;
    play.begin();
    play.closes().await
}

/// Rule: whatever the network considers taken when `run` has returned was accepted by the bridge.
pub async fn drain(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    stop_under_traffic(&mut play).await?;
    let Some(taken) = play.taken().await? else {
        return Ok(Done::Skipped("the peer cannot know what its network considers taken"));
    };
    let heard = play.crossed();
    let lost: Vec<_> = taken.iter().filter(|text| !heard.contains(text)).collect();
    ensure!(lost.is_empty(), "taken from the network, and lost: {lost:?}");
    ensure!(!taken.is_empty(), "the network considers nothing taken, though something arrived");
    play.closes().await
}

/// The peer writes a hundred messages to a slow bridge, which stops when the first is there.
async fn stop_under_traffic(play: &mut Play) -> Result<Vec<String>> {
    play.bridge.slow_down(Duration::from_millis(20));
    let texts = hundred("rush");
    for text in &texts {
        play.says(text).await?;
    }
    play.arrives(&texts[0]).await?;
    play.stops().await?;
    Ok(texts)
}
