//! What the kernel lets a process do that has given up everything, of what nettop reads about sockets: each thing that works, and each that does not,
//! so that it has to be opened before. The thread of a test enters nettop's own sandbox as nobody.

use std::{
    fs::{self, File},
    io,
    mem::size_of_val,
    net::TcpListener,
    ops::ControlFlow,
    os::{
        fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{fs::FileExt as _, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command},
};

use nettop_collect::{
    kernel::{capacity::Capacity, open_files::OpenFiles},
    netlink,
    sockets::diag::Diag,
};
use nettop_sandbox::{Folders, Mode};
use nettop_tests::{
    bpf,
    monitor::Monitor,
    net::{Namespace, Net},
    program::{self, NOBODY},
    skip,
    tracepoints::Tracepoints,
};
use rustix::{
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use serde_json::{Value, json};

/// Somebody else.
const OTHER: u32 = 12_347;

/// A process that is ended when this is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A process of a user that listens at this address of a namespace.
fn listen_as(user: u32, namespace: &Namespace, address: &str) -> Started {
    let mut command = namespace.command(env!("CARGO_BIN_EXE_mover"));
    // SAFETY: between fork and exec, one system call that allocates nothing; behind the one that enters the namespace.
    unsafe {
        command.pre_exec(move || match libc::setuid(user) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    };
    let started = Started(command.args(["closes", address, "1"]).spawn().expect("starting a process"));
    let port = address.split_once(':').expect("a port").1.parse().expect("a number");
    let listens = || namespace.run(|| Diag::open().is_ok_and(|mut diag| ports(&mut diag).contains(&port)));
    assert!(program::wait_for(|| listens().then_some(())).is_some(), "nobody listens at {address}");
    started
}

/// The local ports of all sockets of TCP that are listed over this.
fn ports(diag: &mut Diag) -> Vec<u16> {
    let mut ports = Vec::new();
    diag.list(&mut |row| ports.push(row.local_port));
    ports
}

/// A socket to subsystems of the kernel.
fn netlink_socket(protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    // SAFETY: nobody else has it.
    if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

/// Binds it to these groups, by bits.
fn join(socket: &OwnedFd, groups: u32) -> io::Result<()> {
    // SAFETY: zeros are an address.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    (address.nl_family, address.nl_groups) = (libc::AF_NETLINK as u16, groups);
    // SAFETY: an address of this length.
    let done = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks for all that connection tracking has (`IPCTNL_MSG_CT_GET`, linux/netfilter/nfnetlink_conntrack.h).
fn dump_flows(socket: &OwnedFd) -> io::Result<()> {
    const CTNETLINK_GET: u16 = 1 << 8 | 1;
    const REQUEST_DUMP: u16 = 0x301;
    let mut request = [0_u8; 20];
    request[..4].copy_from_slice(&20_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&CTNETLINK_GET.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    let mut answer = [0_u8; 4096];
    let (fd, length) = (socket.as_raw_fd(), answer.len());
    // SAFETY: buffers of these lengths.
    let received = unsafe {
        match libc::send(fd, request.as_ptr().cast(), request.len(), 0) {
            20 => libc::recv(fd, answer.as_mut_ptr().cast(), length, 0),
            failed => failed,
        }
    };
    if received < 20 {
        return Err(io::Error::last_os_error());
    }
    let number = i32::from_ne_bytes(answer[16..20].try_into().expect("four bytes"));
    let is_error = u16::from_ne_bytes(answer[4..6].try_into().expect("two bytes")) == libc::NLMSG_ERROR as u16;
    if is_error && number != 0 { Err(io::Error::from_raw_os_error(-number)) } else { Ok(()) }
}

/// Gives up everything, in this thread alone, but what nettop keeps.
fn give_up() {
    let mut folders = Folders::default();
    folders.read(Path::new("/proc"));
    set_thread_groups(&[]).expect("no groups");
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_res_gid(group, group, group).expect("another group");
    set_thread_res_uid(user, user, user).expect("another user");
    let layers = nettop_sandbox::enter(Mode::BestEffort, None, &folders).expect("the sandbox");
    let missing: Vec<_> = layers.iter().filter(|layer| !layer.holds).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_thing_works_after_the_sandbox_or_has_to_be_opened_before() {
    if !skip::privileged_with(&skip::TCX) {
        return;
    }
    let net = Net::new(1);
    for namespace in [&net.receiver, &net.sender] {
        namespace.ip("link set dev lo up");
    }
    let of_other = listen_as(OTHER, &net.receiver, "127.0.0.1:7301");
    let of_same = listen_as(NOBODY, &net.receiver, "127.0.0.1:7302");
    let [other, same] = [&of_other, &of_same].map(|started| started.0.id());
    let elsewhere = net.sender.run(|| TcpListener::bind("127.0.0.1:7303").expect("a listening socket"));
    let index = net.receiver.interface_index("in0");
    let classifier = bpf::load_classifier(&[bpf::mov(0, -1), bpf::exit()]).expect("a program");
    let tracepoints = Tracepoints::load(Capacity::MOST);
    let owners = OpenFiles::new(tracepoints.owners().as_fd()).expect("a link");
    let in_other_namespace = net.sender.run(Diag::open).expect("a socket to ask over");
    let report = net.receiver.run(move || {
        let mut before = Diag::open().expect("a socket to ask over");
        let mut in_other_namespace = in_other_namespace;
        let filter = netlink_socket(libc::NETLINK_NETFILTER);
        let flows = File::open("/proc/thread-self/net/nf_conntrack");
        give_up();

        let exists = |holds: bool| if holds { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) };
        let of = |pid: u32, name: &str| fs::read(format!("/proc/{pid}/{name}")).map(drop);
        let link = |pid: u32, name: &str| fs::read_link(format!("/proc/{pid}/{name}")).map(drop);
        let net = |name: &str| fs::read(format!("/proc/thread-self/net/{name}")).map(drop);
        let mut seen = Vec::new();
        let told = owners.read(|open| {
            seen.push(open.process);
            ControlFlow::Continue(())
        });
        let owned = told.and_then(|()| exists([other, same].iter().all(|pid| seen.contains(pid))));
        let mut works = vec![
            ("a list of all users' sockets", exists(ports(&mut before).contains(&7301))),
            ("the same, over a new socket", Diag::open().and_then(|mut diag| exists(ports(&mut diag).contains(&7301)))),
            ("a list of another namespace", exists(ports(&mut in_other_namespace).contains(&7303))),
            ("being told of sockets that end", netlink_socket(libc::NETLINK_SOCK_DIAG).and_then(|one| join(&one, 0xf))),
            ("owners of all users' sockets", owned),
            ("attaching a loaded program to an egress", bpf::attach_egress(classifier.as_fd(), index).map(drop)),
            ("a list of interfaces", netlink::interfaces().map(drop)),
        ];
        for name in ["snmp", "netstat", "softnet_stat", "sockstat"] {
            works.push(("counters of the host", net(name)));
        }
        for name in ["comm", "cmdline", "cgroup", "stat", "status"] {
            works.push(("facts of another user's process", of(other, name)));
        }
        let mut refused = vec![
            ("files of /sys", fs::read("/sys/class/net/lo/mtu").map(drop)),
            ("any other file", fs::read("/etc/hostname").map(drop)),
            ("loading a program", bpf::load_classifier(&[bpf::mov(0, -1), bpf::exit()]).map(drop)),
            ("the open files of another user's process", fs::read_dir(format!("/proc/{other}/fd")).map(drop)),
            ("what another user's process reads", of(other, "io")),
            ("a socket to the network", TcpListener::bind("127.0.0.1:0").map(drop)),
        ];
        for pid in [other, same] {
            for name in ["exe", "cwd", "ns/net"] {
                refused.push(("links of any user's process", link(pid, name)));
            }
        }
        if let (Ok(filter), Ok(flows)) = (filter, flows) {
            works.push(("the table of flows, opened before", flows.read_at(&mut [0; 64], 0).map(drop)));
            refused.push(("the table of flows, opened now", net("nf_conntrack")));
            refused.push(("a list of flows, over an older socket", dump_flows(&filter)));
            refused.push(("events of flows, from now on", join(&filter, 1)));
        }
        (works, refused)
    });
    let (works, refused) = report;
    let failed: Vec<_> = works.iter().filter(|(_, done)| done.is_err()).collect();
    assert!(failed.is_empty(), "does not work: {failed:?}");
    let kinds = [libc::EPERM, libc::EACCES, libc::ENOSYS];
    let done: Vec<_> = refused
        .iter()
        .filter(|(_, done)| {
            !done.as_ref().is_err_and(|error| error.raw_os_error().is_some_and(|one| kinds.contains(&one)))
        })
        .collect();
    assert!(done.is_empty(), "is not refused: {done:?}");
    drop((elsewhere, of_other, of_same));
}

#[test]
fn a_monitor_that_is_nobody_tells_of_everybody_s_sockets_and_what_it_cannot_know() {
    if !skip::privileged_with(&skip::CALLS) {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let early = listen_as(OTHER, &net.receiver, "127.0.0.1:7311");
    let directory = program::public_directory();
    let mut command: Command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--iface", "in0", "--map-memory", "32", "--interval", "0.1", "--no-access-log"]);
    command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()).env("SUDO_USER", "nobody");
    let monitor = Monitor::start(command, &directory.path().join("s"));
    let status = fs::read_to_string(format!("/proc/{}/status", monitor.pid())).expect("its status");
    for part in [format!("Uid:\t{NOBODY}\t{NOBODY}"), "CapPrm:\t0000000000000000".into(), "Seccomp:\t2".into()] {
        assert!(status.contains(&part), "{part}: {status}");
    }
    let late = listen_as(OTHER, &net.receiver, "127.0.0.1:7312");
    // Of its connection everything is known, at both ends.
    let client = net.receiver.command(env!("CARGO_BIN_EXE_mover")).args(["silent", "127.0.0.1:7312", "1"]).spawn();
    let client = Started(client.expect("starting a process"));
    let served = late.0.id();
    let groups = || monitor.groups(&["connections", "processes", "host", "monitor"]);
    let row = |snapshot: &Value, list: &str, port: &str, number: u16| -> Option<Value> {
        snapshot["connections"][list].as_array()?.iter().find(|row| row[port] == number).cloned()
    };
    let snapshot = program::first("the listener and both ends", groups, |snapshot| {
        let pid = |list, port, number| row(snapshot, list, port, number).map(|row| row["pid"].clone());
        pid("listening", "local_port", 7311) == Some(json!(early.0.id()))
            && pid("ended", "local_port", 7312) == Some(json!(served))
            && pid("ended", "remote_port", 7312) == Some(json!(client.0.id()))
    });
    let processes = snapshot["processes"]["rows"].as_array().expect("rows");
    let process = |pid: u32| processes.iter().find(|row| row["pid"] == pid).unwrap_or_else(|| panic!("{processes:?}"));
    let known = |pid: u32| {
        let row = process(pid);
        json!([row["process"], row["uid"], row["executable"].is_null()])
    };
    // Whose file it is can be looked at before the sandbox only.
    assert_eq!(known(early.0.id()), json!(["mover", OTHER, false]), "{processes:?}");
    assert_eq!(known(served), json!(["mover", OTHER, true]), "{processes:?}");
    assert!(snapshot["host"]["counters"].as_object().is_some_and(|all| all.len() > 5), "{}", snapshot["host"]);
    let degraded = snapshot["monitor"]["degraded"].to_string();
    for badge in ["owners unknown", "no process bytes", "host counters"] {
        assert!(!degraded.contains(badge), "{badge}: {degraded}");
    }
}
