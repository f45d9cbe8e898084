//! Whole screens, from fixed snapshots, as plain text: what an operator sees.

mod attacks;
mod blocks;
mod chart;
mod logs;

use nettop_model::{
    answer,
    flat::Flat,
    request::Form,
    snapshot::{
        Accounting, Alert, Degraded, Drops, Egress, InterfaceRow, InterfaceState, Mode, Monitor, Replay, Sent,
        Snapshot, Subject, Traffic,
    },
};
use nettop_views::view::{CONNECTIONS, PROCESSES, VIEWS};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    field,
    fixture::{NOW, amount, busy, degraded, idle},
    layout,
    panel::Picture,
    prompt::{Prompt, Purpose},
    state::{Detail, Notice, Options, State},
    table::arrange::TableState,
    theme::Theme,
};

/// The screen as text, without the blanks at the ends of lines, and where the cursor is if it can be seen.
fn screen(size: (u16, u16), snapshot: &Snapshot, state: &State) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a test backend has no errors");
    paint(&mut terminal, snapshot, state)
}

fn paint(terminal: &mut Terminal<TestBackend>, snapshot: &Snapshot, state: &State) -> String {
    let theme = Theme { flags: true, ..Theme::colour() };
    let picture = Picture { snapshot, state, theme: &theme, unix_seconds: NOW / 1_000_000_000 };
    terminal.draw(|frame| layout::draw(frame, &picture)).expect("a test backend has no errors");
    let buffer = terminal.backend().buffer().clone();
    let mut text: String = buffer
        .content()
        .chunks(buffer.area.width.max(1).into())
        .map(|row| {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            format!("{}\n", line.trim_end())
        })
        .collect();
    if state.prompt.is_some() {
        let position = terminal.get_cursor_position().expect("a test backend has no errors");
        text.push_str(&format!("cursor at {position}\n"));
    }
    text
}

fn with_prompt(field: &'static field::Field, text: &str) -> State {
    State { prompt: Some(Prompt::new(Purpose::Field(field), text)), ..State::default() }
}

#[test]
fn numbers_only_where_names_are_not_wanted() {
    let numeric = State { options: Options { numeric: true, ..Options::default() }.into(), ..State::default() };
    for (state, named) in [(State::default(), true), (numeric, false)] {
        let screen = screen((250, 70), &busy(), &state);
        for (number, name) in [("443", "443 https"), ("51820", "51820 wireguard")] {
            assert!(screen.contains(number), "{screen}");
            assert_eq!(screen.contains(name), named, "{screen}");
        }
    }
}

#[test]
fn busy_at_every_size() {
    for (width, height) in [(40, 10), (60, 16), (80, 24), (94, 30), (94, 50), (120, 40), (250, 70)] {
        insta::assert_snapshot!(format!("busy_{width}x{height}"), screen((width, height), &busy(), &State::default()));
    }
}

#[test]
fn every_view_at_two_sizes() {
    let snapshot = Snapshot { alerts: super::fixture::floods(), ..struck(busy(), degraded()) };
    for (at, view) in VIEWS.iter().enumerate().skip(1) {
        let state = State { view: at, ..State::default() };
        for (width, height) in [(80, 24), (120, 40)] {
            let name = format!("view_{}_{width}x{height}", view.name().to_lowercase());
            insta::assert_snapshot!(name, screen((width, height), &snapshot, &state));
        }
    }
}

