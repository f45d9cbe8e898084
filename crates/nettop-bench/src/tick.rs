//! What a tick costs: reading the map, ledger, rates, snapshot and JSON, in the real engine over real frames, beside the floor of
//! reading as many keys out of a hash map. And the memory of a known source, and the time of a picture.

use std::{
    hint::black_box,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use nettop::cli::Cli;
use nettop_collect::kernel::Xdp;
use nettop_engine::{Engine, Settings, overhead::Overhead, sinks::Sinks};
use nettop_model::{
    answer::{self, Answer},
    clock::Moment,
    request::Form,
    snapshot::{Mode, Snapshot},
};
use nettop_tests::net::Net;
use nettop_tui::{layout, panel::Picture, state::State, theme::Theme};
use nettop_views::{table::Order, view::VIEWS};
use ratatui::{Terminal, backend::TestBackend};

use crate::{
    cpu,
    floor::Floor,
    generator::{Addresses, Generator, Then},
    heap,
    rig::{self, IN, OUT},
    table::{MarkdownTable, count, median, ratio},
};

/// What a tick costs, by the number of known sources
#[derive(Clone, clap::Args)]
pub struct Args {
    /// How many sources, all of them active in every tick
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 64_000, 256_000, 1_000_000], value_name = "LIST",
        value_parser = clap::value_parser!(u32).range(10..=8_000_000))]
    sources: Vec<u32>,
    /// Ticks that are measured
    #[arg(long, default_value_t = 5, value_name = "N")]
    ticks: usize,
}

/// Readings in a tick of a second.
const READINGS: u32 = 10;
/// So many sources at once all find a slot of one CPU; where a tick has more, it is read more often than in life.
const AT_ONCE: u32 = 32_768;
/// Between frames and the reading that brings them; see `Source::grace`.
const GRACE: Duration = Duration::from_millis(12);
/// A tick, of which the rates are made.
const INTERVAL: Duration = Duration::from_secs(1);
/// Ticks until every source is known and all memory has been used once.
const WARM_UP: usize = 3;
/// How long the geographic data may take to be there.
const LOADING: Duration = Duration::from_secs(2);
/// Pictures drawn.
const PICTURES: usize = 50;
const SIZES: [(u16, u16); 2] = [(250, 70), (80, 24)];

/// What one number of sources cost; times in milliseconds of CPU.
struct Cost {
    /// By tick.
    entering: Vec<f64>,
    publishing: Vec<f64>,
    json: Vec<f64>,
    floor: Vec<f64>,
    /// Bytes of the heap per source.
    memory: f64,
    /// By size of the screen.
    pictures: [f64; 2],
    readings: u32,
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; sources that did not become known.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let args = if quick { Args { sources: vec![20_000], ticks: 1 } } else { args.clone() };
    println!(
        "All sources send one packet in every tick, over a veth pair, all to one CPU. Times are milliseconds of CPU, medians of {} ticks.",
        args.ticks
    );
    println!(
        "enter: map read, ledger and rates, in ten readings a tick, or as many as it takes that each finds its slots half empty;"
    );
    println!(
        "publish: tables, snapshot of 1,000 rows; JSON: the answer to `status`. nettop counts in slots, not in a hash map:"
    );
    println!(
        "the floor is what BPF_MAP_LOOKUP_BATCH alone costs over a PERCPU_HASH of as many keys, 16 bytes each, with values of 48 bytes."
    );
    let mut table = MarkdownTable::new(&[
        "sources",
        "readings",
        "enter",
        "publish",
        "JSON",
        "tick",
        "floor",
        "of the floor",
        "bytes per source",
        "picture 250 x 70",
        "picture 80 x 24",
    ]);
    for sources in args.sources {
        let cost = measure(sources, args.ticks).with_context(|| format!("{sources} sources"))?;
        let Cost { entering, publishing, json, floor, memory, pictures, readings } = &cost;
        let ticks = entering.iter().zip(publishing).zip(json).map(|((a, b), c)| a + b + c).collect::<Vec<_>>();
        let ms = |values: &[f64]| format!("{:.2}", median(values));
        table.row([
            count(sources.into()),
            readings.to_string(),
            ms(entering),
            ms(publishing),
            ms(json),
            ms(&ticks),
            ms(floor),
            ratio(median(&ticks) / median(floor)),
            format!("{memory:.0}"),
            ms(&pictures[..1]),
            ms(&pictures[1..]),
        ]);
    }
    table.print();
    println!(
        "\nGoals: from 64,000 on at most 3.00 of the floor; at most 200 bytes per source in user space; a picture in at most 5 ms."
    );
    Ok(())
}

