//! Everything is restarted now and then.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, XmppSoftware, until};

use crate::crash::once_each;
use crate::{nothing_else_arrives, six, three, town, town_on};

// Where the XMPP server restarts, Bob is away until it has everything. For what comes in the moment
// of a login is between the server and its user: ejabberd 23.01, without a bridge, puts it in among
// what it had stored, and now and then loses one. Its `mod_offline` takes the store out after the
// session is there, sends it to itself behind what has come since, and does not lock out a message
// that is just being stored.
crate::with_each_xmpp_server! {
    the_daemon_stops_under_traffic,
    the_xmpp_server_restarts_meanwhile,
    the_xmpp_server_restarts_in_the_middle,
    a_message_that_waits_is_said_to_wait,
}

const MESSAGES: usize = 300;

fn bodies(to: &dyn User, prefix: &str) -> Vec<String> {
    let start = format!("{prefix} ");
    let heard = to.everything_heard().into_iter().map(|heard| heard.body);
    heard.filter(|body| body.starts_with(&start)).collect()
}

fn all(prefix: &str) -> Vec<String> {
    (1..=MESSAGES).map(|number| format!("{prefix} {number}")).collect()
}

/// Waits as long as more and more arrives.
fn waits_for_all(to: &dyn User, prefix: &str) -> Result<()> {
    let mut count = 0;
    while count < MESSAGES {
        count = until("the next message", PATIENCE, || {
            let now = bodies(to, prefix).len();
            Ok((now > count).then_some(now))
        })
        .map_err(|error| error.context(format!("{count} of {prefix}")))?;
    }
    ensure!(bodies(to, prefix) == all(prefix), "{prefix}: lost, reordered or doubled");
    Ok(())
}

/// Waits until this was heard, whatever else was.
fn waits_for(to: &dyn User, body: &str) -> Result<()> {
    until(body, PATIENCE, || {
        Ok(to.everything_heard().iter().any(|heard| heard.body == body).then_some(()))
    })
}

fn the_daemon_stops_under_traffic(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    for (from, to) in six(people) {
        nothing_else_arrives(from, to, "we begin")?;
    }

    alice.floods(&alice.address_of(&carol)?, "from alice", MESSAGES)?;
    carol.floods(&carol.address_of(&alice)?, "from carol", MESSAGES)?;
    bob.floods(&bob.address_of(&carol)?, "from bob", MESSAGES)?;
    until("the middle of it", PATIENCE, || {
        let middle = bodies(&carol, "from alice").len() > 5 && bodies(&carol, "from bob").len() > 5;
        Ok(middle.then_some(()))
    })?;
    town.daemon.stop()?;

    // Nobody is there: Bob's server says so, Alice's and Carol's keep what they wrote.
    let bounced = bob.says(&alice, "Alice, is nobody there?")?;
    until("Bob's bounce", PATIENCE, || {
        Ok(bob.everything_failed().iter().any(|told| told.of == bounced).then_some(()))
    })?;
    alice.says(&bob, "Bob, I write while nobody is there.")?;
    carol.says(&bob, "Bob, so do I.")?;
    town.start_daemon()?;

    waits_for_all(&carol, "from alice")?;
    waits_for_all(&alice, "from carol")?;
    let mut heard = HashSet::new();
    heard.insert(bob.next_message(PATIENCE)?.body);
    heard.insert(bob.next_message(PATIENCE)?.body);
    ensure!(heard.contains("Bob, I write while nobody is there."), "{heard:?}");
    ensure!(heard.contains("Bob, so do I."), "{heard:?}");

    // In order: when this is heard, all of Bob's that crosses has crossed.
    until("the end of Bob's flood", PATIENCE, || {
        Ok((bob.has_written("from bob") == MESSAGES).then_some(()))
    })?;
    bob.says(&carol, "That was it.")?;
    waits_for(&carol, "That was it.")?;
    let failed: HashSet<_> = bob.everything_failed().into_iter().map(|told| told.of).collect();
    let expected: Vec<_> = bob
        .written("from bob")
        .into_iter()
        .filter(|(id, _)| !failed.contains(id))
        .map(|(_, body)| body)
        .collect();
    let arrived = bodies(&carol, "from bob");
    ensure!(
        arrived == expected,
        "{} of Bob's arrived, and {} were not bounced",
        arrived.len(),
        expected.len()
    );
    Ok(())
}

