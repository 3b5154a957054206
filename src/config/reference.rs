//! `config/drawbridge.toml`, from the doc comments of the types that read it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::adapters::{ADAPTERS, AdapterType};
use super::settings::{NetworkSettings, Settings};
use super::values::is_reloadable;
use super::{Loaded, read_text};
use crate::gate::Role;
use crate::generated;

const HEAD: &str = "\
# The configuration of Drawbridge: every key, with its default or an example.
#
# Lines like `#key = …` show a default or an example: remove the # to change it. Paths are
# relative to this file's folder, or to systemd's credentials, where those of the folder `secrets`
# are under the service. Each key can be set by a variable, which wins: DRAWBRIDGE_QUEUE__MAX_MESSAGES
# is queue.max_messages, and lists are written with commas. `drawbridge check` finds every mistake.
# Keys marked `reloadable: yes` change in a running daemon at SIGHUP (`systemctl reload drawbridge`).
# If anything else changed, or anything is wrong, the daemon says so and keeps the old configuration.
#
# This file is made from the code; `DRAWBRIDGE_REGENERATE=1 cargo test -p drawbridge` writes it anew.

";

/// The networks that are shown.
const SAMPLES: &[Sample] = &[
    Sample { id: "matrix", adapter: "matrix", role: Role::Home, local: "hs.test" },
    Sample { id: "xmpp", adapter: "xmpp", role: Role::Home, local: "p.test" },
    Sample { id: "birdychat", adapter: "partner", role: Role::ThirdParty, local: "" },
];

struct Sample {
    id: &'static str,
    adapter: &'static str,
    role: Role,
    local: &'static str,
}

/// Whether a key stands as it is, or behind a `#`.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Set,
    Commented,
}

struct Page {
    text: String,
    root: Value,
    /// Everything behind a `#`.
    commented: bool,
    /// The table that keys are in.
    table: Vec<String>,
}

impl Page {
    fn words(&mut self, node: &Value) {
        let words = node["description"].as_str().expect("every key has words for the operator");
        for line in words.lines() {
            writeln!(self.text, "{}", format!("# {line}").trim_end()).unwrap();
        }
    }

    fn line(&mut self, shown: Shown, line: &str) {
        let hash = if self.commented || shown == Shown::Commented { "#" } else { "" };
        writeln!(self.text, "{hash}{line}").unwrap();
    }

    fn key(&mut self, name: &str, node: &Value, shown: Shown, value: Option<Value>) {
        self.words(node);
        let path: Vec<_> = self.table.iter().map(String::as_str).chain(name.split('.')).collect();
        let reloadable = if is_reloadable(&path) { "yes" } else { "no" };
        writeln!(self.text, "# reloadable: {reloadable}").unwrap();
        let value = value.or_else(|| self.sample(node));
        let value = value.unwrap_or_else(|| panic!("{name} has neither a default nor an example"));
        self.line(shown, &format!("{name} = {}", toml(&value)));
    }

