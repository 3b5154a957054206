//! Scenarios: real servers, foreign clients, and the daemon between them.
//!
//! Each one plays in a town of its own (see `drawbridge-servers`), and reads like a conversation.
//! `hears` is strict: the very next message must be the one that is named. So a message that
//! should not have arrived, or arrived twice, fails the next `hears`.

/// The same conversations with each XMPP server: for each function a test in `prosody` and one in
/// `ejabberd`.
macro_rules! with_each_xmpp_server {
    ($($name:ident),+ $(,)?) => {
        crate::with_each_xmpp_server!(prosody: Prosody, $($name),+);
        crate::with_each_xmpp_server!(ejabberd: Ejabberd, $($name),+);
    };
    ($server:ident: $software:ident, $($name:ident),+) => {
        mod $server {
            $(
                #[test]
                fn $name() -> anyhow::Result<()> {
                    super::$name(drawbridge_servers::XmppSoftware::$software)
                }
            )+
        }
    };
}
pub(crate) use with_each_xmpp_server;

mod admission;
mod alike;
mod bans;
mod blocks;
mod catalogue;
mod content;
mod crash;
mod dial;
mod doctor;
mod evasion;
mod features;
mod formatting;
mod hostile;
mod inbox;
mod limits;
mod logs;
mod matrix_gestures;
mod matrix_login;
mod media;
mod mutes;
mod operator;
mod own_means;
mod partner_people;
mod profiles;
mod python;
mod reach;
mod reports;
mod requests;
mod restart;
mod strict;
mod talk;
mod things;

use anyhow::Result;
use drawbridge_servers::{MatrixUser, PartnerUser, Programs, Town, User, XmppSoftware, XmppUser};

/// A town with the daemon of this build; with Prosody, where XMPP is not what it is about.
fn town() -> Result<Town> {
    town_on(XmppSoftware::Prosody)
}

/// A town with the daemon of this build, and an XMPP server of this software.
fn town_on(software: XmppSoftware) -> Result<Town> {
    Town::start_on(software, &programs()?, |config| config)
}

fn programs() -> Result<Programs> {
    Programs::beside(env!("CARGO_BIN_EXE_drawbridge"))
}

/// Alice on Matrix, Bob on XMPP, Carol on the partner's app, who know each other.
fn three(town: &Town) -> Result<(MatrixUser, XmppUser, PartnerUser)> {
    let (alice, bob, carol) = three_strangers(town)?;
    town.introduces(&[&alice, &bob, &carol])?;
    Ok((alice, bob, carol))
}

/// The same three, who have never heard of each other.
fn three_strangers(town: &Town) -> Result<(MatrixUser, XmppUser, PartnerUser)> {
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
