//! The command line.

mod blocking;
mod doctor;
mod files;
mod level;
mod logs;
mod screen;
mod sockets;
mod thresholds;
mod web;

use std::{os::unix::ffi::OsStrExt as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser as _},
    error::ErrorKind,
};
use nettop_actor::hook::Hook;
use nettop_collect::{
    demo,
    kernel::{self, Budget, DEFAULT_EVENT_RATE, MOST_SOURCES, names},
};
use nettop_common::{counters::Part, maps::Form};
use nettop_control::{channel::ControlArgs, endpoint::Endpoint};
use nettop_engine::{
    Optional, Settings,
    blocks::Blocking,
    detect::{OwnRule, first_alert},
};
use nettop_geo::Watcher;
use nettop_model::{
    filter::FilterText,
    snapshot::{Mode, TOP_RANGE},
};
use nettop_tui::{preferences::Preferences, state::Options};

use self::thresholds::ThresholdArgs;
pub use self::{
    blocking::BlockingArgs,
    doctor::DoctorArgs,
    files::FileArgs,
    level::Level,
    logs::LogArgs,
    screen::ScreenArgs,
    sockets::{SocketsArgs, Wanted},
    web::{DashboardArgs, WebCommandArgs},
};
use crate::commands::{ctl as client, ctl::CtlArgs, update_db::UpdateDbArgs};

/// Shows, live and truthfully, who is hitting this host. Without a command: run.
#[derive(Debug, Parser)]
#[command(name = "nettop", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`, where there is no command.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch live traffic (the default)
    Run(RunArgs),
    /// The same screen over synthetic traffic; needs no privilege
    Demo(DemoArgs),
    /// The same screen over readings that were written down with run --record; needs no privilege
    Replay(ReplayArgs),
    /// The same screen over a monitor that runs already; needs no privilege, and ends without ending it
    Attach(AttachArgs),
    /// Show a monitor that runs already in a browser, and to Prometheus; needs no privilege, and ends without ending it
    Web(WebCommandArgs),
    /// The process that run --web starts
    #[command(name = "web-process", hide = true)]
    WebProcess,
    /// Send a command to a running monitor, as nettopctl does
    Ctl(ClientArgs),
    /// Print what the kernel's maps of a running monitor hold, as nettopctl maps does
    Maps(MapsArgs),
    /// List the connections of this host and what listens, once, with the processes that have them; needs no privilege for one's own
    Sockets(SocketsArgs),
    /// Print the configuration in force, as TOML, and where each value comes from; takes the options of run
    Config(ConfigArgs),
    /// List everything nettop can do
    Features(FeaturesArgs),
    /// Fetch DB-IP's free tables and make location.csv of them; the only command that uses the network
    UpdateDb(UpdateDbArgs),
    /// Check what this machine allows, and say what to do about the rest
    Doctor(DoctorArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, as roff
    Man(ManArgs),
    /// Run what a monitor asks for over standard input: firewall tools, or hooks
    #[command(hide = true)]
    Actor,
}

impl Command {
    /// Keys and tables of the screen, if it has one.
    pub fn preferences_mut(&mut self) -> Option<&mut Preferences> {
        match self {
            Self::Attach(AttachArgs { preferences, .. }) => Some(preferences),
            other => other.common_mut().map(|common| &mut common.preferences),
        }
    }

    /// Rules of one's own, if it looks at traffic itself.
    pub fn rules_mut(&mut self) -> Option<&mut Vec<OwnRule>> {
        self.common_mut().map(|common| &mut common.rules)
    }

    /// Commands that are prepared, if it looks at traffic itself.
    pub fn hooks_mut(&mut self) -> Option<&mut Vec<Hook>> {
        self.common_mut().map(|common| &mut common.hooks)
    }

    /// What those have in common that look at traffic themselves.
    fn common_mut(&mut self) -> Option<&mut CommonArgs> {
        match self {
            Self::Run(RunArgs { common, .. })
            | Self::Demo(DemoArgs { common, .. })
            | Self::Replay(ReplayArgs { common, .. }) => Some(common),
            _ => None,
        }
    }
}

