//! Stickers and disappearing messages: refused in every form, visibly, and nothing arrives.

use anyhow::{Result, ensure};
use drawbridge_servers::{User, XmppSoftware, escape};
use serde_json::{Value, json};

use crate::{nothing_else_arrives, six, three, town_on};

crate::with_each_xmpp_server! {
    stickers_and_disappearing_messages_cross_in_no_direction,
    matrix_hides_neither_a_sticker_nor_a_timer,
    xmpp_hides_neither_a_sticker_nor_a_timer,
    a_partner_hides_neither_a_sticker_nor_a_timer,
}

const STICKER: &str = "unsupported_kind:sticker";
const DISAPPEARING: &str = "unsupported_kind:disappearing";

fn stickers_and_disappearing_messages_cross_in_no_direction(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        nothing_else_arrives(from, to, "we begin")?;
        let id = from.sends_sticker(&from.address_of(to)?)?;
        from.is_told(&id, STICKER)?;
        nothing_else_arrives(from, to, "no sticker")?;
        let id = from.sends_disappearing(&from.address_of(to)?, "Gone in a minute.")?;
        from.is_told(&id, DISAPPEARING)?;
        nothing_else_arrives(from, to, "no disappearing message")?;
    }
    Ok(())
}

fn matrix_hides_neither_a_sticker_nor_a_timer(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for to in [&carol as &dyn User, &bob] {
        let first = alice.says(to, "plain")?;
        to.hears(&alice, "plain")?;
        let address = alice.address_of(to)?;
        let edit = |content: Value| {
            json!({"msgtype": "m.text", "body": "* edited", "m.new_content": content,
                   "m.relates_to": {"rel_type": "m.replace", "event_id": first}})
        };
        let reply = |mut content: Value| {
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": first}});
            content
        };
        let text =
            |key: &str, value: Value| json!({"msgtype": "m.text", "body": "hidden", key: value});
        let sticker = json!({"body": "a bird", "url": "mxc://hs.test/bird", "info": {}});
        let forms = [
            ("m.sticker", sticker.clone(), STICKER),
            ("m.sticker", reply(sticker), STICKER),
            ("m.room.message", edit(json!({"msgtype": "m.sticker", "body": "a bird"})), STICKER),
            (
                "m.room.message",
                text(
                    "com.beeper.disappearing_timer",
                    json!({"type": "after_read", "timer": 60_000}),
                ),
                DISAPPEARING,
            ),
            ("m.room.message", text("org.matrix.self_destruct_after", json!(60_000)), DISAPPEARING),
            ("m.room.message", text("m.self_destruct_after", json!(60_000)), DISAPPEARING),
            (
                "m.room.message",
                text("org.matrix.msc2228.self_destruct_after", json!(60_000)),
                DISAPPEARING,
            ),
            ("m.room.message", reply(text("m.self_destruct_after", json!(60_000))), DISAPPEARING),
            (
                "m.room.message",
                edit(text("com.beeper.disappearing_timer", json!({"timer": 60_000}))),
                DISAPPEARING,
            ),
        ];
        for (kind, content, code) in forms {
            let id = alice.sends(&address, kind, &content)?;
            alice.is_told(&id, code).map_err(|error| error.context(content.to_string()))?;
            nothing_else_arrives(&alice, to, code)?;
        }
        let timer = json!({"type": "after_send", "timer": 60_000});
        let id = alice.sets(&address, "com.beeper.disappearing_timer", &timer)?;
        alice.is_told(&id, DISAPPEARING)?;
        nothing_else_arrives(&alice, to, "the timer that was switched on")?;
    }
    // A permanent failure is also said in the chat.
    ensure!(!alice.notices().is_empty());
    Ok(())
}

fn xmpp_hides_neither_a_sticker_nor_a_timer(software: XmppSoftware) -> Result<()> {
    const FORMS: &[(&str, &str)] = &[
        ("<sticker xmlns='urn:xmpp:stickers:0' pack='birds'/>", STICKER),
        ("<body>a bird</body><sticker xmlns='urn:xmpp:stickers:0' pack='birds'/>", STICKER),
        (
            "<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>\
             <sticker xmlns='urn:xmpp:stickers:0' pack='birds'/>",
            STICKER,
        ),
        (
            "<body>re</body><reply xmlns='urn:xmpp:reply:0' id='1'/>\
             <sticker xmlns='urn:xmpp:stickers:0' pack='birds'/>",
            STICKER,
        ),
        (
            "<body>shared</body><file-sharing xmlns='urn:xmpp:sfs:0'>\
             <sticker xmlns='urn:xmpp:stickers:0' pack='birds'/></file-sharing>",
            STICKER,
        ),
        (
            "<body>gone soon</body><ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
            DISAPPEARING,
        ),
        ("<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>", DISAPPEARING),
        (
            "<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>\
             <ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
            DISAPPEARING,
        ),
        (
            "<body>re</body><reply xmlns='urn:xmpp:reply:0' id='1'/>\
             <ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
            DISAPPEARING,
        ),
    ];
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for to in [&carol as &dyn User, &alice] {
        nothing_else_arrives(&bob, to, "we begin")?;
        let address = escape(&bob.address_of(to)?);
        for (number, (payload, code)) in FORMS.iter().enumerate() {
            let id = format!("form-{number}-{}", to.network());
            bob.sends(&format!(
                "<message xmlns='jabber:client' type='chat' id='{id}' to='{address}'>{payload}</message>"
            ))?;
            bob.is_told(&id, code).map_err(|error| error.context(*payload))?;
            nothing_else_arrives(&bob, to, code)?;
        }
    }
    Ok(())
}

fn a_partner_hides_neither_a_sticker_nor_a_timer(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let text = json!({"type": "text", "body": "hidden"});
    let old = json!({"app": "1"});
    let forms = [
        (json!({"content": {"type": "sticker"}}), STICKER),
        (json!({"content": {"type": "sticker", "body": "a bird"}}), STICKER),
        (
            json!({"content": {"type": "edit", "of": old, "body": "x", "content": {"type": "sticker"}}}),
            STICKER,
        ),
        (json!({"content": {"type": "sticker"}, "in_reply_to": old}), STICKER),
        (json!({"content": text, "expires_in": 60}), DISAPPEARING),
        (json!({"content": text, "view_once": true}), DISAPPEARING),
        (json!({"content": {"type": "text", "body": "hidden", "expires_in": 60}}), DISAPPEARING),
        (
            json!({"content": {"type": "edit", "of": old, "body": "hidden", "expires_in": 60}}),
            DISAPPEARING,
        ),
        (
            json!({"content": {"type": "edit", "of": old, "body": "hidden", "view_once": true}}),
            DISAPPEARING,
        ),
        (json!({"content": text, "in_reply_to": old, "expires_in": 60}), DISAPPEARING),
    ];
    for to in [&alice as &dyn User, &bob] {
        nothing_else_arrives(&carol, to, "we begin")?;
        for (number, (form, code)) in forms.iter().enumerate() {
            let id = format!("form-{number}-{}", to.network());
            let mut frame = json!({
                "type": "event", "id": id, "from": "carol", "to": to.id(), "sent_at": 1_700_000_000_000_i64,
            });
            for (key, value) in form.as_object().into_iter().flatten() {
                frame[key] = value.clone();
            }
            town.partner_app.sends(&frame)?;
            carol.is_told(&id, code).map_err(|error| error.context(frame.to_string()))?;
            nothing_else_arrives(&carol, to, code)?;
        }
    }
    Ok(())
}
