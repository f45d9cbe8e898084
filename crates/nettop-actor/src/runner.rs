//! Runs one program: bounded in time and in output, and nothing of it left behind.

use std::{
    fs::Metadata,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::{fs::MetadataExt as _, fs::PermissionsExt as _, process::CommandExt as _, process::ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};

use crate::job::End;

/// Where firewall tools are looked for, whatever `PATH` says; and what hooks have as theirs.
pub const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// How often it is looked whether a program has ended that prints nothing any more.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What it printed.
    pub output: Vec<u8>,
    /// Bytes beyond what is kept.
    pub cut: u64,
    /// Whether who had asked for it is gone.
    pub is_orphan: bool,
}

impl Ran {
    /// Of what has printed nothing.
    pub fn new(end: End) -> Self {
        Self { end, output: Vec::new(), cut: 0, is_orphan: false }
    }
}

/// Runs it for `most` at most, and while there is somebody at the other end of `asker`. `keep`: bytes of output.
pub fn run(program: &Path, arguments: &[String], most: Duration, keep: usize, asker: BorrowedFd<'_>) -> Ran {
    let mut ran = Ran::new(End::Late);
    match spawn(program, arguments) {
        Err(error) => ran.end = End::NotRun(format!("{} cannot be run: {error}", program.display())),
        Ok((mut child, mut output)) => {
            let until = Instant::now() + most;
            let status = watch(&mut child, &mut output, until, keep, asker, &mut ran);
            if let Ok(Some(status)) = status {
                ran.end = end_of(status);
            }
            // In any case: what it has started goes with it.
            if let Some(group) = Pid::from_raw(child.id() as i32) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
        }
    }
    ran
}

fn spawn(program: &Path, arguments: &[String]) -> io::Result<(Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let child = quiet(program, arguments).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    Ok((child, reader))
}

/// A program that gets nothing of ours.
pub fn quiet(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", FOLDERS.join(":")).current_dir("/").stdin(Stdio::null());
    // A group of its own, to be killed with all that it starts.
    command.process_group(0);
    command
}

/// Takes its output until it ends. `None`: its time is over, or its asker is gone.
fn watch(
    child: &mut Child,
    output: &mut io::PipeReader,
    until: Instant,
    keep: usize,
    asker: BorrowedFd<'_>,
    ran: &mut Ran,
) -> io::Result<Option<ExitStatus>> {
    let mut is_open = true;
    let mut buffer = [0; 16 << 10];
    loop {
        // A program may end while something that it has started holds its output open.
        if let Some(status) = child.try_wait()? {
            take_rest(output, &mut buffer, keep, ran);
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let pause = if is_open { left.min(Duration::from_millis(100)) } else { left.min(PAUSE) };
        let mut waiting = vec![PollFd::from_borrowed_fd(asker, PollFlags::empty())];
        if is_open {
            waiting.push(PollFd::new(output, PollFlags::IN));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: pause.as_nanos() as _ };
        poll(&mut waiting, Some(&timeout)).or_else(|error| match error {
            rustix::io::Errno::INTR => Ok(0),
            other => Err(other),
        })?;
        if waiting[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            ran.is_orphan = true;
            return Ok(None);
        }
        if waiting.get(1).is_some_and(|output| !output.revents().is_empty()) {
            is_open = take(output, &mut buffer, keep, ran)?;
        }
    }
}

/// Whether there may be more.
fn take(output: &mut io::PipeReader, buffer: &mut [u8], keep: usize, ran: &mut Ran) -> io::Result<bool> {
    let count = output.read(buffer)?;
    let kept = count.min(keep.saturating_sub(ran.output.len()));
    ran.output.extend_from_slice(&buffer[..kept]);
    ran.cut += (count - kept) as u64;
    Ok(count > 0)
}

/// What is in the pipe already.
fn take_rest(output: &mut io::PipeReader, buffer: &mut [u8], keep: usize, ran: &mut Ran) {
    let is_there = |output: &io::PipeReader| {
        let mut waiting = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
        poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && waiting[0].revents().contains(PollFlags::IN)
    };
    while is_there(output) && take(output, buffer, keep, ran).unwrap_or(false) {}
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    }
}

/// Looks for a tool of the system, by its name.
///
/// # Errors
/// There is none, or others than root can change it.
pub fn tool(name: &str) -> Result<PathBuf, String> {
    let path = FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    let path = path.ok_or_else(|| format!("there is no {name} in {}; install it", FOLDERS.join(", ")))?;
    judge(&path, 0)?;
    Ok(path)
}

