//! What a person does at the keyboard and with the mouse, and what comes of it.

use std::{net::IpAddr, sync::Arc};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use nettop_model::snapshot::{Connection, ConnectionSum, History, Subject};
use nettop_views::{
    table::Id,
    view::{ALERTS, CONNECTIONS, SOURCES, VIEWS},
};

use super::*;
use crate::{
    action::VIEW_KEYS,
    chart::span::Span,
    fixture::{alerts, busy, history},
    state::Options,
};

/// A person in front of a screen of 120 columns and 40 lines.
struct Person {
    state: State,
    snapshot: Arc<Snapshot>,
}

impl Person {
    fn new() -> Self {
        let snapshot = Snapshot { alerts: alerts(), ..busy() };
        Self { state: State { size: (120, 40), ..State::default() }, snapshot: Arc::new(snapshot) }
    }

    fn press(&mut self, code: KeyCode) -> Option<Effect> {
        let effect = on_key(&mut self.state, &self.snapshot, KeyEvent::new(code, KeyModifiers::NONE));
        settle(&mut self.state, &self.snapshot);
        effect
    }

    fn types(&mut self, text: &str) {
        text.chars().for_each(|character| _ = self.press(KeyCode::Char(character)));
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> Option<Effect> {
        on_mouse(&mut self.state, &self.snapshot, MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    }

    fn click(&mut self, column: u16, row: u16) -> Option<Effect> {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row)
    }

    /// The addresses in the order of the table.
    fn ips(&self) -> Vec<String> {
        let listed = self.state.listed(&self.snapshot);
        (0..listed.len()).filter_map(|at| listed.id(at)).map(|id| id.to_string()).collect()
    }

    fn selected(&self) -> Option<String> {
        self.state.table().selected.as_ref().map(Id::to_string)
    }

    /// A second later every source has other numbers: the last one comes first.
    fn turn_sources_around(&mut self) {
        let mut snapshot = Snapshot::clone(&self.snapshot);
        let rows: Vec<_> = snapshot.sources.rows.iter().map(std::borrow::Cow::into_owned).collect();
        snapshot.sources.rows = rows.into_iter().rev().collect::<Vec<_>>().into();
        self.snapshot = Arc::new(snapshot);
        on_snapshot(&mut self.state, &self.snapshot);
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn views_by_tab_and_key() {
    let mut person = Person::new();
    let mut views = Vec::new();
    for _ in VIEWS {
        person.press(KeyCode::Tab);
        views.push(person.state.view);
    }
    assert_eq!(views, (1..VIEWS.len()).chain([0]).collect::<Vec<_>>());
    person.press(KeyCode::BackTab);
    assert_eq!(person.state.view, VIEWS.len() - 1);
    for (at, view) in VIEWS.iter().enumerate() {
        person.press(VIEW_KEYS[at].code);
        assert_eq!(person.state.view, at, "{}", view.name());
    }
    person.types("8");
    assert_eq!(person.state.view, ALERTS);
}

#[test]
fn the_list_of_views_leads_to_each() {
    for (name, keys, expected) in [
        ("down and there", "Vjj\r", ALERTS + 2),
        ("the last", "VG\r", VIEWS.len() - 1),
        ("beyond the last", "VGjj\r", VIEWS.len() - 1),
        ("the first", "Vg ", 0),
        ("by its key", "VC", CONNECTIONS),
        ("closed again", "VjV", ALERTS),
        ("closed", "Vjq", ALERTS),
    ] {
        let mut person = Person::new();
        person.types("8");
        for key in keys.chars() {
            person.press(if key == '\r' { KeyCode::Enter } else { KeyCode::Char(key) });
        }
        assert_eq!((person.state.view, person.state.views), (expected, None), "{name}");
    }
    let mut person = Person::new();
    person.types("V");
    assert_eq!(person.state.layer(), layer::VIEWS);
    person.press(KeyCode::Esc);
    assert_eq!((person.state.view, person.state.views), (0, None));
}

#[test]
fn the_selection_stays_with_its_row() {
    let mut person = Person::new();
    assert_eq!(person.selected(), None);
    person.press(KeyCode::Down);
    assert_eq!(person.selected().as_deref(), Some("198.51.100.100"));
    person.types("jjk");
    let chosen = person.selected().unwrap();
    assert_eq!(chosen, person.ips()[1]);
    person.turn_sources_around();
    assert_eq!(person.selected(), Some(chosen.clone()));
    let listed = person.state.listed(&person.snapshot);
    assert_eq!(person.state.table().position(&*listed), Some(28));
    assert!(person.state.table().top > 0, "it is brought into view");
    drop(listed);
    person.press(KeyCode::Esc);
    assert_eq!((person.selected(), person.state.table().top), (None, 0));
}

#[test]
fn one_that_is_gone_leaves_its_place_to_another() {
    let mut person = Person::new();
    person.types("jjj");
    let mut snapshot = Snapshot::clone(&person.snapshot);
    let rows: Vec<_> = snapshot.sources.rows.iter().map(std::borrow::Cow::into_owned).collect();
    snapshot.sources.rows =
        rows.into_iter().filter(|row| Some(row.ip.to_string()) != person.selected()).collect::<Vec<_>>().into();
    person.snapshot = Arc::new(snapshot);
    on_snapshot(&mut person.state, &person.snapshot);
    let listed = person.state.listed(&person.snapshot);
    assert_eq!(person.state.table().position(&*listed), Some(2));
}

#[test]
fn moving_stays_within_the_rows() {
    let mut person = Person::new();
    for (code, at) in [
        (KeyCode::Char('G'), 29),
        (KeyCode::Down, 29),
        (KeyCode::Char('g'), 0),
        (KeyCode::Up, 0),
        (KeyCode::End, 29),
        (KeyCode::Home, 0),
    ] {
        person.press(code);
        assert_eq!(person.selected(), Some(person.ips()[at].clone()), "{code:?}");
    }
    (0..20).for_each(|_| _ = person.press(KeyCode::PageDown));
    assert_eq!(person.selected(), Some(person.ips()[29].clone()));
    (0..20).for_each(|_| _ = person.press(KeyCode::PageUp));
    assert_eq!(person.selected(), Some(person.ips()[0].clone()));
}

#[test]
fn sorting_by_any_column_and_back() {
    let mut person = Person::new();
    let before = person.ips();
    person.types("o");
    let by_address = person.ips();
    let mut sorted: Vec<IpAddr> = before.iter().map(|text| ip(text)).collect();
    sorted.sort();
    assert_eq!(by_address.iter().map(|text| ip(text)).collect::<Vec<_>>(), sorted);
    person.types("O");
    assert_eq!(person.ips(), by_address.into_iter().rev().collect::<Vec<_>>());
    let columns = person.state.listing().heads().len();
    let presses = (0..columns).take_while(|_| {
        person.types("o");
        person.state.table().order.is_some()
    });
    assert!((5..columns).contains(&presses.count()), "through every column that is shown");
    assert_eq!(person.ips(), before);
    person.types("O");
    assert_eq!(person.ips()[29], before[0]);
}

#[test]
fn a_filter_works_while_it_is_typed() {
    let mut person = Person::new();
    person.types("/198.51");
    assert_eq!(person.ips().len(), 15);
    assert!(person.ips().iter().all(|ip| ip.starts_with("198.51")));
    person.types(" (");
    let error = person.state.prompt.as_ref().and_then(|prompt| prompt.error.clone());
    assert_eq!(error.map(|(at, _)| at), Some(8));
    assert_eq!(person.ips().len(), 15, "the last filter that could be read is in force");
    person.types("pps>");
    person.press(KeyCode::Enter);
    assert!(person.state.prompt.is_some(), "what is wrong is to be mended first");
    person.types("1k)");
    person.press(KeyCode::Enter);
    assert!(person.state.prompt.is_none());
    assert_eq!(person.ips(), ["198.51.100.100", "198.51.100.103"]);

    person.types("/ zz");
    assert_eq!(person.ips(), [""; 0]);
    person.press(KeyCode::Esc);
    assert_eq!(person.ips().len(), 2, "cancelling brings the old one back");
    person.press(KeyCode::Esc);
    assert_eq!(person.ips().len(), 30);
}

#[test]
fn filters_are_remembered() {
    let mut person = Person::new();
    for text in ["one", "two", "one", "three"] {
        person.types("/");
        on_key(&mut person.state, &person.snapshot, KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        person.types(text);
        person.press(KeyCode::Enter);
    }
    assert_eq!(person.state.queries, ["two", "one", "three"]);
    person.types("/");
    let mut shown = |code| {
        person.press(code);
        person.state.prompt.as_ref().map(Prompt::text).unwrap()
    };
    let up = [KeyCode::Up; 4].map(&mut shown);
    assert_eq!(up, ["three", "one", "two", "two"]);
    assert_eq!([KeyCode::Down; 3].map(shown), ["one", "three", ""]);
}

#[test]
fn enter_opens_and_escape_closes() {
    let mut person = Person::new();
    let subject = Subject::Source(ip("198.51.100.100"));
    assert_eq!(person.press(KeyCode::Enter), Some(Effect::Send(Request::History(subject))));
    let answer = |of| (Request::History(of), Ok(Answer::History(Box::new(history()))));
    let (request, reply) = answer(Subject::Port(1));
    on_reply(&mut person.state, &request, reply);
    assert_eq!(person.state.detail.as_ref().and_then(|detail| detail.history.clone()), None::<History>, "of another");
    let (request, reply) = answer(subject);
    on_reply(&mut person.state, &request, reply);
    assert_eq!(person.state.detail.as_ref().and_then(|detail| detail.history.clone()), Some(history()));
    assert_eq!(on_snapshot(&mut person.state, &person.snapshot), Some(Effect::Send(Request::History(subject))));
    person.press(KeyCode::Esc);
    assert_eq!(person.state.detail, None);
    assert_eq!(person.selected().as_deref(), Some("198.51.100.100"));
    assert_eq!(on_snapshot(&mut person.state, &person.snapshot), None);
}

#[test]
fn a_country_leads_to_its_sources() {
    let mut person = Person::new();
    person.types("5");
    person.press(KeyCode::Enter);
    assert_eq!(person.state.view, SOURCES);
    assert_eq!(person.state.table().filter.as_ref().map(|filter| filter.text.as_str()), Some("country:US"));
    assert_eq!(person.ips().len(), 8);
}

#[test]
fn connections_of_the_host_with_itself_are_hidden_until_the_filter_is_cleared() {
    let mut person = Person::new();
    person.state = State { size: (120, 40), ..State::from(Options::default()) };
    person.types("C");
    assert_eq!(person.state.view, CONNECTIONS);
    assert_eq!(person.state.table().filter.as_ref().map(|filter| filter.text.as_str()), Some("!scope:local"));
    let rows = person.ips().len();
    person.press(KeyCode::Esc);
    assert_eq!((person.state.table().filter.clone(), person.ips().len()), (None, rows + 1));
}

#[test]
fn a_process_leads_to_its_connections_and_these_to_their_other_end() {
    let mut person = Person::new();
    person.types("P");
    let history = |subject| Some(Effect::Send(Request::History(subject)));
    assert_eq!(person.press(KeyCode::Enter), history(Subject::Process(812)));
    person.press(KeyCode::Enter);
    assert_eq!(person.state.view, CONNECTIONS);
    assert_eq!(person.state.table().filter.as_ref().map(|filter| filter.text.as_str()), Some("pid:812"));
    // The one that is connected, and the one that listens.
    assert_eq!(person.ips(), ["203.0.113.200", "::"]);
    assert_eq!(person.press(KeyCode::Enter), history(Subject::Connection(7)));
    assert_eq!(person.press(KeyCode::Enter), history(Subject::Source(ip("203.0.113.200"))));
    assert_eq!(person.press(KeyCode::Enter), None, "nothing is behind that");
}

#[test]
fn connections_can_be_summed_up_by_one_thing_after_the_other() {
    let mut person = Person::new();
    let sum = |name: &str| ConnectionSum { name: name.into(), connections: 2, ..ConnectionSum::default() };
    let connections = Arc::make_mut(&mut person.snapshot).connections.as_mut().map(Arc::make_mut).expect("connections");
    connections.sums.process = vec![sum("nginx"), sum("")];
    connections.sums.country = vec![sum("DE")];
    person.types("+");
    assert_eq!((person.state.view, person.ips()), (CONNECTIONS, vec!["nginx".to_string(), String::new()]));
    person.press(KeyCode::Enter);
    assert_eq!(person.state.table().filter.as_ref().map(|filter| filter.text.as_str()), Some("process:nginx"));
    person.types("+++++");
    assert_eq!(person.ips(), ["DE"]);
    person.types("+");
    assert_eq!(person.state.sums, None);
    assert_eq!(person.ips(), ["203.0.113.200", "::"], "each of those of nginx");
}

#[test]
fn what_has_ended_can_be_hidden_whatever_the_filter() {
    let mut person = Person::new();
    let connections = Arc::make_mut(&mut person.snapshot).connections.as_mut().map(Arc::make_mut).expect("connections");
    let ended = Connection { cookie: 99, state: "CLOSED".into(), ended_ns: Some(1), ..connections.live[0].clone() };
    connections.ended.push(ended);
    person.types("C");
    person.press(KeyCode::Esc);
    let all = person.ips().len();
    person.types("l");
    assert_eq!(person.ips().len(), all - 1);
    person.types("/pid:812");
    person.press(KeyCode::Enter);
    assert_eq!(person.ips().len(), 2);
    person.types("l");
    assert_eq!(person.ips().len(), 3);
}

#[test]
fn columns_can_be_chosen_but_for_the_most_important() {
    let mut person = Person::new();
    person.types("cj ");
    assert!(person.state.table().without.is_empty());
    person.types("j j ");
    assert_eq!(person.state.table().without, [2, 3].into());
    person.types(" q");
    assert_eq!((person.state.table().without.clone(), person.state.columns), ([2].into(), None));
}

#[test]
fn columns_are_made_wider_and_narrower_from_the_width_that_they_have() {
    let mut person = Person::new();
    let width = |person: &Person, at| {
        let shown = crate::panel::table::columns(&person.state, 120);
        shown.into_iter().find(|(one, _)| *one == at).map(|(_, width)| width)
    };
    let before = width(&person, 1).expect("it is shown");
    person.types("cj");
    (0..3).for_each(|_| _ = person.press(KeyCode::Left));
    person.press(KeyCode::Right);
    assert_eq!((width(&person, 1), person.state.view), (Some(before - 2), SOURCES));
    (0..99).for_each(|_| _ = person.press(KeyCode::Left));
    assert_eq!(width(&person, 1), Some(1));
    (0..999).for_each(|_| _ = person.press(KeyCode::Right));
    assert_eq!((person.state.table().widths.clone(), width(&person, 1)), ([(1, 500)].into(), Some(120)));
    assert_eq!(width(&person, 2), None, "there is no room for it");
    person.types("=");
    assert_eq!((person.state.table().widths.len(), width(&person, 1)), (0, Some(before)));
    // One that is not shown begins with the least.
    person.types("jjj ");
    person.press(KeyCode::Right);
    assert_eq!(person.state.table().widths, [(4, person.state.listing().heads()[4].widths[0] + 1)].into());
}

#[test]
fn the_chart_goes_back_a_minute_or_ten_or_is_gone() {
    let mut person = Person::new();
    for (span, told) in [(Span::TenMinutes, "chart: 10 min"), (Span::Off, "chart: off"), (Span::Minute, "chart: 60 s")]
    {
        person.types("z");
        assert_eq!(person.state.chart, span);
        assert_eq!(person.state.notice.as_ref().map(|notice| notice.text.as_str()), Some(told));
    }
    person.state.size = (80, 24);
    person.types("z");
    let told = person.state.notice.map(|notice| notice.text);
    assert_eq!(told.as_deref(), Some("chart: 10 min; it needs a terminal of 100 by 35"));
}

#[test]
fn an_alert_opens_then_whom_it_is_about_and_each_is_closed_in_its_turn() {
    let mut person = Person::new();
    let alerts: Vec<_> = crate::fixture::attacks::all().into_iter().map(|(_, alert)| alert).collect();
    person.snapshot = Arc::new(Snapshot { alerts, ..busy() });
    person.types("8");
    assert_eq!(person.press(KeyCode::Enter), None);
    assert_eq!(person.state.alert.as_ref().map(|open| open.last.id), Some(7));
    let target = Subject::Destination(ip("203.0.113.10"));
    assert_eq!(person.press(KeyCode::Enter), Some(Effect::Send(Request::History(target))));
    assert!(person.state.detail.is_some() && person.state.alert.is_some());
    person.press(KeyCode::Esc);
    assert!(person.state.detail.is_none() && person.state.alert.is_some());
    person.types("a");
    assert!(person.state.attention.is_acknowledged(&person.snapshot.alerts[0]));
    // What it is called may change while it is open.
    let mut newer = Snapshot::clone(&person.snapshot);
    (newer.alerts[0].kind, newer.alerts[0].value) = ("volumetric".into(), 9.0);
    person.snapshot = Arc::new(newer);
    on_snapshot(&mut person.state, &person.snapshot);
    assert_eq!(person.state.alert.as_ref().map(|open| open.last.value), Some(9.0));
    person.press(KeyCode::Esc);
    assert!(person.state.alert.is_none() && person.state.view == ALERTS);
    // A prefix leads to the destinations in it.
    person.types("gj");
    (0..2).for_each(|_| _ = person.press(KeyCode::Enter));
    assert_eq!((person.state.view, person.state.alert.is_none()), (nettop_views::view::DESTINATIONS, true));
    assert_eq!(person.state.table().filter.as_ref().map(|filter| filter.text.as_str()), Some("ip:198.18.4.0/22"));
}

#[test]
fn alerts_are_marked_in_their_view() {
    let mut person = Person::new();
    person.types("a");
    assert!(person.state.notice.as_ref().is_some_and(|notice| notice.text.contains("press 8")));
    person.types("8jja");
    let alert = person.snapshot.alerts[1].clone();
    assert!(person.state.attention.is_acknowledged(&alert));
    person.types("ax");
    assert!(!person.state.attention.is_acknowledged(&alert) && person.state.attention.is_muted(&alert));
}

#[test]
fn a_frozen_picture_stays_until_it_is_let_go() {
    let mut person = Person::new();
    person.types("f");
    assert!(person.state.frozen.as_ref().is_some_and(|frozen| Arc::ptr_eq(frozen, &person.snapshot)));
    person.types("f");
    assert!(person.state.frozen.is_none());
}

#[test]
fn copying_takes_the_selected_row() {
    let mut person = Person::new();
    person.types("jj");
    let chosen = person.selected().unwrap();
    assert_eq!(person.press(KeyCode::Char('Y')), Some(Effect::Copy(chosen)));
}

#[test]
fn the_mouse_does_what_the_keys_do() {
    let mut person = Person::new();
    let tabs = 3;
    let table = moving::areas(&person.state, &person.snapshot).of("table").y;
    assert_eq!(person.click(13, tabs), None);
    assert_eq!(person.state.view, 1);
    person.click(0, tabs);
    // A row, and once more.
    person.click(20, table + 2);
    assert_eq!(person.selected(), Some(person.ips()[1].clone()));
    let effect = person.click(20, table + 2);
    assert_eq!(effect, Some(Effect::Send(Request::History(Subject::Source(ip(&person.ips()[1]))))));
    person.press(KeyCode::Esc);
    person.press(KeyCode::Esc);
    // The head of the second column.
    person.click(6, table);
    let first = person.ips();
    person.click(6, table);
    assert_eq!(person.ips(), first.into_iter().rev().collect::<Vec<_>>());
    person.mouse(MouseEventKind::ScrollDown, 10, 10);
    assert_eq!(person.state.table().top, 3);
    (0..5).for_each(|_| _ = person.mouse(MouseEventKind::ScrollUp, 10, 10));
    assert_eq!((person.state.table().top, person.selected()), (0, None));
    assert_eq!(person.press(KeyCode::Char('m')), Some(Effect::Mouse(true)));
}

#[test]
fn keys_without_a_meaning_and_clicks_beside_do_nothing() {
    let mut person = Person::new();
    let before = format!("{:?}", person.state);
    for code in [KeyCode::Char('*'), KeyCode::F(5), KeyCode::Insert, KeyCode::Char('ü')] {
        assert_eq!(person.press(code), None);
    }
    assert_eq!(person.click(119, 39), None);
    assert_eq!(person.mouse(MouseEventKind::Moved, 5, 5), None);
    assert_eq!(format!("{:?}", person.state), before);
}
