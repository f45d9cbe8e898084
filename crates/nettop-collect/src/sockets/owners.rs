//! Which process has which socket: as the kernel tells it of the open files of all processes ([`OpenFiles`]), also after the sandbox was
//! entered; else by the number of the socket's file, among the open files in `/proc` of the processes that may be looked at. In the
//! sandbox that is none, so what was found before is kept for as long as the sockets are there.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use nettop_common::sockets::OpenSocket;
use rustix::fs::{Dir, readlinkat};

use super::{
    process::{self, TICK_NS},
    reading::{Process, SocketRow},
};
use crate::kernel::open_files::OpenFiles;

/// How long a look may take while a monitor starts: more files than can be looked at within it are left for the next one.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// And while it runs, when nobody waits for it: what the kernel tells begins anew each time, so of 200,000 sockets on a busy host a short look would
/// never see the last.
const LATER: Duration = Duration::from_secs(2);
/// Files of a process that are looked at before those of all others: one that has a hundred thousand must not take all the time.
const FIRST: usize = 256;
/// A look takes at most this share of the time: one part of so many.
const SHARE: u32 = 50;
/// Sockets whose owners are kept at most.
const MOST: usize = 262_144;

/// What is known of owners.
pub struct Owners {
    proc: PathBuf,
    source: Source,
    /// By what the source knows them by.
    sockets: HashMap<u64, Owned, RandomState>,
    processes: Vec<Process>,
    /// Not before this is looked again.
    next: Instant,
    refused: Option<String>,
}

/// Where owners are found.
enum Source {
    /// In what the kernel tells of all open files: by cookie, or by the number of the socket's file where lists do not tell that.
    Kernel(OpenFiles),
    /// In `/proc`: by the number of the socket's file.
    Proc(Scan),
}

/// How far a look at `/proc` is.
#[derive(Default)]
struct Scan {
    /// Processes that were not looked at yet, and how many files of each are looked at.
    ahead: VecDeque<(u32, usize)>,
    seen: Seen,
}

/// Whose a socket is.
#[derive(Clone, Copy)]
struct Owned {
    /// The place of its owner.
    process: u32,
    /// What the kernel knows it by, once it was listed: the number of its file may be given to another one later. 0: not yet.
    cookie: u64,
    /// Whether it was listed lately.
    listed: bool,
}

/// What a look has seen.
#[derive(Default)]
struct Seen {
    /// Processes whose files may be looked at.
    open: usize,
    /// Those whose may not.
    closed: usize,
}

impl Owners {
    /// Of the processes in this folder, `/proc`. Nothing has been looked at yet.
    pub fn new(proc: &Path) -> Self {
        Self::with_source(proc, Source::Proc(Scan::default()))
    }

    /// The same, told by the kernel: what these processes are is still in that folder.
    pub fn of_kernel(proc: &Path, files: OpenFiles) -> Self {
        Self::with_source(proc, Source::Kernel(files))
    }

    fn with_source(proc: &Path, source: Source) -> Self {
        Self {
            proc: proc.into(),
            source,
            sockets: HashMap::default(),
            processes: Vec::new(),
            next: Instant::now(),
            refused: None,
        }
    }

    /// Why some owners are not known, in words; `None`: everything could be looked at the last time.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Looks at all processes, unless it is too early; whether it did.
    pub fn look_again(&mut self) -> bool {
        let due = Instant::now() >= self.next;
        if due {
            self.look(LATER);
        }
        due
    }

