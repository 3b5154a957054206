#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod admission;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    Adapter, AddressError, Addressing, Configuration, Kind, NetworkId, Place, Problem, SecretFile,
    UserId,
};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use super::*;
use crate::gate::{RemoteUsers, Role};

/// The example of the documentation, as it stands there.
pub(crate) const EXAMPLE: &str = r#"data_dir = "data"

[networks.matrix]
type = "matrix"
role = "home"
homeserver_url = "http://127.0.0.1:8008"
server_name = "hs.test"
listen = "127.0.0.1:8481"
registration_file = "registration.yaml"
users.local = ["hs.test"]

[networks.xmpp]
type = "xmpp"
role = "home"
server = "127.0.0.1:5347"
domain = "bridge.p.test"
secret_file = "xmpp.secret"
users.local = ["p.test"]

[networks.birdychat]
type = "partner"
role = "third_party"
listen = "127.0.0.1:8482"
issuer = "birdychat"
jwks_file = "birdychat.jwks.json"
"#;

/// A network of the tests' own.
#[derive(Deserialize, JsonSchema)]
struct Pigeons {
    /// Where the loft is.
    #[schemars(example = "127.0.0.1:1")]
    loft: SocketAddr,
    /// What opens it.
    #[schemars(example = "loft.secret")]
    secret_file: SecretFile,
    /// How many pigeons fly at once.
    #[serde(default)]
    flight: Flight,
}

/// How pigeons fly.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct Flight {
    /// How many at once.
    #[schemars(range(min = 1, max = 9))]
    pigeons: u8,
    /// Whether at night.
    night: bool,
}

impl Default for Flight {
    fn default() -> Self {
        Self { pigeons: 3, night: false }
    }
}

/// Names in lower case, and nobody of another network.
struct Names(NetworkId);

impl Addressing for Names {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        if id.contains(' ') {
            return Err(AddressError::Invalid("no pigeon has two words"));
        }
        let user = UserId::new(self.0.clone(), id.to_lowercase());
        user.map_err(|_| AddressError::Invalid("an id"))
    }

    fn domain<'a>(&self, _: &'a UserId) -> Option<&'a str> {
        None
    }

    fn address_of(&self, _: &UserId) -> Result<String, AddressError> {
        Err(AddressError::NotOurs)
    }

    fn user_at(&self, _: &str) -> Result<UserId, AddressError> {
        Err(AddressError::NotOurs)
    }
}

impl Configuration for Pigeons {
    const TYPE: &'static str = "pigeons";

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.flight.night && self.flight.pigeons > 5 {
            problems.push(Problem::new("flight.pigeons", "too many for the night"));
        }
        if self.loft.port() == 0 {
            problems.push(Problem::new("loft", "expected a port"));
        }
        problems
    }

    fn addressing(&self, id: &NetworkId) -> Arc<dyn Addressing> {
        Arc::new(Names(id.clone()))
    }

    fn build(self, _: NetworkId, place: &Place) -> Result<Arc<dyn Adapter>, Vec<Problem>> {
        self.secret_file.read(place, "secret_file").map_err(|problem| vec![problem])?;
        Err(vec![Problem::new("loft", "nobody is there")])
    }

    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("secret_file", self.secret_file.0.clone())]
    }
}

const PIGEONS: &[AdapterType] = &[AdapterType::of::<Pigeons>()];

