//! Configuration, from outside: which layer has the say, what is wrong is named with its place, and hostile files do no harm.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use nettop_tests::{
    monitor,
    program::{self, Ended, PublicCopy, public_directory, run, wait_for},
    skip,
    terminal::Terminal,
};
use serde_json::json;
use tempfile::TempDir;

/// A folder for configuration, as `$XDG_CONFIG_HOME` names it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// With this file.
    fn with(text: &str) -> Self {
        let home = Self::new();
        fs::create_dir(home.0.path().join("nettop")).expect("a folder");
        fs::write(home.file(), text).expect("a file");
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("nettop/config.toml")
    }

    /// A program that reads it.
    fn command(&self, name: &str, arguments: &str) -> Command {
        let mut command = Command::new(program::path(name));
        command.args(arguments.split_whitespace()).env_remove("NETTOP_NO_CONFIG");
        command.env("XDG_CONFIG_HOME", self.0.path());
        command
    }

    fn config(&self, arguments: &str) -> Ended {
        run(&mut self.command("nettop", &format!("config {arguments}")))
    }
}

/// What `nettop config` says of a key, without the comment behind it.
fn value<'a>(ended: &'a Ended, key: &str) -> Option<&'a str> {
    line(ended, key)?.split("  # ").next()
}

/// The first line about a key.
fn line<'a>(ended: &'a Ended, key: &str) -> Option<&'a str> {
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    ended.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
}

/// All keys and values, without comments.
fn values(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    lines.map(|line| line.split("  # ").next().unwrap_or(line)).collect()
}

#[test]
fn each_layer_has_more_say_than_the_one_before() {
    let home = Home::with("top = 30\ntheme = \"dark\"\nquiet = true\nwithout = [\"ports\", \"macs\"]\n");
    let place = |at: &str| format!("{}:{at}", home.file().display());
    let said = |arguments: &str, variables: &[(&str, &str)], key: &str| {
        let mut command = home.command("nettop", &format!("config {arguments}"));
        let ended = run(command.envs(variables.iter().copied()));
        line(&ended, key).expect("a line").to_string()
    };
    let (top, quiet) = ([("NETTOP_TOP", "40")], [("NETTOP_QUIET", "no")]);
    assert_eq!(said("--no-config", &[], "top"), "20  # default");
    assert_eq!(said("", &[], "top"), format!("30  # {}", place("1:7")));
    assert_eq!(said("", &top, "top"), "40  # NETTOP_TOP");
    assert_eq!(said("--top 50", &top, "top"), "50  # --top");
    assert_eq!(said("", &[("NETTOP_TOP", "")], "top"), format!("30  # {}", place("1:7")));
    assert_eq!(said("", &[], "quiet"), format!("true  # {}", place("3:9")));
    assert_eq!(said("", &quiet, "quiet"), "false  # NETTOP_QUIET");
    assert_eq!(said("--quiet", &quiet, "quiet"), "true  # --quiet");
    assert_eq!(said("--quiet=false", &[], "quiet"), "false  # --quiet=false");
    assert_eq!(said("--quiet --quiet=false --quiet=true", &quiet, "quiet"), "true  # --quiet");
    assert_eq!(said("", &[], "without"), format!("[\"ports\", \"macs\"]  # {}", place("4:11")));
    assert_eq!(said("--without flags", &[], "without"), "[\"flags\"]  # --without");
    assert_eq!(said("", &[("NETTOP_WITHOUT", "flags,events")], "without"), "[\"flags\", \"events\"]  # NETTOP_WITHOUT");
}

