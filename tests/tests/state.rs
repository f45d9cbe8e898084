//! The folder of `--state`: which one it is, what is refused, and that it can be written to by whom it is for.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::Path,
    process::Command,
};

use clap::Parser as _;
use nettop::cli::Cli;
use nettop_collect::demo::Demo;
use nettop_engine::{Engine, overhead::Overhead, sinks::Sinks};
use nettop_export::state::{StateDir, StateWriter};
use nettop_model::{clock::Moment, snapshot::Mode};
use nettop_sandbox::{self as sandbox, Folders, Invoker};
use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    program::{self, Ended, NOBODY, PublicCopy, run, wait_for},
    skip,
};
use tempfile::TempDir;

const VARIABLE: &str = "STATE_DIRECTORY";

/// `nettop run` in a namespace, small.
fn command(namespace: &Namespace, program: &Path) -> Command {
    let mut command = namespace.command(program);
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1", "--no-geo"]).env_remove(VARIABLE);
    command
}

/// Starts a monitor, has it answer, and ends it.
fn start_and_end(command: Command, folder: &Path) -> Ended {
    let monitor = Monitor::start(command, &folder.join("s"));
    let badges = monitor.snapshot()["degraded"].to_string();
    assert!(!badges.contains("\"state\""), "{badges}");
    monitor.stop()
}

/// Owner, mode and how many entries.
fn facts(folder: &Path) -> (u32, u32, usize) {
    let facts = fs::symlink_metadata(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(facts.is_dir(), "{}", folder.display());
    (facts.uid(), facts.mode() & 0o7777, fs::read_dir(folder).expect("its entries").count())
}

#[test]
fn the_folder_is_made_where_it_is_missing_and_the_option_has_more_say_than_systemd() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let at = |name: &str| folder.path().join(name);
    let provided = format!("{}:{}", at("provided").display(), at("second").display());
    fs::write(at("config.toml"), format!("state = {:?}\n", at("configured"))).expect("a file");
    for (name, option, variable) in [
        ("asked", Some(["--state".into(), at("asked")]), None),
        // It is there by now.
        ("asked", Some(["--state".into(), at("asked")]), None),
        ("wins", Some(["--state".into(), at("wins")]), Some(&*provided)),
        ("configured", Some(["--config".into(), at("config.toml")]), Some(&*provided)),
        ("provided", None, Some(&*provided)),
    ] {
        assert!(!at("provided").exists(), "another one has more say than the variable");
        let mut command = command(&net.receiver, &program::path("nettop"));
        command.args(option.iter().flatten()).envs(variable.map(|value| (VARIABLE, value)));
        command.env("NETTOP_NO_CONFIG", "0");
        let ended = start_and_end(command, folder.path());
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{name}: {ended:?}");
        assert_eq!(facts(&at(name)), (0, 0o700, 2), "{name}");
    }
    assert!(!at("second").exists(), "the first folder counts");
}