/// Whether `path` is a program that nobody but root and `owner` can change.
///
/// # Errors
/// Why not.
pub fn judge(path: &Path, owner: u32) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("{shown} is no absolute path: write where the program is"));
    }
    let data = path.metadata().map_err(|error| format!("{shown}: {error}"))?;
    if !data.is_file() || data.permissions().mode() & 0o111 == 0 {
        return Err(format!("{shown} is no program: a file that may be executed"));
    }
    let is_others = |data: &Metadata| data.mode() & 0o022 != 0 || data.uid() != 0 && data.uid() != owner;
    if is_others(&data) {
        return Err(format!(
            "others than its owner can write to {shown}, or it belongs to somebody else: chmod go-w it"
        ));
    }
    // Who can write to the folder can put another program there.
    let folder = path.canonicalize().ok().and_then(|path| path.parent()?.metadata().ok());
    let is_sticky = |data: &Metadata| data.mode() & 0o1000 != 0;
    if folder.is_some_and(|data| is_others(&data) && !is_sticky(&data)) {
        return Err(format!("others than its owner can write to the folder of {shown}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixStream};

    use super::*;

    fn shell(script: &str, most: Duration) -> Ran {
        let (asker, _other) = UnixStream::pair().unwrap();
        run("/bin/sh".as_ref(), &["-c".into(), script.into()], most, 64 << 10, asker.as_fd())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn programs_end_in_different_ways() {
        for (name, script, end, output) in [
            ("well", "echo fine", End::Exited(0), "fine\n"),
            ("both streams", "echo one; echo two >&2; exit 3", End::Exited(3), "one\ntwo\n"),
            ("a signal", "kill -9 $$", End::Killed(9), ""),
            ("no standard input", "cat; echo end", End::Exited(0), "end\n"),
            ("nothing of our environment", "echo $HOME$SUDO_UID; pwd", End::Exited(0), "\n/\n"),
            ("its output closed", "exec >&- 2>&-; sleep 0.05; exit 4", End::Exited(4), ""),
            ("what it left behind holds its output", "sleep 60 & echo gone", End::Exited(0), "gone\n"),
        ] {
            let ran = shell(script, LONG);
            assert_eq!((ran.end, String::from_utf8(ran.output).unwrap().as_str()), (end, output), "{name}");
            assert_eq!((ran.cut, ran.is_orphan), (0, false), "{name}");
        }
        let (asker, _other) = UnixStream::pair().unwrap();
        let ran = run("/nonexistent".as_ref(), &[], LONG, 10, asker.as_fd());
        assert!(matches!(ran.end, End::NotRun(why) if why.contains("/nonexistent")));
    }

    #[test]
    fn output_is_bounded_and_counted() {
        let ran = shell("head -c 1000000 /dev/zero", LONG);
        assert_eq!((ran.end, ran.output.len(), ran.cut), (End::Exited(0), 65_536, 1_000_000 - 65_536));
    }

    /// Processes whose command line has this word.
    fn running(word: &str) -> usize {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(word)).count()
    }

    #[test]
    fn at_the_deadline_the_whole_group_is_killed() {
        let ran =
            shell("sleep 61.25 & sleep 61.25 & head -c 1000000 /dev/zero; sleep 61.25", Duration::from_millis(400));
        assert_eq!((ran.end, ran.output.len()), (End::Late, 65_536));
        let until = Instant::now() + LONG;
        while running("61.25") > 0 && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        assert_eq!(running("61.25"), 0);
    }

    #[test]
    fn without_an_asker_it_is_killed() {
        let (asker, other) = UnixStream::pair().unwrap();
        let gone = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(other);
        });
        let ran = run("/bin/sleep".as_ref(), &["62.5".into()], LONG, 10, asker.as_fd());
        gone.join().unwrap();
        assert!(ran.is_orphan);
        assert_eq!(running("62.5"), 0);
    }

    #[test]
    fn what_others_can_change_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let owner = folder.path().metadata().unwrap().uid();
        let path = folder.path().join("hook");
        for (mode, folder_mode, part) in [
            (0o755, 0o755, None),
            (0o644, 0o755, Some("no program")),
            (0o775, 0o755, Some("chmod go-w")),
            (0o757, 0o755, Some("chmod go-w")),
            (0o755, 0o777, Some("the folder of")),
        ] {
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(folder_mode)).unwrap();
            match (judge(&path, owner), part) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.contains(part), "{error}"),
                (judged, part) => panic!("{mode:o}: {judged:?}, not {part:?}"),
            }
        }
        assert!(judge("hook".as_ref(), owner).unwrap_err().contains("absolute"));
        assert!(judge("/nonexistent/hook".as_ref(), owner).is_err());
        assert!(tool("sh").is_ok());
        assert!(tool("no-such-firewall").unwrap_err().contains("install it"));
    }
}
