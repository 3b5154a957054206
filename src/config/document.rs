//! The TOML file: its values for the merge, and the line of every key.

use ::config::{ConfigError, Map, Source, Value, ValueKind};
use toml_edit::{Item, TableLike};

use super::Finding;
use super::origin::{KeyPath, Origin, Origins};

/// A parsed file, as a source for the merge.
#[derive(Debug, Clone)]
pub(super) struct Document(Map<String, Value>);

/// Parses `text` and notes where each key stands.
pub(super) fn read(text: &str, origins: &mut Origins) -> Result<Document, Finding> {
    let lines = Lines::of(text);
    let document = toml_edit::Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| Origin::Line(lines.at(span.start)));
        // Only the message: the error's full text quotes the line, which may hold a secret.
        Finding::error(line, String::new(), format!("not TOML: {}", error.message()))
    })?;
    let mut reader = Reader { lines, origins };
    Ok(Document(reader.table(document.as_table(), &KeyPath::default())))
}

/// Where lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self([0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

struct Reader<'a> {
    lines: Lines,
    origins: &'a mut Origins,
}

impl Reader<'_> {
    // The parser bounds the depth, and so the recursion here.
    fn table(&mut self, table: &dyn TableLike, at: &KeyPath) -> Map<String, Value> {
        let mut values = Map::new();
        for (name, item) in table.iter() {
            let path = at.then(name);
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            self.note(&path, span);
            values.insert(name.to_owned(), self.item(item, &path));
        }
        values
    }

    fn item(&mut self, item: &Item, at: &KeyPath) -> Value {
        if let Some(table) = item.as_table_like() {
            return Value::new(None, ValueKind::Table(self.table(table, at)));
        }
        if let Some(tables) = item.as_array_of_tables() {
            let table = |(i, table): (usize, &toml_edit::Table)| {
                let path = at.item(i);
                self.note(&path, table.span());
                Value::new(None, ValueKind::Table(self.table(table, &path)))
            };
            let tables = tables.iter().enumerate().map(table).collect();
            return Value::new(None, ValueKind::Array(tables));
        }
        item.as_value().map_or_else(|| Value::new(None, ValueKind::Nil), |v| self.value(v, at))
    }

    fn value(&mut self, value: &toml_edit::Value, at: &KeyPath) -> Value {
        use toml_edit::Value as Toml;
        let kind = match value {
            Toml::String(text) => ValueKind::String(text.value().clone()),
            Toml::Integer(number) => ValueKind::I64(*number.value()),
            Toml::Float(number) => ValueKind::Float(*number.value()),
            Toml::Boolean(truth) => ValueKind::Boolean(*truth.value()),
            Toml::Datetime(time) => ValueKind::String(time.value().to_string()),
            Toml::InlineTable(table) => ValueKind::Table(self.table(table, at)),
            Toml::Array(list) => {
                let item = |(i, item): (usize, &Toml)| {
                    let path = at.item(i);
                    self.note(&path, item.span());
                    self.value(item, &path)
                };
                ValueKind::Array(list.iter().enumerate().map(item).collect())
            }
        };
        Value::new(None, kind)
    }

    fn note(&mut self, path: &KeyPath, span: Option<std::ops::Range<usize>>) {
        if let Some(span) = span {
            self.origins.note(path.clone(), Origin::Line(self.lines.at(span.start)));
        }
    }
}

impl Source for Document {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }

    // The crate would read each key as a path (`a.b[3]`), and make room for what it names.
    fn collect_to(&self, cache: &mut Value) -> Result<(), ConfigError> {
        cache.kind = ValueKind::Table(self.0.clone());
        Ok(())
    }
}
