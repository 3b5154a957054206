//! The space in which alice finds the chats of some networks.

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Command, Delivery, Destination, Folder, Memo, NetworkId, Notice, UserId};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::bot::BOT;
use super::{PATIENCE, Play, within};

impl Play {
    fn folder(&self, key: &str, networks: &[&str]) -> Result<Delivery> {
        let networks = networks.iter().map(|network| NetworkId::new(network));
        let folder = Folder {
            owner: self.alice.user(),
            name: "Others' apps".to_owned(),
            networks: networks.collect::<Result<_, _>>()?,
        };
        self.delivery(key, Command::Folder(folder))
    }

    async fn gathers(&self, key: &str, networks: &[&str]) -> Result<()> {
        let answers = self.delivers(&[self.folder(key, networks)?]).await;
        ensure!(answers.len() == 1 && answers.iter().all(Result::is_ok), "{answers:?}");
        Ok(())
    }

    /// Somebody writes to alice; gives the room.
    async fn hears_from(&mut self, from: &UserId, key: &str) -> Result<String> {
        let answers = self.delivers(&[self.message_of(from, key, key)?]).await;
        ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        let heard = within("a message", self.alice.hears()).await?;
        ensure!(heard.text == key, "{heard:?}");
        let ghost = self.homeserver.addressing().address_of(from)?;
        self.alice.room(&ghost).await
    }

    /// The space that alice has joined last.
    async fn space(&mut self, count: usize) -> Result<String> {
        within("a space", async {
            while self.alice.folders.len() < count {
                self.alice.listens().await?;
            }
            ensure!(self.alice.folders.len() == count, "{:?}", self.alice.folders);
            Ok(self.alice.folders[count - 1].clone())
        })
        .await
    }

    /// The rooms in a space, as the bot sees them.
    async fn children(&self, space: &str) -> Result<Vec<String>> {
        let bot = self.homeserver.speaker(&self.homeserver.as_token);
        let state = bot.call(Method::GET, &format!("rooms/{space}/state"), Value::Null).await?;
        let state = state.as_array().into_iter().flatten();
        let children = state.filter(|event| {
            event["type"] == "m.space.child" && event["content"]["via"] == json!(["hs.test"])
        });
        Ok(children.filter_map(|e| e["state_key"].as_str().map(str::to_owned)).collect())
    }

    /// Waits until these rooms, and no others, are in a space.
    async fn holds(&self, space: &str, rooms: &[&String]) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut there = self.children(space).await?;
            let mut expected: Vec<_> = rooms.iter().map(|room| (*room).clone()).collect();
            there.sort();
            expected.sort();
            if there == expected {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "{there:?} instead of {expected:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// How many messages a client of alice's shows as unread in a room.
    async fn unread(&self, room: &str) -> Result<u64> {
        // Synapse gives the same answer again for the same question within two minutes.
        let once = self.bridge.handle().random();
        let sync = format!(
            "sync?timeout=0&filter=%7B%22account_data%22:%7B%22types%22:[%22{once}%22]%7D%7D"
        );
        let news = self.alice.call(Method::GET, &sync, Value::Null).await?;
        let counts = &news["rooms"]["join"][room]["unread_notifications"];
        counts["notification_count"].as_u64().with_context(|| format!("{news}"))
    }

    /// The spaces that a room says it is in.
    async fn parents(&self, room: &str) -> Result<Vec<String>> {
        let path = format!("rooms/{room}/state");
        let state = self.alice.call(Method::GET, &path, Value::Null).await?;
        let state = state.as_array().into_iter().flatten();
        let parents = state.filter(|event| {
            event["type"] == "m.space.parent" && !event["content"]["via"].is_null()
        });
        Ok(parents.filter_map(|e| e["state_key"].as_str().map(str::to_owned)).collect())
    }
}

#[tokio::test]
async fn chats_of_the_named_networks_stand_in_the_folder_and_stay_unread() -> Result<()> {
    let mut play = Play::open().await?;
    let (dave, eve): (UserId, UserId) = ("home:dave".parse()?, "elsewhere:eve".parse()?);
    play.gathers("o0", &[]).await?;
    let with_carol = play.hears_from(&play.carol.clone(), "o1").await?;
    let with_dave = play.hears_from(&dave, "o2").await?;
    // What stood there before she joined is not unread: so once more.
    for (who, key) in [(&play.carol.clone(), "o1 again"), (&dave, "o2 again")] {
        let room = play.hears_from(who, key).await?;
        ensure!(play.unread(&room).await? == 1);
    }
    play.gathers("o3", &["elsewhere"]).await?;
    let space = play.space(1).await?;
    play.holds(&space, &[&with_carol]).await?;
    ensure!(play.parents(&with_carol).await? == std::slice::from_ref(&space));
    ensure!(play.parents(&with_dave).await?.is_empty());
    let name = format!("rooms/{space}/state/m.room.name/");
    let name = play.alice.call(Method::GET, &name, Value::Null).await?;
    ensure!(name["name"] == "Others' apps", "{name}");
    let with_eve = play.hears_from(&eve, "o4").await?;
    play.hears_from(&eve, "o4 again").await?;
    play.holds(&space, &[&with_carol, &with_eve]).await?;

    // Again, as after a crash; and one more network.
    play.dies_and_comes_back().await?;
    play.gathers("o3", &["elsewhere"]).await?;
    play.gathers("o5", &["elsewhere", "home"]).await?;
    play.holds(&space, &[&with_carol, &with_dave, &with_eve]).await?;
    play.gathers("o6", &["home"]).await?;
    play.holds(&space, &[&with_dave]).await?;
    play.gathers("o7", &[]).await?;
    play.holds(&space, &[]).await?;
    ensure!(play.parents(&with_dave).await?.is_empty());
    let with_frank = play.hears_from(&"home:frank".parse()?, "o8").await?;
    for room in [&with_carol, &with_dave, &with_eve] {
        ensure!(play.unread(room).await? == 1, "read, or unread twice");
    }
    // It is her folder still, and nobody's chat.
    play.gathers("o9", &["home"]).await?;
    play.holds(&space, &[&with_dave, &with_frank]).await?;
    ensure!(play.space(1).await? == space);
    let words = json!({ "msgtype": "m.text", "body": "anybody here?" });
    let path = format!("rooms/{space}/send/m.room.message/words");
    ensure!(play.alice.call(Method::PUT, &path, words).await.is_err(), "written in a space");
    within("alice asks", play.alice.says(BOT, "help")).await?;
    ensure!(play.arrives("help").await?.to == Destination::Bridge);
    ensure!(play.bridge.journal().handed.len() == 1, "{:?}", play.bridge.journal().handed);
    Ok(())
}

#[tokio::test]
async fn who_leaves_the_folder_is_invited_again_only_if_they_want_one_again() -> Result<()> {
    let mut play = Play::open().await?;
    play.gathers("p1", &["elsewhere"]).await?;
    let space = play.space(1).await?;
    play.alice.call(Method::POST, &format!("rooms/{space}/leave"), json!({})).await?;
    let with_carol = play.hears_from(&play.carol.clone(), "p2").await?;
    play.holds(&space, &[&with_carol]).await?;
    // What comes later is heard, and no invite came before.
    play.hears_from(&"elsewhere:eve".parse()?, "p3").await?;
    play.gathers("p1", &["elsewhere"]).await?;
    play.gathers("p4", &["elsewhere", "home"]).await?;
    play.gathers("p5", &[]).await?;
    play.hears_from(&play.carol.clone(), "p6").await?;
    ensure!(play.alice.folders.len() == 1, "invited against her will");
    play.gathers("p7", &["elsewhere"]).await?;
    ensure!(play.space(2).await? == space);
    Ok(())
}

#[tokio::test]
async fn a_room_that_is_no_portal_any_more_leaves_the_folder() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.gathers("q1", &["elsewhere"]).await?;
    let space = play.space(1).await?;
    let first = play.hears_from(&play.carol.clone(), "q2").await?;
    play.holds(&space, &[&first]).await?;
    play.alice.leaves(&ghost).await?;
    play.holds(&space, &[]).await?;
    // As if it had died right after it wrote down that she left.
    let second = play.hears_from(&play.carol.clone(), "q3").await?;
    play.holds(&space, &[&second]).await?;
    let alice = play.alice.user();
    let astray = json!({ "user": alice.id(), "ghost": ghost, "once": 1 });
    let memos = vec![
        Memo::forget(format!("portal/{}\n{ghost}", alice.id())),
        Memo::set(format!("astray/{second}"), astray.to_string()),
    ];
    play.bridge.handle().remember(memos).await?;
    play.dies_and_comes_back().await?;
    play.holds(&space, &[]).await?;

