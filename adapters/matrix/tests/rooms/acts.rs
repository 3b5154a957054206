//! What is done to earlier messages, by the homeserver's own word.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{
    Code, Command, Content, DeliveryError, Emojis, EventId, Location, Passing, Reference, Reply,
    Text, Thread, Was,
};
use drawbridge_testkit::{Deed, Journal, Peer, Sight};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Play, within};
use crate::peer::MatrixPeer;

const KEY: &str = "0192ab3c4d5e6f708192a3b4c5d";

fn of(id: &EventId) -> Reference {
    Reference { id: id.clone(), was: Was::Delivered, sent_at: None }
}

#[tokio::test]
async fn what_is_taken_back_leaves_no_words() -> Result<()> {
    let mut play = Play::open().await?;
    let said = play.delivers(&[play.message("1", "a slip")?]).await;
    let said = said.first().context("nothing was delivered")?.clone();
    let said = said.map_err(|error| anyhow::anyhow!("{error:?}"))?.id.context("no id")?;
    let edit = |new: &str| Content::Edit { of: of(&said), text: Text::plain(new) };
    let edits = [play.content("2", edit("a slup"))?, play.content("3", edit("a slap"))?];
    let edits = play.delivers(&edits).await;
    within("alice hears it", play.alice.hears()).await?;
    let retraction = play.content("4", Content::Retraction { of: of(&said) })?;
    let taken = play.delivers(std::slice::from_ref(&retraction)).await;
    ensure!(taken.iter().all(Result::is_ok), "{taken:?}");
    let room = play.alice.room(&play.ghost.clone()).await?;
    let edits = edits.into_iter().filter_map(|edit| edit.ok()?.id);
    let events: Vec<_> = edits.chain([said]).collect();
    ensure!(events.len() == 3);
    for event in &events {
        let path = format!("rooms/{room}/event/{}", event.as_str());
        let event = play.alice.call(Method::GET, &path, Value::Null).await?;
        ensure!(event["content"] == json!({}), "{event}");
    }
    // Again, as after a crash.
    let taken = play.delivers(&[retraction]).await;
    ensure!(taken.iter().all(Result::is_ok), "{taken:?}");
    Ok(())
}

#[tokio::test]
async fn what_was_said_before_a_restart_is_known_after_it() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.crosses_out(KEY, "before").await?;
    within("alice writes", play.alice.says(&ghost, "and before")).await?;
    let hers = play.arrives("and before").await?;
    play.dies_and_comes_back().await?;
    let deeds =
        [Deed::Reads, Deed::Reacts(vec!["👍".to_owned()]), Deed::Edits("and after".to_owned())];
    for deed in &deeds {
        within("alice acts", play.alice.performs(&ghost, deed)).await?;
    }
    let key = EventId::new(KEY)?;
    let known = |journal: &Journal| {
        let contents = || journal.handed.iter().map(|handed| &handed.event.content);
        let like = Content::Reaction { to: of(&key), emojis: Emojis::One("👍".to_owned()) };
        let sent_at = Some(hers.sent_at);
        let hers = Reference { id: hers.id.clone(), was: Was::Sent, sent_at };
        let edit = Content::Edit { of: hers, text: Text::plain("and after") };
        let read = journal
            .passing
            .iter()
            .any(|passing| matches!(passing, Passing::Receipt(receipt) if receipt.of == of(&key)));
        let all = read && contents().any(|one| *one == like) && contents().any(|one| *one == edit);
        all.then_some(())
    };
    play.bridge.wait_for(PATIENCE, "all that alice did", known).await?;
    // Of what nobody knows, nobody finds anything. (Synapse itself takes no edit and no reaction.)
    let lost = json!({ "event_id": "$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" });
    let relation = json!({ "m.in_reply_to": lost });
    let content = json!({ "msgtype": "m.text", "body": "to nobody", "m.relates_to": relation });
    within("alice answers", play.alice.sends(&ghost, "m.room.message", content)).await?;
    let reply = play.arrives("to nobody").await?.reply;
    ensure!(reply == Some(Reply::answering(None, None)), "{reply:?}");
    Ok(())
}

