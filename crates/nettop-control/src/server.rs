//! Answers control clients: one request per connection (subscribers get more than one line), each client in its own task with deadlines, so that none can hold
//! up another.

use std::{future::Future, sync::Arc, thread, time::Duration};

use nettop_model::{
    answer::{Answer, Reply},
    kernel_maps::Reader,
    pulse::Pulses,
    request::{Form, Maps, Request, Snapshot as Ask, Status, Subscribe},
    snapshot::{DEFAULT_LIMIT, Snapshot},
};
use nettop_requests::{Requests, ask, ask_for};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    accept::{Client, Listener, accept, read_line},
    clients::{self, ClientDeadline, Clients, Served},
    fair::Limits,
    pool::{Pool, PoolKey},
    pulse,
    send::{self, Written},
    subscribe::Broadcaster,
};

/// Clients served at once. A further one waits until one of them is done, or keeps us waiting.
const MAX_CLIENTS: usize = 512;
/// How often it is looked at who keeps us waiting.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may take to send its request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// What there is at once of what long answers are made of, by who had it made: snapshots of the usual size, some megabytes each;
/// of everything, some tens; and what the kernel's maps hold.
const USUAL: Limits = Limits { all: 32, user: 24, process: 16 };
const WHOLE: Limits = Limits { all: 4, user: 3, process: 2 };
const MAPS: Limits = Limits { all: 2, user: 1, process: 1 };
/// How long clients may take to read their answers when the monitor ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Serves clients until `snapshots` closes, then lets the last ones read their answers.
pub async fn serve(
    listener: Listener,
    requests: Requests,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    pulses: watch::Receiver<Pulses>,
) {
    let mut tasks = JoinSet::new();
    let clients = Arc::new(Clients::default());
    let shared = Arc::new(Shared {
        requests,
        snapshots: snapshots.clone(),
        pulses,
        feed: Broadcaster::default(),
        usual: Pool::new(clients::Pool::Usual, USUAL),
        whole: Pool::new(clients::Pool::Everything, WHOLE),
        maps: Pool::new(clients::Pool::Maps, MAPS),
    });
    loop {
        tokio::select! {
            client = accept(&listener), if tasks.len() < MAX_CLIENTS => match client {
                Ok(client) => {
                    let (turn, asker) = (Arc::new(ClientDeadline::default()), client.asker);
                    let (theirs, shared, all) = (turn.clone(), shared.clone(), clients.clone());
                    let task = tasks.spawn(async move { serve_client(client, &theirs, &shared, &all).await });
                    clients.add(Served { task, asker, turn });
                }
                // Out of descriptors, or the client has gone again: wait a little rather than spin.
                Err(_) => sleep(LOOK).await,
            },
            Some(_) = tasks.join_next() => clients.forget_finished(),
            () = sleep(LOOK), if tasks.len() >= MAX_CLIENTS => clients.make_room(),
            () = ended(&mut snapshots) => break,
        }
    }
    let _ = timeout(LAST_ANSWERS, async { while tasks.join_next().await.is_some() {} }).await;
}

async fn ended(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    while snapshots.changed().await.is_ok() {}
}

/// What all clients share.
struct Shared {
    requests: Requests,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    pulses: watch::Receiver<Pulses>,
    feed: Broadcaster,
    usual: Pool,
    whole: Pool,
    maps: Pool,
}

async fn serve_client(mut client: Client, turn: &ClientDeadline, shared: &Shared, clients: &Clients) {
    // Also the request of one who may not command us is read: else the answer would be lost with the connection.
    turn.waits_for_client();
    let line = timeout(REQUEST_DEADLINE, read_line(&mut client.stream)).await;
    turn.waits_for_monitor();
    let request = match line {
        Err(_) => Err(format!("no whole request within {} s", REQUEST_DEADLINE.as_secs())),
        Ok(line) => line.and_then(|line| client.request(&line)),
    };
    let reply = match request {
        Err(error) => Err(error),
        Ok((_, Request::Subscribe(Subscribe { limit, form }))) => {
            match shared
                .feed
                .serve(
                    &mut *client.stream,
                    (client.asker, client.access),
                    turn,
                    shared.snapshots.clone(),
                    (limit, &form),
                )
                .await
            {
                Ok(()) => return,
                Err(error) => Err(error),
            }
        }
        Ok((_, Request::Pulse)) => match shared.feed.seat(client.asker, client.access) {
            Ok(_seat) => return pulse::serve(&mut *client.stream, turn, shared.pulses.clone()).await,
            Err(error) => Err(error),
        },
        Ok((caller, request)) => match shared.pool(&request) {
            None => ask_for(&shared.requests, caller, request).await,
            Some((pool, which)) => {
                let written = match &request {
                    Request::Snapshot(Ask { form, .. }) => Written { form: form.clone(), runtime: false },
                    _ => Written { form: Form::Flat, runtime: matches!(request, Request::Status(_)) },
                };
                let (key, make) = shared.made_of(request);
                match pool.get(client.asker, key, clients, make).await {
                    Ok(made) => {
                        turn.holds(which);
                        let _ = send::long(&mut client.stream, (turn, client.asker), pool, made, written).await;
                        return;
                    }
                    Err(error) => Err(error),
                }
            }
        },
    };
    let _ = send::short(&mut client.stream, turn, &reply).await;
}

