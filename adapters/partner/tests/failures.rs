//! What the adapter does when the bridge itself fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{App, claims, hello, key, text};
use drawbridge_adapter::{
    Acceptance, Adapter, Bridge, BridgePort, CommandForm, Connection, Event, EventId, Gesture,
    Memo, NetworkId, Passing, ProfileChange, Refusal, Shown, Timestamp, Unavailable, UserId,
    async_trait,
};
use drawbridge_testkit::ReferenceBridge;
use serde_json::json;

/// The reference bridge, but the first `accept` panics.
struct Panicking {
    right: ReferenceBridge,
    panicked: AtomicBool,
}

#[async_trait]
impl BridgePort for Panicking {
    fn network(&self) -> &NetworkId {
        self.right.network()
    }
    async fn accept(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        assert!(self.panicked.swap(true, Ordering::Relaxed), "as the test wants it");
        self.right.accept(events).await
    }
    async fn bounced(
        &self,
        id: &EventId,
        by: &UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable> {
        self.right.bounced(id, by, refusal).await
    }
    async fn gesture(&self, by: &UserId, gesture: Gesture) -> Result<(), Unavailable> {
        self.right.gesture(by, gesture).await
    }
    async fn profile(&self, change: ProfileChange) -> Result<(), Unavailable> {
        self.right.profile(change).await
    }
    async fn shown(&self, of: &UserId, to: &UserId) -> Result<Option<Shown>, Unavailable> {
        self.right.shown(of, to).await
    }
    fn pass(&self, _: Passing) {}

    fn commands(&self) -> Vec<CommandForm> {
        self.right.commands()
    }
    fn report(&self, connection: Connection) {
        self.right.report(connection);
    }
    fn knows(&self, user: &UserId) -> bool {
        self.right.knows(user)
    }
    fn is_local(&self, user: &UserId) -> bool {
        self.right.is_local(user)
    }
    async fn remember(&self, memos: Vec<Memo>) -> Result<(), Unavailable> {
        self.right.remember(memos).await
    }
    async fn recall(&self, key: &str) -> Result<Option<String>, Unavailable> {
        self.right.recall(key).await
    }
    async fn recall_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, Unavailable> {
        self.right.recall_all(prefix, after, limit).await
    }
    async fn stopping(&self) {
        self.right.stopping().await;
    }
    fn now(&self) -> Timestamp {
        self.right.now()
    }
    fn random(&self) -> u64 {
        self.right.random()
    }
    fn salt(&self) -> &[u8] {
        self.right.salt()
    }
}

#[tokio::test]
async fn a_panic_ends_the_connection_and_the_next_one_works() {
    let (partner, _dir) = common::partner(|_| {});
    let partner = Arc::new(partner);
    let bridge = ReferenceBridge::new(NetworkId::new("birdychat").unwrap());
    let panicking = Panicking { right: bridge.clone(), panicked: AtomicBool::new(false) };
    let running = Arc::clone(&partner);
    let run = tokio::spawn(async move { running.run(Bridge::new(Arc::new(panicking))).await });
    let bearer = format!("Bearer {}", key().sign(&claims(None)));
    let headers =
        [("Authorization", bearer.as_str()), ("Sec-WebSocket-Protocol", "drawbridge.partner.v1")];
    let mut app = App::dial(&partner, "/partner/v1", &headers).await.unwrap();
    app.says(&hello(&json!({}))).await;
    app.hears().await;
    app.enlists("carol").await;
    app.says(&text("e1", "hi")).await;
    assert_eq!(app.hears_close().await, (1011, "failed".to_owned()));
    let mut app = App::dial(&partner, "/partner/v1", &headers).await.unwrap();
    app.says(&hello(&json!({}))).await;
    app.hears().await;
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    bridge.stop();
    run.await.unwrap().unwrap();
}
