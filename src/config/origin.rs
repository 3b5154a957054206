//! Where each key stands: the line of the file, or the variable that set it.

use std::collections::BTreeMap;
use std::fmt;

/// Where a key was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of the configuration file, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A key, from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<String>);

impl KeyPath {
    /// The key `name` in the table at this path.
    pub(super) fn then(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// The item number `index`, from 0, of the list at this path.
    pub(super) fn item(&self, index: usize) -> Self {
        self.then(&format!("[{index}]"))
    }

    /// The dotted key `key`, below this path.
    pub(super) fn below(&self, key: &str) -> Self {
        key.split('.').fold(self.clone(), |path, name| path.then(name))
    }

    /// The path of these names.
    pub(super) fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// The names in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// As in the file: dots between names, quotes where the file needs them. Controls are escaped,
/// so that no key can paint on the operator's terminal.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '[' | ']');
        let mut dot = "";
        for name in &self.0 {
            if name.starts_with('[') {
                f.write_str(name)?;
            } else if !name.is_empty() && name.chars().all(bare) {
                write!(f, "{dot}{name}")?;
            } else {
                write!(f, "{dot}{:?}", name.chars().take(64).collect::<String>())?;
            }
            dot = ".";
        }
        Ok(())
    }
}

/// Where every key was set.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<KeyPath, Origin>);

impl Origins {
    /// Notes where `path` was set; the later source wins.
    pub(super) fn note(&mut self, path: KeyPath, origin: Origin) {
        self.0.insert(path, origin);
    }

    /// Where `path` was set; else where something in it was, else where the nearest table that
    /// it belongs to was.
    pub(super) fn at(&self, path: &KeyPath) -> Option<&Origin> {
        if let Some((_, origin)) =
            self.0.range(path..).next().filter(|(found, _)| found.starts_with(path))
            && !path.0.is_empty()
        {
            return Some(origin);
        }
        self.at(&path.parent()?)
    }
}
