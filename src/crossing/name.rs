//! Display names on their way to other people's screens.

use drawbridge_adapter::UserId;

/// The longest display name that crosses, in characters.
const MAX: usize = 100;

/// The name without control characters, those that cannot be seen, and those that turn the direction of
/// what stands after them; `None` if nothing is left.
pub(super) fn clean(name: &str) -> Option<String> {
    let disturbs = |c: char| c.is_control() || turns_direction(c) || is_blank(c);
    let kept = name.chars().filter(|c| !disturbs(*c)).take(MAX);
    let name = kept.collect::<String>().trim().to_owned();
    let seen = name.chars().any(|c| !c.is_whitespace() && !joins(c));
    seen.then_some(name)
}

/// How much of a name is left where its owner's id stands behind it, in characters.
const MARKED: usize = 32;

/// A name that could be taken for somebody else's, with the id of whose it is.
pub(super) fn marked(name: &str, of: &UserId) -> String {
    let name: String = name.chars().take(MARKED).collect();
    format!("{} [{}]", name.trim_end(), of.id())
}

/// Whether a name looks as if it were marked already: its owner may have made that up.
pub(super) fn looks_marked(name: &str) -> bool {
    name.ends_with([']', '］', '】', '⟧', '〕', '⁆'])
}

/// Unicode's explicit embeddings, overrides and isolates (UAX #9), and line separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What takes no room, or room alone, and means nothing: fillers, soft hyphens, tags.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// What joins or varies its neighbours, as emojis and some scripts need it: nothing by itself.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clean;

    #[test]
    fn names_cannot_disturb_what_stands_around_them() {
        assert_eq!(clean("  Zoë \u{202e}gnp.exe\u{0} "), Some("Zoë gnp.exe".to_owned()));
        assert_eq!(clean("علي"), Some("علي".to_owned()));
        assert_eq!(clean("Bo\u{200b}b\u{feff}\u{3164}"), Some("Bob".to_owned()));
        assert_eq!(clean("👩\u{200d}🚒 \u{2764}\u{fe0f}"), Some("👩‍🚒 ❤️".to_owned()));
        for nothing in ["\u{2067}\n\t", "\u{200b}", "\u{200d}\u{fe0f} ", "\u{2800}\u{3164}"] {
            assert_eq!(clean(nothing), None, "{nothing:?}");
        }
        assert_eq!(clean(&"x".repeat(1000)).map(|name| name.len()), Some(100));
    }

    proptest! {
        #[test]
        fn a_clean_name_stays_as_it_is(name in "\\PC{0,150}|.{0,150}") {
            if let Some(clean_one) = clean(&name) {
                let disturbing = clean_one.chars().any(|c| c.is_control() || c == '\u{202e}');
                prop_assert!(!disturbing && !clean_one.trim().is_empty());
                prop_assert_eq!(clean(&clean_one), Some(clean_one.clone()));
            }
        }
    }
}
