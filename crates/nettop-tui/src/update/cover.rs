//! Blocking the fewest prefixes that carry most of a flood: what they are is asked first, and shown.

use nettop_model::{
    answer::{Answer, Reply},
    net::Net,
    request::{Block, Request, block},
    snapshot::With,
};
use serde_json::Value;

use super::Effect;
use crate::{
    prompt::{Prompt, Purpose},
    state::{Notice, State},
};

/// What has to be typed behind the time.
const ALL: &str = "all";

/// Opens the prompt, and asks which prefixes these are.
pub fn open(state: &mut State) -> Option<Effect> {
    state.plan = None;
    state.prompt = Some(Prompt::new(Purpose::Cover, ""));
    Some(Effect::Send(Request::Cover))
}

/// Which they are has been told.
pub fn on_found(state: &mut State, reply: Reply) {
    let close = |state: &mut State, why: String| {
        (state.prompt, state.plan) = (None, None);
        state.notice = Some(Notice::error(why));
    };
    if !matches!(state.prompt, Some(Prompt { purpose: Purpose::Cover, .. })) {
        return;
    }
    match reply {
        Ok(Answer::Fields(mut fields)) => match fields.remove("cover") {
            Some(found) if found["found"] == true => state.plan = Some(found),
            _ => close(
                state,
                "no 64 prefixes carry 90 % of what comes: it is from everywhere, most likely forged; block what it goes to upstream"
                    .into(),
            ),
        },
        Ok(_) => {}
        Err(error) => close(state, error),
    }
}

/// What the typed text asks for, or what is wrong with it. Prefixes that a guard refuses for good are left out.
///
/// # Errors
/// In a sentence.
pub fn requests(text: &str, with: With, found: Option<&Value>) -> Result<Vec<Request>, String> {
    let found = found.ok_or("it is not known yet which prefixes these are")?;
    let mut words = text.split_whitespace();
    let Some(time) = words.next() else {
        return Err("type for how long, and all: 10m all; Esc blocks nothing".into());
    };
    let seconds = block::duration(time)?;
    if (words.next(), words.next()) != (Some(ALL), None) {
        return Err(format!("to block all of them, type: {time} {ALL}"));
    }
    if with == With::Print {
        return Err("print blocks nothing; Tab chooses another way, such as xdp".into());
    }
    let rows = found["prefixes"].as_array().into_iter().flatten().filter(|row| row["refused"].is_null());
    let nets = rows.filter_map(|row| row["net"].as_str()?.parse::<Net>().ok());
    let block = |net| {
        let reason = "one of the prefixes that carry most of a flood".into();
        Block { with: Some(with), seconds, confirm: Some(net), reason, ..Block::new(net) }.into()
    };
    Ok(nets.map(block).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_is_typed_and_what_is_guarded_is_left_out() {
        let found = json!({"found": true, "prefixes": [
            {"net": "198.51.100.0/24", "refused": null},
            {"net": "203.0.113.0/24", "refused": {"guard": "gateway"}},
            {"net": "2001:db8::/48", "refused": null},
        ]});
        for (text, with, part) in [
            ("", With::Xdp, "type for how long"),
            ("10m", With::Xdp, "type: 10m all"),
            ("10m yes", With::Xdp, "type: 10m all"),
            ("10m all more", With::Xdp, "type: 10m all"),
            ("all", With::Xdp, "10s to 30d"),
            ("10m all", With::Print, "Tab chooses"),
        ] {
            let error = requests(text, with, Some(&found)).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(requests("10m all", With::Xdp, None).is_err());
        let asked = requests("10m all", With::Nft, Some(&found)).unwrap();
        let nets: Vec<_> = asked
            .iter()
            .map(|request| match request {
                Request::Block(Block { net, confirm, seconds: 600, with: Some(With::Nft), .. })
                    if *confirm == Some(*net) =>
                {
                    net.to_string()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(nets, ["198.51.100.0/24", "2001:db8::/48"]);
    }
}
