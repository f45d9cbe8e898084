//! A terminal of a program's own, on which everything it draws is read and thrown away.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{FromRawFd as _, OwnedFd},
    process::{Command, Stdio},
    ptr, thread,
};

/// Makes a pseudo-terminal of so many columns and rows the input, output and error output of `command`. A thread plays the
/// person in front of it, until the last program on it has ended. Returns where to type.
///
/// # Errors
/// What the kernel says.
pub fn attach(command: &mut Command, columns: u16, rows: u16) -> io::Result<File> {
    let (mut person, program) = open(columns, rows)?;
    let keyboard = person.try_clone()?;
    let copy = || program.try_clone().map(Stdio::from);
    command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        // An error is the end: no program holds the terminal any more.
        while person.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    Ok(keyboard)
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
