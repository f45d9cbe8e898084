//! The dialogs of blocks: what a block would do, and that nothing is done by Enter alone.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};
use nettop_model::{
    answer::Answer,
    net::Net,
    request::{Block, Hook, Request, Unblock, hook::Target},
    snapshot::{Origin, Snapshot, With},
};
use serde_json::{Map, Value, json};

use super::screen;
use crate::{
    fixture::{
        attacks,
        blocks::{dropping, plan},
        busy,
    },
    state::State,
    update::{Effect, on_key, on_reply},
};

struct Person {
    state: State,
    snapshot: Arc<Snapshot>,
}

impl Person {
    fn presses(&mut self, code: KeyCode) -> Option<Effect> {
        on_key(&mut self.state, &self.snapshot, KeyEvent::from(code))
    }

    fn types(&mut self, text: &str) -> Vec<Effect> {
        text.chars().filter_map(|character| self.presses(KeyCode::Char(character))).collect()
    }

    /// The monitor says what a block would do.
    fn is_told(&mut self, asked: &Effect, refused: &Value) {
        let Effect::Send(request) = asked else { panic!("{asked:?} is no request") };
        let fields = Map::from_iter([("plan".to_string(), plan(refused))]);
        on_reply(&mut self.state, request, Ok(Answer::Fields(fields)));
    }

    fn notice(&self) -> &str {
        self.state.notice.as_ref().map_or("", |notice| notice.text.as_str())
    }
}

fn person() -> Person {
    let mut person = Person { state: State { size: (120, 40), ..State::default() }, snapshot: Arc::new(busy()) };
    person.presses(KeyCode::Down);
    person
}

fn net() -> Net {
    "198.51.100.100".parse().expect("an address")
}

#[test]
fn a_block_is_asked_for_and_enter_alone_does_nothing() {
    let mut person = person();
    let asked = person.types("b");
    let wanted = Block { with: Some(With::Print), ..Block::new(net()) };
    assert_eq!(asked, [Effect::Send(wanted.into())], "what would it do?");
    person.is_told(&asked[0], &Value::Null);
    for (width, height) in [(80, 24), (120, 40)] {
        person.state.size = (width, height);
        insta::assert_snapshot!(format!("block_{width}x{height}"), screen((width, height), &busy(), &person.state));
    }
    assert_eq!(person.presses(KeyCode::Enter), None);
    assert!(person.notice().contains("for how long"), "{}", person.notice());
    assert_eq!(person.types("10m"), []);
    let block = Block { with: Some(With::Xdp), reason: "by hand".into(), ..Block::new(net()) };
    assert_eq!(person.presses(KeyCode::Enter), Some(Effect::Send(block.into())));
    assert!(person.state.prompt.is_none());
}

#[test]
fn what_a_guard_refuses_is_blocked_only_by_who_types_it() {
    let mut person = person();
    let asked = person.types("b");
    let why = "it is where somebody is connected to sshd from";
    person.is_told(&asked[0], &json!({"guard": "ssh", "why": why, "yields": true}));
    insta::assert_snapshot!("block_refused_120x40", screen((120, 40), &busy(), &person.state));
    person.types("10m");
    assert_eq!(person.presses(KeyCode::Enter), None);
    assert!(person.notice().contains("10m 198.51.100.100"), "{}", person.notice());
    person.types(" 198.51.100.100");
    let block = Block { with: Some(With::Xdp), reason: "by hand".into(), confirm: Some(net()), ..Block::new(net()) };
    assert_eq!(person.presses(KeyCode::Enter), Some(Effect::Send(block.into())));
}

#[test]
fn the_header_says_what_blocks_drop_whatever_is_shown() {
    let snapshot = Snapshot { blocks: Some(dropping().into()), ..busy() };
    let mut person = person();
    person.types("B");
    for (width, height) in [(40, 10), (80, 24), (120, 40)] {
        person.state.size = (width, height);
        insta::assert_snapshot!(
            format!("dropping_{width}x{height}"),
            screen((width, height), &snapshot, &person.state)
        );
    }
}

#[test]
fn a_block_ends_where_yes_is_typed() {
    let mut person = person();
    person.types("B");
    person.presses(KeyCode::Home);
    assert_eq!(person.types("D"), []);
    assert_eq!(person.presses(KeyCode::Enter), None);
    person.types("yes");
    let net = "198.51.100.0/24".parse().expect("a prefix");
    assert_eq!(person.presses(KeyCode::Enter), Some(Effect::Send(Request::Unblock(Unblock { net }))));
    // Esc leaves everything as it is.
    person.types("Dyes");
    assert_eq!((person.presses(KeyCode::Esc), person.state.prompt.is_none()), (None, true));
}

#[test]
fn what_is_no_address_is_not_asked_about() {
    let mut person = person();
    person.types("3");
    person.presses(KeyCode::Home);
    assert_eq!(person.types("b"), []);
    assert!(person.notice().contains("select an address"), "{}", person.notice());
}

#[test]
fn tab_chooses_how_and_print_blocks_nothing() {
    let mut person = person();
    let asked = person.types("b");
    person.is_told(&asked[0], &Value::Null);
    person.types("10m");
    person.presses(KeyCode::BackTab);
    assert_eq!((person.presses(KeyCode::Enter), person.state.block_with), (None, With::Print));
    assert!(person.notice().contains("print blocks nothing"), "{}", person.notice());
    person.presses(KeyCode::BackTab);
    let block = Block { with: Some(With::Nft), reason: "by hand".into(), ..Block::new(net()) };
    assert_eq!(person.presses(KeyCode::Enter), Some(Effect::Send(block.into())));
}

