//! `cargo xtask package`: a Debian package, and a try of it on a Debian that has nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drawbridge_servers::{debian, workspace};

use crate::cargo::{cargo, run, target, tool};

/// The version of cargo-deb that the package is described for.
const CARGO_DEB: &str = "3.8.0";

/// Where a Debian comes from.
const DEBIAN: (&str, &str) = ("bookworm", "http://deb.debian.org/debian");

/// apt asks nothing there.
const APT: &str = r#"
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
DPkg::Options { "--force-confdef"; "--force-confold"; };
DPkg::Use-Pty "false";
quiet "1";
"#;

/// Builds `target/debian/drawbridge_*.deb`, of the optimised daemon.
pub(crate) fn package() -> Result<()> {
    run(cargo().args(["build", "--locked", "--release", "--package", "drawbridge"]))?;
    let changes = fs::read_to_string(workspace().join("packaging/changelog"))?;
    let latest = concat!("drawbridge (", env!("CARGO_PKG_VERSION"), "-1) ");
    ensure!(changes.starts_with(latest), "packaging/changelog does not begin with {latest}");
    println!("{}", pack(&target()?, 1, "xz")?.display());
    Ok(())
}

/// Makes two packages of the daemon as tests build it, and follows docs/install.md with them in a
/// Debian of its own: installs, configures, upgrades, and purges. As root.
pub(crate) fn try_out() -> Result<()> {
    ensure!(
        fs::metadata("/proc/self")?.uid() == 0 && Path::new("/etc/debian_version").exists(),
        "a try of the package needs root on a Debian: as root, `cargo xtask package --try`"
    );
    // What `cargo xtask test` builds, so that after it nothing is built again.
    run(cargo().args(["build", "--workspace", "--all-targets"]))?;
    let target = target()?;
    // cargo-deb packs what stands where a release would: nothing is built a second time for it, and
    // no package of this daemon stands where the real one does.
    let place = target.join("package-try");
    fs::create_dir_all(place.join("release"))?;
    fs::copy(target.join("debug/drawbridge"), place.join("release/drawbridge"))?;

    let guide = fs::read_to_string(workspace().join("docs/install.md"))?;
    let debian = Debian::fresh(&place, guide)?;
    debian.takes(&pack(&place, 1, "gz")?, "root/target/debian")?;
    debian.follows(&["apt-get install ./target/debian/drawbridge_*.deb"])?;
    debian.does(
        "test $(dpkg -L drawbridge | grep -c /usr/share/man/man1/drawbridge) -ge 5
         for file in doc/drawbridge/docs/install.md doc/drawbridge/docs/alerts.rules.yml \
             doc/drawbridge/docs/grafana/drawbridge.json bash-completion/completions/drawbridge; do
             test -f /usr/share/$file || { echo \"$file is missing\"; exit 1; }
         done
         test $(stat -c %a /etc/drawbridge/secrets) = 700
         drawbridge version",
    )?;
    debian.follows(&[
        "cd /etc/drawbridge",
        r"sed -i 's/hs\.test/example.org/; s/bridge\.p\.test/bridge.example.org/; s/p\.test/example.org/' drawbridge.toml",
        "drawbridge check",
        "drawbridge registration matrix",
        "(umask 077; openssl rand -hex 32 > /etc/drawbridge/secrets/xmpp.secret)",
    ])?;
    debian.does(
        "test $(stat -c %a /etc/drawbridge/secrets/registration.yaml) = 600
         drawbridge check | grep -q '0 errors, 0 warnings'",
    )?;
    // An upgrade keeps what the operator wrote.
    debian.takes(&pack(&place, 2, "gz")?, "root")?;
    debian.follows(&["apt-get install ./drawbridge_*.deb"])?;
    debian.does(
        "dpkg -s drawbridge | grep -q '^Version: .*-2$'
         grep -q example.org /etc/drawbridge/drawbridge.toml
         drawbridge check | grep -q '0 errors, 0 warnings'
         mkdir -p /var/lib/private/drawbridge",
    )?;
    debian.follows(&["apt-get purge drawbridge"])?;
    debian.does(
        "rm -r drawbridge_*.deb target
         left=$(find / -xdev -iname '*drawbridge*' -not -path '/proc/*')
         test -z \"$left\" || { echo \"left behind: $left\"; exit 1; }",
    )?;
    println!("installed, configured, upgraded and purged");
    Ok(())
}

/// Packs the daemon in `release` below this folder, and gives the package.
fn pack(target: &Path, revision: u32, compression: &str) -> Result<PathBuf> {
    let cargo_deb = tool("cargo-deb", CARGO_DEB, &["--no-default-features"])?;
    let mut package = Command::new(cargo_deb);
    // Its own compression is slow, unoptimised as it is.
    package.args([
        "--no-build",
        "--strip",
        "--no-dbgsym",
        "--compress-system",
        "--compress-type",
        compression,
    ]);
    package.args(["--deb-revision", &revision.to_string()]);
    package.env("CARGO_TARGET_DIR", target).current_dir(workspace());
    let output = package.output().with_context(|| format!("cannot start {package:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{package:?} failed: {said}");
    eprint!("{said}");
    // Its last line is the path.
    let path = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(path.lines().next_back().context("cargo-deb named no package")?.trim()))
}

/// A Debian in a folder, and the guide that is followed there.
struct Debian {
    folder: PathBuf,
    guide: String,
}

impl Debian {
    /// A fresh one in `place`; what mmdebstrap made is kept for the next time.
    fn fresh(place: &Path, guide: String) -> Result<Self> {
        let base = place.join("bookworm.tar");
        let folder = place.join("bookworm");
        // What an earlier try left.
        let _ = fs::remove_dir_all(&folder);
        if !base.exists() {
            debian("mmdebstrap, which makes a Debian", &["mmdebstrap"])?;
            eprintln!("[install] Debian {} into {}", DEBIAN.0, base.display());
            let made = place.join("bookworm.new");
            // The guide's first step brings openssl, with ca-certificates.
            run(Command::new("mmdebstrap")
                .args(["--quiet", "--format=tar", "--variant=apt", "--include=openssl"])
                .args([DEBIAN.0.as_ref(), made.as_os_str(), DEBIAN.1.as_ref()]))?;
            fs::rename(made, &base)?;
        }
        fs::create_dir_all(&folder)?;
        run(Command::new("tar").arg("-C").arg(&folder).arg("-xf").arg(&base))?;
        fs::write(folder.join("etc/apt/apt.conf.d/90try"), APT)?;
        Ok(Self { folder, guide })
    }

    /// Lays a package into a folder there.
    fn takes(&self, package: &Path, folder: &str) -> Result<()> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder)?;
        fs::copy(package, folder.join(package.file_name().context("the package has no name")?))?;
        Ok(())
    }

    /// Runs commands there that the guide gives, one after the other.
    fn follows(&self, commands: &[&str]) -> Result<()> {
        for command in commands {
            let line = format!("\n# {command}\n");
            ensure!(self.guide.contains(&line), "the guide does not say: {command}");
            eprintln!("# {command}");
        }
        self.does(&commands.join("\n"))
    }

    /// Runs a script there.
    fn does(&self, script: &str) -> Result<()> {
        let mut chroot = Command::new("chroot");
        chroot.arg(&self.folder).args(["/bin/sh", "-e", "-c"]).arg(format!("cd /root\n{script}"));
        chroot.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        run(chroot.env("DEBIAN_FRONTEND", "noninteractive"))
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        // It is in the build's own folder: what cannot be removed goes with that.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
