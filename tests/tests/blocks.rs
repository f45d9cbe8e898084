//! Blocks: what comes from them is dropped in the kernel, to the packet, and nothing else is; and what guards refuse.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nettop_collect::kernel::capacity::Capacity;
use nettop_common::{LinkLayer, Outcome, counters::Part};
use nettop_model::{
    clock::{Moment, asleep_ns},
    filter::FilterText,
    net::Net as Block,
};
use nettop_tests::{
    blocking::{ask_block, blocks, ready, wait_until},
    frames::{Spec, Transport},
    kernel::{DROP, Kernel},
    monitor::Monitor,
    net::Net,
    program,
    send::Sender,
    skip,
    traffic::Traffic,
};
use serde_json::json;

const LATER: u64 = 3_600_000_000_000;

fn now_ns() -> u64 {
    Moment::now().monotonic_ns - asleep_ns()
}

fn block(text: &str) -> Block {
    text.parse().expect("an address or a prefix")
}

fn udp_from(source: &str) -> Spec {
    let source: IpAddr = source.parse().expect("an address");
    let udp = Transport::Udp(40_000, 53);
    if source.is_ipv4() { Spec { source, ..Spec::v4(udp) } } else { Spec { source, ..Spec::v6(udp) } }
}

#[test]
fn what_lies_in_a_block_is_dropped_and_nothing_else() {
    if !skip::privileged() {
        return;
    }
    for (name, blocks, dropped, passed) in [
        ("nothing", &[][..], &[][..], &["192.0.2.1", "2001:db8::1"][..]),
        ("an address", &["192.0.2.1"], &["192.0.2.1"], &["192.0.2.2", "192.0.2.0", "2001:db8::1"]),
        ("an address of IPv6", &["2001:db8::1"], &["2001:db8::1"], &["2001:db8::2", "192.0.2.1"]),
        ("a mapped address", &["::ffff:192.0.2.1"], &["192.0.2.1"], &["192.0.2.2"]),
        ("a /24", &["192.0.2.0/24"], &["192.0.2.0", "192.0.2.255"], &["192.0.1.255", "192.0.3.0"]),
        ("a /9 of IPv4", &["10.128.0.0/9"], &["10.128.0.0", "10.255.255.255"], &["10.127.255.255", "11.128.0.0"]),
        ("a /48", &["2001:db8::/48"], &["2001:db8::1", "2001:db8:0:ffff::9"], &["2001:db8:1::1"]),
        ("a /64", &["2001:db8:0:1::/64"], &["2001:db8:0:1::7"], &["2001:db8::7", "2001:db8:0:2::7"]),
        (
            "all lengths there can be",
            &["10.1.0.0/16", "10.2.0.0/20", "10.3.3.0/24", "10.4.4.16/28", "10.5.5.5", "2001:db8::/32"],
            &["10.1.255.255", "10.2.15.255", "10.3.3.9", "10.4.4.31", "10.5.5.5", "2001:db8:ffff::"],
            &["10.2.16.0", "10.3.4.9", "10.4.4.32", "10.5.5.6", "2001:db9::"],
        ),
    ] {
        for (form, mut kernel) in [
            ("slots", Kernel::load()),
            ("parts", Kernel::load_parts(Part::EVERY & !Part::Macs.bit())),
            ("hash maps", Kernel::load_hash(Part::EVERY, 16)),
        ] {
            for text in blocks {
                kernel.block(block(text).key(), now_ns() + LATER).expect("room");
            }
            let mut sent = 0;
            for (addresses, is_dropped) in [(dropped, true), (passed, false)] {
                for source in addresses {
                    for spec in [udp_from(source), udp_from(source).tags(&[(0x88a8, 1), (0x8100, 2)])] {
                        let frame = spec.frame();
                        let verdict = kernel.run(&frame, LinkLayer::Ethernet);
                        assert_eq!(verdict == DROP, is_dropped, "{name}, {form}: {source}");
                        sent += 1;
                    }
                    let verdict = kernel.run(&udp_from(source).frame()[14..], LinkLayer::RawIp);
                    assert_eq!(verdict == DROP, is_dropped, "{name}, {form}, without a link layer: {source}");
                    sent += 1;
                }
            }
            let totals = kernel.totals();
            let blocked = dropped.len() as u64 * 3;
            assert_eq!(
                (totals.seen.packets, totals.outcome(Outcome::Blocked).packets),
                (sent, blocked),
                "{name}, {form}"
            );
            assert_eq!(totals.outcome(Outcome::Counted).packets, sent - blocked, "{name}, {form}");
            assert_eq!(kernel.dropped().iter().map(|(_, packets)| packets).sum::<u64>(), blocked, "{name}, {form}");
        }
    }
}

