//! What is watched, and what there is to say of it.

use nettop_collect::{
    reading::{Watched, WatchedInterface},
    traffic::Traffic,
};
use nettop_model::{
    clock::Moment,
    snapshot::{AttachMode, Degraded, InterfaceRow, InterfaceState},
};

use super::sight::{Received, Sight};

/// What is watched.
#[derive(Debug, Default)]
pub struct Interfaces {
    watched: Watched,
    sight: Sight,
    /// Indexes of those that see nothing, and how many packets they have received meanwhile.
    blind: Vec<(u32, u64)>,
}

impl Interfaces {
    /// Takes what the newest look brought, of which `seen` packets had been seen until now; returns whether there is anything new
    /// to say.
    pub fn update(&mut self, source: &mut dyn Traffic, now: Moment, seen: u64) -> bool {
        let Some(watched) = source.watched() else { return false };
        let blind = self.sight.judge(now, &received(&watched), seen);
        let indexes = |blind: &[(u32, u64)]| blind.iter().map(|(index, _)| *index).collect::<Vec<_>>();
        if indexes(&blind) != indexes(&self.blind) {
            source.explain_below(indexes(&blind));
        }
        let before = (self.rows(), self.degraded(), std::mem::replace(&mut self.watched, watched).change);
        self.blind = blind;
        before != (self.rows(), self.degraded(), self.watched.change.clone())
    }

    /// What changed last without anybody's asking for it.
    pub fn change(&self) -> Option<&str> {
        self.watched.change.as_deref()
    }

    /// Every interface.
    pub fn rows(&self) -> Vec<InterfaceRow> {
        self.watched.interfaces.iter().map(|interface| interface.row.clone()).collect()
    }

    /// What of them does not work as it should.
    pub fn degraded(&self) -> Vec<Degraded> {
        let of_interfaces = self.watched.interfaces.iter().filter_map(|interface| self.of_interface(interface));
        let doubt = self.watched.doubt.iter().map(|doubt| Degraded {
            badge: "default route".into(),
            what: "the interface that is watched by itself may be the wrong one".into(),
            reason: doubt.clone(),
            remedy: "name those to watch with --iface, or mend the route: it is followed".into(),
        });
        of_interfaces.chain(self.unsent()).chain(doubt).collect()
    }

    /// By which of them it is not counted what is sent.
    fn unsent(&self) -> Option<Degraded> {
        let unsent =
            self.watched.interfaces.iter().filter_map(|one| Some((one.row.name.as_str(), one.unsent.as_deref()?)));
        let (names, reasons): (Vec<_>, Vec<_>) = unsent.unzip();
        Some(Degraded {
            badge: "no egress".into(),
            what: format!("what is sent by {} is not counted", names.join(", ")),
            reason: (*reasons.first()?).into(),
            remedy: "a newer kernel; or --without egress, if nobody asks for it".into(),
        })
    }

    fn of_interface(&self, interface: &WatchedInterface) -> Option<Degraded> {
        let InterfaceRow { name, state, mode, note, .. } = &interface.row;
        let row = |badge: &str, what: String, reason: String, remedy: &str| {
            Some(Degraded { badge: format!("{name} {badge}"), what, reason, remedy: remedy.into() })
        };
        match (state, mode) {
            (InterfaceState::Gone, _) => {
                row("gone", format!("{name} is gone"), note.clone(), "bring the interface back")
            }
            (InterfaceState::Detached, _) => row(
                "not watched",
                format!("{name} is not watched"),
                note.clone(),
                "it is attached again once that is gone",
            ),
            (InterfaceState::Unknown, _) => row(
                "unknown",
                format!("it is not known how {name} is"),
                note.clone(),
                "where it is attached, it is counted on; it is looked at again each second",
            ),
            (InterfaceState::Down, _) => row(
                "down",
                format!("{name} is down"),
                "nothing arrives while it is".into(),
                "ip link set up, if it should not be",
            ),
            (InterfaceState::Up | InterfaceState::Moved, mode) => {
                if let Some((_, unseen)) = self.blind.iter().find(|(index, _)| *index == interface.index) {
                    let reason = format!(
                        "it has received {unseen} packets, of which the program saw none: they come to it behind the place \
                         where XDP runs"
                    );
                    return row("not seen", format!("nothing is seen on {name}"), reason, &instead(interface));
                }
                match mode {
                    Some(AttachMode::Generic) => row(
                        "generic",
                        format!("generic XDP on {name}"),
                        note.clone(),
                        "counts are exact, each packet costs more; a lower MTU or other offloads may allow native",
                    ),
                    _ => None,
                }
            }
        }
    }
}

