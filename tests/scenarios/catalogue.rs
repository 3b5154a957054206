//! A log held against `docs/logs.md`: what an operator's tools may rely on.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

/// What stands in each line beside the event's own fields.
const ALWAYS: [&str; 5] = ["timestamp", "level", "target", "message", "event"];

/// The events of the page, by name.
pub(crate) struct Catalogue(HashMap<&'static str, Entry>);

struct Entry {
    level: &'static str,
    message: &'static str,
    /// Each with whether it always stands there.
    fields: HashMap<&'static str, bool>,
}

impl Catalogue {
    pub(crate) fn read() -> Result<Self> {
        let sections = include_str!("../../docs/logs.md").split("\n### ").skip(1);
        sections.map(entry).collect::<Result<_>>().map(Self)
    }

    /// Holds every line of a log in JSON against the page; gives the names of the events that came.
    pub(crate) fn holds<'a>(
        &self,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeSet<String>> {
        let mut came = BTreeSet::new();
        for text in lines {
            let line: Map<String, Value> = serde_json::from_str(text).context("no JSON")?;
            let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
            if !word("target").starts_with("drawbridge") {
                let quiet = ["WARN", "ERROR"].contains(&word("level")) && word("event").is_empty();
                ensure!(quiet, "not a line of ours, and not as the page says: {text}");
                continue;
            }
            let name = word("event");
            let entry = self.0.get(name).with_context(|| format!("an unknown event: {text}"))?;
            entry.fits(&line).with_context(|| format!("against the page: {text}"))?;
            came.insert(name.to_owned());
        }
        Ok(came)
    }
}

fn entry(section: &'static str) -> Result<(&'static str, Entry)> {
    let (name, rest) = section.split_once("`\n\n").context("an event without a body")?;
    let (level, rest) = rest.split_once(": “").context("an event without a level")?;
    let (message, rest) = rest.split_once("”\n").context("an event without a message")?;
    let described = rest.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: "));
    let fields = described.map(|(name, says)| (name, !says.ends_with(", if it is known")));
    Ok((name.trim_start_matches('`'), Entry { level, message, fields: fields.collect() }))
}

impl Entry {
    fn fits(&self, line: &Map<String, Value>) -> Result<()> {
        ensure!(line.get("level").and_then(Value::as_str) == Some(self.level), "another level");
        let message = line.get("message").and_then(Value::as_str);
        ensure!(message == Some(self.message), "another message");
        for key in line.keys().filter(|key| !ALWAYS.contains(&key.as_str())) {
            ensure!(self.fields.contains_key(key.as_str()), "{key} is no field of it");
        }
        for (field, required) in &self.fields {
            if *required && !line.contains_key(*field) {
                bail!("it lacks {field}");
            }
        }
        Ok(())
    }
}

#[test]
fn a_line_against_the_page_is_found() -> Result<()> {
    let page = Catalogue::read()?;
    ensure!(page.0.len() > 50, "{} events are on the page", page.0.len());
    let good = serde_json::json!({
        "timestamp": "", "level": "INFO", "target": "drawbridge::crossing", "message": "came back",
        "event": "message_came_back", "msg": "m1", "from": "xmpp", "to": "matrix",
        "outcome": "forbidden",
    });
    let came = page.holds([good.to_string().as_str()].into_iter())?;
    ensure!(came.into_iter().eq(["message_came_back"]));
    for (key, value, found) in [
        ("event", Some("message_went_away"), "an unknown event"),
        ("event", None, "an unknown event"),
        ("level", Some("WARN"), "another level"),
        ("message", Some("went away"), "another message"),
        ("outcome", None, "it lacks outcome"),
        ("colour", Some("red"), "colour is no field of it"),
        ("target", Some("hyper"), "not a line of ours"),
    ] {
        let mut line = good.clone();
        match value {
            Some(value) => line[key] = value.into(),
            None => drop(line.as_object_mut().context("an object")?.remove(key)),
        }
        let Err(error) = page.holds([line.to_string().as_str()].into_iter()) else {
            bail!("{line} was not found");
        };
        ensure!(format!("{error:#}").contains(found), "{error:#}");
    }
    // Left away where it is not known.
    let refused = serde_json::json!({
        "timestamp": "", "level": "INFO", "target": "drawbridge::crossing", "message": "refused",
        "event": "message_refused", "msg": "m1", "from": "xmpp", "user": "u1", "kind": "sticker",
        "bytes": 0, "outcome": "unsupported_kind:sticker",
    });
    page.holds([refused.to_string().as_str()].into_iter())?;
    Ok(())
}
