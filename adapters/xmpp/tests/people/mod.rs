//! What people say to the bridge itself, and show it with their clients' own means. Against real
//! servers and a foreign client.

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use drawbridge_adapter::{
    Command, Content, ConversationId, Delivered, Delivery, DeliveryError, Destination, Event,
    EventId, Kind, Notice, UserId,
};
use drawbridge_servers::{User, XmppSoftware, XmppUser};

use crate::stage::{DOMAIN, with};
use crate::stanzas::{Here, PATIENCE, STANZA};

tests! {
    the_bridge_is_asked_by_chat
    the_bridge_is_asked_by_forms
    the_bridge_is_a_contact_that_one_can_add
}

impl Here {
    async fn delivers(&self, command: Command) -> Result<Result<Delivered, DeliveryError>> {
        let bridge = self.bridge.handle();
        let key = format!("{:016x}", bridge.random());
        let (bob, carol): (UserId, UserId) =
            ("xmpp:bob@p.test".parse()?, "elsewhere:carol".parse()?);
        let delivery = Delivery {
            tag: bridge.tag_event(&EventId::new(key.clone())?),
            key,
            conversation: ConversationId::direct(&carol, &bob),
            accepted_at: bridge.now(),
            attempt: 1,
            command,
        };
        let answers = self.adapter.deliver(std::slice::from_ref(&delivery)).await;
        answers.into_iter().next().ok_or_else(|| anyhow!("deliver gave no answer"))
    }

    async fn carries_out(&self, command: Command) -> Result<Delivered> {
        self.delivers(command).await?.map_err(|error| anyhow!("not delivered: {error:?}"))
    }

    /// The bridge answers a command.
    async fn answers(&self, event: &Event, text: &str) -> Result<()> {
        ensure!(event.to == Destination::Bridge, "not to the bridge: {:?}", event.to);
        let to = event.sender.user.clone();
        let reply_path = Some(event.reply_path.clone());
        self.carries_out(Command::Notice(Notice { to, text: text.to_owned(), reply_path })).await?;
        Ok(())
    }

    /// Bob does something that lasts until the bridge has answered.
    fn meanwhile<T: Send + 'static>(
        &self,
        act: impl FnOnce(&XmppUser) -> Result<T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Result<T>> {
        let bob = Arc::clone(&self.bob);
        tokio::task::spawn_blocking(move || act(&bob))
    }
}

async fn the_bridge_is_asked_by_chat(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    for (asked, answered) in [("help", "You can say:\n  help <what>"), ("block x", "Done.")] {
        let answer = here.meanwhile(move |bob| bob.asks_bridge(asked));
        let event = here.bridge.hears(PATIENCE, asked).await?;
        here.answers(&event, answered).await?;
        let heard = answer.await??;
        ensure!(heard == answered, "bob heard {heard:?}");
    }
    // Unasked, it says it to the account.
    let (to, text) = ("xmpp:bob@p.test".parse()?, "by the way".to_owned());
    here.carries_out(Command::Notice(Notice { to, text, reply_path: None })).await?;
    let heard = with(&here.bob, XmppUser::hears_bridge).await?;
    ensure!(heard == "by the way", "bob heard {heard:?}");
    // What is no text the daemon answers too.
    with(&here.bob, |bob| bob.sends_sticker(DOMAIN)).await?;
    let kind = here.bridge.wait_for(PATIENCE, "the sticker", |journal| {
        let mut events = journal.handed.iter().map(|handed| &handed.event);
        events
            .find(|event| event.marks.sticker)
            .map(|event| (event.to.clone(), event.content.kind()))
    });
    ensure!(kind.await? == (Destination::Bridge, Kind::Text), "the sticker went elsewhere");
    // Whoever is gone is told by the server alone, and the bridge goes on.
    let (to, text) = ("xmpp:nobody@p.test".parse()?, "anybody there?".to_owned());
    let refused = here.delivers(Command::Notice(Notice { to, text, reply_path: None })).await?;
    ensure!(matches!(refused, Err(DeliveryError::Refused { .. })), "{refused:?}");
    here.closes().await
}

async fn the_bridge_is_asked_by_forms(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let nodes = with(&here.bob, XmppUser::sees_commands).await?;
    ensure!(nodes == ["block", "help"], "{nodes:?}");
    for (node, fields, said) in [
        ("help", &[][..], "help"),
        ("block", &[("user", "elsewhere:carol")], "block elsewhere:carol"),
    ] {
        let note = here.meanwhile(move |bob| bob.runs_command(node, fields));
        let event = here.bridge.hears(PATIENCE, said).await?;
        ensure!(event.content == Content::text(said));
        here.answers(&event, "Done.\nNext?").await?;
        let note = note.await??;
        ensure!(note == "Done.\nNext?", "the note says {note:?}");
    }
    let wrong = with(&here.bob, |bob| bob.runs_command("dance", &[])).await;
    let why = format!("{:?}", wrong.err());
    ensure!(why.contains("item-not-found"), "{why}");
    let empty = with(&here.bob, |bob| bob.runs_command("block", &[("user", "")])).await;
    let why = format!("{:?}", empty.err());
    ensure!(why.contains("bad-request"), "{why}");
    // Forms are the bridge's own business: no puppet has any.
    let command = "<command xmlns='http://jabber.org/protocol/commands' node='help'/>";
    let (kind, condition, _) = here.asks(crate::stanzas::CAROL, "set", command).await?;
    ensure!((kind.as_str(), condition.as_str()) == ("error", "service-unavailable"));
    let (_, _, info) = here
        .asks(
            DOMAIN,
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info' \
             node='http://jabber.org/protocol/commands'/>",
        )
        .await?;
    ensure!(info.contains("command-list"), "{info}");
    here.closes().await
}

async fn the_bridge_is_a_contact_that_one_can_add(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.adds(DOMAIN)).await?;
    for expected in ["subscribed", "available"] {
        let seen = with(&here.bob, |bob| bob.sees_presence(DOMAIN)).await?;
        ensure!(seen == expected, "the bridge showed {seen}, not {expected}");
    }
    here.sends(&format!("<presence {STANZA} type='probe' to='{DOMAIN}'/>")).await?;
    let seen = with(&here.bob, |bob| bob.sees_presence(DOMAIN)).await?;
    ensure!(seen == "available", "the bridge answered a probe with {seen}");
    ensure!(here.bridge.journal().gestures.is_empty(), "adding the bridge is no gesture");
    here.closes().await
}
