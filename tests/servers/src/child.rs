//! Child processes that end when they should: by their id, and with this process.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A child process, with what it prints in a file. It is killed when this is dropped.
///
/// It also dies with the thread that started it: that is what the kernel offers for "when the
/// test is killed". So start it on a thread that lives as long as the child shall.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// A command for `program` that ends with the thread that spawns it.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    }

    /// The same, for a server that loses nothing but a test when the power goes: without `fsync`.
    /// Not for the daemon.
    pub fn careless(program: impl AsRef<OsStr>) -> Command {
        let mut command = Self::command(program);
        command.env("LD_PRELOAD", "libeatmydata.so");
        command
    }

    /// Starts a command made by [`Child::command`]; standard error, and standard output unless the
    /// command says otherwise, are added to the file `log`.
    pub fn start(
        name: &'static str,
        mut command: Command,
        log: &Path,
        piped: bool,
    ) -> Result<Self> {
        let file = append(log)?;
        command.stderr(file.try_clone()?);
        if piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file);
        }
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, process, log: log.to_owned() })
    }

    /// The ends of its pipes, once, if it was started with them.
    pub fn pipes(&mut self) -> Result<(std::process::ChildStdin, std::process::ChildStdout)> {
        let input = self.process.stdin.take().context("the input is not piped")?;
        let output = self.process.stdout.take().context("the output is not piped")?;
        Ok((input, output))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails, with the end of the log, if it has ended.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("{} ended ({status}); the end of its log:\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.process.try_wait()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        until("the end of a process that was asked to end", Duration::from_secs(30), || {
            Ok(self.process.try_wait()?)
        })
        .with_context(|| {
            format!("{} does not end; the end of its log:\n{}", self.name, self.tail())
        })
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) -> Result<()> {
        // The shell's own `kill`: a slim machine has no other.
        let asked = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &self.id().to_string()])
            .status()?;
        if !asked.success() {
            bail!("cannot send SIG{name} to {}", self.name);
        }
        Ok(())
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing left to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn append(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

/// Waits until `look` finds something, and fails when it has not in time.
pub fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
