#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::io;

use proptest::prelude::*;

use super::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='bridge.p.test'>";

fn reading(after_header: &str) -> StanzaReader<io::Cursor<Vec<u8>>> {
    StanzaReader::new(io::Cursor::new(format!("{HEADER}{after_header}").into_bytes()))
}

async fn all(after_header: &str) -> Vec<Stanza> {
    let mut reader = reading(after_header);
    assert_eq!(reader.header().await.unwrap().as_deref(), Some("s1"));
    let mut read = Vec::new();
    while let Some(stanza) = reader.next().await.unwrap() {
        read.push(stanza);
    }
    read
}

#[tokio::test]
async fn stanzas_come_one_by_one_until_the_footer() {
    let read =
        all("<message id='1'><body>a&amp;b</body></message> <presence/></stream:stream>").await;
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].element.get_child("body", "jabber:component:accept").unwrap().text(), "a&b");
    assert!(read.iter().all(|stanza| stanza.whole));
    assert_eq!(read[1].element.name(), "presence");
}

#[tokio::test]
async fn a_stanza_nested_too_deep_is_cut_and_the_next_one_is_not() {
    let deep =
        format!("<message id='deep'>{}{}</message>", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let read = all(&format!("{deep}<message id='next'/>")).await;
    assert!(!read[0].whole);
    assert_eq!(read[0].element.attr("id"), Some("deep"));
    assert!(read[1].whole);
    assert_eq!(read[1].element.attr("id"), Some("next"));
}

#[tokio::test]
async fn a_long_attribute_harms_nobody() {
    let read = all(&format!("<message id='{}'/><message id='next'/>", "x".repeat(500_000))).await;
    assert!(read[0].whole);
    assert_eq!(read[0].element.attr("id").unwrap().len(), 500_000);
    assert_eq!(read[1].element.attr("id"), Some("next"));
}

#[tokio::test]
async fn a_stanza_of_too_many_nodes_is_cut_and_keeps_its_head() {
    let read = all(&format!("<message id='wide'>{}</message><iq/>", "<a/>".repeat(60_000))).await;
    assert!(!read[0].whole);
    assert_eq!(read[0].element.attr("id"), Some("wide"));
    assert!(read[1].whole);
    let attributes: Vec<_> = (0..20_000).map(|n| format!("a{n}=''")).collect();
    let attributes = attributes.join(" ");
    let read = all(&format!("<message id='many' {attributes}/><iq/>")).await;
    assert!(!read[0].whole);
    assert_eq!(read[0].element.attr("id"), Some("many"));
    assert!(read[1].whole);
}

#[tokio::test]
async fn text_beyond_the_limit_is_cut() {
    let read =
        all(&format!("<message><body>{}</body></message><iq/>", "y".repeat(MAX_BYTES + 1))).await;
    assert!(!read[0].whole);
    assert!(read[1].whole);
}

#[tokio::test]
async fn what_is_no_xml_is_an_error() {
    let mut reader = reading("<message></iq>");
    reader.header().await.unwrap();
    assert!(matches!(reader.next().await, Err(ReadError::NotXml)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = HEADER.as_bytes().to_vec();
        stream.extend(bytes);
        runtime.block_on(async {
            let mut reader = StanzaReader::new(io::Cursor::new(stream));
            let _ = reader.header().await;
            while let Ok(Some(_)) = reader.next().await {}
        });
    }
}
