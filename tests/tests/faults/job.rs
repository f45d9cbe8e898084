//! A shell with job control, and a screen that it stops and lets go on: the terminal is the shell's meanwhile, and nobody else's.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use nettop_tests::{
    monitor::{self, Monitor},
    program::{self, wait_for},
    screen::{Modes, PLAIN, Screen, TAKEN},
};
use serde_json::json;
use tempfile::TempDir;

/// Ctrl-Z.
const SUSPEND: &str = "\x1a";
/// In which nothing that is not to happen has happened.
const WHILE: Duration = Duration::from_millis(700);

/// A shell, and what it has started: nettop, by this command line.
struct Shell {
    screen: Screen,
    folder: TempDir,
    nettop: u32,
}

impl Shell {
    /// Starts `line`, in which NETTOP is the program, in a folder where its socket is.
    fn with(line: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut shell = Command::new("bash");
        // What is typed is echoed by the terminal, so that its settings tell whose it is.
        shell.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "PROMPT ").current_dir(folder.path());
        shell.env("NETTOP_NO_CONFIG", "1").env("NETTOP_CONTROL_SOCKET", folder.path().join("s"));
        let screen = Screen::start_session(shell, 100, 30);
        screen.wait_until("a prompt", |text| text.contains("PROMPT"));
        let program = program::path("nettop");
        screen.press(&format!("{}\n", line.replace("NETTOP", &program.display().to_string())));
        let nettop = wait_for(|| descendant(screen.pid())).unwrap_or_else(|| panic!("no nettop:\n{}", screen.text()));
        Self { screen, folder, nettop }
    }

    fn demo() -> Self {
        let shell = Self::with("NETTOP demo --no-geo --interval 0.2");
        shell.screen.wait_until_set(TAKEN);
        shell
    }

    fn signal(&self, signal: i32) {
        // SAFETY: plain integers.
        assert_eq!(unsafe { libc::kill(self.nettop as i32, signal) }, 0);
    }

    #[track_caller]
    fn wait_until_stopped(&self) {
        let stopped = || state(self.nettop) == Some('T') && self.screen.modes() == PLAIN;
        let found = wait_for(|| stopped().then_some(()));
        let (state, modes) = (state(self.nettop), self.screen.modes());
        assert!(found.is_some(), "{state:?} {modes:?}\n{}", self.screen.text());
    }

    /// Types at the shell, and expects it to do that.
    fn shell_listens(&self, word: &str) {
        self.screen.press(&format!("echo {word}-$((40+2))\n"));
        self.screen.wait_until("what the shell was asked for", |text| text.contains(&format!("{word}-42")));
    }

    /// Has it go on in the foreground, and expects it to hear keys and draw for them.
    fn goes_on(&self) {
        self.screen.press("fg\n");
        self.screen.wait_until_set(TAKEN);
        self.screen.wait_until("the sources", |text| text.contains("SOURCES") || text.contains("Sources"));
        self.screen.press("?");
        self.screen.wait_until("the help", |text| text.contains("Help"));
        self.screen.press("?");
        self.screen.wait_until("no help", |text| !text.contains("Help") && text.contains("Sources"));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // SAFETY: plain integers. It may be gone.
        unsafe { libc::kill(self.nettop as i32, libc::SIGKILL) };
    }
}

/// The nettop that this process, or one that it has started, has started.
fn descendant(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find_map(|child| {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        if name.trim() == "nettop" { Some(child) } else { descendant(child) }
    })
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}

fn packets(socket: &Path) -> u64 {
    let answer = monitor::ask(socket, &json!({"cmd": "snapshot"})).expect("an answer");
    answer["snapshot"]["total_packets"].as_u64().expect("a count")
}

#[test]
fn stopped_it_gives_the_terminal_back_and_continued_it_draws_anew() {
    let shell = Shell::demo();
    for (at, signal) in [None, Some(libc::SIGTSTP), Some(libc::SIGTTIN), Some(libc::SIGTTOU)].into_iter().enumerate() {
        match signal {
            None => shell.screen.press(SUSPEND),
            Some(signal) => shell.signal(signal),
        }
        shell.wait_until_stopped();
        shell.shell_listens(&format!("stopped{at}"));
        // The window is another one when it comes back.
        let columns = 110 + at as u16;
        shell.screen.resize(columns, 40);
        shell.goes_on();
        let wide = |text: &str| text.lines().any(|line| line.chars().count() > 100);
        shell.screen.wait_until("a picture of the new size", wide);
    }
    shell.screen.press("q");
    shell.screen.wait_until_set(PLAIN);
    shell.shell_listens("ended");
}

#[test]
fn in_the_background_it_counts_and_leaves_the_terminal_alone() {
    let shell = Shell::demo();
    for stop in [libc::SIGTSTP, libc::SIGSTOP] {
        shell.signal(stop);
        assert!(wait_for(|| (state(shell.nettop) == Some('T')).then_some(())).is_some());
        if stop == libc::SIGSTOP {
            // Nothing can be given back then; a person at the shell does so.
            shell.screen.press("\nstty sane; printf '\\e[?1049l\\e[?1000l\\e[?2004l\\e[?25h'\n");
            shell.screen.wait_until_set(PLAIN);
        }
        shell.screen.press("bg\n");
        let goes_on = wait_for(|| (state(shell.nettop) != Some('T')).then_some(()));
        assert!(goes_on.is_some(), "{}", shell.screen.text());
        let before = packets(&shell.folder.path().join("s"));
        shell.shell_listens(&format!("background{stop}"));
        thread::sleep(WHILE);
        assert_eq!(shell.screen.modes(), PLAIN);
        assert_ne!(state(shell.nettop), Some('T'), "it neither reads nor writes, which would stop it");
        assert!(packets(&shell.folder.path().join("s")) > before, "it counts");
        shell.shell_listens(&format!("still{stop}"));
        shell.goes_on();
    }
}

