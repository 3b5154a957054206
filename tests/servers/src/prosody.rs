//! Prosody, an XMPP server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::{Child, Installed, Port, until};

/// A running Prosody with the bridge as its component.
pub struct Prosody {
    folder: PathBuf,
    clients: Port,
    components: Port,
    child: Option<Child>,
}

/// The domain of the users.
pub(crate) const DOMAIN: &str = "p.test";
/// The domain of users who are not the operator's own.
pub(crate) const FAR_DOMAIN: &str = "far.test";
/// The domain of the bridge.
const COMPONENT: &str = "bridge.p.test";
/// What it logs when the bridge has come.
const BRIDGE_IS_THERE: &str = "External component successfully authenticated";

impl Prosody {
    /// Writes its configuration into `folder`; `secret` is the component's.
    pub fn prepare(installed: &Installed, folder: &Path, secret: &str) -> Result<Self> {
        fs::create_dir_all(folder.join("data"))?;
        let clients = Port::take(&installed.folder)?;
        let components = Port::take(&installed.folder)?;
        let config = CONFIG
            .replace("{clients}", &clients.number().to_string())
            .replace("{components}", &components.number().to_string())
            .replace("{folder}", &folder.display().to_string())
            .replace("{component}", COMPONENT)
            .replace("{domain}", DOMAIN)
            .replace("{far}", FAR_DOMAIN)
            .replace("{secret}", secret);
        fs::write(folder.join("prosody.cfg.lua"), config)?;
        Ok(Self { folder: folder.to_owned(), clients, components, child: None })
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.clients.address()
    }

    /// Where components reach it.
    pub fn component_address(&self) -> SocketAddr {
        self.components.address()
    }

    /// Makes an account: `localpart` of `a-z 0-9 -` only.
    pub fn register(&self, localpart: &str, domain: &str, password: &str) -> Result<()> {
        let host = domain.replace('.', "%2e").replace('-', "%2d");
        let folder = self.folder.join("data").join(host).join("accounts");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}.dat", localpart.replace('-', "%2d")));
        fs::write(file, format!("return {{ [\"password\"] = \"{password}\" }};\n"))?;
        Ok(())
    }

    /// Starts it; see [`Prosody::wait`].
    pub fn start(&mut self) -> Result<()> {
        let mut command = Child::careless("prosody");
        command.args(["--config", "prosody.cfg.lua", "-F"]).current_dir(&self.folder);
        self.child = Some(Child::start("Prosody", command, &self.folder.join("out.log"), false)?);
        Ok(())
    }

    /// Waits until it takes connections.
    pub fn wait(&mut self) -> Result<()> {
        let (clients, components) = (self.address(), self.component_address());
        let Some(child) = &mut self.child else { bail!("Prosody was not started") };
        until("Prosody to listen", Duration::from_secs(30), || {
            child.check()?;
            let open = |address| std::net::TcpStream::connect(address).is_ok();
            Ok((open(clients) && open(components)).then_some(()))
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
        let log = fs::read(self.folder.join("out.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).matches(BRIDGE_IS_THERE).count()
    }
}

const CONFIG: &str = r#"run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
plugin_paths = { "/usr/lib/prosody/modules" }
interfaces = { "127.0.0.1" }
c2s_ports = { {clients} }
s2s_ports = {}
http_ports = {}
https_ports = {}
component_ports = { {components} }
modules_enabled = {
    "roster", "saslauth", "disco", "ping", "carbons", "pep", "vcard4", "vcard_legacy",
    "blocklist", "mam", "smacks", "csi_simple", "offline", "privilege",
}
modules_disabled = { "s2s", "tls" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = { archive = "memory" }
log = { info = "*console" }
VirtualHost "{domain}"
    privileged_entities = {
        ["{component}"] = {
            roster = "both"; message = "outgoing"; presence = "managed_entity";
            iq = { ["urn:xmpp:blocking"] = "both" };
        };
    }
VirtualHost "{far}"
Component "{component}"
    component_secret = "{secret}"
Component "rooms.{domain}" "muc"
"#;
