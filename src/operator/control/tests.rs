#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use proptest::prelude::*;

use super::client::{Client, ClientError};
use super::server::Socket;
use super::*;
use crate::operator::health::Standing;
use crate::operator::tests::House;

/// Does what blocks beside the daemon.
async fn beside<T: Send + 'static>(
    house: &House,
    talk: impl FnOnce(&Path) -> T + Send + 'static,
) -> T {
    let socket = house.dir.path().join("control.sock");
    tokio::task::spawn_blocking(move || talk(&socket)).await.unwrap()
}

#[tokio::test]
async fn one_connection_asks_many_things() {
    let house = House::open().await;
    beside(&house, |socket| {
        let mode = std::fs::metadata(socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = Client::connect(socket).unwrap();
        let Response::Health(health) = client.ask(&Request::Status).unwrap() else { panic!() };
        assert_eq!(health.status, Standing::Ok);
        let all = Request::Queue { network: None, after: 0, limit: usize::MAX };
        assert!(matches!(client.ask(&all).unwrap(), Response::Queue(items) if items.is_empty()));
        for nothing in [
            Request::Show { id: 7 },
            Request::Retry { id: -7 },
            Request::Drop { id: i64::MIN },
            Request::RetryAll { network: NetworkId::new("nowhere").unwrap() },
        ] {
            let answer = client.ask(&nothing).unwrap();
            assert!(matches!(answer, Response::Error { code: Problem::NoSuch, .. }), "{answer:?}");
        }
    })
    .await;
    house.ends().await;
}

#[tokio::test]
async fn what_is_not_understood_is_said_and_ends_the_connection() {
    let house = House::open().await;
    for odd in ["nonsense\n", "{\"do\":\"sing\"}\n", "{}\n", "\n", "\0\n"] {
        beside(&house, move |socket| {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(odd.as_bytes()).unwrap();
            let mut answer = String::new();
            BufReader::new(stream).read_to_string(&mut answer).unwrap();
            assert!(answer.contains("\"malformed\"") && answer.lines().count() == 1, "{answer}");
        })
        .await;
    }
    beside(&house, |socket| {
        let mut stream = UnixStream::connect(socket).unwrap();
        // The daemon may close before all is written.
        let _ = stream.write_all(&vec![b'x'; 100_000]);
        let mut answer = String::new();
        let read = BufReader::new(stream).read_line(&mut answer);
        assert!(read.is_err() || answer.contains("\"malformed\""), "{answer}");
    })
    .await;
    house.ends().await;
}

#[tokio::test]
async fn the_socket_of_a_dead_daemon_is_replaced_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    // What a killed daemon leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path), Err(ClientError::NotRunning(_))));
    let socket = Socket::bind(&path).unwrap();
    assert!(Client::connect(&path).is_ok());
    assert!(Socket::bind(&path).err().unwrap().to_string().contains("answers there"));
    drop(socket);
    assert!(!path.exists());
    assert!(matches!(Client::connect(&path), Err(ClientError::NotRunning(_))));
    std::fs::write(&path, "precious").unwrap();
    assert!(Socket::bind(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

proptest! {
    #[test]
    fn no_request_makes_the_reading_panic(line in any::<Vec<u8>>()) {
        let _ = serde_json::from_slice::<Request>(&line);
    }
}
