mod joined;

use std::net::IpAddr;

use nettop_collect::logs::{AuthEvent, Entry, FileFacts, Lines, LogReading, Login, Marks, Request, What};
use nettop_model::clock::Moment;

use super::*;
use crate::detect::Thresholds;

const SECOND: u64 = 1_000_000_000;
/// When the first line was written.
const BEGAN: u64 = 1_700_000_000 * SECOND;

fn ip(last: u8) -> IpAddr {
    [203, 0, 113, last].into()
}

fn entry(at_s: u64, client: IpAddr, what: What) -> Entry {
    Entry { file: 0, at_ns: BEGAN + at_s * SECOND, client: Some(client), peer: None, old: false, what }
}

fn get(at_s: u64, path: u64, status: u16) -> Entry {
    let request = Request {
        method: "GET".into(),
        target: format!("/{path}").into(),
        path,
        status,
        bytes: 10,
        ..Request::default()
    };
    entry(at_s, ip(7), What::Request(request))
}

fn marked(at_s: u64, path: u64, status: u16, marks: Marks) -> Entry {
    let mut entry = get(at_s, path, status);
    if let What::Request(request) = &mut entry.what {
        request.marks = marks;
    }
    entry
}

fn login(at_s: u64, login: Login, user: &str) -> Entry {
    let event = AuthEvent { service: "sshd".into(), login, user: user.into(), times: 1, text: "…".into() };
    entry(at_s, ip(7), What::Auth(event))
}

/// A monitor's logs, and what its rules find.
#[derive(Default)]
struct Play {
    state: LogState,
    lines: u64,
}

impl Play {
    fn enter(&mut self, entries: Vec<Entry>) -> &mut Self {
        self.lines += entries.len() as u64;
        let count = self.lines;
        let lines = Lines { lines: count, parsed: count, attributed: count, ..Lines::default() };
        let newest = entries.iter().map(|entry| entry.at_ns).max().unwrap_or(BEGAN);
        let at = Moment { monotonic_ns: newest, unix_ns: newest };
        let files = vec![FileFacts { path: "/log".into(), format: "combined".into(), lines }];
        self.state.enter(LogReading { at, entries, files, ..LogReading::default() }, &Thresholds::default());
        self
    }

    /// The kinds that are found at the end of a second, and whether each is over its threshold.
    fn found(&mut self, at_s: u64) -> Vec<(&'static str, bool)> {
        let now = Moment { monotonic_ns: 0, unix_ns: BEGAN + at_s * SECOND };
        let suspects = self.state.suspects(now, &Thresholds::default(), &Around::default());
        suspects.iter().map(|suspect| (suspect.kind, suspect.is_over)).collect()
    }

    fn reasons(&self) -> Vec<String> {
        let visits = self.state.visits(0, &|_| Known::default(), None).expect("visits");
        visits
            .rows
            .iter()
            .flat_map(|row| &row.reasons)
            .map(|reason| format!("{}: {}", reason.kind, reason.text))
            .collect()
    }
}

#[test]
fn sixty_requests_are_no_burst_and_one_more_is_until_it_is_quiet() {
    let mut play = Play::default();
    assert_eq!(play.enter((0..60).map(|_| get(0, 1, 200)).collect()).found(1), []);
    assert_eq!(play.enter(vec![get(1, 1, 200)]).found(2), [("http-burst", true)]);
    assert_eq!(play.found(30), [("http-burst", true)]);
    assert_eq!(play.found(67), []);
    let row = |at_s: u64| {
        let mut play = Play::default();
        play.enter((0..60).map(|_| get(0, 1, 200)).collect());
        play.state.told =
            Some(Told { at: Moment { monotonic_ns: 0, unix_ns: BEGAN + at_s * SECOND }, ..Told::default() });
        play.state.visits(0, &|_| Known::default(), None).expect("visits").rows[0].requests_60s
    };
    assert_eq!((row(1), row(50), row(66)), (60, 60, 0));
}

#[test]
fn failures_fill_a_quick_and_a_slow_bucket() {
    let failures = |count: u64, every_s: u64| {
        let mut play = Play::default();
        for n in 0..count {
            play.enter(vec![login(n * every_s, Login::Failed, "root")]);
        }
        play.found((count - 1) * every_s)
    };
    assert_eq!(failures(5, 0), []);
    assert_eq!(failures(6, 0), [("ssh-brute-force", true)]);
    assert_eq!(failures(60, 61), []);
    assert_eq!(failures(19, 30), []);
    assert_eq!(failures(20, 30), [("ssh-brute-force", true)]);
    let mut play = Play::default();
    play.enter((0..3).map(|_| login(0, Login::Failed, "root")).collect());
    assert_eq!(
        (play.found(1), play.reasons()),
        (vec![], vec!["failed-logins: 3 failed logins, the last as \"root\"".to_string()])
    );
}

