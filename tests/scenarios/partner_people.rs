//! What a partner's users decide, in their app or by commands, and what is decided about them.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, until};

use crate::blocks::swallowed;
use crate::{nothing_else_arrives, three, three_strangers, town};

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
