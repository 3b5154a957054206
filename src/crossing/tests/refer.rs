//! What people do with messages of before: answer, edit, take back, react; and what is fleeting.

use drawbridge_adapter::{Passing, Receipt, Reference, Reply, Thread, Typing, Was};

use super::*;
use crate::crossing::Change;

pub(super) const ANN: &str = "left:ann";
pub(super) const BOB: &str = "right:bob";

pub(super) fn sent(id: &str) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was: Was::Sent, sent_at: None }
}

fn delivered(id: &str) -> Reference {
    Reference { was: Was::Delivered, ..sent(id) }
}

fn edit(of: Reference, body: &str) -> Content {
    Content::Edit { of, text: Text::plain(body) }
}

fn all(to: Reference, emojis: &[&str]) -> Content {
    let emojis = emojis.iter().map(|emoji| (*emoji).to_owned()).collect();
    Content::Reaction { to, emojis: Emojis::All(emojis) }
}

fn one(to: Reference, emoji: &str) -> Content {
    Content::Reaction { to, emojis: Emojis::One(emoji.to_owned()) }
}

impl Fake {
    /// What came that is about another message.
    fn about(&self) -> Vec<Content> {
        let about = |delivery: &Delivery| match &delivery.command {
            Command::Message(message) => {
                message.content.about().is_some().then(|| message.content.clone())
            }
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(about).collect()
    }

    fn replies(&self) -> Vec<Option<Reply>> {
        let reply = |delivery: &Delivery| match &delivery.command {
            Command::Message(message) => Some(message.reply.clone()),
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(reply).collect()
    }

    async fn shows(&self, number: usize) -> Content {
        self.until(|fake| fake.about().len() > number).await;
        self.about()[number].clone()
    }

    async fn passes(&self, number: usize) -> Signal {
        self.until(|fake| fake.passing.lock().unwrap().len() > number).await;
        self.passing.lock().unwrap()[number].clone()
    }
}

impl Town {
    pub(super) async fn changes(&self, change: Change) {
        assert!(self.crossing.change_people(change).await.unwrap());
    }

    pub(super) async fn does(&mut self, from: &str, to: &str, content: Content) -> Answer {
        let event = Event { content, ..self.event(from, to, "") };
        let network = event.sender.user.network().as_str().to_owned();
        self.bridge(&network).accept(vec![event]).await.unwrap()[0].answer
    }

    /// Two things: one that a block swallows, which is lifted then, and one that is refused.
    async fn ann_says_what_never_comes(&mut self) {
        let (owner, blocked) = (user(BOB), user(ANN));
        self.changes(Change::Block { owner: owner.clone(), blocked: blocked.clone() }).await;
        self.says(ANN, BOB, "hidden").await;
        self.rests().await;
        self.changes(Change::Unblock { owner, blocked }).await;
        let marks = Marks { disappearing: true, ..Marks::default() };
        let timed = Event { marks, ..self.event(ANN, BOB, "gone soon") };
        self.bridge("left").accept(vec![timed]).await.unwrap();
    }

    /// Ann writes to Bob, who hears it; under which key.
    async fn ann_tells_bob(&mut self, body: &str) -> String {
        let known = self.right.texts().len();
        assert_eq!(self.says(ANN, BOB, body).await, Answer::Accepted);
        self.right.until(|fake| fake.texts().len() > known).await;
        self.rests().await;
        self.right.key_of(body)
    }
}

fn refused(code: Code) -> Answer {
    Answer::Refused(code.into())
}

#[tokio::test]
async fn an_edit_and_a_retraction_name_the_message_as_the_other_network_does() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.ann_tells_bob("hello").await;
    assert_eq!(town.does(ANN, BOB, edit(sent("$1"), "hullo")).await, Answer::Accepted);
    // The fake calls a message by its text.
    assert_eq!(town.right.shows(0).await, edit(delivered("hello"), "hullo"));
    let retraction = Content::Retraction { of: sent("$1") };
    assert_eq!(town.does(ANN, BOB, retraction).await, Answer::Accepted);
    assert_eq!(town.right.shows(1).await, Content::Retraction { of: delivered("hello") });
}

#[tokio::test]
async fn nobody_edits_what_another_wrote_or_nobody() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("hello").await;
    let foreign = edit(delivered(&key), "mine now");
    assert_eq!(town.does(BOB, ANN, foreign).await, refused(Code::Forbidden));
    let retraction = Content::Retraction { of: delivered(&key) };
    assert_eq!(town.does(BOB, ANN, retraction).await, refused(Code::Forbidden));
    let unknown = edit(sent("$7"), "what?");
    assert_eq!(town.does(ANN, BOB, unknown).await, refused(Code::TargetNotFound));
    // It is one of another chat's.
    let elsewhere = edit(sent("$1"), "what?");
    assert_eq!(town.does(ANN, "right:eve", elsewhere).await, refused(Code::TargetNotFound));
    let reaction = all(delivered(&key), &["👍"]);
    assert_eq!(town.does("right:eve", ANN, reaction).await, refused(Code::TargetNotFound));
}

