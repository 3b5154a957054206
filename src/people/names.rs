//! Which names look alike.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use unicode_security::skeleton;

/// What stands for how a name looks: names with the same one could be taken for each other. Zero stands
/// for no name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness(u64);

/// How the bridge itself is called.
const BRIDGE: &str = "Drawbridge";

/// How a name looks (UTS #39, 4: its skeleton), whatever its case, its accents, its spaces and what joins
/// its parts.
pub(super) fn likeness(name: &str) -> Likeness {
    let of = |text: &str| skeleton(text).collect::<String>();
    let looks = of(&of(name).to_lowercase());
    // A capital I looks like a small l, and it depends on its neighbours' case which one it is here.
    let looks = looks.replace('i', "l");
    let seen: String = looks.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut hasher = DefaultHasher::new();
    let seen = if seen.is_empty() { looks.trim() } else { &seen };
    seen.hash(&mut hasher);
    Likeness(hasher.finish().max(1))
}

pub(super) fn is_bridges(like: Likeness) -> bool {
    static LOOKS: LazyLock<Likeness> = LazyLock::new(|| likeness(BRIDGE));
    like == *LOOKS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::likeness;

    #[test]
    fn names_that_look_alike_are_alike() {
        for (one, two) in [
            ("Bob", "bob"),
            ("Bob", "Bоb"),
            ("Paypal", "РаураІ"),
            ("Anna Maria", "Anna\u{a0}Maria"),
            ("Anna-Maria", "Anna Maria"),
            ("modern", "modem"),
            ("O'Neil", "O’Neil"),
            ("Zoë", "Zoe\u{308}"),
            ("Zoë", "Zoe"),
            ("Alice", "АLІСЕ"),
            ("👑", "👑 "),
        ] {
            assert_eq!(likeness(one), likeness(two), "{one} {two}");
        }
        for (one, two) in [("Bob", "Rob"), ("Zoë", "Noë"), ("👑", "🐟"), ("Anna", "Anne")] {
            assert_ne!(likeness(one), likeness(two), "{one} {two}");
        }
    }

    proptest! {
        #[test]
        fn case_and_spaces_hide_nothing(name in "[a-z]{1,20}( [a-z]{1,20})?") {
            prop_assert_eq!(likeness(&format!(" {}", name.to_uppercase())), likeness(&name));
        }

        #[test]
        fn no_name_is_too_odd(name in ".{0,100}", other in "[0-9]{1,9}") {
            prop_assert_ne!(likeness(&format!("{name}{other}x")), likeness(&format!("{name}{other}y")));
        }
    }
}
