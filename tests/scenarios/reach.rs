//! Who is reached, and who is not.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, User, XmppSoftware, XmppUser, escape, until};
use serde_json::json;

use crate::{nothing_else_arrives, three, town, town_on};

crate::with_each_xmpp_server! {
    nobody_is_there,
    remote_users_are_strangers,
    addresses_are_found_in_an_xmpp_client,
    who_is_blocked_by_an_xmpp_client_is_told_nothing,
    what_comes_back_later_fails_after_all,
}

fn nobody_is_there(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;

    let nobody_on_xmpp = town.daemon.asks(&["address", "xmpp:nobody@p.test", "--on", "matrix"])?;
    let id = alice.writes(&nobody_on_xmpp, "Anybody?")?;
    alice.is_told(&id, "not_reachable")?;
    let id = carol.writes("xmpp:nobody@p.test", "Anybody?")?;
    carol.is_told(&id, "not_reachable")?;

    let nobody_on_matrix =
        town.daemon.asks(&["address", "matrix:@nobody:hs.test", "--on", "xmpp"])?;
    let id = bob.writes(&nobody_on_matrix, "Anybody?")?;
    bob.is_told(&id, "not_reachable")?;
    let id = carol.writes("matrix:@nobody:hs.test", "Anybody?")?;
    carol.is_told(&id, "not_reachable")?;

    let nobody_at_the_partner =
        town.daemon.asks(&["address", "birdychat:nobody", "--on", "matrix"])?;
    let id = alice.writes(&nobody_at_the_partner, "Anybody?")?;
    alice.is_told(&id, "not_reachable")?;
    let nobody_at_the_partner =
        town.daemon.asks(&["address", "birdychat:nobody", "--on", "xmpp"])?;
    let id = bob.writes(&nobody_at_the_partner, "Anybody?")?;
    bob.is_told(&id, "not_reachable")?;

    let id = carol.writes("nowhere:somebody", "Anybody?")?;
    carol.is_told(&id, "not_reachable")?;
    let id = bob.writes("not-an-address@bridge.p.test", "Anybody?")?;
    bob.is_told(&id, "not_reachable")?;
    Ok(())
}

fn remote_users_are_strangers(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let eve = town.remote_xmpp_user("eve")?;

    for to in [&alice as &dyn User, &carol] {
        let id = eve.says(to, "Let me in.")?;
        eve.is_told(&id, "forbidden")?;
        nothing_else_arrives(&bob, to, "but Bob may")?;
    }
    // The other way she looks as if she were not there.
    let id = alice.says(&eve, "Eve?")?;
    alice.is_told(&id, "not_reachable")?;
    let id = carol.says(&eve, "Eve?")?;
    carol.is_told(&id, "not_reachable")?;
    Ok(())
}

#[test]
fn a_room_that_was_left_is_written_to_again() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    for other in [&bob as &dyn User, &carol] {
        let ghost = alice.address_of(other)?;
        other.says(&alice, "Hello!")?;
        ensure!(alice.is_invited()? == ghost);
        alice.hears(other, "Hello!")?;
        alice.leaves(&ghost)?;

        other.says(&alice, "You left?")?;
        ensure!(alice.is_invited()? == ghost);
        alice.hears(other, "You left?")?;
        alice.says(other, "By accident.")?;
        other.hears(&alice, "By accident.")?;

        alice.leaves(&ghost)?;
        alice.says(other, "And this is a new room.")?;
        other.hears(&alice, "And this is a new room.")?;
        other.says(&alice, "I see no difference.")?;
        alice.hears(other, "I see no difference.")?;
    }
    Ok(())
}

#[test]
fn the_ghost_cannot_read_an_encrypted_room() -> Result<()> {
    let town = town()?;
    let (alice, bob, _) = three(&town)?;
    let ghost = alice.address_of(&bob)?;
    let room = alice.creates(&[&ghost], true)?;
    alice.sees_join(&room, &ghost)?;

    let ciphertext = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgAEnAC", "device_id": "DEVICE",
        "sender_key": "key", "session_id": "session",
    });
    for _ in 0..3 {
        let id = alice.sends(&room, "m.room.encrypted", &ciphertext)?;
        alice.is_told(&id, "unsupported_kind:encrypted")?;
    }
    let notice = alice.sees_notice()?;
    ensure!(notice.body.contains("encrypt"), "{notice:?}");
    let said = alice.notices().iter().filter(|heard| heard.body == notice.body).count();
    ensure!(said == 1, "the ghost said it {said} times");

    // In the other direction, and in the clear, they still talk.
    bob.says(&alice, "Why so secret?")?;
    ensure!(alice.next_message(drawbridge_servers::PATIENCE)?.body == "Why so secret?");
    Ok(())
}

