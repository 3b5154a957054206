//! docs/adapter-spec.md and the suite speak of the same rules.

use std::collections::HashSet;

use drawbridge_testkit::CHECKS;

const SPEC: &str = include_str!("../../../../docs/adapter-spec.md");

/// Each sentence with its number, and the checks named behind it.
fn sentences() -> Vec<(usize, &'static str, Vec<&'static str>)> {
    let sentence = |line: &'static str| {
        let (number, rest) = line.strip_prefix("- **")?.split_once("** ")?;
        let (words, checks) = rest.rsplit_once(". `").expect("a check behind each sentence");
        let checks = checks.trim_end_matches('`').split("` `").collect();
        Some((number.parse().expect("a number"), words, checks))
    };
    SPEC.lines().filter_map(sentence).collect()
}

#[test]
fn every_sentence_has_its_number_its_duty_and_checks_that_exist() {
    for (at, (number, words, checks)) in sentences().into_iter().enumerate() {
        assert_eq!(number, at + 1, "{words}");
        assert!(words.contains("MUST") || words.contains("SHOULD"), "{number} demands nothing");
        for name in checks {
            assert!(CHECKS.iter().any(|check| check.name == name), "{number}: no check {name}");
        }
    }
}

#[test]
fn every_check_shows_a_sentence() {
    let named: HashSet<_> = sentences().into_iter().flat_map(|(.., checks)| checks).collect();
    for check in CHECKS {
        assert!(named.contains(check.name), "{} shows no sentence", check.name);
    }
}
