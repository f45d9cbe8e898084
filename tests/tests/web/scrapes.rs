//! Scrapes back to back while sources rotate: series are few, what counts never falls, and memory stays.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    flood::Flood,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    program::{self, memory},
    skip,
    web::{Dashboard, Over},
};

use super::prometheus::ENGINES;

/// Sources, in so many places of the address space, which send in turn: of each round are as many as of every other.
const SOURCES: u32 = 100_000;
const ROUNDS: u32 = 500;
/// Frames of a round, and how long one lasts.
const FRAMES: u32 = 2_000;
const ROUND: Duration = Duration::from_millis(100);
/// Samples that Prometheus may find.
const MOST_SAMPLES: usize = 2_000;
/// What comes and goes, and how many newcomers may become series in five minutes: twice what the list has, and the series of all others.
const ROTATING: [(&str, usize); 3] = [
    ("nettop_network_packets_per_second", 2 * 50 + 1),
    ("nettop_port_packets_per_second", 2 * 20 + 1),
    ("nettop_top_source_packets_per_second", 2 * 50 + 1),
];
const WINDOW: f64 = 300.0;
/// What a monitor may have in a flood, and a dashboard, MiB; and by how much either may grow in the second half.
const MOST_MEMORY: [f64; 2] = [192.0, 64.0];
const GROWTH: f64 = 10.0;

/// Sends round after round until it ends: each from other addresses, to another port.
fn rotate(net: &Net, ends: &AtomicBool) {
    for round in (0_u32..).take_while(|_| !ends.load(Ordering::Relaxed)) {
        let began = Instant::now();
        let place = round % ROUNDS;
        // Spread over what is public: each round in another network, more or less.
        let base = Ipv4Addr::from_bits(0x0100_0000 + place.wrapping_mul(2_654_435_761) % 0x7d00_0000);
        let port = 1 + (place * 131 % 60_000) as u16;
        let spec = Spec { destination_mac: [2, 0, 0, 0, 2, 0], ..Spec::v4(Transport::Udp(40_000, port)).payload(18) };
        let flood = Flood { frame: spec.frame(), sources: SOURCES / ROUNDS, base, count: FRAMES };
        flood.run(&net.sender, "out0").expect("the frames are sent");
        thread::sleep(ROUND.saturating_sub(began.elapsed()));
    }
}

/// What scrapes have found.
#[derive(Default)]
struct Scrapes {
    times: usize,
    /// What each counter was last.
    counted: HashMap<String, f64>,
    /// When each series of what rotates came first, by its list.
    newcomers: HashMap<&'static str, Vec<f64>>,
    known: HashSet<String>,
    most_samples: usize,
    longest: Duration,
}

impl Scrapes {
    fn scrape(&mut self, dashboard: &Dashboard, now: f64) {
        self.times += 1;
        let began = Instant::now();
        let answer = dashboard.get("/metrics");
        self.longest = self.longest.max(began.elapsed());
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).expect("text");
        assert!(text.ends_with("# EOF\n"));
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.len() <= MOST_SAMPLES, "{} samples", samples.len());
        self.most_samples = self.most_samples.max(samples.len());
        for sample in samples {
            let (series, value) = sample.rsplit_once(' ').expect("a series and its value");
            let value: f64 = value.parse().expect("a number");
            let name = series.split('{').next().unwrap_or_default();
            if name.ends_with("_total") {
                let before = self.counted.insert(series.into(), value).unwrap_or_default();
                assert!(value >= before, "{series} fell from {before} to {value}");
            }
            if let Some((name, _)) = ROTATING.iter().find(|(one, _)| *one == name)
                && self.known.insert(series.into())
            {
                self.newcomers.entry(name).or_default().push(now);
            }
        }
    }

    fn judge_newcomers(&self) {
        for (name, most) in ROTATING {
            let came = self.newcomers.get(name).map_or(&[][..], Vec::as_slice);
            assert!(!came.is_empty(), "{name} has no series");
            for (at, first) in came.iter().enumerate() {
                let within = came[at..].iter().take_while(|when| **when - first <= WINDOW).count();
                assert!(within <= most, "{within} new series of {name} within five minutes");
            }
        }
    }
}

/// So many back to back, then ten in a second until it has lasted so long.
fn scrape_while_sources_rotate(times: usize, lasting: Duration) {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let over = Over::with(monitor.socket(), &["--metrics-sources", "50"]);
    let (ends, began) = (AtomicBool::new(false), Instant::now());
    let pids = [monitor.pid(), over.pid()];
    let (mut scrapes, mut half) = (Scrapes::default(), [0.0; 2]);
    thread::scope(|scope| {
        let _ends = Ends(&ends);
        scope.spawn(|| rotate(&net, &ends));
        while scrapes.times < times || began.elapsed() < lasting {
            scrapes.scrape(&over.web, began.elapsed().as_secs_f64());
            if half == [0.0; 2] && scrapes.times >= times / 2 && began.elapsed() >= lasting / 2 {
                half = pids.map(|pid| memory(pid, "VmRSS"));
            }
            if scrapes.times >= times {
                thread::sleep(ROUND);
            }
        }
    });
    scrapes.judge_newcomers();
    let now = pids.map(|pid| memory(pid, "VmRSS"));
    let sources = monitor.groups(&["traffic"])["traffic"]["unique_sources"].as_u64().expect("a number");
    println!(
        "{} scrapes in {:.1} s, the longest {:?}; {sources} sources; {} samples at most; MiB of the monitor and the dashboard: {half:.1?} at half time, {now:.1?} at the end",
        scrapes.times,
        began.elapsed().as_secs_f64(),
        scrapes.longest,
        scrapes.most_samples,
    );
    for (at, who) in ["the monitor", "the dashboard"].iter().enumerate() {
        assert!(now[at] <= MOST_MEMORY[at], "{who}: {} MiB", now[at]);
        assert!(now[at] <= half[at] + GROWTH, "{who} grew from {} to {} MiB", half[at], now[at]);
    }
    assert!(sources > u64::from(SOURCES / ROUNDS), "they do not rotate: {sources}");
    let healthy = program::wait_for(|| (over.web.get("/health").status == 200).then_some(()));
    assert!(healthy.is_some());
}

/// Has the sender end, also where a scrape fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn series_are_few_counts_never_fall_and_memory_stays_while_sources_rotate() {
    scrape_while_sources_rotate(1_000, Duration::from_secs(12));
}

#[test]
fn engines_that_scrape_meanwhile_find_as_few_series() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let over = Over::with(monitor.socket(), &["--metrics-sources", "50"]);
    let scrapers: Vec<_> = ENGINES.iter().filter_map(|engine| engine.over(&over.web)).collect();
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Ends(&ends);
        scope.spawn(|| rotate(&net, &ends));
        for scraper in &scrapers {
            scraper.expect("count_over_time(scrape_samples_scraped[1m])", |scrapes| scrapes >= 12.0);
            scraper.expect("max_over_time(scrape_samples_scraped[1m])", |samples| samples <= MOST_SAMPLES as f64);
            for (name, most) in ROTATING {
                let ever = format!("count(count_over_time({name}[1m]))");
                scraper.expect(&ever, |series| (2.0..=most as f64).contains(&series));
            }
        }
    });
}

#[test]
#[ignore = "six minutes: as many scrapes as a week has minutes, over all of the sources, and past the five minutes for which a series stays"]
fn and_for_a_week() {
    scrape_while_sources_rotate(7 * 24 * 60, Duration::from_secs(340));
}
