//! How people call themselves and look, in every direction, with each server.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{MediaKind, There};
use drawbridge_servers::{Deed, SampleFile, Sight, Town, User, XmppSoftware};

use crate::{nothing_else_arrives, six, three, three_strangers, town_on};

crate::with_each_xmpp_server! {
    names_and_pictures_follow_a_change,
    the_last_word_is_shown_after_a_crash,
}

/// A small picture that no other one is like.
fn face(town: &Town) -> Result<Vec<u8>> {
    let file = SampleFile::new(town.folder(), MediaKind::Image, 2000)?;
    Ok(fs::read(file.path)?)
}

/// Two write to each other, and let each other see what their networks have to show.
fn meet(from: &dyn User, to: &dyn User) -> Result<()> {
    from.says(to, "how do you do?")?;
    to.hears(from, "how do you do?")?;
    if from.network() == "xmpp" {
        from.performs(to, &Deed::Is(There::Online))?;
    }
    Ok(())
}

fn names_and_pictures_follow_a_change(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    for (from, to) in six(people) {
        meet(from, to)?;
    }
    for from in people {
        let others = people.iter().filter(|to| to.id() != from.id());
        let others: Vec<&&dyn User> = others.collect();
        for round in ["first", "second"] {
            let name = format!("{} the {round} ☂", from.network());
            let (changed, picture) = (Instant::now(), face(&town)?);
            from.performs(*others[0], &Deed::CallsItself(&name))?;
            for to in &others {
                to.sees(from, &Sight::Name(&name))?;
                println!(
                    "{} → {}: name after {:?}",
                    from.network(),
                    to.network(),
                    changed.elapsed()
                );
            }
            let changed = Instant::now();
            from.performs(*others[0], &Deed::Wears(Some(&picture)))?;
            for to in &others {
                to.sees(from, &Sight::Face(Some(&picture)))
                    .with_context(|| format!("the {round} one"))?;
                println!(
                    "{} → {}: picture after {:?}",
                    from.network(),
                    to.network(),
                    changed.elapsed()
                );
            }
        }
        from.performs(*others[0], &Deed::Wears(None))?;
        for to in &others {
            to.sees(from, &Sight::Face(None))?;
            nothing_else_arrives(from, **to, "after names and pictures")?;
        }
    }
    Ok(())
}

fn the_last_word_is_shown_after_a_crash(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    for (from, to) in six(people) {
        meet(from, to)?;
    }
    for (from, to) in six(people) {
        from.performs(to, &Deed::CallsItself(&format!("{} before", from.network())))?;
        to.sees(from, &Sight::Name(&format!("{} before", from.network())))?;
    }
    town.daemon.kill()?;
    // What the networks themselves keep until the bridge is back.
    alice.performs(&bob, &Deed::CallsItself("matrix after"))?;
    town.start_daemon()?;
    for to in [&bob as &dyn User, &carol] {
        to.sees(&alice, &Sight::Name("matrix after"))?;
    }
    let picture = face(&town)?;
    for (from, to) in six(people) {
        from.performs(to, &Deed::Wears(Some(&picture)))?;
        to.sees(from, &Sight::Face(Some(&picture)))?;
    }
    Ok(())
}

#[test]
fn a_block_keeps_back_how_somebody_looks() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    for (from, to) in six(people) {
        meet(from, to)?;
    }
    for from in people {
        let name = format!("{} before", from.network());
        for to in people.iter().filter(|to| to.id() != from.id()) {
            from.performs(*to, &Deed::CallsItself(&name))?;
            to.sees(from, &Sight::Name(&name))?;
        }
    }
    alice.asks_bridge(&format!("block {}", bob.id()))?;
    for (from, blind, witness) in
        [(&bob as &dyn User, &alice as &dyn User, &carol), (&alice, &bob, &carol)]
    {
        let (name, picture) = (format!("{} after", from.network()), face(&town)?);
        from.performs(witness, &Deed::CallsItself(&name))?;
        from.performs(witness, &Deed::Wears(Some(&picture)))?;
        witness.sees(from, &Sight::Name(&name))?;
        witness.sees(from, &Sight::Face(Some(&picture)))?;
        let before = format!("{} before", from.network());
        ensure!(blind.is_shown(from, &Sight::Name(&before))?, "{} sees {name}", blind.id());
        let sees = blind.is_shown(from, &Sight::Face(Some(&picture)))?;
        ensure!(!sees, "{} sees a picture", blind.id());
    }
    alice.asks_bridge(&format!("unblock {}", bob.id()))?;
    alice.sees(&bob, &Sight::Name("xmpp after"))?;
    bob.sees(&alice, &Sight::Name("matrix after"))?;
    Ok(())
}

#[test]
fn who_could_be_taken_for_another_is_marked() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    let (alice, bob, carol) = three(&town)?;
    meet(&bob, &alice)?;
    bob.performs(&alice, &Deed::CallsItself("Robert Bell"))?;
    alice.sees(&bob, &Sight::Name("Robert Bell"))?;
    meet(&carol, &alice)?;
    carol.performs(&alice, &Deed::CallsItself("Rоbert  BeII\u{202e}"))?;
    alice.sees(&carol, &Sight::Name("Rоbert  BeII [carol]"))?;
    // To somebody who does not know the other one.
    meet(&carol, &bob)?;
    carol.performs(&bob, &Deed::CallsItself("Alicia"))?;
    bob.sees(&carol, &Sight::Name("Alicia"))?;
    Ok(())
}

#[test]
fn nothing_of_a_stranger_is_shown_before_they_are_accepted() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    // Not Alice, whose client joins wherever it is invited.
    let (_, bob, carol) = three_strangers(&town)?;
    bob.asks_bridge("enable birdychat")?;
    let picture = face(&town)?;
    carol.performs(&bob, &Deed::Wears(Some(&picture)))?;
    let id = carol.says(&bob, "it is me")?;
    carol.sees_held(&id)?;
    ensure!(!bob.is_shown(&carol, &Sight::Face(Some(&picture)))?, "he sees a stranger's picture");
    bob.asks_bridge("accept birdychat:carol")?;
    bob.hears(&carol, "it is me")?;
    bob.sees(&carol, &Sight::Face(Some(&picture)))?;
    Ok(())
}
