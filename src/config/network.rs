//! One `[networks.<id>]` table: the keys that all networks have, and those of its adapter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use drawbridge_adapter::{Adapter, Addressing, Kind, NetworkId, Place, Registration, UserId};
use serde_json::{Map, Value};

use super::adapters::{AdapterType, AnyConfiguration};
use super::check::{Checker, suggestion};
use super::conformance::{self, Unfit};
use super::origin::{KeyPath, Origins};
use super::settings::{NetworkSettings, Remote};
use super::{Finding, Origin};
use crate::gate::{Offer, Policy, RemoteUsers, Role};
use crate::proxy::{BadHost, Hosts};

/// One configured network.
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Whose it is.
    pub role: Role,
    /// The domains whose users are local; empty where users have no domain.
    pub local_domains: Vec<String>,
    /// What the operator allows on it.
    pub policy: Policy,
    /// From where files of its messages are fetched.
    pub(crate) hosts: Hosts,
    /// How its users are named.
    pub addressing: Arc<dyn Addressing>,
    /// The report by which it was admitted, if it is a third-party network and was.
    pub conformance_report: Option<PathBuf>,
    /// Its adapter, not built yet.
    pub adapter: NetworkAdapter,
}

impl Network {
    /// What stands against admitting it, of what its file says.
    pub fn conformance(&self, place: &Place) -> Result<(), Finding> {
        let Some(path) = &self.conformance_report else { return Ok(()) };
        conformance::check(&place.find(path)).map_err(|unfit| {
            let (key, origin) = place_of(&self.adapter.origins, &self.id, REPORT);
            Finding::error(origin, key, unfit.what())
        })
    }

    /// The same, before the daemon starts: what is not there yet may come.
    fn conformance_so_far(&self, place: &Place) -> Option<Finding> {
        let path = self.conformance_report.as_ref()?;
        let unfit = conformance::check(&place.find(path)).err()?;
        let (key, origin) = place_of(&self.adapter.origins, &self.id, REPORT);
        Some(match unfit {
            Unfit::Missing(what) => Finding::warning(origin, key, what),
            Unfit::Refused(what) => Finding::error(origin, key, what),
        })
    }

    pub(super) fn findings(&self, place: &Place) -> Vec<Finding> {
        let mut warnings = self.adapter.warnings(place);
        if self.policy.inactive {
            let (key, origin) = place_of(&self.adapter.origins, &self.id, "admission");
            let what = "the network is inactive: nothing crosses until its conformance report and \
                        its minimum posture are set here";
            warnings.push(Finding::warning(origin, key, what));
        }
        warnings.extend(self.conformance_so_far(place));
        warnings
    }
}

/// The key of the report.
const REPORT: &str = "admission.conformance_report";

/// A network's adapter, not built yet.
pub struct NetworkAdapter {
    id: NetworkId,
    configuration: Box<dyn AnyConfiguration>,
    origins: Arc<Origins>,
}

