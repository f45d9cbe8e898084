//! Answers control clients: one request per connection (subscribers get more than one line), each client in its own task with deadlines, so that none can hold
//! up another.

use std::{
    io::{self, Write as _},
    os::{fd::AsFd, unix::net::UnixListener as StdUnixListener},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet, spawn_blocking},
    time::timeout,
};

use super::{
    Answer, Reply, Request, Requests, ask,
    chunks::chunks,
    parse,
    peer::{Access, peer},
    subscribe::Feed,
    token::Token,
    token_of, write_json,
};
use crate::snapshot::{DEFAULT_LIMIT, Snapshot};

/// The longest request, bytes.
const MAX_REQUEST: usize = 64 << 10;
/// Clients served at once. A further one waits until one of them is done, or keeps us waiting.
const MAX_CLIENTS: usize = 512;
/// How long a client may keep us waiting while others wait for its place.
const IMPATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked at who does.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may take to send its request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// How long a client may take to read each part of its answer, that of a large one for which others wait, and all of it.
const PART_DEADLINE: Duration = Duration::from_secs(30);
const LARGE_PART_DEADLINE: Duration = Duration::from_secs(5);
const ANSWER_DEADLINE: Duration = Duration::from_secs(600);
/// Clients at once that are answered with more than the published snapshot; the others wait. Those that may only look have
/// as many of their own, so that they cannot keep the others waiting.
const LARGE_ANSWERS: usize = 2;
/// How long clients may take to read their answers when the monitor ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What the server listens on.
pub enum Listener {
    /// A Unix socket; its peers are checked. The group whose members may look.
    Unix(UnixListener, Option<u32>),
    /// TCP; clients have to know the token, if there is one.
    Tcp(TcpListener, Option<Arc<Token>>),
}

impl Listener {
    /// From a socket bound before the runtime was there.
    ///
    /// # Errors
    /// When it cannot be polled.
    pub fn unix(listener: StdUnixListener, readers: Option<u32>) -> io::Result<Self> {
        UnixListener::from_std(listener).map(|listener| Self::Unix(listener, readers))
    }
}

/// Serves clients until `snapshots` closes, then lets the last ones read their answers.
pub async fn serve(listener: Listener, requests: Requests, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut clients = JoinSet::new();
    let mut served: Vec<Served> = Vec::new();
    let [large, readers_large] = [(); 2].map(|()| Arc::new(Semaphore::new(LARGE_ANSWERS)));
    let feed = Arc::new(Feed::default());
    loop {
        tokio::select! {
            client = accept(&listener), if clients.len() < MAX_CLIENTS => match client {
                Ok(client) => {
                    let turn = Arc::new(Turn::default());
                    let large = if client.access == Access::Command { &large } else { &readers_large };
                    let (requests, snapshots, large) = (requests.clone(), snapshots.clone(), large.clone());
                    let task = {
                        let (turn, feed) = (turn.clone(), feed.clone());
                        clients.spawn(async move {
                            serve_client(client, &turn, &requests, &snapshots, &large, &feed).await;
                        })
                    };
                    served.push(Served { task, turn });
                }
                // Out of descriptors, or the client has gone again: wait a little rather than spin.
                Err(_) => tokio::time::sleep(LOOK).await,
            },
            Some(_) = clients.join_next() => served.retain(|client| !client.task.is_finished()),
            () = tokio::time::sleep(LOOK), if clients.len() >= MAX_CLIENTS => {
                served.iter().filter(|client| client.turn.keeps_us_waiting()).for_each(|client| client.task.abort());
            }
            () = ended(&mut snapshots) => break,
        }
    }
    let _ = timeout(LAST_ANSWERS, async { while clients.join_next().await.is_some() {} }).await;
}

async fn ended(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    while snapshots.changed().await.is_ok() {}
}

/// A client, and the task that serves it.
struct Served {
    task: AbortHandle,
    turn: Arc<Turn>,
}

