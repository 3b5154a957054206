//! How people look on either side, and to whom.

use anyhow::{Result, ensure};
use drawbridge_adapter::{
    Command, Delivery, Memo, NewPicture, Party, Picture, Profile, ProfileChange, Sha256, Shown,
    UserId,
};
use drawbridge_testkit::{Deed, Peer, Sight};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Play, within};
use crate::peer::MatrixPeer;

/// Pixels in one colour, as a PNG without compression.
fn png(side: u32, colour: [u8; 3], noisy: bool) -> Vec<u8> {
    let mut state = 1_u32;
    let mut rows = Vec::new();
    for _ in 0..side {
        rows.extend([0]);
        for _ in 0..side {
            for part in colour {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                rows.push(if noisy { state.to_be_bytes()[0] } else { part });
            }
        }
    }
    let mut deflated = vec![0x78, 0x01];
    let mut blocks = rows.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        deflated.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap();
        deflated.extend(length.to_le_bytes());
        deflated.extend((!length).to_le_bytes());
        deflated.extend(block);
    }
    let sums = rows.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    deflated.extend((sums.1 << 16 | sums.0).to_be_bytes());
    let both = [side.to_be_bytes(), side.to_be_bytes()].concat();
    let head = [&both[..], &[8, 2, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", head), (b"IDAT", deflated), (b"IEND", Vec::new())] {
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        let body = [&name[..], &data].concat();
        png.extend(&body);
        png.extend(crc(&body).to_be_bytes());
    }
    png
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

fn shown(name: &str, picture: Option<&[u8]>) -> Shown {
    let picture = picture.map(|bytes| Picture {
        mime: "image/png".to_owned(),
        sha256: Sha256([bytes[45]; 32]),
        bytes: bytes.to_vec(),
    });
    Shown { name: Some(name.to_owned()), picture: picture.map(Into::into) }
}

impl Play {
    /// Carol looks so to somebody.
    fn looks(&self, key: &str, to: &UserId, shown: Shown) -> Result<Delivery> {
        // As the daemon does, before it tells.
        self.bridge.has_shown(&self.carol, to, shown.clone());
        let profile = Profile { of: self.carol.clone(), to: to.clone(), shown };
        self.delivery(key, Command::Profile(profile))
    }

    /// Waits until the daemon knows how alice looks.
    async fn learns(&self, news: impl Fn(&ProfileChange) -> bool) -> Result<ProfileChange> {
        let told = |journal: &drawbridge_testkit::Journal| {
            journal.profiles.iter().find(|change| news(change)).cloned()
        };
        self.bridge.wait_for(PATIENCE, "how alice looks", told).await
    }

    async fn done(&self, delivery: Delivery) -> Result<()> {
        let answers = self.delivers(&[delivery]).await;
        ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        Ok(())
    }
}

async fn sees(peer: &mut MatrixPeer, ghost: &str, sight: Sight) -> Result<()> {
    within(&format!("{sight:?}"), peer.is_shown(ghost, &sight)).await.map(drop)
}

#[tokio::test]
async fn two_users_of_one_ghost_see_it_as_they_are_shown_it() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let mut dave = play.homeserver.user("dave").await?;
    let red = png(2, [255, 0, 0], false);
    // To whom there is no room yet, nothing can be shown.
    let (alice, to_dave) = (play.alice.user(), dave.user());
    play.done(play.looks("p0", &alice, shown("Too early", None))?).await?;
    play.crosses_out("p1", "hello, alice").await?;
    sees(&mut play.alice, &ghost, Sight::Name("Too early".to_owned())).await?;
    within("dave writes", dave.says(&ghost, "hello, carol")).await?;
    sees(&mut dave, &ghost, Sight::Name("carol".to_owned())).await?;

    let carol = shown("Carol", Some(&red));
    for key in ["p2", "p3"] {
        play.done(play.looks(key, &alice, carol.clone())?).await?;
    }
    sees(&mut play.alice, &ghost, Sight::Name("Carol".to_owned())).await?;
    sees(&mut play.alice, &ghost, Sight::Face(Some(red))).await?;
    play.done(play.looks("p4", &to_dave, shown("Mrs. Carol", None))?).await?;
    sees(&mut dave, &ghost, Sight::Name("Mrs. Carol".to_owned())).await?;
    sees(&mut dave, &ghost, Sight::Face(None)).await?;
    sees(&mut play.alice, &ghost, Sight::Name("Carol".to_owned())).await?;
    play.done(play.looks("p5", &alice, shown("Carol", None))?).await?;
    sees(&mut play.alice, &ghost, Sight::Face(None)).await?;

    // To all others it looks as it did.
    let own = play.alice.call(Method::GET, &format!("profile/{ghost}"), Value::Null).await?;
    ensure!(own["displayname"] == "carol (elsewhere)" && own["avatar_url"].is_null(), "{own}");
    Ok(())
}

