//! Everything together: two servers, the daemon between them, the partner's app, the users.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::partner::{AUTHORITY, BRIDGE_KEYS};
use crate::python::PythonApp;
use crate::{
    Addresses, Daemon, MatrixClients, MatrixUser, PATIENCE, PartnerApp, PartnerUser, Port,
    PythonUser, Synapse, User, XmppClients, XmppServer, XmppSoftware, XmppUser, install, until,
    workspace, xmpp_server,
};

/// The project's own programs, built.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `drawbridge`.
    pub daemon: PathBuf,
    /// `partner-app`, the example.
    pub partner_app: PathBuf,
}

impl Programs {
    /// The daemon's binary, and the partner app beside it, which is built if it is missing.
    pub fn beside(daemon: impl Into<PathBuf>) -> Result<Self> {
        let daemon = daemon.into();
        let partner_app = daemon.with_file_name("partner-app");
        if !partner_app.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--package", "partner-app"]).current_dir(workspace());
            ensure!(build.status()?.success(), "the example partner app does not build");
        }
        Ok(Self { daemon, partner_app })
    }
}

/// Synapse (`hs.test`), an XMPP server (`p.test`), the daemon, and the example partner app
/// (`birdychat`), on loopback, each on ports and in a folder of its own.
///
/// Keep it on the thread that made it: its processes end with that thread.
pub struct Town {
    /// The daemon.
    pub daemon: Daemon,
    /// The homeserver.
    pub synapse: Synapse,
    /// The XMPP server.
    pub xmpp: XmppServer,
    /// The partner's app.
    pub partner_app: PartnerApp,
    matrix: MatrixClients,
    xmpp_clients: XmppClients,
    addresses: Arc<Addresses>,
    secrets: Vec<String>,
    matrix_port: Port,
    partner_port: Port,
    _files_port: Port,
    /// Whether it is the daemon that dials the partner's app.
    dials: bool,
    programs: Programs,
    // The last: what runs in the folder has ended when it goes.
    folder: TempDir,
}

impl Town {
    /// Starts a town with Prosody, and returns when everybody is connected. Its folder, with all
    /// logs, is kept at the end if `DRAWBRIDGE_KEEP_TOWNS` is set.
    pub fn start(programs: &Programs) -> Result<Self> {
        Self::start_with(programs, |config| config)
    }

    /// The same, with changes to the daemon's configuration.
    pub fn start_with(programs: &Programs, change: impl Fn(String) -> String) -> Result<Self> {
        Self::start_on(XmppSoftware::Prosody, programs, change)
    }

    /// The same, on an XMPP server of this software.
    pub fn start_on(
        software: XmppSoftware,
        programs: &Programs,
        change: impl Fn(String) -> String,
    ) -> Result<Self> {
        let installed = install()?;
        let mut folder = tempfile::Builder::new().prefix("drawbridge-town-").tempdir()?;
        // For looking into what went wrong.
        folder.disable_cleanup(std::env::var_os("DRAWBRIDGE_KEEP_TOWNS").is_some());
        let at = folder.path();
        let mut secrets = vec![random()?];
        let mut xmpp = XmppServer::prepare(software, &installed, &at.join("xmpp"), &secrets[0])?;
        write_secret(&at.join("xmpp.secret"), &secrets[0])?;
        std::fs::write(at.join("birdychat.conformance.json"), ADMITTED)?;
        xmpp.start()?;
        PartnerApp::make_keys(&programs.partner_app, at)?;

        let matrix_port = Port::take(&installed.folder)?;
        let partner_port = Port::take(&installed.folder)?;
        let files_port = Port::take(&installed.folder)?;
        let registration = at.join("registration.yaml");
        let mut synapse = Synapse::prepare(&installed, &at.join("synapse"), &registration)?;
        let config = configuration(
            synapse.address(),
            matrix_port.address(),
            xmpp.component_address(),
            partner_port.address(),
        );
        let config_file = at.join("drawbridge.toml");
        let config = with_files(&config, files_port.address(), xmpp.upload_address());
        let config = change(config);
        if config.contains("\npuppet_registration_file = ") {
            secrets.extend(tokens_of(&synapse.lets_puppets()?)?);
        }
        let dials = config.contains("\ndial = ");
        fs::write(&config_file, config)?;
        let mut listens = vec![matrix_port.address(), partner_port.address()];
        if dials {
            listens.pop();
        }
        let log = at.join("drawbridge.log");
        let mut daemon = Daemon::new(&programs.daemon, &config_file, &log, listens);
        daemon.asks(&["registration", "matrix"])?;
        secrets.extend(tokens_of(&registration)?);
        if dials {
            PartnerApp::make_certificate(at)?;
            let told = daemon.asks(&["registration", "birdychat"])?;
            // What the operator hands to the partner.
            let public = told.lines().last().context("the registration told nothing")?;
            fs::write(at.join(BRIDGE_KEYS), public)?;
            secrets.push(private_half(&at.join(BRIDGE_KEY))?);
        }

        synapse.start()?;
        let addresses = Arc::new(Addresses::of_config(&programs.daemon, &config_file));
        let log = at.join("clients.log");
        let matrix = MatrixClients::start(&installed, synapse.address(), &log, &addresses)?;
        let xmpp_clients = XmppClients::start(&installed, xmpp.address(), &log, &addresses)?;
        xmpp.wait()?;
        daemon.start()?;
        let partner_app = partner_app(dials, programs, at, &partner_port)?;
        synapse.wait()?;
        daemon.wait()?;
        let town = Self {
            daemon,
            synapse,
            xmpp,
            partner_app,
            matrix,
            xmpp_clients,
            addresses,
            secrets,
            matrix_port,
            partner_port,
            _files_port: files_port,
            dials,
            programs: programs.clone(),
            folder,
        };
        town.bridge_comes(0)?;
        town.partner_app.is_welcomed()?;
        Ok(town)
    }

