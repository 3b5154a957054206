//! Tries whether the server takes the component, and names somebody to report to: for `drawbridge
//! doctor`.

use drawbridge_adapter::{Code, Diagnosis, Secret};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::address::Addresses;
use crate::failure::{self, Envelope};
use crate::link::{self, CONFLICT, NO_COMPONENT, REFUSED_SECRET, TO_CONNECT, TO_DIAL};
use crate::reports;
use crate::stream::StanzaReader;

/// The most domains that are asked whom they name.
const MAX_DOMAINS: usize = 16;
/// The most stanzas that are read for one answer: of users, who do not know that it is only us.
const MAX_STANZAS: usize = 1000;

/// What is found. A second connection of the same component would drive out the first, on some
/// servers; so while a daemon runs only the way to the server is tried. `domains` are asked whom they
/// name to report to.
pub(crate) async fn examine(
    server: &(String, u16),
    addresses: &Addresses,
    secret: &Secret,
    running: bool,
    domains: &[String],
) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    let attempt = async {
        let stream = link::dial(server).await.map_err(|why| (why, DIAL_ADVICE))?;
        if running {
            return Ok("the server takes connections; the running daemon holds the component's");
        }
        let (read, mut write) = stream.into_split();
        let mut reader = StanzaReader::new(read);
        let domain = addresses.component();
        let shaken = link::shake_hands(&mut reader, &mut write, domain, secret).await;
        shaken.map_err(|why| (why, advice(why)))?;
        for domain in domains.iter().take(MAX_DOMAINS) {
            if let Some(names) = names(&mut reader, &mut write, domain, addresses, domains).await {
                found.push(names);
            }
        }
        // Whether it hears the goodbye is its own business.
        let _ = write.write_all(b"</stream:stream>").await;
        let _ = timeout(TO_DIAL, reader.next()).await;
        Ok("the server takes the component, with the secret of secret_file")
    };
    let outcome = timeout(TO_CONNECT, attempt).await;
    let outcome = outcome.unwrap_or(Err(("the server does not answer", DIAL_ADVICE)));
    let first = match outcome {
        Ok(well) => Diagnosis::well(well),
        Err((why, advice)) => Diagnosis::trouble(why, advice),
    };
    found.insert(0, first);
    found
}

/// Whether a domain names somebody who gets reports; `None` if it does not say.
async fn names<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut StanzaReader<R>,
    write: &mut W,
    domain: &str,
    addresses: &Addresses,
    domains: &[String],
) -> Option<Diagnosis> {
    let id = format!("contacts-{domain}");
    let asked = reports::ask(addresses.component(), domain, &id).to_wire();
    write.write_all(asked.as_bytes()).await.ok()?;
    for _ in 0..MAX_STANZAS {
        let element = timeout(TO_DIAL, reader.next()).await.ok()?.ok()??.element;
        // What users write meanwhile nobody carries.
        if element.name() == "message" && element.attr("type") != Some("error") {
            if let Some(envelope) = Envelope::of(&element) {
                let code = Code::NetworkUnreachable.into();
                let told = failure::refuse("message", &envelope, code, true).to_wire();
                write.write_all(told.as_bytes()).await.ok()?;
            }
            continue;
        }
        if element.attr("id") != Some(&id) || element.attr("from") != Some(domain) {
            continue;
        }
        let own = |user: &drawbridge_adapter::UserId| {
            let host = user.id().rsplit_once('@').map(|(_, host)| host);
            domains.iter().any(|domain| Some(domain.as_str()) == host)
        };
        return Some(if reports::contacts(&element, addresses, own).is_empty() {
            let found = format!("{domain} names nobody who is told when its users are reported");
            Diagnosis::doubt(found, NAMES_ADVICE)
        } else {
            Diagnosis::well(format!("{domain} names who is told when its users are reported"))
        });
    }
    None
}

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
