//! The example partner app in Python, which was written from docs/partner-protocol.md.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, until};
use serde_json::json;

use crate::blocks::swallowed;
use crate::{nothing_else_arrives, town};

#[test]
fn the_python_client_talks_with_everybody() -> Result<()> {
    let town = town()?;
    let (alice, bob) = (town.matrix_user("alice")?, town.xmpp_user("bob")?);
    let carol = town.python_user("carol")?;
    town.introduces(&[&alice, &bob, &carol])?;

    bob.says(&carol, "Do you speak Python?")?;
    carol.hears(&bob, "Do you speak Python?")?;
    let id = carol.says(&bob, "In a hundred lines. “Quotes”, \n line ends, 🐍.")?;
    bob.hears(&carol, "In a hundred lines. “Quotes”, \n line ends, 🐍.")?;
    carol.sees_accepted(&id)?;
    carol.says(&alice, "And you, Alice?")?;
    alice.hears(&carol, "And you, Alice?")?;
    alice.says(&carol, "I read it.")?;
    carol.hears(&alice, "I read it.")?;

    let sticker = carol.sends_sticker(&carol.address_of(&bob)?)?;
    carol.is_told(&sticker, "unsupported_kind:sticker")?;
    let timer = carol.sends_disappearing(&carol.address_of(&bob)?, "Gone in a minute.")?;
    carol.is_told(&timer, "unsupported_kind:disappearing")?;
    carol.says(&bob, "Nothing before this.")?;
    bob.hears(&carol, "Nothing before this.")?;
    Ok(())
}

#[test]
fn the_python_clients_user_decides_by_commands_and_by_gestures() -> Result<()> {
    let town = town()?;
    let bob = town.xmpp_user("bob")?;
    let carol = town.python_user("carol")?;
    town.introduces(&[&bob, &carol])?;
    ensure!(carol.asks_bridge("help")?.contains("unblock"), "the help does not help");

    carol.wants("mute", &bob, json!({"for": "1w"}))?;
    let who = carol.asks_bridge(&format!("who {}", bob.id()))?;
    ensure!(who.contains("muted (1w)"), "{who}");
    bob.says(&carol, "hush")?;
    ensure!(carol.is_silent(&carol.hears(&bob, "hush")?), "it rang");
    carol.asks_bridge(&format!("unmute {}", bob.id()))?;
    bob.says(&carol, "hello")?;
    ensure!(!carol.is_silent(&carol.hears(&bob, "hello")?), "it did not ring");

    carol.wants("block", &bob, json!({}))?;
    bob.says(&carol, "never read")?;
    until("it to be swallowed", PATIENCE, || Ok((swallowed(&town)? == 1).then_some(())))?;
    ensure!(carol.asks_bridge("blocks")?.contains(bob.id()));
    carol.wants("unblock", &bob, json!({}))?;
    nothing_else_arrives(&bob, &carol, "now I am heard")
}

#[test]
fn the_python_client_goes_on_where_it_was() -> Result<()> {
    let mut town = town()?;
    let bob = town.xmpp_user("bob")?;
    let carol = town.python_user("carol")?;
    town.introduces(&[&bob, &carol])?;
    bob.says(&carol, "before")?;
    carol.hears(&bob, "before")?;

    // The client dies: what comes meanwhile waits, and what it showed is not shown again.
    carol.is_killed();
    bob.says(&carol, "while you were away")?;
    carol.starts()?;
    carol.hears(&bob, "while you were away")?;

    // The bridge dies: what is written meanwhile waits with the client, in order.
    town.daemon.kill()?;
    let mut last = String::new();
    for number in 1..=300 {
        last = carol.says(&bob, &format!("while the bridge was away {number}"))?;
    }
    town.start_daemon()?;
    for number in 1..=300 {
        bob.hears(&carol, &format!("while the bridge was away {number}"))?;
    }
    // Until then a kill may repeat them: an XMPP component has no acknowledgement.
    carol.sees_accepted(&last)?;

    // Both die, with messages in the client's state that the bridge has not seen.
    town.daemon.kill()?;
    carol.says(&bob, "kept by nobody but me")?;
    carol.is_killed();
    town.start_daemon()?;
    carol.starts()?;
    bob.hears(&carol, "kept by nobody but me")?;
    carol.says(&bob, "once")?;
    bob.hears(&carol, "once")?;
    bob.says(&carol, "and once")?;
    let heard = carol.next_message(PATIENCE)?;
    ensure!(heard.body == "and once", "shown again: {heard:?}");
    Ok(())
}

#[test]
fn the_python_client_has_at_most_a_hundred_lines() {
    let client = include_str!("../../examples/partner-python/client.py");
    assert!(client.lines().count() <= 100, "{} lines", client.lines().count());
    assert!(client.lines().all(|line| line.chars().count() <= 100), "a line is very long");
}
