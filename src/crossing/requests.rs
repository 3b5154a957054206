//! Strangers: what is shown of them, and how long they wait for a word.

use std::time::Duration;

use drawbridge_adapter::{
    Code, Command, Content, Event, Notice, Party, Refusal, Request, Status, Text, Timestamp,
    UserId, log,
};

use super::accept::failed;
use super::desk::Asked;
use super::sweep::earlier;
use super::{Crossing, Network};
use crate::clock;
use crate::gate::Role;
use crate::log::MESSAGE_REFUSED;
use crate::people::Said;
use crate::store::{Back, Held, NewRow, PeopleChange, StoreError};

/// For how long a message waits for its recipient's word.
const HELD_FOR: Duration = Duration::from_hours(30 * 24);

/// How many of them one look ends.
const ENDED: usize = 256;

/// How much of a first text is shown, in characters.
const SHOWN: usize = 300;

impl Crossing {
    /// What the first word of one user to another says: whom one writes to one wants to hear.
    pub(super) fn first_word(
        &self,
        sender: &UserId,
        target: &Network,
        recipient: &UserId,
        at: Timestamp,
    ) -> Vec<PeopleChange> {
        if !target.has_stranger(recipient)
            || self.people.is_contact(sender, recipient)
            || self.people.has_said_enough(sender, Said::Contacts)
        {
            return Vec::new();
        }
        let (owner, other) = (sender.clone(), recipient.clone());
        vec![PeopleChange::Contact { owner, other, at }]
    }

    /// Asks a user about a stranger.
    pub(super) fn request_row(
        &self,
        target: &Network,
        event: &Event,
        to: &UserId,
        at: Timestamp,
    ) -> NewRow {
        let from = &event.sender.user;
        let name = event.sender.name.clone();
        let text = match &event.content {
            Content::Text(Text { body, .. }) => Some(brief(body)),
            _ => None,
        };
        let (user, kind) = (from.to_string(), event.content.kind().to_string());
        let shown = name.as_deref().unwrap_or("none");
        let words = match &text {
            Some(text) => {
                self.words.say("request", &[("user", &user), ("name", shown), ("text", text)])
            }
            None => self
                .words
                .say("request-without-text", &[("user", &user), ("name", shown), ("kind", &kind)]),
        };
        let command = if target.capabilities.requests {
            let from = Party { user: from.clone(), name };
            Command::Request(Request { from, to: to.clone(), text, words })
        } else {
            Command::Notice(Notice { to: to.clone(), text: words, reply_path: None })
        };
        self.own_row(command, at)
    }

    /// Tells a sender that the network they wrote to is off for them: it is their own switch. Now and
    /// then only.
    pub(super) fn hint(
        &self,
        sender: &UserId,
        target: Option<(&Network, &UserId)>,
        refusal: Refusal,
        at: Timestamp,
    ) -> Option<NewRow> {
        let (target, recipient) = target?;
        let off = target.setup.role == Role::ThirdParty
            && refusal.code == Code::NotReachable
            && !self.people.has_enabled(sender, &target.setup.id)
            && self.is_offered(sender, &target.setup.id);
        if !off || !self.hinted.take(sender, at) {
            return None;
        }
        let (user, network) = (recipient.to_string(), target.setup.id.as_str());
        let text = self.words.say("not-enabled", &[("user", &user), ("network", network)]);
        let notice = Notice { to: sender.clone(), text, reply_path: None };
        Some(self.own_row(Command::Notice(notice), at))
    }

    /// What the answer to a command needs of what is on disk.
    pub(super) async fn asked_about(&self, event: &Event) -> Result<Asked, StoreError> {
        let is_list = match &event.content {
            Content::Text(Text { body, .. }) => {
                crate::commands::read(body).is_ok_and(|wish| wish.command == "requests")
            }
            _ => false,
        };
        let by = &event.sender.user;
        let mut asked = Asked::default();
        if !self.networks.get(by.network()).is_some_and(|network| network.admits(by)) {
            return Ok(asked);
        }
        if is_list {
            asked.held = self.store.held_for(by, crate::gate::MOST_HELD * 100).await?;
        }
        // It costs a look through all that came lately: only for a report that will go.
        if let Some((about, count)) = self.picks(event)
            && self.may_report(by, &about, clock::now()).is_ok()
        {
            let pair = self.pair(&about, by);
            asked.said = self.store.said((&about, by), pair, count).await?;
        }
        Ok(asked)
    }

    /// Ends what has waited too long for a word, and for whom turning away is over.
    pub(super) async fn end_requests(&self, now: Timestamp) -> Result<(), StoreError> {
        let _turn = self.changing_people.lock().await;
        let over = self.people.declines_over(now);
        if !over.is_empty() {
            self.store.change_people(over.clone(), Vec::new(), now).await?;
            self.now_known(&over);
        }
        let held = self.store.held_since(earlier(now, HELD_FOR), ENDED).await?;
        if held.is_empty() {
            return Ok(());
        }
        let refusal = Refusal::from(Code::Expired);
        let ends = held.iter().filter_map(|held| {
            let Back { network, status, .. } = held.payload.back()?;
            let status = Status { state: failed(refusal), ..status };
            Some((held.clone(), refusal, self.status_row(&network, status, now)))
        });
        // Each of them is a message or what is left of one: all have a way back.
        let waited = self.store.end_held(ends.collect()).await?;
        for (held, _) in held.iter().zip(waited).filter(|(_, waited)| *waited) {
            self.note_end(held, now);
        }
        Ok(())
    }

    fn note_end(&self, held: &Held, now: Timestamp) {
        let shown = matches!(held.payload, crate::store::Payload::Message { .. });
        let (owner, other) = (held.owner.clone(), held.other.clone());
        self.people.apply(&PeopleChange::HeldOver { owner, other, shown });
        let Some(Back { network: from, status, .. }) = held.payload.back() else { return };
        let msg = self.tag_event(&from, &status.event);
        let (to, user) = (held.owner.network(), self.tag_user(&held.other));
        let (kind, ms) = (status.kind, now.since(held.at).as_millis());
        let why = "the recipient did not answer";
        let code = Code::Expired;
        log!(MESSAGE_REFUSED, %msg, %from, %to, %user, %kind, bytes = 0, ms, outcome = %code, why);
        if let Some(network) = self.networks.get(to) {
            network.tally.failed(code);
        }
    }
}

/// The beginning of a text in one line: it stands among the bridge's own words, and must not look
/// like them.
pub(super) fn brief(text: &str) -> String {
    let mut shown = String::new();
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.by_ref().filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
        if shown.chars().count() > SHOWN {
            return shown.chars().take(SHOWN).chain(['…']).collect();
        }
    }
    shown
}

/// The name of a stranger, and the first of what they have sent.
pub(super) fn first_of(held: &[Held], other: &UserId) -> Option<(Option<String>, String)> {
    let first = held.iter().find(|held| held.other == *other)?;
    let crate::store::Payload::Message { message, .. } = &first.payload else { return None };
    let text = match &message.content {
        Content::Text(Text { body, .. }) => brief(body),
        other => other.kind().to_string(),
    };
    Some((message.from.name.clone(), text))
}
