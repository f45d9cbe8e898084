//! What the keys do, as a table: the hints, the help and the keyboard all read it.

use crossterm::event::KeyCode;
use layer::{ALERT, ALL, COLUMNS, DETAIL, HELP, HOOKS, SCREEN, TABLE, VIEWS};
use nettop_model::request::Request;
use nettop_views::view;

use super::{
    field::{self, Field},
    key::{Key, code, ctrl, plain},
    prompt::Act,
    table::arrange::Motion,
};

/// Keys and what they mean.
#[derive(Debug)]
pub struct Action {
    /// What configuration files call it.
    pub id: &'static str,
    /// Its usual keys; the hints name the first.
    pub keys: &'static [Key],
    /// A word for the hints; empty: it is not among them.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// Where it works: the sum of some of [`layer`].
    pub layers: u8,
    /// What to do.
    pub does: Does,
}

/// What keys are about: what was opened last. Of a prompt only keys with Ctrl are not.
pub mod layer {
    /// A table.
    pub const TABLE: u8 = 1;
    /// Everything known of one thing.
    pub const DETAIL: u8 = 2;
    /// The list of columns.
    pub const COLUMNS: u8 = 4;
    /// The help.
    pub const HELP: u8 = 8;
    /// What is known of one alert.
    pub const ALERT: u8 = 16;
    /// What the operator has prepared to be run.
    pub const HOOKS: u8 = 32;
    /// The list of views.
    pub const VIEWS: u8 = 64;
    /// A table, or what it led to.
    pub const SCREEN: u8 = TABLE | DETAIL | ALERT;
    /// All of them.
    pub const ALL: u8 = SCREEN | COLUMNS | HELP | HOOKS | VIEWS;
}

/// What an action does.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Opens the prompt for a field.
    Edit(&'static Field),
    /// Opens the prompt for the filter of the view.
    Find,
    /// Opens the prompt for what becomes of packets from what is selected.
    Act(Act),
    /// Opens the list of hooks, or closes it.
    Hooks,
    /// Runs the hook under the cursor.
    RunHook,
    /// Sends a request to the engine.
    Ask(fn() -> Request),
    /// Stops counting, or goes on.
    Pause,
    /// Stops showing what is new, or goes on; counting goes on.
    Freeze,
    /// Writes everything to files.
    Export,
    /// Writes the rows of the view to files.
    ExportView,
    /// Copies what the selected row is known by.
    Copy,
    /// Moves.
    Move(Motion),
    /// Goes to so many views further.
    Turn(isize),
    /// Goes to the view whose key was pressed: the first key is that of the first view.
    View,
    /// Opens the list of views, or closes it.
    Views,
    /// Opens the selected row, or takes the chosen column in or out.
    Enter,
    /// Closes what was opened last.
    Back,
    /// Sorts by the next column.
    Sort,
    /// Sorts the other way round.
    Reverse,
    /// Opens the list of columns.
    Columns,
    /// Widens the chosen column by so many cells; `None`: gives it the width again that follows from the terminal.
    Widen(Option<i16>),
    /// Shows the panels below the sources, or not.
    Panels,
    /// Shows connections that have ended, or not.
    Ended,
    /// Shows only what is of addresses with a reason for suspicion, or everything.
    Suspicious,
    /// Sums connections up by the next thing that they have in common, or not any more.
    Sums,
    /// Takes the next span of the chart, or none.
    Chart,
    /// Marks the selected alert as seen, or not.
    Acknowledge,
    /// Keeps alerts such as the selected one out of the way, or not any more.
    Mute,
    /// Opens the help.
    Help,
    /// Takes the next units.
    Units,
    /// Takes the next theme.
    Theme,
    /// Listens to the mouse, or leaves it to the terminal.
    Mouse,
    /// Paints the whole screen again.
    Repaint,
    /// Gives the terminal back to the shell, and stops.
    Suspend,
    /// Ends the monitor.
    Quit,
}