#[tokio::test]
async fn a_reply_names_the_message_on_either_side() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("how are you?").await;
    let mut replies = |from: &str, to: &str, reference: Reference| {
        let reply = Some(Reply::answering(Some(reference), None));
        Event { reply, ..town.event(from, to, "fine") }
    };
    let from_bob = replies(BOB, ANN, delivered(&key));
    let from_ann = replies(ANN, BOB, sent("$1"));
    let lost = replies(ANN, BOB, sent("$77"));
    town.bridge("right").accept(vec![from_bob]).await.unwrap();
    town.bridge("left").accept(vec![from_ann, lost]).await.unwrap();
    town.left.hears(&["fine"]).await;
    town.right.hears(&["how are you?", "fine", "fine"]).await;
    let to = |reply: &Option<Reply>| reply.clone().and_then(|reply| reply.to);
    assert_eq!(town.left.replies().iter().map(to).collect::<Vec<_>>(), [Some(sent("$1"))]);
    let replies = town.right.replies();
    assert_eq!(to(&replies[1]), Some(delivered("how are you?")));
    assert_eq!(replies[2], None);
}

fn in_thread(root: Reference, to: Reference, follows: bool) -> Reply {
    Reply { thread: Some(Thread { root, follows }), ..Reply::answering(Some(to), None) }
}

#[tokio::test]
async fn a_thread_begins_with_the_same_message_on_either_side() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let root = town.ann_tells_bob("about the boat").await;
    let mut replies = |from: &str, to: &str, body: &str, reply: Reply| Event {
        reply: Some(reply),
        ..town.event(from, to, body)
    };
    let first = replies(BOB, ANN, "blue", in_thread(delivered(&root), delivered(&root), true));
    let second = replies(ANN, BOB, "red", in_thread(sent("$1"), sent("$1"), true));
    // Behind its own message of before, in one thread with it.
    let third = replies(ANN, BOB, "or blue", in_thread(sent("$1"), sent("$3"), false));
    let elsewhere = replies(ANN, "right:eve", "hm", in_thread(sent("$1"), sent("$1"), true));
    let begun_by_none = replies(ANN, BOB, "what?", in_thread(sent("$77"), sent("$1"), false));
    town.bridge("right").accept(vec![first]).await.unwrap();
    town.bridge("left").accept(vec![second, third, begun_by_none]).await.unwrap();
    town.left.hears(&["blue"]).await;
    let mut heard = vec!["about the boat", "red", "or blue", "what?"];
    town.right.hears(&heard).await;
    town.bridge("left").accept(vec![elsewhere]).await.unwrap();
    heard.push("hm");
    town.right.hears(&heard).await;
    assert_eq!(town.left.replies(), [Some(in_thread(sent("$1"), sent("$1"), true))]);
    let there = delivered("about the boat");
    let replies = town.right.replies();
    assert_eq!(replies[1], Some(in_thread(there.clone(), there.clone(), true)));
    assert_eq!(replies[2], Some(in_thread(there.clone(), delivered("red"), false)));
    assert_eq!(replies[3..], [Some(Reply::answering(Some(there), None)), None]);
}

