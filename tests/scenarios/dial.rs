//! The partner's app has a server of its own: the daemon dials it, over TLS.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, dialling, until};
use serde_json::Value;

use crate::{nothing_else_arrives, programs, six, three};

const MESSAGES: usize = 50;

/// How many messages wait for the partner's app.
fn waiting(town: &Town) -> Result<usize> {
    let listed = town.daemon.asks(&["queue", "list", "--network", "birdychat", "--json"])?;
    Ok(serde_json::from_str::<Vec<Value>>(&listed)?.len())
}

#[test]
fn the_daemon_dials_the_partners_app() -> Result<()> {
    let mut town = Town::start_with(&programs()?, |config| {
        format!("{}\n[log]\nlevel = \"trace\"\n", dialling(config))
    })?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let body = format!("from {} to {}", from.id(), to.id());
        from.says(to, &body)?;
        to.hears(from, &body)?;
    }
    let id = carol.sends_sticker(&carol.address_of(&alice)?)?;
    carol.is_told(&id, "unsupported_kind:sticker")?;

    // Nobody is there: what is written waits.
    town.partner_app.is_killed()?;
    alice.floods(&alice.address_of(&carol)?, "from alice", MESSAGES)?;
    bob.floods(&bob.address_of(&carol)?, "from bob", MESSAGES)?;
    until("all of it to wait", PATIENCE, || Ok((waiting(&town)? == 2 * MESSAGES).then_some(())))?;
    town.start_partner_app()?;
    let carol = town.partner_user("carol")?;
    let mut expected = [(&alice as &dyn User, "from alice"), (&bob, "from bob")]
        .into_iter()
        .map(|(from, prefix)| Ok((carol.address_of(from)?, prefix, 1..=MESSAGES)))
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..2 * MESSAGES {
        let heard = carol.next_message(PATIENCE)?;
        let of = expected.iter_mut().find(|(from, _, _)| *from == heard.from);
        let next = of.and_then(|(_, prefix, left)| Some(format!("{prefix} {}", left.next()?)));
        ensure!(next.as_ref() == Some(&heard.body), "“{}”, not {next:?}", heard.body);
    }
    nothing_else_arrives(&alice, &carol, "that was all")?;
    nothing_else_arrives(&carol, &bob, "and back")?;

    // The daemon restarts, too, and finds its way again.
    town.daemon.kill()?;
    alice.says(&carol, "while no bridge is there")?;
    town.start_daemon()?;
    carol.hears(&alice, "while no bridge is there")?;
    nothing_else_arrives(&carol, &alice, "all is well")?;

    let doctor = town.daemon.asks(&["doctor"])?;
    let running = "well     networks.birdychat: the proofs are the daemon's business";
    ensure!(doctor.contains(running), "{doctor}");
    town.daemon.stop()?;
    let doctor = town.daemon.asks(&["doctor"])?;
    let proved = "well     networks.birdychat: the app proves that it is the partner's";
    ensure!(doctor.contains(proved) && doctor.contains("\n0 in trouble, "), "{doctor}");
    let log = town.daemon.log()?;
    for word in ["eyJ", "Bearer"].into_iter().chain(town.secrets().iter().map(String::as_str)) {
        ensure!(!log.contains(word), "a proof or a secret is in the log");
    }
    Ok(())
}
