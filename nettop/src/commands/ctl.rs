//! `nettopctl`: sends one request to a running monitor and prints the answer.

use std::{
    io::{self, Write, stderr},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use nettop_control::{
    answer::{self, Timed},
    connection::Monitor,
    dial::{Connection, dial},
    socket::Endpoint,
    token::Token,
};
use nettop_export::{FORMATS, file, maps, site, sorted};
use nettop_model::{
    request::{FilterChange, Form, Request},
    snapshot::{DEFAULT_LIMIT, Group},
    visible::visible,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::stream;

/// What `nettopctl` is asked to do.
#[derive(Clone, Debug, Args)]
pub struct CtlArgs {
    /// Socket of the monitor: a path, or tcp://host:port
    /// [default: the first of $XDG_RUNTIME_DIR/nettop.sock, /run/nettop/nettop.sock (the service), /tmp/nettop-UID/nettop.sock]
    #[arg(long, global = true, value_name = "SOCKET")]
    control_socket: Option<Endpoint>,
    /// A file whose first line is the token that the monitor wants over tcp://
    #[arg(long, global = true, value_name = "FILE")]
    control_token: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// One request.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Print the settings and a snapshot
    Status(Limit),
    /// Change the filter or the interfaces; an empty value clears
    Set {
        /// Destination addresses or prefixes, separated by commas
        #[arg(long)]
        dst: Option<String>,
        /// Source addresses or prefixes, separated by commas
        #[arg(long)]
        src: Option<String>,
        /// Destination ports and ranges: 80,443,8000-8100
        #[arg(long)]
        port: Option<String>,
        /// Interfaces, separated by commas
        #[arg(long)]
        iface: Option<String>,
        /// Protocols: tcp,udp,icmp,47
        #[arg(long)]
        proto: Option<String>,
    },
    /// Show so many sources on the screen
    Top {
        /// How many, 1 to 500
        #[arg(allow_negative_numbers = true)]
        count: i64,
    },
    /// Stop counting
    Pause,
    /// Go on counting
    Resume,
    /// Start counting anew
    Reset,
    /// Print everything counted so far
    Snapshot {
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        groups: Groups,
    },
    /// Print the settings and a snapshot each time there is a new one, as one line of JSON each; `missed` says how many came too
    /// fast before it
    Subscribe {
        /// Rows of each list at most, 1 to 1000
        #[arg(long)]
        limit: Option<usize>,
        /// End after so many
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        #[command(flatten)]
        groups: Groups,
    },
    /// Write everything counted so far to a file, or to standard output
    Export {
        /// What to write: the whole snapshot, or the table of sources
        #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)))]
        format: String,
        /// Where to; a file is replaced whole, a device or a pipe written to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print what the kernel's maps hold, CPU by CPU and in all, with their fill, capacity and memory
    Maps(PrintMaps),
    /// Print how much there was lately of one thing: each of the last 60 seconds, each ten seconds of the last ten minutes. What is
    /// not among the busiest is followed from now on
    History(HistoryOf),
    /// End the monitor
    Stop,
}

/// One of these.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct HistoryOf {
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
}

#[derive(Clone, Debug, Args)]
struct Limit {
    /// Rows of each list at most; 0 for all
    #[arg(long)]
    limit: Option<usize>,
}

/// In which form a snapshot is printed.
#[derive(Clone, Debug, Args)]
struct Groups {
    /// Only these groups, separated by commas, in the form that has them; `all` for every one [default: the flat form of nettop 3]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = PossibleValuesParser::new(group_names()))]
    groups: Vec<String>,
}

/// What stands for every group.
const ALL: &str = "all";

fn group_names() -> impl Iterator<Item = &'static str> {
    Group::ALL.iter().map(|group| group.name()).chain([ALL])
}

impl Groups {
    fn form(&self) -> Form {
        match self.groups.as_slice() {
            [] => Form::Flat,
            names if names.iter().any(|name| name == ALL) => Form::whole(),
            names => Form::Grouped(names.iter().filter_map(|name| Group::named(name)).collect()),
        }
    }
}

/// How to print what the kernel's maps hold.
#[derive(Clone, Debug, Args)]
pub struct PrintMaps {
    /// Rows of each map at most; 0 for all
    #[arg(long)]
    limit: Option<usize>,
    /// json for everything, csv for one number a row
    #[arg(long, value_enum, default_value_t = MapsFormat::Json)]
    format: MapsFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MapsFormat {
    Json,
    Csv,
}

impl Command {
    fn request(&self) -> Value {
        let rows = |limit: &Option<usize>| limit.unwrap_or(DEFAULT_LIMIT);
        let request = match self {
            Self::Status(Limit { limit }) => Request::Status { limit: rows(limit) },
            Self::Set { dst, src, port, iface, proto } => Request::Set(FilterChange {
                dst: dst.clone(),
                src: src.clone(),
                port: port.clone(),
                proto: proto.clone(),
                iface: iface.clone(),
            }),
            // Sent as it was typed: the monitor says what is wrong with it.
            Self::History(HistoryOf { source, dst, port, prefix }) => {
                let mut request = json!({"cmd": "history"});
                for (kind, text) in [("source", source), ("dst", dst), ("port", port), ("prefix", prefix)] {
                    text.iter().for_each(|text| request[kind] = text.as_str().into());
                }
                return request;
            }
            Self::Top { count } => Request::Top(*count),
            Self::Pause => Request::Pause(true),
            Self::Resume => Request::Pause(false),
            Self::Reset => Request::Reset,
            Self::Export { .. } => Request::Snapshot { limit: 0, form: Form::Flat },
            Self::Snapshot { limit, groups } => Request::Snapshot { limit: rows(&limit.limit), form: groups.form() },
            Self::Subscribe { limit, groups, .. } => Request::Subscribe { limit: rows(limit), form: groups.form() },
            Self::Maps(PrintMaps { limit, .. }) => Request::Maps { limit: rows(limit) },
            Self::Stop => Request::Stop,
        };
        request.to_json()
    }
}

/// Sends the request and prints the answer, indented, with sorted keys. Whether it says `ok`.
///
/// # Errors
/// No monitor, or no answer from it.
pub fn run(args: &CtlArgs) -> Result<bool> {
    let mut request = args.command.request();
    if let Command::Subscribe { count, .. } = args.command {
        let token = args.control_token.as_deref().map(Token::read).transpose()?;
        return stream::print(&Monitor::new(args.control_socket.clone(), token), request, count);
    }
    if let Some(path) = &args.control_token {
        request["token"] = Token::read(path)?.text().into();
    }
    let answer = exchange(args.control_socket.as_ref(), &request)?;
    let answer: &RawValue = serde_json::from_str(&answer).context("the answer is not JSON")?;
    let Parts { ok, snapshot } = serde_json::from_str(answer.get()).context("the answer is none of a monitor's")?;
    match &args.command {
        Command::Export { format, output } if ok => {
            let snapshot = snapshot.context("the answer has no snapshot")?;
            let known = FORMATS.iter().find(|known| known.name == format);
            let Some(form) = known else { bail!("there is no form {format}") };
            let write = |out: &mut dyn Write| (form.rewrite)(snapshot, out);
            match output {
                Some(path) => {
                    let kept = site::write(path, None, write).with_context(|| format!("writing {}", path.display()))?;
                    if let Some(kept) = kept {
                        // Nobody may be there to read it.
                        let _ = writeln!(stderr(), "{}: {kept}", visible(&path.display().to_string()));
                    }
                }
                None => print(write)?,
            }
        }
        Command::Maps(PrintMaps { format: MapsFormat::Csv, .. }) if ok => print(|out| maps::of_json(answer, out))?,
        _ => print(|out| sorted::pretty(answer, out))?,
    }
    Ok(ok)
}

/// What an answer is looked at for; the rest is only printed, and stays the text that came.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(default)]
    ok: bool,
    #[serde(borrow, default)]
    snapshot: Option<&'a RawValue>,
}

/// `nettop maps`: asks the monitor there, or the one that is found.
///
/// # Errors
/// As for [`run`].
pub fn run_maps(control_socket: Option<Endpoint>, args: PrintMaps) -> Result<bool> {
    run(&CtlArgs { control_socket, control_token: None, command: Command::Maps(args) })
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    file::print_with(write).context("writing the answer to standard output")
}

fn exchange(endpoint: Option<&Endpoint>, request: &Value) -> Result<String> {
    match dial(endpoint)? {
        Connection::Unix(stream) => talk(stream, request),
        Connection::Tcp(stream) => talk(stream, request),
    }
}

fn talk(mut stream: impl Timed + Write, request: &Value) -> Result<String> {
    // A monitor may refuse before it has read everything: its answer is there all the same.
    let sent = stream.write_all(format!("{request}\n").as_bytes()).context("sending the request");
    let answer = answer::receive(&mut stream, answer::BOUNDS)?;
    if answer.is_empty() {
        sent?;
        bail!("the monitor closed the connection without an answer");
    }
    String::from_utf8(answer).context("the answer is not JSON")
}