    /// Looks at all processes, as far as that takes no longer than `patience`.
    pub fn look(&mut self, patience: Duration) {
        let began = Instant::now();
        let Self { proc, source, sockets, processes, .. } = self;
        let mut found = Found { proc, sockets, processes };
        let looked = match source {
            Source::Kernel(files) => found.ask(files, began + patience),
            Source::Proc(scan) => scan.go_on(&mut found, began + patience),
        };
        self.refused = match (looked, &mut self.source) {
            (Err(error), Source::Kernel(_)) => Some(format!("asking the kernel for open files: {error}")),
            (Err(error), Source::Proc(_)) => Some(format!("reading {}: {error}", self.proc.display())),
            (Ok(false), _) => Some("there are too many open files to look at at once".into()),
            (Ok(true), Source::Kernel(_)) => None,
            (Ok(true), Source::Proc(scan)) => match std::mem::take(&mut scan.seen) {
                Seen { closed: 0, .. } => None,
                Seen { open: 0, .. } => Some("no process may be looked at".into()),
                Seen { closed, .. } => Some(format!("{closed} processes are of others, and may not be looked at")),
            },
        };
        self.next = Instant::now() + began.elapsed() * SHARE;
    }
    /// Tells each of these sockets its owner, as far as it is known, and returns the owners. Others are forgotten, if `all` says that
    /// there are no others.
    pub fn of(&mut self, sockets: &mut [SocketRow], all: bool) -> Vec<Process> {
        let mut places: Vec<Option<u32>> = vec![None; self.processes.len()];
        let mut owners = Vec::new();
        self.sockets.values_mut().for_each(|owned| owned.listed = !all);
        for socket in sockets.iter_mut().filter(|socket| socket.inode != 0) {
            let key = match &self.source {
                Source::Kernel(_) if socket.cookie != 0 => socket.cookie,
                Source::Kernel(_) => SocketRow::by_file(socket.inode),
                Source::Proc(_) => socket.inode.into(),
            };
            let Some(owned) = self.sockets.get_mut(&key) else { continue };
            if owned.cookie != 0 && owned.cookie != socket.cookie {
                continue;
            }
            (owned.cookie, owned.listed) = (socket.cookie, true);
            let (Some(place), Some(process)) =
                (places.get_mut(owned.process as usize), self.processes.get(owned.process as usize))
            else {
                continue;
            };
            socket.owner = Some(*place.get_or_insert_with(|| {
                owners.push(process.clone());
                owners.len() as u32 - 1
            }));
        }
        self.sockets.retain(|_, owned| owned.listed);
        if all {
            self.forget_processes(&places, &owners);
        }
        owners
    }

    /// Keeps the processes whose sockets are still there, at their new places.
    fn forget_processes(&mut self, places: &[Option<u32>], owners: &[Process]) {
        let place = |owned: &Owned| places.get(owned.process as usize).copied().flatten();
        self.sockets.retain(|_, owned| match place(owned) {
            Some(place) => {
                owned.process = place;
                true
            }
            None => false,
        });
        self.processes = owners.to_vec();
    }
}

/// What is found in a look.
struct Found<'a> {
    proc: &'a Path,
    sockets: &'a mut HashMap<u64, Owned, RandomState>,
    processes: &'a mut Vec<Process>,
}

impl Found<'_> {
    /// Asks the kernel; whether it told all.
    fn ask(&mut self, files: &OpenFiles, until: Instant) -> io::Result<bool> {
        let known = (0..).zip(&*self.processes).map(|(place, one)| ((one.pid, one.started), place));
        let mut places: HashMap<(u32, u64), u32, RandomState> = known.collect();
        let mut is_whole = true;
        files.read(|open| {
            if Instant::now() > until || self.sockets.len() >= MOST {
                is_whole = false;
                return ControlFlow::Break(());
            }
            let OpenSocket { cookie, began_ns, process: pid, uid, comm, inode } = open;
            let place = *places.entry((pid, began_ns / TICK_NS)).or_insert_with(|| {
                self.processes.push(process::told(self.proc, pid, began_ns, &comm, uid));
                self.processes.len() as u32 - 1
            });
            if cookie != 0 {
                self.enter(cookie, Owned { process: place, cookie, listed: true });
            }
            // As much of it as lists tell.
            if let Some(inode) = Some(inode as u32).filter(|inode| *inode != 0) {
                self.enter(SocketRow::by_file(inode), Owned { process: place, cookie: 0, listed: true });
            }
            ControlFlow::Continue(())
        })?;
        Ok(is_whole)
    }

    /// Where a process is among those that are known.
    fn place(&mut self, process: Process) -> u32 {
        let known = self.processes.iter().position(|one| (one.pid, one.started) == (process.pid, process.started));
        let place = known.unwrap_or(self.processes.len());
        match self.processes.get_mut(place) {
            Some(known) => *known = process,
            None => self.processes.push(process),
        }
        place as u32
    }

    /// A socket that several processes have is the oldest one's, as those of servers that fork are; but not that of systemd, which holds
    /// those of services that it starts when somebody connects.
    fn enter(&mut self, key: u64, owned: Owned) {
        let rank = |place: u32| self.processes.get(place as usize).map(|one| (one.pid == 1, one.started));
        match self.sockets.entry(key) {
            Entry::Occupied(mut known) => {
                if rank(owned.process) < rank(known.get().process) {
                    known.get_mut().process = owned.process;
                }
            }
            Entry::Vacant(place) => _ = place.insert(owned),
        }
    }
}

