//! What the doctor says of real servers: while all is well, and with each thing broken in turn.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use drawbridge_servers::Town;

use crate::matrix_gestures::town_with_puppets;
use crate::town;

/// What the doctor prints, and its exit code.
fn doctor(town: &Town) -> Result<(String, Option<i32>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command.env_clear().args(["doctor", "--config"]).arg(town.folder().join("drawbridge.toml"));
    let output = command.output()?;
    Ok((String::from_utf8(output.stdout)?, output.status.code()))
}

/// The doctor finds this, and nothing else in trouble.
fn finds(town: &Town, trouble: &str, advice: &str) -> Result<()> {
    let (said, code) = doctor(town)?;
    ensure!(said.contains(&format!("trouble  {trouble}")), "{trouble:?} not in {said}");
    ensure!(said.contains(advice), "{advice:?} not in {said}");
    ensure!(said.contains("\n1 in trouble, ") && code == Some(1), "{code:?}: {said}");
    for secret in town.secrets() {
        ensure!(!said.contains(secret), "a secret is told");
    }
    Ok(())
}

fn all_is_well(town: &Town, running: &str) -> Result<()> {
    let (said, code) = doctor(town)?;
    let bird = if running.contains("no daemon") {
        "networks.birdychat: the bridge can listen on"
    } else {
        "networks.birdychat: the daemon listens on"
    };
    for found in [
        "networks.matrix: the homeserver answers",
        "networks.matrix: the homeserver's clock and this machine's agree",
        "networks.matrix: the homeserver knows the registration file's as_token",
        "networks.matrix: the registration's namespaces hold the bridge's ghosts",
        "networks.matrix: the homeserver reaches the bridge",
        "networks.xmpp: the server takes",
        bird,
        running,
    ] {
        ensure!(said.contains(&format!("well     {found}")), "{found:?} not in {said}");
    }
    ensure!(said.contains("\n0 in trouble, ") && code == Some(0), "{code:?}: {said}");
    Ok(())
}

/// A file of the town with something else in it, until it is put back.
struct Swapped(PathBuf, String);

impl Swapped {
    fn new(town: &Town, file: &str, change: impl Fn(&str) -> String) -> Result<Self> {
        let path = town.folder().join(file);
        let before = fs::read_to_string(&path)?;
        let after = change(&before);
        ensure!(after != before, "nothing was changed in {file}");
        fs::write(&path, after)?;
        Ok(Self(path, before))
    }

    fn back(self) -> Result<()> {
        Ok(fs::write(self.0, self.1)?)
    }
}

/// A registration file with another token in it.
fn token(name: &'static str) -> impl Fn(&str) -> String {
    move |text| {
        let other = |line: &str| match line.split_once(": ") {
            Some((key, _)) if key == name => format!("{name}: another\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(other).collect()
    }
}

#[test]
fn the_doctor_tries_to_speak_as_everybody() -> Result<()> {
    let town = town_with_puppets()?;
    let (said, code) = doctor(&town)?;
    let well = "well     networks.matrix: the bridge may speak as every user of the homeserver";
    ensure!(said.contains(well) && code == Some(0), "{said}");
    let wrong = Swapped::new(&town, "synapse/puppets.yaml", token("as_token"))?;
    let unknown = "networks.matrix: the homeserver does not know the as_token in puppet_";
    finds(&town, unknown, "restart Synapse")?;
    wrong.back()?;
    // What the homeserver would send anything to is no file for this.
    let wrong = Swapped::new(&town, "synapse/puppets.yaml", |text| {
        text.replace("url: null", "url: http://127.0.0.1:1")
    })?;
    let (said, code) = doctor(&town)?;
    ensure!(said.contains("expected null") && code != Some(0), "{code:?}: {said}");
    wrong.back()
}

#[test]
fn the_doctor_finds_what_is_broken() -> Result<()> {
    let mut town = town()?;
    // Beside a daemon, which stays connected.
    let before = town.xmpp.arrivals();
    all_is_well(&town, "data_dir: a daemon is running on it")?;
    ensure!(town.xmpp.arrivals() == before, "the doctor joined in place of the daemon");
    town.daemon.stop()?;
    all_is_well(&town, "data_dir: no daemon is running on it")?;

    let wrong = Swapped::new(&town, "xmpp.secret", |_| "another one\n".to_owned())?;
    finds(&town, "networks.xmpp: the server refused the component's secret", "component_secret")?;
    wrong.back()?;

    let wrong = Swapped::new(&town, "registration.yaml", token("as_token"))?;
    let unknown = "networks.matrix: the homeserver does not know the registration file's as_token";
    finds(&town, unknown, "app_service_config_files")?;
    wrong.back()?;
    let wrong = Swapped::new(&town, "registration.yaml", token("hs_token"))?;
    let other = "networks.matrix: the homeserver reaches the bridge, but with another hs_token";
    finds(&town, other, "restart Synapse")?;
    wrong.back()?;

    // The file and the configuration agree, but the homeserver read an earlier file.
    let file =
        Swapped::new(&town, "registration.yaml", |text| text.replace("@_drawbridge_", "@_other_"))?;
    let key = Swapped::new(&town, "drawbridge.toml", |text| {
        text.replace("server_name = ", "ghost_prefix = \"_other_\"\nserver_name = ")
    })?;
    finds(&town, "networks.matrix: the namespaces in the homeserver's copy", "restart Synapse")?;
    key.back()?;
    file.back()?;

    let squatter = std::net::TcpListener::bind(town.matrix_listener())?;
    finds(&town, "networks.matrix: the bridge cannot listen on", "end what listens there")?;
    drop(squatter);
    let squatter = std::net::TcpListener::bind(town.partner_listener())?;
    finds(&town, "networks.birdychat: the bridge cannot listen on", "end what listens there")?;
    drop(squatter);

    let exposed = town.folder().join("xmpp.secret");
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o644))?;
    let (said, code) = doctor(&town)?;
    let doubt = format!("can get at {} (mode 644)", exposed.display());
    ensure!(said.contains(&doubt) && said.contains("chmod 600") && code == Some(0), "{said}");
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o600))?;

    town.xmpp.stop()?;
    finds(&town, "networks.xmpp: the server takes no connection", "component_ports")?;
    town.xmpp.start()?;
    town.xmpp.wait()?;
    town.synapse.stop()?;
    finds(&town, "networks.matrix: nothing takes connections", "start the homeserver")
}
