//! `cargo xtask bench`: the daemon as it is shipped, as a child process on its real configuration,
//! between stubs of a homeserver and of an XMPP server; and a bare relay in its place, in turn with
//! it, which shows what the machine can do at that moment.
//!
//! It reports, and asserts no time. It fails when a message never arrives.

mod arrivals;
mod fairness;
mod homeserver;
mod http;
mod load;
mod media;
mod names;
mod relay;
mod report;
mod seed;
mod subject;
mod xmpp;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;

use fairness::App;
use load::{Way, flood, trickle};
use report::Report;
use subject::{Subject, Who};

/// Measures the daemon beside a bare relay.
#[derive(Parser)]
enum Command {
    /// Measures.
    Run(Run),
    /// The bare relay itself; started by `run`.
    Relay(relay::Relay),
}

/// What is measured.
#[derive(clap::Args)]
struct Run {
    /// The daemon's binary.
    #[arg(long)]
    daemon: PathBuf,
    /// The example app's binary.
    #[arg(long)]
    app: PathBuf,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// One run, few slow messages, 10,000 portals instead of 100,000.
    #[arg(long)]
    quick: bool,
    /// How many runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// How many messages a flood has.
    #[arg(long, default_value_t = 5000)]
    messages: usize,
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Only the daemon, only the floods in this direction and this many conversations, over and
    /// over: something for a profiler to look at.
    #[arg(long, value_name = "a|b[,CONVERSATIONS]")]
    profile: Option<String>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Both subjects in turn, with one conversation and with many.
    Crossing,
    /// The daemon among many portals.
    Portals,
    /// The daemon among many people and blocks.
    People,
    /// A quiet partner's messages beside another one's flood.
    Fairness,
    /// A large file each way.
    Media,
}

/// How many conversations the wide floods have.
const ROOMS: usize = 1000;

fn main() -> Result<()> {
    match Command::parse() {
        Command::Relay(relay) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(relay::run(relay))
        }
        Command::Run(run) => {
            // One thread for the stubs: the other core is for what is measured.
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build()?;
            runtime.block_on(measure(&run))
        }
    }
}

async fn measure(run: &Run) -> Result<()> {
    if let Some(what) = &run.profile {
        return profile(run, what).await;
    }
    let runs = if run.quick { 1 } else { run.runs };
    let mut report =
        Report { machine: report::machine(), runs, messages: run.messages, ..Report::default() };
    let wanted = |part| run.only.is_none_or(|only| only == part);
    for number in 1..=runs {
        if wanted(Part::Crossing) {
            for who in Who::ALL {
                eprintln!("run {number} of {runs}: {who:?}");
                session(run, who, &mut report).await?;
            }
        }
        if wanted(Part::Portals) {
            eprintln!("run {number} of {runs}: many portals");
            many_portals(run, &mut report).await?;
        }
        if wanted(Part::People) {
            eprintln!("run {number} of {runs}: many people");
            many_people(run, &mut report).await?;
        }
        if wanted(Part::Fairness) {
            eprintln!("run {number} of {runs}: a flooding partner");
            fairness(run, &mut report).await?;
        }
        if wanted(Part::Media) {
            eprintln!("run {number} of {runs}: a large file each way");
            large_files(run, &mut report).await?;
        }
    }
    if run.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}\n\n{}", report.machine.join("\n"), report.table());
    }
    Ok(())
}

/// Everything about one subject with one conversation and with a thousand.
async fn session(run: &Run, who: Who, report: &mut Report) -> Result<()> {
    let mut subject = Subject::prepare(who, &run.daemon).await?;
    let start = subject.start().await?;
    report.note("start, no portals", "ms", who, start.as_secs_f64() * 1000.0);
    subject.cpu_at_rest().await?;
    report.note("memory, idle", "MB", who, subject.memory()?);
    flood(&mut subject, Way::B, 1, 0..1, 0).await?;
    let one = Flooding { rooms: 0..1, what: "one room", run: 1 };
    one.both_ways(run, &mut subject, report).await?;
    let slow = if run.quick { 30 } else { 100 };
    for (way, name) in [(Way::A, "A"), (Way::B, "B")] {
        let took = trickle(&mut subject, way, slow, 2).await?;
        report.note(&format!("{name}, 10 messages a second, p50"), "ms", who, took[slow / 2]);
        report.note(
            &format!("{name}, 10 messages a second, p99"),
            "ms",
            who,
            took[(slow * 99 / 100).min(slow - 1)],
        );
    }
    subject.stop().await?;
    if who == Who::Daemon {
        seed::portals(&subject.database(), ROOMS)?;
    }
    let rooms = subject.homeserver.rooms_made();
    let start = subject.start().await?;
    report.note("start, 1,000 portals", "ms", who, start.as_secs_f64() * 1000.0);
    // Each ghost is looked at once after a start.
    flood(&mut subject, Way::B, ROOMS, 0..ROOMS, 3).await?;
    let wide = Flooding { rooms: 0..ROOMS, what: "1,000 rooms", run: 4 };
    wide.both_ways(run, &mut subject, report).await?;
    report.note("memory, 1,000 portals after the load", "MB", who, subject.memory()?);
    ensure!(subject.homeserver.rooms_made() == rooms, "a portal was opened a second time");
    subject.stop().await?;
    if who == Who::Daemon {
        report.flaws += subject.flaws();
    }
    Ok(())
}

