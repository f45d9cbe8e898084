//! Where the control socket is unless told: in a folder that only its own user can write to.

use std::{
    env,
    fs::{self, DirBuilder},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::{CWD, Mode, OFlags},
    process::{geteuid, getuid},
};

use nettop_process::shell;

/// What the socket is called.
const NAME: &str = "nettop.sock";
/// Of the system service (packaging/systemd/nettop.service), and of root's own monitors.
const SERVICE: &str = "/run/nettop";
/// Where the classic has its socket. Anybody could put something there, so that no client of ours looks there: it is a link
/// to the socket, for the classic's clients.
pub const CLASSIC: &str = "/tmp/nettop.sock";

/// A folder for the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketDir {
    folder: PathBuf,
    /// Whose it has to be, where it is ours to make; `None`: it is there, and somebody else sees to it.
    owner: Option<u32>,
}

impl SocketDir {
    /// Where a monitor listens that will run as this user, and that a group may look at.
    pub fn of_monitor(uid: u32, has_readers: bool) -> Self {
        // Nobody else gets into the folder of a session.
        if let Some(given) = given(uid).filter(|_| !has_readers) {
            return given;
        }
        let service = Self::own(SERVICE.into(), uid);
        // The service, which may be running, has another user.
        let taken = fs::symlink_metadata(SERVICE).is_ok_and(|metadata| metadata.uid() != uid);
        if uid == 0 && !taken { service } else { Self::temporary(uid) }
    }

    /// A folder that somebody else sees to.
    pub fn of_session(folder: PathBuf) -> Self {
        Self { folder, owner: None }
    }

    fn own(folder: PathBuf, uid: u32) -> Self {
        Self { folder, owner: Some(uid) }
    }

    fn temporary(uid: u32) -> Self {
        Self::own(format!("/tmp/nettop-{uid}").into(), uid)
    }

    /// The socket in it.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// Whether the classic's clients would look at [`CLASSIC`] for a monitor here.
    pub fn is_own(&self) -> bool {
        self.owner.is_some()
    }

    /// Makes the folder where it is missing, and makes sure that it is what it should be: in `/tmp` anybody may have been
    /// first. Members of `readers` may pass.
    ///
    /// # Errors
    /// Whose it is, or what else is wrong with it.
    pub fn prepare(&self, readers: Option<u32>) -> Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        let shown = self.folder.display();
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("making {shown}; {REMEDY}"));
            }
            _ => {}
        }
        let folder = self.look_at(owner)?;
        if let Some(group) = readers {
            let group = rustix::process::Gid::from_raw(group);
            rustix::fs::fchown(&folder, None, Some(group)).with_context(|| format!("giving {shown} to the group"))?;
            rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o710)).with_context(|| format!("opening {shown}"))?;
        }
        Ok(())
    }

    /// Opens the folder, if it is what it should be.
    fn look_at(&self, owner: u32) -> Result<OwnedFd> {
        let shown = self.folder.display();
        // What is looked at is what was opened, and no link leads elsewhere. Afterwards nobody else can put another in its
        // place: /run is root's, and /tmp lets only owners remove.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::openat(CWD, &self.folder, flags, Mode::empty())
            .map_err(io::Error::from)
            .with_context(|| format!("{shown} is in the way and not a folder of ours; {REMEDY}"))?;
        let facts = rustix::fs::fstat(&folder).with_context(|| format!("looking at {shown}"))?;
        if facts.st_uid != owner {
            bail!("{shown} belongs to user {}, and not to {owner}; {REMEDY}", facts.st_uid);
        }
        if facts.st_mode & 0o022 != 0 {
            bail!("others may write to {shown}; chmod go-w {}, or {REMEDY}", shell::word(&self.folder));
        }
        Ok(folder)
    }

    /// Whether a socket could be made in it. Changes nothing.
    ///
    /// # Errors
    /// As for [`prepare`](Self::prepare), or what the file system says.
    pub fn try_out(&self) -> Result<()> {
        let there = fs::symlink_metadata(&self.folder).is_ok();
        if let (Some(owner), true) = (self.owner, there) {
            self.look_at(owner)?;
        }
        let missing = self.owner.is_some() && !there;
        let folder = if missing { self.folder.parent().unwrap_or(Path::new("/")) } else { &self.folder };
        // A file without a name, which leaves nothing.
        tempfile::tempfile_in(folder)
            .map(drop)
            .with_context(|| format!("{} cannot be made; {REMEDY}", self.socket().display()))
    }
}

const REMEDY: &str = "choose another place with --control-socket";

/// The folder that the user's session has for such things; of somebody who called sudo, its own.
fn given(uid: u32) -> Option<SocketDir> {
    let set = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let of_user = || {
        let folder = PathBuf::from(format!("/run/user/{uid}"));
        let private = fs::symlink_metadata(&folder)
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o077 == 0);
        // The real user: for opening this the other may be in force.
        (uid != getuid().as_raw() && private).then_some(folder)
    };
    set.or_else(of_user).map(SocketDir::of_session)
}

