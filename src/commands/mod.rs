//! What people may say to the bridge's own user, and how it is understood. Pure: what follows from
//! it is carried out by the crossing.

use drawbridge_adapter::{CommandForm, FormField};

use crate::words::Words;

/// The longest command, in bytes.
const LONGEST: usize = 4096;

/// A command: its word, and what comes after it.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// What is filled in, in order; what need not be stands last.
    pub(crate) fields: &'static [Field],
    /// Whether only users of a network that takes their login have it.
    pub(crate) needs_access: bool,
}

/// What is filled in after a command.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    /// What may be filled in; anything, if it is empty.
    pub(crate) options: &'static [&'static str],
}

const fn field(name: &'static str) -> Field {
    Field { name, required: true, options: &[] }
}

const fn choice(name: &'static str, options: &'static [&'static str]) -> Field {
    Field { name, required: true, options }
}

const fn optional(field: Field) -> Field {
    Field { required: false, ..field }
}

const fn form(name: &'static str, fields: &'static [Field]) -> Form {
    Form { name, fields, needs_access: false }
}

const USER: &[Field] = &[field("user")];
const NETWORK: &[Field] = &[field("network")];

/// The field that is a secret.
const TOKEN: &str = "token";

/// Every command, in the order of the help.
pub(crate) const FORMS: &[Form] = &[
    form("help", &[]),
    form("networks", &[]),
    form("enable", NETWORK),
    form("disable", NETWORK),
    form("inbox", &[optional(choice("mode", &["separate", "combined"]))]),
    form("requests", &[]),
    form("accept", USER),
    form("decline", USER),
    form("block", USER),
    form("unblock", USER),
    form("blocks", &[]),
    form("mute", &[field("user"), choice("duration", &["8h", "1w", "1y", "always"])]),
    form("unmute", USER),
    form("chat", USER),
    form("who", USER),
    form("receipts", &[optional(choice("mode", &["on", "off"]))]),
    form("presence", &[optional(choice("mode", &["on", "off"]))]),
    form("strict", &[optional(choice("level", &["off", "on", "sealed"]))]),
    form(
        "report",
        &[
            field("user"),
            choice("reason", &["spam", "abuse", "other"]),
            optional(choice("count", &["0", "1", "2", "3", "4", "5"])),
        ],
    ),
    form("link", &[optional(field("code"))]),
    form("unlink", &[]),
    Form { needs_access: true, ..form("login", &[field(TOKEN)]) },
    Form { needs_access: true, ..form("logout", &[]) },
];

/// A command that was understood: its word, and what came after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish<'a> {
    pub(crate) command: &'static str,
    pub(crate) words: Vec<&'a str>,
}

/// Why a command was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misread<'a> {
    /// Its first word is none of ours; which one is near.
    Unknown { word: &'a str, near: Option<&'static str> },
    /// It lacks what must come after it.
    Missing { command: &'static str, field: &'static str },
    /// What comes after it is none of what may.
    NotOneOf { command: &'static str, word: &'a str, options: &'static [&'static str] },
    /// Too much comes after it.
    TooMuch { command: &'static str, most: usize },
}

/// Understands a text.
pub(crate) fn read(text: &str) -> Result<Wish<'_>, Misread<'_>> {
    let mut said = text.get(..LONGEST).unwrap_or(text).split_whitespace();
    // As other bridges' users are used to.
    let first = said.next().unwrap_or_default().trim_start_matches(['!', '/']);
    let Some(form) = FORMS.iter().find(|form| form.name.eq_ignore_ascii_case(first)) else {
        // Whoever says nothing wants to know what can be said.
        if first.is_empty() {
            return Ok(Wish { command: "help", words: Vec::new() });
        }
        return Err(Misread::Unknown { word: first, near: near(first) });
    };
    let command = form.name;
    let mut words = Vec::new();
    for Field { name, required, options } in form.fields {
        let Some(word) = said.next() else {
            if *required {
                return Err(Misread::Missing { command, field: name });
            }
            break;
        };
        let option = options.iter().find(|option| option.eq_ignore_ascii_case(word));
        words.push(match option {
            Some(option) => option,
            None if options.is_empty() => word,
            None => return Err(Misread::NotOneOf { command, word, options }),
        });
    }
    if said.next().is_some() {
        return Err(Misread::TooMuch { command, most: form.fields.len() });
    }
    Ok(Wish { command, words })
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

/// The commands that a user has, as forms.
pub(crate) fn forms(words: &Words, example: &str, access: bool) -> Vec<CommandForm> {
    let asked = |field: &Field| FormField {
        name: field.name,
        label: words.say(&format!("field-{}", field.name), &[("example", example)]),
        required: field.required,
        options: field.options,
        secret: field.name == TOKEN,
    };
    let shown = |form: &Form| CommandForm {
        name: form.name,
        about: words.say(&format!("about-{}", form.name), &[]),
        fields: form.fields.iter().map(asked).collect(),
    };
    forms_of(access).map(shown).collect()
}

/// The commands that users have whose network takes their login, or does not.
pub(crate) fn forms_of(access: bool) -> impl Iterator<Item = &'static Form> {
    FORMS.iter().filter(move |form| access || !form.needs_access)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish<'a>(command: &'static str, words: &[&'a str]) -> Wish<'a> {
        Wish { command, words: words.to_vec() }
    }

    #[test]
    fn only_who_may_log_in_reads_of_it() {
        let names = |access| forms_of(access).map(|form| form.name).collect::<Vec<_>>();
        assert!(names(true).contains(&"login") && names(true).contains(&"logout"));
        assert!(!names(false).contains(&"login") && !names(false).contains(&"logout"));
    }

    #[test]
    fn commands_are_read_as_people_write_them() {
        let durations = &["8h", "1w", "1y", "always"];
        for (text, expected) in [
            ("help", Ok(wish("help", &[]))),
            ("  HELP ", Ok(wish("help", &[]))),
            ("", Ok(wish("help", &[]))),
            ("!enable birdychat", Ok(wish("enable", &["birdychat"]))),
            ("/block\nbirdychat:carol", Ok(wish("block", &["birdychat:carol"]))),
            ("link", Ok(wish("link", &[]))),
            ("link ABCD", Ok(wish("link", &["ABCD"]))),
            ("inbox", Ok(wish("inbox", &[]))),
            ("inbox Separate", Ok(wish("inbox", &["separate"]))),
            ("mute carol 8H", Ok(wish("mute", &["carol", "8h"]))),
            ("report carol spam", Ok(wish("report", &["carol", "spam"]))),
            ("report carol spam 3", Ok(wish("report", &["carol", "spam", "3"]))),
            ("mute carol", Err(Misread::Missing { command: "mute", field: "duration" })),
            (
                "mute carol 2 days",
                Err(Misread::NotOneOf { command: "mute", word: "2", options: durations }),
            ),
            ("block", Err(Misread::Missing { command: "block", field: "user" })),
            ("help me", Err(Misread::TooMuch { command: "help", most: 0 })),
            ("block a b", Err(Misread::TooMuch { command: "block", most: 1 })),
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
