//! `drawbridge registration <network>`: the file by which a network's server lets the bridge in.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use drawbridge_adapter::{NetworkId, Secret};

use super::Exit;
use crate::config::Loaded;

pub(super) fn write(loaded: &Loaded, network: &NetworkId, force: bool) -> Exit {
    let Some(network) = loaded.network(network) else {
        eprintln!("there is no network {network} in the configuration");
        return Exit::NoSuch;
    };
    let Some(registration) = network.adapter.registration() else {
        eprintln!("the network {} needs no registration file", network.id);
        return Exit::NoSuch;
    };
    // Never among systemd's credentials: they are copies, and cannot be written.
    let path = loaded.place.config_dir.join(&registration.path);
    match write_new(&path, &registration.content, force) {
        Ok(()) => {
            println!("wrote {}", path.display());
            println!("{}", registration.advice);
            Exit::Done
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            eprintln!(
                "{} is there already; --force replaces it, and the server then needs the new one",
                path.display()
            );
            Exit::CannotCreate
        }
        Err(error) => {
            eprintln!("{} cannot be written: {error}", path.display());
            Exit::CannotCreate
        }
    }
}

/// Writes the whole file or none, readable by its owner alone from the start.
fn write_new(path: &Path, content: &Secret, force: bool) -> std::io::Result<()> {
    let draft = draft_of(path);
    let written = write_draft(&draft, content).and_then(|()| {
        if force {
            return std::fs::rename(&draft, path);
        }
        // A rename would replace what is there; a link does not.
        std::fs::hard_link(&draft, path)?;
        std::fs::remove_file(&draft)
    });
    if written.is_err() {
        // It holds fresh secrets that nobody uses: if it cannot be removed, they open nothing.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

fn write_draft(draft: &Path, content: &Secret) -> std::io::Result<()> {
    let mut file: File = File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content.expose().as_bytes())?;
    file.sync_all()
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}
