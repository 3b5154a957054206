//! People of three networks talk.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Sight, User, XmppSoftware};

use crate::{nothing_else_arrives, six, three, town_on};

crate::with_each_xmpp_server! {
    everybody_talks_with_everybody,
    senders_learn_of_success,
    two_hundred_messages_stay_in_order,
    texts_arrive_unaltered,
    sixty_kilobytes_arrive_whole,
    a_text_over_the_limit_is_refused_and_not_cut,
    what_the_target_cannot_show_is_refused,
    two_equal_texts_are_two_messages,
    what_a_sender_repeats_shows_once,
}

fn everybody_talks_with_everybody(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;

    alice.says(&bob, "Hello Bob, Alice here.")?;
    bob.hears(&alice, "Hello Bob, Alice here.")?;
    bob.says(&alice, "Hello Alice!")?;
    alice.hears(&bob, "Hello Alice!")?;

    bob.says(&carol, "Carol, are you there?")?;
    carol.hears(&bob, "Carol, are you there?")?;
    carol.says(&bob, "I am.")?;
    bob.hears(&carol, "I am.")?;

    // Carol writes first: her ghost opens a room and invites.
    carol.says(&alice, "And you, Alice?")?;
    ensure!(alice.is_invited()? == alice.address_of(&carol)?);
    alice.hears(&carol, "And you, Alice?")?;
    alice.says(&carol, "So am I.")?;
    carol.hears(&alice, "So am I.")?;
    Ok(())
}

fn senders_learn_of_success(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;

    let of_alice = alice.says(&bob, "Does it arrive?")?;
    bob.hears(&alice, "Does it arrive?")?;
    let id = carol.says(&bob, "And this?")?;
    bob.hears(&carol, "And this?")?;
    carol.sees_accepted(&id)?;
    // On Matrix a receipt says that somebody has read it, and he did not say so.
    nothing_else_arrives(&bob, &alice, "Yes, it does.")?;
    ensure!(!alice.is_shown(&bob, &Sight::Read(&of_alice))?, "a receipt was made up");
    Ok(())
}

fn two_hundred_messages_stay_in_order(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];

    // All at once, so that the six conversations are in each other's way.
    for (from, to) in six(people) {
        nothing_else_arrives(from, to, "we begin")?;
    }
    for (from, to) in six(people) {
        from.floods(&from.address_of(to)?, &format!("from {} number", from.id()), 200)?;
    }
    for to in people {
        let mut next = std::collections::HashMap::new();
        for _ in 0..400 {
            let heard = to.next_message(PATIENCE)?;
            let number = next.entry(heard.from).or_insert(0);
            *number += 1;
            let right = heard.body.ends_with(&format!(" number {number}"));
            ensure!(right, "{} heard “{}” as number {number}", to.id(), heard.body);
        }
    }
    for (from, to) in six(people) {
        nothing_else_arrives(from, to, "that was all")?;
    }
    Ok(())
}

fn texts_arrive_unaltered(software: XmppSoftware) -> Result<()> {
    let texts = [
        "Grüße, 你好, здравствуйте, नमस्ते, ᚠᚢᚦ",
        "שלום עולם, مرحبا بالعالم \u{200f}(mixed) left-to-right",
        "\u{202e}backwards\u{202c} and \u{2066}isolated\u{2069}",
        "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \u{10fffd}",
        "e\u{301} is not é, and a\u{308}\u{323}\u{301} neither",
        "<b>not bold</b> & \"quoted\" 'so' ]]> &amp; \\n %s {} */",
        "  spaces before,\n\tlines, tabs\n\nand spaces behind  ",
        "/me waves",
        "\u{200b}",
        "0",
    ];
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        for text in texts {
            from.says(to, text)?;
            to.hears(from, text)?;
        }
    }
    Ok(())
}

fn sixty_kilobytes_arrive_whole(software: XmppSoftware) -> Result<()> {
    let words = "Räder drängeln 🚲, ";
    let mut text = words.repeat(60 * 1024 / words.len());
    text.push_str(&"x".repeat(60 * 1024 - text.len()));
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        from.says(to, &text)?;
        to.hears(from, &text)?;
    }
    Ok(())
}

fn a_text_over_the_limit_is_refused_and_not_cut(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let text = "too long ".repeat(30_000);
    for to in [&alice as &dyn User, &bob] {
        let id = carol.says(to, &text)?;
        carol.is_told(&id, "text_too_long")?;
        nothing_else_arrives(&carol, to, "short enough")?;
    }
    Ok(())
}

fn what_the_target_cannot_show_is_refused(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    // XML has no way to write these.
    for text in ["a bell: \u{7}", "an escape: \u{1b}[31m", "no character: \u{ffff}"] {
        for from in [&alice as &dyn User, &carol] {
            let id = from.says(&bob, text)?;
            from.is_told(&id, "malformed")?;
            nothing_else_arrives(from, &bob, text.get(..4).unwrap_or_default())?;
        }
    }
    Ok(())
}

fn two_equal_texts_are_two_messages(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        from.says(to, "ok")?;
        from.says(to, "ok")?;
        to.hears(from, "ok")?;
        to.hears(from, "ok")?;
        nothing_else_arrives(from, to, "two were enough")?;
    }
    Ok(())
}

fn what_a_sender_repeats_shows_once(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;

    let carols = serde_json::json!({
        "do": "send", "id": "the-same", "from": "carol", "to": alice.id(), "body": "once",
    });
    town.partner_app.does(&carols)?;
    alice.hears(&carol, "once")?;
    town.partner_app.does(&carols)?;
    nothing_else_arrives(&carol, &alice, "Carol's repeat")?;

    let to_alice = drawbridge_servers::escape(&bob.address_of(&alice)?);
    let bobs = format!(
        "<message xmlns='jabber:client' type='chat' id='again' to='{to_alice}'><body>twice?</body></message>"
    );
    bob.sends(&bobs)?;
    alice.hears(&bob, "twice?")?;
    bob.sends(&bobs)?;
    nothing_else_arrives(&bob, &alice, "Bob's repeat")?;
    Ok(())
}
