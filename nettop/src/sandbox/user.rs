//! Back to the user who called sudo.

use std::{
    env,
    ffi::{CStr, CString, OsStr},
    io,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use rustix::{
    process::{Gid, Uid, geteuid, getuid},
    thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{capabilities, holds, refused};
use crate::snapshot::Guard;

pub(super) const PART: &str = "user";

/// Who called sudo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoker {
    uid: u32,
    gid: u32,
    /// Its name, for its further groups; `None`: it has none.
    name: Option<CString>,
}

impl Invoker {
    /// As sudo tells it, to root alone: to anybody else these variables mean nothing.
    pub fn of_sudo() -> Option<Self> {
        if !getuid().is_root() || !geteuid().is_root() {
            return None;
        }
        let number = |name| env::var(name).ok()?.parse().ok();
        Self::new(number("SUDO_UID")?, number("SUDO_GID")?, env::var("SUDO_USER").ok())
    }

    fn new(uid: u32, gid: u32, name: Option<String>) -> Option<Self> {
        // The largest number means "leave it" to the kernel.
        let valid = uid != 0 && uid != u32::MAX && gid != u32::MAX;
        let name = name.filter(|name| !name.is_empty()).and_then(|name| CString::new(name).ok());
        valid.then_some(Self { uid, gid, name })
    }

    /// The number of the user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The home, as the list of users has it.
    pub fn home(&self) -> Option<PathBuf> {
        // SAFETY: any number will do; no other thread runs yet that could ask for another user.
        let user = unsafe { libc::getpwuid(self.uid).as_ref() }?;
        // SAFETY: the home of a user that there is ends with zero; it is copied before another one is asked for.
        let home = unsafe { CStr::from_ptr(user.pw_dir) };
        Some(PathBuf::from(OsStr::from_bytes(home.to_bytes()))).filter(|home| home.is_absolute())
    }

    /// Does something with this user's rights, such as making a file: it is the user's then, who can also remove it. The way
    /// back stays open.
    ///
    /// # Errors
    /// The user cannot be changed. What `work` says is passed on as it is.
    pub fn act<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let (root, uid) = (Uid::ROOT, Uid::from_raw(self.uid));
        let (wheel, gid) = (Gid::ROOT, Gid::from_raw(self.gid));
        set_thread_res_gid(wheel, gid, wheel)?;
        let become_user = set_thread_res_uid(root, uid, root);
        let result = become_user.map(|()| work());
        set_thread_res_uid(root, root, root)?;
        set_thread_res_gid(wheel, wheel, wheel)?;
        Ok(result?)
    }

    /// Opens something with this user's rights, and with root's where these are not enough.
    ///
    /// # Errors
    /// What `open` says, or that the user cannot be changed.
    pub fn open_first<T>(invoker: Option<&Self>, open: impl Fn() -> Result<T>) -> Result<T> {
        let Some(invoker) = invoker else { return open() };
        let refused = |error: &anyhow::Error| {
            let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
            kinds.into_iter().any(|kind| kind == io::ErrorKind::PermissionDenied)
        };
        match invoker.act(&open).with_context(|| format!("becoming user {}, who called sudo", invoker.uid))? {
            Err(error) if refused(&error) => open(),
            other => other,
        }
    }

    /// For good.
    fn stay(&self) -> io::Result<()> {
        match &self.name {
            // SAFETY: a string that ends with zero; no other thread runs yet.
            Some(name) => match unsafe { libc::initgroups(name.as_ptr(), self.gid) } {
                0 => {}
                _ => return Err(io::Error::last_os_error()),
            },
            None => set_thread_groups(&[Gid::from_raw(self.gid)])?,
        }
        // Else they go with the user.
        set_keep_capabilities(capabilities::must_keep_bpf())?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// The number of the user that a monitor started by this process would run as.
pub fn later_uid() -> u32 {
    Invoker::of_sudo().map_or_else(|| geteuid().as_raw(), |invoker| invoker.uid)
}

/// Becomes the user who called sudo, if somebody did, for good.
pub(super) fn become_invoker(invoker: Option<&Invoker>) -> Guard {
    let Some(invoker) = invoker else {
        return holds(PART, format!("{}, as it was started", geteuid().as_raw()));
    };
    match invoker.stay() {
        Ok(()) => holds(PART, format!("{}, who called sudo", invoker.uid)),
        Err(error) => refused(PART, format!("still {}; to become {}: {error}", geteuid().as_raw(), invoker.uid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_becomes_root_or_a_wild_card() {
        for (uid, gid) in [(0, 0), (0, 1000), (u32::MAX, 1000), (1000, u32::MAX)] {
            assert_eq!(Invoker::new(uid, gid, None), None, "{uid} {gid}");
        }
        let invoker = Invoker::new(1000, 0, Some("a\0b".into())).unwrap();
        assert_eq!((invoker.uid(), invoker.name), (1000, None));
    }

    #[test]
    fn acting_as_somebody_else_ends() {
        if !geteuid().is_root() {
            return;
        }
        let invoker = Invoker::new(65_534, 65_534, None).unwrap();
        // Its own thread: the numbers are a thread's.
        let seen = std::thread::spawn(move || (invoker.act(|| geteuid().as_raw()).unwrap(), geteuid().as_raw()));
        assert_eq!(seen.join().unwrap(), (65_534, 0));
    }
}
