//! What people send that is neither text nor file, and who is there.

use anyhow::{Result, ensure};
use drawbridge_adapter::{ContactCard, Content, Location, Poll, There};
use drawbridge_servers::{Deed, Sight, User, XmppSoftware};

use crate::{nothing_else_arrives, six, three, town_on};

crate::with_each_xmpp_server! {
    a_place_is_found_by_all,
    what_a_network_does_not_show_is_written_out,
    who_is_there_is_seen_by_whom_it_may_be,
}

fn a_place_is_found_by_all(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let pier = Location::new(52.373_056, 4.892_222).map(|place| place.within(Some(20)));
    let pier = pier.map(|place| place.named(Some("The old pier")));
    let Some(pier) = pier.map(Content::Location) else { anyhow::bail!("no such place") };
    for (from, to) in six([&alice, &bob, &carol]) {
        from.performs(to, &Deed::Sends(pier.clone()))?;
        to.sees(from, &Sight::Shows(pier.clone()))?;
    }
    Ok(())
}

fn what_a_network_does_not_show_is_written_out(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let card = ContactCard {
        name: "Zoë".to_owned(),
        phones: vec!["+31 20 123".to_owned()],
        emails: Vec::new(),
        addresses: vec!["xmpp:zoe@plumbers.test".to_owned()],
    };
    let poll = Poll {
        question: "Where do we eat?".to_owned(),
        answers: vec!["At home".to_owned(), "Out".to_owned()],
        most: 1,
    };
    let (card, poll) = (Content::Contact(card), Content::Poll(poll));
    let card_says = "Contact: Zoë\n+31 20 123\nxmpp:zoe@plumbers.test";
    let poll_says = "Poll: Where do we eat?\n1. At home\n2. Out\n\
                     (Votes do not cross: say which one you choose.)";
    for to in [&alice as &dyn User, &bob] {
        carol.performs(to, &Deed::Sends(card.clone()))?;
        to.hears(&carol, card_says)?;
        carol.performs(to, &Deed::Sends(poll.clone()))?;
        to.hears(&carol, poll_says)?;
    }
    alice.performs(&bob, &Deed::Sends(poll.clone()))?;
    bob.hears(&alice, poll_says)?;
    alice.performs(&carol, &Deed::Sends(poll.clone()))?;
    carol.sees(&alice, &Sight::Shows(poll))?;
    Ok(())
}

fn who_is_there_is_seen_by_whom_it_may_be(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    for (from, to) in [(&bob as &dyn User, &carol as &dyn User), (&carol, &bob)] {
        nothing_else_arrives(from, to, "hello")?;
    }
    // Nobody has said that it may be seen.
    bob.performs(&carol, &Deed::Is(There::Away))?;
    carol.performs(&bob, &Deed::Is(There::Online))?;
    nothing_else_arrives(&bob, &carol, "not yet")?;
    nothing_else_arrives(&carol, &bob, "nor I")?;
    ensure!(!carol.is_shown(&bob, &Sight::Presence(There::Away))?, "it was not to be seen");
    ensure!(!bob.is_shown(&carol, &Sight::Presence(There::Online))?, "it was not to be seen");

    ensure!(bob.asks_bridge("presence on")?.contains("see whether you are there"));
    ensure!(carol.asks_bridge("presence on")?.contains("see whether you are there"));
    carol.sees(&bob, &Sight::Presence(There::Away))?;
    bob.sees(&carol, &Sight::Presence(There::Online))?;
    bob.performs(&carol, &Deed::Is(There::Online))?;
    carol.sees(&bob, &Sight::Presence(There::Online))?;

    // A block shows as somebody leaving, and lets nothing more through.
    bob.asks_bridge("block birdychat:carol")?;
    carol.sees(&bob, &Sight::Presence(There::Offline))?;
    carol.performs(&bob, &Deed::Is(There::Away))?;
    bob.asks_bridge("unblock birdychat:carol")?;
    bob.sees(&carol, &Sight::Presence(There::Away))?;
    carol.sees(&bob, &Sight::Presence(There::Online))?;

    // It is known again after the daemon was away.
    town.daemon.kill()?;
    town.start_daemon()?;
    bob.performs(&carol, &Deed::Is(There::Away))?;
    carol.sees(&bob, &Sight::Presence(There::Away))?;
    ensure!(bob.asks_bridge("presence off")?.starts_with("Nobody on other networks"));
    carol.sees(&bob, &Sight::Presence(There::Offline))
}
