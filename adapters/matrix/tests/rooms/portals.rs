//! Rooms that are left, shared with others, encrypted, or made at a bad moment.

use anyhow::{Result, ensure};
use drawbridge_adapter::{Code, Command, DeliveryError, Destination, Kind, Memo};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Play, within};

#[tokio::test]
async fn a_room_that_was_left_is_made_anew_by_either_side() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.crosses_out("a1", "first").await?;
    let room = play.alice.room(&ghost).await?;
    let create = format!("rooms/{room}/state/m.room.create/");
    let create = play.alice.call(Method::GET, &create, Value::Null).await?;
    ensure!(create["room_version"] == "12", "{create}");
    let mut old = room;
    let mut new = old.clone();
    // At once, while the homeserver may not have told the bridge that she left.
    for round in 0..5 {
        old = play.alice.leaves(&ghost).await?;
        play.crosses_out(&format!("a2{round}"), "are you gone?").await?;
        new = play.alice.room(&ghost).await?;
        ensure!(new != old, "the message came into a room that alice has left");
    }

    play.alice.leaves(&ghost).await?;
    within("alice writes", play.alice.says(&ghost, "I am back")).await?;
    let event = play.arrives("I am back").await?;
    ensure!(event.to == Destination::Direct(play.carol.clone()));
    ensure!(event.sender.name.as_deref() == Some("alice"));
    play.crosses_out("a3", "welcome").await?;
    let newest = play.alice.room(&ghost).await?;
    ensure!(newest != new && newest != old, "alice's own room is the portal");
    Ok(())
}

#[tokio::test]
async fn a_portal_that_others_join_is_a_group_until_they_leave() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let dave = play.homeserver.user("dave").await?;
    within("alice writes", play.alice.says(&ghost, "just us")).await?;
    play.arrives("just us").await?;
    let room = play.alice.room(&ghost).await?;
    let invite = json!({ "user_id": dave.user().id() });
    play.alice.call(Method::POST, &format!("rooms/{room}/invite"), invite).await?;
    dave.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
    within("alice writes", play.alice.says(&ghost, "hello, all")).await?;
    ensure!(play.arrives("hello, all").await?.to == Destination::Group);
    // What carol writes to alice alone is not shown to dave.
    let private = play.message("b1", "for your eyes only")?;
    ensure!(play.delivers(&[private]).await.iter().all(Result::is_ok));
    let path = format!("rooms/{room}/messages?dir=b&limit=20");
    let page = dave.call(Method::GET, &path, Value::Null).await?;
    ensure!(!page.to_string().contains("for your eyes only"), "shown to all");

    dave.call(Method::POST, &format!("rooms/{room}/leave"), json!({})).await?;
    within("alice writes", play.alice.says(&ghost, "alone again")).await?;
    let event = play.arrives("alone again").await?;
    ensure!(event.to == Destination::Direct(play.carol.clone()));
    Ok(())
}

#[tokio::test]
async fn a_ghost_leaves_a_group_with_a_word_and_declines_for_unknown_networks() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let dave = play.homeserver.user("dave").await?;
    let wanted = json!({ "preset": "private_chat", "invite": [dave.user().id()] });
    let room = play.alice.call(Method::POST, "createRoom", wanted).await?;
    let room = room["room_id"].as_str().unwrap_or_default().to_owned();
    dave.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
    let invite = |who: &str| json!({ "user_id": who });
    let path = format!("rooms/{room}/invite");
    play.alice.call(Method::POST, &path, invite(&ghost)).await?;
    let (_, notice) = within("a notice", play.alice.reads_notice()).await?;
    ensure!(notice == Code::GroupUnsupported.explain(), "{notice}");
    within("the ghost leaves", play.alice.sees(&room, &ghost, "leave")).await?;

    let stranger = "@_drawbridge_nowhere_eve:hs.test";
    play.alice.call(Method::POST, &path, invite(stranger)).await?;
    within("the ghost declines", play.alice.sees(&room, stranger, "leave")).await?;
    Ok(())
}

