//! `docs/features.md`, from what the adapters declare.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use drawbridge_adapter::{Capabilities, Feature, Kind, Level};

use crate::config::tests::EXAMPLE;
use crate::config::{self, ADAPTERS};
use crate::generated;

const HEAD: &str = "\
# What crosses

What becomes of each kind of message, from one network to another: the lesser of what the two adapters declare.
`full`: wholly. `partial`: with losses that are documented. `fallback`: as something else that can be read (a Matrix poll, though, is one in a partner's app).
`refused`: the sender is told `unsupported_kind:<kind>`, see [codes.md](codes.md); of what is fleeting (receipts, typing, presence) nothing is told. Stickers and what disappears never cross to or from a third-party network.

A file (image, video, voice, audio, document) keeps its bytes, name, type, size, duration, dimensions and what was written with it, and waveform, blurhash and small picture where the target has them. It is as large as both networks and `media.max_mib` allow; what its bytes show to be something else than it claims is refused, and what they do not show goes as a document. A voice note that is not Ogg goes as audio. To and from a partner's app files cross if `media_listen` is set, to XMPP if its server offers uploads (XEP-0363), from XMPP and from links if the host is one of `media.hosts`. Partial on XMPP: a small picture comes from there only if it lies under a link, a voice note is known by its type alone, and clients without XEP-0447 show a file that something was written with as text with a link, and all others in place.

A profile is how somebody calls themselves and looks: it is shown to those to whom they have written, and to nobody who has blocked them, or whom they have blocked. A picture has at most 64 KiB (of a larger one on Matrix goes a small one); a name that could be taken for another's has its owner's id behind it. What it takes on XMPP for changes to follow at once stands in [install.md](install.md).

This file is made from the code; `DRAWBRIDGE_REGENERATE=1 cargo test -p drawbridge` writes it anew. The scenarios send each kind in each direction between real servers, and hold what arrived against these tables.

";

const FEATURES: &str = "
## What texts bear

What is refused here is no reason to refuse the text: formatting is left away and the plain text goes, who is mentioned is named, what is answered is quoted before the answer, if the sender's client quoted it, and what stands in a thread answers the thread's last message, or its first. On XMPP a thread goes by the id of its first message: one that a client there begins under an id of its own is none elsewhere.

";

/// Without a door for files there are none with a partner's app. The partner's table is the last.
const FILES: &str = "\nmedia_listen = \"127.0.0.1:9471\"\nmedia_public_url = \"https://bridge.example.org/files\"\n";

const JWKS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
    "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Each network of the example with what it carries; the partner's is called by its type.
fn networks(folder: &Path) -> Vec<(String, Capabilities)> {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let config = EXAMPLE.replace("birdychat", "partner") + FILES;
    write("drawbridge.toml", &config);
    write("xmpp.secret", "a secret");
    write("partner.jwks.json", JWKS);
    let loaded = config::load(&folder.join("drawbridge.toml"), Vec::new(), ADAPTERS).unwrap();
    let built = loaded.networks.into_iter().map(|network| {
        let id = network.id.as_str().to_owned();
        if let Some(registration) = network.adapter.registration() {
            write("registration.yaml", registration.content.expose());
        }
        (id, network.adapter.build(&loaded.place).unwrap().capabilities())
    });
    built.collect()
}

/// A table of what becomes of each of `things`, where anything becomes of it.
fn table<T: Copy>(
    networks: &[(String, Capabilities)],
    things: &[T],
    name: impl Fn(T) -> &'static str,
    level: impl Fn(&Capabilities, T) -> Level,
) -> String {
    let others = |from: usize| (0..networks.len()).filter(move |to| *to != from);
    let ways: Vec<_> =
        (0..networks.len()).flat_map(|from| others(from).map(move |to| (from, to))).collect();
    let mut table = "| |".to_owned();
    for (from, to) in &ways {
        write!(table, " {} → {} |", networks[*from].0, networks[*to].0).unwrap();
    }
    writeln!(table, "\n|{}", " --- |".repeat(ways.len() + 1)).unwrap();
    for thing in things {
        let carried = |(from, to): &(usize, usize)| {
            let of = |network: usize| level(&networks[network].1, *thing);
            of(*from).min(of(*to))
        };
        write!(table, "| {} |", name(*thing)).unwrap();
        for way in &ways {
            let word = match carried(way) {
                Level::Rejected => "refused",
                Level::Fallback => "fallback",
                Level::Partial => "partial",
                Level::Full => "full",
            };
            write!(table, " {word} |").unwrap();
        }
        table.push('\n');
    }
    table
}

fn page() -> String {
    let folder = tempfile::tempdir().unwrap();
    let networks = networks(folder.path());
    let kinds = table(&networks, Kind::ALL, Kind::as_str, Capabilities::level);
    let features = table(&networks, &Feature::ALL, Feature::as_str, Capabilities::feature);
    format!("{HEAD}{kinds}{FEATURES}{features}")
}

#[test]
fn the_page_of_what_crosses_is_fresh() {
    generated::assert_fresh("docs/features.md", &page());
}
