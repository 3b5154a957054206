//! The command line, as an operator sees it: what it prints, and its exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod desk;
mod doctor;
mod operator;
mod reload;
mod systemd;

use std::os::unix::fs::PermissionsExt;

use desk::{Daemon, Desk, Done, drawbridge};

#[test]
fn help_and_version_are_told() {
    let help = Done::of(drawbridge(&["--help"]));
    assert_eq!(help.code, Some(0));
    for word in
        ["run", "check", "status", "queue", "registration", "address", "version", "69", "78"]
    {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    let version = Done::of(drawbridge(&["version"]));
    assert_eq!(version.code, Some(0));
    let adapters = "adapters: matrix, xmpp, partner\n";
    assert_eq!(version.out, format!("drawbridge {}\n{adapters}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_no_command_is_a_usage_error() {
    for arguments in [&["fly"][..], &[], &["address", "xmpp:bob@p.test"], &["registration", "A b"]]
    {
        let done = Done::of(drawbridge(arguments));
        assert_eq!(done.code, Some(2), "{arguments:?}");
        assert!(done.out.is_empty() && !done.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn check_accepts_a_configuration_whose_files_come_later() {
    let desk = Desk::new();
    let done = desk.does(&["check"]);
    assert_eq!(done.code, Some(0), "{}", done.out);
    for (line, key, file) in [
        (9, "matrix.registration_file", "registration.yaml"),
        (17, "xmpp.secret_file", "xmpp.secret"),
        (25, "birdychat.jwks_file", "birdychat.jwks.json"),
        (26, "birdychat.admission.conformance_report", "birdychat.conformance.json"),
    ] {
        let path = desk.path(file);
        let warning =
            format!("warning: line {line}: networks.{key}: not there yet: {}\n", path.display());
        assert!(done.out.contains(&warning), "{warning} not in {}", done.out);
    }
    assert!(done.out.ends_with("drawbridge.toml: 0 errors, 5 warnings\n"), "{}", done.out);

    let desk = Desk::ready();
    let done = desk.does(&["check"]);
    assert!(
        done.out.starts_with("warning: line 20: networks.birdychat.audience: "),
        "{}",
        done.out
    );
    assert!(done.out.ends_with("drawbridge.toml: 0 errors, 1 warning\n"), "{}", done.out);
    desk.append("audience = \"bridge.p.test\"\n");
    let done = desk.does(&["check"]);
    assert!(done.out.ends_with("drawbridge.toml: 0 errors, 0 warnings\n"), "{}", done.out);

    // What is there and keeps the daemon from starting is an error.
    let report = desk.path("birdychat.conformance.json");
    std::fs::write(report, r#"{"passed":[],"skipped":{},"failed":{}}"#).unwrap();
    let done = desk.does(&["check"]);
    assert_eq!(done.code, Some(78), "{}", done.out);
    assert!(done.out.contains("conformance_report: ") && done.out.contains("no check passed"));
    assert!(done.out.ends_with("drawbridge.toml: 1 error, 0 warnings\n"), "{}", done.out);
}

#[test]
fn check_tells_every_error_with_its_place() {
    let desk = Desk::new();
    desk.append("kinds.allow = [\"sticker\"]\nmax_user = 3\n\n[queu]\nx = 1\n");
    let mut command = desk.command(&["check"]);
    command.env("DRAWBRIDGE_LOG__FORMAT", "pretty");
    let done = Done::of(command);
    assert_eq!(done.code, Some(78));
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "error: line 27: networks.birdychat.kinds.allow: sticker cannot be allowed: towards \
             and from a third-party network it never crosses",
            "error: line 28: networks.birdychat.max_user: unknown key; did you mean \"max_users\"?",
            "error: line 30: queu: unknown key; did you mean \"queue\"?",
            "error: environment variable DRAWBRIDGE_LOG__FORMAT: log.format: expected one of \
             auto, human, json, journald",
        ]
    );
    assert!(lines[4].ends_with("drawbridge.toml: 4 errors, 0 warnings"), "{}", lines[4]);
}

#[test]
fn every_command_refuses_a_wrong_configuration() {
    let desk = Desk::new();
    desk.append("nonsense = 1\n");
    let commands: [&[&str]; 3] =
        [&["run"], &["registration", "matrix"], &["address", "xmpp:bob@p.test", "--on", "matrix"]];
    for arguments in commands {
        let done = desk.does(arguments);
        assert_eq!(done.code, Some(78), "{arguments:?}");
        assert!(done.err.starts_with("error: line 27: networks.birdychat.nonsense: unknown key"));
    }
}

#[test]
fn config_names_the_file_and_wins_over_the_variable() {
    let desk = Desk::new();
    let there = desk.path("drawbridge.toml");
    let mut command = drawbridge(&["check", "--config", there.to_str().unwrap()]);
    command.env("DRAWBRIDGE_CONFIG", "/nowhere");
    assert_eq!(Done::of(command).code, Some(0));
    let done = Done::of(drawbridge(&["check", "--config", "/nowhere/drawbridge.toml"]));
    assert_eq!(done.code, Some(78));
    assert!(done.out.starts_with("error: cannot be read: "), "{}", done.out);
}

#[test]
fn the_registration_is_written_once_for_its_owner_alone() {
    let desk = Desk::new();
    let path = desk.path("registration.yaml");
    let done = desk.does(&["registration", "matrix"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.starts_with(&format!("wrote {}\n", path.display())), "{}", done.out);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let first = std::fs::read_to_string(&path).unwrap();
    assert!(first.contains("hs_token"));
    for token in first.lines().filter(|line| line.contains("_token:")) {
        let token = token.split(": ").nth(1).unwrap();
        assert!(!done.out.contains(token) && !done.err.contains(token));
    }

    let again = desk.does(&["registration", "matrix"]);
    assert_eq!(again.code, Some(73));
    assert!(again.err.contains("is there already"), "{}", again.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);

    assert_eq!(desk.does(&["registration", "matrix", "--force"]).code, Some(0));
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let files: Vec<_> = std::fs::read_dir(desk.folder()).unwrap().collect();
    assert_eq!(files.len(), 2, "no draft is left: {files:?}");
}

#[test]
fn a_network_without_registration_has_none() {
    let desk = Desk::new();
    for (network, why) in [("xmpp", "needs no registration file"), ("irc", "there is no network")] {
        let done = desk.does(&["registration", network]);
        assert_eq!(done.code, Some(65));
        assert!(done.err.contains(why), "{}", done.err);
    }
}

#[test]
fn address_tells_both_ways() {
    let desk = Desk::new();
    for (user, on, address) in [
        ("xmpp:bob@p.test", "matrix", "@_drawbridge_xmpp_bob=40p.test:hs.test"),
        ("matrix:@alice:hs.test", "xmpp", "matrix_\\40alice\\3ahs.test@bridge.p.test"),
        ("birdychat:carol", "matrix", "@_drawbridge_birdychat_carol:hs.test"),
        ("xmpp:bob@p.test", "birdychat", "xmpp:bob@p.test"),
    ] {
        let done = desk.does(&["address", user, "--on", on]);
        assert_eq!((done.code, done.out), (Some(0), format!("{address}\n")), "{}", done.err);
        let back = desk.does(&["address", address, "--on", on]);
        assert_eq!((back.code, back.out), (Some(0), format!("{user}\n")), "{}", back.err);
    }
    // Each network spells its users in its own way.
    let done = desk.does(&["address", "xmpp:BOB@P.test", "--on", "matrix"]);
    assert_eq!(done.out, "@_drawbridge_xmpp_bob=40p.test:hs.test\n");
}

#[test]
fn address_says_why_there_is_none() {
    let desk = Desk::new();
    for (text, on) in [
        ("xmpp:bob@p.test", "irc"),
        ("xmpp:bob@p.test", "xmpp"),
        ("xmpp:@@", "matrix"),
        ("@alice:hs.test", "matrix"),
        ("@_drawbridge_irc_bob:hs.test", "matrix"),
        ("nobody", "birdychat"),
    ] {
        let done = desk.does(&["address", text, "--on", on]);
        assert_eq!(done.code, Some(65), "{text} on {on}: {}", done.out);
        assert!(done.out.is_empty() && !done.err.is_empty(), "{text} on {on}");
    }
}

#[test]
fn run_refuses_to_start_without_its_files() {
    let desk = Desk::new();
    let mut daemon = desk.runs();
    assert_eq!(daemon.ends().code(), Some(78));
    let log = daemon.heard.join("\n");
    for key in [
        "networks.matrix.registration_file",
        "networks.xmpp.secret_file",
        "networks.birdychat.jwks_file",
    ] {
        assert!(log.contains(key), "{key} not in {log}");
    }
}

#[test]
fn run_starts_without_its_peers_and_stops_in_order() {
    let desk = Desk::ready();
    for signal in ["-TERM", "-INT"] {
        let mut daemon = desk.runs();
        daemon.says("started");
        daemon.gets(signal);
        assert_eq!(daemon.ends().code(), Some(0), "{:#?}", daemon.heard);
    }
}

#[test]
fn a_second_daemon_leaves_the_first_ones_data_alone() {
    let desk = Desk::ready();
    let mut first = desk.runs();
    first.says("started");
    let mut second = desk.runs();
    assert_eq!(second.ends().code(), Some(75), "{:#?}", second.heard);
    first.gets("-TERM");
    assert_eq!(first.ends().code(), Some(0));
}

#[test]
fn the_log_can_be_read_by_machines_and_holds_no_secret() {
    let desk = Desk::ready();
    let mut command = desk.command(&["run"]);
    command.env("DRAWBRIDGE_LOG__FORMAT", "json").env("DRAWBRIDGE_LOG__LEVEL", "trace");
    let mut daemon = Daemon::start(command);
    daemon.says("started");
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0));
    for line in &daemon.heard {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["level"].is_string() && line["target"].is_string(), "{line}");
    }
    let log = daemon.heard.join("\n");
    let registration = std::fs::read_to_string(desk.path("registration.yaml")).unwrap();
    let tokens = registration.lines().filter(|line| line.contains("_token:"));
    for secret in
        tokens.map(|line| line.split(": ").nth(1).unwrap()).chain(["a secret of the tests"])
    {
        assert!(!log.contains(secret.trim_matches(['"', '\''])));
    }
}

#[test]
fn the_default_place_is_said() {
    let done = Done::of(drawbridge(&["check"]));
    assert!(done.out.contains("/etc/drawbridge/drawbridge.toml"), "{}", done.out);
}
