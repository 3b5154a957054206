//! What people say to the bridge's own user, carried out and answered.

use std::time::Duration;

use drawbridge_adapter::{
    Command, CommandForm, Content, EventId, MuteFor, NetworkId, Notice, ReportReason, Text,
    Timestamp, UserId,
};

use super::people::{Change, PeopleError};
use super::requests::first_of;
use super::{Crossing, Network};
use crate::clock;
use crate::commands::{self, Misread, Wish};
use crate::gate::Role;
use crate::people::LinkError;
use crate::store::{Held, NewRow, PeopleChange};

/// How long a code counts.
const OFFERED_FOR: Duration = Duration::from_mins(10);

/// What a code is made of: no two that are taken for each other.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What the answer to a command needs of what is on disk.
#[derive(Default)]
pub(super) struct Asked {
    /// What waits for the user's word, if they want to see it.
    pub(super) held: Vec<Held>,
    /// The messages that they picked, the newest first.
    pub(super) said: Vec<EventId>,
}

/// What follows from a command.
#[derive(Default)]
pub(super) struct Obeyed {
    /// The answer.
    pub(super) text: String,
    pub(super) people: Vec<PeopleChange>,
    /// What others are told.
    pub(super) rows: Vec<NewRow>,
}

impl From<String> for Obeyed {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// What one of our users may say about another, with the words for each outcome.
pub(super) struct Words {
    pub(super) done: &'static str,
    pub(super) already: &'static str,
}

impl Crossing {
    /// The commands, as forms, for users of `network`.
    pub(super) fn forms(&self, network: &NetworkId) -> Vec<CommandForm> {
        let access = self.networks.get(network).is_some_and(|n| n.capabilities.access);
        commands::forms(&self.words, &self.example(network), access)
    }

    /// Carries out a command of `by`.
    pub(super) fn obey(
        &self,
        by: &UserId,
        content: &Content,
        asked: &Asked,
        at: Timestamp,
    ) -> Obeyed {
        let say = |name, with: &[(&str, &str)]| Obeyed::from(self.words.say(name, with));
        let example = self.example(by.network());
        let Content::Text(Text { body, .. }) = content else { return say("not-text", &[]) };
        let Wish { command, words } = match commands::read(body) {
            Ok(wish) => wish,
            Err(Misread::Unknown { word, near }) => {
                let word: String = word.chars().take(40).collect();
                let hint = near.unwrap_or("none");
                return say("unknown-word", &[("word", &word), ("hint", hint)]);
            }
            Err(Misread::Missing { command, field }) => {
                let name = format!("missing-{field}");
                return say(&name, &[("command", command), ("example", &example)]);
            }
            Err(Misread::NotOneOf { command, word, options }) => {
                let word: String = word.chars().take(40).collect();
                let options = options.join(", ");
                let with = [("command", command), ("word", &word), ("options", &options)];
                return say("not-one-of", &with);
            }
            Err(Misread::TooMuch { command, most }) => {
                let most = most.to_string();
                return say("too-much", &[("command", command), ("count", &most)]);
            }
        };
        match (command, words.first().copied()) {
            ("networks", _) => self.networks_of(by).into(),
            ("enable" | "disable", Some(network)) => self.switch(by, command, network, at),
            ("requests", _) => self.requests_of(by, &asked.held).into(),
            ("inbox", mode) => self.inbox(by, mode, at),
            ("receipts", mode) => self.receipts(by, mode, at),
            ("presence", mode) => self.presence(by, mode, at),
            ("strict", level) => self.strict(by, level, at),
            ("login", Some(token)) => self.login(by, token, at),
            ("logout", _) => self.logout(by, at),
            ("blocks", _) => self.blocks_of(by).into(),
            ("link", Some(code)) => self.redeem(by, code, at),
            ("link", None) => self.offer(by, at),
            ("unlink", _) => self.unlink(by),
            (_, Some(user)) => match self.find(by, user) {
                Some(other) if other == *by => say("oneself", &[]),
                Some(other) => self.about(by, &other, &Wish { command, words }, asked, at),
                None => say("no-user", &[("user", user), ("example", &example)]),
            },
            _ => self.help(by, &example).into(),
        }
    }

