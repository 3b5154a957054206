//! Blocks: made with the client's own command, and written to the server's own list.

use anyhow::{Result, ensure};
use drawbridge_adapter::{
    BlockEntry, Code, Command, Content, Delivered, DeliveryError, Gesture, Message, Party, UserId,
};
use drawbridge_servers::{User, XmppServer, XmppSoftware, XmppUser};

use crate::stage::{DOMAIN, with};
use crate::stanzas::{CAROL, Here, PATIENCE};

tests! {
    a_block_of_the_client_stops_messages_and_nobody_is_told
    a_block_of_the_whole_bridge_is_said_once
    a_block_of_the_daemon_is_on_the_list_and_is_no_news
    a_message_to_nobody_is_still_told
}

tests! { prosody_alone: XmppSoftware::Prosody,
    a_block_is_found_when_its_owner_comes
    a_block_is_found_on_a_new_connection
}

const DAVE: &str = "elsewhere_dave@bridge.p.test";

impl Here {
    async fn writes(&self, to: &str, text: &str) -> Result<Result<Delivered, DeliveryError>> {
        let message = Message {
            from: Party { user: "elsewhere:carol".parse()?, name: None },
            to: to.parse()?,
            content: Content::text(text),
            reply: None,
            sent_at: self.bridge.handle().now(),
            words: None,
            silent: false,
        };
        self.delivers(Command::Message(message)).await
    }

    /// Carol writes to bob, who is shown it.
    async fn carol_reaches_bob(&self, text: &'static str) -> Result<()> {
        let sent = self.writes("xmpp:bob@p.test", text).await?;
        ensure!(sent.is_ok(), "{sent:?}");
        let heard = with(&self.bob, |bob| bob.next_message(PATIENCE)).await?;
        ensure!((heard.from.as_str(), heard.body.as_str()) == (CAROL, text), "bob heard {heard:?}");
        Ok(())
    }

    /// Carol writes to bob, as it seems to her; he is shown nothing.
    async fn carol_writes_in_vain(&self, text: &'static str) -> Result<()> {
        let heard = with(&self.bob, |bob| Ok(bob.everything_heard().len())).await?;
        let sent = self.writes("xmpp:bob@p.test", text).await?;
        ensure!(sent.is_ok(), "carol was told: {sent:?}");
        self.has_heard_all().await?;
        let after = with(&self.bob, |bob| Ok(bob.everything_heard().len())).await?;
        ensure!(after == heard, "bob heard what he blocks");
        Ok(())
    }

    async fn blocks(&self, blocked: bool) -> Result<()> {
        let (owner, other) = ("xmpp:bob@p.test".parse()?, "elsewhere:carol".parse()?);
        self.carries_out(Command::Block(BlockEntry { owner, other, blocked })).await?;
        Ok(())
    }
}

fn carol() -> Result<UserId> {
    Ok("elsewhere:carol".parse()?)
}

async fn a_block_of_the_client_stops_messages_and_nobody_is_told(
    software: XmppSoftware,
) -> Result<()> {
    let here = Here::open(software).await?;
    here.still_carries("hello").await?;
    here.carol_reaches_bob("hello, bob").await?;
    with(&here.bob, |bob| bob.blocks(CAROL)).await?;
    here.carol_writes_in_vain("are you there?").await?;
    // The list says it at once; where it can't be read, nobody knows.
    let gestures = here.bridge.journal().gestures;
    let bob: UserId = "xmpp:bob@p.test".parse()?;
    match software {
        XmppSoftware::Prosody => {
            ensure!(gestures == [(bob, Gesture::Block(carol()?))], "{gestures:?}");
        }
        XmppSoftware::Ejabberd => ensure!(gestures.is_empty(), "{gestures:?}"),
    }
    here.carol_writes_in_vain("hello?").await?;
    with(&here.bob, |bob| bob.unblocks(CAROL)).await?;
    here.still_carries("I hear you again").await?;
    if software == XmppSoftware::Prosody {
        let seen = here.gestures(2).await?;
        ensure!(seen == [Gesture::Block(carol()?), Gesture::Unblock(carol()?)], "{seen:?}");
    }
    here.carol_reaches_bob("good").await?;
    // ejabberd sends errors late: they have been read when all is closed.
    let bridge = here.bridge.clone();
    here.closes().await?;
    ensure!(bridge.journal().bounces.is_empty(), "the daemon was told that a message came back");
    Ok(())
}

