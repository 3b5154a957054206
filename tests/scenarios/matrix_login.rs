//! A Matrix user gives the bridge a login of her own: what she ignores and mutes in her client holds
//! on all networks, and what she says to the bridge stands in her client.

use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_servers::{MatrixUser, PATIENCE, Town, User, until};

use crate::{nothing_else_arrives, programs, three};

const AT_ONCE: Duration = Duration::from_secs(2);

/// The block holds within this time, or ends.
fn blocks(
    town: &Town,
    owner: &dyn User,
    other: &dyn User,
    within: Duration,
    yes: bool,
) -> Result<()> {
    until("the block to hold, or not", within, || {
        let listed = town.daemon.asks(&["blocks", "list", "--owner", owner.id()])?;
        Ok((listed.contains(other.id()) == yes).then_some(()))
    })
}

/// The bridge knows within this time that the chat is muted, or not any more.
fn knows_muted(alice: &MatrixUser, other: &dyn User, yes: bool) -> Result<()> {
    until("the mute to be known, or its end", AT_ONCE, || {
        let who = alice.asks_bridge(&format!("who {}", other.id()))?;
        Ok((who.contains("The chat is muted") == yes).then_some(()))
    })
}

#[test]
fn her_own_login_keeps_her_client_and_the_bridge_in_step() -> Result<()> {
    let trace = |config: String| format!("{config}\n[log]\nlevel = \"trace\"\n");
    let mut town = Town::start_with(&programs()?, trace)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 2] = [&bob, &carol];
    for other in people {
        nothing_else_arrives(other, &alice, "we know each other")?;
    }
    // Bob is Carol's second account.
    let code = carol.asks_bridge("link")?;
    let code = code.rsplit(' ').next().unwrap_or_default();
    let linked = bob.asks_bridge(&format!("link {code}"))?;
    ensure!(linked.contains("one person's now"), "{linked}");

    alice.asks_bridge("help")?;
    let said = alice.writes("@drawbridge:hs.test", "login not-her-own")?;
    ensure!(alice.hears_bridge()?.contains("I try it"));
    let tried = alice.hears_bridge()?;
    ensure!(tried.contains("does not open your account"), "{tried}");
    alice.sees_taken_back(&said)?;
    alice.logs_in_to_bridge()?;

    let ghost = alice.address_of(&carol)?;
    // The first list that comes shows that hers is watched.
    alice.ignores(&ghost)?;
    blocks(&town, &alice, &carol, PATIENCE, true)?;
    alice.unignores(&ghost)?;
    blocks(&town, &alice, &carol, AT_ONCE, false)?;
    alice.ignores(&ghost)?;
    blocks(&town, &alice, &carol, AT_ONCE, true)?;
    for round in 1..=2 {
        carol.sees_accepted(&carol.says(&alice, &format!("never read, {round}"))?)?;
        bob.says(&alice, &format!("never read either, {round}"))?;
        if round == 1 {
            town.daemon.kill()?;
            town.start_daemon()?;
        }
    }
    nothing_else_arrives(&alice, &carol, "you hear me")?;
    nothing_else_arrives(&alice, &bob, "and so do you")?;
    alice.unignores(&ghost)?;
    blocks(&town, &alice, &carol, PATIENCE, false)?;
    for other in people {
        nothing_else_arrives(other, &alice, "we speak again")?;
        ensure!(other.everything_failed().is_empty(), "{:?}", other.everything_failed());
    }

    // By a word to the bridge it is on the list in her client.
    alice.asks_bridge(&format!("block {}", bob.id()))?;
    let bobs = alice.address_of(&bob)?;
    alice.sees_ignored(&bobs, true)?;
    alice.asks_bridge(&format!("unblock {}", bob.id()))?;
    alice.sees_ignored(&bobs, false)?;

    // What she mutes there is muted here, in both ways of clients, and the other way round.
    alice.mutes(&ghost)?;
    knows_muted(&alice, &carol, true)?;
    alice.unmutes(&ghost)?;
    knows_muted(&alice, &carol, false)?;
    alice.mutes_all(&ghost)?;
    knows_muted(&alice, &carol, true)?;
    alice.asks_bridge(&format!("unmute {}", carol.id()))?;
    alice.sees_muted(&ghost, false)?;
    alice.asks_bridge(&format!("mute {} 8h", carol.id()))?;
    alice.sees_muted(&ghost, true)?;
    nothing_else_arrives(&carol, &alice, "muted, and heard")?;
    town.daemon.kill()?;
    town.start_daemon()?;
    let who = alice.asks_bridge(&format!("who {}", carol.id()))?;
    ensure!(who.contains("The chat is muted (8h)"), "what the bridge wrote was news: {who}");
    alice.asks_bridge(&format!("unmute {}", carol.id()))?;
    alice.sees_muted(&ghost, false)?;

    // Whoever ignores the bridge itself wants nothing of it.
    alice.ignores("@drawbridge:hs.test")?;
    until("birdychat to be off for alice", PATIENCE, || {
        let known = town.daemon.asks(&["people", "export", alice.id()])?;
        let known: serde_json::Value = serde_json::from_str(&known)?;
        Ok(known["enabled"].as_array().is_some_and(Vec::is_empty).then_some(()))
    })?;
    let id = carol.says(&alice, "Alice, are you there?")?;
    carol.is_told(&id, "not_reachable")?;

    let log = town.daemon.log()?;
    ensure!(log.contains("TRACE") || log.contains("DEBUG"), "this is no log at trace");
    for secret in town.secrets().iter().map(String::as_str).chain([alice.token(), "not-her-own"]) {
        ensure!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}
