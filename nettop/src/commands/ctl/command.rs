//! The commands of `nettopctl`, and the request that each sends.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use nettop_export::FORMATS;
use nettop_model::{
    request::{
        Allow, Block, FilterChange, Form, Hook, Maps, Process, Request, Snapshot, Status, Subscribe, Top, Unblock,
    },
    snapshot::{DEFAULT_LIMIT, Group},
};
use nettop_views::view::{CONNECTIONS, FLOWS, PROCESSES};
use serde_json::{Value, json};

use super::listed::ListOf;

/// Makes [`Command`] and [`Command::request`] from one row for each command: help text, name with its options if there are any,
/// and what is sent.
macro_rules! commands {
    ($($(#[$help:meta])+ $name:ident $(($options:ident: $type:ty))? => $request:expr;)+) => {
        /// One request.
        #[derive(Clone, Debug, Subcommand)]
        pub(super) enum Command {
            $($(#[$help])+ $name $(($type))?,)+
        }

        impl Command {
            /// The JSON that is sent, without a token.
            pub(super) fn request(&self) -> Value {
                match self {
                    $(Self::$name $(($options))? => $request,)+
                }
            }
        }
    };
}

commands! {
    /// Print the settings and a snapshot
    Status(fields: Status) => ask(fields.clone());
    /// Change the filter or the interfaces; an empty value clears
    Set(fields: FilterChange) => ask(fields.clone());
    /// Show so many sources on the screen
    Top(fields: Top) => ask(*fields);
    /// Stop counting
    Pause => ask(Request::Pause);
    /// Go on counting
    Resume => ask(Request::Resume);
    /// Start counting anew
    Reset => ask(Request::Reset);
    /// Print everything counted so far
    Snapshot(fields: Snapshot) => ask(fields.clone());
    /// Print the settings and a snapshot each time there is a new one, as one line of JSON each; `missed` says how many came too
    /// fast before it
    Subscribe(lines: Lines) => ask(Subscribe { limit: lines.limit, form: lines.form.clone() });
    /// Print what was counted in all, ten times a second, as one line of JSON each, whatever the interval of snapshots is; the first line has
    /// the last 30 seconds and the last hour
    Pulse(_lines: PulseLines) => ask(Request::Pulse);
    /// Write everything counted so far to a file, or to standard output
    Export(_file: ExportTo) => ask(Snapshot { limit: 0, form: Form::Flat });
    /// Print what the kernel's maps hold, CPU by CPU and in all, with their fill, capacity and memory
    Maps(maps: PrintMaps) => ask(maps.request.clone());
    /// Print how much there was lately of one thing: each of the last 60 seconds, each ten seconds of the last ten minutes. What is
    /// not among the busiest is followed from now on
    History(of: HistoryOf) => of.request();
    /// Print the connections of its host, the busiest first, and what listens
    Connections(list: ListOf<CONNECTIONS>) => list.request(Group::Connections);
    /// Print the processes that have sockets, with the sums of their connections, the busiest first
    Processes(list: ListOf<PROCESSES>) => list.request(Group::Processes);
    /// Print the command line of a process of its host; only root and the user of the monitor may ask
    Process(fields: Process) => ask(*fields);
    /// Print the flows that its host forwards or translates, the busiest first, and those that ended lately
    Flows(list: ListOf<FLOWS>) => list.request(Group::Flows);
    /// Drop what comes from an address or a prefix for a time, or print the command lines that would; guarded addresses are refused
    Block(fields: Block) => ask(fields.clone());
    /// End a block
    Unblock(fields: Unblock) => ask(*fields);
    /// Never block an address or a prefix; ends the blocks that it is in
    Allow(fields: Allow) => ask(*fields);
    /// Print what is blocked: until when, by whom, why, and what was dropped
    Blocks => ask(Request::Blocks);
    /// Print the fewest prefixes, 64 at most, that carry 90 % of what comes from who has no connection, and which connections they have
    Cover => ask(Request::Cover);
    /// Run a hook, a command that [[hooks]] has prepared, and print what became of it
    Hook(fields: Hook) => ask(fields.clone());
    /// Print which hooks there are
    Hooks => ask(Request::Hooks);
    /// End the monitor
    Stop => ask(Request::Stop);
}

fn ask(request: impl Into<Request>) -> Value {
    request.into().to_json()
}

/// Which lines of a subscription are printed.
#[derive(Clone, Debug, Args)]
pub(super) struct Lines {
    /// Rows of each list at most, 1 to 1000
    #[arg(long, default_value_t = DEFAULT_LIMIT, hide_default_value = true)]
    limit: usize,
    /// End after so many
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
    #[command(flatten)]
    form: Form,
}

/// Which pulses are printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PulseLines {
    /// End after so many
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
}

/// What is written of a snapshot, and where to.
#[derive(Clone, Debug, Args)]
pub(super) struct ExportTo {
    /// What to write: the whole snapshot, or the table of sources
    #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)))]
    pub(super) format: String,
    /// Where to; a file is replaced whole, a device or a pipe written to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// How to print what the kernel's maps hold.
#[derive(Clone, Debug, Args)]
pub struct PrintMaps {
    #[command(flatten)]
    request: Maps,
    /// json for everything, csv for one number a row
    #[arg(long, value_enum, default_value_t = MapsFormat::Json)]
    pub(super) format: MapsFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MapsFormat {
    Json,
    Csv,
}

/// One of these. Sent as it was typed: the monitor says what is wrong with it.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct HistoryOf {
    /// A source address
    #[arg(long)]
    source: Option<String>,
    /// A destination address
    #[arg(long)]
    dst: Option<String>,
    /// A destination port
    #[arg(long)]
    port: Option<String>,
    /// A prefix of sources: /24 or /16 of IPv4, /48 or /32 of IPv6
    #[arg(long)]
    prefix: Option<String>,
    /// A process, by its number: what its calls on sockets move
    #[arg(long, value_name = "PID")]
    process: Option<String>,
    /// A connection, by its cookie in the snapshot
    #[arg(long, value_name = "COOKIE")]
    connection: Option<String>,
}

impl HistoryOf {
    fn request(&self) -> Value {
        let Self { source, dst, port, prefix, process, connection } = self;
        let mut request = json!({"cmd": "history"});
        for (kind, text) in [
            ("source", source),
            ("dst", dst),
            ("port", port),
            ("prefix", prefix),
            ("process", process),
            ("connection", connection),
        ] {
            text.iter().for_each(|text| request[kind] = text.as_str().into());
        }
        request
    }
}
