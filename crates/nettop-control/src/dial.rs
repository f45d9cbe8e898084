//! Connecting to a monitor, and making sure that it is one that may be believed.

use std::{io, net::TcpStream, os::unix::net::UnixStream, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use nettop_process::shell;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use super::{
    endpoint::Endpoint,
    peer::{Peer, peer},
    socket_dir,
};

/// How long to wait until a monitor accepts, and until it takes the request.
const DEADLINE: Duration = Duration::from_secs(30);

/// A connection whose writes have a deadline.
pub enum Connection {
    /// To a Unix socket.
    Unix(UnixStream),
    /// To a `tcp://` address.
    Tcp(TcpStream),
}

/// Connects to the monitor at `named`, whoever that is; else to the one that is found, and only if root, this user or the
/// service's user answers there.
///
/// # Errors
/// There is none, it does not accept, or somebody else answers.
pub fn dial(named: Option<&Endpoint>) -> Result<Connection> {
    let endpoint = named.cloned().unwrap_or_else(Endpoint::of_running);
    let no_monitor =
        || format!("no running monitor at {endpoint}; start nettop, or name its socket with --control-socket");
    match &endpoint {
        Endpoint::Unix(path) => {
            let stream = dial_unix(path, DEADLINE).with_context(no_monitor)?;
            if named.is_none() {
                expect_known(&peer(&stream).context("asking who answers")?, path)?;
            }
            Ok(Connection::Unix(stream))
        }
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, DEADLINE).with_context(no_monitor)?;
            stream.set_write_timeout(Some(DEADLINE))?;
            Ok(Connection::Tcp(stream))
        }
    }
}

/// As `UnixStream::connect`, which waits for ever where the queue of those who want to be accepted is full. Whatever is written
/// later has the same deadline.
///
/// # Errors
/// What the kernel says; `TimedOut` where nobody accepts.
pub fn dial_unix(path: &Path, deadline: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(deadline))?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::AGAIN) => {
            let text = format!("nobody accepts within {} s: whoever listens hangs", deadline.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
        connected => Ok(connected.map(|()| socket.into())?),
    }
}

/// Refuses whoever is not expected at a socket that nobody has named.
///
/// # Errors
/// It is neither root, nor this user, nor the service's.
pub fn expect_known(peer: &Peer, socket: &Path) -> Result<()> {
    let later = nettop_sandbox::later_uid();
    if socket_dir::may_answer(socket, peer.uid, later) {
        return Ok(());
    }
    bail!(
        "{} is answered by {peer}, which is neither root's nor yours; if you trust it: --control-socket {}",
        socket.display(),
        shell::word(socket)
    )
}