#[test]
fn what_was_opened_has_the_screen_at_two_sizes() {
    let mut snapshot = Snapshot { alerts: super::fixture::floods(), ..struck(busy(), degraded()) };
    let source = Subject::Source([198, 51, 100, 100].into());
    let destination = Subject::Destination([203, 0, 113, 12].into());
    let mut sources = super::fixture::sources(snapshot.traffic.packets);
    sources[0].detail = Some(std::sync::Arc::new(super::fixture::detail()));
    snapshot.sources.rows = sources.into();
    let detail = |subject| Some(Detail { subject, history: Some(super::fixture::history()), command: None, top: 0 });
    for (name, state) in [
        ("detail_source", State { detail: detail(source), ..State::default() }),
        ("detail_port", State { detail: detail(Subject::Port(443)), view: 2, ..State::default() }),
        ("detail_destination", State { detail: detail(destination), view: 1, ..State::default() }),
        ("detail_process", State { detail: detail(Subject::Process(812)), view: PROCESSES, ..State::default() }),
        ("detail_connection", State { detail: detail(Subject::Connection(7)), view: CONNECTIONS, ..State::default() }),
        ("help", State { help: Some(0), ..State::default() }),
        ("views", State { views: Some(10), ..State::default() }),
        ("columns", State { columns: Some(3), tables: sized(), ..State::default() }),
    ] {
        for (width, height) in [(80, 24), (120, 40)] {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen((width, height), &snapshot, &state));
        }
    }
}

/// Tables with columns whose width was chosen.
fn sized() -> [TableState; VIEWS.len()] {
    let mut tables = State::default().tables;
    tables[0].widths = [(1, 15), (3, 7), (4, 40)].into();
    tables
}

#[test]
fn chosen_widths_are_kept_at_any_width_of_the_terminal_and_the_others_follow() {
    for (width, height) in [(80, 24), (120, 40)] {
        let state = State { tables: sized(), ..State::default() };
        insta::assert_snapshot!(format!("widths_{width}x{height}"), screen((width, height), &busy(), &state));
    }
}

#[test]
fn what_has_no_detail_is_said_to_have_none_and_what_cannot_be_judged_is_counted() {
    let mut snapshot = busy();
    let mut sources = super::fixture::sources(snapshot.traffic.packets);
    sources.iter_mut().for_each(|row| row.detail = None);
    let ip = sources[0].ip;
    sources[1].detail = Some(std::sync::Arc::new(super::fixture::detail()));
    snapshot.sources.rows = sources.into();
    let filtered = |filter: &str| {
        let mut state = State::default();
        state.table_mut().filter = nettop_model::query::parse(filter).expect("a filter");
        state
    };
    for (size, filter, expected) in [
        ((120, 40), "port:443", &["1 of 1,254", "29 rows could not be judged: no detail"][..]),
        ((250, 70), "port:443", &["1 of 1,254 sources, 29 unjudged"]),
        ((80, 24), "proto:udp", &["29 rows could not be judged: no detail"]),
        ((120, 40), "!mac:02:42", &["No sources pass", "hides 30. 29 rows could not be judged: no detail."]),
        ((120, 40), "port:443 ip:198.51.100.0/24", &["rows could not be judged"]),
        ((60, 16), "port:22", &["29 unjudged"]),
    ] {
        let text = screen(size, &snapshot, &filtered(filter));
        assert!(expected.iter().all(|part| text.contains(part)), "{filter}: {text}");
    }
    for filter in ["country:DE", "pps>1 ip:198.51.100.0/24", "frankfurt", "country:DE or port:443 and ip:10.0.0.0/8"] {
        let text = screen((120, 40), &snapshot, &filtered(filter));
        assert!(!text.contains("judged"), "{filter}: {text}");
    }
    assert!(screen((120, 40), &snapshot, &State::default()).contains("SYN –"));
    let opened = |subject, view| State {
        detail: Some(Detail { subject, history: None, command: None, top: 0 }),
        view,
        ..State::default()
    };
    let text = screen((120, 40), &snapshot, &opened(Subject::Source(ip), 0));
    assert!(text.contains("no detail: others send more") && !text.contains("none known"), "{text}");
    let text = screen((120, 40), &snapshot, &opened(Subject::Port(443), 2));
    assert!(text.contains("29 rows could not be judged: no detail"), "{text}");
}

/// With what does not work as it should.
fn struck(snapshot: Snapshot, degraded: Vec<Degraded>) -> Snapshot {
    super::fixture::changed(snapshot, |it| it.monitor.degraded = degraded)
}

/// A snapshot as another process gets it.
fn sent(snapshot: &Snapshot) -> Snapshot {
    let mut line = Vec::new();
    answer::write_published(snapshot, &Form::whole(), &mut line).expect("it can be written");
    answer::snapshot(&line).expect("it can be read")
}