    /// The default, unless it says nothing; else the example.
    fn sample(&self, node: &Value) -> Option<Value> {
        let resolved = self.resolved(node);
        let says =
            |value: &Value| !value.is_null() && value.as_array().is_none_or(|l| !l.is_empty());
        let found = [node, resolved].into_iter().find_map(|node| {
            let default = node.get("default").filter(|value| says(value));
            default.or_else(|| node["examples"].get(0)).cloned()
        });
        found.or_else(|| node.get("default").filter(|value| !value.is_null()).cloned())
    }

    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        match node["$ref"].as_str() {
            Some(name) => self.root.pointer(name.trim_start_matches('#')).unwrap(),
            None => node,
        }
    }

    /// Every key of a table, those that must be set first; tables in it as dotted keys.
    fn keys(&mut self, schema: &Value, prefix: &str) {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().unwrap().clone();
        let is_required = |name: &String| required.contains(&Value::from(name.as_str()));
        let (set, rest): (Vec<_>, Vec<_>) =
            properties.iter().partition(|(name, _)| is_required(name));
        for (name, node) in set {
            self.key(&format!("{prefix}{name}"), node, Shown::Set, None);
        }
        for (name, node) in rest {
            let inner = self.resolved(node).clone();
            let name = format!("{prefix}{name}");
            if inner["properties"].is_object() {
                self.keys(&inner, &format!("{name}."));
            } else {
                self.key(&name, node, Shown::Commented, None);
            }
        }
    }

    fn daemon(&mut self) {
        let properties = self.root["properties"].as_object().unwrap().clone();
        self.key("data_dir", &properties["data_dir"], Shown::Set, None);
        for (name, node) in properties.iter().filter(|(name, _)| *name != "data_dir") {
            self.text.push('\n');
            self.words(node);
            self.line(Shown::Set, &format!("[{name}]"));
            let table = self.resolved(node).clone();
            self.table = vec![name.clone()];
            self.keys(&table, "");
        }
    }

    fn network(&mut self, sample: &Sample, adapter: &AdapterType) {
        let home = sample.role == Role::Home;
        let common = schemars::schema_for!(NetworkSettings).to_value();
        self.text.push('\n');
        if !home {
            let warning = "# Somebody else's app, off for each user until they switch it on: remove the # of these\n\
                           # lines if you have one.\n#\n";
            self.text.push_str(warning);
        }
        self.commented = !home;
        self.table = vec!["networks".to_owned(), sample.id.to_owned()];
        let own = (adapter.schema)();
        self.words(&own);
        self.line(Shown::Set, &format!("[networks.{}]", sample.id));
        self.text.push_str("# Which adapter carries it.\n# reloadable: no\n");
        self.line(Shown::Set, &format!("type = {}", toml(&Value::from(sample.adapter))));

        self.root = common.clone();
        let properties = &common["properties"];
        let role = if home { "home" } else { "third_party" };
        self.key("role", &properties["role"], Shown::Set, Some(role.into()));
        self.root = own.clone();
        self.keys(&own, "");
        self.root = common.clone();
        let user = |name: &str| common["$defs"]["UserSettings"]["properties"][name].clone();
        if home {
            let local = Some(Value::from(vec![sample.local]));
            self.key("users.local", &user("local"), Shown::Set, local);
            self.key("users.remote", &user("remote"), Shown::Commented, None);
        }
        let kind = |name: &str| common["$defs"]["KindSettings"]["properties"][name].clone();
        self.key("kinds.deny", &kind("deny"), Shown::Commented, None);
        if home {
            self.key("kinds.allow", &kind("allow"), Shown::Commented, None);
        }
        let host = |name: &str| common["$defs"]["MediaHostSettings"]["properties"][name].clone();
        for name in ["hosts", "private_hosts"] {
            self.key(&format!("media.{name}"), &host(name), Shown::Commented, None);
        }
    }
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(_) | Value::Null => panic!("a table has no line of its own"),
        other => other.to_string(),
    }
}

fn page() -> String {
    let root = schemars::schema_for!(Settings).to_value();
    let mut page = Page { text: HEAD.to_owned(), root, commented: false, table: Vec::new() };
    page.daemon();
    for sample in SAMPLES {
        let adapter = ADAPTERS.iter().find(|adapter| adapter.name == sample.adapter).unwrap();
        page.network(sample, adapter);
    }
    page.text
}

fn load(text: &str) -> Loaded {
    read_text(text, Path::new("."), Vec::new(), ADAPTERS).unwrap_or_else(|findings| {
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        panic!("{}", findings.join("\n"));
    })
}

#[test]
fn the_reference_is_fresh() {
    generated::assert_fresh("config/drawbridge.toml", &page());
}

#[test]
fn the_reference_is_valid_as_it_stands() {
    assert_eq!(load(&page()).networks.len(), 2);
}

#[test]
fn every_default_and_example_in_the_reference_is_valid() {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
            key.to_owned()
        }
        _ => line.to_owned(),
    };
    // Of what excludes each other: once the one, once the other.
    for without in ["dial", "listen"] {
        let lines = page().lines().map(uncommented).collect::<Vec<_>>();
        let partner = lines.iter().position(|line| line == "type = \"partner\"").unwrap();
        let is_left_out = |(i, line): &(usize, &String)| *i > partner && line.starts_with(without);
        let kept = lines.iter().enumerate().filter(|line| !is_left_out(line));
        let text: Vec<_> = kept.map(|(_, line)| line.as_str()).collect();
        assert_eq!(load(&text.join("\n")).networks.len(), SAMPLES.len());
    }
}

#[test]
fn every_adapter_is_in_the_reference() {
    for adapter in ADAPTERS {
        assert!(SAMPLES.iter().any(|sample| sample.adapter == adapter.name), "{}", adapter.name);
    }
}
