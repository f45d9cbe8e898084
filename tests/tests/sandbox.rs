//! What the monitor may still do once it runs: little, and all that it needs.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{self, Ended, NOBODY, PublicCopy, as_nobody, public_directory, run, wait_for},
    send::Sender,
    skip,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The lines of `/proc/PID/task/TID/status`, of every thread.
fn threads(monitor: &Monitor) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", monitor.pid())).expect("its threads");
    tasks.map(|task| fs::read_to_string(task.expect("a thread").path().join("status")).expect("its status")).collect()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

/// The names of the parts that hold, and of those that do not.
fn parts(snapshot: &Value) -> [Vec<String>; 2] {
    let guards = snapshot["sandbox"].as_array().expect("a list");
    let named = |holds: bool| {
        let named = guards.iter().filter(|guard| guard["holds"] == holds);
        named.map(|guard| guard["part"].as_str().expect("a name").to_string()).collect()
    };
    assert!(guards.iter().all(|guard| guard["detail"].as_str().is_some_and(|text| !text.is_empty())), "{guards:?}");
    [named(true), named(false)]
}

const PARTS: [&str; 7] = ["user", "capabilities", "no_new_privs", "files", "TCP", "signals", "system calls"];

fn demo(directory: &Path) -> Command {
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--interval", "0.1"]).current_dir(directory);
    command
}

#[test]
fn every_thread_is_confined_and_status_says_so() {
    let directory = TempDir::new().expect("a folder");
    let monitor = Monitor::start(demo(directory.path()), &directory.path().join("s"));
    let [held, missing] = parts(&monitor.command(&json!({"cmd": "status"}))["snapshot"]);
    assert_eq!(held.len() + missing.len(), PARTS.len(), "{held:?} {missing:?}");
    assert!(held.contains(&"system calls".to_string()), "{missing:?}");
    let threads = threads(&monitor);
    assert!(threads.len() > 3, "{}", threads.len());
    for status in threads {
        for (name, value) in [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapPrm", "0000000000000000")] {
            assert_eq!(field(&status, name), value, "{name}");
        }
    }
}

#[test]
fn a_database_in_a_folder_that_came_later_is_named_with_the_remedy() {
    let directory = TempDir::new().expect("a folder");
    let [folder, other, home] = ["places", "other", "home"].map(|name| directory.path().join(name));
    for folder in [&folder, &other, &home] {
        fs::create_dir(folder).expect("a folder");
    }
    let csv = "cidr,country_code,city\n192.0.2.0/24,DE,Here\n";
    let path = folder.join("location.csv");
    fs::write(&path, csv).expect("a file");
    fs::write(other.join("location.csv"), csv).expect("a file");
    let start = |socket: &str, named: Option<&Path>| {
        let mut command = demo(directory.path());
        command.env("HOME", &home).args(named.map(|_| "--location-db")).args(named);
        Monitor::start(command, &directory.path().join(socket))
    };
    let (replaced, found) = (start("replaced", Some(&path)), start("found", None));
    let [_, missing] = parts(&found.snapshot());
    if missing.contains(&"files".to_string()) {
        return skip::report("this kernel has no Landlock");
    }
    fs::rename(&folder, directory.path().join("old")).expect("moving it away");
    fs::rename(&other, &folder).expect("another in its place");
    fs::write(home.join("location.csv"), csv).expect("a file that was not there");
    for (monitor, path) in [(replaced, path), (found, home.join("location.csv"))] {
        monitor.wait_until("it is named, and what to do, for the screen too", |snapshot| {
            let degraded = snapshot["degraded"].to_string();
            degraded.contains(&*path.to_string_lossy()) && degraded.contains("start nettop anew")
        });
        assert_eq!(monitor.stop().status.code(), Some(0));
    }
}

#[test]
fn strict_runs_where_all_of_it_holds_and_nowhere_else() {
    let directory = TempDir::new().expect("a folder");
    let socket = directory.path().join("s");
    let monitor = Monitor::start(demo(directory.path()), &socket);
    let [_, missing] = parts(&monitor.snapshot());
    drop(monitor);
    let mut command = demo(directory.path());
    command.args(["--sandbox", "strict"]);
    if missing.is_empty() {
        let monitor = Monitor::start(command, &socket);
        assert_eq!(parts(&monitor.snapshot()), [PARTS.map(str::to_string).to_vec(), vec![]]);
        assert_eq!(monitor.stop().status.code(), Some(0));
    } else {
        run(command.args(["--quiet", "--control-socket"]).arg(&socket)).expect_one_line(&missing[0]);
    }
}

/// Makes the kernel look as if it had been built without Landlock.
fn without_landlock(command: &mut Command) {
    let rules = [(libc::SYS_landlock_create_ruleset, vec![])].into_iter().collect();
    let (none, here) = (SeccompAction::Errno(libc::ENOSYS as u32), TargetArch::try_from(std::env::consts::ARCH));
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, none, here.expect("a known one"));
    let filter: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
    let apply = move || apply_filter(&filter).map_err(|_| std::io::ErrorKind::Other.into());
    // SAFETY: between fork and exec; two system calls, and nothing is allocated.
    unsafe { command.pre_exec(apply) };
}

