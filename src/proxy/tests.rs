#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

mod links;
mod server;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::Incoming;
use futures_util::StreamExt;

use super::addresses::Names;
use super::{Hosts, Pace, Proxy, Unfetched};
use server::{Book, LOOPBACK, PUBLIC, Play, Server, answer, say};

const MOST: u64 = 100_000;
/// How long a proxy waits that has no patience.
const SOON: Duration = Duration::from_millis(300);

/// A proxy whose names all lead to one host, wherever they claim to be.
struct World {
    server: Server,
    book: Arc<Book>,
    proxy: Proxy,
    hosts: Hosts,
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl World {
    /// The host is `files.test`, with TLS, and the network's only one besides `*.cdn.test`.
    async fn whose_host(plays: impl Fn(&str) -> Vec<Play> + Send + Sync + 'static) -> Self {
        let names =
            ["files.test", "a.cdn.test", "xn--bcher-kva.test", "localhost", "127.0.0.1", "::1"];
        let server = Server::secure(&names, plays).await;
        let hosts = Hosts::new(&strings(&["files.test", "*.cdn.test", "bücher.test"])).unwrap();
        Self::with(server, hosts, Pace::USUAL)
    }

    fn with(server: Server, hosts: Hosts, pace: Pace) -> Self {
        let book = Book::of(server.port);
        for name in ["files.test", "a.cdn.test", "xn--bcher-kva.test", "other.test"] {
            book.name(name, &[&[PUBLIC]]);
        }
        book.name("localhost", &[&[LOOPBACK]]);
        let root: Vec<_> = server.root.iter().cloned().collect();
        let names: Arc<dyn Names> = book.clone();
        let proxy = Proxy::with(&names, pace, &root).unwrap();
        Self { server, book, proxy, hosts }
    }

    fn at(self, pace: Pace) -> Self {
        Self::with(self.server, self.hosts, pace)
    }

    async fn opens(&self, link: &str) -> Result<Incoming, Unfetched> {
        self.proxy.open(link, &self.hosts, MOST).await
    }

    /// How it ends if it has to be an error from the beginning.
    async fn fails(&self, link: &str) -> Unfetched {
        self.opens(link).await.map(|file| format!("{file:?}")).unwrap_err()
    }

    async fn reads(&self, link: &str) -> io::Result<Vec<u8>> {
        reads(self.opens(link).await.unwrap()).await
    }
}

async fn reads(mut file: Incoming) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = file.body.next().await {
        all.extend_from_slice(&piece?);
    }
    assert!(file.body.next().await.is_none());
    Ok(all)
}

fn file() -> Vec<Play> {
    answer("200 OK", &["Content-Length: 5"], "hello")
}

fn to(location: &str) -> Vec<Play> {
    answer("302 Found", &[&format!("Location: {location}"), "Set-Cookie: a=b"], "")
}

#[tokio::test]
async fn a_file_comes_whole_and_the_host_learns_nothing() {
    let world = World::whose_host(|path| match path {
        "/moved?key=secret" => to("/file#part"),
        _ => file(),
    });
    let world = world.await;
    let opened = world.opens("https://files.test/moved?key=secret#top").await.unwrap();
    assert_eq!(opened.size, Some(5));
    assert_eq!(reads(opened).await.unwrap(), b"hello");
    let heard = world.server.heard();
    assert!(heard[0].starts_with("GET /moved?key=secret HTTP/1.1\r\n"), "{}", heard[0]);
    assert!(heard[1].starts_with("GET /file HTTP/1.1\r\n"), "{}", heard[1]);
    let agent = concat!("user-agent: drawbridge/", env!("CARGO_PKG_VERSION"));
    for head in &heard {
        let mut lines: Vec<_> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["accept-encoding: identity", "accept: */*", "host: files.test", agent]);
    }
}

#[tokio::test]
async fn a_name_is_the_same_in_all_its_spellings() {
    let world = World::whose_host(|_| file()).await;
    for link in [
        "https://FILES.test./x",
        "HTTPS://files.test:443/x",
        "https://ﬁles.test/x",
        "https://BÜCHER.test/x",
        "https://a.cdn.test/x",
    ] {
        assert_eq!(world.reads(link).await.unwrap(), b"hello", "{link}");
    }
}