#[test]
fn a_snapshot_that_was_sent_looks_like_the_one_it_was() {
    let mut detailed = busy();
    let mut sources = super::fixture::sources(detailed.traffic.packets);
    sources[0].detail = Some(std::sync::Arc::new(super::fixture::detail()));
    sources[1].place = None;
    sources[2].detail = None;
    detailed.sources.rows = sources.into();
    let snapshots = [
        busy(),
        idle(),
        replayed(),
        detailed,
        Snapshot { alerts: super::fixture::floods(), ..struck(busy(), degraded()) },
        Snapshot::default(),
    ];
    let opened = ["198.51.100.100", "2001:db8:1234:5678:9abc:def0:1234:5601"].map(|ip| ip.parse().expect("an address"));
    for snapshot in &snapshots {
        let sent = sent(snapshot);
        let flat = |snapshot: &Snapshot| serde_json::to_value(Flat::from(snapshot)).expect("it can be written");
        assert_eq!(flat(&sent), flat(snapshot));
        let grouped = |snapshot: &Snapshot| serde_json::to_value(snapshot).expect("it can be written");
        assert_eq!(grouped(&sent), grouped(snapshot));
        let detail = |subject| Some(Detail { subject, history: None, command: None, top: 0 });
        let views = (0..VIEWS.len()).map(|view| State { view, ..State::default() });
        let details = opened.iter().map(|ip| State { detail: detail(Subject::Source(*ip)), ..State::default() });
        for state in views.chain(details).chain([State { help: Some(0), ..State::default() }]) {
            for size in [(80, 24), (250, 70)] {
                assert_eq!(screen(size, &sent, &state), screen(size, snapshot, &state));
            }
        }
    }
}

#[test]
fn what_is_sent_stands_beside_what_is_received_with_its_own_curve_where_there_is_room() {
    let history = super::fixture::history();
    let egress = Egress { packets: 777_000, pps: 4321.0, bps: 1_250_000.0, history, ..Egress::default() };
    let mut snapshot = Snapshot { egress: Some(egress.into()), ..busy() };
    let mut sources = super::fixture::sources(snapshot.traffic.packets);
    let sent = Sent { packets: 5_555, bytes: 555_500, pps: 12.0, at_least: true };
    sources[0].sent = Some(sent);
    snapshot.sources.rows = sources.into();
    for (width, curves) in [(60, 1), (80, 1), (120, 2), (200, 2)] {
        let screen = screen((width, 30), &snapshot, &State::default());
        let line = screen.lines().find(|line| line.contains("60s peak")).expect("a curve");
        assert_eq!(line.contains("out 4.32k pps 10.0 Mbit/s"), width >= 80, "{width}: {line}");
        let blocks = |c: char| ('\u{2581}'..='\u{2588}').contains(&c);
        let found = line.split(|c| !blocks(c)).filter(|run| run.chars().count() > 2).count();
        assert_eq!(found, curves, "{width}: {line}");
    }
    let state = State {
        detail: Some(Detail {
            subject: Subject::Source([198, 51, 100, 100].into()),
            history: None,
            command: None,
            top: 0,
        }),
        ..State::default()
    };
    let screen = screen((120, 40), &snapshot, &state);
    assert!(screen.contains("sent to it ≥5,555 packets, 542 KiB, 12 pps"), "{screen}");
}

#[test]
fn nothing_breaks_at_any_size() {
    let snapshot = Snapshot { alerts: super::fixture::floods(), ..struck(busy(), degraded()) };
    let detail = Detail { subject: Subject::Source([198, 51, 100, 100].into()), history: None, command: None, top: 9 };
    for state in [
        State { view: 7, ..State::default() },
        State { detail: Some(detail), ..State::default() },
        State { help: Some(999), ..State::default() },
        State { columns: Some(12), ..State::default() },
        State { prompt: Some(Prompt::new(Purpose::Find(0), "port:x")), ..State::default() },
    ] {
        for (width, height) in
            (1..130).step_by(26).flat_map(|width| (1..40).step_by(3).map(move |height| (width, height)))
        {
            screen((width, height), &snapshot, &state);
        }
    }
}

