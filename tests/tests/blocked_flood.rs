//! What a flood leaves of a download, and what blocks give back: in the XDP program, in nftables and in iptables.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    blocking::{ask_block, blocks, ready},
    flood::Flood,
    frames::{Spec, Transport},
    net::Net,
    peers::{HOST, peers},
    skip,
};

const SOURCES: u32 = 1_000;
const BASE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const WINDOW: Duration = Duration::from_secs(2);

/// Megabits a second of a download by the other host, and millions of frames a second of a flood meanwhile.
fn measured(net: &Net, is_flooded: bool) -> (f64, f64) {
    let listener = net.receiver.run(|| TcpListener::bind((HOST, 0)).expect("a listening socket"));
    let port = listener.local_addr().expect("its address").port();
    let (ends, received, sent) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (ends, received, sent) = (&ends, &received, &sent);
        let mut client = net.sender.run(|| TcpStream::connect((HOST, port))).expect("a connection");
        let mut server = listener.accept().expect("the other end").0;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a deadline");
            stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a deadline");
        }
        scope.spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let _ = server.write(&[7; 65_536]);
            }
        });
        scope.spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !ends.load(Ordering::Relaxed) {
                received.fetch_add(client.read(&mut buffer).unwrap_or_default() as u64, Ordering::Relaxed);
            }
        });
        if is_flooded {
            scope.spawn(move || {
                let spec = Spec::between(BASE.into(), HOST.into(), Transport::Udp(9, 9));
                let frame = Spec { destination_mac: [2, 0, 0, 0, 2, 0], ..spec }.frame();
                let flood = Flood { frame, sources: SOURCES, base: BASE, count: 0 };
                let flood = flood.ready(&net.sender, "out0").expect("a flood");
                while !ends.load(Ordering::Relaxed) {
                    flood.send(1 << 16).expect("a flood");
                    sent.fetch_add(1 << 16, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        let arrived = net.receiver.received("in0");
        let (began, before) = (Instant::now(), [received, sent].map(|count| count.load(Ordering::Relaxed)));
        thread::sleep(WINDOW);
        let after = [received, sent].map(|count| count.load(Ordering::Relaxed));
        if is_flooded {
            println!(
                "{:>10} frames have arrived, those of the client included",
                net.receiver.received("in0") - arrived
            );
        }
        let seconds = began.elapsed().as_secs_f64();
        ends.store(true, Ordering::Relaxed);
        let rate = |at: usize| (after[at] - before[at]) as f64 / seconds / 1e6;
        (rate(0) * 8.0, rate(1))
    })
}

fn fed(net: &Net, program: &str, arguments: &[&str], text: &str) {
    let mut command = net.receiver.command(program);
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("starting it");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("writing");
    assert!(child.wait().expect("its end").success(), "{program}");
}

fn told(name: &str, (mbit, mpps): (f64, f64)) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    println!("{name:<28} download {mbit:8.0} Mbit/s   flood {mpps:.2} Mpps   load {load}");
}

#[test]
#[ignore = "measures, for some twenty seconds and with both CPUs"]
fn a_download_beside_a_flood() {
    if !skip::privileged() {
        return;
    }
    let address = |at: u32| Ipv4Addr::from_bits(BASE.to_bits() + at);
    let net = peers();
    {
        let monitor = ready(&net, "--map-memory 64");
        told("nettop, no flood", measured(&net, false));
        told("nettop, flood", measured(&net, true));
        for at in 0..SOURCES {
            assert_eq!(ask_block(&monitor, &address(at).to_string(), 600)["ok"], true);
        }
        told("nettop, flood blocked", measured(&net, true));
        let all = blocks(&monitor);
        println!("dropped {}, holds {}", all["dropped"], all["holds"]);
        assert_eq!(all["holds"], true);
        drop(monitor.stop());
        told("no flood any more", measured(&net, false));
    }
    // Without a program there, a veth takes such frames only with GRO.
    let gro = net.receiver.command("ethtool").args(["-K", "in0", "gro", "on"]).status();
    if !gro.is_ok_and(|status| status.success()) {
        return skip::report("there is no ethtool; on Debian: apt-get install ethtool");
    }
    told("no program, no flood", measured(&net, false));
    told("no program, flood", measured(&net, true));
    let mut elements = String::new();
    (0..SOURCES).for_each(|at| write!(elements, "{}{}", if at > 0 { ", " } else { "" }, address(at)).expect("text"));
    let table = format!(
        "table inet t {{ set s {{ type ipv4_addr; elements = {{ {elements} }} }}\n\
         chain c {{ type filter hook prerouting priority -310; ip saddr @s drop; }}\n }}\n"
    );
    fed(&net, "nft", &["-f", "-"], &table);
    told("nft, flood blocked", measured(&net, true));
    fed(&net, "nft", &["-f", "-"], "delete table inet t\n");
    let mut rules = String::from("*filter\n");
    (0..SOURCES).for_each(|at| writeln!(rules, "-A INPUT -s {} -j DROP", address(at)).expect("text"));
    fed(&net, "iptables-restore", &[], &(rules + "COMMIT\n"));
    told("iptables, flood blocked", measured(&net, true));
}
