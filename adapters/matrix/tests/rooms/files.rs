//! Files, by the homeserver's own word.

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{
    Code, Content, Delivery, DeliveryError, Event, Locator, Media, MediaKind, Reference, Text, Was,
};
use drawbridge_testkit::{Deed, Journal, Peer, Sample, Sight, handed_over, sample};
use futures_util::TryStreamExt;
use serde_json::json;

use super::{PATIENCE, Play, within};

const KEY: &str = "0192ab3c4d5e6f708192a3b4c5d";

fn delivery(play: &Play, key: &str, sample: &Sample) -> Result<Delivery> {
    let (media, attached) = handed_over(sample)?;
    let mut delivery = play.content(key, Content::Media(Box::new(media)))?;
    delivery.attached = Some(attached);
    Ok(delivery)
}

async fn arrives(play: &Play) -> Result<(Event, Media)> {
    let file = |journal: &Journal| {
        let mut events = journal.handed.iter().map(|handed| &handed.event);
        events.find_map(|event| match &event.content {
            Content::Media(media) => Some((event.clone(), (**media).clone())),
            _ => None,
        })
    };
    play.bridge.wait_for(PATIENCE, "a file", file).await
}

#[tokio::test]
async fn a_large_file_crosses_both_ways_and_shows_once() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    ensure!(play.adapter.max_media() == 200 * 1024 * 1024, "{}", play.adapter.max_media());
    let mut large = sample(MediaKind::Video);
    large.bytes.resize(64 * 1024 * 1024, 7);
    let mut shown = delivery(&play, KEY, &large)?;
    let done = play.delivers(std::slice::from_ref(&shown)).await;
    ensure!(matches!(&done[..], [Ok(delivered)] if delivered.id.is_some()), "{done:?}");
    let sight = Sight::ShowsFile(large.clone());
    within("alice is shown it", play.alice.is_shown(&ghost, &sight)).await?;
    // The result was lost, and so is what the adapter remembers.
    play.dies_and_comes_back().await?;
    shown.attempt = 2;
    ensure!(play.delivers(&[shown]).await == done, "it is another one");
    within("alice sends it", play.alice.performs(&ghost, &Deed::SendsFile(large.clone()))).await?;
    let (_, media) = arrives(&play).await?;
    let Locator::Own(own) = &media.at else { anyhow::bail!("elsewhere") };
    // As after another restart: the address is all that it takes.
    let incoming = play.homeserver.adapter()?.open(own).await;
    let incoming = incoming.map_err(|error| anyhow::anyhow!("not opened: {error:?}"))?;
    ensure!(incoming.size == Some(large.bytes.len() as u64));
    let pieces: Vec<_> = incoming.body.try_collect().await?;
    ensure!(pieces.concat() == large.bytes, "other bytes");
    let files = play.alice.seen.iter().filter(|event| event["content"]["url"].is_string());
    ensure!(files.count() == 1, "it was shown twice");
    Ok(())
}

#[tokio::test]
async fn captions_are_edited_and_files_stay() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let image = sample(MediaKind::Image);
    let done = play.delivers(&[delivery(&play, KEY, &image)?]).await;
    let shown = done.first().and_then(|done| done.clone().ok()?.id).context("not delivered")?;
    let of = Reference { id: shown.clone(), was: Was::Delivered, sent_at: None };
    // Twice: the second is of what the first has left.
    for (key, caption) in [("1", "the new pier"), ("2", "no, the old one")] {
        let edit = Content::Edit { of: of.clone(), text: Text::plain(caption) };
        let done = play.delivers(&[play.content(key, edit)?]).await;
        ensure!(done.iter().all(Result::is_ok), "{done:?}");
        let is = |content: &serde_json::Value| {
            content["m.relates_to"]["event_id"] == shown.as_str()
                && content["m.new_content"]["body"] == caption
        };
        let edited = async {
            loop {
                let mut seen = play.alice.seen.iter().map(|event| event["content"].clone());
                if let Some(content) = seen.find(is) {
                    return Ok(content["m.new_content"].clone());
                }
                play.alice.listens().await?;
            }
        };
        let new = within("alice sees the edit", edited).await?;
        let first = play.alice.seen.iter().find(|event| event["event_id"] == shown.as_str());
        let first = &first.context("she did not see the file")?["content"];
        ensure!(new["url"] == first["url"] && new["info"] == first["info"], "{new}");
        ensure!(new["msgtype"] == "m.image" && new["filename"] == *image.name, "{new}");
    }
    within("alice sends one", play.alice.performs(&ghost, &Deed::SendsFile(image))).await?;
    let (event, media) = arrives(&play).await?;
    let Locator::Own(own) = &media.at else { anyhow::bail!("elsewhere") };
    let new = json!({ "msgtype": "m.image", "body": "mine", "filename": "pier.png", "url": own });
    let mut edit = new.clone();
    edit["m.new_content"] = new;
    edit["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": event.id.as_str() });
    within("alice edits it", play.alice.sends(&ghost, "m.room.message", edit)).await?;
    let of = Reference { id: event.id, was: Was::Sent, sent_at: Some(event.sent_at) };
    let expected = Content::Edit { of, text: Text::plain("mine") };
    let known = |journal: &Journal| {
        journal.handed.iter().any(|handed| handed.event.content == expected).then_some(())
    };
    play.bridge.wait_for(PATIENCE, "her new caption", known).await
}

#[tokio::test]
async fn what_is_not_there_and_what_is_too_large_is_refused() -> Result<()> {
    let play = Play::open().await?;
    let opened = play.adapter.open("mxc://hs.test/nothing").await;
    let gone = matches!(&opened, Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == Code::Expired);
    ensure!(gone, "{opened:?}");
    let opened = play.adapter.open("mxc://hs.test/../../versions").await;
    ensure!(matches!(&opened, Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == Code::Malformed));
    let mut large = sample(MediaKind::Document);
    large.bytes.resize(201 * 1024 * 1024, 7);
    let done = play.delivers(&[delivery(&play, KEY, &large)?]).await;
    let limit = Some(200 * 1024 * 1024);
    let refused = matches!(&done[..], [Err(DeliveryError::Refused { refusal, .. })]
        if refusal.code == Code::MediaTooLarge && refusal.limit == limit);
    ensure!(refused, "{done:?}");
    Ok(())
}