    fn help(&self, by: &UserId, example: &str) -> String {
        let line = |form: &commands::Form| {
            let about = self.words.say(&format!("about-{}", form.name), &[]);
            let field = |field: &commands::Field| {
                let choice = field.options.join("|");
                let name = if choice.is_empty() { field.name.to_uppercase() } else { choice };
                if field.required { format!(" {name}") } else { format!(" [{name}]") }
            };
            let fields: String = form.fields.iter().map(field).collect();
            format!("{}{fields}: {about}", form.name)
        };
        let access = self.networks.get(by.network()).is_some_and(|n| n.capabilities.access);
        let lines: Vec<String> = commands::forms_of(access).map(line).collect();
        self.words.say("help", &[("commands", &lines.join("\n")), ("example", example)])
    }

    /// How a user of another network is written, for somebody of `network`.
    fn example(&self, network: &NetworkId) -> String {
        let others = || self.networks.iter().filter(|(id, _)| *id != network);
        let third = others().find(|(_, other)| other.setup.role == Role::ThirdParty);
        let (id, _) = third.or_else(|| others().next()).unzip();
        format!("{}:carol", id.map_or("network", NetworkId::as_str))
    }

    fn networks_of(&self, by: &UserId) -> String {
        let line = |(id, network): (&NetworkId, &Network)| {
            let word = match network.setup.role {
                Role::Home => "network-home",
                Role::ThirdParty if self.people.has_enabled(by, id) => "network-on",
                Role::ThirdParty => "network-off",
            };
            self.words.say(word, &[("network", id.as_str())])
        };
        let others = self.networks.iter().filter(|(id, _)| *id != by.network());
        let others = others.filter(|(id, _)| self.is_offered(by, id));
        let lines: Vec<String> = others.map(line).collect();
        if lines.is_empty() {
            return self.words.say("no-networks", &[]);
        }
        self.words.say("networks", &[("list", &lines.join("\n"))])
    }

    fn switch(&self, by: &UserId, command: &str, name: &str, at: Timestamp) -> Obeyed {
        let third = |network: &Network| network.setup.role == Role::ThirdParty;
        let can = |id: &NetworkId| id != by.network() && self.is_offered(by, id);
        let is_on = |id: &NetworkId| command == "disable" && self.people.has_enabled(by, id);
        let known = NetworkId::new(&name.to_lowercase()).ok();
        // What is offered no more, or is no more, can still be switched off.
        let known =
            known.filter(|id| is_on(id) || (can(id) && self.networks.get(id).is_some_and(third)));
        let Some(network) = known else {
            let names = self.networks.iter().filter(|(id, n)| third(n) && can(id));
            let names: Vec<&str> = names.map(|(id, _)| id.as_str()).collect();
            let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let name: String = name.chars().take(40).collect();
            let with = [("network", name.as_str()), ("networks", &listed)];
            return self.words.say("no-network", &with).into();
        };
        let (user, name) = (by.clone(), network.as_str().to_owned());
        let (change, words) = if command == "enable" {
            let words = Words { done: "enabled", already: "enabled-already" };
            (Change::Enable { user, network }, words)
        } else {
            let words = Words { done: "disabled", already: "disabled-already" };
            (Change::Disable { user, network }, words)
        };
        self.carry_out(&change, &words, &[("network", &name)], at)
    }

