//! Two partners' apps: what one of them feels of it when the other floods.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drawbridge_servers::{Child, Port};

use crate::arrivals::text;
use crate::names;
use crate::subject::Subject;

/// Between two messages of the quiet app.
const PAUSE: Duration = Duration::from_millis(100);

/// How many users of the loud app write, each to somebody else.
const LOUD: usize = 50;

/// How many messages it writes each time, and how often: more than it may send for long.
const BURST: usize = 20;
const BETWEEN_BURSTS: Duration = Duration::from_millis(10);

/// A partner's app.
pub(crate) struct App {
    name: &'static str,
    port: Port,
    program: PathBuf,
    folder: PathBuf,
}

/// One that runs. It ends when this is dropped.
struct Running {
    _child: Child,
    input: ChildStdin,
}

impl App {
    /// One with keys of its own, and a port where the bridge waits for it.
    pub(crate) fn prepare(name: &'static str, program: &Path, folder: &Path) -> Result<Self> {
        let mut keys = Child::command(program);
        keys.args(["keys", "--issuer", name]).arg("--dir").arg(folder);
        ensure!(keys.output()?.status.success(), "no keys for the app");
        let report = r#"{"passed": ["text_in"], "skipped": {}, "failed": {}}"#;
        std::fs::write(folder.join("conformance.json"), report)?;
        let (port, program) = (Port::take(folder)?, program.to_owned());
        Ok(Self { name, port, program, folder: folder.to_owned() })
    }

    /// Its table in the daemon's configuration.
    pub(crate) fn table(&self) -> String {
        let (name, listen) = (self.name, self.port.address());
        format!(
            "\n[networks.{name}]\ntype = \"partner\"\nrole = \"third_party\"\n\
             listen = \"{listen}\"\nissuer = \"{name}\"\njwks_file = \"{name}.jwks.json\"\n\
             admission.conformance_report = \"conformance.json\"\n\
             admission.minimum_posture = \"clear\"\n"
        )
    }

    /// Connects it, with so many users.
    fn start(&self, users: usize) -> Result<Running> {
        let mut command = Child::command(&self.program);
        command.arg("run").args(["--issuer", self.name]);
        command.arg("--key").arg(self.folder.join(format!("{}.private.jwk.json", self.name)));
        command.arg("--url").arg(format!("ws://{}/partner/v1", self.port.address()));
        for number in 0..users {
            command.arg("--user").arg(user(number));
        }
        let log = self.folder.join(format!("{}.log", self.name));
        let mut child = Child::start("a partner's app", command, &log, true)?;
        let (input, mut output) = child.pipes()?;
        // Nobody reads what it shows; the pipe ends with the app.
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while output.read(&mut buffer).is_ok_and(|count| count > 0) {}
        });
        Ok(Running { _child: child, input })
    }
}

impl Running {
    fn says(&mut self, from: usize, to: usize, body: &str) -> Result<()> {
        let to = format!("xmpp:{}", names::user(to));
        let line = serde_json::json!({"do": "send", "from": user(from), "to": to, "body": body});
        writeln!(self.input, "{line}")?;
        Ok(())
    }
}

/// A user of an app.
fn user(number: usize) -> String {
    format!("user{number}")
}

/// The users of the quiet and of the loud app, each with the XMPP user whom they write to.
pub(crate) fn acquainted(quiet: &App, loud: &App) -> Vec<(String, String)> {
    let xmpp = |number| format!("xmpp:{}", names::user(number));
    let of = |app: &App, from, to| (format!("{}:{}", app.name, user(from)), xmpp(to));
    let loud = (0..LOUD).map(|number| of(loud, number, number + 1));
    std::iter::once(of(quiet, 0, 0)).chain(loud).collect()
}

/// How many milliseconds each message of the quiet app took, in order of size: alone, and beside the
/// other one's flood.
pub(crate) async fn measure(
    subject: &mut Subject,
    quiet: &App,
    loud: &App,
    count: usize,
) -> Result<[Vec<f64>; 2]> {
    let mut speaks = quiet.start(1)?;
    // The first waits until the app is connected.
    trickle(subject, &mut speaks, 1, 0).await?;
    let alone = trickle(subject, &mut speaks, count, 1).await?;
    let (mut floods, over) = (loud.start(LOUD)?, Arc::new(AtomicBool::new(false)));
    let flooding = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || -> Result<()> {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                for _ in 0..BURST {
                    number += 1;
                    floods.says(number % LOUD, number % LOUD + 1, "noise, and no end of it")?;
                }
                std::thread::sleep(BETWEEN_BURSTS);
            }
            Ok(())
        })
    };
    // Until the flood is at its height.
    trickle(subject, &mut speaks, 20, 2).await?;
    let beside = trickle(subject, &mut speaks, count, 3).await;
    over.store(true, Ordering::Relaxed);
    let flooded = tokio::task::block_in_place(|| flooding.join());
    ensure!(matches!(flooded, Ok(Ok(()))), "the flood ended early");
    Ok([alone, beside?])
}

async fn trickle(
    subject: &mut Subject,
    speaks: &mut Running,
    count: usize,
    run: usize,
) -> Result<Vec<f64>> {
    subject.xmpp.heard.expect(run, count);
    let mut took = Vec::with_capacity(count);
    for number in 0..count {
        let sent = Instant::now();
        speaks.says(0, 0, &text(run, (0, number)))?;
        let arrived = subject.xmpp.heard.wait(number + 1).await?;
        took.push((arrived - sent).as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE.saturating_sub(sent.elapsed())).await;
    }
    subject.child()?;
    took.sort_by(f64::total_cmp);
    Ok(took)
}
