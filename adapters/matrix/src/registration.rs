//! The registration file: made for the operator, and read back with care.

use drawbridge_adapter::{Problem, Registration, Secret};
use ruma::api::appservice::{self, Namespace, Namespaces, RegistrationInit};

use crate::config::MatrixConfig;

const KEY: &str = "registration_file";
/// The key of the registration by which the bridge may speak as every user.
pub(crate) const PUPPETS: &str = "puppet_registration_file";

/// What the bridge takes from a registration file.
#[derive(Debug, Clone)]
pub(crate) struct Agreed {
    /// Proves the bridge to the homeserver.
    pub(crate) to_homeserver: Secret,
    /// Proves the homeserver to the bridge.
    pub(crate) from_homeserver: Secret,
    /// It asks for typing and receipts.
    pub(crate) ephemeral: bool,
}

/// Makes a registration file with fresh tokens; none if the system has no randomness.
pub(crate) fn make(config: &MatrixConfig) -> Option<Registration> {
    let mut users = Namespaces::new();
    users.users = vec![Namespace::new(true, ghosts(config))];
    let mut registration = appservice::Registration::from(RegistrationInit {
        id: config.appservice_id.clone(),
        url: Some(format!("http://{}", config.listen)),
        as_token: token()?,
        hs_token: token()?,
        sender_localpart: config.bot_localpart.clone(),
        namespaces: users,
        rate_limited: Some(false),
        protocols: None,
    });
    registration.receive_ephemeral = true;
    let yaml = serde_yaml_ng::to_string(&registration).ok()?;
    let advice = format!(
        "Add the file's path to app_service_config_files in Synapse's homeserver.yaml, let Synapse \
         read the file, and restart it. The homeserver {} must reach http://{}.",
        config.server_name, config.listen
    );
    let path = config.registration_file.0.clone();
    Some(Registration { path, content: Secret::new(yaml), advice })
}

