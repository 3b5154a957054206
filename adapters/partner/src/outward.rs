//! From a command of the bridge's to the frame that the app gets: what it is told, and how.

use std::borrow::Cow;

use drawbridge_adapter::{
    BlockEntry, Code, Command, Content, Delivery, DeliveryError, Feature, Folder, Kind, Level,
    Media, MediaKind, Message, MuteEntry, Notice, Refusal, Report, Request, Signal, State, Status,
    Text, UserId,
};

use crate::files::{Offer, Offered};
use crate::frame::{
    BlockFrame, BridgeContent, BridgeEvent, BridgeFile, BridgeFileInfo, BridgeText, Effective,
    FromBridge, InboxFrame, MAX_FRAME, MuteFrame, NoticeFrame, PresenceFrame, ProfileFrame,
    ReceiptFrame, ReceiptState, Ref, ReportFrame, RequestFrame, RequestOverFrame, StateName,
    StatusFrame, TypingFrame, UnmuteFrame,
};
use crate::{PartnerAddressing, markdown};

/// The kinds that this version always carries.
const CARRIED: [Kind; 11] = [
    Kind::Text,
    Kind::Edit,
    Kind::Retraction,
    Kind::Reaction,
    Kind::Location,
    Kind::Contact,
    Kind::Poll,
    Kind::Receipt,
    Kind::Typing,
    Kind::Presence,
    Kind::Profile,
];

/// The kinds that are carried, with files or without.
pub(crate) fn carried(files: bool) -> impl Iterator<Item = Kind> {
    let media = MediaKind::ALL.into_iter().filter(move |_| files).map(MediaKind::kind);
    CARRIED.into_iter().chain(media)
}

/// How much longer than its plain text a text may be in Markdown.
const GROWTH: usize = 2;

/// What the app of one connection shows to its users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shows(pub(crate) Effective);

impl Shows {
    /// Whether it shows things of this kind.
    fn has(&self, kind: Kind) -> bool {
        self.0.kinds.contains_key(&kind)
    }

    /// Whether its texts can bear this.
    fn bears(&self, feature: Feature) -> bool {
        self.0.features.contains_key(&feature)
    }

    /// The frame for a command; `None` if the app has no use for it.
    pub(crate) fn frame(
        &self,
        delivery: &Delivery,
        addressing: &PartnerAddressing,
        offer: Option<&Offer>,
        is_enlisted: impl Fn(&str) -> bool,
    ) -> Result<Option<FromBridge>, DeliveryError> {
        let id = delivery.key.clone();
        if let Some(user) = speaks_to(&delivery.command)
            && !is_enlisted(user.id())
        {
            return Err(refused(Code::NotReachable, "the recipient is not enlisted"));
        }
        Ok(match &delivery.command {
            Command::Message(message) => {
                Some(FromBridge::Event(Box::new(self.event(id, message, addressing, offer)?)))
            }
            Command::Status(status) => Some(FromBridge::Status(status_frame(id, status))),
            Command::Notice(notice) => Some(FromBridge::Notice(notice_frame(id, notice))),
            Command::Request(request) if self.0.requests => {
                Some(FromBridge::Request(self.request_frame(id, request)))
            }
            Command::Request(request) => Some(FromBridge::Notice(NoticeFrame {
                id,
                to: request.to.id().to_owned(),
                text: request.words.clone(),
                in_reply_to: None,
            })),
            Command::RequestOver(over) => self.0.requests.then(|| {
                FromBridge::RequestOver(RequestOverFrame {
                    id,
                    from: over.from.to_string(),
                    to: over.to.id().to_owned(),
                    accepted: over.accepted,
                })
            }),
            Command::Block(entry) => self.0.block_lists.then(|| block_frame(id, entry)),
            Command::Mute(entry) => self.0.mutes.then(|| mute_frame(id, entry)),
            Command::Folder(folder) => self.0.folders.then(|| inbox_frame(id, folder)),
            // Who reports is told: it must not look as if somebody read it.
            Command::Report(_) if !self.0.reports => {
                return Err(refused(Code::NotReachable, "the app takes no reports"));
            }
            Command::Report(report) => Some(report_frame(id, report)),
            Command::Profile(profile) => {
                self.has(Kind::Profile).then(|| FromBridge::Profile(ProfileFrame::of(id, profile)))
            }
            Command::Access(_) => return Err(refused(Code::Malformed, "not declared")),
        })
    }

