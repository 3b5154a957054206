//! What people on XMPP, and those who run their server, get of reports, folders and mutes.

use anyhow::{Result, ensure};
use drawbridge_servers::{Asked, PATIENCE, User, WARDEN, XmppSoftware, until};

use crate::{nothing_else_arrives, three, town_on};

crate::with_each_xmpp_server! {
    a_report_reaches_whom_the_server_names,
    a_mute_is_picked_from_the_menu,
}

crate::with_each_xmpp_server! { prosody_alone: Prosody,
    chats_with_other_apps_stand_apart
}

fn a_report_reaches_whom_the_server_names(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, _) = three(&town)?;
    let warden = town.xmpp_user("warden")?;
    ensure!(warden.jid() == WARDEN);
    let texts = ["Good morning.", "You fool!", "You utter fool!"];
    let mut ids = Vec::new();
    for text in texts {
        ids.push(bob.says(&alice, text)?);
        alice.hears(&bob, text)?;
    }
    // It waits where nobody can take it, also while the daemon is dead.
    town.xmpp.stop()?;
    let said = alice.asks_bridge(&format!("report {} abuse 2", bob.id()))?;
    ensure!(said.contains("their last 2 messages"), "{said}");
    town.daemon.kill()?;
    town.xmpp.start()?;
    town.xmpp.wait()?;
    // ejabberd may lose what comes in the moment of a login: both are there before the bridge is.
    warden.comes_back()?;
    bob.comes_back()?;
    town.start_daemon()?;

    let report = warden.hears_report()?;
    let picked = ids[1..].iter().map(|id| (bob.jid().to_owned(), id.clone())).collect::<Vec<_>>();
    ensure!(report.ids == picked, "{report:?}");
    ensure!(report.reason == "urn:xmpp:reporting:abuse", "{report:?}");
    ensure!(report.from == "bridge.p.test" && report.words.contains(bob.id()), "{report:?}");
    for text in texts {
        ensure!(!report.xml.contains(text), "a message's text is in it: {report:?}");
    }
    // Whom it is about hears nothing of it.
    nothing_else_arrives(&alice, &bob, "we go on")?;
    nothing_else_arrives(&bob, &alice, "and so do I")?;
    ensure!(bob.reports_heard() == 0 && bob.everything_of_bridge().is_empty());
    // Of the warden there is nobody to tell, and alice learns it.
    alice.asks_bridge(&format!("report xmpp:{WARDEN} spam"))?;
    let told = alice.hears_bridge()?;
    ensure!(told.contains("did not reach"), "{told}");
    Ok(())
}

fn a_mute_is_picked_from_the_menu(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (_, bob, carol) = three(&town)?;
    let form = bob.sees_form("mute")?;
    let options = ["8h", "1w", "1y", "always"].map(str::to_owned).to_vec();
    let asked = Asked { name: "duration".to_owned(), kind: "list-single".to_owned(), options };
    ensure!(form.last() == Some(&asked), "{form:?}");
    let note = bob.runs_command("mute", &[("user", carol.id()), ("duration", "1w")])?;
    ensure!(note.contains("for a week"), "{note}");
    nothing_else_arrives(&carol, &bob, "it still comes")?;
    let other = bob.runs_command("mute", &[("user", carol.id()), ("duration", "2h")]);
    ensure!(format!("{:?}", other.err()).contains("bad-request"));
    let note = bob.runs_command("unmute", &[("user", carol.id())])?;
    ensure!(note.contains("makes noise again"), "{note}");
    Ok(())
}

fn chats_with_other_apps_stand_apart(software: XmppSoftware) -> Result<()> {
    const APART: &str = "Other apps";
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let dave = town.partner_user("dave")?;
    town.introduces(&[&bob, &dave])?;
    let stands = |address: String, apart: bool| {
        until("the chat to stand where it should", PATIENCE, || {
            Ok((bob.is_in_group(&address, APART)? == apart).then_some(()))
        })
    };
    nothing_else_arrives(&alice, &bob, "from matrix")?;
    nothing_else_arrives(&carol, &bob, "from the app")?;
    let note = bob.runs_command("inbox", &[("mode", "separate")])?;
    ensure!(note.contains(APART), "{note}");
    stands(bob.address_of(&carol)?, true)?;
    // A chat to come, also for another life of the daemon.
    town.daemon.kill()?;
    town.start_daemon()?;
    nothing_else_arrives(&dave, &bob, "from the app too")?;
    stands(bob.address_of(&dave)?, true)?;
    ensure!(bob.contact(&bob.address_of(&alice)?)?.is_none(), "alice's chat was touched");

    let said = bob.asks_bridge("inbox combined")?;
    ensure!(said.contains("among the others"), "{said}");
    for other in [&carol, &dave] {
        stands(bob.address_of(other)?, false)?;
    }
    ensure!(carol.everything_failed().is_empty(), "{:?}", carol.everything_failed());
    Ok(())
}
