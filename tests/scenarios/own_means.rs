//! What people do with an XMPP client's own means: its menu, its contacts, its block list.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware, XmppUser, until};

use crate::{nothing_else_arrives, three, three_strangers, town_on};

crate::with_each_xmpp_server! {
    a_stranger_is_accepted_like_a_contact,
    a_stranger_who_is_turned_away_waits_no_more,
    a_block_by_command_is_on_the_list_where_it_can_be,
}

crate::with_each_xmpp_server! { prosody_alone: Prosody,
    a_block_on_the_list_holds_on_all_networks_across_a_kill,
    a_block_of_the_whole_bridge_switches_all_off,
    what_changed_while_a_network_was_away_stands_on_its_list_in_the_end,
    two_sides_that_change_a_list_at_once_agree_in_the_end
}

/// Bob's client switches the partner's app on, from its menu.
fn enables(bob: &XmppUser) -> Result<()> {
    let note = bob.runs_command("enable", &[("network", "birdychat")])?;
    ensure!(note.contains("birdychat is on"), "the note says {note:?}");
    Ok(())
}

fn blocks_of(town: &Town, owner: &dyn User) -> Result<String> {
    town.daemon.asks(&["blocks", "list", "--owner", owner.id()])
}

fn a_stranger_is_accepted_like_a_contact(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three_strangers(&town)?;
    let id = carol.says(&bob, "Before you switched us on.")?;
    carol.is_told(&id, "not_reachable")?;
    let commands = bob.sees_commands()?;
    ensure!(commands.contains(&"enable".to_owned()), "{commands:?}");
    enables(&bob)?;

    let first = carol.says(&bob, "Hello, I am Carol.")?;
    carol.sees_held(&first)?;
    let second = carol.says(&bob, "Are you the Bob of the choir?")?;
    carol.sees_held(&second)?;
    let asked = bob.hears_bridge()?;
    ensure!(asked.contains("Hello, I am Carol.") && asked.contains(carol.id()), "{asked}");
    let address = bob.address_of(&carol)?;
    bob.is_asked_by(&address)?;
    bob.accepts(&address)?;
    bob.hears(&carol, "Hello, I am Carol.")?;
    bob.hears(&carol, "Are you the Bob of the choir?")?;
    carol.sees_accepted(&first)?;
    bob.says(&carol, "I am.")?;
    carol.hears(&bob, "I am.")?;
    nothing_else_arrives(&carol, &bob, "nothing was held twice")
}

fn a_stranger_who_is_turned_away_waits_no_more(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three_strangers(&town)?;
    enables(&bob)?;
    let held = carol.says(&bob, "Buy now!")?;
    carol.sees_held(&held)?;
    let address = bob.address_of(&carol)?;
    bob.is_asked_by(&address)?;
    bob.declines(&address)?;
    until("nobody to wait", PATIENCE, || {
        Ok(bob.asks_bridge("requests")?.contains("Nobody waits").then_some(()))
    })?;
    // She is not told; he is left alone until he wants it otherwise.
    let again = carol.says(&bob, "Buy now, really!")?;
    carol.sees_held(&again)?;
    bob.adds(&address)?;
    until("bob to hear her", PATIENCE, || {
        Ok(bob.asks_bridge(&format!("who {}", carol.id()))?.contains("You hear from").then_some(()))
    })?;
    carol.says(&bob, "I am sorry.")?;
    bob.hears(&carol, "I am sorry.")?;
    ensure!(carol.everything_failed().is_empty(), "{:?}", carol.everything_failed());
    Ok(())
}

fn a_block_by_command_is_on_the_list_where_it_can_be(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;
    let address = bob.address_of(&carol)?;
    let blocked = bob.runs_command("block", &[("user", carol.id())])?;
    ensure!(blocked.contains("You hear nothing more"), "{blocked}");
    carol.sees_accepted(&carol.says(&bob, "Are you there?")?)?;
    match software {
        XmppSoftware::Prosody => until("the block to be on the list", PATIENCE, || {
            Ok((bob.block_list()? == [address.clone()]).then_some(()))
        })?,
        XmppSoftware::Ejabberd => ensure!(bob.block_list()?.is_empty()),
    }
    let unblocked = bob.asks_bridge(&format!("unblock {}", carol.id()))?;
    ensure!(unblocked.contains("You hear"), "{unblocked}");
    until("the block to be off the list", PATIENCE, || {
        Ok(bob.block_list()?.is_empty().then_some(()))
    })?;
    nothing_else_arrives(&carol, &bob, "we speak again")?;
    ensure!(carol.everything_failed().is_empty(), "{:?}", carol.everything_failed());
    Ok(())
}