#[tokio::test]
async fn what_begins_no_thread_is_answered() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let first = play.delivers(&[play.message("1", "so")?]).await.remove(0);
    let first = first.map_err(|error| anyhow::anyhow!("{error:?}"))?.id.context("no id")?;
    within("alice hears it", play.alice.hears()).await?;
    let room = play.alice.room(&ghost).await?;
    let stands = |key: &str, root: &EventId| {
        let mut delivery = play.message(key, key)?;
        if let Command::Message(message) = &mut delivery.command {
            let thread = Some(Thread { root: of(root), follows: true });
            message.reply = Some(Reply { to: Some(of(root)), quote: None, thread });
        }
        anyhow::Ok(delivery)
    };
    let second = play.delivers(&[stands("2", &first)?]).await.remove(0);
    let second = second.map_err(|error| anyhow::anyhow!("{error:?}"))?.id.context("no id")?;
    let related = async |alice: &MatrixPeer, id: &EventId| {
        let path = format!("rooms/{room}/event/{}", id.as_str());
        let mut event = alice.call(Method::GET, &path, Value::Null).await?;
        anyhow::Ok(event["content"]["m.relates_to"].take())
    };
    let relation = related(&play.alice, &second).await?;
    ensure!(relation["rel_type"] == "m.thread", "{relation}");
    ensure!(relation["event_id"] == first.as_str(), "{relation}");
    // Synapse takes no thread that begins in another.
    let third = play.delivers(&[stands("3", &second)?]).await.remove(0);
    let delivered = third.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let third = delivered.id.clone().context("no id")?;
    let relation = related(&play.alice, &third).await?;
    let answer = json!({ "m.in_reply_to": { "event_id": second.as_str() } });
    ensure!(relation == answer, "{relation}");
    // Again, as after a crash.
    let again = play.delivers(&[stands("3", &second)?]).await.remove(0);
    ensure!(again.as_ref() == Ok(&delivered), "{again:?}");
    // But one may begin with an answer.
    let fourth = play.delivers(&[stands("4", &third)?]).await.remove(0);
    let fourth = fourth.map_err(|error| anyhow::anyhow!("{error:?}"))?.id.context("no id")?;
    let relation = related(&play.alice, &fourth).await?;
    ensure!(relation["event_id"] == third.as_str(), "{relation}");
    // What stands in a thread is edited and taken back as all else.
    let edit = Content::Edit { of: of(&second), text: Text::plain("two") };
    let edited = play.delivers(&[play.content("5", edit)?]).await;
    ensure!(edited.iter().all(Result::is_ok), "{edited:?}");
    let taken = play.content("6", Content::Retraction { of: of(&second) })?;
    let taken = play.delivers(&[taken]).await;
    ensure!(taken.iter().all(Result::is_ok), "{taken:?}");
    let relation = related(&play.alice, &second).await?;
    ensure!(relation == Value::Null, "{relation}");
    Ok(())
}

#[tokio::test]
async fn a_place_is_answered_and_taken_back_as_a_text_is() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let pier = || Location::new(52.5, -4.25).map(|place| place.named(Some("the pier")));
    let pier = || pier().map(Content::Location).context("no place");
    let shown = play.delivers(&[play.content(KEY, pier()?)?]).await;
    let shown = shown.first().context("nothing was delivered")?.clone();
    let shown = shown.map_err(|error| anyhow::anyhow!("{error:?}"))?.id.context("no id")?;
    within("alice is shown it", play.alice.is_shown(&ghost, &Sight::Shows(pier()?))).await?;
    let content = json!({
        "msgtype": "m.location", "body": "here", "geo_uri": "geo:1.5,-2",
        "m.relates_to": { "m.in_reply_to": { "event_id": shown.as_str() } },
    });
    within("alice answers", play.alice.sends(&ghost, "m.room.message", content)).await?;
    let hers = play.alice.last().to_owned();
    within("alice takes it back", play.alice.redacts(&ghost, &hers)).await?;
    let spot = Location::new(1.5, -2.0).context("no place")?.named(Some("here"));
    let key = EventId::new(KEY)?;
    let known = |journal: &Journal| {
        let events: Vec<_> = journal.handed.iter().map(|handed| &handed.event).collect();
        let answer = events.iter().find(|it| it.content == Content::Location(spot.clone()))?;
        let answers = answer.reply.as_ref()?.to == Some(of(&key));
        let gone = events
            .iter()
            .any(|it| matches!(&it.content, Content::Retraction { of } if of.id.as_str() == hers));
        (answers && gone).then_some(())
    };
    play.bridge.wait_for(PATIENCE, "alice's place, and that it is gone", known).await?;
    let retraction = play.content("2", Content::Retraction { of: of(&shown) })?;
    let taken = play.delivers(&[retraction]).await;
    ensure!(taken.iter().all(Result::is_ok), "{taken:?}");
    let room = play.alice.room(&ghost).await?;
    let path = format!("rooms/{room}/event/{}", shown.as_str());
    let event = play.alice.call(Method::GET, &path, Value::Null).await?;
    ensure!(event["content"] == json!({}), "{event}");
    Ok(())
}

#[tokio::test]
async fn in_a_portal_that_was_left_nothing_is_edited() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.crosses_out(KEY, "before").await?;
    let left = within("alice leaves", play.alice.leaves(&ghost)).await?;
    let bridge = play.homeserver.speaker(&play.homeserver.as_token);
    let path = format!("joined_rooms?user_id={ghost}");
    let leaves = async {
        loop {
            let rooms = bridge.call(Method::GET, &path, Value::Null).await?;
            let mut rooms = rooms["joined_rooms"].as_array().into_iter().flatten();
            if !rooms.any(|room| *room == left) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the ghost leaves", leaves).await?;
    let text = Text::plain("after");
    let key = EventId::new(KEY)?;
    let edit = play.delivers(&[play.content("2", Content::Edit { of: of(&key), text })?]).await;
    let gone = matches!(&edit[..], [Err(DeliveryError::Refused { refusal, .. })]
        if refusal.code == Code::TargetNotFound);
    ensure!(gone, "{edit:?}");
    play.crosses_out("3", "anew").await
}
