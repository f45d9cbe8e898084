//! A terminal of a program's own, on which everything it draws is read, and thrown away or kept.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A pseudo-terminal. It stays when this is dropped, until the last program on it has ended.
#[derive(Debug)]
pub struct Terminal {
    /// Where the person types.
    pub keyboard: File,
    leaves: Arc<AtomicBool>,
    person: JoinHandle<()>,
}

/// Makes a pseudo-terminal for a program that draws for a short time, as [`Terminal::of`]: everything it sends to it, as it
/// comes.
///
/// # Errors
/// What the kernel says.
pub fn record(command: &mut Command, columns: u16, rows: u16) -> io::Result<Arc<Mutex<Vec<u8>>>> {
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let kept = drawn.clone();
    Terminal::watched(command, columns, rows, move |bytes| kept.lock().expect("no panic").extend(bytes))?;
    Ok(drawn)
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
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
        let leaves = Arc::new(AtomicBool::new(false));
        let told = leaves.clone();
        let person = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            // An error is the end: no program holds the terminal any more.
            while !told.load(Ordering::SeqCst)
                && let Ok(count @ 1..) = person.read(&mut buffer)
            {
                see(&buffer[..count]);
            }
        });
        Ok(Self { keyboard, leaves, person })
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