    /// A command about another user.
    fn about(
        &self,
        by: &UserId,
        other: &UserId,
        said: &Wish<'_>,
        asked: &Asked,
        at: Timestamp,
    ) -> Obeyed {
        let name = other.to_string();
        let with = [("user", name.as_str())];
        let (owner, blocked) = (by.clone(), other.clone());
        let say = |name| Obeyed::from(self.words.say(name, &with));
        match said.command {
            "mute" => self.mute(by, other, said.words.get(1).copied().unwrap_or_default(), at),
            "unmute" => {
                let words = Words { done: "unmuted", already: "unmuted-already" };
                self.carry_out(&Change::Unmute { owner, other: blocked }, &words, &with, at)
            }
            "report" => {
                let reason = said.words.get(1).copied().unwrap_or_default();
                let reason = ReportReason::ALL.into_iter().find(|known| known.as_str() == reason);
                let reason = reason.unwrap_or(ReportReason::Other);
                self.report_by_command(by, other, reason, &asked.said, at)
            }
            "accept" if self.people.has_blocked(by, other) => say("accept-blocked"),
            "accept" => {
                let words = Words { done: "accepted", already: "accepted-already" };
                self.carry_out(&Change::Accept { owner, other: blocked }, &words, &with, at)
            }
            "decline" => {
                let words = Words { done: "declined", already: "no-request" };
                self.carry_out(&Change::Decline { owner, other: blocked }, &words, &with, at)
            }
            "block" => {
                let words = Words { done: "blocked", already: "blocked-already" };
                self.carry_out(&Change::Block { owner, blocked }, &words, &with, at)
            }
            "unblock" => {
                let words = Words { done: "unblocked", already: "unblocked-already" };
                self.carry_out(&Change::Unblock { owner, blocked }, &words, &with, at)
            }
            "chat" => self.chat(by, other).into(),
            _ => self.who(by, other).into(),
        }
    }

    pub(super) fn carry_out(
        &self,
        change: &Change,
        words: &Words,
        with: &[(&str, &str)],
        at: Timestamp,
    ) -> Obeyed {
        match self.changes(change, at) {
            Ok(people) if people.is_empty() => self.words.say(words.already, with).into(),
            Ok(people) => {
                let rows = self.consequences(&people, None, at);
                Obeyed { text: self.words.say(words.done, with), people, rows }
            }
            Err(PeopleError::Oneself) => self.words.say("oneself", &[]).into(),
            Err(PeopleError::TooManySaid(of)) => self.too_many_said(of).into(),
            // Users and networks were looked up before.
            Err(_) => self.words.say(words.already, with).into(),
        }
    }

    /// The user that somebody means: by id, by an address of their own network, or by a name that only
    /// one of those has who wait for a word or are blocked.
    pub(super) fn find(&self, by: &UserId, text: &str) -> Option<UserId> {
        if let Ok(user) = text.parse::<UserId>()
            && let Some(network) = self.networks.get(user.network())
            && let Ok(user) = network.setup.addressing.canonical(user.id())
        {
            return Some(user);
        }
        let own = self.networks.get(by.network())?;
        if let Ok(user) = own.setup.addressing.user_at(text)
            && self.networks.get(user.network()).is_some_and(|network| network.spells(&user))
        {
            return Some(user);
        }
        let strangers = self.people.strangers(by).into_iter().map(|stranger| stranger.user);
        let blocked = self.people.blocks(Some(by), None, LISTED).into_iter().map(|b| b.blocked);
        let mut named = strangers.chain(blocked).filter(|user| user.id() == text);
        let first = named.next()?;
        named.all(|other| other == first).then_some(first)
    }

    fn requests_of(&self, by: &UserId, asked: &[Held]) -> String {
        let line = |stranger: crate::people::Stranger| {
            let (name, text) = first_of(asked, &stranger.user).unwrap_or_default();
            let (user, count) = (stranger.user.to_string(), stranger.messages.to_string());
            let name = name.as_deref().unwrap_or("none");
            let with =
                [("user", user.as_str()), ("name", name), ("count", &count), ("text", &text)];
            self.words.say("request-line", &with)
        };
        let lines: Vec<String> = self.people.strangers(by).into_iter().map(line).collect();
        if lines.is_empty() {
            return self.words.say("no-requests", &[]);
        }
        self.words.say("requests", &[("list", &lines.join("\n"))])
    }

