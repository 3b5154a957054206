//! Whoever is blocked tries another way.

use anyhow::{Result, ensure};
use drawbridge_servers::{Deed, PartnerUser, Sight, Town, User, XmppSoftware, escape};
use serde_json::{Value, json};

use crate::{nothing_else_arrives, three, town_on};

crate::with_each_xmpp_server!(
    no_other_way_leads_around_a_block,
    nothing_from_before_leads_around_a_block,
);

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

/// Edits, media, other kinds and repeats of what was said before: nothing of it passes, and it fails
/// as it would without a block, or not at all.
fn nothing_from_before_leads_around_a_block(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let event = |id: &str, content: Value| {
        json!({"type": "event", "id": id, "from": "carol", "to": alice.id(),
               "sent_at": 1_700_000_000_000_i64, "content": content})
    };
    let old = event("old", json!({"type": "text", "body": "from before"}));
    let to_alice = escape(&bob.address_of(&alice)?);
    let stanza = |id: &str, inside: &str| {
        format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' to='{to_alice}'>{inside}</message>"
        )
    };
    let bobs_old = stanza("old", "<body>Bob, from before</body>");
    town.partner_app.sends(&old)?;
    alice.hears(&carol, "from before")?;
    bob.sends(&bobs_old)?;
    alice.hears(&bob, "Bob, from before")?;

    let (carols, bobs) = (id_of(&alice, "from before"), id_of(&alice, "Bob, from before"));
    let forms = [
        ("image", json!({"type": "image", "url": "https://files.test/x.png"}), "host_denied"),
        ("document", json!({"type": "document", "url": "https://files.test/x"}), "host_denied"),
        ("call", json!({"type": "call"}), "unsupported_kind:call"),
    ];
    let media = "<body>https://files.test/x.png</body>\
                 <x xmlns='jabber:x:oob'><url>https://files.test/x.png</url></x>";
    for when in ["before", "behind"] {
        for (kind, content, code) in &forms {
            let id = format!("{when}-{kind}");
            town.partner_app.sends(&event(&id, content.clone()))?;
            carol.is_told(&id, code)?;
        }
        bob.sends(&stanza(&format!("{when}-media"), media))?;
        bob.is_told(&format!("{when}-media"), "host_denied")?;
        // Edits, reactions, and what is fleeting: each is taken, and shown only before.
        let id = carol.performs(&alice, &Deed::Edits("old", when))?;
        carol.sees_accepted(&id)?;
        let id = carol.performs(&alice, &Deed::Reacts("old", &[emoji(when)]))?;
        carol.sees_accepted(&id)?;
        bob.performs(&alice, &Deed::Edits("old", when))?;
        bob.performs(&alice, &Deed::Reacts("old", &[emoji(when)]))?;
        for (from, id) in [(&carol as &dyn User, &carols), (&bob, &bobs)] {
            if when == "before" {
                alice.sees(from, &Sight::Edited(id, when))?;
                alice.sees(from, &Sight::Reactions(id, &[emoji(when)]))?;
                let told = alice.asks_bridge(&format!("block {}", from.id()))?;
                tells(&town, &told, "You hear nothing more")?;
            }
            from.performs(&alice, &Deed::Types(true))?;
        }
    }
    bob.performs(&alice, &Deed::Retracts("old"))?;
    let id = carol.performs(&alice, &Deed::Retracts("old"))?;
    carol.sees_accepted(&id)?;
    // What was taken before comes again, under its old id.
    town.partner_app.sends(&old)?;
    bob.sends(&bobs_old)?;
    // An invite, and an address that is a link.
    bob.adds(&bob.address_of(&alice)?)?;
    vanishes(&carol, &alice)?;
    // Bob's last word is one that his server answers: all that he sent before has been judged by then.
    bob.sends(&stanza("last", media))?;
    bob.is_told("last", "host_denied")?;
    let dora = town.xmpp_user("dora")?;
    nothing_else_arrives(&dora, &alice, "and I am heard")?;
    for (from, id) in [(&carol as &dyn User, &carols), (&bob, &bobs)] {
        for unseen in [
            Sight::Edited(id, "behind"),
            Sight::Reactions(id, &[emoji("behind")]),
            Sight::Retracted(id),
            Sight::Typing(true),
        ] {
            ensure!(!alice.is_shown(from, &unseen)?, "{unseen:?} of {}", from.id());
        }
        // What was shown before stays.
        alice.sees(from, &Sight::Edited(id, "before"))?;
    }
    let heard: Vec<String> = alice.everything_heard().into_iter().map(|it| it.body).collect();
    let after = |word: &str| heard.iter().filter(|body| body.contains(word)).count();
    ensure!(after("from before") == 2 && after("never read") == 0, "{heard:?}");
    ensure!(after("files.test") == 0, "{heard:?}");
    Ok(())
}

/// A reaction of that time.
fn emoji(when: &str) -> &'static str {
    if when == "before" { "👍" } else { "👎" }
}

/// What `user` knows the message with this text by.
fn id_of(user: &dyn User, body: &str) -> String {
    let heard = user.everything_heard().into_iter().find(|heard| heard.body == body);
    heard.map(|heard| heard.id).unwrap_or_default()
}
