//! A terminal of a program's own, on which everything it draws is read, and thrown away or kept; or not read, for a while.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What programs ask to learn that a terminal has shown everything before it (DSR 5), and what every terminal answers.
pub const QUESTION: &[u8] = b"\x1b[5n";
const ANSWER: &[u8] = b"\x1b[0n";
/// How soon somebody notices that he is to look away, or to leave.
const BLINK: Duration = Duration::from_millis(10);

/// Changes the size of the terminal of which this is the keyboard, as its user does with a window.
pub fn resize(keyboard: &File, columns: u16, rows: u16) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one size, which lives as long as the call.
    let result = unsafe { libc::ioctl(keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// A pseudo-terminal. It stays when this is dropped, until the last program on it has ended.
#[derive(Debug)]
pub struct Terminal {
    /// Where the person types.
    pub keyboard: File,
    leaves: Arc<AtomicBool>,
    away: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    person: JoinHandle<()>,
}

/// Makes a pseudo-terminal as [`Terminal::of`] for a program that draws for a short time: with everything it sends to it, as it
/// comes.
///
/// # Errors
/// What the kernel says.
pub fn record(command: &mut Command, columns: u16, rows: u16) -> io::Result<(Terminal, Arc<Mutex<Vec<u8>>>)> {
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let kept = drawn.clone();
    let see = move |bytes: &[u8]| kept.lock().expect("no panic").extend(bytes);
    Ok((Terminal::watched(command, columns, rows, see)?, drawn))
}

/// How often the question was asked.
pub fn questions(drawn: &[u8]) -> usize {
    drawn.windows(QUESTION.len()).filter(|window| *window == QUESTION).count()
}

impl Terminal {
    /// Makes a pseudo-terminal of so many columns and rows the input, output and error output of `command`. A thread plays
    /// the person in front of it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn of(command: &mut Command, columns: u16, rows: u16) -> io::Result<Self> {
        Self::watched(command, columns, rows, |_| ())
    }

    /// The same; everything that is drawn is given to `see`, as it comes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn watched(
        command: &mut Command,
        columns: u16,
        rows: u16,
        mut see: impl FnMut(&[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let (mut person, program) = open(columns, rows)?;
        let keyboard = person.try_clone()?;
        let copy = || program.try_clone().map(Stdio::from);
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LC_ALL", "C.UTF-8")] {
            if command.get_envs().all(|(given, _)| given != name) {
                command.env(name, value);
            }
        }
        command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
        let leaves = Arc::new(AtomicBool::new(false));
        let away = Arc::new(AtomicBool::new(false));
        let answers_nothing = Arc::new(AtomicBool::new(false));
        let (left, looks_away, silent) = (leaves.clone(), away.clone(), answers_nothing.clone());
        let person = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            let mut last = Vec::new();
            while !left.load(Ordering::SeqCst) {
                if looks_away.load(Ordering::SeqCst) || !is_readable(&person) {
                    thread::sleep(BLINK);
                    continue;
                }
                // An error is the end: no program holds the terminal any more.
                let Ok(count @ 1..) = person.read(&mut buffer) else { return };
                see(&buffer[..count]);
                // A question may come in two parts.
                last.extend(&buffer[..count]);
                let asked = if silent.load(Ordering::SeqCst) { 0 } else { questions(&last) };
                last.drain(..last.len().saturating_sub(QUESTION.len() - 1));
                // As for reading.
                (0..asked).for_each(|_| drop(person.write_all(ANSWER)));
            }
        });
        Ok(Self { keyboard, leaves, away, silent: answers_nothing, person })
    }

    /// Has the person read nothing from now on, until told otherwise.
    pub fn look_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
        // What was being read is read then.
        thread::sleep(2 * BLINK);
    }

    /// Has the terminal answer no question from now on, until told otherwise.
    pub fn fall_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Makes it the controlling terminal of `command`, in a session of its own: closing it then sends SIGHUP.
    pub fn control(&self, command: &mut Command) {
        let take = || {
            // SAFETY: between fork and exec; plain system calls that allocate nothing.
            match unsafe { libc::setsid() != -1 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 } {
                true => Ok(()),
                false => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: as above.
        unsafe { command.pre_exec(take) };
    }

    /// Closes it under the program, with its next picture.
    pub fn close(self) {
        self.leaves.store(true, Ordering::SeqCst);
        self.person.join().expect("reading does not panic");
    }
}

/// Whether there is something to read, or nobody who writes any more.
fn is_readable(file: &File) -> bool {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one place, which lives as long as the call.
    unsafe { libc::poll(&raw mut poll, 1, BLINK.as_millis() as i32) > 0 }
}

/// Both ends.
fn open(columns: u16, rows: u16) -> io::Result<(File, OwnedFd)> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut person, mut program) = (-1, -1);
    // SAFETY: places for two integers, a size, and neither a name nor settings.
    let result =
        unsafe { libc::openpty(&raw mut person, &raw mut program, ptr::null_mut(), ptr::null(), &raw const size) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    for fd in [person, program] {
        // SAFETY: plain integers. Otherwise a child would keep the person's end open for ever.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: on success these are new descriptors, which nobody else owns.
    Ok(unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(program)) })
}
