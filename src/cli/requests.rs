//! `drawbridge requests`: the strangers who wait for a user's word, as the running daemon knows them.

use std::path::Path;

use clap::Subcommand;
use drawbridge_adapter::UserId;

use super::Exit;
use super::ask::{ask_more, change, connect, json, unexpected};
use crate::crossing::Change;
use crate::operator::control::{PAGE, Request, Response, Stranger};

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
    let mut client = connect(socket)?;
    let mut items: Vec<Stranger> = Vec::new();
    while items.len() < limit {
        let after = items.last().map(|last| (last.owner.clone(), last.other.clone()));
        let limit = PAGE.min(limit - items.len());
        let request = Request::Requests { owner: owner.cloned(), after, limit };
        let Response::Requests(page) = ask_more(&mut client, &request)? else {
            return Err(unexpected());
        };
        if page.is_empty() {
            break;
        }
        items.extend(page);
    }
    if as_json {
        return Ok(json(&items));
    }
    for Stranger { owner, other, messages } in &items {
        println!("{other} waits for the word of {owner}, messages: {messages}");
    }
    match items.len() {
        0 => println!("nobody waits"),
        listed if listed == limit => println!("there may be more: --limit"),
        _ => {}
    }
    Ok(Exit::Done)
}
