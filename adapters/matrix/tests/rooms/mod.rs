//! What is Matrix's own: rooms that are left, shared, encrypted; ghosts; hostile requests.

mod acts;
mod bot;
mod files;
mod folders;
mod hostile;
mod lists;
mod login;
mod mutes;
mod portals;
mod profiles;
mod reports;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_adapter::{
    Adapter, Command, Content, ConversationId, Delivered, Delivery, DeliveryError, Event, EventId,
    Gesture, Message, Party, Refusal, State, Status, UserId,
};
use drawbridge_testkit::{Peer, ReferenceBridge};
use tokio::task::JoinHandle;

use crate::peer::MatrixPeer;
use crate::stage::Homeserver;

const PATIENCE: Duration = Duration::from_mins(1);

/// A homeserver, the adapter running, alice there, and carol elsewhere.
struct Play {
    homeserver: Homeserver,
    bridge: ReferenceBridge,
    adapter: Arc<dyn Adapter>,
    alice: MatrixPeer,
    carol: UserId,
    /// Carol's ghost.
    ghost: String,
    run: JoinHandle<()>,
}

impl Play {
    async fn open() -> Result<Self> {
        Self::open_at(Homeserver::start().await?).await
    }

    /// The same, where the bridge may speak as every user.
    async fn open_with_puppets() -> Result<Self> {
        Self::open_at(Homeserver::start_with_puppets().await?).await
    }

    async fn open_at(homeserver: Homeserver) -> Result<Self> {
        let alice = homeserver.user("alice").await?;
        let bridge = ReferenceBridge::new(homeserver.network.clone());
        let adapter = homeserver.adapter()?;
        let carol: UserId = "elsewhere:carol".parse()?;
        let ghost = homeserver.addressing().address_of(&carol)?;
        let run = start(&adapter, &bridge);
        let mut play = Self { homeserver, bridge, adapter, alice, carol, ghost, run };
        play.up(0).await?;
        Ok(play)
    }

    async fn up(&mut self, skip: usize) -> Result<()> {
        let up = |journal: &drawbridge_testkit::Journal| {
            let mut reports = journal.connections.iter().skip(skip);
            reports.any(|c| *c == drawbridge_adapter::Connection::Up).then_some(())
        };
        self.bridge.wait_for(PATIENCE, "the adapter is up", up).await
    }

    /// The adapter dies, and another takes its place, with the bridge's memory only.
    async fn dies_and_comes_back(&mut self) -> Result<()> {
        self.run.abort();
        let _ = (&mut self.run).await;
        let reports = self.bridge.journal().connections.len();
        self.adapter = self.homeserver.adapter()?;
        self.run = start(&self.adapter, &self.bridge);
        self.up(reports).await
    }

    async fn arrives(&self, text: &str) -> Result<Event> {
        self.bridge.hears(PATIENCE, text).await
    }

    fn delivery(&self, key: &str, command: Command) -> Result<Delivery> {
        let bridge = self.bridge.handle();
        Ok(Delivery {
            key: key.to_owned(),
            tag: bridge.tag_event(&EventId::new(key)?),
            conversation: ConversationId::direct(&self.carol, &self.alice.user()),
            accepted_at: bridge.now(),
            attempt: 1,
            command,
            attached: None,
        })
    }

    /// A message of carol's to alice.
    fn message(&self, key: &str, text: &str) -> Result<Delivery> {
        self.message_of(&self.carol, key, text)
    }

    /// A message of somebody's to alice.
    fn message_of(&self, from: &UserId, key: &str, text: &str) -> Result<Delivery> {
        let message = Message {
            from: Party { user: from.clone(), name: None },
            to: self.alice.user(),
            content: Content::text(text),
            reply: None,
            sent_at: self.bridge.handle().now(),
            words: None,
            silent: false,
        };
        self.delivery(key, Command::Message(message))
    }

    /// Something of carol's to alice.
    fn content(&self, key: &str, content: Content) -> Result<Delivery> {
        let mut delivery = self.message(key, "")?;
        if let Command::Message(message) = &mut delivery.command {
            message.content = content;
        }
        Ok(delivery)
    }

    /// The failure of an event of alice's.
    fn failure(
        &self,
        key: &str,
        event: &Event,
        code: drawbridge_adapter::Code,
    ) -> Result<Delivery> {
        let status = Status {
            event: event.id.clone(),
            sender: event.sender.user.clone(),
            recipient: Some(self.carol.clone()),
            kind: event.content.kind(),
            reply_path: event.reply_path.clone(),
            state: State::FailedPermanent(Refusal::from(code)),
        };
        self.delivery(key, Command::Status(status))
    }

    /// Waits until this many gestures were made, and gives all.
    async fn gestures(&self, count: usize) -> Result<Vec<(UserId, Gesture)>> {
        let enough = |journal: &drawbridge_testkit::Journal| {
            (journal.gestures.len() >= count).then(|| journal.gestures.clone())
        };
        self.bridge.wait_for(PATIENCE, "a gesture", enough).await
    }

    async fn delivers(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        tokio::time::timeout(PATIENCE, self.adapter.deliver(batch)).await.unwrap_or_default()
    }

    /// Carol writes to alice, who is shown it.
    async fn crosses_out(&mut self, key: &str, text: &str) -> Result<()> {
        let answers = self.delivers(&[self.message(key, text)?]).await;
        anyhow::ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
        let heard = tokio::time::timeout(PATIENCE, self.alice.hears()).await;
        let heard = heard.with_context(|| format!("{text:?} was not shown"))??;
        anyhow::ensure!(heard.text == text && heard.from == self.ghost, "{heard:?}");
        Ok(())
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.run.abort();
    }
}

fn start(adapter: &Arc<dyn Adapter>, bridge: &ReferenceBridge) -> JoinHandle<()> {
    let (adapter, bridge) = (Arc::clone(adapter), bridge.handle());
    tokio::spawn(async move { adapter.run(bridge).await.expect("the adapter runs") })
}

async fn within<T>(what: &str, does: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, does).await.with_context(|| what.to_owned())?
}