impl NetworkAdapter {
    /// Makes the adapter: reads its files, connects nothing.
    pub fn build(self, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Finding>> {
        let Self { id, configuration, origins } = self;
        let finding = |problem: drawbridge_adapter::Problem| {
            let (key, origin) = place_of(&origins, &id, &problem.key);
            Finding::error(origin, key, problem.what)
        };
        let built = configuration.build(id.clone(), place);
        built.map_err(|problems| problems.into_iter().map(finding).collect())
    }

    /// The file that the network's own server needs, if it needs one; with fresh secrets.
    pub fn registration(&self) -> Option<Registration> {
        self.configuration.registration(&self.id)
    }

    /// The files that nobody but the daemon and root may read, by key.
    pub fn secret_files(&self, place: &Place) -> Vec<(String, PathBuf)> {
        let of = |(key, path): (&str, PathBuf)| {
            (place_of(&self.origins, &self.id, key).0, place.find(&path))
        };
        self.configuration.secret_files().into_iter().map(of).collect()
    }

    fn warnings(&self, place: &Place) -> Vec<Finding> {
        let of = |problem: drawbridge_adapter::Problem| {
            let (key, origin) = place_of(&self.origins, &self.id, &problem.key);
            Finding::warning(origin, key, problem.what)
        };
        let own = self.configuration.warnings().into_iter().map(of);
        own.chain(self.missing_files(place)).collect()
    }

    fn missing_files(&self, place: &Place) -> Vec<Finding> {
        let missing = |(key, path): (&'static str, std::path::PathBuf)| {
            let path = place.find(&path);
            // One that may not be looked at may be there.
            if !matches!(path.try_exists(), Ok(false)) {
                return None;
            }
            let (key, origin) = place_of(&self.origins, &self.id, key);
            Some(Finding::warning(origin, key, format!("not there yet: {}", path.display())))
        };
        self.configuration.files().into_iter().filter_map(missing).collect()
    }
}

fn place_of(origins: &Origins, id: &NetworkId, key: &str) -> (String, Option<Origin>) {
    let path = KeyPath::default().then("networks").then(id.as_str()).below(key);
    (path.to_string(), origins.at(&path).cloned())
}

/// Brings those to whom networks are offered into their own networks' spelling.
pub(super) fn spell_offers(networks: &mut [Network], checker: &mut Checker<'_>) {
    let known: BTreeMap<_, _> =
        networks.iter().map(|it| (it.id.clone(), Arc::clone(&it.addressing))).collect();
    for network in networks {
        let key = KeyPath::default().then("networks").then(network.id.as_str());
        let key = key.below("available_to.users");
        let listed = checker.effective.get(&key).and_then(Value::as_array).cloned();
        let mut users = BTreeSet::new();
        for user in &network.policy.offer.users {
            let spelled = match known.get(user.network()) {
                Some(addressing) => {
                    addressing.canonical(user.id()).map_err(|error| error.to_string())
                }
                None => Err("no network of this id is configured".to_owned()),
            };
            match spelled {
                Ok(user) => _ = users.insert(user),
                Err(what) => {
                    let name = user.to_string();
                    let is_it = |value: &Value| value.as_str() == Some(&name);
                    let at = listed.iter().flatten().position(is_it);
                    checker.error_at(&key, &key.item(at.unwrap_or_default()), what);
                }
            }
        }
        network.policy.offer.users = users;
    }
}

/// Reads one table; `None` if a finding says why not.
pub(super) fn read(
    id: &str,
    table: Value,
    checker: &mut Checker<'_>,
    adapters: &[AdapterType],
) -> Option<Network> {
    let at = KeyPath::default().then("networks").then(id);
    let id = NetworkId::new(id).map_err(|error| checker.error(&at, error.to_string())).ok();
    let Value::Object(table) = table else {
        checker.error(&at, "expected a table of keys");
        return None;
    };
    let adapter = adapter_type(&table, &at, checker, adapters);

    if let Some(adapter) = adapter {
        checker.effective.insert(at.then("type"), adapter.name.into());
    }
    let schema = schemars::schema_for!(NetworkSettings).to_value();
    let (common, own) = split(table, &schema);
    let before = checker.count();
    let read = |value: &Value| serde_path_to_error::deserialize(value);
    let settings: Option<NetworkSettings> = checker.read(&schema, common, &at, &[], read);
    // What follows from a value that is not the operator's would only confuse.
    let settings = settings.filter(|_| checker.count() == before);
    let offer = settings.as_ref().map(|settings| offer(settings, &at, checker));
    let policy = settings.as_ref().zip(offer);
    let policy = policy.map(|(settings, offer)| policy_of(settings, offer, &at, checker));

    let adapter = adapter?;
    if let Some(settings) = &settings {
        local_users(settings, adapter, &at, checker);
    }
    let hosts = settings.as_ref().map(|settings| hosts(settings, &at, checker));
    let own_schema = (adapter.schema)();
    let configuration = checker.read(&own_schema, own, &at, COMMON, adapter.read)?;
    for problem in configuration.problems() {
        checker.error_unless_repaired(&at.below(&problem.key), problem.what);
    }

    let (id, settings, policy, hosts) = (id?, settings?, policy?, hosts?);
    if checker.count() != before {
        return None;
    }
    Some(Network {
        role: settings.role,
        local_domains: settings.users.local,
        policy,
        hosts,
        conformance_report: settings.admission.map(|admission| admission.conformance_report),
        addressing: configuration.addressing(&id),
        adapter: NetworkAdapter { id: id.clone(), configuration, origins: checker.origins() },
        id,
    })
}

/// The common keys, as suggestions for an unknown one.
const COMMON: &[&str] = &[
    "type",
    "role",
    "users",
    "users.local",
    "users.remote",
    "kinds",
    "kinds.deny",
    "kinds.allow",
    "admission",
    "available_to",
    "media",
    "media.hosts",
    "media.private_hosts",
];

fn adapter_type<'a>(
    table: &Map<String, Value>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
    adapters: &'a [AdapterType],
) -> Option<&'a AdapterType> {
    let names: Vec<_> = adapters.iter().map(|adapter| adapter.name).collect();
    let expected = format!("expected one of {}", names.join(", "));
    let Some(value) = table.get("type") else {
        checker.error(&at.then("type"), format!("missing; {expected}"));
        return None;
    };
    let name = value.as_str().unwrap_or_default();
    let found = adapters.iter().find(|adapter| adapter.name == name);
    if found.is_none() {
        let hint = suggestion(name, names);
        checker.error(&at.then("type"), format!("unknown type; {expected}{hint}"));
    }
    found
}

/// The table's keys that all networks have, and the rest. `type` belongs to neither.
fn split(table: Map<String, Value>, common: &Value) -> (Value, Value) {
    let is_common = |key: &String| common["properties"].get(key).is_some();
    let keys = table.into_iter().filter(|(key, _)| key != "type");
    let (common, own): (Map<_, _>, Map<_, _>) = keys.partition(|(key, _)| is_common(key));
    (Value::Object(common), Value::Object(own))
}

