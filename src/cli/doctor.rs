//! `drawbridge doctor`: tries everything that the daemon needs of the world, and says what to do.

use std::fs::{File, Metadata, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use drawbridge_adapter::{Circumstances, Diagnosis};

use super::Exit;
use crate::clock;
use crate::config::{Finding, Loaded, Network};

/// How long one network may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Free bytes on the disk of the data directory: below the first nothing works for long, below
/// the second it is worth a look.
const FREE: (u64, u64) = (64 << 20, 1 << 30);
const MAKE_ROOM: &str = "make room on its disk: with a full disk nothing is accepted any more";

/// Prints what it finds, line by line.
#[derive(Default)]
struct Report {
    troubles: usize,
    doubts: usize,
}

impl Report {
    fn tell(&mut self, subject: &str, diagnosis: &Diagnosis) {
        let Diagnosis { found, advice, grave } = diagnosis;
        let word = match (advice, grave) {
            (None, _) => "well   ",
            (Some(_), false) => "doubt  ",
            (Some(_), true) => "trouble",
        };
        println!("{word}  {subject}: {found}");
        if let Some(advice) = advice {
            println!("         → {advice}");
            *(if *grave { &mut self.troubles } else { &mut self.doubts }) += 1;
        }
    }
}

pub(super) fn examine(loaded: Loaded) -> Exit {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        eprintln!("the runtime cannot be started");
        return Exit::Failed;
    };
    let mut report = Report::default();
    let (data, running) = data_dir(&loaded.data_dir);
    for diagnosis in data {
        report.tell("data_dir", &diagnosis);
    }
    let place = loaded.place;
    for network in loaded.networks {
        for (key, path) in network.adapter.secret_files(&place) {
            if let Some(diagnosis) = secret_file(&path) {
                report.tell(&key, &diagnosis);
            }
        }
        let Network { id, adapter, local_domains, .. } = network;
        match adapter.build(&place) {
            Err(findings) => {
                for Finding { key, what, .. } in findings {
                    let advice = "see docs/install.md on this file, or the key's words in the \
                                  reference configuration";
                    report.tell(&key, &Diagnosis::trouble(what, advice));
                }
            }
            Ok(adapter) => {
                // Those before it may have taken long, and a proof is made for this moment.
                let around =
                    Circumstances { running, now: clock::now(), local_domains: &local_domains };
                let examined =
                    async { tokio::time::timeout(PATIENCE, adapter.examine(around)).await };
                let found = runtime.block_on(examined).unwrap_or_else(|_| {
                    let what = "the examination did not end";
                    vec![Diagnosis::trouble(what, "look into the log of the network's server")]
                });
                for diagnosis in found {
                    report.tell(&format!("networks.{id}"), &diagnosis);
                }
            }
        }
    }
    let Report { troubles, doubts } = report;
    println!("{troubles} in trouble, {doubts} in doubt");
    if troubles > 0 { Exit::Failed } else { Exit::Done }
}

/// The data directory, and whether a daemon may work on it: in doubt it does. Makes nothing: what root made the
/// daemon's own user could not write.
fn data_dir(path: &Path) -> (Vec<Diagnosis>, bool) {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let disk = path.ancestors().find(|above| above.exists());
            let mut found = vec![Diagnosis::well("not there yet: the daemon makes it")];
            found.extend(disk.map(room));
            return (found, false);
        }
        Err(error) => return (vec![hidden(&error)], true),
        Ok(metadata) if !metadata.is_dir() => {
            let advice = "let data_dir be a folder of the daemon's own";
            return (vec![Diagnosis::trouble("is not a folder", advice)], false);
        }
        Ok(metadata) => metadata,
    };
    let mut found = Vec::new();
    if let Some(others) = readable_by_others(&metadata, path) {
        found.push(others);
    }
    found.push(room(path));
    let (daemon, running) = daemon(path);
    found.push(daemon);
    (found, running)
}

/// Whether a daemon works on this data directory. What cannot be seen may be one.
fn daemon(path: &Path) -> (Diagnosis, bool) {
    let lock = match File::open(path.join("lock")) {
        Ok(lock) => lock.try_lock(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(TryLockError::Error(error)),
    };
    match lock {
        Ok(()) => (Diagnosis::well("no daemon is running on it"), false),
        Err(TryLockError::WouldBlock) => (Diagnosis::well("a daemon is running on it"), true),
        Err(TryLockError::Error(error)) => (hidden(&error), true),
    }
}

fn hidden(error: &Error) -> Diagnosis {
    let found = format!(
        "whether a daemon is running on it cannot be seen ({error}): what would disturb one is \
         left out"
    );
    Diagnosis::doubt(found, "run the doctor as root, or as the daemon's user")
}

fn room(path: &Path) -> Diagnosis {
    let Ok(disk) = rustix::fs::statvfs(path) else {
        return Diagnosis::doubt("the room on its disk is unknown", MAKE_ROOM);
    };
    enough(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What so many free bytes mean.
fn enough(free: u64) -> Diagnosis {
    let found = format!("{} MiB are free on its disk", free >> 20);
    match free {
        free if free < FREE.0 => Diagnosis::trouble(found, MAKE_ROOM),
        free if free < FREE.1 => Diagnosis::doubt(found, MAKE_ROOM),
        _ => Diagnosis::well(found),
    }
}

fn secret_file(path: &Path) -> Option<Diagnosis> {
    // One that is not there is told by the adapter that wants it.
    readable_by_others(&std::fs::metadata(path).ok()?, path)
}

fn readable_by_others(metadata: &Metadata, path: &Path) -> Option<Diagnosis> {
    let mode = metadata.mode() & 0o777;
    let right = if metadata.is_dir() { "700" } else { "600" };
    (mode & 0o007 != 0).then(|| {
        Diagnosis::doubt(
            format!("every user of this machine can get at {} (mode {mode:o})", path.display()),
            format!("chmod {right} {}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_cannot_be_seen_may_be_a_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &Path| {
            let (found, running) = data_dir(path);
            let last = found.into_iter().next_back().unwrap();
            (last.found, last.advice.is_some(), running)
        };
        let none = ("no daemon is running on it".to_owned(), false, false);
        assert_eq!(told(dir.path()), none);
        let lock = dir.path().join("lock");
        let held = File::create(&lock).unwrap();
        assert_eq!(told(dir.path()), none);
        held.try_lock().unwrap();
        assert_eq!(told(dir.path()), ("a daemon is running on it".to_owned(), false, true));
        // Root may open everything, but no link to itself.
        std::fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink(&lock, &lock).unwrap();
        for hidden in [dir.path(), &lock] {
            let (found, in_doubt, running) = told(hidden);
            assert!(found.contains("cannot be seen") && in_doubt && running, "{found}");
        }
    }

    #[test]
    fn little_room_is_in_doubt_and_next_to_none_is_trouble() {
        let mib = 1 << 20;
        let told = |free| (enough(free).advice.is_some(), enough(free).grave);
        assert_eq!(told(64 * mib - 1), (true, true));
        assert_eq!(told(64 * mib), (true, false));
        assert_eq!(told(1024 * mib - 1), (true, false));
        assert_eq!(told(1024 * mib), (false, false));
        assert_eq!(enough(70 * mib).found, "70 MiB are free on its disk");
    }
}
