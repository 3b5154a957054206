//! How people call themselves and look, in both directions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drawbridge_adapter::{
    Command, NewPicture, Picture, Presence, Profile, Sha256, Shown, Signal, There, UserId,
};
use drawbridge_servers::{Deed, Sight, XmppSoftware, XmppUser};

use crate::stage::with;
use crate::stanzas::{CAROL, Here, PATIENCE, STANZA};

tests! {
    a_contact_is_followed
    a_ghost_that_is_there_is_told_what_is_published
    who_writes_is_looked_at
    a_ghost_is_shown_to_one_user
    who_comes_is_shown_it_again
}

/// A picture that clients take for a PNG; nobody draws it.
fn png(seed: u8) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".as_slice(), &[seed; 300]].concat()
}

impl Here {
    /// Waits until the last that the daemon has heard of bob's name is this.
    async fn hears_name(&self, name: &str) -> Result<()> {
        self.bridge
            .wait_for(PATIENCE, &format!("bob to be called {name}"), |journal| {
                let last = journal.profiles.iter().rev().find_map(|change| change.name.as_deref());
                (last == Some(name)).then_some(())
            })
            .await
    }

    /// The same of his picture, which is fetched.
    async fn hears_face(&self, picture: Option<&[u8]>) -> Result<()> {
        let bob: UserId = "xmpp:bob@p.test".parse()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let told = self.bridge.journal().profiles;
            let last = told.into_iter().rev().find_map(|change| change.picture);
            let is_it = match last {
                Some(NewPicture::At(at)) => {
                    self.adapter.picture(&bob, &at).await.ok().as_deref() == picture
                }
                last => last == Some(NewPicture::Gone) && picture.is_none(),
            };
            if is_it {
                return Ok(());
            }
            ensure!(Instant::now() < end, "bob's picture is another one");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Carol is shown so to bob.
    async fn shows_carol(&self, name: Option<&str>, picture: Option<Vec<u8>>) -> Result<()> {
        let (of, to): (UserId, UserId) = ("elsewhere:carol".parse()?, "xmpp:bob@p.test".parse()?);
        let picture = picture.map(|bytes| {
            let (mime, sha256) = ("image/png".to_owned(), Sha256([0; 32]));
            Arc::new(Picture { mime, sha256, bytes })
        });
        let shown = Shown { name: name.map(str::to_owned), picture };
        self.bridge.has_shown(&of, &to, shown.clone());
        self.carries_out(Command::Profile(Profile { of, to, shown })).await?;
        Ok(())
    }
}

async fn a_contact_is_followed(software: XmppSoftware) -> Result<()> {
    let mut here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    for (name, seed) in [("Bob the Builder", 1), ("Röbert", 2)] {
        with(&here.bob, move |bob| bob.acts(CAROL, &Deed::CallsItself(name))).await?;
        here.hears_name(name).await?;
        with(&here.bob, move |bob| bob.acts(CAROL, &Deed::Wears(Some(&png(seed))))).await?;
        here.hears_face(Some(&png(seed))).await?;
    }
    // Also one that comes anew knows whom to ask, and as whom.
    here.crashes().await?;
    here.hears_face(Some(&png(2))).await?;
    with(&here.bob, |bob| bob.acts(CAROL, &Deed::Wears(None))).await?;
    here.hears_face(None).await?;
    here.closes().await
}

const CARD: &str = "<vCard xmlns='vcard-temp'/>";
const METADATA: &str = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
    <items node='urn:xmpp:avatar:metadata'/></pubsub>";

async fn a_ghost_is_shown_to_one_user(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let ann = here.server.user("ann").await?;
    let neutral = here.asks(CAROL, "get", CARD).await?;
    ensure!(here.asks(CAROL, "get", METADATA).await?.1 == "item-not-found", "{neutral:?}");
    here.shows_carol(Some("Carol & Co"), Some(png(1))).await?;
    here.bob_sees(&Sight::Name("Carol & Co"))?;
    here.bob_sees(&Sight::Face(Some(&png(1))))?;
    let card = here.asks(CAROL, "get", CARD).await?.2;
    ensure!(card.contains("Carol &amp; Co") && card.contains("BINVAL"), "{card}");
    // The largest that crosses.
    let large = png(2).repeat(Picture::MAX / 308);
    here.shows_carol(Some("Carol"), Some(large.clone())).await?;
    here.bob_sees(&Sight::Name("Carol"))?;
    here.bob_sees(&Sight::Face(Some(&large)))?;
    // Nobody else is told, and whoever asks learns nothing.
    let iq = format!("<iq xmlns='jabber:client' type='get' to='{CAROL}'>{CARD}</iq>");
    let card = with(&ann, move |ann| ann.queries(&iq)).await?.xml;
    ensure!(!card.contains("NICKNAME") && !card.contains("PHOTO"), "{card}");
    ensure!(!ann.shows(CAROL, &Sight::Name("Carol")), "ann was told");
    here.shows_carol(None, None).await?;
    here.bob_sees(&Sight::Name(""))?;
    here.bob_sees(&Sight::Face(None))?;
    here.closes().await
}

/// What a client publishes alone, and not on a card.
fn publish(name: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='http://jabber.org/protocol/nick'><item id='current'>\
         <nick xmlns='http://jabber.org/protocol/nick'>{name}</nick></item></publish></pubsub></iq>"
    )
}

async fn a_ghost_that_is_there_is_told_what_is_published(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    let (by, to) = ("elsewhere:carol".parse()?, "xmpp:bob@p.test".parse()?);
    here.adapter.signal(Signal::Presence(Presence { by, to, is: There::Online }));
    here.bob_sees(&Sight::Presence(There::Online))?;
    for name in ["Bob", "Bobby"] {
        with(&here.bob, move |bob| bob.queries(&publish(name))).await?;
        here.hears_name(name).await?;
    }
    here.closes().await
}

async fn who_writes_is_looked_at(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let card = "<vCard xmlns='vcard-temp'><FN>Robert</FN></vCard>";
    let set = format!("<iq xmlns='jabber:client' type='set'>{card}</iq>");
    with(&here.bob, move |bob| bob.queries(&set)).await?;
    here.still_carries("hello").await?;
    here.hears_name("Robert").await?;
    // A name that stands beside what somebody says goes before that.
    let stanza = format!(
        "<message {STANZA} type='chat' to='{CAROL}'><body>I am</body>\
         <nick xmlns='http://jabber.org/protocol/nick'>Rob</nick></message>"
    );
    here.sends(&stanza).await?;
    here.hears_name("Rob").await?;
    here.closes().await
}

async fn who_comes_is_shown_it_again(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    with(&here.bob, XmppUser::goes_away).await?;
    let (of, to): (UserId, UserId) = ("elsewhere:carol".parse()?, "xmpp:bob@p.test".parse()?);
    let shown = Shown { name: Some("Carol".to_owned()), picture: None };
    here.bridge.has_shown(&of, &to, shown);
    let mut here = here;
    // What this one remembers of who came lately goes with it.
    here.crashes().await?;
    with(&here.bob, XmppUser::returns).await?;
    here.bob_sees(&Sight::Name("Carol"))?;
    here.closes().await
}
