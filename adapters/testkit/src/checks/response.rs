//! What people answer without words: reactions, receipts, and that they write.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use drawbridge_adapter::{Content, Emojis, EventId, Kind, Passing, Receipt, Signal, Typing, Was};

use super::content::{carries, sent};
use crate::play::{Play, Shown};
use crate::{Deed, Done, Journal, Sight, Stage, Tried};

/// Rule: what a user thinks of a message is known at each time, wholly: either each reaction comes
/// and is taken back by itself, or the whole set comes.
pub async fn react_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Reaction) {
        return Ok(Done::Undeclared("the adapter carries no reactions"));
    }
    play.crosses_out("an earlier plan").await?;
    let idea = play.crosses_out("shall we swim?").await?;
    for emojis in [&["👍", "🎉"][..], &["🎉"], &["🎉", "🏊"], &[]] {
        let all: Vec<_> = emojis.iter().map(|emoji| (*emoji).to_owned()).collect();
        if play.performs(&Deed::Reacts(all)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot react"));
        }
        stand(&play, &idea, emojis).await?;
    }
    // Nothing of it was a message, and nothing comes late.
    play.crosses_in("I am in").await?;
    stand(&play, &idea, &[]).await?;
    ensure!(play.crossed() == ["I am in"], "a reaction came as a text: {:?}", play.crossed());
    play.closes().await
}

/// Waits until these are the reactions of the peer's to `idea`, and looks whether any are to
/// something else.
async fn stand(play: &Play, idea: &Shown, emojis: &[&str]) -> Result<()> {
    let what = format!("the bridge knows the peer's reactions to be {emojis:?}");
    let peer = play.peer.user();
    let expected: BTreeSet<_> = emojis.iter().map(|emoji| (*emoji).to_owned()).collect();
    let as_expected = |journal: &Journal| {
        let mut elsewhere = None;
        let mut set: BTreeMap<String, Option<EventId>> = BTreeMap::new();
        for handed in journal.handed.iter().filter(|handed| handed.is_fresh()) {
            let event = &handed.event;
            match &event.content {
                _ if event.sender.user != peer => {}
                Content::Reaction { to, .. } if !idea.is(to) => elsewhere = Some(to.clone()),
                Content::Reaction { emojis: Emojis::One(emoji), .. } => {
                    set.insert(emoji.clone(), Some(event.id.clone()));
                }
                Content::Reaction { emojis, .. } => {
                    set = emojis.shown().iter().map(|emoji| (emoji.clone(), None)).collect();
                }
                Content::Retraction { of } if of.was == Was::Sent => {
                    set.retain(|_, id| id.as_ref() != Some(&of.id));
                }
                _ => {}
            }
        }
        let so = set.keys().eq(expected.iter());
        elsewhere.map(Err).or_else(|| so.then_some(Ok(())))
    };
    match play.bridge.wait_for(play.patience, &what, as_expected).await? {
        Ok(()) => Ok(()),
        Err(to) => bail!("a reaction is to another message: {to:?}"),
    }
}

