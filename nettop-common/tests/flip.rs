//! The flip of banks, in every order in which a CPU that counts and user space that reads can meet, also those that memory allows
//! beyond what was written.
//!
//! The grace period of RCU is what a run of the program is between two words of its CPU, and what user space waits for. Banks and the
//! log are cells that must not be accessed from both sides at once, which is what is proved.

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
    thread,
};
use nettop_common::log::Ring;

/// Units of the log.
const UNITS: u64 = 2;
/// Packets that are counted.
const PACKETS: u64 = 3;

/// What belongs to a bank.
#[derive(Default)]
struct Bank {
    counted: u64,
    slot: u64,
    untracked: u64,
    end: u64,
}

/// A CPU, as user space and the program share it.
struct Cpu {
    bank: AtomicUsize,
    banks: [UnsafeCell<Bank>; 2],
    log: [UnsafeCell<u64>; UNITS as usize],
    tail: AtomicU64,
    /// Odd while the program runs.
    runs: AtomicUsize,
}

impl Cpu {
    fn new() -> Self {
        Self {
            bank: AtomicUsize::new(0),
            banks: [(); 2].map(|()| UnsafeCell::new(Bank::default())),
            log: [(); UNITS as usize].map(|()| UnsafeCell::new(0)),
            tail: AtomicU64::new(0),
            runs: AtomicUsize::new(0),
        }
    }

    /// One run of the program: packet 0 finds a slot, others go to the log.
    fn count(&self, packet: u64, head: &mut u64) {
        let runs = self.runs.load(Relaxed);
        self.runs.store(runs + 1, Release);
        // The grace period orders this for the program, which has no fence of its own.
        fence(SeqCst);
        // What is counted lies where this word says: no CPU reads there before it has read the word.
        let bank = &self.banks[self.bank.load(Acquire)];
        // SAFETY: what is proved here.
        bank.with_mut(|bank| unsafe { (*bank).counted += 1 });
        if packet == 0 {
            // SAFETY: as above.
            bank.with_mut(|bank| unsafe { (*bank).slot += 1 });
        } else if Ring::has_room(*head, self.tail.load(Acquire), UNITS as u32, 1) {
            let place = (*head % UNITS) as usize;
            // SAFETY: as above.
            self.log[place].with_mut(|unit| unsafe { *unit = packet });
            *head += 1;
            // SAFETY: as above.
            bank.with_mut(|bank| unsafe { (*bank).end = *head });
        } else {
            // SAFETY: as above.
            bank.with_mut(|bank| unsafe { (*bank).untracked += 1 });
        }
        self.runs.store(runs + 2, Release);
    }

    /// Flips the banks and waits; `grace` is how. Returns how many packets were counted, and how many the log had.
    fn read(&self, bank: usize, grace: fn(&Self)) -> (u64, u64) {
        self.bank.store(1 - bank, Release);
        grace(self);
        // SAFETY: what is proved here.
        let Bank { counted, slot, untracked, end } =
            self.banks[bank].with_mut(|bank| unsafe { std::mem::take(&mut *bank) });
        let (began, mut tail) = (self.tail.load(Relaxed), self.tail.load(Relaxed));
        while tail < end {
            // SAFETY: as above.
            self.log[(tail % UNITS) as usize]
                .with(|unit| assert!(unsafe { *unit } > 0, "a record that was not written"));
            tail += 1;
        }
        self.tail.store(tail, Release);
        assert_eq!(counted, slot + untracked + (tail - began), "counted = slots + untracked + log");
        (counted, tail - began)
    }

    /// Every run has ended that began before.
    fn grace(&self) {
        fence(SeqCst);
        let began = self.runs.load(Acquire);
        while began % 2 == 1 && self.runs.load(Acquire) == began {
            thread::yield_now();
        }
    }
}

/// Reads twice while a CPU counts, and once more behind it.
fn play(grace: fn(&Cpu)) {
    let mut builder = Builder::new();
    // Orders with more switches differ in nothing that matters, and take hours.
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let cpu = Arc::new(Cpu::new());
        let program = {
            let cpu = cpu.clone();
            thread::spawn(move || {
                let mut head = 0;
                (0..PACKETS).for_each(|packet| cpu.count(packet, &mut head));
            })
        };
        let mut sum = (0..2).map(|at| cpu.read(at % 2, grace).0).sum::<u64>();
        program.join().expect("it counts");
        sum += cpu.read(0, grace).0;
        assert_eq!(sum, PACKETS, "every packet is in one reading");
    });
}

#[test]
fn no_bank_and_no_record_is_read_while_it_is_written() {
    play(Cpu::grace);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_a_grace_period_a_late_run_counts_in_what_is_read() {
    play(|_| {});
}
