//! The command line of a process: asked for by name, and never listed, since it may hold secrets.

use std::{
    fs::File,
    io::Read as _,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Bytes that are read of it.
const MOST: u64 = 16 << 10;
/// How long it is waited for. The kernel reads the memory of the process, whose lock somebody may hold for long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether the newest read goes on: there is one at a time.
static BUSY: AtomicBool = AtomicBool::new(false);

/// The arguments of the process of this number, its name first.
///
/// # Errors
/// In a sentence: it is gone, hidden, or does not answer.
pub fn read(pid: u32) -> Result<Vec<String>, String> {
    if BUSY.swap(true, Ordering::Relaxed) {
        return Err("the command line that was asked for before is still being read".into());
    }
    let (told, answer) = mpsc::sync_channel(1);
    let started = thread::Builder::new().name("nettop-process".into()).spawn(move || {
        let found = read_now(pid);
        BUSY.store(false, Ordering::Relaxed);
        // Nobody may be waiting any more.
        let _ = told.try_send(found);
    });
    if let Err(error) = started {
        BUSY.store(false, Ordering::Relaxed);
        return Err(format!("starting a thread that reads the command line of process {pid}: {error}"));
    }
    let late = || format!("process {pid} does not tell its command line: the kernel waits for its memory");
    answer.recv_timeout(PATIENCE).map_err(|_| late())?
}

fn read_now(pid: u32) -> Result<Vec<String>, String> {
    let path = format!("/proc/{pid}/cmdline");
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| format!("reading {path}: {error}"))?;
    Ok(arguments(&bytes))
}

/// The arguments, each of which ends with a zero byte. Threads of the kernel have none, and some programs overwrite theirs.
fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_with_a_zero() {
        for (bytes, expected) in [
            (&b"nginx\0-g\0daemon off;\0"[..], vec!["nginx", "-g", "daemon off;"]),
            (b"nginx: worker process", vec!["nginx: worker process"]),
            (b"a\0\0b\0", vec!["a", "", "b"]),
            (b"\xff\0", vec!["\u{fffd}"]),
            (b"", vec![]),
            (b"\0", vec![]),
        ] {
            assert_eq!(arguments(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn this_process_tells_its_command_line_and_one_that_is_gone_does_not() {
        let own: Vec<_> = std::env::args().collect();
        assert_eq!(read(std::process::id()), Ok(own));
        let error = read(u32::MAX).expect_err("there is none");
        assert!(error.contains("/proc/4294967295/cmdline"), "{error}");
    }
}
