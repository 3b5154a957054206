//! What a partner's users decide, in their app or by commands, and what is decided about them.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware, until};

use crate::blocks::swallowed;
use crate::{nothing_else_arrives, programs, three, three_strangers, town};

#[test]
fn a_partners_user_waits_to_be_accepted_and_sees_it() -> Result<()> {
    let town = town()?;
    let (_, bob, carol) = three_strangers(&town)?;
    let id = carol.says(&bob, "Is anybody there?")?;
    carol.is_told(&id, "not_reachable")?;

    bob.asks_bridge("enable birdychat")?;
    let first = carol.says(&bob, "Hello, Bob!")?;
    let second = carol.says(&bob, "It is Carol.")?;
    carol.sees_held(&first)?;
    carol.sees_held(&second)?;
    ensure!(bob.everything_heard().is_empty(), "heard before he accepted");
    bob.asks_bridge("accept birdychat:carol")?;
    bob.hears(&carol, "Hello, Bob!")?;
    bob.hears(&carol, "It is Carol.")?;
    carol.sees_accepted(&second)?;
    nothing_else_arrives(&bob, &carol, "and back")?;
    Ok(())
}

#[test]
fn a_stranger_from_afar_is_shown_as_a_request_in_the_app() -> Result<()> {
    let asks = |config: String| {
        let local = "users.local = [\"p.test\"]";
        config.replace(local, &format!("{local}\nusers.remote = \"request\""))
    };
    let town = Town::start_on(XmppSoftware::Prosody, &programs()?, asks)?;
    let carol = town.partner_user("carol")?;
    let (eve, mallory) = (town.remote_xmpp_user("eve")?, town.remote_xmpp_user("mallory")?);
    for (stranger, word) in [(&eve, "May I?"), (&mallory, "Me too?")] {
        stranger.asks_bridge("enable birdychat")?;
        stranger.says(&carol, word)?;
        let asked = carol.hears_request(stranger)?;
        ensure!(asked.body == word, "{asked:?}");
    }
    ensure!(carol.everything_heard().is_empty(), "heard before she accepted");

    carol.declines(&mallory)?;
    ensure!(!carol.sees_request_over(&mallory)?);
    carol.accepts(&eve)?;
    ensure!(carol.sees_request_over(&eve)?);
    carol.hears(&eve, "May I?")?;
    mallory.says(&carol, "Well?")?;
    // When she is answered, what she wrote before has been judged.
    mallory.asks_bridge("networks")?;
    nothing_else_arrives(&eve, &carol, "and not Mallory")?;
    nothing_else_arrives(&carol, &eve, "you may")?;
    ensure!(mallory.everything_failed().is_empty(), "mallory was told");
    Ok(())
}

#[test]
fn what_a_partners_user_blocks_in_the_app_holds() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, carol) = three(&town)?;
    ensure!(carol.asks_bridge("help")?.contains("unblock"), "the help does not help");
    nothing_else_arrives(&bob, &carol, "we know each other")?;

    carol.blocks(&bob)?;
    bob.says(&carol, "never read")?;
    until("it to be swallowed", PATIENCE, || Ok((swallowed(&town)? == 1).then_some(())))?;
    town.daemon.kill()?;
    town.start_daemon()?;
    bob.says(&carol, "never read either")?;
    until("it to be swallowed", PATIENCE, || Ok((swallowed(&town)? == 2).then_some(())))?;
    let blocks = carol.asks_bridge("blocks")?;
    ensure!(blocks.contains(bob.id()) && !blocks.contains(alice.id()), "{blocks}");
    nothing_else_arrives(&alice, &carol, "I am not meant")?;
    ensure!(bob.everything_failed().is_empty(), "bob was told");

    carol.unblocks(&bob)?;
    nothing_else_arrives(&bob, &carol, "now I am heard")?;
    Ok(())
}

#[test]
fn the_apps_own_list_follows_its_users_commands_and_nobody_elses() -> Result<()> {
    let town = town()?;
    let (_, bob, carol) = three(&town)?;
    carol.asks_bridge(&format!("block {}", bob.id()))?;
    carol.sees_block(&bob)?;
    carol.asks_bridge(&format!("unblock {}", bob.id()))?;
    carol.sees_unblock(&bob)?;

    let before = town.partner_app.count("block");
    bob.asks_bridge("block birdychat:carol")?;
    let id = carol.says(&bob, "What have I done?")?;
    carol.sees_accepted(&id)?;
    until("it to be swallowed", PATIENCE, || Ok((swallowed(&town)? == 1).then_some(())))?;
    ensure!(town.partner_app.count("block") == before, "carol's app learnt of bob's block");
    ensure!(carol.everything_failed().is_empty(), "carol was told");
    Ok(())
}
