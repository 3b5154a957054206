//! What people choose for themselves by command: where chats stand, which make no noise, how strict
//! the bridge is, whether it may use their own login.

use drawbridge_adapter::{
    Access, Command, Kind, Level, MuteFor, NetworkId, Secret, Timestamp, UserId,
};

use super::desk::{Obeyed, Words};
use super::people::Change;
use super::{Crossing, Network};
use crate::gate::{Role, Strictness};

impl Crossing {
    /// Silences a chat. `duration` is one of those that there are.
    pub(super) fn mute(
        &self,
        by: &UserId,
        other: &UserId,
        duration: &str,
        at: Timestamp,
    ) -> Obeyed {
        let how = MuteFor::ALL.into_iter().find(|known| known.as_str() == duration);
        let how = how.unwrap_or(MuteFor::Always);
        let user = other.to_string();
        if other.network() == by.network() {
            return self.words.say("mute-own-network", &[("user", &user)]).into();
        }
        // Where the app cannot be told, only people can silence it.
        let told = match self.home(by) {
            Some(Network { capabilities, setup, .. }) if capabilities.mutes => {
                let open = !capabilities.access || setup.adapter.has_access(by);
                if open { "yes" } else { "login" }
            }
            _ => "no",
        };
        let lasts = match how {
            MuteFor::EightHours => "hours",
            MuteFor::Week => "week",
            MuteFor::Year => "year",
            MuteFor::Always => "always",
        };
        let with = [("user", user.as_str()), ("duration", lasts), ("told", told)];
        let change = Change::Mute { owner: by.clone(), other: other.clone(), how };
        self.carry_out(&change, &Words { done: "muted", already: "muted-already" }, &with, at)
    }

    /// Where a user's chats with third-party networks stand: said, or changed.
    pub(super) fn inbox(&self, by: &UserId, mode: Option<&str>, at: Timestamp) -> Obeyed {
        let Some(mode) = mode else {
            let mode = if self.people.is_apart(by) { "separate" } else { "combined" };
            return self.words.say("inbox-is", &[("mode", mode)]).into();
        };
        let third = |(id, network): (&NetworkId, &Network)| {
            id != by.network() && network.setup.role == Role::ThirdParty
        };
        let can = self.home(by).is_some_and(|network| network.capabilities.folders);
        if !can || !self.networks.iter().any(third) {
            return self.words.say("inbox-cannot", &[]).into();
        }
        let apart = mode == "separate";
        let done = if apart { "inbox-separate" } else { "inbox-combined" };
        let words = Words { done, already: "inbox-already" };
        let folder = self.words.say("folder", &[]);
        let with = [("mode", mode), ("folder", &folder)];
        self.carry_out(&Change::Inbox { user: by.clone(), apart }, &words, &with, at)
    }

    /// Whether others are told what a user has read: said, or changed.
    pub(super) fn receipts(&self, by: &UserId, mode: Option<&str>, at: Timestamp) -> Obeyed {
        let Some(mode) = mode else {
            let mode = if self.people.reads_unseen(by) { "off" } else { "on" };
            return self.words.say("receipts-is", &[("mode", mode)]).into();
        };
        let change = Change::Receipts { user: by.clone(), unseen: mode == "off" };
        let words = Words { done: "receipts-is", already: "receipts-is" };
        self.carry_out(&change, &words, &[("mode", mode)], at)
    }

    /// Whether others see that a user is there: said, or changed.
    pub(super) fn presence(&self, by: &UserId, mode: Option<&str>, at: Timestamp) -> Obeyed {
        let Some(mode) = mode else {
            let mode = if self.people.shows_presence(by) { "on" } else { "off" };
            return self.words.say("presence-is", &[("mode", mode)]).into();
        };
        let shows = |it: &Network| it.capabilities.level(Kind::Presence) > Level::Rejected;
        if !self.home(by).is_some_and(shows) {
            return self.words.say("presence-cannot", &[]).into();
        }
        let change = Change::Presence { user: by.clone(), shown: mode == "on" };
        let words = Words { done: "presence-is", already: "presence-is" };
        self.carry_out(&change, &words, &[("mode", mode)], at)
    }

    /// How strict the bridge is for a user: said, or changed.
    pub(super) fn strict(&self, by: &UserId, level: Option<&str>, at: Timestamp) -> Obeyed {
        let Some(level) = level else {
            let level = self.people.strictness(by).as_str();
            return self.words.say("strict-is", &[("level", level)]).into();
        };
        let chosen = Strictness::ALL.into_iter().find(|known| known.as_str() == level);
        let change = Change::Strict { user: by.clone(), level: chosen.unwrap_or_default() };
        let words = Words { done: "strict-changed", already: "strict-already" };
        self.carry_out(&change, &words, &[("level", level)], at)
    }

    /// Gives the network what opens a user's own lists and settings there.
    pub(super) fn login(&self, by: &UserId, token: &str, at: Timestamp) -> Obeyed {
        self.access(by, Some(Secret::new(token)), "login-tried", at)
    }

    /// Takes it back.
    pub(super) fn logout(&self, by: &UserId, at: Timestamp) -> Obeyed {
        self.access(by, None, "logged-out", at)
    }

    fn access(&self, by: &UserId, secret: Option<Secret>, word: &str, at: Timestamp) -> Obeyed {
        if !self.home(by).is_some_and(|network| network.capabilities.access) {
            return self.words.say("login-cannot", &[]).into();
        }
        let access = Access { owner: by.clone(), secret };
        let rows = vec![self.own_row(Command::Access(access), at)];
        Obeyed { text: self.words.say(word, &[]), rows, ..Obeyed::default() }
    }

    fn home(&self, user: &UserId) -> Option<&Network> {
        self.networks.get(user.network())
    }
}
