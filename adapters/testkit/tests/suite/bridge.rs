//! The reference bridge keeps the contract that the daemon keeps.

use std::time::Duration;

use drawbridge_adapter::{
    Acceptance, Answer, Block, Code, ContactCard, Content, Destination, Emojis, Event, EventId,
    FileInfo, Inline, Location, Locator, Marks, Media, MediaKind, Memo, NetworkId, NewPicture,
    Party, Picture, Poll, ProfileChange, Reference, Repeats, Reply, ReplyPath, Rich, Shown, Text,
    Thumbnail, Timestamp, Unavailable, UserId, Was,
};
use drawbridge_testkit::ReferenceBridge;

const SOON: Duration = Duration::from_secs(10);

fn bridge() -> ReferenceBridge {
    ReferenceBridge::new(NetworkId::new("line").unwrap())
}

fn event(id: &str, text: &str) -> Event {
    Event {
        id: EventId::new(id).unwrap(),
        repeats: Repeats::Always,
        sender: Party { user: "line:dora".parse().unwrap(), name: None },
        to: Destination::Direct("elsewhere:carol".parse().unwrap()),
        sent_at: Timestamp(0),
        content: Content::text(text),
        reply: None,
        marks: Marks::default(),
        reply_path: ReplyPath::default(),
    }
}

#[tokio::test]
async fn a_repeat_gets_the_answer_of_the_first_time() {
    let bridge = bridge();
    bridge.refuse("no", Code::Forbidden);
    let handle = bridge.handle();
    let first = handle.accept(vec![event("1", "yes"), event("2", "no")]).await.unwrap();
    let refused = Answer::Refused(Code::Forbidden.into());
    assert_eq!(first[0], Acceptance { answer: Answer::Accepted, repeat: false });
    assert_eq!(first[1], Acceptance { answer: refused, repeat: false });
    let again = handle.accept(vec![event("2", "no"), event("1", "yes")]).await.unwrap();
    assert_eq!(again[0], Acceptance { answer: refused, repeat: true });
    assert_eq!(again[1], Acceptance { answer: Answer::Accepted, repeat: true });
    assert_eq!(bridge.journal().texts(), ["yes"]);
    assert!(bridge.journal().breaches.is_empty());
}

#[tokio::test]
async fn an_id_may_come_again_after_its_time() {
    let bridge = bridge();
    bridge.set_clock(Timestamp(1_000_000));
    let mut short = event("1", "ok");
    short.repeats = Repeats::Within(Duration::from_mins(10));
    let handle = bridge.handle();
    let repeats = async || handle.accept(vec![short.clone()]).await.unwrap()[0].repeat;
    assert!(!repeats().await);
    bridge.set_clock(Timestamp(1_000_000 + 600_000));
    assert!(repeats().await);
    bridge.set_clock(Timestamp(1_000_000 + 600_001));
    assert!(!repeats().await);
}

#[tokio::test]
async fn a_failing_bridge_writes_nothing() {
    let bridge = bridge();
    bridge.fail_next(1, Unavailable::Full);
    let handle = bridge.handle();
    assert_eq!(handle.accept(vec![event("1", "a")]).await, Err(Unavailable::Full));
    assert!(bridge.journal().handed.is_empty());
    assert!(!handle.accept(vec![event("1", "a")]).await.unwrap()[0].repeat);
    assert_eq!(bridge.hears(SOON, "a").await.unwrap().id.as_str(), "1");
}

#[tokio::test]
async fn breaches_are_seen() {
    let bridge = bridge();
    let handle = bridge.handle();
    let mut forged = event("1", "a");
    forged.sender.user = "elsewhere:carol".parse().unwrap();
    let mut home = event("2", "b");
    home.to = Destination::Direct("line:dora".parse().unwrap());
    let mut long = event("3", "c");
    long.reply_path = ReplyPath("x".repeat(ReplyPath::MAX + 1));
    let other = event("3", "not c");
    handle.accept(vec![forged, home, long, event("4", ""), other]).await.unwrap();
    let breaches = bridge.journal().breaches;
    assert_eq!(breaches.len(), 5, "{breaches:?}");
}