#[test]
fn neither_a_filter_nor_a_pause_lifts_a_block_and_time_ends_it() {
    if !skip::privileged() {
        return;
    }
    let mut kernel = Kernel::load();
    let (blocked, other) = (udp_from("192.0.2.1").frame(), udp_from("192.0.2.2").frame());
    kernel.block(block("192.0.2.1").key(), now_ns() + LATER).expect("room");
    let filter = FilterText { src: "192.0.2.1".into(), ..FilterText::default() }.parse().expect("a filter");
    for (name, paused, is_filtered) in [("a filter", false, true), ("a pause", true, false), ("both", true, true)] {
        kernel.set_filter(is_filtered.then_some(&filter).and_then(|filter| filter.filter.as_deref()));
        kernel.set_paused(paused);
        let before = kernel.totals();
        assert_eq!(kernel.run(&blocked, LinkLayer::Ethernet), DROP, "{name}");
        kernel.count(&other, LinkLayer::Ethernet);
        let since = kernel.totals().since(&before);
        let outcomes = [Outcome::Blocked, Outcome::Filtered].map(|outcome| since.outcome(outcome).packets);
        assert_eq!(outcomes, [1, 1], "{name}");
    }
    kernel.set_filter(None);
    kernel.set_paused(false);
    // Its time is over: the entry is there, and nothing is dropped.
    kernel.block(block("192.0.2.1").key(), now_ns().saturating_sub(50_000_000)).expect("it is there");
    kernel.count(&blocked, LinkLayer::Ethernet);
    kernel.block(block("192.0.2.1").key(), now_ns() + LATER).expect("it is renewed");
    assert_eq!(kernel.run(&blocked, LinkLayer::Ethernet), DROP);
    kernel.unblock(&block("192.0.2.1").key());
    kernel.count(&blocked, LinkLayer::Ethernet);
}

#[test]
fn there_is_room_for_so_many_blocks_and_each_counts_for_itself() {
    if !skip::privileged() {
        return;
    }
    let room = Capacity::MOST.block_room();
    let mut kernel = Kernel::load();
    let address = |at: u32| Ipv4Addr::from_bits(0x0a00_0000 + at * 977);
    for at in 0..room {
        kernel.block(Block::from(IpAddr::from(address(at))).key(), now_ns() + LATER).expect("room");
    }
    let error = kernel.block(block("203.0.113.1").key(), now_ns() + LATER).expect_err("one more");
    assert!(error.to_string().contains("there are 16384 blocks"), "{error}");
    for at in [0, 1, 77, room - 1] {
        (0..=at % 5).for_each(|_| _ = kernel.run(&udp_from(&address(at).to_string()).frame(), LinkLayer::Ethernet));
    }
    let mut packets: Vec<_> = kernel.dropped().into_iter().map(|(_, packets)| packets).collect();
    packets.sort_unstable();
    let mut expected: Vec<_> = [0, 1, 77, room - 1].map(|at| u64::from(at % 5 + 1)).into();
    expected.sort_unstable();
    assert_eq!(packets, expected);
    kernel.unblock(&Block::from(IpAddr::from(address(5))).key());
    kernel.dropped();
    kernel.block(block("203.0.113.1").key(), now_ns() + LATER).expect("room again");
    // A fifth length of prefixes is refused, and nothing changes.
    for prefix in ["172.16.0.0/16", "172.17.0.0/20", "172.18.0.0/24"] {
        kernel.unblock(&Block::from(IpAddr::from(address(u32::from(prefix.as_bytes()[5])))).key());
        kernel.dropped();
        kernel.block(block(prefix).key(), now_ns() + LATER).expect(prefix);
    }
}

