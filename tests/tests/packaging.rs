//! The units of systemd hold together with the program they start.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nettop_tests::{
    frames,
    monitor::Monitor,
    net::Net,
    program::{self, NOBODY, PublicCopy, public_directory, run, run_with},
    send::Sender,
    skip,
};
use tempfile::TempDir;

const UNITS: [&str; 5] =
    ["nettop.service", "nettop-web.service", "nettop-web.socket", "nettop-db-update.service", "nettop-db-update.timer"];

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

fn unit(name: &str) -> String {
    fs::read_to_string(packaging().join("systemd").join(name)).expect("a unit")
}

/// The value of a setting that stands once in a unit.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("no {name} in {unit}"));
    assert_eq!(values.next(), None, "{name} stands twice");
    value
}

#[test]
fn the_program_knows_the_options_that_units_give_it() {
    for name in UNITS.iter().filter(|name| name.ends_with(".service")) {
        let unit = unit(name);
        let words: Vec<_> = setting(&unit, "ExecStart").split(' ').collect();
        let [program, arguments @ .., options] = &words[..] else { panic!("{words:?}") };
        assert_eq!(*program, "/usr/bin/nettop");
        let ended = run_with("nettop", &[arguments, &["--help"]].concat());
        assert!(ended.status.success(), "{ended:?}");
        // And its options come from the environment file, which has them.
        let defaults = fs::read_to_string(packaging().join("nettop.default")).expect("the environment file");
        let variable = options.strip_prefix('$').expect("a variable");
        assert!(defaults.lines().any(|line| line == format!("{variable}=\"\"")), "{variable} in {defaults}");
        // They are no option's: nettop itself sees them, too.
        let ended = run(Command::new(program::path("nettop")).arg("config").env(variable, "--top 3"));
        assert!(ended.stdout.contains(&format!("# {variable} is the variable of no option")), "{ended:?}");
    }
}

#[test]
fn systemd_accepts_the_units_and_finds_them_tight() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip::report("there is no `systemd-analyze`; on Debian: apt-get install systemd");
    }
    // It wants the programs to exist.
    let folder = TempDir::new().expect("a folder");
    let nettop = program::path("nettop").display().to_string();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for name in UNITS {
        let path = folder.path().join(name);
        fs::write(&path, unit(name).replace("/usr/bin/nettop", &nettop)).expect("a copy of a unit");
        verify.arg(path);
    }
    let ended = run(&mut verify);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    for name in UNITS.iter().filter(|name| name.ends_with(".service")) {
        // Of 100; above it the command fails.
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--no-pager", "--offline=true", "--threshold=20"]);
        let ended = run(security.arg(folder.path().join(name)));
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[test]
fn the_service_s_folder_is_its_own_and_goes_with_the_package() {
    let [service, update] = ["nettop.service", "nettop-db-update.service"].map(unit);
    let folder = setting(&service, "StateDirectory");
    assert_eq!((folder, setting(&service, "StateDirectoryMode")), ("nettop/state", "0700"));
    // A folder that a unit with a user of its own shares with one of root's would be moved at each start of either.
    assert_eq!((setting(&service, "DynamicUser"), setting(&update, "StateDirectory")), ("yes", "nettop"));
    let script = fs::read_to_string(packaging().join("debian/postrm")).expect("a script");
    let purge = script.lines().find_map(|line| line.trim().strip_prefix("rm -rf ")).expect("what is removed whole");
    assert_eq!(purge, format!("/var/lib/{folder} /var/lib/private/nettop"));
}

#[test]
fn the_capabilities_of_the_unit_are_enough() {
    if !skip::privileged() {
        return;
    }
    let unit = unit("nettop.service");
    let capabilities = setting(&unit, "AmbientCapabilities");
    assert_eq!(capabilities, setting(&unit, "CapabilityBoundingSet"));
    let sets: Vec<_> = capabilities.split(' ').map(|name| name.replace("CAP_", "+").to_lowercase()).collect();
    let sets = sets.join(",");
    let (net, nettop, folder) = (Net::new(1), PublicCopy::of("nettop"), public_directory());
    let mut command = net.receiver.command("setpriv");
    command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps", &format!("-all,{sets}"), "--ambient-caps", &format!("-all,{sets}")]);
    command.args(["--bounding-set", &format!("-all,{sets}")]).arg(nettop.path());
    command.args(["run", "--iface", "in0", "--map-memory", "1", "--interval", "0.1"]);
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skip::report("there is no `setpriv`; on Debian: apt-get install util-linux");
    }
    let monitor = Monitor::start(command, &folder.path().join("s"));
    Sender::new(&net.sender, "out0").send(&frames::arp(), 3);
    monitor.wait_until_seen(3);
    assert_eq!(monitor.stop().status.code(), Some(0));
}

#[test]
fn prometheus_accepts_the_alert_rules_and_grafana_s_dashboard_is_json() {
    let dashboard = fs::read_to_string(packaging().join("grafana/nettop.json")).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    let mut check = Command::new("promtool");
    check.args(["check", "rules"]).arg(packaging().join("prometheus/nettop.rules.yml"));
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip::report("there is no `promtool`; on Debian: apt-get install prometheus");
    }
    let ended = run(&mut check);
    assert!(ended.status.success() && ended.stdout.contains("9 rules found"), "{ended:?}");
}
