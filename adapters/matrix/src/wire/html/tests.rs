//! Formatting there and back, by a table of pairs; and that nothing else gets through.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

use std::collections::BTreeSet;

use drawbridge_adapter::{NetworkId, Rich};
use html5gum::{Token, Tokenizer};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::read;
use crate::address::MatrixAddressing;
use crate::wire::Markup;

fn names() -> MatrixAddressing {
    let network = NetworkId::new("matrix").unwrap();
    MatrixAddressing::new(network, "hs.test", "_drawbridge_", "drawbridge")
}

#[derive(Deserialize)]
struct Pair {
    /// What a client sends.
    html: String,
    /// What it means; nothing, if the plain text says it all.
    rich: Option<Value>,
    /// How that is written on Matrix, if not in the same way.
    shown: Option<String>,
}

#[test]
fn html_means_what_the_table_says_and_is_written_so() {
    let pairs: Vec<Pair> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(pairs.len() > 30);
    for Pair { html, rich, shown } in pairs {
        let read = read(&html, &names()).rich;
        let found = read.as_ref().map(|rich| serde_json::to_value(rich).unwrap());
        let told = serde_json::to_string(&found).unwrap();
        assert_eq!(found, rich, "{html:?} means {told}");
        let Some(read) = read else { continue };
        let written = Markup::of(&read, &names()).html;
        assert_eq!(written, shown.unwrap_or(html));
        // What is written means the same when it comes back.
        assert_eq!(super::read(&written, &names()).rich, Some(read), "{written:?}");
    }
}

#[test]
fn a_quote_of_the_answered_message_is_no_part_of_the_text() {
    let html = "<mx-reply><blockquote><a href=\"https://matrix.to/#/!r:hs.test/$e\">In reply to</a> \
                <a href=\"https://matrix.to/#/@a:hs.test\">@a:hs.test</a><br>one<br><b>two</b>\
                </blockquote></mx-reply>yes, <b>I</b> do";
    let read = read(html, &names());
    assert_eq!(read.quote.as_deref(), Some("one\ntwo"));
    assert_eq!(read.rich.unwrap().plain(), "yes, I do");
}

#[test]
fn what_is_too_deep_or_too_much_goes_as_plain_text() {
    for html in [
        "<blockquote>".repeat(17) + "x",
        "<b><i>".repeat(9) + "x",
        "<span>".repeat(20_000) + "<b>x</b>",
        "<b>x</b><br>".repeat(3000),
        "<ul><li>".repeat(8000),
        // What makes browsers' trees grow with the square.
        (0..3000).map(|at| format!("<font id={at}>")).collect::<Vec<_>>().concat()
            + &"<p>x".repeat(8000),
    ] {
        let start = std::time::Instant::now();
        assert_eq!(read(&html, &names()).rich, None);
        assert!(start.elapsed() < std::time::Duration::from_secs(2));
    }
}

/// Bits that make trouble, in any order.
fn any_html() -> impl Strategy<Value = String> {
    const BITS: &[&str] = &[
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<p>",
        "</p>",
        "<ul>",
        "</ul>",
        "<ol start=7>",
        "</ol>",
        "<li>",
        "</li>",
        "<blockquote>",
        "</blockquote>",
        "<pre>",
        "</pre>",
        "<code class=language-rs>",
        "</code>",
        "<h1>",
        "</h1>",
        "<h6>",
        "<br>",
        "<hr/>",
        "<a href='javascript:x'>",
        "<a href='https://a.test/?a&b=\"'>",
        "<a href='https://matrix.to/#/@a:hs.test'>",
        "</a>",
        "<a href='https://matrix.to/#/@_drawbridge_xmpp_b=40p.test:hs.test'>",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<mx-reply>",
        "</mx-reply>",
        "<span data-mx-spoiler=x>",
        "</span>",
        "<img alt=x onerror=y>",
        "<table>",
        "<tr>",
        "<td>",
        "<del>",
        "</del>",
        "<u>",
        "&lt;",
        "&amp;",
        "&#0;",
        "&nbsp;",
        "<",
        ">",
        "\"",
        "'",
        "\n",
        " ",
        "<!--",
        "-->",
        "<svg>",
        "<math>",
        "<template>",
        "</template>",
        "<plaintext>",
        "<textarea>",
        "x",
        "\u{202e}",
        "\0",
    ];
    let bit = prop_oneof![
        9 => prop::sample::select(BITS).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    prop::collection::vec(bit, 0..80).prop_map(|bits| bits.concat())
}

/// The tags and attributes that are written.
fn written(html: &str) -> BTreeSet<(String, String)> {
    let mut written = BTreeSet::new();
    for token in Tokenizer::new(html) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8(tag.name.0).unwrap();
                written.insert((name.clone(), String::new()));
                for (attribute, value) in tag.attributes {
                    let attribute = String::from_utf8(attribute.0).unwrap();
                    if attribute == "href" {
                        let url = String::from_utf8(value.value.0).unwrap();
                        assert!(Rich::may_lead_to(&url), "{url}");
                    }
                    written.insert((name.clone(), attribute));
                }
            }
            Token::Comment(_) | Token::Doctype(_) => panic!("a comment is written: {html}"),
            _ => {}
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn nothing_escapes_the_allow_list(html in any_html()) {
        const ALLOWED: &[(&str, &str)] = &[
            ("p", ""), ("h1", ""), ("h2", ""), ("h3", ""), ("h4", ""), ("h5", ""), ("h6", ""),
            ("blockquote", ""), ("pre", ""), ("code", ""), ("code", "class"), ("ul", ""), ("ol", ""),
            ("ol", "start"), ("li", ""), ("hr", ""), ("br", ""), ("strong", ""), ("em", ""),
            ("del", ""), ("u", ""), ("span", ""), ("span", "data-mx-spoiler"), ("a", ""),
            ("a", "href"),
        ];
        let Some(rich) = read(&html, &names()).rich else { return Ok(()) };
        prop_assert!(rich.fits());
        for text in rich.texts() {
            prop_assert!(!text.is_empty());
        }
        let shown = Markup::of(&rich, &names()).html;
        for (tag, attribute) in written(&shown) {
            prop_assert!(ALLOWED.contains(&(&*tag, &*attribute)), "{tag} {attribute} in {shown}");
        }
        // What was written once means the same ever after.
        let again = read(&shown, &names()).rich.unwrap_or_default();
        prop_assert_eq!(Markup::of(&again, &names()).html, shown);
    }
}
