//! Formatted text, as an app writes and gets it: Markdown.
//!
//! It is CommonMark 0.31 with strikethrough (`~~…~~`), and with these, which CommonMark lacks:
//! - `||…||` is a spoiler, and `<u>…</u>` is underlined: both begin and end within the same
//!   paragraph and emphasis. All other HTML is text.
//! - `[Bob](mention:xmpp:bob@p.test)` names somebody: an address, or a user of the partner's own,
//!   with all but `A-Z a-z 0-9 - . _ ~ : @` as `%XX`.
//! - A line end is a line break, as people write in chats; so is a line feed that is written `&#10;`.
//! - An image is a link to it. A link that may not lead where it does is its text.
//!
//! What was read and is written is the same when it is read again.

mod mention;
mod normal;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

#[cfg(test)]
mod tests;
