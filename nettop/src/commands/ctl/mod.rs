//! `nettopctl`: sends one request to a running monitor and prints the answer.

mod command;
mod listed;

use std::{
    io::{self, Write, stderr},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nettop_control::{
    answer::{self, Timed},
    connection::Monitor,
    dial::{Connection, dial},
    endpoint::Endpoint,
    token::Token,
};
use nettop_export::{FORMATS, file, maps, site, sorted};
use nettop_model::json;
use nettop_model::{snapshot::Group, visible::visible};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

pub use self::command::PrintMaps;
use self::command::{Command, ExportTo, MapsFormat};
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

/// Sends the request and prints the answer, indented, with sorted keys. Whether it says `ok`.
///
/// # Errors
/// No monitor, or no answer from it.
pub fn run(args: &CtlArgs) -> Result<bool> {
    let mut request = args.command.request();
    let lines = match &args.command {
        Command::Subscribe(lines) => Some(lines.count),
        Command::Pulse(lines) => Some(lines.count),
        _ => None,
    };
    if let Some(count) = lines {
        let token = args.control_token.as_deref().map(Token::read).transpose()?;
        return stream::print(&Monitor::new(args.control_socket.clone(), token), request, count);
    }
    if let Some(path) = &args.control_token {
        request["token"] = Token::read(path)?.text().into();
    }
    let answer = exchange(args.control_socket.as_ref(), &request)?;
    let answer: &RawValue = json::read(answer.as_bytes()).context("the answer is not JSON")?;
    let Parts { ok, snapshot, error } =
        json::read(answer.get().as_bytes()).context("the answer is none of a monitor's")?;
    match &args.command {
        Command::Export(ExportTo { format, output }) if ok => {
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
        Command::Connections(list) if ok => {
            let rows = list.print(snapshot.context("the answer has no snapshot")?, Group::Connections)?;
            print(|out| out.write_all(&rows))?;
        }
        Command::Processes(list) if ok => {
            let rows = list.print(snapshot.context("the answer has no snapshot")?, Group::Processes)?;
            print(|out| out.write_all(&rows))?;
        }
        Command::Flows(list) if ok => {
            let rows = list.print(snapshot.context("the answer has no snapshot")?, Group::Flows)?;
            print(|out| out.write_all(&rows))?;
        }
        Command::Maps(PrintMaps { format: MapsFormat::Csv, .. }) if ok => print(|out| maps::of_json(answer, out))?,
        _ => print(|out| sorted::pretty(answer, out))?,
    }
    // A hook that failed was run, but did not do what it was asked.
    let has_failed = matches!(args.command, Command::Hook(_)) && error.is_some();
    Ok(ok && !has_failed)
}

/// What an answer is looked at for; the rest is only printed, and stays the text that came.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(default)]
    ok: bool,
    #[serde(borrow, default)]
    snapshot: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
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
