//! What is not known of flows, and when there is soon no room for more.

use nettop_model::snapshot::Degraded;

use super::{FlowState, Newest};

/// From these shares on connection tracking is nearly full, and full, as far as new flows are concerned.
const NEARLY: f64 = 0.75;
const FULL: f64 = 0.9;

impl FlowState {
    /// What is not as it should be.
    pub fn degraded(&self) -> Vec<Degraded> {
        let mut rows = Vec::new();
        let Some(Newest { at, settings, unreadable, problems, table }) = &self.newest else { return rows };
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.into(), what, reason, remedy: remedy.into() });
        };
        let has_flows = self.book.live().next().is_some() || self.book.passed() > 0;
        let unread = table.as_ref().map_or(0, |(table, _)| table.unread);
        let unread = (unread > 0).then(|| format!("{unread} lines of the table are not understood"));
        let problems: Vec<_> = problems.iter().cloned().chain(unread).collect();
        if !problems.is_empty() {
            push(
                "flows",
                "what is known of forwarded and translated flows is incomplete".into(),
                problems.join("; "),
                "packets are counted all the same; conntrack -L and conntrack -E tell whether the kernel answers",
            );
        }
        if self.book.is_estimated() || self.book.has_lost(*at) {
            let (what, remedy) = match (self.book.is_estimated(), unreadable) {
                (false, _) => (
                    "flows live that the newest table has; what those had moved that ended meanwhile is not known",
                    "none: that table makes up for the rest",
                ),
                (true, None) => {
                    ("which flows live is estimated until their table is read next", "none: that makes up for it")
                }
                (true, Some(_)) => (
                    "which flows live is estimated from now on",
                    "start nettop as root, so that it can read their table again and again",
                ),
            };
            let reason = format!(
                "the kernel had more events of connection tracking than there was room for, {} times since the start; how many, nobody knows",
                self.book.accounting().overruns
            );
            push("flow events lost", what.into(), reason, remedy);
        }
        if settings.acct == Some(false) && has_flows {
            push(
                "no flow bytes",
                "packets and bytes of flows are not counted".into(),
                "connection tracking does so only when it is told to (net.netfilter.nf_conntrack_acct is 0)".into(),
                "sysctl net.netfilter.nf_conntrack_acct=1, for flows that begin afterwards; nettop changes no setting",
            );
        } else if unreadable.is_some() && has_flows {
            let reason = unreadable.as_deref().unwrap_or_default();
            push(
                "flow bytes at the end",
                "what a flow has moved is known when it has ended".into(),
                format!("only root opens the table of flows: {reason}"),
                "start nettop with sudo: it opens the table, and gives up its rights all the same",
            );
        }
        if settings.events == Some(false) && has_flows {
            push(
                "no flow events",
                "that flows begin and end is told by the table alone, and not of those that are shorter".into(),
                "net.netfilter.nf_conntrack_events is 0".into(),
                "sysctl net.netfilter.nf_conntrack_events=2",
            );
        }
        if settings.forwards && settings.count == Some(0) && !has_flows {
            push(
                "no flows tracked",
                "this host forwards packets, and keeps track of no flow".into(),
                "no rule asks for connection tracking, or nothing is forwarded".into(),
                "none where nothing is to be listed; else a rule with ct state (nftables), or one that translates",
            );
        }
        if let Some((count, max)) = settings.count.zip(settings.max.filter(|max| *max > 0)) {
            let share = count as f64 / max as f64;
            if share >= NEARLY {
                let dropped = settings.dropped.unwrap_or_default();
                push(
                    &format!("conntrack {:.0}%{}", share * 100.0, if share >= FULL { " FULL" } else { "" }),
                    format!(
                        "connection tracking has {count} of {max} flows; when it is full, packets of new ones are dropped"
                    ),
                    format!(
                        "more flows than net.netfilter.nf_conntrack_max allows; {dropped} packets dropped for it so far"
                    ),
                    "find out who opens them (view Flows, sorted); sysctl net.netfilter.nf_conntrack_max, and shorter timeouts",
                );
            }
        }
        let passed = self.book.passed();
        if passed > 0 {
            push(
                "flows left out",
                format!("{passed} flows are only counted"),
                format!("there is room for {}", nettop_collect::flows::MOST_FLOWS),
                "none: those that are listed stay the same",
            );
        }
        rows
    }
}