#[test]
fn what_the_kernel_lacks_is_named_and_strict_refuses_it() {
    let directory = TempDir::new().expect("a folder");
    let socket = directory.path().join("s");
    let mut command = demo(directory.path());
    without_landlock(&mut command);
    let monitor = Monitor::start(command, &socket);
    let snapshot = monitor.snapshot();
    let [held, missing] = parts(&snapshot);
    assert_eq!(missing, ["files", "TCP", "signals"]);
    assert!(held.contains(&"system calls".to_string()) && snapshot["sandbox"].to_string().contains("Landlock"));
    assert_eq!(monitor.stop().status.code(), Some(0));

    let mut command = demo(directory.path());
    without_landlock(command.args(["--quiet", "--sandbox", "strict", "--control-socket"]).arg(&socket));
    let ended = run(&mut command);
    for part in ["--sandbox strict", "files: ", "TCP: ", "signals: ", "without Landlock"] {
        ended.expect_one_line(part);
    }
    assert!(!socket.exists(), "its socket is removed");
}

#[test]
fn it_can_be_opted_out_of() {
    let directory = TempDir::new().expect("a folder");
    let mut command = demo(directory.path());
    command.arg("--no-sandbox");
    let monitor = Monitor::start(command, &directory.path().join("s"));
    let [held, missing] = parts(&monitor.snapshot());
    assert_eq!((held, missing.len()), (vec!["capabilities".into(), "no_new_privs".into()], 5), "{missing:?}");
    assert!(threads(&monitor).iter().all(|status| field(status, "Seccomp") == "0"));
}

#[test]
fn a_key_writes_files_in_the_current_folder() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::on_terminal(&net.receiver, "--iface in0 --map-memory 8 --interval 0.1", (120, 40));
    let folder = monitor.socket().parent().expect("a folder");
    monitor.press("e");
    let written = || {
        fs::read_dir(folder)
            .expect("it")
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".csv")))
            .count()
    };
    assert!(
        wait_for(|| (written() == 2).then_some(())).is_some(),
        "{:?}",
        fs::read_dir(folder).expect("it").collect::<Vec<_>>()
    );
    monitor.press("q");
    assert_eq!(monitor.end().status.code(), Some(0));
}

