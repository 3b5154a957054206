//! What the adapter writes into the log.

use anyhow::{Result, ensure};
use drawbridge_adapter::{Code, Refusal, State};

use super::profile::{declared, gets_acquainted, is_called, names};
use crate::capture::Capture;
use crate::play::Play;
use crate::{Deed, Done, Stage, Tried};

/// The target of a line that must be found, or the search would prove nothing.
const CANARY: &str = "drawbridge_testkit::canary";

/// Rule: no body, name, address, token or secret is logged by the adapter, at any level.
pub async fn silence(stage: &dyn Stage) -> Result<Done> {
    let capture = Capture::start()?;
    // A canary stands in no catalogue.
    tracing::event!(target: CANARY, tracing::Level::TRACE, tune = "a canary sings");
    ensure!(!capture.lines_with(CANARY, "canary sings").is_empty(), "the log is not captured");

    let mut play = Play::open(stage).await?;
    let (inward, outward, refused) = ("whisper ashore", "murmur abroad", "mutter in vain");
    let told = "a word in your ear";
    play.crosses_in(inward).await?;
    play.crosses_out(outward).await?;
    play.delivers(&[play.notice(told, None)?]).await?;
    play.is_told(told).await?;
    play.bridge.refuse(refused, Code::NotReachable);
    let event = play.crosses_in(refused).await?;
    let failed = State::FailedPermanent(Refusal::from(Code::NotReachable));
    play.delivers(&[play.status(&event, failed)?]).await?;
    play.learns().await?;
    let names = names(&play);
    if declared(&play) {
        gets_acquainted(&mut play).await?;
        let renamed = play.performs(&Deed::CallsItself(names[0].clone())).await?;
        if renamed == Tried::Done {
            is_called(&play, &names[0]).await?;
        }
        let shown = play.profile(&names[1], None)?;
        play.deliver_one(&shown).await?;
        play.crosses_out("end").await?;
    }
    let mut forbidden = vec![
        inward.to_owned(),
        outward.to_owned(),
        told.to_owned(),
        refused.to_owned(),
        play.peer.user().id().to_owned(),
        play.carol.to_string(),
        play.address()?,
    ];
    forbidden.extend(names);
    forbidden.extend(play.secrets.iter().cloned());
    let target = play.log_target;
    let done = play.closes().await?;
    for needle in forbidden {
        let lines = capture.lines_with(target, &needle);
        ensure!(lines.is_empty(), "{needle:?} stands in the log: {:?}", lines[0]);
    }
    Ok(done)
}
