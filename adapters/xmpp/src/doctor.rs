//! Tries whether the server takes the component, names somebody to report to, and takes files: for
//! `drawbridge doctor`.

use std::time::Duration;

use drawbridge_adapter::{Addressing, Code, Diagnosis, Secret, UserId};
use minidom::Element;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::Addresses;
use crate::failure::{self, Envelope};
use crate::link::{self, CONFLICT, NO_COMPONENT, REFUSED_SECRET, TO_CONNECT, TO_DIAL};
use crate::outward::Outward;
use crate::stream::StanzaReader;
use crate::{reports, uploads};

/// The most domains that are asked whom they name.
const MAX_DOMAINS: usize = 256;
/// How long all of them together may take for their answers.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// How long the search for the upload service may take.
const TO_FIND: Duration = Duration::from_secs(10);

/// What is asked of a server that takes the component.
#[derive(Clone, Copy)]
pub(crate) struct Questions<'a> {
    /// The domains that are asked whom they name to report to.
    pub(crate) of_reports: &'a [String],
    /// The domains whose users are local.
    pub(crate) local: &'a [String],
    /// The upload service that the operator chose.
    pub(crate) uploads: Option<&'a str>,
}

/// What is found. A second connection of the same component would drive out the first, on some
/// servers; so while a daemon runs only the way to the server is tried.
pub(crate) async fn examine(
    server: &(String, u16),
    addresses: &Addresses,
    secret: &Secret,
    running: bool,
    questions: &Questions<'_>,
) -> Vec<Diagnosis> {
    let until = Instant::now() + TO_CONNECT;
    let dialled = timeout_at(until, link::dial(server)).await.unwrap_or(Err(SILENT));
    match dialled {
        Err(why) => vec![Diagnosis::trouble(why, DIAL_ADVICE)],
        Ok(_) if running => vec![Diagnosis::well(
            "the server takes connections; the running daemon holds the component's",
        )],
        Ok(stream) => {
            let (read, write) = stream.into_split();
            join((read, write), until, addresses, secret, questions).await
        }
    }
}

/// Joins as the component, within this time, and asks. Whether it could join does not hang on the
/// answers.
async fn join<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    (read, mut write): (R, W),
    until: Instant,
    addresses: &Addresses,
    secret: &Secret,
    questions: &Questions<'_>,
) -> Vec<Diagnosis> {
    let mut reader = StanzaReader::new(read);
    let shaking = link::shake_hands(&mut reader, &mut write, addresses.component(), secret);
    match timeout_at(until, shaking).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return vec![Diagnosis::trouble(why, advice(why))],
        Err(_) => return vec![Diagnosis::trouble(SILENT, DIAL_ADVICE)],
    }
    let mut found =
        vec![Diagnosis::well("the server takes the component, with the secret of secret_file")];
    found.extend(ask_all(&mut reader, &mut write, addresses, questions.of_reports).await);
    found.push(files(&mut reader, &mut write, addresses, questions).await);
    let goodbye = async {
        write.write_all(b"</stream:stream>").await.ok()?;
        reader.next().await.ok()
    };
    // Whether it hears the goodbye is its own business.
    let _ = timeout(TO_DIAL, goodbye).await;
    found
}

/// Whether the domains name somebody who gets reports: all are asked at once.
async fn ask_all<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut StanzaReader<R>,
    write: &mut W,
    addresses: &Addresses,
    domains: &[String],
) -> Vec<Diagnosis> {
    let asked = &domains[..domains.len().min(MAX_DOMAINS)];
    let mut found: Vec<Option<Diagnosis>> = vec![None; asked.len()];
    let asking = async {
        for domain in asked {
            let question = reports::ask(addresses.component(), domain, &id_of(domain)).to_wire();
            write.write_all(question.as_bytes()).await.ok()?;
        }
        while found.iter().any(Option::is_none) {
            let element = reader.next().await.ok()??.element;
            // What users write meanwhile nobody carries.
            if let Some(told) = not_now(&element) {
                write.write_all(told.as_bytes()).await.ok()?;
                continue;
            }
            let (id, from) = (element.attr("id"), element.attr("from"));
            let of =
                |domain: &String| from == Some(domain) && id.is_some_and(|id| id == id_of(domain));
            if let Some(at) = asked.iter().position(of) {
                found[at] = Some(names(&element, &asked[at], addresses, domains));
            }
        }
        Some(())
    };
    // Whoever has not answered by then, or when the connection broke, is silent.
    let _ = timeout(TO_ANSWER, asking).await;
    let silent = |domain: &String| {
        let found = format!("{domain} does not say who is told when its users are reported");
        Diagnosis::doubt(found, SILENT_ADVICE)
    };
    let found = asked.iter().zip(found);
    found.map(|(domain, found)| found.unwrap_or_else(|| silent(domain))).collect()
}

/// What a user is told whose message comes meanwhile.
fn not_now(element: &Element) -> Option<String> {
    let is_one = element.name() == "message" && element.attr("type") != Some("error");
    let envelope = is_one.then(|| Envelope::of(element)).flatten()?;
    Some(failure::refuse("message", &envelope, Code::NetworkUnreachable.into(), true).to_wire())
}

