//! A homeserver that answers as a test wants, and writes down what it was asked.

#![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;
use drawbridge_adapter::{NetworkId, Secret};
use drawbridge_testkit::ReferenceBridge;
use proptest::prelude::*;
use ruma::{OwnedRoomId, OwnedUserId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::address::MatrixAddressing;
use crate::core::Core;
use crate::homeserver::Homeserver;
use crate::lists::Lists;
use crate::portals::{Company, Room};

pub(crate) const ALICE: &str = "@alice:hs.test";
pub(crate) const GHOST: &str = "@_drawbridge_elsewhere_carol:hs.test";
pub(crate) const ROOM: &str = "!room:hs.test";

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, decoded.
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// The homeserver, and the adapter's parts around it.
pub(crate) struct Stub {
    pub(crate) core: Arc<Core>,
    pub(crate) bridge: ReferenceBridge,
    calls: Arc<Mutex<Vec<Call>>>,
    server: AbortHandle,
}

impl Stub {
    /// Answers as `answer` says, and where it says nothing, as if all were well.
    pub(crate) async fn start(
        answer: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&calls));
        let router = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let path = uri.to_string();
            let path = path
                .replace("%40", "@")
                .replace("%3A", ":")
                .replace("%21", "!")
                .replace("%24", "$");
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let call = Call { method, path, body };
            let (status, body) = answer(&call).unwrap_or_else(|| well(&call));
            noted.lock().unwrap().push(call);
            async move { (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response() }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = tokio::spawn(async move { axum::serve(listener, router).await });
        let network = NetworkId::new("matrix").unwrap();
        let bridge = ReferenceBridge::new(network.clone());
        let names = MatrixAddressing::new(network, "hs.test", "_drawbridge_", "drawbridge");
        let homeserver = Homeserver::new(&url, Secret::new("token")).unwrap();
        let lists = Lists::new(Some(Homeserver::new(&url, Secret::new("everybody")).unwrap()));
        let core = Arc::new(Core::new(bridge.handle(), names, Arc::new(homeserver), lists));
        Self { core, bridge, calls, server: serve.abort_handle() }
    }

    /// All is well.
    pub(crate) async fn well() -> Self {
        Self::start(|_| None).await
    }

    /// The requests whose path holds this.
    pub(crate) fn calls(&self, part: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.path.contains(part)).cloned().collect()
    }

    /// Lets [`ROOM`] be known as a room of alice and carol's ghost.
    pub(crate) async fn knows_room(&self, company: Company) {
        let room = Room {
            ghost: OwnedUserId::try_from(GHOST).unwrap(),
            user: OwnedUserId::try_from(ALICE).unwrap(),
            company,
        };
        let id = OwnedRoomId::try_from(ROOM).unwrap();
        match company {
            Company::None => self.core.portals.open(&id, &room).await.unwrap(),
            _ => self.core.portals.learn(&id, &room).await.unwrap(),
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The answer of a `joined_members` call.
pub(crate) fn members(of: &[&str]) -> Value {
    json!({ "joined": of.iter().map(|one| ((*one).to_owned(), json!({}))).collect::<Value>() })
}

fn well(call: &Call) -> (u16, Value) {
    let of = |part: &str| call.path.contains(part);
    let answer = match () {
        () if of("/register") => json!({ "user_id": GHOST }),
        () if of("/createRoom") => json!({ "room_id": "!new:hs.test" }),
        () if of("/joined_members") => members(&[ALICE, GHOST]),
        () if of("/joined_rooms") => json!({ "joined_rooms": [] }),
        () if of("/state/") && call.method == Method::PUT => json!({ "event_id": "$state" }),
        () if of("/state/m.room.member/") => json!({ "membership": "join" }),
        () if of("/send/") => json!({ "event_id": "$sent" }),
        () if of("/redact/") => json!({ "event_id": "$gone" }),
        () if of("/media/v3/upload") => json!({ "content_uri": "mxc://hs.test/up" }),
        () if of("/relations/") => json!({ "chunk": [] }),
        () if of("/messages") => json!({ "start": "s", "chunk": [] }),
        () => json!({}),
    };
    (200, answer)
}

/// Whatever a homeserver may say, and what none would.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    const TEXTS: &[&str] = &[
        "m.text",
        "m.replace",
        "m.annotation",
        "m.thread",
        "m.typing",
        "m.receipt",
        "org.matrix.custom.html",
        "> <@a:b> q\n\nx",
        "<b>x</b>",
        "m.sticker",
        "join",
        "$e",
        "@a:b",
        "!r:b",
        "M_TOO_LARGE",
        "m.location",
        "geo:1,2",
        "m.image",
        "mxc://a.b/c",
        "1",
    ];
    const KEYS: &[&str] = &[
        "msgtype",
        "body",
        "m.relates_to",
        "rel_type",
        "content",
        "type",
        "state_key",
        "unsigned",
        "redacted_because",
        "timer",
        "event_id",
        "room_id",
        "sender",
        "errcode",
        "retry_after_ms",
        "displayname",
        "avatar_url",
        "membership",
        "joined",
        "joined_rooms",
        "start",
        "end",
        "chunk",
        "dev.drawbridge.delivery",
        "m.new_content",
        "format",
        "formatted_body",
        "m.in_reply_to",
        "is_falling_back",
        "key",
        "redacts",
        "ephemeral",
        "user_ids",
        "m.read",
        "geo_uri",
        "uri",
        "description",
        "m.location",
        "m.poll",
        "m.text",
        "question",
        "answers",
        "max_selections",
        "filename",
        "url",
        "file",
        "info",
        "thumbnail_url",
        "content_uri",
        "m.upload.size",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
    ];
    let key = prop_oneof!["\\PC{0,8}", prop::sample::select(KEYS).prop_map(str::to_owned)];
    leaf.prop_recursive(16, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}
