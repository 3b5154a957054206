//! Places, contact cards and polls, and who is there.

use drawbridge_adapter::{
    ContactCard, Location, NetworkId, Passing, Poll, Presence, There, Typing,
};

use super::refer::{ANN, BOB};
use super::*;

fn poll() -> Content {
    let answers = vec!["here".to_owned(), "there".to_owned()];
    Content::Poll(Poll { question: "Where?".to_owned(), answers, most: 1 })
}

#[tokio::test]
async fn what_a_network_does_not_show_is_said_and_what_it_shows_has_words_too() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    assert_eq!(town.does(ANN, BOB, poll()).await, Answer::Accepted);
    let said = "Poll: Where?\n1. here\n2. there\n(Votes do not cross: say which one you choose.)";
    town.right.hears(&[said]).await;
    let place = Location::new(52.5, 4.25).unwrap().named(Some("the pier"));
    let place = Content::Location(place);
    assert_eq!(town.does(ANN, BOB, place.clone()).await, Answer::Accepted);
    town.rests().await;
    let shown = |delivery: &Delivery| match &delivery.command {
        Command::Message(message) => Some((message.content.clone(), message.words.clone())),
        _ => None,
    };
    let last = town.right.heard.lock().unwrap().iter().rev().find_map(shown);
    assert_eq!(last, Some((place, Some("the pier\ngeo:52.5,4.25".to_owned()))));
    let card = ContactCard {
        name: "Zoë".to_owned(),
        phones: Vec::new(),
        emails: Vec::new(),
        addresses: Vec::new(),
    };
    let refused = Answer::Refused(Code::UnsupportedKind(Kind::Contact).into());
    assert_eq!(town.does(ANN, BOB, Content::Contact(card)).await, refused);
}

#[tokio::test]
async fn a_block_does_not_show_in_what_a_poll_is_called() {
    let dir = TempDir::new().unwrap();
    let mut town = super::requests::third_party(&dir).await;
    let left = NetworkId::new("left").unwrap();
    let (ann, bob) = (user(ANN), user(BOB));
    town.changes(Change::Enable { user: bob.clone(), network: left }).await;
    town.changes(Change::Accept { owner: bob.clone(), other: ann.clone() }).await;
    assert_eq!(town.does(ANN, BOB, poll()).await, Answer::Accepted);
    town.left.learns(&[State::Accepted]).await;
    town.changes(Change::Block { owner: bob, blocked: ann }).await;
    assert_eq!(town.does(ANN, BOB, poll()).await, Answer::Accepted);
    town.left.learns(&[State::Accepted, State::Accepted]).await;
    let kind = |delivery: &Delivery| match &delivery.command {
        Command::Status(status) => Some(status.kind),
        _ => None,
    };
    let kinds: Vec<_> = town.left.heard.lock().unwrap().iter().filter_map(kind).collect();
    assert_eq!(kinds, [Kind::Poll, Kind::Poll]);
}

impl Town {
    /// As Bob's network shows it to Ann.
    fn bob_is(&self, is: There) {
        self.bridge("right").pass(Passing::Presence(Presence { by: user(BOB), to: user(ANN), is }));
    }

    /// What is shown of Bob to Ann, from the first on.
    async fn ann_sees(&self, expected: &[There]) {
        let seen = |fake: &Fake| {
            let is = |signal: &Signal| match signal {
                Signal::Presence(presence) => {
                    assert_eq!((&presence.by, &presence.to), (&user(BOB), &user(ANN)));
                    Some(presence.is)
                }
                _ => None,
            };
            fake.passing.lock().unwrap().iter().filter_map(is).collect::<Vec<_>>()
        };
        self.left.until(|fake| seen(fake).len() >= expected.len()).await;
        assert_eq!(seen(&self.left), expected);
    }

    /// A while, after which all is shown that was put off.
    fn later(&self) {
        self.crossing.show_all_anew();
        self.crossing.show_presences();
    }

