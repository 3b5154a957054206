//! What the daemon logs, even at `trace`: no body, no address, no token, no secret.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Town, User, XmppSoftware, until};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::{programs, six};

crate::with_each_xmpp_server! {
    nothing_private_is_logged,
}

fn nothing_private_is_logged(software: XmppSoftware) -> Result<()> {
    let trace = |config: String| format!("{config}\n[log]\nlevel = \"trace\"\n");
    let mut town = Town::start_on(software, &programs()?, trace)?;
    // Names that appear nowhere else.
    let zuzanna = town.matrix_user("zuzanna")?;
    let quentin = town.xmpp_user("quentin")?;
    let wilhelmina = town.partner_user("wilhelmina")?;
    let people: [&dyn User; 3] = [&zuzanna, &quentin, &wilhelmina];
    town.introduces(&people)?;
    zuzanna.logs_in_to_bridge()?;

    for format in ["human", "json"] {
        for (from, to) in six(people) {
            let body = format!("marmalade {format}");
            from.says(to, &body)?;
            to.hears(from, &body)?;
            let id = from.sends_sticker(&from.address_of(to)?)?;
            from.is_told(&id, "unsupported_kind:sticker")?;
            let id = from.sends_disappearing(&from.address_of(to)?, "marmalade soon gone")?;
            from.is_told(&id, "unsupported_kind:disappearing")?;
        }
        let id = wilhelmina.writes("xmpp:heribert@p.test", "marmalade for nobody")?;
        wilhelmina.is_told(&id, "not_reachable")?;
        let id = wilhelmina.writes("matrix:@heribert:hs.test", "marmalade for nobody")?;
        wilhelmina.is_told(&id, "not_reachable")?;
        let ghost = zuzanna.address_of(&quentin)?;
        let strange = json!({"msgtype": "marmalade", "body": "of oranges"});
        let id = zuzanna.sends(&ghost, "m.room.message", &strange)?;
        zuzanna.is_told(&id, "unsupported_kind:other")?;
        town.partner_app.sends(&json!({"type": "event", "id": "marmalade", "from": "heribert"}))?;
        town.partner_app.sees("error", |frame| frame["about"] == "marmalade")?;

        // Trouble is logged most of all.
        town.restart_xmpp()?;
        quentin.comes_back()?;
        town.restart_synapse()?;
        zuzanna.says(&quentin, "marmalade again")?;
        quentin.hears(&zuzanna, "marmalade again")?;
        town.daemon.stop()?;
        town.daemon.set("DRAWBRIDGE_LOG__FORMAT", "json");
        town.start_daemon()?;
    }
    town.daemon.stop()?;

    let log = town.daemon.log()?;
    ensure!(log.contains("TRACE") || log.contains("DEBUG"), "this is no log at trace");
    ensure!(log.lines().any(|line| line.starts_with('{')), "this is no log in JSON");
    let mut private: Vec<String> =
        ["marmalade", "zuzanna", "quentin", "wilhelmina", "heribert", "eyJ", "Bearer"]
            .map(String::from)
            .into();
    let secrets = [town.secrets(), &[zuzanna.token().to_owned()]].concat();
    private.extend(secrets.iter().cloned());
    for word in private {
        if let Some(line) = log.lines().find(|line| line.contains(&word)) {
            ensure!(secrets.contains(&word), "“{word}” is in the log: {line}");
            ensure!(!secrets.contains(&word), "a secret is in the log");
        }
    }

    // And every line is one that the operator was told of.
    let came = Catalogue::read()?.holds(log.lines().filter(|line| line.starts_with('{')))?;
    for event in [
        "daemon_started",
        "daemon_stopped",
        "delivery_carried_out",
        "event_handed_over",
        "frame_refused",
        "message_accepted",
        "message_crossed",
        "message_refused",
        "network_connected",
        "network_disconnected",
        "session_ended",
        "status_told",
    ] {
        ensure!(came.contains(event), "this was no busy run: {event} is not among {came:?}");
    }
    Ok(())
}

#[test]
fn a_peer_that_comes_and_goes_is_one_line_a_change() -> Result<()> {
    const TIMES: usize = 20;
    const KNOCKS: usize = 5;
    let json = |config: String| format!("{config}\n[log]\nformat = \"json\"\n");
    let mut town = Town::start_with(&programs()?, json)?;
    let before = town.daemon.log()?.len();

    for times in 1..=TIMES {
        town.partner_app.does(&json!({"do": "disconnect"}))?;
        until("the app to be back", PATIENCE, || {
            Ok((town.partner_app.count("welcome") > times).then_some(()))
        })?;
    }
    // Somebody else in the place of the XMPP server, who hangs up on each try.
    town.xmpp.stop()?;
    let other = TcpListener::bind(town.xmpp.component_address())?;
    other.set_nonblocking(true)?;
    for _ in 0..KNOCKS {
        until("the bridge to try", PATIENCE, || Ok(other.accept().ok()))?;
    }
    drop(other);
    town.xmpp.start()?;
    town.xmpp.wait()?;
    let quentin = town.xmpp_user("quentin")?;
    let carol = town.partner_user("carol")?;
    town.introduces(&[&quentin, &carol])?;
    carol.says(&quentin, "all is well")?;
    quentin.hears(&carol, "all is well")?;

    let log = town.daemon.log()?;
    let lines: Vec<Value> =
        log[before..].lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for network in ["birdychat", "xmpp"] {
        let of =
            |line: &&Value| line["network"] == network && line["event"] != "network_switched_on";
        let states: Vec<_> = lines
            .iter()
            .filter(of)
            .map(|line| (line["event"].as_str(), line["why"].as_str()))
            .collect();
        let changes = states.windows(2).all(|pair| pair[0] != pair[1]);
        ensure!(changes, "{network}: a line without a change: {states:?}");
        match network {
            "birdychat" => ensure!((TIMES..=2 * TIMES).contains(&states.len()), "{states:?}"),
            _ => ensure!((2..=4).contains(&states.len()), "{states:?}"),
        }
    }
    let others = lines.iter().filter(|line| {
        let event = line["event"].as_str().unwrap_or_default();
        !event.starts_with("network_") && !["message_crossed", "contact_made"].contains(&event)
    });
    let others: Vec<_> = others.collect();
    ensure!(others.is_empty(), "beside the changes: {others:?}");
    Ok(())
}

#[test]
fn one_id_follows_a_message_through_its_whole_way() -> Result<()> {
    let debug = |config: String| format!("{config}\n[log]\nlevel = \"trace\"\nformat = \"json\"\n");
    let town = Town::start_with(&programs()?, debug)?;
    let alice = town.matrix_user("alice")?;
    let carol = town.partner_user("carol")?;
    town.introduces(&[&alice, &carol])?;
    carol.says(&alice, "one message")?;
    alice.hears(&carol, "one message")?;
    alice.says(&carol, "and one back")?;
    carol.hears(&alice, "and one back")?;

    // The partner's adapter, the crossing, the Matrix adapter: each has a line with the same id.
    until("both to be followed", PATIENCE, || {
        let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
        for line in town.daemon.log()?.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            if let (Some(msg), Some(target)) = (line["msg"].as_str(), line["target"].as_str()) {
                seen.entry(msg.to_owned()).or_default().insert(target.to_owned());
            }
        }
        let through = |rooms: &HashSet<String>| {
            ["drawbridge_partner", "drawbridge::crossing", "drawbridge_matrix"]
                .iter()
                .all(|part| rooms.iter().any(|room| room.starts_with(part)))
        };
        let whole = seen.values().filter(|rooms| through(rooms)).count();
        Ok((whole == 2).then_some(()))
    })
}
