//! The monitor's end of the control channel: opened before any thread runs and any privilege is given up.

use std::{
    ffi::CString,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    ptr,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::{
    accept::Listener,
    endpoint::Endpoint,
    socket::{self, SocketFile},
    socket_dir::SocketDir,
    token::Token,
};

/// Options of the control channel.
#[derive(Clone, Debug, Default, Args)]
pub struct ControlArgs {
    /// Where nettopctl finds this monitor: a path, or tcp://host:port on loopback
    /// [default: $XDG_RUNTIME_DIR/nettop.sock, else /run/nettop/nettop.sock (root), else /tmp/nettop-UID/nettop.sock]
    #[arg(long, value_name = "SOCKET")]
    pub control_socket: Option<Endpoint>,
    /// Members of this group may look (nettop attach; status, snapshot, subscribe, maps, history), and change nothing
    #[arg(long, value_name = "NAME", value_parser = group_id)]
    pub control_group: Option<u32>,
    /// Over tcp://, answer only who knows the first line of this file, which nobody else can read
    #[arg(long, value_name = "FILE")]
    pub control_token: Option<PathBuf>,
    /// Let tcp:// be an address that others reach, too; nothing is encrypted
    #[arg(long, requires = "control_token")]
    pub control_tcp_anywhere: bool,
}

impl ControlArgs {
    /// The port, where it is a socket of TCP.
    pub fn port(&self) -> Option<u16> {
        match &self.control_socket {
            Some(Endpoint::Tcp(address)) => Some(address.port()),
            _ => None,
        }
    }
}

/// The control channel.
pub enum Channel {
    /// A Unix socket, its file, and the group that may look.
    Unix(UnixListener, SocketFile, Option<u32>),
    /// TCP, and the token.
    Tcp(TcpListener, Option<Arc<Token>>),
}

impl Channel {
    /// Opens it, for a monitor that will run as this user.
    ///
    /// # Errors
    /// Say what is in the way, and what to do.
    pub fn open(args: &ControlArgs, uid: u32) -> Result<Self> {
        let is_tcp = matches!(args.control_socket, Some(Endpoint::Tcp(_)));
        if args.control_token.is_some() && !is_tcp {
            bail!("--control-token is for tcp://: on a Unix socket the kernel says who is there; see --control-group");
        }
        match &args.control_socket {
            Some(Endpoint::Tcp(address)) => Self::tcp(*address, args),
            Some(Endpoint::Unix(path)) => Self::unix(path, args),
            None => {
                let place = SocketDir::of_monitor(uid, args.control_group.is_some());
                place.prepare(args.control_group)?;
                let mut channel = Self::unix(&place.socket(), args)?;
                if let Self::Unix(_, file, _) = &mut channel
                    && place.is_own()
                {
                    file.link_for_the_classic();
                }
                Ok(channel)
            }
        }
    }

    fn unix(path: &Path, args: &ControlArgs) -> Result<Self> {
        let (listener, file) = socket::listen(path, args.control_group)?;
        Ok(Self::Unix(listener, file, args.control_group))
    }

    fn tcp(address: SocketAddr, args: &ControlArgs) -> Result<Self> {
        if args.control_group.is_some() {
            bail!("--control-group is for a Unix socket: over tcp:// nobody can tell who is there");
        }
        if !address.ip().is_loopback() && !args.control_tcp_anywhere {
            bail!(
                "{address} is not a loopback address: anybody there could end the monitor; if that is wanted, \
                 --control-tcp-anywhere and --control-token FILE"
            );
        }
        let token = args.control_token.as_deref().map(Token::read).transpose()?;
        let listener = TcpListener::bind(address)
            .with_context(|| format!("listening on tcp://{address}; choose another with --control-socket"))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener, token.map(Arc::new)))
    }

    /// Where clients find it.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Unix(_, file, _) => Ok(Endpoint::Unix(file.path().into())),
            Self::Tcp(listener, _) => listener.local_addr().map(Endpoint::Tcp),
        }
    }

    /// What is removed at the end.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let file = match self {
            Self::Unix(_, file, _) => Some(file),
            Self::Tcp(..) => None,
        };
        file.into_iter().flat_map(SocketFile::paths)
    }

    /// As what the server listens on, and the file to keep as long.
    ///
    /// # Errors
    /// When it cannot be polled. Panics outside of an async runtime.
    pub fn listener(self) -> io::Result<(Listener, Option<SocketFile>)> {
        match self {
            Self::Unix(listener, file, readers) => Ok((Listener::unix(listener, readers)?, Some(file))),
            Self::Tcp(listener, token) => {
                Ok((Listener::Tcp(tokio::net::TcpListener::from_std(listener)?, token), None))
            }
        }
    }
}

/// The number of a group, which may be given as such.
fn group_id(name: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let no_group = || format!("there is no group {name:?}");
    let name = CString::new(name).map_err(|_| no_group())?;
    // SAFETY: a string that ends with zero; no other thread runs yet that could ask for another group.
    let group = unsafe { ptr::NonNull::new(libc::getgrnam(name.as_ptr())) };
    // SAFETY: what is not null points to a group, until the next one is asked for.
    group.map(|group| unsafe { group.as_ref().gr_gid }).ok_or_else(no_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_names_and_numbers() {
        assert_eq!((group_id("root"), group_id("4711")), (Ok(0), Ok(4711)));
        for name in ["", "no such group", "a\0b", "-1"] {
            assert!(group_id(name).unwrap_err().contains("no group"), "{name:?}");
        }
    }

    #[test]
    fn tcp_beyond_loopback_has_to_be_wanted() {
        let open = |socket: &str, anywhere| {
            let socket = Some(socket.parse().unwrap());
            let args = ControlArgs { control_socket: socket, control_tcp_anywhere: anywhere, ..ControlArgs::default() };
            Channel::open(&args, 0).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(open("tcp://127.0.0.1:0", false), Ok(()));
        for address in ["tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://192.0.2.1:9"] {
            assert!(open(address, false).unwrap_err().contains("not a loopback address"), "{address}");
        }
        assert_eq!(open("tcp://0.0.0.0:0", true), Ok(()));
    }
}