    /// A new user of the homeserver.
    pub fn matrix_user(&self, name: &str) -> Result<MatrixUser> {
        self.matrix.register(name, &random()?)
    }

    /// A new user of the XMPP server.
    pub fn xmpp_user(&self, name: &str) -> Result<XmppUser> {
        self.xmpp_user_of(name, xmpp_server::DOMAIN)
    }

    /// A new user of an XMPP domain that is not the operator's own: a remote one.
    pub fn remote_xmpp_user(&self, name: &str) -> Result<XmppUser> {
        self.xmpp_user_of(name, xmpp_server::FAR_DOMAIN)
    }

    /// The same user of the XMPP server on a second client, with a resource of its own.
    pub fn xmpp_again(&self, user: &XmppUser) -> Result<XmppUser> {
        self.xmpp_clients.login_again(user)
    }

    fn xmpp_user_of(&self, name: &str, domain: &str) -> Result<XmppUser> {
        let password = random()?;
        self.xmpp.register(name, domain, &password)?;
        self.xmpp_clients.login(&format!("{name}@{domain}"), &password)
    }

    /// A new user of the partner's app.
    pub fn partner_user(&self, name: &str) -> Result<PartnerUser> {
        self.partner_app.enlist(name, &self.addresses)
    }

    /// A user of the partner's on the Python client, which takes over from the other app.
    pub fn python_user(&self, name: &str) -> Result<PythonUser> {
        let app = PythonApp::new(&install()?, self.folder(), self.partner_port.address());
        PythonUser::new(app, name, &self.addresses)
    }

    /// Lets everybody here hear everybody else: the app is on for them, and nobody is a stranger.
    pub fn introduces(&self, people: &[&dyn User]) -> Result<()> {
        let mut lines = String::new();
        for user in people {
            let others = || people.iter().filter(|other| other.id() != user.id());
            let apps = others().any(|other| other.network() == APP);
            let contacts: Vec<&str> = others().map(|other| other.id()).collect();
            let enabled = if apps && user.network() != APP { vec![APP] } else { Vec::new() };
            let line = json!({ "user": user.id(), "enabled": enabled, "contacts": contacts });
            lines += &line.to_string();
            lines.push('\n');
        }
        let file = tempfile::NamedTempFile::new_in(self.folder())?;
        fs::write(file.path(), lines)?;
        self.daemon.asks(&["people", "import", &file.path().display().to_string()])?;
        Ok(())
    }

    /// Starts the daemon, which was stopped or killed, and returns when it is connected again.
    pub fn start_daemon(&mut self) -> Result<()> {
        let before = self.xmpp.arrivals();
        self.daemon.start()?;
        self.daemon.wait()?;
        self.bridge_comes(before)
    }

    /// Changes the daemon's configuration, and asks it to read it again.
    pub fn changes_configuration(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let file = self.folder.path().join("drawbridge.toml");
        fs::write(&file, change(fs::read_to_string(&file)?))?;
        self.daemon.reload()
    }

    /// Starts the partner's app, which was killed: its users are to be enlisted anew.
    pub fn start_partner_app(&mut self) -> Result<()> {
        let (at, port) = (self.folder.path(), &self.partner_port);
        self.partner_app = partner_app(self.dials, &self.programs, at, port)?;
        self.partner_app.is_welcomed()
    }

    /// Restarts the homeserver, and returns when it answers.
    pub fn restart_synapse(&mut self) -> Result<()> {
        self.synapse.stop()?;
        self.synapse.start()?;
        self.synapse.wait()
    }

    /// Restarts the XMPP server, and returns when the bridge has come back to it.
    pub fn restart_xmpp(&mut self) -> Result<()> {
        self.xmpp.stop()?;
        let before = self.xmpp.arrivals();
        self.xmpp.start()?;
        self.xmpp.wait()?;
        self.bridge_comes(before)
    }

