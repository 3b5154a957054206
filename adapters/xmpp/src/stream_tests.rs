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
async fn an_abyss_takes_no_longer_than_a_plain() {
    let levels = 200_000;
    let abyss = format!("<message>{}{}</message>", "<a>".repeat(levels), "</a>".repeat(levels));
    let before = std::time::Instant::now();
    let read = all(&format!("{abyss}<message id='next'/>")).await;
    // If names were looked up to the root, it would be a quarter of an hour.
    assert!(before.elapsed() < std::time::Duration::from_secs(20), "{:?}", before.elapsed());
    assert_eq!(read[1].element.attr("id"), Some("next"));
}

#[tokio::test]
async fn prefixes_stand_for_what_the_nearest_element_declares() {
    let read =
        all("<message xmlns:p='urn:1'><p:a xmlns:p='urn:2' p:k='v' xml:lang='en'><b/></p:a>\
         <p:c xmlns='urn:3'><d/></p:c><e xmlns=''/></message><message><p:a/></message><iq p:k=''/>\
         <iq a='1' a='2'/><iq xmlns:p='urn:1' xmlns:p='urn:2'/><iq/>")
        .await;
    let message = &read[0].element;
    let a = message.get_child("a", "urn:2").unwrap();
    assert_eq!(a.attr_ns("urn:2", "k"), Some("v"));
    assert_eq!(a.attr_ns("http://www.w3.org/XML/1998/namespace", "lang"), Some("en"));
    assert!(a.has_child("b", "jabber:component:accept"));
    assert!(message.get_child("c", "urn:1").unwrap().has_child("d", "urn:3"));
    assert!(message.has_child("e", ""));
    // An unknown prefix, or an attribute twice, is the fault of that stanza alone.
    let whole: Vec<_> = read.iter().map(|stanza| stanza.whole).collect();
    assert_eq!(whole, [true, false, false, false, false, true]);
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

fn many(attributes: usize) -> String {
    let attributes: Vec<_> = (0..attributes).map(|n| format!(" a{n}=''")).collect();
    attributes.concat()
}

/// Pieces of XML that mostly fit together.
fn any_xml() -> impl Strategy<Value = String> {
    let attributes = prop_oneof![
        4 => Just(String::new()),
        2 => "( a='[a-z]{0,3}')?( b='&lt;')?( xmlns='urn:[1-3]')?( p:k='v')?",
        1 => (4_000..12_000_usize).prop_map(many),
    ];
    let text = prop_oneof!["[a-z &<]{0,5}", Just("&lt;&#65;".to_owned())];
    let leaf = (attributes, text, "(p:)?[a-c]", 1..80_usize);
    let leaf = leaf.prop_map(|(attributes, text, name, depth)| {
        let (open, close) = ("<x>".repeat(depth), "</x>".repeat(depth));
        format!("<{name} xmlns:p='urn:p'{attributes}>{open}{text}{close}</{name}>")
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|parts| format!("<y>{}</y>", parts.concat()))
    })
}

fn depth(element: &Element) -> usize {
    1 + element.children().map(depth).max().unwrap_or(0)
}

fn nodes(element: &Element) -> usize {
    1 + element.attrs().iter().count() + element.children().map(nodes).sum::<usize>()
}

/// Gives what is written in pieces of this size.
struct Pieces(io::Cursor<Vec<u8>>, usize);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let mut piece = vec![0; self.1.min(into.remaining())];
        let read = io::Read::read(&mut self.0, &mut piece)?;
        into.put_slice(&piece[..read]);
        std::task::Poll::Ready(Ok(()))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut stream = HEADER.as_bytes().to_vec();
        stream.extend(bytes);
        runtime().block_on(async {
            let mut reader = StanzaReader::new(io::Cursor::new(stream));
            let _ = reader.header().await;
            while let Ok(Some(_)) = reader.next().await {}
        });
    }

    #[test]
    fn what_is_kept_is_bounded_and_said_to_be_cut(
        parts in prop::collection::vec(any_xml(), 0..4),
        piece in prop_oneof![1..9_usize, 100..5_000_usize],
    ) {
        let sent: Vec<_> = parts.iter().map(|xml| format!("<message>{xml}</message>")).collect();
        let sent = sent.concat();
        runtime().block_on(async {
            let stream = io::Cursor::new(format!("{HEADER}{sent}</stream:stream>").into_bytes());
            let mut reader = StanzaReader::new(Pieces(stream, piece));
            reader.header().await.unwrap();
            let mut read = 0;
            while let Ok(Some(stanza)) = reader.next().await {
                assert!(depth(&stanza.element) <= MAX_DEPTH);
                let alone = format!("<message xmlns='jabber:component:accept'>{}</message>", parts[read]);
                if stanza.whole {
                    assert!(nodes(&stanza.element) <= MAX_NODES);
                    assert_eq!(stanza.element, alone.parse::<Element>().unwrap());
                } else if let Ok(alone) = alone.parse::<Element>() {
                    assert!(depth(&alone) > MAX_DEPTH || nodes(&alone) > MAX_NODES / 2);
                }
                read += 1;
            }
        });
    }
}