/// Options of `attach`.
#[derive(Clone, Debug, Args)]
pub struct AttachArgs {
    /// Socket of the monitor: a path, or tcp://host:port [default: as nettopctl finds it]
    pub socket: Option<Endpoint>,
    /// The same, for configuration files
    #[arg(long, value_name = "SOCKET")]
    pub control_socket: Option<Endpoint>,
    /// A file whose first line is the token that the monitor wants over tcp://
    #[arg(long, value_name = "FILE")]
    pub control_token: Option<PathBuf>,
    /// How the screen is wanted.
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Which configuration files are read.
    #[command(flatten)]
    pub files: FileArgs,
    /// The screen's keys and tables, which only files have.
    #[arg(skip)]
    pub preferences: Preferences,
}

/// Which maps, and how to print them.
#[derive(Debug, Args)]
pub struct MapsArgs {
    /// Socket of the monitor [default: as nettopctl finds it]
    pub socket: Option<Endpoint>,
    /// How to print them.
    #[command(flatten)]
    pub print: client::PrintMaps,
}

/// Sends a command to a running nettop.
#[derive(Debug, Parser)]
#[command(name = "nettopctl", version)]
pub struct CtlCli {
    /// What to send, and where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What to send, and where to.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// Which configuration files are read, for where to.
    #[command(flatten)]
    pub files: FileArgs,
    /// It.
    #[command(flatten)]
    pub ctl: CtlArgs,
}

/// Options of `config`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// Print a file with every key, what it means and its default, all of it commented out
    #[arg(long)]
    pub sample: bool,
    /// Everything that a file can hold, and which files.
    #[command(flatten)]
    pub configured: Configured,
}

/// Every option that can be configured, whichever command it is of.
#[derive(Clone, Debug, Args)]
pub struct Configured {
    /// Those of `run`.
    #[command(flatten)]
    pub run: RunArgs,
    /// Those of `demo` alone.
    #[command(flatten)]
    pub synthetic: SyntheticArgs,
}

/// Options of `completions`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: Shell,
    /// Of which program
    #[arg(long, value_enum, default_value_t = Program::Nettop)]
    pub program: Program,
}

/// Options of `man`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ManArgs {
    /// Of which program
    #[arg(long, value_enum, default_value_t = Program::Nettop)]
    pub program: Program,
}

/// A shell that completes what is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// fish.
    Fish,
    /// Zsh.
    Zsh,
}

/// A program of ours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Program {
    /// The monitor.
    Nettop,
    /// Its remote control.
    Nettopctl,
}

/// Options of the live monitor.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Interfaces, separated by commas or repeated (\, is a comma of a name, \xNN a byte of one) [default: those that the default
    /// routes lead to, wherever they move]
    #[arg(long, value_name = "NAME", value_parser = OsStringValueParser::new().map(|name| names::shown(name.as_bytes())))]
    pub iface: Vec<String>,
    /// Replay a capture (pcap or pcapng; - is standard input) instead of watching interfaces; needs no privilege
    #[arg(long, value_name = "FILE", conflicts_with_all = ["iface", "map_memory", "maps", "without", "drops", "log"])]
    pub pcap: Option<PathBuf>,
    /// Replay so many times as fast as it was captured; 0 is as fast as possible
    #[arg(long, value_name = "N", requires = "pcap", default_value = "0", value_parser = parse_speed)]
    pub pcap_speed: f64,
    /// What is common to all sources.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Memory for the kernel's maps, MiB [default: 1/128 of all memory, at most 256, and at most a quarter of what a control group
    /// leaves beside what nettop needs]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub map_memory: Option<u64>,
    /// Where the kernel counts sources, destinations and MACs: in slots that are emptied all the time, or in per-CPU hash maps that any tool
    /// for BPF can dump, which take more of the CPU and are only emptied by a reset
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub maps: MapForm,
    /// Do without these, separated by commas; what is left out costs a packet nothing
    #[arg(long, value_delimiter = ',', value_name = "PART", value_parser = parse_part)]
    pub without: Vec<Optional>,
    /// Count the packets that the kernel drops, by its reason, in all network namespaces; each then costs it some tens of nanoseconds more
    #[arg(long)]
    pub drops: bool,
    /// Append every reading to this file, compressed, to be replayed with nettop replay
    #[arg(long, value_name = "FILE", conflicts_with = "pcap")]
    pub record: Option<PathBuf>,
    /// How large that file may become, MiB
    #[arg(long, value_name = "MIB", requires = "record", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    pub record_max: u64,
    /// Keep in this folder what the next start is to find, such as what traffic is usual: made with mode 0700 where it is missing, and only
    /// its user's to write to. Captures, nettop demo and nettop replay have no such folder: their traffic must not teach what is usual
    /// here [default: $STATE_DIRECTORY, which systemd sets, else nothing is kept]
    #[arg(long, value_name = "DIR", conflicts_with = "pcap")]
    pub state: Option<PathBuf>,
    /// How blocks are wanted.
    #[command(flatten)]
    pub blocking: BlockingArgs,
    /// Which logs are followed.
    #[command(flatten)]
    pub logs: LogArgs,
    /// Append a log to this file, the kernel program's messages included
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Write records of this severity and above to --log
    #[arg(long, value_name = "LEVEL", requires = "log", value_enum, default_value_t)]
    pub log_level: Level,
}

