//! What the conformance suite does not know of: hostile stanzas, requests, the handshake. Against
//! real servers and a foreign client.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{Adapter, Code, Connection, NetworkId, UserId};
use drawbridge_servers::{User, XmppSoftware, XmppUser};
use drawbridge_testkit::{ELSEWHERE, ReferenceBridge};
use tokio::task::JoinHandle;

use crate::stage::{DOMAIN, SECRET, Server, with};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const CAROL: &str = "elsewhere_carol@bridge.p.test";
const NOBODY: &str = "elsewhere_nobody-at-all@bridge.p.test";
pub(crate) const STANZA: &str = "xmlns='jabber:client'";

/// Each of them with each server's software.
macro_rules! tests {
    ($($name:ident)+) => {
        tests!(prosody: XmppSoftware::Prosody, $($name)+);
        tests!(ejabberd: XmppSoftware::Ejabberd, $($name)+);
    };
    ($server:ident: $software:expr, $($name:ident)+) => {
        mod $server {
            use super::{Result, XmppSoftware};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() -> Result<()> {
                    super::$name($software).await
                }
            )+
        }
    };
}

tests! {
    no_stanza_of_one_user_ends_the_connection_of_all
    an_address_that_is_nobodys_is_said_to_be
    puppets_answer_alike_whether_anybody_is_there
    the_gateway_says_what_it_is_and_how_people_are_reached
    a_refused_handshake_is_explained
    a_flood_that_the_daemon_does_not_take_is_refused_and_the_rest_kept
}

/// The adapter, running, and a user of the server.
pub(crate) struct Here {
    pub(crate) server: Server,
    pub(crate) bridge: ReferenceBridge,
    pub(crate) adapter: Arc<dyn Adapter>,
    run: JoinHandle<Result<(), drawbridge_adapter::Fatal>>,
    pub(crate) bob: Arc<XmppUser>,
}

impl Here {
    pub(crate) async fn open(software: XmppSoftware) -> Result<Self> {
        Self::open_reporting_to(software, &[]).await
    }

    /// The same, with people who are told of reports, beside bob.
    pub(crate) async fn open_reporting_to(
        software: XmppSoftware,
        report_to: &[&str],
    ) -> Result<Self> {
        let start = move || Server::start(software, &["bob", "ann", "warden"]);
        let server = tokio::task::spawn_blocking(start).await??;
        let (adapter, _) = server.adapter_reporting_to(SECRET, report_to)?;
        let bridge = ReferenceBridge::new(NetworkId::new("xmpp")?);
        let run = spawn(Arc::clone(&adapter), &bridge);
        reports(&bridge, "the adapter is up", |c| *c == Connection::Up).await?;
        let bob = server.user("bob").await?;
        Ok(Self { server, bridge, adapter, run, bob })
    }

    /// The adapter dies, and another one comes, with what the first had written down.
    pub(crate) async fn crashes(&mut self) -> Result<()> {
        let ups = self.ups();
        self.run.abort();
        self.adapter = self.server.adapter(SECRET)?.0;
        self.run = spawn(Arc::clone(&self.adapter), &self.bridge);
        self.is_up_again(ups).await
    }

    /// How often the adapter was up.
    pub(crate) fn ups(&self) -> usize {
        self.bridge.journal().connections.iter().filter(|c| **c == Connection::Up).count()
    }

    /// Waits until it is, once more than so often.
    pub(crate) async fn is_up_again(&self, before: usize) -> Result<()> {
        let again = self.bridge.wait_for(PATIENCE, "the adapter to be up again", |journal| {
            let ups = journal.connections.iter().filter(|c| **c == Connection::Up);
            (ups.count() > before).then_some(())
        });
        again.await?;
        let (kind, ..) = self.asks(DOMAIN, "get", "<ping xmlns='urn:xmpp:ping'/>").await?;
        ensure!(kind == "result", "the bridge does not answer");
        Ok(())
    }

    pub(crate) async fn sends(&self, stanza: &str) -> Result<()> {
        let stanza = stanza.to_owned();
        with(&self.bob, move |bob| bob.sends(&stanza)).await
    }

