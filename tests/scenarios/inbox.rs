//! Chats with other apps in a folder of their own, on Matrix: a space.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, until};

use crate::{three, town};

#[test]
fn chats_with_other_apps_stand_in_a_space_and_stay_unread() -> Result<()> {
    let mut town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let dave = town.partner_user("dave")?;
    town.introduces(&[&alice, &dave])?;
    for other in [&bob as &dyn User, &carol] {
        // The first stands there before she joins, and is not unread.
        for text in ["Good morning.", "Are you up?"] {
            other.says(&alice, text)?;
            alice.hears(other, text)?;
        }
    }
    let (bobs, carols) = (alice.address_of(&bob)?, alice.address_of(&carol)?);
    let unread = |who: &str| {
        until("one unread message", PATIENCE, || Ok((alice.unread(who)? == 1).then_some(())))
    };
    unread(&carols)?;
    let told = alice.asks_bridge("inbox separate")?;
    ensure!(told.contains("“Other apps”"), "{told}");
    alice.sees_in_folder(&carols, true)?;
    ensure!(alice.folders()?[0].name == "Other apps");

    // One that is new, and across a kill.
    town.daemon.kill()?;
    town.start_daemon()?;
    dave.says(&alice, "Hello, I am new.")?;
    alice.hears(&dave, "Hello, I am new.")?;
    let daves = alice.address_of(&dave)?;
    alice.sees_in_folder(&daves, true)?;
    alice.sees_in_folder(&bobs, false)?;
    unread(&carols)?;
    unread(&bobs)?;

    alice.asks_bridge("inbox combined")?;
    alice.sees_in_folder(&carols, false)?;
    alice.sees_in_folder(&daves, false)?;
    unread(&carols)?;
    // Whoever leaves the folder is asked again only if they want one again.
    alice.leaves_folder(&alice.folders()?[0])?;
    alice.asks_bridge("inbox separate")?;
    alice.sees_in_folder(&carols, true)?;
    alice.leaves_folder(&alice.folders()?[0])?;
    alice.asks_bridge("enable birdychat")?;
    carol.says(&alice, "Still there?")?;
    alice.hears(&carol, "Still there?")?;
    alice.asks_bridge("inbox")?;
    ensure!(alice.folders()?.is_empty(), "invited against her will");
    Ok(())
}
