//! What is skipped is said, and nothing else is skipped.

use drawbridge_testkit::run_all;

use crate::flaws::Flaw;
use crate::peer::LineStage;

const CLUMSY: &[(&str, &str)] = &[
    ("duplicate_in", "once only"),
    ("nobody_out", "nobody is unknown"),
    ("sticker_in", "no stickers"),
    ("disappearing_in", "no timers"),
    ("command_in", "the bridge has no account"),
    ("request_out", "nothing to click"),
    ("block_in", "no list"),
    ("block_out", "no list"),
    ("mute_in", "always noisy"),
    ("mute_out", "always noisy"),
    ("folder_out", "no folders"),
    ("report_out", "nobody reads them"),
    ("access", "no logins"),
    ("not_taken", "no acknowledgements"),
    ("recovery", "it never goes away"),
    ("format_in", "plain text"),
    ("format_out", "plain text"),
    ("reply_in", "no replies"),
    ("reply_out", "no replies"),
    ("thread_in", "no threads"),
    ("thread_out", "no threads"),
    ("edit_in", "no edits"),
    ("edit_sticker_in", "no edits"),
    ("edit_disappearing_in", "no edits"),
    ("edit_out", "no edits"),
    ("retract_in", "no way back"),
    ("retract_out", "no way back"),
    ("react_in", "no reactions"),
    ("react_out", "no reactions"),
    ("receipt_in", "nobody tells"),
    ("receipt_out", "nobody tells"),
    ("typing_in", "nobody tells"),
    ("typing_out", "nobody tells"),
    ("place_in", "no places"),
    ("place_out", "no places"),
    ("card_in", "no cards"),
    ("card_out", "no cards"),
    ("poll_in", "no polls"),
    ("poll_out", "no polls"),
    ("presence_in", "nobody tells"),
    ("presence_out", "nobody tells"),
    ("media_in", "no files"),
    ("media_out", "no files"),
    ("profile_in", "no names"),
    ("profile_out", "no names"),
    ("drain", "no acknowledgements"),
];

fn clumsy(skips: &[(&'static str, &'static str)]) -> LineStage {
    LineStage { clumsy: true, skips: skips.to_vec(), ..LineStage::right() }
}

fn failed(report: &drawbridge_testkit::Report) -> Vec<&'static str> {
    report.failed.iter().map(|(name, _)| *name).collect()
}

#[tokio::test]
async fn declared_skips_are_skipped_and_the_rest_passes() {
    let report = run_all(&clumsy(CLUMSY)).await;
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(report.skipped.len(), CLUMSY.len(), "{report}");
    assert!(report.to_string().ends_with(" passed, 46 skipped, 0 failed"), "{report}");
}

#[tokio::test]
async fn an_undeclared_skip_fails() {
    let report = run_all(&clumsy(&CLUMSY[1..])).await;
    assert_eq!(failed(&report), ["duplicate_in"], "{report}");
}

/// What the adapter does not declare need not be declared as skipped.
#[tokio::test]
async fn undeclared_content_is_skipped_by_itself() {
    let plain = LineStage { flaw: Some(Flaw::CarriesTextAlone), ..LineStage::right() };
    let report = run_all(&plain).await;
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(report.skipped.len(), 30, "{report}");
}

/// What is declared in words comes to the adapter as a text: it is taken in, and not shown.
#[tokio::test]
async fn what_goes_in_words_is_checked_one_way() {
    let wordy = LineStage { flaw: Some(Flaw::ShowsThingsInWords), ..LineStage::right() };
    let report = run_all(&wordy).await;
    assert!(report.failed.is_empty(), "{report}");
    let skipped: Vec<_> = report.skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(skipped, ["place_out", "card_out", "poll_out"], "{report}");
}

#[tokio::test]
async fn a_skip_of_what_could_be_played_fails() {
    let stage = LineStage { skips: vec![("text_in", "no time")], ..LineStage::right() };
    let report = run_all(&stage).await;
    assert_eq!(failed(&report), ["text_in"], "{report}");
}

#[tokio::test]
async fn a_skip_of_no_check_fails() {
    let stage = LineStage { skips: vec![("tex_in", "a slip")], ..LineStage::right() };
    let report = run_all(&stage).await;
    assert_eq!(failed(&report), ["tex_in"], "{report}");
}
