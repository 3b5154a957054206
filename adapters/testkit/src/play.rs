//! One scene under way: the adapter runs between the reference bridge and the peer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use drawbridge_adapter::{
    Access, Adapter, Addressing, BlockEntry, Code, Command, Connection, Content, ConversationId,
    Delivered, Delivery, DeliveryError, Event, EventId, Fatal, Folder, Gesture, Message, MuteEntry,
    MuteFor, NetworkId, Notice, Party, Picture, Profile, Reference, Reply, ReplyPath, Report,
    ReportReason, Request, RequestOver, Secret, Sha256, State, Status, UserId, Was,
};
use sha2::Digest;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::reference::{ELSEWHERE, ReferenceBridge, brief};
use crate::{Deed, Done, Heard, Journal, Peer, Scene, Sight, Stage, Tried, text_of};

/// Within this time `run` returns after it was asked to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// The pause before a delivery that did not work is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// A scene, and what the checks do in it. Each helper has a deadline: the stage's patience.
pub(crate) struct Play {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) addressing: Arc<dyn Addressing>,
    pub(crate) bridge: ReferenceBridge,
    pub(crate) peer: Box<dyn Peer>,
    pub(crate) patience: Duration,
    pub(crate) nobody: Option<UserId>,
    pub(crate) log_target: &'static str,
    pub(crate) secrets: Vec<String>,
    /// The user elsewhere whom the peer talks with.
    pub(crate) carol: UserId,
    /// What carol calls herself.
    pub(crate) name: String,
    run: Option<JoinHandle<Result<(), Fatal>>>,
    _props: Box<dyn Send + Sync>,
}

impl Play {
    /// Sets the scene, without starting the adapter.
    pub(crate) async fn set(stage: &dyn Stage) -> Result<Self> {
        let scene = stage.set().await.context("the stage could not be set")?;
        let Scene { network, adapter, addressing, peer, nobody, log_target, secrets, props } =
            scene;
        Ok(Self {
            bridge: ReferenceBridge::new(network),
            adapter,
            addressing,
            peer,
            patience: stage.patience(),
            nobody,
            log_target,
            secrets,
            carol: UserId::new(NetworkId::new(ELSEWHERE)?, "carol")?,
            name: "Carol".to_owned(),
            run: None,
            _props: props,
        })
    }

    /// Sets the scene, starts the adapter, and waits until it is connected.
    pub(crate) async fn open(stage: &dyn Stage) -> Result<Self> {
        let mut play = Self::set(stage).await?;
        play.start().await?;
        Ok(play)
    }

    /// Starts the adapter, and waits for nothing.
    pub(crate) fn begin(&mut self) {
        let (adapter, bridge) = (Arc::clone(&self.adapter), self.bridge.handle());
        self.run = Some(tokio::spawn(async move { adapter.run(bridge).await }));
    }