/// Whose turn it is: since when the client is to send, to read, or to wait for another; `None` while we are to answer.
#[derive(Default)]
pub(super) struct Turn(Mutex<Option<Instant>>);

impl Turn {
    pub(super) fn is_theirs(&self) {
        self.set(Some(Instant::now()));
    }

    pub(super) fn is_ours(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn keeps_us_waiting(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| since.elapsed() > IMPATIENCE)
    }
}

/// Either kind of stream.
pub trait Stream: AsyncRead + AsyncWrite + AsFd + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + AsFd + Send + Unpin> Stream for T {}

struct Client {
    stream: Box<dyn Stream>,
    access: Access,
    /// What it is called where it may not do something.
    name: String,
    token: Option<Arc<Token>>,
}

impl Client {
    /// Reads a request that it may make.
    fn request(&self, line: &[u8]) -> Result<Request, String> {
        let name = &self.name;
        if self.access == Access::Nothing {
            return Err(format!("{name} may not command this monitor: only its own user and root"));
        }
        let knows = |token: &Arc<Token>| token_of(line).is_some_and(|sent| token.is(&sent));
        if !self.token.as_ref().is_none_or(knows) {
            return Err("this monitor wants a token, in the file named with --control-token".into());
        }
        let request = parse(line)?;
        if self.access == Access::Read && !request.only_reads() {
            return Err(format!("{name} may look (status, snapshot, subscribe, maps, history), and change nothing"));
        }
        Ok(request)
    }
}

async fn accept(listener: &Listener) -> io::Result<Client> {
    match listener {
        Listener::Tcp(listener, token) => {
            let (stream, from) = listener.accept().await?;
            let (access, name, token) = (Access::Command, from.to_string(), token.clone());
            Ok(Client { stream: Box::new(stream), access, name, token })
        }
        Listener::Unix(listener, readers) => {
            let (stream, _) = listener.accept().await?;
            let (access, name) = match peer(&stream) {
                Ok(peer) => (peer.access(*readers), format!("user {}", peer.uid)),
                Err(error) => (Access::Nothing, format!("somebody who cannot be told ({error})")),
            };
            Ok(Client { stream: Box::new(stream), access, name, token: None })
        }
    }
}

