//! A reload: what changes in a running daemon, what does not, and what is refused.

use crate::desk::{Daemon, Desk};
use crate::systemd::Manager;

/// Replaces a line of the configuration.
fn change(desk: &Desk, line: &str, with: &str) {
    let text = std::fs::read_to_string(desk.path("drawbridge.toml")).unwrap();
    assert!(text.contains(line), "{line}");
    desk.write("drawbridge.toml", &text.replace(line, with));
}

fn runs(desk: &Desk) -> (Manager, Daemon) {
    desk.append("\n[queue]\nmax_messages = 10\n\n[log]\nlevel = \"info\"\n");
    let (mut manager, daemon) = Manager::starts(desk, None);
    manager.hears("READY=1");
    (manager, daemon)
}

#[test]
fn a_good_reload_says_what_changed() {
    let desk = Desk::ready();
    let (mut manager, mut daemon) = runs(&desk);
    change(&desk, "max_messages = 10", "max_messages = 20");
    change(&desk, "level = \"info\"", "level = \"warn\"");
    change(&desk, "users.local = [\"p.test\"]", "users.local = [\"p.test\", \"q.test\"]");
    daemon.gets("-HUP");
    manager.hears("RELOADING=1");
    let (since, _) = manager.hears("MONOTONIC_USEC=");
    assert!(since["MONOTONIC_USEC=".len()..].parse::<u64>().unwrap() > 0);
    manager.hears("READY=1");
    // The line stands below the new level: that nothing more comes of INFO is the change.
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0));
    let log = daemon.heard.join("\n");
    assert!(!log.contains("stopping") && log.contains("WARN"), "{log}");
}

#[test]
fn a_reload_names_the_keys_that_changed() {
    let desk = Desk::ready();
    let (mut manager, mut daemon) = runs(&desk);
    change(&desk, "max_messages = 10", "max_messages = 20");
    // The default, written down: nothing changed.
    change(&desk, "issuer = \"birdychat\"", "issuer = \"birdychat\"\ncredit = 256");
    daemon.gets("-HUP");
    daemon.says("reloaded");
    let line = daemon.heard.last().unwrap();
    assert!(line.contains("changed=\"queue.max_messages\""), "{line}");
    manager.hears("READY=1");
}

#[test]
fn a_bad_file_leaves_the_old_configuration_running() {
    let desk = Desk::ready();
    let (mut manager, mut daemon) = runs(&desk);
    change(&desk, "max_messages = 10", "max_messages = \"many\"");
    daemon.gets("-HUP");
    manager.hears("READY=1");
    manager.hears("STATUS=the last reload was refused, see the log; birdychat: waiting");
    daemon.says("reload refused");
    let line = daemon.heard.last().unwrap();
    assert!(line.contains("queue.max_messages") && !line.contains("many"), "{line}");

    // Mended, it is as if nothing had been.
    change(&desk, "max_messages = \"many\"", "max_messages = 11");
    daemon.gets("-HUP");
    daemon.says("reloaded");
    manager.hears("STATUS=birdychat: waiting");
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}

#[test]
fn keys_that_cannot_change_are_refused_by_name_all_at_once() {
    let desk = Desk::ready();
    let (mut manager, mut daemon) = runs(&desk);
    change(&desk, "data_dir = \"data\"", "data_dir = \"elsewhere\"");
    change(&desk, "domain = \"bridge.p.test\"", "domain = \"other.p.test\"");
    change(&desk, "[networks.birdychat]", "[networks.haiket]");
    change(&desk, "level = \"info\"", "level = \"error\"");
    daemon.gets("-HUP");
    manager.hears("STATUS=the last reload was refused");
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0));
    let refused: Vec<_> =
        daemon.heard.iter().filter(|line| line.contains("reload refused")).collect();
    for key in ["data_dir", "networks.birdychat", "networks.haiket", "networks.xmpp.domain"] {
        let named = |line: &&&String| line.contains(&format!("key=\"{key}\""));
        assert_eq!(refused.iter().filter(named).count(), 1, "{key}: {refused:#?}");
    }
    assert_eq!(refused.len(), 4, "{refused:#?}");
    // Nothing of it was taken: the level is the old one.
    assert!(daemon.heard.join("\n").contains("stopped"), "{:#?}", daemon.heard);
}
