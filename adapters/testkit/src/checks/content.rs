//! What a message may be besides a plain text, and what becomes of it later.

use anyhow::{Result, bail, ensure};
use drawbridge_adapter::{
    Block, Content, Event, Feature, Inline, Kind, Level, Reference, Repeats, Reply, Rich, Text,
    Thread, Was,
};

use crate::play::Play;
use crate::{Deed, Done, Sight, Stage, Tried};

/// Rule: what is formatted arrives with its formatting, and with a plain text that holds its words.
pub async fn format_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Formatting) {
        return Ok(Done::Undeclared(NO_FORMATTING));
    }
    if play.performs(&Deed::SaysBold("out of the way".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT));
    }
    let text = play.takes("bold text", |event| {
        event.content.written().filter(|text| text.body.contains("out of the way")).cloned()
    });
    let Text { body, rich } = text.await?;
    let Some(rich) = rich else { bail!("it arrived without formatting") };
    ensure!(rich.plain() == "out of the way", "it arrived as {:?}", rich.plain());
    ensure!(is_bold(&rich), "it is not all bold: {body:?}");
    let plain = play.crosses_in("as you like").await?;
    let rich = plain.content.written().and_then(|text| text.rich.as_ref());
    ensure!(rich.is_none(), "a plain text arrived with formatting");
    play.closes().await
}

/// Rule: formatting is shown, and whatever a formatted text is made of, its words are.
pub async fn format_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Formatting) {
        return Ok(Done::Undeclared(NO_FORMATTING));
    }
    let bold = Rich(vec![Block::Paragraph(vec![Inline::Bold(plain("mind the step"))])]);
    let bold = Text { body: "mind the step".to_owned(), rich: Some(bold) };
    let bold = play.content(Content::Text(bold), None)?;
    play.deliver_one(&bold).await?;
    if play.sees(&Sight::Bold("mind the step".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT_SEE));
    }
    play.crosses_out_after("mind the step", "as you please").await?;
    let rich = everything(&play);
    let all = Text { body: rich.plain(), rich: Some(rich) };
    let all = play.content(Content::Text(all), None)?;
    play.deliver_one(&all).await?;
    let heard = play.heard().await?.text;
    let mut at = 0;
    for word in ["apples", "pears", "quinces", "plums", "let x = 1;", "figs", "the end"] {
        let Some(found) = heard[at..].find(word) else {
            bail!("the peer was shown no {word:?} in its place, but {heard:?}");
        };
        at += found + word.len();
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: an answer names the message that it answers, and says nothing of it besides.
pub async fn reply_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Reply) {
        return Ok(Done::Undeclared("the adapter carries no replies"));
    }
    play.crosses_out("an earlier question").await?;
    let question = play.crosses_out("tea or coffee?").await?;
    if play.performs(&Deed::Replies("tea, please".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT));
    }
    let (text, reply) = play
        .takes("reply", |event| {
            let text = event.content.written().filter(|text| text.body.contains("tea, please"))?;
            Some((text.body.clone(), event.reply.clone()))
        })
        .await?;
    ensure!(text == "tea, please", "the answer arrived as {text:?}");
    let answered = reply.and_then(|reply| reply.to);
    let Some(answered) = answered else { bail!("it answers nothing") };
    ensure!(question.is(&answered), "it answers another message: {answered:?}");
    let next = play.crosses_in("and a biscuit").await?;
    ensure!(next.reply.is_none(), "a message that answers nothing arrived as a reply");
    play.closes().await
}

/// Rule: an answer is shown as one to the message that it answers; where that is not known, its
/// words are shown all the same.
pub async fn reply_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Reply) {
        return Ok(Done::Undeclared("the adapter carries no replies"));
    }
    play.crosses_out("ask me anything").await?;
    play.crosses_in("an earlier question").await?;
    let question = play.crosses_in("milk or lemon?").await?;
    let reply = Reply::answering(Some(sent(&question)), None);
    let answer = play.content(Content::text("milk, please"), Some(reply))?;
    play.deliver_one(&answer).await?;
    if play.sees(&Sight::Reply("milk, please".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT_SEE));
    }
    play.crosses_out_after("milk, please", "and no sugar").await?;
    let lost = Reply::answering(None, Some("a question of long ago".to_owned()));
    let late = play.content(Content::text("yes, by all means"), Some(lost))?;
    play.deliver_one(&late).await?;
    let heard = play.heard().await?.text;
    ensure!(heard.ends_with("yes, by all means"), "an answer to nothing known came as {heard:?}");
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: what stands in a thread names the message with which the thread begins; what follows in it
/// and answers nothing names it as what it answers, too, for those who see no threads.
pub async fn thread_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Thread) {
        return Ok(Done::Undeclared("the adapter carries no threads"));
    }
    play.crosses_out("an earlier boat").await?;
    let root = play.crosses_out("which boat?").await?;
    if play.performs(&Deed::Threads("the blue one".to_owned())).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT));
    }
    let (text, reply) = play
        .takes("message in a thread", |event| {
            let text = event.content.written().filter(|text| text.body.contains("the blue one"))?;
            Some((text.body.clone(), event.reply.clone()))
        })
        .await?;
    ensure!(text == "the blue one", "what stands in a thread arrived as {text:?}");
    let Some(Reply { to, thread: Some(Thread { root: named, follows }), .. }) = reply else {
        bail!("it stands in no thread")
    };
    ensure!(root.is(&named), "its thread begins with another message: {named:?}");
    ensure!(to.is_some_and(|to| root.is(&to)), "where there are no threads it answers nothing");
    ensure!(follows, "it answers what it only follows");
    let next = play.crosses_in("and a sail").await?;
    ensure!(next.reply.is_none(), "a message that stands in no thread arrived in one");
    play.closes().await
}

