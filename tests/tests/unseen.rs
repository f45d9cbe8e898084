//! What nettop is not let see: without the kernel's types there are no hooks, and what only they tell is missing, and said to be; what `/proc`
//! hides is told by the hooks; and a number of a process that was given twice is two processes.

use std::{
    ffi::{CStr, CString},
    fs, io,
    net::UdpSocket,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use nettop_tests::{monitor::Monitor, net::Net, program, skip};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A monitor of a namespace whose loopback is up, which sees at this place what is mounted there by this type and these options.
fn monitor(net: &Net, [at, kind, options]: [&'static CStr; 3]) -> (Monitor, TempDir) {
    net.receiver.ip("link set dev lo up");
    let directory = TempDir::new().expect("a folder");
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "32"]);
    // SAFETY: between fork and exec, three system calls that allocate nothing.
    unsafe { command.pre_exec(move || mount(at, kind, options)) };
    (Monitor::start(command, &directory.path().join("nettop.sock")), directory)
}

/// Mounts, for this process alone.
fn mount(at: &CStr, kind: &CStr, options: &CStr) -> io::Result<()> {
    // SAFETY: texts that end with zero.
    alone(|| unsafe { libc::mount(c"none".as_ptr(), at.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) })
}

/// Has this process alone see one file in the place of another.
fn put(file: &CStr, at: &CStr) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: texts that end with zero, or nothing.
    alone(|| unsafe { libc::mount(file.as_ptr(), at.as_ptr(), none, libc::MS_BIND, none.cast()) })
}

fn alone(mount: impl FnOnce() -> libc::c_int) -> io::Result<()> {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: texts that end with zero, or nothing.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()) == 0
    };
    if done && mount() == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn groups(monitor: &Monitor) -> Value {
    monitor.groups(&["connections", "processes", "monitor"])
}

/// The first snapshot of these groups of which `condition` holds.
#[track_caller]
fn wait_until(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    program::first(what, || groups(monitor), condition)
}

fn mover(net: &Net, arguments: &str) -> Command {
    let mut command = net.receiver.command(env!("CARGO_BIN_EXE_mover"));
    command.args(arguments.split_whitespace()).stdout(std::process::Stdio::null());
    command
}

/// Bytes sent and received, name and user of each process with this number, in the order in which they were started.
fn processes(snapshot: &Value, pid: u32) -> Vec<Value> {
    let rows = snapshot["processes"]["rows"].as_array().into_iter().flatten();
    let mut rows: Vec<_> = rows.filter(|row| row["pid"] == pid).collect();
    rows.sort_by_key(|row| row["started_ns"].as_u64());
    rows.into_iter().map(|row| json!([row["tx_bytes"], row["rx_bytes"], row["process"], row["uid"]])).collect()
}

#[test]
fn without_hooks_short_connections_are_missed_and_that_is_said() {
    if !skip::privileged() {
        return;
    }
    const CONNECTIONS: usize = 1_000;
    let net = Net::new(1);
    let (monitor, _directory) = monitor(&net, [c"/sys/kernel/btf", c"tmpfs", c""]);
    let snapshot = wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let badge = snapshot["monitor"]["degraded"].as_array().and_then(|rows| {
        rows.iter().find(|row| row["badge"] == "no process bytes").map(|row| row["reason"].to_string())
    });
    assert!(badge.as_ref().is_some_and(|reason| reason.contains("BTF")), "{badge:?}: {snapshot}");
    let mut server = mover(&net, "serve 127.0.0.1:7041 1000 137 1000").spawn().expect("starting a process");
    thread::sleep(Duration::from_millis(300));
    let mut client = mover(&net, "connect 127.0.0.1:7041 1000 137 1000").spawn().expect("starting a process");
    let pids = [server.id(), client.id()];
    assert!([&mut server, &mut client].into_iter().all(|child| child.wait().expect("its end").success()));
    // A census after all of it.
    let ended = groups(&monitor)["connections"]["census"]["at_ns"].as_u64();
    let snapshot =
        wait_until(&monitor, "another census", |snapshot| snapshot["connections"]["census"]["at_ns"].as_u64() > ended);
    let rows = snapshot["connections"]["ended"].as_array().map(Vec::len);
    assert!(
        rows < Some(2 * CONNECTIONS / 10),
        "the hooks are left out, and {rows:?} connections are told all the same"
    );
    assert!(pids.iter().all(|pid| processes(&snapshot, *pid).is_empty()), "{snapshot}");
    assert_eq!(snapshot["processes"]["accounting"], Value::Null, "what is not counted is no zero");
}

