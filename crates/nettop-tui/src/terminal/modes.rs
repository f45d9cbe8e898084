//! Taking the terminal, and giving it back: at the end, after an error, in a panic, and while its shell has it.

use std::{
    fs::File,
    io::{self, IsTerminal as _, stdin, stdout},
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use crossterm::{
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste},
    terminal::{EnterAlternateScreen, LeaveAlternateScreen},
};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};

use super::{job, line, sequence, turn::Turn};

/// Whether it took nothing when it was to be given back.
static STUCK: AtomicBool = AtomicBool::new(false);
/// Its settings before it was taken.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// How long the terminal may take to be given back; a terminal of 9600 baud still has some kilobytes before it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Ends whatever was broken off when the rest was thrown away (ST).
const END_OF_SEQUENCE: &str = "\x1b\\";
/// A special character of the terminal that no key types (`_POSIX_VDISABLE`).
const NONE: u8 = 0;

/// Whether the terminal took nothing when it was to be given back: nobody should write to it then, and wait.
pub fn is_stuck() -> bool {
    STUCK.load(Ordering::SeqCst)
}

/// Standard input; where that is no terminal, as with a capture that is read from it, the one that controls the process.
///
/// # Errors
/// There is none.
pub fn keyboard() -> io::Result<OwnedFd> {
    if stdin().is_terminal() { stdin().as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// Takes the terminal. It gives every byte as it is typed, but for `suspend`: of that the kernel makes SIGTSTP, for the whole job,
/// which a process confined as this one could not send to the others of a pipe.
///
/// # Errors
/// There is none, or it does not obey.
pub fn take(suspend: Option<u8>) -> io::Result<Turn> {
    let keyboard = keyboard()?;
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    // Where it was never given back, what the settings are now is not what they were.
    let settings = match &*before {
        Some(settings) => settings.clone(),
        None => tcgetattr(&keyboard)?,
    };
    job::in_foreground(|| tcsetattr(&keyboard, OptionalActions::Now, &raw(&settings, suspend)))?;
    *before = Some(settings);
    STUCK.store(false, Ordering::SeqCst);
    Ok(Turn::begin())
}

fn raw(settings: &Termios, suspend: Option<u8>) -> Termios {
    let mut raw = settings.clone();
    raw.make_raw();
    if let Some(key) = suspend {
        // What is on its way to the screen is for the screen to throw away, in one piece.
        raw.local_modes.insert(LocalModes::ISIG | LocalModes::NOFLSH);
        for (index, key) in
            [(SpecialCodeIndex::VSUSP, key), (SpecialCodeIndex::VINTR, NONE), (SpecialCodeIndex::VQUIT, NONE)]
        {
            raw.special_codes[index] = key;
        }
    }
    raw
}

/// What has a terminal show pictures, and hide what it shows now.
pub fn entrance() -> Vec<u8> {
    sequence(&[&EnterAlternateScreen, &EnableBracketedPaste, &cursor::Hide])
}

/// The terminal is somebody else's already: writes nothing to it.
pub fn leave() {
    let _ = Turn::end();
}

/// Gives the terminal back, once. What it was sent and has not read is thrown away first. Nothing can be done about errors:
/// then the terminal is gone; and a terminal that takes nothing is not waited for.
pub fn give_back() {
    let Some(given_back) = Turn::end() else { return };
    // The shell may have taken it already, when somebody before us in the job was stopped first. Then its settings are the
    // shell's matter; what we have shown is still ours to take away.
    let has_keyboard = job::is_foreground();
    // Should that change meanwhile.
    let _may_change = job::in_background();
    if has_keyboard {
        let _ = tcflush(stdout().as_fd(), QueueSelector::OFlush);
    }
    let mut bytes = END_OF_SEQUENCE.as_bytes().to_vec();
    bytes.extend(sequence(&[&DisableMouseCapture, &DisableBracketedPaste, &LeaveAlternateScreen, &cursor::Show]));
    let (done, written) = channel();
    let writer = thread::Builder::new().name("nettop-restore".into());
    let started = writer.spawn(move || {
        let _may_write = job::in_background();
        let _ = line::write_out(&bytes, || given_back.lasts());
        let _ = done.send(());
    });
    let took_it = started.is_ok() && written.recv_timeout(PATIENCE).is_ok();
    STUCK.store(!took_it, Ordering::SeqCst);
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if has_keyboard {
        // What it has answered since is not for the shell.
        let _ = tcflush(stdout().as_fd(), QueueSelector::IFlush);
        if let (Some(settings), Ok(keyboard)) = (before, keyboard()) {
            let _ = tcsetattr(keyboard, OptionalActions::Now, &settings);
        }
    }
}

/// A panic's message would go down with the alternate screen: gives the terminal back first.
pub fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            next(info);
        }));
    });
}
