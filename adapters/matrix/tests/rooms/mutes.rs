//! Which chats alice has muted in her own client, and which by a word to the bridge.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Command, Delivery, Gesture, MuteEntry, MuteFor};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Play, within};
use crate::peer::MatrixPeer;

impl MatrixPeer {
    async fn rule(&self, method: Method, kind: &str, room: &str, rule: Value) -> Result<Value> {
        self.call(method, &format!("pushrules/global/{kind}/{room}"), rule).await
    }

    /// As Element's "mentions and keywords only".
    async fn mutes(&self, room: &str) -> Result<()> {
        self.rule(Method::PUT, "room", room, json!({ "actions": [] })).await.map(drop)
    }

    /// As Element's "mute".
    async fn mutes_all(&self, room: &str) -> Result<()> {
        let condition = json!({ "kind": "event_match", "key": "room_id", "pattern": room });
        let rule = json!({ "actions": ["dont_notify"], "conditions": [condition] });
        self.rule(Method::PUT, "override", room, rule).await.map(drop)
    }

    async fn makes_noise(&self, kind: &str, room: &str) -> Result<()> {
        self.rule(Method::DELETE, kind, room, Value::Null).await.map(drop)
    }

    /// Whether a room is muted in either way.
    async fn is_muted(&self, room: &str) -> Result<bool> {
        let rules = self.call(Method::GET, "pushrules/", Value::Null).await?;
        let of = |kind: &str| rules["global"][kind].as_array().cloned().unwrap_or_default();
        let silent = [json!([]), json!(["dont_notify"])];
        let is = |rule: &Value| rule["rule_id"] == room && silent.contains(&rule["actions"]);
        Ok(of("room").iter().chain(&of("override")).any(is))
    }

    async fn sees_muted(&self, room: &str, muted: bool) -> Result<()> {
        let seen = async {
            while self.is_muted(room).await? != muted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, seen).await.with_context(|| format!("muted: {muted}"))?
    }
}

impl Play {
    fn mute(&self, key: &str, other: &str, muted: Option<MuteFor>) -> Result<Delivery> {
        let entry = MuteEntry { owner: self.alice.user(), other: other.parse()?, muted };
        self.delivery(key, Command::Mute(entry))
    }