fn measure(sources: u32, ticks: usize) -> Result<Cost> {
    let net = Net::new(1);
    let generator = Generator::load(Addresses::InTurn(sources), Then::Send).context("the generator")?;
    let floor = Floor::new(sources)?;
    net.receiver.run(|| {
        let (mut engine, snapshots) = open(sources)?;
        engine.tick();
        let before = heap::in_use();
        let readings = READINGS.max(sources.div_ceil(AT_ONCE));
        let (entering, publishing, json) = (Vec::new(), Vec::new(), Vec::new());
        let mut cost =
            Cost { entering, publishing, json, floor: Vec::new(), memory: 0.0, pictures: [0.0; 2], readings };
        for tick in 0..WARM_UP + ticks {
            let started = Instant::now();
            let mut entering = 0.0;
            for reading in 0..readings {
                // Such that after all readings each source has sent once.
                let part = |reading: u32| u64::from(sources) * u64::from(reading) / u64::from(readings);
                generator.send((&net.sender, OUT), &rig::frame(), part(reading + 1) - part(reading))?;
                if reading + 1 == readings {
                    thread::sleep(INTERVAL.saturating_sub(started.elapsed()));
                }
                thread::sleep(GRACE);
                entering += milliseconds(|| engine.drain()).1;
            }
            let publishing = milliseconds(|| engine.tick()).1;
            let snapshot = snapshots.borrow().clone();
            let answer = Ok(Answer::Snapshot { snapshot, form: Form::Flat, runtime: true });
            let (written, json) = milliseconds(|| {
                let mut text = Vec::new();
                answer::write_json(&answer, &mut text).map(|()| black_box(text))
            });
            written.context("writing a snapshot as JSON")?;
            if tick >= WARM_UP {
                cost.entering.push(entering);
                cost.publishing.push(publishing);
                cost.json.push(json);
                cost.floor.push(floor.read()?.as_secs_f64() * 1e3);
            }
        }
        let snapshot = snapshots.borrow().clone();
        let known = snapshot.sources.rows.len() as u64 + snapshot.sources.rest.rows;
        // A few of many find no slot, each time the same ones.
        ensure!(known >= u64::from(sources) / 100 * 99, "only {known} became known");
        ensure!(snapshot.traffic.accounting.holds, "the accounts do not balance");
        cost.memory = heap::in_use().saturating_sub(before) as f64 / known as f64;
        cost.pictures = SIZES.map(|size| slowest_picture(size, &snapshot));
        Ok(cost)
    })
}

/// The engine over the receiving interface, as `nettop run` would start it.
fn open(sources: u32) -> Result<(Engine, tokio::sync::watch::Receiver<Arc<Snapshot>>)> {
    let most = (2 * sources).to_string();
    let arguments = ["nettop", "--max-sources", &most, "--iface", IN];
    let run = Cli::try_parse_from(arguments).context("nettop's own options")?.run;
    let settings: Settings = run.common.settings(Mode::Live)?;
    let mut geo = run.common.geo()?;
    if let Some(geo) = &mut geo {
        geo.start().context("watching the databases of places")?;
        let started = Instant::now();
        while geo.current().databases().is_empty() && started.elapsed() < LOADING {
            thread::sleep(GRACE);
        }
    }
    let xdp = Xdp::open(&run.iface, &run.load_options(&run.budget()?))?;
    Ok(Engine::new(Box::new(xdp), settings, geo, Sinks::default(), Overhead::new(Moment::now())))
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (result, _, used) = cpu::time(work);
    (result, used.as_secs_f64() * 1e3)
}

/// Milliseconds to draw a screen of this size: the median, of the slowest view, sorted.
fn slowest_picture(size: (u16, u16), snapshot: &Snapshot) -> f64 {
    (0..VIEWS.len()).map(|view| picture(size, view, snapshot)).fold(0.0, f64::max)
}

fn picture((columns, rows): (u16, u16), view: usize, snapshot: &Snapshot) -> f64 {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test backend has no errors");
    let (mut state, theme) = (State { view, ..State::default() }, Theme::colour());
    state.table_mut().order = Some(Order { column: 2, reversed: true });
    let picture =
        Picture { snapshot, state: &state, theme: &theme, unix_seconds: snapshot.meta.now_ns / 1_000_000_000 };
    let draw = |_| {
        milliseconds(|| {
            terminal.draw(|frame| layout::draw(frame, &picture)).expect("a test backend has no errors");
        })
        .1
    };
    median(&(0..PICTURES).map(draw).collect::<Vec<_>>())
}
