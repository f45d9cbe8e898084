//! nettop: who is hitting this host, live and truthfully.
//!
//! The binary: its options ([`cli`], [`config`]), what the subcommands do ([`commands`]), and the wiring of the layers for
//! those that show a screen ([`mod@run`]). ARCHITECTURE.md draws the layers.

pub mod cli;
pub mod commands;
pub mod config;
pub mod run;

use std::{ffi::OsString, io, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use nettop_model::visible::visible;
use nettop_process::cause;

use self::{
    cli::{Cli, Command, CtlCli, Exit},
    commands::{
        ctl, doctor, features, manual, sockets,
        update_db::{self, Limits},
    },
    config::Config,
    run::{attach, live, web},
};

/// How long standard error may take for a line.
const PATIENCE: Duration = Duration::from_millis(500);

/// `nettop`, as called with these arguments.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (Cli { command, run }, config) = match parse(args) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let mut command = command.unwrap_or(Command::Run(run));
    if let Some(preferences) = command.preferences_mut() {
        config.warnings().for_each(|warning| complain("nettop", &warning));
        preferences.clone_from(&config.preferences);
    }
    if let Some(rules) = command.rules_mut() {
        *rules = config.rules();
    }
    if let Some(hooks) = command.hooks_mut() {
        *hooks = config.hooks();
    }
    if let Command::Run(args) = &mut command {
        args.logs.configured = config.logs.clone();
    }
    match command {
        Command::Run(args) => finish("nettop", live::run(&args).map(|()| true)),
        Command::Demo(args) => finish("nettop", live::demo(&args).map(|()| true)),
        Command::Replay(args) => finish("nettop replay", live::replay(&args).map(|()| true)),
        Command::Actor => finish("nettop actor", nettop_actor::serve().map(|()| true)),
        Command::Config(args) => {
            let text = if args.sample { config::sample() } else { config::effective(&config) };
            finish("nettop config", print(text.as_bytes()).map(|()| true))
        }
        Command::Features(args) => {
            finish("nettop features", features::run(args).and_then(|text| print(text.as_bytes())).map(|()| true))
        }
        Command::Attach(args) => finish("nettop attach", attach::run(&args).map(|()| true)),
        Command::Web(args) => finish("nettop web", web::run(&args).map(|()| true)),
        Command::WebProcess => finish("nettop web", web::process().map(|()| true)),
        Command::Ctl(args) => finish("nettop ctl", ctl::run(&args.ctl)),
        Command::Maps(args) => finish("nettop maps", ctl::run_maps(args.socket, args.print)),
        Command::Sockets(args) => finish(
            "nettop sockets",
            sockets::run(&args).and_then(|(text, missing)| {
                missing.iter().for_each(|what| complain("nettop sockets", what));
                print(text.as_bytes()).map(|()| true)
            }),
        ),
        Command::UpdateDb(args) => finish(
            "nettop update-db",
            update_db::run(&args, &Limits::default()).and_then(|text| print(text.as_bytes())).map(|()| true),
        ),
        Command::Doctor(args) => finish(
            "nettop doctor",
            doctor::run(args).and_then(|(text, starts)| print(text.as_bytes()).map(|()| starts)),
        ),
        Command::Completions(args) => {
            finish("nettop completions", print(&manual::completions(args.shell, args.program)).map(|()| true))
        }
        Command::Man(args) => {
            let page = manual::man(args.program).context("making the manual page");
            finish("nettop man", page.and_then(|page| print(&page)).map(|()| true))
        }
    }
}

/// `nettopctl`, as called with these arguments.
pub fn run_ctl(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse::<CtlCli>(args) {
        Ok((cli, _)) => finish("nettopctl", ctl::run(&cli.client.ctl)),
        Err(code) => code,
    }
}

fn parse<T: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<(T, Config), ExitCode> {
    config::parse(args).map_err(|exit| match exit {
        Exit::Printed(text) => finish(T::command().get_name(), print(text.as_bytes()).map(|()| true)),
        Exit::Usage(line) => {
            complain(T::command().get_name(), &line);
            ExitCode::from(2)
        }
    })
}

/// Prints what a command has to say.
fn print(text: &[u8]) -> anyhow::Result<()> {
    nettop_export::file::print(text).context("writing to standard output")
}

/// Turns a result into an exit code, and an error into one line on standard error.
fn finish(name: &str, result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(name, &cause::told(&error).replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Says something on standard error, in one line.
fn complain(name: &str, what: &str) {
    // Nobody may be there to read it, or somebody who does not.
    let _ = nettop_export::patient::write(io::stderr(), format!("{name}: {}\n", visible(what)).as_bytes(), PATIENCE);
}
