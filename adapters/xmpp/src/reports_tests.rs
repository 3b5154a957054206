#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use drawbridge_adapter::{EventId, NetworkId};
use drawbridge_testkit::ReferenceBridge;

use super::*;

fn addresses() -> Addresses {
    Addresses::new(NetworkId::new("xmpp").unwrap(), "bridge.p.test".to_owned())
}

/// Whom an answer with these fields names; only users of p.test and q.test fit.
fn named(kind: &str, fields: &[(&str, &[&str])]) -> Vec<String> {
    let value = |value: &&str| format!("<value>{value}</value>");
    let field = |(var, values): &(&str, &[&str])| {
        let values = values.iter().map(value).collect::<Vec<_>>().concat();
        format!("<field var='{var}'>{values}</field>")
    };
    let fields = fields.iter().map(field).collect::<Vec<_>>().concat();
    let text = format!(
        "<iq xmlns='jabber:component:accept' type='result'>\
         <query xmlns='http://jabber.org/protocol/disco#info'><identity/>\
         <x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>urn:other</value></field>\
         <field var='abuse-addresses'><value>xmpp:trap@p.test</value></field></x>\
         <x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>{kind}</value></field>{fields}</x>\
         </query></iq>"
    );
    let fits = |user: &UserId| user.id().ends_with("@p.test") || user.id().ends_with("@q.test");
    contacts(&text.parse().unwrap(), &addresses(), fits)
}

#[test]
fn a_server_names_contacts_in_the_order_of_their_use() {
    let abuse: (&str, &[&str]) = ("abuse-addresses", &["mailto:a@p.test", "xmpp:Abuse@P.test"]);
    let admin: (&str, &[&str]) = ("admin-addresses", &["xmpp:admin@p.test"]);
    let support: (&str, &[&str]) = ("support-addresses", &["xmpp:support@p.test"]);
    let named = |fields: &[(&str, &[&str])]| named(ns::SERVER_INFO, fields);
    assert_eq!(named(&[support, admin, abuse]), ["abuse@p.test"]);
    assert_eq!(named(&[support, admin]), ["admin@p.test"]);
    assert_eq!(named(&[support, ("abuse-addresses", &["mailto:a@p.test"])]), ["support@p.test"]);
    assert!(named(&[("sales-addresses", &["xmpp:sales@p.test"])]).is_empty());
}

#[test]
fn a_form_of_another_kind_names_nobody() {
    assert!(named("urn:x", &[("abuse-addresses", &["xmpp:abuse@p.test"])]).is_empty());
    let error = "<iq xmlns='jabber:component:accept' type='error'><error/></iq>".parse().unwrap();
    assert!(contacts(&error, &addresses(), |_| true).is_empty());
}

