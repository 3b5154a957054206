//! Holds values against a JSON Schema of the types that will read them, so that every error is
//! found at once, with its key.
//!
//! It knows the part of JSON Schema that `schemars` makes of plain structs, enums of words,
//! options, lists, maps and numbers; of anything else it says nothing, and serde has the last
//! word. After an error it puts the schema's example or default in the value's place and goes on:
//! what is read then is never used, but what else is wrong comes to light.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Finding;
use super::adapters::ReadError;
use super::origin::{KeyPath, Origin, Origins};

/// Checks values and gathers findings.
pub(super) struct Checker<'a> {
    origins: &'a Arc<Origins>,
    findings: &'a mut Vec<Finding>,
    repaired: BTreeSet<KeyPath>,
    /// The value of every key that was read, set or by default.
    pub(super) effective: BTreeMap<KeyPath, Value>,
}

/// A schema, and the root that its references start from.
#[derive(Clone, Copy)]
struct Schema<'a> {
    root: &'a Value,
    node: &'a Value,
}

impl<'a> Checker<'a> {
    pub(super) fn new(origins: &'a Arc<Origins>, findings: &'a mut Vec<Finding>) -> Self {
        Self { origins, findings, repaired: BTreeSet::new(), effective: BTreeMap::new() }
    }

    /// How many findings there are.
    pub(super) fn count(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn origins(&self) -> Arc<Origins> {
        Arc::clone(self.origins)
    }

    /// Adds an error about the key at `path`.
    pub(super) fn error(&mut self, path: &KeyPath, what: impl Into<String>) {
        self.error_at(path, path, what);
    }

    /// Adds an error about the key at `path`, which stands where `place` does.
    pub(super) fn error_at(&mut self, path: &KeyPath, place: &KeyPath, what: impl Into<String>) {
        let origin = self.origins.at(place).cloned();
        self.findings.push(Finding::error(origin, path.to_string(), what));
    }

    /// Adds an error about the key at `path`, unless there was one and its value was replaced.
    pub(super) fn error_unless_repaired(&mut self, path: &KeyPath, what: String) {
        if !self.repaired.contains(path) {
            self.error(path, what);
        }
    }

    /// Checks `value` against `schema`, then reads it. What is given back is of use only if there
    /// is no finding. `others` are keys known in this place besides the schema's, to suggest.
    pub(super) fn read<T>(
        &mut self,
        schema: &Value,
        mut value: Value,
        at: &KeyPath,
        others: &[&str],
        read: impl Fn(&Value) -> Result<T, ReadError>,
    ) -> Option<T> {
        let schema = Schema { root: schema, node: schema };
        self.check(schema, &mut value, at, others);
        schema.effective(Some(&value), at, &mut self.effective);
        loop {
            let error = match read(&value) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let path = error.path().to_string();
            let key = if path == "." { at.clone() } else { at.below(&path.replace('[', ".[")) };
            // A value that was replaced fails as well: the schema knows no good one.
            if !self.repaired.insert(key.clone()) {
                return None;
            }
            self.error(&key, words_of(error.inner(), &key));
            if !replace(schema, &mut value, &path) {
                return None;
            }
        }
    }

    fn check(&mut self, schema: Schema<'_>, value: &mut Value, at: &KeyPath, others: &[&str]) {
        let Some(schema) = schema.resolved() else { return };
        let is_text = value.is_string();
        if is_text && matches!(self.origins.at(at), Some(Origin::Variable(_))) {
            schema.read_variable(value);
        }
        let fits = schema.node["type"].as_str().is_none_or(|wanted| is_of(value, wanted));
        let fits = fits && schema.words().is_none_or(|words| is_one_of(value, &words));
        let fits = fits && schema.within_bounds(value);
        if !fits {
            self.error(at, schema.expected(value));
            self.repair(schema, value, at);
            return;
        }
        match value {
            Value::Object(table) => self.check_table(schema, table, at, others),
            Value::Array(items) => {
                let Some(of) = schema.child("items") else { return };
                for (i, item) in items.iter_mut().enumerate() {
                    self.check(of, item, &at.item(i), &[]);
                }
            }
            _ => {}
        }
    }

    fn check_table(
        &mut self,
        schema: Schema<'_>,
        table: &mut Map<String, Value>,
        at: &KeyPath,
        others: &[&str],
    ) {
        let unknown: Vec<_> =
            table.keys().filter(|key| schema.property(key).is_none()).cloned().collect();
        for key in unknown {
            let known = schema.keys();
            let known = known.iter().map(String::as_str).chain(others.iter().copied());
            let hint = suggestion(&key, known);
            self.error(&at.then(&key), format!("unknown key{hint}"));
            table.remove(&key);
        }
        for (key, value) in table.iter_mut() {
            if let Some(property) = schema.property(key) {
                self.check(property, value, &at.then(key), &[]);
            }
        }
        let required = schema.node["required"].as_array().into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if table.contains_key(key) {
                continue;
            }
            let Some(property) = schema.property(key) else { continue };
            let path = at.then(key);
            self.error_at(&path, at, format!("missing; {}", property.wanted()));
            let mut value = Value::Null;
            self.repair(property, &mut value, &path);
            table.insert(key.to_owned(), value);
        }
    }