/// A configuration with one home network of pigeons, and `more` in its table.
fn pigeons(more: &str) -> String {
    format!(
        "data_dir = \"data\"\n[networks.south]\ntype = \"pigeons\"\nrole = \"home\"\n\
         loft = \"127.0.0.1:1\"\nsecret_file = \"s\"\nusers.local = [\"p.test\"]\n{more}"
    )
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    read_text(text, Path::new("/etc/drawbridge"), environment, PIGEONS)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn errors(text: &str) -> Vec<String> {
    read(text, &[]).err().expect("it is refused")
}

#[test]
fn the_plain_example_is_valid_as_it_stands() {
    let loaded = read_text(EXAMPLE, Path::new("/etc/drawbridge"), Vec::new(), ADAPTERS);
    let loaded = loaded.unwrap_or_else(|findings| panic!("{findings:?}"));
    let ids: Vec<_> = loaded.networks.iter().map(|network| network.id.as_str()).collect();
    assert_eq!(ids, ["birdychat", "matrix", "xmpp"]);
    assert_eq!(loaded.data_dir, Path::new("/etc/drawbridge/data"));
    assert_eq!(loaded.max_messages, 100_000);
    assert_eq!(loaded.expire_after, Duration::from_hours(72));
    let birdychat = &loaded.networks[0];
    assert_eq!(birdychat.role, Role::ThirdParty);
    assert_eq!(birdychat.role, Role::ThirdParty);
    let matrix = &loaded.networks[1];
    assert_eq!(matrix.role, Role::Home);
    assert_eq!(matrix.local_domains, ["hs.test"]);
    assert_eq!(matrix.policy.remote_users, RemoteUsers::Denied);
}

#[test]
fn a_bridge_without_a_name_of_its_own_is_warned_of() {
    let warned = |text: &str| {
        let loaded = read_text(text, Path::new("/nowhere"), Vec::new(), ADAPTERS);
        let warnings = loaded.unwrap_or_else(|findings| panic!("{findings:?}")).findings();
        let audience = warnings.into_iter().filter(|one| one.key.ends_with(".audience"));
        audience.map(|one| one.to_string()).collect::<Vec<_>>()
    };
    let start = "networks.birdychat.audience: other bridges are called \"drawbridge\" as well: ";
    let table = 1 + EXAMPLE.lines().position(|line| line == "[networks.birdychat]").unwrap();
    let unset = warned(EXAMPLE);
    assert!(unset[0].starts_with(&format!("warning: line {table}: {start}")), "{unset:?}");
    let set = warned(&format!("{EXAMPLE}audience = \"drawbridge\"\n"));
    let line = EXAMPLE.lines().count() + 1;
    assert!(set[0].starts_with(&format!("warning: line {line}: {start}")), "{set:?}");
    assert_eq!(warned(&format!("{EXAMPLE}audience = \"bridge.example.org\"\n")), [""; 0]);
}

#[test]
fn two_adapters_of_one_type_are_refused() {
    let twice = [PIGEONS[0], ADAPTERS[0], PIGEONS[0]];
    let text = pigeons("");
    let refused = read_text(&text, Path::new("/etc/drawbridge"), Vec::new(), &twice);
    let said: Vec<_> = refused.err().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["error: two of the adapters that this program is built with are of the type \
          \"pigeons\": each needs a type of its own"]
    );
    assert!(read_text(&text, Path::new("/etc/drawbridge"), Vec::new(), &twice[..2]).is_ok());
}

