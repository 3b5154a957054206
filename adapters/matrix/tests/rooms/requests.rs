//! Strangers' requests: invites that wait for an answer.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use drawbridge_adapter::{Command, Delivery, Gesture, Memo, Party, Request, RequestOver};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::bot::BOT;
use super::{Play, within};

impl Play {
    /// A request of carol's, whose answer alice will think over.
    async fn asks(&mut self, key: &str) -> Result<String> {
        let request = Request {
            from: Party { user: self.carol.clone(), name: Some("Carol".to_owned()) },
            to: self.alice.user(),
            text: Some("hello?".to_owned()),
            words: format!("{key}: Carol wants to write to you"),
        };
        let request = self.delivery(key, Command::Request(request))?;
        // The second time, as after a crash, nothing is new.
        let answers = self.delivers(&[request.clone(), request]).await;
        ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        within("an invite", self.alice.is_invited(&self.ghost)).await
    }

    fn over(&self, key: &str, accepted: bool) -> Result<Delivery> {
        let over = RequestOver { from: self.carol.clone(), to: self.alice.user(), accepted };
        self.delivery(key, Command::RequestOver(over))
    }

    async fn does(&self, delivery: Delivery) -> Result<()> {
        let answers = self.delivers(&[delivery]).await;
        ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        Ok(())
    }
}

async fn held() -> Result<Play> {
    let mut play = Play::open().await?;
    play.alice.invites = Some(HashMap::new());
    Ok(play)
}

#[tokio::test]
async fn who_joins_accepts_and_finds_there_what_was_held() -> Result<()> {
    let mut play = held().await?;
    let (alice, carol, ghost) = (play.alice.user(), play.carol.clone(), play.ghost.clone());
    let invited_to = play.asks("j1").await?;
    within("alice joins", play.alice.joins(BOT)).await?;
    let (_, words) = within("the words", play.alice.reads_notice()).await?;
    ensure!(words == "j1: Carol wants to write to you", "{words}");
    ensure!(play.bridge.journal().gestures.is_empty(), "joining the bot means nothing");
    within("alice joins", play.alice.joins(&ghost)).await?;
    ensure!(play.gestures(1).await? == [(alice.clone(), Gesture::Accept(carol.clone()))]);
    play.does(play.over("j2", true)?).await?;
    let held = [play.message("j3", "hello?")?, play.message("j4", "are you there?")?];
    ensure!(play.delivers(&held).await.iter().all(Result::is_ok));
    for text in ["hello?", "are you there?"] {
        let heard = within("a held message", play.alice.hears()).await?;
        ensure!(heard.text == text && heard.from == ghost, "{heard:?}");
    }
    ensure!(play.alice.room(&ghost).await? == invited_to, "another room than she was invited to");
    ensure!(play.alice.notices.is_empty(), "said twice: {:?}", play.alice.notices);

    // Another name is another join, and no gesture.
    let name = json!({ "displayname": "Alice of Hatter Street" });
    let path = format!("profile/{}/displayname", alice.id());
    play.alice.call(Method::PUT, &path, name).await?;
    within("alice writes", play.alice.says(&ghost, "yes")).await?;
    play.arrives("yes").await?;
    ensure!(play.gestures(0).await?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn who_turns_the_invite_away_or_leaves_declines() -> Result<()> {
    let mut play = held().await?;
    let (alice, carol, ghost) = (play.alice.user(), play.carol.clone(), play.ghost.clone());
    let declined = [(alice.clone(), Gesture::Decline(carol.clone()))];
    let first = play.asks("k1").await?;
    play.alice.call(Method::POST, &format!("rooms/{first}/leave"), json!({})).await?;
    within("the room closes", play.alice.is_not_invited(&ghost)).await?;
    ensure!(play.gestures(1).await? == declined);
    play.does(play.over("k2", false)?).await?;
    // A later request is a new invite.
    let second = play.asks("k3").await?;
    ensure!(second != first);
    within("alice joins", play.alice.joins(&ghost)).await?;
    play.gestures(2).await?;
    play.alice.leaves(&ghost).await?;
    let all = play.gestures(3).await?;
    ensure!(all[1..] == [&[(alice, Gesture::Accept(carol))], &declined[..]].concat(), "{all:?}");
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_over_is_taken_back_without_a_gesture() -> Result<()> {
    let mut play = held().await?;
    let ghost = play.ghost.clone();
    let first = play.asks("l1").await?;
    let over = play.over("l2", false)?;
    ensure!(play.delivers(&[over.clone(), over]).await.iter().all(Result::is_ok));
    within("the invite is gone", play.alice.is_not_invited(&ghost)).await?;
    let late = play.alice.call(Method::POST, &format!("rooms/{first}/join"), json!({})).await;
    ensure!(late.is_err(), "she could join a room that is no portal any more");
    play.crosses_back_and_forth().await?;
    ensure!(play.bridge.journal().gestures.is_empty(), "{:?}", play.bridge.journal().gestures);
    let second = play.asks("l3").await?;
    ensure!(second != first);

    // As if it had died before it wrote down which room it made.
    let pair = format!("{}\n{ghost}", play.alice.user().id());
    let memos = vec![
        Memo::forget(format!("room/{second}")),
        Memo::forget(format!("portal/{pair}")),
        Memo::set(format!("opening/{pair}"), ""),
    ];
    play.bridge.handle().remember(memos).await?;
    play.dies_and_comes_back().await?;
    play.does(play.over("l4", false)?).await?;
    within("the invite is gone", play.alice.is_not_invited(&ghost)).await
}

#[tokio::test]
async fn who_invites_a_ghost_wants_to_hear_from_it() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    within("alice invites", play.alice.room(&ghost)).await?;
    let accepted = (play.alice.user(), Gesture::Accept(play.carol.clone()));
    ensure!(play.gestures(1).await? == [accepted]);
    let dave = play.homeserver.user("dave").await?;
    let wanted = json!({ "preset": "private_chat", "invite": [dave.user().id()] });
    let group = play.alice.call(Method::POST, "createRoom", wanted).await?;
    let group = group["room_id"].as_str().unwrap_or_default().to_owned();
    dave.call(Method::POST, &format!("rooms/{group}/join"), json!({})).await?;
    let invite = json!({ "user_id": ghost });
    play.alice.call(Method::POST, &format!("rooms/{group}/invite"), invite).await?;
    within("the ghost leaves", play.alice.sees(&group, &ghost, "leave")).await?;
    ensure!(play.gestures(0).await?.len() == 1, "a group is no direct chat");
    Ok(())
}

impl Play {
    /// All that happened before has come to the adapter.
    async fn crosses_back_and_forth(&mut self) -> Result<()> {
        let room = within("the bot's room", self.alice.joins(BOT)).await?;
        let path = format!("rooms/{room}/send/m.room.message/back-and-forth");
        let content = json!({ "msgtype": "m.text", "body": "back and forth" });
        let _: Value = self.alice.call(Method::PUT, &path, content).await?;
        self.arrives("back and forth").await.map(drop)
    }
}