#[test]
fn ascii_is_enough() {
    let options = Options { ascii: true, ..Options::default() };
    let text = screen((120, 40), &busy(), &State { options: options.into(), ..State::default() });
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("-- Traffic ---"), "{text}");
}

#[test]
fn waiting_for_the_first_packet() {
    insta::assert_snapshot!("waiting_80x24", screen((80, 24), &idle(), &State::default()));
    insta::assert_snapshot!("waiting_40x10", screen((40, 10), &idle(), &State::default()));

    let mut rejected = idle();
    rejected.traffic.accounting = Accounting {
        seen: amount(1234),
        filtered: amount(1200),
        not_ip: amount(34),
        holds: true,
        ..Accounting::default()
    };
    rejected.meta.runtime.paused = true;
    rejected.monitor.interfaces[1] = InterfaceRow {
        mode: None,
        state: InterfaceState::Gone,
        note: "attached again should it come back".into(),
        ..rejected.monitor.interfaces[1].clone()
    };
    insta::assert_snapshot!("waiting_rejected_80x24", screen((80, 24), &rejected, &State::default()));
}

#[test]
fn paused() {
    let mut snapshot = busy();
    snapshot.meta.runtime.paused = true;
    snapshot.meta.runtime.mode = Mode::Demo;
    (snapshot.traffic.pps, snapshot.traffic.bps) = (0.0, 0.0);
    insta::assert_snapshot!("paused_80x24", screen((80, 24), &snapshot, &State::default()));
}

/// A capture being replayed.
fn replayed() -> Snapshot {
    let replay = Replay {
        file: "/var/tmp/captures/monday.pcapng".into(),
        packets: 17_146_910,
        size: Some(4_000_000_000),
        percent: Some(99.96),
        ..Replay::default()
    };
    let mut snapshot = busy();
    snapshot.monitor = Monitor { interfaces: Vec::new(), replay: Some(replay), ..snapshot.monitor };
    snapshot.meta.runtime.mode = Mode::Replay;
    snapshot.meta.runtime.filter.iface = "/var/tmp/captures/monday.pcapng".into();
    snapshot
}

#[test]
fn interfaces_that_a_capture_does_not_have_are_not_announced() {
    let interfaces = VIEWS.iter().position(|view| view.name() == "Interfaces").expect("the view");
    let state = State { view: interfaces, ..State::default() };
    for (mode, expected) in [
        (Mode::Live, "No interfaces yet."),
        (Mode::Replay, "A demonstration and a capture have nothing of a host's interfaces."),
        (Mode::Demo, "A demonstration and a capture have nothing of a host's interfaces."),
    ] {
        let mut snapshot = Snapshot { host: None, ..busy() };
        snapshot.meta.runtime.mode = mode;
        let screen = screen((120, 40), &snapshot, &state);
        assert!(screen.contains(expected), "{mode:?}: {screen}");
    }
}

#[test]
fn what_a_capture_does_not_have_of_a_host_is_not_announced() {
    for (name, without, nothing) in [
        ("Connections", "--without connections", "nothing of a host's sockets"),
        ("Processes", "--without connections", "nothing of a host's sockets"),
        ("Flows", "--without flows", "nothing of a host's flows"),
    ] {
        let state =
            State { view: VIEWS.iter().position(|view| view.name() == name).expect("the view"), ..State::default() };
        for (mode, expected) in [(Mode::Live, without), (Mode::Replay, nothing), (Mode::Demo, nothing)] {
            let mut snapshot = Snapshot { connections: None, processes: None, flows: None, ..busy() };
            snapshot.meta.runtime.mode = mode;
            let screen = screen((120, 40), &snapshot, &state);
            assert!(screen.contains(expected), "{name} {mode:?}: {screen}");
        }
    }
}

