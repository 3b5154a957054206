//! The adapter itself: what the daemon calls.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use drawbridge_adapter::{
    Adapter, Bridge, Capabilities, Circumstances, Code, Connection, Delivered, Delivery,
    DeliveryError, Descriptor, Diagnosis, Fatal, Feature, Incoming, Kind, Level, NetworkId,
    Problem, Secret, Signal, StatusNeeds, TextLimits, UserId, async_trait,
};

use crate::address::MatrixAddressing;
use crate::config::MatrixConfig;
use crate::core::Core;
use crate::doctor::Patient;
use crate::homeserver::Homeserver;
use crate::lists::{self, Lists};
use crate::mxc::Mxc;
use crate::registration::Agreed;
use crate::{connection, inbound, outbound, passing};

/// The longest text, in bytes. An event of at most 65,535 bytes (Matrix, "Size limits") also
/// holds the ids of room, sender and earlier events, hashes and signatures: up to 3,000 bytes. A
/// text that JSON escaping makes longer than that is refused when the homeserver says so.
pub(crate) const MAX_TEXT: usize = 62_000;

/// One homeserver.
pub(crate) struct MatrixAdapter {
    names: MatrixAddressing,
    homeserver: Arc<Homeserver>,
    appservice: String,
    listen: SocketAddr,
    from_homeserver: Secret,
    ephemeral: bool,
    /// Proves that the bridge may speak as every local user.
    puppets: Option<Secret>,
    url: String,
    /// There since `run` was called.
    core: OnceLock<Arc<Core>>,
}

impl MatrixAdapter {
    pub(crate) fn new(
        config: &MatrixConfig,
        network: &NetworkId,
        agreed: Agreed,
        puppets: Option<Secret>,
    ) -> Result<Self, Vec<Problem>> {
        let homeserver = Homeserver::new(&config.homeserver_url, agreed.to_homeserver)
            .map_err(|fatal| vec![Problem::new("homeserver_url", fatal.to_string())])?;
        Ok(Self {
            names: config.names(network),
            homeserver: Arc::new(homeserver),
            appservice: config.appservice_id.clone(),
            listen: config.listen,
            from_homeserver: agreed.from_homeserver,
            ephemeral: agreed.ephemeral,
            puppets,
            url: config.homeserver_url.clone(),
            core: OnceLock::new(),
        })
    }

    /// The homeserver, spoken to as whichever user is named, if the operator lets the bridge.
    fn puppets(&self) -> Result<Option<Homeserver>, Fatal> {
        self.puppets.clone().map(|token| Homeserver::new(&self.url, token)).transpose()
    }
}

#[async_trait]
impl Adapter for MatrixAdapter {
    fn describe(&self) -> Descriptor {
        Descriptor {
            adapter: "matrix",
            version: env!("CARGO_PKG_VERSION"),
            window: 64,
            concurrency: 64,
            status: StatusNeeds { accepted: false, pending: true },
        }
    }

    fn capabilities(&self) -> Capabilities {
        // Synapse takes every character, U+0000 too.
        let text = TextLimits { max_bytes: MAX_TEXT, controls: true };
        // Matrix has polls, but votes would not cross, so one of another network is shown in words;
        // it has no contact cards. Who is there is not carried: a ghost's presence is one for all
        // rooms, so it could not be kept from somebody whom its user has blocked.
        // Any user may give access to their lists at any time: what comes before that is remembered.
        Capabilities::new(text)
            .with(Kind::Text, Level::Full)
            .with(Kind::Edit, Level::Full)
            .with(Kind::Retraction, Level::Full)
            .with(Kind::Reaction, Level::Full)
            .with(Kind::Image, Level::Full)
            .with(Kind::Video, Level::Full)
            .with(Kind::Voice, Level::Full)
            .with(Kind::Audio, Level::Full)
            .with(Kind::Document, Level::Full)
            .with(Kind::Location, Level::Full)
            .with(Kind::Poll, Level::Fallback)
            .with(Kind::Contact, Level::Fallback)
            .with(Kind::Receipt, Level::Full)
            .with(Kind::Typing, Level::Full)
            .with(Kind::Profile, Level::Full)
            .bearing(Feature::Formatting, Level::Full)
            .bearing(Feature::Mention, Level::Full)
            .bearing(Feature::Reply, Level::Full)
            .bearing(Feature::Thread, Level::Full)
            .showing_requests()
            .keeping_block_lists()
            .muting()
            .keeping_folders()
            .taking_reports()
            .taking_access()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        let lists = Lists::new(self.puppets()?);
        let core = Core::new(bridge, self.names.clone(), Arc::clone(&self.homeserver), lists);
        let core = Arc::clone(self.core.get_or_init(|| Arc::new(core)));
        let listener = inbound::bind(self.listen).await?;
        core.bridge.report(Connection::Waiting);
        let serve = inbound::serve(listener, Arc::clone(&core), self.from_homeserver.clone());
        // The homeserver is called only once it can call back.
        let watch = connection::watch(&core, &self.appservice);
        let receipts = outbound::send_receipts(&core);
        let lists = lists::watch(&core);
        let folders = outbound::keep_folders(&core);
        let sweep = passing::sweep(&core.bridge);
        let fleeting = async { tokio::join!(inbound::pass(&core), outbound::send_signals(&core)) };
        let background = async { tokio::join!(watch, receipts, lists, folders, sweep, fleeting) };
        tokio::select! {
            served = serve => served,
            ((), (), (), (), (), _) = background => Ok(()),
        }
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        match self.core.get() {
            Some(core) => outbound::deliver(core, batch).await,
            None => vec![Err(DeliveryError::Disconnected)],
        }
    }

    async fn open(&self, at: &str) -> Result<Incoming, DeliveryError> {
        let Some(mxc) = Mxc::parse(at) else {
            let why = "what it is called is no address of a file";
            return Err(DeliveryError::Refused { refusal: Code::Malformed.into(), why });
        };
        self.homeserver.download(&mxc).await
    }

    async fn picture(&self, _of: &UserId, at: &str) -> Result<Vec<u8>, DeliveryError> {
        let Some(mxc) = Mxc::parse(at) else {
            let why = "what it is called is no address of a picture";
            return Err(DeliveryError::Refused { refusal: Code::Malformed.into(), why });
        };
        self.homeserver.picture(&mxc).await
    }

    fn max_media(&self) -> u64 {
        self.homeserver.max_file()
    }

    async fn examine(&self, around: Circumstances<'_>) -> Vec<Diagnosis> {
        let puppets = self.puppets().ok().flatten();
        let patient = Patient {
            names: &self.names,
            homeserver: &self.homeserver,
            appservice: &self.appservice,
            listen: self.listen,
            from_homeserver: &self.from_homeserver,
            ephemeral: self.ephemeral,
            puppets: puppets.as_ref(),
        };
        patient.examine(around).await
    }

    fn has_access(&self, user: &UserId) -> bool {
        self.core.get().is_some_and(|core| core.has_access(user))
    }

    fn signal(&self, signal: Signal) -> bool {
        let Some(core) = self.core.get() else { return false };
        match signal {
            Signal::Accepted(status) => outbound::note_accepted(core, &status),
            fleeting => return outbound::note_signal(core, fleeting),
        }
        true
    }
}
