//! Rude people and broken programs: refused clearly, and nobody else is hurt.

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware, escape, http, until};
use serde_json::{Value, json};

use crate::{nothing_else_arrives, six, three, town, town_on};

crate::with_each_xmpp_server! {
    hostile_stanzas,
}

fn everybody_is_well(people: [&dyn User; 3], after: &str) -> Result<()> {
    for (from, to) in six(people) {
        nothing_else_arrives(from, to, after)?;
    }
    Ok(())
}

fn transaction(town: &Town, token: &str, name: &str, body: &[u8]) -> Result<u16> {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("Content-Type", "application/json")];
    if !token.is_empty() {
        headers.push(("Authorization", &authorization));
    }
    let path = format!("/_matrix/app/v1/transactions/{name}");
    Ok(http::ask(town.matrix_listener(), "PUT", &path, &headers, body)?.status)
}

#[test]
fn hostile_transactions() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    everybody_is_well([&alice, &bob, &carol], "we begin")?;
    let right = town.secrets().last().cloned().unwrap_or_default();
    let room = alice.creates(&[&alice.address_of(&bob)?], false)?;
    let forged = json!({"events": [{
        "type": "m.room.message", "room_id": room, "event_id": "$forged", "sender": alice.id(),
        "origin_server_ts": 1, "content": {"msgtype": "m.text", "body": "forged"},
    }]});
    let forged = forged.to_string();

    for wrong in ["", "wrong", &right[..right.len() - 1], &format!("{right}x")] {
        let status = transaction(&town, wrong, "wrong-token", forged.as_bytes())?;
        ensure!(status == 401 || status == 403, "a wrong token was answered {status}");
    }
    let too_large = vec![b' '; 40 * 1024 * 1024];
    ensure!(transaction(&town, &right, "too-large", &too_large)? == 413);
    let deep = "[".repeat(100_000);
    for (name, body) in [
        ("not-json", b"{\"events\": [".as_slice()),
        ("not-utf8", b"{\"events\": [\"\xff\xfe\"]}".as_slice()),
        ("deep", deep.as_bytes()),
        ("no-events", b"{}".as_slice()),
        ("a-list", b"[]".as_slice()),
    ] {
        let status = transaction(&town, &right, name, body)?;
        ensure!(status == 400 || status == 200, "{name} was answered {status}");
    }

    // A bad event is refused alone: else the homeserver would send all of them again for ever.
    let deep_event: Value = json!({"type": "m.room.message", "content": nested(100)});
    let strange = json!({"events": [
        null, 1, "text", [], {}, deep_event,
        {"type": "m.room.message"}, {"type": 5, "sender": [], "room_id": {}, "event_id": null},
        {"type": "m.room.message", "room_id": "!x", "event_id": "$1", "sender": "nobody", "content": 3},
        {"type": "m.room.member", "room_id": "!x", "event_id": "$2", "sender": "@x:hs.test",
         "state_key": "@_drawbridge_:hs.test", "content": {"membership": "invite"}},
        {"type": "m.room.message", "room_id": "!x".repeat(5000), "event_id": "$".repeat(5000),
         "sender": "@x:elsewhere.test", "origin_server_ts": -1e300,
         "content": {"msgtype": "m.text", "body": "\u{0}"}},
    ]});
    ensure!(transaction(&town, &right, "strange", strange.to_string().as_bytes())? == 200);
    everybody_is_well([&alice, &bob, &carol], "the strange transactions")
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!("deep"), |inner, _| json!({"a": [inner]}))
}

