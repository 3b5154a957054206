//! Whoever is blocked tries another way.

use anyhow::{Result, ensure};
use drawbridge_servers::{PartnerUser, Town, User, XmppSoftware};

use crate::{nothing_else_arrives, three, town_on};

crate::with_each_xmpp_server!(no_other_way_leads_around_a_block);

/// Says it to who has blocked the sender, and sees it taken.
fn vanishes(from: &PartnerUser, to: &dyn User) -> Result<()> {
    from.sees_accepted(&from.says(to, "never read")?)
}

/// What `to` says to the bridge, so that the block is theirs.
fn tells(town: &Town, told: &str, expected: &str) -> Result<()> {
    ensure!(told.contains(expected), "{told}: {}", town.daemon.log()?);
    Ok(())
}

fn no_other_way_leads_around_a_block(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &alice, "we know each other")?;
    nothing_else_arrives(&bob, &alice, "so do we")?;
    alice.holds_invites()?;
    let told = alice.asks_bridge(&format!("block {}", carol.id()))?;
    tells(&town, &told, "You hear nothing more of birdychat:carol")?;
    vanishes(&carol, &alice)?;

    // A second account on another network, linked: the block is of the person.
    let told = carol.asks_bridge("link")?;
    let code = told.rsplit(' ').next().unwrap_or_default().to_owned();
    let told = bob.asks_bridge(&format!("link {code}"))?;
    tells(&town, &told, "one person's now")?;
    bob.says(&alice, "never read either")?;
    // Parting again does not help.
    let told = bob.asks_bridge("unlink")?;
    tells(&town, &told, "What was blocked stays blocked")?;
    bob.says(&alice, "nor this")?;
    // Nor another resource, or the address in another case.
    let again = town.xmpp_again(&bob)?;
    again.writes(
        &again.address_of(&alice)?.to_uppercase().replace("BRIDGE.P.TEST", "bridge.p.test"),
        "nor this",
    )?;
    again.says(&alice, "nor from here")?;

    // Nor an end of the daemon.
    town.daemon.kill()?;
    town.start_daemon()?;
    vanishes(&carol, &alice)?;

    // A new account that is nobody's yet lands in the requests, whatever name it bears.
    let dora = town.partner_user("carol2")?;
    let knock = dora.says(&alice, "It is me, Carol!")?;
    dora.sees_held(&knock)?;
    tells(&town, &alice.hears_bridge()?, "birdychat:carol2 wants to write to you")?;
    let listed = alice.asks_bridge("requests")?;
    tells(&town, &listed, "birdychat:carol2, one message: “It is me, Carol!”")?;
    // And the account can be blocked as well.
    let told = alice.asks_bridge("block birdychat:carol2")?;
    tells(&town, &told, "You hear nothing more of birdychat:carol2")?;

    // Alice still writes to whom she wants, and is heard.
    nothing_else_arrives(&alice, &carol, "you hear me")?;
    for user in [&alice as &dyn User, &bob, &carol, &dora] {
        ensure!(user.everything_failed().is_empty(), "{} was told of a failure", user.id());
    }
    let heard = alice.everything_heard();
    ensure!(!heard.iter().any(|heard| heard.body.contains("never") || heard.body.contains("nor")));
    // The block ends for the whole person, by any of its accounts.
    let told = alice.asks_bridge(&format!("unblock {}", bob.id()))?;
    tells(&town, &told, "You hear xmpp:bob@p.test again")?;
    nothing_else_arrives(&bob, &alice, "only this")?;
    Ok(())
}
