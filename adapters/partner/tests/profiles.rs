//! How people call themselves and look, in frames of both directions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{App, Home, claims, delivery, key};
use drawbridge_adapter::{
    Adapter, Code, Command, ConversationId, Delivered, Delivery, DeliveryError, Kind, Level,
    NewPicture, Picture, Profile, ProfileChange, Sha256, Shown, Tag, Timestamp, Unavailable,
    UserId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256 as Hasher};

fn carol() -> UserId {
    "birdychat:carol".parse().unwrap()
}

fn avatar(bytes: &[u8]) -> Value {
    json!({"data": BASE64_STANDARD.encode(bytes)})
}

fn profile(id: &str, fields: &Value) -> Value {
    let mut frame = json!({"type": "profile", "id": id, "user": "carol"});
    for (key, value) in fields.as_object().unwrap() {
        frame[key] = value.clone();
    }
    frame
}

fn shown(key: &str, to: &str, shown: Shown) -> Delivery {
    let of: UserId = "elsewhere:alice".parse().unwrap();
    let to: UserId = to.parse().unwrap();
    Delivery {
        key: key.to_owned(),
        tag: Tag::of(b"salt", &[key]),
        conversation: ConversationId::direct(&of, &to),
        accepted_at: Timestamp(0),
        attempt: 1,
        attached: None,
        command: Command::Profile(Profile { of, to, shown }),
    }
}

fn a_picture() -> Arc<Picture> {
    let bytes = b"\x89PNG, or what was taken for it".to_vec();
    let sha256 = Sha256(Hasher::digest(&bytes).into());
    Arc::new(Picture { mime: "image/png".to_owned(), sha256, bytes })
}

async fn an_app(home: &Home, kinds: Value) -> App {
    let capabilities = json!({"kinds": kinds, "text": {"max_bytes": 100_000}});
    let mut app = home.app_saying(&json!({"capabilities": capabilities})).await;
    app.enlists("carol").await;
    app
}

/// What was told of users since carol was enlisted, which tells her name.
fn told_since(home: &Home) -> Vec<ProfileChange> {
    home.bridge.journal().profiles.split_off(1)
}

async fn delivers(home: &Home, delivery: Delivery) -> Result<Delivered, DeliveryError> {
    home.partner.deliver(&[delivery]).await.remove(0)
}

#[tokio::test]
async fn what_carol_tells_is_told_on_before_it_is_acknowledged() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    app.says(&profile("p1", &json!({"name": "Carol", "avatar": avatar(b"her picture")}))).await;
    app.hears_ack(&["p1"]).await;
    let here = NewPicture::Here(b"her picture".to_vec());
    let told = ProfileChange::of(carol()).name(Some("Carol")).picture(here);
    assert!(told_since(&home) == [told.clone()]);

    app.says(&profile("p2", &json!({"name": null}))).await;
    app.says(&profile("p3", &json!({"avatar": null}))).await;
    app.hears_ack(&["p2"]).await;
    app.hears_ack(&["p3"]).await;
    let nameless = ProfileChange::of(carol()).name(None);
    let faceless = ProfileChange::of(carol()).picture(NewPicture::Gone);
    assert!(told_since(&home) == [told, nameless, faceless]);
    home.stops().await;
}

#[tokio::test]
async fn a_profile_waits_for_a_bridge_that_cannot_take_it() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.break_down(Unavailable::Failed);
    app.says(&profile("p1", &json!({"name": "Carol II"}))).await;
    app.says(&json!({"type": "nonsense"})).await;
    app.hears_error("malformed", None).await;
    assert!(told_since(&home).is_empty());
    home.bridge.mend();
    app.hears_ack(&["p1"]).await;
    assert_eq!(told_since(&home).len(), 1);
    home.stops().await;
}

#[tokio::test]
async fn nobody_tells_how_somebody_else_looks() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let mut daves = profile("p1", &json!({"name": "Dave"}));
    daves["user"] = json!("dave");
    app.says(&daves).await;
    let error = app.hears_error("forbidden", Some("p1")).await;
    assert_eq!(error["where"], "user");
    assert!(told_since(&home).is_empty());
    home.stops().await;
}

