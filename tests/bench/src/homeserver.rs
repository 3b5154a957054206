//! A stub of a homeserver, as an application service sees it: answers every call at once, and
//! pushes transactions one after another, as Synapse does.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::Result;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::arrivals::{Arrivals, Message, text};
use crate::http::{Frame, Wire, answer, request};
use crate::{media, names};

/// The stub.
pub(crate) struct Homeserver {
    pub(crate) address: SocketAddr,
    pub(crate) heard: Arc<Arrivals>,
    /// How often an application service has said that it is there.
    pub(crate) pings: watch::Receiver<u64>,
    /// The sizes of the files that were uploaded.
    pub(crate) uploads: watch::Receiver<Vec<u64>>,
    rooms: Arc<AtomicU64>,
    transactions: AtomicUsize,
}

struct Stub {
    heard: Arc<Arrivals>,
    pings: watch::Sender<u64>,
    uploads: watch::Sender<Vec<u64>>,
    rooms: Arc<AtomicU64>,
    events: AtomicU64,
}

impl Homeserver {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (heard, rooms) = (Arc::new(Arrivals::default()), Arc::new(AtomicU64::new(0)));
        let (pings, pinged) = watch::channel(0);
        let (uploads, uploaded) = watch::channel(Vec::new());
        let events = AtomicU64::new(0);
        let stub =
            Arc::new(Stub { heard: heard.clone(), pings, uploads, rooms: rooms.clone(), events });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stub = Arc::clone(&stub);
                tokio::spawn(async move {
                    let mut wire = Wire::new(stream);
                    while let Ok(Some(frame)) = wire.read().await {
                        let answered = match media::size_of(&frame.start) {
                            Some(size) => media::give(&mut wire, size).await,
                            None => wire.write(&answer(&stub.answer(&frame))).await,
                        };
                        if answered.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let transactions = AtomicUsize::new(0);
        Ok(Self { address, heard, pings: pinged, uploads: uploaded, rooms, transactions })
    }

    /// How many rooms were made so far.
    pub(crate) fn rooms_made(&self) -> u64 {
        self.rooms.load(Ordering::Relaxed)
    }

    /// A transaction with these messages, each by Alice in the room of one conversation.
    pub(crate) fn transaction(&self, messages: &[Message], run: usize, token: &str) -> Vec<u8> {
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed) + 1;
        // As where people write: not all at one time.
        let sent_at = 1_790_000_000_000 + 10 * transaction;
        let events: Vec<_> = messages
            .iter()
            .map(|message| {
                let (conversation, number) = message;
                json!({
                    "type": "m.room.message",
                    "event_id": event_id([transaction, *conversation, *number]),
                    "room_id": names::room(*conversation),
                    "sender": names::ALICE,
                    "origin_server_ts": sent_at,
                    "content": { "msgtype": "m.text", "body": text(run, *message) },
                    "unsigned": { "age": 12 },
                })
            })
            .collect();
        let body = json!({ "events": events, "ephemeral": [] }).to_string();
        let target = format!("/_matrix/app/v1/transactions/{transaction}");
        request("PUT", &target, token, &body)
    }
}

impl Stub {
    fn answer(&self, frame: &Frame) -> String {
        let line = decode(&frame.start);
        let of = |part: &str| line.contains(part);
        if of("/send/") {
            if of("/send/m.room.message/") {
                self.heard.note([frame.body.as_slice()]);
            }
            let number = self.events.fetch_add(1, Ordering::Relaxed);
            return format!("{{\"event_id\":\"$sent{number}\"}}");
        }
        let ghost = line.split("user_id=").nth(1).unwrap_or_default();
        let ghost = ghost.split(['&', ' ']).next().unwrap_or_default();
        let answer = match () {
            () if of("/appservice/") => {
                self.pings.send_modify(|pings| *pings += 1);
                json!({ "duration_ms": 1 })
            }
            () if of("/media/config") => json!({ "m.upload.size": u64::MAX >> 11 }),
            () if of("/upload") => {
                self.uploads.send_modify(|uploads| uploads.push(frame.length));
                json!({ "content_uri": "mxc://hs.test/film" })
            }
            () if of("/register") => json!({ "user_id": "@ghost:hs.test" }),
            () if of("/createRoom") => {
                self.rooms.fetch_add(1, Ordering::Relaxed);
                json!({ "room_id": names::room_of_ghost(ghost) })
            }
            () if of("/joined_members") => json!({ "joined": { names::ALICE: {}, ghost: {} } }),
            () if of("/joined_rooms") => json!({ "joined_rooms": [] }),
            () if of("/state/m.room.member/") => {
                // Of a reading and of a writing alike.
                json!({ "membership": "join", "displayname": "Alice", "event_id": "$member" })
            }
            () => json!({}),
        };
        answer.to_string()
    }
}

/// As long, and in as little order, as the ids of real events.
fn event_id(of: [usize; 3]) -> String {
    let half = |salt: usize| {
        let mut hash = DefaultHasher::new();
        (of, salt).hash(&mut hash);
        hash.finish()
    };
    format!("${:016x}{:016x}_{:010x}", half(0), half(1), half(2) >> 24)
}

/// The first line with its percent signs resolved.
fn decode(line: &str) -> String {
    let mut bytes = line.bytes();
    let mut out = Vec::with_capacity(line.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next()))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
