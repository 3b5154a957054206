//! Namespaces in XML: what the prefixes of a tag stand for.

use std::collections::BTreeMap;

use minidom::Element;
use minidom::rxml::{Namespace, NcName, RawQName};

/// A tag, as it was written.
pub(crate) struct Head {
    name: RawQName,
    scope: Scope,
    attributes: Vec<(RawQName, String)>,
    /// Whether nothing is declared twice.
    sound: bool,
}

/// What one element declares.
#[derive(Default)]
struct Scope {
    default: Option<Namespace<'static>>,
    prefixes: BTreeMap<NcName, Namespace<'static>>,
}

impl Head {
    /// Without its attributes yet.
    pub(crate) fn new(name: RawQName) -> Self {
        Self { name, scope: Scope::default(), attributes: Vec::new(), sound: true }
    }

    /// Adds one, which may be a declaration.
    pub(crate) fn attribute(&mut self, name: RawQName, value: String) {
        match &name.0 {
            Some(prefix) if prefix.as_str() == "xmlns" => {
                let earlier = self.scope.prefixes.insert(name.1, Namespace::from(value));
                self.sound &= earlier.is_none();
            }
            None if name.1.as_str() == "xmlns" => {
                let earlier = self.scope.default.replace(Namespace::from(value));
                self.sound &= earlier.is_none();
            }
            _ => self.attributes.push((name, value)),
        }
    }
}

/// What the elements that are open declare, from the stream's root on. The reader bounds how many.
#[derive(Default)]
pub(crate) struct Names {
    scopes: Vec<Scope>,
}

impl Names {
    /// Goes into an element: it, and whether each prefix was declared, and no attribute twice. Servers let nothing else
    /// through; if one did, it would be that stanza's fault alone.
    pub(crate) fn enter(&mut self, head: Head) -> (Element, bool) {
        let Head { name: (prefix, name), scope, attributes, sound } = head;
        self.scopes.push(scope);
        let namespace = match &prefix {
            Some(prefix) => self.prefix(prefix),
            None => self.scopes.iter().rev().find_map(|scope| scope.default.clone()),
        };
        let mut sound = sound && (prefix.is_none() || namespace.is_some());
        let namespace = namespace.unwrap_or(Namespace::NONE);
        let mut element = Element::bare(name.as_str(), namespace.as_str());
        for ((prefix, name), value) in attributes {
            let namespace = match &prefix {
                Some(prefix) => self.prefix(prefix),
                None => Some(Namespace::NONE),
            };
            match namespace {
                Some(namespace) => {
                    sound &= !element.attrs().contains_key(&namespace, &name);
                    element.set_attr(namespace, name, value);
                }
                None => sound = false,
            }
        }
        (element, sound)
    }

    /// Comes out of it again.
    pub(crate) fn leave(&mut self) {
        self.scopes.pop();
    }

    fn prefix(&self, prefix: &NcName) -> Option<Namespace<'static>> {
        if prefix.as_str() == "xml" {
            return Some(Namespace::XML);
        }
        self.scopes.iter().rev().find_map(|scope| scope.prefixes.get(prefix).cloned())
    }
}
