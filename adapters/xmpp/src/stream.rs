//! Reads stanzas off a component stream, each into a tree of bounded depth and size.
//!
//! This is a reader of our own, upon the XML parser that the XMPP crates use, because theirs has
//! limits which a hostile user could turn against everybody: an attribute of more than 8 KiB ends
//! the stream, and elements nested some ten thousand deep take seconds, because each namespace is
//! looked for up to the root, and then overflow the stack when they are freed. Here the first limit
//! is far above what a server lets through, and what is nested too deep, or is too large, is cut off
//! before its names are looked up, and said so, while the stream goes on.

use minidom::Element;
use minidom::rxml::{Options, Parse, RawEvent, RawParser, WithOptions, error::EndOrError};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::names::{Head, Names};

/// The longest name, attribute value or piece of text, in bytes. Servers allow stanzas of 256 KiB
/// from clients and 512 KiB from other servers.
const MAX_TOKEN: usize = 1024 * 1024;
/// The deepest element within a stanza that is kept. Real ones stay below 20.
const MAX_DEPTH: usize = 64;
/// The most bytes of one stanza that are kept, with markup: 512 KiB, escaped by the server.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// The most elements and attributes of one stanza that are kept.
const MAX_NODES: usize = 10_000;
/// How much is read at a time; what is read ahead of a crash may be lost.
const CHUNK: usize = 4 * 1024;

/// One element below the stream's root.
#[derive(Debug)]
pub(crate) struct Stanza {
    /// It, as far as it was kept.
    pub(crate) element: Element,
    /// Whether all of it was kept.
    pub(crate) whole: bool,
}

/// Why no stanza could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection broke.
    Io,
    /// The server sent something that is not XML.
    NotXml,
}

/// Reads a stream of stanzas.
pub(crate) struct StanzaReader<R> {
    io: R,
    buffer: Vec<u8>,
    used: usize,
    parser: RawParser,
    names: Names,
    /// The tag that is being read, if it is to be kept.
    head: Option<Head>,
    /// The root, once it was read: the id of the stream.
    opened: bool,
    open: Vec<Element>,
    /// How many elements are open which are not kept.
    skipped: usize,
    bytes: usize,
    nodes: usize,
    whole: bool,
}

/// What one step of the parser gave.
enum Step {
    Header { id: Option<String> },
    Stanza(Stanza),
    Footer,
    Nothing,
}

impl<R: AsyncRead + Unpin> StanzaReader<R> {
    /// Reads from `io`, from the start of a stream.
    pub(crate) fn new(io: R) -> Self {
        let options = Options { max_token_length: MAX_TOKEN, ..Options::default() };
        Self {
            io,
            buffer: Vec::with_capacity(CHUNK),
            used: 0,
            parser: RawParser::with_options(options),
            names: Names::default(),
            head: None,
            opened: false,
            open: Vec::new(),
            skipped: 0,
            bytes: 0,
            nodes: 0,
            whole: true,
        }
    }

    /// The id in the stream's header. `None` if the stream ended, or has no id.
    pub(crate) async fn header(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            match self.step().await? {
                Some(Step::Header { id }) => return Ok(id),
                Some(Step::Nothing) => {}
                Some(Step::Stanza(_) | Step::Footer) | None => return Ok(None),
            }
        }
    }

    /// The next stanza; `None` when the server has closed the stream. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Stanza>, ReadError> {
        loop {
            match self.step().await? {
                Some(Step::Stanza(stanza)) => return Ok(Some(stanza)),
                Some(Step::Footer) | None => return Ok(None),
                Some(Step::Header { .. } | Step::Nothing) => {}
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Step>, ReadError> {
        loop {
            let mut rest = &self.buffer[self.used..];
            let before = rest.len();
            let parsed = self.parser.parse(&mut rest, false);
            self.used += before - rest.len();
            match parsed {
                Ok(Some(event)) => return Ok(Some(self.take(event))),
                Ok(None) => return Ok(None),
                Err(EndOrError::Error(_)) => return Err(ReadError::NotXml),
                Err(EndOrError::NeedMoreData) => {}
            }
            self.buffer.clear();
            self.used = 0;
            let read = (&mut self.io).take(CHUNK as u64).read_buf(&mut self.buffer).await;
            if read.map_err(|_| ReadError::Io)? == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self, event: RawEvent) -> Step {
        match event {
            RawEvent::XmlDeclaration(..) => {}
            RawEvent::ElementHeadOpen(metrics, name) => {
                if self.open.is_empty() {
                    (self.bytes, self.nodes, self.whole) = (0, 0, true);
                }
                self.grow(metrics.len(), 1);
                // The head of a stanza is always kept: whoever sent it must be told.
                let fits = self.whole && self.skipped == 0 && self.open.len() < MAX_DEPTH;
                if fits || self.open.is_empty() {
                    self.head = Some(Head::new(name));
                } else {
                    self.whole = false;
                    self.skipped += 1;
                }
            }
            RawEvent::Attribute(metrics, name, value) => {
                self.grow(metrics.len(), 1);
                if let Some(head) = &mut self.head {
                    head.attribute(name, value);
                }
            }
            RawEvent::ElementHeadClose(_) => return self.start(),
            RawEvent::Text(metrics, text) => {
                self.grow(metrics.len(), 0);
                if self.whole
                    && self.skipped == 0
                    && let Some(open) = self.open.last_mut()
                {
                    open.append_text(text);
                }
            }
            RawEvent::ElementFoot(_) => return self.end(),
        }
        Step::Nothing
    }

    fn grow(&mut self, bytes: usize, nodes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.nodes = self.nodes.saturating_add(nodes);
        self.whole &= self.bytes <= MAX_BYTES && self.nodes <= MAX_NODES;
    }

    fn start(&mut self) -> Step {
        let Some(head) = self.head.take() else {
            return Step::Nothing;
        };
        let (element, sound) = self.names.enter(head);
        if !self.opened {
            self.opened = true;
            return Step::Header { id: element.attr("id").map(str::to_owned) };
        }
        self.whole &= sound;
        self.open.push(element);
        Step::Nothing
    }

    fn end(&mut self) -> Step {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Step::Nothing;
        }
        self.names.leave();
        let Some(element) = self.open.pop() else {
            return Step::Footer;
        };
        match self.open.last_mut() {
            Some(parent) => {
                parent.append_child(element);
                Step::Nothing
            }
            None => Step::Stanza(Stanza { element, whole: self.whole }),
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
