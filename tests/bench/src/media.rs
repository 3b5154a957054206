//! A large file each way: how fast it crosses, and how much memory the daemon ever held meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http::{Wire, request};
use crate::load::Way;
use crate::names;
use crate::subject::Subject;

/// The head of a film: by it the daemon knows what the file is.
const HEAD: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm";

const PATIENCE: Duration = Duration::from_mins(10);

/// What a file showed.
pub(crate) struct Carried {
    /// How many megabytes (10⁶ bytes) a second.
    pub(crate) rate: f64,
    /// Milliseconds of processor time a megabyte.
    pub(crate) cpu: f64,
}

/// A host of files: gives one of any size, and takes what is uploaded.
pub(crate) struct FileHost {
    pub(crate) address: SocketAddr,
    /// The sizes of the files that were uploaded.
    taken: watch::Receiver<Vec<u64>>,
}

impl FileHost {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (taking, taken) = watch::channel(Vec::new());
        let taking = Arc::new(taking);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let taking = Arc::clone(&taking);
                tokio::spawn(async move {
                    let mut wire = Wire::new(stream);
                    while let Ok(Some(frame)) = wire.read().await {
                        let answered = if let Some(size) = size_of(&frame.start) {
                            give(&mut wire, size).await
                        } else {
                            taking.send_modify(|taken| taken.push(frame.length));
                            wire.write(CREATED).await
                        };
                        if answered.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { address, taken })
    }
}

const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";

/// The size in a request for a file: `GET /…/film-1000 HTTP/1.1`.
pub(crate) fn size_of(start: &str) -> Option<u64> {
    let path = start.strip_prefix("GET ")?.split([' ', '?']).next()?;
    path.rsplit_once("film-")?.1.parse().ok()
}

/// Answers with a film of so many bytes.
pub(crate) async fn give(wire: &mut Wire, size: u64) -> Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: video/webm\r\ncontent-length: {size}\r\n\r\n");
    wire.write(head.as_bytes()).await?;
    wire.write(HEAD).await?;
    let piece = vec![0x5a; 256 * 1024];
    let mut left = size - HEAD.len() as u64;
    while left > 0 {
        let part = usize::try_from(left)?.min(piece.len());
        wire.write(&piece[..part]).await?;
        left -= part as u64;
    }
    Ok(())
}

/// The tables that such a file needs in the daemon's configuration.
pub(crate) fn tables(host: &FileHost) -> String {
    let host = host.address;
    format!(
        "upload_service = \"upload.{domain}\"\nupload_plain_hosts = [\"{host}\"]\n\
         media.private_hosts = [\"{host}\"]\n\n[media]\nmax_mib = 2000\nspool_mib = 8000\n",
        domain = names::DOMAIN,
    )
}

/// Sends a film of so many bytes one way, and waits until the other side has it.
pub(crate) async fn carry(
    subject: &mut Subject,
    host: &mut FileHost,
    way: Way,
    size: u64,
    run: usize,
) -> Result<Carried> {
    let before = subject.cpu_at_rest().await?;
    let started = Instant::now();
    let taken = match way {
        Way::A => {
            let event = json!({
                "type": "m.room.message",
                "event_id": format!("$film{run}"),
                "room_id": names::room(0),
                "sender": names::ALICE,
                "origin_server_ts": 1_790_000_000_000_u64,
                "content": {
                    "msgtype": "m.video", "body": "film.webm", "url": format!("mxc://hs.test/film-{size}"),
                    "info": { "mimetype": "video/webm", "size": size },
                },
            });
            let body = json!({ "events": [event], "ephemeral": [] }).to_string();
            let target = format!("/_matrix/app/v1/transactions/film{run}");
            let mut wire = Wire::connect(subject.listens()).await?;
            wire.ask(&request("PUT", &target, &subject.token, &body)).await?;
            &mut host.taken
        }
        Way::B => {
            let link = format!("http://{}/film-{size}", host.address);
            let stanza = format!(
                "<message from='{}/phone' to='{}' type='chat' id='film{run}'><body>{link}</body>\
                 <x xmlns='jabber:x:oob'><url>{link}</url></x>\
                 <file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>\
                 <file xmlns='urn:xmpp:file:metadata:0'><media-type>video/webm</media-type>\
                 <name>film.webm</name><size>{size}</size></file><sources>\
                 <url-data xmlns='http://jabber.org/protocol/url-data' target='{link}'/></sources>\
                 </file-sharing></message>",
                names::user(0),
                subject.alice
            );
            subject.xmpp.send(stanza.into_bytes()).await?;
            &mut subject.homeserver.uploads
        }
    };
    let arrived = tokio::time::timeout(PATIENCE, taken.wait_for(|taken| taken.len() >= run)).await;
    let last = arrived.context("the film never came")??.last().copied();
    ensure!(last == Some(size), "of the film's {size} bytes there came {last:?}");
    let took = started.elapsed();
    let cpu = subject.cpu_at_rest().await?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let megabytes = size as f64 / 1e6;
    Ok(Carried {
        rate: megabytes / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1000.0 / megabytes,
    })
}
