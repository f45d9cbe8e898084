//! Subscribers to the pulse: first a line with the last hour, then one for each pulse, the newest where some were missed.

use nettop_model::pulse::{Pulse, Pulses};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    time::timeout,
};

use super::{accept::Stream, clients::ClientDeadline, subscribe::LINE_DEADLINE};

/// A line: the first has all of them, the others the newest.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    ok: bool,
    /// Pulses that came too fast before this one.
    pub missed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulses: Option<Pulses>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulse: Option<Pulse>,
}

/// Sends pulses until there are none, or the subscriber hangs up or does not read. Whatever it says means that it hangs up.
pub(super) async fn serve(stream: &mut dyn Stream, turn: &ClientDeadline, mut pulses: watch::Receiver<Pulses>) {
    let mut sent = None;
    loop {
        let line = line(&pulses.borrow_and_update(), &mut sent);
        // Numbers alone: this cannot fail.
        let mut json = serde_json::to_vec(&line).unwrap_or_default();
        json.push(b'\n');
        turn.waits_for_client();
        let written = timeout(LINE_DEADLINE, stream.write_all(&json)).await;
        turn.waits_for_monitor();
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
        let mut noise = [0; 1];
        let changed = tokio::select! {
            changed = pulses.changed() => changed.is_ok(),
            _ = stream.read(&mut noise) => false,
        };
        if !changed {
            return;
        }
    }
}

fn line(pulses: &Pulses, sent: &mut Option<u64>) -> Line {
    match sent.replace(pulses.count) {
        None => Line { ok: true, pulses: Some(pulses.clone()), ..Line::default() },
        Some(before) => {
            let missed = pulses.count.saturating_sub(before + 1);
            Line { ok: true, missed, pulse: Some(pulses.newest), ..Line::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_all_and_later_ones_tell_what_was_missed() {
        let (mut pulses, mut sent) = (Pulses::default(), None);
        let push = |pulses: &mut Pulses| {
            let seconds = pulses.newest.seconds + 0.1;
            pulses.push(Pulse { seconds, ..Pulse::default() });
        };
        push(&mut pulses);
        let first = line(&pulses, &mut sent);
        assert_eq!(first.pulses.unwrap().tenths.len(), 1);
        for (name, further, missed) in [("the next", 1, 0), ("after some", 4, 3), ("the next again", 1, 0)] {
            (0..further).for_each(|_| push(&mut pulses));
            let next = line(&pulses, &mut sent);
            assert_eq!((next.missed, next.pulse), (missed, Some(pulses.newest)), "{name}");
        }
    }
}