#[test]
fn one_file_or_none_can_be_asked_for() {
    let (home, other) = (Home::with("top = 30\n"), Home::with("top = 31\n"));
    let other = other.file().display().to_string();
    let top = |arguments: &str, variable: (&str, &str)| {
        let ended = run(home.command("nettop", &format!("config {arguments}")).env(variable.0, variable.1));
        value(&ended, "top").expect("a value").to_string()
    };
    let none = ("NETTOP_NO_CONFIG", "1");
    assert_eq!(top("", ("NETTOP_CONFIG", "")), "30");
    assert_eq!(top(&format!("--config {other}"), none), "31");
    assert_eq!(top("", ("NETTOP_CONFIG", &other)), "31");
    assert_eq!(top("--no-config", ("NETTOP_CONFIG", &other)), "20");
    assert_eq!(top("", none), "20");
    let both = home.config(&format!("--no-config --config {other}"));
    both.expect_one_line("--no-config");
    home.config("--config /nonexistent/nettop.toml").expect_one_line("/nonexistent/nettop.toml");
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_was_meant() {
    for (text, at, parts) in [
        ("top = 30\nmap_memory = 5\n", "2:1", &["\"map_memory\"", "did you mean map-memory?"][..]),
        ("[keys]\nquitt = \"Z\"", "2:1", &["did you mean keys.quit?"]),
        ("[columns.source]\nshow = []", "2:1", &["did you mean columns.sources.show?"]),
        ("config = \"x\"", "1:1", &["no key \"config\""]),
        ("top = {a = 1}", "1:8", &["no key \"top.a\""]),
        ("top = \"many\"", "1:7", &["'many'", "'top'"]),
        ("  map-memory = 0", "1:16", &["1..=65536"]),
        ("top = 0", "1:7", &["1..=500"]),
        ("top = 501", "1:7", &["1..=500"]),
        ("\ntop = -3", "2:7", &["1..=500"]),
        ("max-sources = 0", "1:15", &["from 1 on"]),
        ("interval = 1e9", "1:12", &["0.1 to 3600"]),
        ("theme = \"drak\"", "1:9", &["dark", "ansi"]),
        ("without = [\"ports\",\n \"nonsense\"]", "1:11", &["nonsense", "one of"]),
        ("port = \"90-80\"", "1:8", &["ends before it begins"]),
        ("quiet = \"yes\"", "1:9", &["true or false"]),
        ("top = true", "1:7", &["takes a value"]),
        ("top = [1, 2]", "1:7", &["not a list"]),
        ("top = 1979-05-27", "1:7", &["datetime"]),
        ("top = 999999999999999999999999999999999999999999", "1:7", &["as large as"]),
        ("top = 30\ntop = 31", "2:1", &["duplicate key"]),
        ("top =", "1:6", &[]),
        ("\n\n  = 3", "3:3", &[]),
        ("[keys]\nquit = \"Ctrl-Alt-Del\"", "2:8", &["\"Ctrl-Alt-Del\" is no key"]),
        ("[keys]\nquit = true", "2:8", &["a text, or a list"]),
        ("[keys]\nmute = [\"w\", \"q\"]", "2:8", &["the key q has two meanings, mute and quit"]),
        ("[keys]\nquit = []\nend = []", "2:8", &["no key would end the screen"]),
        ("[columns.ports]\nshow = [\"dance\"]", "2:8", &["\"dance\" is none of port, "]),
        ("[columns.ports]\nsort = \"share\"", "2:8", &["\"share\" is none of"]),
        ("[columns.ports]\nreverse = 1", "2:11", &["true or false"]),
        ("[columns.ports.width]\nprot = 9", "2:1", &["did you mean columns.ports.width.port?"]),
        ("[columns.ports]\nwidth = {port = 501}", "2:17", &["columns.ports.width.port: ", "1 to 500 cells"]),
        ("[columns.ports]\nwidth.port = \"9\"", "2:14", &["invalid type: string \"9\""]),
        ("[columns.ports]\nwidth = 9", "2:9", &["expected a table"]),
        ("[views.port]\nfilter = \"x\"", "2:1", &["did you mean views.ports.filter?"]),
        ("[views.ports]\nfilter = \"pps>1 port:x\"", "2:22", &["views.ports.filter: ", "\"x\" is not a port"]),
        ("[views.ports]\nfilter = 443", "2:10", &["expected a string"]),
        ("no-geo = true\nlocation-db = [\"/x\"]", "", &["no-geo is from", ":1:10", "location-db is from", ":2:15"]),
    ] {
        let home = Home::with(text);
        for command in ["config", "demo --quiet"] {
            let ended = run(&mut home.command("nettop", command));
            ended.expect_one_line(&format!("{}:{at}", home.file().display()));
            parts.iter().for_each(|part| ended.expect_one_line(part));
            assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(2), ""), "{text}");
        }
    }
    for (name, wrong, part) in [
        ("NETTOP_TOP", "many", "'many'"),
        ("NETTOP_TOP", "501", "NETTOP_TOP: "),
        ("NETTOP_MAX_SOURCES", "0", "NETTOP_MAX_SOURCES: "),
        ("NETTOP_QUIET", "perhaps", "true or false"),
        ("NETTOP_NO_CONFIG", "perhaps", "true or false"),
        ("NETTOP_CONFIG", "/nonexistent/x", "/nonexistent/x"),
        ("NETTOP_PROTO", "tcpp", "\"tcpp\""),
    ] {
        let ended = run(Home::new().command("nettop", "config").env(name, wrong));
        ended.expect_one_line(part);
    }
}

