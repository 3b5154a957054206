//! What people may say to the bridge's own user, and how it is understood. Pure: what follows from
//! it is carried out by the crossing.

use drawbridge_adapter::{CommandForm, FormField};

use crate::words::Words;

/// The longest command, in bytes.
const LONGEST: usize = 4096;

/// A command: its word, and what comes after it.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// What is filled in, and whether it must be.
    pub(crate) field: Option<(&'static str, bool)>,
}

const fn form(name: &'static str, field: Option<(&'static str, bool)>) -> Form {
    Form { name, field }
}

/// Every command, in the order of the help.
pub(crate) const FORMS: &[Form] = &[
    form("help", None),
    form("networks", None),
    form("enable", Some(("network", true))),
    form("disable", Some(("network", true))),
    form("requests", None),
    form("accept", Some(("user", true))),
    form("decline", Some(("user", true))),
    form("block", Some(("user", true))),
    form("unblock", Some(("user", true))),
    form("blocks", None),
    form("chat", Some(("user", true))),
    form("who", Some(("user", true))),
    form("link", Some(("code", false))),
    form("unlink", None),
];

/// A command that was understood: its word, and what came after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish<'a> {
    pub(crate) command: &'static str,
    pub(crate) about: Option<&'a str>,
}

/// Why a command was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misread<'a> {
    /// Its first word is none of ours; which one is near.
    Unknown { word: &'a str, near: Option<&'static str> },
    /// It lacks what must come after it.
    Missing { command: &'static str, field: &'static str },
    /// Too much comes after it.
    TooMuch { command: &'static str },
}

/// Understands a text.
pub(crate) fn read(text: &str) -> Result<Wish<'_>, Misread<'_>> {
    let mut words = text.get(..LONGEST).unwrap_or(text).split_whitespace();
    // As other bridges' users are used to.
    let first = words.next().unwrap_or_default().trim_start_matches(['!', '/']);
    let Some(form) = FORMS.iter().find(|form| form.name.eq_ignore_ascii_case(first)) else {
        // Whoever says nothing wants to know what can be said.
        if first.is_empty() {
            return Ok(Wish { command: "help", about: None });
        }
        return Err(Misread::Unknown { word: first, near: near(first) });
    };
    let command = form.name;
    let (about, more) = (words.next(), words.next());
    match (form.field, about, more) {
        (Some((field, true)), None, _) => Err(Misread::Missing { command, field }),
        (None, Some(_), _) | (Some(_), _, Some(_)) => Err(Misread::TooMuch { command }),
        _ => Ok(Wish { command, about }),
    }
}

fn near(word: &str) -> Option<&'static str> {
    // Distance grows with the product of the lengths, and nobody means a word that long.
    if word.len() > 32 {
        return None;
    }
    let word = word.to_lowercase();
    let distance = |form: &Form| (strsim::damerau_levenshtein(&word, form.name), form.name);
    let (distance, near) = FORMS.iter().map(distance).min()?;
    (distance <= 1.max(near.len() / 3)).then_some(near)
}

/// All commands, as forms.
pub(crate) fn forms(words: &Words, example: &str) -> Vec<CommandForm> {
    let shown = |form: &Form| CommandForm {
        name: form.name,
        about: words.say(&format!("about-{}", form.name), &[]),
        fields: form
            .field
            .map(|(name, required)| FormField {
                name,
                label: words.say(&format!("field-{name}"), &[("example", example)]),
                required,
            })
            .into_iter()
            .collect(),
    };
    FORMS.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish<'a>(command: &'static str, about: Option<&'a str>) -> Wish<'a> {
        Wish { command, about }
    }

    #[test]
    fn commands_are_read_as_people_write_them() {
        for (text, expected) in [
            ("help", Ok(wish("help", None))),
            ("  HELP ", Ok(wish("help", None))),
            ("", Ok(wish("help", None))),
            ("!enable birdychat", Ok(wish("enable", Some("birdychat")))),
            ("/block\nbirdychat:carol", Ok(wish("block", Some("birdychat:carol")))),
            ("link", Ok(wish("link", None))),
            ("link ABCD", Ok(wish("link", Some("ABCD")))),
            ("block", Err(Misread::Missing { command: "block", field: "user" })),
            ("help me", Err(Misread::TooMuch { command: "help" })),
            ("block a b", Err(Misread::TooMuch { command: "block" })),
            ("blok a", Err(Misread::Unknown { word: "blok", near: Some("block") })),
            ("hello there", Err(Misread::Unknown { word: "hello", near: None })),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