/// Rule: what stands in a thread is shown in that which begins with the same message, also if what
/// it answers there is gone.
pub async fn thread_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !bears(&play, Feature::Thread) {
        return Ok(Done::Undeclared("the adapter carries no threads"));
    }
    ensure!(bears(&play, Feature::Reply), "it declares threads, and no replies");
    play.crosses_out("ask me anything").await?;
    play.crosses_in("an earlier boat").await?;
    let root = sent(&play.crosses_in("which boat?").await?);
    for (text, to, follows) in
        [("the blue one", Some(root.clone()), true), ("and the red one", None, false)]
    {
        let thread = Some(Thread { root: root.clone(), follows });
        let reply = Reply { thread, ..Reply::answering(to, None) };
        play.deliver_one(&play.content(Content::text(text), Some(reply))?).await?;
        if play.sees(&Sight::Thread(text.to_owned())).await? == Tried::Impossible {
            return Ok(Done::Skipped(CANNOT_SEE));
        }
        play.crosses_out_after(text, "no more of boats").await?;
    }
    play.closes().await
}

/// Rule: an edit arrives as one, names the message that was first sent, also if it is not the
/// first, and brings the whole new text.
pub async fn edit_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Edit) {
        return Ok(Done::Undeclared(NO_EDITS));
    }
    play.crosses_in("an earlier word").await?;
    let first = play.crosses_in("see you at nien").await?;
    for new in ["see you at nine", "see you at ten"] {
        if play.performs(&Deed::Edits(new.to_owned())).await? == Tried::Impossible {
            return Ok(Done::Skipped(CANNOT));
        }
        let edit = play.takes("edit", |event| {
            let text = event.content.written().filter(|text| text.body.contains(new))?;
            Some((event.clone(), text.body.clone()))
        });
        let (event, text) = edit.await?;
        let Content::Edit { of, .. } = &event.content else { bail!("it is no edit, but a text") };
        ensure!(text == new, "the new text arrived as {text:?}");
        ensure!(is(of, &first), "it is of another message: {of:?}");
        ensure!(event.id != first.id, "the edit has the id of what it edits");
    }
    play.crosses_in("end").await?;
    play.closes().await
}

/// Rule: a sticker inside an edit is reported.
pub async fn edit_sticker_in(stage: &dyn Stage) -> Result<Done> {
    edit_into(stage, Kind::Sticker, |event| event.marks.sticker).await
}

/// Rule: a timer inside an edit is reported.
pub async fn edit_disappearing_in(stage: &dyn Stage) -> Result<Done> {
    edit_into(stage, Kind::Disappearing, |event| event.marks.disappearing).await
}

async fn edit_into(stage: &dyn Stage, kind: Kind, marked: fn(&Event) -> bool) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Edit) {
        return Ok(Done::Undeclared(NO_EDITS));
    }
    let first = play.crosses_in("it lasts").await?;
    if play.performs(&Deed::EditsInto(kind)).await? == Tried::Impossible {
        return Ok(Done::Skipped("the peer cannot put this kind into an edit"));
    }
    let edit = play.takes("edit", |event| (event.id != first.id).then(|| event.clone())).await?;
    ensure!(edit.content.kind() == kind || marked(&edit), "it arrived as mere {:?}", edit.content);
    play.crosses_in("end").await?;
    play.closes().await
}

