//! Accepting connections: so many at once, none of which can keep the others waiting.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::{io::Errno, net::sockopt::set_socket_send_buffer_size};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::sleep,
};

use crate::{args::WebArgs, deadline::Deadline, route, web::Web};

/// Connections at once. While all are taken, a newcomer gets the place of the oldest one that asks nothing.
const CONNECTIONS: usize = 64;
/// How long a client may take for the head of a request, or be idle between two.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// The longest head of a request, bytes, and its lines.
const LONGEST_HEAD: usize = 16 << 10;
const HEADERS: usize = 64;
/// What the kernel keeps for a client that does not read, bytes.
const SEND_BUFFER: usize = 128 << 10;
/// How long to wait where nobody can be accepted: no descriptor is left.
const REST: Duration = Duration::from_millis(50);

/// Listens.
///
/// # Errors
/// Another program does, or others could connect and that was not asked for.
pub fn bind(address: SocketAddr, args: &WebArgs) -> Result<StdTcpListener> {
    check(address, args)?;
    StdTcpListener::bind(address).map_err(|error| {
        let remedy = match Errno::from_io_error(&error) {
            // What a unit of systemd may do without.
            Some(Errno::AFNOSUPPORT | Errno::PERM | Errno::ACCESS) => {
                "this process may have no socket there; the service has nettop-web.socket for that"
            }
            _ => "choose another with --web ADDRESS",
        };
        anyhow::Error::new(error).context(format!("listening on http://{address}; {remedy}"))
    })
}

/// Refuses an address that others reach, unless that is wanted.
///
/// # Errors
/// It was not asked for.
pub fn check(address: SocketAddr, args: &WebArgs) -> Result<()> {
    if !address.ip().is_loopback() && !args.web_anywhere {
        bail!(
            "{address} is not a loopback address, and nothing is encrypted: reach the dashboard by ssh -L {port}:127.0.0.1:{port}, or \
             allow it with --web-anywhere",
            port = address.port()
        );
    }
    Ok(())
}

/// Serves until `ended`.
///
/// # Errors
/// The listener cannot be polled.
pub async fn serve(listener: StdTcpListener, web: Arc<Web>, ended: impl Future<Output = ()>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let clients = Arc::new(Clients::default());
    tokio::pin!(ended);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => clients.serve(stream, &web),
                Err(_) => sleep(REST).await,
            },
            () = &mut ended => return Ok(()),
        }
    }
}

/// Those that are connected, the oldest first.
#[derive(Default)]
struct Clients {
    all: Mutex<VecDeque<Client>>,
    count: AtomicU64,
}

struct Client {
    number: u64,
    /// Whether it is being answered, or has become a WebSocket.
    is_busy: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Clients {
    fn serve(self: &Arc<Self>, stream: TcpStream, web: &Arc<Web>) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CONNECTIONS {
            let Some(at) = all.iter().position(|client| !client.is_busy.load(Ordering::Relaxed)) else {
                // All of them are being answered: this one is told so, as far as it can be without waiting.
                let _ = stream.try_write(BUSY);
                return;
            };
            if let Some(client) = all.remove(at) {
                client.task.abort();
            }
        }
        let is_busy = Arc::new(AtomicBool::new(false));
        let (busy, web, clients) = (is_busy.clone(), web.clone(), self.clone());
        // What the kernel keeps is what a client that does not read costs.
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let _ = stream.set_nodelay(true);
        let task = tokio::spawn(async move {
            let left = Left { clients, number };
            connection(stream, web, busy, Arc::new(left)).await;
        });
        all.push_back(Client { number, is_busy, task: task.abort_handle() });
    }
}

/// What a client is told for which there is no place.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n";

/// The place of a client, given back when dropped.
pub struct Left {
    clients: Arc<Clients>,
    number: u64,
}

impl Drop for Left {
    fn drop(&mut self) {
        let mut all = self.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|client| client.number != self.number);
    }
}

/// Serves one connection, whatever it is made of: what fuzzing gives its bytes to.
pub async fn serve_stream(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, web: Arc<Web>) {
    let alone = Left { clients: Arc::default(), number: 0 };
    connection(stream, web, Arc::default(), Arc::new(alone)).await;
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    web: Arc<Web>,
    busy: Arc<AtomicBool>,
    place: Arc<Left>,
) {
    let service = service_fn(move |request| {
        let (web, busy, place) = (web.clone(), busy.clone(), place.clone());
        async move {
            busy.store(true, Ordering::Relaxed);
            let reply = route::answer(web, request, place).await;
            let upgraded = reply.status() == hyper::StatusCode::SWITCHING_PROTOCOLS;
            busy.store(upgraded, Ordering::Relaxed);
            Ok::<_, Infallible>(reply)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    server.max_buf_size(LONGEST_HEAD).max_headers(HEADERS);
    // Whoever breaks off has gone; there is nobody to tell.
    let _ = server.serve_connection(TokioIo::new(Deadline::new(stream)), service).with_upgrades().await;
}