/// Types of the kernel in which the member of that name, of whatever structure, is as large as another one.
fn with_another_size(mut types: Vec<u8>, member: &str, like: &str) -> Vec<u8> {
    let word = |types: &[u8], at: usize| u32::from_ne_bytes(types[at..at + 4].try_into().expect("four bytes"));
    let header = word(&types, 4) as usize;
    let [first, bytes, names] = [8, 12, 16].map(|at| word(&types, at) as usize);
    let named = |types: &[u8], at: usize, name: &str| {
        let text = &types[header + names + word(types, at) as usize..];
        text.starts_with(name.as_bytes()) && text[name.len()] == 0
    };
    let (mut at, end, mut places, mut other) = (header + first, header + first + bytes, Vec::new(), None);
    while at < end {
        let info = word(&types, at + 4);
        let members = (info & 0xffff) as usize;
        // Kinds (enum in linux/btf.h): structures have members of a name, a type and a place.
        let more = match info >> 24 & 0x1f {
            4 | 5 => {
                for member_at in (0..members).map(|number| at + 12 + 12 * number) {
                    if named(&types, member_at, member) {
                        places.push(member_at + 4);
                    }
                    if other.is_none() && named(&types, member_at, like) {
                        other = Some(word(&types, member_at + 4));
                    }
                }
                12 * members
            }
            15 | 19 => 12 * members,
            6 | 13 => 8 * members,
            1 | 14 | 17 => 4,
            3 => 12,
            _ => 0,
        };
        at += 12 + more;
    }
    let other = other.unwrap_or_else(|| panic!("no {like}")).to_ne_bytes();
    assert!(!places.is_empty(), "no {member}");
    places.into_iter().for_each(|place| types[place..place + 4].copy_from_slice(&other));
    types
}

#[test]
fn a_field_of_another_size_turns_the_hooks_off_with_the_reason() {
    if !skip::privileged() {
        return;
    }
    const TYPES: &CStr = c"/sys/kernel/btf/vmlinux";
    let Ok(types) = fs::read(TYPES.to_str().expect("text")) else {
        return skip::report("the kernel does not tell its types");
    };
    let directory = TempDir::new().expect("a folder");
    for (member, like, says) in [
        // Two bytes and eight.
        ("skc_family", "bytes_received", "sock.__sk_common.skc_family has 8 bytes, and not 2"),
        // Eight and two.
        ("bytes_received", "skc_family", "tcp_sock.bytes_received has 2 bytes, and not 8"),
        ("start_boottime", "skc_family", "task_struct.start_boottime has 2 bytes, and not 8"),
    ] {
        let file = directory.path().join(member);
        fs::write(&file, with_another_size(types.clone(), member, like)).expect("a file");
        let file = CString::new(file.to_str().expect("text")).expect("no zero");
        let net = Net::new(1);
        let with_them = |arguments: &[&str]| {
            let mut command = net.receiver.command(program::path("nettop"));
            let file = file.clone();
            // SAFETY: between fork and exec, three system calls that allocate nothing.
            unsafe { command.args(arguments).pre_exec(move || put(&file, TYPES)) };
            command
        };
        let doctor = program::run(&mut with_them(&["doctor"]));
        let line = doctor.stdout.lines().find(|line| line.contains("tracepoints: "));
        assert!(line.is_some_and(|line| line.contains(says)), "{member}: {doctor:?}");
        let command =
            with_them(&["run", "--iface", "in0", "--interval", "0.1", "--map-memory", "8", "--no-access-log"]);
        let monitor = Monitor::start(command, &directory.path().join("nettop.sock"));
        let snapshot = wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
        let rows = snapshot["monitor"]["degraded"].as_array().into_iter().flatten();
        let badge =
            rows.filter(|row| row["badge"] == "no process bytes").find(|row| row["reason"].to_string().contains(says));
        assert!(badge.is_some(), "{member}: {}", snapshot["monitor"]["degraded"]);
        assert_eq!(snapshot["processes"]["accounting"], Value::Null, "{member}: what is not counted is no zero");
    }
}

