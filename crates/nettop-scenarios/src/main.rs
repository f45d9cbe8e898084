//! `cargo xtask detect`: what detection finds, scenario by scenario.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use nettop_scenarios::{
    capture,
    matrix::{Row, Sums},
    play::{self, Form},
    recipe::{Recipes, Scenario},
    verdict,
};

/// Play scenarios of attacks and of ordinary traffic, and show what detection finds
#[derive(Parser)]
#[command(name = "cargo xtask detect", bin_name = "cargo xtask detect", args_conflicts_with_subcommands = true)]
struct Cli {
    /// The folder of the recipes
    #[arg(long, global = true, value_name = "FOLDER", default_value_os_t = recipes())]
    recipes: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    matrix: Matrix,
}

/// The matrix
#[derive(Args)]
struct Matrix {
    /// Only scenarios whose name has one of these in it
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Only one form: what a capture of both directions shows, what comes in, or that with what the host knows of itself
    #[arg(long, value_name = "FORM", value_parser = ["both", "in", "host"])]
    form: Option<String>,
    /// Print what each alert says after 3 s, and at the end
    #[arg(long)]
    verbose: bool,
    /// Only lines that are not as expected
    #[arg(long)]
    wrong: bool,
    /// Succeed whether the bars hold or not
    #[arg(long)]
    report: bool,
    /// Scenarios at a time; usually one for each CPU
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Subcommand)]
enum Command {
    /// Write a scenario as a capture, for `nettop run --pcap FILE --quiet`
    Pcap {
        /// The scenario
        name: String,
        /// Where to
        file: PathBuf,
        /// Only what comes in
        #[arg(long)]
        ingress: bool,
        /// Bytes of each packet; 65535: all of it, so that it can be sent
        #[arg(long, value_name = "BYTES", default_value_t = 96)]
        snap: u32,
    },
    /// Names all scenarios
    List,
}

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/detect")
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool> {
    let recipes = Recipes::read(&cli.recipes)?;
    match &cli.command {
        None => matrix(&recipes, &cli.matrix),
        Some(Command::List) => {
            recipes.scenarios.iter().for_each(|scenario| println!("{}", scenario.name));
            Ok(true)
        }
        Some(Command::Pcap { name, file, ingress, snap }) => {
            let scenario = recipes.scenarios.iter().find(|scenario| scenario.name == *name);
            let scenario = scenario.with_context(|| format!("there is no scenario {name}"))?;
            let form = if *ingress { Form::In } else { Form::Both };
            let writing = || format!("cannot write {}", file.display());
            let mut output = BufWriter::new(File::create(file).with_context(writing)?);
            let packets = capture::write(scenario, &recipes, form, *snap, &mut output).with_context(writing)?;
            output.into_inner().map_err(|error| error.into_error()).with_context(writing)?;
            println!("{packets} packets");
            Ok(true)
        }
    }
}

fn matrix(recipes: &Recipes, args: &Matrix) -> Result<bool> {
    let is_asked = |scenario: &&Scenario| {
        args.only.is_empty() || args.only.iter().any(|text| scenario.name.contains(text.as_str()))
    };
    let forms = Form::ALL.into_iter().filter(|form| args.form.as_deref().is_none_or(|only| only == form.label()));
    let forms: Vec<_> = forms.collect();
    let scenarios = recipes.scenarios.iter().filter(is_asked);
    let jobs: Vec<_> = scenarios
        .flat_map(|scenario| forms.iter().filter(|form| scenario.has(**form)).map(move |form| (scenario, *form)))
        .collect();
    ensure!(!jobs.is_empty(), "no scenario has such a name");
    let rows = play_all(recipes, &jobs, args.jobs)?;
    let mut holds = true;
    for row in rows.iter().filter(|row| !args.wrong || row.judged.verdict != verdict::Verdict::Ok) {
        println!("{}", row.line());
        if args.verbose {
            print!("{}", row.messages());
        }
    }
    println!();
    for form in forms {
        let mut sums = Sums::default();
        rows.iter().filter(|row| row.form == form).for_each(|row| sums.add(row));
        println!("{}", sums.text(form));
        holds &= sums.hold();
    }
    Ok(holds || args.report)
}

/// Plays on all CPUs; the rows are in the order of the jobs.
fn play_all<'a>(recipes: &Recipes, jobs: &[(&'a Scenario, Form)], threads: Option<usize>) -> Result<Vec<Row<'a>>> {
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(recipes, jobs, &next, &rows))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no scenario panics"))
    })?;
    let mut rows = rows.into_inner().expect("no scenario panics");
    rows.sort_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn work<'a>(
    recipes: &Recipes,
    jobs: &[(&'a Scenario, Form)],
    next: &AtomicUsize,
    rows: &Mutex<Vec<(usize, Row<'a>)>>,
) -> Result<()> {
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some((scenario, form)) = jobs.get(place) else { return Ok(()) };
        let played = play::play(scenario, recipes, *form).with_context(|| scenario.name.clone())?;
        let judged = verdict::judge(scenario, &played)?;
        rows.lock().expect("no scenario panics").push((place, Row { scenario, form: *form, played, judged }));
    }
}
