//! The servers and clients by themselves: what the scenarios stand on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_adapter::{Content, Location, MediaKind, Poll};
use drawbridge_servers::{
    Addresses, Deed, MatrixClients, Port, SampleFile, Sight, Synapse, User, XmppClients,
    XmppServer, XmppSoftware, install,
};

/// A registration for a bridge that is not there.
const NOBODY: &str = "id: drawbridge
url: null
as_token: a
hs_token: b
sender_localpart: drawbridge
namespaces: {users: [{exclusive: true, regex: '@_drawbridge_.*'}]}
";

fn no_addresses() -> Arc<Addresses> {
    Arc::new(Addresses::of_config(Path::new("/nowhere"), Path::new("/nowhere")))
}

/// A homeserver, and clients on it.
fn matrix(folder: &Path) -> Result<(Synapse, MatrixClients)> {
    let installed = install()?;
    let registration = folder.join("registration.yaml");
    fs::write(&registration, NOBODY)?;
    let mut synapse = Synapse::prepare(&installed, folder, &registration)?;
    synapse.start()?;
    let log = folder.join("clients.log");
    let clients = MatrixClients::start(&installed, synapse.address(), &log, &no_addresses())?;
    synapse.wait()?;
    Ok((synapse, clients))
}

#[test]
fn two_matrix_users_talk_also_after_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut synapse, clients) = matrix(folder.path())?;
    let alice = clients.register("alice", "secret")?;
    let dora = clients.register("dora", "secret")?;

    alice.says(&dora, "Are you there?")?;
    dora.hears(&alice, "Are you there?")?;
    dora.says(&alice, "I am.")?;
    alice.hears(&dora, "I am.")?;

    synapse.stop()?;
    synapse.start()?;
    alice.floods(&alice.address_of(&dora)?, "after the restart", 30)?;
    for number in 1..=30 {
        dora.hears(&alice, &format!("after the restart {number}"))?;
    }
    Ok(())
}

#[test]
fn two_matrix_users_exchange_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_synapse, clients) = matrix(folder.path())?;
    let alice = clients.register("alice", "secret")?;
    let dora = clients.register("dora", "secret")?;
    let path = folder.path().join("sent");
    fs::write(&path, b"OggS and so on".repeat(100_000))?;
    let mut file = SampleFile {
        kind: MediaKind::Voice,
        name: "voice — Zoë.ogg".to_owned(),
        mime: "audio/ogg".to_owned(),
        path,
        caption: None,
        duration: Some(Duration::from_millis(2500)),
        width: None,
        height: None,
        blurhash: None,
        waveform: vec![0, 310, 1024],
        thumbnail: None,
    };
    alice.performs(&dora, &Deed::SendsFile(&file))?;
    dora.sees(&alice, &Sight::ShowsFile(&file))?;
    file.waveform = vec![0, 310, 1023];
    ensure!(!dora.is_shown(&alice, &Sight::ShowsFile(&file))?, "of another loudness");
    (file.kind, file.waveform) = (MediaKind::Image, Vec::new());
    ensure!(!dora.is_shown(&alice, &Sight::ShowsFile(&file))?, "of another kind");
    file.caption = Some("listen to <this>".to_owned());
    (file.width, file.height) = (Some(64), Some(48));
    file.thumbnail = Some(folder.path().join("small"));
    fs::write(folder.path().join("small"), b"\x89PNG and so on")?;
    alice.performs(&dora, &Deed::SendsFile(&file))?;
    dora.sees(&alice, &Sight::ShowsFile(&file))?;
    (file.width, file.height) = (Some(48), Some(64));
    ensure!(!dora.is_shown(&alice, &Sight::ShowsFile(&file))?, "lying on its side");
    (file.width, file.height) = (Some(64), Some(48));
    fs::write(folder.path().join("small"), b"\x89PNG and others")?;
    ensure!(!dora.is_shown(&alice, &Sight::ShowsFile(&file))?, "with another small picture");
    fs::write(folder.path().join("small"), b"\x89PNG and so on")?;
    file.path = folder.path().join("other");
    fs::write(&file.path, b"OggS and so on".repeat(99_999))?;
    ensure!(!dora.is_shown(&alice, &Sight::ShowsFile(&file))?, "with other bytes");
    alice.says(&dora, "That was all.")?;
    dora.hears(&alice, "That was all.")?;
    Ok(())
}

#[test]
fn a_matrix_user_sees_what_another_looks_like() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_synapse, clients) = matrix(folder.path())?;
    let alice = clients.register("alice", "secret")?;
    let dora = clients.register("dora", "secret")?;
    alice.says(&dora, "Hullo")?;
    dora.hears(&alice, "Hullo")?;
    alice.performs(&dora, &Deed::CallsItself("Alice L."))?;
    dora.sees(&alice, &Sight::Name("Alice L."))?;
    ensure!(!dora.is_shown(&alice, &Sight::Name("alice"))?);
    for face in [Some(&b"no picture, but bytes"[..]), None, Some(&b"others"[..])] {
        alice.performs(&dora, &Deed::Wears(face))?;
        dora.sees(&alice, &Sight::Face(face))?;
    }
    ensure!(!dora.is_shown(&alice, &Sight::Face(None))?);
    Ok(())
}

