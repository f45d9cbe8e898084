//! What comes to the dashboard: requests, and messages once one has become a WebSocket.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use nettop_control::{connection::Monitor, endpoint::Endpoint, remote::looks::Looks};
use nettop_model::{
    pulse::{Pulse, Pulses},
    snapshot::Snapshot,
};
use nettop_web::{Feeds, Web, WebArgs, WebToken, serve_stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    time::timeout,
};

/// The token that the seeds have.
const TOKEN: &str = "seeds-know-it";
/// What may come back: a table, a page, some messages.
const MOST: u64 = 1 << 20;
/// For how long somebody looks at what comes back.
const PATIENCE: Duration = Duration::from_millis(4);

/// A dashboard over a monitor that is not there, which runs as long as the process.
static WEB: LazyLock<(Runtime, Arc<Web>)> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starting a runtime");
    let mut pulses = Pulses::default();
    (1..20_u32).for_each(|at| pulses.push(Pulse { seconds: f64::from(at), packets: at.into(), ..Pulse::default() }));
    // Whoever publishes lives as long.
    let publish = Box::leak(Box::new((watch::Sender::new(Arc::new(Snapshot::default())), watch::Sender::new(pulses))));
    let (requests, _) = mpsc::channel(1);
    let feeds = Feeds {
        monitor: Arc::new(Monitor::new(Some(Endpoint::Unix("/nonexistent/socket".into())), None)),
        requests,
        snapshots: publish.0.subscribe(),
        pulses: publish.1.subscribe(),
        looks: Looks::default(),
    };
    let options = WebArgs { web_control: true, metrics_sources: 5, ..WebArgs::default() };
    let address = "127.0.0.1:9595".parse().expect("an address");
    (runtime, Arc::new(Web::new(&options, WebToken::new(TOKEN), address, feeds)))
});

/// Sends `data` to the dashboard, and expects that what comes back, if anything does, is an answer that is nobody else's business.
pub fn web(data: &[u8]) {
    let (runtime, web) = &*WEB;
    let answer = runtime.block_on(async {
        let (mut ours, theirs) = duplex(MOST as usize);
        let serving = tokio::spawn(serve_stream(theirs, web.clone()));
        // It may hang up before it has read everything.
        let _ = ours.write_all(data).await;
        let _ = ours.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, ours.take(MOST).read_to_end(&mut answer)).await;
        serving.abort();
        assert!(!serving.await.is_err_and(|error| error.is_panic()), "it has panicked");
        answer
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(!head.contains("access-control-") && !head.contains("set-cookie"), "{head}");
}
