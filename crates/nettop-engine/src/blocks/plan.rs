//! What a block would do: what it would drop now, what guards say, and how to make it elsewhere.

use nettop_actor::firewall::{self, FIREWALLS, Firewall};
use nettop_common::PacketsBytes;
use nettop_model::{order, snapshot::Amount};
use serde_json::json;

use super::{
    asked::{Fields, Wish, field},
    guards,
    visitors::visitors,
};
use crate::Engine;

impl Engine {
    /// The fields of the answer: nothing is done.
    pub(super) fn plan(&self, Wish { net, seconds, from, .. }: &Wish) -> Fields {
        let seconds = *seconds;
        let Self { aggregates, reading, .. } = self;
        let elapsed = reading.at.seconds_since(&aggregates.started);
        let (mut sum, mut pps, mut sources) = (PacketsBytes::default(), 0.0, 0_u64);
        let mut add = |account: &crate::ledger::Account<_>| {
            sum.add(account.tally());
            pps += account.history.rates(&aggregates.buckets, elapsed).current;
            sources += 1;
        };
        match net.is_address() {
            true => aggregates.sources.get(&net.first().into()).into_iter().for_each(&mut add),
            false => {
                let all = aggregates.sources.iter();
                all.filter(|(address, _)| net.contains(address.to_ip())).for_each(|(_, account)| add(account));
            }
        }
        let refusal = self.with_scene_for(*from, false, |_, scene| guards::judge(scene, net, false)).flatten();
        let ordinary = self.logs.ordinary();
        // Those that this host uses first.
        let mut firewalls: Vec<_> = FIREWALLS.iter().collect();
        let is_in_use = |firewall: &Firewall| self.blocks.blocking.in_use.contains(&firewall.with);
        order::sort_by_key(&mut firewalls, |firewall| !is_in_use(firewall));
        let command = |firewall: &Firewall| {
            json!({
                "firewall": firewall.with.label(),
                "in_use": is_in_use(firewall),
                "block": firewall::line(&(firewall.block)(net, seconds)),
                "unblock": firewall::line(&(firewall.unblock)(net)),
            })
        };
        let commands: Vec<_> = firewalls.into_iter().map(command).collect();
        let plan = json!({
            "net": net,
            "seconds": seconds,
            "sources": sources,
            "counted": Amount::from(sum),
            "pps": pps,
            "connections": self.sockets.connections_with(|ip| net.contains(ip)),
            "visitors": ordinary.map(|all| visitors(&all, net)),
            "place": aggregates.regions.names(&net.first().into()),
            "seen": self.seen(net).label(),
            "blocked": self.blocks.book.get(net).is_some(),
            "refused": field(refusal.as_ref()),
            "commands": commands,
        });
        Fields::from_iter([("plan".into(), plan)])
    }
}
