//! A real XMPP server with the adapter as its component, and a user on slixmpp.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use drawbridge_adapter::{
    Adapter, Addressing, Code, Configuration, Kind, NetworkId, Place, SecretFile, UserId,
};
use drawbridge_servers::{
    Addresses, Deed as Does, SampleFile, Sight as Sees, User, XmppClients, XmppServer,
    XmppSoftware, XmppUser, escape, install,
};
use drawbridge_testkit::{Deed, Heard, Peer, Sample, Sight, Tried};
use drawbridge_xmpp::XmppConfig;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The component's secret.
pub(crate) const SECRET: &str = "open, says me";
/// The component's domain.
pub(crate) const DOMAIN: &str = "bridge.p.test";
/// How long a user waits for something. Below the suite's own patience.
const PATIENCE: Duration = Duration::from_secs(18);

/// What is asked of the thread that keeps the server.
type Errand = Box<dyn FnOnce(&mut XmppServer) -> Result<()> + Send>;

/// A server of its own, ended when this is dropped.
///
/// Its processes end with the thread that started them, so it has one, which lives as long.
pub(crate) struct Server {
    errands: Option<mpsc::Sender<(Errand, oneshot::Sender<Result<()>>)>>,
    thread: Option<std::thread::JoinHandle<()>>,
    folder: TempDir,
    components: std::net::SocketAddr,
    uploads: std::net::SocketAddr,
    clients: Arc<XmppClients>,
}

impl Server {
    /// Starts one. Blocks.
    pub(crate) fn start(software: XmppSoftware, users: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().to_owned();
        let users: Vec<String> = users.iter().map(|&user| user.to_owned()).collect();
        let (errands, asked) = mpsc::channel::<(Errand, oneshot::Sender<Result<()>>)>();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let (mut server, clients) = match open(software, &path, &users) {
                Ok(open) => open,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let addresses = (server.component_address(), server.upload_address());
            let _ = ready.send(Ok((addresses, clients)));
            while let Ok((errand, done)) = asked.recv() {
                let _ = done.send(errand(&mut server));
            }
        });
        let (addresses, clients) = started.recv().context("the server's thread ended")??;
        let (components, uploads) = addresses;
        let (errands, thread) = (Some(errands), Some(thread));
        Ok(Self { errands, thread, folder, components, uploads, clients })
    }

    /// Has something done with the server, on its thread.
    pub(crate) async fn does(
        &self,
        errand: impl FnOnce(&mut XmppServer) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (done, answer) = oneshot::channel();
        let errands = self.errands.as_ref().context("the server is gone")?;
        errands.send((Box::new(errand), done)).map_err(|_| anyhow!("the server's thread ended"))?;
        answer.await?
    }

    /// An adapter for it, with this secret.
    pub(crate) fn adapter(&self, secret: &str) -> Result<(Arc<dyn Adapter>, Arc<dyn Addressing>)> {
        self.adapter_reporting_to(secret, &[])
    }

    /// The same, with people who are told of reports.
    pub(crate) fn adapter_reporting_to(
        &self,
        secret: &str,
        report_to: &[&str],
    ) -> Result<(Arc<dyn Adapter>, Arc<dyn Addressing>)> {
        let path = PathBuf::from("xmpp.secret");
        std::fs::write(self.folder.path().join(&path), format!("{secret}\n"))?;
        let config = XmppConfig {
            server: self.components.to_string(),
            domain: DOMAIN.to_owned(),
            secret_file: SecretFile(path),
            report_to: report_to.iter().map(|&to| to.to_owned()).collect(),
            upload_service: None,
            upload_plain_hosts: vec![self.uploads.to_string()],
        };
        let network = NetworkId::new("xmpp")?;
        let addressing = config.addressing(&network);
        let place = Place { config_dir: self.folder.path().to_owned(), credentials_dir: None };
        let adapter = config.build(network, &place).map_err(|found| anyhow!("{found:?}"))?;
        Ok((adapter, addressing))
    }

    /// A file on disk for a client to send, or to compare with.
    pub(crate) fn lays_down(&self, sample: &Sample) -> Result<SampleFile> {
        let Sample { kind, name, mime, bytes, caption, duration, width, height, thumbnail } =
            sample.clone();
        let path = self.folder.path().join(format!("{kind:?}"));
        std::fs::write(&path, bytes)?;
        let small = path.with_extension("small");
        std::fs::write(&small, thumbnail.as_deref().unwrap_or_default())?;
        Ok(SampleFile {
            kind,
            name,
            mime,
            path,
            caption,
            duration,
            width,
            height,
            blurhash: None,
            waveform: Vec::new(),
            thumbnail: thumbnail.map(|_| small),
        })
    }

    /// A user, once logged in.
    pub(crate) async fn user(&self, name: &str) -> Result<Arc<XmppUser>> {
        let (clients, jid) = (Arc::clone(&self.clients), format!("{name}@p.test"));
        let login = move || clients.login(&jid, "pw");
        Ok(Arc::new(tokio::task::spawn_blocking(login).await??))
    }

    /// The same user, on a second client.
    pub(crate) async fn again(&self, user: &Arc<XmppUser>) -> Result<Arc<XmppUser>> {
        let (clients, user) = (Arc::clone(&self.clients), Arc::clone(user));
        let login = move || clients.login_again(&user);
        Ok(Arc::new(tokio::task::spawn_blocking(login).await??))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.errands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(
    software: XmppSoftware,
    folder: &std::path::Path,
    users: &[String],
) -> Result<(XmppServer, Arc<XmppClients>)> {
    let installed = install()?;
    let mut server = XmppServer::prepare(software, &installed, folder, SECRET)?;
    server.start()?;
    server.wait()?;
    for user in users {
        server.register(user, "p.test", "pw")?;
    }
    let nowhere = std::path::Path::new("/nowhere");
    let addresses = Arc::new(Addresses::of_config(nowhere, nowhere));
    let log = folder.join("clients.log");
    let clients = XmppClients::start(&installed, server.address(), &log, &addresses)?;
    Ok((server, Arc::new(clients)))
}

/// Does something with a user that blocks.
pub(crate) async fn with<T: Send + 'static>(
    user: &Arc<XmppUser>,
    act: impl FnOnce(&XmppUser) -> Result<T> + Send + 'static,
) -> Result<T> {
    let user = Arc::clone(user);
    tokio::task::spawn_blocking(move || act(&user)).await?
}

