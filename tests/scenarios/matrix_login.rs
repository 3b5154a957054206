//! A Matrix user gives the bridge a login of her own: what she ignores and mutes in her client holds
//! on all networks, and what she says to the bridge stands in her client.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use chrono::DateTime;
use drawbridge_servers::{MatrixUser, PATIENCE, Town, User, until};
use serde_json::Value;

use crate::{nothing_else_arrives, programs, three};

/// How long after the homeserver has taken a change in her client it holds in the bridge.
const AT_ONCE: i64 = 2_000;

/// The block holds, or is over.
fn blocks(town: &Town, owner: &dyn User, other: &dyn User, yes: bool) -> Result<()> {
    until("the block to hold, or not", PATIENCE, || {
        let listed = town.daemon.asks(&["blocks", "list", "--owner", owner.id()])?;
        Ok((listed.contains(other.id()) == yes).then_some(()))
    })
}

fn knows_muted(alice: &MatrixUser, other: &dyn User, yes: bool) -> Result<()> {
    let who = alice.asks_bridge(&format!("who {}", other.id()))?;
    ensure!(who.contains("The chat is muted") == yes, "{who}");
    Ok(())
}

/// When an event was logged: milliseconds since 1970, each time.
fn times_of(town: &Town, event: &str) -> Result<Vec<i64>> {
    let log = town.daemon.log()?;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = lines.filter(|line| line["event"] == event);
    let time = |line: Value| {
        let text = line["timestamp"].as_str().context("a line without a time")?;
        Ok(DateTime::parse_from_rfc3339(text)?.timestamp_millis())
    };
    lines.map(time).collect()
}

/// She does it in her client, and by its own log the bridge has carried it out at once.
fn at_once(town: &Town, event: &str, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = times_of(town, event)?.len();
    act()?;
    let taken = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let held = until(event, PATIENCE, || Ok(times_of(town, event)?.get(before).copied()))?;
    ensure!(held - taken <= AT_ONCE, "{event} came after {} ms", held - taken);
    Ok(())
}

#[test]
fn her_own_login_keeps_her_client_and_the_bridge_in_step() -> Result<()> {
    let trace = |config: String| format!("{config}\n[log]\nlevel = \"trace\"\nformat = \"json\"\n");
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
    blocks(&town, &alice, &carol, true)?;
    at_once(&town, "block_lifted", || alice.unignores(&ghost))?;
    blocks(&town, &alice, &carol, false)?;
    at_once(&town, "block_set", || alice.ignores(&ghost))?;
    blocks(&town, &alice, &carol, true)?;
    for round in 1..=2 {
        carol.sees_accepted(&carol.says(&alice, &format!("never read, {round}"))?)?;
        bob.says(&alice, &format!("never read either, {round}"))?;
        if round == 1 {
            // Answered, so what he said before has come: what has not, his server gives back to him.
            bob.asks_bridge("help")?;
            town.daemon.kill()?;
            town.start_daemon()?;
        }
    }
    nothing_else_arrives(&alice, &carol, "you hear me")?;
    nothing_else_arrives(&alice, &bob, "and so do you")?;
    alice.unignores(&ghost)?;
    blocks(&town, &alice, &carol, false)?;
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
    at_once(&town, "chat_muted", || alice.mutes(&ghost))?;
    knows_muted(&alice, &carol, true)?;
    at_once(&town, "chat_unmuted", || alice.unmutes(&ghost))?;
    knows_muted(&alice, &carol, false)?;
    at_once(&town, "chat_muted", || alice.mutes_all(&ghost))?;
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
