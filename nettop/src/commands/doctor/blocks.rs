//! What can be blocked here: by the XDP program, by firewalls, by what is kept; and the processes that run firewalls and hooks.

use std::time::{SystemTime, UNIX_EPOCH};

use caps::{CapSet, Capability};
use nettop_actor::{
    firewall,
    job::{Done, End, Role, Setup},
    try_out,
};
use nettop_collect::{lifelines::LifelineWatch, privilege};
use nettop_engine::{Optional, blocks::kept};
use nettop_model::snapshot::{BlockRow, With};
use nettop_process::cause;
use nettop_sandbox as sandbox;

use super::Finding;
use crate::{cli::RunArgs, config, run::state::StateFolder};

const HOW: &str = "--block-with";

/// As a monitor would be started now; what is wrong with that is another check's matter.
fn started() -> Result<RunArgs, Finding> {
    config::started().map_err(|_| Finding::Unknown("the configuration cannot be read".into()))
}

/// Whether the kernel program can drop.
pub fn xdp() -> Finding {
    started().map_or_else(|finding| finding, |args| xdp_of(&args))
}

fn xdp_of(args: &RunArgs) -> Finding {
    if args.is_without(Optional::Blocks) {
        return Finding::good("none: --without blocks leaves them out");
    }
    let Some(with) = args.blocking.block_with.0 else {
        return Finding::good(format!("none: {HOW} none forbids all of it"));
    };
    let missing = privilege::missing();
    if !missing.is_empty() {
        return Finding::missing("not with these rights", "see capabilities above");
    }
    let problems = LifelineWatch::open(args.common.control.port()).problems();
    if !problems.is_empty() {
        return Finding::missing(
            format!("none would be made: it cannot be told what must not be blocked: {}", problems.join("; ")),
            "let nettop ask the kernel over netlink (rtnetlink, sock_diag), or block with --with print",
        );
    }
    match args.budget() {
        Ok(budget) => Finding::good(format!(
            "room for {}; `nettopctl block` without --with {}",
            budget.blocks,
            match with {
                With::Print => "only prints what it would do".into(),
                with => format!("blocks by {}", with.label()),
            }
        )),
        Err(error) => Finding::failed(&error, "give more with --map-memory"),
    }
}

/// What keeps a firewall from being run.
fn hindrances(with: With) -> Vec<String> {
    let mut found = firewall::hindrances(with);
    if !caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_ADMIN).unwrap_or(false) {
        found.push(format!("{} needs CAP_NET_ADMIN; start nettop with sudo", with.label()));
    }
    found
}

/// Which firewalls this host uses, and whether what was chosen does anything here.
pub fn firewalls() -> Finding {
    let chosen = started().ok().and_then(|args| args.blocking.block_with.0);
    firewalls_of(chosen, &firewall::in_use(), &|with| hindrances(with).is_empty())
}

fn firewalls_of(chosen: Option<With>, in_use: &[With], can_run: &dyn Fn(With) -> bool) -> Finding {
    let names = |is_meant: &dyn Fn(With) -> bool| {
        let all = firewall::FIREWALLS.iter().map(|firewall| firewall.with).filter(|with| is_meant(*with));
        all.map(With::label).collect::<Vec<_>>().join(", ")
    };
    let used = names(&|with| in_use.contains(&with));
    let used = if used.is_empty() { "none is in use".to_string() } else { format!("in use: {used}") };
    match chosen {
        // What these are told is lost while they are off.
        Some(with @ (With::Ufw | With::Firewalld)) if !in_use.contains(&with) => Finding::missing(
            format!("{used}; {HOW} {} is chosen, which is not in use here", with.label()),
            format!("start that, or choose another with {HOW}"),
        ),
        _ => {
            let able = names(can_run);
            let able = if able.is_empty() { "none".into() } else { able };
            Finding::good(format!("{used}; could be run here: {able}"))
        }
    }
}

/// Whether the processes beside the monitor start that it would have.
pub fn actor() -> Finding {
    started().map_or_else(|finding| finding, |args| actor_of(&args))
}

fn actor_of(args: &RunArgs) -> Finding {
    let as_invoker = args.common.sandbox() != sandbox::Mode::Off;
    let chosen = args.blocking.block_with.0.filter(|_| !args.is_without(Optional::Blocks));
    let chosen = chosen.filter(|with| firewall::of(*with).is_some());
    let mut started = Vec::new();
    if let Some(with) = chosen {
        let name = with.label();
        let hindrances = hindrances(with);
        if !hindrances.is_empty() {
            return Finding::missing(
                format!("{HOW} {name}: {}", hindrances.join("; ")),
                format!("put that right, or choose another with {HOW}"),
            );
        }
        match try_out(&Setup { as_invoker, role: Role::Firewall(vec![with]) }) {
            Err(error) => return not_started(&format!("{HOW} {name}"), &error),
            Ok(done) => match refusal(with, &done) {
                Some(error) => return Finding::missing(format!("{HOW} {name}: {error}"), "see that it works for root"),
                None => started.push(format!("runs {name}")),
            },
        }
    }
    let hooks = &args.common.hooks;
    if !hooks.is_empty() {
        match try_out(&Setup { as_invoker, role: Role::Hooks(hooks.clone()) }) {
            Err(error) => return not_started("[[hooks]]", &error),
            Ok(_) => started.push(format!("runs {} hooks as user {}", hooks.len(), sandbox::later_uid())),
        }
    }
    match started.is_empty() {
        true => Finding::good(format!("none is started: neither a firewall ({HOW}) nor [[hooks]] is wanted")),
        false => Finding::good(format!("starts, and {}", started.join("; "))),
    }
}