/// A user as the conformance suite wants one.
pub(crate) struct Bob {
    server: Arc<Server>,
    user: Option<Arc<XmppUser>>,
    /// Who gets reports.
    warden: Option<Arc<XmppUser>>,
    /// What was said: id, address, text.
    said: Vec<(String, String, String)>,
    shown: Vec<String>,
    /// The id of the latest message that he heard.
    heard: String,
    /// Whether the server lets the component see his block list, and his contacts.
    lists: bool,
}

impl Bob {
    /// Not yet online.
    pub(crate) fn new(server: Arc<Server>, software: XmppSoftware) -> Self {
        let lists = software == XmppSoftware::Prosody;
        let (user, warden) = (None, None);
        let (said, shown, heard) = (Vec::new(), Vec::new(), String::new());
        Self { server, user, warden, said, shown, heard, lists }
    }

    fn client(&self) -> Result<&Arc<XmppUser>> {
        self.user.as_ref().context("bob is not online")
    }
}

/// A message's new text, with something in it that is none.
fn into(to: &str, said: &str, kind: Kind) -> Result<String> {
    let marked = match kind {
        Kind::Sticker => "<sticker xmlns='urn:xmpp:stickers:0' pack='birds'/>",
        Kind::Disappearing => "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>",
        _ => bail!("bob cannot put this into an edit: {kind}"),
    };
    Ok(format!(
        "<message xmlns='jabber:client' type='chat' id='{said}-{kind}' to='{}'><body>new</body>\
         <replace xmlns='urn:xmpp:message-correct:0' id='{said}'/>{marked}</message>",
        escape(to)
    ))
}

#[async_trait]
impl Peer for Bob {
    fn user(&self) -> UserId {
        // A literal that is one.
        "xmpp:bob@p.test".parse().unwrap_or_else(|_| unreachable!())
    }

    async fn joins(&mut self) -> Result<()> {
        self.user = Some(self.server.user("bob").await?);
        self.warden = Some(self.server.user("warden").await?);
        Ok(())
    }

    async fn says(&mut self, to: &str, text: &str) -> Result<()> {
        let (address, body) = (to.to_owned(), text.to_owned());
        let id = with(self.client()?, move |bob| bob.writes(&address, &body)).await?;
        self.said.push((id, to.to_owned(), text.to_owned()));
        Ok(())
    }

    async fn hears(&mut self) -> Result<Heard> {
        loop {
            let heard = with(self.client()?, |bob| bob.next_message(PATIENCE)).await?;
            if !self.shown.contains(&heard.id) {
                self.shown.push(heard.id.clone());
                self.heard = heard.id;
                return Ok(Heard { from: heard.from, text: heard.body });
            }
        }
    }