fn a_block_on_the_list_holds_on_all_networks_across_a_kill(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let code = alice.asks_bridge("link")?;
    let code = code.rsplit(' ').next().unwrap_or_default();
    bob.asks_bridge(&format!("link {code}"))?;
    for to in [&alice as &dyn User, &bob] {
        nothing_else_arrives(&carol, to, "we begin")?;
    }
    // Bob is not even shown anything of the bridge's: his server alone knows, until she writes.
    bob.blocks(&bob.address_of(&carol)?)?;
    carol.sees_accepted(&carol.says(&bob, "Bob?")?)?;
    ensure!(blocks_of(&town, &bob)?.contains(carol.id()), "the list was not read");
    carol.sees_accepted(&carol.says(&alice, "Alice?")?)?;
    town.daemon.kill()?;
    town.start_daemon()?;
    carol.sees_accepted(&carol.says(&alice, "Alice, what is it?")?)?;
    let heard = alice.everything_heard();
    ensure!(!heard.iter().any(|heard| heard.body.starts_with("Alice")), "{heard:?}");

    // He unblocks her the same way; his next word shows it.
    bob.unblocks(&bob.address_of(&carol)?)?;
    bob.goes_away()?;
    bob.returns()?;
    until("the list to be read", PATIENCE, || {
        Ok((!blocks_of(&town, &bob)?.contains(carol.id())).then_some(()))
    })?;
    nothing_else_arrives(&carol, &bob, "we speak again")?;
    nothing_else_arrives(&carol, &alice, "and we")?;
    ensure!(carol.everything_failed().is_empty(), "{:?}", carol.everything_failed());
    Ok(())
}

fn a_block_of_the_whole_bridge_switches_all_off(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;
    bob.blocks("bridge.p.test")?;
    carol.says(&bob, "Bob?")?;
    until("birdychat to be off for bob", PATIENCE, || {
        let known = town.daemon.asks(&["people", "export", bob.id()])?;
        let known: serde_json::Value = serde_json::from_str(&known)?;
        Ok(known["enabled"].as_array().is_some_and(Vec::is_empty).then_some(()))
    })?;
    let id = carol.says(&bob, "Bob, are you there?")?;
    carol.is_told(&id, "not_reachable")?;
    Ok(())
}

fn what_changed_while_a_network_was_away_stands_on_its_list_in_the_end(
    software: XmppSoftware,
) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let dora = town.partner_user("dora")?;
    town.introduces(&[&alice, &dora])?;
    let code = alice.asks_bridge("link")?;
    let code = code.rsplit(' ').next().unwrap_or_default();
    bob.asks_bridge(&format!("link {code}"))?;
    let (carols, doras) = (bob.address_of(&carol)?, bob.address_of(&dora)?);

    town.xmpp.stop()?;
    for said in ["block", "unblock", "block"] {
        alice.asks_bridge(&format!("{said} {}", carol.id()))?;
    }
    // What is said holds at once, wherever it cannot be written yet.
    carol.sees_accepted(&carol.says(&alice, "never read")?)?;
    alice.asks_bridge(&format!("block {}", dora.id()))?;
    town.daemon.kill()?;
    town.daemon.start()?;
    town.daemon.wait()?;
    alice.asks_bridge(&format!("unblock {}", dora.id()))?;
    town.restart_xmpp()?;
    bob.comes_back()?;
    until("the list to be written", PATIENCE, || {
        let list = bob.block_list()?;
        Ok((list.contains(&carols) && !list.contains(&doras)).then_some(()))
    })?;
    nothing_else_arrives(&dora, &alice, "and we speak")?;
    Ok(())
}

fn two_sides_that_change_a_list_at_once_agree_in_the_end(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;
    let dora = town.partner_user("dora")?;
    town.introduces(&[&bob, &dora])?;
    let (address, last) = (bob.address_of(&carol)?, bob.address_of(&dora)?);
    for round in 0..6 {
        // His client says the one, and he tells the bridge the other, in the same moment.
        let client = || if round % 2 == 0 { bob.blocks(&address) } else { bob.unblocks(&address) };
        let told = if round % 2 == 0 { "remove" } else { "add" };
        std::thread::scope(|both| {
            let by_client = both.spawn(client);
            let by_word = town.daemon.asks(&["blocks", told, bob.id(), carol.id()]);
            by_word?;
            by_client.join().map_err(|_| anyhow::anyhow!("the client failed"))?
        })?;
        // No server tells of a change: a word that comes back, or his own, is the reason to look. The last
        // entry shows that the list was read with all that had been said before.
        carol.says(&bob, "Bob?")?;
        if round % 2 == 0 {
            bob.blocks(&last)?;
            dora.says(&bob, "Bob?")?;
        } else {
            bob.unblocks(&last)?;
            bob.asks_bridge("networks")?;
        }
        until("the list to be read", PATIENCE, || {
            let known = blocks_of(&town, &bob)?.contains(dora.id());
            Ok((known == (round % 2 == 0)).then_some(()))
        })?;
        until("nothing to be on its way", PATIENCE, || {
            Ok((town.daemon.asks(&["queue", "list"])?.trim() == "nothing waits").then_some(()))
        })?;
        let (listed, known) = (bob.block_list()?, blocks_of(&town, &bob)?);
        let agree = listed.contains(&address) == known.contains(carol.id());
        ensure!(agree, "round {round}: the list says {listed:?}, and the bridge {known}");
    }
    // And they agree on what is said last.
    bob.asks_bridge(&format!("unblock {}", carol.id()))?;
    until("the block to be over on both sides", PATIENCE, || {
        let listed = bob.block_list()?.contains(&address);
        Ok((!listed && !blocks_of(&town, &bob)?.contains(carol.id())).then_some(()))
    })?;
    carol.says(&bob, "we speak again")?;
    until("her word to arrive", PATIENCE, || {
        let heard = bob.everything_heard();
        Ok(heard.iter().any(|heard| heard.body == "we speak again").then_some(()))
    })
}
