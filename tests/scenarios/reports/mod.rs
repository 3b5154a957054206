//! Who is reported to those who run a network, and with what; and chats that stand apart.

mod matrix;
mod xmpp;

use anyhow::{Result, ensure};
use drawbridge_servers::{PATIENCE, Port, Town, User, install, until};
use serde_json::Value;

use crate::{nothing_else_arrives, programs, three, town};

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

#[test]
fn a_report_reaches_the_partner_with_the_picked_messages_and_without_a_name() -> Result<()> {
    let town = town()?;
    let (alice, bob, carol) = three(&town)?;
    let mut sent = Vec::new();
    for body in ["hello", "buy this", "buy that"] {
        sent.push(carol.says(&alice, body)?);
        alice.hears(&carol, body)?;
        carol.says(&bob, "not meant for alice")?;
        bob.hears(&carol, "not meant for alice")?;
    }
    let wrong = alice.asks_bridge(&format!("report {} revenge", carol.id()))?;
    ensure!(["spam", "abuse", "other"].iter().all(|one| wrong.contains(one)), "{wrong}");
    let answer = alice.asks_bridge(&format!("report {} spam 2", carol.id()))?;
    ensure!(answer.contains("last 2 messages"), "{answer}");
    let report = carol.hears_report()?;
    ensure!(report["reason"] == "spam", "{report}");
    ensure!(texts(&report["messages"]) == sent[1..], "{report}, of {sent:?}");
    ensure!(!report.to_string().contains("alice"), "the report names who reports: {report}");

    alice.asks_bridge(&format!("report {} abuse", carol.id()))?;
    let report = carol.hears_report()?;
    ensure!(report["reason"] == "abuse" && texts(&report["messages"]).is_empty(), "{report}");
    ensure!(town.partner_app.count("report") == 2, "a report came twice");
    // Carol herself learns nothing of it.
    ensure!(carol.everything_of_bridge().is_empty(), "{:?}", carol.everything_of_bridge());
    nothing_else_arrives(&carol, &alice, "and we go on")
}

#[test]
fn a_partners_user_reports_in_the_app_what_an_xmpp_server_reads() -> Result<()> {
    let town = town()?;
    let (_, bob, carol) = three(&town)?;
    let warden = town.xmpp_user("warden")?;
    let mut sent = Vec::new();
    for body in ["hello", "buy this", "buy that"] {
        sent.push(bob.says(&carol, body)?);
        carol.hears(&bob, body)?;
    }
    carol.reports(&bob, "spam", 2)?;
    let report = warden.hears_report()?;
    let ids: Vec<_> = report.ids.iter().map(|(_, id)| id).collect();
    ensure!(ids == sent[1..].iter().collect::<Vec<_>>(), "{report:?}, of {sent:?}");
    ensure!(report.words.contains(bob.id()), "{report:?}");
    ensure!(!report.xml.contains("buy"), "the report holds texts: {report:?}");
    ensure!(bob.everything_failed().is_empty(), "bob was told");
    nothing_else_arrives(&bob, &carol, "and we go on")
}

#[test]
fn a_partners_user_reports_in_the_app_what_a_homeserver_reads() -> Result<()> {
    let town = town()?;
    let (alice, _, carol) = three(&town)?;
    let mut sent = Vec::new();
    for body in ["hello", "buy this", "buy that"] {
        sent.push(alice.says(&carol, body)?);
        carol.hears(&alice, body)?;
    }
    carol.reports(&alice, "spam", 2)?;
    let events = until("the homeserver to have the report", PATIENCE, || {
        let events = town.synapse.reports()?.into_iter().filter(|one| one.of == "event");
        let events: Vec<_> = events.map(|one| one.id).collect();
        Ok((events.len() >= 2).then_some(events))
    })?;
    ensure!(events == sent[1..], "{events:?}, of {sent:?}");
    ensure!(alice.everything_failed().is_empty(), "alice was told");
    nothing_else_arrives(&alice, &carol, "and we go on")?;
    let all = town.synapse.reports()?.into_iter().filter(|one| one.of == "event").count();
    ensure!(all == 2, "{all} messages were reported");
    Ok(())
}

#[test]
fn an_inbox_of_its_own_gathers_the_other_apps() -> Result<()> {
    let port = Port::take(&install()?.folder)?;
    let listen = port.address();
    let with_another = |config: String| {
        format!(
            "{config}\n[networks.otterchat]\ntype = \"partner\"\nrole = \"third_party\"\n\
             listen = \"{listen}\"\nissuer = \"otterchat\"\naudience = \"town\"\n\
             jwks_file = \"birdychat.jwks.json\"\n\
             admission = {{ conformance_report = \"birdychat.conformance.json\", \
             minimum_posture = \"clear\" }}\n"
        )
    };
    let mut town = Town::start_with(&programs()?, with_another)?;
    let (alice, _, carol) = three(&town)?;
    let is = carol.asks_bridge("inbox")?;
    ensure!(is.contains("among the others"), "{is}");
    let done = carol.asks_bridge("inbox separate")?;
    ensure!(done.contains("inbox combined"), "{done}");
    ensure!(carol.sees_inbox()? == ["otterchat"]);
    town.daemon.kill()?;
    town.start_daemon()?;
    ensure!(carol.asks_bridge("inbox")?.contains("in a folder"), "a kill changed it");
    nothing_else_arrives(&alice, &carol, "nothing is lost")?;
    carol.asks_bridge("inbox combined")?;
    ensure!(carol.sees_inbox()?.is_empty());
    Ok(())
}
