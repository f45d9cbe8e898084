//! Back to the user who called sudo.

use std::{
    env,
    ffi::{CStr, CString, OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nettop_model::snapshot::SandboxLayer;
use rustix::{
    process::{Gid, Uid, geteuid, getgroups, getuid},
    thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{capabilities, holds};

pub(super) const PART: &str = "user";

/// What the three variables are called.
const UID: &str = "SUDO_UID";
const GID: &str = "SUDO_GID";
const NAME: &str = "SUDO_USER";

/// Who called sudo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoker {
    uid: u32,
    gid: u32,
    /// All its groups.
    groups: Vec<u32>,
    home: PathBuf,
}

impl Invoker {
    /// As sudo tells it, to root alone: to anybody else these variables mean nothing. `None`: nobody did, or root.
    ///
    /// # Errors
    /// Somebody did, but it cannot be told who, or there is no such user: so that nobody stays root by mistake.
    pub fn of_sudo() -> Result<Option<Self>> {
        if !getuid().is_root() || !geteuid().is_root() {
            return Ok(None);
        }
        Self::told([UID, GID, NAME].map(env::var_os)).map_err(|error| {
            anyhow!(
                "nettop was started by sudo, but cannot become the user who called it: {error:#}; mend these variables, or let it \
                 stay root with --no-sandbox"
            )
        })
    }

    /// By the values of the variables.
    fn told([uid, gid, name]: [Option<OsString>; 3]) -> Result<Option<Self>> {
        if uid.is_none() && gid.is_none() {
            return Ok(None);
        }
        let (uid, gid) = (number(UID, uid.as_deref())?, number(GID, gid.as_deref())?);
        if uid == 0 {
            // Root called it.
            return Ok(None);
        }
        let user = match name.filter(|name| !name.is_empty()) {
            None => User::numbered(uid).with_context(|| format!("there is no user with the number {uid} ({UID})"))?,
            Some(name) => {
                let user = User::named(&name).with_context(|| format!("there is no user {name:?} ({NAME})"))?;
                ensure!(user.uid == uid, "user {name:?} ({NAME}) has the number {}, not {uid} ({UID})", user.uid);
                user
            }
        };
        let groups = user.groups(gid).with_context(|| format!("the groups of user {uid} cannot be told"))?;
        Ok(Some(Self { uid, gid, groups, home: user.home }))
    }

    /// The number of the user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// What is done, for an error that says why it cannot be.
    pub fn becoming(&self) -> String {
        format!("becoming user {}, who called sudo (only --no-sandbox does without)", self.uid)
    }

    /// The home, as the list of users has it.
    pub fn home(&self) -> Option<&Path> {
        Some(self.home.as_path()).filter(|home| home.is_absolute())
    }

    /// Does something with this user's rights, such as making a file: it is the user's then, who can also remove it. The way
    /// back stays open.
    ///
    /// # Errors
    /// The user cannot be changed. What `work` says is passed on as it is.
    pub fn act<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let (root, uid) = (Uid::ROOT, Uid::from_raw(self.uid));
        let (wheel, gid) = (Gid::ROOT, Gid::from_raw(self.gid));
        // Root's would open what this user may not.
        let groups = getgroups()?;
        set_thread_groups(&self.groups())?;
        let become_group = set_thread_res_gid(wheel, gid, wheel);
        let become_user = become_group.and_then(|()| set_thread_res_uid(root, uid, root));
        let result = become_user.map(|()| work());
        set_thread_res_uid(root, root, root)?;
        set_thread_res_gid(wheel, wheel, wheel)?;
        set_thread_groups(&groups)?;
        Ok(result?)
    }

    fn groups(&self) -> Vec<Gid> {
        self.groups.iter().copied().map(Gid::from_raw).collect()
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
        match invoker.act(&open).with_context(|| invoker.becoming())? {
            Err(error) if refused(&error) => open(),
            other => other,
        }
    }

    /// For good.
    fn stay(&self, more: &[u32], keep_capabilities: bool) -> io::Result<()> {
        let groups = self.groups().into_iter().chain(more.iter().copied().map(Gid::from_raw));
        set_thread_groups(&groups.collect::<Vec<_>>())?;
        // Else they go with the user.
        set_keep_capabilities(keep_capabilities)?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// A number that sudo tells. The largest one means "leave it" to the kernel.
fn number(name: &str, value: Option<&OsStr>) -> Result<u32> {
    let value = value.with_context(|| format!("{name} is missing"))?;
    let number = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse);
    match number {
        Some(Ok(number)) if number != u32::MAX => Ok(number),
        _ => bail!("{name} is no number of a user or group: {value:?}"),
    }
}

/// What the list of users tells of one.
struct User {
    uid: u32,
    name: CString,
    home: PathBuf,
}

impl User {
    fn numbered(uid: u32) -> Option<Self> {
        // SAFETY: any number will do; no other thread runs yet that could ask for another user.
        Self::copied(unsafe { libc::getpwuid(uid).as_ref() }?)
    }

    fn named(name: &OsStr) -> Option<Self> {
        let name = CString::new(name.as_bytes()).ok()?;
        // SAFETY: a string that ends with zero; no other thread runs yet that could ask for another user.
        Self::copied(unsafe { libc::getpwnam(name.as_ptr()).as_ref() }?)
    }

    fn copied(user: &libc::passwd) -> Option<Self> {
        let copied = |text: *const libc::c_char| {
            // SAFETY: the texts of a user that there is end with zero; they are copied before another one is asked for.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
        };
        let home = copied(user.pw_dir).unwrap_or_default();
        Some(Self { uid: user.pw_uid, name: copied(user.pw_name)?, home: OsStr::from_bytes(home.to_bytes()).into() })
    }

    /// All groups, with `gid` as the first one.
    fn groups(&self, gid: u32) -> Option<Vec<u32>> {
        let mut groups = vec![0; 64];
        // Twice, should there be more than there was room for.
        for _ in 0..2 {
            let mut count = i32::try_from(groups.len()).ok()?;
            // SAFETY: a string that ends with zero, and as many numbers as `count` says.
            let told = unsafe { libc::getgrouplist(self.name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
            groups.resize(usize::try_from(count).ok()?, 0);
            if told >= 0 {
                return Some(groups);
            }
        }
        None
    }
}

/// The number of the user that a monitor started by this process would run as.
pub fn later_uid() -> u32 {
    // Who cannot become somebody else does not start, or stays.
    Invoker::of_sudo().ok().flatten().map_or_else(|| geteuid().as_raw(), |invoker| invoker.uid)
}

/// Becomes a member of these groups as well, where it may: they can read what was opened, after it was rotated, too.
pub(super) fn join(more: &[u32]) {
    if more.is_empty() {
        return;
    }
    let Ok(mut groups) = getgroups() else { return };
    groups.extend(more.iter().copied().map(Gid::from_raw));
    // Who may not is a member already, or cannot read what is not for everybody: whoever reads says so.
    let _ = set_thread_groups(&groups);
}

/// Becomes the user who called sudo, if somebody did, and a member of these groups, for good.
///
/// # Errors
/// The kernel refuses: nobody stays root who should not.
pub(super) fn become_invoker(invoker: Option<&Invoker>, groups: &[u32]) -> Result<SandboxLayer> {
    become_invoker_keeping(invoker, groups, capabilities::must_keep_bpf())
}

/// The same; `keep`: capabilities that are permitted stay so.
///
/// # Errors
/// Likewise.
pub(super) fn become_invoker_keeping(invoker: Option<&Invoker>, groups: &[u32], keep: bool) -> Result<SandboxLayer> {
    let Some(invoker) = invoker else {
        return Ok(holds(PART, format!("{}, as it was started", geteuid().as_raw())));
    };
    invoker.stay(groups, keep).with_context(|| invoker.becoming())?;
    Ok(holds(PART, format!("{}, who called sudo", invoker.uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(uid: Option<&str>, gid: Option<&str>, name: Option<&str>) -> Result<Option<Invoker>> {
        Invoker::told([uid, gid, name].map(|value| value.map(OsString::from)))
    }

    #[test]
    fn what_cannot_be_used_is_no_reason_to_stay_root() {
        for (uid, gid, name, part) in [
            (Some("1000x"), Some("1000"), None, "SUDO_UID is no number"),
            (Some(""), Some("1000"), None, "SUDO_UID is no number"),
            (Some("-1"), Some("1000"), None, "SUDO_UID is no number"),
            (Some("+65534"), Some("1000"), None, "SUDO_UID is no number"),
            (Some(" 65534"), Some("1000"), None, "SUDO_UID is no number"),
            (Some("4294967295"), Some("1000"), None, "SUDO_UID is no number"),
            (Some("4294967296"), Some("1000"), None, "SUDO_UID is no number"),
            (Some("65534"), Some("nogroup"), None, "SUDO_GID is no number"),
            (Some("65534"), Some("4294967295"), None, "SUDO_GID is no number"),
            (Some("65534"), None, None, "SUDO_GID is missing"),
            (None, Some("65534"), None, "SUDO_UID is missing"),
            (Some("0"), None, None, "SUDO_GID is missing"),
            (Some("3999999999"), Some("65534"), None, "no user with the number 3999999999"),
            (Some("65534"), Some("65534"), Some("no such user"), "no user \"no such user\""),
            (Some("65534"), Some("65534"), Some("no\0body"), "no user"),
            (Some("65534"), Some("65534"), Some("root"), "has the number 0, not 65534"),
        ] {
            let error = format!("{:#}", told(uid, gid, name).expect_err(part));
            assert!(error.contains(part), "{uid:?} {gid:?} {name:?}: {error}");
        }
    }

    #[test]
    fn nobody_called_or_root_did() {
        for (uid, gid, name) in [(None, None, None), (None, None, Some("nobody")), (Some("0"), Some("0"), Some("root"))]
        {
            assert_eq!(told(uid, gid, name).unwrap(), None);
        }
    }

    #[test]
    fn who_called_has_its_groups() {
        for name in [None, Some(""), Some("nobody")] {
            let invoker = told(Some("65534"), Some("4711"), name).unwrap().unwrap();
            assert_eq!((invoker.uid(), invoker.gid), (65_534, 4711));
            assert!(invoker.groups.contains(&4711) && !invoker.groups.contains(&0), "{invoker:?}");
        }
    }

    #[test]
    fn acting_as_somebody_else_ends() {
        if !geteuid().is_root() {
            return;
        }
        let invoker = told(Some("65534"), Some("65534"), None).unwrap().unwrap();
        // Its own thread: the numbers are a thread's.
        let seen = std::thread::spawn(move || {
            let who = || (geteuid().as_raw(), getgroups().unwrap().into_iter().map(Gid::as_raw).collect::<Vec<_>>());
            let before = who();
            let acting = invoker.act(who).unwrap();
            (acting, before == who())
        });
        assert_eq!(seen.join().unwrap(), ((65_534, vec![65_534]), true));
    }
}