#[test]
fn nothing_is_kept_without_a_folder_nor_of_traffic_that_is_not_this_host_s() {
    let folder = TempDir::new().expect("a folder");
    let (home, state) = (folder.path().join("home"), folder.path().join("state"));
    fs::create_dir(&home).expect("a folder");
    let demo = |variable: bool| {
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--interval", "0.1", "--no-geo"]).current_dir(&home).env("HOME", &home);
        match variable {
            true => command.env(VARIABLE, &state),
            false => command.env_remove(VARIABLE),
        };
        command
    };
    // Configured for the live monitor, it is no matter of others.
    let mut configured = demo(true);
    configured.env("NETTOP_STATE", &state);
    if skip::privileged() {
        let net = Net::new(1);
        let mut live = command(&net.receiver, &program::path("nettop"));
        live.current_dir(&home).env("HOME", &home);
        assert_eq!(start_and_end(live, folder.path()).status.code(), Some(0));
    }
    for command in [demo(true), configured, demo(false)] {
        assert_eq!(start_and_end(command, folder.path()).status.code(), Some(0));
        assert!(!state.exists());
    }
    assert_eq!(fs::read_dir(&home).expect("its entries").count(), 0);
    for (arguments, part) in [
        (&["demo", "--state", "x"][..], "unexpected argument '--state'"),
        (&["replay", "x", "--state", "x"], "unexpected argument '--state'"),
        (&["run", "--pcap", "x", "--state", "x"], "'--pcap <FILE>' cannot be used with '--state <DIR>'"),
    ] {
        let ended = program::run_with("nettop", arguments);
        ended.expect_one_line(part);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_folder_that_others_could_have_filled_is_refused_and_one_of_systemd_s_left_alone() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let at = |name: &str| folder.path().join(name);
    for (name, owner, mode) in [("group", 0, 0o720), ("theirs", NOBODY, 0o700), ("real", 0, 0o700)] {
        fs::create_dir(at(name)).expect("a folder");
        fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("its mode");
        chown(at(name), Some(owner), None).expect("its owner");
    }
    fs::write(at("file"), "").expect("a file");
    symlink(at("real"), at("link")).expect("a link");
    symlink(at("real"), at("theirs-link")).expect("a link");
    std::os::unix::fs::lchown(at("theirs-link"), Some(NOBODY), None).expect("its owner");
    for (name, part) in [
        ("group", "others may write to"),
        ("theirs", "belongs to user 65534"),
        ("link", "symbolic link"),
        ("theirs-link", "symbolic link"),
        ("file", "in the way and no folder"),
        ("missing/state", "make that folder first"),
    ] {
        let mut asked = command(&net.receiver, &program::path("nettop"));
        asked.arg("--quiet").arg("--control-socket").arg(at("s")).arg("--state").arg(at(name));
        let ended = run(&mut asked);
        for part in [part, name.split('/').next().expect("a name"), "with --state"] {
            ended.expect_one_line(part);
        }
        // A service starts all the same. The link of root's is as systemd makes it.
        let mut provided = command(&net.receiver, &program::path("nettop"));
        provided.env(VARIABLE, at(name));
        let monitor = Monitor::start(provided, &at("s"));
        let degraded = monitor.snapshot()["degraded"].to_string();
        assert_eq!(degraded.contains(VARIABLE) && degraded.contains(part), name != "link", "{name}: {degraded}");
        let ended = monitor.stop();
        assert_eq!((ended.status.code(), ended.stderr.contains(part)), (Some(0), name != "link"), "{ended:?}");
    }
    assert!(!at("missing").exists());
}

#[test]
fn doctor_tells_beforehand_and_makes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").expect("a file");
    let doctor = |environment: &[(&str, &Path)]| {
        let mut command = Command::new(program::path("nettop"));
        run(command.arg("doctor").env_remove(VARIABLE).envs(environment.iter().copied()))
    };
    for (environment, line) in [
        (vec![], "OK  state: none".to_string()),
        (vec![("NETTOP_STATE", at("new"))], format!("OK  state: {} will be made", at("new").display())),
        (vec![(VARIABLE, at("new"))], format!("OK  state: {} will be made", at("new").display())),
        (vec![("NETTOP_STATE", at("file"))], format!("--  state: {} is in the way", at("file").display())),
        (vec![("NETTOP_STATE", at("new")), (VARIABLE, at("file"))], "OK  state: ".into()),
        (vec![(VARIABLE, at("file"))], format!("??  state: ${VARIABLE} would not be used")),
    ] {
        let environment: Vec<_> = environment.iter().map(|(name, path)| (*name, path.as_path())).collect();
        let ended = doctor(&environment);
        assert!(ended.stdout.lines().any(|told| told.starts_with(&line)), "{line}: {ended:?}");
        let prevents = ended.stdout.lines().next_back().is_some_and(|last| last.contains("state"));
        assert_eq!(prevents, line.starts_with("--"), "{ended:?}");
    }
    assert!(!at("new").exists());
}

