//! What the conformance suite does not know of edits, retractions, reactions and receipts: what servers
//! keep of them, and what puppets say that they can.

use anyhow::{Context, Result, anyhow, ensure};
use drawbridge_adapter::{
    Attached, Command, Content, ConversationId, Delivery, Emojis, EventId, Message, Party,
    Reference, Text, UserId, Was,
};
use drawbridge_servers::{Deed, Sight, User, XmppSoftware, XmppUser, until};

use crate::stage::with;
use crate::stanzas::{CAROL, Here, PATIENCE, STANZA};

tests! {
    what_is_done_while_nobody_is_there_is_shown_later
    puppets_say_what_they_can
    a_second_message_of_one_id_is_another
    a_thread_that_a_client_made_up_leaves_a_text_as_it_is
}

impl Here {
    /// Carol says or does something, and bob's server takes it; its id.
    pub(crate) async fn carol_does(&self, content: Content) -> Result<EventId> {
        self.carol_delivers(&self.key(), content, None).await
    }

    /// A key for something new.
    pub(crate) fn key(&self) -> String {
        let bridge = self.bridge.handle();
        format!("{:011x}{:016x}", bridge.now().0, bridge.random())
    }

    /// The same with a file, perhaps once more.
    pub(crate) async fn carol_delivers(
        &self,
        key: &str,
        content: Content,
        attached: Option<Attached>,
    ) -> Result<EventId> {
        let bridge = self.bridge.handle();
        let (to, user): (UserId, UserId) = ("xmpp:bob@p.test".parse()?, "elsewhere:carol".parse()?);
        let delivery = Delivery {
            tag: bridge.tag_event(&EventId::new(key)?),
            key: key.to_owned(),
            conversation: ConversationId::direct(&user, &to),
            accepted_at: bridge.now(),
            attempt: 1,
            attached,
            command: Command::Message(Message {
                from: Party { user, name: None },
                to,
                content,
                reply: None,
                sent_at: bridge.now(),
                words: None,
                silent: false,
            }),
        };
        let outcome = self.adapter.deliver(&[delivery]).await.pop().context("no answer")?;
        outcome.map_err(|error| anyhow!("{error:?}"))?.id.context("no id")
    }

    pub(crate) fn bob_sees(&self, sight: &Sight<'_>) -> Result<()> {
        until(&format!("bob to see {sight:?}"), PATIENCE, || {
            Ok(self.bob.shows(CAROL, sight).then_some(()))
        })
    }
}

pub(crate) fn delivered(id: &EventId) -> Reference {
    Reference { id: id.clone(), was: Was::Delivered, sent_at: None }
}

async fn what_is_done_while_nobody_is_there_is_shown_later(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let plan = with(&here.bob, |bob| bob.writes(CAROL, "Shall we row?")).await?;
    let idea = here.bridge.hears(PATIENCE, "Shall we row?").await?;
    let slip = here.carol_does(Content::text("a slip")).await?;
    let word = here.carol_does(Content::text("a wrod")).await?;
    for _ in 0..2 {
        with(&here.bob, |bob| bob.next_message(PATIENCE)).await?;
    }
    with(&here.bob, XmppUser::goes_away).await?;
    let emojis = ["🚣".to_owned()].to_vec();
    let emojis = Emojis::Now { all: emojis.clone(), new: emojis, gone: Vec::new() };
    let to = Reference { id: idea.id, was: Was::Sent, sent_at: None };
    here.carol_does(Content::Reaction { to, emojis }).await?;
    here.carol_does(Content::Edit { of: delivered(&word), text: Text::plain("a word") }).await?;
    here.carol_does(Content::Retraction { of: delivered(&slip) }).await?;
    with(&here.bob, XmppUser::returns).await?;
    here.bob_sees(&Sight::Edited(word.as_str(), "a word"))?;
    here.bob_sees(&Sight::Retracted(slip.as_str()))?;
    here.bob_sees(&Sight::Reactions(&plan, &["🚣"]))?;
    here.closes().await
}

