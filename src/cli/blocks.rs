//! `drawbridge blocks`: whom users do not want to hear from, as the running daemon knows it.

use std::path::Path;

use clap::Subcommand;
use drawbridge_adapter::UserId;

use super::Exit;
use super::ask::{change, pages, print};
use crate::crossing::Change;
use crate::operator::control::{BlockItem, Request, Response};

/// What to do with blocks.
#[derive(Subcommand)]
pub(super) enum BlocksCommand {
    /// List blocks
    List {
        /// Only those of this user, as `network:id`
        #[arg(long, value_name = "USER")]
        owner: Option<UserId>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: usize,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Keep all of one user from another, at once, on all networks; who is blocked is not told
    Add {
        /// Who does not want to hear, as `network:id`
        owner: UserId,
        /// From whom, as `network:id`
        blocked: UserId,
    },
    /// End a block: what is sent from now on arrives, what was sent meanwhile does not
    Remove {
        /// Who did not want to hear, as `network:id`
        owner: UserId,
        /// From whom, as `network:id`
        blocked: UserId,
    },
}

pub(super) fn run(socket: &Path, command: &BlocksCommand) -> Exit {
    let done = match command {
        BlocksCommand::List { owner, limit, json } => list(socket, owner.as_ref(), *limit, *json),
        BlocksCommand::Add { owner, blocked } => change(
            socket,
            &Request::Change(Change::Block { owner: owner.clone(), blocked: blocked.clone() }),
            &format!("{owner} hears no more of {blocked}"),
            &format!("{owner} blocks {blocked} already"),
        ),
        BlocksCommand::Remove { owner, blocked } => change(
            socket,
            &Request::Change(Change::Unblock { owner: owner.clone(), blocked: blocked.clone() }),
            &format!("{owner} hears {blocked} again"),
            &format!("{owner} does not block {blocked}"),
        ),
    };
    done.unwrap_or_else(|exit| exit)
}

fn list(socket: &Path, owner: Option<&UserId>, limit: usize, as_json: bool) -> Result<Exit, Exit> {
    let request = |last: Option<&BlockItem>, limit| {
        let after = last.map(|last| (last.owner.clone(), last.blocked.clone()));
        Request::Blocks { owner: owner.cloned(), after, limit }
    };
    let page_of = |answer| match answer {
        Response::Blocks(page) => Some(page),
        _ => None,
    };
    let items = pages(socket, limit, request, page_of)?;
    let line = |BlockItem { owner, blocked, since }: &BlockItem| {
        format!("{since}  {owner} blocks {blocked}")
    };
    Ok(print(&items, limit, as_json, "nobody is blocked", line))
}
