//! Blocking what is selected, ending that, and allowing it. Each opens a prompt into which something has to be typed: a bare Enter does nothing.

use nettop_model::{
    answer::{Answer, Reply},
    net::Net,
    request::{Allow, Block, Request, Unblock, block},
    snapshot::{Alert, Origin, Snapshot, Subject, With},
};
use nettop_views::table::Id;
use serde_json::Value;

use super::{Effect, alerts, moving};
use crate::{
    prompt::{Act, Prompt, Purpose},
    state::{Notice, State},
};

/// Opens the prompt for what is selected, and asks what a block of it would do.
pub fn open(state: &mut State, snapshot: &Snapshot, act: Act) -> Option<Effect> {
    if act == Act::Block && is_flood_of_many(state, snapshot) {
        state.block_with = snapshot.blocks.as_deref().and_then(|blocks| blocks.with).unwrap_or_default();
        return super::cover::open(state);
    }
    let Some(net) = target(state, snapshot) else {
        state.notice =
            Some(Notice::error("select an address or a prefix: a source, a prefix, a connection, an alert, a block"));
        return None;
    };
    state.plan = None;
    state.block_with = snapshot.blocks.as_deref().and_then(|blocks| blocks.with).unwrap_or_default();
    state.prompt = Some(Prompt::new(Purpose::Act(act, net), ""));
    let plan = Block { with: Some(With::Print), ..Block::new(net) };
    (act == Act::Block).then(|| Effect::Send(plan.into()))
}

/// Whether what is selected, or open, is a flood that goes on and has no single source.
fn is_flood_of_many(state: &State, snapshot: &Snapshot) -> bool {
    let is_of_many = |alert: &Alert| alert.source.is_none() && alert.is_flooding();
    state.detail.is_none() && alerts::current(state, snapshot).is_some_and(is_of_many)
}

/// Takes the next way to make the block, of those that there are.
pub fn turn(state: &mut State, snapshot: &Snapshot, by: isize) {
    let Some(Prompt { purpose: Purpose::Act(Act::Block, _) | Purpose::Cover, .. }) = state.prompt else { return };
    let Some(blocks) = snapshot.blocks.as_deref().filter(|blocks| !blocks.methods.is_empty()) else { return };
    let at = blocks.methods.iter().position(|with| *with == state.block_with).unwrap_or_default() as isize;
    state.block_with = blocks.methods[(at + by).rem_euclid(blocks.methods.len() as isize) as usize];
}

/// The address or prefix that is selected, or that is open.
fn target(state: &State, snapshot: &Snapshot) -> Option<Net> {
    if let Some(detail) = &state.detail {
        return match detail.subject {
            Subject::Source(ip) => Some(ip.into()),
            Subject::Prefix(prefix) => prefix.to_string().parse().ok(),
            Subject::Connection(cookie) => snapshot.socket(cookie)?.remote.map(Net::from),
            Subject::Destination(_) | Subject::Port(_) | Subject::Process(_) => None,
        };
    }
    let id = match &state.alert {
        Some(open) => Id::from(&*open.last),
        None => moving::selected(state, snapshot)?,
    };
    match id {
        Id::Ip(ip) => Some(ip.into()),
        Id::Prefix(prefix) => prefix.to_string().parse().ok(),
        Id::Block(net) => Some(net),
        Id::Connection(_, Some(ip)) | Id::Alert(_, Some(Origin::Ip(ip)), _) => Some(ip.into()),
        _ => None,
    }
}

/// What a block would do has been told.
pub fn on_plan(state: &mut State, asked: &Block, reply: Reply) {
    match reply {
        Ok(Answer::Fields(mut fields)) => {
            let is_open = matches!(&state.prompt, Some(Prompt { purpose: Purpose::Act(Act::Block, net), .. }) if *net == asked.net);
            state.plan = fields.remove("plan").filter(|_| is_open);
        }
        Ok(_) => {}
        Err(error) => {
            state.prompt = None;
            state.notice = Some(Notice::error(error));
        }
    }
}

