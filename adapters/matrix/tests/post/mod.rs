//! Stands between Synapse and the adapter, and notes what was acknowledged.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

#[derive(Clone)]
pub(crate) struct Post(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    adapter: String,
    token: String,
    /// The bodies of the transactions that were answered with 200, in order.
    acknowledged: watch::Sender<Vec<Bytes>>,
    server: Mutex<Option<AbortHandle>>,
}

impl Post {
    /// Listens at `at` and passes on to `adapter`.
    pub(crate) async fn open(at: SocketAddr, adapter: String, token: String) -> Result<Self> {
        // A connection would outlive the adapter that dies, and be served by what is left of it.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let post = Self(Arc::new(Inner {
            http,
            adapter,
            token,
            acknowledged: watch::Sender::default(),
            server: Mutex::default(),
        }));
        let listener = TcpListener::bind(at).await?;
        let state = Arc::downgrade(&post.0);
        let router = Router::new().fallback(
            move |State(inner): State<std::sync::Weak<Inner>>,
                  method: Method,
                  uri: Uri,
                  headers: HeaderMap,
                  body: Bytes| async move {
                let Some(inner) = inner.upgrade() else { return (StatusCode::BAD_GATEWAY, vec![]) };
                inner.pass(method, uri, headers, body).await
            },
        );
        let router = router.layer(axum::extract::DefaultBodyLimit::disable()).with_state(state);
        let serve = tokio::spawn(async move { axum::serve(listener, router).await });
        *post.0.server.lock().unwrap() = Some(serve.abort_handle());
        Ok(post)
    }

    /// The events in acknowledged transactions.
    pub(crate) fn taken(&self) -> Vec<Value> {
        let bodies = self.0.acknowledged.borrow();
        bodies.iter().flat_map(|body| events(body)).collect()
    }

    /// Sends the transaction with this event to the adapter once more, under another id.
    pub(crate) async fn again(&self, event: &str) -> Result<()> {
        // The bridge may have the event a moment before the acknowledgement passes here.
        let holds = |body: &Bytes| events(body).iter().any(|found| found["event_id"] == event);
        let mut bodies = self.0.acknowledged.subscribe();
        let acknowledged = bodies.wait_for(|bodies| bodies.iter().any(holds));
        let bodies = tokio::time::timeout(Duration::from_mins(1), acknowledged).await;
        let bodies = bodies.context("the event was not acknowledged")??.clone();
        let body = bodies.into_iter().find(holds).context("it was there a moment ago")?;
        let url = format!("{}/_matrix/app/v1/transactions/again-{event}", self.0.adapter);
        let request = self.0.http.put(url).bearer_auth(&self.0.token).body(body);
        let status = request.send().await?.status();
        ensure!(status.is_success(), "the adapter answered {status}");
        Ok(())
    }
}

impl Inner {
    async fn pass(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, Vec<u8>) {
        let transaction = uri.path().contains("/transactions/");
        let mut request = self.http.request(method, format!("{}{uri}", self.adapter));
        if let Some(token) = headers.get(header::AUTHORIZATION) {
            request = request.header(header::AUTHORIZATION, token);
        }
        let Ok(answer) = request.body(body.clone()).send().await else {
            return (StatusCode::BAD_GATEWAY, vec![]);
        };
        let status = answer.status();
        if transaction && status == StatusCode::OK {
            self.acknowledged.send_modify(|bodies| bodies.push(body));
        }
        (status, answer.bytes().await.map(Into::into).unwrap_or_default())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
    }
}

fn events(body: &[u8]) -> Vec<Value> {
    let transaction: Value = serde_json::from_slice(body).unwrap_or_default();
    transaction["events"].as_array().cloned().unwrap_or_default()
}