/// Taken back before it was there, refused, or swallowed: it begins nothing.
#[tokio::test]
async fn a_thread_begins_with_nothing_that_is_not_there() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.ann_says_what_never_comes().await;
    town.says(ANN, BOB, "hello").await;
    town.right.hears(&["hello"]).await;
    town.rests().await;
    town.loses("right");
    town.says(ANN, BOB, "about the boat").await;
    for root in ["$1", "$2", "$4"] {
        let reply = Some(in_thread(sent(root), sent("$3"), true));
        let event = Event { reply, ..town.event(ANN, BOB, "red") };
        town.bridge("left").accept(vec![event]).await.unwrap();
    }
    town.does(ANN, BOB, Content::Retraction { of: sent("$4") }).await;
    town.connects("right");
    town.right.hears(&["hello", "red", "red", "red"]).await;
    let answer = Some(Reply::answering(Some(delivered("hello")), None));
    assert_eq!(town.right.replies()[1..], [answer.clone(), answer.clone(), answer]);
}

#[tokio::test]
async fn a_thread_outlives_the_answer_that_is_taken_back() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.ann_tells_bob("about the boat").await;
    town.rests().await;
    town.loses("right");
    let reply = Some(in_thread(sent("$1"), sent("$2"), false));
    town.says(ANN, BOB, "red").await;
    let answer = Event { reply, ..town.event(ANN, BOB, "I mean blue") };
    town.bridge("left").accept(vec![answer]).await.unwrap();
    town.does(ANN, BOB, Content::Retraction { of: sent("$2") }).await;
    town.connects("right");
    town.right.hears(&["about the boat", "I mean blue"]).await;
    let thread = Some(Thread { root: delivered("about the boat"), follows: false });
    let alone = Reply { thread, ..Reply::answering(None, None) };
    assert_eq!(town.right.replies().last(), Some(&Some(alone)));
}

#[tokio::test]
async fn sets_of_reactions_and_single_ones_are_the_same() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("hello").await;
    let now = |all: &[&str], new: &[&str], gone: &[(&str, &str)]| Content::Reaction {
        to: sent("$1"),
        emojis: Emojis::Now {
            all: all.iter().map(|emoji| (*emoji).to_owned()).collect(),
            new: new.iter().map(|emoji| (*emoji).to_owned()).collect(),
            gone: gone
                .iter()
                .map(|(emoji, id)| ((*emoji).to_owned(), Some(EventId::new(*id).unwrap())))
                .collect(),
        },
    };
    town.does(BOB, ANN, all(delivered(&key), &["👍", "🎉"])).await;
    assert_eq!(town.left.shows(0).await, now(&["👍", "🎉"], &["👍", "🎉"], &[]));
    town.does(BOB, ANN, all(delivered(&key), &["🎉", "❤"])).await;
    assert_eq!(town.left.shows(1).await, now(&["🎉", "❤"], &["❤"], &[("👍", "the 👍")]));
    // As of a network where each is an event.
    town.does(BOB, ANN, one(delivered(&key), "👍")).await;
    assert_eq!(town.left.shows(2).await, now(&["🎉", "❤", "👍"], &["👍"], &[]));
    let event = format!("${}", town.said);
    town.does(BOB, ANN, Content::Retraction { of: sent(&event) }).await;
    assert_eq!(town.left.shows(3).await, now(&["🎉", "❤"], &[], &[("👍", "the 👍")]));
    town.does(BOB, ANN, all(delivered(&key), &[])).await;
    let gone = [("🎉", "the 🎉"), ("❤", "the ❤")];
    assert_eq!(town.left.shows(4).await, now(&[], &[], &gone));
}

#[tokio::test]
async fn what_is_about_a_message_of_the_same_window_comes_behind_it() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    town.says(ANN, BOB, "hello").await;
    town.does(ANN, BOB, edit(sent("$1"), "hullo")).await;
    town.does(ANN, BOB, one(sent("$1"), "👍")).await;
    town.does(ANN, BOB, Content::Retraction { of: sent("$3") }).await;
    town.connects("right");
    town.right.hears(&["hello"]).await;
    assert_eq!(town.right.shows(0).await, edit(delivered("hello"), "hullo"));
    let gone = vec![("👍".to_owned(), Some(EventId::new("the 👍").unwrap()))];
    let emojis = Emojis::Now { all: Vec::new(), new: Vec::new(), gone };
    assert_eq!(town.right.shows(2).await, Content::Reaction { to: delivered("hello"), emojis });
}