    /// Starts the adapter, and waits until it is connected.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.begin();
        let joined = timeout(self.patience, self.peer.joins()).await;
        joined.context("the peer did not come online in time")?.context("the peer")?;
        self.up(0).await
    }

    /// Waits until the adapter says that it is up, after the first `skip` reports.
    pub(crate) async fn up(&self, skip: usize) -> Result<()> {
        let what = "the adapter reports that its connection is up";
        let up = self.bridge.wait_for(self.patience, what, |journal| {
            journal.connections.iter().skip(skip).any(|c| *c == Connection::Up).then_some(())
        });
        up.await
    }

    /// The address of `carol` on the adapter's network.
    pub(crate) fn address(&self) -> Result<String> {
        self.addressing.address_of(&self.carol).context("carol has no address on this network")
    }

    /// The peer writes to carol.
    pub(crate) async fn says(&mut self, text: &str) -> Result<()> {
        let to = self.address()?;
        let said = timeout(self.patience, self.peer.says(&to, text)).await;
        said.with_context(|| format!("the peer could not say {} in time", brief(text)))?
    }

    /// Waits until the bridge has answered this text of the peer's.
    pub(crate) async fn arrives(&self, text: &str) -> Result<Event> {
        let what = format!("the bridge hears {} from the peer", brief(text));
        let sender = self.peer.user();
        let found = |journal: &Journal| {
            let mut events = journal.handed.iter().map(|handed| &handed.event);
            let theirs = |event: &&Event| event.sender.user == sender;
            events.find(|event| theirs(event) && text_of(event) == Some(text)).cloned()
        };
        self.bridge.wait_for(self.patience, &what, found).await
    }

    /// Waits until this many events of the peer's were turned away, or gestures: on some networks
    /// the first word to somebody is one too, and comes first.
    pub(crate) async fn turned_away(&self, times: usize) -> Result<()> {
        let what = format!("the bridge is asked in vain, {times} times");
        let sender = self.peer.user();
        let enough = |journal: &Journal| {
            let asked = journal.turned_away_of(&sender) + journal.gestures_turned_away;
            (asked >= times).then_some(())
        };
        self.bridge.wait_for(self.patience, &what, enough).await
    }

    /// The texts which the peer's network considers taken, if that can be known.
    pub(crate) async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        let taken = timeout(self.patience, self.peer.taken()).await;
        taken.context("the peer did not say in time what its network considers taken")?
    }

    /// The peer's texts that crossed so far. A server that several scenes share may still hand
    /// over what others said.
    pub(crate) fn crossed(&self) -> Vec<String> {
        let journal = self.bridge.journal();
        journal.texts_of(&self.peer.user()).into_iter().map(str::to_owned).collect()
    }

    /// The peer writes to carol, and the bridge gets it.
    pub(crate) async fn crosses_in(&mut self, text: &str) -> Result<Event> {
        self.says(text).await?;
        self.arrives(text).await
    }

    /// The next message that the peer is shown.
    pub(crate) async fn heard(&mut self) -> Result<Heard> {
        let heard = timeout(self.patience, self.peer.hears()).await;
        heard.map_err(|_| anyhow!("the peer was shown nothing for {:?}", self.patience))?
    }

    /// The next message that the peer is shown must be this one, from carol.
    pub(crate) async fn hears(&mut self, text: &str) -> Result<()> {
        let waited = self.heard().await;
        let heard = waited.with_context(|| format!("waiting for {}", brief(text)))?;
        ensure!(
            heard.text == text,
            "the peer was shown {} instead of {}",
            brief(&heard.text),
            brief(text)
        );
        let from = self.addressing.user_at(&heard.from);
        ensure!(
            from.as_ref() == Ok(&self.carol),
            "the message was shown as from {:?}, which is not carol's address",
            heard.from
        );
        Ok(())
    }

    /// Carol writes to the peer, and the peer is shown it.
    pub(crate) async fn crosses_out(&mut self, text: &str) -> Result<Shown> {
        let delivery = self.message(text)?;
        let delivered = self.deliver_one(&delivery).await?;
        self.hears(text).await?;
        Ok(Shown { key: EventId::new(delivery.key)?, id: delivered.id })
    }

    /// Carol writes to the peer, and the peer is shown it, perhaps after a message with the words
    /// `before`, which it has seen already.
    pub(crate) async fn crosses_out_after(&mut self, before: &str, text: &str) -> Result<()> {
        let delivery = self.message(text)?;
        self.deliver_one(&delivery).await?;
        let heard = self.heard().await;
        let heard = heard.with_context(|| format!("waiting for {}", brief(text)))?;
        if heard.text.contains(before) {
            return self.hears(text).await;
        }
        ensure!(
            heard.text == text,
            "the peer was shown {} instead of {}",
            brief(&heard.text),
            brief(text)
        );
        Ok(())
    }

    /// The peer does this in the chat with carol.
    pub(crate) async fn performs(&mut self, deed: &Deed) -> Result<Tried> {
        let to = self.address()?;
        let done = timeout(self.patience, self.peer.performs(&to, deed)).await;
        done.with_context(|| format!("the peer could not do this in time: {deed:?}"))?
    }

    /// The peer's client must show this in the chat with carol.
    pub(crate) async fn sees(&mut self, sight: &Sight) -> Result<Tried> {
        let from = self.address()?;
        let seen = timeout(self.patience, self.peer.is_shown(&from, sight)).await;
        seen.with_context(|| format!("the peer was not shown this: {sight:?}"))?
    }

    /// Waits until the bridge has taken an event of the peer's in which `found` finds something.
    pub(crate) async fn takes<T>(
        &self,
        what: &str,
        mut found: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T> {
        let sender = self.peer.user();
        let what = format!("the bridge hears of the peer's {what}");
        let first = |journal: &Journal| {
            let mut fresh = journal.handed.iter().filter(|handed| handed.is_fresh());
            fresh.find_map(|one| {
                Some(&one.event).filter(|it| it.sender.user == sender).and_then(&mut found)
            })
        };
        self.bridge.wait_for(self.patience, &what, first).await
    }

    /// The code that the peer is shown for its latest message.
    pub(crate) async fn learns(&mut self) -> Result<Code> {
        let learnt = timeout(self.patience, self.peer.learns()).await;
        learnt.map_err(|_| anyhow!("the peer was not told the outcome of its message"))?
    }

    /// A message from carol to the peer, under a key of its own.
    pub(crate) fn message(&self, text: &str) -> Result<Delivery> {
        let to = self.peer.user();
        self.message_to(&to, text)
    }

    /// A message from carol, under a key of its own.
    pub(crate) fn message_to(&self, to: &UserId, text: &str) -> Result<Delivery> {
        self.content_to(to, Content::text(text), None)
    }

    /// Something from carol to the peer, under a key of its own.
    pub(crate) fn content(&self, content: Content, reply: Option<Reply>) -> Result<Delivery> {
        let to = self.peer.user();
        self.content_to(&to, content, reply)
    }

    fn content_to(&self, to: &UserId, content: Content, reply: Option<Reply>) -> Result<Delivery> {
        let message = Message {
            from: self.party(),
            to: to.clone(),
            content,
            reply,
            sent_at: self.bridge.handle().now(),
            words: None,
            silent: false,
        };
        self.delivery(to, Command::Message(message))
    }

    fn party(&self) -> Party {
        Party { user: self.carol.clone(), name: Some(self.name.clone()) }
    }

    /// Carol is shown to the peer so from now on, under a key of its own and in a conversation of its
    /// own. As a daemon would, the bridge knows it before the adapter does, and names her so in what she
    /// writes afterwards.
    pub(crate) fn profile(&mut self, name: &str, face: Option<&[u8]>) -> Result<Delivery> {
        let to = self.peer.user();
        let profile = self.profile_for(&to, name, face);
        self.bridge.has_shown(&self.carol, &to, profile.shown.clone());
        name.clone_into(&mut self.name);
        self.alone(profile)
    }

    /// Carol is shown so from now on to another user of the peer's network.
    pub(crate) fn profile_to(&self, to: &UserId, name: &str, face: &[u8]) -> Result<Delivery> {
        let profile = self.profile_for(to, name, Some(face));
        self.bridge.has_shown(&self.carol, to, profile.shown.clone());
        self.alone(profile)
    }

    fn profile_for(&self, to: &UserId, name: &str, face: Option<&[u8]>) -> Profile {
        let picture = face.map(|bytes| {
            let sha256 = Sha256(sha2::Sha256::digest(bytes).into());
            Arc::new(Picture { mime: "image/png".to_owned(), sha256, bytes: bytes.to_vec() })
        });
        let shown = drawbridge_adapter::Shown { name: Some(name.to_owned()), picture };
        Profile { of: self.carol.clone(), to: to.clone(), shown }
    }

    fn alone(&self, profile: Profile) -> Result<Delivery> {
        let to = profile.to.clone();
        let mut delivery = self.delivery(&to, Command::Profile(profile))?;
        let beside = format!("profile\n{}", delivery.conversation.as_str());
        delivery.conversation = ConversationId::from_stored(beside);
        Ok(delivery)
    }

    /// What became of an event, for its sender.
    pub(crate) fn status(&self, event: &Event, state: State) -> Result<Delivery> {
        let status = Status {
            event: event.id.clone(),
            sender: event.sender.user.clone(),
            recipient: Some(self.carol.clone()),
            kind: event.content.kind(),
            reply_path: event.reply_path.clone(),
            state,
        };
        let sender = event.sender.user.clone();
        self.delivery(&sender, Command::Status(status))
    }

    /// Words of the bridge's own for the peer.
    pub(crate) fn notice(&self, text: &str, answers: Option<ReplyPath>) -> Result<Delivery> {
        let to = self.peer.user();
        let notice = Notice { to: to.clone(), text: text.to_owned(), reply_path: answers };
        self.delivery(&to, Command::Notice(notice))
    }

    /// Carol is a stranger, and wants to write to the peer.
    pub(crate) fn request(&self, text: &str) -> Result<Delivery> {
        let to = self.peer.user();
        let request = Request {
            from: self.party(),
            to: to.clone(),
            text: Some(text.to_owned()),
            words: format!("Carol wants to write to you: {text}"),
        };
        self.delivery(&to, Command::Request(request))
    }

    /// Carol's request is over.
    pub(crate) fn request_over(&self, accepted: bool) -> Result<Delivery> {
        let to = self.peer.user();
        let over = RequestOver { from: self.carol.clone(), to: to.clone(), accepted };
        self.delivery(&to, Command::RequestOver(over))
    }

    /// Carol belongs on the peer's own list of blocked people, or no longer.
    pub(crate) fn block(&self, blocked: bool) -> Result<Delivery> {
        let owner = self.peer.user();
        let entry = BlockEntry { owner: owner.clone(), other: self.carol.clone(), blocked };
        self.delivery(&owner, Command::Block(entry))
    }

    /// The peer's chat with carol makes no noise, or makes noise again.
    pub(crate) fn mute(&self, muted: Option<MuteFor>) -> Result<Delivery> {
        let owner = self.peer.user();
        let entry = MuteEntry { owner: owner.clone(), other: self.carol.clone(), muted };
        self.delivery(&owner, Command::Mute(entry))
    }

    /// The chats with carol's network stand in a folder of this name, or nothing does.
    pub(crate) fn folder(&self, name: &str, gathers: bool) -> Result<Delivery> {
        let owner = self.peer.user();
        let networks = if gathers { vec![self.carol.network().clone()] } else { Vec::new() };
        let folder = Folder { owner: owner.clone(), name: name.to_owned(), networks };
        self.delivery(&owner, Command::Folder(folder))
    }

    /// Carol reports the peer, with these messages of the peer's.
    pub(crate) fn report(&self, messages: Vec<EventId>) -> Result<Delivery> {
        let about = self.peer.user();
        let report = Report {
            about: about.clone(),
            by: self.carol.clone(),
            reason: ReportReason::Spam,
            messages,
            words: "Somebody was reported: spam.".to_owned(),
        };
        self.delivery(&about, Command::Report(report))
    }

    /// The peer's own login, or the end of it.
    pub(crate) fn access(&self, secret: Option<Secret>) -> Result<Delivery> {
        let owner = self.peer.user();
        let access = Access { owner: owner.clone(), secret };
        self.delivery(&owner, Command::Access(access))
    }

    /// Waits until the bridge has heard this of the peer.
    pub(crate) async fn gestures(&self, gesture: &Gesture) -> Result<()> {
        let what = format!("the bridge hears of the gesture {gesture:?} of the peer");
        let by = self.peer.user();
        let found = |journal: &Journal| {
            journal.gestures.iter().any(|(who, what)| *who == by && what == gesture).then_some(())
        };
        self.bridge.wait_for(self.patience, &what, found).await
    }

    /// The next thing that the bridge itself says to the peer must be this.
    pub(crate) async fn is_told(&mut self, text: &str) -> Result<()> {
        let told = timeout(self.patience, self.peer.is_told()).await;
        let told = told.map_err(|_| anyhow!("the peer was not told {}", brief(text)))??;
        ensure!(told == text, "the peer was told {} instead of {}", brief(&told), brief(text));
        Ok(())
    }

    fn delivery(&self, user: &UserId, command: Command) -> Result<Delivery> {
        let bridge = self.bridge.handle();
        // As a real daemon's keys: the time, and behind it what never repeats.
        let key = format!("{:011x}{:016x}", bridge.now().0, bridge.random());
        let event = EventId::new(key.clone())?;
        Ok(Delivery {
            tag: bridge.tag_event(&event),
            key,
            conversation: ConversationId::direct(&self.carol, user),
            accepted_at: bridge.now(),
            attempt: 1,
            command,
            attached: None,
        })
    }

    /// Has all of them carried out, in windows, as the daemon would: what was not done is tried
    /// again under its key.
    pub(crate) async fn delivers(&self, all: &[Delivery]) -> Result<Vec<Delivered>> {
        let window = self.adapter.describe().window.max(1);
        let deadline = Instant::now() + self.patience;
        let (mut done, mut repeats) = (Vec::new(), 0);
        while done.len() < all.len() {
            let mut batch: Vec<_> = all[done.len()..].iter().take(window).cloned().collect();
            for delivery in &mut batch {
                delivery.attempt += repeats;
            }
            let mut failed = None;
            for answer in self.delivers_once(&batch).await? {
                match answer {
                    Ok(delivered) => done.push(delivered),
                    Err(DeliveryError::Refused { refusal, why }) => {
                        bail!("a delivery was refused: {}: {why}", refusal.code)
                    }
                    Err(error) => failed = Some(error),
                }
            }
            let Some(error) = failed else {
                repeats = 0;
                continue;
            };
            ensure!(Instant::now() < deadline, "a delivery did not work in time: {error:?}");
            repeats += 1;
            tokio::time::sleep(pause(&error).min(self.patience)).await;
        }
        Ok(done)
    }

    /// Has this one carried out.
    pub(crate) async fn deliver_one(&self, one: &Delivery) -> Result<Delivered> {
        let done = self.delivers(std::slice::from_ref(one)).await?;
        done.into_iter().next().context("nothing was delivered")
    }

    /// Has this one carried out, while the peer waits until it is shown this: it may be that the one
    /// ends only when the other has.
    pub(crate) async fn delivers_while_it_sees(
        &mut self,
        one: &Delivery,
        sight: &Sight,
    ) -> Result<Tried> {
        let from = self.address()?;
        let (adapter, patience) = (Arc::clone(&self.adapter), self.patience);
        let mut delivery = one.clone();
        let work = async {
            loop {
                match adapter.deliver(std::slice::from_ref(&delivery)).await.pop() {
                    Some(Ok(_)) => return Ok(()),
                    Some(Err(DeliveryError::Refused { refusal, why })) => {
                        bail!("the delivery was refused: {}: {why}", refusal.code)
                    }
                    Some(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    None => bail!("deliver gave no answer at all"),
                }
                delivery.attempt += 1;
            }
        };
        let both = async { tokio::join!(work, self.peer.is_shown(&from, sight)) };
        let (delivered, seen) = timeout(patience, both)
            .await
            .with_context(|| format!("the peer was not shown this: {sight:?}"))?;
        delivered?;
        seen
    }

    /// How often files of the peer's were fetched so far, if that can be known.
    pub(crate) async fn files_fetched(&mut self) -> Result<Option<usize>> {
        let fetched = timeout(self.patience, self.peer.files_fetched()).await;
        fetched.context("the peer did not say in time how often its files were fetched")?
    }

    /// How many files the peer was shown so far, if that can be known.
    pub(crate) async fn files_shown(&mut self) -> Result<Option<usize>> {
        let shown = timeout(self.patience, self.peer.files_shown()).await;
        shown.context("the peer did not say in time how many files it was shown")?
    }

    /// Hands one batch over, once, and checks the form of the answer.
    pub(crate) async fn delivers_once(
        &self,
        batch: &[Delivery],
    ) -> Result<Vec<Result<Delivered, DeliveryError>>> {
        let answers = timeout(self.patience, self.adapter.deliver(batch)).await;
        let answers = answers.map_err(|_| anyhow!("deliver did not return in time"))?;
        let ends = |answer: &Result<Delivered, DeliveryError>| matches!(answer, Err(error) if !matches!(error, DeliveryError::Refused { .. }));
        let Some((last, before)) = answers.split_last() else {
            bail!("deliver gave no answer at all");
        };
        ensure!(!before.iter().any(ends), "deliver went on after an answer that must be the last");
        let complete = answers.len() == batch.len() || (ends(last) && answers.len() < batch.len());
        ensure!(complete, "deliver gave {} answers to {}", answers.len(), batch.len());
        Ok(answers)
    }

    /// Asks the adapter to stop, and waits until `run` has returned.
    pub(crate) async fn stops(&mut self) -> Result<()> {
        let Some(mut run) = self.run.take() else { return Ok(()) };
        self.bridge.stop();
        let Ok(ended) = timeout(STOPS_WITHIN, &mut run).await else {
            run.abort();
            bail!("run did not return within {STOPS_WITHIN:?} after it was asked to stop");
        };
        ended.context("run panicked")?.map_err(|fatal| anyhow!("run ended with: {fatal}"))
    }

    /// The end of every check: a graceful stop, and no breach of the contract seen.
    pub(crate) async fn closes(mut self) -> Result<Done> {
        self.stops().await?;
        self.keeps_the_contract()?;
        Ok(Done::Passed)
    }

    /// The bridge saw no breach so far. Comes before what may follow from one.
    pub(crate) fn keeps_the_contract(&self) -> Result<()> {
        let breaches = self.bridge.journal().breaches;
        ensure!(breaches.is_empty(), "the contract was broken: {}", breaches.join("; "));
        Ok(())
    }
}

/// A message of carol's that the peer was shown.
pub(crate) struct Shown {
    key: EventId,
    id: Option<EventId>,
}

impl Shown {
    /// Whether this, of an event, names it.
    pub(crate) fn is(&self, named: &Reference) -> bool {
        named.was == Was::Delivered && named.id == self.key
    }

    /// How a command names it.
    pub(crate) fn reference(&self) -> Reference {
        let id = self.id.clone().unwrap_or_else(|| self.key.clone());
        Reference { id, was: Was::Delivered, sent_at: None }
    }
}

/// A check that failed must not leave its adapter running.
impl Drop for Play {
    fn drop(&mut self) {
        if let Some(run) = &self.run {
            run.abort();
        }
    }
}

fn pause(error: &DeliveryError) -> Duration {
    match error {
        DeliveryError::Retry { after: Some(after), .. } => *after,
        _ => PAUSE,
    }
}