/// Whether files have somewhere to go.
async fn files<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut StanzaReader<R>,
    write: &mut W,
    addresses: &Addresses,
    questions: &Questions<'_>,
) -> Diagnosis {
    let outward = Outward::new(addresses.component().to_owned());
    let mut written = outward.open(0);
    let is_own = |domain: &str| questions.local.iter().any(|local| local == domain);
    let finding = uploads::find(addresses, &outward, questions.uploads, is_own);
    let carrying = async {
        loop {
            let wire = tokio::select! {
                wire = written.recv() => wire,
                stanza = reader.next() => {
                    let Ok(Some(stanza)) = stanza else { return };
                    let told = not_now(&stanza.element);
                    outward.informed(stanza);
                    told.or(Some(String::new()))
                }
            };
            let Some(wire) = wire else { return };
            if write.write_all(wire.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let found = tokio::select! {
        found = timeout(TO_FIND, finding) => found.ok().and_then(Result::ok),
        () = carrying => None,
    };
    match found {
        Some(Some(service)) => Diagnosis::well(format!("files go to {}", service.jid)),
        Some(None) => Diagnosis::doubt(NO_UPLOADS, UPLOADS_ADVICE),
        None => Diagnosis::doubt(SILENT_ON_UPLOADS, UPLOADS_ADVICE),
    }
}

fn id_of(domain: &str) -> String {
    format!("contacts-{domain}")
}

/// What a domain's answer says.
fn names(answer: &Element, domain: &str, addresses: &Addresses, domains: &[String]) -> Diagnosis {
    let own = |user: &UserId| {
        let host = addresses.domain(user);
        domains.iter().any(|domain| Some(domain.as_str()) == host)
    };
    if reports::contacts(answer, addresses, own).is_empty() {
        let found = format!("{domain} names nobody who is told when its users are reported");
        Diagnosis::doubt(found, NAMES_ADVICE)
    } else {
        Diagnosis::well(format!("{domain} names who is told when its users are reported"))
    }
}

const SILENT: &str = "the server does not answer";

const NO_UPLOADS: &str = "no upload service is found: files to users here are refused";

const SILENT_ON_UPLOADS: &str = "it is not found out whether there is an upload service";

const UPLOADS_ADVICE: &str = "let the server have an upload service (XEP-0363) for its users and the \
     component, at or below the domain above the component's, which is at or below one of \
     users.local; or name it in upload_service";

const SILENT_ADVICE: &str = "look whether the server of this domain runs and is reached from the \
     component's server; or set report_to";

const NAMES_ADVICE: &str = "let the server name an address of a user of its own that begins with \
     xmpp: (Prosody: contact_info with the module server_contact_info, ejabberd: server_info of \
     mod_disco), or set report_to";

const DIAL_ADVICE: &str = "start the XMPP server, let it listen for components (Prosody: \
     component_ports, ejabberd: a listener with module ejabberd_service), and let `server` be that \
     address";

/// What to do about a handshake that failed, by its words.
fn advice(why: &str) -> &'static str {
    match why {
        REFUSED_SECRET => {
            "let the component's secret in the server's configuration (Prosody: component_secret, \
             ejabberd: password) be the content of secret_file, and let the server read it"
        }
        NO_COMPONENT => {
            "let the server's configuration have a component of the name in `domain`, and restart \
             the server"
        }
        CONFLICT => "end the other program that joins as this component",
        _ => {
            "look into the server's log; `server` must be its port for components, not for clients"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use drawbridge_adapter::NetworkId;
    use tokio::io::{AsyncReadExt, duplex, split};

    use super::*;

    /// A server that takes the component, and answers for its own domain alone.
    async fn serves(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut heard = String::new();
        let mut bytes = [0; 4096];
        let mut said = 0;
        let answers = [
            (
                "<stream:stream",
                "<?xml version='1.0'?><stream:stream id='1' \
              xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
            ),
            ("</handshake>", "<handshake/>"),
            (
                "contacts-p.test",
                "<message from='bob@p.test' to='bridge.p.test' id='x'>\
              <body>hello?</body></message>\
              <iq type='result' id='contacts-p.test' from='elsewhere.test'/>\
              <iq type='error' id='contacts-p.test' from='p.test' to='bridge.p.test'/>",
            ),
            ("</stream:stream>", "</stream:stream>"),
        ];
        while let Ok(read @ 1..) = stream.read(&mut bytes).await {
            heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            while let Some((_, answer)) = answers.get(said).filter(|(to, _)| heard.contains(to)) {
                stream.write_all(answer.as_bytes()).await.unwrap();
                said += 1;
            }
        }
        assert!(heard.contains("type='error'"), "the user was not told");
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_works_whoever_is_silent() {
        let network = NetworkId::new("xmpp").unwrap();
        let addresses = Addresses::new(network, "bridge.p.test".to_owned());
        let silent = (0..16).map(|n| format!("d{n}.test"));
        let domains: Vec<_> = silent.chain(["p.test".to_owned()]).collect();
        let (ours, theirs) = duplex(64 * 1024);
        let secret = Secret::new("open");
        let begun = Instant::now();
        let questions = Questions { of_reports: &domains, local: &[], uploads: None };
        let joining = join(split(ours), begun + TO_CONNECT, &addresses, &secret, &questions);
        let (mut found, ()) = tokio::join!(joining, serves(theirs));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let last = found.pop();
        assert!(last.is_some_and(|last| last.found == NO_UPLOADS));
        assert_eq!(found.len(), 1 + domains.len());
        assert!(!found[0].grave && found[0].advice.is_none(), "{found:?}");
        for (domain, found) in domains.iter().zip(&found[1..]) {
            let says = if domain == "p.test" { "names nobody" } else { "does not say" };
            assert!(found.found.starts_with(&format!("{domain} {says}")), "{found:?}");
            assert!(!found.grave && found.advice.is_some());
        }
    }
}
