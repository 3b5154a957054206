//! How people call themselves and look on the line network: the adapter's part of it, and Dora's.

use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Delivered, DeliveryError, NewPicture, Picture, Profile,
    ProfileChange, Refusal, Shown, UserId,
};
use drawbridge_testkit::Deed;
use tokio::time::timeout;

use crate::adapter::Line;
use crate::flaws::Flaw;
use crate::peer::Dora;
use crate::server::{DORA, Frame, News, State};

/// How long the flaw that loses one thing beside another waits for the other.
const MOMENT: Duration = Duration::from_millis(300);

impl Line {
    /// Tells the bridge how Dora calls herself and looks, for ever.
    pub(crate) async fn tells(&self, bridge: &Bridge) {
        let who = UserId::new(self.network.clone(), DORA).unwrap();
        let mut named = false;
        loop {
            let news = self.server.wait(|state| state.news.pop_front()).await;
            let change = ProfileChange::of(who.clone());
            let change = match news {
                News::Name(_) if self.has(Flaw::DropsNames) => continue,
                News::Name(_) if self.has(Flaw::KeepsOneName) && named => continue,
                News::Name(name) => {
                    named = true;
                    if self.has(Flaw::LogsNames) {
                        tracing::event!(target: "line_names", tracing::Level::TRACE, name, "renamed");
                    }
                    let other = match self.flaw {
                        Some(Flaw::NamesOthers) => Some("line:mallory"),
                        Some(Flaw::NamesCarol) => Some("elsewhere:carol"),
                        _ => None,
                    };
                    if let Some(other) = other {
                        let change = ProfileChange::of(other.parse().unwrap());
                        let _ = bridge.profile(change.name(Some(&name))).await;
                    }
                    change.name(Some(&name))
                }
                News::Portrait(None) if self.has(Flaw::KeepsPictures) => continue,
                News::Portrait(None) => change.picture(NewPicture::Gone),
                News::Portrait(Some(number)) => change.picture(match self.flaw {
                    Some(Flaw::TellsHugePictures) => NewPicture::Here(vec![0; Picture::MAX + 1]),
                    Some(Flaw::PutsPicturesInOnePlace) => NewPicture::At("0".to_owned()),
                    Some(Flaw::LosesItsWayToPictures) => {
                        NewPicture::At("0".repeat(NewPicture::MAX_AT) + "0")
                    }
                    _ => NewPicture::At(number.to_string()),
                }),
            };
            while bridge.profile(change.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// A picture that Dora had.
    pub(crate) fn portrait(&self, at: &str) -> Result<Vec<u8>, DeliveryError> {
        let number = match self.flaw {
            Some(Flaw::FetchesOldPictures) => Some(0),
            Some(Flaw::FetchesNoPictures) => None,
            _ => at.parse::<usize>().ok(),
        };
        let found = self.server.with(|state| state.portraits.get(number?).cloned());
        let why = "it is not there any more";
        found.ok_or(DeliveryError::Refused { refusal: Refusal::from(Code::Expired), why })
    }

    /// To whom Dora writes, she has a chat with.
    pub(crate) fn greets(&self, frames: &[Frame]) {
        self.server.with(|state| {
            for frame in frames {
                state.chats.insert(frame.to.clone());
                if self.has(Flaw::TellsNamesEachTime) {
                    state.news.push_back(News::Portrait(None));
                }
            }
        });
    }

    /// Opens the chat for a message, if there is none yet.
    pub(crate) async fn chat(
        &self,
        of: &UserId,
        from: &str,
        to: &UserId,
    ) -> Result<(), DeliveryError> {
        let new = self.server.with(|state| state.chats.insert(from.to_owned()));
        if let (true, Some(bridge)) = (new, self.bridge.get()) {
            let why = "the bridge does not say how somebody looks";
            let shown = bridge.shown(of, to).await;
            let shown = shown.map_err(|_| DeliveryError::Retry { after: None, why })?;
            let mut shown = shown.unwrap_or_default();
            shown.name = shown.name.filter(|_| !self.has(Flaw::ForgetsEarlyNames));
            shown.picture = shown.picture.filter(|_| !self.has(Flaw::ForgetsEarlyFaces));
            self.server.with(|state| self.hang(state, from, &shown));
        }
        if self.has(Flaw::LosesNamesBesideMessages) {
            let met = self.server.with(|state| {
                state.under_way.0 += 1;
                state.under_way.1
            });
            let meets = self.server.wait(|state| (state.under_way.1 > met).then_some(()));
            let _ = timeout(MOMENT, meets).await;
            self.server.with(|state| state.under_way.0 -= 1);
        }
        Ok(())
    }

    /// Shows somebody to Dora as they are now, if she has a chat with them.
    pub(crate) async fn portray(
        &self,
        profile: &Profile,
        attempt: u32,
    ) -> Result<Delivered, DeliveryError> {
        if profile.to.id() != DORA && !self.has(Flaw::ShowsNamesToAll) {
            let refusal = Refusal::from(Code::NotReachable);
            return Err(DeliveryError::Refused { refusal, why: "no such account" });
        }
        let from = self.address_of(&profile.of).unwrap();
        let mut shown = profile.shown.clone();
        if self.has(Flaw::LosesNamesBesideMessages) {
            let meets =
                self.server.wait(|state| (state.under_way.0 > 0).then(|| state.under_way.1 += 1));
            if timeout(MOMENT, meets).await.is_ok() {
                return Ok(Delivered::default());
            }
        }
        if self.has(Flaw::SeesDouble) && attempt > 1 {
            shown.name = shown.name.map(|name| format!("{name} ({attempt})"));
        }
        if self.has(Flaw::SaysNames) {
            let said = shown.name.clone().unwrap_or_default();
            self.server.show(&format!("{said} is new"), from.clone(), said);
        }
        let refused = self.server.with(|state| {
            if !state.chats.contains(&from) {
                return self.has(Flaw::RefusesEarlyNames);
            }
            self.hang(state, &from, &shown);
            false
        });
        if refused {
            let refusal = Refusal::from(Code::NotReachable);
            return Err(DeliveryError::Refused { refusal, why: "there is no chat" });
        }
        Ok(Delivered::default())
    }

    fn hang(&self, state: &mut State, from: &str, shown: &Shown) {
        let from = from.to_owned();
        match &shown.name {
            Some(_) if self.has(Flaw::KeepsNames) && state.names.contains_key(&from) => {}
            Some(name) => _ = state.names.insert(from.clone(), name.clone()),
            None => _ = state.names.remove(&from),
        }
        match &shown.picture {
            Some(_) if self.has(Flaw::ShowsNoFaces) => {}
            Some(picture) => _ = state.faces.insert(from, picture.bytes.clone()),
            None if self.has(Flaw::KeepsFaces) => {}
            None => _ = state.faces.remove(&from),
        }
    }
}

impl Dora {
    /// Calls herself otherwise, or looks otherwise.
    pub(crate) fn portrays(&self, deed: &Deed) {
        self.server.with(|state| match deed {
            Deed::CallsItself(name) => state.news.push_back(News::Name(name.clone())),
            Deed::Wears(face) => {
                let number = face.clone().map(|face| {
                    state.portraits.push(face);
                    state.portraits.len() - 1
                });
                state.news.push_back(News::Portrait(number));
            }
            _ => {}
        });
    }
}
