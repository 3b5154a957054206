//! Places, contact cards and polls; and who is there.

use anyhow::{Result, ensure};
use drawbridge_adapter::{
    Command, ContactCard, Content, Kind, Level, Location, Passing, Poll, Presence, Signal, There,
};

use crate::journal::Journal;
use crate::play::Play;
use crate::{Deed, Done, Sight, Stage, Tried};

/// Rule: a place arrives with its coordinates, and with its name and how far off it may be if the
/// network has such.
pub async fn place_in(stage: &dyn Stage) -> Result<Done> {
    thing_in(stage, || Content::Location(place())).await
}

/// Rule: a place is shown as one.
pub async fn place_out(stage: &dyn Stage) -> Result<Done> {
    thing_out(stage, || Content::Location(place())).await
}

/// Rule: a contact card arrives with all that stands on it.
pub async fn card_in(stage: &dyn Stage) -> Result<Done> {
    thing_in(stage, || Content::Contact(card())).await
}

/// Rule: a contact card is shown as one, where the adapter says so.
pub async fn card_out(stage: &dyn Stage) -> Result<Done> {
    thing_out(stage, || Content::Contact(card())).await
}

/// Rule: a poll arrives with its question and all its answers.
pub async fn poll_in(stage: &dyn Stage) -> Result<Done> {
    thing_in(stage, || Content::Poll(poll())).await
}

/// Rule: a poll is shown as one, where the adapter says so.
pub async fn poll_out(stage: &dyn Stage) -> Result<Done> {
    thing_out(stage, || Content::Poll(poll())).await
}

/// Rule: that a user comes, goes away from the device and leaves is told to whom it is shown; and
/// nothing of it is a message.
pub async fn presence_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if level(&play, Kind::Presence) == Level::Rejected {
        return Ok(Done::Undeclared("the adapter does not carry who is there"));
    }
    play.crosses_in("I come and go").await?;
    play.crosses_out("I see").await?;
    for is in [There::Away, There::Online, There::Offline] {
        if play.performs(&Deed::Is(is)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer cannot tell that it is there"));
        }
        let told = Passing::Presence(Presence { by: play.peer.user(), to: play.carol.clone(), is });
        let last = |journal: &Journal| {
            let mut all = journal.passing.iter().rev();
            let last = all.find(|passing| matches!(passing, Passing::Presence(_)))?;
            (*last == told).then_some(())
        };
        play.bridge.wait_for(play.patience, &format!("the bridge hears of {told:?}"), last).await?;
    }
    play.performs(&Deed::Is(There::Online)).await?;
    play.crosses_in("end").await?;
    ensure!(play.crossed().len() == 2, "it came as a text: {:?}", play.crossed());
    play.closes().await
}

/// Rule: that the other user comes, goes away from the device and leaves is shown, and not as a
/// message.
pub async fn presence_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if level(&play, Kind::Presence) == Level::Rejected {
        return Ok(Done::Undeclared("the adapter does not carry who is there"));
    }
    play.crosses_in("come and go").await?;
    play.crosses_out("as I like").await?;
    for is in [There::Online, There::Away, There::Offline] {
        let (by, to) = (play.carol.clone(), play.peer.user());
        play.adapter.signal(Signal::Presence(Presence { by, to, is }));
        if play.sees(&Sight::Presence(is)).await? == Tried::Impossible {
            return Ok(Done::Skipped("the peer does not see who is there"));
        }
    }
    play.crosses_out("end").await?;
    play.closes().await
}

async fn thing_in(stage: &dyn Stage, thing: fn() -> Content) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let thing = thing();
    if level(&play, thing.kind()) == Level::Rejected {
        return Ok(Done::Undeclared("the adapter does not carry it"));
    }
    if play.performs(&Deed::Sends(thing.clone())).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot send it"));
    }
    let came = play.takes("thing", |event| {
        (event.content.kind() == thing.kind()).then(|| event.content.clone())
    });
    let came = came.await?;
    // Not all networks have names for places, or say how far off one may be.
    let came = match (came, &thing) {
        (Content::Location(came), Content::Location(sent)) => {
            ensure!(came.name.is_none() || came.name == sent.name, "it has another name");
            let sure = came.uncertainty.is_none() || came.uncertainty == sent.uncertainty;
            ensure!(sure, "it is as far off as nobody said");
            Content::Location(came.named(sent.name.as_deref()).within(sent.uncertainty))
        }
        (came, _) => came,
    };
    ensure!(came == thing, "something else arrived");
    play.crosses_in("end").await?;
    play.closes().await
}

async fn thing_out(stage: &dyn Stage, thing: fn() -> Content) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    let thing = thing();
    if level(&play, thing.kind()) <= Level::Fallback {
        return Ok(Done::Undeclared("the adapter does not show it but in words"));
    }
    let mut delivery = play.content(thing.clone(), None)?;
    if let Command::Message(message) = &mut delivery.command {
        message.words = Some("the same in words".to_owned());
    }
    play.deliver_one(&delivery).await?;
    if play.sees(&Sight::Shows(thing)).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot be shown it"));
    }
    play.crosses_out_after("the same in words", "end").await?;
    play.closes().await
}

fn level(play: &Play, kind: Kind) -> Level {
    play.adapter.capabilities().level(kind)
}

fn place() -> Location {
    let spot =
        Location::new(52.373_056, -4.892_222).unwrap_or_else(|| unreachable!("on the earth"));
    spot.within(Some(35)).named(Some("the old <pier> & harbour"))
}

fn card() -> ContactCard {
    ContactCard {
        name: "Zoë <the> plumber".to_owned(),
        phones: vec!["+31 20 123".to_owned(), "112".to_owned()],
        emails: vec!["zoe@plumbers.test".to_owned()],
        addresses: vec!["xmpp:zoe@plumbers.test".to_owned()],
    }
}

fn poll() -> Poll {
    Poll {
        question: "Where <shall> we eat?".to_owned(),
        answers: vec!["at home".to_owned(), "at \"Zum Hirsch\"".to_owned(), "nowhere".to_owned()],
        most: 2,
    }
}
