//! All words to people: one catalogue, in Fluent's form, so that another language is another file.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

const ENGLISH: &str = include_str!("en.ftl");

/// One language's words.
pub(crate) struct Words(FluentBundle<FluentResource>);

impl Words {
    /// English.
    pub(crate) fn english() -> Self {
        // What cannot be read is left out: the tests see to it that all can.
        let resource = FluentResource::try_new(ENGLISH.to_owned()).unwrap_or_else(|(some, _)| some);
        let english = "en".parse().unwrap_or_else(|_| LanguageIdentifier::default());
        let mut bundle = FluentBundle::new_concurrent(vec![english]);
        // People copy ids out of what they read: nothing invisible may stand around them.
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        Self(bundle)
    }

    /// The words of this name, filled in.
    pub(crate) fn say(&self, name: &str, with: &[(&str, &str)]) -> String {
        let mut arguments = FluentArgs::new();
        for (key, value) in with {
            // A count decides between one and many.
            match value.parse::<u32>() {
                Ok(count) if *key == "count" => arguments.set(*key, count),
                _ => arguments.set(*key, *value),
            }
        }
        let pattern = self.0.get_message(name).and_then(|message| message.value());
        let Some(pattern) = pattern else { return name.to_owned() };
        self.0.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names() -> BTreeSet<String> {
        let resource = FluentResource::try_new(ENGLISH.to_owned()).map_err(|(_, errors)| errors);
        let resource = resource.unwrap();
        let names = resource.entries().filter_map(|entry| match entry {
            fluent_syntax::ast::Entry::Message(message) => Some(message.id.name.to_owned()),
            _ => None,
        });
        names.collect()
    }

    /// Every word of the catalogue is said somewhere, and everything that is said is in it.
    #[test]
    fn the_catalogue_is_whole_and_nothing_in_it_is_idle() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut said = String::new();
        for file in [
            "abuse",
            "accept",
            "choices",
            "desk",
            "files",
            "people",
            "requests",
            "things",
            "../commands/mod",
        ] {
            let path = root.join("crossing").join(file).with_extension("rs");
            said += &std::fs::read_to_string(path).unwrap();
        }
        for name in names() {
            let composed = ["about-", "field-", "missing-"];
            let word = composed.iter().find_map(|prefix| name.strip_prefix(prefix));
            let word = word.unwrap_or(&name);
            assert!(said.contains(&format!("\"{word}\"")), "nobody says {name}");
        }
        for form in crate::commands::FORMS {
            assert!(names().contains(&format!("about-{}", form.name)), "{}", form.name);
        }
    }

    #[test]
    fn what_may_be_missing_leaves_no_gap() {
        let words = Words::english();
        let who = [("user", "birdychat:carol"), ("network", "birdychat"), ("state", "contact")];
        let with = |address| words.say("who", &[&who[..], &[("address", address)]].concat());
        assert!(
            with("none").starts_with("birdychat:carol is on birdychat. You hear"),
            "{}",
            with("none")
        );
        assert!(
            with("@c:hs").contains("birdychat, and here under @c:hs. You"),
            "{}",
            with("@c:hs")
        );
        let line = |count, name| {
            let with = [("user", "b:c"), ("name", name), ("count", count), ("text", "hi")];
            words.say("request-line", &with)
        };
        assert_eq!(line("1", "none"), "b:c, one message: “hi”");
        assert_eq!(line("3", "Carol"), "b:c (Carol), 3 messages: “hi”");
        let unknown = |hint| words.say("unknown-word", &[("word", "blok"), ("hint", hint)]);
        assert_eq!(unknown("none"), "I do not know “blok”. Say help for all that I know.");
        assert!(
            unknown("block").contains("“blok”. Did you mean block? Say"),
            "{}",
            unknown("block")
        );
    }
}