    /// A second app of the same partner's name, with a key pair that the bridge does not know.
    pub fn impostor(&self) -> Result<PartnerApp> {
        let folder = self.folder().join("impostor");
        fs::create_dir_all(&folder)?;
        PartnerApp::make_keys(&self.programs.partner_app, &folder)?;
        PartnerApp::start(&self.programs.partner_app, &folder, self.partner_port.address())
    }

    /// Where the daemon listens for the homeserver.
    pub fn matrix_listener(&self) -> std::net::SocketAddr {
        self.matrix_port.address()
    }

    /// Where the daemon listens for the partner.
    pub fn partner_listener(&self) -> std::net::SocketAddr {
        self.partner_port.address()
    }

    /// Every secret that the daemon knows: none may be in its log. The homeserver's token for the
    /// daemon (`hs_token`) is the last.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// The folder of it all: configuration, secrets, logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn bridge_comes(&self, before: usize) -> Result<()> {
        until("the bridge to come to the XMPP server", PATIENCE, || {
            Ok((self.xmpp.arrivals() > before).then_some(()))
        })
        .with_context(|| format!("the daemon's log: {}", self.daemon.log().unwrap_or_default()))
    }
}

fn partner_app(dials: bool, programs: &Programs, at: &Path, port: &Port) -> Result<PartnerApp> {
    let start = if dials { PartnerApp::listen } else { PartnerApp::start };
    start(&programs.partner_app, at, port.address())
}

/// The secret in the bridge's own key.
fn private_half(file: &Path) -> Result<String> {
    let jwk: serde_json::Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    Ok(jwk["d"].as_str().context("the bridge's key has no private half")?.to_owned())
}

/// The two tokens of a registration file; the homeserver's is the last.
fn tokens_of(registration: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(registration)?;
    let find = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        let value = line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned());
        value.with_context(|| format!("{} lacks {key}", registration.display()))
    };
    Ok(vec![find("as_token:")?, find("hs_token:")?])
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    fs::write(path, secret)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn random() -> Result<String> {
    Ok(format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?))
}

/// A town's configuration: where its homeserver and its XMPP server take the bridge, and where the
/// bridge takes the homeserver (`matrix`) and the partner's app.
pub fn configuration(
    homeserver: SocketAddr,
    matrix: SocketAddr,
    component: SocketAddr,
    partner: SocketAddr,
) -> String {
    CONFIG
        .replace("{synapse}", &homeserver.to_string())
        .replace("{matrix}", &matrix.to_string())
        .replace("{component}", &component.to_string())
        .replace("{partner}", &partner.to_string())
}

/// The configuration of a town whose daemon dials the partner's app, over TLS, instead of waiting for
/// it: for [`Town::start_with`].
pub fn dialling(config: String) -> String {
    let Some((others, partner)) = config.split_once(PARTNER) else { return config };
    let dials = |line: &str| match line.strip_prefix("listen = \"127.0.0.1:") {
        None => format!("{line}\n"),
        Some(port) => {
            let url = format!("wss://localhost:{}/drawbridge", port.trim_end_matches('"'));
            format!(
                "dial = \"{url}\"\ndial_key_file = \"{BRIDGE_KEY}\"\n\
                 dial_ca_file = \"{AUTHORITY}\"\n"
            )
        }
    };
    format!("{others}{PARTNER}{}", partner.lines().map(dials).collect::<String>())
}

/// The same, with a way for the files of the partner's app, and with the XMPP server's upload service,
/// which is without TLS and on this machine.
fn with_files(config: &str, at: SocketAddr, uploads: SocketAddr) -> String {
    let files =
        format!("{PARTNER}\nmedia_listen = \"{at}\"\nmedia_public_url = \"http://{at}/files\"");
    let of_xmpp = format!(
        "{XMPP}\nupload_plain_hosts = [\"{uploads}\"]\nmedia.private_hosts = [\"{uploads}\"]"
    );
    config.replacen(PARTNER, &files, 1).replacen(XMPP, &of_xmpp, 1)
}

/// The network of the partner's app.
const APP: &str = "birdychat";

const PARTNER: &str = "[networks.birdychat]";

const XMPP: &str = "[networks.xmpp]";

const BRIDGE_KEY: &str = "bridge.key.json";

/// By what the bridge admits the partner's app.
const ADMITTED: &str = r#"{"passed": ["text_in", "text_out"], "skipped": {}, "failed": {}}"#;

const CONFIG: &str = r#"data_dir = "data"

[networks.matrix]
type = "matrix"
role = "home"
homeserver_url = "http://{synapse}"
server_name = "hs.test"
listen = "{matrix}"
registration_file = "registration.yaml"
users.local = ["hs.test"]

[networks.xmpp]
type = "xmpp"
role = "home"
server = "{component}"
domain = "bridge.p.test"
secret_file = "xmpp.secret"
users.local = ["p.test"]

[networks.birdychat]
type = "partner"
role = "third_party"
listen = "{partner}"
issuer = "birdychat"
jwks_file = "birdychat.jwks.json"
admission = { conformance_report = "birdychat.conformance.json", minimum_posture = "clear" }
"#;