#[test]
fn what_has_more_say_overrides_what_it_contradicts() {
    let home = Home::with("no-geo = true\npcap-speed = 5\nsandbox = \"strict\"\nmax-events = 9\n");
    let place = home.file().display().to_string();
    let ended = home.config("--location-db /nonexistent/a.csv");
    assert_eq!(value(&ended, "no-geo"), Some("false"));
    assert!(ended.stdout.contains(&format!("{place}:1:10: no-geo has no effect: ")), "{}", ended.stdout);
    // What needs another option waits for it.
    assert_eq!(value(&ended, "pcap-speed"), Some("0"));
    assert_eq!(value(&home.config("--pcap x.pcap"), "pcap-speed"), Some("5"));
    let several = Home::with("pcap-speed = 5\ncontrol-tcp-anywhere = true\nlog-level = \"warn\"\ntop = 7\n");
    let ended = several.config("");
    let values = ["pcap-speed", "control-tcp-anywhere", "log-level", "top"].map(|key| value(&ended, key));
    assert_eq!(values, [Some("0"), Some("false"), Some("\"info\""), Some("7")], "{ended:?}");
    assert_eq!(ended.stdout.matches(" has no effect: ").count(), 3, "{ended:?}");
    let live = Home::with("iface = \"in0\"\nmap-memory = 8\nmax-events = 9\n").config("--pcap x.pcap");
    assert_eq!((value(&live, "iface"), value(&live, "map-memory")), (Some("[]"), None));
    assert_eq!(value(&live, "max-events"), Some("9"));
    assert_eq!(value(&home.config(""), "sandbox"), Some("\"strict\""));
    let ended = run(home.command("nettop", "config").env("NETTOP_NO_SANDBOX", "on"));
    assert_eq!((value(&ended, "no-sandbox"), value(&ended, "sandbox")), (Some("true"), None));
    // On the command line alone it is still an error.
    home.config("--no-geo --location-db x").expect_one_line("--location-db");
}