#[tokio::test]
async fn a_private_host_is_asked_without_tls_at_its_port_alone() {
    let server = Server::plain(|_| file()).await;
    let private = format!("localhost:{}", server.port);
    let hosts = Hosts::new(&strings(&["*"])).unwrap().and_private(&[private]).unwrap();
    let world = World::with(server, hosts, Pace::USUAL);
    let port = world.server.port;
    assert_eq!(world.reads(&format!("http://localhost:{port}/x")).await.unwrap(), b"hello");
    for link in [
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{}/x", port.wrapping_add(1).max(1)),
        "http://localhost/x".to_owned(),
        "http://files.test/x".to_owned(),
    ] {
        assert_eq!(world.fails(&link).await, Unfetched::Denied, "{link}");
    }
    assert_eq!(world.server.heard().len(), 1);
    // The name may stand for what is private, but not for what is nobody's.
    for address in ["169.254.169.254", "0.0.0.0", "224.0.0.1", "::", "fe80::1", "::ffff:127.0.0.1"]
    {
        world.book.name("localhost", &[&[address.parse().unwrap()]]);
        let failed = world.fails(&format!("http://localhost:{port}/x")).await;
        assert_eq!(failed, Unfetched::Denied, "{address}");
    }
}

#[tokio::test]
async fn a_host_sends_the_proxy_nowhere_where_it_would_not_go() {
    let world = World::whose_host(|path| to(path.strip_prefix("/to/").unwrap())).await;
    let port = world.server.port;
    let mut denied = strings(&[
        "http://files.test/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://0x7f.1/",
        "https://other.test/",
        "//other.test/",
        "https://cdn.test/",
        "https://files.test:8443/",
        "https://zoe:secret@files.test/",
        "file:///etc/passwd",
        "gopher://files.test/",
    ]);
    denied.extend([format!("https://127.0.0.1:{port}/"), format!("http://localhost:{port}/")]);
    for (asked, location) in denied.iter().enumerate() {
        let failed = world.fails(&format!("https://files.test/to/{location}")).await;
        assert_eq!(failed, Unfetched::Denied, "{location}");
        assert_eq!(world.server.heard().len(), asked + 1, "{location}");
    }
    for location in ["https://", "https://exa<mple/"] {
        let failed = world.fails(&format!("https://files.test/to/{location}")).await;
        assert_eq!(failed, Unfetched::Gone, "{location}");
    }
}

#[tokio::test]
async fn a_host_sends_the_proxy_on_five_times_and_not_in_circles() {
    let world = World::whose_host(|path| match path.trim_start_matches('/').parse::<u32>() {
        Ok(0) => file(),
        Ok(left) => to(&format!("https://a.cdn.test/{}", left - 1)),
        Err(_) => to(path),
    });
    let world = world.await;
    assert_eq!(world.reads("https://files.test/5").await.unwrap(), b"hello");
    assert_eq!(world.server.heard().len(), 6);
    assert_eq!(world.fails("https://files.test/6").await, Unfetched::Gone);
    assert_eq!(world.server.heard().len(), 12);
    assert_eq!(world.fails("https://files.test/round").await, Unfetched::Gone);
    assert_eq!(world.server.heard().len(), 18);
}

#[tokio::test]
async fn a_name_is_looked_at_anew_wherever_it_is_dialled() {
    let world = World::whose_host(|path| if path == "/again" { to("/x") } else { file() }).await;
    world.book.name("files.test", &[&[PUBLIC], &[LOOPBACK]]);
    assert_eq!(world.reads("https://files.test/x").await.unwrap(), b"hello");
    assert_eq!(world.fails("https://files.test/x").await, Unfetched::Denied);
    world.book.name("files.test", &[&[PUBLIC], &[LOOPBACK]]);
    assert_eq!(world.fails("https://files.test/again").await, Unfetched::Denied);
    assert_eq!(world.book.dialled(), [PUBLIC, PUBLIC]);
    assert_eq!(world.server.heard().len(), 2);
}

