//! The audit of hooks: who ran which on what, and what became of it; what is refused, and what alerts run, too.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use nettop_tests::{
    audit::lines,
    blocking::{settled, wait_until},
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{self, PublicCopy, as_nobody, public_directory, run},
    send::Sender,
    skip,
};
use serde_json::{Value, json};

/// What a line tells, in short.
fn told(line: &Value) -> String {
    let word = |field: &str| match &line[field] {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let words = ["by", "verb", "hook", "net", "port", "mac", "result", "code"].map(word);
    format!("{} took {}", words.join(" "), line["took_ms"].is_u64())
}

#[test]
fn who_ran_which_hook_on_what_and_what_became_of_it_is_written_down() {
    if !skip::privileged() {
        return;
    }
    let (folder, ctl) = (public_directory(), PublicCopy::of("nettopctl"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its owner's");
    let at = |name: &str| folder.path().join(name);
    for (name, script) in [("fine", "echo secret; exit 0"), ("bad", "echo \"$1\"; exit 3"), ("slow", "sleep 71.5")] {
        fs::write(at(name), format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).expect("making it a program");
    }
    let hook = |key: &str, name: &str, more: &str| {
        format!("[[hooks]]\nkey = {key:?}\nlabel = \"the {name} one\"\nargv = [{:?}{more}\n", at(name))
    };
    let config = hook("w", "fine", ", \"--token=hush\", \"{ip}\"]")
        + &hook("h", "bad", ", \"{mac}\", \"{port}\"]")
        + &hook("%", "slow", "]\ntimeout = 20")
        + &hook("&", "slow", "]\ntimeout = 1").replace("the slow one", "the late one")
        + &hook(";", "fine", ", \"{ip}\"]\non = \"always\"\nevery = 3600").replace("the fine one", "of an alert")
        + "[[rules]]\nname = \"always\"\nwhen = \"pps>5\"\nfor = 1\n";
    fs::write(at("config.toml"), config).expect("a configuration");
    let (audit, socket) = (at("audit"), at("s"));
    let net = Net::new(1);
    let mut command = net.receiver.command(program::path("nettop"));
    // Hooks are written down, whether anything can be blocked or not.
    command.args([
        "run",
        "--iface",
        "in0",
        "--interval",
        "0.1",
        "--map-memory",
        "8",
        "--no-access-log",
        "--without",
        "blocks",
    ]);
    command.arg("--config").arg(at("config.toml")).arg("--audit").arg(&audit).env("NETTOP_NO_CONFIG", "0");
    let monitor = Monitor::start(command, &socket);
    settled(&monitor);
    let asked = |more: Value| {
        let mut request = json!({"cmd": "hook"});
        more.as_object().expect("an object").iter().for_each(|(key, value)| request[key] = value.clone());
        monitor.request(&request)["ok"] == true
    };
    assert!(asked(json!({"key": "w", "ip": "203.0.113.5"})));
    assert!(asked(json!({"key": "h", "mac": "02:00:00:00:00:0a", "port": 443})));
    assert!(!asked(json!({"key": "w"})), "it wants an address");
    assert!(!asked(json!({"key": "z", "ip": "203.0.113.5"})), "there is none");
    assert!(asked(json!({"key": "&"})));
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("opening it to all");
    let mut command = Command::new(ctl.path());
    command.arg("--control-socket").arg(&socket).args(["hook", "w", "--ip", "203.0.113.5"]).current_dir("/");
    assert!(run(as_nobody(&mut command)).stdout.contains("may not command this monitor"));
    wait_until("all lines", || lines(&audit).len() == 6);
    let found: Vec<_> = lines(&audit).iter().map(told).collect();
    assert_eq!(
        found,
        [
            "user 0 hook the fine one 203.0.113.5 - - done 0 took true",
            "user 0 hook the bad one - 443 02:00:00:00:00:0a failed 3 took true",
            "user 0 hook the fine one - - - refused - took false",
            "user 0 hook z 203.0.113.5 - - refused - took false",
            "user 0 hook the late one - - - failed - took true",
            "user 65534 hook the fine one 203.0.113.5 - - refused - took false",
        ]
    );
    let text = fs::read_to_string(&audit).expect("the audit");
    assert!(!text.contains("hush") && !text.contains("secret"), "neither arguments nor output: {text}");
    assert_eq!(lines(&audit)[0]["pid"], std::process::id(), "who asked");
    assert!(lines(&audit)[4]["error"].as_str().is_some_and(|error| error.contains("killed after 1.")), "{text}");

    // What an alert runs is written down as the rule's.
    let spec = Spec::between([203, 0, 113, 7].into(), [198, 51, 100, 2].into(), Transport::Udp(9, 9));
    let sender = Sender::new(&net.sender, "out0");
    wait_until("the hook of an alert", || {
        sender.send(&spec.frame(), 20);
        lines(&audit).len() == 7
    });
    assert_eq!(told(&lines(&audit)[6]), "rule always hook of an alert 203.0.113.7 - - done 0 took true");
    assert_eq!(lines(&audit)[6]["why"], "always");

    // One that runs at the end of the monitor does not end by itself.
    let running = std::thread::spawn({
        let socket = socket.clone();
        move || drop(nettop_tests::monitor::ask(&socket, &json!({"cmd": "hook", "key": "%"})))
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(monitor.stop());
    running.join().expect("no panic");
    let last = lines(&audit).last().cloned().expect("a line");
    assert_eq!(told(&last), "user 0 hook the slow one - - - refused - took false");
    assert!(last["error"].as_str().is_some_and(|error| error.contains("has ended before")), "{last}");
}
