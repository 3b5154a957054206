//! A Synapse of its own for each scene, with the adapter registered at it.
//!
//! Between the two stands a post, which passes everything on and notes which transactions were
//! acknowledged.

mod keeper;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use drawbridge_adapter::{
    Adapter, Addressing, Configuration, NetworkId, Place, UserId, async_trait,
};
use drawbridge_matrix::MatrixConfig;
use drawbridge_servers::{MatrixReport, Port, Synapse, install};
use drawbridge_testkit::{Scene, Stage};

pub(crate) use keeper::Keeper;

use crate::peer::MatrixPeer;
use crate::post::Post;

pub(crate) struct RealSynapse;

/// A homeserver that lets the bridge in.
pub(crate) struct Homeserver {
    pub(crate) network: NetworkId,
    pub(crate) url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) as_token: String,
    pub(crate) hs_token: String,
    config: MatrixConfig,
    place: Place,
    post: Post,
    synapse: Keeper,
    _kept: (Port, Port, tempfile::TempDir),
}

impl Homeserver {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(|_, _| Ok(())).await
    }

    /// One that tells who is online.
    pub(crate) async fn start_with_presence() -> Result<Self> {
        Self::start_with(|synapse, _| synapse.shows_presence()).await
    }

    /// One that lets the bridge speak as every user, too.
    pub(crate) async fn start_with_puppets() -> Result<Self> {
        let lets = |synapse: &Synapse, config: &mut serde_json::Value| {
            config["puppet_registration_file"] = serde_json::json!(synapse.lets_puppets()?);
            Ok(())
        };
        Self::start_with(lets).await
    }

    async fn start_with(
        change: impl FnOnce(&Synapse, &mut serde_json::Value) -> Result<()>,
    ) -> Result<Self> {
        let network = NetworkId::new("matrix")?;
        let folder = tempfile::tempdir()?;
        let installed = tokio::task::spawn_blocking(install).await??;
        let (listen, posted) = (Port::take(&installed.folder)?, Port::take(&installed.folder)?);
        let registration = folder.path().join("registration.yaml");
        let synapse = Synapse::prepare(&installed, &folder.path().join("synapse"), &registration)?;
        let url = format!("http://{}", synapse.address());
        let mut config = serde_json::json!({
            "homeserver_url": url,
            "server_name": "hs.test",
            "listen": listen.address(),
            "registration_file": registration,
        });
        change(&synapse, &mut config)?;
        let config: MatrixConfig = serde_json::from_value(config)?;
        let made = config.registration(&network).context("no registration file was made")?;
        let here = format!("http://{}", listen.address());
        let there = format!("http://{}", posted.address());
        std::fs::write(&registration, made.content.expose().replace(&here, &there))?;
        let token = |name: &str| {
            let line = made.content.expose().lines().find_map(|line| line.strip_prefix(name));
            line.map(|line| line.trim().trim_matches(['\'', '"']).to_owned())
        };
        let hs_token = token("hs_token:").context("no hs_token")?;
        let as_token = token("as_token:").context("no as_token")?;
        let place = Place { config_dir: folder.path().to_owned(), credentials_dir: None };
        // It brings the TLS provider that every client needs, the post's too.
        build(&config, &network, &place)?;
        let post = Post::open(posted.address(), here, hs_token.clone()).await?;
        let synapse = Keeper::of(synapse);
        synapse.starts().await?;
        Ok(Self {
            network,
            url,
            listen: listen.address(),
            as_token,
            hs_token,
            config,
            place,
            post,
            synapse,
            _kept: (listen, posted, folder),
        })
    }

    /// A fresh adapter, which remembers nothing but what the bridge does.
    pub(crate) fn adapter(&self) -> Result<Arc<dyn Adapter>> {
        build(&self.config, &self.network, &self.place)
    }

    pub(crate) fn addressing(&self) -> Arc<dyn Addressing> {
        self.config.addressing(&self.network)
    }

    /// Somebody who has this token.
    pub(crate) fn speaker(&self, token: &str) -> MatrixPeer {
        let (post, synapse) = (self.post.clone(), self.synapse.clone());
        let user = UserId::new(self.network.clone(), "@drawbridge:hs.test");
        MatrixPeer::of(user.unwrap(), token, self.url.clone(), post, synapse)
    }

    /// What was reported to those who run it, oldest first.
    pub(crate) async fn reports(&self) -> Result<Vec<MatrixReport>> {
        self.synapse.reports().await
    }

    /// A fresh user.
    pub(crate) async fn user(&self, name: &str) -> Result<MatrixPeer> {
        let (post, synapse) = (self.post.clone(), self.synapse.clone());
        MatrixPeer::new(self.network.clone(), name, self.url.clone(), post, synapse).await
    }
}

fn build(config: &MatrixConfig, network: &NetworkId, place: &Place) -> Result<Arc<dyn Adapter>> {
    let adapter = config.clone().build(network.clone(), place);
    adapter.map_err(|problems| anyhow!("not built: {problems:?}"))
}

#[async_trait]
impl Stage for RealSynapse {
    async fn set(&self) -> Result<Scene> {
        let homeserver = Homeserver::start().await?;
        let peer = homeserver.user("alice").await?;
        let (hs, own) = (homeserver.hs_token.clone(), homeserver.as_token.clone());
        let secrets = vec![hs, own, peer.token().to_owned()];
        Ok(Scene {
            network: homeserver.network.clone(),
            adapter: homeserver.adapter()?,
            addressing: homeserver.addressing(),
            peer: Box::new(peer),
            nobody: Some(UserId::new(homeserver.network.clone(), "@nobody-at-all:hs.test")?),
            log_target: "drawbridge_matrix",
            secrets,
            props: Box::new(homeserver),
        })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("block_in", "alice does not block yet"),
            ("block_out", "alice does not look at her list yet"),
            ("mute_in", "alice does not mute yet"),
            ("mute_out", "alice does not look at her push rules yet"),
            ("card_in", "Matrix has no contact cards"),
        ]
    }

    /// Synapse waits before it sends a transaction again: 2, 4, 8 seconds.
    fn patience(&self) -> Duration {
        Duration::from_mins(1)
    }
}
