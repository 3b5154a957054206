//! The conformance suite, against a real Prosody and a foreign client.
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod stage;
mod stanzas;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use drawbridge_adapter::NetworkId;
use drawbridge_testkit::{Scene, Stage};

use stage::{Bob, SECRET, Server};

struct RealProsody;

#[async_trait]
impl Stage for RealProsody {
    async fn set(&self) -> Result<Scene> {
        let start = || Server::start(&["bob"]);
        let server = Arc::new(tokio::task::spawn_blocking(start).await??);
        let (adapter, addressing) = server.adapter(SECRET)?;
        Ok(Scene {
            network: NetworkId::new("xmpp")?,
            adapter,
            addressing,
            peer: Box::new(Bob::new(Arc::clone(&server))),
            nobody: Some("xmpp:nobody@p.test".parse()?),
            log_target: "drawbridge_xmpp",
            secrets: vec![SECRET.to_owned()],
            props: Box::new(server),
        })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        vec![("not_taken", "a component stream has no acknowledgements")]
    }
}

drawbridge_testkit::conformance!(RealProsody);