    fn event(
        &self,
        id: String,
        message: &Message,
        addressing: &PartnerAddressing,
        offer: Option<&Offer>,
    ) -> Result<BridgeEvent, DeliveryError> {
        let Some(shown) = self.shown(message) else {
            let code = Code::UnsupportedKind(message.content.kind());
            return Err(refused(code, "of a kind that the app cannot show"));
        };
        let reply = message.reply.as_ref();
        let thread =
            reply.and_then(|it| it.thread.as_ref()).filter(|_| self.bears(Feature::Thread));
        // What only comes next in a thread answers nothing to an app that shows the thread.
        let reply = reply.filter(|_| !thread.is_some_and(|thread| thread.follows));
        let replies = reply.filter(|it| it.to.is_some() && self.bears(Feature::Reply));
        let content = match shown.as_ref() {
            Content::Text(text) => {
                let quote = reply.filter(|_| replies.is_none()).and_then(|it| it.quote.as_deref());
                BridgeContent::Text(self.text(text, quote, addressing)?)
            }
            Content::Edit { of, text } => {
                BridgeContent::Edit { of: Ref::of(of), text: self.text(text, None, addressing)? }
            }
            Content::Retraction { of } => BridgeContent::Retraction { of: Ref::of(of) },
            Content::Reaction { to, emojis } => {
                BridgeContent::Reaction { to: Ref::of(to), emojis: emojis.shown().to_vec() }
            }
            Content::Location(place) => BridgeContent::Location(place.into()),
            Content::Contact(card) => BridgeContent::Contact(card.into()),
            Content::Poll(poll) => BridgeContent::Poll(poll.into()),
            Content::Media(media) => self.file(media, offer, addressing)?,
            _ => return Err(refused(Code::Malformed, "not declared")),
        };
        Ok(BridgeEvent {
            id,
            from: message.from.user.to_string(),
            from_name: message.from.name.clone(),
            to: message.to.id().to_owned(),
            sent_at: message.sent_at.0,
            content,
            words: message.words.clone().filter(|_| matches!(shown, Cow::Borrowed(_))),
            in_reply_to: replies.and_then(|reply| reply.to.as_ref()).map(Ref::of),
            quote: replies.and_then(|reply| reply.quote.clone()),
            thread: thread.map(|thread| Ref::of(&thread.root)),
            silent: message.silent,
        })
    }

