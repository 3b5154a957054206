//! A stub of an XMPP server, as a component sees it (XEP-0114): lets it in, sends its pings back,
//! counts what it says, and floods it.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::arrivals::{Arrivals, Message, text};
use crate::names;

/// The stub.
pub(crate) struct Xmpp {
    pub(crate) address: SocketAddr,
    pub(crate) heard: Arc<Arrivals>,
    /// The way to the component, while it is there.
    component: watch::Receiver<Option<mpsc::Sender<Vec<u8>>>>,
}

impl Xmpp {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Arrivals::default());
        let (present, component) = watch::channel(None);
        let noted = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One component at a time; what ends its connection is its own business.
                let _ = serve(stream, &noted, &present).await;
                present.send_replace(None);
            }
        });
        Ok(Self { address, heard, component })
    }

    /// Waits until the component is there.
    pub(crate) async fn joined(&mut self) -> Result<()> {
        self.component.wait_for(Option::is_some).await?;
        Ok(())
    }

    /// Waits until no component is there any more.
    pub(crate) async fn left(&mut self) -> Result<()> {
        self.component.wait_for(Option::is_none).await?;
        Ok(())
    }

    /// Sends it these bytes.
    pub(crate) async fn send(&self, bytes: Vec<u8>) -> Result<()> {
        let component = self.component.borrow().clone().context("no component is there")?;
        component.send(bytes).await.context("the component is gone")
    }
}

/// A message by the XMPP user of a conversation to Alice, at this address of hers.
pub(crate) fn message(alice: &str, message: Message, run: usize) -> String {
    let (conversation, number) = message;
    format!(
        "<message from='{}/phone' to='{alice}' type='chat' id='r{run}n{number}'>\
         <body>{}</body></message>",
        names::user(conversation),
        text(run, message)
    )
}

async fn serve(
    stream: TcpStream,
    heard: &Arrivals,
    present: &watch::Sender<Option<mpsc::Sender<Vec<u8>>>>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.into_split();
    let mut buffer = Vec::with_capacity(256 * 1024);
    until(&mut read, &mut buffer, b"<stream:stream").await?;
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' from='{}' id='bench'>",
        names::COMPONENT
    );
    write.write_all(header.as_bytes()).await?;
    until(&mut read, &mut buffer, b"</handshake>").await?;
    write.write_all(b"<handshake/>").await?;
    let (sender, mut outgoing) = mpsc::channel::<Vec<u8>>(1024);
    let writing = tokio::spawn(async move {
        while let Some(bytes) = outgoing.recv().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    present.send_replace(Some(sender.clone()));
    let outcome = listen(&mut read, buffer, heard, &sender).await;
    present.send_replace(None);
    drop(sender);
    writing.await?;
    outcome
}

/// Reads up to the first `>` behind `mark`.
async fn until(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>, mark: &[u8]) -> Result<()> {
    loop {
        if let Some(at) = memmem::find(buffer, mark)
            && let Some(end) = memchr::memchr(b'>', &buffer[at + mark.len() - 1..])
        {
            buffer.drain(..at + mark.len() + end);
            return Ok(());
        }
        if read.read_buf(buffer).await? == 0 {
            anyhow::bail!("the component went away");
        }
    }
}

async fn listen(
    read: &mut OwnedReadHalf,
    mut buffer: Vec<u8>,
    heard: &Arrivals,
    back: &mpsc::Sender<Vec<u8>>,
) -> Result<()> {
    loop {
        let mut used = 0;
        let mut messages = Vec::new();
        while let Some(stanza) = stanza(&buffer, used) {
            used = stanza.end;
            let bytes = &buffer[stanza];
            if bytes.starts_with(b"<message") {
                messages.push(bytes);
            } else if bytes.starts_with(b"<iq") {
                // A component's ping of its own domain is routed back to itself.
                back.send(bytes.to_vec()).await?;
            } else if bytes.starts_with(b"</stream") {
                back.send(b"</stream:stream>".to_vec()).await?;
                return Ok(());
            }
        }
        if !messages.is_empty() {
            heard.note(messages);
        }
        buffer.drain(..used);
        if read.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The first whole stanza behind `from`.
fn stanza(buffer: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + memchr::memchr(b'<', &buffer[from..])?;
    let rest = &buffer[start..];
    let head = memchr::memchr(b'>', rest)?;
    if rest[head - 1] == b'/' || rest.starts_with(b"</") {
        return Some(start..start + head + 1);
    }
    let close: &[u8] = match rest.get(1)? {
        b'm' => b"</message>",
        b'i' => b"</iq>",
        _ => b"</presence>",
    };
    Some(start..start + memmem::find(rest, close)? + close.len())
}
