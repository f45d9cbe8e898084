//! Where the control channel is: a Unix socket that only this user can open, or TCP on loopback.

use std::{
    env, fmt, fs, io,
    net::SocketAddr,
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};

/// The address of a control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP on a loopback address.
    Tcp(SocketAddr),
}

impl Default for Endpoint {
    /// `$XDG_RUNTIME_DIR/nettop.sock`, else `/tmp/nettop.sock`.
    fn default() -> Self {
        let directory = env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
        Self::Unix(directory.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from).join("nettop.sock"))
    }
}

/// Where the monitor of the system service listens (packaging/systemd/nettop.service). Only root and its own user get there.
const SERVICE: &str = "/run/nettop/nettop.sock";

impl Endpoint {
    /// Where a client finds a monitor unless told: the user's own in `$XDG_RUNTIME_DIR`, else that of the system service,
    /// else the default. What is in `/tmp` comes last, since anybody could have put it there.
    pub fn of_running() -> Self {
        Self::first_of(Self::default(), Path::new(SERVICE))
    }

    fn first_of(own: Self, service: &Path) -> Self {
        let is_socket = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        let in_public = |path: &Path| path.parent() == Some(Path::new("/tmp"));
        match &own {
            Self::Unix(path) if is_socket(path) && !in_public(path) => own,
            _ if is_socket(service) => Self::Unix(service.into()),
            _ => own,
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// A path, or `host:port` or `tcp://host:port` with a loopback host.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a control socket needs a path".into());
        }
        let (address, forced) = match text.strip_prefix("tcp://") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let host_and_port = address.replacen("localhost:", "127.0.0.1:", 1);
        match host_and_port.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            Ok(address) => Err(format!("{address} is not a loopback address: anybody there could end the monitor")),
            Err(_) if forced => Err(format!("{address:?} is not host:port, with a number for the host")),
            Err(_) => Ok(Self::Unix(text.into())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A Unix socket in the file system, removed when dropped, if it is still the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Nothing can be done about a failure, and the next monitor replaces a dead socket.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Listens on a Unix socket of mode 0600. One left behind by a crash is replaced; one that somebody answers is not.
///
/// # Errors
/// Who holds it, or what is in the way.
pub fn listen(path: &Path) -> Result<(UnixListener, SocketFile)> {
    let listener = match bind_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_dead(path)?;
            bind_private(path)
        }
        other => other,
    }
    .with_context(|| {
        format!("listening on the control socket {}; choose another with --control-socket", path.display())
    })?;
    let identity = identity(path).with_context(|| format!("looking at {}", path.display()))?;
    Ok((listener, SocketFile { path: path.to_path_buf(), identity }))
}

/// Binds with the mode set before anybody can connect.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    // SAFETY: umask only changes the mode of files this process makes; it is set back at once, and no other thread runs
    // yet that could make any.
    let old = unsafe { libc::umask(0o177) };
    let listener = UnixListener::bind(path);
    // SAFETY: as above.
    unsafe { libc::umask(old) };
    let listener = listener?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes a socket that nobody answers.
fn remove_dead(path: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    if !metadata.file_type().is_socket() {
        bail!("{} is in the way and not a socket; choose another with --control-socket", path.display());
    }
    match UnixStream::connect(path) {
        Ok(stream) => {
            let holder = peer(&stream).map_or_else(|_| "another process".into(), |peer| peer.to_string());
            bail!(
                "{} is held by {holder}; end that monitor (nettopctl stop), or choose another with --control-socket",
                path.display()
            )
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).with_context(|| {
            format!("removing the dead socket {}; choose another with --control-socket", path.display())
        }),
        Err(error) => Err(error)
            .with_context(|| format!("asking who holds {}; choose another with --control-socket", path.display())),
    }
}

/// Who is at the other end of a Unix socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

impl Peer {
    /// Whether it may command this process: the same user, or root.
    pub fn may_command(&self) -> bool {
        // SAFETY: no arguments, no failure.
        self.uid == 0 || self.uid == unsafe { libc::geteuid() }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        write!(f, "process {} ({}, user {})", self.pid, name.trim().escape_default(), self.uid)
    }
}

/// Asks the kernel who is at the other end.
///
/// # Errors
/// What the kernel says.
pub fn peer(stream: &impl AsFd) -> io::Result<Peer> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the buffer is as long as `length` says.
    let result = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { pid: credentials.pid, uid: credentials.uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_told_apart() {
        for (text, expected) in [
            ("/run/x.sock", "/run/x.sock"),
            ("x.sock", "x.sock"),
            ("127.0.0.1:9000", "tcp://127.0.0.1:9000"),
            ("tcp://localhost:9000", "tcp://127.0.0.1:9000"),
            ("tcp://[::1]:9000", "tcp://[::1]:9000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), expected);
        }
        for text in ["", "tcp://x", "tcp://192.0.2.1:9000", "0.0.0.0:9000"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nettop.sock");
        let (listener, file) = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = listen(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(listener);
        std::mem::forget(file);
        let (_listener, file) = listen(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_client_finds_its_own_monitor_before_the_service() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let found = || Endpoint::first_of(Endpoint::Unix(path("own")), &path("service"));
        let [own, service] = ["own", "service"].map(|name| Endpoint::Unix(path(name)));
        assert_eq!(found(), own, "where neither runs, its own is missed");
        fs::write(path("service"), "no socket").unwrap();
        assert_eq!(found(), own);
        fs::remove_file(path("service")).unwrap();
        let _service = UnixListener::bind(path("service")).unwrap();
        assert_eq!(found(), service);
        let _own = UnixListener::bind(path("own")).unwrap();
        assert_eq!(found(), own);
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(listen(&path).unwrap_err().to_string().contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }
}
