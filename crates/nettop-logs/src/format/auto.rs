//! Which format a file has: told from its lines, and told anew when many in a row are of another one; never line by line, so that nobody who can write
//! into a line can choose how it is read.

use super::{
    Choice, Format, PRESETS,
    access::{Access, Parsed},
    fields::Miss,
};

/// Lines that are looked at.
const SAMPLE: usize = 64;
/// So many of them have to fit.
const FITS: f64 = 0.9;
/// After so many in a row that do not it is told anew.
const MISSES: usize = 20;

/// The format of one file.
#[derive(Debug)]
pub struct Auto {
    /// What may be chosen; empty: nothing else.
    candidates: Vec<Format>,
    chosen: Option<Format>,
    /// Lines that were of another format, the newest in a row.
    missed: Vec<String>,
}

impl Auto {
    /// As was asked for.
    pub fn new(choice: &Choice) -> Self {
        match choice {
            Choice::One(format) => Self { candidates: Vec::new(), chosen: Some(format.clone()), missed: Vec::new() },
            Choice::Auto(first) => {
                let presets = PRESETS.iter().filter_map(|preset| preset.format().ok());
                let candidates = first.iter().cloned().chain(presets).collect();
                Self { candidates, chosen: None, missed: Vec::new() }
            }
        }
    }

    /// What it is called; empty: nobody knows.
    pub fn name(&self) -> &str {
        self.chosen.as_ref().map_or("", |format| &format.name)
    }

    /// Looks at lines of the file, of which the last may be cut.
    pub fn learn(&mut self, access: &Access, sample: &[u8]) {
        let text = String::from_utf8_lossy(sample);
        let mut lines: Vec<_> = text.lines().collect();
        if !text.ends_with('\n') {
            lines.pop();
        }
        // Its newest lines tell what comes; that of W3C is told at the beginning.
        let mut chosen = lines.len().saturating_sub(SAMPLE);
        if self.candidates.is_empty() {
            chosen = 0;
        }
        if let Some(format) = &mut self.chosen {
            for line in &lines {
                let _ = format.read(line);
            }
            return;
        }
        let heads = lines[..chosen].iter().copied().filter(|line| line.starts_with('#'));
        let sample: Vec<_> = heads.chain(lines[chosen..].iter().copied()).collect();
        self.choose(access, &sample);
    }

    fn choose(&mut self, access: &Access, lines: &[&str]) {
        if lines.is_empty() || self.candidates.is_empty() {
            return;
        }
        let needed = (lines.len() as f64 * FITS).ceil() as usize;
        let fitting = self.candidates.iter().find_map(|candidate| {
            let mut format = candidate.clone();
            let fits = lines.iter().filter(|line| access.understands(&mut format, line)).count();
            (fits >= needed).then_some(format)
        });
        if fitting.is_some() {
            self.chosen = fitting;
            self.missed.clear();
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is of another format, or contradicts that of the file.
    pub fn read(&mut self, access: &Access, line: &str) -> Result<Parsed, Miss> {
        if self.chosen.is_none() {
            // The first line that is understood decides, until others say something else.
            self.choose(access, &[line]);
        }
        let result = match &mut self.chosen {
            Some(format) => access.read(format, line),
            None => Err(Miss::Other),
        };
        match result {
            Err(miss) if !self.candidates.is_empty() => {
                // What contradicts its format may be of another one, too.
                self.missed.push(line.chars().take(4096).collect());
                if self.missed.len() >= MISSES {
                    let missed = std::mem::take(&mut self.missed);
                    let lines: Vec<_> = missed.iter().map(String::as_str).collect();
                    self.choose(access, &lines);
                }
                Err(miss)
            }
            result => {
                self.missed.clear();
                result
            }
        }
    }
}
