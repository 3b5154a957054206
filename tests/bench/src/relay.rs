//! The bare relay: it parses, forwards, and does nothing else. No rules, no queue, no log; with a
//! commit, what came at once is written in one transaction with `synchronous=FULL`, and never read.
//! It is what this machine can do at most, and stands beside the daemon in each figure.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use minidom::rxml::{Parse, RawEvent, RawParser};
use rusqlite::Connection;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::http::{Wire, answer, request};
use crate::names;

/// How many calls are made to the homeserver at a time, each conversation's one after another.
const CALLS: usize = 8;

/// Where the relay's neighbours are.
#[derive(clap::Args)]
pub(crate) struct Relay {
    /// Where it listens for the homeserver.
    #[arg(long)]
    listen: SocketAddr,
    /// Where the homeserver is.
    #[arg(long)]
    homeserver: SocketAddr,
    /// Where the XMPP server is.
    #[arg(long)]
    xmpp: SocketAddr,
    /// The database to write each batch to; none without it.
    #[arg(long)]
    database: Option<PathBuf>,
    /// As the XMPP address of Alice.
    #[arg(long)]
    alice: String,
}

#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow)]
    events: Vec<Said<'a>>,
}

#[derive(Deserialize)]
struct Said<'a> {
    event_id: &'a str,
    room_id: &'a str,
    #[serde(borrow)]
    content: Text<'a>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
}

/// A message on its way to the homeserver.
#[derive(Default)]
struct Heard {
    from: String,
    id: String,
    body: String,
}

/// Runs until the XMPP server closes, or the process is ended.
pub(crate) async fn run(relay: Relay) -> Result<()> {
    let listener = TcpListener::bind(relay.listen).await?;
    let (mut read, write) = TcpStream::connect(relay.xmpp).await?.into_split();
    let (write, parser) = shake_hands(&mut read, write).await?;
    let mut hello = Wire::connect(relay.homeserver).await?;
    hello.ask(&request("POST", "/_matrix/client/v1/appservice/relay/ping", "t", "{}")).await?;
    let inward = inward(&relay, read, parser);
    let outward = outward(&relay, listener, write);
    tokio::select! {
        ended = inward => ended,
        ended = outward => ended,
    }
}

fn open(relay: &Relay, table: &str) -> Result<Option<Connection>> {
    let Some(path) = &relay.database else { return Ok(None) };
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (id TEXT, peer TEXT, body TEXT)"
    ))?;
    Ok(Some(connection))
}

fn commit<'a>(
    database: &mut Option<Connection>,
    table: &str,
    rows: impl Iterator<Item = [&'a str; 3]>,
) -> Result<()> {
    let Some(database) = database else { return Ok(()) };
    let transaction = database.transaction()?;
    {
        let mut insert =
            transaction.prepare_cached(&format!("INSERT INTO {table} VALUES (?, ?, ?)"))?;
        for row in rows {
            insert.execute(row)?;
        }
    }
    Ok(transaction.commit()?)
}