impl RunArgs {
    /// How much memory it may take.
    ///
    /// # Errors
    /// There is too little for any maps.
    pub fn budget(&self) -> Result<Budget> {
        Budget::now(self.map_memory.map(|mebibytes| mebibytes << 20), self.event_rate())
    }

    /// How the kernel program is loaded.
    pub fn load_options(&self, budget: &Budget) -> kernel::Options {
        kernel::Options {
            memory: budget.maps,
            form: self.maps.into(),
            event_rate: self.event_rate(),
            egress: !self.is_without(Optional::Egress),
            blocks: !self.is_without(Optional::Blocks),
            sockets: !self.is_without(Optional::Connections),
            drops: self.drops,
            parts: Part::ALL
                .iter()
                .filter(|part| !self.is_without(Optional::Counted(**part)))
                .fold(0, |parts, part| parts | part.bit()),
        }
    }

    /// Whether this is left out.
    pub fn is_without(&self, part: Optional) -> bool {
        self.without.contains(&part)
    }

    fn event_rate(&self) -> u32 {
        self.common.event_rate.unwrap_or(DEFAULT_EVENT_RATE)
    }
}

/// Where keys are counted; see [`Form`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MapForm {
    /// In slots, which are emptied all the time.
    #[default]
    Slots,
    /// In per-CPU hash maps.
    Hash,
}

impl From<MapForm> for Form {
    fn from(form: MapForm) -> Self {
        match form {
            MapForm::Slots => Self::Slots,
            MapForm::Hash => Self::Hash,
        }
    }
}

/// Options of the demonstration.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// What is common to all sources.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What is made up.
    #[command(flatten)]
    pub synthetic: SyntheticArgs,
}

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// What run --record has written
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replay so many times as fast as it was recorded; 0 is as fast as possible
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_speed)]
    pub speed: f64,
    /// What is common to all sources; filter, thresholds and limits are those of the recording.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of synthetic traffic.
#[derive(Clone, Copy, Debug, Args)]
pub struct SyntheticArgs {
    /// Seed of the synthetic traffic of demo
    #[arg(long, default_value_t = demo::DEFAULT_SEED, value_name = "N")]
    pub seed: u64,
}

