//! Nobody is reached who did not switch the app on, strangers wait for a word, and each network has
//! its own way to give it.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, PartnerUser, User, XmppSoftware, until};

use crate::{nothing_else_arrives, three_strangers, town, town_on};

crate::with_each_xmpp_server!(
    a_stranger_waits_until_a_word,
    what_the_client_shows_is_a_word_too,
    the_same_commands_in_the_clients_menu,
);

/// Writes, and is told that it waits.
fn knocks(from: &PartnerUser, to: &dyn User, body: &str) -> Result<()> {
    from.sees_held(&from.says(to, body)?)
}

fn a_stranger_waits_until_a_word(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three_strangers(&town)?;
    // Off, unknown, and of no network: the same answer.
    let nobody = town.xmpp_user("nobody")?;
    for to in [&alice as &dyn User, &bob, &nobody] {
        carol.is_told(&carol.says(to, "Is anybody there?")?, "not_reachable")?;
    }
    carol.is_told(&carol.writes("xmpp:never-was@p.test", "And there?")?, "not_reachable")?;
    // Whose own switch it is, is told of it.
    let unsent = bob.says(&carol, "Hi, Carol.")?;
    bob.is_told(&unsent, "not_reachable")?;
    let told = bob.hears_bridge()?;
    ensure!(told.contains("Say enable birdychat"), "{told}");

    let told = bob.asks_bridge("Enable birdychat")?;
    ensure!(told.starts_with("birdychat is on."), "{told}");
    for number in 1..=5 {
        knocks(&carol, &bob, &format!("knock {number}"))?;
    }
    carol.is_told(&carol.says(&bob, "knock 6")?, "request_limit")?;
    let asked = bob.hears_bridge()?;
    ensure!(asked.contains("birdychat:carol") && asked.contains("“knock 1”"), "{asked}");
    town.daemon.kill()?;
    town.start_daemon()?;
    let listed = bob.asks_bridge("requests")?;
    ensure!(listed.contains("birdychat:carol") && listed.contains("5 messages"), "{listed}");
    let told = bob.asks_bridge("accept birdychat:carol")?;
    ensure!(told.contains("on its way"), "{told}");
    for number in 1..=5 {
        bob.hears(&carol, &format!("knock {number}"))?;
    }
    nothing_else_arrives(&carol, &bob, "in")?;
    nothing_else_arrives(&bob, &carol, "welcome")?;
    // Alice is still not there for Carol.
    carol.is_told(&carol.says(&alice, "Alice?")?, "not_reachable")?;
    // Whom she writes to first is no stranger.
    let told = alice.asks_bridge("enable birdychat")?;
    ensure!(told.starts_with("birdychat is on."), "{told}");
    nothing_else_arrives(&alice, &carol, "first")?;
    nothing_else_arrives(&carol, &alice, "second")?;
    Ok(())
}

fn what_the_client_shows_is_a_word_too(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three_strangers(&town)?;
    for told in [alice.asks_bridge("enable birdychat")?, bob.asks_bridge("enable birdychat")?] {
        ensure!(told.starts_with("birdychat is on."), "{told}");
    }
    alice.holds_invites()?;
    let dora = town.partner_user("dora")?;
    // On XMPP it is a wish to see one's presence.
    knocks(&carol, &bob, "Hi, Bob.")?;
    bob.is_asked_by(&bob.address_of(&carol)?)?;
    bob.accepts(&bob.address_of(&carol)?)?;
    bob.hears(&carol, "Hi, Bob.")?;
    knocks(&dora, &bob, "Hi, I am Dora.")?;
    bob.is_asked_by(&bob.address_of(&dora)?)?;
    bob.declines(&bob.address_of(&dora)?)?;
    until("Dora to be turned away", PATIENCE, || {
        Ok(town.daemon.log()?.contains("request declined").then_some(()))
    })?;
    // On Matrix it is an invite.
    knocks(&carol, &alice, "Hi, Alice.")?;
    ensure!(alice.is_invited()? == alice.address_of(&carol)?, "another invite came");
    alice.accepts_invite(&alice.address_of(&carol)?)?;
    alice.hears(&carol, "Hi, Alice.")?;
    knocks(&dora, &alice, "Hi, I am Dora.")?;
    ensure!(alice.is_invited()? == alice.address_of(&dora)?, "another invite came");
    alice.declines_invite(&alice.address_of(&dora)?)?;
    until("Dora to be turned away again", PATIENCE, || {
        Ok((town.daemon.log()?.matches("request declined").count() == 2).then_some(()))
    })?;
    // Dora sees what anybody sees who waits, and nobody is asked again.
    for to in [&alice as &dyn User, &bob] {
        knocks(&dora, to, "Did you see this?")?;
        nothing_else_arrives(&carol, to, "Dora")?;
    }
    for listed in [alice.asks_bridge("requests")?, bob.asks_bridge("requests")?] {
        ensure!(listed == "Nobody waits for your answer.", "{listed}");
    }
    Ok(())
}

