//! The journal for a monitor: `journalctl` follows it, and what it prints is handed over entry by entry. Where it ends, another one goes on after the last
//! entry that was handed over. What the monitor does not take waits in the journal.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

use nettop_logs::tail::{MOST_LINE, TROUBLE};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use serde::Deserialize;

use crate::{
    job::End,
    runner::{self, Ran},
};

const PROGRAM: &str = "journalctl";
/// What is told of an entry, beside its place and time.
const FIELDS: &str = "--output-fields=MESSAGE,_COMM,_UID,_PID";
/// Which entries: those that a process of root's has written that is called so, which is the kernel's word. `+` is "or".
const OF_SSHD: [&str; 8] =
    ["_UID=0", "_COMM=sshd", "+", "_UID=0", "_COMM=sshd-session", "+", "_UID=0", "_COMM=sshd-auth"];
/// How long it may take to find the newest entry.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before it is started again.
const PAUSE: Duration = Duration::from_secs(2);
/// After so many that end without an entry it is not believed any more that the last one is there still.
const MOST_VAIN: u32 = 3;
/// Bytes of what it complains of that are told.
const MOST_COMPLAINT: usize = 512;
/// The longest cursor that is taken for one.
const MOST_CURSOR: usize = 512;

/// The kernel's number of this boot, in hexadecimal digits and hyphens. `journalctl --follow` shows no entries of others.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Where an entry is.
#[derive(Deserialize)]
struct Place {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "_BOOT_ID")]
    boot: Option<String>,
}

fn place(line: &[u8]) -> Option<Place> {
    let place: Place = serde_json::from_slice(line).ok()?;
    let is_one = place.cursor.len() <= MOST_CURSOR && place.cursor.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then_some(place)
}

fn cursor(line: &[u8]) -> Option<String> {
    place(line).map(|place| place.cursor)
}

/// Whether an entry is of another boot than the one that this process is told of, as in a container whose number of the boot is hidden from its
/// units.
fn is_of_another(boot: Option<&str>, told: &str) -> bool {
    let told: String = told.trim().chars().filter(|c| *c != '-').collect();
    boot.is_some_and(|boot| !told.is_empty() && boot != told)
}

/// Looks for the newest entry of root's: whether there is a journal that this user may read, and where its end is.
///
/// # Errors
/// There is no `journalctl`, or no such entry, and what to do.
fn newest(asker: BorrowedFd<'_>) -> Result<String, String> {
    let path = runner::tool(PROGRAM)?;
    let arguments = ["--quiet", "--lines=1", "--output=json", "--output-fields=_UID", "_UID=0"].map(String::from);
    let Ran { end, output, .. } = runner::run(&path, &arguments, PATIENCE, MOST_LINE, asker);
    let found = output.split(|byte| *byte == b'\n').find_map(place);
    match (end, found) {
        (End::Exited(0), Some(Place { boot, .. }))
            if is_of_another(boot.as_deref(), &fs::read_to_string(BOOT).unwrap_or_default()) =>
        {
            Err(format!(
                "the newest entry is of another boot than {BOOT} tells, and {PROGRAM} follows those of that boot alone: a unit in a container is told \
                 the number of its host; follow files (--auth-log)"
            ))
        }
        (End::Exited(0), Some(Place { cursor, .. })) => Ok(cursor),
        _ => Err(format!(
            "{PROGRAM} shows user {} nothing that root has written: journald does not run, or this user may not read its files; start it as root, or have it \
             be a member of group systemd-journal",
            rustix::process::geteuid().as_raw()
        )),
    }
}

/// Whether the journal can be read by this user.
///
/// # Errors
/// Why not, and what to do.
pub fn look() -> Result<(), String> {
    let (asker, _other) = UnixStream::pair().map_err(|error| error.to_string())?;
    newest(asker.as_fd()).map(drop)
}

/// Hands entries over until the other end is gone.
pub(crate) fn relay(asker: UnixStream) {
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut relay = Relay { asker, began, cursor: None, is_in_trouble: false, pending: Vec::new() };
    // An error is the end of the monitor.
    let _ = relay.run();
}

struct Relay {
    asker: UnixStream,
    /// Unix seconds.
    began: u64,
    /// Where the last entry is that was handed over, or the last one that was there before.
    cursor: Option<String>,
    /// Whether the monitor was told that there is something wrong.
    is_in_trouble: bool,
    /// The beginning of an entry whose end has not come.
    pending: Vec<u8>,
}

