//! Who is at the other end of a Unix socket, and what it may do.

use std::{
    fmt, fs, io,
    os::fd::{AsFd, AsRawFd as _},
};

use rustix::{io::Errno, net::sockopt::socket_peercred, process::geteuid};

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Command,
    /// Look, and change nothing.
    Read,
    /// Nothing.
    Nothing,
}

/// Who is at the other end of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its groups.
    pub groups: Vec<u32>,
}

impl Peer {
    /// What it may do: the same user and root everything, a member of `readers` look.
    pub fn access(&self, readers: Option<u32>) -> Access {
        if self.uid == 0 || self.uid == geteuid().as_raw() {
            return Access::Command;
        }
        match readers {
            Some(group) if self.groups.contains(&group) => Access::Read,
            _ => Access::Nothing,
        }
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
    let credentials = socket_peercred(stream)?;
    let mut groups = further_groups(stream)?;
    groups.push(credentials.gid.as_raw());
    Ok(Peer { pid: credentials.pid.as_raw_nonzero().get(), uid: credentials.uid.as_raw(), groups })
}

/// Its supplementary groups (`SO_PEERGROUPS`, Linux 4.13).
fn further_groups(stream: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 32];
    loop {
        let mut length = size_of_val(&*groups) as libc::socklen_t;
        // SAFETY: the buffer is as long as `length` says.
        let result = unsafe {
            libc::getsockopt(
                stream.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<u32>();
        match Errno::from_io_error(&io::Error::last_os_error()) {
            _ if result == 0 => {
                groups.truncate(count);
                return Ok(groups);
            }
            // It has said how many there are.
            Some(Errno::RANGE) if count > groups.len() => groups.resize(count, 0),
            _ => return Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn who_may_do_what() {
        let own = geteuid().as_raw();
        let peer = |uid, groups: &[u32]| Peer { pid: 1, uid, groups: groups.into() };
        for (uid, groups, readers, expected) in [
            (0, &[][..], None, Access::Command),
            (own, &[], Some(7), Access::Command),
            (own + 1, &[7, 8], Some(8), Access::Read),
            (own + 1, &[7], Some(8), Access::Nothing),
            (own + 1, &[7], None, Access::Nothing),
        ] {
            assert_eq!(peer(uid, groups).access(readers), expected, "{uid} {groups:?} {readers:?}");
        }
    }

    #[test]
    fn a_peer_is_known_with_its_groups() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = peer(&one).unwrap();
        assert_eq!((peer.pid as u32, peer.uid), (std::process::id(), geteuid().as_raw()));
        assert!(peer.groups.contains(&rustix::process::getegid().as_raw()));
        assert!(peer.to_string().contains(&format!("process {}", peer.pid)));
    }
}