fn the_same_commands_in_the_clients_menu(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (bob, carol) = (town.xmpp_user("bob")?, town.partner_user("carol")?);
    let commands = bob.sees_commands()?;
    ensure!(commands.contains(&"enable".to_owned()) && commands.len() > 10, "{commands:?}");
    let told = bob.runs_command("enable", &[("network", "birdychat")])?;
    ensure!(told.starts_with("birdychat is on."), "{told}");
    knocks(&carol, &bob, "Hi, Bob.")?;
    let told = bob.runs_command("accept", &[("user", "birdychat:carol")])?;
    ensure!(told.contains("on its way"), "{told}");
    bob.hears(&carol, "Hi, Bob.")?;
    Ok(())
}

/// The words are the same wherever they are said.
#[test]
fn every_network_has_the_same_words() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three_strangers(&town)?;
    let answers = |text: &str| -> Result<[String; 3]> {
        Ok([alice.asks_bridge(text)?, bob.asks_bridge(text)?, carol.asks_bridge(text)?])
    };
    for text in ["blok somebody", "blocks", "requests", "link WRONGCODE2", "unlink"] {
        let [first, second, third] = answers(text)?;
        ensure!(first == second && second == third, "{text}: {first} / {second} / {third}");
    }
    for told in answers("help")? {
        ensure!(told.contains("block USER: hear nothing more of this person"), "{told}");
    }
    // A person of two accounts, linked over the networks.
    let told = alice.asks_bridge("link")?;
    let code = told.rsplit(' ').next().unwrap_or_default().to_owned();
    let told = carol.asks_bridge(&format!("link {code}"))?;
    ensure!(told.starts_with("matrix:@alice:hs.test and this account are one person's"), "{told}");
    let told = alice.hears_bridge()?;
    ensure!(told.starts_with("birdychat:carol has said your code"), "{told}");
    Ok(())
}

/// What an operator takes out comes back as it was.
#[test]
fn what_people_want_is_exported_and_imported() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = crate::three(&town)?;
    bob.asks_bridge(&format!("block {}", carol.id()))?;
    bob.asks_bridge("presence on")?;
    let exported = town.daemon.asks(&["people", "export"])?;
    for user in [alice.id(), bob.id()] {
        town.daemon.asks(&["people", "erase", user])?;
    }
    carol.is_told(&carol.says(&alice, "Hi?")?, "not_reachable")?;
    let file = town.folder().join("people.jsonl");
    std::fs::write(&file, &exported)?;
    town.daemon.asks(&["people", "import", &file.display().to_string()])?;
    ensure!(town.daemon.asks(&["people", "export"])? == exported, "it came back differently");
    nothing_else_arrives(&carol, &alice, "again")?;
    carol.sees_accepted(&carol.says(&bob, "never read")?)?;
    nothing_else_arrives(&alice, &bob, "from alice only")?;
    Ok(())
}