#[test]
fn a_view_begins_with_a_filter_of_its_own_unless_a_file_says_otherwise() {
    let filter = |text: &str| {
        let printed = Home::with(text).config("").stdout;
        let of_view =
            printed.split("[views.connections]").nth(1).expect("the table").lines().nth(1).map(str::to_string);
        of_view.expect("a row")
    };
    for (text, expected) in [
        ("", "filter = \"!scope:local\""),
        ("[views.sources]\nfilter = \"a\"\n", "filter = \"!scope:local\""),
        ("[views.connections]\nfilter = \"dir:in\"\n", "filter = \"dir:in\""),
        ("[views.connections]\nfilter = \"\"\n", "filter = \"\""),
    ] {
        let found = filter(text);
        assert!(found.starts_with(expected), "{text:?}: {found}");
    }
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let text = "dst = \"!10.0.0.0/8,192.0.2.1\"\nno-sandbox = true\nlog = \"/tmp/\\u202e\\\"x\\\\y\"\nmax-events = 0x10\n\
                interval = 0.5\n[keys]\nmute = []\nup = [\"Up\", \"w\"]\nview = \"F2\"\n[columns.sources]\nsort = \"pps\"\n\
                reverse = true\nshow = [\"ip\", \"Low/Peak\", \"#\"]\nwidth = {ip = 20, \"low/peak\" = 9}\n\
                [columns.self]\nreverse = false\n[views.sources]\nfilter = \" country:DE or a\\\\b \"\n";
    let home = Home::with(text);
    let first = home.config("--top 7 --event-rate 0");
    for (key, expected) in [
        ("dst", "\"!10.0.0.0/8,192.0.2.1\""),
        ("log", r#""/tmp/\U0000202E\"x\\y""#),
        ("max-events", "16"),
        ("interval", "0.5"),
        ("top", "7"),
        ("mute", "[]"),
        ("up", "[\"Up\", \"w\"]"),
        ("show", "[\"#\", \"ip\", \"low/peak\"]"),
        ("sort", "[\"o\"]"),
        ("width.ip", "20"),
        ("width.\"low/peak\"", "9"),
        ("filter", r#""country:DE or a\\b""#),
    ] {
        assert_eq!(value(&first, key), Some(expected), "{}", first.stdout);
    }
    let again = Home::with(&first.stdout);
    let second = again.config("");
    assert_eq!(values(&first.stdout), values(&second.stdout), "{second:?}");
}

#[test]
fn the_sample_is_what_the_program_prints_and_its_values_are_the_usual_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/config.toml");
    let sample = fs::read_to_string(path).expect("the sample");
    let home = Home::new();
    let printed = home.config("--sample").stdout;
    assert!(sample == printed, "it is stale; nettop config --sample > packaging/config.toml");
    let usual = home.config("--no-config").stdout;
    // As it is, it says nothing.
    assert_eq!(values(&usual), values(&Home::with(&sample).config("").stdout));
    // And with its values, where it has some, the same.
    let is_value = |line: &str| line.starts_with('#') && !line.starts_with("# ") && !line.contains(" = <");
    let told = sample.lines().map(|line| if is_value(line) { &line[1..] } else { line });
    let told = told.collect::<Vec<_>>().join("\n");
    assert!(told.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() > 80, "{told}");
    let ended = Home::with(&told).config("");
    assert_eq!(values(&usual), values(&ended.stdout), "{ended:?}");
    // Every option is in it, with its meaning.
    let help = run(&mut home.command("nettop", "run --help")).stdout;
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--").or(line.split(", --").nth(1)));
    let names: Vec<_> = options.filter_map(|option| option.split([' ', '[']).next()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names.iter().filter(|name| !["config", "no-config", "help"].contains(name)) {
        assert!(sample.contains(&format!("\n#{name} = ")), "{name}");
    }
}

#[test]
fn the_example_in_the_documentation_is_one() {
    let page = include_str!("../../docs/configuration.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let ended = Home::with(example).config("");
    let said = example.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for line in said.filter(|line| line.contains(" = ")) {
        assert!(values(&ended.stdout).contains(&line), "{line}: {ended:?}");
    }
}

#[test]
fn hostile_files_are_refused_and_hold_up_nobody() {
    let home = Home::with("");
    let file = home.file();
    let refused = |part: &str| {
        for command in ["config".to_string(), format!("config --config {}", file.display())] {
            let ended = run(&mut home.command("nettop", &command));
            ended.expect_one_line(part);
            ended.expect_one_line(&file.display().to_string());
        }
        fs::remove_file(&file).or_else(|_| fs::remove_dir(&file)).expect("removing it");
    };
    File::options().write(true).open(&file).and_then(|file| file.set_len(1 << 30)).expect("a large file");
    refused("longer than");
    fs::write(&file, b"top = \"\xff\"").expect("a file");
    refused("UTF-8");
    fs::write(&file, format!("top = {}", "[".repeat(200_000))).expect("a file");
    refused("1:");
    fs::write(&file, format!("a{} = 1", ".a".repeat(100_000))).expect("a file");
    refused("1:");
    fs::write(&file, "\u{1b}]0;x\u{7} = 1\n\"\u{202e}\\n\" = 2").expect("a file");
    refused("1:2");
    fs::create_dir(&file).expect("a folder");
    refused("folder");
    assert!(Command::new("mkfifo").arg(&file).status().expect("starting mkfifo").success());
    refused("pipe");
    for device in ["/dev/zero", "/dev/null"] {
        symlink(device, &file).expect("a link");
        refused("device");
    }
    // That is how many keep theirs.
    let kept = home.0.path().join("kept.toml");
    fs::write(&kept, "top = 8").expect("a file");
    symlink(&kept, &file).expect("a link");
    assert_eq!(value(&home.config(""), "top"), Some("8"));
    // Others could have written it; but who names it takes it.
    fs::set_permissions(&kept, Permissions::from_mode(0o666)).expect("a mode");
    home.config("").expect_one_line("others may have written it");
    assert_eq!(value(&home.config(&format!("--config {}", file.display())), "top"), Some("8"));
}

#[test]
fn commands_that_are_not_configured_read_nothing() {
    let home = Home::with("nonsense");
    for command in ["features", "man", "completions bash", "--help", "run --help", "--version", "config --help"] {
        let ended = run(&mut home.command("nettop", command));
        assert!(ended.status.success() && ended.stderr.is_empty(), "{command}: {ended:?}");
    }
}

#[test]
fn a_monitor_and_its_remote_control_are_configured() {
    let home = Home::new();
    let socket = home.0.path().join("there.sock");
    fs::create_dir(home.0.path().join("nettop")).expect("a folder");
    let text = format!(
        "control-socket = {socket:?}\nquiet = true\ntop = 17\nproto = \"udp\"\nseed = 7\ninterval = 0.1\niface = \"none\"\n"
    );
    fs::write(home.file(), text).expect("a file");
    let mut command = home.command("nettop", "demo");
    let mut child = program::spawn(command.env("NETTOP_SRC", "!192.0.2.1").stdout(std::process::Stdio::null()));
    let answer = wait_for(|| monitor::ask(&socket, &json!({"cmd": "status"})).ok());
    let asked = run(&mut home.command("nettopctl", "status"));
    let by_flag = run(&mut home.command("nettopctl", "status --control-socket /nonexistent/s"));
    let stopped = run(&mut home.command("nettop", "ctl stop"));
    let status = program::wait(&mut child);
    let _ = child.kill();
    let runtime = answer.expect("an answer")["runtime"].take();
    assert_eq!((&runtime["top"], &runtime["filter"]["protocols"]), (&json!(17), &json!(["UDP"])), "{runtime}");
    assert_eq!(runtime["filter"]["src"], "!192.0.2.1");
    assert!(asked.status.success() && asked.stdout.contains("\"UDP\""), "{asked:?}");
    by_flag.expect_one_line("/nonexistent/s");
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn the_screen_begins_as_configured_and_obeys_the_configured_keys() {
    let home = Home::with(
        "view = \"countries\"\n[keys]\nquit = \"Z\"\nexport-view = [\"F5\"]\nreverse = []\nview = [\"F7\", \"F8\"]\n\
         [columns.countries]\nsort = \"ips\"\nreverse = true\n[views.destinations]\nfilter = \"nowhere\"\n",
    );
    let folder = home.0.path();
    let mut command = home.command("nettop", "demo --seed 7 --control-socket");
    command.arg(folder.join("s")).current_dir(folder);
    let mut keyboard = Terminal::of(&mut command, 120, 40).expect("a terminal").keyboard;
    let mut child = program::spawn(&mut command);
    drop(command);
    let mut types = |text: &str| std::io::Write::write_all(&mut keyboard, text.as_bytes()).expect("a keyboard");
    let file = |end: &str| {
        let paths = fs::read_dir(folder).expect("a folder").filter_map(|entry| Some(entry.ok()?.path()));
        paths.into_iter().find(|path| path.to_string_lossy().ends_with(end))
    };
    let all = || {
        let answer = monitor::ask(&folder.join("s"), &json!({"cmd": "snapshot"})).ok()?;
        (answer["snapshot"]["unique_ips"] == 48).then_some(())
    };
    wait_for(all).expect("48 sources");
    // What q usually does is not done; F5 writes the rows of the first view, sorted.
    let csv = wait_for(|| {
        types("q\x1b[15~");
        file("-countries.csv")
    });
    let csv = fs::read_to_string(csv.expect("the rows")).expect("a file");
    let head = csv.lines().next().expect("a head").split(',').position(|head| head == "ips").expect("a column");
    let ips: Vec<u64> = csv.lines().skip(1).map(|line| numbers(line, head)).collect();
    assert!(ips.len() > 3 && ips.is_sorted(), "{csv}");
    // The key of the second view, whose filter no row passes.
    let other = wait_for(|| {
        types("\x1b[19~\x1b[15~");
        file("-destinations.csv")
    });
    let other = fs::read_to_string(other.expect("the rows")).expect("a file");
    assert_eq!(other.lines().count(), 1, "{other}");
    types("Z");
    let status = program::wait(&mut child);
    let _ = child.kill();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

/// The number in a column, of a line whose only quoted fields are before it.
fn numbers(line: &str, column: usize) -> u64 {
    let line = match line.rsplit_once('"') {
        Some((quoted, rest)) => format!("{}{rest}", quoted.replace([',', '"'], "")),
        None => line.to_string(),
    };
    line.split(',').nth(column).and_then(|field| field.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// `nettop config` in a mount namespace with files of its own in /etc, as root.
fn with_etc(nettop: &Path, script: &str) -> Ended {
    let script = format!(
        "mount -t tmpfs tmpfs /etc && echo 'invoker:x:4711:4711::{}:/bin/sh' > /etc/passwd && mkdir -m 755 /etc/nettop && {script}",
        nettop.parent().expect("a folder").display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).env_remove("NETTOP_NO_CONFIG");
    command.env("NETTOP", nettop).env_remove("XDG_CONFIG_HOME").env("HOME", "/nonexistent");
    run(&mut command)
}

#[test]
fn the_system_has_a_file_too_and_sudo_takes_of_the_users_only_what_does_no_harm() {
    if !skip::privileged() {
        return;
    }
    if Command::new("unshare").arg("--version").output().is_err() {
        return skip::report("there is no `unshare`; on Debian: apt-get install util-linux");
    }
    let nettop = PublicCopy::of("nettop");
    let path = nettop.path();
    let home = path.parent().expect("a folder");
    let file = home.join(".config/nettop/config.toml");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(&file, "theme = \"dark\"\njsonl = \"/root/x\"\n[keys]\nmute = \"w\"\n").expect("a file");
    std::os::unix::fs::chown(&file, Some(4711), Some(4711)).expect("another owner");

    let system = "echo 'top = 33\ntheme = \"light\"' > /etc/nettop/config.toml && ";
    let alone = with_etc(&path, &format!("{system} $NETTOP config"));
    assert_eq!(line(&alone, "top"), Some("33  # /etc/nettop/config.toml:1:7"), "{alone:?}");
    assert_eq!(value(&alone, "theme"), Some("\"light\""));

    let sudo = format!("{system} export SUDO_UID=4711 SUDO_GID=4711 SUDO_USER=invoker &&");
    let both = with_etc(&path, &format!("{sudo} $NETTOP config"));
    assert_eq!(value(&both, "top"), Some("33"), "{both:?}");
    assert_eq!(line(&both, "theme"), Some(format!("\"dark\"  # {}:1:9", file.display()).as_str()));
    assert_eq!(value(&both, "mute"), Some("[\"w\"]"));
    assert_eq!(value(&both, "jsonl"), None);
    let warning = format!("{}:2:9: jsonl is left out", file.display());
    assert!(both.stdout.contains(&warning), "{both:?}");
    // A monitor says so, too, and does not write it.
    let socket = home.join("s").display().to_string();
    let run = format!("{sudo} {{ timeout -s INT 1 $NETTOP demo --quiet --control-socket {socket}; ls /root/x; }}");
    let ran = with_etc(&path, &run);
    assert!(ran.stderr.contains(&warning) && ran.stderr.contains("No such file"), "{ran:?}");

    // A link to what only root can read tells nothing of it.
    let secret = public_directory();
    let secret = secret.path().join("secret");
    fs::write(&secret, "password = \"x\"").expect("a file");
    fs::set_permissions(&secret, Permissions::from_mode(0o640)).expect("a mode");
    fs::remove_file(&file).expect("removing");
    symlink(&secret, &file).expect("a link");
    let refused = with_etc(&path, &format!("{sudo} $NETTOP config"));
    refused.expect_one_line("reading the configuration");
    assert!(!refused.stderr.contains("password"), "{refused:?}");

    // The system's has to be root's alone.
    let written = with_etc(&path, &format!("{system} chmod 666 /etc/nettop/config.toml && $NETTOP config"));
    written.expect_one_line("others may have written it");
    // What cannot be looked at is not there: somebody else's home is no error.
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/root $NETTOP config";
    assert_eq!(value(&with_etc(&path, nobody), "top"), Some("20"));
}
