//! The list of checks, and how they are run.

use std::fmt;
use std::pin::Pin;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Serialize, Serializer};

use crate::Stage;

/// How a check ended that found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It showed its rule.
    Passed,
    /// It could not be played here: what was lacking.
    Skipped(&'static str),
    /// It shows something of content that the adapter does not declare: what. Nobody has to declare
    /// the skip, because nothing of the kind ever reaches the adapter.
    Undeclared(&'static str),
}

/// A check under way.
pub type Playing<'a> = Pin<Box<dyn Future<Output = Result<Done>> + Send + 'a>>;

/// One check of the suite.
pub struct Check {
    /// Its stable name; the function in [`crate::checks`] has the same.
    pub name: &'static str,
    /// Plays it.
    pub run: for<'a> fn(&'a dyn Stage) -> Playing<'a>,
}

/// The one list of checks, for [`CHECKS`] and for [`conformance!`](crate::conformance) alike.
#[doc(hidden)]
#[macro_export]
macro_rules! __checks {
    ($then:ident $argument:tt) => {
        $crate::__then! { $then $argument
            describes
            addressing
            connects
            text_in
            text_out
            unicode_in
            unicode_out
            long_in
            long_out
            order_in
            order_out
            equal_in
            equal_out
            duplicate_in
            duplicate_out
            early_out
            nobody_out
            sticker_in
            disappearing_in
            refusal
            status
            signals
            notice_out
            command_in
            request_out
            block_in
            block_out
            mute_in
            mute_out
            folder_out
            report_out
            access
            retry_in
            not_taken
            recovery
            format_in
            format_out
            reply_in
            reply_out
            thread_in
            thread_out
            edit_in
            edit_sticker_in
            edit_disappearing_in
            edit_out
            retract_in
            retract_out
            react_in
            react_out
            receipt_in
            receipt_out
            typing_in
            typing_out
            place_in
            place_out
            card_in
            card_out
            poll_in
            poll_out
            presence_in
            presence_out
            media_in
            media_out
            profile_in
            profile_out
            stops
            stops_early
            drain
            silence
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __then {
    (table () $($name:ident)*) => {
        &[$(Check { name: stringify!($name), run: |stage| Box::pin(checks::$name(stage)) }),*]
    };
    (tests ($stage:expr) $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::test(stringify!($name), &$stage);
            }
        )*
    };
}

/// Makes one `#[test]` for each check, played on the given [`Stage`].
#[macro_export]
macro_rules! conformance {
    ($stage:expr) => {
        $crate::__checks! { tests ($stage) }

        /// Plays every check, and writes the report by which an operator admits the network.
        #[test]
        #[ignore = "writes a file: run it alone, with CONFORMANCE_REPORT"]
        fn conformance_report() {
            $crate::write_report(&$stage);
        }
    };
}

/// Every check, in the order in which [`run_all`] plays them.
pub const CHECKS: &[Check] = {
    use crate::checks;
    __checks! { table () }
};

/// Plays one check, and holds it against the declared skips.
pub async fn play(check: &Check, stage: &dyn Stage) -> Result<Done> {
    let declared = stage.skips().into_iter().any(|(name, _)| name == check.name);
    match ((check.run)(stage).await?, declared) {
        (Done::Passed, true) => bail!("declared as skipped, but it could be played, and passes"),
        (Done::Skipped(lacking), false) => {
            bail!("could not be played, and is not declared as skipped: {lacking}")
        }
        (done, _) => Ok(done),
    }
}

/// Plays the check of this name in a runtime of its own: what [`conformance!`](crate::conformance)
/// calls.
///
/// # Panics
/// If the check fails, as a test does.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn test(name: &str, stage: &dyn Stage) {
    let outcome = find(name).and_then(|check| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build()?;
        runtime.block_on(play(check, stage))
    });
    match outcome {
        Ok(Done::Passed) => {}
        Ok(Done::Skipped(lacking) | Done::Undeclared(lacking)) => {
            println!("skipped {name}: {lacking}");
        }
        Err(error) => panic!("{name}: {error:#}"),
    }
}

/// Plays every check in a runtime of its own, and writes the [`Report`] as JSON to the file that the
/// environment variable `CONFORMANCE_REPORT` names: what [`conformance!`](crate::conformance) calls.
///
/// # Panics
/// If a check fails, after the report is written; if it cannot be written; as a test does.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn write_report(stage: &dyn Stage) {
    let written = || {
        let path = std::env::var_os("CONFORMANCE_REPORT");
        let path = path.context("CONFORMANCE_REPORT does not name a file")?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build()?;
        let report = runtime.block_on(run_all(stage));
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
        anyhow::Ok(report)
    };
    match written() {
        Ok(report) if report.failed.is_empty() => println!("{report}"),
        Ok(report) => panic!("{report}"),
        Err(error) => panic!("{error:#}"),
    }
}

fn find(name: &str) -> Result<&'static Check> {
    let found = CHECKS.iter().find(|check| check.name == name);
    found.ok_or_else(|| anyhow!("there is no such check"))
}

/// Plays every check, one after the other.
pub async fn run_all(stage: &dyn Stage) -> Report {
    let mut report = Report::default();
    for (name, _) in stage.skips() {
        if let Err(error) = find(name) {
            report.failed.push((name, format!("declared as skipped: {error}")));
        }
    }
    for check in CHECKS {
        match play(check, stage).await {
            Ok(Done::Passed) => report.passed.push(check.name),
            Ok(Done::Skipped(lacking) | Done::Undeclared(lacking)) => {
                report.skipped.push((check.name, lacking));
            }
            Err(error) => report.failed.push((check.name, format!("{error:#}"))),
        }
    }
    report
}

/// What the suite found. As JSON it is the report by which an operator admits a network: the names
/// of what passed, and for the rest each name with its reason.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The checks that showed their rule.
    pub passed: Vec<&'static str>,
    /// The checks that were skipped, and what was lacking.
    #[serde(serialize_with = "by_name")]
    pub skipped: Vec<(&'static str, &'static str)>,
    /// The checks that failed, and how.
    #[serde(serialize_with = "by_name")]
    pub failed: Vec<(&'static str, String)>,
}

fn by_name<S: Serializer, T: Serialize>(
    pairs: &[(&'static str, T)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, what)| (name, what)))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.passed {
            writeln!(f, "passed  {name}")?;
        }
        for (name, lacking) in &self.skipped {
            writeln!(f, "skipped {name}: {lacking}")?;
        }
        for (name, error) in &self.failed {
            writeln!(f, "FAILED  {name}: {error}")?;
        }
        let (passed, skipped) = (self.passed.len(), self.skipped.len());
        write!(f, "{passed} passed, {skipped} skipped, {} failed", self.failed.len())
    }
}