/// Where a client of this user finds a monitor: its own one, else the system service, else where its own one would be.
pub fn of_running(uid: u32) -> PathBuf {
    let own = SocketDir::of_monitor(uid, false).socket();
    let temporary = SocketDir::temporary(uid);
    let others = [Path::new(SERVICE).join(NAME), temporary.socket()];
    let waits_for_monitor = |path: &Path| {
        // Only root puts anything into /run; in /tmp the folder has to be this user's.
        let folder = path.parent().and_then(|folder| fs::symlink_metadata(folder).ok());
        path.parent() != Some(&temporary.folder) || folder.is_some_and(|metadata| metadata.uid() == uid)
    };
    first_socket([own.clone()].into_iter().chain(others).filter(|path| waits_for_monitor(path))).unwrap_or(own)
}

/// Whether whoever answers at a socket that was found, not named, may be the monitor that was looked for: root, this user, the
/// one that a monitor started by it would run as, or at the service's socket the owner of its folder, since only root puts
/// folders into `/run`.
pub fn may_answer(socket: &Path, uid: u32, later: u32) -> bool {
    let is_service = || {
        socket.parent() == Some(Path::new(SERVICE))
            && fs::symlink_metadata(SERVICE).is_ok_and(|metadata| metadata.uid() == uid)
    };
    uid == 0 || uid == geteuid().as_raw() || uid == later || is_service()
}

fn first_socket(mut paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    paths.find(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()))
}

/// Puts a link to the socket where the classic's clients look, if that place is free or was ours. Returns whether it did:
/// nothing depends on it.
pub fn link_for_the_classic(socket: &Path, link: &Path) -> bool {
    let was_ours =
        fs::symlink_metadata(link).is_ok_and(|metadata| metadata.is_symlink() && metadata.uid() == geteuid().as_raw());
    if was_ours && fs::remove_file(link).is_err() {
        return false;
    }
    std::os::unix::fs::symlink(socket, link).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    };

    use super::*;

    fn place(folder: PathBuf) -> SocketDir {
        SocketDir::own(folder, geteuid().as_raw())
    }

    #[test]
    fn a_folder_is_made_private_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path().join("nettop-0"));
        assert!(place.try_out().is_ok());
        for _ in 0..2 {
            place.prepare(None).unwrap();
            assert_eq!(fs::metadata(&place.folder).unwrap().mode() & 0o777, 0o700);
        }
        let group = rustix::process::getegid().as_raw();
        place.prepare(Some(group)).unwrap();
        assert_eq!(fs::metadata(&place.folder).unwrap().mode() & 0o777, 0o710);
    }

    #[test]
    fn what_somebody_else_put_there_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("real")).unwrap();
        symlink(path("real"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::write(path("file"), "").unwrap();
        fs::create_dir(path("open")).unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).unwrap();
        for (name, part) in [
            ("link", "not a folder of ours"),
            ("dangling", "not a folder"),
            ("file", "not a folder"),
            ("open", "others may write"),
        ] {
            let place = place(path(name));
            for refused in [place.try_out(), place.prepare(None)] {
                let error = format!("{:#}", refused.unwrap_err());
                assert!(error.contains(part) && error.contains("--control-socket"), "{name}: {error}");
            }
        }
        assert!(!path("nowhere").exists());
        let theirs = SocketDir::own(path("real"), geteuid().as_raw() + 1).prepare(None).unwrap_err().to_string();
        assert!(theirs.contains("belongs to user"), "{theirs}");
    }

    #[test]
    fn the_first_socket_is_taken_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["own", "service"].map(|name| directory.path().join(name));
        let found = || first_socket(paths.clone().into_iter());
        assert_eq!(found(), None);
        fs::write(&paths[0], "no socket").unwrap();
        let _service = UnixListener::bind(&paths[1]).unwrap();
        assert_eq!(found().as_ref(), Some(&paths[1]));
        fs::remove_file(&paths[0]).unwrap();
        let _own = UnixListener::bind(&paths[0]).unwrap();
        assert_eq!(found().as_ref(), Some(&paths[0]));
    }

    #[test]
    fn the_classic_s_place_is_taken_only_where_it_is_free_or_ours() {
        let directory = tempfile::tempdir().unwrap();
        let [socket, link] = ["socket", "link"].map(|name| directory.path().join(name));
        assert!(link_for_the_classic(Path::new("/an/old/one"), &link) && link_for_the_classic(&socket, &link));
        assert_eq!(fs::read_link(&link).unwrap(), socket);
        fs::remove_file(&link).unwrap();
        fs::write(&link, "precious").unwrap();
        assert!(!link_for_the_classic(&socket, &link));
        assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
    }
}