fn hostile_stanzas(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let mallory = town.xmpp_user("mallory")?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    everybody_is_well(people, "we begin")?;
    let alice_there = escape(&mallory.address_of(&alice)?);
    let deep = format!("{}{}", "<x xmlns='urn:deep'>".repeat(150), "</x>".repeat(150));
    let attributes: String = (0..500).map(|n| format!("a{n}='{n}'")).collect::<Vec<_>>().join(" ");
    let stanzas = [
        "<message xmlns='jabber:client' to='{to}'/>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='chat'><body/></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='nonsense' id=''><body>x</body></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='error'><body>x</body></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='error' id='e'><error type='cancel'/></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='headline'><body>news</body></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}' type='groupchat'><body>all</body></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}'><subject>only</subject></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}'><delay xmlns='urn:xmpp:delay' stamp='never'/><replace xmlns='urn:xmpp:message-correct:0'/><reply xmlns='urn:xmpp:reply:0'/></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='bob@p.test' to='{to}'><body>forged</body></message></forwarded></received></message>".to_owned(),
        "<message xmlns='jabber:client' to='{to}'><result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'/></result></message>".to_owned(),
        "<message xmlns='jabber:client' to='bridge.p.test' type='chat'><privilege xmlns='urn:xmpp:privilege:2'/></message>".to_owned(),
        format!("<message xmlns='jabber:client' to='{{to}}'>{deep}</message>"),
        format!("<message xmlns='jabber:client' to='{{to}}'><x xmlns='urn:many' {attributes}/></message>"),
        format!("<message xmlns='jabber:client' to='{{to}}' id='{}'><active xmlns='http://jabber.org/protocol/chatstates'/></message>", "i".repeat(10_000)),
        format!("<message xmlns='jabber:client' to='{{to}}' id='huge'><body>{}</body></message>", "h".repeat(200_000)),
        "<message xmlns='jabber:client' to='%@bridge.p.test'><body>x</body></message>".to_owned(),
        "<message xmlns='jabber:client' to='bridge.p.test'><body>x</body></message>".to_owned(),
        format!("<message xmlns='jabber:client' to='{}@bridge.p.test'><body>x</body></message>", "l".repeat(1000)),
        "<iq xmlns='jabber:client' to='{to}' type='get' id='1'/>".to_owned(),
        "<iq xmlns='jabber:client' to='{to}' type='set' id='2'><query xmlns='urn:unknown'/><second xmlns='urn:unknown'/></iq>".to_owned(),
        "<iq xmlns='jabber:client' to='{to}' type='result' id='3'/>".to_owned(),
        "<iq xmlns='jabber:client' to='bridge.p.test' type='error' id='4'/>".to_owned(),
        "<iq xmlns='jabber:client' to='bridge.p.test' type='set' id='5'><query xmlns='jabber:iq:gateway'><prompt>\u{202e}matrix:@@@</prompt></query></iq>".to_owned(),
        "<presence xmlns='jabber:client' to='{to}' type='probe'/>".to_owned(),
        "<presence xmlns='jabber:client' to='{to}' type='error'/>".to_owned(),
        "<presence xmlns='jabber:client' to='bridge.p.test' type='subscribe'/>".to_owned(),
        "<presence xmlns='jabber:client' to='{to}'><x xmlns='http://jabber.org/protocol/muc#user'><status code='99999'/></x></presence>".to_owned(),
    ];
    for stanza in stanzas {
        mallory.sends(&stanza.replace("{to}", &alice_there))?;
    }
    // She, too, is still there: nothing of it ended her stream, or ours.
    town.introduces(&[&mallory, &carol])?;
    mallory.says(&carol, "I was rude.")?;
    carol.hears(&mallory, "I was rude.")?;
    ensure!(
        town.daemon.log()?.matches("panicked").count() == 0,
        "the daemon panicked: {}",
        town.daemon.log()?
    );
    // The server ends her own stream for this one.
    mallory.sends("<message xmlns='jabber:client'><body>\u{1}</unclosed>")?;
    bob.says(&carol, "Bob is unhurt.")?;
    carol.hears(&bob, "Bob is unhurt.")?;
    Ok(())
}

#[test]
fn hostile_frames() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    everybody_is_well(people, "we begin")?;
    let app = &town.partner_app;
    let event = |id: &str, from: &str, to: &str| {
        json!({"type": "event", "id": id, "from": from, "to": to, "sent_at": 1,
               "content": {"type": "text", "body": "hostile"}})
    };

    // In the name of somebody who never agreed, of another network's user, of nobody.
    for (number, from) in ["mallory", "alice", "@alice:hs.test"].into_iter().enumerate() {
        let id = format!("forged-{number}");
        app.sends(&event(&id, from, bob.id()))?;
        let error = app.sees("error", |frame| frame["about"] == id.as_str())?;
        ensure!(error["code"] == "forbidden" || error["code"] == "malformed", "{from}: {error}");
    }
    for frame in [
        json!({"type": "no such type"}),
        json!({"type": "event"}),
        json!({"type": 7}),
        json!([]),
        json!("text"),
        json!({"type": "event", "id": 1, "from": {}, "to": [], "sent_at": "now", "content": null}),
        event("no network", "carol", "nobody"),
        event(&"i".repeat(5000), "carol", alice.id()),
        json!({"type": "event", "id": "deep", "from": "carol", "to": alice.id(), "sent_at": 1, "content": nested(50)}),
        json!({"type": "enlist", "user": "mallory", "proof": "a.b.c"}),
        json!({"type": "ack", "ids": [1, 2]}),
        json!({"type": "hello", "versions": []}),
    ] {
        let before = app.count("error");
        app.sends(&frame)?;
        until("an answer to a bad frame", PATIENCE, || {
            Ok((app.count("error") > before).then_some(()))
        })
        .map_err(|error| error.context(frame.to_string().chars().take(200).collect::<String>()))?;
    }
    everybody_is_well(people, "the bad frames")?;

    // Over the limit of a frame: the connection ends, the app comes back.
    let before = app.count("welcome");
    let mut huge = event("huge", "carol", alice.id());
    huge["content"]["body"] = json!("h".repeat(2 * 1024 * 1024));
    app.sends(&huge)?;
    until("the app to come back", PATIENCE, || Ok((app.count("welcome") > before).then_some(())))?;
    everybody_is_well(people, "the huge frame")?;

    // With a key that the bridge does not know nobody gets in, and nobody is thrown out.
    let welcomes = app.count("welcome");
    let impostor = town.impostor()?;
    let refused = impostor.notes("disconnected")?;
    ensure!(refused.contains("401"), "{refused}");
    ensure!(impostor.count("welcome") == 0, "the impostor was let in");
    everybody_is_well(people, "the impostor")?;
    ensure!(app.count("welcome") == welcomes, "the impostor threw the app out");

    // Not a WebSocket at all.
    let door = town.partner_listener();
    let plain = http::ask(door, "GET", "/partner/v1", &[], b"")?;
    ensure!((400..500).contains(&plain.status), "{plain:?}");
    let elsewhere = http::ask(door, "GET", "/elsewhere", &[], b"")?;
    ensure!((400..500).contains(&elsewhere.status), "{elsewhere:?}");
    everybody_is_well(people, "the plain requests")
}