async fn serve_client(
    mut client: Client,
    turn: &Turn,
    requests: &Requests,
    snapshots: &watch::Receiver<Arc<Snapshot>>,
    large: &Semaphore,
    feed: &Feed,
) {
    // Held until the answer is sent.
    let mut permit = None;
    // Also the request of one who may not command us is read: else the answer would be lost with the connection.
    turn.is_theirs();
    let line = timeout(REQUEST_DEADLINE, read_line(&mut client.stream)).await;
    turn.is_ours();
    let reply = match line {
        Err(_) => Err(format!("no whole request within {} s", REQUEST_DEADLINE.as_secs())),
        Ok(Err(error)) => Err(error),
        Ok(Ok(line)) => match client.request(&line) {
            Err(error) => Err(error),
            Ok(Request::Subscribe { limit }) => {
                match feed.serve(&mut *client.stream, client.access, turn, snapshots.clone(), limit).await {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Ok(request) => {
                if is_large(&request) {
                    // Whoever waits for this makes room too, should others wait for its place.
                    turn.is_theirs();
                    permit = large.acquire().await.ok();
                    turn.is_ours();
                }
                answer(request, requests, snapshots).await
            }
        },
    };
    let part = if permit.is_some() { LARGE_PART_DEADLINE } else { PART_DEADLINE };
    let _ = timeout(ANSWER_DEADLINE, send(&mut client.stream, turn, part, reply)).await;
    drop(permit);
}

/// Writes the answer as JSON while it is sent: not more of it is in memory than the client will read next.
async fn send(stream: &mut (impl AsyncWrite + Unpin), turn: &Turn, part: Duration, reply: Reply) -> io::Result<()> {
    let (mut chunks, mut filled) = chunks();
    let written = spawn_blocking(move || write_json(&reply, &mut chunks).and_then(|()| chunks.flush()));
    while let Some(chunk) = filled.recv().await {
        turn.is_theirs();
        timeout(part, stream.write_all(&chunk)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        turn.is_ours();
    }
    written.await??;
    stream.shutdown().await
}

/// Whether the answer may be much larger than what is published.
fn is_large(request: &Request) -> bool {
    match request {
        Request::Status { limit } | Request::Snapshot { limit } | Request::Maps { limit } => {
            *limit == 0 || *limit > DEFAULT_LIMIT
        }
        _ => false,
    }
}

async fn answer(request: Request, requests: &Requests, snapshots: &watch::Receiver<Arc<Snapshot>>) -> Reply {
    let published = |runtime| Ok(Answer::Snapshot { snapshot: snapshots.borrow().clone(), runtime });
    match request {
        // What is published already is no business of the engine's.
        Request::Status { limit: DEFAULT_LIMIT } => published(true),
        Request::Snapshot { limit: DEFAULT_LIMIT } => published(false),
        request => ask(requests, request).await,
    }
}

/// Reads up to a newline, or to the end.
async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.map_err(|error| format!("reading the request: {error}"))?;
        let end = chunk[..count].iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&chunk[..end.unwrap_or(count)]);
        if line.len() > MAX_REQUEST {
            return Err(format!("a request has at most {MAX_REQUEST} bytes"));
        }
        if end.is_some() || count == 0 {
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tokio::{
        net::UnixStream,
        sync::{mpsc, watch},
    };

    use super::*;
    use crate::control::{Envelope, socket};

    /// A server over an engine that answers `reset` and ends at `stop`; and the path of its socket.
    fn start() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (listener, file) = socket::listen(&path, None).unwrap();
        let (requests, mut received) = mpsc::channel::<Envelope>(4);
        let (publish, snapshots) = watch::channel(Arc::new(Snapshot { total_packets: 7, ..Snapshot::default() }));
        tokio::spawn(async move {
            let _publish = publish;
            while let Some(Envelope { request, reply }) = received.recv().await {
                let _ = reply.send(Ok(Answer::field("reset", true)));
                if request == Request::Stop {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            let _file = file;
            serve(Listener::unix(listener, None).unwrap(), requests, snapshots).await;
        });
        (directory, path)
    }

    async fn send(path: &std::path::Path, bytes: &[u8]) -> Value {
        let mut stream = UnixStream::connect(path).await.unwrap();
        // The server may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    #[tokio::test]
    async fn requests_are_answered() {
        let (_directory, path) = start();
        assert_eq!(send(&path, b"{\"cmd\":\"reset\"}\n").await, serde_json::json!({"ok": true, "reset": true}));
        let status = send(&path, b"{}\n").await;
        assert_eq!(status["snapshot"]["total_packets"], 7);
        assert!(status["runtime"]["filter"].is_object());
        let error = send(&path, b"{\"cmd\":\"x\"}\n").await;
        assert_eq!(error["ok"], false);
    }

    #[tokio::test]
    async fn a_request_may_have_64_kibibytes_and_not_one_more() {
        for (length, expected) in [(MAX_REQUEST, true), (MAX_REQUEST + 1, false)] {
            let text = [vec![b'x'; length], b"\n".to_vec()].concat();
            assert_eq!(read_line(&mut &*text).await.is_ok(), expected, "{length}");
        }
    }

    #[tokio::test]
    async fn clients_that_send_nothing_or_too_much_hold_nobody_up() {
        let (_directory, path) = start();
        let mut silent = Vec::new();
        for _ in 0..MAX_CLIENTS / 4 {
            silent.push(UnixStream::connect(&path).await.unwrap());
        }
        let mut half = UnixStream::connect(&path).await.unwrap();
        half.write_all(b"{\"cmd\":").await.unwrap();
        let flood = send(&path, &vec![b'x'; 1 << 20]).await;
        assert!(flood["error"].as_str().unwrap_or("at most").contains("at most"));
        assert_eq!(send(&path, b"{\"cmd\":\"reset\"}\n").await["ok"], true);
    }
}
