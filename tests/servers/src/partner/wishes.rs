//! What a user of the example app wants of others and of the bridge, and what the app is told of it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::PartnerUser;
use crate::script::text;
use crate::{Heard, PATIENCE, User};

impl PartnerUser {
    /// The next request must be this user's; gives the first text, if it was one.
    pub fn hears_request(&self, from: &dyn User) -> Result<Heard> {
        let is =
            |line: &Value| line["saw"] == "request" && line["frame"]["to"] == self.name.as_str();
        let line = self.reader.next("request", PATIENCE, "a request", is)?;
        let frame = &line["frame"];
        let address = self.address_of(from)?;
        ensure!(frame["from"] == address, "a request of {address} was expected, and came: {frame}");
        Ok(Heard { from: address, body: text(frame, "text"), id: text(frame, "id") })
    }

    /// Waits until the request of this user is over; gives whether it was accepted.
    pub fn sees_request_over(&self, from: &dyn User) -> Result<bool> {
        let address = self.address_of(from)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == "request_over"
                && frame["to"] == self.name.as_str()
                && frame["from"] == address
        };
        let line = self.reader.next("request_over", PATIENCE, "the end of a request", is)?;
        Ok(line["frame"]["accepted"] == true)
    }

    /// Wants to hear from this user; durable with the bridge when it returns, like the next three.
    pub fn accepts(&self, other: &dyn User) -> Result<()> {
        self.wants("accept", other)
    }

    /// Turns this user's request away.
    pub fn declines(&self, other: &dyn User) -> Result<()> {
        self.wants("decline", other)
    }

    /// Blocks this user in the partner's app.
    pub fn blocks(&self, other: &dyn User) -> Result<()> {
        self.wants("block", other)
    }

    /// Lifts the block in the partner's app.
    pub fn unblocks(&self, other: &dyn User) -> Result<()> {
        self.wants("unblock", other)
    }

    fn wants(&self, what: &str, other: &dyn User) -> Result<()> {
        let other = self.address_of(other)?;
        self.gesture(json!({"do": what, "other": other}))
    }

    /// Wants no noise from the chat with this user, for `8h`, `1w`, `1y` or `always`; durable with
    /// the bridge when it returns, like the next two.
    pub fn mutes(&self, other: &dyn User, length: &str) -> Result<()> {
        let other = self.address_of(other)?;
        self.gesture(json!({"do": "mute", "other": other, "for": length}))
    }

    /// Wants noise from that chat again.
    pub fn unmutes(&self, other: &dyn User) -> Result<()> {
        self.wants("unmute", other)
    }

    /// Reports this user, for `spam`, `abuse` or `other`, with the latest `count` messages that
    /// came from there.
    pub fn reports(&self, about: &dyn User, reason: &str, count: usize) -> Result<()> {
        let about = self.address_of(about)?;
        let mut messages: Vec<_> = self.everything_heard();
        messages.retain(|heard| heard.from == about);
        let latest = messages.len().saturating_sub(count);
        let messages: Vec<_> = messages.split_off(latest).into_iter().map(|one| one.id).collect();
        ensure!(messages.len() == count, "there are only {} messages", messages.len());
        self.gesture(json!({"do": "report", "about": about, "reason": reason,
                            "messages": messages}))
    }

    /// Does this in the app, and waits until it is durable with the bridge.
    fn gesture(&self, mut frame: Value) -> Result<()> {
        let (what, id) = (text(&frame, "do"), self.new_id()?);
        (frame["id"], frame["from"]) = (json!(id), json!(self.name));
        self.script.tell(&frame)?;
        let answers = |line: &Value| {
            let ids = line["frame"]["ids"].as_array();
            line["saw"] == "ack" && ids.is_some_and(|ids| ids.iter().any(|one| *one == id))
        };
        self.script.find(0, PATIENCE, &format!("the ack of {what}"), answers)?;
        Ok(())
    }

    /// Waits until the bridge puts this user on the app's own list of blocked people.
    pub fn sees_block(&self, of: &dyn User) -> Result<()> {
        self.sees_list("block", of)?;
        Ok(())
    }

    /// Waits until the bridge takes this user off that list.
    pub fn sees_unblock(&self, of: &dyn User) -> Result<()> {
        self.sees_list("unblock", of)?;
        Ok(())
    }

    /// Waits until the bridge mutes the chat with this user in the app; gives for how long.
    pub fn sees_muted(&self, other: &dyn User) -> Result<String> {
        Ok(text(&self.sees_list("mute", other)?, "for"))
    }

    /// Waits until that chat makes noise in the app again.
    pub fn sees_unmuted(&self, other: &dyn User) -> Result<()> {
        self.sees_list("unmute", other)?;
        Ok(())
    }

    /// Whether this message, which came, is one that makes no noise.
    pub fn is_silent(&self, heard: &Heard) -> bool {
        let found = |line: &Value| self.is_message(line) && line["frame"]["id"] == heard.id;
        self.script.all(found).iter().any(|line| line["frame"]["silent"] == true)
    }

    /// The networks whose chats stand in a folder of their own, as the bridge next says.
    pub fn sees_inbox(&self) -> Result<Vec<String>> {
        let is = |line: &Value| line["saw"] == "inbox" && line["frame"]["of"] == self.name.as_str();
        let line = self.reader.next("inbox", PATIENCE, "an inbox", is)?;
        let networks = line["frame"]["networks"].as_array().into_iter().flatten();
        Ok(networks.filter_map(|one| one.as_str().map(str::to_owned)).collect())
    }

    /// The next report about this user that the app's moderators get, as it came.
    pub fn hears_report(&self) -> Result<Value> {
        let is =
            |line: &Value| line["saw"] == "report" && line["frame"]["about"] == self.name.as_str();
        let mut line = self.reader.next("report", PATIENCE, "a report", is)?;
        Ok(line["frame"].take())
    }

    fn sees_list(&self, kind: &'static str, other: &dyn User) -> Result<Value> {
        let address = self.address_of(other)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == kind && frame["of"] == self.name.as_str() && frame["other"] == address
        };
        let mut line = self.reader.next(kind, PATIENCE, &format!("the {kind} of {address}"), is)?;
        Ok(line["frame"].take())
    }

    /// Waits until the bridge says that this message waits for its recipient's acceptance.
    pub fn sees_held(&self, id: &str) -> Result<()> {
        let is = |line: &Value| {
            let frame = &line["frame"];
            self.is_status(line) && frame["event"] == id && frame["code"] == "request_pending"
        };
        self.script.find(0, PATIENCE, "the code request_pending", is)?;
        Ok(())
    }
}
