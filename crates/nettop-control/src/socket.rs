//! Where the control channel is: a Unix socket that only this user can open, or TCP.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{dial::dial_unix, peer::peer, socket_dir};

/// How long whoever holds a socket may take to accept.
const PATIENCE: Duration = Duration::from_secs(5);

/// A Unix socket in the file system, removed when dropped, if it is still the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// A link to it.
    link: Option<PathBuf>,
}

impl SocketFile {
    /// Makes a link to it where clients of the classic look, if that place is free.
    pub fn link_for_the_classic(&mut self) {
        let link = Path::new(socket_dir::CLASSIC);
        self.link = socket_dir::link_for_the_classic(&self.path, link).then(|| link.into());
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is removed at the end.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.path), self.link.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(link) = self.link.take().filter(|link| fs::read_link(link).is_ok_and(|to| to == self.path)) {
            let _ = fs::remove_file(link);
        }
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Nothing can be done about a failure, and the next monitor replaces a dead socket.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Listens on a Unix socket of mode 0600, or 0660 for the group of `readers`. One left behind by a crash is replaced; one
/// that somebody answers is not.
///
/// # Errors
/// Who holds it, or what is in the way.
pub fn listen(path: &Path, readers: Option<u32>) -> Result<(UnixListener, SocketFile)> {
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
    let file = SocketFile { path: path.to_path_buf(), identity, link: None };
    if let Some(group) = readers {
        // The group first: the mode is to be that of no other.
        lchown(path, None, Some(group))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o660)))
            .with_context(|| format!("giving {} to group {group}, whose member nettop has to be", path.display()))?;
    }
    Ok((listener, file))
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
    match dial_unix(path, PATIENCE) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nettop.sock");
        let (listener, file) = listen(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = listen(&path, None).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(listener);
        std::mem::forget(file);
        let (_listener, file) = listen(&path, None).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(listen(&path, None).unwrap_err().to_string().contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }
}
