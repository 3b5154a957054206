//! The conformance suite, against a partner's app that dials the bridge over a real WebSocket.

mod common;
mod dave;

use std::sync::Arc;

use anyhow::Result;
use common::{App, carries_files, partner};
use dave::{Way, scene};
use drawbridge_adapter::async_trait;
use drawbridge_partner::Partner;
use drawbridge_testkit::{Scene, Stage};
use serde_json::{Value, json};

struct Listening;

#[async_trait]
impl Stage for Listening {
    async fn set(&self) -> Result<Scene> {
        let (partner, dir) = partner(carries_files);
        let partner = Arc::new(partner);
        scene(Arc::clone(&partner), dir, Knocks(partner))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        dave::SKIPS.to_vec()
    }
}

/// The app dials.
struct Knocks(Arc<Partner>);

#[async_trait]
impl Way for Knocks {
    async fn meet(&mut self, proof: &str) -> Result<(App, Value)> {
        let bearer = format!("Bearer {proof}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Sec-WebSocket-Protocol", "drawbridge.partner.v1"),
        ];
        Ok((App::dial(&self.0, "/partner/v1", &headers).await?, json!({})))
    }
}

drawbridge_testkit::conformance!(Listening);
