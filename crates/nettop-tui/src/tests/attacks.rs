//! What an operator sees in an attack: each sort of alert opened, all of them listed, and what a hostile monitor may say of one.

use nettop_common::TrafficClass;
use nettop_model::snapshot::{Alert, History, RatePoint, Share, Snapshot, Subject, Target};
use nettop_views::view::ALERTS;

use super::{screen, sent};
use crate::{
    fixture::{
        attacks::{self, all},
        busy, history,
    },
    state::{Detail, OpenAlert, Options, State},
};

fn listed(alerts: Vec<Alert>) -> Snapshot {
    Snapshot { alerts, ..busy() }
}

fn opened(alert: &Alert) -> State {
    let open = OpenAlert { last: Box::new(alert.clone()), top: 0 };
    State { view: ALERTS, alert: Some(open), ..State::default() }
}

#[test]
fn each_sort_of_alert_answers_the_same_questions() {
    for (name, alert) in all() {
        let state = opened(&alert);
        for (width, height) in [(80, 24), (120, 40)] {
            let text = screen((width, height), &listed(vec![alert.clone()]), &state);
            insta::assert_snapshot!(format!("alert_{name}_{width}x{height}"), text);
        }
        let options = Options { ascii: true, ..Options::default() }.into();
        let text = screen((80, 24), &listed(vec![alert]), &State { options, ..state });
        assert!(text.is_ascii() && !text.contains("??"), "{name}: {text}");
    }
}

/// Over a socket, of this version or in the flat form.
#[test]
fn an_alert_that_was_sent_looks_like_the_one_it_was() {
    for (name, alert) in all() {
        let snapshot = listed(vec![alert.clone()]);
        let sent = sent(&snapshot);
        let state = opened(&Alert { id: alert.id, ..Alert::default() });
        assert_eq!(screen((80, 24), &sent, &state), screen((80, 24), &snapshot, &state), "{name}");
    }
}

#[test]
fn alerts_are_listed_with_what_tells_most() {
    let alerts: Vec<_> = all().into_iter().map(|(_, alert)| alert).collect();
    for (width, height) in [(80, 24), (120, 40), (200, 40)] {
        let text = screen((width, height), &listed(alerts.clone()), &State { view: ALERTS, ..State::default() });
        insta::assert_snapshot!(format!("attacks_{width}x{height}"), text);
    }
}

#[test]
fn a_flood_that_pauses_is_named_and_is_no_alarm() {
    let paused = || listed(vec![attacks::paused()]);
    for (width, height) in [(80, 24), (120, 40)] {
        let text = screen((width, height), &paused(), &State::default());
        insta::assert_snapshot!(format!("paused_flood_{width}x{height}"), text);
    }
    let both = listed(vec![attacks::paused(), attacks::syn()]);
    let text = screen((80, 24), &both, &State::default());
    assert!(text.lines().next().is_some_and(|line| line.contains(" SYN FLOOD ") && !line.contains("paused")), "{text}");
}

#[test]
fn every_line_of_an_alert_can_be_reached_on_any_screen() {
    let alert = attacks::syn();
    for size in [(40, 10), (60, 16), (80, 24)] {
        let mut state = State { size, ..opened(&alert) };
        let snapshot = listed(vec![alert.clone()]);
        let mut seen = screen(size, &snapshot, &state);
        for _ in 0..60 {
            crate::update::on_key(
                &mut state,
                &std::sync::Arc::new(snapshot.clone()),
                crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Down),
            );
            seen.push_str(&screen(size, &snapshot, &state));
        }
        for word in ["1.98M", "40x", "Gbit/s", "cookie;", "tcp_syncookies=1;", "what to do"] {
            assert!(seen.contains(word), "{size:?} {word}: {seen}");
        }
    }
}

#[test]
fn an_alert_that_left_the_list_stays_open() {
    let alert = attacks::carpet();
    let text = screen((120, 40), &listed(Vec::new()), &opened(&alert));
    assert!(text.contains("not listed any more") && text.contains("198.18.4.0/22, 1,024 hosts"), "{text}");
}

#[test]
fn whatever_a_monitor_says_of_an_alert_is_spelled_out() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\nsecond\u{202e}drawkcab\u{9b}31m";
    let long = HOSTILE.repeat(500);
    for text in [HOSTILE, &long] {
        let mut alert = attacks::volumetric();
        (alert.kind, alert.message, alert.advice) = (text.to_string().into(), text.into(), text.into());
        alert.evidence = vec![text.to_string(); 50];
        alert.origins = vec![Share { of: text.into(), share: f64::NAN }; 50];
        alert.vectors[0].kind = text.to_string().into();
        alert.vectors[1].of = vec![text.to_string(); 50];
        (alert.value, alert.peak, alert.usual) = (f64::NAN, f64::INFINITY, Some(-0.0));
        (alert.seconds, alert.since_ns, alert.last_ns) = (f64::NEG_INFINITY, u64::MAX, u64::MAX);
        alert.target = Some(Target { prefix: "0.0.0.0/0".parse().ok(), ..Target::host([0, 0, 0, 0].into()) });
        let snapshot = listed(vec![alert.clone()]);
        for size in [(1, 1), (20, 6), (40, 10), (80, 24), (120, 40)] {
            for state in [opened(&alert), State { view: ALERTS, ..State::default() }, State::default()] {
                let text = screen(size, &snapshot, &state);
                let obeyed = text.chars().find(|one| *one != '\n' && nettop_model::format::is_unseen(*one));
                assert_eq!(obeyed, None, "{size:?}");
            }
        }
    }
}

#[test]
fn a_destination_shows_its_classes_the_busiest_first_and_the_others_as_numbers() {
    let subject = Subject::Destination([203, 0, 113, 10].into());
    let curve = |most: f32, from: usize| {
        let pace = |n| RatePoint { pps: if n >= from { most } else { most / 50.0 }, bps: most * 60.0 };
        (0..60).map(pace).collect::<Vec<_>>()
    };
    let classes = TrafficClass::ALL.iter().zip([1_980_000.0, 12_000.0, 4_200.0, 40_000.0, 30.0, 0.0, 900.0, 12.0, 1.0]);
    let classes = classes.zip(40..).map(|((class, most), from)| (*class, curve(most, from))).collect();
    let history = History { classes, ..history() };
    let state = State {
        detail: Some(Detail { subject, history: Some(history), command: None, top: 0 }),
        view: 1,
        ..State::default()
    };
    for (width, height) in [(80, 24), (120, 40)] {
        let text = screen((width, height), &listed(Vec::new()), &state);
        insta::assert_snapshot!(format!("detail_destination_{width}x{height}"), text);
    }
    for (size, line) in [((30, 20), "60 s by class"), ((120, 40), "OTHER")] {
        let text = screen(size, &listed(Vec::new()), &state);
        assert_eq!(text.contains(line), line != "OTHER", "{text}");
    }
}

/// Wrapped in few columns, a line may have a character where the name of the rule ends otherwise.
#[test]
fn a_selected_alert_in_words_of_several_bytes_is_wrapped_at_any_width() {
    for kind in ["high-pps", "日本語日本語"] {
        let message = "日本 Z6𿠋 語日本語 \u{3f80b}\u{3f80b} 語";
        let alert = Alert { kind: kind.into(), message: message.into(), ..attacks::scan() };
        for width in 1..100 {
            screen((width, 30), &listed(vec![alert.clone()]), &State { view: ALERTS, ..State::default() });
        }
    }
}