    /// What of a message the app shows; `None` if nothing. A place, a contact card or a poll goes in
    /// words to an app that has nothing better for it.
    fn shown<'a>(&self, message: &'a Message) -> Option<Cow<'a, Content>> {
        let kind = message.content.kind();
        let level = self.0.kinds.get(&kind).copied().unwrap_or_default();
        if level <= Level::Fallback && matches!(kind, Kind::Location | Kind::Contact | Kind::Poll) {
            let words = message.words.as_deref().filter(|_| self.has(Kind::Text))?;
            return Some(Cow::Owned(Content::text(words)));
        }
        let has = self.has(kind) || (kind == Kind::Voice && self.has(Kind::Audio));
        has.then_some(Cow::Borrowed(&message.content))
    }

    /// A file, where the app gets it. A voice note is any sound to an app that has none.
    fn file(
        &self,
        media: &Media,
        offer: Option<&Offer>,
        addressing: &PartnerAddressing,
    ) -> Result<BridgeContent, DeliveryError> {
        let Media { kind, info, thumbnail, caption, .. } = media;
        let offer = offer.ok_or_else(|| refused(Code::Malformed, "there is no file with it"))?;
        if let Some(most) = self.max_media()
            && offer.file.file.size() > most
        {
            let why = "larger than the app takes";
            return Err(DeliveryError::Refused { refusal: Refusal::too_large(most), why });
        }
        let of =
            |offered: &Offered, info| BridgeFileInfo::of(offered.url.clone(), &offered.file, info);
        let thumbnail = thumbnail.as_ref().zip(offer.thumbnail.as_ref());
        let caption = caption.as_ref().map(|text| self.text(text, None, addressing)).transpose()?;
        let (caption, caption_markdown) =
            caption.map_or((None, None), |text| (Some(text.body), text.markdown));
        let file = Box::new(BridgeFile {
            info: of(&offer.file, info),
            duration_ms: info.duration.and_then(|duration| duration.as_millis().try_into().ok()),
            waveform: info.waveform.clone(),
            blurhash: info.blurhash.clone(),
            caption,
            caption_markdown,
            thumbnail: thumbnail.map(|(thumbnail, offered)| of(offered, &thumbnail.info)),
        });
        Ok(match kind {
            MediaKind::Image => BridgeContent::Image(file),
            MediaKind::Video => BridgeContent::Video(file),
            MediaKind::Voice if self.has(Kind::Voice) => BridgeContent::Voice(file),
            MediaKind::Voice | MediaKind::Audio => BridgeContent::Audio(file),
            MediaKind::Document => BridgeContent::Document(file),
        })
    }

    /// The largest file that the app takes, in bytes.
    pub(crate) fn max_media(&self) -> Option<u64> {
        self.0.max_media_bytes
    }

    /// What was written. An app that shows no replies gets the quoted before it, if there is room.
    fn text(
        &self,
        text: &Text,
        quote: Option<&str>,
        addressing: &PartnerAddressing,
    ) -> Result<BridgeText, DeliveryError> {
        let max = self.0.text.max_bytes;
        if text.body.len() > max {
            return Err(refused(Code::TextTooLong, "longer than the app can show"));
        }
        let quoted = quote.map(|quote| quoted(quote, &text.body)).filter(|all| all.len() <= max);
        let rich = text.rich.as_ref().filter(|_| self.bears(Feature::Formatting));
        // Its words come in any case.
        let fits = |markdown: &String| {
            markdown.len() <= GROWTH * max && text.body.len() + markdown.len() <= MAX_FRAME / 2
        };
        let rich = rich.filter(|_| quoted.is_none());
        let mentions = self.bears(Feature::Mention);
        let markdown = rich.map(|rich| markdown::write(rich, addressing, mentions)).filter(fits);
        Ok(BridgeText { body: quoted.unwrap_or_else(|| text.body.clone()), markdown })
    }

    /// The frame for something fleeting, if the app has a use for it.
    pub(crate) fn fleeting(
        &self,
        signal: &Signal,
        is_enlisted: impl Fn(&str) -> bool,
    ) -> Option<FromBridge> {
        match signal {
            Signal::Receipt(receipt) if self.has(Kind::Receipt) && is_enlisted(receipt.to.id()) => {
                let state = if receipt.read { ReceiptState::Read } else { ReceiptState::Delivered };
                Some(FromBridge::Receipt(ReceiptFrame {
                    of: Ref::of(&receipt.of),
                    from: receipt.by.to_string(),
                    to: receipt.to.id().to_owned(),
                    state,
                }))
            }
            Signal::Typing(typing) if self.has(Kind::Typing) && is_enlisted(typing.to.id()) => {
                Some(FromBridge::Typing(TypingFrame {
                    from: typing.by.to_string(),
                    to: typing.to.id().to_owned(),
                    typing: typing.typing,
                }))
            }
            Signal::Presence(presence)
                if self.has(Kind::Presence) && is_enlisted(presence.to.id()) =>
            {
                Some(FromBridge::Presence(PresenceFrame {
                    from: presence.by.to_string(),
                    to: presence.to.id().to_owned(),
                    state: presence.is.into(),
                }))
            }
            _ => None,
        }
    }

    fn request_frame(&self, id: String, request: &Request) -> RequestFrame {
        let fits = |text: &&String| self.has(Kind::Text) && text.len() <= self.0.text.max_bytes;
        RequestFrame {
            id,
            from: request.from.user.to_string(),
            from_name: request.from.name.clone(),
            to: request.to.id().to_owned(),
            text: request.text.as_ref().filter(fits).cloned(),
            words: request.words.clone(),
        }
    }
}

