//! What the screen itself remembers; everything else it shows comes from the snapshot.

use std::{
    collections::{BTreeSet, VecDeque},
    net::IpAddr,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use nettop_model::{
    format::Units,
    query::{self, Query},
    request::Request,
    snapshot::{Alert, History, Snapshot, Subject, Visitor, With},
};
use nettop_views::{
    attention::Attention,
    table::{Id, Listed, Listing},
    view::{self, CONNECTIONS, VIEWS, connection_sums::TABLES},
};

use super::{
    action::layer, bindings::Bindings, chart::span::Span, preferences::Preferences, prompt::Prompt,
    table::arrange::TableState, theme::Choice,
};

/// How the user wants the screen at the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The place of the first view in [`VIEWS`].
    pub view: usize,
    /// How far back the chart goes.
    pub chart: Span,
    /// The units of bytes.
    pub units: Units,
    /// Numbers only: no names of ports.
    pub numeric: bool,
    /// ASCII only.
    pub ascii: bool,
    /// Listen to the mouse; then the terminal selects text only with Shift held.
    pub mouse: bool,
    /// The colours; `None`: as the environment wants it.
    pub theme: Option<Choice>,
    /// Its keys and tables.
    pub preferences: Preferences,
}

/// The screen's own state. Two that are equal make the same picture of the same snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How the user wanted it.
    pub options: Arc<Options>,
    /// The terminal's columns and lines.
    pub size: (u16, u16),
    /// The place of the view in [`VIEWS`].
    pub view: usize,
    /// How each view's table is wanted.
    pub tables: [TableState; VIEWS.len()],
    /// What is known of one alert, while that is open; a detail may stand in front of it.
    pub alert: Option<OpenAlert>,
    /// Everything known of one thing, while that is open.
    pub detail: Option<Detail>,
    /// What logs claim of the address that was selected last beside the lines of logs, as the engine has told.
    pub visitor: Option<(IpAddr, Box<Visitor>)>,
    /// The column under the cursor of the list of columns, while that is open.
    pub columns: Option<usize>,
    /// The view under the cursor of the list of views, while that is open.
    pub views: Option<usize>,
    /// The hooks, while these are open.
    pub hooks: Option<HookDialog>,
    /// The first line of the help that can be seen, while it is open.
    pub help: Option<usize>,
    /// The prompt, while one is open.
    pub prompt: Option<Prompt>,
    /// How a block would be made that is asked for.
    pub block_with: With,
    /// What a block would do that is asked for, as the monitor tells it.
    pub plan: Option<serde_json::Value>,
    /// Requests that are sent one after the other, each when the one before was answered.
    pub to_send: VecDeque<Request>,
    /// Whether the prompt's text may have changed since it was last looked at.
    pub typed: bool,
    /// The filter that was in force when its prompt was opened.
    pub query_before: Option<Query>,
    /// Filters of views that were applied, the newest last.
    pub queries: Vec<String>,
    /// What is shown while nothing new is to be shown.
    pub frozen: Option<Frozen>,
    /// Alerts that were seen, and those that are not wanted.
    pub attention: Attention,
    /// Whether the sources have the screen for themselves.
    pub without_panels: bool,
    /// Whether connections are summed up, by which of [`TABLES`], and how that table is wanted.
    pub sums: Option<(usize, TableState)>,
    /// Whether connections that have ended are hidden.
    pub without_ended: bool,
    /// Whether only addresses with a reason are shown.
    pub suspicious: bool,
    /// How far back the chart goes.
    pub chart: Span,
    /// The units of bytes.
    pub units: Units,
    /// The colours.
    pub theme: Choice,
    /// Whether the screen listens to the mouse.
    pub mouse: bool,
    /// The newest thing to tell; where there is room, the engine's message is shown when there is none.
    pub notice: Option<Notice>,
    /// Requests whose answer has not come yet.
    pub unanswered: usize,
    /// What pause was last asked for, until a snapshot can have it: two quick presses must undo each other.
    pub pause_asked: Option<bool>,
    /// Whether an export is being written.
    pub exporting: bool,
    /// Whether the terminal owes answers, so that nobody knows what of the picture it has shown.
    pub misses_answers: bool,
    /// How long ago the newest snapshot came, in whole seconds.
    pub silent_for: Duration,
    /// The engine's message in the newest snapshot, to see when it changes.
    pub engine_message: String,
}

/// A snapshot that stays. It never changes, so it equals only itself: thousands of rows are not compared at every key.
#[derive(Clone, Debug)]
pub struct Frozen(pub Arc<Snapshot>);

impl PartialEq for Frozen {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Frozen {
    type Target = Arc<Snapshot>;

    fn deref(&self) -> &Arc<Snapshot> {
        &self.0
    }
}

/// Everything known of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Of what.
    pub subject: Subject,
    /// How much there was lately; `None`: the engine has not told yet.
    pub history: Option<History>,
    /// Of a process its command line, or why there is none; `None`: the engine has not told yet.
    pub command: Option<Result<String, String>>,
    /// The first line that can be seen.
    pub top: usize,
}