const fn row(
    id: &'static str,
    keys: &'static [Key],
    name: &'static str,
    help: &'static str,
    layers: u8,
    does: Does,
) -> Action {
    Action { id, keys, name, help, layers, does }
}

/// The keys that usually open the views, in their order.
pub const VIEW_KEYS: &[Key] = &{
    let mut keys = [plain(' '); view::KEYS.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = plain(view::KEYS[at]);
        at += 1;
    }
    keys
};

/// Every action of the screen, outside of a prompt, in the order of the hints.
pub const ACTIONS: &[Action] = &[
    row("help", &[plain('?'), code(KeyCode::F(1))], "help", "this help, and what the badges mean", ALL, Does::Help),
    row(
        "back",
        &[code(KeyCode::Esc), code(KeyCode::Backspace)],
        "",
        "close what was opened last, the selection, the filter",
        ALL,
        Does::Back,
    ),
    row("next-view", &[code(KeyCode::Tab), code(KeyCode::Right)], "view", "next view", SCREEN, Does::Turn(1)),
    row("previous-view", &[code(KeyCode::BackTab), code(KeyCode::Left)], "", "view before", SCREEN, Does::Turn(-1)),
    row("view", VIEW_KEYS, "", "go to the view of this key", SCREEN | VIEWS, Does::View),
    row("views", &[plain('V')], "", "every view, with its key", SCREEN | VIEWS, Does::Views),
    row("go", &[code(KeyCode::Enter), plain(' ')], "go", "go to the view under the cursor", VIEWS, Does::Enter),
    row(
        "open",
        &[code(KeyCode::Enter)],
        "detail",
        "open the selected row: all that is known, or its sources; then whom it is about",
        TABLE | ALERT,
        Does::Enter,
    ),
    row(
        "further",
        &[code(KeyCode::Enter)],
        "",
        "from a process to its connections, from a connection to its other end",
        DETAIL,
        Does::Enter,
    ),
    row("choose", &[code(KeyCode::Enter), plain(' ')], "choose", "show the column, or not", COLUMNS, Does::Enter),
    row("narrower", &[code(KeyCode::Left)], "narrower", "make the column narrower", COLUMNS, Does::Widen(Some(-1))),
    row("wider", &[code(KeyCode::Right)], "wider", "make the column wider", COLUMNS, Does::Widen(Some(1))),
    row(
        "auto-width",
        &[plain('=')],
        "auto",
        "let the width of the column follow from the terminal again",
        COLUMNS,
        Does::Widen(None),
    ),
    row("find", &[plain('/')], "find", "filter the view, not what is counted", TABLE, Does::Find),
    row("sort", &[plain('o')], "sort", "sort by the next column, after the last as counted", TABLE, Does::Sort),
    row("reverse", &[plain('O')], "", "sort the other way round", TABLE, Does::Reverse),
    row("acknowledge", &[plain('a')], "", "mark the selected alert as seen, or not", TABLE | ALERT, Does::Acknowledge),
    row("mute", &[plain('x')], "", "mute alerts of this rule about this address, or not", TABLE | ALERT, Does::Mute),
    row(
        "block",
        &[plain('b')],
        "block",
        "block the selected address or prefix, after a question",
        SCREEN,
        Does::Act(Act::Block),
    ),
    row(
        "unblock",
        &[plain('D')],
        "",
        "end the block of the selected address or prefix, after a question",
        SCREEN,
        Does::Act(Act::Unblock),
    ),
    row(
        "allow",
        &[plain('A')],
        "",
        "never block the selected address or prefix, after a question",
        SCREEN,
        Does::Act(Act::Allow),
    ),
    row("hooks", &[plain('i')], "", "run what is prepared in [[hooks]] on the selected row", SCREEN, Does::Hooks),
    row("run", &[code(KeyCode::Enter)], "run", "run the hook", HOOKS, Does::RunHook),
    row("filter-dst", &[plain('d')], "dst", "filter by destination IP", SCREEN, Does::Edit(&field::DESTINATION)),
    row("filter-port", &[plain('p')], "ports", "filter by destination ports", SCREEN, Does::Edit(&field::PORTS)),
    row("filter-src", &[plain('s')], "src", "filter by source IP", SCREEN, Does::Edit(&field::SOURCE)),
    row("filter-proto", &[plain('y')], "proto", "filter by protocol", SCREEN, Does::Edit(&field::PROTOCOLS)),
    row(
        "top",
        &[plain('t')],
        "top",
        "choose how many sources to show above the panels",
        SCREEN,
        Does::Edit(&field::TOP),
    ),
    row("pause", &[plain(' ')], "pause", "pause or resume counting", SCREEN, Does::Pause),
    row("freeze", &[plain('f')], "freeze", "hold the picture, or let it go on; counting goes on", SCREEN, Does::Freeze),
    row("reset", &[plain('r')], "reset", "start counting anew", SCREEN, Does::Ask(|| Request::Reset)),
    row("export", &[plain('e')], "export", "write a snapshot and the table of sources", SCREEN, Does::Export),
    row("export-view", &[plain('E')], "", "write the rows of this view, as CSV and JSON", TABLE, Does::ExportView),
    row(
        "copy",
        &[plain('Y')],
        "",
        "copy the address of the selected row, or what a hook printed, to the clipboard, by the terminal",
        SCREEN | HOOKS,
        Does::Copy,
    ),
    row("columns", &[plain('c')], "columns", "choose the columns", TABLE, Does::Columns),
    row("panels", &[plain('v')], "panels", "show the panels below the sources, or not", TABLE, Does::Panels),
    row(
        "sums",
        &[plain('+')],
        "",
        "connections: sums by process, unit, remote address, port, country, or each of them",
        TABLE,
        Does::Sums,
    ),
    row("ended", &[plain('l')], "", "show connections that have ended, or not", TABLE, Does::Ended),
    row(
        "suspicious",
        &[plain('!')],
        "",
        "show only addresses that logs give a reason to suspect, in every view that has addresses; or all",
        SCREEN,
        Does::Suspicious,
    ),
    row(
        "chart",
        &[plain('z')],
        "",
        "chart of the last 60 seconds, of the last 10 minutes, or none",
        TABLE,
        Does::Chart,
    ),
    row("units", &[plain('u')], "units", "next units of bytes", SCREEN, Does::Units),
    row("theme", &[plain('T')], "", "next theme", SCREEN, Does::Theme),
    row(
        "mouse",
        &[plain('m')],
        "",
        "leave the mouse to the terminal, to select text, or take it back",
        ALL,
        Does::Mouse,
    ),
    row("up", &[code(KeyCode::Up), plain('k')], "", "one row up", ALL, Does::Move(Motion::Rows(-1))),
    row("down", &[code(KeyCode::Down), plain('j')], "", "one row down", ALL, Does::Move(Motion::Rows(1))),
    row("page-up", &[code(KeyCode::PageUp), ctrl('b')], "", "one screen up", ALL, Does::Move(Motion::Pages(-1))),
    row("page-down", &[code(KeyCode::PageDown), ctrl('f')], "", "one screen down", ALL, Does::Move(Motion::Pages(1))),
    row("first", &[plain('g'), code(KeyCode::Home)], "", "to the first row", ALL, Does::Move(Motion::First)),
    row("last", &[plain('G'), code(KeyCode::End)], "", "to the last row", ALL, Does::Move(Motion::Last)),
    row("repaint", &[ctrl('l')], "", "paint the whole screen again", ALL, Does::Repaint),
    row(
        "suspend",
        &[ctrl('z')],
        "",
        "stop, counting too, and give the terminal back to the shell, whose fg goes on",
        ALL,
        Does::Suspend,
    ),
    row("end", &[ctrl('c')], "", "end the monitor, even from a prompt", ALL, Does::Quit),
    row("close", &[plain('q')], "close", "close this", HELP | COLUMNS | HOOKS | VIEWS, Does::Back),
    row("quit", &[plain('q')], "quit", "end the monitor", SCREEN, Does::Quit),
];
