#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn answer(kind: &str, inner: &str) -> Stanza {
    let text = format!("<iq xmlns='jabber:component:accept' type='{kind}'>{inner}</iq>");
    Stanza { element: text.parse().unwrap(), whole: true }
}

fn slot(put: &str, get: &str, headers: &str) -> Stanza {
    let slot = format!(
        "<slot xmlns='urn:xmpp:http:upload:0'><put url='{put}'>{headers}</put><get url='{get}'/></slot>"
    );
    answer("result", &slot)
}

fn outcome(stanza: &Stanza) -> Result<(String, String), Denied> {
    let plain = [PlainHost::parse("127.0.0.1:5280").unwrap()];
    read(stanza, &plain, NOW).map(|slot| (slot.put.to_string(), slot.link))
}

#[test]
fn a_place_is_one_with_tls_or_on_a_host_that_needs_none() {
    let (tls, plain) = ("https://u.test/a?b=1", "http://127.0.0.1:5280/a");
    for (put, get) in [(tls, tls), (plain, plain), (tls, plain)] {
        assert_eq!(outcome(&slot(put, get, "")), Ok((put.to_owned(), get.to_owned())));
    }
    let long = format!("https://u.test/{}", "x".repeat(Locator::MAX));
    for (put, get, denied) in [
        ("http://u.test/a", tls, Denied::Plain),
        (tls, "http://127.0.0.1:5281/a", Denied::Plain),
        ("http://127.0.0.1@u.test:5280/a", tls, Denied::Unreadable),
        ("https://me:secret@u.test/a", tls, Denied::Unreadable),
        ("file:///etc/passwd", tls, Denied::Unreadable),
        (tls, "/a", Denied::Unreadable),
        (tls, "https://u.test/a&#10;b", Denied::Unreadable),
        (tls, &long, Denied::Unreadable),
        ("", "", Denied::Unreadable),
    ] {
        assert_eq!(outcome(&slot(put, get, "")), Err(denied), "{put} {get}");
    }
    let cut = Stanza { whole: false, ..slot(tls, tls, "") };
    assert_eq!(outcome(&cut), Err(Denied::Unreadable));
    assert_eq!(outcome(&answer("result", "")), Err(Denied::Unreadable));
}

#[test]
fn only_three_headers_go_with_it_and_none_has_line_breaks() {
    let header = |name: &str, value: &str| format!("<header name='{name}'>{value}</header>");
    let all = header("Authorization", "Bearer a\r\nb")
        + &header("COOKIE", "c=1")
        + &header("Host", "evil.test")
        + &header("Content-Length", "1")
        + &header("Expires", &"x".repeat(LONGEST + 1))
        + &header("Cookie", "c=2")
        + &header("Expires\n", "now");
    let slot = read(&slot("https://u.test/", "https://u.test/", &all), &[], NOW);
    let headers = slot.map(|slot| slot.headers).ok().unwrap();
    let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(
        shown,
        [
            ("authorization", &HeaderValue::from_static("Bearer ab")),
            ("cookie", &HeaderValue::from_static("c=1")),
            ("expires", &HeaderValue::from_static("now")),
        ]
    );
    assert!(shown.iter().all(|(_, value)| value.is_sensitive()));
}

#[test]
fn a_service_says_why_it_gives_none() {
    let large = "<file-too-large xmlns='urn:xmpp:http:upload:0'>\
        <max-file-size>20000</max-file-size></file-too-large>";
    let retry = "<retry xmlns='urn:xmpp:http:upload:0' stamp='2027-01-15T08:00:30Z'/>";
    let late = "<retry xmlns='urn:xmpp:http:upload:0' stamp='2099-01-01T00:00:00Z'/>";
    let past = "<retry xmlns='urn:xmpp:http:upload:0' stamp='1999-01-01T00:00:00Z'/>";
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (kind, condition, inner, denied) in [
        ("modify", "not-acceptable", large, Denied::TooLarge(Some(20_000))),
        ("modify", "not-acceptable", &large.replace("20000", "x"), Denied::TooLarge(None)),
        ("modify", "not-acceptable", "", Denied::Refused),
        ("wait", "resource-constraint", retry, Denied::Later(seconds(30))),
        ("wait", "resource-constraint", late, Denied::Later(seconds(3600))),
        ("wait", "resource-constraint", past, Denied::Later(None)),
        ("cancel", "resource-constraint", "", Denied::Later(None)),
        ("wait", "internal-server-error", "", Denied::Later(None)),
        ("cancel", "service-unavailable", "", Denied::Gone),
        ("auth", "forbidden", "", Denied::Closed),
        ("cancel", "not-allowed", "", Denied::Closed),
    ] {
        let error = format!(
            "<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             {inner}</error>"
        );
        assert_eq!(outcome(&answer("error", &error)), Err(denied), "{condition} {inner}");
    }
    assert_eq!(outcome(&answer("error", "")), Err(Denied::Refused));
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(
        url in "(https?://)?.{0,40}",
        name in "authorization|cookie|.{0,12}",
        value in ".{0,40}",
        condition in "[a-z-]{1,20}",
        stamp in "(20[0-9]{2}-0[1-9]-[0-3][0-9]T[0-9:]{8}Z)|.{0,20}",
    ) {
        let mut header = Element::bare("header", ns::UPLOAD);
        header.append_text(value.as_str());
        header.set_attr(minidom::rxml::Namespace::NONE, "name".try_into().unwrap(), name.as_str());
        let mut answer = answer("result", "");
        let mut slot = Element::bare("slot", ns::UPLOAD);
        for name in ["put", "get"] {
            let mut part = Element::bare(name, ns::UPLOAD);
            part.set_attr(minidom::rxml::Namespace::NONE, "url".try_into().unwrap(), url.as_str());
            part.append_child(header.clone());
            slot.append_child(part);
        }
        answer.element.append_child(slot);
        if let Ok(slot) = read(&answer, &[], NOW) {
            prop_assert!(slot.put.scheme() == "https" && slot.link.len() <= Locator::MAX);
            prop_assert!(slot.headers.len() <= HEADERS.len());
        }
        let mut error = Element::bare("error", "jabber:component:accept");
        error.append_child(Element::bare(condition.as_str(), ns::STANZAS));
        let mut retry = Element::bare("retry", ns::UPLOAD);
        retry.set_attr(minidom::rxml::Namespace::NONE, "stamp".try_into().unwrap(), stamp.as_str());
        error.append_child(retry);
        let mut refusal = self::answer("error", "");
        refusal.element.append_child(error);
        prop_assert!(outcome(&refusal).is_err());
    }
}
