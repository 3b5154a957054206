//! Keeps a Synapse on a thread of its own, which lives as long as the server shall.

use std::sync::mpsc;

use anyhow::{Context, Result};
use drawbridge_servers::{MatrixReport, Synapse};
use tokio::sync::oneshot;

type Wish = Box<dyn FnOnce(&mut Synapse) + Send>;

/// The way to the thread; when the last is gone, the server ends.
#[derive(Clone)]
pub(crate) struct Keeper(mpsc::Sender<Wish>);

impl Keeper {
    pub(crate) fn of(mut synapse: Synapse) -> Self {
        let (wishes, inbox) = mpsc::channel::<Wish>();
        std::thread::spawn(move || {
            for wish in inbox {
                wish(&mut synapse);
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

    /// What was reported to those who run it.
    pub(crate) async fn reports(&self) -> Result<Vec<MatrixReport>> {
        self.does(|synapse| synapse.reports()).await
    }

    async fn does<T: Send + 'static>(&self, wish: fn(&mut Synapse) -> Result<T>) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone.
        let wish: Wish = Box::new(move |synapse| drop(answer.send(wish(synapse))));
        self.0.send(wish).ok().context("the server's thread has ended")?;
        answered.await?
    }
}