    /// What an IQ is answered with: its type, condition and XML.
    pub(crate) async fn asks(
        &self,
        to: &str,
        kind: &str,
        payload: &str,
    ) -> Result<(String, String, String)> {
        let stanza = format!("<iq {STANZA} type='{kind}' to='{to}'>{payload}</iq>");
        let answer = with(&self.bob, move |bob| bob.queries(&stanza)).await?;
        Ok((answer.kind, answer.condition, answer.xml))
    }

    /// Bob writes to carol, and the bridge hears it on the very first connection.
    pub(crate) async fn still_carries(&self, text: &str) -> Result<()> {
        let body = text.to_owned();
        with(&self.bob, move |bob| bob.writes(CAROL, &body)).await?;
        self.hears(text).await?;
        let connections = self.bridge.journal().connections;
        ensure!(
            !connections.iter().any(|c| matches!(c, Connection::Down { .. })),
            "the connection was lost: {connections:?}"
        );
        Ok(())
    }

    async fn hears(&self, text: &str) -> Result<()> {
        self.bridge.hears(PATIENCE, text).await.map(drop)
    }

    async fn is_told(&self, id: &'static str) -> Result<String> {
        let told = with(&self.bob, |bob| bob.next_failure(PATIENCE)).await;
        let told = told.with_context(|| format!("bob should be told of {id}"))?;
        ensure!(told.of == id, "bob was told of {} instead of {id}", told.of);
        Ok(told.code)
    }

    pub(crate) async fn closes(self) -> Result<()> {
        self.bridge.stop();
        self.run.await?.map_err(|fatal| anyhow::anyhow!("{fatal}"))?;
        let breaches = self.bridge.journal().breaches;
        ensure!(breaches.is_empty(), "{breaches:?}");
        drop(self.server);
        Ok(())
    }
}

fn spawn(
    adapter: Arc<dyn Adapter>,
    bridge: &ReferenceBridge,
) -> JoinHandle<Result<(), drawbridge_adapter::Fatal>> {
    let handle = bridge.handle();
    tokio::spawn(async move { adapter.run(handle).await })
}

async fn reports(
    bridge: &ReferenceBridge,
    what: &str,
    is: impl Fn(&Connection) -> bool + Send + Sync,
) -> Result<()> {
    let reported = bridge
        .wait_for(PATIENCE, what, |journal| journal.connections.iter().any(&is).then_some(()));
    reported.await
}

fn message(id: &str, to: &str, attributes: &str, inner: &str) -> String {
    format!("<message {STANZA} id='{id}' to='{to}' {attributes}>{inner}</message>")
}

