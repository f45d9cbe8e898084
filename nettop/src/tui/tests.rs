//! Whole screens, from fixed snapshots, as plain text: what an operator sees.

use std::{net::IpAddr, sync::Arc};

use nettop_common::{Protocol, counters::SizeBucket};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    field,
    panel::{self, View},
    prompt::Prompt,
    state::{Notice, State},
    theme::Theme,
};
use crate::snapshot::{
    Accounting, Amount, AttachMode, Degraded, Detail, FilterView, InterfaceRow, InterfaceState, Mac, MacRow, Mode,
    Rest, Runtime, Sampling, Snapshot, SourceRow, TcpFlags, Tick,
};

const NOW: u64 = 1_700_000_000_000_000_000;

fn amount(packets: u64) -> Amount {
    Amount { packets, bytes: packets * 100 }
}

fn interface(name: &str, mode: Option<AttachMode>, note: &str) -> InterfaceRow {
    InterfaceRow { name: name.into(), mode, state: InterfaceState::Up, mtu: 1500, note: note.into() }
}

/// Thirty sources of both families, each half as busy as the one before.
fn sources(total: u64) -> Vec<SourceRow> {
    (0..30_u8)
        .map(|n| {
            let packets = (8_400_000 >> n).max(3);
            let rate = packets as f64 / 754.0;
            let ip: IpAddr = match n % 4 {
                1 => [0x2001, 0xdb8, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x1234, 0x5600 + u16::from(n)].into(),
                2 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)].into(),
                _ => [198, 51, 100, 100 + n].into(),
            };
            SourceRow {
                ip,
                packets,
                bytes: packets * 333,
                first_ns: NOW - 754_000_000_000,
                last_ns: NOW - u64::from(n).pow(5) * 100_000_000,
                pps: rate,
                pps_10s: rate,
                pps_60s: rate,
                peak_pps: rate * 9.0,
                low_pps: rate / 3.0,
                share: packets as f64 / total as f64,
                syn: packets,
                udp: 0,
                icmp: 0,
                detail: Arc::new(Detail::default()),
            }
        })
        .collect()
}

/// A host under a flood: two interfaces, a filter, sampled events, some not counted.
fn busy() -> Snapshot {
    let total = 16_799_998;
    Snapshot {
        runtime: Runtime {
            filter: FilterView {
                dst: "203.0.113.10".into(),
                ports: vec![80, 443],
                port: "80,443".into(),
                iface: "eth0,wg0".into(),
                src: String::new(),
                protocols: vec!["TCP".into(), "UDP".into()],
            },
            top: 20,
            paused: false,
            message: "filter changed by nettopctl".into(),
            mode: Mode::Live,
        },
        started_ns: NOW - 754_000_000_000,
        now_ns: NOW,
        elapsed: 754.0,
        total_packets: total,
        total_bytes: total * 333,
        avg_pps: 22_281.0,
        avg_bps: 22_281.0 * 333.0,
        current_pps: 3_141_592.0,
        current_bps: 3_141_592.0 * 64.0,
        unique_ips: 1_254_321,
        unique_estimated: true,
        filtered_packets: 345_678,
        ips: sources(total),
        rest: Rest { sources: 1_224, packets: 5_000, bytes: 400_000 },
        macs: (0..12_u8)
            .map(|n| MacRow {
                mac: Mac([2, 0x42, 0xac, 0x11, 0, n]),
                packets: 16_799_998 >> n,
                pps: 3_141_592.0 / f64::from(n + 1),
                pps_60s: 22_281.0 / f64::from(n + 1),
            })
            .collect(),
        protocols: [12_000_000, 4_799_000, 998, 0, 0, 0].into_iter().zip(Protocol::ALL).map(|(n, p)| (*p, n)).collect(),
        top_dst_ports: [443, 80, 0, 53, 51_820, 11_211, 49_152, 22, 8443]
            .into_iter()
            .enumerate()
            .map(|(n, port)| (port, 9_000_000 >> (n * 2)))
            .collect(),
        tcp_flags: [(0x02, 10_200_000), (0x12, 1_200_000), (0x10, 500_000), (0x18, 90_000), (0x11, 9_000), (0xff, 1)]
            .map(|(flags, packets)| (TcpFlags(flags), packets))
            .into(),
        packet_sizes: [15_000_000, 1_000_000, 799_998, 0]
            .into_iter()
            .zip(SizeBucket::ALL)
            .map(|(n, s)| (*s, n))
            .collect(),
        accounting: Accounting {
            seen: amount(total + 345_678 + 1_234),
            counted: amount(total),
            filtered: amount(345_678),
            not_ip: amount(1_234),
            malformed: amount(12),
            sources: amount(total - 5_777),
            evicted: amount(777),
            untracked: amount(5_000),
            in_flight: 3,
            holds: true,
            ..Accounting::default()
        },
        interfaces: vec![
            interface("eth0", Some(AttachMode::Native), ""),
            interface("wg0", Some(AttachMode::Generic), "the driver has no native XDP"),
        ],
        sampling: Sampling { weight: 64, events: 262_499, lost: 12 },
        tick: Tick { count: 754, interval: 1.0, took_ms: 2.5, late: 0 },
        ..Snapshot::default()
    }
}

