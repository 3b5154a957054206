//! An XMPP server with the bridge as its component, whosever software it is.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{Child, Installed, Port, ejabberd, prosody, until};

/// The domain of the users.
pub(crate) const DOMAIN: &str = "p.test";
/// Whom the server names for reports of its users.
pub const WARDEN: &str = "warden@p.test";
/// The domain of users who are not the operator's own.
pub(crate) const FAR_DOMAIN: &str = "far.test";
/// The domain of the bridge.
pub(crate) const COMPONENT: &str = "bridge.p.test";

/// The software that an XMPP server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmppSoftware {
    /// Prosody 0.12.
    Prosody,
    /// ejabberd 23.01.
    Ejabberd,
}

impl XmppSoftware {
    /// As its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prosody => "Prosody",
            Self::Ejabberd => "ejabberd",
        }
    }

    fn config(self) -> (&'static str, &'static str) {
        match self {
            Self::Prosody => ("prosody.cfg.lua", prosody::CONFIG),
            Self::Ejabberd => ("ejabberd.yml", ejabberd::CONFIG),
        }
    }

    fn command(self, folder: &Path) -> Command {
        match self {
            Self::Prosody => prosody::command(folder),
            Self::Ejabberd => ejabberd::command(folder),
        }
    }

    /// Its log, and what it says there when the bridge has come.
    fn arrival(self) -> (&'static str, &'static str) {
        match self {
            Self::Prosody => ("out.log", prosody::BRIDGE_IS_THERE),
            Self::Ejabberd => ("ejabberd.log", ejabberd::BRIDGE_IS_THERE),
        }
    }
}

/// A running XMPP server with the bridge as its component.
pub struct XmppServer {
    software: XmppSoftware,
    folder: PathBuf,
    clients: Port,
    components: Port,
    /// Where ejabberd makes accounts.
    accounts: Port,
    /// Where files go, and from where they come.
    uploads: Port,
    child: Option<Child>,
}

impl XmppServer {
    /// Writes its configuration into `folder`; `secret` is the component's.
    pub fn prepare(
        software: XmppSoftware,
        installed: &Installed,
        folder: &Path,
        secret: &str,
    ) -> Result<Self> {
        fs::create_dir_all(folder.join("data"))?;
        let clients = Port::take(&installed.folder)?;
        let components = Port::take(&installed.folder)?;
        let accounts = Port::take(&installed.folder)?;
        let uploads = Port::take(&installed.folder)?;
        let (file, config) = software.config();
        let config = config
            .replace("{clients}", &clients.number().to_string())
            .replace("{components}", &components.number().to_string())
            .replace("{accounts}", &accounts.number().to_string())
            .replace("{uploads}", &uploads.number().to_string())
            .replace("{folder}", &folder.display().to_string())
            .replace("{component}", COMPONENT)
            .replace("{warden}", WARDEN)
            .replace("{domain}", DOMAIN)
            .replace("{far}", FAR_DOMAIN)
            .replace("{secret}", secret);
        fs::write(folder.join(file), config)?;
        let folder = folder.to_owned();
        Ok(Self { software, folder, clients, components, accounts, uploads, child: None })
    }

    /// What it runs.
    pub fn software(&self) -> XmppSoftware {
        self.software
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.clients.address()
    }

    /// Where components reach it.
    pub fn component_address(&self) -> SocketAddr {
        self.components.address()
    }

    /// Where its upload service takes files and gives them out, by plain HTTP.
    pub fn upload_address(&self) -> SocketAddr {
        self.uploads.address()
    }

    /// Makes an account: `localpart` of `a-z 0-9 -` only. The server must be up.
    pub fn register(&self, localpart: &str, domain: &str, password: &str) -> Result<()> {
        ensure!(self.child.is_some(), "{} was not started", self.software.name());
        match self.software {
            XmppSoftware::Prosody => prosody::register(&self.folder, localpart, domain, password),
            XmppSoftware::Ejabberd => {
                ejabberd::register(self.accounts.address(), localpart, domain, password)
            }
        }
    }

    /// Starts it; see [`XmppServer::wait`].
    pub fn start(&mut self) -> Result<()> {
        let (name, log) = (self.software.name(), self.folder.join("out.log"));
        let command = self.software.command(&self.folder);
        self.child = Some(Child::start(name, command, &log, false)?);
        Ok(())
    }

    /// Waits until it takes connections.
    pub fn wait(&mut self) -> Result<()> {
        let name = self.software.name();
        let mut listens = vec![self.address(), self.component_address(), self.upload_address()];
        if self.software == XmppSoftware::Ejabberd {
            listens.push(self.accounts.address());
        }
        let Some(child) = &mut self.child else { bail!("{name} was not started") };
        until(&format!("{name} to listen"), Duration::from_mins(3), || {
            child.check()?;
            let all = listens.iter().all(|address| TcpStream::connect(address).is_ok());
            Ok(all.then_some(()))
        })
    }

    /// Ends it in order.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.stop()?;
        }
        Ok(())
    }

    /// How many times a component has come so far.
    pub fn arrivals(&self) -> usize {
        let (file, words) = self.software.arrival();
        let log = fs::read(self.folder.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&log).matches(words).count()
    }
}
