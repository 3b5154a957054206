//! Whom somebody blocked does not reach them, and is told what everybody is told.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware, until};

use crate::{nothing_else_arrives, six, three, town_on};

crate::with_each_xmpp_server!(blocks_hold_in_every_direction);

/// How many messages the daemon has swallowed, by its log.
pub(crate) fn swallowed(town: &Town) -> Result<usize> {
    Ok(town.daemon.log()?.lines().filter(|line| line.contains("swallowed")).count())
}

fn rules(town: &Town, what: &str, owner: &dyn User, other: &dyn User) -> Result<String> {
    town.daemon.asks(&["blocks", what, owner.id(), other.id()])
}

fn blocks_hold_in_every_direction(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let ways = six([&alice, &bob, &carol]);
    // Bob's blocks are on his own server's list where it can be written, and then it lets nothing of
    // his through to whom he blocks.
    let lets_through =
        |from: &dyn User| software == XmppSoftware::Ejabberd || from.id() != bob.id();
    let open: Vec<_> = ways.iter().filter(|(from, _)| lets_through(*from)).collect();
    for (from, to) in &ways {
        nothing_else_arrives(*from, *to, "we know each other")?;
    }
    let late = "Bob, this waits.";
    town.xmpp.stop()?;
    carol.says(&bob, late)?;
    until("it to wait", PATIENCE, || {
        Ok(town.daemon.asks(&["queue", "list"])?.contains("text").then_some(()))
    })?;
    for (from, to) in &ways {
        let done = rules(&town, "add", *to, *from)?;
        ensure!(done == format!("{} hears no more of {}", to.id(), from.id()), "{done}");
    }
    town.restart_xmpp()?;
    bob.comes_back()?;
    until("what waited to be stopped", PATIENCE, || Ok((swallowed(&town)? == 1).then_some(())))?;
    for round in 1..=2 {
        let before = swallowed(&town)?;
        for (from, to) in &open {
            from.says(*to, &format!("never read, {round}"))?;
        }
        // The sender sees what is seen of a message that crossed.
        alice.says(&carol, "still never")?;
        carol.sees_accepted(&carol.says(&alice, "still never")?)?;
        let all = before + open.len() + 2;
        until("all to be swallowed", PATIENCE, || Ok((swallowed(&town)? == all).then_some(())))?;
        if round == 1 {
            town.daemon.kill()?;
            town.start_daemon()?;
        }
    }
    for user in [&alice as &dyn User, &bob, &carol] {
        ensure!(user.everything_failed().is_empty(), "{} was told of a failure", user.id());
    }
    let listed = town.daemon.asks(&["blocks", "list", "--owner", bob.id()])?;
    ensure!(listed.lines().count() == 2 && listed.contains(alice.id()), "{listed}");
    for (from, to) in &ways {
        rules(&town, "remove", *to, *from)?;
    }
    until("bob's own list to be empty", PATIENCE, || {
        Ok(bob.block_list()?.is_empty().then_some(()))
    })?;
    for (from, to) in &ways {
        nothing_else_arrives(*from, *to, "we speak again")?;
    }
    Ok(())
}
