//! Alice's own login, given to the bridge and taken back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{
    Access, BlockEntry, Code, Command, Delivery, DeliveryError, Gesture, Secret,
};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Play, within};
use crate::stage::Homeserver;

const EVE: &str = "@_drawbridge_elsewhere_eve:hs.test";

impl Play {
    fn access(&self, key: &str, token: &str) -> Result<Delivery> {
        let access = Access { owner: self.alice.user(), secret: Some(Secret::new(token)) };
        self.delivery(key, Command::Access(access))
    }

    pub(super) fn no_access(&self) -> Access {
        Access { owner: self.alice.user(), secret: None }
    }

    /// Alice's own login is given to the bridge.
    pub(super) async fn logs_in(&self, key: &str) -> Result<()> {
        let token = self.alice.token().to_owned();
        self.takes(self.access(key, &token)?).await
    }

    /// The command is carried out.
    pub(super) async fn takes(&self, delivery: Delivery) -> Result<()> {
        let answers = self.delivers(&[delivery]).await;
        ensure!(matches!(answers[..], [Ok(_)]), "{answers:?}");
        Ok(())
    }

    /// These gestures were made, and no other.
    pub(super) async fn made_all(&self, expected: &[Gesture]) -> Result<()> {
        let all = self.gestures(expected.len()).await;
        let all = all.with_context(|| format!("{:?}", self.bridge.journal().gestures))?;
        let all: Vec<_> = all.into_iter().map(|(_, gesture)| gesture).collect();
        ensure!(all == expected, "{all:?}");
        Ok(())
    }
}

#[tokio::test]
async fn a_login_opens_its_owners_lists_and_a_logout_closes_them() -> Result<()> {
    let mut play = Play::open().await?;
    let (ghost, carol) = (play.ghost.clone(), play.carol.clone());
    let eve = "elsewhere:eve".parse()?;
    // What is asked for before is written when there is access, and what stands there is told.
    let entry = BlockEntry { owner: play.alice.user(), other: eve, blocked: true };
    play.takes(play.delivery("a1", Command::Block(entry))?).await?;
    play.alice.ignore(&ghost, true).await?;
    play.logs_in("a2").await?;
    // Again, as after a crash.
    play.logs_in("a2").await?;
    let mut told = vec![Gesture::Block(carol.clone())];
    play.made_all(&told).await?;
    play.alice.sees_list(&[&ghost, EVE]).await?;

    // It lasts over a crash, and what she changed meanwhile is found.
    play.run.abort();
    play.alice.ignore(&ghost, false).await?;
    play.dies_and_comes_back().await?;
    told.push(Gesture::Unblock(carol.clone()));
    play.made_all(&told).await?;

    // Whoever ignores the bridge itself wants nothing of it any more; once.
    play.alice.ignore("@drawbridge:hs.test", true).await?;
    told.push(Gesture::Disable);
    play.made_all(&told).await?;
    play.alice.ignore("@drawbridge:hs.test", false).await?;
    play.alice.ignore(&ghost, true).await?;
    told.push(Gesture::Block(carol.clone()));
    play.made_all(&told).await?;

    // After the logout nobody looks; with the next login the change is found.
    play.takes(play.delivery("a3", Command::Access(play.no_access()))?).await?;
    play.alice.ignore(&ghost, false).await?;
    play.dies_and_comes_back().await?;
    play.made_all(&told).await?;
    play.logs_in("a4").await?;
    told.push(Gesture::Unblock(carol));
    play.made_all(&told).await
}