    /// Waits until the bridge has seen all that it wrote: what she changes before that is taken for
    /// the rule of before.
    async fn settles(&self) -> Result<()> {
        let bridge = self.bridge.handle();
        let settled = async {
            loop {
                let known = bridge.recall_all("mute/", "", 10).await?;
                if known.iter().all(|(_, memo)| memo.contains("\"seen\":true")) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.context("it does not see what it wrote")?
    }

    /// Alice has a chat with carol, and has logged in; gives the chat's room.
    async fn talks(&mut self) -> Result<String> {
        let ghost = self.ghost.clone();
        within("alice writes", self.alice.says(&ghost, "hello")).await?;
        self.arrives("hello").await?;
        self.logs_in("login").await?;
        self.alice.room(&ghost).await
    }
}

#[tokio::test]
async fn what_a_client_mutes_is_a_gesture_at_once_and_after_a_restart() -> Result<()> {
    let mut play = Play::open().await?;
    let room = play.talks().await?;
    let carol = play.carol.clone();
    let mut told = vec![Gesture::Accept(carol.clone())];
    let mute = Gesture::Mute(carol.clone(), MuteFor::Always);
    let unmute = Gesture::Unmute(carol.clone());
    // The first change that is told shows that she is watched.
    play.alice.mutes(&room).await?;
    told.push(mute.clone());
    play.made_all(&told).await?;
    for step in 0..3 {
        let began = Instant::now();
        match step {
            0 => play.alice.makes_noise("room", &room).await?,
            1 => play.alice.mutes_all(&room).await?,
            _ => play.alice.makes_noise("override", &room).await?,
        }
        told.push(if step == 1 { mute.clone() } else { unmute.clone() });
        play.made_all(&told).await?;
        ensure!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
    }
    // Other rooms are no business of the bridge.
    play.alice.mutes("!elsewhere:hs.test").await?;
    play.alice.mutes("!*").await?;
    play.run.abort();
    play.alice.mutes_all(&room).await?;
    play.dies_and_comes_back().await?;
    told.push(mute);
    play.made_all(&told).await?;
    // By a word to the bridge it makes noise, however it was muted. The word is later than what was
    // told: another command shows that this is over, and the clock goes on.
    play.takes(play.mute("m0", "elsewhere:eve", None)?).await?;
    let over = play.bridge.handle().now();
    while play.bridge.handle().now() <= over {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    play.takes(play.mute("m1", "elsewhere:carol", None)?).await?;
    ensure!(!play.alice.is_muted(&room).await?, "it stands");
    play.settles().await?;
    play.alice.mutes(&room).await?;
    told.push(Gesture::Mute(carol, MuteFor::Always));
    play.made_all(&told).await
}

#[tokio::test]
async fn a_mute_by_command_is_a_rule_for_the_chat_of_the_day_and_no_news() -> Result<()> {
    let mut play = Play::open().await?;
    let room = play.talks().await?;
    let (ghost, carol) = (play.ghost.clone(), play.carol.clone());
    let mute = play.mute("m1", "elsewhere:carol", Some(MuteFor::EightHours))?;
    let answers = play.delivers(&[mute.clone(), mute]).await;
    ensure!(answers.iter().all(Result::is_ok) && answers.len() == 2, "{answers:?}");
    ensure!(play.alice.is_muted(&room).await?, "it is not written");

    // She leaves; the next room is as silent.
    play.alice.leaves(&ghost).await?;
    let mut told = vec![Gesture::Accept(carol.clone()), Gesture::Decline(carol.clone())];
    play.made_all(&told).await?;
    play.crosses_out("m2", "are you there?").await?;
    let next = play.alice.room(&ghost).await?;
    ensure!(next != room && play.alice.is_muted(&next).await?, "the new room makes noise");
    told.push(Gesture::Accept(carol.clone()));
    play.made_all(&told).await?;

    // It ends, also if that is told after a crash only.
    play.dies_and_comes_back().await?;
    play.takes(play.mute("m3", "elsewhere:carol", None)?).await?;
    ensure!(!play.alice.is_muted(&next).await?, "it has not ended");
    play.settles().await?;
    // Nothing of this was a gesture; what she does next is.
    play.alice.mutes(&next).await?;
    told.push(Gesture::Mute(carol, MuteFor::Always));
    play.made_all(&told).await
}

#[tokio::test]
async fn a_mute_waits_for_its_chat_and_for_access() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    // No access yet, and no chat.
    for (key, other) in [("m1", "elsewhere:carol"), ("m2", "elsewhere:eve")] {
        play.takes(play.mute(key, other, Some(MuteFor::Week))?).await?;
    }
    play.takes(play.mute("m3", "elsewhere:eve", None)?).await?;
    let kept = play.bridge.handle().recall_all("mute/", "", 10).await?;
    ensure!(kept.len() == 1, "{kept:?}");
    play.logs_in("m4").await?;
    within("alice writes", play.alice.says(&ghost, "hello")).await?;
    play.arrives("hello").await?;
    let room = play.alice.room(&ghost).await?;
    play.alice.sees_muted(&room, true).await?;
    // And the other way round: the chat is there, and access comes after the command.
    play.takes(play.delivery("m5", Command::Access(play.no_access()))?).await?;
    play.takes(play.mute("m6", "elsewhere:carol", None)?).await?;
    ensure!(play.alice.is_muted(&room).await?, "written without access");
    play.logs_in("m7").await?;
    play.alice.sees_muted(&room, false).await?;
    play.settles().await?;
    let kept = play.bridge.handle().recall_all("mute/", "", 10).await?;
    ensure!(kept.is_empty(), "{kept:?}");
    play.made_all(&[Gesture::Accept(play.carol.clone())]).await
}
