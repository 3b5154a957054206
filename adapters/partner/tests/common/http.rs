//! Just enough HTTP to get and put files, and to do it badly.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// The path of a URL, as the operator's proxy hands it on.
pub fn path(url: &str) -> String {
    let path = url.strip_prefix("https://bridge.test").expect("the public URL");
    path.to_owned()
}

/// Sends the head of a request.
pub async fn begins(at: SocketAddr, method: &str, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: bridge.test\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads the answer to its end; `None` if there is none.
pub async fn ends(mut stream: TcpStream) -> Option<Answer> {
    let mut read = Vec::new();
    // What was read counts, however it ended.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("no end");
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: read.split_off(end + 4) })
}

pub async fn get(at: SocketAddr, url: &str, headers: &str) -> Answer {
    ends(begins(at, "GET", &path(url), headers).await).await.expect("an answer")
}

pub async fn put(at: SocketAddr, url: &str, bytes: &[u8]) -> Answer {
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let mut stream = begins(at, "PUT", &path(url), &length).await;
    // Whoever refuses it need not read it.
    let _ = stream.write_all(bytes).await;
    ends(stream).await.expect("an answer")
}
