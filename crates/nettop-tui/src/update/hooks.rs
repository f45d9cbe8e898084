//! Running what the operator has prepared, on what is selected.

use nettop_model::{
    answer::{Answer, Reply},
    request::{Hook, hook::Target},
    snapshot::{HookRow, Origin, Snapshot, Subject},
};
use nettop_views::table::Id;

use super::{Effect, alerts, moving};
use crate::state::{HookDialog, HookOutput, Notice, State};

/// Opens the list of hooks, or closes it.
pub fn open(state: &mut State, snapshot: &Snapshot) {
    if state.hooks.take().is_some() {
        return;
    }
    match hooks(snapshot) {
        [] => {
            state.notice = Some(Notice::error(
                "there are no hooks: [[hooks]] in the monitor's configuration file prepares commands to run on a row",
            ));
        }
        _ => state.hooks = Some(HookDialog::default()),
    }
}

/// The hooks that there are.
pub fn hooks(snapshot: &Snapshot) -> &[HookRow] {
    snapshot.monitor.hooks.as_ref()
}

/// Runs the one under the cursor.
pub fn run_selected(state: &mut State, snapshot: &Snapshot) -> Option<Effect> {
    let dialog = state.hooks.as_ref().filter(|dialog| dialog.output.is_none())?;
    let key = hooks(snapshot).get(dialog.cursor)?.key;
    run(state, snapshot, key)
}

/// Runs the one of this key.
pub fn run(state: &mut State, snapshot: &Snapshot, key: char) -> Option<Effect> {
    let hook = hooks(snapshot).iter().find(|hook| hook.key == key)?;
    state.notice = Some(Notice::info(format!("{} runs …", hook.label)));
    let target = target(state, snapshot);
    Some(Effect::Send(Hook { key, target }.into()))
}

/// What is selected, or open, as far as hooks can be given it.
pub fn target(state: &State, snapshot: &Snapshot) -> Target {
    let connection = |cookie| {
        let row = snapshot.socket(cookie);
        Target { ip: row.and_then(|row| row.remote), port: row.and_then(|row| row.remote_port), ..Target::default() }
    };
    let ip = |ip| Target { ip: Some(ip), ..Target::default() };
    if let Some(detail) = &state.detail {
        return match detail.subject {
            Subject::Source(address) | Subject::Destination(address) => ip(address),
            Subject::Port(port) => Target { port: Some(port), ..Target::default() },
            Subject::Connection(cookie) => connection(cookie),
            Subject::Prefix(_) | Subject::Process(_) => Target::default(),
        };
    }
    let alert = alerts::current(state, snapshot);
    let id = match &state.alert {
        Some(open) => Some(Id::from(&*open.last)),
        None => moving::selected(state, snapshot),
    };
    let mut target = match &id {
        Some(Id::Ip(address)) => ip(*address),
        Some(Id::Block(net)) if net.is_address() => ip(net.first()),
        Some(Id::Connection(cookie, _)) => connection(*cookie),
        Some(Id::Port(port)) => Target { port: Some(*port), ..Target::default() },
        Some(Id::Mac(mac)) => Target { mac: Some(*mac), ..Target::default() },
        Some(Id::Alert(_, Some(Origin::Ip(address)), _)) => ip(*address),
        Some(Id::Alert(_, Some(Origin::Mac(mac)), _)) => Target { mac: Some(*mac), ..Target::default() },
        _ => Target::default(),
    };
    if let Some(alert) = alert {
        target.rule = Some(alert.kind.to_string());
        target.text = Some(alert.message.clone());
        target.target = alert.target.map(|target| target.ip);
        target.port = target.port.or(alert.target.and_then(|target| target.port));
    }
    target
}

/// A hook has ended: what it printed is shown.
pub fn on_done(state: &mut State, reply: Reply) {
    let fields = match reply {
        Ok(Answer::Fields(fields)) => fields,
        Ok(_) => return,
        Err(error) => {
            state.notice = Some(Notice::error(error));
            return;
        }
    };
    let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_string();
    let number = |name: &str| fields.get(name).and_then(|value| value.as_u64()).unwrap_or_default();
    let error = fields.get("error").and_then(|value| value.as_str());
    let title = match error {
        None => format!("{}: done in {} ms", text("hook"), number("took_ms")),
        Some(error) => format!("{}: {}", text("hook"), error.lines().next().unwrap_or_default()),
    };
    state.notice = Some(if error.is_some() { Notice::error(title.clone()) } else { Notice::info(title.clone()) });
    let output = HookOutput { title, text: text("output"), cut: number("cut"), failed: error.is_some(), top: 0 };
    // What prints nothing has said all that there is.
    if !output.text.trim().is_empty() {
        state.hooks = Some(HookDialog { output: Some(output), ..HookDialog::default() });
    } else if state.hooks.as_ref().is_some_and(|dialog| dialog.output.is_none()) {
        state.hooks = None;
    }
}
