//! The operator looks at the bridge while a network is away.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use drawbridge_servers::{PATIENCE, Port, Town, User, http, install, until};
use serde_json::Value;

use crate::{nothing_else_arrives, programs, three};

/// The health, with the status of the answer.
fn health(listen: SocketAddr) -> Result<(u16, Value)> {
    let answer = http::ask(listen, "GET", "/health", &[], b"")?;
    Ok((answer.status, serde_json::from_str(&answer.body)?))
}

/// Waits until nothing is wrong: the homeserver may be found only at the bridge's next try.
fn is_well(listen: SocketAddr) -> Result<Value> {
    until("all to be well", PATIENCE, || {
        let (status, health) = health(listen)?;
        Ok((status == 200 && health["status"] == "ok").then_some(health))
    })
}

/// The value of one sample, as it stands on the page.
fn metric(listen: SocketAddr, sample: &str) -> Result<Option<u64>> {
    let answer = http::ask(listen, "GET", "/metrics", &[], b"")?;
    ensure!(answer.status == 200, "{}", answer.status);
    let line = answer.body.lines().find_map(|line| line.strip_prefix(sample));
    Ok(line.map(|value| value.trim().parse()).transpose()?)
}

fn waits(town: &Town) -> Result<Vec<Value>> {
    let listed = town.daemon.asks(&["queue", "list", "--network", "xmpp", "--json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    Ok(listed.as_array().context("a list")?.clone())
}

#[test]
fn an_operator_sees_what_waits_and_takes_a_message_out() -> Result<()> {
    let port = Port::take(&install()?.folder)?;
    let listen = port.address();
    let watched = |config: String| format!("{config}\n[operator]\nlisten = \"{listen}\"\n");
    let mut town = Town::start_with(&programs()?, watched)?;
    let (alice, bob, carol) = three(&town)?;
    nothing_else_arrives(&carol, &bob, "we begin")?;
    nothing_else_arrives(&alice, &bob, "we begin")?;
    let well = is_well(listen)?;
    ensure!(well["networks"]["xmpp"]["state"] == "up", "{well}");
    ensure!(well["networks"]["xmpp"]["last_success"].is_string(), "{well}");

    town.xmpp.stop()?;
    until("the loss to be seen", PATIENCE, || {
        let (_, health) = health(listen)?;
        Ok((health["networks"]["xmpp"]["state"] == "down").then_some(()))
    })?;
    let unwanted = carol.says(&bob, "Bob, do not read this marmalade.")?;
    until("the first to wait", PATIENCE, || Ok((waits(&town)?.len() == 1).then_some(())))?;
    carol.says(&bob, "Bob, read this.")?;
    alice.says(&bob, "Bob, and this.")?;
    until("all to wait", PATIENCE, || Ok((waits(&town)?.len() == 3).then_some(())))?;

    let (status, away) = health(listen)?;
    let xmpp = &away["networks"]["xmpp"];
    ensure!(status == 200 && away["status"] == "degraded", "{away}");
    ensure!(away["reasons"][0]["code"] == "network_down", "{away}");
    ensure!(xmpp["queued"] == 3 && xmpp["oldest_waiting"].is_string(), "{away}");
    ensure!(xmpp["since"].as_str() > well["networks"]["xmpp"]["since"].as_str(), "{away}");
    let stands = town.daemon.asks(&["status"])?;
    ensure!(stands.starts_with("degraded, ") && stands.contains("xmpp: not connected"), "{stands}");
    ensure!(stands.contains("3 wait, the oldest for "), "{stands}");
    let state = "drawbridge_network_state{network=\"xmpp\",state=\"down\"}";
    ensure!(metric(listen, state)? == Some(1));
    ensure!(metric(listen, "drawbridge_queue_messages{network=\"xmpp\"}")? == Some(3));

    let waiting = waits(&town)?;
    let first = &waiting[0];
    let number = first["id"].to_string();
    ensure!(first["waits_for"] == "network" && first["what"] == "message", "{first}");
    ensure!(first["bytes"] == "Bob, do not read this marmalade.".len(), "{first}");
    ensure!(first["conversation"] == waiting[1]["conversation"], "{waiting:?}");
    ensure!(first["conversation"] != waiting[2]["conversation"], "{waiting:?}");
    let listing = town.daemon.asks(&["queue", "list"])?;
    let shown = town.daemon.asks(&["queue", "show", &number])?;
    for private in ["marmalade", "carol", "bob", "alice", "p.test", "hs.test"] {
        ensure!(!listing.contains(private) && !shown.contains(private), "{listing}{shown}");
        ensure!(!away.to_string().contains(private), "{away}");
    }
    let tried = town.daemon.asks(&["queue", "retry", "--network", "xmpp"])?;
    ensure!(tried == "xmpp is not connected: all is tried as soon as it is", "{tried}");
    let dropped = town.daemon.asks(&["queue", "drop", &number])?;
    ensure!(dropped == format!("{number} is out, its sender is told"), "{dropped}");
    carol.is_told(&unwanted, "expired")?;
    ensure!(town.daemon.asks(&["queue", "show", &number]).is_err());

    town.restart_xmpp()?;
    bob.comes_back()?;
    // The two are of different conversations, and may come in any order.
    let mut heard = [bob.next_message(PATIENCE)?.body, bob.next_message(PATIENCE)?.body];
    heard.sort();
    ensure!(heard == ["Bob, and this.", "Bob, read this."], "{heard:?}");
    is_well(listen)?;
    let failed = "drawbridge_messages_failed_total{network=\"xmpp\",code=\"expired\"}";
    ensure!(metric(listen, failed)? == Some(1));
    // Bob may read a message before the bridge has written down that it crossed.
    let crossed = "drawbridge_messages_crossed_total{network=\"xmpp\"}";
    until("all to be counted", PATIENCE, || {
        Ok((metric(listen, crossed)? == Some(4)).then_some(()))
    })?;
    ensure!(metric(listen, "drawbridge_network_disconnects_total{network=\"xmpp\"}")? >= Some(1));
    nothing_else_arrives(&carol, &bob, "all is well")
}
