//! Rules of one's own, from outside: in a configuration file, over a capture, beside a flood.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use nettop_tests::{
    captures::{Captured, Order, savefile},
    frames::{Spec, Transport},
    program::{self, Ended, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECOND_NS: u64 = 1_000_000_000;
const BEGIN_NS: u64 = 1_700_000_000 * SECOND_NS;
const ETHERNET: u32 = 1;

/// Packets of each second of a capture, evenly: its number, and whose they are.
type Traffic<'a> = &'a dyn Fn(u64) -> Vec<(u64, Box<dyn Fn(u64) -> Spec>)>;

/// A capture of so many seconds.
fn capture(seconds: u64, traffic: Traffic) -> Vec<u8> {
    let mut packets = Vec::new();
    for second in 0..seconds {
        for (count, spec) in traffic(second) {
            let at = |n: u64| BEGIN_NS + second * SECOND_NS + n * SECOND_NS / count;
            packets.extend((0..count).map(|n| Captured::whole(at(n), spec(n).frame())));
        }
    }
    packets.sort_by_key(|packet| packet.at_ns);
    savefile(Order::Little, true, ETHERNET, &packets)
}

fn between(source: [u8; 4], destination: [u8; 4], transport: Transport) -> Box<dyn Fn(u64) -> Spec> {
    Box::new(move |_| Spec::between(source.into(), destination.into(), transport))
}

/// Replays a capture to its end, with this configuration.
fn replay(file: &[u8], configuration: &str) -> (Ended, Vec<Value>) {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("capture"), file).expect("a capture");
    fs::write(path("config.toml"), configuration).expect("a configuration");
    let mut command = Command::new(program::path("nettop"));
    command.env_remove("NETTOP_NO_CONFIG").args(["--quiet", "--config"]).arg(path("config.toml"));
    command.arg("--pcap").arg(path("capture")).arg("--alerts").arg(path("alerts"));
    command.arg("--control-socket").arg(path("socket"));
    let ended = run(&mut command);
    let lines = fs::read_to_string(path("alerts")).unwrap_or_default();
    (ended, lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// What rules of this kind have raised.
fn raised<'a>(alerts: &'a [Value], kind: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert["kind"] == kind && alert["until_ns"].is_null()).collect()
}

const RULES: &str = "
[[rules]]
name = \"db-flood\"
when = \"dst:10.0.0.5 pps>500\"
for = 3
[[rules]]
name = \"one-source\"
when = \"src:198.51.100.0/24 pps>100 and country:LO\"
severity = \"critical\"
[[rules]]
name = \"dns\"
when = \"port:53 pps>50\"
severity = \"info\"
[[rules]]
name = \"never\"
when = \"dst:10.0.0.5 pps>500\"
for = 60
";

#[test]
fn a_capture_raises_and_ends_them() {
    let file = capture(16, &|second| {
        let busy = if (3..8).contains(&second) { 800 } else { 20 };
        vec![
            (busy, between([198, 51, 100, 7], [10, 0, 0, 5], Transport::Tcp(40_000, 443, 0x10))),
            (60, between([203, 0, 113, 9], [10, 0, 0, 6], Transport::Udp(40_000, 53))),
        ]
    });
    let (ended, alerts) = replay(&file, RULES);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(["db-flood", "one-source", "dns", "never"].map(|kind| raised(&alerts, kind).len()), [1, 1, 1, 0]);
    let flood = raised(&alerts, "db-flood")[0];
    assert_eq!(flood["message"], "db-flood: 10.0.0.5 gets 800 pps (when dst:10.0.0.5 pps>500, for 3 s)");
    assert_eq!(flood["evidence"], json!(["dst:10.0.0.5 pps>500, for 3 s"]));
    assert_eq!((&flood["severity"], &flood["source"]), (&json!("warn"), &Value::Null));
    assert_eq!(flood["target"]["ip"], "10.0.0.5");
    // In the third busy second, that is.
    let since = flood["since_ns"].as_u64().expect("a time") - BEGIN_NS;
    assert!((5 * SECOND_NS..=7 * SECOND_NS).contains(&since), "{since}");
    let over = alerts.iter().find(|alert| alert["id"] == flood["id"] && !alert["until_ns"].is_null());
    let lasted = over.expect("it ends")["until_ns"].as_u64().expect("a time") - BEGIN_NS;
    assert!((9 * SECOND_NS..=13 * SECOND_NS).contains(&lasted), "{lasted}");
    let source = raised(&alerts, "one-source")[0];
    assert_eq!((&source["severity"], &source["source"]), (&json!("critical"), &json!("198.51.100.7")));
    let port = raised(&alerts, "dns")[0];
    assert_eq!(port["message"], "dns: port 53 gets 60 pps (when port:53 pps>50)");
    assert_eq!((&port["severity"], &port["target"]), (&json!("info"), &Value::Null));
}

