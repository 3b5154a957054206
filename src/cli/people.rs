//! `drawbridge people`: what users want, as the running daemon knows it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use drawbridge_adapter::{NetworkId, UserId};

use super::Exit;
use super::ask::{ask, ask_more, change, connect, json, print, refused, unexpected};
use crate::crossing::Change;
use crate::operator::control::client::Client;
use crate::operator::control::{Inbox, MuteItem, PAGE, Person, Request, Response, Shown};

/// The longest line of an import, in bytes.
const LINE: u64 = 16 * 1024 * 1024;

/// What to do with people.
#[derive(Subcommand)]
pub(super) enum PeopleCommand {
    /// List users of whom anything is known
    List {
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: usize,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show what is known of one user
    Show {
        /// Who, as `network:id`
        user: UserId,
    },
    /// Switch a third-party network on for a user, in their name
    Enable {
        /// Who, as `network:id`
        user: UserId,
        /// The network's id
        #[arg(value_parser = NetworkId::new)]
        network: NetworkId,
    },
    /// Switch a third-party network off for a user
    Disable {
        /// Who, as `network:id`
        user: UserId,
        /// The network's id
        #[arg(value_parser = NetworkId::new)]
        network: NetworkId,
    },
    /// Print what is known of everybody, or of one user: a JSON object a line
    Export {
        /// Only of this user, as `network:id`
        user: Option<UserId>,
    },
    /// Bring back what was exported, beside what is known already
    Import {
        /// The file; - is standard input
        file: PathBuf,
    },
    /// Forget all that a user wanted; what others want of the user stays
    Erase {
        /// Who, as `network:id`
        user: UserId,
    },
}

pub(super) fn run(socket: &Path, command: &PeopleCommand) -> Exit {
    let done = match command {
        PeopleCommand::List { limit, json } => list(socket, *limit, *json),
        PeopleCommand::Show { user } => show(socket, user),
        PeopleCommand::Enable { user, network } => change(
            socket,
            &Request::Change(Change::Enable { user: user.clone(), network: network.clone() }),
            &format!("{network} is on for {user}"),
            &format!("{network} was on for {user} already"),
        ),
        PeopleCommand::Disable { user, network } => change(
            socket,
            &Request::Change(Change::Disable { user: user.clone(), network: network.clone() }),
            &format!("{network} is off for {user}"),
            &format!("{network} was off for {user} already"),
        ),
        PeopleCommand::Export { user } => export(socket, user.as_ref()),
        PeopleCommand::Import { file } => import(socket, file),
        PeopleCommand::Erase { user } => change(
            socket,
            &Request::Change(Change::Erase { user: user.clone() }),
            &format!("what {user} wanted is forgotten"),
            &format!("nothing is known of {user}"),
        ),
    };
    done.unwrap_or_else(|exit| exit)
}

fn list(socket: &Path, limit: usize, as_json: bool) -> Result<Exit, Exit> {
    let mut people = Vec::new();
    each(socket, limit, |person| {
        people.push(person);
        Ok(())
    })?;
    Ok(print(&people, limit, as_json, "nothing is known of anybody", line))
}

fn line(Person { user, enabled, contacts, blocks, accounts, .. }: &Person) -> String {
    let on: Vec<&str> = enabled.iter().map(NetworkId::as_str).collect();
    let on = if on.is_empty() { "none".to_owned() } else { on.join(",") };
    let (contacts, blocks, accounts) = (contacts.len(), blocks.len(), accounts.len());
    format!("{user}  on: {on}  contacts: {contacts}  blocks: {blocks}  other accounts: {accounts}")
}

fn show(socket: &Path, user: &UserId) -> Result<Exit, Exit> {
    let request = Request::People { user: Some(user.clone()), after: None, limit: 1 };
    let Response::People(found) = ask(socket, &request)? else { return Err(unexpected()) };
    let Some(person) = found.first() else {
        eprintln!("nothing is known of {user}");
        return Err(Exit::NoSuch);
    };
    Ok(json(person))
}

fn export(socket: &Path, user: Option<&UserId>) -> Result<Exit, Exit> {
    let mut out = io::stdout().lock();
    let mut print = |person: Person| {
        let line = serde_json::to_string(&person).map_err(|error| broken(&error))?;
        writeln!(out, "{line}").map_err(|error| broken(&error))
    };
    match user {
        None => each(socket, usize::MAX, print)?,
        Some(user) => {
            let request = Request::People { user: Some(user.clone()), after: None, limit: 1 };
            let Response::People(found) = ask(socket, &request)? else { return Err(unexpected()) };
            found.into_iter().try_for_each(&mut print)?;
        }
    }
    Ok(Exit::Done)
}

fn each(
    socket: &Path,
    limit: usize,
    mut then: impl FnMut(Person) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let mut client = connect(socket)?;
    let (mut after, mut seen) = (None, 0);
    while seen < limit {
        let request = Request::People { user: None, after, limit: PAGE.min(limit - seen) };
        let Response::People(page) = ask_more(&mut client, &request)? else {
            return Err(unexpected());
        };
        let Some(last) = page.last() else { break };
        after = Some(last.user.clone());
        seen += page.len();
        page.into_iter().try_for_each(&mut then)?;
    }
    Ok(())
}

fn import(socket: &Path, file: &Path) -> Result<Exit, Exit> {
    let mut from: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| {
            eprintln!("{}: {error}", file.display());
            Exit::Failed
        })?;
        Box::new(BufReader::new(opened))
    };
    let mut client = connect(socket)?;
    let (mut number, mut changed) = (0, 0);
    loop {
        let mut line = String::new();
        number += 1;
        let read = from.by_ref().take(LINE).read_line(&mut line).map_err(|error| broken(&error))?;
        if read == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let person: Person = serde_json::from_str(&line).map_err(|error| {
            eprintln!("{}: line {number}: {error}", file.display());
            Exit::Failed
        })?;
        for change in changes(person) {
            changed += usize::from(make(&mut client, change, file, number)?);
        }
    }
    println!("changes: {changed}");
    Ok(Exit::Done)
}