/// Reads a registration file, and finds out whether it is the one for this configuration.
pub(crate) fn read(config: &MatrixConfig, file: &Secret) -> Result<Agreed, Vec<Problem>> {
    // The parser's own words may quote a token.
    let parsed = serde_yaml_ng::from_str::<appservice::Registration>(file.expose());
    let Ok(found) = parsed else {
        let what = "not a registration file; make one with `drawbridge registration`";
        return Err(vec![Problem::new(KEY, what)]);
    };
    let mut problems = Vec::new();
    let mut differs = |what: &str, here: &str, expected: &str| {
        let what = format!(
            "{what} is \"{here}\" there, but \"{expected}\" by this configuration; \
             make the file anew with `drawbridge registration`"
        );
        problems.push(Problem::new(KEY, what));
    };
    if found.id != config.appservice_id {
        differs("id", &found.id, &config.appservice_id);
    }
    if found.sender_localpart != config.bot_localpart {
        differs("sender_localpart", &found.sender_localpart, &config.bot_localpart);
    }
    let ours = ghosts(config);
    let mut users = found.namespaces.users.iter();
    if !users.any(|users| users.exclusive && users.regex == ours) {
        let first = found.namespaces.users.first().map_or("", |users| users.regex.as_str());
        differs("the exclusive regex of namespaces.users", first, &ours);
    }
    if found.as_token.is_empty() || found.hs_token.is_empty() {
        problems.push(Problem::new(KEY, "as_token or hs_token is empty"));
    } else if found.as_token == found.hs_token {
        problems.push(Problem::new(KEY, "as_token and hs_token must not be the same"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Agreed {
        to_homeserver: Secret::new(found.as_token),
        from_homeserver: Secret::new(found.hs_token),
        ephemeral: found.receive_ephemeral,
    })
}

/// Reads the operator's own registration for speaking as every user, and gives its token.
///
/// It must be one that the homeserver sends nothing to, and that takes no name for itself alone:
/// else nobody could log in any more.
pub(crate) fn read_puppets(
    config: &MatrixConfig,
    file: &Secret,
    agreed: &Agreed,
) -> Result<Secret, Vec<Problem>> {
    let parsed = serde_yaml_ng::from_str::<appservice::Registration>(file.expose());
    let Ok(found) = parsed else {
        return Err(vec![Problem::new(
            PUPPETS,
            "not a registration file; docs/install.md has one",
        )]);
    };
    let mut problems = Vec::new();
    let mut wrong = |what: &str| problems.push(Problem::new(PUPPETS, what));
    if found.url.is_some_and(|url| !url.is_empty()) {
        wrong("url is an address; expected null: the homeserver is to send nothing there");
    }
    let spaces = &found.namespaces;
    if spaces.users.is_empty() {
        wrong("namespaces.users is empty; expected the regex of all local users");
    }
    if [&spaces.users, &spaces.aliases, &spaces.rooms].into_iter().flatten().any(|n| n.exclusive) {
        wrong("exclusive is true; expected false: else nobody else could be these users");
    }
    if found.id == config.appservice_id {
        wrong("id is that of registration_file; expected one of its own");
    }
    if found.sender_localpart == config.bot_localpart {
        wrong("sender_localpart is that of registration_file; expected one of its own");
    }
    if found.as_token.is_empty() {
        wrong("as_token is empty");
    } else if found.as_token == agreed.to_homeserver.expose() {
        wrong("as_token is that of registration_file; expected one of its own");
    }
    if problems.is_empty() { Ok(Secret::new(found.as_token)) } else { Err(problems) }
}

/// The regex of the ghosts' names.
fn ghosts(config: &MatrixConfig) -> String {
    let literal = |text: &str| text.replace('.', "\\.").replace('+', "\\+");
    let server = literal(&config.server_name).replace('[', "\\[").replace(']', "\\]");
    format!("^@{}.*:{server}$", literal(&config.ghost_prefix))
}

fn token() -> Option<String> {
    use std::fmt::Write;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(64), |mut token, byte| {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use drawbridge_adapter::{Configuration, NetworkId};
    use proptest::prelude::*;

    fn config() -> MatrixConfig {
        serde_json::from_value(serde_json::json!({
            "homeserver_url": "http://127.0.0.1:8008",
            "server_name": "hs.test",
            "listen": "127.0.0.1:8481",
            "registration_file": "registration.yaml",
        }))
        .unwrap()
    }

    #[test]
    fn a_made_file_is_read_back() {
        let made = config().registration(&NetworkId::new("matrix").unwrap()).unwrap();
        let yaml = made.content.expose();
        assert!(yaml.contains("url: http://127.0.0.1:8481"), "{yaml}");
        assert!(yaml.contains("^@_drawbridge_.*:hs\\.test$"), "{yaml}");
        assert!(yaml.contains("rate_limited: false"), "{yaml}");
        assert!(yaml.contains("receive_ephemeral: true"), "{yaml}");
        let tokens = read(&config(), &made.content).unwrap();
        assert_eq!(tokens.to_homeserver.expose().len(), 64);
        assert_ne!(tokens.to_homeserver, tokens.from_homeserver);
        let again = make(&config()).unwrap();
        assert_ne!(made.content, again.content, "tokens are fresh each time");
    }

    #[test]
    fn a_file_for_another_configuration_is_refused_in_words() {
        let made = make(&config()).unwrap();
        let mut other = config();
        other.appservice_id = "another".to_owned();
        other.ghost_prefix = "_other_".to_owned();
        let problems = read(&other, &made.content).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].what.contains("\"drawbridge\" there"), "{}", problems[0].what);
        assert!(problems[1].what.contains("^@_other_"), "{}", problems[1].what);
        let problems = read(&config(), &Secret::new("as_token: [hush")).unwrap_err();
        assert!(!problems[0].what.contains("hush"));
    }

    /// As `docs/install.md` has it.
    const EVERYBODY: &str = "\
id: drawbridge-puppets
url: null
as_token: everybody
hs_token: nobody
sender_localpart: drawbridge-puppets
rate_limited: false
namespaces:
  users:
    - exclusive: false
      regex: '@.*:hs\\.test'
";

    #[test]
    fn a_registration_for_all_users_is_one_that_harms_nobody() {
        let agreed = read(&config(), &make(&config()).unwrap().content).unwrap();
        let read = |text: &str| read_puppets(&config(), &Secret::new(text), &agreed);
        assert_eq!(read(EVERYBODY), Ok(Secret::new("everybody")));
        let own = format!("as_token: {}", agreed.to_homeserver.expose());
        for (from, to, what) in [
            ("url: null", "url: http://127.0.0.1:1", "expected null"),
            ("exclusive: false", "exclusive: true", "expected false"),
            ("id: drawbridge-puppets", "id: drawbridge", "id is that of"),
            ("sender_localpart: drawbridge-puppets", "sender_localpart: drawbridge", "localpart"),
            ("as_token: everybody", "as_token: ''", "as_token is empty"),
            ("as_token: everybody", own.as_str(), "as_token is that of"),
            ("namespaces:", "namespaces: [", "not a registration"),
        ] {
            let problems = read(&EVERYBODY.replace(from, to)).unwrap_err();
            assert!(problems.len() == 1 && problems[0].what.contains(what), "{what}: {problems:?}");
            assert!(!problems[0].what.contains(agreed.to_homeserver.expose()));
        }
    }

    #[test]
    fn a_registration_for_all_users_is_warned_of() {
        assert_eq!(config().warnings(), []);
        let loud = MatrixConfig {
            puppet_registration_file: Some(drawbridge_adapter::SecretFile("puppets.yaml".into())),
            ..config()
        };
        assert_eq!(loud.warnings().len(), 1);
        assert_eq!(loud.files().len(), 2);
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in "\\PC{0,200}|([a-z_]{1,20}: ?[ -~]{0,40}\n){0,8}") {
            let problems = read(&config(), &Secret::new(text.clone())).unwrap_err();
            prop_assert!(!problems.is_empty());
        }

        #[test]
        fn a_torn_file_gives_both_tokens_or_none(at in any::<prop::sample::Index>(), odd in "[ -~\n]{0,3}") {
            let made = make(&config()).unwrap();
            let mut yaml = made.content.expose().to_owned();
            let at = at.index(yaml.len());
            yaml.replace_range(at..=at, &odd);
            match read(&config(), &Secret::new(yaml)) {
                Ok(tokens) => prop_assert_ne!(tokens.to_homeserver, tokens.from_homeserver),
                Err(problems) => {
                    let secret = made.content.expose().lines().filter(|l| l.contains("_token"));
                    let mut secret = secret.filter_map(|line| line.split_once(": ")).map(|l| l.1);
                    let told = |token: &str| problems.iter().any(|p| p.what.contains(token));
                    prop_assert!(!secret.any(told), "a token is quoted");
                }
            }
        }
    }

    #[test]
    fn a_wrong_configuration_names_each_key() {
        let mut wrong = config();
        assert_eq!(wrong.problems(), []);
        wrong.homeserver_url = "http://matrix.example.org".to_owned();
        wrong.server_name = "not a name".to_owned();
        wrong.bot_localpart = "_drawbridge_bot".to_owned();
        let keys: Vec<_> = wrong.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["homeserver_url", "server_name", "bot_localpart"]);
    }
}
