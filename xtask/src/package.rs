//! `cargo xtask package`: a Debian package, and a try of it on a Debian that has nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drawbridge_servers::workspace;

use crate::cargo::{cargo, run, tool};

/// The version of cargo-deb that the package is described for.
const CARGO_DEB: &str = "3.8.0";

/// Where a Debian comes from.
const DEBIAN: (&str, &str) = ("bookworm", "http://deb.debian.org/debian");

/// Builds `target/debian/drawbridge_*.deb`, of the optimised daemon.
pub(crate) fn package() -> Result<()> {
    let package = build("release")?;
    println!("{}", package.display());
    Ok(())
}

/// Builds a package of the daemon as tests build it, installs it into a Debian of its own,
/// configures it, and purges it again. As root, with debootstrap.
pub(crate) fn try_out() -> Result<()> {
    let package = build("dev")?;
    let target = package.parent().context("the package is in no folder")?;
    let debian = Debian::fresh(target)?;
    let name = package.file_name().context("the package has no name")?;
    fs::copy(&package, debian.path("tmp").join(name))?;
    debian.does("dpkg -i /tmp/drawbridge_*.deb")?;
    // The guide's commands.
    debian.does(
        "set -e
         man_page=$(dpkg -L drawbridge | grep -c /usr/share/man/man1/drawbridge)
         test \"$man_page\" -ge 5
         test -f /usr/share/doc/drawbridge/install.md
         test -f /usr/share/bash-completion/completions/drawbridge
         test \"$(stat -c %a /etc/drawbridge/secrets)\" = 700
         drawbridge version
         cd /etc/drawbridge
         (umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > secrets/xmpp.secret)
         drawbridge registration matrix
         test \"$(stat -c %a secrets/registration.yaml)\" = 600
         drawbridge check
         drawbridge check | grep -q '0 errors, 0 warnings'",
    )?;
    // An upgrade keeps what the operator wrote.
    debian.does(
        "set -e
         sed -i 's/hs.test/example.org/' /etc/drawbridge/drawbridge.toml
         dpkg -i --force-confdef --force-confold /tmp/drawbridge_*.deb
         grep -q example.org /etc/drawbridge/drawbridge.toml
         test -f /etc/drawbridge/secrets/registration.yaml",
    )?;
    debian.does(
        "set -e
         mkdir -p /var/lib/private/drawbridge
         dpkg --purge drawbridge
         left=$(find / -xdev -iname '*drawbridge*' -not -path '/proc/*' -not -path '/tmp/*')
         test -z \"$left\" || { echo \"left behind: $left\"; exit 1; }",
    )?;
    println!("installed, configured, upgraded and purged");
    Ok(())
}

fn build(profile: &str) -> Result<PathBuf> {
    let cargo_deb = tool("cargo-deb", CARGO_DEB, &["--no-default-features"])?;
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "drawbridge", "--profile", profile]);
    run(&mut build)?;
    let mut package = Command::new(cargo_deb);
    // Its own compression is slow, unoptimised as it is.
    package.args([
        "--no-build",
        "--strip",
        "--no-dbgsym",
        "--compress-system",
        "--compress-type",
        "gz",
    ]);
    package.args(["--profile", profile]);
    package.current_dir(workspace());
    let output = package.output().with_context(|| format!("cannot start {package:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{package:?} failed: {said}");
    eprint!("{said}");
    // Its last line is the path.
    let path = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(path.lines().next_back().context("cargo-deb named no package")?.trim()))
}

/// A Debian in a folder.
struct Debian(PathBuf);

impl Debian {
    /// A fresh one; what debootstrap made is kept for the next time.
    fn fresh(target: &Path) -> Result<Self> {
        let base = target.join("bookworm.tar");
        let folder = target.join("bookworm");
        // What an earlier try left.
        let _ = fs::remove_dir_all(&folder);
        if !base.exists() {
            eprintln!("[install] Debian {} into {}", DEBIAN.0, base.display());
            let made = target.join("bookworm.new");
            let _ = fs::remove_dir_all(&made);
            run(Command::new("debootstrap")
                .args(["--variant=minbase", DEBIAN.0])
                .arg(&made)
                .arg(DEBIAN.1))?;
            run(Command::new("tar").arg("-C").arg(&made).arg("-cf").arg(&base).arg("."))?;
            fs::remove_dir_all(&made)?;
        }
        fs::create_dir_all(&folder)?;
        run(Command::new("tar").arg("-C").arg(&folder).arg("-xf").arg(&base))?;
        Ok(Self(folder))
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    /// Runs a script in it.
    fn does(&self, script: &str) -> Result<()> {
        let mut chroot = Command::new("chroot");
        chroot.arg(&self.0).args(["/bin/sh", "-c", script]);
        chroot.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        run(chroot.env("DEBIAN_FRONTEND", "noninteractive"))
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        // It is in the build's own folder: what cannot be removed goes with that.
        let _ = fs::remove_dir_all(&self.0);
    }
}
