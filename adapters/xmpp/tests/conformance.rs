//! The conformance suite, against real servers and a foreign client.
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod stage;
#[macro_use]
mod stanzas;
mod content;
mod files;
mod people;
mod presence;
mod profiles;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use drawbridge_adapter::NetworkId;
use drawbridge_servers::XmppSoftware;
use drawbridge_testkit::{Scene, Stage};

use stage::{Bob, SECRET, Server};

/// A real server of this software.
struct Real(XmppSoftware);

#[async_trait]
impl Stage for Real {
    async fn set(&self) -> Result<Scene> {
        let software = self.0;
        let start = move || Server::start(software, &["bob", "warden"]);
        let server = Arc::new(tokio::task::spawn_blocking(start).await??);
        let (adapter, addressing) = server.adapter(SECRET)?;
        Ok(Scene {
            network: NetworkId::new("xmpp")?,
            adapter,
            addressing,
            peer: Box::new(Bob::new(Arc::clone(&server), software)),
            nobody: Some("xmpp:nobody@p.test".parse()?),
            log_target: "drawbridge_xmpp",
            secrets: vec![SECRET.to_owned()],
            props: Box::new(server),
        })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let mut skips = vec![
            ("not_taken", "a component stream has no acknowledgements"),
            ("mute_in", "the settings of direct chats are out of a component's reach"),
            ("mute_out", "the settings of direct chats are out of a component's reach"),
            ("access", "a component needs nobody's login"),
            ("card_in", "XMPP clients send no contact cards as messages"),
            ("poll_in", "XMPP has no polls"),
        ];
        if self.0 == XmppSoftware::Ejabberd {
            let hidden = "ejabberd 23.01 lets no component see its users' block lists";
            skips.extend([("block_in", hidden), ("block_out", hidden)]);
            skips.push((
                "folder_out",
                "ejabberd 23.01 lets no component write to its users' rosters",
            ));
        }
        skips
    }
}

mod prosody {
    use super::{Real, XmppSoftware};
    drawbridge_testkit::conformance!(Real(XmppSoftware::Prosody));
}

mod ejabberd {
    use super::{Real, XmppSoftware};
    drawbridge_testkit::conformance!(Real(XmppSoftware::Ejabberd));
}