#[test]
fn what_each_rule_finds_and_what_it_does_not() {
    let probes =
        |paths: u64, status| (0..paths).map(|path| marked(0, path, status, Marks::PRODUCT)).collect::<Vec<_>>();
    let names = |count: u8| (0..count).map(|n| login(0, Login::Failed, &format!("u{n}"))).collect::<Vec<_>>();
    let post = |status| {
        let mut entry = get(0, 1, status);
        if let What::Request(request) = &mut entry.what {
            request.method = "POST".into();
        }
        entry
    };
    let guessed = |failures: u64| {
        let failed = (0..failures).map(|n| login(n * 120, Login::Failed, "root"));
        failed.chain([login(failures * 120, Login::Accepted, "root")]).collect::<Vec<_>>()
    };
    for (name, entries, expected) in [
        ("one way to break in", vec![marked(0, 1, 404, Marks::EXPLOIT)], vec!["exploit-path"]),
        ("two products", probes(2, 404), vec![]),
        ("three products", probes(3, 404), vec!["probe-path"]),
        ("three that are here", probes(3, 200), vec![]),
        ("the same three times", vec![marked(0, 1, 404, Marks::PRODUCT); 3], vec![]),
        ("ten paths that fail", (0..10).map(|path| get(0, path, 404)).collect(), vec![]),
        ("eleven", (0..11).map(|path| get(0, path, 404)).collect(), vec!["http-probing"]),
        ("eleven times the same", vec![get(0, 1, 404); 11], vec![]),
        ("forty pages", (0..40).map(|path| get(0, path, 200)).collect(), vec![]),
        ("forty-one", (0..41).map(|path| get(0, path, 200)).collect(), vec!["http-crawl"]),
        ("the name of a scanner", vec![marked(0, 1, 200, Marks::SCANNER)], vec!["scanner-agent"]),
        ("five POSTs", (0..5).map(|_| post(401)).collect(), vec![]),
        ("six", (0..6).map(|_| post(403)).collect(), vec!["http-login"]),
        ("six that succeed", (0..6).map(|_| post(200)).collect(), vec![]),
        ("five names", names(5), vec![]),
        ("six names", names(6), vec!["ssh-brute-force", "ssh-users"]),
        ("four failures, then in", guessed(4), vec![]),
        ("five failures, then in", guessed(5), vec!["login-after-failures"]),
    ] {
        let at_s = (entries.iter().map(|entry| entry.at_ns).max().unwrap_or(BEGAN) - BEGAN) / SECOND;
        let mut play = Play::default();
        let found: Vec<_> = play.enter(entries).found(at_s).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn old_lines_raise_nothing() {
    let mut old = marked(0, 1, 404, Marks::EXPLOIT);
    old.old = true;
    let mut play = Play::default();
    assert_eq!(play.enter(vec![old]).found(1), []);
    assert_eq!(play.reasons(), Vec::<String>::new());
    assert!(play.state.holds());
}

#[test]
fn lines_are_of_visits_or_evicted_and_a_reset_counts_anew() {
    let mut play = Play { state: LogState { visits: VisitTable::new(100), ..LogState::default() }, lines: 0 };
    for n in 0..1000_u32 {
        let mut entry = get(u64::from(n), 1, 200);
        entry.client = Some(IpAddr::from(n.to_be_bytes()));
        // One of them stays, whatever comes: there is a reason.
        let kept = marked(u64::from(n), 1, 404, Marks::EXPLOIT);
        play.enter(if n == 0 { vec![entry, kept] } else { vec![entry] });
        assert!(play.state.holds(), "{:?}", play.state.accounting());
    }
    let LogAccounting { lines: Lines { attributed, .. }, visits, evicted, .. } = play.state.accounting();
    assert_eq!((attributed, visits + evicted), (1001, 1001));
    assert!(visits >= 100 && play.state.visits.get(&ip(7)).is_some());
    play.state.reset();
    assert_eq!(play.state.accounting(), LogAccounting { holds: true, ..LogAccounting::default() });
    play.enter(vec![get(0, 1, 200)]);
    assert_eq!((play.state.accounting().lines.lines, play.state.accounting().holds), (1, true));
}

#[test]
fn what_is_not_known_is_a_badge() {
    let mut play = Play::default();
    play.enter(vec![get(0, 1, 200)]);
    assert_eq!(play.state.degraded(), []);
    let told = play.state.told.as_mut().expect("a reading");
    (told.behind, told.files[0].lines.lost_bytes) = (11.0, 512);
    told.problems.push("/x: Permission denied".into());
    let badges: Vec<_> = play.state.degraded().into_iter().map(|row| row.badge).collect();
    assert_eq!(badges, ["LOGS BEHIND", "LOGS LOST", "logs"]);
}