/// Matrix → XMPP: a transaction is answered when it is written on.
async fn outward(relay: &Relay, listener: TcpListener, mut xmpp: OwnedWriteHalf) -> Result<()> {
    let mut database = open(relay, "outward")?;
    loop {
        let mut wire = Wire::new(listener.accept().await?.0);
        while let Some(frame) = wire.read().await? {
            let transaction: Transaction = serde_json::from_slice(&frame.body)?;
            let rows = transaction.events.iter();
            let rows = rows.map(|said| [said.event_id, said.room_id, &*said.content.body]);
            commit(&mut database, "outward", rows)?;
            let mut stanzas = String::new();
            for said in &transaction.events {
                let user = said.room_id.trim_start_matches('!');
                let user = user.split(':').next().unwrap_or_default();
                stanzas.push_str("<message type='chat' from='");
                stanzas.push_str(&relay.alice);
                stanzas.push_str("' to='");
                stanzas.push_str(user);
                stanzas.push('@');
                stanzas.push_str(names::DOMAIN);
                stanzas.push_str("' id='");
                stanzas.push_str(said.event_id);
                stanzas.push_str("'><body>");
                escape(&mut stanzas, &said.content.body);
                stanzas.push_str("</body></message>");
            }
            xmpp.write_all(stanzas.as_bytes()).await?;
            wire.write(&answer("{}")).await?;
        }
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
}

/// XMPP → Matrix: one call after another for each conversation.
async fn inward(relay: &Relay, mut read: OwnedReadHalf, parser: RawParser) -> Result<()> {
    let mut database = open(relay, "inward")?;
    let mut callers = Vec::new();
    for _ in 0..CALLS {
        let (sender, mut messages) = mpsc::channel::<Heard>(1024);
        callers.push(sender);
        let mut wire = Wire::connect(relay.homeserver).await?;
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if wire.ask(&call(&message)).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut reading = Reading { parser, depth: 1, now: Heard::default(), heard: Vec::new() };
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        buffer.clear();
        if read.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if reading.take(&buffer)? {
            return Ok(());
        }
        let heard = std::mem::take(&mut reading.heard);
        let rows = heard.iter().map(|heard| [&*heard.id, &*heard.from, &*heard.body]);
        commit(&mut database, "inward", rows)?;
        for message in heard {
            let number: usize = message.from.bytes().map(usize::from).sum();
            callers[number % CALLS].send(message).await.context("the homeserver is gone")?;
        }
    }
}

fn call(message: &Heard) -> Vec<u8> {
    let mark = message.from.split('@').next().unwrap_or_default();
    let target = format!(
        "/_matrix/client/v3/rooms/!{mark}:hs.test/send/m.room.message/{}\
         ?user_id=@_drawbridge_xmpp_{mark}=40p.test:hs.test",
        message.id
    );
    let body = serde_json::json!({ "msgtype": "m.text", "body": message.body });
    request("PUT", &target, "t", &body.to_string())
}

struct Reading {
    parser: RawParser,
    depth: usize,
    now: Heard,
    heard: Vec<Heard>,
}

impl Reading {
    /// Reads what came. True at the end of the stream.
    fn take(&mut self, mut bytes: &[u8]) -> Result<bool> {
        loop {
            match self.parser.parse(&mut bytes, false) {
                Ok(Some(RawEvent::ElementHeadOpen(..))) => self.depth += 1,
                Ok(Some(RawEvent::Attribute(_, (None, name), value))) if self.depth == 2 => {
                    match name.as_str() {
                        "from" => self.now.from = value,
                        "id" => self.now.id = value,
                        _ => {}
                    }
                }
                Ok(Some(RawEvent::Text(_, text))) if self.depth == 3 => self.now.body += &text,
                Ok(Some(RawEvent::ElementFoot(_))) => {
                    self.depth -= 1;
                    match self.depth {
                        0 => return Ok(true),
                        1 => self.heard.push(std::mem::take(&mut self.now)),
                        _ => {}
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(minidom::rxml::error::EndOrError::NeedMoreData) => return Ok(false),
                Err(error) => bail!("not XML: {error:?}"),
            }
        }
    }
}

/// XEP-0114. The stub takes any secret.
async fn shake_hands(
    read: &mut OwnedReadHalf,
    mut write: OwnedWriteHalf,
) -> Result<(OwnedWriteHalf, RawParser)> {
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{}'>\
         <handshake>0</handshake>",
        names::COMPONENT
    );
    write.write_all(header.as_bytes()).await?;
    let mut parser = RawParser::new();
    let mut ends = 0;
    let mut buffer = Vec::new();
    while ends == 0 {
        buffer.clear();
        if read.read_buf(&mut buffer).await? == 0 {
            bail!("the server went away");
        }
        let mut bytes = &buffer[..];
        while let Ok(Some(event)) = parser.parse(&mut bytes, false) {
            ends += usize::from(matches!(event, RawEvent::ElementFoot(_)));
        }
    }
    Ok((write, parser))
}