#[test]
fn an_unknown_key_is_an_error_with_the_likely_one() {
    assert_eq!(
        errors(&pigeons("user.remote = \"allow\"\nsecret-file = \"x\"\nzzz = 1\n")),
        [
            "error: line 8: networks.south.user: unknown key; did you mean \"users\"?",
            "error: line 9: networks.south.secret-file: unknown key; did you mean \"secret_file\"?",
            "error: line 10: networks.south.zzz: unknown key",
        ]
    );
    assert_eq!(
        errors(&format!("dta_dir = 1\n{}", pigeons("users.locl = []\nusers_remote = 1\n"))),
        [
            "error: line 1: dta_dir: unknown key; did you mean \"data_dir\"?",
            "error: line 9: networks.south.users.locl: unknown key; did you mean \"local\"?",
            "error: line 10: networks.south.users_remote: unknown key; did you mean \"users.remote\"?",
        ]
    );
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    let text = "\
[log]
format = \"pretty\"
level = \"loud\"

[queue]
max_messages = 0
expire_after_hours = \"long\"

[networks.south]
type = \"pigeon\"
role = \"home\"
users.local = [\"P.test\"]

[networks.north]
type = \"pigeons\"
role = \"guest\"
loft = \"nowhere\"
flight = { pigeons = 7, night = true }
";
    assert_eq!(
        errors(text),
        [
            "error: line 2: log.format: expected one of auto, human, json, journald",
            "error: line 3: log.level: expected off, error, warn, info, debug or trace, or parts \
             with levels as in info,drawbridge_xmpp=debug",
            "error: line 6: queue.max_messages: expected a whole number from 1 to 1000000000, as in 100000",
            "error: line 7: queue.expire_after_hours: expected a whole number from 1 to 8760, as in 72",
            "error: line 10: networks.south.type: unknown type; expected one of pigeons; did you mean \"pigeons\"?",
            "error: line 14: networks.north.secret_file: missing; expected a text in quotes, as in \"loft.secret\"",
            "error: line 16: networks.north.role: expected one of home, third_party",
            "error: line 17: networks.north.loft: invalid socket address syntax",
            "error: line 18: networks.north.flight.pigeons: too many for the night",
            "error: data_dir: missing; expected a text in quotes, as in \"/var/lib/drawbridge\"",
        ]
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_line_and_without_its_words() {
    let found = errors("data_dir = \"x\"\n\nsecret = hunter2\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("error: line 3: not TOML: "), "{}", found[0]);
    assert!(!found[0].contains("hunter2"), "{}", found[0]);
}

#[test]
fn no_value_is_ever_printed() {
    let text =
        pigeons("secret = \"hunter2\"\nflight.night = \"hunter2\"\nkinds.deny = [\"hunter2\"]\n")
            .replace("127.0.0.1:1", "hunter2")
            .replace("\"s\"", "[\"hunter2\"]")
            .replace("p.test", "Hunter2");
    let found = errors(&text).join("\n");
    assert!(!found.to_lowercase().contains("hunter2"), "{found}");
}

#[test]
fn the_environment_lies_over_the_file() {
    let loaded = read(
        &pigeons("[log]\nformat = \"human\"\n"),
        &[
            ("DRAWBRIDGE_LOG__FORMAT", "json"),
            ("DRAWBRIDGE_LOG__LEVEL", "warn,drawbridge_xmpp=trace"),
            ("DRAWBRIDGE_QUEUE__EXPIRE_AFTER_HOURS", "5"),
            ("DRAWBRIDGE_NETWORKS__SOUTH__USERS__LOCAL", "a.test, b.test"),
            ("DRAWBRIDGE_NETWORKS__SOUTH__USERS__REMOTE", "allow"),
            ("DRAWBRIDGE_CONFIG", "elsewhere.toml"),
            ("HOME", "/root"),
        ],
    );
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(loaded.log_format, LogFormat::Json);
    assert_eq!(loaded.log_levels.all, LevelFilter::WARN);
    assert_eq!(loaded.log_levels.parts, [("drawbridge_xmpp".to_owned(), LevelFilter::TRACE)]);
    assert_eq!(loaded.expire_after, Duration::from_hours(5));
    assert_eq!(loaded.networks[0].local_domains, ["a.test", "b.test"]);
    assert_eq!(loaded.networks[0].policy.remote_users, RemoteUsers::Allowed);
}

#[test]
fn an_error_of_the_environment_names_the_variable() {
    let found = read(
        &pigeons(""),
        &[
            ("DRAWBRIDGE_DTA_DIR", "x"),
            ("DRAWBRIDGE_NETWORKS__SOUTH__FLIGHT__PIGEONS", "many"),
            ("DRAWBRIDGE_QUEUE__MAX_MESSAGES", "-1"),
            ("DRAWBRIDGE_A[9]", "x"),
        ],
    );
    assert_eq!(
        found.err().unwrap(),
        [
            "error: environment variable DRAWBRIDGE_A[9]: not the name of a key; expected names \
             joined by two underscores, as in DRAWBRIDGE_NETWORKS__XMPP__SERVER",
            "error: environment variable DRAWBRIDGE_DTA_DIR: dta_dir: unknown key; did you mean \"data_dir\"?",
            "error: environment variable DRAWBRIDGE_NETWORKS__SOUTH__FLIGHT__PIGEONS: \
             networks.south.flight.pigeons: expected a whole number from 1 to 9, as in 3",
            "error: environment variable DRAWBRIDGE_QUEUE__MAX_MESSAGES: queue.max_messages: \
             expected a whole number from 1 to 1000000000, as in 100000",
        ]
    );
}

#[test]
fn the_operators_listener_is_on_loopback_unless_the_operator_insists() {
    let at = |more: &str| format!("{}[operator]\n{more}", pigeons(""));
    let beyond = "listen = \"192.0.2.1:9465\"\n";
    assert_eq!(
        errors(&at(beyond)),
        ["error: line 9: operator.listen: expected a loopback address, as in \"127.0.0.1:9465\": \
          there is no password; operator.allow_remote = true takes any"]
    );
    let insists = read(&at(&format!("{beyond}allow_remote = true\n")), &[]).ok().unwrap();
    assert_eq!(insists.operator.listen, Some("192.0.2.1:9465".parse().unwrap()));
    assert_eq!(
        errors(&at("listen = \"here\"\n")),
        ["error: line 9: operator.listen: invalid socket address syntax"]
    );
    let loaded = read(&at("listen = \"[::1]:9465\"\n"), &[]).ok().unwrap();
    assert_eq!(loaded.operator.listen, Some("[::1]:9465".parse().unwrap()));
    assert_eq!(loaded.operator.socket, Path::new("/etc/drawbridge/data/control.sock"));
    assert_eq!(loaded.keep_ids, Duration::from_hours(90 * 24));
}

#[test]
fn a_socket_has_a_path_that_the_kernel_takes() {
    let long = "s".repeat(108);
    assert_eq!(
        errors(&format!("{}[operator]\nsocket = \"/{long}\"\n", pigeons(""))),
        ["error: line 9: operator.socket: longer than the 107 bytes that a socket's path may have"]
    );
    let deep = pigeons("").replace("data_dir = \"data\"", &format!("data_dir = \"{long}\""));
    assert_eq!(
        errors(&deep),
        [
            "error: line 1: data_dir: control.sock in it is longer than the 107 bytes that a socket's \
          path may have; set operator.socket to a shorter one"
        ]
    );
    assert!(read(&format!("{deep}[operator]\nsocket = \"short\"\n"), &[]).is_ok());
}

#[test]
fn the_bans_cannot_be_lifted() {
    let third =
        pigeons("").replace("home", "third_party").replace("users.local = [\"p.test\"]\n", "");
    for kind in ["sticker", "disappearing"] {
        assert_eq!(
            errors(&format!("{third}kinds.allow = [\n  \"{kind}\",\n]\n")),
            [format!(
                "error: line 8: networks.south.kinds.allow: {kind} cannot be allowed: towards and \
                 from a third-party network it never crosses"
            )]
        );
    }
    assert_eq!(
        errors(&pigeons("kinds.allow = [\"disappearing\"]\n")),
        [
            "error: line 8: networks.south.kinds.allow: disappearing cannot be allowed: it never crosses"
        ]
    );
    assert_eq!(
        errors(&pigeons("kinds.allow = [\"poll\"]\n")),
        ["error: line 8: networks.south.kinds.allow: poll cannot be allowed: expected only \
          sticker; other kinds cross where both networks carry them"]
    );
    let variable = [("DRAWBRIDGE_NETWORKS__SOUTH__KINDS__ALLOW", "disappearing")];
    let found = read(&pigeons(""), &variable).err().unwrap();
    assert!(
        found[0].starts_with("error: environment variable DRAWBRIDGE_NETWORKS__SOUTH__KINDS__ALLOW: networks.south.kinds.allow: "),
        "{}",
        found[0]
    );
}

#[test]
fn an_operator_may_allow_stickers_at_home_and_narrow_what_crosses() {
    let loaded = read(&pigeons("kinds.allow = [\"sticker\"]\nkinds.deny = [\"text\"]\n"), &[]);
    let policy = &loaded.ok().unwrap().networks[0].policy;
    assert!(policy.allowed.contains(&Kind::Sticker));
    assert!(policy.denied.contains(&Kind::Text));
    assert_eq!(
        errors(&pigeons("kinds.allow = [\"sticker\"]\nkinds.deny = [\"sticker\"]\n")),
        ["error: line 8: networks.south.kinds.allow: a kind is both allowed and denied"]
    );
}

#[test]
fn a_home_network_says_who_is_local() {
    let bare = pigeons("").replace("users.local = [\"p.test\"]\n", "");
    let found = errors(&bare);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("error: line 2: networks.south.users.local: missing; "),
        "{}",
        found[0]
    );
    for odd in ["P.test", "@p.test", "*.p.test", "", "a b"] {
        let text = pigeons("").replace("p.test", odd);
        assert_eq!(
            errors(&text),
            [
                "error: line 7: networks.south.users.local: expected a domain in lower case, without \
              a user and without wildcards"
            ],
            "{odd:?}"
        );
    }
    let strangers = read(&pigeons("users.remote = \"request\"\n"), &[]).ok().unwrap();
    assert_eq!(strangers.networks[0].policy.remote_users, RemoteUsers::AsStrangers);
    let third = pigeons("").replace("home", "third_party");
    assert_eq!(
        errors(&third),
        ["error: line 7: networks.south.users.local: only for a home network whose users live \
          under domains"]
    );
}

#[test]
fn what_the_adapter_finds_gets_its_line() {
    let text = pigeons("").replace("127.0.0.1:1", "127.0.0.1:0");
    assert_eq!(errors(&text), ["error: line 5: networks.south.loft: expected a port"]);
}

#[test]
fn tables_of_a_wrong_shape_are_errors() {
    assert_eq!(
        errors("data_dir = \"x\"\nnetworks = 3\n"),
        ["error: line 2: networks: expected tables [networks.<id>]"]
    );
    assert_eq!(
        errors("data_dir = \"x\"\nnetworks.a = 3\n"),
        ["error: line 2: networks.a: expected a table of keys"]
    );
    assert_eq!(
        errors("data_dir = \"x\"\n"),
        ["error: networks: missing; expected a table [networks.<id>] for each network"]
    );
    let bad_id = errors(&pigeons("").replace("[networks.south]", "[networks.South_1]"));
    assert_eq!(
        bad_id,
        [
            "error: line 2: networks.South_1: a network id is 1 to 16 of a-z, 0-9 and -, starting with a letter"
        ]
    );
}

#[test]
fn files_are_found_beside_the_configuration_or_among_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = tempfile::tempdir().unwrap();
    let read = |variables: Vec<(&str, &Path)>| {
        let environment =
            variables.into_iter().map(|(name, path)| (name.into(), path.into())).collect();
        read_text(&pigeons(""), folder.path(), environment, PIGEONS).ok().unwrap()
    };

    let loaded = read(Vec::new());
    let missing: Vec<_> = loaded.findings().iter().map(ToString::to_string).collect();
    let path = folder.path().join("s");
    assert_eq!(
        missing,
        [format!("warning: line 6: networks.south.secret_file: not there yet: {}", path.display())]
    );

    std::fs::write(credentials.path().join("s"), "coo").unwrap();
    let loaded = read(vec![("CREDENTIALS_DIRECTORY", credentials.path())]);
    assert_eq!(loaded.findings(), []);
    // As systemd names what it loads from a folder.
    let nested = loaded.place.find(Path::new("secrets/t"));
    assert_eq!(nested, folder.path().join("secrets/t"));
    std::fs::write(credentials.path().join("secrets_t"), "coo").unwrap();
    let nested = loaded.place.find(Path::new("secrets/t"));
    assert_eq!(nested, credentials.path().join("secrets_t"));
    let network = loaded.networks.into_iter().next().unwrap();
    let found = network.adapter.build(&loaded.place).err().unwrap();
    assert_eq!(found[0].to_string(), "error: line 5: networks.south.loft: nobody is there");
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let findings = load(&path, Vec::new(), ADAPTERS).err().unwrap();
        assert_eq!(findings.len(), 1);
        findings[0].to_string()
    };
    let large = vec![b'#'; usize::try_from(MAX_BYTES).unwrap() + 1];
    assert_eq!(refused("large", &large), "error: is larger than 1048576 bytes");
    assert_eq!(refused("latin1", b"a = 1\nb = \"\xe9\"\n"), "error: line 2: is not UTF-8");
    let nothing = load(&folder.path().join("none"), Vec::new(), ADAPTERS).err().unwrap();
    assert!(nothing[0].to_string().starts_with("error: cannot be read: "));
}

#[test]
fn depth_has_an_end() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("a = {}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(errors(&text)[0].starts_with("error: "));
    }
    let dotted = format!("a{} = 1", ".a".repeat(100_000));
    assert!(errors(&dotted)[0].starts_with("error: "));
    let header = format!("[a{}]", ".a".repeat(100_000));
    assert!(errors(&header)[0].starts_with("error: "));
}

/// Text that is near to a configuration: its lines, mangled, doubled, cut, in any order.
fn near_configuration() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        proptest::sample::select(EXAMPLE.lines().map(str::to_owned).collect::<Vec<_>>()),
        "[a-z_.\\[\\]\"{}=, 0-9é-]{0,40}",
        "(networks|users|kinds|log|a\\[9\\])(\\.[a-z\"\\[\\]]{1,9}){0,3} = (1|-1|1e400|nan|\"x\"|\\[\\[\\]\\]|\\{\\}|1979-05-27|true)",
    ];
    proptest::collection::vec(line, 0..30).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), near_configuration()]) {
        for adapters in [PIGEONS, ADAPTERS] {
            if let Err(findings) = read_text(&text, Path::new("."), Vec::new(), adapters) {
                prop_assert!(!findings.is_empty());
            }
        }
    }

    #[test]
    fn no_variable_makes_it_panic(name in "[A-Za-z_.\\[\\]0-9-]{0,30}", value in any::<String>()) {
        let environment = vec![(format!("DRAWBRIDGE_{name}").into(), value.into())];
        if let Err(findings) = read_text(&pigeons(""), Path::new("."), environment, PIGEONS) {
            prop_assert!(!findings.is_empty());
        }
    }
}
