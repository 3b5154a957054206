//! Dora, and the stage she plays on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use drawbridge_adapter::{Code, Kind, MuteFor, NetworkId, Secret, UserId};
use drawbridge_testkit::{Deed, Heard, Peer, Scene, Sight, Stage, Tried};

use crate::adapter::{Line, TOKEN};
use crate::files::shown;
use crate::flaws::Flaw;
use crate::server::{Act, BRIDGE, DORA, Frame, PASSWORD, Server, State, Wish};

/// A stage for the right adapter, or a broken one; with a peer who can do everything, or little.
pub(crate) struct LineStage {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) clumsy: bool,
    pub(crate) skips: Vec<(&'static str, &'static str)>,
}

impl LineStage {
    pub(crate) fn right() -> Self {
        Self { flaw: None, clumsy: false, skips: Vec::new() }
    }

    pub(crate) fn with(flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..Self::right() }
    }
}

#[async_trait]
impl Stage for LineStage {
    async fn set(&self) -> Result<Scene> {
        let network = NetworkId::new("line")?;
        let server = Arc::new(Server::new());
        let (flaw, bridge) = (self.flaw, Arc::default());
        let line = Line { network: network.clone(), server: Arc::clone(&server), flaw, bridge };
        let user = UserId::new(network.clone(), DORA)?;
        let nobody = UserId::new(network.clone(), "nobody")?;
        Ok(Scene {
            network,
            adapter: Arc::new(line.clone()),
            addressing: Arc::new(line),
            peer: Box::new(Dora {
                user,
                server,
                said: Vec::new(),
                mine: Vec::new(),
                heard: String::new(),
                clumsy: self.clumsy,
            }),
            nobody: (!self.clumsy).then_some(nobody),
            log_target: match self.flaw {
                None => "line_right",
                Some(Flaw::LogsBodies) => "line_bodies",
                Some(Flaw::LogsAddressesInSpans) => "line_spans",
                Some(Flaw::LogsTokens) => "line_tokens",
                Some(Flaw::LogsNames) => "line_names",
                Some(_) => "line_flawed",
            },
            secrets: vec![TOKEN.to_owned()],
            props: Box::new(()),
        })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        self.skips.clone()
    }

    /// Only flaws that show as something which never comes are worth a shorter wait.
    fn patience(&self) -> Duration {
        let seconds = match self.flaw {
            Some(
                Flaw::NeverUp
                | Flaw::CutsIn
                | Flaw::SilentRefusals
                | Flaw::AcknowledgesFirst
                | Flaw::GivesUp
                | Flaw::DropsNotices
                | Flaw::DropsRequests
                | Flaw::DeafToAnswers
                | Flaw::DeafToBlocks
                | Flaw::DropsBlocks
                | Flaw::KeepsBlocks
                | Flaw::DeafToMutes
                | Flaw::DropsMutes
                | Flaw::KeepsMutes
                | Flaw::DropsFolders
                | Flaw::KeepsFolders
                | Flaw::DropsReports
                | Flaw::ShowsPlain
                | Flaw::ShowsNoReply
                | Flaw::ShowsNoThread
                | Flaw::ShowsEditsAnew
                | Flaw::DropsRetractionsIn
                | Flaw::DropsRetractionsOut
                | Flaw::PilesReactionsIn
                | Flaw::PilesReactionsOut
                | Flaw::DropsReadsIn
                | Flaw::DropsReadsOut
                | Flaw::DropsTypingIn
                | Flaw::DropsTypingOut
                | Flaw::TearsFilesOut
                | Flaw::RenamesFilesOut
                | Flaw::DropsCaptionsOut
                | Flaw::TurnsFilesOut
                | Flaw::DropsSmallPicturesOut
                | Flaw::ShowsFilesAsDocuments
                | Flaw::DropsNames
                | Flaw::KeepsOneName
                | Flaw::PutsPicturesInOnePlace
                | Flaw::KeepsPictures
                | Flaw::ShowsNoFaces
                | Flaw::KeepsNames
                | Flaw::KeepsFaces
                | Flaw::SeesDouble
                | Flaw::ShowsNamesToAll
                | Flaw::LosesNamesBesideMessages
                | Flaw::ForgetsEarlyNames
                | Flaw::ForgetsEarlyFaces,
            ) => 3,
            _ => 20,
        };
        Duration::from_secs(seconds)
    }
}

pub(crate) struct Dora {
    user: UserId,
    pub(crate) server: Arc<Server>,
    pub(crate) said: Vec<Frame>,
    /// Her reactions, with their ids.
    pub(crate) mine: Vec<(String, String)>,
    /// The id of the latest message that she heard.
    pub(crate) heard: String,
    clumsy: bool,
}

impl Dora {
    fn tries(&self) -> Tried {
        if self.clumsy { Tried::Impossible } else { Tried::Done }
    }
}

#[async_trait]
impl Peer for Dora {
    fn user(&self) -> UserId {
        self.user.clone()
    }

    async fn says(&mut self, to: &str, text: &str) -> Result<()> {
        self.said.push(self.server.send(to, text, Kind::Text, Act::Says));
        Ok(())
    }

