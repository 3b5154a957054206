//! What people say to the bridge itself, and show it with their clients' own means. Against real
//! servers and a foreign client.

mod blocks;
mod folders;
mod reports;

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use drawbridge_adapter::{
    Command, Content, ConversationId, Delivered, Delivery, DeliveryError, Destination, Event,
    EventId, Gesture, Kind, Notice, Party, Request, RequestOver, Unavailable, UserId,
};
use drawbridge_servers::{Asked, User, XmppSoftware, XmppUser};

use crate::stage::{DOMAIN, with};
use crate::stanzas::{CAROL, Here, PATIENCE, STANZA};

tests! {
    the_bridge_is_asked_by_chat
    the_bridge_is_asked_by_forms
    the_bridge_is_a_contact_that_one_can_add
    a_request_is_accepted_or_declined_as_a_contact_is
    a_request_that_is_over_is_taken_back
    adding_a_ghost_accepts_it_once_that_is_written_down
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
            attached: None,
        };
        let answers = self.adapter.deliver(std::slice::from_ref(&delivery)).await;
        answers.into_iter().next().ok_or_else(|| anyhow!("deliver gave no answer"))
    }

    pub(crate) async fn carries_out(&self, command: Command) -> Result<Delivered> {
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

    /// A stranger wants to write to bob, who is shown it.
    pub(crate) async fn asks_for(&self, words: &'static str) -> Result<()> {
        let request = Request {
            from: Party { user: "elsewhere:carol".parse()?, name: Some("Carol".to_owned()) },
            to: "xmpp:bob@p.test".parse()?,
            text: Some("Hello.".to_owned()),
            words: words.to_owned(),
        };
        self.carries_out(Command::Request(request)).await?;
        let heard = with(&self.bob, XmppUser::hears_bridge).await?;
        ensure!(heard == words, "bob heard {heard:?}");
        with(&self.bob, |bob| bob.is_asked_by(CAROL)).await
    }

    async fn request_is_over(&self, accepted: bool) -> Result<()> {
        let (from, to) = ("elsewhere:carol".parse()?, "xmpp:bob@p.test".parse()?);
        self.carries_out(Command::RequestOver(RequestOver { from, to, accepted })).await?;
        Ok(())
    }

    /// What the bridge has said to bob's server so far has reached bob.
    async fn has_heard_all(&self) -> Result<()> {
        self.asks(DOMAIN, "get", "<ping xmlns='urn:xmpp:ping'/>").await.map(drop)
    }

    /// The gestures of bob, once there are so many.
    async fn gestures(&self, count: usize) -> Result<Vec<Gesture>> {
        let what = format!("{count} gestures");
        let seen = self.bridge.wait_for(PATIENCE, &what, |journal| {
            (journal.gestures.len() >= count).then(|| journal.gestures.clone())
        });
        let seen = seen.await?;
        ensure!(seen.iter().all(|(by, _)| by.to_string() == "xmpp:bob@p.test"), "{seen:?}");
        Ok(seen.into_iter().map(|(_, gesture)| gesture).collect())
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
    ensure!(nodes == ["block", "help", "login", "mute"], "{nodes:?}");
    for (node, name, kind, options) in [
        ("block", "user", "text-single", &[][..]),
        ("mute", "duration", "list-single", &["8h", "always"]),
        ("login", "token", "text-private", &[]),
    ] {
        let fields = with(&here.bob, move |bob| bob.sees_form(node)).await?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let field = Asked { name: name.to_owned(), kind: kind.to_owned(), options };
        ensure!(fields.last() == Some(&field), "{node}: {fields:?}");
    }
    for (node, fields, said) in [
        ("help", &[][..], "help"),
        ("block", &[("user", "elsewhere:carol")], "block elsewhere:carol"),
        ("mute", &[("user", "elsewhere:carol"), ("duration", "8h")], "mute elsewhere:carol 8h"),
        ("login", &[("token", "s3cret")], "login s3cret"),
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
    for (node, fields) in [
        ("block", &[("user", "")][..]),
        ("mute", &[("user", "elsewhere:carol"), ("duration", "2h")]),
    ] {
        let wrong = with(&here.bob, move |bob| bob.runs_command(node, fields)).await;
        let why = format!("{:?}", wrong.err());
        ensure!(why.contains("bad-request"), "{node}: {why}");
    }
    // Forms are the bridge's own business: no puppet has any.
    let command = "<command xmlns='http://jabber.org/protocol/commands' node='help'/>";
    let (kind, condition, _) = here.asks(CAROL, "set", command).await?;
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

async fn a_request_is_accepted_or_declined_as_a_contact_is(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let carol: UserId = "elsewhere:carol".parse()?;
    here.asks_for("Carol wants to write to you.").await?;
    with(&here.bob, |bob| bob.declines(CAROL)).await?;
    here.gestures(1).await?;
    here.request_is_over(false).await?;
    here.asks_for("Carol wants to write to you again.").await?;
    with(&here.bob, |bob| bob.accepts(CAROL)).await?;
    let seen = here.gestures(2).await?;
    ensure!(seen == [Gesture::Decline(carol.clone()), Gesture::Accept(carol)], "{seen:?}");
    here.request_is_over(true).await?;
    here.closes().await
}

async fn a_request_that_is_over_is_taken_back(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.asks_for("Carol wants to write to you.").await?;
    // Whoever comes back is asked again what is still open.
    let comes_back = |bob: &XmppUser| {
        bob.goes_away()?;
        bob.returns()
    };
    with(&here.bob, comes_back).await?;
    with(&here.bob, |bob| bob.is_asked_by(CAROL)).await?;
    here.request_is_over(false).await?;
    with(&here.bob, comes_back).await?;
    here.has_heard_all().await?;
    let shown = with(&here.bob, |bob| Ok(bob.everything_shown_by(CAROL))).await?;
    let asked = shown.iter().filter(|kind| *kind == "subscribe").count();
    ensure!(asked == 2, "carol showed {shown:?}");
    here.closes().await
}

async fn adding_a_ghost_accepts_it_once_that_is_written_down(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.bridge.break_down(Unavailable::Failed);
    with(&here.bob, |bob| bob.adds(CAROL)).await?;
    let tried = here.bridge.wait_for(PATIENCE, "the daemon fails", |journal| {
        (journal.gestures_turned_away > 0).then_some(())
    });
    tried.await?;
    here.has_heard_all().await?;
    let shown = with(&here.bob, |bob| Ok(bob.everything_shown_by(CAROL))).await?;
    ensure!(shown.is_empty(), "carol showed {shown:?}");
    here.bridge.mend();
    for expected in ["subscribed", "unavailable"] {
        let seen = with(&here.bob, |bob| bob.sees_presence(CAROL)).await?;
        ensure!(seen == expected, "carol showed {seen}, not {expected}");
    }
    let seen = here.gestures(1).await?;
    ensure!(seen == [Gesture::Accept("elsewhere:carol".parse()?)], "{seen:?}");
    here.closes().await
}
