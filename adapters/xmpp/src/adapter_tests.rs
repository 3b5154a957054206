#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{
    Content, ConversationId, Memo, NetworkId, Notice, Party, Presence, Reference, Report,
    ReportReason, Tag, Text, There, Timestamp,
};
use drawbridge_testkit::ReferenceBridge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn delivery(key: &str, command: Command) -> Delivery {
    let (bob, carol) = ("xmpp:bob@p.test".parse().unwrap(), "elsewhere:carol".parse().unwrap());
    Delivery {
        key: key.to_owned(),
        tag: Tag::of(b"salt", &[key]),
        conversation: ConversationId::direct(&bob, &carol),
        accepted_at: Timestamp(0),
        attempt: 1,
        command,
        attached: None,
    }
}

fn message() -> Command {
    Command::Message(Message {
        from: Party { user: "elsewhere:carol".parse().unwrap(), name: None },
        to: "xmpp:bob@p.test".parse().unwrap(),
        content: Content::text("hello"),
        reply: None,
        sent_at: Timestamp(0),
        words: None,
        silent: false,
    })
}

/// What needs nothing of the server.
fn nothing() -> Command {
    let (from, to) = ("elsewhere:carol".parse().unwrap(), "xmpp:bob@p.test".parse().unwrap());
    Command::RequestOver(RequestOver { from, to, accepted: true })
}

fn report() -> Command {
    Command::Report(Report {
        about: "xmpp:bob@p.test".parse().unwrap(),
        by: "elsewhere:carol".parse().unwrap(),
        reason: ReportReason::Spam,
        messages: Vec::new(),
        words: "Bob.".to_owned(),
    })
}

fn notice() -> Command {
    let to = "xmpp:bob@p.test".parse().unwrap();
    Command::Notice(Notice { to, text: "Done.".to_owned(), reply_path: None })
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_failure_for_now_is_not_tried() {
    let network = NetworkId::new("xmpp").unwrap();
    let addresses = Addresses::new(network.clone(), "bridge.p.test".to_owned());
    let server = ("p.test".to_owned(), 5347);
    let named = vec!["ann@p.test".to_owned()];
    let adapter =
        XmppAdapter::new(server, addresses, Secret::new("open"), named, Chosen::default());
    assert!(adapter.bridge.set(ReferenceBridge::new(network).handle()).is_ok());
    let mut written = adapter.outward.open(1);
    let all = [message(), nothing(), report(), notice()];
    let batch: Vec<_> = ["a1", "b2", "c3", "d4"].into_iter().zip(all).collect();
    let batch: Vec<_> = batch.into_iter().map(|(key, command)| delivery(key, command)).collect();
    let losing = async {
        assert!(written.recv().await.unwrap().contains("hello"));
        adapter.outward.lose();
        // It is there again at once, and would take what comes next.
        adapter.outward.open(2)
    };
    let (outcomes, mut again) = tokio::join!(adapter.deliver(&batch), losing);
    assert!(matches!(outcomes[0], Err(DeliveryError::Unknown { .. })), "{outcomes:?}");
    assert!(outcomes.len() <= 2 && again.try_recv().is_err(), "{outcomes:?}");
}

#[tokio::test]
async fn an_edit_names_the_file_after_a_restart_until_it_is_taken_back() {
    const KEY: &str = "01a2b3c4d5e0123456789abcdef";
    let network = NetworkId::new("xmpp").unwrap();
    let addresses = Addresses::new(network.clone(), "bridge.p.test".to_owned());
    let server = ("p.test".to_owned(), 5347);
    let none = Vec::new();
    let adapter = XmppAdapter::new(server, addresses, Secret::new("open"), none, Chosen::default());
    let bridge = ReferenceBridge::new(network).handle();
    assert!(adapter.bridge.set(bridge.clone()).is_ok());
    // As an earlier run wrote it down.
    let link = "https://p.test/pier.png";
    let noted = format!("{{\"link\":\"{link}\",\"kind\":\"image\",\"info\":{{\"size\":7}}}}");
    bridge.remember(vec![Memo::set(format!("upload/{KEY}"), noted)]).await.unwrap();

    let of = Reference { id: EventId::new(KEY).unwrap(), was: Was::Delivered, sent_at: None };
    let edit = Content::Edit { of: of.clone(), text: Text::plain("the pier") };
    let mut written = adapter.outward.open(1);
    for (key, content, named) in
        [("e1", edit.clone(), true), ("e2", Content::Retraction { of }, false), ("e3", edit, false)]
    {
        let Command::Message(message) = message() else { unreachable!() };
        let batch = [delivery(key, Command::Message(Message { content, ..message }))];
        let taking = async {
            let wire = written.recv().await.unwrap();
            let ping = written.recv().await.unwrap();
            let ping = ping.replacen("<iq ", "<iq xmlns='jabber:component:accept' ", 1);
            assert!(adapter.outward.answered(&ping.parse().unwrap()));
            wire
        };
        let (outcomes, wire) = tokio::join!(adapter.deliver(&batch), taking);
        assert!(matches!(outcomes[..], [Ok(_)]), "{outcomes:?}");
        assert_eq!(wire.contains("<file-sharing "), named, "{wire}");
        assert_eq!(wire.contains(link), named, "{wire}");
    }
    assert!(bridge.recall_all("upload/", "", 9).await.unwrap().is_empty());
}

/// Reads from a stream until this is in what was read, or it ends; what was read.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(end) {
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn when_the_bridge_goes_it_is_said_of_all_ghosts_before_the_stream_ends() {
    const GHOSTS: usize = 300;
    let network = NetworkId::new("xmpp").unwrap();
    let addresses = Addresses::new(network.clone(), "bridge.p.test".to_owned());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
    let adapter =
        XmppAdapter::new(server, addresses, Secret::new("open"), Vec::new(), Chosen::default());
    let reference = ReferenceBridge::new(network);
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_to(&mut stream, "to='bridge.p.test'>").await;
        let header = "<stream:stream xmlns='jabber:component:accept' id='1' \
            xmlns:stream='http://etherx.jabber.org/streams' from='bridge.p.test'>";
        stream.write_all(header.as_bytes()).await.unwrap();
        read_to(&mut stream, "</handshake>").await;
        stream.write_all(b"<handshake/>").await.unwrap();
        while !adapter.outward.mention(&Xml::new("presence")) {
            tokio::task::yield_now().await;
        }
        for n in 0..GHOSTS {
            let (by, to) = (format!("elsewhere:g{n}"), "xmpp:bob@p.test".parse().unwrap());
            let by = by.parse().unwrap();
            adapter.signal(Signal::Presence(Presence { by, to, is: There::Online }));
        }
        reference.stop();
        let written = read_to(&mut stream, "</stream:stream>").await;
        stream.write_all(b"</stream:stream>").await.unwrap();
        written
    };
    let (ended, written) = tokio::join!(adapter.run(reference.handle()), serving);
    assert!(ended.is_ok());
    let said = |n: usize| {
        let from = format!("<presence type='unavailable' from='elsewhere_g{n}@bridge.p.test'");
        written.matches(&from).count() == 1
    };
    assert_eq!((0..GHOSTS).filter(|n| said(*n)).count(), GHOSTS);
    assert!(written.ends_with("</stream:stream>"));
}
