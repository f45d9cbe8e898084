//! The lines of a recording, one by one, in bounded memory.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use flate2::read::MultiGzDecoder;
use nettop_collect::record::Line;
use nettop_model::json;

/// Bytes of a line at most. One of 131,072 sources has some ten million.
const LONGEST: u64 = 64 << 20;

/// A file, of which it is known how much was read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An open recording.
pub struct Lines {
    text: BufReader<MultiGzDecoder<BufReader<Counted>>>,
    line: Vec<u8>,
    number: u64,
    size: u64,
    read: Arc<AtomicU64>,
}

impl Lines {
    /// Opens it.
    ///
    /// # Errors
    /// What the file system says; it is a folder.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            bail!("it is a directory, not a recording");
        }
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, read: Arc::clone(&read) };
        let text = BufReader::new(MultiGzDecoder::new(BufReader::new(counted)));
        Ok(Self { text, line: Vec::new(), number: 0, size: metadata.len(), read })
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the file that were read.
    pub fn offset(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The next line; `None`: there is none. What a process that was killed has left unfinished is the end.
    ///
    /// # Errors
    /// It is none, longer than any, or the file is damaged.
    pub fn next(&mut self) -> Result<Option<Line>> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.text).take(LONGEST).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.number > 1 => return Ok(None),
            Err(error) => return Err(error).context("it is no recording, or damaged"),
        }
        if self.line.last() != Some(&b'\n') {
            if self.line.len() as u64 >= LONGEST {
                bail!("line {} is longer than {} MiB", self.number, LONGEST >> 20);
            }
            return Ok(None);
        }
        let line = json::read(&self.line).with_context(|| format!("line {} is none of a recording", self.number))?;
        Ok(Some(line))
    }
}
