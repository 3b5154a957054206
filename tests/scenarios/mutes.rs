//! Chats that make no noise, by a partner's app and by commands, and who ends it: the user, or time.

use anyhow::{Context, Result, ensure};
use drawbridge_servers::{PartnerUser, Town, User};
use serde_json::{Value, json};

use crate::{nothing_else_arrives, three, town};

/// Whether a message of this user comes silently; that it comes is part of it.
fn comes_silently(carol: &PartnerUser, from: &dyn User, body: &str) -> Result<bool> {
    from.says(carol, body)?;
    Ok(carol.is_silent(&carol.hears(from, body)?))
}

#[test]
fn a_chat_muted_in_the_app_is_silent_and_whole() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let who = || carol.asks_bridge(&format!("who {}", alice.id()));
    ensure!(!comes_silently(&carol, &alice, "good morning")?, "silent before it was muted");

    carol.mutes(&alice, "8h")?;
    ensure!(who()?.contains("muted (8h)"), "{}", who()?);
    ensure!(comes_silently(&carol, &alice, "hush")?, "it rang");
    ensure!(!comes_silently(&carol, &bob, "not I")?, "another chat is silent too");
    nothing_else_arrives(&carol, &alice, "and back")?;

    // Longer, by a command; and what is no length at all.
    let muted = carol.asks_bridge(&format!("mute {} always", alice.id()))?;
    ensure!(muted.contains("makes no noise") && muted.contains("unmute"), "{muted}");
    ensure!(carol.sees_muted(&alice)? == "always");
    let wrong = carol.asks_bridge(&format!("mute {} 9h", alice.id()))?;
    ensure!(["8h", "1w", "1y", "always"].iter().all(|one| wrong.contains(one)), "{wrong}");
    town.partner_app.sends(&json!({"type": "mute", "id": "nine", "from": "carol", "for": "9h",
                                   "other": carol.address_of(&alice)?}))?;
    let error = town.partner_app.sees("error", |frame| frame["about"] == "nine")?;
    ensure!(error["where"] == "for", "{error}");
    ensure!(error["message"].as_str().is_some_and(|words| words.contains("8h, 1w, 1y")), "{error}");

    carol.unmutes(&alice)?;
    ensure!(!who()?.contains("muted"), "{}", who()?);
    ensure!(!comes_silently(&carol, &alice, "can you hear me?")?, "it did not ring");
    // The app is told what it does not know: the command's.
    let told = [town.partner_app.count("mute"), town.partner_app.count("unmute")];
    ensure!(told == [1, 0], "{told:?}");
    ensure!(alice.everything_failed().is_empty(), "alice was told");
    Ok(())
}

#[test]
fn a_mute_by_one_account_shows_in_the_app_of_the_other() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let code = bob.asks_bridge("link")?;
    carol.asks_bridge(&format!("link {}", code.rsplit(' ').next().unwrap_or_default()))?;
    ensure!(bob.hears_bridge()?.contains("has said your code"));
    nothing_else_arrives(&alice, &carol, "we begin")?;

    bob.asks_bridge(&format!("mute {} 1y", alice.id()))?;
    ensure!(carol.sees_muted(&alice)? == "1y");
    ensure!(comes_silently(&carol, &alice, "hush")?, "it rang");
    town.daemon.kill()?;
    town.start_daemon()?;
    ensure!(comes_silently(&carol, &alice, "hush, hush")?, "a kill ended it");
    let unmuted = bob.asks_bridge(&format!("unmute {}", alice.id()))?;
    ensure!(unmuted.contains("makes noise again"), "{unmuted}");
    carol.sees_unmuted(&alice)?;
    ensure!(!comes_silently(&carol, &alice, "hello")?, "it did not ring");
    // One word each way: nothing was told twice.
    ensure!(town.partner_app.count("mute") == 1 && town.partner_app.count("unmute") == 1);
    Ok(())
}

#[test]
fn no_jump_of_the_clock_ends_a_mute_and_nine_hours_do() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, carol) = three(&town)?;
    town.daemon.stop()?;
    town.daemon.has_own_clock()?;
    town.start_daemon()?;
    carol.mutes(&alice, "8h")?;
    ensure!(comes_silently(&carol, &alice, "hush")?, "it rang");

    // A code of ten minutes shows that the daemon sees the jump.
    let code = alice.asks_bridge("link")?;
    town.daemon.sets_clock("+9h")?;
    let late =
        carol.asks_bridge(&format!("link {}", code.rsplit(' ').next().unwrap_or_default()))?;
    ensure!(late.contains("too old"), "the clock did not jump: {late}");
    // What waits for ten seconds is found by the same look at the clock as what is over.
    town.xmpp.stop()?;
    let waits = carol.says(&bob, "Are you there?")?;
    let pending = |frame: &Value| frame["event"] == waits && frame["state"] == "pending";
    town.partner_app.sees("status", pending)?;
    town.xmpp.start()?;
    town.xmpp.wait()?;
    bob.returns()?;
    bob.hears(&carol, "Are you there?")?;
    ensure!(comes_silently(&carol, &alice, "hush, hush")?, "the jump ended it");

    town.daemon.sets_clock("+0")?;
    town.daemon.stop()?;
    town.start_daemon()?;
    ensure!(comes_silently(&carol, &alice, "hush, hush, hush")?, "the jump back ended it");
    ensure!(town.partner_app.count("unmute") == 0, "the app was told that it is over");

    town.daemon.stop()?;
    nine_hours_off(&town)?;
    town.start_daemon()?;
    carol.sees_unmuted(&alice)?;
    ensure!(!comes_silently(&carol, &alice, "good evening")?, "it did not ring");
    let who = carol.asks_bridge(&format!("who {}", alice.id()))?;
    ensure!(!who.contains("muted"), "{who}");
    Ok(())
}

/// Makes what the daemon has kept of its own clock look as if the machine had been off since then,
/// for nine hours: another start of it, and a clock that stood nine hours earlier.
fn nine_hours_off(town: &Town) -> Result<()> {
    let store = rusqlite::Connection::open(town.folder().join("data/drawbridge.sqlite3"))?;
    let kept: String =
        store.query_row("SELECT value FROM meta WHERE key = 'own_clock'", [], |row| row.get(0))?;
    let mut kept: Value = serde_json::from_str(&kept)?;
    let wall = kept["machine"]["wall"].as_i64().context("the clock's time")?;
    kept["machine"]["wall"] = json!(wall - 9 * 3600 * 1000);
    ensure!(kept["machine"]["since_start"][0].is_string(), "{kept}");
    kept["machine"]["since_start"][0] = json!("the start before");
    let changed =
        store.execute("UPDATE meta SET value = ? WHERE key = 'own_clock'", [kept.to_string()])?;
    ensure!(changed == 1);
    Ok(())
}
