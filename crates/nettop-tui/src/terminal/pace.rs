//! When a terminal can take the next picture, so that it shows the newest one and no queue of old ones.
//!
//! Whatever is written goes into buffers: the kernel's, ssh's, those of the network. None of them tells how much is in it, and
//! at 9600 baud the smallest, a pseudo-terminal's 12 KiB, is twelve seconds. So each picture ends with a question that every
//! terminal since the VT100 answers (DSR 5), and the next picture waits until nearly all before it has been answered for.
//!
//! Answers get lost: a multiplexer is attached elsewhere, a noisy line drops a byte. One that is due holds up the picture for a
//! second at most. Due is what the terminal, as it has answered before, should have shown: of a slow line no answer is missed
//! that cannot be there yet. A terminal that does not answer, which may be none at all, is taken for one of 9600 baud until it
//! has shown to be faster, but gets a picture a second; only what somebody at the keyboard waits for is not held back.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// The question.
pub const QUESTION: &[u8] = b"\x1b[5n";
/// So many bytes may be on their way when another picture follows: over a long line several small ones are.
const AHEAD: usize = 1024;
/// How long the picture stops for an answer that is due.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much longer than usual a terminal may take before its answer is due.
const SLACK: f64 = 2.0;
/// How fast what is known of the terminal's speed is forgotten: a line that was slow once is not taken for a slow one for ever.
const FADING: f64 = 0.9;
/// So many answers in a row are missed until it is a terminal that does not answer.
const MISSES: u32 = 3;
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
pub struct PicturePace {
    began: Instant,
    /// Bytes of all pictures.
    sent: usize,
    newest: Option<Instant>,
    /// When it was first asked.
    first: Option<Instant>,
    /// Bytes per second of one that does not answer.
    rate: f64,
    /// When that one will have shown everything.
    shown: Instant,
    /// Whether it has ever answered.
    answers: bool,
    /// Bytes per second, by its answers.
    fastest: Option<f64>,
    /// The newest answer.
    answered: Instant,
    /// Answers missed since the last one that came.
    misses: u32,
    unanswered: VecDeque<(Instant, usize)>,
}

