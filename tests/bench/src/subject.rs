//! What is measured: the daemon, or a bare relay, as a child process between the two stubs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use drawbridge_servers::{Child, Daemon, Port};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::arrivals::Flaws;
use crate::homeserver::Homeserver;
use crate::names;
use crate::xmpp::Xmpp;

/// How long it may be busy with nothing to do.
const REST_WITHIN: Duration = Duration::from_mins(1);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The relay without a store.
    Relay,
    /// The relay with a commit a batch.
    RelayFull,
    /// The daemon.
    Daemon,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Relay, Self::RelayFull, Self::Daemon];
}

/// A subject with a folder and stubs of its own.
pub(crate) struct Subject {
    pub(crate) who: Who,
    pub(crate) homeserver: Homeserver,
    pub(crate) xmpp: Xmpp,
    /// Alice's address on XMPP.
    pub(crate) alice: String,
    /// What the homeserver proves itself with.
    pub(crate) token: String,
    daemon: PathBuf,
    folder: TempDir,
    port: Port,
    child: Option<Child>,
}

impl Subject {
    /// Prepares it; nothing is started yet but the stubs.
    pub(crate) async fn prepare(who: Who, daemon: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let port = Port::take(folder.path())?;
        let (homeserver, xmpp) = (Homeserver::start().await?, Xmpp::start().await?);
        fs::write(folder.path().join("xmpp.secret"), names::SECRET)?;
        let config = CONFIG
            .replace("{homeserver}", &homeserver.address.to_string())
            .replace("{listen}", &port.address().to_string())
            .replace("{component}", names::COMPONENT)
            .replace("{domain}", names::DOMAIN)
            .replace("{xmpp}", &xmpp.address.to_string());
        let path = folder.path().join("drawbridge.toml");
        fs::write(&path, config)?;
        let asked = Daemon::new(daemon, &path, Path::new("/dev/null"), Vec::new());
        asked.asks(&["registration", "matrix"])?;
        let registration = fs::read_to_string(folder.path().join("registration.yaml"))?;
        let token = registration.lines().find_map(|line| line.strip_prefix("hs_token: "));
        let token = token.context("the registration has no hs_token")?.trim().to_owned();
        let alice = format!("matrix:{}", names::ALICE);
        let alice = asked.asks(&["address", &alice, "--on", "xmpp"])?;
        let daemon = daemon.to_owned();
        Ok(Self { who, homeserver, xmpp, alice, token, daemon, folder, port, child: None })
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds tables to its configuration.
    pub(crate) fn configure(&self, tables: &str) -> Result<()> {
        let path = self.folder.path().join("drawbridge.toml");
        let config = fs::read_to_string(&path)? + tables;
        Ok(fs::write(path, config)?)
    }

    /// Starts it, and waits until both servers know that it is there. How long it took.
    pub(crate) async fn start(&mut self) -> Result<Duration> {
        let mut command = match self.who {
            Who::Daemon => {
                let mut command = Child::command(&self.daemon);
                command.arg("run").arg("--config").arg(self.folder.path().join("drawbridge.toml"));
                command
            }
            Who::Relay | Who::RelayFull => {
                let mut command = Child::command(std::env::current_exe()?);
                command.args(["relay", "--alice", &self.alice]);
                command.arg("--listen").arg(self.port.address().to_string());
                command.arg("--homeserver").arg(self.homeserver.address.to_string());
                command.arg("--xmpp").arg(self.xmpp.address.to_string());
                if self.who == Who::RelayFull {
                    command.arg("--database").arg(self.folder.path().join("relay.sqlite3"));
                }
                command
            }
        };
        command.current_dir(self.folder.path());
        let log = self.folder.path().join("log");
        let before = *self.homeserver.pings.borrow();
        let started = Instant::now();
        self.child = Some(Child::start("what is measured", command, &log, false)?);
        let ready = async {
            self.homeserver.pings.wait_for(|pings| *pings > before).await?;
            self.xmpp.joined().await
        };
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await;
        let took = started.elapsed();
        self.child()?.check()?;
        ready.context("it never came")??;
        Ok(took)
    }

    /// Asks it to end, and waits until its connections are gone.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        let status = tokio::task::block_in_place(|| child.stop())?;
        ensure!(self.who != Who::Daemon || status.success(), "the daemon ended with {status}");
        self.xmpp.left().await
    }

    /// Where it listens for the homeserver.
    pub(crate) fn listens(&self) -> SocketAddr {
        self.port.address()
    }

    /// The daemon's database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data/drawbridge.sqlite3")
    }

    /// Fails, with the end of its log, if it has ended.
    pub(crate) fn child(&mut self) -> Result<&mut Child> {
        let child = self.child.as_mut().context("it does not run")?;
        child.check()?;
        Ok(child)
    }

    /// What all its threads have run for so far.
    pub(crate) fn cpu(&mut self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child()?.id());
        let mut nanoseconds = 0;
        for task in fs::read_dir(tasks)? {
            // A thread may end while it is looked at.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The same, once it is at rest.
    pub(crate) async fn cpu_at_rest(&mut self) -> Result<Duration> {
        at_rest(|| self.cpu()).await
    }

    /// What was wrong with what came through it so far.
    pub(crate) fn flaws(&self) -> Flaws {
        let mut flaws = self.homeserver.heard.flaws();
        flaws += self.xmpp.heard.flaws();
        flaws
    }

    /// How much memory it holds, in megabytes (10⁶ bytes).
    pub(crate) fn memory(&mut self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most memory that it ever held since its start, in megabytes (10⁶ bytes).
    pub(crate) fn most_memory(&mut self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&mut self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child()?.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.context("no such line")?.trim().trim_end_matches(" kB");
        Ok(line.parse::<f64>()? * 1.024 / 1000.0)
    }
}

/// The processor time, once it hardly grows; fails when it never stops growing.
async fn at_rest(mut cpu: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let deadline = Instant::now() + REST_WITHIN;
    let mut before = cpu()?;
    while Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        let now = cpu()?;
        if now.saturating_sub(before) < Duration::from_millis(1) {
            return Ok(now);
        }
        before = now;
    }
    bail!("it is not at rest within {} s", REST_WITHIN.as_secs())
}

const CONFIG: &str = r#"data_dir = "data"

[networks.matrix]
type = "matrix"
role = "home"
homeserver_url = "http://{homeserver}"
listen = "{listen}"
registration_file = "registration.yaml"
server_name = "hs.test"
users.local = ["hs.test"]

[networks.xmpp]
type = "xmpp"
role = "home"
domain = "{component}"
secret_file = "xmpp.secret"
server = "{xmpp}"
users.local = ["{domain}"]
"#;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_spins_fails_and_what_rests_does_not() {
        let mut spent = Duration::ZERO;
        let spins = at_rest(|| {
            spent += Duration::from_millis(100);
            Ok(spent)
        });
        let ended = tokio::time::timeout(10 * REST_WITHIN, spins).await;
        assert!(ended.unwrap().unwrap_err().to_string().contains("not at rest"));
        let mut spent = 0;
        let rests = at_rest(|| {
            spent = (spent + 100).min(1000);
            Ok(Duration::from_millis(spent))
        });
        assert_eq!(rests.await.unwrap(), Duration::from_secs(1));
    }
}
