#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use drawbridge_adapter::Code;

use super::*;

const DOMAIN: &str = "bridge.p.test";

fn ready(key: &str) -> Ready {
    let to = "bob@p.test".to_owned();
    Ready { key: key.to_owned(), to, wire: format!("<message id='{key}'/>") }
}

fn element(text: &str) -> Element {
    text.replacen(' ', " xmlns='jabber:component:accept' ", 1).parse().unwrap()
}

fn bounce(id: &str, from: &str, kind: &str, condition: &str) -> Element {
    element(&format!(
        "<message type='error' id='{id}' from='{from}'><error type='{kind}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ))
}

/// The server: takes what is written until the ping, and gives the ping's stanza.
async fn reads_to_ping(written: &mut mpsc::Receiver<String>) -> (Vec<String>, Element) {
    let mut taken = Vec::new();
    loop {
        let wire = written.recv().await.unwrap();
        if wire.starts_with("<iq") {
            return (taken, element(&wire));
        }
        taken.push(wire);
    }
}

type Outcomes = Vec<Result<Delivered, Undelivered>>;

/// A window of three, answered by these errors, and then by the ping.
async fn window(errors: &[Element]) -> Outcomes {
    let outward = Outward::new(DOMAIN.to_owned());
    let mut written = outward.open(1);
    let sending = outward.send(vec![ready("a"), ready("b"), ready("c")]);
    let serving = async {
        let (taken, ping) = reads_to_ping(&mut written).await;
        assert_eq!(taken, ["<message id='a'/>", "<message id='b'/>", "<message id='c'/>"]);
        for error in errors {
            outward.bounced(error);
        }
        assert!(outward.answered(&ping));
    };
    let (outcomes, ()) = tokio::join!(sending, serving);
    assert!(outward.lock().watched.is_empty() && outward.lock().barriers.is_empty());
    outcomes
}

fn shown(outcomes: &Outcomes) -> Vec<String> {
    let show = |outcome: &Result<Delivered, Undelivered>| match outcome {
        Ok(_) => "ok".to_owned(),
        Err(Undelivered::Returned(returned)) => returned.refusal.code.to_string(),
        Err(Undelivered::Other(DeliveryError::Unknown { .. })) => "unknown".to_owned(),
        Err(Undelivered::Other(DeliveryError::Disconnected)) => "disconnected".to_owned(),
        Err(Undelivered::Other(other)) => panic!("{other:?}"),
    };
    outcomes.iter().map(show).collect()
}

#[tokio::test]
async fn the_ping_confirms_all_before_it() {
    let outcomes = window(&[]).await;
    assert_eq!(shown(&outcomes), ["ok", "ok", "ok"]);
    let id = outcomes[1].as_ref().unwrap().id.clone().unwrap();
    assert_eq!(id.as_str(), "b");
}

#[tokio::test]
async fn an_error_is_of_one_message_only() {
    let gone = bounce("b", "bob@p.test", "cancel", "service-unavailable");
    assert_eq!(shown(&window(&[gone]).await), ["ok", &Code::NotReachable.to_string(), "ok"]);
}

#[tokio::test]
async fn nothing_is_sent_again_behind_what_was_shown() {
    let full = bounce("b", "bob@p.test/phone", "wait", "resource-constraint");
    let outcomes = window(&[full]).await;
    assert_eq!(shown(&outcomes), ["ok", "rate_limited", "ok"]);
    let Err(Undelivered::Returned(returned)) = &outcomes[1] else {
        panic!("not refused: {outcomes:?}")
    };
    assert!(returned.refusal.retry_after.is_some() && !returned.perhaps_blocked);
}

#[tokio::test]
async fn a_strangers_error_says_nothing() {
    let forged = bounce("b", "mallory@p.test", "cancel", "service-unavailable");
    assert_eq!(shown(&window(&[forged]).await), ["ok", "ok", "ok"]);
}

#[tokio::test]
async fn only_our_own_ping_is_an_answer() {
    let outward = Outward::new(DOMAIN.to_owned());
    let _written = outward.open(1);
    assert!(!outward.answered(&element("<iq type='result' id='x' from='bob@p.test'/>")));
    assert!(!outward.answered(&element("<iq type='result' id='x'/>")));
    assert!(outward.answered(&element("<iq type='error' id='x' from='bridge.p.test'/>")));
}

#[tokio::test]
async fn another_connections_ping_is_noticed() {
    let outward = Outward::new(DOMAIN.to_owned());
    let (_earlier, _written) = (outward.open(1), outward.open(2));
    let ping = |id: &str| {
        element(&format!("<iq type='get' id='{id}' from='bridge.p.test' to='bridge.p.test'/>"))
    };
    for ours in ["0000000000000001-3", "0000000000000002-0", "0000000000000002-7"] {
        assert!(outward.answered(&ping(ours)) && !outward.lock().shared, "{ours}");
    }
    assert!(outward.answered(&ping("0000000000000003-1")) && outward.lock().shared);
    let _next = outward.open(4);
    assert!(!outward.lock().shared);
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_open() {
    let outward = Outward::new(DOMAIN.to_owned());
    let mut written = outward.open(1);
    let losing = async {
        reads_to_ping(&mut written).await;
        outward.lose();
    };
    let (outcomes, ()) = tokio::join!(outward.send(vec![ready("a"), ready("b")]), losing);
    assert_eq!(shown(&outcomes), ["unknown"]);
    assert_eq!(shown(&outward.send(vec![ready("a")]).await), ["disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_confirms_nothing_is_not_waited_for_for_ever() {
    let outward = Outward::new(DOMAIN.to_owned());
    let _written = outward.open(1);
    assert_eq!(shown(&outward.send(vec![ready("a")]).await), ["unknown"]);
    assert!(outward.lock().watched.is_empty() && outward.lock().barriers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_query_is_answered_by_whom_it_asks() {
    let outward = Outward::new(DOMAIN.to_owned());
    let query = |id: &str| Xml::new("iq").attr("type", "get").attr("id", id);
    let answer = |id: &str, from: &str, kind: &str| {
        let text = format!("<iq type='{kind}' id='{id}' from='{from}'/>");
        Stanza { element: element(&text), whole: true }
    };
    assert_eq!(outward.ask("bob@p.test", query).await.err(), Some(DeliveryError::Disconnected));
    let mut written = outward.open(1);
    let serving = async {
        let id = element(&written.recv().await.unwrap()).attr("id").unwrap().to_owned();
        for (from, kind) in [("mallory@p.test", "result"), ("bob@p.test", "get")] {
            assert!(outward.informed(answer(&id, from, kind)).is_some(), "{from} {kind}");
        }
        assert!(outward.informed(answer(&id, "bob@p.test", "result")).is_none());
        assert!(outward.informed(answer(&id, "bob@p.test", "result")).is_some());
    };
    let (answered, ()) = tokio::join!(outward.ask("bob@p.test", query), serving);
    assert_eq!(answered.unwrap().element.attr("type"), Some("result"));
    // Nobody answers the next one.
    let unanswered = outward.ask("bob@p.test", query).await;
    assert!(matches!(unanswered, Err(DeliveryError::Unknown { .. })), "{unanswered:?}");
    assert!(outward.lock().asked.is_empty());
}
