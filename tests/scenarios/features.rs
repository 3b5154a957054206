//! What crosses, held against `docs/features.md`: the page is the promise.

use anyhow::{Context, Result, ensure};
use drawbridge_adapter::{ContactCard, Content, Kind, Location, MediaKind, Poll, There};
use drawbridge_servers::{Deed, PATIENCE, SampleFile, Sight, Town, User, XmppSoftware, until};

use crate::{six, three, town_on};

crate::with_each_xmpp_server! {
    each_kind_crosses_as_the_page_says,
}

/// As what something crossed; the better stands behind the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Crossed {
    Not,
    InWords,
    AsItIs,
}

/// What nobody's client here can do, or show.
const UNSEEN: [Kind; 5] =
    [Kind::LiveLocation, Kind::Story, Kind::Call, Kind::Encrypted, Kind::Other];

fn each_kind_crosses_as_the_page_says(software: XmppSoftware) -> Result<()> {
    let town = town_on(software)?;
    let (alice, bob, carol) = three(&town)?;
    for present in [&bob as &dyn User, &carol] {
        for to in [&bob as &dyn User, &carol] {
            if present.id() != to.id() {
                present.performs(to, &Deed::Is(There::Online))?;
            }
        }
    }
    bob.asks_bridge("presence on")?;
    carol.asks_bridge("presence on")?;
    let mut seen = 0;
    for (from, to) in six([&alice, &bob, &carol]) {
        for kind in Kind::ALL.iter().copied().filter(|kind| !UNSEEN.contains(kind)) {
            let promised = promised(kind, from, to)?;
            let way = format!("{kind} from {} to {}", from.network(), to.network());
            match crosses(&town, kind, from, to).with_context(|| way.clone())? {
                Some(crossed) => {
                    ensure!(crossed >= promised, "{way}: {crossed:?}, and promised {promised:?}");
                    // Better alone is what a network has that shows it to nobody: Matrix polls.
                    let better = crossed > promised && kind != Kind::Poll;
                    ensure!(!better, "{way}: {crossed:?}, and promised {promised:?} only");
                    seen += 1;
                }
                None => println!("{way}: not seen"),
            }
        }
    }
    // All but cards and polls from clients that have none, and presence of and for Matrix.
    ensure!(seen >= 98, "only {seen} ways were seen");
    Ok(())
}

/// What the page says.
fn promised(kind: Kind, from: &dyn User, to: &dyn User) -> Result<Crossed> {
    let names = |user: &dyn User| match user.network() {
        "birdychat" => "partner",
        network => network,
    };
    let way = format!("{} → {}", names(from), names(to));
    let page = include_str!("../../docs/features.md");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = page.lines().filter(|line| line.starts_with('|')).map(cells);
    let head = lines.next().context("there is no table")?;
    let column = head.iter().position(|cell| *cell == way).context(way)?;
    let row = lines.find(|cells| cells[1] == kind.as_str()).context("the kind is not there")?;
    Ok(match row[column].as_str() {
        "full" | "partial" => Crossed::AsItIs,
        "fallback" => Crossed::InWords,
        _ => Crossed::Not,
    })
}

/// As what something of this kind crosses; nothing if a client cannot do or show it.
fn crosses(town: &Town, kind: Kind, from: &dyn User, to: &dyn User) -> Result<Option<Crossed>> {
    let media = MediaKind::ALL.into_iter().find(|media| media.kind() == kind);
    if let Some(media) = media {
        let file = SampleFile::new(town.folder(), media, 10_000)?;
        from.performs(to, &Deed::SendsFile(&file))?;
        to.sees(from, &Sight::ShowsFile(&file))?;
        return Ok(Some(Crossed::AsItIs));
    }
    let address = from.address_of(to)?;
    let refused = match kind {
        Kind::Sticker => Some(from.sends_sticker(&address)?),
        Kind::Disappearing => Some(from.sends_disappearing(&address, "gone soon")?),
        _ => None,
    };
    if let Some(id) = refused {
        from.is_told(&id, &format!("unsupported_kind:{kind}"))?;
        return Ok(Some(Crossed::Not));
    }
    if let Some(thing) = thing(kind) {
        if from.performs(to, &Deed::Sends(thing.clone())).is_err() {
            return Ok(None);
        }
        let heard = to.everything_heard().len();
        let crossed = until("it to arrive", PATIENCE, || {
            // A client that knows no such thing shows none.
            if to.is_shown(from, &Sight::Shows(thing.clone())).unwrap_or(false) {
                return Ok(Some(Crossed::AsItIs));
            }
            let all = to.everything_heard();
            let words = all.iter().skip(heard).any(|heard| heard.body.contains("The old pier"));
            Ok(words.then_some(Crossed::InWords))
        })?;
        // Some clients show such things as messages, too.
        from.says(to, "That was it.")?;
        while to.next_message(PATIENCE)?.body != "That was it." {}
        return Ok(Some(crossed));
    }
    let sight = match kind {
        Kind::Typing => {
            from.performs(to, &Deed::Types(true))?;
            to.sees(from, &Sight::Typing(true))?;
            from.performs(to, &Deed::Types(false))?;
            return Ok(Some(Crossed::AsItIs));
        }
        Kind::Presence if [from.network(), to.network()].contains(&"matrix") => return Ok(None),
        Kind::Presence => Sight::Presence(There::Online),
        Kind::Profile => {
            let name = format!("{} for {}", from.network(), to.network());
            from.performs(to, &Deed::CallsItself(&name))?;
            to.sees(from, &Sight::Name(&name))?;
            return Ok(Some(Crossed::AsItIs));
        }
        _ => {
            let id = from.says(to, "The old pier")?;
            let heard = to.hears(from, "The old pier")?.id;
            match kind {
                Kind::Text => return Ok(Some(Crossed::AsItIs)),
                Kind::Edit => {
                    from.performs(to, &Deed::Edits(&id, "The new pier"))?;
                    to.sees(from, &Sight::Edited(&heard, "The new pier"))?;
                }
                Kind::Retraction => {
                    from.performs(to, &Deed::Retracts(&id))?;
                    to.sees(from, &Sight::Retracted(&heard))?;
                }
                Kind::Reaction => {
                    from.performs(to, &Deed::Reacts(&id, &["👍"]))?;
                    to.sees(from, &Sight::Reactions(&heard, &["👍"]))?;
                }
                // A receipt of what came the other way.
                Kind::Receipt => {
                    let id = to.says(from, "The other pier")?;
                    let heard = from.hears(to, "The other pier")?.id;
                    from.performs(to, &Deed::Reads(&heard))?;
                    to.sees(from, &Sight::Read(&id))?;
                }
                _ => return Ok(None),
            }
            return Ok(Some(Crossed::AsItIs));
        }
    };
    to.sees(from, &sight)?;
    Ok(Some(Crossed::AsItIs))
}

fn thing(kind: Kind) -> Option<Content> {
    let name = "The old pier".to_owned();
    Some(match kind {
        Kind::Location => {
            Content::Location(Location::new(52.373_056, 4.892_222)?.named(Some(&name)))
        }
        Kind::Contact => Content::Contact(ContactCard {
            name,
            phones: vec!["+31 20 123".to_owned()],
            emails: Vec::new(),
            addresses: Vec::new(),
        }),
        Kind::Poll => {
            let answers = vec!["At home".to_owned(), "Out".to_owned()];
            Content::Poll(Poll { question: name, answers, most: 1 })
        }
        _ => return None,
    })
}
