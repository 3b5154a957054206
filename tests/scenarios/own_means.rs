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
    a_block_of_the_whole_bridge_switches_all_off
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
