//! Which alerts still want attention: an acknowledged one stays in the view of alerts, but is not called out any more; of what is
//! muted, neither this alert nor a later one of the same rule about the same address is.

use nettop_model::snapshot::{Alert, Name, Origin};

use crate::table::Id;

/// So many marks are remembered; the oldest goes first.
const MOST: usize = 64;

/// What was marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attention {
    acknowledged: Vec<Id>,
    muted: Vec<(Name, Option<Origin>)>,
}

impl Attention {
    /// Marks an alert as seen, or takes that back; returns whether it is marked now.
    pub fn acknowledge(&mut self, alert: &Alert) -> bool {
        toggle(&mut self.acknowledged, Id::from(alert))
    }

    /// Mutes alerts of this rule about this address, or takes that back; returns whether they are muted now.
    pub fn mute(&mut self, alert: &Alert) -> bool {
        toggle(&mut self.muted, (alert.kind.clone(), alert.source))
    }

    /// Whether it was marked as seen.
    pub fn is_acknowledged(&self, alert: &Alert) -> bool {
        self.acknowledged.contains(&Id::from(alert))
    }

    /// Whether it is muted.
    pub fn is_muted(&self, alert: &Alert) -> bool {
        self.muted.iter().any(|(kind, source)| *kind == alert.kind && *source == alert.source)
    }

    /// Whether it is to be called out.
    pub fn wants(&self, alert: &Alert) -> bool {
        !self.is_acknowledged(alert) && !self.is_muted(alert)
    }
}

fn toggle<T: PartialEq>(marks: &mut Vec<T>, mark: T) -> bool {
    if let Some(at) = marks.iter().position(|other| *other == mark) {
        marks.remove(at);
        return false;
    }
    if marks.len() >= MOST {
        marks.remove(0);
    }
    marks.push(mark);
    true
}

#[cfg(test)]
mod tests {
    use nettop_model::snapshot::Severity;

    use super::*;

    fn alert() -> Alert {
        Alert {
            id: 75,
            kind: "high-pps".into(),
            severity: Severity::Warn,
            source: Some(Origin::Ip([192, 0, 2, 1].into())),
            message: "192.0.2.1 sends 12.4k pps".into(),
            since_ns: 1,
            last_ns: 2,
            seconds: 75.0,
            ..Alert::default()
        }
    }

    #[test]
    fn an_acknowledged_alert_comes_again_a_muted_one_does_not() {
        let mut attention = Attention::default();
        let alert = &alert();
        let later = Alert { id: alert.id + 1, ..alert.clone() };
        // The clock was set, or the machine slept.
        let moved = Alert { since_ns: alert.since_ns + 86_400_000_000_000, last_ns: 7, seconds: 9.0, ..alert.clone() };
        assert!(attention.wants(alert) && attention.acknowledge(alert));
        assert!(!attention.wants(alert) && !attention.wants(&moved) && attention.wants(&later));
        assert!(attention.mute(alert));
        assert!(!attention.wants(&later));
        assert!(!attention.mute(alert) && !attention.acknowledge(alert));
        assert!(attention.wants(alert));
    }

    #[test]
    fn marks_are_bounded() {
        let mut attention = Attention::default();
        let alert = &alert();
        for id in 0..1000 {
            attention.acknowledge(&Alert { id, ..alert.clone() });
        }
        assert_eq!(attention.acknowledged.len(), MOST);
    }
}
