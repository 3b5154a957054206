#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{
    Content, ConversationId, NetworkId, Notice, Party, Report, ReportReason, Tag, Timestamp,
};
use drawbridge_testkit::ReferenceBridge;

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
    let adapter = XmppAdapter::new(server, addresses, Secret::new("open"), named);
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
