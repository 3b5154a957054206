//! The bridge's own user, with whom people speak.

use anyhow::{Result, ensure};
use drawbridge_adapter::{Command, Content, Delivery, Destination, Kind, Notice, ReplyPath};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Play, within};

pub(super) const BOT: &str = "@drawbridge:hs.test";

impl Play {
    /// Words of the bridge's own for alice.
    fn notice(&self, key: &str, text: &str, reply_path: Option<ReplyPath>) -> Result<Delivery> {
        let notice = Notice { to: self.alice.user(), text: text.to_owned(), reply_path };
        self.delivery(key, Command::Notice(notice))
    }

    /// The next notice must be the bot's, and say this; gives its room.
    async fn is_told(&mut self, text: &str) -> Result<String> {
        let (room, told) = within("a notice", self.alice.reads_notice()).await?;
        ensure!(told == text, "{told}");
        let path = format!("rooms/{room}/messages?dir=b&limit=20");
        let page = self.alice.call(Method::GET, &path, Value::Null).await?;
        let said = page["chunk"].as_array().into_iter().flatten();
        let mut said = said.filter(|event| event["content"]["body"] == text);
        ensure!(said.clone().count() == 1, "said more than once");
        ensure!(said.all(|event| event["sender"] == BOT), "somebody else's words");
        Ok(room)
    }
}

#[tokio::test]
async fn the_bot_is_asked_and_answers_once_in_the_same_room() -> Result<()> {
    let mut play = Play::open().await?;
    within("alice asks", play.alice.says(BOT, "help")).await?;
    let asked = play.arrives("help").await?;
    ensure!(asked.to == Destination::Bridge && asked.sender.user == play.alice.user());
    let room = play.alice.room(BOT).await?;
    let answer = play.notice("g1", "it is simple", Some(asked.reply_path.clone()))?;
    ensure!(play.delivers(std::slice::from_ref(&answer)).await.iter().all(Result::is_ok));
    ensure!(play.is_told("it is simple").await? == room);
    // The daemon and the adapter die before the delivery is written down.
    play.dies_and_comes_back().await?;
    ensure!(play.delivers(&[answer]).await.iter().all(Result::is_ok));
    ensure!(
        play.delivers(&[play.notice("g2", "by the way", None)?]).await.iter().all(Result::is_ok)
    );
    ensure!(play.is_told("by the way").await? == room, "a second room was made");

    // Whatever is no text the daemon can answer by its kind; what a program says is not answered.
    let notice = json!({ "msgtype": "m.notice", "body": "I am a program" });
    within("alice sends", play.alice.sends(BOT, "m.room.message", notice)).await?;
    within("alice sends", play.alice.does(BOT, Kind::Sticker)).await?;
    within("alice asks", play.alice.says(BOT, "help again")).await?;
    play.arrives("help again").await?;
    let handed = play.bridge.journal().handed;
    let said: Vec<_> = handed.iter().map(|handed| &handed.event.content).collect();
    let sticker = Content::Unsupported { kind: Kind::Sticker };
    ensure!(said == [&Content::text("help"), &sticker, &Content::text("help again")], "{said:?}");
    ensure!(handed.iter().all(|handed| handed.event.to == Destination::Bridge));
    Ok(())
}

#[tokio::test]
async fn whom_the_bot_shares_no_room_with_it_invites() -> Result<()> {
    let mut play = Play::open().await?;
    let hello = play.notice("h1", "hello", None)?;
    ensure!(play.delivers(&[hello.clone(), hello]).await.iter().all(Result::is_ok));
    let first = play.is_told("hello").await?;
    let path = format!("rooms/{first}/state/m.room.member/{}", play.alice.user().id());
    let member = play.alice.call(Method::GET, &path, Value::Null).await?;
    ensure!(member["membership"] == "join", "{member}");
    within("alice asks", play.alice.says(BOT, "help")).await?;
    let asked = play.arrives("help").await?;
    ensure!(asked.to == Destination::Bridge);

    // She leaves before she is answered.
    play.alice.leaves(BOT).await?;
    let answer = play.notice("h2", "are you gone?", Some(asked.reply_path))?;
    ensure!(play.delivers(&[answer]).await.iter().all(Result::is_ok));
    let second = play.is_told("are you gone?").await?;
    ensure!(second != first, "said in a room that alice has left");
    Ok(())
}

#[tokio::test]
async fn the_bot_is_alone_with_whom_it_speaks() -> Result<()> {
    let mut play = Play::open().await?;
    let dave = play.homeserver.user("dave").await?;
    within("alice asks", play.alice.says(BOT, "just us")).await?;
    play.arrives("just us").await?;
    let room = play.alice.room(BOT).await?;
    let invite = json!({ "user_id": dave.user().id() });
    play.alice.call(Method::POST, &format!("rooms/{room}/invite"), invite).await?;
    dave.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
    within("the bot leaves", play.alice.sees(&room, BOT, "leave")).await?;

    let wanted = json!({ "preset": "private_chat", "invite": [dave.user().id()] });
    let group = play.alice.call(Method::POST, "createRoom", wanted).await?;
    let group = group["room_id"].as_str().unwrap_or_default().to_owned();
    dave.call(Method::POST, &format!("rooms/{group}/join"), json!({})).await?;
    let invite = json!({ "user_id": BOT });
    play.alice.call(Method::POST, &format!("rooms/{group}/invite"), invite).await?;
    within("the bot leaves", play.alice.sees(&group, BOT, "leave")).await?;
    // In the portal of a ghost it is no guest either.
    play.crosses_out("i1", "hello").await?;
    let portal = play.alice.room(&play.ghost.clone()).await?;
    let invite = json!({ "user_id": BOT });
    play.alice.call(Method::POST, &format!("rooms/{portal}/invite"), invite).await?;
    within("the bot declines", play.alice.sees(&portal, BOT, "leave")).await?;
    let ghost = play.ghost.clone();
    within("alice writes", play.alice.says(&ghost, "still us")).await?;
    let event = play.arrives("still us").await?;
    ensure!(event.to == Destination::Direct(play.carol.clone()));
    Ok(())
}

#[tokio::test]
async fn in_an_encrypted_room_the_bot_says_that_it_cannot_read() -> Result<()> {
    let mut play = Play::open().await?;
    within("alice asks", play.alice.says(BOT, "in clear")).await?;
    play.arrives("in clear").await?;
    let room = play.alice.room(BOT).await?;
    let algorithm = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    let path = format!("rooms/{room}/state/m.room.encryption/");
    play.alice.call(Method::PUT, &path, algorithm).await?;
    let (_, told) = within("a notice", play.alice.reads_notice()).await?;
    ensure!(told.contains("cannot read"), "{told}");
    let content = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x" });
    within("alice sends", play.alice.sends(BOT, "m.room.encrypted", content)).await?;
    let seen = |journal: &drawbridge_testkit::Journal| {
        let mut kinds = journal.handed.iter().map(|handed| handed.event.content.kind());
        kinds.any(|kind| kind == Kind::Encrypted).then_some(())
    };
    play.bridge.wait_for(PATIENCE, "the ciphertext is handed over", seen).await
}
