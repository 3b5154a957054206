//! Reports: what one user says of another to those who run that one's network.

use drawbridge_adapter::{
    Code, Command, Event, EventId, Notice, Refusal, Report, ReportReason, Tag, Timestamp,
    Unavailable, UserId, log,
};

use super::Crossing;
use super::desk::Obeyed;
use crate::clock;
use crate::log::USER_REPORTED;
use crate::store::{NewRow, Payload, PeopleChange, Row, StoreError};

/// How many digits of a key are its time; see [`drawbridge_adapter::Delivery::key`].
const TIME: usize = 11;

/// Why a report does not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreported {
    /// There is nobody to read it, or nobody whom it could be about.
    Nobody,
    /// There were too many of the user's, or of the users of their network.
    TooMany,
}

impl Unreported {
    fn word(self) -> &'static str {
        match self {
            Self::Nobody => "report-cannot",
            Self::TooMany => "report-too-many",
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Nobody => Code::NotReachable,
            Self::TooMany => Code::RateLimited,
        }
    }
}

impl Crossing {
    /// What stands for all that `sender` writes to `recipient`. Never 0.
    pub(super) fn pair(&self, sender: &UserId, recipient: &UserId) -> i64 {
        let parts = ["pair", &sender.to_string(), &recipient.to_string()];
        Tag::of(self.store.salt(), &parts).to_bits().cast_signed() & i64::MAX | 1
    }

    /// A report by command. `messages` are the last that `about` wrote to `by`, the newest first.
    pub(super) fn report_by_command(
        &self,
        by: &UserId,
        about: &UserId,
        reason: ReportReason,
        messages: &[EventId],
        at: Timestamp,
    ) -> Obeyed {
        let (user, count) = (about.to_string(), messages.len().to_string());
        let with = [("user", user.as_str()), ("count", &count)];
        if let Err(why) = self.may_report(by, about, at) {
            return self.words.say(why.word(), &with).into();
        }
        let messages = messages.iter().rev().cloned().collect();
        let rows = vec![self.report_row(by, about, reason, messages, at)];
        Obeyed { text: self.words.say("reported", &with), rows, ..Obeyed::default() }
    }

    /// A report by the network's own means. `keys` are those under which the messages came.
    pub(super) async fn report_by_gesture(
        &self,
        by: &UserId,
        about: &UserId,
        reason: ReportReason,
        keys: &[String],
    ) -> Result<(), Unavailable> {
        let at = clock::now();
        if !self.networks.get(by.network()).is_some_and(|network| network.admits(by)) {
            return Ok(());
        }
        // One after the other, so that each is counted before the next.
        let _turn = self.changing_people.lock().await;
        if let Err(why) = self.may_report(by, about, at) {
            let text = self.words.say(why.word(), &[("user", &about.to_string())]);
            let is_told = self.console(by, text, at).await;
            if is_told.map_err(|error| self.unavailable(&error))? {
                self.log_report((by, about), reason, 0, Some(why.code()));
            }
            return Ok(());
        }
        let mut messages = Vec::new();
        for key in keys.iter().take(Report::MOST) {
            let event = self.event_of(by, about, key).await;
            messages.extend(event.map_err(|error| self.unavailable(&error))?);
        }
        let row = self.report_row(by, about, reason, messages, at);
        let written = self.store.change_people(Vec::new(), vec![row], at).await;
        written.map_err(|error| self.unavailable(&error))?;
        self.reported.count(by, at);
        Ok(())
    }

    /// Tells a user why something that they did in their client came to nothing. Now and then only:
    /// a client may repeat it. Whether they are told.
    pub(super) async fn console(
        &self,
        user: &UserId,
        text: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self.consoled.may(user, at) {
            return Ok(false);
        }
        let notice = Notice { to: user.clone(), text, reply_path: None };
        let row = self.own_row(Command::Notice(notice), at);
        self.store.change_people(Vec::new(), vec![row], at).await?;
        self.consoled.count(user, at);
        Ok(true)
    }

    /// Whether a report would go now. Of whom nothing could be heard nothing is told: it looks as if
    /// there were nobody.
    pub(super) fn may_report(
        &self,
        by: &UserId,
        about: &UserId,
        at: Timestamp,
    ) -> Result<(), Unreported> {
        if !self.takes_reports(about) || !self.is_open(about, by.network()) {
            return Err(Unreported::Nobody);
        }
        if self.reported.may(by, at) { Ok(()) } else { Err(Unreported::TooMany) }
    }