/// How to print the catalogue.
#[derive(Clone, Copy, Debug, Args)]
pub struct FeaturesArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of every monitor.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// Which configuration files are read.
    #[command(flatten)]
    pub files: FileArgs,
    /// Count only these destinations: addresses and prefixes, separated by commas, ! negates
    #[arg(long, default_value = "0.0.0.0", value_name = "ADDR", hide_default_value = true,
          value_parser = |text: &str| filter_part(text, |filter| &mut filter.dst))]
    pub dst: String,
    /// Count only these sources
    #[arg(long, default_value = "", value_name = "ADDR", hide_default_value = true,
          value_parser = |text: &str| filter_part(text, |filter| &mut filter.src))]
    pub src: String,
    /// Count only these destination ports: 80,443,8000-8100
    #[arg(long, default_value = "0", value_name = "PORTS", hide_default_value = true,
          value_parser = |text: &str| filter_part(text, |filter| &mut filter.port))]
    pub port: String,
    /// Count only these protocols: tcp,udp,icmp,icmpv6,sctp,gre,47,…
    #[arg(long, default_value = "", value_name = "NAMES", hide_default_value = true,
          value_parser = |text: &str| filter_part(text, |filter| &mut filter.proto))]
    pub proto: String,
    /// Seconds between readings, 0.1 to 3600
    #[arg(long, default_value = "1.0", value_parser = parse_interval, value_name = "SECONDS")]
    pub interval: Duration,
    /// No screen: for services
    #[arg(long)]
    pub quiet: bool,
    /// Show so many sources, 1 to 500
    #[arg(long, default_value_t = 20, allow_negative_numbers = true, value_name = "N",
          value_parser = clap::value_parser!(i64).range(TOP_RANGE))]
    pub top: i64,
    /// How the screen begins.
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Its keys and tables, which only files have.
    #[arg(skip)]
    pub preferences: Preferences,
    /// Rules of one's own, which only files have.
    #[arg(skip)]
    pub rules: Vec<OwnRule>,
    /// Commands that are prepared, which only files have.
    #[arg(skip)]
    pub hooks: Vec<Hook>,
    /// How it is controlled.
    #[command(flatten)]
    pub control: ControlArgs,
    /// Whether it is shown in a browser.
    #[command(flatten)]
    pub dashboard: DashboardArgs,
    /// Refuse to run unless the whole sandbox holds (strict), or use what of it this kernel offers (best-effort)
    #[arg(long, value_enum, default_value_t = Sandbox::BestEffort, value_name = "MODE")]
    pub sandbox: Sandbox,
    /// Give up capabilities, and nothing else
    #[arg(long, conflicts_with = "sandbox")]
    pub no_sandbox: bool,
    /// Do not look up where sources are
    #[arg(long, conflicts_with = "location_db")]
    pub no_geo: bool,
    /// Where sources are: a location.csv, or an .mmdb file of cities, countries or networks; may be repeated
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub location_db: Vec<PathBuf>,
    /// Write the last snapshot to this file as JSON, with every source
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Keep so many sampled packets
    #[arg(long, default_value_t = 5000, value_parser = parse_max_events, value_name = "N")]
    pub max_events: usize,
    /// Sample about so many packets per second for the detail per source; 0 for none [default: 10000, but all of a capture]
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=1_000_000), value_name = "N")]
    pub event_rate: Option<u32>,
    /// Append every sampled packet to this file, one line of JSON each; beside it, the session at the end
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// Append alerts to this file, one line of JSON when raised and one when over
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// Append every TCP connection that has ended to this file, one line of JSON each
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// List a connection or a flow for so many seconds after it has ended, 0 to 3600
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=3600), value_name = "SECONDS")]
    pub keep_ended: u64,
    /// From where on there are alerts.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
    /// Remember so many sources, at least 1; beyond it, those with the fewest packets lately are forgotten first
    /// [default: 131072, fewer where a control group leaves little memory]
    #[arg(long, value_parser = parse_max_sources, value_name = "N")]
    pub max_sources: Option<usize>,
}

/// How much of the sandbox must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sandbox {
    /// What this kernel offers.
    BestEffort,
    /// All of it.
    Strict,
}

impl CommonArgs {
    /// How much of the sandbox must hold.
    pub fn sandbox(&self) -> nettop_sandbox::Mode {
        match self.sandbox {
            _ if self.no_sandbox => nettop_sandbox::Mode::Off,
            Sandbox::BestEffort => nettop_sandbox::Mode::BestEffort,
            Sandbox::Strict => nettop_sandbox::Mode::Strict,
        }
    }

    /// Where places come from; `None`: geography is off.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn geo(&self) -> Result<Option<Watcher>> {
        if self.no_geo { Ok(None) } else { Watcher::open(&self.location_db).map(Some) }
    }

    /// How the screen is wanted; `None`: there is to be none.
    pub fn screen(&self) -> Option<Options> {
        (!self.quiet).then(|| self.screen.options(self.preferences.clone()))
    }

    /// What the engine is started with.
    ///
    /// # Errors
    /// Names the option and what is wrong with it.
    pub fn settings(&self, mode: Mode) -> Result<Settings> {
        let text = FilterText {
            dst: self.dst.clone(),
            src: self.src.clone(),
            port: self.port.clone(),
            proto: self.proto.clone(),
        };
        Ok(Settings {
            mode,
            filter: text.parse().map_err(|error| anyhow!("the filter cannot be read: {error}"))?,
            top: self.top as usize,
            interval: self.interval,
            max_events: self.max_events,
            event_rate: self.event_rate.unwrap_or(match mode {
                Mode::Live | Mode::Demo => DEFAULT_EVENT_RATE,
                Mode::Replay => u32::MAX,
            }),
            max_sources: self.max_sources.unwrap_or(MOST_SOURCES),
            keep_ended: Duration::from_secs(self.keep_ended),
            blocking: Blocking::default(),
            without: Vec::new(),
            thresholds: self.thresholds.0,
            rules: self.rules.clone(),
            first_alert: first_alert(),
            end_with_source: self.quiet,
            whole_at_end: self.snapshot.is_some() || self.jsonl.is_some(),
            sandbox: Arc::default(),
            log: None,
            companions: Vec::new(),
            found: Vec::new(),
        })
    }
}