/// What the typed text asks for, or what is wrong with it.
///
/// # Errors
/// In a sentence.
pub fn request(act: Act, net: Net, text: &str, with: With, plan: Option<&Value>) -> Result<Request, String> {
    match act {
        Act::Block => typed_block(net, text, with, plan).map(Request::Block),
        _ if text != YES => Err(format!("type {YES} and press Enter; Esc leaves everything as it is")),
        Act::Unblock => Ok(Unblock { net }.into()),
        Act::Allow => Ok(Allow { net, revoke: false }.into()),
    }
}

/// What has to be typed where nothing has to be chosen.
const YES: &str = "yes";

/// `TIME`, and the address once more where a guard wants it.
fn typed_block(net: Net, text: &str, with: With, plan: Option<&Value>) -> Result<Block, String> {
    let mut words = text.split_whitespace();
    let Some(time) = words.next() else {
        return Err("type for how long, such as 10m, and press Enter; Esc blocks nothing".into());
    };
    let seconds = block::duration(time)?;
    if with == With::Print {
        return Err("print blocks nothing: it shows the commands above; Tab chooses another way, such as xdp".into());
    }
    let confirm = words.next().map(str::parse::<Net>).transpose()?;
    if let Some(more) = words.next() {
        return Err(format!("{more:?} is too much: a time, and the address where a guard wants it"));
    }
    let refused = plan.and_then(|plan| plan.get("refused")).filter(|refused| !refused.is_null());
    if refused.is_some() && confirm.is_none() {
        return Err(format!("a guard refuses; to block it all the same, type: {time} {net}"));
    }
    if confirm.is_some_and(|confirm| confirm != net) {
        return Err(format!("that is not {net}"));
    }
    Ok(Block { with: Some(with), seconds, confirm, reason: "by hand".into(), ..Block::new(net) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn something_has_to_be_typed() {
        let net: Net = "203.0.113.7".parse().unwrap();
        let guarded = json!({"refused": {"guard": "ssh"}});
        let block = |seconds, confirm| {
            Ok(Request::Block(Block {
                with: Some(With::Xdp),
                seconds,
                confirm,
                reason: "by hand".into(),
                ..Block::new(net)
            }))
        };
        for (act, text, plan, expected) in [
            (Act::Block, "", None, Err("for how long")),
            (Act::Block, "10m", None, block(600, None)),
            (Act::Block, "2h 203.0.113.7", None, block(7200, Some(net))),
            (Act::Block, "yes", None, Err("10s to 30d")),
            (Act::Block, "10m", Some(&guarded), Err("10m 203.0.113.7")),
            (Act::Block, "10m 203.0.113.8", Some(&guarded), Err("not 203.0.113.7")),
            (Act::Block, "10m 203.0.113.7", Some(&guarded), block(600, Some(net))),
            (Act::Block, "10m 203.0.113.7 x", None, Err("too much")),
            (Act::Unblock, "", None, Err("yes")),
            (Act::Unblock, "yes", None, Ok(Unblock { net }.into())),
            (Act::Allow, "y", None, Err("yes")),
            (Act::Allow, "yes", None, Ok(Allow { net, revoke: false }.into())),
        ] {
            match (request(act, net, text, With::Xdp, plan), expected) {
                (Ok(asked), Ok(expected)) => assert_eq!(asked, expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }
    #[test]
    fn print_blocks_nothing() {
        let net: Net = "203.0.113.7".parse().unwrap();
        let error = request(Act::Block, net, "10m", With::Print, None).unwrap_err();
        assert!(error.contains("Tab chooses another way"), "{error}");
        let asked = request(Act::Block, net, "10m", With::Nft, None);
        assert!(matches!(asked, Ok(Request::Block(Block { with: Some(With::Nft), .. }))), "{asked:?}");
    }
}