/// Attached, but nothing has come yet.
fn idle() -> Snapshot {
    Snapshot {
        runtime: Runtime { message: String::new(), ..busy().runtime },
        now_ns: NOW,
        elapsed: 5.0,
        interfaces: busy().interfaces,
        sampling: Sampling { weight: 1, ..Sampling::default() },
        tick: Tick { count: 5, interval: 1.0, ..Tick::default() },
        accounting: Accounting { holds: true, ..Accounting::default() },
        ..Snapshot::default()
    }
}

fn degraded() -> Vec<Degraded> {
    let row = |what: &str, reason: &str, remedy: &str| Degraded {
        what: what.into(),
        reason: reason.into(),
        remedy: remedy.into(),
    };
    vec![
        row("wg0 is attached in generic mode", "its driver has no native XDP", "expect a higher cost per packet"),
        row(
            "the map of sources is full",
            "more addresses come than fit into 262,144 entries, as in a flood of forged ones",
            "raise --max-sources, or filter with d or s; the totals stay exact",
        ),
        row("events were lost", "the ring buffer was full", "none needed: sampling adapts"),
    ]
}

/// The screen as text, without the blanks at the ends of lines, and where the cursor is if it can be seen.
fn screen(size: (u16, u16), snapshot: &Snapshot, state: &State) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a test backend has no errors");
    paint(&mut terminal, snapshot, state)
}

fn paint(terminal: &mut Terminal<TestBackend>, snapshot: &Snapshot, state: &State) -> String {
    let theme = Theme::colour();
    let view = View { snapshot, state, theme: &theme, unix_seconds: NOW / 1_000_000_000 };
    let mut cursor = None;
    terminal
        .draw(|frame| {
            panel::draw(frame, &view);
            cursor = state.prompt.is_some().then_some(());
        })
        .expect("a test backend has no errors");
    let buffer = terminal.backend().buffer().clone();
    let mut text: String = buffer
        .content()
        .chunks(buffer.area.width.max(1).into())
        .map(|row| {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            format!("{}\n", line.trim_end())
        })
        .collect();
    if cursor.is_some() {
        let position = terminal.get_cursor_position().expect("a test backend has no errors");
        text.push_str(&format!("cursor at {position}\n"));
    }
    text
}

fn with_prompt(field: &'static field::Field, text: &str) -> State {
    State { prompt: Some(Prompt::new(field, text)), ..State::default() }
}

#[test]
fn busy_at_every_size() {
    for (width, height) in [(40, 10), (60, 16), (80, 24), (94, 30), (94, 50), (120, 40), (250, 70)] {
        insta::assert_snapshot!(format!("busy_{width}x{height}"), screen((width, height), &busy(), &State::default()));
    }
}

#[test]
fn waiting_for_the_first_packet() {
    insta::assert_snapshot!("waiting_80x24", screen((80, 24), &idle(), &State::default()));
    insta::assert_snapshot!("waiting_40x10", screen((40, 10), &idle(), &State::default()));

    let mut rejected = idle();
    rejected.accounting = Accounting {
        seen: amount(1234),
        filtered: amount(1200),
        not_ip: amount(34),
        holds: true,
        ..Accounting::default()
    };
    rejected.runtime.paused = true;
    rejected.interfaces[1] = InterfaceRow {
        mode: None,
        state: InterfaceState::Gone,
        note: "attached again should it come back".into(),
        ..rejected.interfaces[1].clone()
    };
    insta::assert_snapshot!("waiting_rejected_80x24", screen((80, 24), &rejected, &State::default()));
}

#[test]
fn paused() {
    let mut snapshot = busy();
    snapshot.runtime.paused = true;
    snapshot.runtime.mode = Mode::Demo;
    snapshot.current_pps = 0.0;
    insta::assert_snapshot!("paused_80x24", screen((80, 24), &snapshot, &State::default()));
}