#[tokio::test]
async fn a_picture_that_is_too_large_is_malformed_and_nothing_of_its_frame_counts() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let too_large = avatar(&vec![0; Picture::MAX + 1]);
    app.says(&profile("p1", &json!({"name": "Carol", "avatar": too_large}))).await;
    let error = app.hears_error("malformed", Some("p1")).await;
    assert_eq!(error["where"], "avatar.data");
    let largest = vec![0; Picture::MAX];
    app.says(&profile("p2", &json!({"avatar": avatar(&largest)}))).await;
    app.hears_ack(&["p2"]).await;
    let told = ProfileChange::of(carol()).picture(NewPicture::Here(largest));
    assert!(told_since(&home) == [told]);
    home.stops().await;
}

#[tokio::test]
async fn the_name_of_an_enlistment_is_told_before_it_is_answered_and_none_is_not_told() {
    let home = Home::open();
    let mut app = home.app().await;
    let enlist = |name: Value| {
        let proof = key().sign(&claims(Some("carol")));
        json!({"type": "enlist", "user": "carol", "name": name, "proof": proof})
    };
    app.says(&enlist(Value::Null)).await;
    assert_eq!(app.hears().await["type"], "enlisted");
    assert!(home.bridge.journal().profiles.is_empty());
    app.says(&enlist(json!("Carol"))).await;
    assert_eq!(app.hears().await["type"], "enlisted");
    let told = ProfileChange::of(carol()).name(Some("Carol"));
    assert!(home.bridge.journal().profiles == [told]);
    home.stops().await;
}

#[tokio::test]
async fn an_app_gets_the_whole_profile_each_time() {
    let home = Home::open();
    assert_eq!(home.partner.capabilities().level(Kind::Profile), Level::Full);
    let mut app = an_app(&home, json!({"text": "full", "profile": "full"})).await;
    let picture = a_picture();
    let named = Shown { name: Some("Alice".to_owned()), picture: Some(Arc::clone(&picture)) };
    for (key, seen, expected) in [
        (
            "1",
            named,
            json!({"name": "Alice", "avatar": {"mime": "image/png",
            "sha256": picture.sha256.to_string(), "data": BASE64_STANDARD.encode(&picture.bytes)}}),
        ),
        ("2", Shown { name: Some("Alice".to_owned()), picture: None }, json!({"name": "Alice"})),
        ("3", Shown::default(), json!({})),
    ] {
        let showing = shown(key, "birdychat:carol", seen);
        let (result, frame) = tokio::join!(delivers(&home, showing), async {
            let frame = app.hears().await;
            app.acks(&frame["id"]).await;
            frame
        });
        assert!(result.is_ok());
        let mut whole =
            json!({"type": "profile", "id": key, "from": "elsewhere:alice", "to": "carol"});
        for (key, value) in expected.as_object().unwrap() {
            whole[key] = value.clone();
        }
        assert_eq!(frame, whole);
    }
    home.stops().await;
}

#[tokio::test]
async fn an_app_that_shows_no_profiles_gets_none_and_nobody_is_told_of_it() {
    let home = Home::open();
    let mut app = an_app(&home, json!({"text": "full"})).await;
    let named = Shown { name: Some("Alice".to_owned()), picture: None };
    assert!(delivers(&home, shown("1", "birdychat:carol", named)).await.is_ok());
    let (result, ()) = tokio::join!(delivers(&home, delivery("2", "hi")), async {
        let heard = app.hears().await;
        assert_eq!((&heard["type"], &heard["id"]), (&json!("event"), &json!("2")));
        app.acks(&heard["id"]).await;
    });
    assert!(result.is_ok());
    home.stops().await;
}

#[tokio::test]
async fn who_is_not_enlisted_is_shown_nobody() {
    let home = Home::open();
    let _app = an_app(&home, json!({"text": "full", "profile": "full"})).await;
    let result = delivers(&home, shown("1", "birdychat:dave", Shown::default())).await;
    let Err(DeliveryError::Refused { refusal, .. }) = result else { panic!("{result:?}") };
    assert_eq!(refusal.code, Code::NotReachable);
    home.stops().await;
}
