//! Who gets at a running monitor: where its socket is, and what a group or a token opens.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
};

use nettop_tests::{
    monitor::Monitor,
    net::Namespace,
    program::{self, Ended, PublicCopy, public_directory, run, wait, wait_for},
    skip,
};
use tempfile::TempDir;

/// A group that nobody is in.
const GROUP: u32 = 64_999;
/// A user that every Linux has, and who never logs in.
const DAEMON: u32 = 1;

/// A user of this process's own: other runs of these tests may go on in the same `/tmp`.
fn somebody() -> u32 {
    64_000 + process::id() % 900
}

/// Makes `command` run as this user, in these groups, without a session's folder.
fn as_user<'a>(command: &'a mut Command, uid: u32, groups: &'static [u32]) -> &'a mut Command {
    let become_user = move || {
        // SAFETY: between fork and exec; plain system calls that allocate nothing, and a list as long as it says.
        let failed = unsafe {
            libc::setgroups(groups.len(), groups.as_ptr()) != 0 || libc::setgid(uid) != 0 || libc::setuid(uid) != 0
        };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(become_user) }.env_remove("XDG_RUNTIME_DIR").env("HOME", "/nonexistent").current_dir("/")
}

#[test]
fn a_group_may_look_and_change_nothing() {
    if !skip::privileged() {
        return;
    }
    let (directory, ctl) = (public_directory(), PublicCopy::of("nettopctl"));
    let socket = directory.path().join("s");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--interval", "0.1", "--control-group", &GROUP.to_string()]);
    let monitor = Monitor::start(command, &socket);
    let facts = fs::metadata(&socket).expect("its socket");
    assert_eq!((facts.mode() & 0o777, facts.gid(), facts.uid()), (0o660, GROUP, 0));
    let ask = |groups, arguments: &str| {
        let mut command = Command::new(ctl.path());
        command.arg("--control-socket").arg(&socket).args(arguments.split(' '));
        run(as_user(&mut command, somebody(), groups))
    };
    for look in ["status", "snapshot --limit 0", "status --limit 5", "export --format csv"] {
        let ended = ask(&[7, GROUP], look);
        assert_eq!(ended.status.code(), Some(0), "{look}: {ended:?}");
    }
    for change in ["stop", "pause", "resume", "reset", "top 5", "set --src 192.0.2.1", "process 1", "block 192.0.2.1"] {
        let ended = ask(&[7, GROUP], change);
        let refused = ended.stdout.contains(
            "may look (status, snapshot, subscribe, pulse, maps, history, blocks, cover, hooks), and change nothing",
        );
        assert!(ended.status.code() == Some(1) && refused, "{change}: {ended:?}");
    }
    ask(&[7], "status").expect_one_line("ermission");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("opening it to all");
    let ended = ask(&[7], "status");
    assert!(ended.stdout.contains("may not command this monitor"), "{ended:?}");
    assert_eq!(monitor.stop().status.code(), Some(0));
}

/// A monitor that was not told where to listen.
struct Untold {
    child: Child,
    folder: PathBuf,
    uid: u32,
    programs: [PublicCopy; 2],
}

impl Untold {
    fn folder(uid: u32) -> PathBuf {
        format!("/tmp/nettop-{uid}").into()
    }

    fn command(nettop: &PublicCopy, uid: u32) -> Command {
        let mut command = Command::new(nettop.path());
        command.args(["demo", "--quiet", "--interval", "0.1"]);
        as_user(&mut command, uid, &[]);
        command
    }

    fn start(uid: u32) -> Self {
        let programs = ["nettop", "nettopctl"].map(PublicCopy::of);
        let mut command = Self::command(&programs[0], uid);
        let child = program::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        Self { child, folder: Self::folder(uid), uid, programs }
    }