async fn no_stanza_of_one_user_ends_the_connection_of_all(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    here.still_carries("before").await?;
    let nested = |depth| format!("<body>x</body>{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let wide = format!("<body>wide</body>{}", "<a xmlns='urn:x'/>".repeat(12_000));
    let long = "x".repeat(200_000);
    let many: Vec<_> = (0..12_000).map(|n| format!("a{n}='v'")).collect();
    let many = many.join(" ");
    let hostile = [
        message("deep", CAROL, "type='chat'", &nested(100)),
        message("wide", CAROL, "type='chat'", &wide),
        message("many", CAROL, "type='chat'", &format!("<body>many</body><x {many}/>")),
        message(&long, CAROL, "type='chat'", "<body>long id</body>"),
        message("long", CAROL, "type='chat'", &format!("<x xmlns='{long}'/>")),
        message("quotes", CAROL, "type='chat'", &format!("<x>{}</x>", "\"'".repeat(100_000))),
        message("odd", CAROL, "type='%00'", "<x xmlns=''/><body xmlns='urn:x'>no body</body>"),
        message("lang", CAROL, "xml:lang='&lt;'", "<subject>s</subject>"),
        message("self", CAROL, "type='error'", "<body>x</body><error type='cancel'/>"),
        message("group", CAROL, "type='groupchat'", "<body>x</body>"),
        message("head", CAROL, "type='headline'", "<body>x</body>"),
        message("domain", DOMAIN, "type='error'", ""),
        format!("<iq {STANZA} type='result' id='x' to='{CAROL}'/>"),
        format!("<iq {STANZA} type='error' id='x' to='{DOMAIN}'/>"),
        format!("<presence {STANZA} type='probe' to='{CAROL}/{}'/>", "r".repeat(1000)),
        format!(
            "<presence {STANZA} to='nobody@{DOMAIN}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ),
        format!("<presence {STANZA} type='subscribe' to='{CAROL}'/>").repeat(300),
    ];
    for stanza in &hostile {
        here.sends(stanza).await?;
    }
    let mut told = vec![("deep", "malformed"), ("wide", "malformed"), ("many", "malformed")];
    match software {
        // Prosody itself drops it, and says nothing.
        XmppSoftware::Prosody => {
            here.sends(&message("abyss", CAROL, "type='chat'", &nested(20_000))).await?;
        }
        // ejabberd 23.01 itself refuses a wrong language; of an abyss it dies.
        XmppSoftware::Ejabberd => told.push(("lang", "")),
    }
    here.still_carries("after").await?;
    // The server's own refusals come when they come.
    let mut heard = Vec::new();
    while heard.len() < told.len() {
        let failure = with(&here.bob, |bob| bob.next_failure(PATIENCE)).await?;
        heard.push((failure.of, failure.code));
    }
    for (id, code) in &told {
        ensure!(heard.contains(&(id.to_string(), code.to_string())), "{id} should be {code}");
    }
    let failed = with(&here.bob, |bob| Ok(bob.everything_failed())).await?;
    ensure!(failed.len() == told.len(), "errors came for what is no message: {failed:?}");
    here.hears("long id").await?;
    here.closes().await
}

async fn an_address_that_is_nobodys_is_said_to_be(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    for (id, to) in [
        ("plain", format!("carol@{DOMAIN}")),
        ("network", format!("irc_carol@{DOMAIN}")),
        ("spelling", format!("elsewhere_=63arol@{DOMAIN}")),
    ] {
        here.sends(&message(id, &to, "type='chat'", "<body>x</body>")).await?;
        ensure!(here.is_told(id).await? == Code::NotReachable.to_string(), "{id}");
    }
    here.still_carries("end").await?;
    ensure!(here.bridge.journal().handed.len() == 1, "one of them reached the bridge");
    here.closes().await
}

async fn puppets_answer_alike_whether_anybody_is_there(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    for (kind, payload) in [
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("get", "<ping xmlns='urn:xmpp:ping'/>"),
        (
            "get",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'/></pubsub>",
        ),
        ("get", "<query xmlns='jabber:iq:last'/>"),
        ("set", "<block xmlns='urn:x'/>"),
    ] {
        let one = here.asks(CAROL, kind, payload).await?;
        let other = here.asks(NOBODY, kind, payload).await?;
        ensure!((&one.0, &one.1) == (&other.0, &other.1), "{payload}: {one:?}, {other:?}");
        let (kind, condition, _) = here.asks(&format!("x@{DOMAIN}"), kind, payload).await?;
        ensure!((kind.as_str(), condition.as_str()) == ("error", "item-not-found"), "{payload}");
    }
    // Only a client that has asked for its roster is shown subscriptions.
    here.asks("bob@p.test", "get", "<query xmlns='jabber:iq:roster'/>").await?;
    for who in [CAROL, NOBODY] {
        here.sends(&format!("<presence {STANZA} type='subscribe' to='{who}'/>")).await?;
        for expected in ["subscribed", "unavailable", "subscribe"] {
            let seen = with(&here.bob, move |bob| bob.sees_presence(who)).await?;
            ensure!(seen == expected, "{who} showed {seen}, not {expected}");
        }
        here.sends(&format!("<presence {STANZA} type='probe' to='{who}'/>")).await?;
        let seen = with(&here.bob, move |bob| bob.sees_presence(who)).await?;
        ensure!(seen == "unavailable", "{who} answered a probe with {seen}");
    }
    here.closes().await
}

async fn the_gateway_says_what_it_is_and_how_people_are_reached(
    software: XmppSoftware,
) -> Result<()> {
    let here = Here::open(software).await?;
    let (_, _, info) =
        here.asks(DOMAIN, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>").await?;
    ensure!(info.contains("gateway") && info.contains("jabber:iq:gateway"), "{info}");
    let (_, _, prompt) = here.asks(DOMAIN, "get", "<query xmlns='jabber:iq:gateway'/>").await?;
    ensure!(prompt.contains("prompt>"), "{prompt}");
    for (typed, expected) in [
        (format!("{ELSEWHERE}:carol"), CAROL),
        (" elsewhere:carol\n".to_owned(), CAROL),
        ("irc:carol".to_owned(), "item-not-found"),
        ("elsewhere:CAROL".to_owned(), "item-not-found"),
        ("carol".to_owned(), "not-acceptable"),
        (String::new(), "not-acceptable"),
    ] {
        let payload = format!("<query xmlns='jabber:iq:gateway'><prompt>{typed}</prompt></query>");
        let (_, _, answer) = here.asks(DOMAIN, "set", &payload).await?;
        ensure!(answer.contains(expected), "{typed:?}: {answer}");
    }
    here.closes().await
}

async fn a_refused_handshake_is_explained(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let (wrong, _) = here.server.adapter("a wrong secret")?;
    let (second, _) = here.server.adapter(SECRET)?;
    let second_says = match software {
        XmppSoftware::Prosody => "another connection",
        // ejabberd 23.01 lets both in, and gives each a part.
        XmppSoftware::Ejabberd => "",
    };
    for (adapter, words) in [(wrong, "secret"), (second, second_says)] {
        let bridge = ReferenceBridge::new(NetworkId::new("xmpp")?);
        let run = spawn(adapter, &bridge);
        let is = |c: &Connection| match c {
            Connection::Down { why } => !words.is_empty() && why.contains(words),
            Connection::Up => words.is_empty(),
            Connection::Waiting => false,
        };
        reports(&bridge, &format!("the adapter says {words}"), is).await?;
        bridge.stop();
        run.await?.map_err(|fatal| anyhow::anyhow!("{fatal}"))?;
    }
    here.still_carries("unhurt").await?;
    here.closes().await
}

async fn a_flood_that_the_daemon_does_not_take_is_refused_and_the_rest_kept(
    software: XmppSoftware,
) -> Result<()> {
    let here = Here::open(software).await?;
    here.bridge.break_down(drawbridge_adapter::Unavailable::Full);
    with(&here.bob, |bob| bob.floods(CAROL, "flood", 300)).await?;
    let told = with(&here.bob, |bob| bob.next_failure(PATIENCE)).await?;
    ensure!(told.code == Code::RateLimited.to_string(), "{told:?}");
    // The connection is read on: the daemon's statuses could go out.
    let (kind, ..) = here.asks(DOMAIN, "get", "<ping xmlns='urn:xmpp:ping'/>").await?;
    ensure!(kind == "result", "the component went deaf");
    drawbridge_servers::until("the flood to be written", PATIENCE, || {
        Ok((here.bob.has_written("flood") == 300).then_some(()))
    })?;
    here.bridge.mend();
    here.hears("flood 1").await?;
    here.still_carries("end").await?;
    let sender: UserId = "xmpp:bob@p.test".parse()?;
    let journal = here.bridge.journal();
    let crossed = journal.texts_of(&sender);
    let failed = with(&here.bob, |bob| Ok(bob.everything_failed())).await?.len();
    let numbers: Vec<u32> =
        crossed.iter().filter_map(|text| text.strip_prefix("flood ")?.parse().ok()).collect();
    ensure!(numbers.len() + failed == 300, "{} crossed, {failed} refused", numbers.len());
    ensure!(numbers.is_sorted(), "out of order: {numbers:?}");
    here.closes().await
}