/// What must be so for this to be known of a user.
fn changes(person: Person) -> impl Iterator<Item = Change> {
    let Person {
        user,
        enabled,
        contacts,
        blocks,
        mutes,
        receipts,
        presence,
        inbox,
        strict,
        accounts,
    } = person;
    let (of, by, from, one) = (user.clone(), user.clone(), user.clone(), user.clone());
    let of_user = user.clone();
    let apart = inbox.map(|inbox| Change::Inbox { user: of_user, apart: inbox == Inbox::Separate });
    let of_user = user.clone();
    let strict = strict.map(|level| Change::Strict { user: of_user, level });
    let of_user = user.clone();
    let receipts =
        receipts.map(|receipts| Change::Receipts { user: of_user, unseen: receipts == Shown::Off });
    let of_user = user.clone();
    let presence =
        presence.map(|presence| Change::Presence { user: of_user, shown: presence == Shown::On });
    let enable =
        enabled.into_iter().map(move |network| Change::Enable { user: of.clone(), network });
    let accept = contacts.into_iter().map(move |other| Change::Accept { owner: by.clone(), other });
    let block =
        blocks.into_iter().map(move |blocked| Change::Block { owner: from.clone(), blocked });
    let link = accounts.into_iter().map(move |other| Change::Link { one: one.clone(), other });
    let mute = move |MuteItem { other, how }| Change::Mute { owner: user.clone(), other, how };
    let mute = mutes.into_iter().map(mute);
    // Who is accepted first and then blocked is a contact too, as before.
    enable
        .chain(accept)
        .chain(link)
        .chain(block)
        .chain(mute)
        .chain(receipts)
        .chain(presence)
        .chain(apart)
        .chain(strict)
}

fn make(client: &mut Client, change: Change, file: &Path, number: usize) -> Result<bool, Exit> {
    let asked = client.ask(&Request::Change(change));
    match asked {
        Ok(Response::Changed { changed }) => Ok(changed),
        Ok(Response::Error { code, says }) => {
            Err(refused(code, &format!("{}: line {number}: {says}", file.display())))
        }
        Ok(_) => Err(unexpected()),
        Err(error) => Err(super::ask::exit_of(&error)),
    }
}

fn broken(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("{error}");
    Exit::Failed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::gate::Strictness;

    #[test]
    fn a_line_that_does_not_speak_of_a_choice_leaves_it() {
        let read = |line: &str| changes(serde_json::from_str(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(read(r#"{"user":"xmpp:bob@p.test"}"#), []);
        let user: UserId = "xmpp:bob@p.test".parse().unwrap();
        let inbox = Change::Inbox { user: user.clone(), apart: false };
        let strict = Change::Strict { user, level: Strictness::Off };
        let line = r#"{"user":"xmpp:bob@p.test","inbox":"combined","strict":"off"}"#;
        assert_eq!(read(line), [inbox, strict]);
    }
}
