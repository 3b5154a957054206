//! What carol picked of what alice wrote is reported to the homeserver, and nothing else.

use anyhow::{Result, ensure};
use drawbridge_adapter::{Code, Command, Delivery, DeliveryError, EventId, Report, ReportReason};
use drawbridge_servers::MatrixReport;
use drawbridge_testkit::Peer;
use reqwest::Method;
use serde_json::Value;

use super::{Play, within};

impl Play {
    fn report(&self, key: &str, messages: &[EventId]) -> Result<Delivery> {
        let report = Report {
            about: self.alice.user(),
            by: self.carol.clone(),
            reason: ReportReason::Spam,
            messages: messages.to_vec(),
            words: format!("spam: {}", "é".repeat(2000)),
        };
        self.delivery(key, Command::Report(report))
    }

    /// Alice writes to carol's ghost; gives the event's id.
    async fn writes(&mut self, text: &str) -> Result<EventId> {
        let ghost = self.ghost.clone();
        within("alice writes", self.alice.says(&ghost, text)).await?;
        Ok(self.arrives(text).await?.id)
    }

    /// These were reported by carol's ghost, and nothing else.
    async fn were_reported(&self, expected: &[(&str, &str)]) -> Result<()> {
        let reports = self.homeserver.reports().await?;
        let seen: Vec<_> = reports.iter().map(|r| (r.of.as_str(), r.id.as_str())).collect();
        ensure!(seen == expected, "{seen:?}");
        let carols = |r: &MatrixReport| r.by == self.ghost && r.reason.starts_with("spam: éé");
        ensure!(reports.iter().all(carols), "{reports:?}");
        Ok(())
    }
}

#[tokio::test]
async fn the_picked_messages_are_reported_once_and_no_others() -> Result<()> {
    let mut play = Play::open().await?;
    let mut said = Vec::new();
    for text in ["hello", "buy now", "buy more"] {
        said.push(play.writes(text).await?);
    }
    let room = play.alice.room(&play.ghost.clone()).await?;
    let report = play.report("m1", &said[1..])?;
    let twice = [report.clone(), report.clone()];
    let answers = play.delivers(&twice).await;
    ensure!(answers.len() == 2 && answers.iter().all(Result::is_ok), "{answers:?}");
    play.dies_and_comes_back().await?;
    ensure!(play.delivers(&[report]).await.iter().all(Result::is_ok));
    let mut expected = vec![("event", said[1].as_str()), ("event", said[2].as_str())];
    play.were_reported(&expected).await?;

    // She leaves; what she said there is reported all the same, and what nobody knows is left out.
    play.alice.leaves(&play.ghost.clone()).await?;
    let newest = play.writes("a new room").await?;
    let picked = [said[0].clone(), EventId::new("$nobody-knows")?, newest.clone()];
    let answers = play.delivers(&[play.report("m2", &picked)?]).await;
    ensure!(answers.iter().all(Result::is_ok), "{answers:?}");
    expected.extend([("event", said[0].as_str()), ("event", newest.as_str())]);
    play.were_reported(&expected).await?;

    // Nothing of it is to be seen where she was, or is.
    let newer = play.alice.room(&play.ghost.clone()).await?;
    for room in [room, newer] {
        let path = format!("rooms/{room}/messages?dir=b&limit=50");
        let page = play.alice.call(Method::GET, &path, Value::Null).await?;
        let events = page["chunk"].as_array().into_iter().flatten();
        let mut ghosts = events.filter(|event| event["sender"] == play.ghost.as_str());
        ensure!(ghosts.all(|event| event["type"] == "m.room.member"), "{page}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_message_the_user_is_reported() -> Result<()> {
    let mut play = Play::open().await?;
    // They may never have met: the ghost is made for it.
    let alone = play.report("n1", &[])?;
    ensure!(play.delivers(std::slice::from_ref(&alone)).await.iter().all(Result::is_ok));
    play.dies_and_comes_back().await?;
    ensure!(play.delivers(&[alone]).await.iter().all(Result::is_ok));
    let alice = play.alice.user();
    play.were_reported(&[("user", alice.id())]).await?;
    // So they are if the messages are gone.
    play.writes("hello").await?;
    let gone =
        play.report("n2", &[EventId::new("$nobody-knows")?, EventId::new("no id at all")?])?;
    ensure!(play.delivers(&[gone]).await.iter().all(Result::is_ok));
    play.were_reported(&[("user", alice.id()), ("user", alice.id())]).await?;

    // Of a user of another homeserver there is nothing here to report.
    let mut far = play.report("n3", &[])?;
    let Command::Report(report) = &mut far.command else { unreachable!() };
    report.about = "matrix:@alice:far.test".parse()?;
    let answers = play.delivers(&[far]).await;
    let [Err(DeliveryError::Refused { refusal, .. })] = &answers[..] else {
        anyhow::bail!("{answers:?}")
    };
    ensure!(refusal.code == Code::TargetNotFound);
    Ok(())
}