    fn repair(&mut self, schema: Schema<'_>, value: &mut Value, at: &KeyPath) {
        self.repaired.insert(at.clone());
        if let Some(good) = schema.good_value() {
            *value = good;
        }
    }
}

impl<'a> Schema<'a> {
    fn at(self, node: &'a Value) -> Self {
        Self { root: self.root, node }
    }

    fn child(self, keyword: &str) -> Option<Self> {
        let node = self.node.get(keyword)?;
        node.is_object().then(|| self.at(node))
    }

    /// The schema itself, behind references and options. `None` if it is of a form that is left
    /// to serde.
    fn resolved(self) -> Option<Self> {
        let mut schema = self;
        // References cannot go round: the types are finite.
        for _ in 0..16 {
            if let Some(name) = schema.node["$ref"].as_str() {
                schema = schema.at(schema.root.pointer(name.strip_prefix('#')?)?);
            } else if let Some(options) = schema.node["anyOf"].as_array() {
                schema = schema.at(options.iter().find(|option| option["type"] != "null")?);
            } else {
                return Some(schema);
            }
        }
        None
    }

    /// What is known of the key `name` of a table.
    fn property(self, name: &str) -> Option<Self> {
        let known = self.node["properties"].get(name);
        known.map(|node| self.at(node)).or_else(|| self.child("additionalProperties"))
    }

    /// The value of each key at and below `at`, set or by default.
    fn effective(self, value: Option<&Value>, at: &KeyPath, into: &mut BTreeMap<KeyPath, Value>) {
        let value = value.or(self.node.get("default"));
        let resolved = self.resolved().unwrap_or(self);
        let Some(properties) = resolved.node["properties"].as_object() else {
            let value = value.or(resolved.node.get("default"));
            into.insert(at.clone(), value.cloned().unwrap_or_default());
            return;
        };
        for (name, node) in properties {
            let value = value.and_then(|value| value.get(name));
            resolved.at(node).effective(value, &at.then(name), into);
        }
    }

    /// The known keys of a table, and those of the tables in it, dotted.
    fn keys(self) -> Vec<String> {
        let Some(properties) = self.node["properties"].as_object() else { return Vec::new() };
        let mut keys = Vec::new();
        for (name, node) in properties {
            keys.push(name.clone());
            if let Some(inner) = self.at(node).resolved() {
                keys.extend(inner.keys().iter().map(|key| format!("{name}.{key}")));
            }
        }
        keys
    }