#[test]
fn what_is_being_typed_stays_and_all_of_a_pipe_is_stopped() {
    let shell = Shell::demo();
    shell.screen.press("/country:x");
    shell.screen.wait_until("a prompt", |text| text.contains("country:x"));
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    shell.screen.press("fg\n");
    // With the cursor that a prompt has.
    shell.screen.wait_until_set(Modes { no_cursor: false, ..TAKEN });
    shell.screen.wait_until("the prompt again", |text| text.contains("country:x"));
    drop(shell);

    // `cat` is stopped too, or the shell would wait for it.
    let shell = Shell::with("cat - /dev/zero </dev/null | NETTOP demo --no-geo");
    shell.screen.wait_until_set(TAKEN);
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    shell.shell_listens("pipe");
    shell.goes_on();
}

#[test]
fn attached_it_is_stopped_alike() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--no-geo", "--interval", "0.2"]);
    let monitor = Monitor::start(command, &folder.path().join("of-monitor"));
    let shell = Shell::with(&format!("NETTOP attach {}", monitor.socket().display()));
    shell.screen.wait_until_set(TAKEN);
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    let before = packets(monitor.socket());
    shell.shell_listens("attached");
    assert!(wait_for(|| (packets(monitor.socket()) > before).then_some(())).is_some(), "the monitor counts");
    shell.goes_on();
}

#[test]
fn started_in_the_background_it_waits_and_without_a_screen_it_stops_as_everybody_does() {
    let shell = Shell::with("NETTOP demo --no-geo &");
    shell.wait_until_stopped();
    shell.goes_on();
    drop(shell);

    let shell = Shell::with("NETTOP demo --no-geo --quiet");
    assert!(wait_for(|| shell.folder.path().join("s").exists().then_some(())).is_some());
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    shell.screen.press("bg\n");
    assert!(wait_for(|| (state(shell.nettop) != Some('T')).then_some(())).is_some());
}

#[test]
fn ended_while_it_is_stopped_it_leaves_the_shell_its_terminal() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        let shell = Shell::demo();
        shell.screen.press(SUSPEND);
        shell.wait_until_stopped();
        shell.signal(signal);
        shell.signal(libc::SIGCONT);
        assert!(wait_for(|| state(shell.nettop).is_none_or(|state| state == 'Z').then_some(())).is_some());
        assert_eq!(shell.screen.modes(), PLAIN);
        shell.shell_listens("ended");
    }
}

#[test]
fn where_no_shell_could_continue_it_it_is_not_stopped() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--no-geo", "--control-socket"]).arg(folder.path().join("s"));
    // A session's first process: nobody outside of its group is in it.
    let screen = Screen::start_session(command, 100, 30);
    for stop in [None, Some(libc::SIGTSTP), Some(libc::SIGTTOU)] {
        screen.wait_until_set(TAKEN);
        match stop {
            None => screen.press(SUSPEND),
            // SAFETY: plain integers.
            Some(signal) => assert_eq!(unsafe { libc::kill(screen.pid() as i32, signal) }, 0),
        }
        screen.wait_until("the reason", |text| text.contains("no shell is there"));
        screen.wait_until_set(TAKEN);
        // A key takes the message away.
        screen.press("2");
        screen.wait_until("no message", |text| !text.contains("no shell is there"));
        screen.press("1");
    }
    screen.press("q");
    assert!(screen.end().0.success());
}

#[test]
fn stopped_and_continued_at_once_it_goes_on() {
    let shell = Shell::demo();
    for _ in 0..50 {
        shell.signal(libc::SIGTSTP);
        shell.signal(libc::SIGCONT);
    }
    thread::sleep(WHILE);
    // The shell may have seen one of these stops: then it has the terminal, and nettop waits for it.
    let is_stopped = || state(shell.nettop) == Some('T');
    let settled = wait_for(|| (shell.screen.modes() == PLAIN || !is_stopped()).then_some(()));
    assert!(settled.is_some(), "nobody would continue it again");
    if shell.screen.modes() == PLAIN {
        shell.screen.press("\nfg\n");
    }
    shell.screen.wait_until_set(TAKEN);
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    shell.goes_on();
}

#[test]
fn who_has_it_ignore_the_signal_is_obeyed() {
    let shell = Shell::with("sh -c \"trap '' TSTP; exec NETTOP demo --no-geo\"");
    shell.screen.wait_until_set(TAKEN);
    shell.screen.press(SUSPEND);
    shell.screen.wait_until("the reason", |text| text.contains("SIGTSTP ignored"));
    assert_eq!(shell.screen.modes(), TAKEN);
    shell.screen.press("q");
    shell.screen.wait_until_set(PLAIN);
}

#[test]
fn what_was_asked_to_be_kept_is_kept_when_the_shell_goes_away_meanwhile() {
    let folder = TempDir::new().expect("a folder");
    let last = folder.path().join("last.json");
    let shell = Shell::with(&format!("NETTOP demo --no-geo --snapshot {}", last.display()));
    shell.screen.wait_until_set(TAKEN);
    shell.screen.press(SUSPEND);
    shell.wait_until_stopped();
    // The kernel sends SIGHUP and SIGCONT to the stopped jobs of a session that ends.
    // SAFETY: plain integers.
    assert_eq!(unsafe { libc::kill(shell.screen.pid() as i32, libc::SIGKILL) }, 0);
    assert!(wait_for(|| last.exists().then_some(())).is_some(), "{:?}", state(shell.nettop));
}
