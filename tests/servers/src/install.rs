//! Puts the servers and the clients on this machine: once, saying what it does.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const SYNAPSE: &str = include_str!("../synapse.txt");
const CLIENTS: &str = include_str!("../clients.txt");
const PARTNER: &str = include_str!("../../../examples/partner-python/requirements.txt");
const PROSODY: &[&str] = &[
    "prosody",
    "prosody-modules",
    "lua-sec",
    "lua-event",
    "lua-unbound",
    "lua-dbi-sqlite3",
    "lua-readline",
];
const EJABBERD: &[&str] = &["ejabberd"];
/// The servers need not survive a power cut: without `fsync` the tests take half the time.
const NO_FSYNC: &[&str] = &["libeatmydata1"];
/// What sets the clock of one process: see [`crate::Daemon::has_own_clock`].
const CLOCK: &[&str] = &["libfaketime"];

/// As root. The package would start its server, and again at the next boot: neither is wanted.
const APT: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
# What was here before stays as it was.
new=
for service in prosody ejabberd epmd.service epmd.socket; do
    systemctl cat "$service" >/dev/null 2>&1 || new="$new $service"
done
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=400 -qq update
apt-get -o DPkg::Lock::Timeout=400 -qy --no-install-recommends install "$@"
for service in $new; do
    systemctl disable --quiet "$service" 2>/dev/null || true
done
"#;

/// Where the things are that were installed.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The folder of it all.
    pub folder: PathBuf,
    /// A Python that has Synapse.
    pub synapse: PathBuf,
    /// A Python that has matrix-nio and slixmpp.
    pub clients: PathBuf,
    /// A Python that has what the example partner app in Python needs.
    pub partner: PathBuf,
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}

/// Installs what is missing of Synapse, the XMPP servers and the clients. Where `DRAWBRIDGE_SERVERS` says,
/// else below `target/servers`; Prosody and ejabberd from Debian's packages, for which it must be root or have
/// `sudo`. Several processes may call it at once.
pub fn install() -> Result<Installed> {
    let folder = std::env::var_os("DRAWBRIDGE_SERVERS")
        .map_or_else(|| workspace().join("target/servers"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("cannot lock the folder of the servers")?;

    debian("Prosody, an XMPP server", PROSODY)?;
    debian("ejabberd, another XMPP server", EJABBERD)?;
    debian("a library that spares the servers fsync", NO_FSYNC)?;
    debian("a library that sets a process's clock", CLOCK)?;
    let synapse = python(&folder, "synapse", "Synapse, a Matrix homeserver", SYNAPSE)?;
    let clients = python(&folder, "clients", "matrix-nio and slixmpp, the clients", CLIENTS)?;
    let partner = python(&folder, "partner", "what the Python example needs", PARTNER)?;
    Ok(Installed { folder, synapse, clients, partner })
}

fn say(what: &str) {
    eprintln!("[install] {what}");
}

/// Installs what is missing of these packages of Debian's; it must be root for that, or have `sudo`. What they
/// would start is not started.
pub fn debian(what: &str, packages: &[&str]) -> Result<()> {
    let missing: Vec<_> = packages.iter().copied().filter(|package| !has(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("{what}: apt-get install {}", missing.join(" ")));
    let mut command = if is_root()? {
        Command::new("sh")
    } else {
        say("apt-get needs root: asking sudo");
        let mut command = Command::new("sudo");
        command.arg("sh");
        command
    };
    let status = command.args(["-c", APT, "sh"]).args(&missing).status();
    let done = status.is_ok_and(|status| status.success());
    if !done {
        bail!("could not install: {}. As root: apt-get install {0}", missing.join(" "));
    }
    say(&format!("{what}: done"));
    Ok(())
}

fn has(package: &str) -> bool {
    let asked = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).output();
    asked.is_ok_and(|answer| answer.stdout == b"install ok installed")
}

fn is_root() -> Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}

/// A virtual environment with exactly these packages.
fn python(folder: &Path, name: &str, what: &str, packages: &str) -> Result<PathBuf> {
    let home = folder.join(name);
    let python = home.join("bin/python");
    let stamp = home.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == packages) && python.exists() {
        return Ok(python);
    }
    let count = packages.lines().count();
    say(&format!("{what}: {count} packages from PyPI into {}", home.display()));
    if !quiet(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        debian("Python", &["python3", "python3-venv"])?;
    }
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    if !quiet(Command::new("python3").args(["-m", "venv"]).arg(&home)) {
        bail!("python3 -m venv {} failed", home.display());
    }
    let list = home.join("requirements.txt");
    fs::write(&list, packages)?;
    let mut pip = Command::new(&python)
        .args(["-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(&list)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = pip.stdout.take().context("pip has no output")?;
    let mut got = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.starts_with("Collecting ") {
            got += 1;
            if got % 10 == 0 || got == count {
                say(&format!("{what}: fetched {got} of {count}"));
            }
        } else if line.starts_with("Installing ") {
            say(&format!("{what}: unpacking"));
        }
    }
    if !pip.wait()?.success() {
        bail!("pip could not install {}", list.display());
    }
    fs::write(&stamp, packages)?;
    say(&format!("{what}: done"));
    Ok(python)
}

fn quiet(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
