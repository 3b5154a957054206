//! The door: everybody is answered, and nobody keeps the partner out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use common::{Home, PATIENCE, claims, hello, key};
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

impl Home {
    /// Sends this, and reads to the end.
    async fn answers(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.partner.listening().await.unwrap()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_answered_all_the_same() {
    let home = Home::open();
    let upgrade = "GET /partner/v1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let tries = [
        ("GET /partner/v1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(), "426"),
        ("GET /elsewhere HTTP/1.1\r\n\r\n".to_owned(), "404"),
        ("POST /partner/v1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(), "400"),
        ("GET /partner/v1 HTTP/1.0\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1} is TLS\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(50_000)), "400"),
        (format!("{upgrade}\r\n"), "401"),
        // With more behind it than is read, the answer must not be lost.
        (format!("{upgrade}\r\n{}", "x".repeat(100_000)), "401"),
    ];
    for (request, status) in tries {
        let answer = home.answers(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60}: {answer}");
        assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
        assert!(answer.contains("\r\n\r\n{\"error\":\""), "{answer}");
    }
    home.stops().await;
}

#[tokio::test]
async fn a_request_in_pieces_is_understood() {
    let home = Home::open();
    let mut stream = TcpStream::connect(home.partner.listening().await.unwrap()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in ["GET /part", "ner/v2 HT", "TP/1.1\r\n", "\r", "\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    home.stops().await;
}

#[tokio::test]
async fn a_hello_right_behind_the_request_is_heard() {
    let home = Home::open();
    let mut stream = TcpStream::connect(home.partner.listening().await.unwrap()).await.unwrap();
    let token = key().sign(&claims(None));
    let mut request = format!(
        "GET /partner/v1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: drawbridge.partner.v1\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes();
    let hello = hello(&json!({})).to_string();
    // A text frame of 126 to 65535 bytes, with a mask of zeros.
    request.extend([0x81, 0xfe]);
    request.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    request.extend([0; 4]);
    request.extend(hello.as_bytes());
    stream.write_all(&request).await.unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(r#""type":"welcome""#) {
        assert_ne!(timeout(PATIENCE, stream.read_buf(&mut heard)).await.unwrap().unwrap(), 0);
    }
    drop(stream);
    home.stops().await;
}

#[tokio::test]
async fn a_crowd_without_a_proof_keeps_nobody_out() {
    let home = Home::with(|config| config["max_connections"] = json!(2));
    let address = home.partner.listening().await.unwrap();
    let crowd = join_all((0..300).map(|_| TcpStream::connect(address))).await;
    let mut crowd: Vec<_> = crowd.into_iter().map(Result::unwrap).collect();
    home.carols_app().await;
    // The first had to go, the last is still there.
    let gone = timeout(PATIENCE, crowd[0].read(&mut [0])).await.unwrap();
    assert!(matches!(gone, Ok(0) | Err(_)));
    let open = crowd[299].try_read(&mut [0]).unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
    drop(crowd);
    home.stops().await;
}