    /// The event of `about` that came to `by` under this key.
    async fn event_of(
        &self,
        by: &UserId,
        about: &UserId,
        key: &str,
    ) -> Result<Option<EventId>, StoreError> {
        let time = key.get(..TIME).and_then(|time| i64::from_str_radix(time, 16).ok());
        let Some(at) = time.map(Timestamp) else { return Ok(None) };
        let (from, to) = (about.network(), by.network());
        let said = self.store.said_at(from, self.pair(about, by), at).await?;
        Ok(said.into_iter().find(|event| self.key("message", from, event, to, at) == key))
    }

    /// How many of the last messages a command picks, and whose.
    pub(super) fn picks(&self, event: &Event) -> Option<(UserId, usize)> {
        let drawbridge_adapter::Content::Text(drawbridge_adapter::Text { body, .. }) =
            &event.content
        else {
            return None;
        };
        let wish = crate::commands::read(body).ok().filter(|wish| wish.command == "report")?;
        let count = wish.words.get(2)?.parse::<usize>().ok()?.min(Report::MOST);
        Some((self.find(&event.sender.user, wish.words.first()?)?, count))
    }

    fn takes_reports(&self, about: &UserId) -> bool {
        let network = self.networks.get(about.network());
        network.is_some_and(|network| network.capabilities.reports && network.spells(about))
    }

    fn report_row(
        &self,
        by: &UserId,
        about: &UserId,
        reason: ReportReason,
        messages: Vec<EventId>,
        at: Timestamp,
    ) -> NewRow {
        let user = about.to_string();
        let count = messages.len().to_string();
        let with = [
            ("user", user.as_str()),
            ("network", by.network().as_str()),
            ("reason", reason.as_str()),
            ("count", &count),
        ];
        let words = self.words.say("report-words", &with);
        let (about, by) = (about.clone(), by.clone());
        self.own_row(Command::Report(Report { about, by, reason, messages, words }), at)
    }

    /// What a user is told of something that the bridge did for them, now that its outcome is known.
    pub(super) fn outcome_row(
        &self,
        row: &Row,
        refusal: Option<Refusal>,
        at: Timestamp,
    ) -> Option<NewRow> {
        let Payload::Own(command) = &row.payload else { return None };
        let (to, text) = match (command, refusal.map(|refusal| refusal.code)) {
            (Command::Access(access), outcome) if access.secret.is_some() => {
                let word = match outcome {
                    None => "login-works",
                    Some(Code::Expired) => "login-expired",
                    Some(_) => "login-refused",
                };
                (&access.owner, self.words.say(word, &[]))
            }
            (Command::Folder(folder), Some(_)) => {
                let word = if folder.networks.is_empty() { "inbox-stays" } else { "inbox-failed" };
                (&folder.owner, self.words.say(word, &[]))
            }
            (Command::Mute(mute), Some(_))
                if mute.muted.is_some() && mute.owner.network() != mute.other.network() =>
            {
                let user = mute.other.to_string();
                (&mute.owner, self.words.say("mute-failed", &[("user", &user)]))
            }
            (Command::Report(report), outcome) => {
                outcome?;
                let user = report.about.to_string();
                (&report.by, self.words.say("report-failed", &[("user", &user)]))
            }
            _ => return None,
        };
        let notice = Notice { to: to.clone(), text, reply_path: None };
        Some(self.own_row(Command::Notice(notice), at))
    }

    /// What a user chose that is not so, now that their network did not take it.
    pub(super) fn undone(row: &Row) -> Option<PeopleChange> {
        let Payload::Own(Command::Folder(folder)) = &row.payload else { return None };
        let user = folder.owner.clone();
        (!folder.networks.is_empty()).then_some(PeopleChange::Inbox { user, apart: false })
    }

    /// One line for a report, once its outcome is on disk.
    pub(super) fn log_report(
        &self,
        (by, about): (&UserId, &UserId),
        reason: ReportReason,
        messages: usize,
        outcome: Option<Code>,
    ) {
        let (user, other) = (self.tag_user(by), self.tag_user(about));
        let (to, reason) = (about.network(), reason.as_str());
        let outcome = outcome.map_or_else(|| "accepted".to_owned(), |code| code.to_string());
        log!(USER_REPORTED, %user, %other, %to, reason, messages, %outcome);
    }
}

/// Who reports, if one of these rows is a report.
pub(super) fn reporter(rows: &[NewRow]) -> Option<UserId> {
    rows.iter().find_map(|row| match &row.payload {
        Payload::Own(Command::Report(report)) => Some(report.by.clone()),
        _ => None,
    })
}
