//! Files.

use anyhow::{Context, Result, bail, ensure};
use drawbridge_adapter::{Content, Level, Locator, MediaKind};
use futures_util::StreamExt;

use crate::files::{handed_over, sample};
use crate::play::Play;
use crate::{Deed, Done, Sample, Sight, Stage, Tried};

/// Rule: a file of each kind that is declared arrives whole, as its kind, with its name, its type, its
/// small picture, what is said of it and what is written with it; it can be opened more than once, and is not read before.
pub async fn media_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let samples = declared(&play, Level::Rejected);
    if samples.is_empty() {
        return Ok(Done::Undeclared("the adapter does not carry files"));
    }
    let mut before = Vec::new();
    for sample in samples {
        let fetched_before = play.files_fetched().await?;
        if play.performs(&Deed::SendsFile(sample.clone())).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot send files"));
        }
        let kind = sample.kind;
        let came = play.takes("file", |event| match &event.content {
            Content::Media(media) if !before.contains(&event.id) => {
                Some((event.id.clone(), media.clone()))
            }
            _ => None,
        });
        let (id, media) = came.await.with_context(|| format!("{kind:?}"))?;
        before.push(id);
        play.keeps_the_contract()?;
        ensure!(media.kind == kind, "{kind:?} arrived as {:?}", media.kind);
        let unread = play.files_fetched().await? == fetched_before;
        ensure!(unread, "{kind:?} was read before it was opened");
        let info = media.info.clone().clean();
        ensure!(info.name.as_deref() == Some(&sample.name), "{kind:?} has another name");
        ensure!(info.mime.as_deref() == Some(&sample.mime), "{kind:?} has another type");
        let size = sample.bytes.len() as u64;
        ensure!(info.size.is_none_or(|said| said == size), "{kind:?} has another size");
        let caption = media.caption.as_ref().map(|text| text.body.clone());
        ensure!(caption == sample.caption, "what is written with {kind:?} is not what was");
        let same = info.duration.is_none() || info.duration == sample.duration;
        ensure!(same, "{kind:?} plays for another time");
        let pixels = (info.width, info.height);
        let same = pixels == (None, None) || pixels == (sample.width, sample.height);
        ensure!(same, "{kind:?} is {pixels:?} pixels wide and high");
        for _ in 0..2 {
            let Some(bytes) = fetched(&mut play, &media.at).await? else {
                return Ok(Done::Skipped("the peer cannot download what it sent"));
            };
            ensure!(bytes == sample.bytes, "{kind:?} has other bytes: {} of {size}", bytes.len());
        }
        let Some(small) = sample.thumbnail else { continue };
        let at = media.thumbnail.map(|thumbnail| thumbnail.at);
        let at = at.with_context(|| format!("{kind:?} has lost its small picture"))?;
        let bytes = fetched(&mut play, &at).await?;
        let same = bytes.is_none_or(|bytes| bytes == small);
        ensure!(same, "{kind:?} has another small picture");
    }
    play.crosses_in("end").await?;
    play.closes().await
}

/// Rule: a file of each kind that is declared as more than `fallback` is shown whole, as its kind, with
/// its name, its type, its small picture, what is said of it and what is written with it; and once, also if it is delivered again.
pub async fn media_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let samples = declared(&play, Level::Fallback);
    if samples.is_empty() {
        return Ok(Done::Undeclared("the adapter does not carry files"));
    }
    for (count, sample) in (1..).zip(samples) {
        let size = sample.bytes.len() as u64;
        ensure!(play.adapter.max_media() >= size, "it takes no file of {size} bytes");
        let (media, attached) = handed_over(&sample)?;
        let mut delivery = play.content(Content::Media(Box::new(media)), None)?;
        delivery.attached = Some(attached);
        // Who fetches a file before it says that it has it does both at once.
        let sight = Sight::ShowsFile(sample);
        if play.delivers_while_it_sees(&delivery, &sight).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot be shown files"));
        }
        delivery.attempt += 1;
        play.deliver_one(&delivery).await?;
        play.crosses_out("end").await?;
        let shown = play.files_shown().await?;
        let once = shown.is_none_or(|shown| shown == count);
        ensure!(once, "the peer was shown {} files, not {count}", shown.unwrap_or_default());
    }
    play.closes().await
}

/// One file of each kind that the adapter carries better than so.
fn declared(play: &Play, than: Level) -> Vec<Sample> {
    let can = play.adapter.capabilities();
    let all = MediaKind::ALL.into_iter().filter(|kind| can.level(kind.kind()) > than);
    let small = play.peer.has_small_pictures();
    let known = |sample: Sample| {
        let thumbnail = sample.thumbnail.filter(|_| small);
        Sample { thumbnail, ..sample }
    };
    all.map(sample).map(known).collect()
}

async fn fetched(play: &mut Play, at: &Locator) -> Result<Option<Vec<u8>>> {
    let own = match at {
        Locator::Own(own) => own,
        Locator::Link(link) => return play.peer.downloads(link).await,
        Locator::Attached => bail!("an event names a file that is attached to it"),
    };
    let incoming = play.adapter.open(own).await;
    let incoming = incoming.map_err(|error| anyhow::anyhow!("it was not opened: {error:?}"))?;
    let (mut body, mut bytes) = (incoming.body, Vec::new());
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece?);
    }
    let whole = incoming.size.is_none_or(|size| size == bytes.len() as u64);
    ensure!(whole, "it said that {:?} bytes would come", incoming.size);
    Ok(Some(bytes))
}