#[test]
fn only_three_users_of_our_own_servers_count() {
    for (uri, jid) in [
        ("xmpp:ann@p.test", Some("ann@p.test")),
        ("xmpp:ann%40p.test", Some("ann@p.test")),
        ("xmpp:ann@p.test?message;subject=x", Some("ann@p.test")),
        ("xmpp:ann@p.test/desk", Some("ann@p.test")),
        ("xmpp:ann@q.test", Some("ann@q.test")),
        ("xmpp:room@p.test?join", None),
        ("xmpp:ann@elsewhere.test", None),
        ("xmpp:matrix_a@bridge.p.test", None),
        ("xmpp:p.test", None),
        ("xmpp:ann%4", None),
        ("xmpp:%ff@p.test", None),
        ("https://p.test", None),
        ("xmpp:", None),
    ] {
        let found = named(ns::SERVER_INFO, &[("abuse-addresses", &[uri])]);
        assert_eq!(found, jid.into_iter().collect::<Vec<_>>(), "{uri}");
    }
    let many: Vec<_> =
        (0..5).flat_map(|n| [format!("xmpp:u{n}@p.test"), "xmpp:u0@p.test".into()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let found = named(ns::SERVER_INFO, &[("abuse-addresses", &many)]);
    assert_eq!(found, ["u0@p.test", "u1@p.test", "u2@p.test"]);
}

#[test]
fn a_report_names_messages_and_holds_none() {
    let id = |id: &str| EventId::new(id).unwrap();
    let report = Report {
        about: "xmpp:bob@p.test".parse().unwrap(),
        by: "matrix:@alice:hs.test".parse().unwrap(),
        reason: ReportReason::Spam,
        messages: vec![id("aa/11/m1"), id("bb22"), id("cc/33/<m/2>")],
        words: "Bob & co.".to_owned(),
    };
    let wire = write(&report, "ann@p.test", "k-0", &addresses()).to_wire();
    assert_eq!(
        wire,
        "<message type='chat' from='bridge.p.test' to='ann@p.test' id='k-0'>\
         <body>Bob &amp; co.</body>\
         <report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='m1' by='bob@p.test'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='&lt;m/2&gt;' by='bob@p.test'/>\
         <text xml:lang='en'>Bob &amp; co.</text></report></message>"
    );
}

const NAMED: [&str; 2] = ["ann@p.test", "eve@p.test"];

fn reports() -> (Reports, Arc<Outward>) {
    let outward = Arc::new(Outward::new("bridge.p.test".to_owned()));
    let to = NAMED.map(str::to_owned).to_vec();
    (Reports::new(Arc::new(addresses()), Arc::clone(&outward), to), outward)
}

fn error(id: &str, from: &str) -> Element {
    let text =
        format!("<message xmlns='jabber:component:accept' type='error' id='{id}' from='{from}'/>");
    text.parse().unwrap()
}

/// Tells of one; it comes back at once from these.
async fn tells(
    reports: &Reports,
    outward: &Outward,
    back: &[Element],
) -> Result<Delivered, DeliveryError> {
    let report = Report {
        about: "xmpp:bob@p.test".parse().unwrap(),
        by: "matrix:@alice:hs.test".parse().unwrap(),
        reason: ReportReason::Spam,
        messages: Vec::new(),
        words: "Bob.".to_owned(),
    };
    let bridge = ReferenceBridge::new(NetworkId::new("xmpp").unwrap()).handle();
    let mut written = outward.open(1);
    let serving = async {
        while let Some(wire) = written.recv().await {
            if wire.starts_with("<iq") {
                for error in back {
                    assert!(outward.bounced(error));
                }
                let ping = wire.replacen("<iq", "<iq xmlns='jabber:component:accept'", 1);
                assert!(outward.answered(&ping.parse().unwrap()));
                return;
            }
        }
    };
    tokio::join!(reports.tell(&report, "ab12", &bridge), serving).0
}

#[tokio::test]
async fn a_report_that_comes_back_late_is_known_and_the_last_ones_return_is_told() {
    let (reports, outward) = reports();
    assert!(!reports.came_back(&error("ab12-0", NAMED[0])), "it was not sent yet");
    tells(&reports, &outward, &[]).await.unwrap();
    for (id, from) in
        [("ab12-0", NAMED[1]), ("ab12-2", NAMED[0]), ("ab12", NAMED[0]), ("cd34-0", NAMED[0])]
    {
        assert!(!reports.came_back(&error(id, from)), "{id} from {from}");
    }
    let may = || reports.rarely.may_because(&REPORT_UNTOLD, CAME_BACK_LATE);
    assert!(reports.came_back(&error("ab12-1", &format!("{}/desk", NAMED[1]))));
    assert!(!reports.came_back(&error("ab12-1", NAMED[1])), "it came back twice");
    assert_eq!(reports.lock().len(), 1);
    assert!(reports.came_back(&error("ab12-0", NAMED[0])));
    assert!(!may(), "nobody was told that it reaches nobody");
    assert!(reports.lock().is_empty());
}

#[tokio::test]
async fn a_report_is_told_if_one_of_them_got_it() {
    let (reports, outward) = reports();
    let [ann, eve] = [error("ab12-0", NAMED[0]), error("ab12-1", NAMED[1])];
    tells(&reports, &outward, std::slice::from_ref(&ann)).await.unwrap();
    assert!(!reports.came_back(&ann), "it is known to have come back");
    assert!(reports.came_back(&eve) && reports.lock().is_empty());
    let refused = tells(&reports, &outward, &[ann, eve]).await;
    assert!(matches!(refused, Err(DeliveryError::Refused { .. })), "{refused:?}");
    assert!(reports.lock().is_empty());
}

#[test]
fn only_the_latest_reports_are_remembered() {
    let (reports, _) = reports();
    for n in 0..SENT + 2 {
        reports.goes_out(&format!("{n:x}"), vec![NAMED[0].to_owned()]);
    }
    assert_eq!(reports.lock().len(), SENT);
    assert!(!reports.came_back(&error("1-0", NAMED[0])));
    assert!(reports.came_back(&error("2-0", NAMED[0])));
}
