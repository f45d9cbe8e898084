//! Packets that are known before they are due.

use std::collections::VecDeque;

use crate::packet::Packet;

/// What is still to come, by steps of time.
pub struct Later {
    step_ns: u64,
    /// The step that is next, and those behind it.
    first: u64,
    steps: VecDeque<Vec<Packet>>,
    /// Nothing is kept that would come behind this step.
    last: u64,
}

impl Later {
    /// Nothing yet, in steps of so many nanoseconds, `steps` of them.
    pub fn new(step_ns: u64, steps: u64) -> Self {
        Self { step_ns, first: 0, steps: VecDeque::new(), last: steps }
    }

    /// Keeps a packet until it is due.
    pub fn push(&mut self, packet: Packet) {
        let step = (packet.at_ns / self.step_ns).max(self.first);
        if step >= self.last {
            return;
        }
        let place = (step - self.first) as usize;
        if place >= self.steps.len() {
            self.steps.resize_with(place + 1, Vec::new);
        }
        self.steps[place].push(packet);
    }

    /// Adds what is due in the next step.
    pub fn take(&mut self, packets: &mut Vec<Packet>) {
        packets.extend(self.steps.pop_front().unwrap_or_default());
        self.first += 1;
    }
}
