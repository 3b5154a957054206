//! What the log tells of a message on its way through the adapter: one line in, one line out, each
//! with the same pseudonym as everywhere, and nothing of what was said. And of who knocks: few lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};

use common::http::{get, put};
use common::{Home, carries_files, claims, key, text};
use drawbridge_adapter::{
    Adapter, Code, Command, Content, ConversationId, Delivery, EventId, Message, Party, Tag,
    Timestamp, UserId,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The adapter's own lines of this process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("drawbridge_partner")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().unwrap().push(words.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{}={value} ", field.name()).unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Lines {
    /// Tasks hop between threads: only a global subscriber hears them all.
    fn of_this_process() -> Self {
        static LINES: OnceLock<Lines> = OnceLock::new();
        let started = LINES.get_or_init(|| {
            let lines = Self::default();
            tracing::subscriber::set_global_default(lines.clone()).unwrap();
            lines
        });
        started.clone()
    }

    /// The one line which holds all of these.
    fn one_with(&self, words: &[&str]) {
        let lines = self.0.lock().unwrap();
        let found = lines.iter().filter(|line| words.iter().all(|word| line.contains(word)));
        assert_eq!(found.count(), 1, "{words:?} in {lines:#?}");
    }
}

#[tokio::test]
async fn each_message_leaves_one_line_in_and_one_line_out() {
    let lines = Lines::of_this_process();
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.refuse("no secret either", Code::Forbidden);
    app.says(&text("e1", "a secret")).await;
    app.hears_ack(&["e1"]).await;
    app.says(&text("e2", "no secret either")).await;
    app.hears_ack(&["e2"]).await;
    let mut forged = text("e3", "a forged secret");
    forged["from"] = json!("dave");
    app.says(&forged).await;
    app.hears_error("forbidden", Some("e3")).await;
    app.says(&json!({"type": "mute", "id": "g1", "from": "carol", "other": "elsewhere:alice",
                     "for": "always"}))
        .await;
    app.hears_ack(&["g1"]).await;
    app.says(&json!({"type": "profile", "id": "p1", "user": "carol", "name": "a secret name",
                     "avatar": {"data": "c2VjcmV0"}}))
        .await;
    app.hears_ack(&["p1"]).await;

    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let carol: UserId = "birdychat:carol".parse().unwrap();
    let delivery = Delivery {
        key: "1".to_owned(),
        tag: Tag::of(b"salt", &["1"]),
        conversation: ConversationId::direct(&alice, &carol),
        accepted_at: Timestamp(0),
        attempt: 1,
        attached: None,
        command: Command::Message(Message {
            from: Party { user: alice, name: None },
            to: carol.clone(),
            content: Content::text("a secret answer"),
            reply: None,
            sent_at: Timestamp(7),
            words: None,
            silent: false,
        }),
    };
    let batch = [delivery.clone()];
    let (results, ()) = tokio::join!(home.partner.deliver(&batch), async {
        let heard = app.hears().await;
        app.acks(&heard["id"]).await;
    });
    assert!(results[0].is_ok());

    let msg =
        |id: &str| format!("msg={} ", home.bridge.handle().tag_event(&EventId::new(id).unwrap()));
    lines.one_with(&["event=event_handed_over ", &msg("e1"), "kind=text ", "bytes=8 "]);
    lines.one_with(&["event=event_handed_over ", &msg("e2"), "code=forbidden "]);
    lines.one_with(&["event=frame_refused ", &msg("e3"), "code=Forbidden "]);
    let user = format!("user={} ", home.bridge.handle().tag_user(&carol));
    lines.one_with(&["event=gesture_handed_over ", &msg("g1"), &user, "what=mute "]);
    lines.one_with(&["event=profile_handed_over ", &msg("p1"), &user]);
    lines.one_with(&[
        "event=delivery_carried_out ",
        &format!("msg={} ", delivery.tag),
        "outcome=done ",
    ]);
    for line in lines.0.lock().unwrap().iter() {
        let tells =
            ["secret", "c2VjcmV0", "carol", "dave", "alice"].iter().any(|word| line.contains(word));
        assert!(!tells, "{line}");
    }
    home.stops().await;
}

#[tokio::test]
async fn who_knocks_again_and_again_is_one_line_a_doubt() {
    let lines = Lines::of_this_process();
    let home = Home::open();
    let mut elsewhere = claims(None);
    elsewhere["aud"] = json!("another bridge");
    let elsewhere = key().sign(&elsewhere);
    for _ in 0..3 {
        assert!(home.dial("a.b.c").await.is_err());
        assert!(home.dial(&elsewhere).await.is_err());
    }
    lines.one_with(&["event=proof_invalid ", "doubt=not a signed JWT "]);
    lines.one_with(&["event=proof_invalid ", "doubt=aud is another one "]);
    home.stops().await;
}

#[tokio::test]
async fn no_file_leaves_its_token_or_its_name() {
    let lines = Lines::of_this_process();
    let home = Home::with(carries_files);
    let at = home.partner.listening_for_files().await.unwrap();
    let kinds = json!({"kinds": {"image": "full"}, "text": {"max_bytes": 100}});
    let mut app = home.app_saying(&json!({"capabilities": kinds})).await;
    app.enlists("carol").await;
    let partner = Arc::clone(&home.partner);
    let opening = tokio::spawn(async move { partner.open("file-of-carols").await });
    let fetch = app.hears().await;
    let url = fetch["url"].as_str().unwrap();
    assert_eq!(put(at, url, &vec![0; (1 << 20) + 1]).await.status, 413);
    assert!(opening.await.unwrap().is_err());
    assert_eq!(get(at, url, "").await.status, 404);
    app.says(&json!({"type": "event", "id": "e1", "from": "carol", "to": "elsewhere:alice",
        "sent_at": 1, "content": {"type": "image", "file": "file-of-carols", "name": "harbour.png",
                                  "caption": "a secret"}}))
        .await;
    app.hears_ack(&["e1"]).await;
    home.stops().await;
    lines.one_with(&["status=413"]);
    lines.one_with(&["status=404"]);
    let token = url.rsplit('/').next().unwrap();
    let id = fetch["id"].as_str().unwrap();
    for line in lines.0.lock().unwrap().iter() {
        let told = [token, id, "file-of-carols", "harbour", "secret", "bridge.test"];
        assert!(!told.iter().any(|word| line.contains(word)), "{line}");
    }
}