    // A room of alice's own, in which the ghost may change nothing.
    let wanted = json!({ "preset": "private_chat", "is_direct": true, "invite": [ghost] });
    let own = play.alice.call(Method::POST, "createRoom", wanted).await?;
    let own = own["room_id"].as_str().context("no room")?.to_owned();
    play.holds(&space, &[&own]).await?;
    // The newest is the portal, whatever becomes of older ones.
    play.alice.leaves(&ghost).await?;
    let newest = play.alice.room(&ghost).await?;
    play.holds(&space, &[&newest]).await?;
    // With others in it, it is no direct chat.
    let dave = play.homeserver.user("dave").await?;
    let invite = json!({ "user_id": dave.user().id() });
    play.alice.call(Method::POST, &format!("rooms/{newest}/invite"), invite).await?;
    dave.call(Method::POST, &format!("rooms/{newest}/join"), json!({})).await?;
    play.holds(&space, &[]).await
}

#[tokio::test]
async fn a_folder_that_was_made_before_a_crash_is_found_again() -> Result<()> {
    let mut play = Play::open().await?;
    let with_carol = play.hears_from(&play.carol.clone(), "r1").await?;
    play.gathers("r2", &["elsewhere"]).await?;
    let space = play.space(1).await?;
    // As if it had died before it wrote down which rooms it made for alice.
    let alice = play.alice.user();
    let unknown = json!({
        "room": null, "name": "", "networks": ["elsewhere"], "invites": true, "done": null,
    });
    let memos = vec![
        Memo::set(format!("space/{}", alice.id()), unknown.to_string()),
        Memo::forget(format!("space-owner/{space}")),
        Memo::set(format!("opening/{}\n{BOT}", alice.id()), ""),
    ];
    play.bridge.handle().remember(memos).await?;
    play.dies_and_comes_back().await?;
    let notice = Notice { to: alice, text: "hello".to_owned(), reply_path: None };
    let answers = play.delivers(&[play.delivery("r3", Command::Notice(notice))?]).await;
    ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
    let (room, told) = within("a notice", play.alice.reads_notice()).await?;
    ensure!(told == "hello" && room != space, "said in the folder");
    play.gathers("r2", &["elsewhere"]).await?;
    play.holds(&space, &[&with_carol]).await?;
    play.hears_from(&play.carol.clone(), "r4").await?;
    ensure!(play.space(1).await? == space, "a second folder was made");
    Ok(())
}