/// Of what an event says besides a plain text.
#[tokio::test]
async fn breaches_in_content_are_seen() {
    let bridge = bridge();
    let handle = bridge.handle();
    let rich = |block| Content::Text(Text { body: "a".to_owned(), rich: Some(Rich(vec![block])) });
    let to = |was, id: &str| Reference { id: EventId::new(id).unwrap(), was, sent_at: None };
    let key = "0".repeat(27);
    let react = |emojis| Content::Reaction { to: to(Was::Delivered, &key), emojis };
    let link = Inline::Link { url: "javascript:1".to_owned(), text: Vec::new() };
    let link = vec![Inline::Bold(vec![link])];
    let now = Emojis::Now { all: Vec::new(), new: Vec::new(), gone: Vec::new() };
    let contents = [
        rich(Block::List { from: None, items: vec![vec![Block::Rule; Rich::MAX_NODES]] }),
        rich(Block::Quote(vec![Block::Paragraph(link)])),
        react(now),
        react(Emojis::One("x".repeat(Emojis::MAX_BYTES + 1))),
        react(Emojis::All(vec!["x".to_owned(); Emojis::MOST + 1])),
        Content::Retraction { of: to(Was::Delivered, "line-1") },
        Content::Edit { of: to(Was::Sent, "line-1"), text: Text::plain("") },
    ];
    for (at, content) in contents.into_iter().enumerate() {
        let right = Event { content, ..event(&format!("c{at}"), "a") };
        handle.accept(vec![right]).await.unwrap();
        assert_eq!(bridge.journal().breaches.len(), at + 1, "{at}");
    }
    for (at, repeats) in [Repeats::AlwaysDated, Repeats::Within(SOON)].into_iter().enumerate() {
        let reply = Some(Reply::answering(Some(to(Was::Sent, "a/b")), None));
        let right = Event { repeats, reply, ..event(&format!("r{at}"), "a") };
        handle.accept(vec![right]).await.unwrap();
        assert_eq!(bridge.journal().breaches.len(), 8 + at, "{at}");
    }
}

fn place(name: Option<String>) -> Content {
    let mut spot = Location::new(52.5, 4.9).unwrap();
    spot.name = name;
    Content::Location(spot)
}

fn card(name: &str, phones: Vec<String>) -> ContactCard {
    ContactCard { name: name.to_owned(), phones, emails: Vec::new(), addresses: Vec::new() }
}

fn poll(question: &str, answers: Vec<String>, most: u32) -> Content {
    Content::Poll(Poll { question: question.to_owned(), answers, most })
}

/// Of places, contact cards and polls that do not keep to their bounds, each by its own words.
#[tokio::test]
async fn breaches_in_things_are_seen() {
    let bridge = bridge();
    let handle = bridge.handle();
    let line = |bytes: usize| "x".repeat(bytes);
    let lines = |count: usize| vec!["x".to_owned(); count];
    let over = |most: usize| vec![line(1), line(most + 1)];
    let (named, written, asked) = (Location::MAX_NAME, ContactCard::MAX_LINE, Poll::MAX_LINE);
    let many = lines(ContactCard::MOST + 1);
    let contents = [
        (place(Some(String::new())), "a place's name"),
        (place(Some(line(named + 1))), "a place's name"),
        (Content::Contact(card("", Vec::new())), "a line of a contact card"),
        (Content::Contact(card(&line(written + 1), Vec::new())), "a line of a contact card"),
        (Content::Contact(card("x", vec![String::new()])), "a line of a contact card"),
        (Content::Contact(card("x", over(written))), "a line of a contact card"),
        (Content::Contact(card("x", many.clone())), "lines of one sort"),
        (
            Content::Contact(ContactCard { emails: many.clone(), ..card("x", Vec::new()) }),
            "lines of one sort",
        ),
        (
            Content::Contact(ContactCard { addresses: many, ..card("x", Vec::new()) }),
            "lines of one sort",
        ),
        (poll("", lines(2), 1), "question or answer"),
        (poll(&line(asked + 1), lines(2), 1), "question or answer"),
        (poll("x", vec![line(1), String::new()], 1), "question or answer"),
        (poll("x", over(asked), 1), "question or answer"),
        (poll("x", lines(1), 1), "answers are too few"),
        (poll("x", lines(Poll::MOST + 1), 1), "answers are too few"),
        (poll("x", lines(2), 0), "none may be chosen"),
    ];
    for (at, (content, words)) in contents.into_iter().enumerate() {
        let wrong = Event { content, ..event(&format!("t{at}"), "a") };
        handle.accept(vec![wrong]).await.unwrap();
        let breaches = bridge.journal().breaches;
        assert_eq!(breaches.len(), at + 1, "{at}: {breaches:?}");
        assert!(breaches[at].contains(words), "{at}: {breaches:?}");
    }
}