#[tokio::test]
async fn an_invite_bears_the_name_and_a_new_portal_the_picture() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    let (alice, blue) = (play.alice.user(), png(2, [0, 0, 255], false));
    play.bridge.has_shown(&play.carol, &alice, shown("Carol", Some(&blue)));
    play.alice.invites = Some(std::collections::HashMap::new());
    let mut hello = play.message("q1", "hello")?;
    if let Command::Message(message) = &mut hello.command {
        message.from = Party { user: play.carol.clone(), name: Some("Not Carol".to_owned()) };
    }
    play.done(hello).await?;
    let room = within("an invite", play.alice.is_invited(&ghost)).await?;
    let news = play.alice.call(Method::GET, "sync?timeout=0", Value::Null).await?;
    let state = &news["rooms"]["invite"][&room]["invite_state"]["events"];
    let mut state = state.as_array().into_iter().flatten();
    let inviter = state.find(|event| event["state_key"] == *ghost).cloned().unwrap_or_default();
    ensure!(inviter["content"]["displayname"] == "Carol (elsewhere)", "{inviter}");
    let mine = format!("rooms/{room}/state/m.room.member/{}", alice.id());
    within("alice joins", play.alice.joins(&ghost)).await?;
    sees(&mut play.alice, &ghost, Sight::Face(Some(blue.clone()))).await?;
    let member = play.alice.call(Method::GET, &mine, Value::Null).await?;
    ensure!(member["membership"] == "join", "{member}");

    // One that is made anew, and one that she makes herself.
    play.alice.invites = None;
    play.alice.leaves(&ghost).await?;
    play.crosses_out("q2", "are you gone?").await?;
    sees(&mut play.alice, &ghost, Sight::Face(Some(blue.clone()))).await?;
    play.alice.leaves(&ghost).await?;
    within("alice writes", play.alice.says(&ghost, "I am back")).await?;
    sees(&mut play.alice, &ghost, Sight::Face(Some(blue))).await?;
    sees(&mut play.alice, &ghost, Sight::Name("Carol".to_owned())).await
}

#[tokio::test]
async fn a_crash_between_a_room_and_its_invite_leaves_one_room() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    play.crosses_out("r1", "somebody is there").await?;
    play.alice.leaves(&ghost).await?;
    let (alice, opening) = (play.alice.user(), format!("{}\n{ghost}", play.alice.user().id()));
    play.bridge.handle().remember(vec![Memo::set(format!("opening/{opening}"), "")]).await?;
    // As it was made before the adapter died.
    let bot = play.homeserver.speaker(&play.homeserver.as_token);
    let made = json!({
        "preset": "private_chat", "is_direct": true,
        "power_level_content_override": { "users_default": 50 },
        "creation_content": { "dev.drawbridge.chat": alice.id() },
    });
    let made = bot.call(Method::POST, &format!("createRoom?user_id={ghost}"), made).await?;
    play.dies_and_comes_back().await?;
    play.bridge.has_shown(&play.carol, &alice, shown("Carol", None));
    play.crosses_out("r2", "after").await?;
    ensure!(made["room_id"] == play.alice.room(&ghost).await?, "a second room was made");
    sees(&mut play.alice, &ghost, Sight::Name("Carol".to_owned())).await
}

#[tokio::test]
async fn what_a_user_looks_like_is_told_and_what_only_one_room_sees_is_not() -> Result<()> {
    let mut play = Play::open().await?;
    let (ghost, alice) = (play.ghost.clone(), play.alice.user());
    within("alice writes", play.alice.says(&ghost, "hello")).await?;
    play.learns(|change| change.name.as_deref() == Some("alice")).await?;
    play.alice.performs(&ghost, &Deed::CallsItself("Alice L.".to_owned())).await?;
    play.learns(|change| change.name.as_deref() == Some("Alice L.")).await?;
    let green = png(2, [0, 255, 0], false);
    play.alice.performs(&ghost, &Deed::Wears(Some(green.clone()))).await?;
    let at = |change: &ProfileChange| match &change.picture {
        Some(NewPicture::At(at)) => Some(at.clone()),
        _ => None,
    };
    let change = play.learns(|change| at(change).is_some()).await?;
    let here = at(&change).unwrap_or_default();
    ensure!(play.adapter.picture(&alice, &here).await.ok() == Some(green), "another picture");

    // A nick in one room, as `/myroomnick` sets it.
    let told = play.bridge.journal().profiles.len();
    let room = play.alice.room(&ghost).await?;
    let nick = json!({ "membership": "join", "displayname": "the secret one" });
    let path = format!("rooms/{room}/state/m.room.member/{}", alice.id());
    play.alice.call(Method::PUT, &path, nick).await?;
    within("alice writes", play.alice.says(&ghost, "guess who")).await?;
    let event = play.arrives("guess who").await?;
    ensure!(event.sender.name.as_deref() == Some("Alice L."), "a nick was told");

    // A large one: 480,000 bytes that cannot be packed.
    let large = png(400, [0; 3], true);
    play.alice.performs(&ghost, &Deed::Wears(Some(large.clone()))).await?;
    let change = play.learns(|change| at(change).is_some_and(|at| at != here)).await?;
    let there = at(&change).unwrap_or_default();
    let small = play.adapter.picture(&alice, &there).await;
    let small = small.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    ensure!(small.starts_with(b"\x89PNG") && small.len() <= Picture::MAX, "{}", small.len());
    play.alice.performs(&ghost, &Deed::Wears(None)).await?;
    play.learns(|change| {
        change.name.as_deref() == Some("Alice L.") && change.picture == Some(NewPicture::Gone)
    })
    .await?;
    let journal = play.bridge.journal();
    let names = journal.profiles.iter().filter_map(|change| change.name.as_deref());
    ensure!(names.skip(1).all(|name| name == "Alice L."), "a nick was told");
    ensure!(journal.profiles.len() <= told + 2, "the same was told again and again");
    Ok(())
}
