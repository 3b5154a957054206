//! Whom alice ignores in her own client, and whom she blocks elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{BlockEntry, Command, Delivery, DeliveryError, Gesture, Unavailable};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Play, within};
use crate::peer::MatrixPeer;

const LIST: &str = "account_data/m.ignored_user_list";

impl MatrixPeer {
    fn list(&self) -> String {
        format!("user/{}/{LIST}", self.user().id())
    }

    /// The whole of the list, as any client sees it.
    async fn ignores(&self) -> Result<Value> {
        self.call(Method::GET, &self.list(), Value::Null).await
    }

    async fn writes_list(&self, content: Value) -> Result<()> {
        self.call(Method::PUT, &self.list(), content).await.map(drop)
    }

    /// Waits until exactly these are ignored.
    pub(super) async fn sees_list(&self, users: &[&str]) -> Result<()> {
        let mut wanted: Vec<_> = users.iter().map(|user| (*user).to_owned()).collect();
        wanted.sort();
        let seen = async {
            loop {
                let list = self.ignores().await?;
                let listed = list["ignored_users"].as_object().into_iter().flatten();
                let mut listed: Vec<_> = listed.map(|(user, _)| user.clone()).collect();
                listed.sort();
                if listed == wanted {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, seen).await.context("the list is another")?
    }

    /// The client's own block, or its end.
    pub(super) async fn ignore(&self, user: &str, ignored: bool) -> Result<()> {
        let mut list = self.ignores().await.unwrap_or(json!({ "ignored_users": {} }));
        let users = list["ignored_users"].as_object_mut().context("no list")?;
        if ignored {
            users.insert(user.to_owned(), json!({}));
        } else {
            users.remove(user);
        }
        self.writes_list(list).await
    }
}

impl Play {
    /// Alice has had to do with the bridge, and her list is seen.
    async fn watched() -> Result<Self> {
        let mut play = Self::open_with_puppets().await?;
        let ghost = play.ghost.clone();
        within("alice writes", play.alice.says(&ghost, "hello")).await?;
        play.arrives("hello").await?;
        // A change that is told shows that she is watched.
        play.alice.ignore("@_drawbridge_elsewhere_eve:hs.test", true).await?;
        play.made(&[Gesture::Block("elsewhere:eve".parse()?)]).await?;
        Ok(play)
    }

    /// Since the invite, alice has made these gestures and no other.
    async fn made(&self, expected: &[Gesture]) -> Result<()> {
        let all = self.gestures(1 + expected.len()).await?;
        let (who, first) = &all[0];
        ensure!(*first == Gesture::Accept(self.carol.clone()) && *who == self.alice.user());
        let since: Vec<_> = all[1..].iter().map(|(_, gesture)| gesture.clone()).collect();
        ensure!(since == expected, "{since:?}");
        Ok(())
    }

    fn block(&self, key: &str, other: &str, blocked: bool) -> Result<Delivery> {
        let entry = BlockEntry { owner: self.alice.user(), other: other.parse()?, blocked };
        self.delivery(key, Command::Block(entry))
    }
}

#[tokio::test]
async fn what_a_client_ignores_is_a_gesture_at_once_and_after_a_restart() -> Result<()> {
    let mut play = Play::watched().await?;
    let eve = "elsewhere:eve".parse()?;
    let (ghost, carol) = (play.ghost.clone(), play.carol.clone());
    let mut told = vec![Gesture::Block(eve)];
    for (ignored, gesture) in
        [(true, Gesture::Block(carol.clone())), (false, Gesture::Unblock(carol.clone()))]
    {
        let began = Instant::now();
        play.alice.ignore(&ghost, ignored).await?;
        told.push(gesture);
        play.made(&told).await?;
        ensure!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
    }
    // Users of Matrix itself are no business of the bridge.
    play.alice.ignore("@dave:hs.test", true).await?;

    // While the bridge is away, and while it can take nothing.
    play.run.abort();
    play.alice.ignore(&ghost, true).await?;
    play.dies_and_comes_back().await?;
    told.push(Gesture::Block(carol.clone()));
    play.made(&told).await?;
    play.bridge.break_down(Unavailable::Failed);
    play.alice.ignore(&ghost, false).await?;
    let refused =
        |journal: &drawbridge_testkit::Journal| (journal.gestures_turned_away > 0).then_some(());
    play.bridge.wait_for(super::PATIENCE, "the gesture is turned away", refused).await?;
    play.bridge.mend();
    told.push(Gesture::Unblock(carol));
    play.made(&told).await
}

#[tokio::test]
async fn a_block_made_elsewhere_stands_on_the_list_and_is_no_news() -> Result<()> {
    let play = Play::watched().await?;
    let (ghost, eve) = (play.ghost.clone(), "@_drawbridge_elsewhere_eve:hs.test");
    play.alice.ignore("@dave:hs.test", true).await?;
    let mut list = play.alice.ignores().await?;
    list["ignored_users"]["@erin:elsewhere.test"] = json!({ "since": 1 });
    list["com.example.note"] = json!(["mine"]);
    play.alice.writes_list(list.clone()).await?;

    let block = play.block("m1", "elsewhere:carol", true)?;
    let answers = play.delivers(&[block.clone(), block]).await;
    ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
    list["ignored_users"][&ghost] = json!({});
    ensure!(play.alice.ignores().await? == list);
    let of_matrix = [play.block("m2", "matrix:@mallory:hs.test", true)?];
    ensure!(play.delivers(&of_matrix).await.iter().all(Result::is_ok));
    list["ignored_users"]["@mallory:hs.test"] = json!({});
    ensure!(play.alice.ignores().await? == list);
    let unblock = [play.block("m3", "elsewhere:eve", false)?];
    ensure!(play.delivers(&unblock).await.iter().all(Result::is_ok));
    list["ignored_users"].as_object_mut().context("a list")?.remove(eve);
    ensure!(play.alice.ignores().await? == list);

    // Nothing of this was a gesture; what she does next is.
    let mut told = vec![Gesture::Block("elsewhere:eve".parse()?)];
    play.alice.ignore(&ghost, false).await?;
    told.push(Gesture::Unblock(play.carol.clone()));
    play.made(&told).await
}

#[tokio::test]
async fn what_another_client_overwrites_is_written_again_or_told() -> Result<()> {
    let mut play = Play::watched().await?;
    let before = play.alice.ignores().await?;
    let others: Vec<_> = (0..4).map(|n| format!("mallory{n}")).collect();
    for (round, other) in others.iter().enumerate() {
        // A client that has not heard of the blocks writes what it knew, and dave.
        let block = [play.block(&format!("n{round}"), &format!("elsewhere:{other}"), true)?];
        let mut stale = before.clone();
        stale["ignored_users"]["@dave:hs.test"] = json!({ "round": round });
        let overwrite = play.alice.writes_list(stale);
        let (answers, overwritten) = tokio::join!(play.delivers(&block), overwrite);
        overwritten?;
        ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        if round == 1 {
            play.dies_and_comes_back().await?;
        }
    }
    // Each block stands, or the daemon was told that she took it back: both sides agree.
    let agree = async {
        loop {
            let list = play.alice.ignores().await?;
            let told = play.bridge.journal().gestures;
            let is_agreed = |other: &String| {
                let listed = format!("@_drawbridge_elsewhere_{other}:hs.test");
                let listed = list["ignored_users"].get(listed).is_some();
                let of_them = |gesture: &&Gesture| match gesture {
                    Gesture::Block(who) | Gesture::Unblock(who) => who.id() == other,
                    _ => false,
                };
                let newest = told.iter().map(|(_, gesture)| gesture).rfind(of_them);
                listed != matches!(newest, Some(Gesture::Unblock(_)))
            };
            if others.iter().all(is_agreed) {
                return Ok(());
            }
            play.alice.listens().await?;
        }
    };
    let agreed = tokio::time::timeout(super::PATIENCE, agree).await;
    agreed.with_context(|| format!("they do not agree: {:?}", play.bridge.journal().gestures))?
}

#[tokio::test]
async fn hostile_lists_change_nothing() -> Result<()> {
    let play = Play::watched().await?;
    let mut told = vec![Gesture::Block("elsewhere:eve".parse()?)];
    let mut huge = json!({ "ignored_users": {} });
    for n in 0..20_000 {
        huge["ignored_users"][format!("@user{n}:elsewhere.test")] = json!({});
    }
    for odd in ["@_drawbridge_elsewhere_=4G:hs.test", "@_drawbridge_:hs.test", "nobody", "", "\n"] {
        huge["ignored_users"][odd] = json!({ "x": [[]] });
    }
    huge["ignored_users"]["@_drawbridge_elsewhere_eve:hs.test"] = json!(null);
    for content in [
        json!({ "ignored_users": [] }),
        json!({ "ignored_users": "everybody" }),
        json!({ "ignored_users": null }),
        huge.clone(),
    ] {
        play.alice.writes_list(content).await?;
    }
    huge["ignored_users"][&play.ghost] = json!({});
    play.alice.writes_list(huge).await?;
    told.push(Gesture::Block(play.carol.clone()));
    play.made(&told).await?;
    // In the huge list, it is written as in any other.
    let unblock = [play.block("o1", "elsewhere:carol", false)?];
    let answers = play.delivers(&unblock).await;
    ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
    let list = play.alice.ignores().await?;
    ensure!(list["ignored_users"].get(&play.ghost).is_none());
    ensure!(list["ignored_users"].as_object().is_some_and(|users| users.len() > 20_000));
    // Of those who live elsewhere the bridge sees nothing.
    let entry = BlockEntry {
        owner: "matrix:@zoe:elsewhere.test".parse()?,
        other: play.carol.clone(),
        blocked: true,
    };
    let answers = play.delivers(&[play.delivery("o2", Command::Block(entry))?]).await;
    ensure!(matches!(answers[..], [Err(DeliveryError::Refused { .. })]), "{answers:?}");
    Ok(())
}
