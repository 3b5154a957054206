//! Ports that nobody else takes, also while a server restarts.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A free port on loopback, kept for this value's life.
///
/// It lies below the range from which the kernel serves outgoing connections, so that none of
/// those takes it while its server is down; a locked file keeps the other tests away.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

impl Port {
    /// Takes one.
    pub fn take(servers: &Path) -> Result<Self> {
        let locks = servers.join("ports");
        fs::create_dir_all(&locks)?;
        let start = u16::try_from(getrandom::u32()? % u32::from(COUNT)).unwrap_or(0);
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            let lock = File::create(locks.join(number.to_string()))
                .with_context(|| format!("cannot write below {}", locks.display()))?;
            let ours = lock.try_lock().is_ok();
            if ours && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("no free port from {FIRST} on")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its address, on loopback.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