/// What the operator has prepared to be run, while that is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HookDialog {
    /// The one under the cursor.
    pub cursor: usize,
    /// What the last one printed; `None`: the list is shown.
    pub output: Option<HookOutput>,
}

/// What a hook printed.
#[derive(Clone, Debug, PartialEq)]
pub struct HookOutput {
    /// What became of it.
    pub title: String,
    /// As it came.
    pub text: String,
    /// Bytes beyond that.
    pub cut: u64,
    /// Whether something went wrong.
    pub failed: bool,
    /// The first line that can be seen.
    pub top: usize,
}

/// What is known of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAlert {
    /// As it was listed last: it stays open when newer ones have pushed it out of the list.
    pub last: Box<Alert>,
    /// The first line that can be seen.
    pub top: usize,
}

impl OpenAlert {
    /// The alert as a snapshot has it. What a flood is called may change; its number does not.
    pub fn listed<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Alert> {
        snapshot.alerts.iter().find(|alert| alert.id == self.last.id)
    }
}

impl From<Options> for State {
    fn from(options: Options) -> Self {
        Self {
            view: options.view,
            tables: options.preferences.tables.clone(),
            chart: options.chart,
            units: options.units,
            theme: options.theme.unwrap_or_else(Choice::from_env),
            mouse: options.mouse,
            options: options.into(),
            ..Self::default()
        }
    }
}

impl State {
    /// Which keys do what.
    pub fn keys(&self) -> &Bindings {
        &self.options.preferences.keys
    }

    /// The snapshot that is to be seen: the newest, or the one that stays.
    pub fn shown<'a>(&'a self, newest: &'a Arc<Snapshot>) -> &'a Arc<Snapshot> {
        self.frozen.as_deref().unwrap_or(newest)
    }

    /// The view.
    pub fn listing(&self) -> &'static dyn Listing {
        let sums = self.sums.as_ref().filter(|_| self.view == CONNECTIONS).and_then(|(by, _)| TABLES.get(*by));
        sums.map_or(VIEWS[self.view.min(VIEWS.len() - 1)], |(_, table)| *table)
    }

    /// How its table is wanted.
    pub fn table(&self) -> &TableState {
        match &self.sums {
            Some((_, table)) if self.view == CONNECTIONS => table,
            _ => &self.tables[self.view.min(VIEWS.len() - 1)],
        }
    }

    /// The same, to change it.
    pub fn table_mut(&mut self) -> &mut TableState {
        match &mut self.sums {
            Some((_, table)) if self.view == CONNECTIONS => table,
            _ => &mut self.tables[self.view.min(VIEWS.len() - 1)],
        }
    }

    /// The rows of the view.
    pub fn listed<'a>(&self, snapshot: &'a Snapshot) -> Box<dyn Listed + 'a> {
        let TableState { filter, order, .. } = self.table();
        let hides = Some(view::without_ended(self.view)).filter(|_| self.without_ended && self.sums.is_none());
        let hides = hides.and_then(|hides| query::parse(hides).ok().flatten());
        let suspects = self.suspicious.then(|| Query::among(suspects(snapshot), "suspicious"));
        let added = hides.into_iter().chain(suspects).reduce(Query::and);
        let both = added.map(|added| match filter {
            Some(filter) => filter.clone().and(added),
            None => added,
        });
        self.listing().list(snapshot, both.as_ref().or(filter.as_ref()), *order)
    }

    /// The address of the selected row, where a row is one.
    pub fn selected_ip(&self) -> Option<IpAddr> {
        match self.table().selected {
            Some(Id::Ip(ip)) => Some(ip),
            _ => None,
        }
    }

    /// What keys are about: what was opened last.
    pub fn layer(&self) -> u8 {
        if self.help.is_some() {
            layer::HELP
        } else if self.hooks.is_some() {
            layer::HOOKS
        } else if self.views.is_some() {
            layer::VIEWS
        } else if self.columns.is_some() {
            layer::COLUMNS
        } else if self.detail.is_some() {
            layer::DETAIL
        } else if self.alert.is_some() {
            layer::ALERT
        } else {
            layer::TABLE
        }
    }
}

/// The addresses that logs give a reason to suspect.
fn suspects(snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let rows = snapshot.visits.iter().flat_map(|visits| &visits.rows);
    rows.filter(|row| !row.reasons.is_empty()).map(|row| row.ip).collect()
}

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// In a sentence.
    pub text: String,
    /// Whether something went wrong: then it stays until a key is pressed.
    pub error: bool,
    /// For how many seconds it has been shown.
    pub age: u32,
}

impl Notice {
    /// Something worth knowing for a while.
    pub fn info(text: impl Into<String>) -> Self {
        Self { text: text.into(), error: false, age: 0 }
    }

    /// Something that went wrong.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), error: true, age: 0 }
    }
}
