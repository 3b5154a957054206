//! The checks. Each is a public function of its stable name, sets its own scene, and shows one
//! rule of the contract; the rule stands in its documentation.
//!
//! "Nothing more came" is never shown by waiting: a last message follows, which arrives after all
//! that came before it, and what stands before it is counted.

mod attention;
mod content;
mod failure;
mod inward;
mod logs;
mod media;
mod outward;
mod people;
mod profile;
mod response;
mod things;

use anyhow::{Result, ensure};
use drawbridge_adapter::{Connection, Kind, Level};

use crate::play::Play;
use crate::{Done, Stage, check_addressing};

pub use attention::{access, folder_out, mute_in, mute_out, report_out};
pub use content::{
    edit_disappearing_in, edit_in, edit_out, edit_sticker_in, format_in, format_out, reply_in,
    reply_out, retract_in, retract_out, thread_in, thread_out,
};
pub use failure::{
    drain, not_taken, recovery, refusal, retry_in, signals, status, stops, stops_early,
};
pub use inward::{
    disappearing_in, duplicate_in, equal_in, long_in, order_in, sticker_in, text_in, unicode_in,
};
pub use logs::silence;
pub use media::{media_in, media_out};
pub use outward::{
    duplicate_out, early_out, equal_out, long_out, nobody_out, order_out, text_out, unicode_out,
};
pub use people::{block_in, block_out, command_in, notice_out, request_out};
pub use profile::{profile_in, profile_out};
pub use response::{react_in, react_out, receipt_in, receipt_out, typing_in, typing_out};
pub use things::{
    card_in, card_out, place_in, place_out, poll_in, poll_out, presence_in, presence_out,
};

/// Rule: an adapter says what it is within the bounds of the contract (window 1 to 64, at least
/// one conversation at a time, text carried, a limit on it), and says the same each time.
pub async fn describes(stage: &dyn Stage) -> Result<Done> {
    let play = Play::set(stage).await?;
    let said = play.adapter.describe();
    ensure!(!said.adapter.is_empty() && !said.version.is_empty(), "it has no name or no version");
    ensure!((1..=64).contains(&said.window), "its window is {}, not 1 to 64", said.window);
    ensure!(said.concurrency > 0, "it takes no conversation at all");
    let can = play.adapter.capabilities();
    ensure!(can.level(Kind::Text) != Level::Rejected, "it does not carry text");
    ensure!(can.text.max_bytes > 0, "it carries no text longer than nothing");
    let again = play.adapter.describe();
    let same = (again.window, again.concurrency) == (said.window, said.concurrency);
    ensure!(same && can == play.adapter.capabilities(), "it says something else each time");
    play.closes().await
}

/// Rule: an address leads back to the user it was made for, or there is none; canonical ids are
/// their own canonical form and hold no control characters; no id or address can panic.
pub async fn addressing(stage: &dyn Stage) -> Result<Done> {
    let play = Play::set(stage).await?;
    let handle = play.bridge.handle();
    check_addressing(handle.network(), &play.peer.user(), play.addressing.as_ref())?;
    play.closes().await
}

/// Rule: the adapter connects by itself, and reports it, after a first report that it waits, which
/// says that all that it listens on stands.
pub async fn connects(stage: &dyn Stage) -> Result<Done> {
    let play = Play::open(stage).await?;
    let first = play.bridge.journal().connections.first().copied();
    ensure!(first == Some(Connection::Waiting), "its first report is {first:?}, not Waiting");
    play.closes().await
}

/// Text that bad software breaks: several planes, directions, marks, escapes, edges.
const TORTURE: &[&str] = &[
    "😀 👩🏽‍🚀 🏳️‍🌈 🇪🇺 \u{1F9D1}\u{200D}\u{1F9BD}",
    "שלום, عالم! (mixed) ١٢٣ \u{202B}right\u{202C} \u{2067}to left\u{2069}",
    "e\u{301} is not \u{e9}, \u{212B} is not \u{c5}, \u{FB01} is not fi",
    "Z\u{351}\u{36B}\u{343}a\u{34B}\u{300}l\u{353}\u{332}g\u{30D}o\u{327}",
    "日本語 한국어 ไทย हिन्दी ኢትዮጵያ 𐍈 𝕬 \u{10FFFD} \u{E000}",
    "zero\u{200B}width \u{FEFF}mark no\u{A0}break \u{2028}line",
    "<b>&amp; ]]> \"'</b> <!-- --> &#0; &lol; ${x} %s \\n \\u0000 {{x}}",
    "  two spaces before, a tab\t, a line\nand one after the last\n ",
    "/me is no command, > no quote, * no list, @room no mention",
    "\u{301}",
    "🧵",
];

/// What is added where the network carries control characters.
const CONTROLS: &[&str] = &["bell\u{7} escape\u{1b}[31m unit\u{1f}", "not a character: \u{FFFE}"];

/// The torture texts that the network must carry.
fn torture(play: &Play) -> Vec<&'static str> {
    let limits = play.adapter.capabilities().text;
    let controls = if limits.controls { CONTROLS } else { &[] };
    let all = TORTURE.iter().chain(controls).copied();
    all.filter(|text| text.len() <= limits.max_bytes).collect()
}

/// The longest text that the network must carry, with wide characters in it, at most 60 KiB.
fn longest(play: &Play) -> String {
    let most = play.adapter.capabilities().text.max_bytes.min(60 * 1024);
    let mut text = String::with_capacity(most);
    let words = "The quick brown fox — быстрая лиса — 狐狸 🦊 ";
    for c in words.chars().cycle() {
        if text.len() + c.len_utf8() > most {
            break;
        }
        text.push(c);
    }
    while text.len() < most {
        text.push('.');
    }
    text
}

/// One hundred numbered texts.
fn hundred(what: &str) -> Vec<String> {
    (1..=100).map(|number| format!("{what} {number}")).collect()
}