    async fn is_told(&mut self) -> Result<String> {
        loop {
            let told = with(self.client()?, |bob| bob.next_of_bridge(PATIENCE)).await?;
            if !self.shown.contains(&told.id) {
                self.shown.push(told.id);
                return Ok(told.body);
            }
        }
    }

    async fn learns(&mut self) -> Result<Code> {
        let told = with(self.client()?, |bob| bob.next_failure(PATIENCE)).await?;
        let latest = self.said.last().map(|(id, ..)| id);
        if latest != Some(&told.of) {
            bail!("bob was told of another message than his latest");
        }
        told.code.parse().map_err(|error: String| anyhow!(error))
    }

    async fn says_again(&mut self) -> Result<Tried> {
        let (id, to, text) = self.said.last().context("nothing was said")?;
        let stanza = format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' to='{}'><body>{}</body></message>",
            escape(to),
            escape(text)
        );
        with(self.client()?, move |bob| bob.sends(&stanza)).await?;
        Ok(Tried::Done)
    }

    async fn does(&mut self, to: &str, kind: Kind) -> Result<Tried> {
        let to = to.to_owned();
        let bob = self.client()?;
        match kind {
            Kind::Sticker => with(bob, move |bob| bob.sends_sticker(&to)).await?,
            Kind::Disappearing => {
                with(bob, move |bob| bob.sends_disappearing(&to, "read this quickly")).await?
            }
            _ => return Ok(Tried::Impossible),
        };
        Ok(Tried::Done)
    }

    async fn performs(&mut self, to: &str, deed: &Deed) -> Result<Tried> {
        if matches!(deed, Deed::Sends(content) if content.kind() != Kind::Location) {
            return Ok(Tried::Impossible);
        }
        let (address, deed) = (to.to_owned(), deed.clone());
        let said = self.said.last().map(|(id, ..)| id.clone()).unwrap_or_default();
        let file = match &deed {
            Deed::SendsFile(sample) => Some(self.server.lays_down(sample)?),
            _ => None,
        };
        let heard = self.heard.clone();
        let bob = self.client()?;
        let new = match &deed {
            Deed::SaysBold(text) | Deed::Replies(text) | Deed::Threads(text) => Some(text.clone()),
            _ => None,
        };
        let act = move |bob: &XmppUser| match &deed {
            Deed::SaysBold(text) => bob.acts(&address, &Does::SaysBold(text)),
            Deed::Replies(text) => bob.acts(&address, &Does::Replies(&heard, text)),
            Deed::Threads(text) => bob.acts(&address, &Does::Threads(&heard, text)),
            Deed::Edits(text) => bob.acts(&address, &Does::Edits(&said, text)),
            Deed::EditsInto(kind) => into(&address, &said, *kind).and_then(|stanza| {
                bob.sends(&stanza)?;
                Ok(String::new())
            }),
            Deed::Retracts => bob.acts(&address, &Does::Retracts(&said)),
            Deed::Reacts(emojis) => {
                let emojis: Vec<_> = emojis.iter().map(String::as_str).collect();
                bob.acts(&address, &Does::Reacts(&heard, &emojis))
            }
            Deed::Reads => bob.acts(&address, &Does::Reads(&heard)),
            Deed::Types(types) => bob.acts(&address, &Does::Types(*types)),
            Deed::Sends(content) => bob.acts(&address, &Does::Sends(content.clone())),
            Deed::Is(there) => bob.acts(&address, &Does::Is(*there)),
            Deed::SendsFile(_) => {
                let file = file.as_ref().context("no file lies there")?;
                bob.acts(&address, &Does::SendsFile(file))
            }
            // Only contacts are told of either at once.
            Deed::CallsItself(name) => {
                bob.befriends(&address)?;
                bob.acts(&address, &Does::CallsItself(name))
            }
            Deed::Wears(picture) => {
                bob.befriends(&address)?;
                bob.acts(&address, &Does::Wears(picture.as_deref()))
            }
        };
        let id = with(bob, act).await?;
        if let Some(text) = new {
            self.said.push((id, to.to_owned(), text));
        }
        Ok(Tried::Done)
    }

    async fn is_shown(&mut self, from: &str, sight: &Sight) -> Result<Tried> {
        let said = self.said.last().map(|(id, ..)| id.as_str()).unwrap_or_default();
        let emojis: Vec<&str> = match sight {
            Sight::Reactions(emojis) => emojis.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let file = match sight {
            Sight::ShowsFile(sample) => Some(self.server.lays_down(sample)?),
            _ => None,
        };
        let sight = match sight {
            Sight::Name(name) => Sees::Name(name),
            Sight::Face(picture) => Sees::Face(picture.as_deref()),
            Sight::Bold(text) => Sees::Bold(text),
            Sight::Reply(text) => Sees::Reply(said, text),
            Sight::Thread(text) => Sees::Thread(said, text),
            Sight::Edited(text) => Sees::Edited(&self.heard, text),
            Sight::Retracted => Sees::Retracted(&self.heard),
            Sight::Reactions(_) => Sees::Reactions(said, &emojis),
            Sight::Read => Sees::Read(said),
            Sight::Typing(types) => Sees::Typing(*types),
            Sight::Shows(content) => Sees::Shows(content.clone()),
            Sight::Presence(there) => Sees::Presence(*there),
            Sight::ShowsFile(_) => Sees::ShowsFile(file.as_ref().context("no file lies there")?),
        };
        let bob = self.client()?;
        while !bob.shows(from, &sight) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Tried::Done)
    }

    async fn asks_bridge(&mut self, text: &str) -> Result<Tried> {
        self.says(DOMAIN, text).await?;
        Ok(Tried::Done)
    }

    async fn answers_request(&mut self, from: &str, accepts: bool) -> Result<Tried> {
        let from = from.to_owned();
        with(self.client()?, move |bob| {
            bob.is_asked_by(&from)?;
            if accepts { bob.accepts(&from) } else { bob.declines(&from) }
        })
        .await?;
        Ok(Tried::Done)
    }

    async fn blocks(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        if !self.lists {
            return Ok(Tried::Impossible);
        }
        let address = address.to_owned();
        let change = move |bob: &XmppUser| {
            if blocked { bob.blocks(&address) } else { bob.unblocks(&address) }
        };
        with(self.client()?, change).await?;
        Ok(Tried::Done)
    }

    async fn sees_block(&mut self, address: &str, blocked: bool) -> Result<Tried> {
        if !self.lists {
            return Ok(Tried::Impossible);
        }
        while with(self.client()?, XmppUser::block_list).await?.iter().any(|one| one == address)
            != blocked
        {}
        Ok(Tried::Done)
    }

    async fn sees_in_folder(&mut self, folder: &str, address: &str, inside: bool) -> Result<Tried> {
        if !self.lists {
            return Ok(Tried::Impossible);
        }
        loop {
            let (folder, address) = (folder.to_owned(), address.to_owned());
            let is = with(self.client()?, move |bob| bob.is_in_group(&address, &folder)).await?;
            if is == inside {
                return Ok(Tried::Done);
            }
        }
    }

    async fn is_reported(&mut self) -> Result<Option<Vec<String>>> {
        let warden = self.warden.as_ref().context("the warden is not online")?;
        loop {
            let report = with(warden, XmppUser::hears_report).await?;
            if self.shown.contains(&report.id) {
                continue;
            }
            self.shown.push(report.id);
            let text = |(by, id): &(String, String)| {
                let of = self.said.iter().find(|(said, ..)| said == id && by == "bob@p.test");
                of.map(|(_, _, text)| text.clone()).context("no message of bob's is meant")
            };
            return report.ids.iter().map(text).collect::<Result<_>>().map(Some);
        }
    }

    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        // The server hands a message over and forgets it: only when no component is there can
        // anybody tell what was handed over, namely all that did not come back.
        let ping = format!(
            "<iq xmlns='jabber:client' type='get' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>"
        );
        let answer = with(self.client()?, move |bob| bob.queries(&ping)).await?;
        if answer.kind == "result" {
            return Ok(None);
        }
        let failed = with(self.client()?, |bob| Ok(bob.everything_failed())).await?;
        let came_back = |id: &String| failed.iter().any(|told| told.of == *id);
        let taken = self.said.iter().filter(|(id, ..)| !came_back(id));
        Ok(Some(taken.map(|(_, _, text)| text.clone()).collect()))
    }

    async fn downloads(&mut self, link: &str) -> Result<Option<Vec<u8>>> {
        // A provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = reqwest::get(link).await?.error_for_status()?;
        Ok(Some(answer.bytes().await?.to_vec()))
    }

    async fn network_goes_away(&mut self) -> Result<Tried> {
        self.server.does(XmppServer::stop).await?;
        Ok(Tried::Done)
    }

    async fn network_comes_back(&mut self) -> Result<()> {
        self.server
            .does(|server| {
                server.start()?;
                server.wait()
            })
            .await?;
        with(self.client()?, XmppUser::comes_back).await
    }
}