#[tokio::test]
async fn what_is_taken_back_before_its_turn_leaves_the_disk_and_never_comes() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.loses("right");
    town.says(ANN, BOB, "a word that I regret").await;
    town.does(ANN, BOB, edit(sent("$1"), "another that I regret")).await;
    assert_eq!(town.does(ANN, BOB, Content::Retraction { of: sent("$1") }).await, Answer::Accepted);
    let waiting = town.crossing.store.queue(None, 0, 64).await.unwrap();
    for row in &waiting {
        assert!(!serde_json::to_string(&row.payload).unwrap().contains("regret"));
    }
    town.says(ANN, BOB, "hello").await;
    town.connects("right");
    town.right.hears(&["hello"]).await;
    town.rests().await;
    assert_eq!(town.right.about(), []);
    // It is gone, and stays so.
    town.does(ANN, BOB, edit(sent("$1"), "again")).await;
    town.says(ANN, BOB, "bye").await;
    town.right.hears(&["hello", "bye"]).await;
    assert_eq!(town.right.about(), []);
}

#[tokio::test]
async fn an_edit_of_what_a_block_swallowed_never_comes() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let (owner, blocked) = (user(BOB), user(ANN));
    let block = Change::Block { owner: owner.clone(), blocked: blocked.clone() };
    town.changes(block).await;
    assert_eq!(town.says(ANN, BOB, "hidden").await, Answer::Accepted);
    town.rests().await;
    town.changes(Change::Unblock { owner, blocked }).await;
    // Ann sees what she would see of any other.
    assert_eq!(town.does(ANN, BOB, edit(sent("$1"), "shown")).await, Answer::Accepted);
    assert_eq!(town.does(ANN, BOB, one(sent("$1"), "👍")).await, Answer::Accepted);
    town.says(ANN, BOB, "hello").await;
    town.right.hears(&["hello"]).await;
    assert_eq!(town.right.about(), []);
    // And Bob, who has not seen it, knows nothing of it.
    town.rests().await;
    assert_eq!(
        town.does(BOB, ANN, all(delivered("0"), &["?"])).await,
        refused(Code::TargetNotFound)
    );
}

#[tokio::test]
async fn what_is_fleeting_passes_between_those_who_hear_each_other() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("hello").await;
    let typing = |typing| Typing { by: user(BOB), to: user(ANN), typing };
    let receipt = |of| Receipt { by: user(BOB), to: user(ANN), of, read: true };
    town.bridge("right").pass(Passing::Typing(typing(true)));
    assert_eq!(town.left.passes(0).await, Signal::Typing(typing(true)));
    town.bridge("right").pass(Passing::Receipt(receipt(delivered(&key))));
    assert_eq!(town.left.passes(1).await, Signal::Receipt(receipt(sent("$1"))));
    // Of nothing that Ann wrote to Bob, and not by anybody else.
    town.bridge("right").pass(Passing::Receipt(receipt(delivered("nothing"))));
    let eve = Receipt { by: user("right:eve"), ..receipt(delivered(&key)) };
    town.bridge("right").pass(Passing::Receipt(eve));
    town.changes(Change::Receipts { user: user(BOB), unseen: true }).await;
    town.bridge("right").pass(Passing::Receipt(receipt(delivered(&key))));
    town.bridge("right").pass(Passing::Typing(typing(false)));
    assert_eq!(town.left.passes(2).await, Signal::Typing(typing(false)));
}

