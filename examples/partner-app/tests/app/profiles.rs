//! How people call themselves and look, in both directions.

use std::sync::Arc;

use drawbridge_adapter::{
    Adapter, Command as Order, NewPicture, Picture, Profile, ProfileChange, Shown, UserId,
};
use drawbridge_testkit::spooled;
use serde_json::json;

use crate::stage::{App, delivery, life, scene};
#[test]
fn its_users_tell_and_are_told_who_is_called_and_looks_how() {
    let (dir, port, bridge) = scene();
    let life = life(dir.path(), port, &bridge);
    let url = format!("ws://127.0.0.1:{port}/partner/v1");
    let mut app = App::run(dir.path(), &["--url", &url, "--files", dir.path().to_str().unwrap()]);
    assert_eq!(app.saw("welcome")["capabilities"]["kinds"]["profile"], "full");
    app.saw("enlisted");
    app.saw("enlisted");
    let (picture, missing) = (dir.path().join("carol.png"), dir.path().join("dave.png"));
    std::fs::write(&picture, "carol's picture").unwrap();
    for (id, looks) in [
        ("both", json!({"name": "Carol II", "avatar": picture})),
        ("no name", json!({"name": null})),
        ("no picture", json!({"avatar": null})),
    ] {
        let mut command = looks;
        let id = id.replace(' ', "-");
        (command["do"], command["user"]) = (json!("profile"), json!("carol"));
        command["id"] = json!(id);
        app.does(&command);
        assert_eq!(app.saw("ack")["ids"], json!([id]));
    }
    app.does(&json!({"do": "profile", "user": "carol", "avatar": missing}));
    app.notes("problem");
    let carol: UserId = "birdychat:carol".parse().unwrap();
    let change = ProfileChange::of(carol.clone());
    let told = [
        change.clone().name(Some("Carol")),
        change
            .clone()
            .name(Some("Carol II"))
            .picture(NewPicture::Here(b"carol's picture".to_vec())),
        change.clone().name(None),
        change.picture(NewPicture::Gone),
    ];
    assert!(bridge.journal().profiles == told);

    let file = spooled(b"alice's picture").unwrap();
    let alice = Picture {
        mime: "image/png".to_owned(),
        sha256: file.sha256(),
        bytes: b"alice's picture".to_vec(),
    };
    let shown = Shown { name: Some("Alice".to_owned()), picture: Some(Arc::new(alice)) };
    let showing = |key, shown| {
        let of = "elsewhere:alice".parse().unwrap();
        delivery(key, Order::Profile(Profile { of, to: carol.clone(), shown }))
    };
    let both = [showing("1", shown.clone()), showing("1", shown), showing("2", Shown::default())];
    for one in both {
        let results = life.runtime.block_on(life.partner.deliver(&[one]));
        assert!(results[0].is_ok(), "{results:?}");
    }
    let told = app.line("profile");
    assert_eq!(told["frame"]["name"], "Alice");
    assert!(std::fs::read(told["file"].as_str().unwrap()).unwrap() == b"alice's picture");
    assert_eq!(app.saw("repeat")["id"], "1");
    let nobody = app.line("profile");
    assert!(nobody["file"].is_null() && nobody["frame"]["avatar"].is_null());
    app.quits();
}
