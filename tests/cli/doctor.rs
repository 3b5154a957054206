//! What the doctor says of this machine. What it says of the servers stands in the scenarios.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::desk::{Desk, Done};

/// The doctor, before a data directory.
fn doctor(desk: &Desk, data_dir: &Path) -> Command {
    let mut command = desk.command(&["doctor"]);
    command.env("DRAWBRIDGE_DATA_DIR", data_dir);
    command
}

/// What it says of the data directory.
fn says(done: &Done) -> Vec<&str> {
    let mut lines = done.out.lines().peekable();
    let mut said = Vec::new();
    while let Some(line) = lines.next() {
        if line.contains("  data_dir: ") {
            said.push(line);
            said.extend(lines.next_if(|next| next.starts_with("         → ")));
        }
    }
    said
}

#[test]
fn a_disk_with_little_room_is_trouble() {
    // A small disk of its own, in a namespace that ends with the doctor.
    let namespace = ["--user", "--map-root-user", "--mount"];
    let allowed = Command::new("unshare").args(namespace).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("not tried: this machine does not allow a namespace (unshare --user --mount)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::ready();
    let doctor = doctor(&desk, folder.path());
    let mut command = Command::new("unshare");
    let mount = "mount -t tmpfs -o size=8m,mode=700 tmpfs \"$1\" && shift && exec \"$@\"";
    command.args(namespace).args(["sh", "-c", mount, "sh"]).arg(folder.path());
    command.arg(doctor.get_program()).args(doctor.get_args());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(doctor.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let done = Done::of(command);
    let said = says(&done).join("\n");
    let little = "trouble  data_dir: 8 MiB are free on its disk\n         → make room on its disk";
    assert!(said.contains(little), "{said}{}", done.err);
    assert_eq!(done.code, Some(1));
}

#[test]
fn a_data_directory_is_looked_at_before_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/there");
    let done = Done::of(doctor(&Desk::ready(), &data));
    let said = says(&done);
    assert_eq!(said[0], "well     data_dir: not there yet: the daemon makes it");
    assert!(said[1].ends_with(" MiB are free on its disk"), "{said:?}");
    assert!(!data.exists() && !folder.path().join("not").exists(), "the doctor made it");
}

#[test]
fn what_others_can_get_at_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |mode| {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o755);
    let desk = Desk::ready();
    let done = Done::of(doctor(&desk, folder.path()));
    let said = says(&done);
    let at = folder.path().display();
    assert_eq!(
        said[..2],
        [
            format!("doubt    data_dir: every user of this machine can get at {at} (mode 755)"),
            format!("         → chmod 700 {at}"),
        ]
    );
    mode(0o700);
    let done = Done::of(doctor(&desk, folder.path()));
    assert!(!says(&done).iter().any(|line| line.contains("can get at")), "{}", done.out);
}

#[test]
fn a_file_in_place_of_the_data_directory_is_trouble() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let done = Done::of(doctor(&Desk::ready(), file.path()));
    assert_eq!(says(&done)[0], "trouble  data_dir: is not a folder");
    assert_eq!(done.code, Some(1));
}
