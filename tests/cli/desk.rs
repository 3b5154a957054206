//! A desk with a configuration on it, and the daemon before it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use drawbridge_servers::configuration;
use tempfile::TempDir;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// By what the app is admitted.
const ADMITTED: &str = r#"{"passed": ["text_in"], "skipped": {}, "failed": {}}"#;

/// The public key of RFC 8037, appendix A.2.
const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","alg":"EdDSA","use":"sig",
"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A folder with a configuration in it, and an operator who stands before it.
pub(crate) struct Desk(TempDir);

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    /// Three networks, on ports where nobody answers.
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        desk.write("drawbridge.toml", &configuration(free(), free(), free(), free()));
        desk
    }

    /// The same, with every file that the networks need.
    pub(crate) fn ready() -> Self {
        let desk = Self::new();
        desk.write("xmpp.secret", "a secret of the tests\n");
        desk.write("birdychat.jwks.json", JWKS);
        desk.write("birdychat.conformance.json", ADMITTED);
        assert_eq!(desk.does(&["registration", "matrix"]).code, Some(0));
        desk
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The addresses that the daemon listens on.
    pub(crate) fn listens(&self) -> Vec<String> {
        self.values("listen")
    }

    /// Where the XMPP server is, or would be.
    pub(crate) fn xmpp_server(&self) -> String {
        self.values("server").remove(0)
    }

    fn values(&self, key: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("drawbridge.toml")).unwrap();
        let value = |line: &str| Some(line.strip_prefix(key)?.split('"').nth(1)?.to_owned());
        text.lines().filter(|line| line.split(' ').next() == Some(key)).filter_map(value).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn append(&self, text: &str) {
        let path = self.path("drawbridge.toml");
        let content = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, content + text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = drawbridge(arguments);
        command.env("DRAWBRIDGE_CONFIG", self.path("drawbridge.toml"));
        command
    }

    pub(crate) fn does(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments))
    }

    pub(crate) fn runs(&self) -> Daemon {
        Daemon::start(self.command(&["run"]))
    }
}

pub(crate) fn drawbridge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

impl Done {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A daemon, and the lines of its log. Killed when the test ends.
pub(crate) struct Daemon {
    child: Child,
    log: Receiver<String>,
    pub(crate) heard: Vec<String>,
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, log, heard: Vec::new() }
    }

    /// Waits for a line of the log with these words.
    pub(crate) fn says(&mut self, words: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.heard.push(line);
                    if found {
                        return;
                    }
                }
                Err(why) => panic!("never said {words:?} ({why}): {:#?}", self.heard),
            }
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads its log until then.
    pub(crate) fn hears_until(&mut self, then: Instant) {
        while let Ok(line) = self.log.recv_timeout(then.saturating_duration_since(Instant::now())) {
            self.heard.push(line);
        }
    }

    pub(crate) fn gets(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => self.heard.push(line),
                // Its standard error is closed: it has ended, or is about to.
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.heard),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended by itself, or is not needed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
