//! What the bridge itself says, and what people decide.

use anyhow::{Context, Result, bail, ensure};
use drawbridge_adapter::{Destination, Gesture};
use tokio::time::timeout;

use crate::play::Play;
use crate::{Done, Stage, Tried};

/// Rule: what the bridge says is shown in its own name, unaltered, and once under one key.
pub async fn notice_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let once = play.notice("Once:\n  said <b>& done</b>.", None)?;
    play.delivers(std::slice::from_ref(&once)).await?;
    play.is_told("Once:\n  said <b>& done</b>.").await?;
    let mut again = once;
    again.attempt = 2;
    let end = play.notice("That is all.", None)?;
    play.delivers(&[again, end]).await?;
    play.is_told("That is all.").await?;
    // None of it was a message.
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: a text to the bridge's own user is an event to the bridge, and its answer reaches whoever
/// asked.
pub async fn command_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    for (asked, answer) in [("help", "You can say: help."), ("help", "You can say: help again.")] {
        let before = play.bridge.journal().handed.len();
        let tried = timeout(play.patience, play.peer.asks_bridge(asked)).await;
        if tried.context("the peer could not ask the bridge in time")?? == Tried::Impossible {
            return Ok(Done::Skipped("nothing can be said to the bridge itself"));
        }
        let sender = play.peer.user();
        let event = play.bridge.wait_for(play.patience, "the bridge is asked", |journal| {
            let mut events = journal.handed.iter().skip(before).map(|handed| &handed.event);
            events.find(|event| event.sender.user == sender).cloned()
        });
        let event = event.await?;
        ensure!(
            event.to == Destination::Bridge,
            "what the bridge was asked went to {:?}",
            event.to
        );
        ensure!(crate::text_of(&event) == Some(asked), "the bridge was asked something else");
        let answer_to_it = play.notice(answer, Some(event.reply_path))?;
        play.delivers(&[answer_to_it]).await?;
        play.is_told(answer).await?;
    }
    play.closes().await
}

/// Rule: a request is shown, and what its recipient answers with the network's own means is a
/// gesture; afterwards it can be taken away.
pub async fn request_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().requests {
        return Ok(Done::Skipped("the adapter shows no requests"));
    }
    let from = play.address()?;
    for accepts in [false, true] {
        let request = play.request("may I?")?;
        play.delivers(&[request]).await?;
        let tried = timeout(play.patience, play.peer.answers_request(&from, accepts)).await;
        if tried.context("the peer was shown no request")?? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot answer a request"));
        }
        let carol = play.carol.clone();
        let gesture = if accepts { Gesture::Accept(carol) } else { Gesture::Decline(carol) };
        play.gestures(&gesture).await?;
        let over = play.request_over(accepts)?;
        play.delivers(&[over]).await?;
    }
    play.crosses_out("at last").await?;
    play.closes().await
}

/// Rule: what a user blocks with the network's own means, the bridge hears, and also that the
/// block is lifted; at the latest when the two next have to do with each other.
pub async fn block_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().block_lists {
        return Ok(Done::Skipped(NO_LISTS));
    }
    let address = play.address()?;
    // One blocks whom one knows.
    play.crosses_in("good morning").await?;
    play.crosses_out("good morning to you").await?;
    for blocked in [true, false] {
        let tried = timeout(play.patience, play.peer.blocks(&address, blocked)).await;
        if tried.context("the peer could not block in time")?? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot block"));
        }
        if blocked {
            // Whether it is shown is the bridge's business, which here knows no blocks.
            let in_vain = play.message("do you hear me?")?;
            play.delivers_once(&[in_vain]).await?;
        } else {
            play.crosses_in("I hear you again").await?;
        }
        let carol = play.carol.clone();
        let gesture = if blocked { Gesture::Block(carol) } else { Gesture::Unblock(carol) };
        play.gestures(&gesture).await?;
    }
    play.closes().await
}

/// Rule: what the bridge says about the network's own list is written there, and taken away.
pub async fn block_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !play.adapter.capabilities().block_lists {
        return Ok(Done::Skipped(NO_LISTS));
    }
    let address = play.address()?;
    for blocked in [true, false] {
        // Again under another key: what is there already stays, what is gone is not missed.
        let twice = [play.block(blocked)?, play.block(blocked)?];
        play.delivers(&twice).await?;
        match timeout(play.patience, play.peer.sees_block(&address, blocked)).await {
            Ok(Ok(Tried::Done)) => {}
            Ok(Ok(Tried::Impossible)) => {
                return Ok(Done::Skipped("the peer does not see its list"));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if blocked => bail!("carol is not on the peer's list"),
            Err(_) => bail!("carol is still on the peer's list"),
        }
    }
    play.closes().await
}

const NO_LISTS: &str = "the adapter keeps no lists of blocked people";
