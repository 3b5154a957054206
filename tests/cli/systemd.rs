//! The daemon and the service manager, over a real notify socket.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::desk::{DEADLINE, Daemon, Desk};

/// A service manager: hears what a daemon tells it.
pub(crate) struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// Starts a daemon that it wants a sign of life of in each `watchdog`.
    pub(crate) fn starts(desk: &Desk, watchdog: Option<Duration>) -> (Self, Daemon) {
        let path = desk.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = desk.command(&["run"]);
        command.env("NOTIFY_SOCKET", path);
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        (Self { socket, heard: Vec::new() }, Daemon::start(command))
    }

    /// The next line that starts so, and how long it took.
    pub(crate) fn hears(&mut self, start: &str) -> (String, Duration) {
        let since = Instant::now();
        loop {
            let at = self.heard.iter().position(|line| line.starts_with(start));
            if let Some(at) = at {
                let line = self.heard.drain(..=at).next_back();
                return (line.unwrap(), since.elapsed());
            }
            let left = DEADLINE.checked_sub(since.elapsed());
            let left = left.unwrap_or_else(|| panic!("never heard {start:?}: {:?}", self.heard));
            self.socket.set_read_timeout(Some(left)).unwrap();
            let mut told = [0; 4096];
            let Ok(size) = self.socket.recv(&mut told) else { continue };
            let told = std::str::from_utf8(&told[..size]).unwrap();
            self.heard.extend(told.lines().map(str::to_owned));
        }
    }
}

#[test]
fn ready_comes_when_all_that_listens_stands() {
    let desk = Desk::ready();
    let (mut manager, mut daemon) = Manager::starts(&desk, None);
    manager.hears("READY=1");
    for address in desk.listens() {
        std::net::TcpStream::connect(&address).unwrap();
    }
    let (status, _) = manager.hears("STATUS=birdychat: waiting; matrix: down,");
    assert!(status.contains("; xmpp: "), "{status}");

    daemon.gets("-TERM");
    manager.hears("STOPPING=1");
    assert_eq!(daemon.ends().code(), Some(0), "{:#?}", daemon.heard);
}

#[test]
fn a_daemon_whose_port_is_taken_is_never_ready() {
    let desk = Desk::ready();
    let _taken = TcpListener::bind(&desk.listens()[0]).unwrap();
    let (manager, mut daemon) = Manager::starts(&desk, None);
    assert_eq!(daemon.ends().code(), Some(1));
    assert!(daemon.heard.join("\n").contains("cannot listen on"), "{:#?}", daemon.heard);
    manager.socket.set_nonblocking(true).unwrap();
    let mut told = [0; 4096];
    while let Ok(size) = manager.socket.recv(&mut told) {
        assert!(!told[..size].starts_with(b"READY"));
    }
}

#[test]
fn a_daemon_that_waits_for_its_networks_is_alive() {
    let desk = Desk::ready();
    let watchdog = Duration::from_millis(800);
    let (mut manager, _daemon) = Manager::starts(&desk, Some(watchdog));
    manager.hears("READY=1");
    for _ in 0..5 {
        let (_, took) = manager.hears("WATCHDOG=1");
        assert!(took < DEADLINE / 2, "{took:?}");
    }
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let desk = Desk::ready();
    let mut command = desk.command(&["run"]);
    let path = desk.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "40000").env("WATCHDOG_PID", "1");
    let mut manager = Manager { socket: manager, heard: Vec::new() };
    let daemon = Daemon::start(command);
    manager.hears("READY=1");
    manager.hears("STATUS=");
    daemon.gets("-TERM");
    manager.socket.set_read_timeout(None).unwrap();
    loop {
        let mut told = [0; 4096];
        let size = manager.socket.recv(&mut told).unwrap();
        assert!(!told[..size].starts_with(b"WATCHDOG"));
        if told.starts_with(b"STOPPING") {
            return;
        }
    }
}

/// A server that takes the bridge's component, and then neither answers nor closes.
#[test]
fn a_stop_takes_less_than_ten_seconds_whatever_the_peers_do() {
    let desk = Desk::ready();
    let server = TcpListener::bind(desk.xmpp_server()).unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut read = [0; 4096];
            let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                          xmlns:stream='http://etherx.jabber.org/streams' id='1' from='bridge.p.test'>";
            let answers = [header, "<handshake/>"];
            for answer in answers {
                if stream.read(&mut read).is_err() || stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
            open.push(stream);
        }
    });
    let (mut manager, mut daemon) = Manager::starts(&desk, None);
    // It connects when the server comes, without being started again.
    let (status, _) = manager
        .hears("STATUS=birdychat: waiting; matrix: down, the homeserver does not listen; xmpp: up");
    assert!(status.ends_with("up"));
    let since = Instant::now();
    daemon.gets("-TERM");
    assert_eq!(daemon.ends().code(), Some(0), "{:#?}", daemon.heard);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

/// The unit, with the daemon of this build in it.
fn unit(desk: &Desk) -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/drawbridge.service");
    let unit = std::fs::read_to_string(path).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/drawbridge run"));
    desk.write(
        "drawbridge.service",
        &unit.replace("/usr/bin/drawbridge", env!("CARGO_BIN_EXE_drawbridge")),
    );
    desk.path("drawbridge.service")
}

/// What `systemd-analyze` says; `None` if this machine has none.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tried: systemd-analyze is not installed (apt install systemd)");
            None
        }
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let desk = Desk::new();
    let Some(found) = analyze(&["verify", "--man=no"], &unit(&desk)) else { return };
    let said = String::from_utf8_lossy(&found.stderr);
    // The machine's own units are looked at too, and are not ours to mend.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("drawbridge")).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(found.status.success(), "{said}");
}

#[test]
fn the_unit_exposes_little() {
    let desk = Desk::new();
    // The threshold is in tenths.
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=13"];
    let Some(found) = analyze(&arguments, &unit(&desk)) else { return };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}
