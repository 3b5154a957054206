//! The daemon is killed in the middle of everything, ten times a direction.
//!
//! From Matrix and from partners nothing is lost, reordered or doubled. An XMPP component stream
//! has no acknowledgement: there, losses are counted and bounded; and towards XMPP one window may
//! come twice, under the same ids.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_servers::{Heard, Town, User, XmppSoftware, XmppUser, until};

use crate::{nothing_else_arrives, three, town, town_on};

// With ejabberd only these: an XMPP server meets the daemon's death in the component stream alone,
// which is the same whoever is at the other end, and a round with Matrix takes many times as long.
crate::with_each_xmpp_server! {
    from_the_partner_to_xmpp,
    from_xmpp_to_the_partner,
}

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

fn from_the_partner_to_xmpp(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    killed_in_the_middle(&mut town, &carol, &bob)
}

#[test]
fn from_xmpp_to_matrix() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, _) = three(&town)?;
    killed_in_the_middle_of_xmpp(&mut town, &bob, &alice)
}

fn from_xmpp_to_the_partner(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    killed_in_the_middle_of_xmpp(&mut town, &bob, &carol)
}

/// The senders' network repeats what was not acknowledged: everything arrives.
fn killed_in_the_middle(town: &mut Town, from: &dyn User, to: &dyn User) -> Result<()> {
    nothing_else_arrives(from, to, "we begin")?;
    let mut heard = Vec::new();
    for round in 1..=ROUNDS {
        let prefix = prefix(round);
        from.floods(&from.address_of(to)?, &prefix, MESSAGES)?;
        listen_and_kill(town, to, &mut heard, round)?;
        town.start_daemon()?;
        listen_until(to, &mut heard, |heard| heard.body == format!("{prefix} {MESSAGES}"))?;
        let arrived = once_each(to, &heard, &prefix)?;
        let expected: Vec<_> = (1..=MESSAGES).map(|n| format!("{prefix} {n}")).collect();
        ensure!(arrived == expected, "round {round}: {}", difference(&expected, &arrived));
    }
    nothing_else_but_repeats(from, to, &mut heard)?;
    for round in 1..=ROUNDS {
        once_each(to, &heard, &prefix(round))?;
    }
    Ok(())
}

/// What the server had written to the daemon is gone, or was bounced: both are counted.
fn killed_in_the_middle_of_xmpp(town: &mut Town, from: &XmppUser, to: &dyn User) -> Result<()> {
    nothing_else_arrives(from, to, "we begin")?;
    let mut heard = Vec::new();
    for round in 1..=ROUNDS {
        let prefix = prefix(round);
        from.floods(&from.address_of(to)?, &prefix, MESSAGES)?;
        listen_and_kill(town, to, &mut heard, round)?;
        // Some are written while nobody is there.
        let some = (from.has_written(&prefix) + 20).min(MESSAGES);
        until("some messages to be written meanwhile", PATIENCE, || {
            Ok((from.has_written(&prefix) >= some).then_some(()))
        })?;
        town.start_daemon()?;
        until("the end of the flood", PATIENCE, || {
            Ok((from.has_written(&prefix) == MESSAGES).then_some(()))
        })?;
        // Behind the flood, in order: when this is heard, all that arrives has arrived.
        let end = format!("the end of round {round}");
        from.says(to, &end)?;
        listen_until(to, &mut heard, |heard| heard.body == end)?;
    }
    nothing_else_but_repeats(from, to, &mut heard)?;

    let bounced: HashSet<_> = from.everything_failed().into_iter().map(|told| told.of).collect();
    for round in 1..=ROUNDS {
        let prefix = prefix(round);
        let heard = once_each(to, &heard, &prefix)?;
        let written = from.written(&prefix);
        let arrived: HashSet<_> = heard.iter().collect();
        let in_order: Vec<_> = written
            .iter()
            .map(|(_, body)| body.clone())
            .filter(|body| arrived.contains(body))
            .collect();
        ensure!(heard == in_order, "round {round}: {}", difference(&in_order, &heard));
        let failed: Vec<_> = written.iter().filter(|(id, _)| bounced.contains(id)).collect();
        ensure!(
            failed.iter().all(|(_, body)| !arrived.contains(body)),
            "round {round}: a message bounced, and arrived"
        );
        let lost = MESSAGES - heard.len() - failed.len();
        println!("round {round}: {} arrived, {} bounced, {lost} lost", heard.len(), failed.len());
        ensure!(lost <= WINDOW, "round {round}: {lost} were lost without a word");
    }
    Ok(())
}

fn prefix(round: usize) -> String {
    format!("round {round} message")
}

/// Kills the daemon at an instant that is another one in each round.
fn listen_and_kill(
    town: &mut Town,
    to: &dyn User,
    heard: &mut Vec<Heard>,
    round: usize,
) -> Result<()> {
    let start = format!("{} ", prefix(round));
    let instant = 1 + (round - 1) * 40;
    let mut count = 0;
    listen_until(to, heard, |heard| {
        count += usize::from(heard.body.starts_with(&start));
        count == instant
    })?;
    town.daemon.kill()
}

fn listen_until(
    to: &dyn User,
    heard: &mut Vec<Heard>,
    mut is_it: impl FnMut(&Heard) -> bool,
) -> Result<()> {
    loop {
        heard.push(to.next_message(PATIENCE)?);
        if heard.last().is_some_and(&mut is_it) {
            return Ok(());
        }
    }
}

/// The last word: a window that comes twice may still be under way before it.
fn nothing_else_but_repeats(from: &dyn User, to: &dyn User, heard: &mut Vec<Heard>) -> Result<()> {
    from.says(to, "the last word")?;
    listen_until(to, heard, |heard| heard.body == "the last word")
}

/// What was heard of one round. On XMPP a window may come twice, with the same ids: that is told
/// by the ids, and taken out. Nothing else may.
pub(crate) fn once_each(to: &dyn User, heard: &[Heard], prefix: &str) -> Result<Vec<String>> {
    let start = format!("{prefix} ");
    let heard: Vec<_> = heard.iter().filter(|heard| heard.body.starts_with(&start)).collect();
    let mut ids = HashSet::new();
    let once: Vec<_> = heard.iter().filter(|heard| ids.insert(&heard.id)).collect();
    let repeated = heard.len() - once.len();
    let allowed = if to.network() == "xmpp" { WINDOW } else { 0 };
    ensure!(repeated <= allowed, "{repeated} came again with the same id, {allowed} may");
    if repeated > 0 {
        println!("{prefix}: {repeated} came again with the same ids");
    }
    Ok(once.into_iter().map(|heard| heard.body.clone()).collect())
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
