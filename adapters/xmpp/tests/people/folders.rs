//! Chats in a group of their own, as a foreign client sees them.

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Command, Content, Folder, Message, NetworkId, Party};
use drawbridge_servers::{Contact, XmppServer, XmppSoftware};

use crate::stage::with;
use crate::stanzas::{CAROL, Here, PATIENCE};

tests! { prosody_alone: XmppSoftware::Prosody,
    chats_go_into_their_folder_and_come_out_of_it
    a_chat_to_come_goes_into_its_folder
    a_folder_outlives_a_crash_and_a_new_connection
}

tests! {
    where_the_server_allows_nothing_all_stays_as_it_is
}

const ALICE: &str = "matrix_alice@bridge.p.test";
const APART: &str = "Other apps";

impl Here {
    async fn wants_apart(&self, name: &str, networks: &[&str]) -> Result<()> {
        let networks = networks.iter().map(|&id| NetworkId::new(id)).collect::<Result<_, _>>()?;
        let owner = "xmpp:bob@p.test".parse()?;
        self.carries_out(Command::Folder(Folder { owner, name: name.to_owned(), networks }))
            .await?;
        Ok(())
    }

    async fn bob_keeps(
        &self,
        address: &'static str,
        name: &'static str,
        groups: &'static [&'static str],
    ) -> Result<()> {
        with(&self.bob, move |bob| bob.keeps(address, name, groups)).await
    }

    async fn contact(&self, address: &'static str) -> Result<Option<Contact>> {
        with(&self.bob, move |bob| bob.contact(address)).await
    }

    async fn groups(&self, address: &'static str) -> Result<Vec<String>> {
        let contact = self.contact(address).await?;
        Ok(contact.with_context(|| format!("{address} is no contact"))?.groups)
    }

    /// Waits until a contact stands in exactly this group.
    async fn comes_into(&self, address: &'static str, group: &'static str) -> Result<()> {
        with(&self.bob, move |bob| {
            drawbridge_servers::until("the chat to be in its folder", PATIENCE, || {
                let groups = bob.contact(address)?.map(|contact| contact.groups);
                Ok((groups.as_deref() == Some(&[group.to_owned()])).then_some(()))
            })
        })
        .await
    }

    async fn hears_from(&self, user: &str) -> Result<()> {
        let message = Message {
            from: Party { user: user.parse()?, name: Some("Somebody".to_owned()) },
            to: "xmpp:bob@p.test".parse()?,
            content: Content::text("hello"),
            reply: None,
            sent_at: self.bridge.handle().now(),
            words: None,
            silent: false,
        };
        self.carries_out(Command::Message(message)).await?;
        Ok(())
    }
}

async fn open(software: XmppSoftware) -> Result<Here> {
    let here = Here::open(software).await?;
    here.bridge.add_network(&NetworkId::new("matrix")?);
    Ok(here)
}

async fn chats_go_into_their_folder_and_come_out_of_it(software: XmppSoftware) -> Result<()> {
    let here = open(software).await?;
    here.bob_keeps(CAROL, "Carol & co.", &[]).await?;
    here.bob_keeps(ALICE, "Alice", &[]).await?;
    here.bob_keeps(ERIN, "Erin", &["Friends"]).await?;
    here.bob_keeps("ann@p.test", "Ann", &[]).await?;
    here.hears_from("elsewhere:gina").await?;
    here.wants_apart(APART, &["elsewhere"]).await?;
    here.wants_apart(APART, &["elsewhere"]).await?;
    let carol = here.contact(CAROL).await?.context("carol is gone")?;
    ensure!(carol.groups == [APART] && carol.name == "Carol & co.", "{carol:?}");
    ensure!(here.groups(ALICE).await?.is_empty());
    ensure!(here.groups("ann@p.test").await?.is_empty());
    // What bob has put somewhere himself stays there.
    ensure!(here.groups(ERIN).await? == ["Friends"]);
    // A chat that is no contact becomes one.
    ensure!(here.groups(GINA).await? == [APART]);
    // Another name, and another network.
    here.wants_apart("Elsewhere", &["elsewhere", "matrix"]).await?;
    ensure!(here.groups(CAROL).await? == ["Elsewhere"]);
    ensure!(here.groups(ALICE).await? == ["Elsewhere"]);
    here.bob_keeps(ALICE, "Alice", &["Elsewhere", "Friends"]).await?;
    here.wants_apart("Elsewhere", &["matrix"]).await?;
    ensure!(here.groups(CAROL).await?.is_empty());
    here.wants_apart("Elsewhere", &[]).await?;
    here.wants_apart("Elsewhere", &[]).await?;
    ensure!(here.groups(CAROL).await?.is_empty());
    for who in [ALICE, ERIN] {
        ensure!(here.groups(who).await? == ["Friends"], "{who}");
    }
    ensure!(here.bridge.journal().gestures.is_empty(), "it came back as news");
    let memos = here.bridge.handle().recall_all("folder/", "", 9).await?;
    ensure!(memos.is_empty(), "a folder that is gone is remembered");
    here.closes().await
}

