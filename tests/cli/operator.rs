//! Asking a daemon that runs, and one that does not.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use drawbridge_servers::http;

use crate::desk::{Daemon, Desk, Done, drawbridge};

fn started(desk: &Desk) -> Daemon {
    let mut daemon = desk.runs();
    daemon.says("started");
    daemon
}

#[test]
fn who_asks_where_no_daemon_runs_is_told_so() {
    let desk = Desk::ready();
    let socket = desk.path("data/control.sock");
    let nobody = format!("no drawbridge runs here: nobody answers at {}\n", socket.display());
    let one: &[&[&str]] = &[
        &["status"],
        &["status", "--json"],
        &["queue", "list"],
        &["queue", "show", "1"],
        &["queue", "retry", "1"],
        &["queue", "drop", "1", "2"],
        &["blocks", "list"],
        &["blocks", "add", "matrix:@alice:hs.test", "xmpp:bob@p.test"],
    ];
    for arguments in one {
        let done = desk.does(arguments);
        assert_eq!((done.code, done.out.as_str()), (Some(69), ""), "{arguments:?}");
        assert_eq!(done.err, nobody, "{arguments:?}");
    }
    // Nor behind what a killed daemon left.
    let mut daemon = started(&desk);
    assert!(socket.exists());
    daemon.gets("-KILL");
    daemon.ends();
    assert!(socket.exists());
    let done = desk.does(&["status"]);
    assert_eq!((done.code, done.err), (Some(69), nobody.clone()));
    // The next one takes its place, and takes it away at its end.
    let mut daemon = started(&desk);
    assert_eq!(desk.does(&["status"]).code, Some(0));
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_running_daemon_answers_also_when_its_configuration_is_broken_meanwhile() {
    let desk = Desk::ready();
    let _daemon = started(&desk);
    let done = desk.does(&["status"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    for network in ["birdychat  waiting for ", "matrix     ", "xmpp       "] {
        assert!(done.out.contains(network), "{}", done.out);
    }
    let json = desk.does(&["status", "--json"]).out;
    assert!(json.contains("\"adapter\": \"partner\""), "{json}");

    assert_eq!(desk.does(&["queue", "list"]).out, "nothing waits\n");
    for (arguments, why) in [
        (&["queue", "show", "7"][..], "nothing of this number waits\n"),
        (&["queue", "retry", "7"], "nothing of this number waits\n"),
        (&["queue", "drop", "7"], "nothing of this number waits\n7 stays\n"),
        (&["queue", "list", "--network", "irc"], "there is no such network in the configuration\n"),
        (
            &["queue", "retry", "--network", "irc"],
            "there is no such network in the configuration\n",
        ),
    ] {
        let done = desk.does(arguments);
        assert_eq!((done.code, done.err.as_str()), (Some(65), why), "{arguments:?}");
    }
    for arguments in [&["queue"][..], &["queue", "retry"], &["queue", "drop"], &["queue", "show"]] {
        assert_eq!(desk.does(arguments).code, Some(2), "{arguments:?}");
    }

    desk.append("nonsense\n");
    assert_eq!(desk.does(&["status"]).code, Some(78));
    let socket = desk.path("data/control.sock");
    let asked = |socket: &Path| {
        Done::of(drawbridge(&["queue", "list", "--socket", socket.to_str().unwrap()]))
    };
    assert_eq!(asked(&socket).out, "nothing waits\n");
    assert_eq!(asked(&desk.path("elsewhere")).code, Some(69));
}

#[test]
fn what_a_lost_answer_was_about_is_named_and_nothing_more_is_dropped() {
    let desk = Desk::new();
    let socket = desk.path("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // A daemon that refuses 40, mumbles about 41, and takes out all else.
    let daemon = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let asked = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut numbers = Vec::new();
        for line in asked.map_while(Result::ok) {
            let answer = match &line {
                line if line.contains("40") => r#"{"error":{"code":"busy","says":"not now"}}"#,
                line if line.contains("41") => "mumble",
                _ => r#"{"dropped":{"sender_told":true}}"#,
            };
            numbers.push(line);
            writeln!(&stream, "{answer}").unwrap();
        }
        numbers
    });
    let socket = socket.to_str().unwrap();
    let all = ["queue", "drop", "--socket", socket, "39", "40", "41", "42", "43"];
    let done = Done::of(drawbridge(&all));
    assert_eq!((done.code, done.out.as_str()), (Some(1), "39 is out, its sender is told\n"));
    let said = "not now\n40 stays\nthe daemon's answer is not understood: is it of another \
                version?\n41 may be out or not: `drawbridge queue show 41` tells\nnot tried: 42 43\n";
    assert_eq!(done.err, said);
    assert_eq!(daemon.join().unwrap().len(), 3);
}

#[test]
fn an_operators_listener_that_cannot_be_is_an_error_that_names_it() {
    let desk = Desk::ready();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    desk.append(&format!("\n[operator]\nlisten = \"{address}\"\n"));
    let mut daemon = desk.runs();
    daemon.says(&format!("operator.listen: cannot listen on {address}"));
    assert_eq!(daemon.ends().code(), Some(1));

    let desk = Desk::ready();
    desk.append("\n[operator]\nsocket = \"nowhere/control.sock\"\n");
    let mut daemon = desk.runs();
    daemon.says("operator.socket: cannot listen on ");
    assert_eq!(daemon.ends().code(), Some(1));
}

/// Lets the daemon have so many files at once.
fn limit_files(daemon: &Daemon, files: &str) {
    let id = daemon.id().to_string();
    let limit = format!("--nofile={files}");
    assert!(Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap().success());
}

#[test]
fn listeners_without_files_to_open_say_so_once_and_not_at_each_try() {
    let desk = Desk::ready();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    desk.append(&format!("\n[operator]\nlisten = \"{free}\"\n"));
    let mut daemon = started(&desk);
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
    limit_files(&daemon, "8:");
    assert!(open > 8, "{open} files are open");

    let asking = TcpStream::connect(free).unwrap();
    let at_the_socket = UnixStream::connect(desk.path("data/control.sock")).unwrap();
    let both = ["operator's listener takes no connection", "operator's socket takes no connection"];
    let mut missing = both.to_vec();
    while let Some(words) = missing.pop() {
        if !daemon.heard.iter().any(|line| line.contains(words)) {
            daemon.says(words);
        }
    }
    // Each tries once a second: what it says at each try it has said by then.
    let until = Instant::now() + Duration::from_millis(2500);
    daemon.hears_until(until);
    for words in both {
        let lines = daemon.heard.iter().filter(|line| line.contains(words)).count();
        assert_eq!(lines, 1, "{:#?}", daemon.heard);
    }

    // Those who came meanwhile are answered when there are files again.
    limit_files(&daemon, "1024:");
    drop((asking, at_the_socket));
    assert_eq!(desk.does(&["status"]).code, Some(0));
    let answer = http::ask(free, "GET", "/health", &[], b"").unwrap();
    assert!(answer.body.contains("\"status\""), "{}", answer.body);
}

#[test]
fn blocks_are_set_listed_and_ended_and_outlive_the_daemon() {
    let desk = Desk::ready();
    let (alice, bob, carol) = ("matrix:@alice:hs.test", "xmpp:bob@p.test", "birdychat:carol");
    let says = |arguments: &[&str], code: i32, says: &str| {
        let done = desk.does(&[&["blocks"], arguments].concat());
        assert_eq!(done.code, Some(code), "{arguments:?}: {}{}", done.out, done.err);
        let said = if code == 0 { &done.out } else { &done.err };
        assert_eq!(said.trim_end(), says, "{arguments:?}");
    };
    let mut daemon = started(&desk);
    says(&["list"], 0, "nobody is blocked");
    says(&["add", alice, bob], 0, &format!("{alice} hears no more of {bob}"));
    says(&["add", alice, bob], 0, &format!("{alice} blocks {bob} already"));
    says(&["add", alice, carol], 0, &format!("{alice} hears no more of {carol}"));
    says(&["remove", alice, carol], 0, &format!("{alice} hears {carol} again"));
    says(&["remove", alice, carol], 0, &format!("{alice} does not block {carol}"));
    says(&["add", alice, "irc:eve"], 65, "there is no network irc");
    let shouting = "xmpp:BOB@p.test";
    says(&["add", alice, shouting], 1, &format!("{shouting} is not how its network spells a user"));
    says(&["add", alice, alice], 1, "a user cannot block themselves");
    daemon.gets("-TERM");
    daemon.ends();
    let _daemon = started(&desk);
    let listed = desk.does(&["blocks", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["owner"], &listed[0]["blocked"]), (&alice.into(), &bob.into()));
}
