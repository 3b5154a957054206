//! What people do besides writing plain texts: each kind, in each direction, with each server.

use anyhow::{Result, ensure};
use drawbridge_servers::{Deed, PATIENCE, Sight, User, XmppSoftware};

use crate::{nothing_else_arrives, six, three, town_on};

crate::with_each_xmpp_server! {
    texts_keep_their_formatting,
    answers_name_what_they_answer,
    threads_go_on_on_the_other_side,
    edits_and_retractions_reach_what_they_are_about,
    nobody_touches_what_another_wrote_or_nobody,
    reactions_are_the_same_on_both_sides,
    readers_and_writers_are_seen,
    what_it_is_about_is_known_after_a_restart,
}

fn texts_keep_their_formatting(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        from.performs(to, &Deed::SaysBold("important"))?;
        to.sees(from, &Sight::Bold("important"))?;
        to.next_message(drawbridge_servers::PATIENCE)?;
    }
    Ok(())
}

fn answers_name_what_they_answer(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let asked = from.says(to, "How are you?")?;
        let heard = to.hears(from, "How are you?")?;
        // To what the other wrote, and to what one wrote oneself.
        let answer = to.performs(from, &Deed::Replies(&heard.id, "Fine"))?;
        from.sees(to, &Sight::Reply(&asked, "Fine"))?;
        let fine = from.hears(to, "Fine")?;
        to.performs(from, &Deed::Replies(&answer, "Very fine"))?;
        from.sees(to, &Sight::Reply(&fine.id, "Very fine"))?;
        from.hears(to, "Very fine")?;
    }
    Ok(())
}

fn threads_go_on_on_the_other_side(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let mut begun = Vec::new();
    for (from, to) in six([&alice as &dyn User, &bob, &carol]) {
        let root = from.says(to, "Which boat?")?;
        let heard = to.hears(from, "Which boat?")?.id;
        // One stands in the thread that the other began, and then in one of one's own.
        to.performs(from, &Deed::Threads(&heard, "The blue one"))?;
        from.sees(to, &Sight::Thread(&root, "The blue one"))?;
        let blue = from.hears(to, "The blue one")?.id;
        from.performs(to, &Deed::Threads(&root, "With a sail?"))?;
        to.sees(from, &Sight::Thread(&heard, "With a sail?"))?;
        to.hears(from, "With a sail?")?;
        // On Matrix none begins with what stands in one, and elsewhere people do not know that.
        if from.network() != "matrix" {
            from.performs(to, &Deed::Threads(&blue, "Blue as the sky?"))?;
            to.hears(from, "Blue as the sky?")?;
        }
        // What is said beside it stands in none.
        from.says(to, "Hullo")?;
        to.hears(from, "Hullo")?;
        ensure!(!to.is_shown(from, &Sight::Thread(&heard, "Hullo"))?, "it stands in a thread");
        begun.push((from, to, root, heard));
    }
    town.daemon.kill()?;
    town.start_daemon()?;
    for (from, to, root, heard) in &begun {
        to.performs(*from, &Deed::Threads(heard, "So be it"))?;
        from.sees(*to, &Sight::Thread(root, "So be it"))?;
    }
    Ok(())
}

/// Psi and others put a random one in each message.
#[test]
fn a_thread_that_begins_with_no_message_is_none() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    let (alice, bob, carol) = three(&town)?;
    for to in [&alice as &dyn User, &carol] {
        let random = "00d4e2f8-55ae-4c51-b9f8-8f6b6f9a5c11";
        bob.performs(to, &Deed::Threads(random, "Hullo"))?;
        to.hears(&bob, "Hullo")?;
        ensure!(!to.is_shown(&bob, &Sight::Thread(random, "Hullo"))?, "it stands in a thread");
        ensure!(!to.is_shown(&bob, &Sight::Reply(random, "Hullo"))?, "it answers nothing");
    }
    Ok(())
}

fn edits_and_retractions_reach_what_they_are_about(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let id = from.says(to, "Hullo")?;
        let heard = to.hears(from, "Hullo")?.id;
        from.performs(to, &Deed::Edits(&id, "Hello"))?;
        to.sees(from, &Sight::Edited(&heard, "Hello"))?;
        from.performs(to, &Deed::Edits(&id, "Hello!"))?;
        to.sees(from, &Sight::Edited(&heard, "Hello!"))?;
        from.performs(to, &Deed::Retracts(&id))?;
        to.sees(from, &Sight::Retracted(&heard))?;
        nothing_else_arrives(from, to, "after an edit and a retraction")?;
    }
    Ok(())
}

fn nobody_touches_what_another_wrote_or_nobody(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice as &dyn User, &bob, &carol]) {
        from.says(to, "Mine")?;
        let theirs = to.hears(from, "Mine")?.id;
        let unknown = "$nothing-that-anybody-has-ever-said-in-here0";
        for (deed, code) in [
            (Deed::Edits(&theirs, "Yours"), "forbidden"),
            (Deed::Edits(unknown, "What?"), "target_not_found"),
            (Deed::Reacts(unknown, &["👍"]), "target_not_found"),
        ] {
            let id = to.performs(from, &deed);
            // Synapse takes nothing about what it does not know.
            if to.network() == "matrix" && code == "target_not_found" {
                ensure!(id.is_err(), "Synapse took {deed:?}");
                continue;
            }
            id?;
            let told = to.next_failure(PATIENCE)?;
            ensure!(told.code == code, "{} was told {} of {deed:?}", to.id(), told.code);
        }
        nothing_else_arrives(to, from, "after what was refused")?;
    }
    Ok(())
}

fn reactions_are_the_same_on_both_sides(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let id = from.says(to, "Shall we?")?;
        let heard = to.hears(from, "Shall we?")?.id;
        for emojis in [&["👍"][..], &["👍", "🎉"], &["❤️"], &[]] {
            to.performs(from, &Deed::Reacts(&heard, emojis))?;
            from.sees(to, &Sight::Reactions(&id, emojis))?;
        }
        from.performs(to, &Deed::Reacts(&id, &["🙂"]))?;
        to.sees(from, &Sight::Reactions(&heard, &["🙂"]))?;
        nothing_else_arrives(from, to, "after reactions")?;
    }
    Ok(())
}

fn readers_and_writers_are_seen(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let id = from.says(to, "Read me")?;
        let heard = to.hears(from, "Read me")?.id;
        ensure!(!from.is_shown(to, &Sight::Read(&id))?, "nobody has read it yet");
        to.performs(from, &Deed::Types(true))?;
        from.sees(to, &Sight::Typing(true))?;
        to.performs(from, &Deed::Types(false))?;
        from.sees(to, &Sight::Typing(false))?;
        to.performs(from, &Deed::Reads(&heard))?;
        from.sees(to, &Sight::Read(&id))?;
    }
    Ok(())
}

fn what_it_is_about_is_known_after_a_restart(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let pairs = six([&alice, &bob, &carol]);
    let mut said = Vec::new();
    for (from, to) in &pairs {
        let id = from.says(*to, "Before")?;
        said.push((id, to.hears(*from, "Before")?.id));
    }
    town.daemon.kill()?;
    town.daemon.start()?;
    for ((from, to), (id, heard)) in pairs.iter().zip(&said) {
        from.performs(*to, &Deed::Edits(id, "After"))?;
        to.sees(*from, &Sight::Edited(heard, "After"))?;
        to.performs(*from, &Deed::Reacts(heard, &["👍"]))?;
        from.sees(*to, &Sight::Reactions(id, &["👍"]))?;
    }
    Ok(())
}