/// To whom it is offered, and what only a third-party network has.
fn offer(settings: &NetworkSettings, at: &KeyPath, checker: &mut Checker<'_>) -> Offer {
    let home = settings.role == Role::Home;
    let given = [
        ("admission", settings.admission.is_some()),
        ("available_to", settings.available_to.is_some()),
    ];
    for (key, _) in given.into_iter().filter(|(_, given)| home && *given) {
        checker.error(&at.then(key), "only for a third-party network");
    }
    let Some(available) = &settings.available_to else { return Offer::to_all() };
    let key = at.below("available_to.users");
    let mut users = BTreeSet::new();
    for (i, user) in available.users.iter().enumerate() {
        match user.parse::<UserId>() {
            Ok(user) => _ = users.insert(user),
            Err(error) => checker.error_at(&key, &key.item(i), error.to_string()),
        }
    }
    let key = at.below("available_to.domains");
    for (i, domain) in available.domains.iter().enumerate() {
        if !is_domain(domain) {
            checker.error_at(&key, &key.item(i), NO_DOMAIN);
        }
    }
    let domains = available.domains.iter().cloned().collect();
    Offer { users, domains, share_percent: available.share_percent }
}

/// From where files are fetched.
fn hosts(settings: &NetworkSettings, at: &KeyPath, checker: &mut Checker<'_>) -> Hosts {
    let mut wrong = |key: &str, BadHost { which, why }: BadHost| {
        let key = at.below(key);
        checker.error_at(&key, &key.item(which), why);
        Hosts::default()
    };
    let media = &settings.media;
    let open = Hosts::new(&media.hosts).unwrap_or_else(|bad| wrong("media.hosts", bad));
    let all = open.and_private(&media.private_hosts);
    let all = all.unwrap_or_else(|bad| wrong("media.private_hosts", bad));
    all.and_domains(&settings.users.local)
}

fn policy_of(
    settings: &NetworkSettings,
    offer: Offer,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Policy {
    let allow_key = at.below("kinds.allow");
    for (i, kind) in settings.kinds.allow.iter().enumerate() {
        if let Err(what) = may_allow(*kind, settings.role) {
            checker.error_at(&allow_key, &allow_key.item(i), what);
        }
    }
    let denied: BTreeSet<_> = settings.kinds.deny.iter().copied().collect();
    if settings.kinds.allow.iter().any(|kind| denied.contains(kind)) {
        checker.error(&allow_key, "a kind is both allowed and denied");
    }
    Policy {
        remote_users: match settings.users.remote {
            Remote::Deny => RemoteUsers::Denied,
            Remote::Request => RemoteUsers::AsStrangers,
            Remote::Allow => RemoteUsers::Allowed,
        },
        inactive: settings.role == Role::ThirdParty && settings.admission.is_none(),
        minimum: settings.admission.as_ref().map(|it| it.minimum_posture).unwrap_or_default(),
        offer,
        denied,
        allowed: settings.kinds.allow.iter().copied().collect(),
    }
}

fn may_allow(kind: Kind, role: Role) -> Result<(), String> {
    match (kind, role) {
        (Kind::Sticker, Role::Home) => Ok(()),
        (Kind::Sticker | Kind::Disappearing, Role::ThirdParty) => Err(format!(
            "{kind} cannot be allowed: towards and from a third-party network it never crosses"
        )),
        (Kind::Disappearing, Role::Home) => {
            Err("disappearing cannot be allowed: it never crosses".to_owned())
        }
        _ => Err(format!(
            "{kind} cannot be allowed: expected only sticker; other kinds cross where both \
             networks carry them"
        )),
    }
}

fn local_users(
    settings: &NetworkSettings,
    adapter: &AdapterType,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) {
    let (local_key, remote_key) = (at.below("users.local"), at.below("users.remote"));
    let local = &settings.users.local;
    if settings.role == Role::ThirdParty || !adapter.domains {
        let what = "only for a home network whose users live under domains";
        if !local.is_empty() {
            checker.error(&local_key, what);
        }
        if settings.users.remote != Remote::Deny {
            checker.error(&remote_key, what);
        }
        return;
    }
    if local.is_empty() {
        let what = "missing; expected the domains whose users are local, as in [\"example.org\"]: \
                    without them nobody could use the bridge";
        checker.error(&local_key, what);
    }
    for (i, domain) in local.iter().enumerate() {
        if !is_domain(domain) {
            checker.error_at(&local_key, &local_key.item(i), NO_DOMAIN);
        }
    }
}

const NO_DOMAIN: &str = "expected a domain in lower case, without a user and without wildcards";

/// Whether a text can be the domain of a user: a name or an address, with a port where the
/// network wants one. Which of them exist is not ours to know.
fn is_domain(text: &str) -> bool {
    let odd = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || c.is_uppercase()
            || matches!(c, '@' | '/' | '*' | '?' | '"' | '\'' | '\\')
    };
    !text.is_empty() && text.len() <= 255 && !text.contains(odd)
}
