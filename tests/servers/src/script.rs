//! Programs that are told by JSON lines what to do, and tell by JSON lines what happens.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{Child, PATIENCE};

/// Such a program, running. Everything it told is kept, in order.
pub(crate) struct Script {
    input: Mutex<ChildStdin>,
    told: Arc<Told>,
    next: AtomicU64,
    child: Mutex<Child>,
}

#[derive(Default)]
struct Told {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<Value>,
    ended: bool,
}

impl Script {
    /// Starts one.
    pub(crate) fn start(name: &'static str, command: Command, log: &Path) -> Result<Self> {
        let mut child = Child::start(name, command, log, true)?;
        let (input, output) = child.pipes()?;
        let told = Arc::new(Told::default());
        let teller = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                // Not ours, then: libraries print now and then.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                lock(&teller.lines).all.push(line);
                teller.more.notify_all();
            }
            lock(&teller.lines).ended = true;
            teller.more.notify_all();
        });
        let (input, child) = (Mutex::new(input), Mutex::new(child));
        Ok(Self { input, told, next: AtomicU64::new(1), child })
    }

    /// Writes one line to it.
    pub(crate) fn tell(&self, line: &Value) -> Result<()> {
        let mut input = lock(&self.input);
        writeln!(input, "{line}").context("a client program has ended")?;
        Ok(())
    }

    /// Gives a numbered command, and waits for its answer.
    pub(crate) fn ask(&self, mut command: Value) -> Result<Value> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        command["n"] = json!(number);
        let from = self.count();
        self.tell(&command)?;
        let what = format!("the answer to {}", short(&command));
        let (_, answer) = self.find(from, PATIENCE * 2, &what, |line| line["n"] == number)?;
        if answer["event"] == "failed" {
            bail!("{} failed: {}", short(&command), answer["why"].as_str().unwrap_or_default());
        }
        Ok(answer)
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&self) -> Result<()> {
        lock(&self.child).kill()
    }

    /// How much it has told so far.
    pub(crate) fn count(&self) -> usize {
        lock(&self.told.lines).all.len()
    }

    /// The first line from place `from` on that `is`, with the place after it.
    pub(crate) fn find(
        &self,
        from: usize,
        patience: Duration,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<(usize, Value)> {
        let deadline = Instant::now() + patience;
        let mut lines = lock(&self.told.lines);
        let mut at = from;
        loop {
            while let Some(line) = lines.all.get(at) {
                at += 1;
                if is(line) {
                    return Ok((at, line.clone()));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.ended {
                let ended = if lines.ended { "; the client program has ended" } else { "" };
                let last: Vec<_> = lines.all.iter().rev().take(12).map(short).collect();
                bail!(
                    "waited in vain for {what}{ended}; the last that was told, newest first:\n  {}",
                    last.join("\n  ")
                );
            }
            let woken = self.told.more.wait_timeout(lines, left);
            lines = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every line so far that `is`.
    pub(crate) fn all(&self, is: impl Fn(&Value) -> bool) -> Vec<Value> {
        lock(&self.told.lines).all.iter().filter(|line| is(line)).cloned().collect()
    }
}

/// One user's place in what a script tells: what was read is not read again.
pub(crate) struct Reader {
    script: Arc<Script>,
    places: Mutex<HashMap<&'static str, usize>>,
}

impl Reader {
    pub(crate) fn new(script: Arc<Script>) -> Self {
        Self { script, places: Mutex::new(HashMap::new()) }
    }

    /// Takes all so far of a `kind` as read.
    pub(crate) fn skip(&self, kind: &'static str) {
        lock(&self.places).insert(kind, self.script.count());
    }

    /// The next line of a `kind` that `is`.
    pub(crate) fn next(
        &self,
        kind: &'static str,
        patience: Duration,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let from = lock(&self.places).get(kind).copied().unwrap_or(0);
        let (at, line) = self.script.find(from, patience, what, is)?;
        lock(&self.places).insert(kind, at);
        Ok(line)
    }
}

/// The text of a field, or nothing.
pub(crate) fn text(line: &Value, field: &str) -> String {
    line[field].as_str().unwrap_or_default().to_owned()
}

/// A line, short enough for an error.
fn short(line: &Value) -> String {
    let line = line.to_string();
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
