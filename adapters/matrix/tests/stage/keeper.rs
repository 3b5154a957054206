//! Keeps a Synapse on a thread of its own, which lives as long as the server shall.

use std::sync::mpsc;

use anyhow::{Context, Result};
use drawbridge_servers::Synapse;
use tokio::sync::oneshot;

type Wish = (fn(&mut Synapse) -> Result<()>, oneshot::Sender<Result<()>>);

/// The way to the thread; when the last is gone, the server ends.
#[derive(Clone)]
pub(crate) struct Keeper(mpsc::Sender<Wish>);

impl Keeper {
    pub(crate) fn of(mut synapse: Synapse) -> Self {
        let (wishes, inbox) = mpsc::channel::<Wish>();
        std::thread::spawn(move || {
            for (wish, answer) in inbox {
                // Whoever asked may have gone.
                let _ = answer.send(wish(&mut synapse));
            }
        });
        Self(wishes)
    }

    pub(crate) async fn starts(&self) -> Result<()> {
        self.does(|synapse| {
            synapse.start()?;
            synapse.wait()
        })
        .await
    }

    pub(crate) async fn stops(&self) -> Result<()> {
        self.does(Synapse::stop).await
    }

    async fn does(&self, wish: fn(&mut Synapse) -> Result<()>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.0.send((wish, answer)).ok().context("the server's thread has ended")?;
        answered.await?
    }
}
