//! Portals by the thousand: the daemon opens one by itself, and what it wrote down of it is
//! written again under other names. And people with what they have said of each other.

use std::path::Path;

use anyhow::{Result, ensure};
use rusqlite::{Connection, params};

use crate::names;

/// Makes conversations `1..count` out of conversation 0. The daemon must not be running.
pub(crate) fn portals(database: &Path, count: usize) -> Result<()> {
    let mut connection = Connection::open(database)?;
    let first = names::mark(0);
    let memos: Vec<(String, String, String)> = {
        let mut select = connection.prepare(
            "SELECT network, key, value FROM memo WHERE instr(key, ?1) OR instr(value, ?1)",
        )?;
        let found =
            select.query_map([&first], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        found.collect::<Result<_, _>>()?
    };
    ensure!(!memos.is_empty(), "the daemon wrote nothing down of its portal");
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction
            .prepare("INSERT OR REPLACE INTO memo (network, key, value) VALUES (?, ?, ?)")?;
        for conversation in 1..count {
            let mark = names::mark(conversation);
            for (network, key, value) in &memos {
                let (key, value) = (key.replace(&first, &mark), value.replace(&first, &mark));
                insert.execute(params![network, key, value])?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Makes each of these users of an app one whom the other, who has switched the app on, hears. The
/// daemon must not be running.
pub(crate) fn acquainted(database: &Path, pairs: &[(String, String)]) -> Result<()> {
    let connection = Connection::open(database)?;
    for (user, hears) in pairs {
        let network = user.split(':').next();
        connection.execute("INSERT INTO enabled VALUES (?, ?, 1)", params![hears, network])?;
        connection.execute("INSERT INTO contacts VALUES (?, ?, 1)", params![hears, user])?;
    }
    Ok(())
}

/// Makes this many people, of both networks, who have switched an app on and blocked others: so many
/// times in all. The daemon must not be running.
pub(crate) fn people(database: &Path, people: usize, blocks: usize) -> Result<()> {
    let name = |number: usize| match number % 2 {
        0 => format!("matrix:@person-{number}:hs.test"),
        _ => format!("xmpp:person-{number}@p.test"),
    };
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    {
        let mut enable = transaction.prepare("INSERT INTO enabled VALUES (?, 'birdychat', 1)")?;
        for number in 0..people {
            enable.execute([name(number)])?;
        }
        let mut block = transaction.prepare("INSERT INTO blocks VALUES (?, ?, 1, 1)")?;
        for number in 0..blocks {
            // Each of them others, an odd number of people further.
            let (owner, round) = (number % people, number / people);
            let blocked = (owner + 2 * round + 1) % people;
            block.execute([name(owner), name(blocked)])?;
        }
    }
    transaction.commit()?;
    Ok(())
}
