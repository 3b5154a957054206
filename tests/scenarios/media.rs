//! Files of every kind, in every direction, with each server.

use std::fs;

use anyhow::{Result, ensure};
use drawbridge_adapter::MediaKind;
use drawbridge_servers::{Deed, PATIENCE, SampleFile, Sight, Town, User, XmppSoftware, until};

use crate::{nothing_else_arrives, programs, six, three, three_strangers, town_on};

crate::with_each_xmpp_server! {
    files_of_every_kind_arrive_whole,
    what_is_too_large_says_how_large_it_may_be,
    what_is_no_picture_does_not_pass_for_one,
    a_file_goes_on_after_a_crash_and_leaves_nothing,
}

const SIZE: usize = 300_000;

fn files_of_every_kind_arrive_whole(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        for kind in MediaKind::ALL {
            let file = SampleFile::new(town.folder(), kind, SIZE)?;
            let id = from.performs(to, &Deed::SendsFile(&file))?;
            to.sees(from, &Sight::ShowsFile(&file))
                .map_err(|error| error.context(format!("{} {id}", from.id())))?;
        }
        let file = SampleFile::new(town.folder(), MediaKind::Image, SIZE)?;
        let file = file.with_caption("The <old> pier & harbour");
        from.performs(to, &Deed::SendsFile(&file))?;
        to.sees(from, &Sight::ShowsFile(&file))?;
        nothing_else_arrives(from, to, "after files")?;
    }
    Ok(())
}

fn what_is_too_large_says_how_large_it_may_be(software: XmppSoftware) -> Result<()> {
    let small = |config: String| format!("media.max_mib = 1\n{config}");
    let town = Town::start_on(software, &programs()?, small)?;
    let (alice, bob, carol) = three(&town)?;
    let file = SampleFile::new(town.folder(), MediaKind::Document, (1 << 20) + 100_000)?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let id = from.performs(to, &Deed::SendsFile(&file))?;
        let told = from.is_told(&id, "media_too_large")?;
        ensure!(told.words.contains("at most 1 MiB"), "{} was told: {}", from.id(), told.words);
        nothing_else_arrives(from, to, "after what was too large")?;
    }
    Ok(())
}

fn what_is_no_picture_does_not_pass_for_one(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let page = SampleFile::new(town.folder(), MediaKind::Image, 0)?;
    fs::write(&page.path, "<!DOCTYPE html><html><script>alert(1)</script></html>")?;
    for (from, to) in six([&alice, &bob, &carol]) {
        let id = from.performs(to, &Deed::SendsFile(&page))?;
        from.is_told(&id, "media_type_mismatch")?;
        nothing_else_arrives(from, to, "after what was no picture")?;
    }
    Ok(())
}

fn a_file_goes_on_after_a_crash_and_leaves_nothing(software: XmppSoftware) -> Result<()> {
    let mut town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    let people: [&dyn User; 3] = [&alice, &bob, &carol];
    let mut sent = Vec::new();
    for (from, to) in six(people) {
        let file = SampleFile::new(town.folder(), MediaKind::Video, 20 << 20)?;
        from.performs(to, &Deed::SendsFile(&file))?;
        sent.push((from, to, file));
    }
    // One is there: the others are on their way, or still to be accepted.
    until("the first file to arrive", PATIENCE, || {
        for (from, to, file) in &sent {
            if to.is_shown(*from, &Sight::ShowsFile(file))? {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })?;
    town.daemon.kill()?;
    let spool = fs::read_dir(town.folder().join("data/spool"))?.count();
    ensure!(spool == 0, "{spool} files lie in the spool after the crash");
    town.start_daemon()?;
    for (from, to, file) in &sent {
        // What the XMPP server had written and the bridge had not committed is lost.
        if from.network() == "xmpp" {
            continue;
        }
        to.sees(*from, &Sight::ShowsFile(file))?;
    }
    Ok(())
}

#[test]
fn nothing_is_fetched_before_a_stranger_is_accepted() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    // Not Alice, whose client joins wherever it is invited.
    let (_, bob, carol) = three_strangers(&town)?;
    bob.asks_bridge("enable birdychat")?;
    let file = SampleFile::new(town.folder(), MediaKind::Image, SIZE)?;
    let id = carol.performs(&bob, &Deed::SendsFile(&file))?;
    carol.sees_held(&id)?;
    carol.sees_held(&carol.says(&bob, "did you get it?")?)?;
    ensure!(town.partner_app.count("fetch") == 0, "it was fetched before she was accepted");
    bob.asks_bridge("accept birdychat:carol")?;
    bob.sees(&carol, &Sight::ShowsFile(&file))?;
    bob.hears(&carol, "did you get it?")?;
    ensure!(town.partner_app.count("fetch") == 2, "not it and its small picture");
    Ok(())
}

/// Whoever offers a file sees that it is fetched, and must not see a block in that.
#[test]
fn a_block_does_not_show_in_what_is_fetched() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    let (alice, _, carol) = three(&town)?;
    alice.asks_bridge("block birdychat:carol")?;
    let file = SampleFile::new(town.folder(), MediaKind::Image, SIZE)?;
    let id = carol.performs(&alice, &Deed::SendsFile(&file))?;
    carol.sees_accepted(&id)?;
    ensure!(town.partner_app.count("fetch") == 2, "not it and its small picture");
    ensure!(!alice.is_shown(&carol, &Sight::ShowsFile(&file))?, "she has blocked Carol");
    Ok(())
}

#[test]
fn a_link_is_followed_only_to_where_the_operator_says() -> Result<()> {
    let town = town_on(XmppSoftware::Prosody)?;
    let (alice, _, carol) = three(&town)?;
    let file = SampleFile::new(town.folder(), MediaKind::Image, SIZE)?;
    let id = carol.hosts_file(&alice, &file)?;
    carol.is_told(&id, "host_denied")?;
    let id = carol.sends_link(&alice, "https://192.168.0.1/pier.png", &file)?;
    carol.is_told(&id, "host_denied")?;
    let host = town.partner_app.notes("hosts")?;
    town.changes_configuration(|config| {
        let hosts = format!("[networks.birdychat]\nmedia.private_hosts = [\"{host}\"]\n");
        config.replace("[networks.birdychat]\n", &hosts)
    })?;
    until("the reload to be in force", PATIENCE, || {
        Ok(town.daemon.log()?.contains("networks.birdychat.media.private_hosts").then_some(()))
    })?;
    carol.hosts_file(&alice, &file)?;
    alice.sees(&carol, &Sight::ShowsFile(&file))
}