fn hook(key: char, target: Target) -> Option<Effect> {
    Some(Effect::Send(Hook { key, target }.into()))
}

#[test]
fn a_hook_runs_on_what_is_selected_and_what_it_prints_is_shown() {
    let mut person = person();
    let ip = Target { ip: "198.51.100.100".parse().ok(), ..Target::default() };
    // By its own key, wherever that is free.
    assert_eq!(person.presses(KeyCode::Char('w')), hook('w', ip.clone()));
    person.types("i");
    insta::assert_snapshot!("hooks_120x40", screen((120, 40), &busy(), &person.state));
    person.presses(KeyCode::Down);
    let asked = person.presses(KeyCode::Enter);
    assert_eq!(asked, hook('h', ip));
    let Some(Effect::Send(request)) = asked else { panic!("no request") };
    let mut fields = Map::new();
    fields.insert("hook".into(), "tell the team".into());
    fields.insert("took_ms".into(), 12.into());
    fields.insert("output".into(), format!("first\nESC \u{1b}[2J RLO \u{202e} end\n{}", "line\n".repeat(60)).into());
    fields.insert("cut".into(), 7.into());
    on_reply(&mut person.state, &request, Ok(Answer::Fields(fields)));
    for (width, height) in [(80, 24), (120, 40)] {
        person.state.size = (width, height);
        insta::assert_snapshot!(
            format!("hook_output_{width}x{height}"),
            screen((width, height), &busy(), &person.state)
        );
    }
    let Some(Effect::Copy(text)) = person.presses(KeyCode::Char('Y')) else { panic!("nothing is copied") };
    assert!(text.starts_with("first\nESC \\u{1b}[2J RLO \\u{202e} end\nline"), "{text}");
    person.presses(KeyCode::End);
    let shown = screen(person.state.size, &busy(), &person.state);
    assert!(shown.contains("7 bytes that are not kept"), "{shown}");
    person.presses(KeyCode::Esc);
    assert!(person.state.hooks.is_none());
}

#[test]
fn a_hook_of_an_alert_gets_its_words() {
    let mut person = person();
    let (alert, last) = (attacks::scan(), |person: &mut Person| person.presses(KeyCode::Char('h')));
    person.snapshot = Arc::new(Snapshot { alerts: vec![alert.clone()], ..busy() });
    person.types("8");
    person.presses(KeyCode::Home);
    let Some(Effect::Send(Request::Hook(Hook { key: 'h', target, .. }))) = last(&mut person) else {
        panic!("no hook runs")
    };
    let words = (target.rule.as_deref(), target.text.as_deref());
    assert_eq!(words, (Some(&*alert.kind), Some(alert.message.as_str())));
    assert_eq!(target.ip.map(Origin::Ip), alert.source);
    assert_eq!(target.target, alert.target.map(|target| target.ip));
}

#[test]
fn a_flood_of_many_is_blocked_by_the_fewest_prefixes() {
    let mut person = person();
    person.snapshot = Arc::new(Snapshot { alerts: vec![attacks::syn()], ..busy() });
    person.types("8");
    person.presses(KeyCode::Home);
    assert_eq!(person.types("b"), [Effect::Send(Request::Cover)]);
    let row = |net: &str, pps: f64, connections: u64| {
        json!({"net": net, "pps": pps, "sources": 256, "connections": connections, "bytes": 5_000 * connections,
            "visitors": 3 * connections, "refused": if net.starts_with("203") { json!({"guard": "gateway"}) } else { Value::Null }})
    };
    let prefixes = [row("198.51.100.0/24", 4e5, 0), row("192.0.2.0/24", 3e5, 2), row("203.0.113.0/24", 2e5, 0)];
    let cover = json!({"found": true, "pps": 1e6, "share": 0.9, "prefixes": prefixes});
    let told = |cover: &Value| Ok(Answer::Fields(Map::from_iter([("cover".to_string(), cover.clone())])));
    on_reply(&mut person.state, &Request::Cover, told(&cover));
    for (width, height) in [(80, 24), (120, 40)] {
        person.state.size = (width, height);
        insta::assert_snapshot!(
            format!("cover_{width}x{height}"),
            screen((width, height), &person.snapshot, &person.state)
        );
    }
    assert_eq!(person.presses(KeyCode::Enter), None);
    person.types("10m all");
    let Some(Effect::Send(Request::Block(first))) = person.presses(KeyCode::Enter) else {
        panic!("nothing is blocked")
    };
    assert_eq!((first.net.to_string().as_str(), first.confirm), ("198.51.100.0/24", Some(first.net)));
    assert_eq!(person.state.to_send.len(), 1, "one is guarded");

    // From everywhere: that is said, and nothing is open any more.
    person.state.to_send.clear();
    person.types("b");
    on_reply(&mut person.state, &Request::Cover, told(&json!({"found": false, "prefixes": []})));
    assert!(person.state.prompt.is_none() && person.notice().contains("from everywhere"), "{}", person.notice());
}
