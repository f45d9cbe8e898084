//! When a terminal can take the next picture, so that it shows the newest one and no queue of old ones.
//!
//! Whatever is written goes into buffers: the kernel's, ssh's, those of the network. None of them tells how much is in it, and
//! at 9600 baud the smallest, a pseudo-terminal's 12 KiB, is twelve seconds. So each picture ends with a question that every
//! terminal since the VT100 answers (DSR 5), and the next picture waits until nearly all before it has been answered for.
//! A terminal that does not answer, which may be none at all, is taken for one of 9600 baud until it has shown to be faster;
//! only what somebody at the keyboard waits for is not held back.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// The question.
pub const QUESTION: &[u8] = b"\x1b[5n";
/// So many bytes may be on their way when another picture follows: over a long line several small ones are.
const AHEAD: usize = 1024;
/// How long an answer may take, beside what the bytes before it take on the slowest line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes per second of the slowest line.
const SLOWEST: f64 = 480.0;
/// Bytes per second of a terminal of which nothing is known: 9600 baud, with something to spare for keys.
const UNKNOWN: f64 = 720.0;
/// What the kernel may hold of a pseudo-terminal, and some more: what it has taken beyond, somebody has read.
const KERNEL: usize = 16 << 10;
/// Pictures a second, at most.
const PICTURE: Duration = Duration::from_millis(25);
/// Unanswered pictures that are remembered.
const MOST: usize = 64;

/// What is known of the terminal.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    /// Bytes of all pictures.
    sent: usize,
    newest: Option<Instant>,
    /// Bytes per second of one that has never answered.
    rate: f64,
    /// When that one will have shown everything.
    shown: Instant,
    /// Whether it has ever answered.
    answers: bool,
    unanswered: VecDeque<(Instant, usize)>,
}

impl Pace {
    /// Of a terminal of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            sent: 0,
            newest: None,
            rate: UNKNOWN,
            shown: now,
            answers: false,
            unanswered: VecDeque::new(),
        }
    }

    /// A picture of so many bytes, and the question, are on their way.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        // Whatever was waited for is not waited for any more.
        if self.on_their_way() >= AHEAD || self.unanswered.len() >= MOST {
            self.unanswered.clear();
        }
        self.unanswered.push_back((now, bytes));
        self.newest = Some(now);
        self.sent += bytes;
        self.shown = self.shown.max(now) + Duration::from_secs_f64(bytes as f64 / self.rate);
    }

    /// The kernel has taken all that was sent.
    pub fn taken(&mut self, now: Instant) {
        let seconds = now.duration_since(self.began).as_secs_f64().max(0.001);
        let rate = self.sent.saturating_sub(KERNEL) as f64 / seconds;
        if rate > self.rate {
            self.rate = rate;
            self.shown = now;
        }
    }

    /// The terminal has answered.
    pub fn answered(&mut self) {
        self.answers = true;
        self.unanswered.pop_front();
    }

    /// Whether it answers, and has not yet answered everything.
    pub fn waits_for_answers(&self) -> bool {
        self.answers && !self.unanswered.is_empty()
    }

    /// When the next picture may be sent; `awaited`: somebody waits for it.
    pub fn next(&self, awaited: bool) -> Instant {
        let soonest = self.newest.map_or(self.began, |newest| newest + PICTURE);
        match self.unanswered.back() {
            Some((sent, bytes)) if self.answers && self.on_their_way() >= AHEAD => {
                soonest.max(*sent + PATIENCE + Duration::from_secs_f64(*bytes as f64 / SLOWEST))
            }
            _ if self.answers || awaited => soonest,
            _ => soonest.max(self.shown),
        }
    }

    fn on_their_way(&self) -> usize {
        self.unanswered.iter().map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A terminal that has answered once.
    fn answering(now: Instant) -> Pace {
        let mut pace = Pace::new(now);
        pace.sent(5_000, now);
        pace.answered();
        pace
    }

    #[test]
    fn the_next_picture_waits_for_the_answer() {
        let start = Instant::now();
        let mut pace = answering(start);
        assert_eq!(pace.next(false), start + PICTURE);
        let later = start + SECOND;
        pace.sent(3_000, later);
        assert!(pace.next(true) > later + PATIENCE, "not while the answer can still come");
        assert!(pace.waits_for_answers());
        pace.answered();
        assert_eq!(pace.next(false), later + PICTURE);
        assert!(!pace.waits_for_answers());
    }

    #[test]
    fn small_pictures_follow_each_other_on_a_long_line() {
        let start = Instant::now();
        let mut pace = answering(start);
        for n in 0..4 {
            let now = start + PICTURE * n;
            assert!(pace.next(true) <= now + PICTURE, "picture {n}");
            pace.sent(300, now);
        }
        assert!(pace.next(true) > start + PATIENCE);
    }

    #[test]
    fn an_answer_that_is_lost_is_not_waited_for_for_ever() {
        let start = Instant::now();
        let mut pace = answering(start);
        pace.sent(2_000, start);
        let next = pace.next(false);
        assert!(next < start + 10 * SECOND);
        pace.sent(100, next);
        assert_eq!(pace.next(false), next + PICTURE);
    }

    #[test]
    fn a_terminal_that_does_not_answer_is_slow_until_it_has_shown_to_be_fast() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.sent(1_440, start);
        assert_eq!(pace.next(false), start + 2 * SECOND);
        assert_eq!(pace.next(true), start + PICTURE, "keys are answered");

        pace.sent(2 * KERNEL, start);
        pace.taken(start + SECOND / 10);
        assert_eq!(pace.next(false), start + SECOND / 10);
        pace.sent(1_000, start + SECOND);
        assert!(pace.next(false) < start + SECOND + SECOND / 10);
    }
}