/// Rule: the reactions of the other user are shown at the message that they are to, and go when they
/// are taken back; none is a message.
pub async fn react_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Reaction) {
        return Ok(Done::Undeclared("the adapter carries no reactions"));
    }
    play.crosses_out("any plans?").await?;
    let idea = play.crosses_in("shall we row?").await?;
    let mut known: Vec<(String, Option<EventId>)> = Vec::new();
    for emojis in [&["👍", "🎉"][..], &["🎉"], &["🎉", "🚣"], &[]] {
        let all: Vec<_> = emojis.iter().map(|emoji| (*emoji).to_owned()).collect();
        let (kept, gone): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|(emoji, _)| all.contains(emoji));
        let is_new = |emoji: &&String| !kept.iter().any(|(one, _)| one == *emoji);
        let new: Vec<_> = all.iter().filter(is_new).cloned().collect();
        let now = Emojis::Now { all: all.clone(), new: new.clone(), gone };
        let once = play.content(Content::Reaction { to: sent(&idea), emojis: now }, None)?;
        let mut again = once.clone();
        again.attempt = 2;
        let ids = play.delivers(&[once, again]).await?.swap_remove(0).reactions;
        let id_of =
            |emoji: &String| ids.iter().find(|(one, _)| one == emoji).map(|it| it.1.clone());
        known = kept;
        known.extend(new.into_iter().map(|emoji| (emoji.clone(), id_of(&emoji))));
        if play.sees(&Sight::Reactions(all)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer does not see reactions"));
        }
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: that a message was read is told when it was, and of that message; it is never made up.
pub async fn receipt_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Receipt) {
        return Ok(Done::Undeclared("the adapter carries no receipts"));
    }
    play.crosses_in("I look now and then").await?;
    let letter = play.crosses_out("a letter to read").await?;
    // What came before this had time to be told.
    play.crosses_in("not yet").await?;
    let read = |journal: &Journal| read_receipts(journal, &letter).next();
    ensure!(read(&play.bridge.journal()).is_none(), "the letter is said to be read, and was not");
    if play.performs(&Deed::Reads).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot tell what it reads"));
    }
    let what = "the bridge hears that the peer has read the letter";
    let receipt = play.bridge.wait_for(play.patience, what, read).await?;
    ensure!(receipt.by == play.peer.user(), "it is said to be read by {}", receipt.by);
    ensure!(receipt.to == play.carol, "the receipt is for {}", receipt.to);
    play.crosses_in("end").await?;
    ensure!(play.crossed().len() == 3, "a receipt came as a text: {:?}", play.crossed());
    play.closes().await
}

fn read_receipts(journal: &Journal, letter: &Shown) -> impl Iterator<Item = Receipt> {
    let receipts = journal.passing.iter().filter_map(|passing| match passing {
        Passing::Receipt(receipt) => Some(receipt),
        _ => None,
    });
    receipts.filter(|receipt| receipt.read && letter.is(&receipt.of)).cloned()
}

/// Rule: that the other user has read a message is shown, and not as a message.
pub async fn receipt_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Receipt) {
        return Ok(Done::Undeclared("the adapter carries no receipts"));
    }
    play.crosses_out("write to me").await?;
    let letter = play.crosses_in("a letter to read").await?;
    for read in [false, true] {
        let (by, to) = (play.carol.clone(), play.peer.user());
        let receipt = Receipt { by, to, of: sent(&letter), read };
        play.adapter.signal(Signal::Receipt(receipt));
    }
    if play.sees(&Sight::Read).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer does not see what was read"));
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: that a user begins to write is told, and that they stop; and nothing of it is a message.
pub async fn typing_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Typing) {
        return Ok(Done::Undeclared("the adapter does not carry who writes"));
    }
    play.crosses_in("let me think").await?;
    play.crosses_out("take your time").await?;
    for typing in [true, false] {
        if play.performs(&Deed::Types(typing)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot tell that it writes"));
        }
        let told = Passing::Typing(Typing { by: play.peer.user(), to: play.carol.clone(), typing });
        let what = format!("the bridge hears of the peer: {told:?}");
        let last = |journal: &Journal| {
            let mut all = journal.passing.iter().rev();
            let last = all.find(|passing| matches!(passing, Passing::Typing(_)))?;
            (*last == told).then_some(())
        };
        play.bridge.wait_for(play.patience, &what, last).await?;
    }
    play.crosses_in("end").await?;
    ensure!(play.crossed().len() == 2, "it came as a text: {:?}", play.crossed());
    play.closes().await
}

/// Rule: that the other user begins to write is shown, and that they stop; and not as a message.
pub async fn typing_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Typing) {
        return Ok(Done::Undeclared("the adapter does not carry who writes"));
    }
    play.crosses_in("what do you think?").await?;
    play.crosses_out("let me think").await?;
    for typing in [true, false] {
        let (by, to) = (play.carol.clone(), play.peer.user());
        play.adapter.signal(Signal::Typing(Typing { by, to, typing }));
        if play.sees(&Sight::Typing(typing)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer does not see who writes"));
        }
    }
    play.crosses_out("end").await?;
    play.closes().await
}