async fn a_chat_to_come_goes_into_its_folder(software: XmppSoftware) -> Result<()> {
    let here = open(software).await?;
    here.wants_apart(APART, &["elsewhere"]).await?;
    // By what bob hears, writes, and whom he adds.
    here.hears_from("elsewhere:carol").await?;
    here.comes_into(CAROL, APART).await?;
    let carol = here.contact(CAROL).await?.context("carol is gone")?;
    ensure!(carol.subscription == "none" && carol.name.is_empty(), "{carol:?}");
    with(&here.bob, |bob| drawbridge_servers::User::writes(bob, DAVE, "hello, dave")).await?;
    here.comes_into(DAVE, APART).await?;
    with(&here.bob, |bob| bob.adds(ERIN)).await?;
    here.comes_into(ERIN, APART).await?;
    with(&here.bob, |bob| {
        drawbridge_servers::until("the subscription", PATIENCE, || {
            let erin = bob.contact(ERIN)?.map(|contact| contact.subscription);
            Ok((erin.as_deref() == Some("to")).then_some(()))
        })
    })
    .await?;
    ensure!(here.groups(ERIN).await? == [APART]);
    // Where bob has put a chat himself it stays, and other networks' are left alone.
    here.bob_keeps(FRED, "Fred", &["Friends"]).await?;
    here.hears_from("elsewhere:fred").await?;
    here.hears_from("matrix:alice").await?;
    here.hears_from("elsewhere:gina").await?;
    here.comes_into(GINA, APART).await?;
    ensure!(here.groups(FRED).await? == ["Friends"]);
    ensure!(here.contact(ALICE).await?.is_none(), "a contact was made of alice");
    here.closes().await
}

async fn a_folder_outlives_a_crash_and_a_new_connection(software: XmppSoftware) -> Result<()> {
    let mut here = open(software).await?;
    here.bob_keeps(CAROL, "Carol", &["Old"]).await?;
    // As a daemon leaves it that dies half-way: it was called otherwise before.
    let noted = format!(r#"{{"name":"{APART}","networks":["elsewhere"],"before":["Old"]}}"#);
    let memo = drawbridge_adapter::Memo::set("folder/bob@p.test", noted);
    here.bridge.handle().remember(vec![memo]).await?;
    here.crashes().await?;
    here.wants_apart(APART, &["elsewhere"]).await?;
    ensure!(here.groups(CAROL).await? == [APART]);
    here.crashes().await?;
    here.hears_from("elsewhere:erin").await?;
    here.comes_into(ERIN, APART).await?;
    let ups = here.ups();
    here.server.does(XmppServer::stop).await?;
    here.server
        .does(|server| {
            server.start()?;
            server.wait()
        })
        .await?;
    with(&here.bob, drawbridge_servers::XmppUser::comes_back).await?;
    here.is_up_again(ups).await?;
    here.hears_from("elsewhere:dave").await?;
    here.comes_into(DAVE, APART).await?;
    here.closes().await
}

async fn where_the_server_allows_nothing_all_stays_as_it_is(software: XmppSoftware) -> Result<()> {
    let mut here = open(software).await?;
    here.bob_keeps(CAROL, "Carol", &[]).await?;
    // Prosody would let the bridge, but only servers of the operator's own have a word in that.
    here.bridge.add_remote("p.test");
    here.crashes().await?;
    for networks in [vec![NetworkId::new("elsewhere")?], Vec::new()] {
        let wanted = !networks.is_empty();
        let folder = Folder { owner: "xmpp:bob@p.test".parse()?, name: APART.to_owned(), networks };
        let refused = here.delivers(Command::Folder(folder)).await?.is_err();
        ensure!(refused == wanted, "the daemon is told that it cannot be");
        here.hears_from("elsewhere:carol").await?;
    }
    ensure!(here.groups(CAROL).await?.is_empty());
    let memos = here.bridge.handle().recall_all("folder/", "", 9).await?;
    ensure!(memos.is_empty(), "{memos:?}");
    here.closes().await
}

const DAVE: &str = "elsewhere_dave@bridge.p.test";
const ERIN: &str = "elsewhere_erin@bridge.p.test";
const FRED: &str = "elsewhere_fred@bridge.p.test";
const GINA: &str = "elsewhere_gina@bridge.p.test";