#[test]
fn who_is_blocked_gets_nothing_through_and_others_do() {
    if !skip::privileged() {
        return;
    }
    for maps in ["slots", "hash"] {
        let net = Net::new(1);
        net.receiver.ip("addr add 10.0.0.1/24 dev in0");
        let socket = net.receiver.run(|| UdpSocket::bind("10.0.0.1:53").expect("a socket"));
        socket.set_nonblocking(true).expect("a socket that does not wait");
        let heard = || {
            thread::sleep(Duration::from_millis(100));
            std::iter::from_fn(|| socket.recv(&mut [0; 64]).ok()).count()
        };
        let monitor = ready(&net, &format!("--maps {maps}"));
        let sender = Sender::new(&net.sender, "out0");
        let to_host = |source: &str| {
            let spec = Spec::between(source.parse().unwrap(), [10, 0, 0, 1].into(), Transport::Udp(40_000, 53));
            Spec { destination_mac: [2, 0, 0, 0, 2, 0], ..spec }
        };
        let (attacker, friend) = (to_host("10.0.0.66"), to_host("10.0.0.7"));
        let mut traffic = Traffic::default();
        traffic.send(&sender, &attacker, 10);
        traffic.send(&sender, &friend, 10);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
        assert_eq!(heard(), 20, "{maps}: the host hears both");

        let answer = ask_block(&monitor, "10.0.0.66", 600);
        assert_eq!((&answer["ok"], &answer["block"]["net"]), (&true.into(), &"10.0.0.66".into()), "{answer}");
        for _ in 0..3 {
            traffic.send_blocked(&sender, &attacker, 1000);
            traffic.send(&sender, &friend, 10);
        }
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
        assert_eq!(heard(), 30, "{maps}: the friend alone");
        let all = blocks(&monitor);
        assert_eq!(
            (&all["rows"][0]["packets"], &all["dropped"], &all["holds"]),
            (&3000.into(), &3000.into(), &true.into()),
            "{all}"
        );
        assert_eq!((&all["rows"][0]["why"], &all["rows"][0]["by"]), (&"a test".into(), &"user 0".into()));

        // A pause does not lift it, nor does a reset.
        monitor.command(&json!({"cmd": "pause"}));
        sender.send(&attacker.frame(), 5);
        wait_until("what is dropped in a pause", || blocks(&monitor)["dropped"] == 3005);
        monitor.command(&json!({"cmd": "resume"}));
        monitor.command(&json!({"cmd": "reset"}));
        let all = blocks(&monitor);
        assert_eq!((&all["dropped"], &all["holds"]), (&3005.into(), &true.into()), "{all}");

        let answer = monitor.command(&json!({"cmd": "unblock", "net": "10.0.0.66"}));
        assert_eq!(answer["unblocked"]["packets"], 3005, "{answer}");
        heard();
        sender.send(&attacker.frame(), 10);
        assert_eq!(heard(), 10, "{maps}: it is blocked no more");
        let all = blocks(&monitor);
        assert_eq!((&all["rows"], &all["ended"], &all["holds"]), (&json!([]), &3005.into(), &true.into()), "{all}");
    }
}

#[test]
fn a_prefix_is_dropped_whole_and_its_time_ends_it() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = ready(&net, "");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    let from = |last: u8| Spec::between([203, 0, 113, last].into(), [198, 51, 100, 2].into(), Transport::Udp(9, 9));
    let answer = ask_block(&monitor, "203.0.113.0/24", 10);
    assert_eq!(answer["ok"], true, "{answer}");
    let began = Instant::now();
    for last in 0..=255 {
        traffic.send_blocked(&sender, &from(last), 1);
        let next = Spec::between([203, 0, 114, last].into(), [198, 51, 100, 2].into(), Transport::Udp(9, 9));
        traffic.send(&sender, &next, 1);
    }
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    assert_eq!(blocks(&monitor)["rows"][0]["packets"], 256);
    wait_until("the end of the block", || began.elapsed() > Duration::from_secs(10));
    wait_until("no block", || blocks(&monitor)["rows"] == json!([]));
    traffic.send(&sender, &from(9), 100);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
}

#[test]
fn a_killed_monitor_leaves_no_block() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = ready(&net, "");
    let sender = Sender::new(&net.sender, "out0");
    let frame = udp_from("203.0.113.5").frame();
    assert_eq!(ask_block(&monitor, "203.0.113.5", 600)["ok"], true);
    sender.send(&frame, 100);
    wait_until("what is dropped", || blocks(&monitor)["dropped"] == 100);
    monitor.signal(libc::SIGKILL);
    wait_until("no program", || net.receiver.xdp_program("in0").is_none());
    let before = net.receiver.received("in0");
    sender.send(&frame, 100);
    wait_until("the next packets pass", || net.receiver.received("in0") >= before + 100);
}