#[test]
fn a_prompt_keeps_its_text_when_the_terminal_is_resized() {
    let state = with_prompt(&field::PORTS, "80,443,8000-8100");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a test backend has no errors");
    insta::assert_snapshot!("prompt_80x24", paint(&mut terminal, &busy(), &state));
    terminal.backend_mut().resize(40, 10);
    insta::assert_snapshot!("prompt_resized_40x10", paint(&mut terminal, &busy(), &state));
    terminal.backend_mut().resize(120, 40);
    assert!(paint(&mut terminal, &busy(), &state).contains("Destination ports: 80,443,8000-8100"));
}

#[test]
fn a_long_prompt_scrolls() {
    let state = with_prompt(&field::SOURCE, &"2001:db8::1,".repeat(30));
    insta::assert_snapshot!("prompt_long_80x24", screen((80, 24), &busy(), &state));
}

#[test]
fn an_error_is_shown_beside_the_filter_that_stays() {
    let state = State { notice: Some(Notice::error("\"10.0.0.300\" is not an address")), ..State::default() };
    insta::assert_snapshot!("error_80x24", screen((80, 24), &busy(), &state));
    assert!(screen((40, 10), &busy(), &state).contains("error: \"10.0.0.300\" is not an address"));
}

#[test]
fn what_is_degraded_is_named_and_never_hides_the_table() {
    let snapshot = Snapshot { degraded: degraded(), ..busy() };
    for (width, height) in [(40, 10), (80, 24), (120, 40)] {
        insta::assert_snapshot!(
            format!("degraded_{width}x{height}"),
            screen((width, height), &snapshot, &State::default())
        );
    }
    for (width, height) in [(20, 6), (40, 10), (80, 24), (250, 70)] {
        let many = Snapshot { degraded: degraded().repeat(20), ..busy() };
        assert!(screen((width, height), &many, &State::default()).contains("198.51.100.100"), "{width}x{height}");
    }
}

#[test]
fn books_that_do_not_balance_and_a_silent_engine_are_shown() {
    let mut snapshot = busy();
    snapshot.accounting.holds = false;
    let state = State { silent_for: std::time::Duration::from_secs(75), ..State::default() };
    insta::assert_snapshot!("trouble_80x24", screen((80, 24), &snapshot, &state));
}

#[test]
fn hostile_strings_are_spelled_out() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\nsecond line\u{202e}drawkcab\u{9b}31m";
    let mut snapshot = Snapshot { degraded: degraded(), ..idle() };
    snapshot.runtime.message = HOSTILE.into();
    snapshot.runtime.filter.dst = HOSTILE.into();
    snapshot.runtime.filter.protocols = vec![HOSTILE.into()];
    snapshot.interfaces[0].name = HOSTILE.into();
    snapshot.interfaces[1].note = HOSTILE.into();
    snapshot.degraded[0].reason = HOSTILE.into();
    let mut state = State::default();
    insta::assert_snapshot!("hostile_120x40", screen((120, 40), &snapshot, &state));

    state = with_prompt(&field::DESTINATION, HOSTILE);
    state.notice = Some(Notice::error(HOSTILE));
    for snapshot in [snapshot, Snapshot { degraded: degraded(), ..busy() }] {
        for size in [(40, 10), (80, 24), (120, 40)] {
            let text = screen(size, &snapshot, &state);
            let obeyed = text.chars().find(|character| *character != '\n' && super::format::is_unseen(*character));
            assert_eq!(obeyed, None);
            assert_eq!(text.lines().count(), usize::from(size.1) + 1);
        }
    }
}

#[test]
fn no_size_panics() {
    let hostile_numbers = Snapshot {
        avg_pps: f64::NAN,
        current_bps: f64::INFINITY,
        elapsed: -1.0,
        total_packets: u64::MAX,
        runtime: Runtime { top: usize::MAX, ..busy().runtime },
        ..busy()
    };
    let state = with_prompt(&field::SOURCE, "日本語 2001:db8::1");
    let snapshots =
        [busy(), idle(), Snapshot::default(), hostile_numbers, Snapshot { degraded: degraded().repeat(9), ..busy() }];
    for width in (1..=30).chain((31..=260).step_by(7)) {
        for height in (1..=14).chain((15..=80).step_by(5)) {
            for (at, snapshot) in snapshots.iter().enumerate() {
                let state = if at % 2 == 0 { &state } else { &State::default() };
                screen((width, height), snapshot, state);
            }
        }
    }
}