/// The variables by which sudo tells who called it.
fn called_by_nobody(command: &mut Command) -> &mut Command {
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody")
}

#[test]
fn it_is_made_for_the_user_who_called_sudo() {
    if !skip::privileged() {
        return;
    }
    let (net, folder) = (Net::new(1), TempDir::new().expect("a folder"));
    let [own, roots] = ["own", "roots"].map(|name| folder.path().join(name));
    for (above, owner) in [(&own, NOBODY), (&roots, 0)] {
        fs::create_dir(above).expect("a folder");
        chown(above, Some(owner), None).expect("its owner");
        let mut command = command(&net.receiver, &program::path("nettop"));
        called_by_nobody(command.arg("--state").arg(above.join("state")));
        assert_eq!(start_and_end(command, folder.path()).status.code(), Some(0));
        assert_eq!(facts(&above.join("state")), (NOBODY, 0o700, 2));
    }
    // With its own folder root does not help out.
    fs::create_dir(folder.path().join("of-root")).expect("a folder");
    let mut command = command(&net.receiver, &program::path("nettop"));
    called_by_nobody(command.arg("--quiet").arg("--state").arg(folder.path().join("of-root")));
    run(&mut command).expect_one_line("belongs to user 0, and not to 65534");
}

/// Enters the sandbox as a monitor does, for the user who called sudo, and prints what it may do in the folder then. A process
/// of its own, as there is no way back.
#[test]
#[ignore = "started by the test of the sandbox"]
fn in_the_sandbox() {
    let paths = ["NETTOP_TEST_STATE", "NETTOP_TEST_BESIDE"].map(|name| env::var_os(name).expect("a variable"));
    let [path, beside] = paths.each_ref().map(Path::new);
    let invoker = Invoker::of_sudo().expect("who called sudo").expect("somebody");
    let state = Invoker::open_first(Some(&invoker), || Ok(StateDir::open(path, NOBODY)?)).expect("the folder");
    let mut folders = Folders::default();
    folders.write(state.path());
    let whole = sandbox::offered().expect("the sandbox").iter().all(|layer| layer.holds);
    let mode = if whole { sandbox::Mode::Strict } else { sandbox::Mode::BestEffort };
    let layers = sandbox::enter(mode, Some(&invoker), &folders).expect("the sandbox");
    let mut sinks = Sinks::default();
    sinks.keep_state(StateWriter::start(state).expect("a thread"));
    let state = sinks.state().expect("a folder");
    let before = state.read("usual", 100).map(|text| String::from_utf8(text).expect("text"));
    println!("read {before:?}");
    state.write("usual", b"learned".to_vec());
    state.write("blocks", b"none".to_vec());
    // Its turn comes after what was handed over before.
    let gone = wait_for(|| path.with_file_name("go").exists().then_some(()));
    assert!(gone.is_some(), "the test has put another folder there");
    state.write("usual", b"lost".to_vec());
    if layers.iter().any(|layer| layer.part == "files" && layer.holds) {
        let refused = fs::write(beside.join("x"), "").expect_err("another folder");
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        let kept = path.with_file_name("kept");
        assert!(fs::read(kept.join("usual")).is_ok() && fs::read_dir(&kept).is_err(), "the folder is not listed");
        println!("confined: {:?}", wait_for(|| state.degraded().pop()));
    }
    sinks.finish();
    // The test runner would make files and processes.
    std::process::exit(0);
}

