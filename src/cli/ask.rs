//! Asking the running daemon, for the commands that do.

use std::path::Path;

use serde::Serialize;

use super::Exit;
use crate::operator::control::client::{Client, ClientError};
use crate::operator::control::{PAGE, Problem, Request, Response};

/// Asks once. What went wrong is printed.
pub(super) fn ask(socket: &Path, request: &Request) -> Result<Response, Exit> {
    let mut client = connect(socket)?;
    ask_more(&mut client, request)
}

/// Connects. What went wrong is printed.
pub(super) fn connect(socket: &Path) -> Result<Client, Exit> {
    Client::connect(socket).map_err(|error| exit_of(&error))
}

/// Asks, perhaps not for the first time. What went wrong is printed.
pub(super) fn ask_more(client: &mut Client, request: &Request) -> Result<Response, Exit> {
    match client.ask(request) {
        Ok(Response::Error { code, says }) => Err(refused(code, &says)),
        Ok(response) => Ok(response),
        Err(error) => Err(exit_of(&error)),
    }
}

/// Asks for a change, and prints one of two answers: that it was made, or that it was so already.
pub(super) fn change(
    socket: &Path,
    wanted: &Request,
    made: &str,
    already: &str,
) -> Result<Exit, Exit> {
    let Response::Changed { changed } = ask(socket, wanted)? else { return Err(unexpected()) };
    println!("{}", if changed { made } else { already });
    Ok(Exit::Done)
}

/// Asks for page after page, until there are `limit` items or no more. `page_of` takes the items out
/// of an answer.
pub(super) fn pages<T>(
    socket: &Path,
    limit: usize,
    request: impl Fn(Option<&T>, usize) -> Request,
    page_of: impl Fn(Response) -> Option<Vec<T>>,
) -> Result<Vec<T>, Exit> {
    let mut client = connect(socket)?;
    let mut items: Vec<T> = Vec::new();
    while items.len() < limit {
        let next = request(items.last(), PAGE.min(limit - items.len()));
        let page = page_of(ask_more(&mut client, &next)?).ok_or_else(unexpected)?;
        if page.is_empty() {
            break;
        }
        items.extend(page);
    }
    Ok(items)
}

/// Prints items: all for machines, or a line for each, and whether there may be more than `limit`.
pub(super) fn print<T: Serialize>(
    items: &[T],
    limit: usize,
    as_json: bool,
    none: &str,
    line: impl Fn(&T) -> String,
) -> Exit {
    if as_json {
        return json(&items);
    }
    for item in items {
        println!("{}", line(item));
    }
    match items.len() {
        0 => println!("{none}"),
        listed if listed == limit => println!("there may be more: --limit"),
        _ => {}
    }
    Exit::Done
}

/// Prints what the daemon refused.
pub(super) fn refused(code: Problem, says: &str) -> Exit {
    eprintln!("{says}");
    if code == Problem::NoSuch { Exit::NoSuch } else { Exit::Failed }
}

/// Prints why there is no answer.
pub(super) fn exit_of(error: &ClientError) -> Exit {
    eprintln!("{error}");
    if matches!(error, ClientError::NotRunning(_)) { Exit::NotRunning } else { Exit::Failed }
}

/// An answer to something else than was asked.
pub(super) fn unexpected() -> Exit {
    exit_of(&ClientError::Strange)
}

/// Prints what machines read.
pub(super) fn json(value: &impl Serialize) -> Exit {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            println!("{text}");
            Exit::Done
        }
        Err(error) => {
            eprintln!("cannot be written as JSON: {error}");
            Exit::Failed
        }
    }
}

/// A number of seconds, for reading: `3d 4h`, `5m 12s`.
pub(super) fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_two_words_at_most() {
        let ages = [0, 59, 60, 3599, 3600, 86_399, 86_400, 900_000].map(age);
        let expected = ["0s", "59s", "1m 0s", "59m 59s", "1h 0m", "23h 59m", "1d 0h", "10d 10h"];
        assert_eq!(ages, expected);
    }
}