impl Shared {
    /// Where that comes from which a long answer is made of; `None`: the answer is short.
    fn pool(&self, request: &Request) -> Option<(&Pool, clients::Pool)> {
        match request {
            Request::Status(Status { limit: 1..=DEFAULT_LIMIT })
            | Request::Snapshot(Ask { limit: 1..=DEFAULT_LIMIT, .. }) => Some((&self.usual, clients::Pool::Usual)),
            Request::Status(_) | Request::Snapshot(_) => Some((&self.whole, clients::Pool::Everything)),
            Request::Maps(_) => Some((&self.maps, clients::Pool::Maps)),
            _ => None,
        }
    }

    /// What that is, and which other requests can have the same.
    fn made_of(&self, request: Request) -> (PoolKey, impl Future<Output = Reply>) {
        let (limit, published) = match request {
            // What is published already is no business of the engine's.
            Request::Status(Status { limit: DEFAULT_LIMIT }) | Request::Snapshot(Ask { limit: DEFAULT_LIMIT, .. }) => {
                let snapshot = self.snapshots.borrow().clone();
                (DEFAULT_LIMIT, Some(snapshot))
            }
            Request::Status(Status { limit })
            | Request::Snapshot(Ask { limit, .. })
            | Request::Maps(Maps { limit }) => (limit, None),
            _ => (0, None),
        };
        let key = published.as_ref().map_or(PoolKey::Fresh(limit), |it| PoolKey::Published(Arc::as_ptr(it).addr()));
        let make = async move {
            if let Some(snapshot) = published {
                return Ok(Answer::Snapshot { snapshot, form: Form::Flat, runtime: true });
            }
            match ask(&self.requests, request).await? {
                Answer::MapsReader(reader) => read_maps(reader, limit).await,
                answer => Ok(answer),
            }
        };
        (key, make)
    }
}

/// Reads the maps in a thread of its own: it takes as long as there are CPUs.
async fn read_maps(reader: Reader, limit: usize) -> Reply {
    let (done, read) = oneshot::channel();
    // Whoever asked may have gone.
    let work = move || drop(done.send(reader.read(limit)));
    let started = thread::Builder::new().name("nettop-maps".into()).spawn(work);
    started.map_err(|error| format!("starting a thread that reads the maps: {error}"))?;
    match read.await {
        Ok(Ok(dump)) => Ok(Answer::Maps(dump.into())),
        Ok(Err(error)) => Err(nettop_process::cause::told(&error)),
        Err(_) => Err("reading the maps failed".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use serde_json::Value;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixStream,
        sync::{mpsc, watch},
    };

    use super::*;
    use crate::socket;
    use nettop_model::{kernel_maps::Dump, snapshot::Traffic};
    use nettop_requests::Envelope;

    /// A server over an engine that answers everything with `reset` and ends at `stop`; and the path of its socket.
    fn start() -> (tempfile::TempDir, std::path::PathBuf) {
        start_with(|_| Ok(Answer::field("reset", true)))
    }

    /// The same, but for what the engine answers.
    fn start_with(answer: impl Fn(&Request) -> Reply + Send + 'static) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (listener, file) = socket::listen(&path, None).unwrap();
        let (requests, mut received) = mpsc::channel::<Envelope>(4);
        let (publish, snapshots) = watch::channel(Arc::new(Snapshot {
            traffic: Traffic { packets: 7, ..Traffic::default() },
            ..Snapshot::default()
        }));
        tokio::spawn(async move {
            let _publish = publish;
            while let Some(Envelope { request, reply, .. }) = received.recv().await {
                let _ = reply.send(answer(&request));
                if request == Request::Stop {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            let _file = file;
            let pulses = watch::Sender::default().subscribe();
            serve(Listener::unix(listener, None).unwrap(), requests, snapshots, pulses).await;
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

    #[tokio::test]
    async fn maps_are_read_beside_the_engine_and_one_dump_at_a_time() {
        let (release, running, most) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (until, count, seen) = (release.clone(), running.clone(), most.clone());
        let reader = Reader::new(move |_| {
            seen.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while !until.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            count.fetch_sub(1, Ordering::SeqCst);
            Ok(Dump { about: String::new(), now_ns: 5, set: 0, programs: Vec::new(), maps: Vec::new() })
        });
        let (_directory, path) = start_with(move |request| match request {
            Request::Maps(_) => Ok(Answer::MapsReader(reader.clone())),
            _ => Ok(Answer::field("reset", true)),
        });
        let asked: Vec<_> = (1..4)
            .map(|limit| {
                let path = path.clone();
                tokio::spawn(async move {
                    send(&path, format!("{{\"cmd\":\"maps\",\"limit\":{limit}}}\n").as_bytes()).await
                })
            })
            .collect();
        while running.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        // The reader does not end before this is answered.
        assert_eq!(send(&path, b"{\"cmd\":\"reset\"}\n").await["ok"], true);
        release.store(true, Ordering::SeqCst);
        for answer in asked {
            let answer = answer.await.unwrap();
            assert_eq!((&answer["ok"], &answer["now_ns"]), (&true.into(), &5.into()), "{answer}");
        }
        assert_eq!(most.load(Ordering::SeqCst), 1, "dumps at once");
    }
}
