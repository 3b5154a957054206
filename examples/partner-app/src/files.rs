//! Files: those that the bridge gets from us, or finds with us, and those that we get from it.
//!
//! A real app speaks `https` here, keeps its files on a server of its own, and remembers in its database
//! which of them the bridge may still ask for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, HOST, RANGE};
use axum::http::{Request, Response, StatusCode, Uri};
use axum::routing::get;
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// How long nothing may come, or be taken.
const IDLE: Duration = Duration::from_mins(1);

/// How often a file is tried: each try goes on where the one before broke off.
const TRIES: usize = 3;

/// The files that we host, by the last part of their URLs.
type Hosted = Arc<Mutex<HashMap<String, PathBuf>>>;

/// What came of a transfer.
pub(crate) enum Passed {
    /// This event's file is here, and the small picture of it, if there is one.
    Got { frame: Value, path: PathBuf, thumbnail: Option<PathBuf> },
    /// Something went wrong.
    Problem(String),
}

/// All files of this app.
pub(crate) struct Files {
    folder: PathBuf,
    /// Where we host.
    url: String,
    hosted: Hosted,
    /// What the bridge may ask for, by our own names for it, with the event that brought it.
    offered: HashMap<String, (PathBuf, String)>,
    /// What is being got, by the ids of the events.
    getting: HashMap<String, AbortHandle>,
    passed: mpsc::Sender<Passed>,
    count: u64,
}

