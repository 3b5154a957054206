//! `docs/logs.md`, from the catalogues of the daemon and the adapters.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use drawbridge_adapter::{LogEvent, log};

use crate::config::ADAPTERS;
use crate::generated;

const HEAD: &str = "\
# The log: what each line means, and what to do

Each line is one event of this list, with its level, its name in the field `event`, and its fields.
Names and fields are stable. No line holds what people wrote, an address, a token or a secret: people
and messages have pseudonyms, and one `msg` follows a message through its whole way.

| level | what it says |
| --- | --- |
| `ERROR` | something was lost, or an operator is needed |
| `WARN` | nothing was lost, but it is unusual |
| `INFO` | a change of state, or a message's outcome: one line a message |
| `DEBUG` | all else |

A message's outcome is told by `message_crossed` or `message_refused`, and what came back later by
`message_came_back`. A network that comes and goes has one line for each change, not for each try.

`log.format` says how lines look. In systemd's journal each field has a name of its own:
`journalctl DRAWBRIDGE_EVENT=network_disconnected`, `journalctl DRAWBRIDGE_MSG=…`. What other
libraries say is shown from WARN on, and has no `event`.

This file is made from the code; `DRAWBRIDGE_REGENERATE=1 cargo test -p drawbridge` writes it anew.

## Fields that mean the same everywhere

| field | in the journal | what it says |
| --- | --- | --- |
| `event` | `DRAWBRIDGE_EVENT` | the event's name |
";

fn catalogues() -> Vec<(String, &'static [LogEvent])> {
    let mut all = vec![
        ("The daemon".to_owned(), crate::log::EVENTS),
        ("Every adapter".to_owned(), log::EVENTS),
    ];
    all.extend(ADAPTERS.iter().map(|one| (format!("Networks of type `{}`", one.name), one.logs)));
    all
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (name, meaning) in log::COMMON {
        let journal = name.to_uppercase();
        writeln!(page, "| `{name}` | `DRAWBRIDGE_{journal}` | {meaning} |").unwrap();
    }
    for (title, events) in catalogues() {
        writeln!(page, "\n## {title}").unwrap();
        for event in events {
            describe(event, &mut page);
        }
    }
    page
}

fn describe(event: &LogEvent, page: &mut String) {
    let LogEvent { name, level, message, fields, meaning, action } = event;
    writeln!(page, "\n### `{name}`\n\n{level}: “{message}”\n").unwrap();
    writeln!(page, "{}", meaning.trim()).unwrap();
    if !fields.is_empty() {
        page.push('\n');
    }
    for field in *fields {
        let optional = if field.required { "" } else { ", if it is known" };
        writeln!(page, "- `{}`: {}{optional}", field.name, field.meaning).unwrap();
    }
    writeln!(page, "\nWhat to do: {action}").unwrap();
}

/// The code of the daemon and its adapters.
fn sources() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    read(&root.join("src"), &mut text);
    for adapter in fs::read_dir(root.join("adapters")).unwrap() {
        read(&adapter.unwrap().path().join("src"), &mut text);
    }
    text
}

#[test]
fn the_page_of_the_log_is_fresh() {
    generated::assert_fresh("docs/logs.md", &page());
}

#[test]
fn no_two_events_have_one_name() {
    let mut names = BTreeSet::new();
    for event in catalogues().iter().flat_map(|(_, events)| *events) {
        assert!(names.insert(event.name), "{}", event.name);
    }
}

#[test]
fn every_event_of_the_catalogue_is_logged_somewhere() {
    let sources = sources();
    for event in catalogues().iter().flat_map(|(_, events)| *events) {
        let name = event.name.to_uppercase();
        let logged = ["log!(", "log!(log::"].iter().any(|call| {
            let call = format!("{call}{name}");
            sources
                .match_indices(&call)
                .any(|(at, _)| sources[at + call.len()..].starts_with([',', ')']))
        });
        assert!(logged, "{name} is declared, and nothing logs it");
    }
}

#[test]
fn messages_and_actions_keep_their_style() {
    for event in catalogues().iter().flat_map(|(_, events)| *events) {
        let LogEvent { name, message, action, .. } = event;
        let loud = message.starts_with("OPEN WITHOUT CONSENT");
        assert!(loud || message.starts_with(char::is_lowercase), "{name}");
        assert!(!message.ends_with('.') && action.ends_with(['.', '?']), "{name}");
    }
}
