//! As many sockets as a busy host has. Alone in this program, for whoever looks at the open files of all processes looks at these.

use std::{
    collections::HashSet,
    io::Read as _,
    process::{Child, Stdio},
};

use nettop_tests::{monitor::Monitor, net::Net, program, skip};
use serde_json::json;

/// A process that is ended when this is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn of_200_000_sockets_states_are_counted_and_a_census_takes_its_share_and_no_more() {
    if !skip::privileged() {
        return;
    }
    const LISTED: usize = 65_536;
    const HOLDERS: usize = 12;
    const CONNECTIONS: usize = HOLDERS * 8_334;
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    // Of one process there are too many open files.
    let holders: Vec<_> = (7101..)
        .take(HOLDERS)
        .map(|port| {
            let mut command = net.receiver.command(env!("CARGO_BIN_EXE_mover"));
            command.args(["hold", &format!("127.0.0.1:{port}"), &(CONNECTIONS / HOLDERS).to_string()]);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut holder = Started(child.expect("starting a process"));
            let ready = holder.0.stdout.as_mut().map(|output| output.read(&mut [0; 16]).expect("a line"));
            assert!(ready > Some(0), "it has ended");
            holder
        })
        .collect();
    let monitor = Monitor::live(&net.receiver, "");
    let groups = || {
        let request = json!({"cmd": "snapshot", "schema": 2, "groups": ["connections", "monitor"]});
        monitor.command(&request)["snapshot"].take()
    };
    let snapshot = program::first("the first census", groups, |snapshot| snapshot["connections"].is_object());
    let connections = &snapshot["connections"];
    let (states, census) = (&connections["states"], &connections["census"]);
    assert_eq!(states, &json!({"ESTABLISHED": 2 * CONNECTIONS, "LISTEN": HOLDERS}));
    assert_eq!(census["sockets"], LISTED);
    let badges = snapshot["monitor"]["degraded"].to_string();
    assert!(badges.contains(&format!("{} sockets are only counted", 2 * CONNECTIONS + HOLDERS - LISTED)), "{badges}");
    // The next one is after fifty times as long as it took of a CPU, and after thirty seconds at the latest.
    let (cost, rest) = (census["cost_us"].as_f64().expect("a cost") / 1e6, census["rest"].as_f64().expect("a rest"));
    assert!((rest - (50.0 * cost).clamp(1.0, 30.0)).abs() < 0.01, "{census}");
    // No socket has two rows.
    let whole = monitor.groups(&["connections"]);
    let rows = ["live", "listening"].map(|list| whole["connections"][list].as_array().expect("a list").iter());
    let cookies: Vec<_> = rows.into_iter().flatten().filter_map(|row| row["cookie"].as_u64()).collect();
    let distinct: HashSet<_> = cookies.iter().collect();
    assert_eq!((cookies.len(), distinct.len()), (LISTED, LISTED));
    let memory = snapshot["monitor"]["overhead"]["memory"].as_u64().expect("bytes");
    assert!(memory < 192 << 20, "{memory} bytes");
    drop(holders);
}