impl Relay {
    fn run(&mut self) -> io::Result<()> {
        let mut at_first = None;
        match newest(self.asker.as_fd()) {
            Ok(cursor) => {
                self.cursor = Some(cursor);
                self.all_is_well()?;
            }
            Err(why) => {
                self.tell(&why)?;
                at_first = Some(why);
            }
        }
        let mut vain = 0;
        loop {
            let before = self.cursor.clone();
            let mut why = match runner::tool(PROGRAM) {
                Ok(path) => self.follow(&path)?,
                Err(why) => why,
            };
            // As long as there was no entry, that is what keeps them away.
            if self.cursor.is_none()
                && let Some(at_first) = &at_first
            {
                why = format!("{at_first}; {why}");
            }
            self.tell(&why)?;
            vain = if self.cursor == before { vain + 1 } else { 0 };
            if vain >= MOST_VAIN {
                self.cursor = None;
            }
            self.wait(PAUSE)?;
        }
    }

    /// What it is told to do.
    fn arguments(&self) -> Vec<String> {
        let from = match &self.cursor {
            Some(cursor) => format!("--after-cursor={cursor}"),
            None => format!("--since=@{}", self.began),
        };
        let fixed = ["--follow", "--no-tail", "--output=json", FIELDS].into_iter();
        fixed.map(String::from).chain([from]).chain(OF_SSHD.map(String::from)).collect()
    }

    /// Has it follow the journal until it ends; returns why it has.
    fn follow(&mut self, path: &Path) -> io::Result<String> {
        let mut child =
            match runner::quiet(path, &self.arguments()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
                Ok(child) => child,
                Err(error) => return Ok(format!("{} cannot be run: {error}", path.display())),
            };
        let (mut complaint, group) = (String::new(), Pid::from_raw(child.id() as i32));
        let handed = self.hand_over(&mut child, &mut complaint);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = child.wait();
        self.pending.clear();
        handed?;
        let end = status.map_or("it cannot be waited for".into(), |status| status.to_string());
        let colon = if complaint.is_empty() { "" } else { ": " };
        Ok(format!("{PROGRAM} has ended ({end}){colon}{complaint}; it is started again"))
    }

    /// Until there is no more.
    fn hand_over(&mut self, child: &mut Child, complaint: &mut String) -> io::Result<()> {
        let (Some(mut output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else { return Ok(()) };
        let (mut buffer, mut complains) = (vec![0; MOST_LINE], true);
        loop {
            let mut waiting = vec![PollFd::new(&self.asker, PollFlags::empty()), PollFd::new(&output, PollFlags::IN)];
            if complains {
                waiting.push(PollFd::new(&errors, PollFlags::IN));
            }
            ready(&mut waiting, None)?;
            let is_ready = |at: usize| waiting.get(at).is_some_and(|fd| !fd.revents().is_empty());
            let (has_output, has_errors) = (is_ready(1), is_ready(2));
            if is_ready(0) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if has_errors {
                let length = errors.read(&mut buffer)?;
                complains = length > 0;
                if complains {
                    let text = String::from_utf8_lossy(&buffer[..length.min(MOST_COMPLAINT)]).replace('\n', " ");
                    text.trim().clone_into(complaint);
                    self.tell(complaint)?;
                }
            }
            if has_output {
                match output.read(&mut buffer)? {
                    0 => return Ok(()),
                    length => self.entries(&buffer[..length])?,
                }
            }
        }
    }

    /// Hands over those that are whole: of one that is cut off by the end of the program another program tells all.
    fn entries(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        let whole = match self.pending.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            // Nobody reads so long a line; it is counted as one that is too long.
            None if self.pending.len() > 2 * MOST_LINE => {
                self.pending.push(b'\n');
                self.pending.len()
            }
            None => return Ok(()),
        };
        if std::mem::take(&mut self.is_in_trouble) {
            self.all_is_well()?;
        }
        let rest = self.pending.split_off(whole);
        let entries = std::mem::replace(&mut self.pending, rest);
        for line in entries.split_inclusive(|byte| *byte == b'\n') {
            // It prints nothing else than objects; what is no entry must not look like a word of this process.
            if line.first() == Some(&TROUBLE) {
                self.asker.write_all(b" ")?;
            }
            self.asker.write_all(line)?;
        }
        let last = entries.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        self.cursor = last.and_then(cursor).or(self.cursor.take());
        Ok(())
    }

    fn all_is_well(&mut self) -> io::Result<()> {
        self.asker.write_all(&[TROUBLE, b'\n'])
    }

    fn tell(&mut self, why: &str) -> io::Result<()> {
        self.is_in_trouble = true;
        let line: Vec<u8> = [TROUBLE].into_iter().chain(why.replace('\n', " ").bytes()).chain([b'\n']).collect();
        self.asker.write_all(&line)
    }

    /// Waits while there is somebody at the other end.
    fn wait(&self, long: Duration) -> io::Result<()> {
        match ready(&mut [PollFd::new(&self.asker, PollFlags::empty())], Some(long))? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// How many are ready.
fn ready(waiting: &mut [PollFd<'_>], most: Option<Duration>) -> io::Result<usize> {
    let most = most.map(|most| Timespec { tv_sec: most.as_secs() as _, tv_nsec: most.subsec_nanos() as _ });
    loop {
        match poll(waiting, most.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
