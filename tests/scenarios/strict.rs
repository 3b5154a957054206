//! Who is stricter than the rules for everybody.

use anyhow::{Result, ensure};
use drawbridge_servers::{User, XmppSoftware};
use serde_json::json;

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
        let image = json!({
            "type": "event", "id": name, "from": "carol", "to": strict.id(),
            "sent_at": 1_700_000_000_000_i64,
            "content": {"type": "image", "url": "https://files.test/x.png"},
        });
        town.partner_app.sends(&image)?;
        let code = if name == "strict" { "forbidden" } else { "unsupported_kind:image" };
        carol.is_told(name, code)?;
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