impl Scan {
    /// Goes on where the look before had to stop; whether all processes were looked at.
    fn go_on(&mut self, found: &mut Found<'_>, until: Instant) -> io::Result<bool> {
        if self.ahead.is_empty() {
            self.seen = Seen::default();
            for entry in fs::read_dir(found.proc)? {
                let pid = entry?.file_name().to_str().and_then(|name| name.parse().ok());
                self.ahead.extend(pid.map(|pid| (pid, FIRST)));
            }
        }
        while let Some((pid, most)) = self.ahead.pop_front() {
            if Instant::now() > until || found.sockets.len() >= MOST {
                self.ahead.push_front((pid, most));
                return Ok(false);
            }
            match scan_process(found, pid, most) {
                Ok(true) => self.seen.open += 1,
                Ok(false) => self.ahead.push_back((pid, usize::MAX)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => self.seen.closed += 1,
            }
        }
        Ok(true)
    }
}

/// Looks at so many files of a process; whether it has no more.
fn scan_process(found: &mut Found<'_>, pid: u32, most: usize) -> io::Result<bool> {
    let folder = File::open(found.proc.join(pid.to_string()).join("fd"))?;
    let (mut place, mut target) = (None, Vec::new());
    for (looked, file) in Dir::read_from(&folder)?.enumerate() {
        if looked >= most {
            return Ok(false);
        }
        let Ok(link) = readlinkat(&folder, file?.file_name(), target) else {
            // `.` and `..`, and what was closed meanwhile.
            target = Vec::new();
            continue;
        };
        target = link.into_bytes();
        let Some(inode) = inode(&target) else { continue };
        if place.is_none() {
            let Some(process) = process::read(found.proc, pid) else { return Ok(true) };
            place = Some(found.place(process));
        }
        if let Some(process) = place {
            found.enter(inode.into(), Owned { process, cookie: 0, listed: true });
        }
    }
    Ok(true)
}

/// The number of a socket's file, from what its descriptor leads to: `socket:[77000]`.
fn inode(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs::create_dir_all, os::unix::fs::symlink};

    use super::*;

    /// A process in a folder that looks like `/proc`, with these sockets and another file.
    fn process(proc: &Path, pid: u32, started: u64, sockets: &[u32]) {
        let folder = proc.join(pid.to_string());
        create_dir_all(folder.join("fd")).expect("a folder");
        let stat = format!("{pid} (p{pid}) S {} {started} 0\n", "0 ".repeat(18).trim());
        fs::write(folder.join("stat"), stat).expect("a file");
        fs::write(folder.join("status"), "Uid:\t1\t1\t1\t1\n").expect("a file");
        symlink("/dev/null", folder.join("fd/0")).expect("a link");
        for (at, inode) in sockets.iter().enumerate() {
            symlink(format!("socket:[{inode}]"), folder.join(format!("fd/{}", at + 3))).expect("a link");
        }
    }

    fn rows(sockets: &[(u32, u64)]) -> Vec<SocketRow> {
        sockets
            .iter()
            .map(|(inode, cookie)| SocketRow { inode: *inode, cookie: *cookie, ..SocketRow::default() })
            .collect()
    }