/// A part of the filter that can be read, as it was written.
fn filter_part(text: &str, part: fn(&mut FilterText) -> &mut String) -> Result<String, String> {
    let mut filter = FilterText::default();
    *part(&mut filter) = text.into();
    filter.parse().map(|_| text.into())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("an interval is a number of seconds from 0.1 to 3600".into()),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.0..=1e9).contains(&speed) => Ok(speed),
        _ => Err("a number from 0 to 1000000000".into()),
    }
}

fn parse_part(text: &str) -> Result<Optional, String> {
    let named = Optional::all().find(|part| part.label() == text);
    named.ok_or_else(|| {
        let labels: Vec<_> = Optional::all().map(Optional::label).collect();
        format!("one of {}", labels.join(", "))
    })
}

fn parse_max_events(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= 1_000_000 => Ok(count),
        _ => Err("a number from 0 to 1000000".into()),
    }
}

fn parse_max_sources(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a number from 1 on".into()),
    }
}

/// How reading the command line ended when it did not yield what to do.
#[derive(Debug)]
pub enum Exit {
    /// Help or the version was asked for: this text.
    Printed(String),
    /// It is wrong, or what is configured is: one line that says what.
    Usage(String),
}

impl From<clap::Error> for Exit {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Printed(error.render().to_string()),
            _ => Self::Usage(format!("{}; see --help", one_line(&error))),
        }
    }
}

/// The error and its tip, without the usage that follows them.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let useful =
        text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let parts: Vec<_> = useful.map(str::trim).filter(|line| !line.is_empty()).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn usage(args: &[&str]) -> String {
        match Cli::try_parse_from(std::iter::once("nettop").chain(args.iter().copied())).map_err(Exit::from) {
            Err(Exit::Usage(line)) => line,
            Err(Exit::Printed(text)) => panic!("printed {text}"),
            Ok(cli) => panic!("accepted {cli:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_options_get_one_line() {
        for (args, part) in [
            (&["--nonsense"][..], "--nonsense"),
            (&["--interval", "0.05"], "0.1 to 3600"),
            (&["--interval", "nan"], "0.1 to 3600"),
            (&["--top", "many"], "many"),
            (&["--view", "nowhere"], "possible values: sources, destinations"),
            (&["--port", "90-80"], "--port"),
            (&["run", "--map-memory", "0"], "--map-memory"),
            (&["run", "--maps", "lru"], "possible values: slots, hash"),
            (&["--control-tcp-anywhere"], "--control-token"),
            (&["--log-level", "warn"], "--log"),
            (&["--log", "x", "--log-level", "loud"], "possible values: error, warn, info, debug"),
            (&["--no-sandbox", "--sandbox", "strict"], "--sandbox"),
            (&["dance"], "dance"),
            (&["ctl", "dance"], "dance"),
        ] {
            let line = usage(args);
            assert!(line.contains(part) && !line.contains('\n'), "{args:?}: {line:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_and_those_at_its_ends_are_not() {
        for (option, good, bad) in [
            ("--top", ["1", "500"], ["0", "501"]),
            ("--top", ["20", "499"], ["-5", "99999999999999999999"]),
            ("--max-sources", ["1", "131072"], ["0", "-1"]),
            ("--max-events", ["0", "1000000"], ["-1", "1000001"]),
            ("--event-rate", ["0", "1000000"], ["-1", "1000001"]),
            ("--map-memory", ["1", "65536"], ["0", "65537"]),
            ("--interval", ["0.1", "3600"], ["0.09", "3601"]),
            ("--syn-flood", ["0", "18446744073709551615"], ["-1", "18446744073709551616"]),
        ] {
            for value in good {
                let cli = Cli::try_parse_from(["nettop", option, value]);
                assert!(cli.is_ok(), "{option} {value}: {cli:?}");
            }
            for value in bad {
                let line = usage(&[&format!("{option}={value}")]);
                assert!(line.contains(option) && line.contains(value), "{option} {value}: {line}");
            }
        }
        for (top, shown) in [("1", 1), ("500", 500)] {
            let cli = Cli::parse_from(["nettop", "--top", top]);
            assert_eq!(cli.run.common.settings(Mode::Live).unwrap().top, shown);
        }
    }
}