/// Of files that lie where nobody can open them.
#[tokio::test]
async fn breaches_in_files_are_seen() {
    let bridge = bridge();
    let handle = bridge.handle();
    let file = |at, small: Option<Locator>| {
        let (kind, info) = (MediaKind::Image, FileInfo::default());
        let thumbnail = small.map(|at| Thumbnail { at, info: info.clone() });
        Content::Media(Box::new(Media { kind, at, info, thumbnail, caption: None }))
    };
    let own = |bytes: usize| Locator::Own("x".repeat(bytes));
    let link = |rest: &str| Locator::Link(format!("https://x.test/{rest}"));
    let right = [own(Locator::MAX), link(""), Locator::Link("http://x.test/".to_owned())];
    for (at, place) in right.into_iter().enumerate() {
        let content = file(place.clone(), Some(place));
        handle.accept(vec![Event { content, ..event(&format!("r{at}"), "a") }]).await.unwrap();
    }
    assert!(bridge.journal().breaches.is_empty(), "{:?}", bridge.journal().breaches);
    let wrong = [
        own(0),
        own(Locator::MAX + 1),
        link(&"x".repeat(Locator::MAX)),
        Locator::Link("file:///etc/passwd".to_owned()),
        Locator::Attached,
    ];
    for (at, place) in wrong.into_iter().enumerate() {
        for (which, content) in
            [file(place.clone(), None), file(own(1), Some(place))].into_iter().enumerate()
        {
            handle
                .accept(vec![Event { content, ..event(&format!("w{at}{which}"), "a") }])
                .await
                .unwrap();
            let breaches = bridge.journal().breaches;
            assert_eq!(breaches.len(), 2 * at + which + 1, "{at}: {breaches:?}");
            assert!(breaches[2 * at + which].contains("a file is not where"), "{at}: {breaches:?}");
        }
    }
}

#[tokio::test]
async fn things_may_go_to_their_bounds() {
    let bridge = bridge();
    let handle = bridge.handle();
    let line = |bytes: usize| "x".repeat(bytes);
    let lines = || vec![line(ContactCard::MAX_LINE); ContactCard::MOST];
    let card = card(&line(ContactCard::MAX_LINE), lines());
    let asked = line(Poll::MAX_LINE);
    let contents = [
        place(None),
        place(Some(line(Location::MAX_NAME))),
        Content::Contact(ContactCard { emails: lines(), addresses: lines(), ..card }),
        poll(&asked, vec![asked.clone(); 2], 1),
        poll(&asked, vec![asked.clone(); Poll::MOST], u32::MAX),
    ];
    for (at, content) in contents.into_iter().enumerate() {
        let right = Event { content, ..event(&format!("t{at}"), "a") };
        handle.accept(vec![right]).await.unwrap();
    }
    assert!(bridge.journal().breaches.is_empty(), "{:?}", bridge.journal().breaches);
}

#[tokio::test]
async fn waiting_is_in_vain_when_nothing_comes() {
    let error = bridge().hears(Duration::from_millis(10), "never").await.unwrap_err();
    assert!(error.to_string().contains("in vain: the bridge hears \"never\""), "{error}");
}

