//! What people do in a Matrix client of their own, without a word to the bridge: they answer
//! invites, and ignore users.

use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, until};

use crate::{nothing_else_arrives, programs, three, three_strangers, town};

/// A town whose bridge may speak as every user of the homeserver.
pub(crate) fn town_with_puppets() -> Result<Town> {
    const FILE: &str = "registration_file = \"registration.yaml\"\n";
    let puppets = format!("{FILE}puppet_registration_file = \"synapse/puppets.yaml\"\n");
    Town::start_with(&programs()?, |config| {
        config.replace(FILE, &puppets) + "\n[log]\nlevel = \"trace\"\n"
    })
}

#[test]
fn a_request_is_an_invite() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three_strangers(&town)?;
    alice.asks_bridge("enable birdychat")?;
    alice.holds_invites()?;
    let ghost = alice.address_of(&carol)?;
    let first = carol.says(&alice, "Hi, it is Carol.")?;
    carol.sees_held(&first)?;
    ensure!(alice.is_invited()? == ghost);
    let asked = alice.hears_bridge()?;
    ensure!(asked.contains("Hi, it is Carol.") && asked.contains(carol.id()), "{asked}");
    ensure!(alice.everything_heard().is_empty(), "heard before she accepted");
    let second = carol.says(&alice, "Are you there?")?;
    carol.sees_held(&second)?;
    alice.accepts_invite(&ghost)?;
    alice.hears(&carol, "Hi, it is Carol.")?;
    alice.hears(&carol, "Are you there?")?;
    nothing_else_arrives(&alice, &carol, "we know each other")?;

    // Whoever turns the invite away is not asked again, and nobody is told.
    bob.asks_bridge("enable birdychat")?;
    let dave = town.matrix_user("dave")?;
    dave.asks_bridge("enable birdychat")?;
    dave.holds_invites()?;
    let held = carol.says(&dave, "And you?")?;
    carol.sees_held(&held)?;
    ensure!(dave.is_invited()? == dave.address_of(&carol)?);
    dave.hears_bridge()?;
    dave.declines_invite(&ghost)?;
    let none = || Ok(dave.asks_bridge("requests")?.contains("Nobody").then_some(()));
    until("the request to be over", PATIENCE, none)?;
    ensure!(carol.everything_failed().is_empty(), "{:?}", carol.everything_failed());
    Ok(())
}

#[test]
fn whom_a_client_ignores_is_blocked_and_the_other_way_round() -> Result<()> {
    let mut town = town_with_puppets()?;
    let (alice, bob, carol) = three(&town)?;
    for other in [&bob as &dyn User, &carol] {
        nothing_else_arrives(&alice, other, "we know each other")?;
    }
    let blocks = |town: &Town, other: &dyn User, within: Duration, blocked: bool| {
        until("the block to hold, or not", within, || {
            let listed = town.daemon.asks(&["blocks", "list", "--owner", alice.id()])?;
            Ok((listed.contains(other.id()) == blocked).then_some(()))
        })
    };
    let ghost = alice.address_of(&bob)?;
    // The first list that comes shows that hers is watched.
    alice.ignores(&ghost)?;
    blocks(&town, &bob, PATIENCE, true)?;
    alice.unignores(&ghost)?;
    blocks(&town, &bob, Duration::from_secs(2), false)?;
    alice.ignores(&ghost)?;
    blocks(&town, &bob, Duration::from_secs(2), true)?;
    bob.says(&alice, "never read")?;

    // By a word to the bridge it is on the list in her client.
    let carols = alice.address_of(&carol)?;
    alice.asks_bridge(&format!("block {}", carol.id()))?;
    alice.sees_ignored(&carols, true)?;
    ensure!(alice.ignored()?.contains(&ghost), "the other entry is gone");

    // What she changes while the daemon is dead is found when it is back.
    town.daemon.kill()?;
    alice.unignores(&ghost)?;
    town.start_daemon()?;
    blocks(&town, &bob, PATIENCE, false)?;
    blocks(&town, &carol, PATIENCE, true)?;
    alice.asks_bridge(&format!("unblock {}", carol.id()))?;
    let gone = || Ok((!alice.ignored()?.contains(&carols)).then_some(()));
    until("the entry to be taken away", PATIENCE, gone)?;
    for other in [&bob as &dyn User, &carol] {
        nothing_else_arrives(other, &alice, "we speak again")?;
    }
    let log = town.daemon.log()?;
    ensure!(log.contains("TRACE") || log.contains("DEBUG"), "this is no log at trace");
    ensure!(!town.secrets().iter().any(|secret| log.contains(secret)), "a secret is in the log");
    Ok(())
}