/// A text with the one that it answers before it.
fn quoted(quote: &str, body: &str) -> String {
    let lines = quote.lines().map(|line| format!("> {line}\n"));
    lines.collect::<String>() + "\n" + body
}

/// Whom the app needs to know for this. A status is told also of those who have left since, and so
/// is a report: leaving is no way out of it.
fn speaks_to(command: &Command) -> Option<&UserId> {
    match command {
        Command::Status(_) | Command::Report(_) => None,
        other => Some(other.addressee()),
    }
}

fn notice_frame(id: String, notice: &Notice) -> NoticeFrame {
    NoticeFrame {
        id,
        to: notice.to.id().to_owned(),
        text: notice.text.clone(),
        in_reply_to: notice.reply_path.as_ref().map(|path| path.0.clone()),
    }
}

fn block_frame(id: String, entry: &BlockEntry) -> FromBridge {
    let of = entry.owner.id().to_owned();
    let frame = BlockFrame { id, of, other: entry.other.to_string() };
    if entry.blocked { FromBridge::Block(frame) } else { FromBridge::Unblock(frame) }
}

fn mute_frame(id: String, entry: &MuteEntry) -> FromBridge {
    let (of, other) = (entry.owner.id().to_owned(), entry.other.to_string());
    match entry.muted {
        Some(duration) => FromBridge::Mute(MuteFrame { id, of, other, duration }),
        None => FromBridge::Unmute(UnmuteFrame { id, of, other }),
    }
}

fn inbox_frame(id: String, folder: &Folder) -> FromBridge {
    FromBridge::Inbox(InboxFrame {
        id,
        of: folder.owner.id().to_owned(),
        name: folder.name.clone(),
        networks: folder.networks.iter().map(ToString::to_string).collect(),
    })
}

/// Who reports is left out: it is nobody's business there, and the reported user's side least of
/// all.
fn report_frame(id: String, report: &Report) -> FromBridge {
    FromBridge::Report(ReportFrame {
        id,
        about: report.about.id().to_owned(),
        reason: report.reason,
        messages: report.messages.iter().map(|event| event.as_str().to_owned()).collect(),
        words: report.words.clone(),
    })
}

fn status_frame(id: String, status: &Status) -> StatusFrame {
    let refusal = status.state.refusal();
    let code = match status.state {
        State::Held => Some(Code::RequestPending),
        _ => refusal.map(|refusal| refusal.code),
    };
    StatusFrame {
        id,
        event: status.event.as_str().to_owned(),
        from: status.sender.id().to_owned(),
        to: status.recipient.as_ref().map(ToString::to_string),
        kind: status.kind,
        state: match status.state {
            State::Pending | State::Held => StateName::Pending,
            State::FailedRetriable(_) => StateName::FailedRetriable,
            State::FailedPermanent(_) => StateName::FailedPermanent,
            _ => StateName::Accepted,
        },
        code: code.map(|code| code.to_string()),
        message: refusal.map(Refusal::explain).or_else(|| code.map(Code::explain)),
        retry_after_seconds: refusal
            .and_then(|refusal| refusal.retry_after)
            // Rounded up: a second too early would be in vain.
            .map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0)),
        limit_bytes: refusal.and_then(|refusal| refusal.limit),
    }
}

fn refused(code: Code, why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: code.into(), why }
}
