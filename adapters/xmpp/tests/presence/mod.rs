//! What the conformance suite does not know of presence: with whom it flows by itself, who is answered
//! what, and what is left of it when a connection is lost.

use anyhow::{Result, ensure};
use drawbridge_adapter::{Gesture, Passing, Presence, Signal, There, UserId};
use drawbridge_servers::{Deed, Sight, XmppSoftware, XmppUser, until};

use crate::stage::with;
use crate::stanzas::{CAROL, Here, PATIENCE, STANZA};

tests! {
    who_adds_a_ghost_sees_it_and_is_seen
    who_accepts_a_ghost_is_seen
    a_ghost_is_there_for_one_user_and_not_for_another
    a_second_client_keeps_its_user_there
    when_the_server_is_gone_nobody_is_there
    a_bridge_that_comes_anew_asks_who_is_there
    a_bridge_that_goes_takes_its_ghosts_with_it
}

impl Here {
    fn carol_is(&self, to: &str, is: There) -> Result<()> {
        let (by, to) = ("elsewhere:carol".parse()?, to.parse()?);
        self.adapter.signal(Signal::Presence(Presence { by, to, is }));
        Ok(())
    }

    /// Waits until this is the last that the daemon has heard of how bob is.
    async fn hears_bob_is(&self, is: There) -> Result<()> {
        let (by, to): (UserId, UserId) = ("xmpp:bob@p.test".parse()?, "elsewhere:carol".parse()?);
        let told = Passing::Presence(Presence { by, to, is });
        self.bridge
            .wait_for(PATIENCE, &format!("{told:?}"), |journal| {
                let presence = |it: &&Passing| matches!(it, Passing::Presence(_));
                let last = journal.passing.iter().rev().find(presence);
                (last == Some(&told)).then_some(())
            })
            .await
    }

    async fn bob_is(&self, is: There) -> Result<()> {
        with(&self.bob, move |bob| bob.acts(CAROL, &Deed::Is(is))).await?;
        Ok(())
    }
}

fn sees(user: &XmppUser, is: There) -> Result<()> {
    until(&format!("{} to see that carol is {is:?}", user.jid()), PATIENCE, || {
        Ok(user.shows(CAROL, &Sight::Presence(is)).then_some(()))
    })
}

async fn who_adds_a_ghost_sees_it_and_is_seen(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    here.hears_bob_is(There::Online).await?;
    for is in [There::Away, There::Online, There::Offline, There::Online] {
        here.bob_is(is).await?;
        here.hears_bob_is(is).await?;
        here.carol_is("xmpp:bob@p.test", is)?;
        if is != There::Offline {
            sees(&here.bob, is)?;
        }
    }
    // Nothing of it is a message, and nothing of his words is known.
    let words =
        format!("<presence {STANZA}><show>xa</show><status>gone fishing</status></presence>");
    here.sends(&words).await?;
    here.hears_bob_is(There::Away).await?;
    here.still_carries("end").await?;
    ensure!(here.bridge.journal().handed.len() == 1, "it came as a message");
    here.closes().await
}

async fn who_accepts_a_ghost_is_seen(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.asks_for("Carol wants to write to you.").await?;
    with(&here.bob, |bob| bob.accepts(CAROL)).await?;
    here.hears_bob_is(There::Online).await?;
    here.bob_is(There::Away).await?;
    here.hears_bob_is(There::Away).await?;
    // Nobody is told any more, once it is taken back.
    with(&here.bob, |bob| bob.declines(CAROL)).await?;
    here.hears_bob_is(There::Offline).await?;
    let told = here.bridge.journal().passing.len();
    here.sends(&format!("<presence {STANZA}/>")).await?;
    here.still_carries("end").await?;
    ensure!(here.bridge.journal().passing.len() == told, "carol sees him");
    here.closes().await
}

async fn a_ghost_is_there_for_one_user_and_not_for_another(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let ann = here.server.user("ann").await?;
    for user in [&here.bob, &ann] {
        with(user, |user| user.befriends(CAROL)).await?;
    }
    here.carol_is("xmpp:bob@p.test", There::Away)?;
    sees(&here.bob, There::Away)?;
    // Whoever comes back is told by the server's own question.
    for user in [&here.bob, &ann] {
        with(user, XmppUser::goes_away).await?;
    }
    here.carol_is("xmpp:bob@p.test", There::Online)?;
    for user in [&here.bob, &ann] {
        with(user, XmppUser::returns).await?;
    }
    sees(&here.bob, There::Online)?;
    here.still_carries("end").await?;
    let shown = ann.everything_shown_by(CAROL);
    ensure!(!shown.iter().any(|kind| kind == "available"), "ann saw carol: {shown:?}");
    here.closes().await
}

async fn a_second_client_keeps_its_user_there(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    here.hears_bob_is(There::Online).await?;
    let desk = here.server.again(&here.bob).await?;
    here.bob_is(There::Away).await?;
    here.bob_is(There::Offline).await?;
    here.still_carries("only away from one of them").await?;
    here.hears_bob_is(There::Online).await?;
    with(&desk, XmppUser::goes_away).await?;
    here.hears_bob_is(There::Offline).await?;
    here.closes().await
}

async fn when_the_server_is_gone_nobody_is_there(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    here.hears_bob_is(There::Online).await?;
    here.carol_is("xmpp:bob@p.test", There::Online)?;
    sees(&here.bob, There::Online)?;
    let ups = here.ups();
    here.server.does(drawbridge_servers::XmppServer::stop).await?;
    here.hears_bob_is(There::Offline).await?;
    here.server
        .does(|server| {
            server.start()?;
            server.wait()
        })
        .await?;
    with(&here.bob, XmppUser::comes_back).await?;
    here.is_up_again(ups).await?;
    // What was shown before is not known any more.
    here.sends(&format!("<presence {STANZA} type='probe' to='{CAROL}'/>")).await?;
    sees(&here.bob, There::Offline)?;
    here.bob_is(There::Away).await?;
    here.hears_bob_is(There::Away).await?;
    here.closes().await
}

async fn a_bridge_that_comes_anew_asks_who_is_there(software: XmppSoftware) -> Result<()> {
    let mut here = Here::open(software).await?;
    here.still_carries("asked, and not answered").await?;
    with(&here.bob, |bob| bob.befriends(CAROL)).await?;
    here.bob_is(There::Away).await?;
    here.hears_bob_is(There::Away).await?;
    let told = here.bridge.journal().passing.len();
    here.crashes().await?;
    with(&here.bob, |bob| drawbridge_servers::User::writes(bob, CAROL, "still there?")).await?;
    let again = here.bridge.wait_for(PATIENCE, "what is known anew", |journal| {
        journal.passing.get(told..).and_then(<[Passing]>::last).cloned()
    });
    let again = again.await?;
    ensure!(matches!(&again, Passing::Presence(Presence { is: There::Away, .. })), "{again:?}");
    let gestures = here.bridge.journal().gestures;
    let accepts = |(_, gesture): &(_, Gesture)| matches!(gesture, Gesture::Accept(_));
    ensure!(gestures.iter().all(accepts), "{gestures:?}");
    here.closes().await
}

async fn a_bridge_that_goes_takes_its_ghosts_with_it(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.carol_is("xmpp:bob@p.test", There::Online)?;
    sees(&here.bob, There::Online)?;
    here.bridge.stop();
    sees(&here.bob, There::Offline)?;
    here.closes().await
}