/// What the daemon does among many portals that it did not need since its start.
async fn many_portals(run: &Run, report: &mut Report) -> Result<()> {
    let (count, what) = if run.quick { (10_000, "10,000") } else { (100_000, "100,000") };
    let who = Who::Daemon;
    let mut subject = Subject::prepare(who, &run.daemon).await?;
    subject.start().await?;
    flood(&mut subject, Way::B, 1, 0..1, 0).await?;
    subject.stop().await?;
    seed::portals(&subject.database(), count)?;
    let start = subject.start().await?;
    report.note(&format!("start, {what} portals"), "ms", who, start.as_secs_f64() * 1000.0);
    subject.cpu_at_rest().await?;
    report.note(&format!("memory, {what} portals at rest"), "MB", who, subject.memory()?);
    flood(&mut subject, Way::B, 1, 0..1, 1).await?;
    let name = format!("one room of {what}");
    Flooding { rooms: 0..1, what: &name, run: 2 }.both_ways(run, &mut subject, report).await?;
    subject.stop().await?;
    report.flaws += subject.flaws();
    Ok(())
}

/// What the daemon does where many people have blocked many others.
async fn many_people(run: &Run, report: &mut Report) -> Result<()> {
    let (people, blocks, what) = if run.quick {
        (10_000, 100_000, "10,000 people, 100,000 blocks")
    } else {
        (100_000, 1_000_000, "100,000 people, 1,000,000 blocks")
    };
    let who = Who::Daemon;
    let mut subject = Subject::prepare(who, &run.daemon).await?;
    subject.start().await?;
    flood(&mut subject, Way::B, 1, 0..1, 0).await?;
    subject.stop().await?;
    seed::people(&subject.database(), people, blocks)?;
    let start = subject.start().await?;
    report.note(&format!("start, {what}"), "ms", who, start.as_secs_f64() * 1000.0);
    subject.cpu_at_rest().await?;
    report.note(&format!("memory, {what}"), "MB", who, subject.memory()?);
    flood(&mut subject, Way::B, 1, 0..1, 1).await?;
    let name = format!("one room, {what}");
    Flooding { rooms: 0..1, what: &name, run: 2 }.both_ways(run, &mut subject, report).await?;
    subject.stop().await?;
    report.flaws += subject.flaws();
    Ok(())
}

/// What a quiet partner feels of another's flood.
async fn fairness(run: &Run, report: &mut Report) -> Result<()> {
    let who = Who::Daemon;
    let mut subject = Subject::prepare(who, &run.daemon).await?;
    let quiet = App::prepare("quiet", &run.app, subject.folder())?;
    let loud = App::prepare("loud", &run.app, subject.folder())?;
    subject.configure(&(quiet.table() + &loud.table()))?;
    subject.start().await?;
    subject.stop().await?;
    seed::acquainted(&subject.database(), &fairness::acquainted(&quiet, &loud))?;
    subject.start().await?;
    let count = if run.quick { 30 } else { 200 };
    let taken = fairness::measure(&mut subject, &quiet, &loud, count).await?;
    for (took, what) in taken.iter().zip(["alone", "beside a flood of another's"]) {
        let name = |percent| format!("a partner's messages, {what}, p{percent}");
        report.note(&name(50), "ms", who, took[count / 2]);
        report.note(&name(99), "ms", who, took[(count * 99 / 100).min(count - 1)]);
    }
    subject.stop().await?;
    report.flaws += subject.flaws();
    Ok(())
}

/// A file of 1 GiB each way, and the most memory that was ever held meanwhile.
async fn large_files(run: &Run, report: &mut Report) -> Result<()> {
    let (size, what) = if run.quick { (64 << 20, "64 MiB") } else { (1 << 30, "1 GiB") };
    let who = Who::Daemon;
    let mut host = media::FileHost::start().await?;
    let mut subject = Subject::prepare(who, &run.daemon).await?;
    subject.configure(&media::tables(&host))?;
    subject.xmpp.uploads_to(host.address);
    subject.start().await?;
    flood(&mut subject, Way::B, 1, 0..1, 0).await?;
    for (way, name) in [(Way::A, "A"), (Way::B, "B")] {
        let seen = media::carry(&mut subject, &mut host, way, size, 1).await?;
        report.note(&format!("{name}, a file of {what}"), "MB a second", who, seen.rate);
        report.note(&format!("{name}, a file of {what}, CPU"), "ms a MB", who, seen.cpu);
    }
    report.note(
        &format!("memory, the most with files of {what}"),
        "MB",
        who,
        subject.most_memory()?,
    );
    subject.stop().await?;
    report.flaws += subject.flaws();
    Ok(())
}

struct Flooding<'a> {
    rooms: std::ops::Range<usize>,
    what: &'a str,
    run: usize,
}

impl Flooding<'_> {
    async fn both_ways(&self, run: &Run, subject: &mut Subject, report: &mut Report) -> Result<()> {
        let who = subject.who;
        for (way, name) in [(Way::A, "A"), (Way::B, "B")] {
            let seen = flood(subject, way, run.messages, self.rooms.clone(), self.run).await?;
            report.note(&format!("{name}, {}", self.what), "messages a second", who, seen.rate);
            report.note(&format!("{name}, {}, CPU", self.what), "ms a message", who, seen.cpu);
        }
        Ok(())
    }
}

async fn profile(run: &Run, what: &str) -> Result<()> {
    let (way, rooms) = what.split_once(',').unwrap_or((what, "1"));
    let way = if way == "a" { Way::A } else { Way::B };
    let rooms: usize = rooms.parse()?;
    let mut subject = Subject::prepare(Who::Daemon, &run.daemon).await?;
    subject.start().await?;
    flood(&mut subject, Way::B, rooms, 0..rooms, 0).await?;
    eprintln!("process {}", subject.child()?.id());
    for number in 1..=run.runs {
        let seen = flood(&mut subject, way, run.messages, 0..rooms, number).await?;
        eprintln!("{:.0} messages a second, {:.4} ms a message", seen.rate, seen.cpu);
    }
    subject.stop().await
}