#[tokio::test]
async fn in_an_encrypted_room_the_ghost_says_once_that_it_cannot_read() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    within("alice writes", play.alice.says(&ghost, "in clear")).await?;
    play.arrives("in clear").await?;
    let room = play.alice.room(&ghost).await?;
    let algorithm = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    let path = format!("rooms/{room}/state/m.room.encryption/");
    play.alice.call(Method::PUT, &path, algorithm.clone()).await?;
    let (_, notice) = within("a notice", play.alice.reads_notice()).await?;
    ensure!(notice.contains("cannot read"), "{notice}");
    for _ in 0..2 {
        let content = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x" });
        within("alice writes", play.alice.sends(&ghost, "m.room.encrypted", content)).await?;
    }
    within("alice writes", play.alice.says(&ghost, "end")).await?;
    play.arrives("end").await?;
    let journal = play.bridge.journal();
    let kinds = journal.handed.iter().map(|handed| handed.event.content.kind());
    ensure!(kinds.filter(|kind| *kind == Kind::Encrypted).count() == 2);
    play.crosses_out("c1", "read you").await?;
    ensure!(play.alice.notices.is_empty(), "it was said twice: {:?}", play.alice.notices);
    Ok(())
}

#[tokio::test]
async fn many_failures_at_once_are_one_notice() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    for text in ["one", "two", "three"] {
        within("alice writes", play.alice.says(&ghost, text)).await?;
    }
    let mut failures = Vec::new();
    for (text, code) in [
        ("one", Code::UnsupportedKind(Kind::Sticker)),
        ("two", Code::UnsupportedKind(Kind::Sticker)),
        ("three", Code::NotReachable),
    ] {
        let event = play.arrives(text).await?;
        failures.push(play.failure(&format!("d{text}"), &event, code)?);
    }
    ensure!(play.delivers(&failures).await.iter().all(Result::is_ok));
    // The same again, as after a crash, shows nothing new.
    ensure!(play.delivers(&failures).await.iter().all(Result::is_ok));
    play.crosses_out("d4", "end").await?;
    let notices: Vec<_> = play.alice.notices.iter().map(|(_, text)| text.as_str()).collect();
    ensure!(
        notices
            == ["Not delivered: This person cannot be reached here. [not_reachable]\n\
                 Not delivered (2 messages): Stickers do not cross this bridge. \
                 [unsupported_kind:sticker]"],
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_crash_doubles_neither_room_nor_message() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.crosses_out("e1", "before").await?;
    let room = play.alice.room(&ghost).await?;
    // As if it had died before it wrote down which room it made.
    let pair = format!("{}\n{ghost}", play.alice.user().id());
    let memos = vec![
        Memo::forget(format!("room/{room}")),
        Memo::forget(format!("portal/{pair}")),
        Memo::set(format!("opening/{pair}"), ""),
    ];
    play.bridge.handle().remember(memos).await?;
    play.dies_and_comes_back().await?;
    play.crosses_out("e2", "after").await?;
    ensure!(play.alice.room(&ghost).await? == room, "a second room was made");

    // The homeserver forgets the ghost's transactions: on disk with its device, in memory when it
    // starts again.
    let device = format!("devices/DRAWBRIDGE?user_id={ghost}");
    let bot = play.homeserver.speaker(&play.homeserver.as_token);
    bot.call(Method::DELETE, &device, json!({})).await?;
    play.alice.network_goes_away().await?;
    play.alice.network_comes_back().await?;
    play.dies_and_comes_back().await?;
    let mut again = play.message("e2", "after")?;
    again.attempt = 2;
    again.accepted_at = drawbridge_adapter::Timestamp(again.accepted_at.0 - 25 * 3_600_000);
    ensure!(play.delivers(&[again]).await.iter().all(Result::is_ok));
    play.crosses_out("e3", "end").await?;
    Ok(())
}

#[tokio::test]
async fn what_a_ghost_cannot_say_is_refused_by_its_code() -> Result<()> {
    let mut play = Play::open().await?;
    // 61,000 line feeds are 122,000 bytes of JSON.
    let inflated = play.message("f1", &"\n".repeat(61_000))?;
    let mut to_nobody = play.message("f2", "anybody?")?;
    if let Command::Message(message) = &mut to_nobody.command {
        message.to = "matrix:@nobody-at-all:hs.test".parse()?;
    }
    let code = |answer: &Result<_, DeliveryError>| match answer {
        Err(DeliveryError::Refused { refusal, .. }) => Some(refusal.code),
        _ => None,
    };
    let codes: Vec<_> = play.delivers(&[inflated, to_nobody]).await.iter().map(code).collect();
    ensure!(codes == [Some(Code::TextTooLong), Some(Code::NotReachable)], "{codes:?}");
    let torn = "nul \0, escape \u{1b}, \u{FFFE}, right-to-left \u{202E}, 60 KB next";
    play.crosses_out("f3", torn).await?;
    play.crosses_out("f4", &"é".repeat(30_720)).await?;
    Ok(())
}