async fn puppets_say_what_they_can(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let asked = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let (_, _, info) = here.asks(CAROL, "get", asked).await?;
    for feature in [
        "http://jabber.org/protocol/chatstates",
        "http://jabber.org/protocol/geoloc",
        "urn:xmpp:chat-markers:0",
        "urn:xmpp:fallback:0",
        "urn:xmpp:message-correct:0",
        "urn:xmpp:message-retract:1",
        "urn:xmpp:reactions:0",
        "urn:xmpp:receipts",
        "urn:xmpp:reply:0",
        "urn:xmpp:sfs:0",
        "urn:xmpp:styling:0",
    ] {
        ensure!(info.contains(&format!("\"{feature}\"")), "{feature} is not in {info}");
    }
    let (_, _, other) = here.asks("elsewhere_nobody-at-all@bridge.p.test", "get", asked).await?;
    let features = |info: &str| info.matches("feature ").count();
    ensure!(features(&info) == features(&other), "{info}, {other}");
    here.closes().await
}

async fn a_second_message_of_one_id_is_another(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    for body in ["one", "two"] {
        here.sends(&format!(
            "<message xmlns='jabber:client' type='chat' id='again' to='{CAROL}'>\
             <body>{body}</body></message>"
        ))
        .await?;
        here.bridge.hears(PATIENCE, body).await?;
    }
    let (to, deed) = (CAROL, Deed::Edits("again", "three"));
    here.bob.acts(to, &deed)?;
    let edit = here.bridge.wait_for(PATIENCE, "an edit", |journal| {
        let events = journal.handed.iter().map(|handed| &handed.event);
        let mut edits = events.filter_map(|event| match &event.content {
            Content::Edit { of, .. } => Some(of.clone()),
            _ => None,
        });
        edits.next()
    });
    let of = edit.await?;
    let named = |text: &str| {
        let journal = here.bridge.journal();
        journal
            .find(text)
            .map(|event| event.id.as_str().starts_with(&format!("{}/", of.id.as_str())))
    };
    ensure!(named("one") == Some(true) && named("two") == Some(true), "{of:?} names neither");
    here.closes().await
}

async fn a_thread_that_a_client_made_up_leaves_a_text_as_it_is(
    software: XmppSoftware,
) -> Result<()> {
    let here = Here::open(software).await?;
    let word = here.carol_does(Content::text("Shall we row?")).await?;
    for (id, text, thread) in [
        ("t1", "*yes*", "f0a9c1d2-6b7e-4a13"),
        ("t2", "or no", &"x".repeat(5_000)),
        ("t3", "or soon", word.as_str()),
    ] {
        let inner = format!("<body>{text}</body><thread parent='p1'>{thread}</thread>");
        here.sends(&format!(
            "<message {STANZA} id='{id}' to='{CAROL}' type='chat'>{inner}</message>"
        ))
        .await?;
    }
    let made_up = here.bridge.hears(PATIENCE, "*yes*").await?;
    let long = here.bridge.hears(PATIENCE, "or no").await?;
    let begun = here.bridge.hears(PATIENCE, "or soon").await?;
    ensure!(made_up.content.written().is_some_and(|text| text.rich.is_some()), "it lost its form");
    let reply = made_up.reply.context("nobody could look for its thread")?;
    ensure!(reply.quote.is_none(), "it quotes");
    // The daemon looks once, and finds nothing by it.
    ensure!(reply.to == reply.thread.map(|thread| thread.root), "it names two messages");
    ensure!(long.reply.is_none(), "what names no message is looked for");
    let root = begun.reply.and_then(|reply| reply.thread).map(|thread| thread.root);
    ensure!(root == Some(delivered(&word)), "it stands in no thread");
    let failed = with(&here.bob, |bob| Ok(bob.everything_failed())).await?;
    ensure!(failed.is_empty(), "it was refused: {failed:?}");
    here.closes().await
}
