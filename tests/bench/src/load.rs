//! The loads: a flood one way or the other, and a message now and then.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::arrivals::Message;
use crate::http::Wire;
use crate::subject::Subject;
use crate::xmpp;

/// How many events a transaction holds: what Synapse puts into one at most.
const BATCH: usize = 100;
/// Between two messages of the slow load.
const PAUSE: Duration = Duration::from_millis(100);

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Matrix → XMPP.
    A,
    /// XMPP → Matrix.
    B,
}

/// What a flood showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    /// Messages a second, from the first byte sent to the last message's arrival.
    pub(crate) rate: f64,
    /// Milliseconds of processor time a message, until it was at rest again.
    pub(crate) cpu: f64,
}

/// Sends `count` messages as fast as they are taken, in turn through `rooms` conversations.
pub(crate) async fn flood(
    subject: &mut Subject,
    way: Way,
    count: usize,
    rooms: std::ops::Range<usize>,
    run: usize,
) -> Result<Flood> {
    let width = rooms.len();
    let messages: Vec<_> = (0..count).map(|n| (rooms.start + n % width, n / width)).collect();
    let before = subject.cpu_at_rest().await?;
    let took = match way {
        Way::A => from_matrix(subject, &messages, run).await,
        Way::B => from_xmpp(subject, &messages, run).await,
    }?;
    subject.child()?;
    let cpu = subject.cpu_at_rest().await?.saturating_sub(before);
    let messages = f64::from(u32::try_from(count)?);
    Ok(Flood { rate: messages / took.as_secs_f64(), cpu: cpu.as_secs_f64() * 1000.0 / messages })
}

async fn from_matrix(subject: &Subject, messages: &[Message], run: usize) -> Result<Duration> {
    subject.xmpp.heard.expect(run, messages.len());
    let transaction = |batch| subject.homeserver.transaction(batch, run, &subject.token);
    let transactions: Vec<_> = messages.chunks(BATCH).map(transaction).collect();
    let mut wire = Wire::connect(subject.listens()).await?;
    let started = Instant::now();
    for transaction in &transactions {
        wire.ask(transaction).await?;
    }
    Ok(subject.xmpp.heard.wait(messages.len()).await? - started)
}

async fn from_xmpp(subject: &Subject, messages: &[Message], run: usize) -> Result<Duration> {
    subject.homeserver.heard.expect(run, messages.len());
    let write = |batch: &[Message]| {
        batch.iter().map(|one| xmpp::message(&subject.alice, *one, run)).collect::<String>()
    };
    let batches: Vec<_> = messages.chunks(BATCH).map(write).collect();
    let started = Instant::now();
    for batch in batches {
        subject.xmpp.send(batch.into_bytes()).await?;
    }
    Ok(subject.homeserver.heard.wait(messages.len()).await? - started)
}

/// One message each 100 ms in one conversation; how many milliseconds each took, in order of size.
pub(crate) async fn trickle(
    subject: &mut Subject,
    way: Way,
    count: usize,
    run: usize,
) -> Result<Vec<f64>> {
    let heard = match way {
        Way::A => &subject.xmpp.heard,
        Way::B => &subject.homeserver.heard,
    };
    heard.expect(run, count);
    let mut wire = Wire::connect(subject.listens()).await?;
    let mut took = Vec::with_capacity(count);
    for number in 0..count {
        let message = [(0, number)];
        let sent = Instant::now();
        match way {
            Way::A => {
                let transaction = subject.homeserver.transaction(&message, run, &subject.token);
                wire.ask(&transaction).await?;
            }
            Way::B => {
                let stanza = xmpp::message(&subject.alice, message[0], run);
                subject.xmpp.send(stanza.into_bytes()).await?;
            }
        }
        let arrived = heard.wait(number + 1).await?;
        took.push((arrived - sent).as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE.saturating_sub(sent.elapsed())).await;
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}