fn addresses_are_found_in_an_xmpp_client(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, _) = three(&town)?;
    let address = bob.address_of(&alice)?;

    // XEP-0100: the gateway says how to write an address, and translates one.
    let asked = bob.queries(
        "<iq xmlns='jabber:client' type='get' to='bridge.p.test'><query xmlns='jabber:iq:gateway'/></iq>",
    )?;
    ensure!(asked.kind == "result" && asked.xml.contains("prompt"), "{asked:?}");
    let asked = bob.queries(&format!(
        "<iq xmlns='jabber:client' type='set' to='bridge.p.test'><query xmlns='jabber:iq:gateway'>\
         <prompt>{}</prompt></query></iq>",
        alice.id()
    ))?;
    ensure!(asked.xml.contains(&address), "{asked:?}");

    // Those who exist and those who don't look alike.
    let nobody = town.daemon.asks(&["address", "matrix:@nobody:hs.test", "--on", "xmpp"])?;
    for namespace in
        ["http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"]
    {
        let mut answers = Vec::new();
        for (to, name) in [(&address, "alice"), (&nobody, "nobody")] {
            let answer = bob.queries(&format!(
                "<iq xmlns='jabber:client' type='get' to='{}'><query xmlns='{namespace}'/></iq>",
                escape(to)
            ))?;
            let (_, said) = answer.xml.split_once("query").unwrap_or_default();
            answers.push((answer.kind, answer.condition, said.replace(name, "somebody")));
        }
        ensure!(answers[0] == answers[1], "{namespace}: {answers:?}");
    }
    for to in [&address, &nobody] {
        bob.sends(&format!(
            "<presence xmlns='jabber:client' type='subscribe' to='{}'/>",
            escape(to)
        ))?;
        while bob.sees_presence(to)? != "subscribed" {}
    }
    Ok(())
}

fn who_is_blocked_by_an_xmpp_client_is_told_nothing(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for from in [&alice as &dyn User, &carol] {
        nothing_else_arrives(from, &bob, "we begin")?;
        bob.says(from, "Bob is here.")?;
        from.hears(&bob, "Bob is here.")?;
        bob.blocks(&bob.address_of(from)?)?;
    }
    // ejabberd refuses some of them before, and some after it confirmed that it took them.
    let text = |number| format!("Number {number}: why don't you answer?");
    for number in 1..=30 {
        alice.says(&bob, &text(number))?;
        carol.says(&bob, &text(number))?;
    }
    alice.says(&bob, &text(31))?;
    carol.sees_accepted(&carol.says(&bob, &text(31))?)?;
    for from in [&alice as &dyn User, &carol] {
        bob.unblocks(&bob.address_of(from)?)?;
        bob.says(from, "Bob hears you again.")?;
        from.hears(&bob, "Bob hears you again.")?;
        // The list is read when he writes, and that takes a moment.
        until("the list to be read", PATIENCE, || {
            let listed = town.daemon.asks(&["blocks", "list", "--owner", bob.id()])?;
            Ok((!listed.contains(from.id())).then_some(()))
        })?;
        nothing_else_arrives(from, &bob, "we speak again")?;
        let failed = from.everything_failed();
        ensure!(failed.is_empty(), "{} was told: {failed:?}", from.id());
    }
    Ok(())
}

fn what_comes_back_later_fails_after_all(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let mallory = town.xmpp_user("mallory")?;
    let refuse = |by: &XmppUser, from: &dyn User, id: &str| {
        by.sends(&format!(
            "<message xmlns='jabber:client' type='error' id='{id}' to='{}'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
            escape(&by.address_of(from)?)
        ))
    };

    let of_alice = alice.says(&bob, "Did you get this?")?;
    let from_alice = bob.hears(&alice, "Did you get this?")?;
    let of_carol = carol.says(&bob, "And this?")?;
    let from_carol = bob.hears(&carol, "And this?")?;
    carol.sees_accepted(&of_carol)?;

    // Long after his server took them, Bob's client sends them back; what another says is nothing.
    refuse(&mallory, &alice, &from_alice.id)?;
    refuse(&mallory, &carol, &from_carol.id)?;
    nothing_else_arrives(&mallory, &alice, "Mallory's word")?;
    ensure!(alice.everything_failed().is_empty() && carol.everything_failed().is_empty());
    refuse(&bob, &alice, &from_alice.id)?;
    alice.is_told(&of_alice, "not_reachable")?;
    refuse(&bob, &carol, &from_carol.id)?;
    carol.is_told(&of_carol, "not_reachable")?;

    // Once is enough.
    refuse(&bob, &alice, &from_alice.id)?;
    nothing_else_arrives(&bob, &alice, "Bob's second word")?;
    nothing_else_arrives(&alice, &bob, "she goes on")?;
    ensure!(alice.everything_failed().len() == 1, "{:?}", alice.everything_failed());
    Ok(())
}
