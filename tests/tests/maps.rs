//! What the kernel's maps hold, and what the monitor itself costs.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{self, path, run, run_with, wait_for},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

fn map<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let maps = answer["maps"].as_array().expect("a list of maps");
    maps.iter().find(|map| map["name"] == name).unwrap_or_else(|| panic!("no map {name} in {answer}"))
}

/// The sum over all CPUs of a key of a map.
fn sum(map: &Value, key: &str) -> Option<u64> {
    let rows = map["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["key"] == key)?;
    let by_cpu: u64 = row["cpus"].as_array()?.iter().filter_map(|numbers| numbers[0].as_u64()).sum();
    assert_eq!(row["sum"][0], by_cpu, "{row}");
    Some(by_cpu)
}

#[test]
fn raw_counters_are_those_that_were_sent() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let spec = Spec::between([203, 0, 113, 9].into(), [198, 51, 100, 2].into(), Transport::Udp(40_000, 53));
    sender.send(&spec.frame(), 700);
    sender.send(&Spec::v4(Transport::Tcp(5, 22, 0x12)).frame(), 30);
    monitor.wait_until_seen(730);
    let answer = monitor.command(&json!({"cmd": "maps"}));
    for (name, key, packets) in
        [("DST_PORTS", "53", 700), ("DST_PORTS", "22", 30), ("SRC_PORTS", "40000", 700), ("TCP_FLAGS", "0x12", 30)]
    {
        let map = map(&answer, name);
        assert_eq!(sum(map, key), Some(packets), "{name}");
        for fact in ["id", "capacity", "value_size", "memory"] {
            assert!(map[fact].as_u64().is_some_and(|number| number > 0), "{name}: {fact} of {map}");
        }
    }
    assert_eq!(map(&answer, "DST_PORTS")["fill"], json!({"used": 2, "of": 65_536}));
    let programs = answer["programs"].as_array().expect("a list");
    let attached = net.receiver.xdp_program("in0").expect("a program");
    assert!(
        programs.iter().any(|program| program["id"] == attached && program["memory"].as_u64() > Some(0)),
        "{answer}"
    );

    // Slots are emptied all the time: what is seen in them has just come, and is far less than what has come in all. It comes until
    // there is an answer, which may have to wait for its turn.
    let seen = wait_for(|| {
        let answered = AtomicBool::new(false);
        let answer = thread::scope(|scope| {
            scope.spawn(|| {
                while !answered.load(Relaxed) {
                    sender.send(&spec.frame(), 1);
                    thread::sleep(Duration::from_millis(2));
                }
            });
            let answer = monitor.command(&json!({"cmd": "maps"}));
            answered.store(true, Relaxed);
            answer
        });
        let packets = sum(map(&answer, "SOURCES"), "203.0.113.9")?;
        assert!(packets <= 300, "{packets} packets in its slots");
        // One for each CPU that it came to, in each of the two sets at most.
        let used = map(&answer, "SOURCES")["fill"]["used"].as_u64().expect("a number");
        let cpus = thread::available_parallelism().expect("the number of CPUs").get() as u64;
        assert!((1..=2 * cpus).contains(&used), "{used} slots for one source");
        (sum(map(&answer, "TOTALS"), &format!("set {}", answer["set"]))? >= packets).then_some(())
    });
    assert!(seen.is_some(), "the source is never seen in a slot");

    let limited = monitor.command(&json!({"cmd": "maps", "limit": 1}));
    assert_eq!(map(&limited, "DST_PORTS")["rows"].as_array().map(Vec::len), Some(1));
    // The busiest is the one that is left.
    let (row, packets) =
        (&map(&limited, "DST_PORTS")["rows"][0], map(&limited, "DST_PORTS")["packets_left_out"].as_u64());
    assert_eq!((&row["key"], packets), (&json!("53"), Some(30)));
    assert_eq!(map(&limited, "DST_PORTS")["rows_left_out"], 1);
    assert_eq!(map(&limited, "DST_PORTS")["cpus_left_out"], 0);

    let socket = monitor.socket().to_str().expect("text");
    let csv = run_with("nettopctl", &["maps", "--format", "csv", "--control-socket", socket]);
    assert!(csv.stdout.starts_with("map,key,cpu,counter,value\n"), "{csv:?}");
    assert!(csv.stdout.contains("\nTCP_FLAGS,0x12,sum,packets,30\n"), "{csv:?}");
    let json = run_with("nettop", &["maps", socket]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(sum(map(&json, "SRC_PORTS"), "5"), Some(30));
}

#[test]
fn where_the_kernel_does_not_count_there_are_no_maps() {
    let monitor = Monitor::demo("");
    let mut command = std::process::Command::new(path("nettop"));
    let ended = run(command.arg("maps").arg(monitor.socket()));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("not counted by the kernel"), "{ended:?}");
}

#[test]
fn the_monitor_tells_what_it_costs() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let frame = Spec::v4(Transport::Udp(1, 2)).frame();
    let hinted = wait_for(|| {
        sender.send(&frame, 10);
        let own = monitor.snapshot()["self"].take();
        // Somebody else may have asked the kernel to measure.
        (own["packet_ns_hint"].is_string() || own["packet_ns"].is_number()).then_some(own)
    });
    let own = hinted.expect("a hint, or a cost");
    assert!(own["memory"].as_u64() > Some(1 << 20) && own["kernel_memory"].as_u64() > Some(1 << 20), "{own}");
    let measured = program::wait_for(|| {
        let _measuring = aya::sys::enable_stats(aya::sys::Stats::RunTime).expect("asking the kernel to measure");
        sender.send(&frame, 100);
        let own = monitor.snapshot()["self"].take();
        own["packet_ns"].as_f64().map(|ns| (ns, own))
    });
    let (ns, own) = measured.expect("a cost");
    assert!((1.0..1e6).contains(&ns), "{own}");
    assert!(own["runs"].as_u64() > Some(0) && own["run_ns"].as_u64() > own["runs"].as_u64(), "{own}");
}
