//! `drawbridge queue`: what waits in the running daemon, to look at, to hurry and to take out.

use std::path::Path;

use clap::Subcommand;
use drawbridge_adapter::NetworkId;

use super::Exit;
use super::ask::{age, ask, ask_more, connect, exit_of, json, refused, unexpected};
use crate::operator::control::client::ClientError;
use crate::operator::control::{Item, PAGE, Request, Response, WaitsFor, What};

/// What to do with the queue.
#[derive(Subcommand)]
pub(super) enum QueueCommand {
    /// List what waits, the oldest first
    List {
        /// Only what waits for this network
        #[arg(long, value_name = "NETWORK", value_parser = NetworkId::new)]
        network: Option<NetworkId>,
        /// Only what stands behind this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show one thing that waits
    Show {
        /// Its number, as `list` shows it
        number: i64,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Try at once what waits for its next try
    Retry {
        /// The number of something in the conversation, as `list` shows it
        #[arg(required_unless_present = "network", conflicts_with = "network")]
        number: Option<i64>,
        /// All conversations to this network
        #[arg(long, value_name = "NETWORK", value_parser = NetworkId::new)]
        network: Option<NetworkId>,
    },
    /// Take messages out for good: their senders are told `expired`
    Drop {
        /// Their numbers, as `list` shows them
        #[arg(required = true)]
        numbers: Vec<i64>,
    },
}

pub(super) fn run(socket: &Path, command: &QueueCommand) -> Exit {
    let done = match command {
        QueueCommand::List { network, after, limit, json } => {
            list(socket, network.as_ref(), *after, *limit, *json)
        }
        QueueCommand::Show { number, json } => show(socket, *number, *json),
        QueueCommand::Retry { number: Some(number), .. } => retry(socket, *number),
        QueueCommand::Retry { network: Some(network), .. } => retry_all(socket, network),
        // Clap lets neither through.
        QueueCommand::Retry { number: None, network: None } => Err(Exit::Usage),
        QueueCommand::Drop { numbers } => drop_all(socket, numbers),
    };
    done.unwrap_or_else(|exit| exit)
}

fn list(
    socket: &Path,
    network: Option<&NetworkId>,
    mut after: i64,
    limit: usize,
    as_json: bool,
) -> Result<Exit, Exit> {
    let mut client = connect(socket)?;
    let mut items: Vec<Item> = Vec::new();
    while items.len() < limit {
        let network = network.cloned();
        let request = Request::Queue { network, after, limit: PAGE.min(limit - items.len()) };
        let Response::Queue(page) = ask_more(&mut client, &request)? else {
            return Err(unexpected());
        };
        let Some(last) = page.last() else { break };
        after = last.id;
        items.extend(page);
    }
    if as_json {
        return Ok(json(&items));
    }
    if items.is_empty() {
        println!("nothing waits");
        return Ok(Exit::Done);
    }
    println!(
        "{:>8}  {:16}  {:12}  {:12}  {:12}  {:8}  {:>8}  {:5}  waits for",
        "number", "network", "kind", "msg", "conversation", "age", "bytes", "tries"
    );
    for item in &items {
        let bytes = item.bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let Item { id, network, kind, msg, conversation, tries, .. } = item;
        println!(
            "{id:>8}  {network:16}  {kind:12}  {msg:12}  {conversation:12}  {:8}  {bytes:>8}  {tries:5}  {}",
            age(item.age_seconds),
            wait_of(item)
        );
    }
    if items.len() == limit {
        println!("there may be more: --after {after}");
    }
    Ok(Exit::Done)
}

fn wait_of(item: &Item) -> String {
    let wait = match item.waits_for {
        WaitsFor::Network => "the network".to_owned(),
        WaitsFor::Configuration => "its network, which is not in the configuration".to_owned(),
        WaitsFor::Turn => "its turn".to_owned(),
        WaitsFor::Retry => format!("its next try in {}", age(item.next_try_seconds.unwrap_or(0))),
        WaitsFor::Delivery => "nothing, it is under way".to_owned(),
    };
    match (&item.status, item.what) {
        (Some(status), What::Status) => format!("{wait} (the word `{status}` to a sender)"),
        _ => wait,
    }
}

fn show(socket: &Path, id: i64, as_json: bool) -> Result<Exit, Exit> {
    let Response::Item(item) = ask(socket, &Request::Show { id })? else {
        return Err(unexpected());
    };
    if as_json {
        return Ok(json(&item));
    }
    let what = match &item.status {
        Some(status) => format!("status: {status}"),
        None => "message".to_owned(),
    };
    println!("number        {}", item.id);
    println!("network       {}", item.network);
    println!("what          {what}");
    println!("kind          {}", item.kind);
    if let Some(bytes) = item.bytes {
        println!("bytes         {bytes}");
    }
    println!("msg           {}", item.msg);
    println!("user          {}", item.user);
    println!("conversation  {}", item.conversation);
    println!("accepted      {}, {} ago", item.accepted_at, age(item.age_seconds));
    println!("tries         {}", item.tries);
    println!("waits for     {}", wait_of(&item));
    Ok(Exit::Done)
}

fn retry(socket: &Path, id: i64) -> Result<Exit, Exit> {
    match ask(socket, &Request::Retry { id })? {
        Response::Item(item) => {
            println!("{id} waits for {}", wait_of(&item));
            Ok(Exit::Done)
        }
        _ => Err(unexpected()),
    }
}

fn retry_all(socket: &Path, network: &NetworkId) -> Result<Exit, Exit> {
    match ask(socket, &Request::RetryAll { network: network.clone() })? {
        Response::Retried { connected: true } => println!("all is tried now"),
        Response::Retried { connected: false } => {
            println!("{network} is not connected: all is tried as soon as it is");
        }
        _ => return Err(unexpected()),
    }
    Ok(Exit::Done)
}

fn drop_all(socket: &Path, ids: &[i64]) -> Result<Exit, Exit> {
    let mut client = connect(socket)?;
    let mut end = Exit::Done;
    for (index, id) in ids.iter().enumerate() {
        let error = match client.ask(&Request::Drop { id: *id }) {
            Ok(Response::Dropped { sender_told: true }) => {
                println!("{id} is out, its sender is told");
                continue;
            }
            Ok(Response::Dropped { sender_told: false }) => {
                println!("{id} is out; it was a word to a sender, who does not get it");
                continue;
            }
            Ok(Response::Error { code, says }) => {
                end = refused(code, &says);
                eprintln!("{id} stays");
                continue;
            }
            Ok(_) => ClientError::Strange,
            Err(error) => error,
        };
        // Its answer may still come: what is read next would be taken for another's.
        let exit = exit_of(&error);
        eprintln!("{id} may be out or not: `drawbridge queue show {id}` tells");
        let untried = &ids[index + 1..];
        if !untried.is_empty() {
            let numbers: Vec<_> = untried.iter().map(ToString::to_string).collect();
            eprintln!("not tried: {}", numbers.join(" "));
        }
        return Err(exit);
    }
    Ok(end)
}
