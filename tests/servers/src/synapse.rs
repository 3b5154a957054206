//! Synapse, a Matrix homeserver.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{Child, Installed, Port, http, until};

/// A running Synapse that knows the bridge.
pub struct Synapse {
    python: PathBuf,
    folder: PathBuf,
    port: Port,
    child: Option<Child>,
}

/// The name of the homeserver.
const SERVER_NAME: &str = "hs.test";

impl Synapse {
    /// Writes its configuration into `folder`; `registration` is the bridge's registration file,
    /// which must exist before the start.
    pub fn prepare(installed: &Installed, folder: &Path, registration: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = Port::take(&installed.folder)?;
        // 42 hex digits and an A are the base64 of 32 bytes.
        let seed = format!(
            "{:016x}{:016x}{:010x}",
            getrandom::u64()?,
            getrandom::u64()?,
            getrandom::u32()?
        );
        fs::write(folder.join("signing.key"), format!("ed25519 a_town {seed}A\n"))?;
        fs::write(folder.join("log.yaml"), LOG)?;
        let config = CONFIG
            .replace("{port}", &port.number().to_string())
            .replace("{name}", SERVER_NAME)
            .replace("{folder}", &folder.display().to_string())
            .replace("{registration}", &registration.display().to_string())
            .replace("{secret}", &seed);
        fs::write(folder.join("homeserver.yaml"), config)?;
        Ok(Self { python: installed.synapse.clone(), folder: folder.to_owned(), port, child: None })
    }

    /// Lets the bridge speak as every user too, from its start on; gives the registration file.
    ///
    /// Only where it is needed: the numbers of transactions are one row for all application services,
    /// and this one takes a number for each event.
    pub fn lets_puppets(&self) -> Result<PathBuf> {
        let file = self.folder.join(PUPPETS_FILE);
        let secret = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let puppets = PUPPETS.replace("{name}", SERVER_NAME).replace("{secret}", &secret);
        fs::write(&file, puppets)?;
        let config = fs::read_to_string(self.folder.join("homeserver.yaml"))?;
        let files = config.lines().find(|line| line.starts_with("app_service_config_files: ["));
        let files = files.context("no registration in the configuration")?;
        let more = files.replace(']', &format!(", '{}']", file.display()));
        fs::write(self.folder.join("homeserver.yaml"), config.replace(files, &more))?;
        Ok(file)
    }

    /// Lets it tell who is online, from its start on: else it is noise.
    pub fn shows_presence(&self) -> Result<()> {
        let file = self.folder.join("homeserver.yaml");
        let config = fs::read_to_string(&file)?;
        fs::write(file, config.replace("presence: {enabled: false}", "presence: {enabled: true}"))?;
        Ok(())
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Starts it; see [`Synapse::wait`].
    pub fn start(&mut self) -> Result<()> {
        let mut command = Child::careless(&self.python);
        command
            .args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"])
            .current_dir(&self.folder);
        self.child = Some(Child::start("Synapse", command, &self.folder.join("out.log"), false)?);
        Ok(())
    }

    /// Waits until it answers.
    pub fn wait(&mut self) -> Result<()> {
        let address = self.address();
        let Some(child) = &mut self.child else { bail!("Synapse was not started") };
        until("Synapse to answer", Duration::from_secs(90), || {
            child.check()?;
            let answer = http::ask(address, "GET", "/_matrix/client/versions", &[], b"");
            Ok(answer.ok().filter(|answer| answer.status == 200).map(|_| ()))
        })
    }

    /// What was reported to those who run the homeserver so far, oldest first.
    pub fn reports(&self) -> Result<Vec<MatrixReport>> {
        let output = Child::careless(&self.python)
            .args(["-c", REPORTS])
            .arg(self.folder.join("homeserver.db"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Ends it in order.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.stop()?;
        }
        Ok(())
    }
}

/// A report to those who run the homeserver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MatrixReport {
    /// Who reports.
    pub by: String,
    /// Whether it is about an `event`, a `user` or a `room`.
    pub of: String,
    /// The id of that.
    pub id: String,
    /// Why.
    pub reason: String,
}

const REPORTS: &str = "import json, sqlite3, sys
db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
rows = db.execute('''
select user_id, 'event', event_id, reason, received_ts from event_reports union all
select user_id, 'user', target_user_id, reason, received_ts from user_reports union all
select user_id, 'room', room_id, reason, received_ts from room_reports order by 5''')
print(json.dumps([dict(zip(('by', 'of', 'id', 'reason'), row)) for row in rows]))
";

const PUPPETS_FILE: &str = "puppets.yaml";

/// As `docs/install.md` has it.
const PUPPETS: &str = r"id: drawbridge-puppets
url: null
as_token: '{secret}p'
hs_token: '{secret}h'
sender_localpart: drawbridge-puppets
rate_limited: false
namespaces:
  users:
    - exclusive: false
      regex: '@.*:{name}'
";

const LOG: &str = "version: 1
formatters: {plain: {format: '%(asctime)s %(levelname)s %(name)s %(message)s'}}
handlers: {out: {class: logging.StreamHandler, formatter: plain}}
root: {level: WARNING, handlers: [out]}
loggers: {synapse.appservice: {level: INFO}}
disable_existing_loggers: false
";

const CONFIG: &str = "server_name: '{name}'
pid_file: '{folder}/pid'
log_config: '{folder}/log.yaml'
listeners:
  - {port: {port}, type: http, bind_addresses: ['127.0.0.1'], resources: [{names: [client]}]}
database: {name: sqlite3, args: {database: '{folder}/homeserver.db'}}
media_store_path: '{folder}/media'
signing_key_path: '{folder}/signing.key'
macaroon_secret_key: '{secret}m'
form_secret: '{secret}f'
app_service_config_files: ['{registration}']
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
presence: {enabled: false}
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
password_config: {policy: {enabled: false}}
url_preview_enabled: false
max_upload_size: 200M
filter_timeline_limit: -1
encryption_enabled_by_default_for_room_type: 'off'
rc_message: &free {per_second: 100000, burst_count: 100000}
rc_registration: *free
rc_registration_token_validity: *free
rc_login: {address: *free, account: *free, failed_attempts: *free}
rc_admin_redaction: *free
rc_joins: {local: *free, remote: *free}
rc_joins_per_room: *free
rc_3pid_validation: *free
rc_invites: {per_room: *free, per_user: *free, per_issuer: *free}
rc_third_party_invite: *free
rc_presence: {per_user: *free}
rc_delayed_event_mgmt: *free
rc_room_creation: *free
rc_reports: *free
rc_user_directory: *free
";