#[test]
fn a_process_that_proc_hides_has_its_name_user_and_bytes() {
    if !skip::privileged() {
        return;
    }
    const USER: u32 = 12_346;
    let net = Net::new(1);
    let (monitor, _directory) = monitor(&net, [c"/proc", c"proc", c"hidepid=2"]);
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let mut command = mover(&net, "drain 127.0.0.1:7042 50");
    // SAFETY: between fork and exec, one system call that allocates nothing; behind the one that enters the namespace.
    unsafe {
        command.pre_exec(|| match libc::setuid(USER) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    };
    let mut hidden = command.spawn().expect("starting a process");
    let pid = hidden.id();
    thread::sleep(Duration::from_millis(300));
    assert!(mover(&net, "datagrams 127.0.0.1:7042 50 100").status().expect("its end").success());
    assert!(hidden.wait().expect("its end").success());
    let expected = vec![json!([50, 5_000, "mover", USER])];
    wait_until(&monitor, "its bytes", |snapshot| processes(snapshot, pid) == expected);
}

/// A control group of the unified hierarchy, named as a unit of systemd; removed when this is dropped.
struct Unit(PathBuf);

impl Unit {
    fn new(name: &str) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts")?;
        let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words[2] == "cgroup2");
        let root =
            root.ok_or_else(|| io::Error::other("there is no unified hierarchy of control groups"))?[1].to_string();
        let path = Path::new(&root).join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Has a command run in it.
    fn hold(&self, command: &mut Command) {
        let file = CString::new(self.0.join("cgroup.procs").to_str().expect("text")).expect("no zero");
        // SAFETY: between fork and exec, system calls that allocate nothing; 0 is the process itself.
        unsafe {
            command.pre_exec(move || match libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) {
                fd if fd >= 0 && libc::write(fd, c"0".as_ptr().cast(), 1) == 1 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            })
        };
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // It fails where a process is still in it, which then is the test's fault.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_process_that_lived_for_a_moment_has_its_name_user_and_unit() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    const USER: u32 = 12_348;
    let name = format!("nettop-test-{}.service", std::process::id());
    let unit = match Unit::new(&name) {
        Ok(unit) => unit,
        Err(error) => return skip::report(&format!("a control group cannot be made: {error}")),
    };
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 32");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    // One of them lives on: it has moved something, so that it is known.
    let mut command = mover(&net, "drain 127.0.0.1:7043 3");
    unit.hold(&mut command);
    let mut stays = command.spawn().expect("starting a process");
    thread::sleep(Duration::from_millis(300));
    let send = || {
        let mut command = mover(&net, "datagrams 127.0.0.1:7043 1 100");
        unit.hold(&mut command);
        // SAFETY: between fork and exec, one system call that allocates nothing; behind the one that enters the group.
        unsafe {
            command.pre_exec(|| match libc::setuid(USER) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            })
        };
        let mut child = command.spawn().expect("starting a process");
        assert!(child.wait().expect("its end").success());
        child.id()
    };
    let unit_of = |snapshot: &Value, pid: u32| {
        let rows = snapshot["processes"]["rows"].as_array().into_iter().flatten();
        rows.filter(|row| row["pid"] == pid).map(|row| row["unit"].clone()).next()
    };
    send();
    wait_until(&monitor, "who stays", |snapshot| unit_of(snapshot, stays.id()) == Some(json!(name)));
    let pid = send();
    let snapshot =
        wait_until(&monitor, "who is gone", |snapshot| processes(snapshot, pid) == [json!([100, 1, "mover", USER])]);
    assert_eq!(unit_of(&snapshot, pid), Some(json!(name)), "{snapshot}");
    send();
    assert!(stays.wait().expect("its end").success());
}

/// A process that sends so many bytes and ends, with the number that is asked for; 0: any. Its number.
fn send_as(socket: &UdpSocket, bytes: usize, number: libc::pid_t) -> io::Result<u32> {
    let (buffer, fd) = ([7_u8; 1_000], socket.as_raw_fd());
    // SAFETY: zeros are arguments.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    if number != 0 {
        (arguments.set_tid, arguments.set_tid_size) = ((&raw const number) as u64, 1);
    }
    // SAFETY: the arguments live as long as the call; the child makes two system calls and allocates nothing.
    let child = unsafe {
        let child = libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of_val(&arguments));
        if child == 0 {
            libc::send(fd, buffer.as_ptr().cast(), bytes, 0);
            libc::_exit(0);
        }
        child as libc::pid_t
    };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut status = 0;
    // SAFETY: a place for a number.
    match unsafe { libc::waitpid(child, &raw mut status, 0) } {
        waited if waited == child && status == 0 => Ok(child as u32),
        _ => Err(io::Error::last_os_error()),
    }
}

#[test]
fn a_number_that_is_given_twice_is_two_processes() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let monitor = Monitor::live(&net.receiver, "--iface in0 --map-memory 32");
    wait_until(&monitor, "the first census", |snapshot| snapshot["connections"].is_object());
    let (socket, _other) = net.receiver.run(|| {
        let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(other.local_addr().expect("an address")).expect("connecting");
        (socket, other)
    });
    let pid = send_as(&socket, 100, 0).expect("a process");
    // Starts are told apart by hundredths of a second.
    thread::sleep(Duration::from_millis(50));
    match send_as(&socket, 200, pid as libc::pid_t) {
        Ok(again) => assert_eq!(again, pid),
        Err(error) => return skip::report(&format!("no process may be given a number: {error}")),
    }
    let sent = |snapshot: &Value| processes(snapshot, pid).iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    wait_until(&monitor, "two processes", |snapshot| sent(snapshot) == [json!(100), json!(200)]);
}
