//! From the peer to the bridge.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Destination, Event, Kind};

use super::{hundred, longest, torture};
use crate::play::Play;
use crate::reference::brief;
use crate::{Done, Journal, Stage, Tried, text_of};

/// Rule: a text arrives as the sender wrote it, from the sender, to the one it was addressed to.
pub async fn text_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let text = "good morning, Carol";
    play.says(text).await?;
    let event = play.bridge.hears(play.patience, text).await?;
    ensure!(event.sender.user == play.peer.user(), "the sender is not the peer");
    ensure!(event.to == Destination::Direct(play.carol.clone()), "it is not addressed to carol");
    ensure!(event.marks == drawbridge_adapter::Marks::default(), "a plain text bears a mark");
    play.closes().await
}

/// Rule: text arrives unaltered: any Unicode, right-to-left, combining, four bytes, markup.
pub async fn unicode_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    for (before, text) in torture(&play).into_iter().enumerate() {
        play.says(text).await?;
        arrives_next(&play, before, text).await?;
    }
    play.closes().await
}

/// The event after the first `before` ones that crossed must say this.
async fn arrives_next(play: &Play, before: usize, text: &str) -> Result<()> {
    let what = format!("the bridge hears {}", brief(text));
    let sender = play.peer.user();
    let next =
        |journal: &Journal| journal.texts_of(&sender).get(before).map(|text| (*text).to_owned());
    let heard = play.bridge.wait_for(play.patience, &what, next).await?;
    ensure!(heard == text, "{} arrived as {}", brief(text), brief(&heard));
    Ok(())
}

/// Rule: a text of the declared limit (or 60 KiB, if that is less) arrives whole.
pub async fn long_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let text = longest(&play);
    play.crosses_in(&text).await?;
    play.closes().await
}

/// Rule: messages of one conversation arrive in order, each once, also if the bridge is slow; and
/// never does the adapter hand over a conversation by two calls at a time.
pub async fn order_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.bridge.slow_down(Duration::from_millis(5));
    let texts = hundred("in");
    for text in &texts {
        play.says(text).await?;
    }
    play.arrives(&texts[99]).await?;
    play.crosses_in("end").await?;
    play.keeps_the_contract()?;
    let heard = play.crossed();
    let (last, before) = heard.split_last().context("none arrived")?;
    ensure!(last == "end" && before == texts, "they arrived as {heard:?}");
    play.closes().await
}

/// Rule: two equal texts are two messages.
pub async fn equal_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    for text in ["ok", "ok"] {
        play.says(text).await?;
    }
    play.crosses_in("end").await?;
    let count = count(&play, "ok");
    ensure!(count == 2, "two equal texts crossed as {count}");
    play.closes().await
}

fn count(play: &Play, text: &str) -> usize {
    play.crossed().into_iter().filter(|crossed| crossed == text).count()
}

/// Rule: a message that the network hands over again is one event: it keeps its id.
pub async fn duplicate_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.crosses_in("once").await?;
    let tried = tokio::time::timeout(play.patience, play.peer.says_again()).await??;
    if tried == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot have a message handed over again"));
    }
    play.crosses_in("end").await?;
    let count = count(&play, "once");
    ensure!(count == 1, "a message that came twice crossed {count} times");
    play.closes().await
}

/// Rule: a sticker is reported as one, also with a text beside it: the gate can refuse it.
pub async fn sticker_in(stage: &dyn Stage) -> Result<Done> {
    kind_in(stage, Kind::Sticker, |event| event.marks.sticker).await
}

/// Rule: a disappearing or view-once message is reported as one, also with a text beside it.
pub async fn disappearing_in(stage: &dyn Stage) -> Result<Done> {
    kind_in(stage, Kind::Disappearing, |event| event.marks.disappearing).await
}

async fn kind_in(stage: &dyn Stage, kind: Kind, marked: fn(&Event) -> bool) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let to = play.address()?;
    let tried = tokio::time::timeout(play.patience, play.peer.does(&to, kind)).await??;
    if tried == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot send this kind"));
    }
    play.crosses_in("end").await?;
    let journal = play.bridge.journal();
    let others = journal.handed.iter().map(|handed| &handed.event);
    let sender = play.peer.user();
    let others = others.filter(|event| event.sender.user == sender);
    let mut others = others.filter(|event| text_of(event) != Some("end"));
    let Some(event) = others.next() else {
        anyhow::bail!("it never reached the bridge: nobody can tell the sender");
    };
    ensure!(others.next().is_none(), "it arrived as more than one event");
    ensure!(
        event.content.kind() == kind || marked(event),
        "it arrived as mere {:?}",
        event.content
    );
    play.closes().await
}