    /// The words that a value must be one of, if it must.
    fn words(self) -> Option<Vec<&'a str>> {
        if let Some(words) = self.node["enum"].as_array() {
            return Some(words.iter().filter_map(Value::as_str).collect());
        }
        if let Some(word) = self.node["const"].as_str() {
            return Some(vec![word]);
        }
        let options = self.node["oneOf"].as_array()?;
        let words: Option<Vec<_>> = options.iter().map(|node| self.at(node).words()).collect();
        Some(words?.into_iter().flatten().collect())
    }

    fn within_bounds(self, value: &Value) -> bool {
        let Some(number) = value.as_f64() else { return true };
        let least = self.node["minimum"].as_f64().is_none_or(|least| number >= least);
        least && self.node["maximum"].as_f64().is_none_or(|most| number <= most)
    }

    /// Makes of a variable's text what the schema wants, if it can be made of it.
    fn read_variable(self, value: &mut Value) {
        let Some(text) = value.as_str().map(str::trim) else { return };
        let read = match self.type_name() {
            Some("integer") => text.parse::<i64>().ok().map(Value::from),
            Some("number") => text.parse::<f64>().ok().map(Value::from),
            Some("boolean") => text.parse::<bool>().ok().map(Value::from),
            Some("array") => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(Value::from).collect())
            }
            _ => None,
        };
        if let Some(read) = read {
            *value = read;
        }
    }

    /// The type; of an option the type of what it may hold.
    fn type_name(self) -> Option<&'a str> {
        let names = &self.node["type"];
        let several = names.as_array().into_iter().flatten();
        names.as_str().or_else(|| several.filter_map(Value::as_str).find(|name| *name != "null"))
    }

    /// What was expected instead of `value`.
    fn expected(self, value: &Value) -> String {
        let hint = match (self.words(), value.as_str()) {
            (Some(words), Some(text)) => suggestion(text, words),
            _ => String::new(),
        };
        let wanted = self.wanted();
        // A text or a number of the right type is only the wrong one: that says nothing.
        if value.is_string() || value.is_number() {
            return format!("{wanted}{hint}");
        }
        format!("{wanted}, found {}", name_of(value))
    }

    fn wanted(self) -> String {
        let Some(schema) = self.resolved() else { return "expected a value".to_owned() };
        if let Some(words) = schema.words() {
            return format!("expected one of {}", words.join(", "));
        }
        let bound = |name: &str| schema.node[name].as_f64().filter(|bound| bound.abs() < 1e15);
        let bounds = match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of {least} or more"),
            (None, Some(most)) => format!(" of at most {most}"),
            (None, None) => String::new(),
        };
        let example = self.good_value().filter(|good| !good.is_null());
        let example = example.map(|good| format!(", as in {good}")).unwrap_or_default();
        match schema.type_name() {
            Some("integer") => format!("expected a whole number{bounds}{example}"),
            Some("number") => format!("expected a number{bounds}{example}"),
            Some("boolean") => "expected true or false".to_owned(),
            Some("string") => format!("expected a text in quotes{example}"),
            Some("array") => format!("expected a list{example}"),
            Some("object") => "expected a table of keys".to_owned(),
            _ => format!("expected a value{example}"),
        }
    }

    /// A value that the type takes: the first example, else the default, else the first word.
    fn good_value(self) -> Option<Value> {
        let own = |node: &Value| node["examples"].get(0).or_else(|| node.get("default")).cloned();
        let resolved = self.resolved()?;
        let word = || resolved.words()?.first().map(|word| Value::from(*word));
        own(self.node).or_else(|| own(resolved.node)).or_else(word)
    }
}

fn is_of(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn is_one_of(value: &Value, words: &[&str]) -> bool {
    value.as_str().is_some_and(|text| words.contains(&text))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// serde's words, without the value that they may quote: it may be a secret in the wrong place.
fn words_of(error: &serde_json::Error, key: &KeyPath) -> String {
    let words = error.to_string();
    let at = words.find("expected ");
    let key = key.to_string();
    let secret = ["secret", "token", "password", "key"].iter().any(|word| key.contains(word));
    match at {
        Some(at) => words[at..].to_owned(),
        None if secret || words.contains(['"', '`']) => "not a value of this key".to_owned(),
        None => words,
    }
}

/// Puts a good value in the place of the one at the dotted `path`, if the schema knows one.
fn replace(schema: Schema<'_>, value: &mut Value, path: &str) -> bool {
    let (mut schema, mut value) = (schema, value);
    for name in path.split('.') {
        // An item of a list is as good as its list.
        let name = name.split('[').next().unwrap_or_default();
        let Some(inner) = schema.resolved().and_then(|schema| schema.property(name)) else {
            return false;
        };
        let Some(next) = value.get_mut(name) else { return false };
        (schema, value) = (inner, next);
    }
    let Some(good) = schema.good_value() else { return false };
    *value = good;
    true
}

/// `; did you mean "server"?`, if there is a word that is near enough.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Distance grows with the product of the lengths, and nobody means a name that long.
    if word.len() > 64 {
        return String::new();
    }
    let near = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1.max(known.len() / 3));
    near.map(|(_, known)| format!("; did you mean {known:?}?")).unwrap_or_default()
}