    fn ctl(&self, argument: &str) -> Ended {
        run(as_user(Command::new(self.programs[1].path()).arg(argument), self.uid, &[]))
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        // These fail only when it has ended already, and the folder is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn without_a_session_the_socket_is_in_a_folder_of_the_user_s_own() {
    if !skip::privileged() {
        return;
    }
    let classic = Path::new("/tmp/nettop.sock");
    let free = fs::symlink_metadata(classic).is_err();
    let mut monitor = Untold::start(somebody());
    let found = wait_for(|| (monitor.ctl("status").status.code() == Some(0)).then_some(()));
    assert!(found.is_some(), "its user finds it without being told: {:?}", monitor.ctl("status"));
    let facts = fs::metadata(&monitor.folder).expect("its folder");
    assert_eq!((facts.mode() & 0o777, facts.uid()), (0o700, monitor.uid));
    let socket = monitor.folder.join("nettop.sock");
    assert_eq!(fs::metadata(&socket).expect("its socket").mode() & 0o777, 0o600);
    if free {
        assert_eq!(fs::read_link(classic).expect("a link for clients of the classic"), socket);
    }
    assert_eq!(monitor.ctl("stop").status.code(), Some(0));
    assert!(wait(&mut monitor.child).is_some_and(|status| status.success()));
    assert!(!socket.exists() && !fs::read_link(classic).is_ok_and(|link| link == socket), "nothing is left");
}

#[test]
fn started_by_sudo_it_is_found_by_whoever_called_it() {
    if !skip::privileged() {
        return;
    }
    // As the system makes it for a session. Who calls sudo is a user that there is; this one has no session anywhere else.
    let (uid, ctl) = (DAEMON, PublicCopy::of("nettopctl"));
    let session = PathBuf::from(format!("/run/user/{uid}"));
    fs::create_dir_all(&session).expect("a session's folder");
    fs::set_permissions(&session, fs::Permissions::from_mode(0o700)).expect("closing it");
    chown(&session, Some(uid), Some(uid)).expect("giving it away");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--quiet", "--interval", "0.1"]).env_remove("XDG_RUNTIME_DIR");
    command.env("SUDO_UID", uid.to_string()).env("SUDO_GID", uid.to_string()).env_remove("SUDO_USER");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("starting nettop");
    let ask = |argument: &str| {
        let mut command = Command::new(ctl.path());
        run(as_user(command.arg(argument), uid, &[]).env("XDG_RUNTIME_DIR", &session))
    };
    let found = wait_for(|| (ask("status").status.code() == Some(0)).then_some(()));
    let facts = fs::metadata(session.join("nettop.sock")).map(|facts| (facts.mode() & 0o777, facts.uid()));
    let stopped = ask("stop");
    let ended = wait(&mut child);
    let left = fs::read_dir(&session).expect("it").count();
    fs::remove_dir_all(&session).expect("ending the session");
    assert!(found.is_some() && facts.is_ok_and(|facts| facts == (0o600, uid)), "{stopped:?}");
    assert!(ended.is_some_and(|status| status.success()), "{stopped:?}");
    assert_eq!(left, 0, "its socket is removed");
}

#[test]
fn a_folder_that_somebody_else_made_first_is_not_used() {
    if !skip::privileged() {
        return;
    }
    let (uid, nettop, trap) = (somebody() + 1, PublicCopy::of("nettop"), TempDir::new().expect("a folder"));
    let folder = Untold::folder(uid);
    let expect = |part: &str| {
        let ended = run(&mut Untold::command(&nettop, uid));
        ended.expect_one_line(part);
        ended.expect_one_line("--control-socket");
    };
    fs::DirBuilder::new().mode(0o777).create(&folder).expect("squatting");
    expect("belongs to user 0");
    fs::remove_dir(&folder).expect("leaving");

    chown(trap.path(), Some(uid), Some(uid)).expect("a folder that the user could write to");
    std::os::unix::fs::symlink(trap.path(), &folder).expect("leading astray");
    expect("not a folder of ours");
    fs::remove_file(&folder).expect("leaving");
    assert_eq!(fs::read_dir(trap.path()).expect("it").count(), 0);
}

#[test]
fn whoever_else_answers_is_refused_unless_named() {
    if !skip::privileged() {
        return;
    }
    let (folder, nettop) = (public_directory(), PublicCopy::of("nettop"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("opening it to all");
    let socket = folder.path().join("nettop.sock");
    let mut command = Command::new(nettop.path());
    command.args(["demo", "--interval", "0.1"]);
    as_user(&mut command, somebody() + 3, &[]);
    let theirs = Monitor::start(command, &socket);
    let ctl = |arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        run(command.args(arguments).env("XDG_RUNTIME_DIR", folder.path()))
    };
    for command in [&["status"][..], &["stop"], &["export", "--format", "csv"], &["subscribe", "--count", "1"]] {
        let ended = ctl(command);
        ended.expect_one_line("neither root's nor yours");
        ended.expect_one_line(&format!("user {}", somebody() + 3));
    }
    let named = socket.display().to_string();
    for command in [&["status"][..], &["subscribe", "--count", "1"]] {
        assert_eq!(ctl(&[&["--control-socket", &named], command].concat()).status.code(), Some(0), "{command:?}");
    }
    assert_eq!(theirs.stop().status.code(), Some(0));
}

#[test]
fn tcp_beyond_loopback_wants_a_token() {
    if !skip::privileged() {
        return;
    }
    let (namespace, folder) = (Namespace::new(), TempDir::new().expect("a folder"));
    namespace.ip("link set dev lo up");
    let [token, wrong] = ["token", "wrong"].map(|name| folder.path().join(name));
    for (path, text) in [(&token, "correct horse battery staple\n"), (&wrong, "correct horse battery stable\n")] {
        fs::write(path, text).expect("a token");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("keeping it");
    }
    let address = "tcp://0.0.0.0:4711";
    let nettop = |options: &[&str]| {
        let mut command = namespace.command(program::path("nettop"));
        command.args(["demo", "--quiet", "--interval", "0.1", "--control-socket", address]).args(options);
        command
    };
    run(&mut nettop(&[])).expect_one_line("not a loopback address");
    run(&mut nettop(&["--control-tcp-anywhere"])).expect_one_line("--control-token");
    let named = token.display().to_string();
    let mut child = nettop(&["--control-tcp-anywhere", "--control-token", &named])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("starting nettop");
    let ctl = |arguments: &str, token: Option<&Path>| {
        let mut command = namespace.command(program::path("nettopctl"));
        command.args(["--control-socket", "tcp://127.0.0.1:4711"]).args(arguments.split(' '));
        run(command.args(token.map(|_| "--control-token")).args(token))
    };
    assert!(wait_for(|| (ctl("status", Some(&token)).status.code() == Some(0)).then_some(())).is_some());
    for token in [None, Some(&*wrong)] {
        let ended = ctl("stop", token);
        assert!(ended.status.code() == Some(1) && ended.stdout.contains("wants a token"), "{ended:?}");
    }
    assert_eq!(ctl("stop", Some(&token)).status.code(), Some(0));
    assert!(wait(&mut child).is_some_and(|status| status.success()));
}