#[tokio::test]
async fn nothing_fleeting_passes_a_block_or_to_who_did_not_ask_for_the_app() {
    let dir = TempDir::new().unwrap();
    let roles = [Role::ThirdParty, Role::Home];
    let town = Town::open_between(&dir, limits(), StatusNeeds::default(), roles).await;
    let (ann, bob) = (user(ANN), user(BOB));
    let passes = |town: &Town, by: &UserId, to: &UserId, may: bool| {
        let typing = Typing { by: by.clone(), to: to.clone(), typing: may };
        town.bridge(by.network().as_str()).pass(Passing::Typing(typing));
    };
    let enable = Change::Enable { user: bob.clone(), network: NetworkId::new("left").unwrap() };
    passes(&town, &ann, &bob, false);
    passes(&town, &bob, &ann, false);
    town.changes(enable).await;
    // A stranger still.
    passes(&town, &ann, &bob, false);
    passes(&town, &bob, &ann, false);
    let contact = Change::Accept { owner: bob.clone(), other: ann.clone() };
    town.changes(contact).await;
    passes(&town, &ann, &bob, true);
    passes(&town, &bob, &ann, true);
    let heard = |signal: Signal| matches!(signal, Signal::Typing(Typing { typing: true, .. }));
    assert!(heard(town.right.passes(0).await) && heard(town.left.passes(0).await));
    town.changes(Change::Block { owner: bob.clone(), blocked: ann.clone() }).await;
    passes(&town, &ann, &bob, false);
    passes(&town, &bob, &ann, false);
    town.changes(Change::Unblock { owner: bob.clone(), blocked: ann.clone() }).await;
    passes(&town, &ann, &bob, true);
    passes(&town, &bob, &ann, true);
    assert!(heard(town.right.passes(1).await) && heard(town.left.passes(1).await));
}

#[tokio::test]
async fn nobody_takes_back_the_reaction_of_another() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("hello").await;
    town.does(ANN, BOB, one(sent("$1"), "👍")).await;
    town.does(BOB, ANN, one(delivered(&key), "👍")).await;
    town.left.shows(0).await;
    town.rests().await;
    let of_bob = {
        let heard = town.left.heard.lock().unwrap();
        let is = |delivery: &&Delivery| matches!(delivery.command, Command::Message(_));
        heard.iter().rfind(is).unwrap().key.clone()
    };
    let retraction = Content::Retraction { of: delivered(&of_bob) };
    assert_eq!(town.does(ANN, BOB, retraction).await, refused(Code::TargetNotFound));
    // Hers is still hers to take back.
    let own = Content::Retraction { of: sent("$2") };
    assert_eq!(town.does(ANN, BOB, own).await, Answer::Accepted);
    let gone = vec![("👍".to_owned(), Some(EventId::new("the 👍").unwrap()))];
    let emojis = Emojis::Now { all: Vec::new(), new: Vec::new(), gone };
    assert_eq!(town.right.shows(1).await, Content::Reaction { to: delivered("hello"), emojis });
}

#[tokio::test]
async fn what_an_earlier_try_may_have_shown_is_taken_back_there() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let wait = Some(Duration::from_secs(2));
    town.right.fails(DeliveryError::Retry { after: wait, why: "the test says so" });
    town.says(ANN, BOB, "1").await;
    town.right.until(|fake| fake.script.lock().unwrap().is_empty()).await;
    town.does(ANN, BOB, Content::Retraction { of: sent("$1") }).await;
    // It never comes, and under its key it is taken back.
    let Content::Retraction { of } = town.right.shows(0).await else { panic!("no retraction") };
    assert_eq!((of.was, of.id.as_str().len()), (Was::Delivered, 27));
    assert_eq!(town.right.texts(), [""; 0]);
}

#[tokio::test]
async fn a_quote_of_what_did_not_cross_does_not_either() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    town.ann_says_what_never_comes().await;
    for of in ["$1", "$2"] {
        let reply = Some(Reply::answering(Some(sent(of)), Some("hidden".to_owned())));
        let event = Event { reply, ..town.event(ANN, BOB, "as I said") };
        town.bridge("left").accept(vec![event]).await.unwrap();
    }
    town.right.hears(&["as I said", "as I said"]).await;
    assert_eq!(town.right.replies(), [None, None]);
}

#[tokio::test]
async fn an_edit_answers_nothing() {
    let dir = TempDir::new().unwrap();
    let mut town = Town::open(&dir, limits(), StatusNeeds::default()).await;
    let key = town.ann_tells_bob("hello").await;
    town.says(BOB, ANN, "hm").await;
    town.left.hears(&["hm"]).await;
    let reply = Some(Reply::answering(Some(delivered(&key)), None));
    let content = edit(sent("$2"), "hmm");
    let event = Event { content, reply, ..town.event(BOB, ANN, "") };
    town.bridge("right").accept(vec![event]).await.unwrap();
    town.left.shows(0).await;
    assert_eq!(town.left.replies().last(), Some(&None));
}