#[test]
fn guards_refuse_by_name_and_nothing_changes() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("addr add 10.0.0.1/24 dev in0");
    net.receiver.ip("route add default via 10.0.0.254");
    let monitor = ready(&net, "--allow 203.0.113.99,198.51.100.0/24 --trusted-proxy 10.8.0.0/16");
    for (text, guard, yields) in [
        ("127.0.0.1", "loopback", false),
        ("10.0.0.1", "own", false),
        ("10.0.0.0/25", "own", false),
        ("10.0.0.254", "gateway", false),
        ("10.0.0.128/25", "gateway", false),
        ("224.0.0.1", "special", true),
        ("203.0.113.99", "allowed", true),
        ("203.0.113.0/24", "allowed", true),
        ("198.51.100.7", "allowed", true),
        ("10.8.3.3", "trusted-proxy", true),
        ("20.0.0.0/8", "wide", true),
    ] {
        let answer = ask_block(&monitor, text, 600);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(&format!("is not blocked ({guard})")), "{text}: {answer}");
        let confirmed = monitor.request(&json!({"cmd": "block", "net": text, "confirm": text}));
        assert_eq!(confirmed["ok"], yields, "{text}: {confirmed}");
        if yields {
            monitor.command(&json!({"cmd": "unblock", "net": text}));
        }
        assert_eq!(blocks(&monitor)["rows"], json!([]), "{text}");
    }
    // What becomes an address of this host, or is allowed, is blocked no more.
    assert_eq!(ask_block(&monitor, "203.0.113.5", 600)["ok"], true);
    assert_eq!(ask_block(&monitor, "203.0.113.6", 600)["ok"], true);
    net.receiver.ip("addr add 203.0.113.5/32 dev in0");
    wait_until("the end of a block of an own address", || blocks(&monitor)["rows"][0]["net"] == "203.0.113.6");
    monitor.command(&json!({"cmd": "allow", "net": "203.0.113.6"}));
    assert_eq!(blocks(&monitor)["rows"], json!([]));
}

#[test]
fn print_does_nothing_and_none_forbids() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let sender = Sender::new(&net.sender, "out0");
    for (with, part) in
        [("print", None), ("none", Some("--block-with none")), ("xdp --without blocks", Some("--without blocks"))]
    {
        let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --block-with {with}"));
        sender.send(&udp_from("203.0.113.5").frame(), 7);
        monitor.wait_until_seen(7);
        let plan = monitor.command(&json!({"cmd": "block", "net": "203.0.113.5", "with": "print"}))["plan"].clone();
        assert_eq!(plan["counted"]["packets"], 7, "{plan}");
        assert_eq!(plan["seen"], "yes", "{plan}");
        let commands = plan["commands"].to_string();
        for command in ["iptables -w -I INPUT -s 203.0.113.5", "ufw prepend deny from 203.0.113.5"] {
            assert!(commands.contains(command), "{commands}");
        }
        if let Some(part) = part {
            let answer = monitor.request(&json!({"cmd": "block", "net": "203.0.113.5", "with": "xdp"}));
            assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{answer}");
        }
        drop(monitor.stop());
    }
}

#[test]
fn blocks_are_kept_and_made_again_where_that_is_wanted() {
    if !skip::privileged() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let net = Net::new(1);
    let options = |restore: &str| format!("--state {} {restore}", state.display());
    let monitor = ready(&net, &options(""));
    assert_eq!(ask_block(&monitor, "203.0.113.5", 600)["ok"], true);
    assert_eq!(ask_block(&monitor, "203.0.113.9", 10)["ok"], true);
    monitor.command(&json!({"cmd": "allow", "net": "203.0.113.77"}));
    let began = Instant::now();
    drop(monitor.stop());
    let file = fs::read_to_string(state.join("blocks.jsonl")).expect("what is kept");
    assert_eq!(file.lines().count(), 3, "{file}");
    wait_until("the end of the second block", || began.elapsed() > Duration::from_secs(11));

    let monitor = ready(&net, &options("--block-restore"));
    wait_until("the block", || blocks(&monitor)["rows"][0]["net"] == "203.0.113.5");
    let all = blocks(&monitor);
    assert_eq!(all["rows"].as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all["allowed"], json!(["203.0.113.77"]));
    let sender = Sender::new(&net.sender, "out0");
    sender.send(&udp_from("203.0.113.5").frame(), 50);
    wait_until("what is dropped", || blocks(&monitor)["dropped"] == 50);
    assert_eq!(blocks(&monitor)["holds"], true);
    drop(monitor.stop());

    let monitor = ready(&net, &options(""));
    let all = blocks(&monitor);
    assert_eq!((&all["rows"], &all["allowed"]), (&json!([]), &json!(["203.0.113.77"])), "only services do that");
}