#[test]
fn two_matrix_users_do_and_see_more_than_texts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_synapse, clients) = matrix(folder.path())?;
    let alice = clients.register("alice", "secret")?;
    let dora = clients.register("dora", "secret")?;
    let id = alice.says(&dora, "Hullo")?;
    let unseen = [
        Sight::Bold("Hullo"),
        Sight::Reply(&id, "Hullo"),
        Sight::Edited(&id, "Hullo"),
        Sight::Retracted(&id),
        Sight::Reactions(&id, &["👍"]),
        Sight::Typing(true),
    ];
    ensure!(dora.hears(&alice, "Hullo")?.id == id);
    for sight in unseen {
        ensure!(!dora.is_shown(&alice, &sight)?, "{sight:?}");
    }
    alice.performs(&dora, &Deed::SaysBold("a < b"))?;
    dora.sees(&alice, &Sight::Bold("a < b"))?;
    alice.performs(&dora, &Deed::Edits(&id, "Hello"))?;
    dora.sees(&alice, &Sight::Edited(&id, "Hello"))?;
    dora.performs(&alice, &Deed::Replies(&id, "Yes?"))?;
    alice.sees(&dora, &Sight::Reply(&id, "Yes?"))?;
    for emojis in [&["👍", "🎉"][..], &["🎉"], &[]] {
        dora.performs(&alice, &Deed::Reacts(&id, emojis))?;
        alice.sees(&dora, &Sight::Reactions(&id, emojis))?;
    }
    for typing in [true, false] {
        dora.performs(&alice, &Deed::Types(typing))?;
        alice.sees(&dora, &Sight::Typing(typing))?;
    }
    ensure!(!alice.is_shown(&dora, &Sight::Read(&id))?);
    dora.performs(&alice, &Deed::Reads(&id))?;
    alice.sees(&dora, &Sight::Read(&id))?;
    let place = Location::new(52.5, -4.25).unwrap().named(Some("the pier"));
    let place = Content::Location(place);
    let shown = Sight::Shows(place.clone());
    ensure!(!dora.is_shown(&alice, &shown)?);
    alice.performs(&dora, &Deed::Sends(place))?;
    dora.sees(&alice, &shown)?;
    let answers = vec!["soup".to_owned(), "bread".to_owned()];
    let poll = Poll { question: "Lunch?".to_owned(), answers, most: 1 };
    ensure!(!alice.performs(&dora, &Deed::Sends(Content::Poll(poll)))?.is_empty());
    alice.performs(&dora, &Deed::Retracts(&id))?;
    dora.sees(&alice, &Sight::Retracted(&id))?;
    Ok(())
}

#[test]
fn two_users_of_prosody_talk_also_after_a_restart() -> Result<()> {
    two_xmpp_users_talk_also_after_a_restart(XmppSoftware::Prosody)
}

#[test]
fn two_users_of_ejabberd_talk_also_after_a_restart() -> Result<()> {
    two_xmpp_users_talk_also_after_a_restart(XmppSoftware::Ejabberd)
}

fn two_xmpp_users_talk_also_after_a_restart(software: XmppSoftware) -> Result<()> {
    let installed = install()?;
    let folder = tempfile::tempdir()?;
    let mut server = XmppServer::prepare(software, &installed, folder.path(), "secret")?;
    server.start()?;
    let log = folder.path().join("clients.log");
    let clients = XmppClients::start(&installed, server.address(), &log, &no_addresses())?;
    server.wait()?;
    server.register("bob-1", "p.test", "secret")?;
    server.register("eve", "far.test", "secret")?;
    let bob = clients.login("bob-1@p.test", "secret")?;
    let eve = clients.login("eve@far.test", "secret")?;

    bob.says(&eve, "Are you there?")?;
    eve.hears(&bob, "Are you there?")?;
    eve.floods(bob.jid(), "yes", 100)?;
    for number in 1..=100 {
        bob.hears(&eve, &format!("yes {number}"))?;
    }

    // No bridge is there: the server says so.
    let id = bob.writes("somebody@bridge.p.test", "Hello?")?;
    bob.is_told(&id, "")?;

    server.stop()?;
    server.start()?;
    server.wait()?;
    bob.comes_back()?;
    eve.comes_back()?;
    bob.says(&eve, "Again?")?;
    eve.hears(&bob, "Again?")?;
    Ok(())
}

#[test]
fn what_is_not_said_is_not_heard() -> Result<()> {
    let installed = install()?;
    let folder = tempfile::tempdir()?;
    let software = XmppSoftware::Prosody;
    let mut server = XmppServer::prepare(software, &installed, folder.path(), "secret")?;
    server.start()?;
    let log = folder.path().join("clients.log");
    let clients = XmppClients::start(&installed, server.address(), &log, &no_addresses())?;
    server.wait()?;
    server.register("bob", "p.test", "secret")?;
    server.register("eve", "p.test", "secret")?;
    let bob = clients.login("bob@p.test", "secret")?;
    let eve = clients.login("eve@p.test", "secret")?;

    bob.says(&eve, "one")?;
    bob.says(&eve, "two")?;
    let wrong = eve.hears(&bob, "two").unwrap_err();
    assert!(wrong.to_string().contains("heard “one”"), "{wrong}");
    Ok(())
}

#[test]
fn ports_are_free_and_nobody_elses() -> Result<()> {
    let installed = install()?;
    let ports: Vec<_> = (0..20).map(|_| Port::take(&installed.folder)).collect::<Result<_>>()?;
    for (place, port) in ports.iter().enumerate() {
        assert!(ports[..place].iter().all(|other| other.number() != port.number()));
        TcpListener::bind(port.address())?;
    }
    Ok(())
}