#[test]
fn why_no_drops_are_listed_is_told() {
    let state =
        State { view: VIEWS.iter().position(|view| view.name() == "Drops").expect("the view"), ..State::default() };
    let refused = Drops { refused: Some("the kernel does not tell its types".into()), ..Drops::default() };
    for (name, mode, drops, expected) in [
        ("not asked for", Mode::Live, None, "started with --drops"),
        ("refused", Mode::Live, Some(refused), "is not counted: the kernel does not tell its types."),
        ("nothing dropped", Mode::Live, Some(Drops::default()), "has dropped nothing yet"),
        ("a capture", Mode::Replay, None, "nothing of what a host drops"),
        ("the demonstration", Mode::Demo, None, "nothing of what a host drops"),
    ] {
        let mut snapshot = Snapshot { drops: drops.map(std::sync::Arc::new), ..busy() };
        snapshot.meta.runtime.mode = mode;
        let screen = screen((120, 40), &snapshot, &state);
        assert!(screen.contains(expected), "{name}: {screen}");
    }
}

#[test]
fn a_replay_says_how_far_it_is_and_that_it_has_ended() {
    let header = |snapshot: &Snapshot| {
        let screen = screen((120, 40), snapshot, &State::default());
        screen.lines().next().unwrap_or_default().to_string()
    };
    let mut snapshot = replayed();
    insta::assert_snapshot!("replay_120x40", screen((120, 40), &snapshot, &State::default()));
    snapshot.meta.runtime.paused = true;
    assert!(header(&snapshot).contains("PAUSED REPLAY"), "{}", header(&snapshot));
    snapshot.monitor.replay =
        Some(Replay { ended: true, error: Some("cut short".into()), ..replayed().monitor.replay.unwrap_or_default() });
    let ended = header(&snapshot);
    assert!(ended.contains("REPLAY ENDED") && ended.contains("monday.pcapng 99 % broken"), "{ended}");
}

#[test]
fn before_its_first_packet_a_replay_names_its_file() {
    let mut snapshot = idle();
    snapshot.monitor = Monitor { replay: replayed().monitor.replay, interfaces: Vec::new(), ..snapshot.monitor };
    let screen = screen((80, 24), &snapshot, &State::default());
    assert!(screen.contains("Replaying /var/tmp/captures/monday.pcapng"), "{screen}");
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
    let snapshot = struck(busy(), degraded());
    for (width, height) in [(40, 10), (80, 24), (120, 40)] {
        insta::assert_snapshot!(
            format!("degraded_{width}x{height}"),
            screen((width, height), &snapshot, &State::default())
        );
    }
    for (width, height) in [(20, 6), (40, 10), (80, 24), (250, 70)] {
        let many = struck(busy(), [(); 20].map(|()| degraded()).concat());
        assert!(screen((width, height), &many, &State::default()).contains("198.51.100.100"), "{width}x{height}");
    }
}

#[test]
fn books_that_do_not_balance_and_a_silent_engine_are_shown() {
    let mut snapshot = busy();
    snapshot.traffic.accounting.holds = false;
    let state = State { silent_for: std::time::Duration::from_secs(75), ..State::default() };
    insta::assert_snapshot!("trouble_80x24", screen((80, 24), &snapshot, &state));
}

#[test]
fn a_monitor_that_went_is_named_with_the_reason_however_narrow_the_screen() {
    let lost = nettop_model::snapshot::Lost {
        since_ns: 0,
        why: "no running monitor at /run/nettop/nettop.sock: connection refused".into(),
    };
    let link = nettop_model::snapshot::Remote { name: "/run/nettop/nettop.sock".into(), lost: Some(lost), missed: 0 };
    let mut snapshot = Snapshot { alerts: super::fixture::floods(), ..busy() };
    snapshot.meta.link = Some(std::sync::Arc::new(link));
    for (columns, lines) in [(40, 20), (80, 24), (120, 40)] {
        let text = screen((columns, lines), &snapshot, &State::default());
        assert!(text.contains("STALE   no news for "), "{columns}x{lines}: {text}");
    }
}