#[tokio::test]
async fn of_mixed_addresses_only_the_good_are_dialled() {
    let world = World::whose_host(|_| file()).await;
    let bad =
        ["10.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fc00::1", "169.254.169.254"];
    let bad: Vec<IpAddr> = bad.iter().map(|address| address.parse().unwrap()).collect();
    let mixed = [&bad[..3], &[PUBLIC], &bad[3..]].concat();
    world.book.name("files.test", &[&mixed]);
    assert_eq!(world.reads("https://files.test/x").await.unwrap(), b"hello");
    assert_eq!(world.book.dialled(), [PUBLIC]);
    for address in &bad {
        world.book.name("files.test", &[&[*address]]);
        assert_eq!(world.fails("https://files.test/x").await, Unfetched::Denied, "{address}");
    }
    world.book.name("files.test", &[&[]]);
    let unknown = Unfetched::Later { why: "the host's name has no address", after: None };
    assert_eq!(world.fails("https://files.test/x").await, unknown);
    assert_eq!(world.fails("https://b.cdn.test/x").await, unknown);
    assert_eq!(world.server.heard().len(), 1);
}

#[tokio::test]
async fn the_machines_own_names_are_looked_at_too() {
    let hosts = Hosts::new(&strings(&["localhost"])).unwrap();
    let opened = Proxy::new().unwrap().open("https://localhost/x", &hosts, MOST).await;
    assert_eq!(opened.map(|_| ()), Err(Unfetched::Denied));
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_name_is_not_asked() {
    let server = Server::secure(&["other.test"], |_| file()).await;
    let world = World::with(server, Hosts::new(&strings(&["files.test"])).unwrap(), Pace::USUAL);
    let failed = world.fails("https://files.test/x").await;
    assert_eq!(failed, Unfetched::Later { why: "the host cannot be reached", after: None });
    assert!(world.server.heard().is_empty());
}

#[tokio::test]
async fn no_file_is_longer_than_it_may_be_or_than_it_was_said() {
    let world = World::whose_host(|path| match path {
        "/said" => answer("200 OK", &["Content-Length: 100001"], ""),
        "/vast" => answer("200 OK", &["Content-Length: 18446744073709551613"], ""),
        "/endless" => vec![say("HTTP/1.1 200 OK\n\n"), Play::Forever(vec![b'a'; 8192])],
        "/chunks" => {
            let head = say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n");
            vec![head, Play::Forever(b"5\r\nhello\r\n".to_vec())]
        }
        "/both" => {
            let head = "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n";
            vec![say(head), Play::Forever(b"5\r\nhello\r\n".to_vec())]
        }
        "/longer" => answer("200 OK", &["Content-Length: 5"], "hello and more"),
        "/shorter" => answer("200 OK", &["Content-Length: 9"], "hello"),
        "/torn" => answer("200 OK", &["Transfer-Encoding: chunked"], "5\r\nhello\r\n"),
        _ => vec![say("HTTP/1.1 200 OK\n\n"), Play::Say(vec![b'a'; 100_000])],
    });
    let world = world.await;
    for path in ["said", "vast"] {
        let failed = world.fails(&format!("https://files.test/{path}")).await;
        assert_eq!(failed, Unfetched::TooLarge { limit: MOST }, "{path}");
    }
    for (path, kind) in [
        ("endless", io::ErrorKind::FileTooLarge),
        ("chunks", io::ErrorKind::FileTooLarge),
        ("both", io::ErrorKind::FileTooLarge),
        ("shorter", io::ErrorKind::UnexpectedEof),
        ("torn", io::ErrorKind::UnexpectedEof),
    ] {
        let error = world.reads(&format!("https://files.test/{path}")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}");
        assert!(!format!("{error} {error:?}").contains("test"), "{error:?}");
    }
    assert_eq!(world.reads("https://files.test/longer").await.unwrap(), b"hello");
    assert_eq!(world.reads("https://files.test/whole").await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_file_of_single_bytes_comes_in_pieces_worth_writing() {
    let world = World::whose_host(|_| {
        let head = say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n");
        vec![head, Play::Say(b"1\r\na\r\n".repeat(50_000)), say("0\n\n")]
    });
    let mut file = world.await.opens("https://files.test/x").await.unwrap();
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(piece) = file.body.next().await {
        (pieces, bytes) = (pieces + 1, bytes + piece.unwrap().len());
    }
    assert_eq!(bytes, 50_000);
    assert!(pieces < 5_000, "{pieces}");
}

#[tokio::test]
async fn what_comes_packed_is_not_taken() {
    let world = World::whose_host(|path| {
        let encoding = format!("Content-Encoding: {}", &path[1..]);
        answer("200 OK", &["Content-Length: 5", &encoding], "hello")
    });
    let world = world.await;
    for encoding in ["gzip", "GZIP", "br", "zstd", "deflate", "identity,gzip", "x"] {
        let failed = world.fails(&format!("https://files.test/{encoding}")).await;
        assert_eq!(failed, Unfetched::Gone, "{encoding}");
    }
    assert_eq!(world.reads("https://files.test/Identity").await.unwrap(), b"hello");
}

#[tokio::test]
async fn who_dawdles_is_left() {
    let world = World::whose_host(|path| match path {
        "/silent" => vec![Play::Hold],
        "/waits" => vec![Play::Drip(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec(), SOON / 30, 1000)],
        "/heads" => vec![say("HTTP/1.1 200 OK\nA: "), Play::Drip(vec![b'a'], SOON / 30, 1000)],
        "/round" => vec![Play::Drip(Vec::new(), SOON / 3, 1), to("/round").remove(0)],
        "/stops" => vec![say("HTTP/1.1 200 OK\nContent-Length: 9\n\nhello"), Play::Hold],
        _ => vec![say("HTTP/1.1 200 OK\n\n"), Play::Drip(vec![b'a'], SOON / 30, 1000)],
    });
    let world = world.await.at(Pace { answer: SOON, ..Pace::USUAL });
    for path in ["silent", "waits", "heads", "round"] {
        let failed = world.fails(&format!("https://files.test/{path}")).await;
        let late = Unfetched::Later { why: "the host did not answer in time", after: None };
        assert_eq!(failed, late, "{path}");
    }
    let world = world.at(Pace { idle: SOON, ..Pace::USUAL });
    let error = world.reads("https://files.test/stops").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let world = world.at(Pace { grace: SOON, slowest: 1 << 20, ..Pace::USUAL });
    let error = world.reads("https://files.test/drips").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_file_may_take_a_minute_and_then_as_long_as_its_bytes_earn() {
    let pace = Pace::USUAL;
    assert_eq!(pace.allows(0), Duration::from_mins(1));
    assert_eq!(pace.allows(100 * 64 * 1024), Duration::from_secs(160));
    assert!(pace.allows(u64::MAX) > pace.allows(1 << 50));
}

#[tokio::test]
async fn no_head_is_endless() {
    let world = World::whose_host(|path| match path {
        "/line" => vec![say("HTTP/1.1 200 OK\nA: "), Play::Forever(vec![b'a'; 8192])],
        "/lines" => vec![say("HTTP/1.1 200 OK\n"), Play::Forever(b"A: b\r\n".repeat(100))],
        "/status" => vec![Play::Forever(vec![b'H'; 8192])],
        "/location" => to(&format!("/{}", "a".repeat(10_000))),
        _ => vec![say("SSH-2.0-OpenSSH_10.0\n"), Play::Hold],
    });
    let world = world.await;
    for path in ["line", "lines", "status", "ssh"] {
        let failed = world.fails(&format!("https://files.test/{path}")).await;
        let none = Unfetched::Later { why: "the host did not answer", after: None };
        assert_eq!(failed, none, "{path}");
    }
    assert_eq!(world.fails("https://files.test/location").await, Unfetched::Gone);
}

#[tokio::test]
async fn a_host_says_whether_it_is_worth_coming_again() {
    let world = World::whose_host(|path| {
        let (status, after) = path[1..].split_once('/').unwrap();
        let after = after.replace('_', " ");
        answer(
            &format!("{status} So"),
            &["Content-Length: 0", &format!("Retry-After: {after}")],
            "",
        )
    });
    let world = world.await;
    for status in [204, 206, 300, 302, 304, 400, 401, 403, 404, 410, 451] {
        let failed = world.fails(&format!("https://files.test/{status}/3")).await;
        assert_eq!(failed, Unfetched::Gone, "{status}");
    }
    let day = Duration::from_hours(24);
    for (status, text, expected) in [
        (429, "120", Some(Duration::from_mins(2))),
        (503, "0", Some(Duration::ZERO)),
        (503, "99999999999", Some(day)),
        (503, "Tue,_31_Dec_2999_23:59:59_GMT", Some(day)),
        (503, "Fri,_31_Dec_1999_23:59:59_GMT", Some(Duration::ZERO)),
        (500, "-1", None),
        (502, "99999999999999999999999", None),
        (408, "soon", None),
    ] {
        let failed = world.fails(&format!("https://files.test/{status}/{text}")).await;
        let Unfetched::Later { after, .. } = failed else { panic!("{status}: {failed:?}") };
        assert_eq!(after, expected, "{text}");
    }
}
