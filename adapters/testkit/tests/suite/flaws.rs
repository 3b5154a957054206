//! Every check can fail: for each there is an adapter with the one flaw that it is there for.

use drawbridge_testkit::{CHECKS, play};

use crate::peer::LineStage;

/// Declares each flaw with the check that finds it, and the words by which it is found, one of two
/// if it shows in two ways: a check that fails for another reason has found nothing.
macro_rules! flaws {
    ($($flaw:ident: $check:ident, $words:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $($flaw,)*
            /// No flaw at all: it declares nothing else.
            CarriesTextAlone,
            /// No flaw either: it declares places, contact cards and polls as words.
            ShowsThingsInWords,
        }

        const FLAWS: &[(Flaw, &str, &str)] =
            &[$((Flaw::$flaw, stringify!($check), $words),)*];

        $(
            #[allow(non_snake_case, reason = "named like the flaw")]
            #[test]
            fn $flaw() {
                is_found(Flaw::$flaw, stringify!($check), $words);
            }
        )*
    };
}

flaws! {
    NoWindow: describes, "window is 65";
    LosesCase: addressing, "an address leads back";
    NeverCanonical: addressing, "own id is not canonical";
    TakesControls: addressing, "holds a control character";
    PanicsAtAddresses: addressing, "any address is safe";
    NeverUp: connects, "connection is up";
    NeverWaits: connects, "not Waiting";
    WrongSender: text_in, "the sender is not the peer";
    WrongGhost: text_out, "not carol's address";
    TrimsIn: unicode_in, "arrived as";
    TrimsOut: unicode_out, "was shown";
    CutsIn: long_in, "waited";
    CutsOut: long_out, "was shown";
    ReversesIn: order_in, "they arrived as";
    TwoAtOnce: order_in, "two calls of accept";
    ReversesOut: order_out, "instead of";
    AnswersOnce: order_out, "1 answers to 64";
    IdsOfTexts: equal_in, "crossed as 1";
    KeysOfTexts: equal_out, "instead of \"ok\"";
    NewIds: duplicate_in, "crossed 2 times";
    ForgetsKeys: duplicate_out, "shown \"once\" instead of \"end\"";
    RefusesEarly: early_out, "no reason to refuse";
    TakesForNobody: nobody_out, "answered with";
    DropsStickers: sticker_in, "never reached the bridge";
    BlindToStickers: sticker_in, "arrived as mere";
    BlindToTimers: disappearing_in, "arrived as mere";
    OneCode: refusal, "learnt not_reachable, not text_too_long";
    TellsTwice: refusal, "learnt forbidden";
    SilentRefusals: refusal, "not told the outcome";
    ShowsStates: status, "instead of \"end\"";
    ShowsSignals: signals, "instead of \"end\"";
    DropsNotices: notice_out, "was not told";
    RepeatsNotices: notice_out, "instead of \"That is all.\"";
    ShowsNotices: notice_out, "instead of \"end\"";
    AsksCarol: command_in, "went to Direct";
    DropsRequests: request_out, "shown no request";
    DeafToAnswers: request_out, "gesture Decline";
    DeafToBlocks: block_in, "gesture Block";
    DropsBlocks: block_out, "carol is not on";
    KeepsBlocks: block_out, "carol is still on";
    DeafToMutes: mute_in, "gesture Mute";
    EchoesMutes: mute_in, "came back as a gesture";
    DropsMutes: mute_out, "carol is not muted";
    KeepsMutes: mute_out, "carol is still muted";
    DropsFolders: folder_out, "is not in the folder";
    KeepsFolders: folder_out, "is still in the folder";
    DropsReports: report_out, "nobody was told";
    RepeatsReports: report_out, "instead of []";
    ReportsAll: report_out, "My own business.";
    OpensToAll: access, "a wrong secret was answered";
    AcknowledgesFirst: retry_in, "waited|they arrived as";
    AcknowledgesTwice: not_taken, "it was acknowledged";
    GivesUp: recovery, "connection is up";
    ClaimsOffline: recovery, "is called done";
    GoesOn: recovery, "must be the last";
    LosesBold: format_in, "without formatting";
    ShowsPlain: format_out, "the peer was not shown this";
    AnswersNothing: reply_in, "it answers nothing";
    AnswersItself: reply_in, "it answers another message";
    QuotesTwice: reply_in, "the answer arrived as";
    ShowsNoReply: reply_out, "the peer was not shown this";
    StandsInNoThread: thread_in, "it stands in no thread";
    BeginsThreadsAnew: thread_in, "its thread begins with another message";
    LeavesThreadsUnanswered: thread_in, "where there are no threads it answers nothing";
    AnswersWhatItFollows: thread_in, "it answers what it only follows";
    ShowsNoThread: thread_out, "the peer was not shown this";
    DeclaresThreadsAlone: thread_out, "it declares threads, and no replies";
    SaysEdits: edit_in, "it is no edit";
    EditsTheEdit: edit_in, "it is of another message";
    BlindToEditedStickers: edit_sticker_in, "arrived as mere";
    BlindToEditedTimers: edit_disappearing_in, "arrived as mere";
    ShowsEditsAnew: edit_out, "the peer was not shown this";
    ShowsEditsTwice: edit_out, "instead of \"end\"";
    DropsRetractionsIn: retract_in, "the peer's retraction";
    RetractsTheNext: retract_in, "it is of another message";
    DropsRetractionsOut: retract_out, "the peer was not shown this";
    PilesReactionsIn: react_in, "reactions to be";
    MisplacesReactions: react_in, "a reaction is to another message";
    PilesReactionsOut: react_out, "the peer was not shown this";
    DropsReadsIn: receipt_in, "has read the letter";
    InventsReads: receipt_in, "and was not";
    DropsReadsOut: receipt_out, "the peer was not shown this";
    DropsTypingIn: typing_in, "hears of the peer";
    DropsTypingOut: typing_out, "the peer was not shown this";
    SwapsCoordinates: place_in, "something else arrived";
    GuessesHowFar: place_in, "as far off as nobody said";
    SaysPlaces: place_out, "the peer was not shown this";
    KeepsOneNumber: card_in, "something else arrived";
    SaysCards: card_out, "the peer was not shown this";
    LosesAnswersIn: poll_in, "something else arrived";
    SaysPolls: poll_out, "the peer was not shown this";
    DropsPresenceIn: presence_in, "hears of";
    DropsPresenceOut: presence_out, "the peer was not shown this";
    ReadsFilesEarly: media_in, "read before it was opened";
    CallsVoiceAudio: media_in, "Voice arrived as Audio";
    RenamesFilesIn: media_in, "has another name";
    MistypesFiles: media_in, "has another type";
    MisjudgesFiles: media_in, "has another size";
    StretchesFiles: media_in, "plays for another time";
    TurnsFilesIn: media_in, "Image is (Some(720), Some(1280)) pixels wide and high";
    DropsSmallPicturesIn: media_in, "Image has lost its small picture";
    MixesSmallPicturesIn: media_in, "Image has another small picture";
    DropsCaptionsIn: media_in, "what is written with Image is not what was";
    AttachesFilesIn: media_in, "a file is not where";
    LinksToDisk: media_in, "a file is not where";
    TearsFilesIn: media_in, "has other bytes";
    BreaksOffIn: media_in, "bytes would come";
    OpensOnce: media_in, "it was not opened";
    TakesSmallFilesAlone: media_out, "it takes no file of";
    TearsFilesOut: media_out, "the peer was not shown this";
    RenamesFilesOut: media_out, "the peer was not shown this";
    DropsCaptionsOut: media_out, "the peer was not shown this";
    TurnsFilesOut: media_out, "the peer was not shown this";
    DropsSmallPicturesOut: media_out, "the peer was not shown this";
    ShowsFilesAsDocuments: media_out, "the peer was not shown this";
    SaysCaptionsApart: media_out, "instead of \"end\"";
    ShowsFilesTwice: media_out, "the peer was shown 2 files, not 1";
    DropsNames: profile_in, "calls itself otherwise";
    KeepsOneName: profile_in, "calls itself otherwise";
    NamesOthers: profile_in, "told as somebody else's";
    NamesCarol: profile_in, "a user of another network was told";
    TellsNamesEachTime: profile_in, "times with 8 messages";
    PutsPicturesInOnePlace: profile_in, "looks otherwise";
    LosesItsWayToPictures: profile_in, "on where a picture is";
    TellsHugePictures: profile_in, "a picture that was told is too large";
    FetchesOldPictures: profile_in, "its picture has other bytes";
    FetchesNoPictures: profile_in, "its picture was not fetched";
    KeepsPictures: profile_in, "has no picture any more";
    RefusesEarlyNames: profile_out, "before a message: a delivery was refused";
    SaysNames: profile_out, "instead of \"as before\"";
    ShowsNoFaces: profile_out, "the peer was not shown this";
    SeesDouble: profile_out, "the same again";
    KeepsNames: profile_out, "without a picture: the peer was not shown this: Name";
    KeepsFaces: profile_out, "without a picture: the peer was not shown this: Face";
    ShowsNamesToAll: profile_out, "after somebody else was shown another";
    LosesNamesBesideMessages: profile_out, "beside a message";
    ForgetsEarlyNames: profile_out, "with the first message: the peer was not shown this: Name";
    ForgetsEarlyFaces: profile_out, "with the first message: the peer was not shown this: Face";
    NeverStops: stops, "did not return within";
    EndsBadly: stops, "run ended with";
    Panics: stops, "run panicked";
    WaitsForWork: stops_early, "did not return within";
    Buffers: drain, "taken from the network, and lost";
    LogsBodies: silence, "stands in the log";
    LogsAddressesInSpans: silence, "stands in the log";
    LogsNames: silence, "stands in the log";
    LogsTokens: silence, "\"s3cret-of-the-line\" stands in the log";
}

fn is_found(flaw: Flaw, name: &str, words: &str) {
    let check = CHECKS.iter().find(|check| check.name == name).expect("a check");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(play(check, &LineStage::with(flaw)));
    let error = format!("{:#}", outcome.expect_err("the flaw was not found"));
    let found = words.split('|').any(|words| error.contains(words));
    assert!(found, "the flaw was not found, but: {error}");
}

#[test]
fn every_check_has_found_a_flaw() {
    for check in CHECKS {
        assert!(FLAWS.iter().any(|(_, name, _)| *name == check.name), "{} finds none", check.name);
    }
}
