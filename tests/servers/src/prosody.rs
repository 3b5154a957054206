//! How Prosody is run: see [`XmppServer`](crate::XmppServer).

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::Child;

/// What it logs when the bridge has come.
pub(crate) const BRIDGE_IS_THERE: &str = "External component successfully authenticated";

/// Runs it in the foreground.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Child::careless("prosody");
    command.args(["--config", "prosody.cfg.lua", "-F"]).current_dir(folder);
    command
}

/// Makes an account, as its storage would.
pub(crate) fn register(folder: &Path, localpart: &str, domain: &str, password: &str) -> Result<()> {
    let host = domain.replace('.', "%2e").replace('-', "%2d");
    let folder = folder.join("data").join(host).join("accounts");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.dat", localpart.replace('-', "%2d")));
    fs::write(file, format!("return {{ [\"password\"] = \"{password}\" }};\n"))?;
    Ok(())
}

/// Its configuration, with places for names and ports.
pub(crate) const CONFIG: &str = r#"run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
plugin_paths = { "/usr/lib/prosody/modules" }
interfaces = { "127.0.0.1" }
c2s_ports = { {clients} }
s2s_ports = {}
http_ports = { {uploads} }
http_interfaces = { "127.0.0.1" }
https_ports = {}
component_ports = { {components} }
modules_enabled = {
    "roster", "saslauth", "disco", "ping", "carbons", "pep", "vcard4", "vcard_legacy",
    "blocklist", "mam", "smacks", "csi_simple", "offline", "privilege",
    "server_contact_info",
}
modules_disabled = { "s2s", "tls" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = { archive = "memory" }
log = { info = "*console" }
VirtualHost "{domain}"
    contact_info = {
        abuse = { "mailto:{warden}", "xmpp:{warden}", "xmpp:warden@{far}" };
        admin = { "xmpp:admin@{domain}" };
    }
    privileged_entities = {
        ["{component}"] = {
            roster = "both"; message = "outgoing"; presence = "managed_entity";
            iq = { ["urn:xmpp:blocking"] = "both" };
        };
    }
VirtualHost "{far}"
Component "{component}"
    component_secret = "{secret}"
    modules_enabled = { "privilege" }
Component "rooms.{domain}" "muc"
Component "upload.{domain}" "http_file_share"
    http_host = "127.0.0.1"
    http_external_url = "http://127.0.0.1:{uploads}/"
    http_file_share_size_limit = 100*1024*1024
    http_file_share_daily_quota = 1024*1024*1024
    http_file_share_access = { "{domain}", "{far}", "{component}" }
"#;