/// What to watch instead of an interface that sees nothing.
fn instead(interface: &WatchedInterface) -> String {
    let WatchedInterface { row: InterfaceRow { name, .. }, kind, below, .. } = interface;
    match (below.as_slice(), kind.as_str()) {
        ([], "ifb") => format!(
            "watch the interfaces whose packets are redirected to {name} instead: those with a filter to it in `tc filter show`"
        ),
        ([], _) => {
            format!("watch the interfaces by which the packets of {name} come in instead, with --iface")
        }
        (below, _) => format!("watch what is below it instead: --iface {}", below.join(",")),
    }
}

fn received(watched: &Watched) -> Vec<Received> {
    let all = watched.interfaces.iter().filter_map(|WatchedInterface { row, index, received, .. }| {
        Some(Received { index: *index, native: row.mode? == AttachMode::Native, packets: (*received)? })
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, mode: Option<AttachMode>, state: InterfaceState) -> WatchedInterface {
        let row = InterfaceRow { name: name.into(), mode, state, mtu: 1500, note: "as noted".into() };
        WatchedInterface { row, wanted: name.into(), index, received: Some(0), ..WatchedInterface::default() }
    }

    #[test]
    fn what_is_not_as_it_should_be_has_a_badge() {
        use AttachMode::{Generic, Native};
        use InterfaceState::{Detached, Down, Gone, Moved, Unknown, Up};
        for (mode, state, unseen, badge, reason) in [
            (Some(Native), Up, None, "", ""),
            (Some(Native), Moved, None, "", ""),
            (Some(Generic), Up, None, "in0 generic", "as noted"),
            (Some(Generic), Up, Some(50), "in0 not seen", "50 packets"),
            (Some(Native), Up, Some(50), "in0 not seen", "50 packets"),
            (Some(Native), Down, Some(50), "in0 down", "while it is"),
            (Some(Native), Unknown, None, "in0 unknown", "as noted"),
            (None, Unknown, None, "in0 unknown", "as noted"),
            (None, Gone, None, "in0 gone", "as noted"),
            (None, Detached, None, "in0 not watched", "as noted"),
        ] {
            let watched = Watched { interfaces: vec![interface("in0", 2, mode, state)], ..Watched::default() };
            let blind = unseen.map(|unseen| (2, unseen)).into_iter().collect();
            let rows = Interfaces { watched, blind, ..Interfaces::default() }.degraded();
            let badges: Vec<_> = rows.iter().map(|row| row.badge.as_str()).collect();
            assert_eq!(badges.concat(), badge, "{mode:?} {state:?}");
            assert!(rows.iter().all(|row| row.reason.contains(reason)), "{rows:?}");
        }
    }

    #[test]
    fn what_to_watch_instead_is_named_where_it_is_known() {
        for (kind, below, remedy) in [
            ("vrf", &["in0", "in1"][..], "--iface in0,in1"),
            ("ifb", &[], "tc filter show"),
            ("ifb", &["in0"], "--iface in0"),
            ("ipvlan", &["eth0"], "--iface eth0"),
            ("", &[], "come in instead"),
        ] {
            let mut blind = interface("x0", 3, Some(AttachMode::Generic), InterfaceState::Up);
            blind.kind = kind.into();
            blind.below = below.iter().map(ToString::to_string).collect();
            let told = instead(&blind);
            assert!(told.contains(remedy), "{kind}: {told}");
        }
    }

    #[test]
    fn interfaces_that_are_a_guess_are_told_beside_what_else_there_is() {
        let watched = Watched {
            interfaces: vec![interface("in0", 2, Some(AttachMode::Native), InterfaceState::Down)],
            doubt: Some("no route tells".into()),
            change: None,
        };
        let rows = Interfaces { watched, ..Interfaces::default() }.degraded();
        let badges: Vec<_> = rows.iter().map(|row| (row.badge.as_str(), row.reason.as_str())).collect();
        assert_eq!(badges, [("in0 down", "nothing arrives while it is"), ("default route", "no route tells")]);
    }
}
