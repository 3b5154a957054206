//! `drawbridge requests`: the strangers who wait for a user's word, as the running daemon knows them.

use std::path::Path;

use clap::Subcommand;
use drawbridge_adapter::UserId;

use super::Exit;
use super::ask::{change, pages, print};
use crate::crossing::Change;
use crate::operator::control::{Request, Response, Stranger};

/// What to do with requests.
#[derive(Subcommand)]
pub(super) enum RequestsCommand {
    /// List who waits
    List {
        /// Only for the word of this user, as `network:id`
        #[arg(long, value_name = "USER")]
        owner: Option<UserId>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: usize,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Let a user hear from another: what waits comes at once
    Accept {
        /// Whose word it is, as `network:id`
        owner: UserId,
        /// Who waits, as `network:id`
        other: UserId,
    },
    /// Turn away who waits for a user's word; they are not told
    Decline {
        /// Whose word it is, as `network:id`
        owner: UserId,
        /// Who waits, as `network:id`
        other: UserId,
    },
}

pub(super) fn run(socket: &Path, command: &RequestsCommand) -> Exit {
    let done = match command {
        RequestsCommand::List { owner, limit, json } => list(socket, owner.as_ref(), *limit, *json),
        RequestsCommand::Accept { owner, other } => change(
            socket,
            &Request::Change(Change::Accept { owner: owner.clone(), other: other.clone() }),
            &format!("{owner} hears from {other} now"),
            &format!("nothing to accept: {owner} hears from {other} already, or blocks them"),
        ),
        RequestsCommand::Decline { owner, other } => change(
            socket,
            &Request::Change(Change::Decline { owner: owner.clone(), other: other.clone() }),
            &format!("{other} was turned away"),
            &format!("{other} does not wait for the word of {owner}"),
        ),
    };
    done.unwrap_or_else(|exit| exit)
}

fn list(socket: &Path, owner: Option<&UserId>, limit: usize, as_json: bool) -> Result<Exit, Exit> {
    let request = |last: Option<&Stranger>, limit| {
        let after = last.map(|last| (last.owner.clone(), last.other.clone()));
        Request::Requests { owner: owner.cloned(), after, limit }
    };
    let page_of = |answer| match answer {
        Response::Requests(page) => Some(page),
        _ => None,
    };
    let items = pages(socket, limit, request, page_of)?;
    let line = |Stranger { owner, other, messages }: &Stranger| {
        format!("{other} waits for the word of {owner}, messages: {messages}")
    };
    Ok(print(&items, limit, as_json, "nobody waits", line))
}
