//! Who is stricter than the rules for everybody.

use anyhow::{Result, ensure};
use drawbridge_adapter::MediaKind;
use drawbridge_servers::{Deed, SampleFile, User, XmppSoftware};

use crate::{nothing_else_arrives, three_strangers, town_on};

crate::with_each_xmpp_server!(a_strict_user_is_reached_by_less);

fn a_strict_user_is_reached_by_less(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three_strangers(&town)?;
    alice.asks_bridge("enable birdychat")?;
    bob.asks_bridge("enable birdychat")?;
    for (name, strict) in [("open", &alice as &dyn User), ("strict", &bob)] {
        if name == "strict" {
            let told = bob.asks_bridge("strict on")?;
            ensure!(told.starts_with("Of strangers I take only text"), "{told}");
        }
        let picture = SampleFile::new(town.folder(), MediaKind::Image, 10_000)?;
        let id = carol.performs(strict, &Deed::SendsFile(&picture))?;
        if name == "strict" {
            carol.is_told(&id, "forbidden")?;
        } else {
            carol.sees_held(&id)?;
        }
        carol.sees_held(&carol.says(strict, "but I may ask")?)?;
    }
    let asked = bob.hears_bridge()?;
    ensure!(asked.contains("but I may ask"), "{asked}");
    ensure!(bob.asks_bridge("accept birdychat:carol")?.contains("You hear from birdychat:carol"));
    bob.hears(&carol, "but I may ask")?;

    // Nothing is sealed: who wants only that is reached by nobody, and reaches nobody.
    let told = bob.asks_bridge("strict sealed")?;
    ensure!(told.contains("nothing crosses until you say strict on or strict off"), "{told}");
    for (from, to) in [(&carol as &dyn User, &bob as &dyn User), (&bob, &carol), (&alice, &bob)] {
        from.is_told(&from.says(to, "hello?")?, "e2ee_required")?;
    }
    // It outlives the daemon, and only its user ends it.
    town.daemon.kill()?;
    town.start_daemon()?;
    carol.is_told(&carol.says(&bob, "still?")?, "e2ee_required")?;
    let told = bob.asks_bridge("strict off")?;
    ensure!(told.starts_with("I am not stricter for you"), "{told}");
    nothing_else_arrives(&carol, &bob, "at last")?;
    nothing_else_arrives(&bob, &carol, "indeed")
}
