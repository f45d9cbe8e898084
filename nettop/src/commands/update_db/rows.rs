//! Reading DB-IP's tables: gzip, CSV, one range of addresses in each row, in ascending order.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Take},
    net::IpAddr,
};

use anyhow::{Context as _, Result, bail, ensure};
use csv_core::{ReadRecordResult, Reader};
use flate2::read::MultiGzDecoder;

use super::Limits;

/// The longest line, bytes; what is longer is no row of such a table.
const LONGEST_LINE: usize = 4096;
/// The most columns.
const MOST_COLUMNS: usize = 16;
/// One row in so many may be unreadable: more, and it is not the table it should be.
const GOOD_PER_BAD: u64 = 99;

/// An address as a number, in DB-IP's order: IPv4 before IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Whether it is an IPv6 address.
    pub v6: bool,
    /// Its bits.
    pub bits: u128,
}

impl Position {
    /// The address.
    pub fn address(self) -> IpAddr {
        if self.v6 { IpAddr::from(self.bits.to_be_bytes()) } else { IpAddr::from((self.bits as u32).to_be_bytes()) }
    }
}

impl From<IpAddr> for Position {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self { v6: false, bits: v4.to_bits().into() },
            IpAddr::V6(v6) => Self { v6: true, bits: v6.to_bits() },
        }
    }
}

/// What a table says about the addresses from `first` to `last`, both of one family and part of the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The first address.
    pub first: Position,
    /// The last one.
    pub last: Position,
    /// What it says.
    pub facts: T,
}

/// A table that is being read.
pub struct RangeRows<T> {
    name: String,
    input: Take<BufReader<MultiGzDecoder<BufReader<File>>>>,
    parse: fn(&[&str]) -> Option<T>,
    csv: Reader,
    line: Vec<u8>,
    /// Rows read so far, good and bad: the number of the present line.
    number: u64,
    bad: u64,
    first_bad: Option<u64>,
    last: Option<Position>,
}

impl<T> RangeRows<T> {
    /// A table in a gzip file; `parse` reads the columns behind the range.
    pub fn new(name: String, file: File, limits: &Limits, parse: fn(&[&str]) -> Option<T>) -> Self {
        let input = BufReader::new(MultiGzDecoder::new(BufReader::new(file))).take(limits.unpacked);
        let (csv, line) = (Reader::new(), Vec::new());
        Self { name, input, parse, csv, line, number: 0, bad: 0, first_bad: None, last: None }
    }

    /// The next row that can be read; `None` after the last one, when the whole table was good enough.
    ///
    /// # Errors
    /// The file is damaged or cut off, its ranges are out of order, or too few of its rows can be read.
    pub fn next(&mut self) -> Result<Option<Row<T>>> {
        while self.next_line()? {
            self.number += 1;
            let Some(row) = self.parse_line() else {
                self.bad += 1;
                self.first_bad.get_or_insert(self.number);
                continue;
            };
            if self.last.is_some_and(|last| row.first <= last) {
                bail!("{}: line {} is out of order; the file is damaged", self.name, self.number);
            }
            self.last = Some(row.last);
            return Ok(Some(row));
        }
        self.check_quality()?;
        Ok(None)
    }

    /// Rows that could be read so far.
    pub fn good(&self) -> u64 {
        self.number - self.bad
    }

    /// Rows that could not.
    pub fn bad(&self) -> u64 {
        self.bad
    }

    fn check_quality(&self) -> Result<()> {
        ensure!(self.input.limit() > 0, "{}: unpacked it is longer than such a table can be", self.name);
        let (good, bad) = (self.good(), self.bad);
        if let Some(line) = self.first_bad {
            ensure!(
                good >= bad.saturating_mul(GOOD_PER_BAD),
                "{}: {bad} of its {} rows cannot be read, the first in line {line}; it is not the table it should be",
                self.name,
                self.number
            );
        }
        ensure!(good > 0, "{}: it has no rows", self.name);
        Ok(())
    }

    /// Reads a line; of a longer one only what is allowed is kept.
    fn next_line(&mut self) -> Result<bool> {
        self.line.clear();
        let damaged = || format!("{}: the file is damaged or cut off", self.name);
        loop {
            let part = self.input.fill_buf().with_context(damaged)?;
            if part.is_empty() {
                return Ok(!self.line.is_empty());
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(part.len(), |end| end + 1);
            // One byte more than allowed tells that it was longer.
            let room = (LONGEST_LINE + 1).saturating_sub(self.line.len());
            self.line.extend(&part[..used.min(room)]);
            self.input.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn parse_line(&mut self) -> Option<Row<T>> {
        let line = self.line.trim_ascii_end();
        if line.len() >= LONGEST_LINE {
            return None;
        }
        let (mut output, mut ends) = ([0; LONGEST_LINE], [0; MOST_COLUMNS]);
        self.csv.reset();
        let (_, _, written, columns) = self.csv.read_record(line, &mut output, &mut ends);
        // An empty input tells it that the record ends here.
        let (result, _, _, more) = self.csv.read_record(&[], &mut output[written..], &mut ends[columns..]);
        if result != ReadRecordResult::Record {
            return None;
        }
        let text = std::str::from_utf8(&output).ok()?;
        let mut from = 0;
        let mut fields = [""; MOST_COLUMNS];
        let columns = columns + more;
        for (field, end) in fields.iter_mut().zip(&ends[..columns]) {
            *field = text.get(from..*end)?;
            from = *end;
        }
        let [first, last, facts @ ..] = &fields[..columns] else { return None };
        let [first, last] = [first, last].map(|field| field.parse::<IpAddr>().ok().map(Position::from));
        let (first, last) = (first?, last?);
        if first.v6 != last.v6 || first > last || facts.iter().any(|field| field.contains(char::is_control)) {
            return None;
        }
        Some(Row { first, last, facts: (self.parse)(facts)? })
    }
}