impl PicturePace {
    /// Of a terminal of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            sent: 0,
            newest: None,
            first: None,
            rate: UNKNOWN,
            shown: now,
            answers: false,
            fastest: None,
            answered: now,
            misses: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// A picture of so many bytes, and the question, are on their way.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.misses = self.misses.saturating_add(1);
        }
        // Whatever was waited for is not waited for any more.
        if self.on_their_way() >= AHEAD || self.unanswered.len() >= MOST {
            self.unanswered.clear();
        }
        self.unanswered.push_back((now, bytes));
        self.newest = Some(now);
        self.first.get_or_insert(now);
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
    pub fn answered(&mut self, now: Instant) {
        let answer = self.unanswered.pop_front();
        // Of small pictures the line's length is all that their time tells, and of late answers nobody knows what they answer.
        if let Some((sent, bytes)) = answer
            && bytes >= AHEAD
            && self.misses == 0
        {
            let took = now.duration_since(sent.max(self.answered)).as_secs_f64().max(0.001);
            let before = self.fastest.unwrap_or_default() * FADING;
            self.fastest = Some(before.max(bytes as f64 / took));
        }
        (self.answers, self.answered, self.misses) = (true, now, 0);
    }

    /// Nothing that was sent will be answered for: the terminal was somebody else's meanwhile.
    pub fn forget(&mut self) {
        (self.newest, self.misses) = (None, 0);
        self.unanswered.clear();
    }

    /// Whether it answers, or is too new to tell, and has not yet answered everything.
    pub fn waits_for_answers(&self, now: Instant) -> bool {
        let is_new = self.first.is_some_and(|first| now < first + PATIENCE);
        (self.answers || is_new) && !self.unanswered.is_empty()
    }

    /// Whether answers that are due have not come.
    pub fn misses_answers(&self, now: Instant) -> bool {
        self.misses > 0 || self.due().is_some_and(|due| due <= now)
    }

    /// When the next picture may be sent; `awaited`: somebody waits for it.
    pub fn next(&self, awaited: bool) -> Instant {
        let soonest = self.newest.map_or(self.began, |newest| newest + PICTURE);
        match self.due() {
            Some(due) if self.answers && self.misses < MISSES => soonest.max(due),
            None if self.answers => soonest,
            _ if awaited => soonest,
            _ => soonest.max(self.shown.min(self.newest.map_or(self.began, |newest| newest + PATIENCE))),
        }
    }

    /// When the answer is due that the next picture waits for; `None`: it waits for none.
    fn due(&self) -> Option<Instant> {
        let bytes = self.on_their_way();
        let (sent, _) = self.unanswered.back().filter(|_| bytes >= AHEAD)?;
        let usual = self.fastest.map(|rate| Duration::from_secs_f64(bytes as f64 / rate * SLACK));
        Some(*sent + usual.unwrap_or_default().max(PATIENCE))
    }

    fn on_their_way(&self) -> usize {
        self.unanswered.iter().map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A terminal that has answered once, as fast as it could.
    fn answering(now: Instant) -> PicturePace {
        let mut pace = PicturePace::new(now);
        pace.sent(5_000, now);
        pace.answered(now);
        pace
    }

    #[test]
    fn the_next_picture_waits_for_the_answer() {
        let start = Instant::now();
        let mut pace = answering(start);
        assert_eq!(pace.next(false), start + PICTURE);
        let later = start + SECOND;
        pace.sent(3_000, later);
        assert_eq!(pace.next(true), later + PATIENCE, "not while the answer can still come");
        assert!(pace.waits_for_answers(later));
        pace.answered(later + PICTURE);
        assert_eq!(pace.next(false), later + PICTURE);
        assert!(!pace.waits_for_answers(later));
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
        assert!(pace.next(true) >= start + PATIENCE);
    }

    #[test]
    fn answers_that_are_lost_stop_the_picture_for_a_second_and_are_told() {
        let start = Instant::now();
        for (bytes, awaited) in [(2_000, false), (2_000, true), (200_000, false), (1_024, true)] {
            let mut pace = answering(start);
            assert!(!pace.misses_answers(start));
            let mut now = start;
            for miss in 0..10 {
                pace.sent(bytes, now);
                let next = pace.next(awaited);
                assert!(next <= now + PATIENCE, "{bytes} bytes, {miss} missed");
                assert!(!pace.misses_answers(now + PATIENCE / 2) || miss > 0);
                now = next.max(now + PATIENCE);
                assert!(pace.misses_answers(now));
            }
            pace.answered(now);
            assert!(!pace.misses_answers(now), "one that comes is enough");
            pace.sent(bytes, now);
            assert_eq!(pace.next(true), now + PATIENCE, "and is waited for again");
        }
    }

    #[test]
    fn a_slow_line_is_given_the_time_that_it_takes() {
        let start = Instant::now();
        let mut pace = PicturePace::new(start);
        // 1,000 bytes per second.
        pace.sent(5_000, start);
        pace.answered(start + 5 * SECOND);
        let now = start + 6 * SECOND;
        pace.sent(4_000, now);
        assert_eq!(pace.next(true), now + 8 * SECOND);
        assert!(!pace.misses_answers(now + 7 * SECOND));
        // It was only held up: the next one is fast.
        pace.answered(now + SECOND / 100);
        pace.sent(4_000, now + SECOND);
        assert_eq!(pace.next(true), now + 2 * SECOND);
    }

    #[test]
    fn what_another_has_shown_meanwhile_is_not_waited_for() {
        let start = Instant::now();
        let mut pace = answering(start);
        pace.sent(50_000, start);
        pace.forget();
        assert!(pace.next(false) <= start && !pace.misses_answers(start + 9 * SECOND));
    }

    #[test]
    fn a_terminal_that_does_not_answer_is_slow_until_it_has_shown_to_be_fast() {
        let start = Instant::now();
        let mut pace = PicturePace::new(start);
        pace.sent(360, start);
        assert!(pace.waits_for_answers(start) && !pace.waits_for_answers(start + SECOND));
        assert_eq!(pace.next(false), start + SECOND / 2);
        pace.sent(1_440, start);
        assert_eq!(pace.next(false), start + SECOND, "a picture a second, whatever it is");
        assert_eq!(pace.next(true), start + PICTURE, "keys are answered");

        pace.sent(2 * KERNEL, start);
        pace.taken(start + SECOND / 10);
        assert_eq!(pace.next(false), start + SECOND / 10);
        pace.sent(1_000, start + SECOND);
        assert!(pace.next(false) < start + SECOND + SECOND / 10);
    }
}