#[test]
fn in_the_sandbox_and_without_root_files_are_kept_and_a_folder_made_anew_is_told() {
    if !skip::privileged() {
        return;
    }
    let (folder, beside) = (program::public_directory(), program::public_directory());
    let path = folder.path().join("state");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).expect("its mode");
    // For that user to load.
    let copied = beside.path().join("test");
    fs::copy(env::current_exe().expect("this program"), &copied).expect("copying it");
    let output = beside.path().join("out");
    let file = fs::File::create(&output).expect("a file for the output");
    let mut command = Command::new(&copied);
    command.args(["--ignored", "--exact", "in_the_sandbox", "--nocapture"]);
    command.env("NETTOP_TEST_STATE", &path).env("NETTOP_TEST_BESIDE", beside.path()).stdout(file);
    let mut child = program::spawn(called_by_nobody(&mut command));
    let written = |name: &str, text: &str| {
        let there = wait_for(|| (fs::read_to_string(path.join(name)).ok()? == text).then_some(()));
        assert!(there.is_some(), "{name} is not written: {:?}", fs::read_to_string(&output));
    };
    written("usual", "learned");
    written("blocks", "none");
    assert_eq!(facts(&path), (NOBODY, 0o700, 2));
    for name in ["usual", "blocks"] {
        let facts = fs::metadata(path.join(name)).expect("a file");
        assert_eq!((facts.uid(), facts.mode() & 0o777), (NOBODY, 0o600), "{name}");
    }
    fs::rename(&path, folder.path().join("kept")).expect("moving it away");
    fs::create_dir(&path).expect("another one");
    fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode");
    chown(&path, Some(NOBODY), None).expect("its owner");
    fs::write(folder.path().join("go"), "").expect("a file");
    let status = program::wait(&mut child).expect("it ends");
    let told = fs::read_to_string(&output).expect("its output");
    assert!(status.success() && told.contains("read None"), "{told}");
    if !told.contains("confined") {
        return skip::report("this kernel has no Landlock: that nothing else can be written was not tried");
    }
    for part in ["badge: \"state\"", "state/usual: Permission denied", "start nettop anew"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(facts(&path).2, 0);
}

#[test]
fn the_folder_of_the_service_is_found_by_its_user() {
    if !skip::privileged() {
        return;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skip::report("there is no `setpriv`; on Debian: apt-get install util-linux");
    }
    // As systemd makes it for a unit with DynamicUser=: root's link to a folder of that user.
    let (net, nettop, folder) = (Net::new(1), PublicCopy::of("nettop"), program::public_directory());
    let [private, link] = ["private", "state"].map(|name| folder.path().join(name));
    fs::create_dir(&private).expect("a folder");
    fs::set_permissions(&private, Permissions::from_mode(0o700)).expect("its mode");
    chown(&private, Some(NOBODY), Some(NOBODY)).expect("its owner");
    symlink(&private, &link).expect("a link");
    let mut command = net.receiver.command("setpriv");
    command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups", "--no-new-privs"]);
    let sets = "-all,+bpf,+net_admin,+perfmon";
    command.args(["--inh-caps", sets, "--ambient-caps", sets, "--bounding-set", sets]).arg(nettop.path());
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1"]).env(VARIABLE, &link);
    let ended = start_and_end(command, folder.path());
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(facts(&private), (NOBODY, 0o700, 2));
}

#[test]
fn the_engine_says_what_could_not_be_kept_until_it_could() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("state");
    // SAFETY: no arguments, no failure.
    let user = unsafe { libc::geteuid() };
    fs::create_dir(&path).expect("a folder");
    fs::create_dir(path.join("usual")).expect("what is in the way");
    let mut sinks = Sinks::default();
    sinks.keep_state(StateWriter::start(StateDir::open(&path, user).expect("it")).expect("a thread"));
    sinks.state().expect("a folder").write("usual", b"learned".to_vec());
    let settings = Cli::parse_from(["nettop", "--no-geo"]).run.common.settings(Mode::Demo).expect("settings");
    let (mut engine, snapshots) =
        Engine::new(Box::new(Demo::new(1)), settings, None, sinks, Overhead::new(Moment::now()));
    let row = wait_for(|| {
        engine.tick();
        snapshots.borrow().monitor.degraded.iter().find(|row| row.badge == "state").cloned()
    });
    let row = row.expect("a row");
    assert!(row.reason.contains(&*path.join("usual").to_string_lossy()) && !row.remedy.is_empty(), "{row:?}");
}