async fn a_block_of_the_whole_bridge_is_said_once(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.still_carries("hello").await?;
    with(&here.bob, |bob| bob.blocks(DOMAIN)).await?;
    for text in ["one", "two"] {
        let sent = here.writes("xmpp:bob@p.test", text).await?;
        ensure!(sent.is_ok(), "carol was told: {sent:?}");
    }
    let gestures = here.bridge.journal().gestures;
    match software {
        XmppSoftware::Prosody => {
            ensure!(gestures == [("xmpp:bob@p.test".parse()?, Gesture::Disable)], "{gestures:?}");
        }
        XmppSoftware::Ejabberd => ensure!(gestures.is_empty(), "{gestures:?}"),
    }
    here.closes().await
}

async fn a_block_of_the_daemon_is_on_the_list_and_is_no_news(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.still_carries("hello").await?;
    here.blocks(true).await?;
    here.blocks(true).await?;
    let list = with(&here.bob, XmppUser::block_list).await?;
    let can = software == XmppSoftware::Prosody;
    ensure!(list == if can { vec![CAROL.to_owned()] } else { Vec::new() }, "{list:?}");
    if can {
        here.carol_writes_in_vain("hello?").await?;
    }
    here.blocks(false).await?;
    let list = with(&here.bob, XmppUser::block_list).await?;
    ensure!(list.is_empty(), "{list:?}");
    here.carol_reaches_bob("hello again").await?;
    // Also of somebody who is not there just now, and on her own network.
    with(&here.bob, XmppUser::goes_away).await?;
    let (owner, other) = ("xmpp:bob@p.test".parse()?, "xmpp:eve@p.test".parse()?);
    here.carries_out(Command::Block(BlockEntry { owner, other, blocked: true })).await?;
    here.blocks(true).await?;
    with(&here.bob, XmppUser::returns).await?;
    let list = with(&here.bob, XmppUser::block_list).await?;
    ensure!(list.len() == if can { 2 } else { 0 }, "{list:?}");
    if can {
        // What he does himself is the only news.
        with(&here.bob, |bob| {
            bob.blocks(DAVE)?;
            bob.goes_away()?;
            bob.returns()
        })
        .await?;
        let seen = here.gestures(1).await?;
        ensure!(seen == [Gesture::Block("elsewhere:dave".parse()?)], "{seen:?}");
    }
    // Nobody's list is not written.
    let (owner, other) = ("xmpp:nobody@p.test".parse()?, carol()?);
    let entry = BlockEntry { owner, other, blocked: true };
    let refused = here.delivers(Command::Block(entry)).await?;
    ensure!(refused.is_err() == can, "{refused:?}");
    here.closes().await
}

async fn a_message_to_nobody_is_still_told(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    for text in ["one", "two"] {
        let sent = here.writes("xmpp:nobody@p.test", text).await?;
        let told = matches!(&sent, Err(DeliveryError::Refused { refusal, .. })
            if refusal.code == Code::NotReachable);
        ensure!(told, "{sent:?}");
    }
    here.closes().await
}

async fn a_block_is_found_when_its_owner_comes(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.still_carries("hello").await?;
    with(&here.bob, |bob| {
        bob.blocks(CAROL)?;
        bob.goes_away()?;
        bob.returns()
    })
    .await?;
    ensure!(here.gestures(1).await? == [Gesture::Block(carol()?)]);
    here.closes().await
}

async fn a_block_is_found_on_a_new_connection(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    // Whoever got a message was seen, once it can't come back.
    here.carol_reaches_bob("hello, bob").await?;
    here.bridge
        .handle()
        .remember(vec![drawbridge_adapter::Memo::set("seen/bob@p.test", "")])
        .await?;
    with(&here.bob, XmppUser::goes_away).await?;
    with(&here.bob, |bob| bob.blocks(CAROL)).await?;
    here.server.does(XmppServer::stop).await?;
    here.server
        .does(|server| {
            server.start()?;
            server.wait()
        })
        .await?;
    ensure!(here.gestures(1).await? == [Gesture::Block(carol()?)]);
    here.closes().await
}