#[test]
fn a_flood_does_not_mute_them() {
    let file = capture(16, &|second| {
        let mut all = vec![
            (50, between([203, 0, 113, 9], [10, 0, 0, 6], Transport::Udp(40_000, 53))),
            (300, between([198, 51, 100, 7], [10, 0, 0, 6], Transport::Tcp(40_000, 443, 0x10))),
        ];
        if second >= 12 {
            let forged = |n: u64| Ipv4Addr::from_bits(0x0b00_0000 + (n as u32).wrapping_mul(9_973) % 0x00ff_ffff);
            let spec = move |n| {
                Spec::between(forged(n + second * 7_919).into(), [10, 0, 0, 5].into(), Transport::Tcp(1, 80, 2))
            };
            all.push((20_000, Box::new(spec)));
        }
        all
    });
    let (ended, alerts) = replay(&file, RULES);
    assert!(ended.status.success(), "{ended:?}");
    let floods = alerts.iter().filter(|alert| alert["severity"] == "critical" && alert["kind"] != "one-source");
    assert!(floods.count() > 0, "the flood is one: {alerts:?}");
    for kind in ["db-flood", "one-source"] {
        assert_eq!(raised(&alerts, kind).len(), 1, "{kind}: {alerts:?}");
    }
}

fn config(text: &str) -> Ended {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, text).expect("a configuration");
    let mut command = Command::new(program::path("nettop"));
    run(command.env_remove("NETTOP_NO_CONFIG").args(["config", "--config"]).arg(path))
}

#[test]
fn a_wrong_rule_stops_the_start_and_says_what_to_write() {
    for (rule, parts) in [
        (
            "name = \"db\"\nwhen = \"dst:10.0.0.5 pps>5k asn:5\"",
            ["config.toml:3:9: rule 1 (\"db\"): when: ", "leave it out"],
        ),
        ("name = \"high-pps\"\nwhen = \"pps>5\"", ["config.toml:2:9: rule 1 (\"high-pps\"): name: ", "my-high-pps"]),
        ("name = \"db\"\nwhen = \"pps>5\"\nfor = 9999", ["config.toml:4:7: rule 1 (\"db\"): for: ", "1 and 3600"]),
    ] {
        let text = format!("[[rules]]\n{rule}\n");
        let (ended, alerts) = replay(&capture(1, &|_| Vec::new()), &text);
        for ended in [ended, config(&text)] {
            parts.iter().for_each(|part| ended.expect_one_line(part));
            assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        }
        assert!(alerts.is_empty());
    }
}

#[test]
fn what_is_printed_of_them_says_the_same() {
    let first = config(RULES);
    assert!(first.status.success(), "{first:?}");
    let rules = |ended: &Ended| {
        let lines =
            ended.stdout.lines().skip_while(|line| !line.starts_with("[[rules]]")).take_while(|line| *line != "[keys]");
        lines.map(|line| line.split("  # ").next().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&first).iter().filter(|line| *line == "[[rules]]").count(), 4);
    assert!(rules(&first).contains(&"when = \"src:198.51.100.0/24 pps>100 and country:LO\"".to_string()));
    assert_eq!(rules(&first), rules(&config(&first.stdout)));
}

#[test]
fn the_examples_in_the_documentation_are_rules() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks: Vec<_> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let rules = blocks.iter().map(|block| block.matches("[[rules]]").count()).sum::<usize>();
    assert!(rules >= 3, "{rules} rules in {page}");
    for block in blocks {
        let ended = config(block);
        assert!(ended.status.success(), "{block}: {ended:?}");
        let printed = ended.stdout.lines().filter(|line| line.starts_with("[[rules]]")).count();
        assert_eq!(printed, block.matches("[[rules]]").count(), "{block}");
    }
}