    async fn hears(&mut self) -> Result<Heard> {
        let (id, heard) = self.server.wait(|state| state.shown.pop_front()).await;
        self.heard = id;
        Ok(heard)
    }

    async fn is_told(&mut self) -> Result<String> {
        Ok(self.server.wait(|state| state.told.pop_front()).await)
    }

    async fn learns(&mut self) -> Result<Code> {
        let last = self.said.last().map(|frame| frame.id.clone()).unwrap_or_default();
        let outcome = self.server.wait(|state| {
            let at = state.outcomes.iter().position(|(id, _)| *id == last)?;
            state.outcomes.remove(at)
        });
        Ok(outcome.await.1)
    }

    async fn says_again(&mut self) -> Result<Tried> {
        if !self.clumsy {
            let last = self.said.last().cloned().unwrap();
            self.server.with(|state| state.waiting.push_back(last));
        }
        Ok(self.tries())
    }

    async fn does(&mut self, to: &str, kind: Kind) -> Result<Tried> {
        if !self.clumsy {
            self.server.send(to, "a text beside it", kind, Act::Says);
        }
        Ok(self.tries())
    }

    async fn performs(&mut self, to: &str, deed: &Deed) -> Result<Tried> {
        if !self.clumsy {
            self.does_it(to, deed);
        }
        Ok(self.tries())
    }

    async fn is_shown(&mut self, from: &str, sight: &Sight) -> Result<Tried> {
        if !self.clumsy {
            self.server.wait(|state| self.looks_at(state, from, sight).then_some(())).await;
        }
        Ok(self.tries())
    }

    async fn asks_bridge(&mut self, text: &str) -> Result<Tried> {
        if !self.clumsy {
            self.says(BRIDGE, text).await?;
        }
        Ok(self.tries())
    }

    async fn answers_request(&mut self, from: &str, accepts: bool) -> Result<Tried> {
        if !self.clumsy {
            let mine = |state: &mut State| {
                let at = state.requests.iter().position(|one| one == from)?;
                state.requests.remove(at)
            };
            let from = self.server.wait(mine).await;
            let wish = if accepts { Wish::Accept } else { Wish::Decline };
            self.server.with(|state| state.gestures.push_back((wish, from)));
        }
        Ok(self.tries())
    }

    async fn blocks(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        if !self.clumsy {
            let wish = if blocked { Wish::Block } else { Wish::Unblock };
            self.server.with(|state| state.gestures.push_back((wish, address.to_owned())));
        }
        Ok(self.tries())
    }

    async fn sees_block(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        if !self.clumsy {
            let so = |state: &mut State| (state.blocked.contains(address) == blocked).then_some(());
            self.server.wait(so).await;
        }
        Ok(self.tries())
    }

    async fn mutes(&mut self, address: &str, muted: Option<MuteFor>) -> Result<Tried> {
        if !self.clumsy {
            let wish = muted.map_or(Wish::Unmute, Wish::Mute);
            self.server.with(|state| state.gestures.push_back((wish, address.to_owned())));
        }
        Ok(self.tries())
    }

    async fn sees_mute(&mut self, address: &str, muted: bool) -> Result<Tried> {
        if !self.clumsy {
            let so = |state: &mut State| (state.muted.contains(address) == muted).then_some(());
            self.server.wait(so).await;
        }
        Ok(self.tries())
    }

    async fn sees_in_folder(&mut self, folder: &str, address: &str, inside: bool) -> Result<Tried> {
        if !self.clumsy {
            let network = address.split('~').next().unwrap_or_default();
            let so = |state: &mut State| {
                let found = state.folder.as_ref().is_some_and(|(name, networks)| {
                    name == folder && networks.iter().any(|one| one == network)
                });
                (found == inside).then_some(())
            };
            self.server.wait(so).await;
        }
        Ok(self.tries())
    }

    async fn is_reported(&mut self) -> Result<Option<Vec<String>>> {
        if self.clumsy {
            return Ok(None);
        }
        let ids = self.server.wait(|state| state.reports.pop_front()).await;
        let text = |id: &String| {
            let said = self.said.iter().find(|frame| frame.id == *id);
            said.map_or_else(|| id.clone(), |frame| frame.text.clone())
        };
        Ok(Some(ids.iter().map(text).collect()))
    }

    async fn gives_access(&mut self) -> Result<Option<Secret>> {
        Ok((!self.clumsy).then(|| Secret::new(PASSWORD)))
    }

    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        let taken = self.server.with(|state| state.taken.clone());
        Ok((!self.clumsy).then(|| taken.into_iter().map(|frame| frame.text).collect()))
    }

    async fn files_fetched(&mut self) -> Result<Option<usize>> {
        let fetched = self.server.with(|state| state.fetched.len());
        Ok((!self.clumsy).then_some(fetched))
    }

    async fn files_shown(&mut self) -> Result<Option<usize>> {
        let shown = self.server.with(|state| shown(state));
        Ok((!self.clumsy).then_some(shown))
    }

    async fn network_goes_away(&mut self) -> Result<Tried> {
        if !self.clumsy {
            self.server.with(|state| state.online = false);
        }
        Ok(self.tries())
    }

    async fn network_comes_back(&mut self) -> Result<()> {
        self.server.with(|state| state.online = true);
        Ok(())
    }
}
