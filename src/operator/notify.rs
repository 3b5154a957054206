//! What the service manager is told: `sd_notify(3)`, a datagram to the socket that it names.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use drawbridge_adapter::log;
use rustix::time::{ClockId, clock_gettime};

use crate::log::MANAGER_NOT_TOLD;

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";

/// In which time it wants a sign of life, in microseconds, and of which process.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "WATCHDOG_PID");

/// The longest that a service manager with a full socket is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

/// Something to tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice<'a> {
    /// Configuration, store and listeners stand; or a reload is done.
    Ready,
    /// A reload began.
    Reloading,
    /// The daemon begins to end.
    Stopping,
    /// All that is due moves.
    Alive,
    /// One line for `systemctl status`.
    Status(&'a str),
}

impl Notifier {
    /// The one that the environment names. An address that cannot be reached is none.
    pub(crate) fn from_environment() -> Self {
        let address = std::env::var_os(SOCKET).filter(|address| !address.is_empty());
        let socket = address.and_then(|address| match connect(&address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                log!(MANAGER_NOT_TOLD, %error);
                None
            }
        });
        let watchdog = socket.as_ref().and_then(|_| {
            watchdog(std::env::var_os(WATCHDOG.0), std::env::var_os(WATCHDOG.1), std::process::id())
        });
        Self { socket, watchdog }
    }

    /// The one behind `socket`.
    #[cfg(test)]
    pub(super) fn of(socket: UnixDatagram, watchdog: Option<Duration>) -> Self {
        Self { socket: Some(socket), watchdog }
    }

    /// In which time it wants [`Notice::Alive`].
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it, all in one datagram. That it does not listen is no reason to end.
    pub(crate) fn tell(&self, notices: &[Notice<'_>]) {
        let Some(socket) = &self.socket else { return };
        let lines: String = notices.iter().map(Notice::line).collect();
        if let Err(error) = socket.send(lines.as_bytes()) {
            log!(MANAGER_NOT_TOLD, %error);
        }
    }
}

impl Notice<'_> {
    fn line(&self) -> String {
        match self {
            Self::Ready => "READY=1\n".to_owned(),
            Self::Reloading => {
                // Since systemd 253 it tells this reload from an earlier one by the time.
                let now = clock_gettime(ClockId::Monotonic);
                let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
                format!("RELOADING=1\nMONOTONIC_USEC={micros}\n")
            }
            Self::Stopping => "STOPPING=1\n".to_owned(),
            Self::Alive => "WATCHDOG=1\n".to_owned(),
            Self::Status(line) => format!("STATUS={}\n", line.replace('\n', " ")),
        }
    }
}

/// A path, or a name after `@` in the kernel's own namespace.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn watchdog(micros: Option<OsString>, of: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str().and_then(|text| text.parse::<u64>().ok());
    if of.is_some_and(|of| number(of) != Some(own.into())) {
        return None;
    }
    let micros = micros.and_then(number).filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_watchdog_is_ours_or_nobodys() {
        let of = |micros: &str, pid: Option<&str>| {
            watchdog(Some(micros.into()), pid.map(OsString::from), 7)
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(of("1000000", None), second);
        assert_eq!(of("1000000", Some("7")), second);
        assert_eq!(of("1000000", Some("8")), None);
        assert_eq!(of("0", None), None);
        assert_eq!(of("soon", None), None);
        assert_eq!(watchdog(None, None, 7), None);
    }

    #[test]
    fn a_name_without_a_path_is_reached_too() {
        let name = format!("drawbridge-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = Some(connect(OsStr::new(&format!("@{name}"))).unwrap());
        Notifier { socket, watchdog: None }.tell(&[Notice::Ready, Notice::Status("two\nlines")]);
        let mut told = [0; 64];
        let size = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..size], b"READY=1\nSTATUS=two lines\n");
    }
}
