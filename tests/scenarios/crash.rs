//! The daemon is killed in the middle of everything, ten times a direction.
//!
//! From Matrix and from partners nothing is lost, reordered or doubled. An XMPP component stream
//! has no acknowledgement: there, losses are counted and bounded; and towards XMPP one window may
//! come twice, under the same ids.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_servers::{Heard, Town, User, XmppUser, until};

use crate::{nothing_else_arrives, three, town};

const ROUNDS: usize = 10;
const MESSAGES: usize = 500;
/// What may be under way to or from XMPP without an acknowledgement.
const WINDOW: usize = 64;
const PATIENCE: Duration = Duration::from_mins(3);

#[test]
fn from_matrix_to_xmpp() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, _) = three(&town)?;
    killed_in_the_middle(&mut town, &alice, &bob)
}

#[test]
fn from_matrix_to_the_partner() -> Result<()> {
    let mut town = town()?;
    let (alice, _, carol) = three(&town)?;
    killed_in_the_middle(&mut town, &alice, &carol)
}

#[test]
fn from_the_partner_to_matrix() -> Result<()> {
    let mut town = town()?;
    let (alice, _, carol) = three(&town)?;
    killed_in_the_middle(&mut town, &carol, &alice)
}

#[test]
fn from_the_partner_to_xmpp() -> Result<()> {
    let mut town = town()?;
    let (_, bob, carol) = three(&town)?;
    killed_in_the_middle(&mut town, &carol, &bob)
}

#[test]
fn from_xmpp_to_matrix() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, _) = three(&town)?;
    killed_in_the_middle_of_xmpp(&mut town, &bob, &alice)
}

#[test]
fn from_xmpp_to_the_partner() -> Result<()> {
    let mut town = town()?;
    let (_, bob, carol) = three(&town)?;
    killed_in_the_middle_of_xmpp(&mut town, &bob, &carol)
}

/// The senders' network repeats what was not acknowledged: everything arrives.
fn killed_in_the_middle(town: &mut Town, from: &dyn User, to: &dyn User) -> Result<()> {
    nothing_else_arrives(from, to, "we begin")?;
    for round in 1..=ROUNDS {
        let prefix = format!("round {round} message");
        from.floods(&from.address_of(to)?, &prefix, MESSAGES)?;
        kill_when(town, to, &prefix, round)?;
        town.start_daemon()?;
        let last = format!("{prefix} {MESSAGES}");
        until("the last message of the round", PATIENCE, || {
            Ok(to.everything_heard().iter().any(|heard| heard.body == last).then_some(()))
        })?;

        let heard = once_each(to, &prefix)?;
        let expected: Vec<_> = (1..=MESSAGES).map(|n| format!("{prefix} {n}")).collect();
        ensure!(heard == expected, "round {round}: {}", difference(&expected, &heard));
    }
    Ok(())
}

/// What the server had written to the daemon is gone, or was bounced: both are counted.
fn killed_in_the_middle_of_xmpp(town: &mut Town, from: &XmppUser, to: &dyn User) -> Result<()> {
    nothing_else_arrives(from, to, "we begin")?;
    let mut all_lost = 0;
    for round in 1..=ROUNDS {
        let prefix = format!("round {round} message");
        from.floods(&from.address_of(to)?, &prefix, MESSAGES)?;
        kill_when(town, to, &prefix, round)?;
        // Some are written while nobody is there.
        let now = from.has_written(&prefix);
        let enough = (now + 20).min(MESSAGES);
        until("some messages to be written meanwhile", PATIENCE, || {
            Ok((from.has_written(&prefix) >= enough).then_some(()))
        })?;
        town.start_daemon()?;
        until("the end of the flood", PATIENCE, || {
            Ok((from.has_written(&prefix) == MESSAGES).then_some(()))
        })?;
        // Behind the flood, in order: when this is heard, all that arrives has arrived.
        let end = format!("the end of round {round}");
        from.says(to, &end)?;
        until("the end of the round", PATIENCE, || {
            Ok(to.everything_heard().iter().any(|heard| heard.body == end).then_some(()))
        })?;

        let heard = once_each(to, &prefix)?;
        let written = from.written(&prefix);
        let bounced: HashSet<_> =
            from.everything_failed().into_iter().map(|told| told.of).collect();
        let arrived: HashSet<_> = heard.iter().cloned().collect();
        let in_order: Vec<_> = written
            .iter()
            .map(|(_, body)| body.clone())
            .filter(|body| arrived.contains(body))
            .collect();
        ensure!(heard == in_order, "round {round}: {}", difference(&in_order, &heard));
        let both =
            written.iter().filter(|(id, body)| bounced.contains(id) && arrived.contains(body));
        ensure!(both.count() == 0, "round {round}: a message bounced, and arrived");
        let bounces = written.iter().filter(|(id, _)| bounced.contains(id)).count();
        let lost = MESSAGES - heard.len() - bounces;
        println!("round {round}: {} arrived, {bounces} bounced, {lost} lost", heard.len());
        ensure!(lost <= WINDOW, "round {round}: {lost} were lost without a word");
        all_lost += lost;
    }
    println!("lost in {ROUNDS} kills: {all_lost}");
    Ok(())
}

/// Kills the daemon at an instant that is another one in each round.
fn kill_when(town: &mut Town, to: &dyn User, prefix: &str, round: usize) -> Result<()> {
    let instant = 1 + (round - 1) * 40;
    until("the instant to kill the daemon", PATIENCE, || {
        Ok((heard_of(to, prefix).len() >= instant).then_some(()))
    })?;
    town.daemon.kill()
}

fn heard_of(to: &dyn User, prefix: &str) -> Vec<Heard> {
    let start = format!("{prefix} ");
    to.everything_heard().into_iter().filter(|heard| heard.body.starts_with(&start)).collect()
}

/// What was heard. On XMPP a window may come twice, with the same ids: that is told by the ids,
/// and taken out. Nothing else may.
fn once_each(to: &dyn User, prefix: &str) -> Result<Vec<String>> {
    let heard = heard_of(to, prefix);
    let all = heard.len();
    let mut ids = HashSet::new();
    let once: Vec<_> = heard
        .into_iter()
        .filter(|heard| ids.insert(heard.id.clone()))
        .map(|heard| heard.body)
        .collect();
    let repeated = all - once.len();
    let allowed = if to.network() == "xmpp" { WINDOW } else { 0 };
    ensure!(repeated <= allowed, "{repeated} came again with the same id, {allowed} may");
    if repeated > 0 {
        println!("{prefix}: {repeated} came again with the same ids");
    }
    Ok(once)
}

fn difference(expected: &[String], heard: &[String]) -> String {
    let at = expected.iter().zip(heard).position(|(expected, heard)| expected != heard);
    let at = at.unwrap_or(expected.len().min(heard.len()));
    let around = |list: &[String]| {
        list.iter().skip(at.saturating_sub(1)).take(5).cloned().collect::<Vec<_>>()
    };
    format!(
        "{} expected, {} heard; from place {at} on {:?} were expected, {:?} heard",
        expected.len(),
        heard.len(),
        around(expected),
        around(heard)
    )
}