#[tokio::test]
async fn memos_are_kept_by_key_and_found_by_prefix() {
    let bridge = bridge();
    let handle = bridge.handle();
    let memos = ["room/a", "room/b", "room/c", "user/a"].map(|key| Memo::set(key, "1"));
    handle.remember(memos.to_vec()).await.unwrap();
    handle.remember(vec![Memo::forget("room/b"), Memo::set("room/a", "2")]).await.unwrap();
    assert_eq!(handle.recall("room/a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(handle.recall("room/b").await.unwrap(), None);
    let page = |after: &'static str, limit| handle.recall_all("room/", after, limit);
    let keys = |page: Vec<(String, String)>| page.into_iter().map(|(key, _)| key);
    assert!(keys(page("", 9).await.unwrap()).eq(["room/a", "room/c"]));
    assert!(keys(page("", 1).await.unwrap()).eq(["room/a"]));
    assert!(keys(page("room/a", 9).await.unwrap()).eq(["room/c"]));
}

#[tokio::test]
async fn it_knows_the_users_of_its_networks_by_their_canonical_ids() {
    let bridge = bridge();
    bridge.add_network(&NetworkId::new("third").unwrap());
    let knows = |user: &str| bridge.handle().knows(&user.parse::<UserId>().unwrap());
    assert!(knows("elsewhere:carol") && knows("third:x"));
    assert!(!knows("nowhere:carol") && !knows("elsewhere:Carol") && !knows("elsewhere:a\nb"));
}

#[tokio::test]
async fn the_last_word_on_how_somebody_looks_counts() {
    let bridge = bridge();
    let (handle, dora, erik) = (bridge.handle(), user("line:dora"), user("line:erik"));
    let at = |place: &str| NewPicture::At(place.to_owned());
    let of = |user: &UserId| ProfileChange::of(user.clone());
    handle.profile(of(&dora).name(Some("Dora")).picture(at("one"))).await.unwrap();
    handle.profile(of(&erik).name(Some("Erik"))).await.unwrap();
    handle.profile(of(&dora).picture(at("two"))).await.unwrap();
    let journal = bridge.journal();
    assert_eq!(
        (journal.name_of(&dora), journal.picture_of(&dora)),
        (Some("Dora"), Some(&at("two")))
    );
    assert_eq!((journal.name_of(&erik), journal.picture_of(&erik)), (Some("Erik"), None));
    handle.profile(of(&dora).name(None).picture(NewPicture::Gone)).await.unwrap();
    let journal = bridge.journal();
    assert_eq!(
        (journal.name_of(&dora), journal.picture_of(&dora)),
        (Some(""), Some(&NewPicture::Gone))
    );
    assert!(journal.breaches.is_empty(), "{:?}", journal.breaches);
}

#[tokio::test]
async fn a_profile_that_cannot_be_is_a_breach() {
    let bridge = bridge();
    let dora = ProfileChange::of(user("line:dora"));
    let breaks = [
        ProfileChange::of(user("elsewhere:carol")),
        dora.clone().picture(NewPicture::At(String::new())),
        dora.clone().picture(NewPicture::At("x".repeat(NewPicture::MAX_AT + 1))),
        dora.clone().picture(NewPicture::Here(vec![0; Picture::MAX + 1])),
    ];
    for (count, change) in (1..).zip(breaks) {
        bridge.handle().profile(change).await.unwrap();
        assert_eq!(bridge.journal().breaches.len(), count);
    }
    bridge.break_down(Unavailable::Failed);
    bridge.handle().profile(dora.name(Some("Dora"))).await.unwrap_err();
    assert_eq!(bridge.journal().profiles.len(), 4);
}

#[tokio::test]
async fn what_was_shown_to_one_was_shown_to_nobody_else() {
    let bridge = bridge();
    let (carol, dora, erik) = (user("elsewhere:carol"), user("line:dora"), user("line:erik"));
    let shown = Shown { name: Some("Carol".to_owned()), picture: None };
    bridge.has_shown(&carol, &dora, shown.clone());
    assert_eq!(bridge.handle().shown(&carol, &dora).await, Ok(Some(shown)));
    assert_eq!(bridge.handle().shown(&carol, &erik).await, Ok(None));
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}
