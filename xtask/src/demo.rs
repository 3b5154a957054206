//! `cargo xtask demo`: the bridge at work, with real servers and foreign clients.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use drawbridge_adapter::{MediaKind, There};
use drawbridge_servers::{
    Deed, Heard, MatrixUser, PATIENCE, PartnerUser, Programs, SampleFile, Sight, Town, User,
    XmppUser,
};

use crate::cargo;

mod consent;

/// What became of one message, as its sender's and its receiver's clients showed it.
#[derive(PartialEq, Eq)]
enum Outcome {
    Crossed,
    Refused(String),
    /// It arrived, and should not have.
    Leaked,
    /// Nobody was told anything.
    Lost,
}

struct Row {
    from: String,
    to: String,
    kind: &'static str,
    outcome: Outcome,
    took: Duration,
    expected: bool,
}

/// Plays it, prints the table, and stays up unless it is to be done `once`.
pub(crate) fn run(once: bool) -> Result<ExitCode> {
    say("building the daemon and the example partner app");
    let programs = Programs::beside(cargo::build_programs()?.join("drawbridge"))?;
    say(
        "starting Synapse (hs.test), Prosody (p.test), the daemon, and the partner app (birdychat)",
    );
    let mut town = Town::start(&programs)?;
    let alice = town.matrix_user("alice")?;
    let bob = town.xmpp_user("bob")?;
    let carol = town.partner_user("carol")?;
    say("alice is on Matrix, bob on XMPP, carol on the partner app");
    let wishes = consent::play(&alice, &bob, &carol);
    say("now each writes to the others");
    let rows = play(&[&alice, &bob, &carol], town.folder())?;
    println!();
    let good = consent::print(&wishes) & print(&rows);
    if !once {
        how_to_log_in(&town, &alice, &bob, &carol)?;
        stay(&carol)?;
    }
    town.daemon.stop()?;
    println!("{}", summary(&rows));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(what: &str) {
    eprintln!("[demo] {what}");
}

fn play(people: &[&dyn User], folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for from in people {
        for to in people.iter().filter(|to| to.id() != from.id()) {
            say(&format!("{} writes to {}", from.id(), to.id()));
            rows.push(text(*from, *to, "the first")?);
            rows.push(banned(*from, *to, "sticker", |address| from.sends_sticker(address))?);
            rows.push(banned(*from, *to, "disappearing", |address| {
                from.sends_disappearing(address, "Gone in a minute.")
            })?);
            // The next that is heard must be this one: so the two before did not arrive.
            rows.push(text(*from, *to, "the second")?);
            rows.extend(afterwards(*from, *to)?);
            rows.extend(files(*from, *to, folder)?);
            rows.extend(profile(*from, *to, folder)?);
        }
    }
    for row in &mut rows {
        row.expected = match row.kind {
            kind @ ("sticker" | "disappearing") => {
                row.outcome == Outcome::Refused(format!("unsupported_kind:{kind}"))
            }
            _ => row.outcome == Outcome::Crossed,
        };
    }
    Ok(rows)
}

/// What people do with a message when it has been read.
fn afterwards(from: &dyn User, to: &dyn User) -> Result<Vec<Row>> {
    let id = from.says(to, "Shall we meet?")?;
    let heard = to.next_message(PATIENCE)?.id;
    let edit = does(
        (from, to),
        "edit",
        &Deed::Edits(&id, "Shall we?"),
        &Sight::Edited(&heard, "Shall we?"),
    )?;
    let reaction = does(
        (to, from),
        "reaction",
        &Deed::Reacts(&heard, &["👍"]),
        &Sight::Reactions(&id, &["👍"]),
    )?;
    let answer = does(
        (to, from),
        "answer",
        &Deed::Replies(&heard, "Gladly."),
        &Sight::Reply(&id, "Gladly."),
    )?;
    from.next_message(PATIENCE)?;
    let retraction =
        does((from, to), "retraction", &Deed::Retracts(&id), &Sight::Retracted(&heard))?;
    Ok(vec![edit, reaction, answer, retraction])
}

/// A picture and a voice note, each a file that is the same on the other side, byte by byte.
fn files(from: &dyn User, to: &dyn User, folder: &Path) -> Result<Vec<Row>> {
    let picture = SampleFile::new(folder, MediaKind::Image, 500_000)?.with_caption("The old pier");
    let voice = SampleFile::new(folder, MediaKind::Voice, 50_000)?;
    let send = |kind, file| does((from, to), kind, &Deed::SendsFile(file), &Sight::ShowsFile(file));
    Ok(vec![send("picture", &picture)?, send("voice note", &voice)?])
}

/// Another name and another face, which the other's client shows.
fn profile(from: &dyn User, to: &dyn User, folder: &Path) -> Result<Vec<Row>> {
    if from.network() == "xmpp" {
        // Servers tell changes to those who may see one's presence.
        from.performs(to, &Deed::Is(There::Online))?;
    }
    let name = format!("{} on {}", from.network(), to.network());
    let face = fs::read(SampleFile::new(folder, MediaKind::Image, 5_000)?.path)?;
    let name = does((from, to), "name", &Deed::CallsItself(&name), &Sight::Name(&name))?;
    let face = does((from, to), "face", &Deed::Wears(Some(&face)), &Sight::Face(Some(&face)))?;
    Ok(vec![name, face])
}

/// Does something, and looks whether the other sees it.
fn does(
    (from, to): (&dyn User, &dyn User),
    kind: &'static str,
    deed: &Deed<'_>,
    sight: &Sight<'_>,
) -> Result<Row> {
    let started = Instant::now();
    from.performs(to, deed)?;
    let seen = to.sees(from, sight);
    let outcome = if seen.is_ok() { Outcome::Crossed } else { Outcome::Lost };
    Ok(row(from, to, kind, outcome, started))
}

fn text(from: &dyn User, to: &dyn User, which: &str) -> Result<Row> {
    let body = format!("{which} text from {} to {}", from.id(), to.id());
    let started = Instant::now();
    from.says(to, &body)?;
    let heard = to.next_message(PATIENCE);
    let outcome = match heard {
        Ok(Heard { body: heard, .. }) if heard == body => Outcome::Crossed,
        Ok(_) => Outcome::Leaked,
        Err(_) => Outcome::Lost,
    };
    Ok(row(from, to, "text", outcome, started))
}

fn banned(
    from: &dyn User,
    to: &dyn User,
    kind: &'static str,
    send: impl FnOnce(&str) -> Result<String>,
) -> Result<Row> {
    let started = Instant::now();
    let id = send(&from.address_of(to)?)?;
    let outcome = match from.next_failure(PATIENCE) {
        Ok(told) if told.of == id => Outcome::Refused(told.code),
        _ => Outcome::Lost,
    };
    Ok(row(from, to, kind, outcome, started))
}

fn row(
    from: &dyn User,
    to: &dyn User,
    kind: &'static str,
    outcome: Outcome,
    started: Instant,
) -> Row {
    let (from, to) = (from.id().to_owned(), to.id().to_owned());
    Row { from, to, kind, outcome, took: started.elapsed(), expected: false }
}

fn print(rows: &[Row]) -> bool {
    println!("{:<22} {:<22} {:<13} {:<39} milliseconds", "from", "to", "kind", "outcome");
    for row in rows {
        let outcome = match &row.outcome {
            Outcome::Crossed => "crossed".to_owned(),
            Outcome::Refused(code) => format!("refused: {code}"),
            Outcome::Leaked => "LEAKED".to_owned(),
            Outcome::Lost => "LOST".to_owned(),
        };
        let (from, to, kind, took) = (&row.from, &row.to, row.kind, row.took.as_millis());
        println!("{from:<22} {to:<22} {kind:<13} {outcome:<39} {took:>12}");
    }
    println!();
    rows.iter().all(|row| row.expected)
}

fn summary(rows: &[Row]) -> String {
    let count = |is: fn(&Outcome) -> bool| rows.iter().filter(|row| is(&row.outcome)).count();
    let crossed = count(|outcome| *outcome == Outcome::Crossed);
    let refused = count(|outcome| matches!(outcome, Outcome::Refused(_)));
    format!("{crossed} crossed, {refused} refused, {} lost", rows.len() - crossed - refused)
}

fn how_to_log_in(
    town: &Town,
    alice: &MatrixUser,
    bob: &XmppUser,
    carol: &PartnerUser,
) -> Result<()> {
    println!("Everything stays up. Log in with a client of your own:\n");
    println!("  Matrix   homeserver http://{}", town.synapse.address());
    println!("           user alice, password {}", alice.password());
    println!("           write to bob at   {}", alice.address_of(bob)?);
    println!("           write to carol at {}\n", alice.address_of(carol)?);
    println!("  XMPP     server {}, without TLS (it is loopback)", town.xmpp.address());
    println!("           JID {}, password {}", bob.jid(), bob.password());
    println!("           write to alice at {}", bob.address_of(alice)?);
    println!("           write to carol at {}\n", bob.address_of(carol)?);
    println!("carol answers what she hears. The configuration, the secrets and the logs are in");
    println!("{}.\n", town.folder().display());
    println!("Enter ends it.");
    Ok(())
}

/// Lets the partner's user answer until Enter is pressed.
fn stay(carol: &PartnerUser) -> Result<()> {
    let (sender, entered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Without a terminal there is nobody to press it: then the end comes from outside.
        if let Ok(1) = std::io::stdin().read(&mut [0]) {
            // Nobody listens any more once this has ended by itself.
            let _ = sender.send(());
        }
    });
    loop {
        match entered.try_recv() {
            Ok(()) => return Ok(()),
            Err(_) => answer(carol)?,
        }
    }
}

fn answer(carol: &PartnerUser) -> Result<()> {
    let Ok(heard) = carol.next_message(Duration::from_millis(300)) else { return Ok(()) };
    println!("carol heard from {}: {}", heard.from, heard.body);
    carol.writes(&heard.from, &format!("You wrote: {}", heard.body))?;
    Ok(())
}
