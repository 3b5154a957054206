//! What the conformance suite does not know of files: their captions, edits and repeats, and large ones.

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Attached, Content, Locator, MediaKind, Reference, Text, Was};
use drawbridge_servers::{Deed, Sight, User, XmppSoftware};
use drawbridge_testkit::{Sample, handed_over, portrait, sample};

use crate::content::delivered;
use crate::stage::with;
use crate::stanzas::{CAROL, Here, PATIENCE};

tests! {
    a_caption_is_edited_and_its_file_stays
    a_file_that_is_delivered_twice_lies_there_once
    a_large_file_crosses_both_ways
}

/// As the daemon hands it over.
fn media(sample: &Sample) -> Result<(Content, Attached)> {
    let (media, attached) = handed_over(sample)?;
    Ok((Content::Media(Box::new(media)), attached))
}

const BLURHASH: &str = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

async fn a_caption_is_edited_and_its_file_stays(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let picture = sample(MediaKind::Image);
    let (content, attached) = media(&picture)?;
    let id = here.carol_delivers(&here.key(), content, Some(attached)).await?;
    let file = here.server.lays_down(&picture)?;
    here.bob_sees(&Sight::ShowsFile(&file))?;
    here.carol_does(Content::Edit { of: delivered(&id), text: Text::plain("the pier") }).await?;
    here.bob_sees(&Sight::Edited(id.as_str(), "the pier"))?;

    let sent = here.bob.acts(CAROL, &Deed::SendsFile(&file))?;
    let came = here.bridge.wait_for(PATIENCE, "a file", |journal| {
        let mut events = journal.handed.iter().map(|handed| &handed.event);
        events.find(|event| matches!(event.content, Content::Media(_))).cloned()
    });
    let came = came.await?;
    here.bob.acts(CAROL, &Deed::Edits(&sent, "the quay"))?;
    let edit = here.bridge.wait_for(PATIENCE, "an edit", |journal| {
        let mut contents = journal.handed.iter().map(|handed| &handed.event.content);
        contents.find(|content| matches!(content, Content::Edit { .. })).cloned()
    });
    let name = came.id.as_str().split('/').next().unwrap_or_default();
    let of =
        Reference { id: drawbridge_adapter::EventId::new(name)?, was: Was::Sent, sent_at: None };
    let expected = Content::Edit { of, text: Text::plain("the quay") };
    ensure!(edit.await? == expected, "the edit says something else");
    ensure!(here.bob.everything_heard().is_empty(), "a file was heard as a text");
    here.closes().await
}

async fn a_file_that_is_delivered_twice_lies_there_once(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let small = Some(portrait([0, 90, 160]));
    let plan = Sample { thumbnail: small, ..sample(MediaKind::Document) };
    let (mut content, attached) = media(&plan)?;
    if let Content::Media(media) = &mut content {
        media.info.blurhash = Some(BLURHASH.to_owned());
    }
    let (key, file) = (here.key(), attached.file.clone());
    for _ in 0..2 {
        here.carol_delivers(&key, content.clone(), Some(attached.clone())).await?;
    }
    ensure!(file.read_so_far() == file.size(), "it was uploaded twice");
    let sent = attached.thumbnail.context("no small picture")?;
    ensure!(sent.read_so_far() == sent.size(), "the small picture was not uploaded once");
    let mut laid = here.server.lays_down(&plan)?;
    laid.blurhash = Some(BLURHASH.to_owned());
    here.bob_sees(&Sight::ShowsFile(&laid))?;
    here.closes().await
}

async fn a_large_file_crosses_both_ways(software: XmppSoftware) -> Result<()> {
    const LARGE: usize = 6 * 1024 * 1024;
    let here = Here::open(software).await?;
    let mut waves = sample(MediaKind::Video);
    waves.bytes = waves.bytes.iter().copied().cycle().take(LARGE).collect();
    ensure!(here.adapter.max_media() >= LARGE as u64, "{}", here.adapter.max_media());
    let (content, attached) = media(&waves)?;
    here.carol_delivers(&here.key(), content, Some(attached)).await?;
    let file = here.server.lays_down(&waves)?;
    here.bob_sees(&Sight::ShowsFile(&file))?;
    with(&here.bob, move |bob| bob.acts(CAROL, &Deed::SendsFile(&file))).await?;
    let came = here.bridge.wait_for(PATIENCE, "a file", |journal| {
        let mut contents = journal.handed.iter().map(|handed| &handed.event.content);
        contents.find_map(|content| match content {
            Content::Media(media) => Some(media.clone()),
            _ => None,
        })
    });
    let came = came.await?;
    ensure!(came.info.size == Some(LARGE as u64), "{:?}", came.info);
    let Locator::Link(link) = &came.at else { anyhow::bail!("no link: {:?}", came.at) };
    let answer = reqwest::get(link).await?.error_for_status()?;
    let same = answer.bytes().await? == waves.bytes;
    ensure!(same, "it has other bytes");
    here.closes().await.context("at the end")
}
