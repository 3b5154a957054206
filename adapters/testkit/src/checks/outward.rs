//! From the bridge to the peer.

use anyhow::{Result, bail, ensure};
use drawbridge_adapter::{Code, DeliveryError};

use super::{hundred, longest, torture};
use crate::play::Play;
use crate::{Done, Stage};

/// Rule: a text is shown as it was written, as from its sender's address.
pub async fn text_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    play.crosses_out("good morning, dear peer").await?;
    play.closes().await
}

/// Rule: text is shown unaltered: any Unicode, right-to-left, combining, four bytes, markup.
pub async fn unicode_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    for text in torture(&play) {
        play.crosses_out(text).await?;
    }
    play.closes().await
}

/// Rule: a text of the declared limit (or 60 KiB, if that is less) is shown whole.
pub async fn long_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let text = longest(&play);
    play.crosses_out(&text).await?;
    play.closes().await
}

/// Rule: messages of one conversation, delivered in full windows, are shown in order, each once.
pub async fn order_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let mut texts = hundred("out");
    texts.push("end".to_owned());
    let all: Vec<_> = texts.iter().map(|text| play.message(text)).collect::<Result<_>>()?;
    play.delivers(&all).await?;
    for text in &texts {
        play.hears(text).await?;
    }
    play.closes().await
}

/// Rule: two equal texts are two messages.
pub async fn equal_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let texts = ["ok", "ok", "end"];
    let all: Vec<_> = texts.iter().map(|text| play.message(text)).collect::<Result<_>>()?;
    play.delivers(&all).await?;
    for text in texts {
        play.hears(text).await?;
    }
    play.closes().await
}

/// Rule: a command that comes again under its key is shown once.
pub async fn duplicate_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let once = play.message("once")?;
    play.delivers(std::slice::from_ref(&once)).await?;
    let mut again = once;
    again.attempt = 2;
    let end = play.message("end")?;
    play.delivers(&[again, end]).await?;
    play.hears("once").await?;
    play.hears("end").await?;
    play.closes().await
}

/// Rule: a delivery that comes before the adapter is connected is answered, not kept for ever,
/// and is shown once when it was tried again.
pub async fn early_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::set(stage).await?;
    let early = play.message("early")?;
    let answers = play.delivers_once(std::slice::from_ref(&early)).await?;
    if let Some(Err(DeliveryError::Refused { refusal, .. })) = answers.first() {
        bail!("having no connection yet is no reason to refuse: {}", refusal.code);
    }
    play.start().await?;
    let end = play.message("end")?;
    play.delivers(&[early, end]).await?;
    play.hears("early").await?;
    play.hears("end").await?;
    play.closes().await
}

/// Rule: a delivery to an account that does not exist is refused with `not_reachable`, and its
/// neighbours are not harmed.
pub async fn nobody_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let Some(nobody) = play.nobody.clone() else {
        return Ok(Done::Skipped("a delivery to an unknown account does not fail at once"));
    };
    let lost = play.message_to(&nobody, "is anybody there?")?;
    let answers = play.delivers_once(&[lost]).await?;
    match answers.first() {
        Some(Err(DeliveryError::Refused { refusal, .. })) => {
            let code = refusal.code;
            ensure!(code == Code::NotReachable, "it is refused with {code}, not not_reachable");
        }
        other => bail!("it is answered with {other:?}"),
    }
    play.crosses_out("end").await?;
    play.closes().await
}
