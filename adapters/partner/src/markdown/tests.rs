#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use drawbridge_adapter::{Block, Inline, NetworkId, Rich, UserId};
use proptest::collection::vec;
use proptest::prelude::*;

use super::normal::normal;
use crate::PartnerAddressing;

fn addressing() -> PartnerAddressing {
    PartnerAddressing::new(NetworkId::new("birdychat").unwrap())
}

fn read(markdown: &str) -> Option<Rich> {
    super::read(markdown, &addressing())
}

fn write(rich: &Rich) -> String {
    super::write(rich, &addressing(), true)
}

/// The tree as JSON: what it is made of is not printed by `{:?}`.
fn shown(rich: Option<&Rich>) -> String {
    serde_json::to_string(&rich).unwrap()
}

/// Pairs of Markdown and what it means, as the model says it in JSON. Each is also written as it
/// stands, unless it ends with `(read only)`.
const GOLDEN: &str = include_str!("golden.txt");

#[test]
fn the_golden_pairs_hold() {
    let mut pairs = 0;
    for pair in GOLDEN.split("\n====\n") {
        let (markdown, rich) = pair.split_once("\n----\n").unwrap();
        let (rich, read_only) = match rich.trim_end().strip_suffix("(read only)") {
            Some(rich) => (rich, true),
            None => (rich, false),
        };
        let rich: Option<Rich> = serde_json::from_str(rich).unwrap();
        assert_eq!(shown(read(markdown).as_ref()), shown(rich.as_ref()), "{markdown}");
        if let (Some(rich), false) = (rich, read_only) {
            assert_eq!(write(&rich), markdown);
        }
        pairs += 1;
    }
    assert!(pairs > 25, "{pairs}");
}

#[test]
fn who_is_not_to_be_named_is_text() {
    let bob = "xmpp:bob@p.test".parse().unwrap();
    let named = Inline::Mention { user: bob, name: "*Bob*".to_owned() };
    let rich = Rich(vec![Block::Paragraph(vec![named])]);
    assert_eq!(super::write(&rich, &addressing(), false), r"\*Bob\*");
}

#[test]
fn what_is_too_deep_or_too_large_is_not_formatted() {
    assert!(read(&("> ".repeat(10) + "a")).is_some());
    for markdown in [
        "> ".repeat(20) + "a",
        "> ".repeat(100_000),
        "- ".repeat(50_000) + "a",
        "**a** ".repeat(Rich::MAX_NODES),
    ] {
        assert!(read(&markdown).is_none());
    }
}

/// In time that grows with its length: twice the text, about twice the time.
#[test]
fn hostile_text_is_read_soon() {
    for part in [
        "[", "*_", "*a_", "![", "||", "<u>", "<u>||", "`", "`a``", "[a](", "~~", "~", "~a ", "&#",
        "<a", "\\|", "- ", "a\n> ", "* a\n",
    ] {
        let started = std::time::Instant::now();
        let _ = read(&part.repeat(64 * 1024 / part.len()));
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{part} took {took:?}");
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,4}",
        2 => r"[ -~]{1,6}",
        1 => r"[*_~|<>`\[\]()&#\\.!: \n+=\-0-9]{1,8}",
        1 => any::<String>().prop_map(|text| text.chars().take(6).collect()),
    ]
}

fn user() -> impl Strategy<Value = UserId> {
    prop_oneof![
        "[a-z0-9._-]{1,8}"
            .prop_map(|id| UserId::new(NetworkId::new("birdychat").unwrap(), id).unwrap()),
        r"[!-~ é🎉]{1,12}".prop_map(|id| UserId::new(NetworkId::new("xmpp").unwrap(), id).unwrap()),
    ]
}

fn inline() -> impl Strategy<Value = Inline> {
    let leaf = prop_oneof![
        6 => words().prop_map(Inline::Text),
        1 => Just(Inline::Break),
        1 => words().prop_map(Inline::Code),
        1 => (user(), words()).prop_map(|(user, name)| Inline::Mention { user, name }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let held = || vec(inner.clone(), 0..4);
        prop_oneof![
            held().prop_map(Inline::Bold),
            held().prop_map(Inline::Italic),
            held().prop_map(Inline::Strike),
            held().prop_map(Inline::Underline),
            held().prop_map(Inline::Spoiler),
            (r"(https|javascript):[!-~é]{0,12}", held())
                .prop_map(|(url, text)| Inline::Link { url, text }),
        ]
    })
}

fn line() -> impl Strategy<Value = Vec<Inline>> {
    vec(inline(), 0..5)
}

fn block() -> impl Strategy<Value = Block> {
    let leaf = prop_oneof![
        4 => line().prop_map(Block::Paragraph),
        1 => (0..9_u8, line()).prop_map(|(level, line)| Block::Heading(level, line)),
        1 => (proptest::option::of(words()), vec(words(), 0..3))
            .prop_map(|(language, text)| Block::Code { language, text: text.join("\n") }),
        1 => Just(Block::Rule),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let blocks = vec(inner, 0..3);
        prop_oneof![
            blocks.clone().prop_map(Block::Quote),
            (proptest::option::of(any::<u32>()), vec(blocks, 0..3))
                .prop_map(|(from, items)| Block::List { from, items }),
        ]
    })
}

fn rich() -> impl Strategy<Value = Rich> {
    vec(block(), 0..4).prop_map(Rich)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_reads_the_same(rich in rich()) {
        let rich = normal(rich);
        prop_assert_eq!(shown(Some(&normal(rich.clone()))), shown(Some(&rich)));
        let markdown = write(&rich);
        if let Some(again) = read(&markdown) {
            prop_assert_eq!(shown(Some(&again)), shown(Some(&rich)), "{}", markdown);
        } else {
            let plain = |inline: &Inline| matches!(inline, Inline::Text(_) | Inline::Break);
            let is_plain = |block: &Block| {
                matches!(block, Block::Paragraph(line) if line.iter().all(plain))
            };
            prop_assert!(!rich.fits() || rich.0.iter().all(is_plain), "{} was plain", markdown);
        }
    }

    #[test]
    fn what_was_read_is_written_and_read_the_same(
        markdown in r"([ab ]|\*|_|~|~~|\|\||<u>|</u>|`|\[|\]\(https:x\)|\]\(mention:carol\)|\n|\n\n|> |- |1\. |# |\\|&amp;|!|\.|🎉|<b>|\t){0,24}",
    ) {
        if let Some(rich) = read(&markdown) {
            prop_assert_eq!(shown(Some(&normal(rich.clone()))), shown(Some(&rich)));
            let written = write(&rich);
            prop_assert_eq!(shown(read(&written).as_ref()), shown(Some(&rich)), "{}", written);
        }
    }

    #[test]
    fn no_text_panics_or_leads_astray(markdown in any::<String>()) {
        if let Some(rich) = read(&markdown) {
            prop_assert!(rich.fits());
        }
    }
}
