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
    host: watch::Sender<Option<SocketAddr>>,
}

impl Xmpp {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Arrivals::default());
        let (present, component) = watch::channel(None);
        let noted = Arc::clone(&heard);
        let (host, hosted) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One component at a time; what ends its connection is its own business.
                let _ = serve(stream, &noted, &present, &hosted).await;
                present.send_replace(None);
            }
        });
        Ok(Self { address, heard, component, host })
    }

    /// Its upload service gives out slots there from now on.
    pub(crate) fn uploads_to(&self, host: SocketAddr) {
        self.host.send_replace(Some(host));
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
    host: &watch::Receiver<Option<SocketAddr>>,
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
    let outcome = listen(&mut read, buffer, heard, &sender, host).await;
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
    host: &watch::Receiver<Option<SocketAddr>>,
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
                let answer =
                    upload_service(bytes, *host.borrow()).unwrap_or_else(|| bytes.to_vec());
                back.send(answer).await?;
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

/// What the server's upload service (XEP-0363) answers, if it is asked.
fn upload_service(iq: &[u8], host: Option<SocketAddr>) -> Option<Vec<u8>> {
    let (iq, host) = (std::str::from_utf8(iq).ok()?, host?);
    let attribute = |name: &str| {
        let value = iq.split_once(&format!(" {name}="))?.1;
        let quote = value.chars().next()?;
        value[1..].split(quote).next()
    };
    let to = attribute("to")?;
    if !to.starts_with("upload.") {
        return None;
    }
    let answer = if iq.contains("disco#info") {
        "<query xmlns='http://jabber.org/protocol/disco#info'>\
         <identity category='store' type='file'/><feature var='urn:xmpp:http:upload:0'/></query>"
            .to_owned()
    } else if iq.contains("urn:xmpp:http:upload:0") {
        format!(
            "<slot xmlns='urn:xmpp:http:upload:0'><put url='http://{host}/put'/>\
             <get url='http://{host}/film'/></slot>"
        )
    } else {
        return None;
    };
    let (from, id) = (attribute("from")?, attribute("id")?);
    Some(format!("<iq type='result' from='{to}' to='{from}' id='{id}'>{answer}</iq>").into_bytes())
}
