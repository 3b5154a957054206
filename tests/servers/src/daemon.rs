//! The daemon: a binary that is started, asked, stopped, killed, and started again.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{Child, PATIENCE, until};

/// The daemon on one configuration.
pub struct Daemon {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    listens: Vec<SocketAddr>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Daemon {
    /// The binary, on this configuration; `listens` are the addresses it serves.
    pub fn new(binary: &Path, config: &Path, log: &Path, listens: Vec<SocketAddr>) -> Self {
        Self {
            binary: binary.to_owned(),
            config: config.to_owned(),
            log: log.to_owned(),
            listens,
            environment: Vec::new(),
            child: None,
        }
    }

    /// Sets an environment variable for the starts to come.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Gives the starts to come a clock of their own, which [`Daemon::sets_clock`] sets. It is the
    /// clock that tells what time it is; what tells how much time passes stays the machine's.
    pub fn has_own_clock(&mut self) -> Result<()> {
        self.sets_clock("+0")?;
        let file = self.clock_file().display().to_string();
        self.set("FAKETIME_TIMESTAMP_FILE", &file);
        for key in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
            self.set(key, "1");
        }
        // The loader fills in where this machine's libraries are.
        self.set("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1");
        Ok(())
    }

    /// Sets that clock, at once, as far from the machine's as this: `+9h`.
    pub fn sets_clock(&self, by: &str) -> Result<()> {
        fs::write(self.clock_file(), by)?;
        Ok(())
    }

    fn clock_file(&self) -> PathBuf {
        self.log.with_extension("clock")
    }

    /// Runs one of its other commands to its end, and gives what it printed.
    pub fn asks(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        without_ours(&mut command);
        command.args(arguments).arg("--config").arg(&self.config);
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        ensure!(
            output.status.success(),
            "drawbridge {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Starts it; see [`Daemon::wait`].
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the daemon is running already");
        let mut command = Child::command(&self.binary);
        command.arg("run").arg("--config").arg(&self.config);
        without_ours(&mut command);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        self.child = Some(Child::start("the daemon", command, &self.log, false)?);
        Ok(())
    }

    /// Waits until it listens.
    pub fn wait(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { bail!("the daemon was not started") };
        for address in &self.listens {
            until("the daemon to listen", PATIENCE, || {
                child.check()?;
                Ok(TcpStream::connect(address).is_ok().then_some(()))
            })?;
        }
        Ok(())
    }

    /// Asks it to end, as systemd does, and waits; it must end well.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { bail!("the daemon is not running") };
        let status = child.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }

    /// Asks it to read its configuration again.
    pub fn reload(&self) -> Result<()> {
        let Some(child) = &self.child else { bail!("the daemon is not running") };
        child.signal("HUP")
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { bail!("the daemon is not running") };
        child.check()?;
        child.kill()
    }

    /// Everything it logged so far, over all its lives.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The daemon takes every variable of this prefix for a key of its configuration.
fn without_ours(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("DRAWBRIDGE_") {
            command.env_remove(key);
        }
    }
}