/// Everything that the live monitor does, of one that has no right left but its user's.
fn expect_everything(monitor: &Monitor, net: &Net, folder: &Path, ctl: &dyn Fn(&[&str]) -> Ended) {
    let send = |pair: &str, source: u8| {
        let frame = Spec { source: [192, 0, 2, source].into(), ..Spec::v4(Transport::Udp(1, 53)) }.frame();
        Sender::new(&net.sender, pair).send(&frame, 3);
    };
    send("out0", 1);
    monitor.wait_until_seen(3);
    // A further interface, and a new name of it.
    monitor.command(&json!({"cmd": "set", "iface": "in0,in1"}));
    send("out1", 2);
    let snapshot = monitor.wait_until_seen(6);
    assert_eq!(snapshot["interfaces"].as_array().map(Vec::len), Some(2), "{snapshot}");
    net.receiver.ip("link set dev in1 down");
    monitor.wait_until("down", |snapshot| snapshot["interfaces"][1]["state"] == "down");
    net.receiver.ip("link set dev in1 up");
    monitor.wait_until("up", |snapshot| snapshot["interfaces"][1]["state"] == "up");
    // The filter, in the kernel.
    monitor.command(&json!({"cmd": "set", "src": "192.0.2.9"}));
    send("out0", 1);
    let snapshot = monitor.wait_until_seen(9);
    assert_eq!(snapshot["filtered_packets"], 3);
    monitor.command(&json!({"cmd": "set", "src": ""}));
    // The raw maps, and what the monitor costs.
    let maps = monitor.command(&json!({"cmd": "maps"}));
    assert!(maps["maps"].as_array().is_some_and(|maps| maps.len() > 5), "{maps}");
    assert!(snapshot["self"]["memory"].as_u64() > Some(1 << 20), "{}", snapshot["self"]);
    // Rotation.
    let rows = folder.join("packets.jsonl");
    fs::rename(&rows, folder.join("packets.jsonl.1")).expect("renaming");
    fs::rename(folder.join("nettop.log"), folder.join("nettop.log.1")).expect("renaming");
    monitor.signal(libc::SIGHUP);
    let anew = wait_for(|| (rows.exists() && folder.join("nettop.log").exists()).then_some(()));
    assert!(anew.is_some(), "files are made anew: {}", monitor.snapshot()["exports"]);
    // Databases that are replaced.
    let places = folder.join("location.csv");
    fs::write(folder.join("new.csv"), "cidr,country_code,city\n192.0.2.0/24,DE,Elsewhere\n").expect("a file");
    fs::rename(folder.join("new.csv"), places).expect("replacing");
    monitor.wait_until("the new place", |snapshot| snapshot["ips"][0]["city"] == "Elsewhere");
    // Its remote control.
    let status = ctl(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{status:?}");
}

/// Options for that, with every file in the folder.
fn options(command: &mut Command, folder: &Path) {
    fs::write(folder.join("location.csv"), "cidr,country_code,city\n192.0.2.0/24,DE,Here\n").expect("a file");
    let at = |name: &str| folder.join(name);
    command.args(["run", "--iface", "in0", "--map-memory", "8", "--interval", "0.1", "--location-db"]);
    command.arg(at("location.csv")).arg("--jsonl").arg(at("packets.jsonl")).arg("--log").arg(at("nettop.log"));
    command.arg("--snapshot").arg(at("last.json")).arg("--alerts").arg(at("alerts.jsonl")).current_dir(folder);
    // Whose groups the process would join.
    command.arg("--no-access-log");
}

fn expect_an_orderly_end(ended: &Ended, folder: &Path) {
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for name in ["last.json", "packets.snapshot.json", "packets.top.csv", "packets.prefixes.csv", "packets.jsonl"] {
        let metadata = fs::metadata(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(metadata.uid(), NOBODY, "{name}");
    }
    let names: Vec<_> = fs::read_dir(folder).expect("it").flatten().map(|entry| entry.file_name()).collect();
    assert!(
        !folder.join("s").exists() && !names.iter().any(|name| name.to_string_lossy().ends_with(".tmp")),
        "{names:?}"
    );
}

#[test]
fn with_three_capabilities_of_the_file_anybody_has_everything() {
    if !skip::privileged() {
        return;
    }
    let (nettop, ctl, folder, net) =
        (PublicCopy::of("nettop"), PublicCopy::of("nettopctl"), public_directory(), Net::new(2));
    let Ok(status) = Command::new("setcap").arg("cap_bpf,cap_net_admin,cap_perfmon=ep").arg(nettop.path()).status()
    else {
        return skip::report("there is no `setcap`; on Debian: apt-get install libcap2-bin");
    };
    if !status.success() {
        return skip::report("the file system of temporary files holds no capabilities");
    }
    let mut doctor = net.receiver.command(nettop.path());
    let doctor = run(as_nobody(doctor.arg("doctor").env("XDG_RUNTIME_DIR", folder.path()).env("HOME", folder.path())));
    assert_eq!(doctor.status.code(), Some(0), "the doctor says that it starts: {doctor:?}");

    let mut command = net.receiver.command(nettop.path());
    options(&mut command, folder.path());
    as_nobody(&mut command);
    let socket = folder.path().join("s");
    let monitor = Monitor::start(command, &socket);
    assert!(threads(&monitor).iter().all(|status| field(status, "CapPrm") == "0000000000000000"));
    expect_everything(&monitor, &net, folder.path(), &|arguments| {
        run(as_nobody(Command::new(ctl.path()).args(arguments).arg("--control-socket").arg(&socket)))
    });
    expect_an_orderly_end(&monitor.stop(), folder.path());
}

#[test]
fn whoever_called_sudo_gets_the_process_and_its_files() {
    if !skip::privileged() {
        return;
    }
    let (ctl, folder, net) = (PublicCopy::of("nettopctl"), TempDir::new().expect("a folder"), Net::new(2));
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("giving it away");
    let mut command = net.receiver.command(program::path("nettop"));
    options(&mut command, folder.path());
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody");
    let socket = folder.path().join("s");
    let monitor = Monitor::start(command, &socket);
    for status in threads(&monitor) {
        let everywhere = |name| field(&status, name).split_whitespace().all(|id| id == NOBODY.to_string());
        assert!(everywhere("Uid") && everywhere("Gid") && everywhere("Groups"), "{status}");
        assert_eq!((field(&status, "CapPrm"), field(&status, "Seccomp")), ("0000000000000000", "2"));
    }
    let [held, _] = parts(&monitor.snapshot());
    assert!(held.contains(&"user".to_string()), "{held:?}");
    assert_eq!(fs::metadata(&socket).expect("its socket").uid(), NOBODY);
    expect_everything(&monitor, &net, folder.path(), &|arguments| {
        run(as_nobody(Command::new(ctl.path()).args(arguments).arg("--control-socket").arg(&socket)))
    });
    expect_an_orderly_end(&monitor.stop(), folder.path());
}

#[test]
fn what_sudo_was_needed_for_is_written_all_the_same() {
    if !skip::privileged() {
        return;
    }
    // Root's own folder, and the user may not even look into it.
    let folder = TempDir::new().expect("a folder");
    let mut command = demo(folder.path());
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env_remove("SUDO_USER");
    command.arg("--jsonl").arg(folder.path().join("a.jsonl")).arg("--snapshot").arg(folder.path().join("last.json"));
    let monitor = Monitor::start(command, &folder.path().join("s"));
    monitor.wait_until("some packets", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
    assert!(threads(&monitor).iter().all(|status| field(status, "Uid").starts_with(&NOBODY.to_string())));
    let ended = monitor.stop();
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for name in ["last.json", "a.snapshot.json"] {
        let json: Value = serde_json::from_slice(&fs::read(folder.path().join(name)).expect(name)).expect("JSON");
        assert!(json["total_packets"].as_u64() > Some(0), "{name}");
    }
}