    /// Processes that the next look begins with.
    fn ahead(known: &Owners) -> usize {
        match &known.source {
            Source::Proc(scan) => scan.ahead.len(),
            Source::Kernel(_) => 0,
        }
    }

    /// Who has each of these sockets.
    fn owners(owners: &mut Owners, sockets: &[(u32, u64)]) -> Vec<Option<u32>> {
        let mut rows = rows(sockets);
        let processes = owners.of(&mut rows, true);
        rows.iter().map(|row| Some(processes[row.owner? as usize].pid)).collect()
    }

    #[test]
    fn sockets_are_of_who_has_them_open() {
        let proc = tempfile::tempdir().expect("a folder");
        process(proc.path(), 1, 1, &[11, 12]);
        process(proc.path(), 20, 500, &[12, 13]);
        process(proc.path(), 21, 400, &[13, 14]);
        process(proc.path(), 22, 600, &[]);
        fs::write(proc.path().join("version"), "").expect("a file");
        let mut known = Owners::new(proc.path());
        known.look(PATIENCE);
        assert_eq!(known.refused(), None);
        let all = [(11, 1), (12, 2), (13, 3), (14, 4), (15, 5), (0, 6)];
        assert_eq!(owners(&mut known, &all), [Some(1), Some(20), Some(21), Some(21), None, None]);
        // The number of a file is given again.
        assert_eq!(owners(&mut known, &[(11, 1), (13, 99)]), [Some(1), None]);
        assert_eq!(owners(&mut known, &[(13, 3)]), [None], "forgotten with its socket");
        assert!(known.processes.is_empty() && known.sockets.is_empty());
    }

    #[test]
    fn what_was_found_is_kept_when_nothing_can_be_looked_at_any_more() {
        let proc = tempfile::tempdir().expect("a folder");
        let folder = proc.path().join("proc");
        process(&folder, 20, 500, &[12]);
        let mut known = Owners::new(&folder);
        known.look(PATIENCE);
        fs::remove_dir_all(&folder).expect("removing it");
        known.look(PATIENCE);
        assert!(known.refused().is_some_and(|why| why.starts_with("reading ")), "{:?}", known.refused());
        assert_eq!(owners(&mut known, &[(12, 2), (13, 3)]), [Some(20), None]);
    }

    #[test]
    fn one_process_with_many_files_does_not_keep_others_from_being_looked_at() {
        let proc = tempfile::tempdir().expect("a folder");
        let many: Vec<u32> = (1_000..2_000).collect();
        process(proc.path(), 20, 500, &many);
        process(proc.path(), 21, 500, &[13]);
        let mut known = Owners::new(proc.path());
        known.look(PATIENCE);
        assert_eq!(known.refused(), None);
        assert_eq!(owners(&mut known, &[(1_999, 1), (1_000, 2), (13, 3)]), [Some(20), Some(20), Some(21)]);
        // There is time for nobody; and then for all.
        let mut known = Owners::new(proc.path());
        known.look(Duration::ZERO);
        assert!(known.refused().is_some_and(|why| why.contains("too many")), "{:?}", known.refused());
        assert_eq!(ahead(&known), 2);
        known.look(PATIENCE);
        assert_eq!((known.refused(), ahead(&known)), (None, 0));
    }

    #[test]
    fn it_is_not_looked_again_at_once() {
        let proc = tempfile::tempdir().expect("a folder");
        process(proc.path(), 20, 500, &[12]);
        let mut known = Owners::new(proc.path());
        known.look(PATIENCE);
        assert!(known.next > Instant::now());
        process(proc.path(), 21, 500, &[13]);
        assert!(!known.look_again());
        assert_eq!(owners(&mut known, &[(12, 2), (13, 3)]), [Some(20), None]);
    }

    #[test]
    fn only_sockets_have_inodes() {
        for (target, expected) in [
            ("socket:[77000]", Some(77_000)),
            ("socket:[4294967296]", None),
            ("socket:[]", None),
            ("socket:[1", None),
            ("pipe:[1]", None),
            ("/dev/null", None),
        ] {
            assert_eq!(inode(target.as_bytes()), expected, "{target}");
        }
    }
}