#[test]
fn as_many_as_there_is_room_for_are_blocked_one_by_one_and_the_next_is_refused() {
    if !skip::privileged() {
        return;
    }
    const ROOM: u32 = 16_384;
    let folder = tempfile::tempdir().expect("a folder");
    let net = Net::new(1);
    let options = format!("--map-memory 256 --interval 1 --state {}", folder.path().join("state").display());
    let monitor = ready(&net, &options);
    let address = |at: u32| Ipv4Addr::from_bits(0xc612_0000 + at).to_string();
    let began = Instant::now();
    for at in 0..ROOM {
        let answer = ask_block(&monitor, &address(at), 3_600);
        assert_eq!(answer["ok"], true, "{at}: {answer}");
    }
    println!("{ROOM} blocks: {:.0} requests a second", f64::from(ROOM) / began.elapsed().as_secs_f64());
    let answer = ask_block(&monitor, &address(ROOM), 3_600);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("there are 16384 blocks")), "{answer}");
    let all = blocks(&monitor);
    assert_eq!((&all["room"], all["rows"].as_array().map(Vec::len)), (&ROOM.into(), Some(ROOM as usize)));
    let ticks = |monitor: &Monitor| monitor.snapshot()["tick"].clone();
    let first = ticks(&monitor)["count"].as_u64();
    monitor.wait_until("further ticks", |snapshot| snapshot["tick"]["count"].as_u64() > first.map(|count| count + 2));
    println!("a tick over them: {}", ticks(&monitor));
    // The first and the last of them drop.
    let sender = Sender::new(&net.sender, "out0");
    for at in [0, ROOM - 1] {
        sender.send(&udp_from(&address(at)).frame(), 50);
    }
    wait_until("what is dropped", || blocks(&monitor)["dropped"] == 100);
    assert_eq!(blocks(&monitor)["holds"], true);
    drop(monitor.stop());
    let file = fs::read_to_string(folder.path().join("state/blocks.jsonl")).expect("what is kept");
    assert_eq!(file.lines().count(), ROOM as usize, "the last change is in the file, too");
}

#[test]
fn nettopctl_blocks_lists_and_ends_by_its_exit_code() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    net.receiver.ip("addr add 10.0.0.1/24 dev in0");
    let monitor = ready(&net, "");
    let ctl = |arguments: &str, socket: &Path| {
        let mut command = Command::new(program::path("nettopctl"));
        command.arg("--control-socket").arg(socket).args(arguments.split_whitespace());
        let output = command.output().expect("starting nettopctl");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    for (arguments, done, part) in [
        ("block 203.0.113.5 --ttl 10m --with print", true, "iptables"),
        ("block 203.0.113.5 --ttl 10m --reason flood", true, "\"by\": \"user 0\""),
        ("block 10.0.0.1", false, "(own)"),
        ("block 203.0.113.99 --ttl 9s", false, "10s to 30d"),
        ("block $(id)", false, "no address"),
        ("blocks", true, "\"flood\""),
        ("unblock 203.0.113.6", false, "is not blocked"),
        ("unblock 203.0.113.5", true, "unblocked"),
        ("allow 203.0.113.5", true, "allowed"),
        ("block 203.0.113.5", false, "(allowed)"),
        ("allow --revoke 203.0.113.5", true, "[]"),
    ] {
        let (success, text) = ctl(arguments, monitor.socket());
        assert_eq!(success, done, "{arguments}: {text}");
        assert!(text.contains(part), "{arguments}: {text}");
    }
}