/// Rule: an edit is shown as the new text of the message that it is of, each time; and not as a
/// message.
pub async fn edit_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Edit) {
        return Ok(Done::Undeclared(NO_EDITS));
    }
    let first = play.crosses_out("the door is opne").await?;
    for new in ["the door is open", "the door is shut"] {
        let edit = Content::Edit { of: first.reference(), text: Text::plain(new) };
        let once = play.content(edit, None)?;
        let mut again = once.clone();
        again.attempt = 2;
        play.delivers(&[once, again]).await?;
        if play.sees(&Sight::Edited(new.to_owned())).await? == Tried::Impossible {
            return Ok(Done::Skipped(CANNOT_SEE));
        }
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Rule: what is taken back is named as it was first sent.
pub async fn retract_in(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Retraction) {
        return Ok(Done::Undeclared(NO_RETRACTIONS));
    }
    play.crosses_in("an earlier word").await?;
    let slip = play.crosses_in("a slip of the tongue").await?;
    if play.performs(&Deed::Retracts).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT));
    }
    let of = play.takes("retraction", |event| match &event.content {
        Content::Retraction { of } => Some(of.clone()),
        _ => None,
    });
    let of = of.await?;
    ensure!(is(&of, &slip), "it is of another message: {of:?}");
    play.crosses_in("end").await?;
    play.closes().await
}

/// Rule: what is taken back is gone, and the rest is not.
pub async fn retract_out(stage: &dyn Stage) -> Result<Done> {
    let mut play = Play::open(stage).await?;
    if !carries(&play, Kind::Retraction) {
        return Ok(Done::Undeclared(NO_RETRACTIONS));
    }
    play.crosses_out("this stays").await?;
    let slip = play.crosses_out("this was not for you").await?;
    let once = play.content(Content::Retraction { of: slip.reference() }, None)?;
    let mut again = once.clone();
    again.attempt = 2;
    play.delivers(&[once, again]).await?;
    if play.sees(&Sight::Retracted).await? == Tried::Impossible {
        return Ok(Done::Skipped(CANNOT_SEE));
    }
    play.crosses_out("end").await?;
    play.closes().await
}

/// Whether the adapter declares the kind.
pub(super) fn carries(play: &Play, kind: Kind) -> bool {
    play.adapter.capabilities().level(kind) != Level::Rejected
}

fn bears(play: &Play, feature: Feature) -> bool {
    play.adapter.capabilities().feature(feature) != Level::Rejected
}

/// How a command names what the peer sent.
pub(super) fn sent(event: &Event) -> Reference {
    Reference { id: event.id.clone(), was: Was::Sent, sent_at: None }
}

/// Whether this, of an event, names an earlier one.
pub(super) fn is(named: &Reference, event: &Event) -> bool {
    let id = event.id.as_str();
    let id = match event.repeats {
        Repeats::Within(_) => id.split('/').next().unwrap_or(id),
        Repeats::Always | Repeats::AlwaysDated => id,
    };
    let dated = event.repeats != Repeats::AlwaysDated || named.sent_at == Some(event.sent_at);
    named.was == Was::Sent && named.id.as_str() == id && dated
}

fn plain(text: &str) -> Vec<Inline> {
    vec![Inline::Text(text.to_owned())]
}

/// Whether all that is written there is bold.
fn is_bold(rich: &Rich) -> bool {
    fn bold(inline: &Inline) -> bool {
        match inline {
            Inline::Bold(_) => true,
            Inline::Text(text) => text.trim().is_empty(),
            held => !held.inlines().is_empty() && held.inlines().iter().all(bold),
        }
    }
    rich.0.iter().all(|block| match block {
        Block::Paragraph(inlines) => inlines.iter().all(bold),
        _ => false,
    })
}

/// A text with one of each thing that there is.
fn everything(play: &Play) -> Rich {
    let paragraph = |text: &str| Block::Paragraph(plain(text));
    Rich(vec![
        Block::Heading(2, plain("apples")),
        Block::Paragraph(vec![
            Inline::Italic(plain("pears")),
            Inline::Text(", ".to_owned()),
            Inline::Strike(plain("medlars")),
            Inline::Break,
            Inline::Underline(vec![Inline::Bold(plain("cherries"))]),
            Inline::Text(" ".to_owned()),
            Inline::Spoiler(plain("grapes")),
            Inline::Code("a *b* `c`".to_owned()),
            Inline::Link { url: "https://fruit.test/a?b=c&d".to_owned(), text: plain("all") },
            Inline::Mention { user: play.peer.user(), name: "you".to_owned() },
            Inline::Mention { user: play.carol.clone(), name: "me".to_owned() },
        ]),
        Block::List {
            from: None,
            items: vec![
                vec![paragraph("quinces")],
                vec![
                    paragraph("plums"),
                    Block::List { from: Some(7), items: vec![vec![paragraph("damsons")]] },
                ],
            ],
        },
        Block::Code { language: Some("rust".to_owned()), text: "let x = 1;\n*x".to_owned() },
        Block::Quote(vec![paragraph("figs"), Block::Quote(vec![paragraph("dates")])]),
        Block::Rule,
        paragraph("the end"),
    ])
}

const CANNOT: &str = "the peer cannot do that";
const CANNOT_SEE: &str = "the peer cannot see that";
const NO_FORMATTING: &str = "the adapter carries no formatting";
const NO_EDITS: &str = "the adapter carries no edits";
const NO_RETRACTIONS: &str = "the adapter carries no retractions";
