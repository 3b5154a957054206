//! How ghosts look, where the homeserver does not play along.

use drawbridge_adapter::{Command, DeliveryError, Memo, Picture, Profile, Sha256, Shown};
use serde_json::json;

use super::{deliver, delivery, message};
use crate::portals::Company;
use crate::stub::{ALICE, Call, GHOST, Stub};

fn shown() -> Shown {
    let picture = Picture {
        mime: "image/png".to_owned(),
        sha256: Sha256([7; 32]),
        bytes: b"\x89PNG\r\n\x1a\n".to_vec(),
    };
    Shown { name: Some("Carol".to_owned()), picture: Some(picture.into()) }
}

fn profile(stub: &Stub, key: &str) -> drawbridge_adapter::Delivery {
    let profile = Profile {
        of: "elsewhere:carol".parse().unwrap(),
        to: format!("matrix:{ALICE}").parse().unwrap(),
        shown: shown(),
    };
    delivery(stub, key, Command::Profile(profile))
}

/// What the ghost's membership was set to.
fn worn(stub: &Stub) -> Vec<serde_json::Value> {
    let member = format!("/state/m.room.member/{GHOST}");
    let calls = stub.calls(&member).into_iter();
    calls.filter(|call| call.method == "PUT").map(|call| call.body).collect()
}

fn is_invite(call: &Call) -> bool {
    call.method == "PUT" && call.path.contains(&format!("/state/m.room.member/{ALICE}"))
}

#[tokio::test]
async fn a_picture_is_taken_up_once_and_shown_in_the_room_alone() {
    let stub = Stub::well().await;
    assert!(deliver(&stub.core, &[profile(&stub, "1")]).await[0].is_ok());
    assert_eq!(stub.calls("").len(), 0, "there is no room yet");
    stub.knows_room(Company::None).await;
    assert!(deliver(&stub.core, &[profile(&stub, "2")]).await[0].is_ok());
    assert!(deliver(&stub.core, &[profile(&stub, "3")]).await[0].is_ok());
    assert_eq!(stub.calls("/media/v3/upload").len(), 1);
    let expected = json!({
        "membership": "join", "displayname": "Carol (elsewhere)",
        "avatar_url": "mxc://hs.test/up",
    });
    assert_eq!(worn(&stub)[0], expected);
    let own = stub.calls("/profile/");
    assert!(own.iter().filter(|call| call.method == "PUT").all(|call| {
        call.body["displayname"] == "carol (elsewhere)" && call.path.contains("/displayname")
    }));
}

#[tokio::test]
async fn a_homeserver_that_shows_no_looks_gets_the_messages_all_the_same() {
    for (status, part) in [(403, "/upload"), (500, "/upload"), (400, GHOST)] {
        let stub = Stub::start(move |call| {
            let refused = call.path.contains("/upload")
                || call.path.contains("/state/m.room.member/") && call.method == "PUT";
            let refused = refused && call.path.contains(part) && !is_invite(call);
            refused.then(|| (status, json!({})))
        })
        .await;
        let (of, to) = ("elsewhere:carol".parse().unwrap(), format!("matrix:{ALICE}"));
        stub.bridge.has_shown(&of, &to.parse().unwrap(), shown());
        let sent = deliver(&stub.core, &[message(&stub, "1")]).await;
        assert!(sent[0].is_ok(), "{status} {part}: {sent:?}");
        assert_eq!(stub.calls(&format!("/state/m.room.member/{ALICE}?")).len(), 1, "{part}");
    }
}

#[tokio::test]
async fn a_room_whose_invite_failed_is_the_same_at_the_next_try() {
    let stub = Stub::start(|call| {
        let room = "!new:hs.test";
        match () {
            () if is_invite(call) => Some((500, json!({}))),
            () if call.path.contains("/joined_rooms") => {
                Some((200, json!({ "joined_rooms": [room] })))
            }
            () if call.path.contains(&format!("/state/m.room.member/{ALICE}")) => {
                Some((404, json!({ "errcode": "M_NOT_FOUND" })))
            }
            () if call.path.contains("/state/m.room.create/") => {
                Some((200, json!({ "dev.drawbridge.chat": ALICE })))
            }
            () if call.path.contains("/joined_members") => {
                Some((200, crate::stub::members(&[GHOST])))
            }
            () => None,
        }
    })
    .await;
    for _ in 0..3 {
        let sent = deliver(&stub.core, &[message(&stub, "1")]).await;
        assert!(matches!(sent[..], [Err(DeliveryError::Unknown { .. })]), "{sent:?}");
    }
    assert_eq!(stub.calls("/createRoom").len(), 1);
    // One that was made for somebody else is not hers.
    let stub = Stub::start(|call| match () {
        () if call.path.contains("/joined_rooms") => {
            Some((200, json!({ "joined_rooms": ["!daves:hs.test"] })))
        }
        () if call.method == "GET" && call.path.contains(&format!("m.room.member/{ALICE}")) => {
            Some((404, json!({ "errcode": "M_NOT_FOUND" })))
        }
        () if call.path.contains("/state/m.room.create/") => {
            Some((200, json!({ "dev.drawbridge.chat": "@dave:hs.test" })))
        }
        () => None,
    })
    .await;
    let opening = Memo::set(format!("opening/{ALICE}\n{GHOST}"), "");
    stub.bridge.handle().remember(vec![opening]).await.unwrap();
    assert!(deliver(&stub.core, &[message(&stub, "1")]).await[0].is_ok());
    assert_eq!(stub.calls("/createRoom").len(), 1);
    assert_eq!(stub.calls("!daves:hs.test/send/").len(), 0);
}
