//! What came in the last minute.

/// A minute is so many slots, of so many nanoseconds.
const SLOTS: u64 = 10;
const SLOT_NS: u64 = 6_000_000_000;

/// Requests and failures of the last minute, by the clock.
#[derive(Debug, Default)]
pub struct Minute {
    /// The number of the newest slot.
    head: u64,
    requests: [u16; SLOTS as usize],
    failures: [u8; SLOTS as usize],
}

impl Minute {
    /// So many came at a time.
    pub fn add(&mut self, at_ns: u64, requests: u16, failures: u32) {
        let slot = at_ns / SLOT_NS;
        // A clock that was set back begins anew.
        if slot > self.head || self.head > slot + SLOTS {
            let gone = if slot > self.head { (slot - self.head).min(SLOTS) } else { SLOTS };
            for step in 0..gone {
                let at = ((slot - step) % SLOTS) as usize;
                (self.requests[at], self.failures[at]) = (0, 0);
            }
            self.head = slot;
        }
        if slot + SLOTS > self.head {
            let at = (slot % SLOTS) as usize;
            self.requests[at] = self.requests[at].saturating_add(requests);
            self.failures[at] = self.failures[at].saturating_add(failures.min(255) as u8);
        }
    }

    /// Requests and failures of the last minute.
    pub fn sums(&self, now_ns: u64) -> (u64, u64) {
        let now = now_ns / SLOT_NS;
        let (mut requests, mut failures) = (0, 0);
        for slot in self.head.saturating_sub(SLOTS - 1)..=self.head {
            if slot + SLOTS > now {
                let at = (slot % SLOTS) as usize;
                requests += u64::from(self.requests[at]);
                failures += u64::from(self.failures[at]);
            }
        }
        (requests, failures)
    }
}
