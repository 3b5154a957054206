//! Reads stanzas off a component stream, each into a tree of bounded depth and size.
//!
//! This is a reader of our own, upon the XML parser that the XMPP crates use, because theirs has two
//! limits which a hostile user could turn against everybody: an attribute of more than 8 KiB ends
//! the stream, and an element nested some ten thousand deep overflows the stack when it is freed.
//! Here the first is far above what a server lets through, and what is nested too deep, or is too
//! large, is cut off and said so, while the stream goes on.

use minidom::Element;
use minidom::rxml::parser::EventMetrics;
use minidom::rxml::{
    AttrMap, Event, Options, Parse, Parser, QName, WithOptions, error::EndOrError,
};
use tokio::io::{AsyncRead, AsyncReadExt};

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
const CHUNK: usize = 16 * 1024;

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
    parser: Parser,
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
            parser: Parser::with_options(options),
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

    fn take(&mut self, event: Event) -> Step {
        match event {
            Event::XmlDeclaration(..) => Step::Nothing,
            Event::StartElement(metrics, name, attributes) => {
                if self.opened {
                    self.start(metrics, name, attributes);
                    return Step::Nothing;
                }
                self.opened = true;
                let (_, found) = element(name, attributes);
                Step::Header { id: found.attr("id").map(str::to_owned) }
            }
            Event::Text(metrics, text) => {
                self.bytes = self.bytes.saturating_add(metrics.len());
                self.whole &= self.bytes <= MAX_BYTES;
                if self.whole
                    && self.skipped == 0
                    && let Some(open) = self.open.last_mut()
                {
                    open.append_text(text);
                }
                Step::Nothing
            }
            Event::EndElement(_) => self.end(),
        }
    }

    fn start(&mut self, metrics: EventMetrics, name: QName, attributes: AttrMap) {
        let root = self.open.is_empty();
        if root {
            (self.bytes, self.nodes, self.whole) = (0, 0, true);
        }
        let (nodes, element) = element(name, attributes);
        self.bytes = self.bytes.saturating_add(metrics.len());
        self.nodes = self.nodes.saturating_add(nodes);
        let fits = self.bytes <= MAX_BYTES
            && self.nodes <= MAX_NODES
            && self.open.len() < MAX_DEPTH
            && self.skipped == 0;
        self.whole &= fits;
        // The head of a stanza is always kept: whoever sent it must be told.
        if root || self.whole {
            self.open.push(element);
        } else {
            self.skipped += 1;
        }
    }

    fn end(&mut self) -> Step {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Step::Nothing;
        }
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

/// The element, and how many nodes it counts for.
fn element((namespace, name): QName, attributes: AttrMap) -> (usize, Element) {
    let mut element = Element::bare(name.as_str(), namespace.as_str());
    let mut nodes = 1;
    for ((namespace, name), value) in attributes {
        element.set_attr(namespace, name, value);
        nodes += 1;
    }
    (nodes, element)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
