//! The conformance suite, against a partner's app that the bridge dials over TLS.

mod common;
mod dave;

use std::sync::Arc;

use anyhow::Result;
use common::server::Server;
use common::{App, carries_files, dialling, opened};
use dave::{Way, scene};
use drawbridge_adapter::async_trait;
use drawbridge_testkit::{Scene, Stage};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

struct Dialling;

#[async_trait]
impl Stage for Dialling {
    async fn set(&self) -> Result<Scene> {
        let dir = tempfile::tempdir()?;
        let server = Server::with_tls(&dir).await;
        let partner = {
            let mut config = dialling(&server, &dir);
            carries_files(&mut config);
            Arc::new(opened(config, &dir))
        };
        scene(partner, dir, Opens { server: Arc::new(server), away: None })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        dave::SKIPS.to_vec()
    }
}

/// The bridge dials.
struct Opens {
    server: Arc<Server>,
    away: Option<JoinHandle<()>>,
}

#[async_trait]
impl Way for Opens {
    async fn meet(&mut self, _proof: &str) -> Result<(App, Value)> {
        if let Some(away) = self.away.take() {
            away.abort();
        }
        let (app, proof) = self.server.takes().await;
        Ok((app, json!({"proof": proof})))
    }

    async fn leave(&mut self) {
        let server = Arc::clone(&self.server);
        self.away = Some(tokio::spawn(async move { server.hangs_up().await }));
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        if let Some(away) = &self.away {
            away.abort();
        }
    }
}

drawbridge_testkit::conformance!(Dialling);
