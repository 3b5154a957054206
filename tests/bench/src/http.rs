//! As much of HTTP/1.1 as two programs need that are known to each other: keep-alive, bodies with
//! a length. So little that what is measured is the daemon.

use anyhow::{Context, Result, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One end of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    used: usize,
}

/// A request or an answer.
pub(crate) struct Frame {
    /// The first line.
    pub(crate) start: String,
    /// Empty if it is large.
    pub(crate) body: Vec<u8>,
    /// How long the body was.
    pub(crate) length: u64,
}

/// From which length on a body is counted only.
const LARGE: usize = 8 << 20;

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Without it each message would wait for the other side's acknowledgement.
        let _ = stream.set_nodelay(true);
        Self { stream, buffer: Vec::with_capacity(64 * 1024), used: 0 }
    }

    pub(crate) async fn connect(address: std::net::SocketAddr) -> Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }

    /// The next request or answer; none when the other side has closed.
    pub(crate) async fn read(&mut self) -> Result<Option<Frame>> {
        let head = loop {
            if let Some(end) = memmem::find(&self.buffer[self.used..], b"\r\n\r\n") {
                break self.used + end + 4;
            }
            if !self.fill().await? {
                return Ok(None);
            }
        };
        // `fill` may have moved what is there, `used` with it.
        let text = std::str::from_utf8(&self.buffer[self.used..head])?;
        let (start, headers) = text.split_once("\r\n").context("no first line")?;
        let (start, length) = (start.to_owned(), length(headers)?);
        self.used = head;
        if length >= LARGE {
            self.pass_over(length).await?;
            return Ok(Some(Frame { start, body: Vec::new(), length: length as u64 }));
        }
        while self.buffer.len() - self.used < length {
            if !self.fill().await? {
                bail!("the connection ended within a body");
            }
        }
        let body = self.buffer[self.used..self.used + length].to_vec();
        self.used += length;
        Ok(Some(Frame { start, body, length: length as u64 }))
    }

    async fn pass_over(&mut self, length: usize) -> Result<()> {
        let mut left = length;
        loop {
            let here = left.min(self.buffer.len() - self.used);
            self.used += here;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            if !self.fill().await? {
                bail!("the connection ended within a body");
            }
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Asks, and waits for the answer; it must be a success.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Frame> {
        self.write(request).await?;
        let answer = self.read().await?.context("no answer")?;
        if !answer.start.starts_with("HTTP/1.1 200") {
            bail!("refused: {}", answer.start);
        }
        Ok(answer)
    }
}

fn length(headers: &str) -> Result<usize> {
    for line in headers.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    Ok(0)
}

/// A request with a body of JSON.
pub(crate) fn request(method: &str, target: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The answer to one.
pub(crate) fn answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