#[test]
fn the_homeserver_restarts_meanwhile() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, carol) = three(&town)?;
    nothing_else_arrives(&bob, &alice, "we begin")?;
    nothing_else_arrives(&carol, &alice, "we begin")?;

    carol.floods(&carol.address_of(&alice)?, "from carol", MESSAGES)?;
    bob.floods(&bob.address_of(&alice)?, "from bob", MESSAGES)?;
    until("the middle of it", PATIENCE, || {
        Ok((bodies(&alice, "from carol").len() > 20).then_some(()))
    })?;
    town.restart_synapse()?;
    waits_for_all(&alice, "from carol")?;
    waits_for_all(&alice, "from bob")?;

    alice.says(&bob, "And back?")?;
    bob.hears(&alice, "And back?")?;
    Ok(())
}

fn the_xmpp_server_restarts_meanwhile(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    nothing_else_arrives(&alice, &bob, "we begin")?;
    nothing_else_arrives(&carol, &bob, "we begin")?;

    bob.goes_away()?;
    town.xmpp.stop()?;
    carol.floods(&carol.address_of(&bob)?, "from carol", MESSAGES)?;
    alice.floods(&alice.address_of(&bob)?, "from alice", MESSAGES)?;
    town.xmpp.start()?;
    town.xmpp.wait()?;
    bob.comes_back()?;
    until("the end of Alice's flood", PATIENCE, || {
        Ok((alice.has_written("from alice") == MESSAGES).then_some(()))
    })?;
    alice.says(&bob, "That was it, from me.")?;
    let of_carol = carol.says(&bob, "That was it.")?;
    carol.sees_accepted(&of_carol)?;
    bob.returns()?;
    waits_for_all(&bob, "from carol")?;
    waits_for_all(&bob, "from alice")?;
    waits_for(&bob, "That was it, from me.")?;

    bob.says(&carol, "And back?")?;
    carol.hears(&bob, "And back?")?;
    carol.says(&bob, "The end.")?;
    waits_for(&bob, "The end.")?;
    ensure!(bob.everything_heard().len() == 2 * MESSAGES + 5, "something came twice");
    Ok(())
}

fn the_xmpp_server_restarts_in_the_middle(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;

    bob.goes_away()?;
    carol.floods(&carol.address_of(&bob)?, "from carol", MESSAGES)?;
    until("the middle of it", PATIENCE, || {
        Ok((town.partner_app.count("status") > 20).then_some(()))
    })?;
    let taken = town.partner_app.count("status");
    ensure!(taken < MESSAGES, "{taken} were taken: that is no middle");
    town.restart_xmpp()?;
    bob.comes_back()?;
    let last = carol.says(&bob, "That was it.")?;
    carol.sees_accepted(&last)?;
    bob.returns()?;
    carol.says(&bob, "The end.")?;
    waits_for(&bob, "The end.")?;
    let heard = once_each(&bob, &bob.everything_heard(), "from carol")?;
    ensure!(heard == all("from carol"), "{} of {MESSAGES}: lost or reordered", heard.len());
    Ok(())
}

fn a_message_that_waits_is_said_to_wait(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;

    bob.goes_away()?;
    town.xmpp.stop()?;
    let id = carol.says(&bob, "Bob?")?;
    town.partner_app.sees("status", |frame| frame["event"] == id && frame["state"] == "pending")?;
    town.restart_xmpp()?;
    carol.sees_accepted(&id)?;
    bob.comes_back()?;
    bob.returns()?;
    bob.hears(&carol, "Bob?")?;
    Ok(())
}
