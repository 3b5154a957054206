//! Requests that no homeserver would make, and events that no homeserver would pass on.

use anyhow::{Result, ensure};
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::json;

use super::{Play, within};

#[tokio::test]
async fn a_stranger_is_turned_away_and_a_bad_event_is_refused_alone() -> Result<()> {
    let mut play = Play::open().await?;
    let ghost = play.ghost.clone();
    within("alice writes", play.alice.says(&ghost, "hello")).await?;
    play.arrives("hello").await?;
    let room = play.alice.room(&ghost).await?;

    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/_matrix/app/v1", play.homeserver.listen);
    let hs_token = play.homeserver.hs_token.clone();
    let ask = async |method: Method, path: &str, token: Option<&str>, body: Vec<u8>| {
        let mut request = http.request(method, format!("{url}/{path}")).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        anyhow::Ok(request.send().await?.status().as_u16())
    };
    let put = async |token: Option<&str>, body: &str| {
        ask(Method::PUT, "transactions/t", token, body.as_bytes().to_vec()).await
    };
    let good = Some(hs_token.as_str());
    let empty = r#"{"events":[]}"#;
    ensure!(put(None, empty).await? == 401);
    ensure!(put(Some("wrong"), empty).await? == 403);
    ensure!(put(Some(&play.homeserver.as_token), empty).await? == 403);
    ensure!(put(good, empty).await? == 200);
    ensure!(put(good, "{\"events\":").await? == 400);
    ensure!(put(good, "\u{FFFD}").await? == 400);
    ensure!(ask(Method::PUT, "transactions/t", good, vec![0xff, 0xfe]).await? == 400);
    let large = ask(Method::PUT, "transactions/t", good, vec![b' '; 17 << 20]).await;
    // It may close the connection before all of it is sent.
    ensure!(large.as_ref().map_or(true, |status| *status == 413), "{large:?}");
    ensure!(ask(Method::POST, "ping", good, b"{}".to_vec()).await? == 200);
    let exists = async |user: &str| ask(Method::GET, &format!("users/{user}"), good, vec![]).await;
    ensure!(exists("@_drawbridge_elsewhere_anybody:hs.test").await? == 200);
    ensure!(exists("@_drawbridge_nowhere_anybody:hs.test").await? == 404);
    ensure!(exists("@_drawbridge_elsewhere_=4:hs.test").await? == 404);
    ensure!(exists("@alice:hs.test").await? == 404);
    ensure!(ask(Method::GET, "rooms/%23any:hs.test", good, vec![]).await? == 404);

    // A batch of a hundred events, each as large as Matrix allows.
    let largest = "x".repeat(65_536 - 300);
    let full: Vec<_> = (0..100)
        .map(|at| {
            json!({
                "type": "m.room.message", "event_id": format!("$full{at}"), "room_id": "!full:hs.test",
                "sender": "@alice:hs.test", "origin_server_ts": 1,
                "content": { "msgtype": "m.text", "body": largest },
            })
        })
        .collect();
    ensure!(put(good, &json!({ "events": full }).to_string()).await? == 200);

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = |id: &str, sender: &str, content: &str| {
        format!(
            r#"{{"type":"m.room.message","event_id":"${id}","room_id":"{room}","sender":"{sender}","origin_server_ts":1,"content":{content}}}"#
        )
    };
    let text = |body: &str| json!({ "msgtype": "m.text", "body": body }).to_string();
    let events = [
        "7".to_owned(),
        "{}".to_owned(),
        deep.clone(),
        event("deep", "@alice:hs.test", &format!(r#"{{"msgtype":"m.text","x":{deep}}}"#)),
        event("odd", "@alice:hs.test", r#"{"msgtype":7,"body":{}}"#),
        event("none", "no user at all", &text("from nobody")),
        event("echo", &ghost, &text("from the ghost")),
        event("bot", "@drawbridge:hs.test", &text("from the bot")),
        event("other", "@mallory:elsewhere.test", &text("from a third")),
        event("good", "@alice:hs.test", &text("still here")),
    ];
    ensure!(put(good, &format!(r#"{{"events":[{}]}}"#, events.join(","))).await? == 200);
    play.arrives("still here").await?;
    let journal = play.bridge.journal();
    let ids: Vec<_> = journal.handed.iter().skip(1).map(|h| h.event.id.as_str()).collect();
    ensure!(ids == ["$deep", "$odd", "$other", "$good"], "{ids:?}");
    let third = play.arrives("from a third").await?;
    ensure!(third.to == drawbridge_adapter::Destination::Group);
    Ok(())
}
