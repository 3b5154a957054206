//! Scenarios: real servers, foreign clients, and the daemon between them.
//!
//! Each one plays in a town of its own (see `drawbridge-servers`), and reads like a conversation.
//! `hears` is strict: the very next message must be the one that is named. So a message that
//! should not have arrived, or arrived twice, fails the next `hears`.

mod bans;
mod crash;
mod doctor;
mod hostile;
mod logs;
mod operator;
mod reach;
mod restart;
mod talk;

use anyhow::Result;
use drawbridge_servers::{MatrixUser, PartnerUser, Programs, Town, User, XmppUser};

/// A town with the daemon of this build.
fn town() -> Result<Town> {
    Town::start(&programs()?)
}

fn programs() -> Result<Programs> {
    Programs::beside(env!("CARGO_BIN_EXE_drawbridge"))
}

/// Alice on Matrix, Bob on XMPP, Carol on the partner's app.
fn three(town: &Town) -> Result<(MatrixUser, XmppUser, PartnerUser)> {
    Ok((town.matrix_user("alice")?, town.xmpp_user("bob")?, town.partner_user("carol")?))
}

/// Everybody to everybody else.
fn six<'a>(people: [&'a dyn User; 3]) -> Vec<(&'a dyn User, &'a dyn User)> {
    let others = |from: &'a dyn User| {
        people.into_iter().filter(move |to| to.id() != from.id()).map(move |to| (from, to))
    };
    people.into_iter().flat_map(others).collect()
}

/// Proof that nothing is under way: what is said now is the next that is heard.
fn nothing_else_arrives(from: &dyn User, to: &dyn User, word: &str) -> Result<()> {
    let body = format!("nothing before this: {word}");
    from.says(to, &body)?;
    to.hears(from, &body)?;
    Ok(())
}