    fn blocks_of(&self, by: &UserId) -> String {
        let blocks = self.people.blocks(Some(by), None, LISTED);
        let lines: Vec<String> = blocks.iter().map(|block| block.blocked.to_string()).collect();
        if lines.is_empty() {
            return self.words.say("no-blocks", &[]);
        }
        self.words.say("blocks", &[("list", &lines.join("\n"))])
    }

    fn chat(&self, by: &UserId, other: &UserId) -> String {
        let (user, network) = (other.to_string(), other.network().as_str());
        let third = |network: &Network| network.setup.role == Role::ThirdParty;
        let off = self.networks.get(other.network()).is_some_and(third)
            && !self.people.has_enabled(by, other.network());
        if off {
            return self.words.say("chat-not-enabled", &[("network", network)]);
        }
        let address = self.address_of(by, other).unwrap_or_else(|| user.clone());
        self.words.say("chat", &[("user", &user), ("address", &address)])
    }

    fn address_of(&self, by: &UserId, other: &UserId) -> Option<String> {
        if by.network() == other.network() {
            return Some(other.id().to_owned());
        }
        self.networks.get(by.network())?.setup.addressing.address_of(other).ok()
    }

    fn who(&self, by: &UserId, other: &UserId) -> String {
        let (user, network) = (other.to_string(), other.network().as_str());
        let state = match () {
            () if self.people.has_blocked(by, other) => "blocked",
            () if self.people.is_contact(by, other) => "contact",
            () if self.people.is_asked(by, other) => "asks",
            () => "none",
        };
        let address = self.address_of(by, other).unwrap_or_else(|| "none".to_owned());
        let muted = self.people.muted(by, other).map_or("none", MuteFor::as_str);
        let with = [
            ("user", user.as_str()),
            ("muted", muted),
            ("network", network),
            ("address", &address),
            ("state", state),
        ];
        self.words.say("who", &with)
    }

    fn offer(&self, by: &UserId, at: Timestamp) -> Obeyed {
        let (mut code, mut bits) = (String::new(), u128::from(clock::random()));
        for _ in 0..10 {
            let letter = usize::try_from(bits % 32).unwrap_or_default();
            code.push(char::from(ALPHABET[letter]));
            bits /= 32;
        }
        let minutes = (OFFERED_FOR.as_secs() / 60).to_string();
        let text = self.words.say("link-code", &[("code", &code), ("minutes", &minutes)]);
        let offer = PeopleChange::Offer { user: by.clone(), code, until: at.plus(OFFERED_FOR) };
        Obeyed { text, people: vec![offer], rows: Vec::new() }
    }

    fn redeem(&self, by: &UserId, code: &str, at: Timestamp) -> Obeyed {
        let Some(other) = self.people.offered(code, at) else {
            return self.words.say("link-wrong", &[]).into();
        };
        if other == *by {
            return self.words.say("link-oneself", &[]).into();
        }
        let (name, own) = (other.to_string(), by.to_string());
        let with = [("user", name.as_str())];
        match self.people.linking(&other, by, clock::random_person(), at) {
            Ok(mut people) => {
                let rows = self.consequences(&people, None, at);
                people.push(PeopleChange::OfferOver { user: other.clone() });
                let text = self.words.say("linked-here", &[("user", &own)]);
                let told = Notice { to: other.clone(), text, reply_path: None };
                let told = self.own_row(Command::Notice(told), at);
                let rows = rows.into_iter().chain([told]).collect();
                Obeyed { text: self.words.say("linked", &with), people, rows }
            }
            Err(LinkError::Already) => self.words.say("link-already", &with).into(),
            Err(LinkError::TooMany(most)) => {
                self.words.say("link-too-many", &[("most", &most.to_string())]).into()
            }
        }
    }

    fn unlink(&self, by: &UserId) -> Obeyed {
        if self.people.accounts(by).len() < 2 {
            return self.words.say("unlinked-already", &[]).into();
        }
        let people = vec![PeopleChange::Alone { user: by.clone() }];
        Obeyed { text: self.words.say("unlinked", &[]), people, rows: Vec::new() }
    }
}

/// How many blocks one answer lists.
const LISTED: usize = 200;