#[tokio::test]
async fn a_token_that_is_not_its_owners_is_refused_and_one_that_ends_forgotten() -> Result<()> {
    let mut play = Play::open().await?;
    let dave = play.homeserver.user("dave").await?;
    let long = "x".repeat(10_000);
    let bots = play.homeserver.as_token.clone();
    for (n, token) in ["", "nonsense", "a b", "ä\n", &long, dave.token(), &bots].iter().enumerate()
    {
        let answers = play.delivers(&[play.access(&format!("b{n}"), token)?]).await;
        let Some(Err(DeliveryError::Refused { refusal, .. })) = answers.first() else {
            anyhow::bail!("{answers:?}");
        };
        ensure!(refusal.code == Code::Forbidden, "{refusal:?}");
    }
    // None while the homeserver is away.
    let token = play.alice.token().to_owned();
    play.alice.network_goes_away().await?;
    let answers = play.delivers(&[play.access("c1", &token)?]).await;
    ensure!(matches!(answers[..], [Err(DeliveryError::Disconnected)]), "{answers:?}");
    play.alice.network_comes_back().await?;

    play.logs_in("c2").await?;
    play.alice.ignore(EVE, true).await?;
    let mut told = vec![Gesture::Block("elsewhere:eve".parse()?)];
    play.made_all(&told).await?;
    let bridge = play.bridge.handle();
    let known = async || bridge.recall_all("access/", "", 10).await.map(|known| known.len());
    ensure!(known().await? == 1);
    play.alice.call(Method::POST, "logout", json!({})).await?;
    let gone = async {
        while known().await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, gone).await.context("the login is not forgotten")??;

    // What is asked for then waits for the next one.
    let entry = BlockEntry { owner: play.alice.user(), other: play.carol.clone(), blocked: true };
    play.takes(play.delivery("c3", Command::Block(entry))?).await?;
    play.alice.logs_in_again().await?;
    play.alice.sees_list(&[EVE]).await?;
    play.logs_in("c4").await?;
    play.alice.sees_list(&[&play.ghost, EVE]).await?;
    play.alice.ignore(EVE, false).await?;
    told.push(Gesture::Unblock("elsewhere:eve".parse()?));
    play.made_all(&told).await
}

#[tokio::test]
async fn what_held_a_token_is_taken_away() -> Result<()> {
    const BOT: &str = "@drawbridge:hs.test";
    let mut play = Play::open().await?;
    let mut said = Vec::new();
    for text in ["help me with my login", "login", "!Login s3cr3t"] {
        within("alice writes to the bot", play.alice.says(BOT, text)).await?;
        play.arrives(text).await?;
        said.push(play.alice.last().to_owned());
    }
    let room = play.alice.room(BOT).await?;
    let reads = async |id: &str| {
        let path = format!("rooms/{room}/event/{id}");
        let event = play.alice.call(Method::GET, &path, Value::Null).await?;
        anyhow::Ok(event["content"]["body"].is_string())
    };
    let gone = async {
        while reads(&said[2]).await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, gone).await.context("it stands")??;
    ensure!(reads(&said[0]).await? && reads(&said[1]).await?, "too much was taken away");
    Ok(())
}

#[tokio::test]
async fn nobody_appears_online_because_the_bridge_looks() -> Result<()> {
    let mut play = Play::open_at(Homeserver::start_with_presence().await?).await?;
    play.logs_in("e1").await?;
    let path = format!("presence/{}/status", play.alice.user().id());
    let presence = async |play: &Play| {
        let shown = play.alice.call(Method::GET, &path, Value::Null).await?;
        anyhow::Ok(shown["presence"].as_str().unwrap_or_default().to_owned())
    };
    // Each change is seen by the request before it: several have come and gone.
    let mut told = Vec::new();
    for ignored in [true, false, true] {
        play.alice.ignore(&play.ghost, ignored).await?;
        let carol = play.carol.clone();
        told.push(if ignored { Gesture::Block(carol) } else { Gesture::Unblock(carol) });
        play.made_all(&told).await?;
        ensure!(presence(&play).await? == "offline", "the bridge's looking shows");
    }
    // Her own client's does show.
    play.alice.listens().await?;
    ensure!(presence(&play).await? == "online");
    Ok(())
}
