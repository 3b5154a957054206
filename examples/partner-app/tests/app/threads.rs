//! What stands in a thread, in both directions.

use drawbridge_adapter::{
    Adapter, Command as Order, Content, EventId, Reference, Reply, Thread, Was,
};
use serde_json::json;

use crate::stage::{App, life, message, scene};

const KEY: &str = "0193f2a5c1e0123456789abcdef";

#[test]
fn its_users_write_and_read_in_threads() {
    let (dir, port, bridge) = scene();
    let life = life(dir.path(), port, &bridge);
    let mut app = App::start(dir.path(), port);
    assert_eq!(app.saw("welcome")["capabilities"]["features"]["thread"], "full");
    app.saw("enlisted");
    let (mine, theirs) = (json!({"app": "m1"}), json!({"bridge": KEY}));
    let of = |was, id: &str| Reference { id: EventId::new(id).unwrap(), was, sent_at: None };
    let (sent, heard) = (of(Was::Sent, "m1"), of(Was::Delivered, KEY));
    let stands = |to: &Reference, follows| {
        let thread = Some(Thread { root: heard.clone(), follows });
        Reply { thread, ..Reply::answering(Some(to.clone()), None) }
    };
    for (id, more, reply) in [
        ("e1", json!({"do": "send", "body": "the blue one"}), stands(&heard, true)),
        ("e2", json!({"do": "send", "body": "no", "in_reply_to": mine}), stands(&sent, false)),
        (
            "e3",
            json!({"do": "location", "latitude": 52.5, "longitude": 4.25}),
            stands(&heard, true),
        ),
    ] {
        let mut command = more;
        (command["id"], command["from"]) = (json!(id), json!("carol"));
        (command["to"], command["thread"]) = (json!("elsewhere:alice"), theirs.clone());
        app.does(&command);
        assert_eq!(app.saw("ack")["ids"], json!([id]));
        let handed = bridge.journal().handed.pop().unwrap().event;
        assert!(handed.reply == Some(reply), "{id}");
    }
    assert!(bridge.journal().breaches.is_empty(), "{:?}", bridge.journal().breaches);

    for (key, follows, answered) in [("1", true, json!(null)), ("2", false, mine)] {
        let mut delivery = message(key, "birdychat:carol", "");
        if let Order::Message(message) = &mut delivery.command {
            message.content = Content::text("the red one");
            message.reply = Some(stands(&sent, follows));
        }
        let results = life.runtime.block_on(life.partner.deliver(&[delivery]));
        assert!(results[0].is_ok(), "{results:?}");
        let event = app.saw("event");
        assert_eq!((&event["thread"], &event["in_reply_to"]), (&theirs, &answered));
    }
    app.quits();
}