#[test]
fn hostile_strings_are_spelled_out() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\nsecond line\u{202e}drawkcab\u{9b}31m";
    let mut snapshot = struck(idle(), degraded());
    snapshot.meta.runtime.message = HOSTILE.into();
    snapshot.meta.runtime.filter.dst = HOSTILE.into();
    snapshot.meta.runtime.filter.protocols = vec![HOSTILE.into()];
    snapshot.monitor.interfaces[0].name = HOSTILE.into();
    snapshot.monitor.interfaces[1].note = HOSTILE.into();
    snapshot.monitor.degraded[0].reason = HOSTILE.into();
    let mut state = State::default();
    insta::assert_snapshot!("hostile_120x40", screen((120, 40), &snapshot, &state));

    state = with_prompt(&field::DESTINATION, HOSTILE);
    state.notice = Some(Notice::error(HOSTILE));
    for snapshot in [snapshot, struck(busy(), degraded())] {
        for size in [(40, 10), (80, 24), (120, 40)] {
            let text = screen(size, &snapshot, &state);
            let obeyed =
                text.chars().find(|character| *character != '\n' && nettop_model::format::is_unseen(*character));
            assert_eq!(obeyed, None);
            assert_eq!(text.lines().count(), usize::from(size.1) + 1);
        }
    }
}

#[test]
fn no_size_panics() {
    let mut hostile_numbers = busy();
    hostile_numbers.meta.elapsed = -1.0;
    hostile_numbers.meta.runtime.top = usize::MAX;
    let Traffic { avg_pps, bps, packets, .. } = &mut hostile_numbers.traffic;
    (*avg_pps, *bps, *packets) = (f64::NAN, f64::INFINITY, u64::MAX);
    let state = with_prompt(&field::SOURCE, "日本語 2001:db8::1");
    let snapshots = [
        busy(),
        idle(),
        Snapshot::default(),
        hostile_numbers,
        Snapshot { alerts: super::fixture::alerts(), ..struck(busy(), [(); 9].map(|()| degraded()).concat()) },
    ];
    // One of them at each size, in turn: every snapshot meets small, narrow, low and large screens.
    let widths = (1..=30).chain((31..=260).step_by(7));
    let heights = (1..=14).chain((15..=80).step_by(5));
    let sizes = widths.flat_map(|width| heights.clone().map(move |height| (width, height)));
    for (size, (at, snapshot)) in sizes.zip(snapshots.iter().enumerate().cycle()) {
        let state = if at % 2 == 0 { &state } else { &State::default() };
        screen(size, snapshot, state);
    }
}

/// The monitor runs the screen beside its signal handlers, on another thread where it wants to.
#[test]
fn the_screen_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let (_, snapshots) = tokio::sync::watch::channel(std::sync::Arc::new(Snapshot::default()));
    let (requests, _) = tokio::sync::mpsc::channel(1);
    spawnable(super::run(snapshots, requests, Options::default()));
}

#[test]
fn alerts_are_listed_and_never_hide_the_table() {
    let snapshot = Snapshot { alerts: super::fixture::alerts(), ..busy() };
    for (width, height) in [(40, 20), (80, 24), (94, 50), (120, 40)] {
        let text = screen((width, height), &snapshot, &State::default());
        assert!(text.contains("198.51.100.100"), "{text}");
        insta::assert_snapshot!(format!("alerts_{width}x{height}"), text);
    }
    let hostile = "a\u{1b}[2J\nb\u{202e}";
    let alerts = super::fixture::alerts().into_iter().map(|alert| Alert { message: hostile.into(), ..alert }).collect();
    let text = screen((80, 24), &Snapshot { alerts, ..busy() }, &State::default());
    assert!(text.contains("a\\u{1b}[2J\\nb\\u{202e}"), "{text}");
}

#[test]
fn a_flood_is_unmistakable_with_and_without_colour() {
    let snapshot = Snapshot { alerts: super::fixture::floods(), ..busy() };
    for (width, height) in [(40, 10), (40, 20), (80, 24), (120, 40)] {
        let text = screen((width, height), &snapshot, &State::default());
        insta::assert_snapshot!(format!("flood_{width}x{height}"), text);
    }
    for theme in [Theme::colour(), Theme::plain()] {
        let (alarm, ordinary) = (theme.alarm, theme.text);
        assert!(alarm.bg.is_some() || alarm.add_modifier.contains(ratatui::style::Modifier::REVERSED));
        assert_ne!(alarm, ordinary);
    }
}
