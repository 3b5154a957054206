//! A third-party network is admitted by the operator, and offered in stages.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, until};

use crate::{nothing_else_arrives, programs, three_strangers};

const ADMISSION: &str = "admission = ";

/// The configuration without the line by which the app is admitted, or with more in its place.
fn instead(config: &str, line: &str) -> String {
    let lines = config.lines().map(|known| if known.starts_with(ADMISSION) { line } else { known });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn an_app_that_is_not_admitted_reaches_nobody_and_is_offered_to_nobody() -> Result<()> {
    let town = Town::start_with(&programs()?, |config| instead(&config, ""))?;
    let (alice, bob, carol) = three_strangers(&town)?;
    for home in [&alice as &dyn User, &bob] {
        carol.is_told(&carol.says(home, "Hello?")?, "forbidden")?;
    }
    let told = bob.asks_bridge("enable birdychat")?;
    ensure!(told.starts_with("There is no network birdychat"), "{told}");
    let told = bob.asks_bridge("networks")?;
    ensure!(!told.contains("birdychat"), "{told}");
    bob.is_told(&bob.says(&carol, "Hello?")?, "not_reachable")?;
    nothing_else_arrives(&alice, &bob, "and we write as ever")?;
    let log = town.daemon.log()?;
    ensure!(log.contains("network inactive"), "{log}");
    Ok(())
}

#[test]
fn an_app_is_offered_in_stages() -> Result<()> {
    let admission = "admission = { conformance_report = \"birdychat.conformance.json\", \
                     minimum_posture = \"clear\" }";
    let first = format!("{admission}\navailable_to.domains = [\"p.test\"]");
    let town = Town::start_with(&programs()?, |config| instead(&config, &first))?;
    let (alice, bob, carol) = three_strangers(&town)?;
    let told = alice.asks_bridge("enable birdychat")?;
    ensure!(told.starts_with("There is no network birdychat"), "{told}");
    carol.is_told(&carol.says(&alice, "Hello?")?, "not_reachable")?;
    let told = bob.asks_bridge("enable birdychat")?;
    ensure!(told.starts_with("birdychat is on"), "{told}");
    nothing_else_arrives(&bob, &carol, "hello")?;
    nothing_else_arrives(&carol, &bob, "hello, Bob")?;

    // The next stage is Alice's, and no longer Bob's: for him it is as if it were off.
    let next = format!("{admission}\navailable_to.users = [\"{}\"]", alice.id());
    town.changes_configuration(|config| config.replace(&first, &next))?;
    until("the reload to be in force", PATIENCE, || {
        let told = alice.asks_bridge("enable birdychat")?;
        Ok(told.starts_with("birdychat is on").then_some(()))
    })?;
    carol.is_told(&carol.says(&bob, "still there?")?, "not_reachable")?;
    carol.sees_held(&carol.says(&alice, "Hello, Alice?")?)?;

    // A minimum that nothing meets.
    let high = next.replace("\"clear\"", "\"bridged\"");
    town.changes_configuration(|config| config.replace(&next, &high))?;
    until("the minimum to be in force", PATIENCE, || {
        let id = alice.says(&carol, "hello")?;
        let told = alice.next_failure(std::time::Duration::from_secs(1));
        Ok(told.ok().filter(|told| told.of == id && told.code == "e2ee_required").map(|_| ()))
    })?;
    Ok(())
}
