//! A running nettop, asked over its control socket. Killed when dropped.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    net::Namespace,
    program::{self, Ended, deadline},
    terminal::Terminal,
};

/// What a snapshot says is degraded, but for what the kernel is too old for.
pub fn troubles(snapshot: &Value) -> Vec<&Value> {
    let rows = snapshot["degraded"].as_array().expect("a list").iter();
    rows.filter(|row| !row["reason"].as_str().is_some_and(|reason| reason.contains("which Linux"))).collect()
}

/// A running nettop.
#[derive(Debug)]
pub struct Monitor {
    child: Child,
    socket: PathBuf,
    /// Where its socket and its outputs are; `None`: where the test wants them.
    directory: Option<TempDir>,
    /// Where to type, where it has a terminal.
    keyboard: Option<File>,
}

impl Monitor {
    /// `nettop run` in a namespace, with further arguments separated by spaces; small and quick where they do not say
    /// otherwise.
    pub fn live(namespace: &Namespace, arguments: &str) -> Self {
        let mut command = namespace.command(program::path("nettop"));
        command.arg("run").args(arguments.split_whitespace());
        for (option, value) in [("--interval", "0.1"), ("--map-memory", "8")] {
            if !arguments.contains(option) {
                command.args([option, value]);
            }
        }
        // What this machine's own logs say is none of the tests' business.
        if !arguments.contains("access-log") {
            command.arg("--no-access-log");
        }
        Self::in_own_directory(command)
    }

    /// `nettop demo`, with further arguments separated by spaces.
    pub fn demo(arguments: &str) -> Self {
        let mut command = Command::new(program::path("nettop"));
        command.arg("demo").args(arguments.split_whitespace());
        if !arguments.contains("--interval") {
            command.args(["--interval", "0.1"]);
        }
        Self::in_own_directory(command)
    }

    /// `nettop run` in a namespace as somebody would start it: with these arguments alone, and with a screen, on a terminal of
    /// its own of so many columns and rows.
    pub fn on_terminal(namespace: &Namespace, arguments: &str, (columns, rows): (u16, u16)) -> Self {
        let directory = TempDir::new().expect("making a temporary directory");
        let mut command = namespace.command(program::path("nettop"));
        command.arg("run").args(arguments.split_whitespace()).current_dir(directory.path());
        let terminal = Terminal::of(&mut command, columns, rows).expect("making a terminal");
        let mut monitor = Self::spawn(command, &directory.path().join("nettop.sock"));
        monitor.directory = Some(directory);
        monitor.keyboard = Some(terminal.keyboard);
        monitor
    }

    /// Types on its terminal.
    pub fn press(&self, keys: &str) {
        let mut keyboard = self.keyboard.as_ref().expect("a monitor on a terminal");
        keyboard.write_all(keys.as_bytes()).expect("typing");
    }

    fn in_own_directory(command: Command) -> Self {
        let directory = TempDir::new().expect("making a temporary directory");
        let mut monitor = Self::start(command, &directory.path().join("nettop.sock"));
        monitor.directory = Some(directory);
        monitor
    }

    /// Starts `command` with its control socket there and without a screen, and waits until it answers.
    pub fn start(mut command: Command, socket: &Path) -> Self {
        let file =
            |extension| fs::File::create(socket.with_extension(extension)).expect("making a file for the output");
        command.arg("--quiet").stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        Self::spawn(command, socket)
    }

    /// Starts `command` with its control socket there, otherwise as it is, and waits until it answers. What it writes to
    /// the socket's path with the extension `out` or `err` is found there at the end.
    pub fn spawn(mut command: Command, socket: &Path) -> Self {
        let child = program::spawn(command.arg("--control-socket").arg(socket));
        let mut monitor = Self { child, socket: socket.into(), directory: None, keyboard: None };
        let ready = program::wait_for(|| {
            if let Some(status) = monitor.child.try_wait().expect("asking about a child") {
                panic!("{command:?} has ended, {status}: {}", monitor.output("err"));
            }
            ask(&monitor.socket, &json!({"cmd": "status"})).ok()
        });
        assert!(ready.is_some(), "{command:?} does not answer: {}", monitor.output("err"));
        monitor
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a request and returns the answer.
    pub fn request(&self, request: &Value) -> Value {
        ask(&self.socket, request).unwrap_or_else(|error| panic!("{request}: {error}; {}", self.output("err")))
    }

    /// Sends a request that must be answered with `ok`.
    #[track_caller]
    pub fn command(&self, request: &Value) -> Value {
        let answer = self.request(request);
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Value {
        self.command(&json!({"cmd": "snapshot"}))["snapshot"].take()
    }

    /// These groups of the newest snapshot, whole.
    pub fn groups(&self, names: &[&str]) -> Value {
        self.command(&json!({"cmd": "snapshot", "schema": 2, "groups": names, "limit": 0}))["snapshot"].take()
    }

    /// The first snapshot of which `condition` holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = program::wait_for(|| {
            last = self.snapshot();
            condition(&last).then(|| last.take())
        });
        found.unwrap_or_else(|| {
            panic!("never {what}: {} {} {}", last["accounting"], last["interfaces"], self.output("err"))
        })
    }

    /// The first snapshot in which so many packets were seen, the rejected ones included.
    #[track_caller]
    pub fn wait_until_seen(&self, packets: u64) -> Value {
        self.wait_until(&format!("{packets} packets seen"), |snapshot| {
            let seen = snapshot["accounting"]["seen"]["packets"].as_u64().expect("a number");
            assert!(seen <= packets, "{seen} packets seen, of {packets}");
            seen == packets
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: plain integers; the child has not been waited for, so its id is still its own.
        assert_eq!(unsafe { libc::kill(self.pid() as i32, signal) }, 0, "signalling the monitor");
    }

    /// Asks it to stop, and waits for its end.
    pub fn stop(self) -> Ended {
        self.command(&json!({"cmd": "stop"}));
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let status = program::wait(&mut self.child);
        let status = status.unwrap_or_else(|| panic!("the monitor does not end: {}", self.output("err")));
        Ended { status, stdout: self.output("out"), stderr: self.output("err") }
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.output("err")
    }

    fn output(&self, extension: &str) -> String {
        fs::read_to_string(self.socket.with_extension(extension)).unwrap_or_default()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request to a control socket.
///
/// # Errors
/// Nobody listens, or the answer is late or not JSON.
pub fn ask(socket: &Path, request: &Value) -> io::Result<Value> {
    ask_within(socket, request, deadline())
}

/// Sends one request to a control socket, and waits so long for the answer.
///
/// # Errors
/// As for [`ask`].
pub fn ask_within(socket: &Path, request: &Value, deadline: Duration) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
