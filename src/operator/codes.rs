//! `docs/codes.md`, from the codes themselves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use drawbridge_adapter::{Code, Kind};

use crate::generated;

const HEAD: &str = "\
# Codes: why a message did not cross

A sender whose message did not cross is told one of these codes, and its sentence. They are
stable: a code keeps its meaning, and new ones may come. `retry_after` stands beside codes that time heals.

This file is made from the code; `DRAWBRIDGE_REGENERATE=1 cargo test -p drawbridge` writes it anew.

| code | what the sender reads |
| --- | --- |
";

const KINDS: &str = "
## Kinds

`unsupported_kind:` is followed by what the message was:

| kind | what the sender reads |
| --- | --- |
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "| `unsupported_kind:<kind>` | This kind of message does not cross this bridge. |\n",
    );
    for code in Code::plain() {
        writeln!(page, "| `{code}` | {} |", code.explain()).unwrap();
    }
    page.push_str(KINDS);
    for kind in Kind::ALL {
        let code = Code::UnsupportedKind(*kind);
        writeln!(page, "| `{kind}` | {} |", code.explain()).unwrap();
    }
    page
}

#[test]
fn the_page_of_codes_is_fresh() {
    generated::assert_fresh("docs/codes.md", &page());
}
