//! How ejabberd is run: see [`XmppServer`](crate::XmppServer).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{Child, http};

/// What it logs when the bridge has come.
pub(crate) const BRIDGE_IS_THERE: &str = "Accepted external component";

/// Runs it in the foreground, as a node of its own: without Erlang's distribution, which would
/// want a port mapper that all share. So `ejabberdctl` cannot reach it, and accounts are made over
/// HTTP.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Child::careless("erl");
    command
        .env("ERL_LIBS", LIBRARIES)
        .env("ERL_CRASH_DUMP_SECONDS", "0")
        .env("EJABBERD_CONFIG_PATH", folder.join("ejabberd.yml"))
        .env("EJABBERD_LOG_PATH", folder.join("ejabberd.log"))
        .args(["-noinput", "-mnesia", "dir", "\"data\"", "-s", "ejabberd"])
        .current_dir(folder);
    command
}

/// Makes an account.
pub(crate) fn register(
    accounts: SocketAddr,
    localpart: &str,
    domain: &str,
    password: &str,
) -> Result<()> {
    let account = json!({"user": localpart, "host": domain, "password": password}).to_string();
    let headers = [("Content-Type", "application/json")];
    let answer = http::ask(accounts, "POST", "/api/register", &headers, account.as_bytes())?;
    ensure!(answer.status == 200, "ejabberd makes no account: {answer:?}");
    Ok(())
}

/// Where Debian puts ejabberd and the libraries that it needs.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu";

/// Its configuration, with places for names and ports. The limits of stanzas are those of Debian's
/// own; its shapers are left out: they let 3 KB a second pass.
pub(crate) const CONFIG: &str = r#"hosts: ["{domain}", "{far}"]
loglevel: info
log_rotate_size: infinity
auth_method: internal
s2s_access: none
listen:
  - port: {clients}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
  - port: {components}
    ip: "127.0.0.1"
    module: ejabberd_service
    hosts:
      "{component}":
        password: "{secret}"
  - port: {accounts}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api
  - port: {uploads}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /upload: mod_http_upload
api_permissions:
  "accounts":
    from: mod_http_api
    who: all
    what: register
modules:
  mod_adhoc: {}
  mod_avatar: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco:
    server_info:
      - modules: all
        name: "abuse-addresses"
        urls: ["mailto:{warden}", "xmpp:{warden}", "xmpp:warden@{far}"]
      - modules: all
        name: "admin-addresses"
        urls: ["xmpp:admin@{domain}"]
  mod_http_api: {}
  mod_last: {}
  mod_muc:
    host: "rooms.@HOST@"
  mod_offline:
    access_max_user_messages: max_user_offline_messages
  mod_ping: {}
  mod_privacy: {}
  mod_pubsub:
    plugins: [flat, pep]
  mod_roster: {}
  mod_stream_mgmt: {}
  mod_vcard:
    search: false
  mod_vcard_xupdate: {}
  mod_version: {}
# For the one domain alone: its place by HTTP names no host.
append_host_config:
  "{domain}":
    modules:
      mod_http_upload:
        access: all
        docroot: "{folder}/uploads"
        put_url: "http://127.0.0.1:{uploads}/upload"
"#;