fn not_started(what: &str, error: &anyhow::Error) -> Finding {
    Finding::missing(
        format!("{what}: its process does not start: {}", cause::told(error)),
        "let nettop start its own program again (/proc/self/exe), as many processes as it may",
    )
}

/// What a firewall that was asked what it blocks does not do; without a table of ours it has nothing to tell.
fn refusal(with: With, done: &Done) -> Option<String> {
    let lists = firewall::of(with).is_some_and(|firewall| firewall.list.is_some());
    let has_no_table = matches!(done.end, End::Exited(_)) && done.output.contains("No such file or directory");
    done.error().filter(|_| lists && !has_no_table)
}

/// Whether what an earlier monitor has blocked will be blocked again.
pub fn kept() -> Finding {
    let args = match started() {
        Ok(args) => args,
        Err(finding) => return finding,
    };
    let Some(folder) = StateFolder::choose(args.state.as_deref()) else {
        return Finding::good("none: without --state nothing is kept for the next start");
    };
    let path = folder.path().join(kept::FILE);
    let shown = path.display();
    let read = match folder.try_out() {
        Ok(true) => folder.read(kept::FILE, kept::MOST_BYTES),
        // It is not there yet; or that is the matter of the check of the folder.
        Ok(false) | Err(_) => return Finding::good(format!("none: there is no {shown}")),
    };
    match read {
        Ok(None) => Finding::good(format!("none: there is no {shown}")),
        Ok(Some(bytes)) => {
            let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
            let (rows, broken) = kept::blocks(&bytes, now_ns);
            if broken > 0 {
                return Finding::missing(
                    format!("{broken} lines of {shown} cannot be read"),
                    "remove these lines; the others are taken all the same",
                );
            }
            kept_of(&rows, args.blocking.block_with.0, args.blocking.block_restore)
        }
        Err(error) => Finding::failed(&error, "see that its user can read it"),
    }
}

fn kept_of(rows: &[BlockRow], with: Option<With>, restore: bool) -> Finding {
    let count = rows.len();
    let other = |row: &&BlockRow| firewall::of(row.with).is_some() && Some(row.with) != with;
    let others: Vec<_> = rows.iter().filter(other).collect();
    match (others.first(), restore) {
        _ if rows.is_empty() => Finding::good("none that is not over"),
        (Some(row), _) => Finding::missing(
            format!(
                "{} of {count} are of a firewall that would not be run, such as {} of {}",
                others.len(),
                row.net,
                row.with.label()
            ),
            format!("start nettop with {HOW} {} to have them looked after", row.with.label()),
        ),
        (None, false) => Finding::missing(
            format!("{count} are not over, and would not be made again"),
            "start nettop with --block-restore, as the service is",
        ),
        (None, true) => Finding::good(format!("{count} will be made again, but for what guards refuse by then")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(finding: Finding) -> (bool, String) {
        match finding {
            Finding::Good(what) => (true, what),
            Finding::Missing { what, remedy } => (false, format!("{what}; {remedy}")),
            Finding::Unknown(why) => (false, why),
        }
    }

    #[test]
    fn a_firewall_that_is_off_is_no_choice() {
        let nft_alone = |with| with == With::Nft;
        for (chosen, in_use, good, part) in [
            (Some(With::Print), &[][..], true, "none is in use; could be run here: nft"),
            (Some(With::Nft), &[With::Nft, With::Iptables], true, "in use: nft, iptables; could be run here: nft"),
            (Some(With::Ufw), &[With::Nft], false, "--block-with ufw is chosen, which is not in use here; start that"),
            (Some(With::Ufw), &[With::Ufw], true, "in use: ufw"),
            (Some(With::Firewalld), &[], false, "firewalld is chosen"),
            (Some(With::Iptables), &[], true, "none is in use"),
            (None, &[With::Ufw], true, "in use: ufw"),
        ] {
            let (found, text) = told(firewalls_of(chosen, in_use, &nft_alone));
            assert!(found == good && text.contains(part), "{chosen:?} {in_use:?}: {text}");
        }
    }

    #[test]
    fn what_is_kept_is_made_again_or_the_remedy_is_named() {
        let row = |net: &str, with| BlockRow::new(net.parse().unwrap(), with);
        let (xdp, nft) = (row("192.0.2.1", With::Xdp), row("192.0.2.2", With::Nft));
        for (rows, with, restore, good, part) in [
            (&[][..], Some(With::Xdp), false, true, "none that is not over"),
            (std::slice::from_ref(&xdp), Some(With::Xdp), true, true, "1 will be made again"),
            (std::slice::from_ref(&xdp), Some(With::Xdp), false, false, "--block-restore"),
            (&[xdp.clone(), nft.clone()], Some(With::Xdp), true, false, "1 of 2 are of a firewall"),
            (std::slice::from_ref(&nft), None, true, false, "--block-with nft"),
            (&[xdp.clone(), nft.clone()], Some(With::Nft), true, true, "2 will be made again"),
        ] {
            let (found, text) = told(kept_of(rows, with, restore));
            assert!(found == good && text.contains(part), "{rows:?}: {text}");
        }
    }
}
