//! Display names on their way to other people's screens.

use drawbridge_adapter::UserId;

/// The longest display name that crosses, in characters.
const MAX: usize = 100;

/// The name without control characters and without those that turn the direction of what stands
/// after them; `None` if nothing is left.
pub(super) fn clean(name: &str) -> Option<String> {
    let kept = name.chars().filter(|c| !c.is_control() && !turns_direction(*c)).take(MAX);
    let name = kept.collect::<String>().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// How much of a name is left where its owner's id stands behind it, in characters.
const MARKED: usize = 32;

/// A name that could be taken for somebody else's, with the id of whose it is.
pub(super) fn marked(name: &str, of: &UserId) -> String {
    let name: String = name.chars().take(MARKED).collect();
    format!("{} [{}]", name.trim_end(), of.id())
}

/// Unicode's explicit embeddings, overrides and isolates (UAX #9), and line separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn names_cannot_disturb_what_stands_around_them() {
        assert_eq!(clean("  Zoë \u{202e}gnp.exe\u{0} "), Some("Zoë gnp.exe".to_owned()));
        assert_eq!(clean("علي"), Some("علي".to_owned()));
        assert_eq!(clean("\u{2067}\n\t"), None);
        assert_eq!(clean(&"x".repeat(1000)).map(|name| name.len()), Some(100));
    }
}