impl Files {
    /// Puts what comes into this folder, and hosts on this address.
    pub(crate) async fn open(
        folder: PathBuf,
        at: SocketAddr,
    ) -> Result<(Self, mpsc::Receiver<Passed>)> {
        let listener = TcpListener::bind(at).await;
        let listener = listener.with_context(|| format!("cannot listen on {at}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let hosted = Hosted::default();
        let shown = Router::new().fallback(get(show)).with_state(Arc::clone(&hosted));
        tokio::spawn(async move { axum::serve(listener, shown).await });
        let (passed, told) = mpsc::channel(100);
        let (offered, getting) = (HashMap::new(), HashMap::new());
        Ok((Self { folder, url, hosted, offered, getting, passed, count: 0 }, told))
    }

    /// Where we host, without the scheme: what the operator of the bridge allows.
    pub(crate) fn host_name(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Our own name for a file which the bridge may ask for until the end of this event.
    pub(crate) fn offer(&mut self, path: PathBuf, event: &str) -> Result<String> {
        let name = format!("{:016x}", getrandom::u64()?);
        self.offered.insert(name.clone(), (path, event.to_owned()));
        Ok(name)
    }

    /// Where the bridge finds a file which we host.
    pub(crate) fn host(&mut self, path: PathBuf) -> Result<String> {
        let name = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let mut hosted = self.hosted.lock().unwrap_or_else(PoisonError::into_inner);
        hosted.insert(name.clone(), path);
        Ok(format!("{}/{name}", self.url))
    }

    /// The bridge will not ask for the file of this event any more.
    pub(crate) fn is_over(&mut self, event: &str) {
        self.offered.retain(|_, (_, of)| of != event);
    }

    /// Hands over what the bridge wants; false if we do not have it.
    pub(crate) fn put(&mut self, fetch: &Value) -> bool {
        let text = |key: &str| fetch[key].as_str().unwrap_or_default();
        let Some((path, _)) = self.offered.get(text("file")) else { return false };
        let (path, url, passed) = (path.clone(), text("url").to_owned(), self.passed.clone());
        tokio::spawn(async move {
            // The bridge asks again if it still wants it.
            if let Err(error) = put(&path, &url).await {
                let _ =
                    passed.send(Passed::Problem(format!("a file was not put: {error:#}"))).await;
            }
        });
        true
    }

    /// Gets what this event brings, whatever a former try with it has done.
    pub(crate) fn get(&mut self, frame: Value) {
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        if let Some(former) = self.getting.remove(&id) {
            former.abort();
        }
        self.count += 1;
        let path = self.folder.join(format!("file-{}", self.count));
        let passed = self.passed.clone();
        let getting = tokio::spawn(async move {
            let got = async {
                whole(&frame["content"], &path).await?;
                let small = &frame["content"]["thumbnail"];
                let at = small.is_object().then(|| path.with_extension("small"));
                if let Some(at) = &at {
                    whole(small, at).await?;
                }
                anyhow::Ok(at)
            };
            let told = match got.await {
                Ok(thumbnail) => Passed::Got { frame, path, thumbnail },
                // It is not acknowledged, so it comes again.
                Err(error) => Passed::Problem(format!("a file was not got: {error:#}")),
            };
            let _ = passed.send(told).await;
        });
        self.getting.insert(id, getting.abort_handle());
    }

    /// Puts a picture of somebody's, which came whole, beside what we got.
    pub(crate) async fn keep(&mut self, picture: &[u8]) -> Result<PathBuf> {
        self.count += 1;
        let path = self.folder.join(format!("picture-{}", self.count));
        tokio::fs::write(&path, picture).await?;
        Ok(path)
    }

    /// The file of this event is here.
    pub(crate) fn is_got(&mut self, event: &str) {
        self.getting.remove(event);
    }
}

/// Gets a file whole, in as many tries as it takes.
async fn whole(said: &Value, path: &Path) -> Result<()> {
    let url = said["url"].as_str().unwrap_or_default();
    let size = said["size"].as_u64().unwrap_or_default();
    File::create(path).await?;
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = rest(url, path).await;
        if last.is_ok() {
            break;
        }
    }
    last?;
    let got = tokio::fs::metadata(path).await?.len();
    ensure!(got == size, "{got} bytes came, and {size} were promised");
    Ok(())
}

/// Gets what is missing of a file.
async fn rest(url: &str, path: &Path) -> Result<()> {
    let mut file = OpenOptions::new().append(true).open(path).await?;
    let from = file.metadata().await?.len();
    let mut request = Request::get(url);
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    let response = ask(request.body(Body::empty())?).await?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {}
        StatusCode::OK => file.set_len(0).await?,
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return Ok(()),
        status => bail!("the bridge answers {status}"),
    }
    let mut bytes = response.into_body().into_data_stream();
    while let Some(piece) = timeout(IDLE, bytes.next()).await.context("nothing comes")? {
        file.write_all(&piece?).await?;
    }
    Ok(file.sync_all().await?)
}

async fn put(path: &Path, url: &str) -> Result<()> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let request = Request::put(url).header(CONTENT_LENGTH, length);
    let response = ask(request.body(Body::from_stream(ReaderStream::new(file)))?).await?;
    ensure!(response.status() == StatusCode::NO_CONTENT, "it answers {}", response.status());
    Ok(())
}

/// Sends one request on a connection of its own. In production this is `https`.
async fn ask(mut request: Request<Body>) -> Result<Response<Body>> {
    let uri = request.uri().clone();
    ensure!(uri.scheme_str() == Some("http"), "this example speaks http:// only");
    let host = uri.host().context("the URL names no host")?.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    request.headers_mut().insert(HOST, authority.parse()?);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(Body::new))
}

/// Shows a file that we host to whoever knows its name.
async fn show(State(hosted): State<Hosted>, uri: Uri) -> Result<Response<Body>, StatusCode> {
    let name = uri.path().trim_start_matches('/');
    let path = hosted.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    let file = File::open(path.ok_or(StatusCode::NOT_FOUND)?).await;
    let file = file.map_err(|_| StatusCode::NOT_FOUND)?;
    let length = file.metadata().await.map_err(|_| StatusCode::NOT_FOUND)?.len();
    let response = Response::builder().header(CONTENT_LENGTH, length);
    let body = Body::from_stream(ReaderStream::new(file));
    response.body(body).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
