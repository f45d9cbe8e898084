//! What a line of a log costs: read by a format, with its marks, entered by the engine; beside one regular expression with captures, which is what
//! others do.

use anyhow::{Context as _, Result, ensure};
use nettop_collect::logs::{Entry, FileFacts, Lines, LogReading, What};
use nettop_engine::{detect::Thresholds, logs::LogState};
use nettop_logs::{
    auth::{Auth, Said},
    format::{Access, Format, Parsed},
};
use nettop_model::clock::Moment;
use regex::Regex;

use crate::{
    cpu,
    growing::{self, Followed},
    table::{MarkdownTable, count, median},
};

/// What a line of a log costs to read, to judge and to enter
#[derive(clap::Args)]
pub struct Args {
    /// Rounds
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Lines in each
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    lines: usize,
}

/// Different addresses, and different paths.
const ADDRESSES: usize = 10_000;
const PATHS: usize = 997;
/// When all of it was written.
const NOW: u64 = 1_233_918_854_000_000_000;
const COMBINED: &str = r#"^(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"\\]*(?:\\.[^"\\]*)*)" (\d+) (\S+) "([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)""#;

/// Measures and prints.
///
/// # Errors
/// A line is not understood.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let Args { rounds, lines } = if quick { &Args { rounds: 2, lines: 2_000 } } else { args };
    let (on, cpus) = (cpu::last(), cpu::allowed());
    cpu::pin(on).context("pinning to a CPU")?;
    println!("pinned   to CPU {on}; {rounds} rounds of {} lines", count(*lines as u64));
    let written = Written::new(*lines);
    let (access, regex) = (Access::default(), Regex::new(COMBINED).context("the expression")?);
    let mut table = MarkdownTable::new(&["line", "ns", "lines/s", "times the regex"]);
    let reference = measured(
        *rounds,
        || Ok(written.combined.iter().filter(|line| regex.captures(line).is_some()).count()),
        *lines,
    )?;
    let mut push = |name: &str, ns: f64| {
        table.row([name.to_string(), format!("{ns:.0}"), count((1e9 / ns) as u64), format!("{:.1}", reference / ns)]);
    };
    push("combined, one regular expression with captures", reference);
    for (name, format, lines) in [
        ("combined, with marks", "combined", &written.combined),
        ("JSON of Caddy, with marks", "caddy", &written.caddy),
    ] {
        let mut format = Format::parse(format, &[])?;
        push(name, measured(*rounds, || Ok(requests(&access, &mut format, lines).len()), lines.len())?);
    }
    let logins = || {
        let mut auth = Auth::default();
        Ok(written.auth.iter().filter(|line| matches!(auth.read(line, NOW, 0), Said::Event { .. })).count())
    };
    push("sshd, a failed login", measured(*rounds, logins, *lines)?);
    let entries = requests(&access, &mut Format::parse("combined", &[])?, &written.combined);
    let mut readings: Vec<_> = (0..*rounds).map(|_| entries.clone()).collect();
    let mut state = LogState::default();
    let mut entered = 0;
    let entering = || {
        let entries = readings.pop().context("a reading for each round")?;
        let count = entries.len();
        entered += count as u64;
        let all = Lines { lines: entered, parsed: entered, attributed: entered, ..Lines::default() };
        let files = vec![FileFacts { path: "log".into(), format: "combined".into(), lines: all }];
        let at = Moment { monotonic_ns: 1, unix_ns: NOW };
        state.enter(LogReading { at, entries, files, ..LogReading::default() }, &Thresholds::default());
        Ok(count)
    };
    push("entered by the engine, with rules", measured(*rounds, entering, *lines)?);
    ensure!(state.accounting().holds, "the accounts do not hold: {:?}", state.accounting());
    table.print();
    let writer = cpus.last().copied().unwrap_or(on);
    let (per_second, seconds, bytes) = if quick { (1_000, 1, 1 << 20) } else { (100_000, 10, 1 << 30) };
    let mut table = MarkdownTable::new(&["file", "lines", "seconds", "% of a CPU", "behind at most, s"]);
    let mut push = |name: &str, followed: &Followed| {
        let Followed { lines, behind, used, took } = followed;
        let share = 100.0 * used.as_secs_f64() / took.as_secs_f64();
        let cells = [format!("{:.1}", took.as_secs_f64()), format!("{share:.0}"), format!("{behind:.2}")];
        let [seconds, share, behind] = cells;
        table.row([name.to_string(), count(*lines), seconds, share, behind]);
    };
    let grown = growing::grows(&written.combined, per_second, seconds, writer)?;
    push(&format!("{} lines a second for {seconds} s, each read and entered", count(per_second as u64)), &grown);
    let large = growing::is_there(&written.combined, bytes)?;
    push(&format!("{} MiB that are there at the start, likewise", bytes >> 20), &large);
    table.print();
    Ok(())
}

/// Nanoseconds of the CPU for each line, the median of the rounds; the work says how many lines it understood, which has to be all.
fn measured(rounds: u32, mut work: impl FnMut() -> Result<usize>, lines: usize) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (understood, _, took) = cpu::time(&mut work);
        ensure!(understood? == lines, "not every line is understood");
        times.push(took.as_nanos() as f64 / lines as f64);
    }
    Ok(median(&times))
}

fn requests(access: &Access, format: &mut Format, lines: &[String]) -> Vec<Entry> {
    let of = |line: &String| match access.read(format, line) {
        Ok(Parsed::Request { at_ns, client: Some(ip), request, .. }) => Some(Entry {
            file: 0,
            at_ns: at_ns?,
            client: Some(ip),
            peer: None,
            old: false,
            what: What::Request(request),
        }),
        _ => None,
    };
    lines.iter().filter_map(of).collect()
}

/// Lines of each kind.
struct Written {
    combined: Vec<String>,
    caddy: Vec<String>,
    auth: Vec<String>,
}

impl Written {
    fn new(lines: usize) -> Self {
        let ip = |n: usize| {
            let [_, a, b, c] = ((n % ADDRESSES) as u32).to_be_bytes();
            format!("198.{a}.{b}.{c}")
        };
        let agent =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
        let each = |line: &dyn Fn(usize) -> String| (0..lines).map(line).collect::<Vec<_>>();
        Self {
            combined: each(&|n| {
                format!(
                    "{} - - [06/Feb/2009:11:14:14 +0000] \"GET /articles/{}/page?id={n} HTTP/1.1\" 200 5120 \"https://example.org/\" \"{agent}\"",
                    ip(n),
                    n % PATHS
                )
            }),
            caddy: each(&|n| {
                format!(
                    r#"{{"level":"info","ts":1233918854.5,"logger":"http.log.access","msg":"handled request","request":{{"remote_ip":"{}","remote_port":"44790","client_ip":"{}","proto":"HTTP/2.0","method":"GET","host":"example.org","uri":"/articles/{}/page?id={n}","headers":{{"User-Agent":["{agent}"],"Accept":["*/*"],"Accept-Encoding":["gzip, deflate, br"]}}}},"bytes_read":0,"user_id":"","duration":0.000929675,"size":10900,"status":200,"resp_headers":{{"Server":["Caddy"],"Content-Type":["text/html"]}}}}"#,
                    ip(n),
                    ip(n),
                    n % PATHS
                )
            }),
            auth: each(&|n| {
                format!(
                    "Feb  6 11:14:14 host sshd[{}]: Failed password for invalid user user{} from {} port {} ssh2",
                    n % 30_000,
                    n % PATHS,
                    ip(n),
                    1024 + n % 60_000
                )
            }),
        }
    }
}
