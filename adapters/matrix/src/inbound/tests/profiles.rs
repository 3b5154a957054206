//! How users look, when it is not to be had, and when it changes in many rooms at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{event, says};
use crate::portals::Company;
use crate::stub::{ALICE, Stub};

fn joins_as(id: &str, name: &str, before: &str) -> Box<serde_json::value::RawValue> {
    let join = |name: &str| json!({ "membership": "join", "displayname": name });
    let raw = event(id, "m.room.member", Some(ALICE), &join(name));
    let mut raw: Value = serde_json::from_str(raw.get()).unwrap();
    raw["unsigned"] = json!({ "prev_content": join(before) });
    serde_json::value::to_raw_value(&raw).unwrap()
}

#[tokio::test]
async fn a_name_that_is_for_one_room_is_for_its_events_alone() {
    let stub = Stub::start(|call| {
        let member = json!({ "membership": "join", "displayname": "Alice in here" });
        match () {
            () if call.path.contains("/profile/") => Some((403, json!({}))),
            () if call.path.contains("/state/m.room.member/") => Some((200, member)),
            () => None,
        }
    })
    .await;
    stub.knows_room(Company::None).await;
    assert_eq!(stub.core.take(&[says("$1", "hello"), says("$2", "again")]).await, Ok(()));
    let journal = stub.bridge.journal();
    for handed in &journal.handed {
        assert_eq!(handed.event.sender.name.as_deref(), Some("Alice in here"));
    }
    assert_eq!(journal.handed.len(), 2);
    assert_eq!(journal.profiles, []);
    assert_eq!(stub.calls("/profile/").len(), 1, "it is not asked for with each event");
}

#[tokio::test]
async fn a_change_in_many_rooms_is_looked_up_once_or_twice_and_told_once() {
    let stub = Stub::start(|call| {
        let profile = json!({ "displayname": "Alice", "avatar_url": "mxc://hs.test/../x" });
        call.path.contains("/profile/").then_some((200, profile))
    })
    .await;
    stub.knows_room(Company::None).await;
    let joins: Vec<_> = (0..50).map(|n| joins_as(&format!("$j{n}"), "Alice", "alice")).collect();
    assert_eq!(stub.core.take(&joins).await, Ok(()));
    let told = |journal: &drawbridge_testkit::Journal| journal.profiles.first().cloned();
    let told = stub.bridge.wait_for(Duration::from_secs(20), "alice's name", told).await.unwrap();
    assert_eq!(told.name.as_deref(), Some("Alice"));
    assert_eq!(told.picture, Some(drawbridge_adapter::NewPicture::Gone), "it is no address");
    assert_eq!(stub.core.take(&[says("$1", "hello")]).await, Ok(()));
    let asked = stub.calls("/profile/").len();
    assert!((1..=3).contains(&asked), "{asked} lookups");
    assert_eq!(stub.bridge.journal().profiles.len(), 1);
    // The same name again, in another spelling of the event: nothing has changed.
    assert_eq!(stub.core.take(&[joins_as("$same", "Alice", "Alice")]).await, Ok(()));
    assert_eq!(stub.calls("/profile/").len(), asked);
}
