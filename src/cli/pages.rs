//! `packaging/man` and `packaging/completions`, from the command line itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Arguments;
use crate::generated;

const MAN: &str = "packaging/man";

/// A page for the command, and one for each of its subcommands.
fn pages() -> Vec<(String, clap::Command)> {
    let mut root = Arguments::command();
    root.build();
    let of = |command: &clap::Command| {
        let name = format!("drawbridge-{}", command.get_name());
        (name.clone(), command.clone().display_name(name))
    };
    let commands = root.get_subcommands().filter(|command| command.get_name() != "help").map(of);
    let commands: Vec<_> = commands.collect();
    [("drawbridge".to_owned(), Arguments::command())].into_iter().chain(commands).collect()
}

#[test]
fn the_manual_is_fresh() {
    let mut known = BTreeSet::new();
    for (name, command) in pages() {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).unwrap();
        let file = format!("{name}.1");
        generated::assert_fresh(&format!("{MAN}/{file}"), &String::from_utf8(page).unwrap());
        known.insert(file);
    }
    let there = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(MAN)).unwrap();
    let there = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), known, "a page whose command is gone");
}

#[test]
fn the_completions_are_fresh() {
    for (shell, file) in [
        (Shell::Bash, "drawbridge.bash"),
        (Shell::Fish, "drawbridge.fish"),
        (Shell::Zsh, "_drawbridge"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "drawbridge", &mut script);
        let script = String::from_utf8(script).unwrap();
        generated::assert_fresh(&format!("packaging/completions/{file}"), &script);
    }
}
