//! What those who run a homeserver get of reports.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, until};

use crate::{nothing_else_arrives, three, town};

#[test]
fn the_picked_messages_are_reported_to_the_homeserver() -> Result<()> {
    let town = town()?;
    let (alice, bob, _) = three(&town)?;
    let mut ids = Vec::new();
    for text in ["Good morning.", "Buy now!", "Buy two!"] {
        ids.push(alice.says(&bob, text)?);
        bob.hears(&alice, text)?;
    }
    let said = bob.asks_bridge(&format!("report {} spam 2", alice.id()))?;
    ensure!(said.contains("their last 2 messages"), "{said}");
    let reports = until("two reports", PATIENCE, || {
        let reports = town.synapse.reports()?;
        Ok((reports.len() >= 2).then_some(reports))
    })?;
    let picked: Vec<_> = reports.iter().map(|r| (r.of.as_str(), r.id.as_str())).collect();
    ensure!(picked == [("event", ids[1].as_str()), ("event", ids[2].as_str())], "{picked:?}");
    let ghost = alice.address_of(&bob)?;
    ensure!(reports.iter().all(|r| r.by == ghost && r.reason.contains("spam")), "{reports:?}");

    // Without a number the user is; and whom it is about hears nothing of it.
    bob.asks_bridge(&format!("report {} abuse", alice.id()))?;
    let reports = until("a third report", PATIENCE, || {
        let reports = town.synapse.reports()?;
        Ok((reports.len() >= 3).then_some(reports))
    })?;
    ensure!(reports.len() == 3 && reports[2].of == "user", "{reports:?}");
    ensure!(reports[2].id == alice.id().trim_start_matches("matrix:"), "{reports:?}");
    nothing_else_arrives(&bob, &alice, "we go on")?;
    nothing_else_arrives(&alice, &bob, "and so do I")?;
    ensure!(alice.notices().is_empty() && alice.everything_of_bridge().is_empty());
    Ok(())
}