    /// What passed before has passed.
    async fn bob_types(&self, number: usize) {
        let typing = Typing { by: user(BOB), to: user(ANN), typing: true };
        self.bridge("right").pass(Passing::Typing(typing));
        let is = |signal: &&Signal| matches!(signal, Signal::Typing(_));
        let count = |fake: &Fake| fake.passing.lock().unwrap().iter().filter(is).count();
        self.left.until(|fake| count(fake) == number).await;
    }
}

#[tokio::test]
async fn who_is_there_is_shown_by_those_who_say_so_and_taken_back_when_they_do_not() {
    use There::{Away, Offline, Online};
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.bob_is(Online);
    town.bob_types(1).await;
    town.ann_sees(&[]).await;
    // What is known is shown at once.
    let said = town.asks(BOB, "presence on").await;
    assert!(said.contains("see whether you are there"), "{said}");
    town.ann_sees(&[Online]).await;
    town.bob_is(Online);
    town.bob_is(Away);
    town.ann_sees(&[Online, Away]).await;
    town.changes(Change::Block { owner: user(BOB), blocked: user(ANN) }).await;
    town.later();
    town.ann_sees(&[Online, Away, Offline]).await;
    town.bob_is(Online);
    town.changes(Change::Unblock { owner: user(BOB), blocked: user(ANN) }).await;
    town.later();
    town.ann_sees(&[Online, Away, Offline, Online]).await;
    // Ann's network forgets what it was shown, and Bob's cannot tell any more.
    town.loses("left");
    town.connects("left");
    town.later();
    town.ann_sees(&[Online, Away, Offline, Online, Online]).await;
    town.loses("left");
    town.bob_is(Away);
    town.bob_is(Online);
    town.bob_types(2).await;
    town.connects("left");
    town.later();
    town.ann_sees(&[Online, Away, Offline, Online, Online, Online]).await;
    town.loses("right");
    town.ann_sees(&[Online, Away, Offline, Online, Online, Online, Offline]).await;
    town.connects("right");
    town.bob_is(Online);
    town.ann_sees(&[Online, Away, Offline, Online, Online, Online, Offline, Online]).await;
    assert!(town.asks(BOB, "presence off").await.starts_with("Nobody on other networks"));
    town.ann_sees(&[Online, Away, Offline, Online, Online, Online, Offline, Online, Offline]).await;
}

#[tokio::test]
async fn who_is_there_is_shown_again_if_there_was_no_room() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.asks(BOB, "presence on").await;
    let turned_away = |fake: &Fake| *fake.turned_away.lock().unwrap();
    *town.left.turned_away.lock().unwrap() = Some(0);
    town.bob_is(There::Online);
    town.bob_is(There::Away);
    town.left.until(|fake| turned_away(fake) >= Some(2)).await;
    *town.left.turned_away.lock().unwrap() = None;
    town.ann_sees(&[There::Away]).await;
}

#[tokio::test]
async fn nobody_is_seen_by_who_did_not_ask_for_the_app() {
    let dir = TempDir::new().unwrap();
    let roles = [Role::ThirdParty, Role::Home];
    let town = Town::open_between(&dir, limits(), StatusNeeds::default(), roles).await;
    town.changes(Change::Presence { user: user(BOB), shown: true }).await;
    town.bob_is(There::Online);
    let left = NetworkId::new("left").unwrap();
    town.changes(Change::Enable { user: user(BOB), network: left.clone() }).await;
    let contact = Change::Accept { owner: user(BOB), other: user(ANN) };
    town.changes(contact).await;
    town.bob_is(There::Away);
    town.ann_sees(&[There::Away]).await;
    town.changes(Change::Disable { user: user(BOB), network: left.clone() }).await;
    town.ann_sees(&[There::Away, There::Offline]).await;
    town.changes(Change::Enable { user: user(BOB), network: left }).await;
    town.ann_sees(&[There::Away, There::Offline, There::Away]).await;
    town.bridge("right").pass(Passing::Left(user(BOB)));
    town.ann_sees(&[There::Away, There::Offline, There::Away, There::Offline]).await;
}
