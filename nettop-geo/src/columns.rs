//! A table as columns of bytes, which compress to a few bits for each range.
//!
//! Each column is its length (4 bytes, little-endian) and its bytes. The places have six: the texts, each ended by a
//! newline; the code, country, city, number and organisation of every place. The ranges of each family have three: the
//! power of two and the odd factor that make the size of every range, and its place. Numbers are LEB128. The last range's
//! size is not kept: it reaches to the end. Places are numbered by how many ranges they have, so that most numbers are
//! short.

use std::cmp::Reverse;

use anyhow::{Context as _, Result, ensure};

use crate::{
    CountryCode,
    places::{Place, Places},
    segments::{Range, Segments},
    table::Table,
};

/// Turns a table into columns: of its places, its IPv4 ranges and its IPv6 ranges.
///
/// # Errors
/// A column of 4 GiB.
pub fn encode(table: &Table) -> Result<[Vec<u8>; 3]> {
    let places: Vec<Place> = table.places.iter().collect();
    let mut ranges = vec![0_u32; places.len()];
    for value in table.v4.iter().map(|range| range.value).chain(table.v6.iter().map(|range| range.value)) {
        ranges[value as usize] += 1;
    }
    // Unknown stays the first; what no range has any more is left out.
    let mut order: Vec<usize> = (1..places.len()).filter(|&at| ranges[at] > 0).collect();
    order.sort_by_key(|&at| (Reverse(ranges[at]), at));
    order.insert(0, 0);
    let mut number = vec![0_u32; places.len()];
    for (new, &old) in order.iter().enumerate() {
        number[old] = u32::try_from(new)?;
    }

    let mut texts = Texts::default();
    let mut columns: [Vec<u8>; 5] = Default::default();
    texts.number(&table.places, 0);
    for place in order.iter().map(|&at| places[at]) {
        let Place { code: CountryCode(code), country, city, asn, org } = place;
        let [country, city, org] = [country, city, org].map(|text| texts.number(&table.places, text));
        let numbers = [u16::from_be_bytes(code).into(), country, city, asn, org];
        for (column, number) in columns.iter_mut().zip(numbers) {
            put(column, number.into());
        }
    }

    let [code, country, city, asn, org] = columns;
    Ok([
        concatenate(&[texts.bytes, code, country, city, asn, org])?,
        concatenate(&range_columns(&table.v4, &number))?,
        concatenate(&range_columns(&table.v6, &number))?,
    ])
}

fn concatenate(columns: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for column in columns {
        out.extend(u32::try_from(column.len())?.to_le_bytes());
        out.extend(column);
    }
    Ok(out)
}

/// The texts that are in use, renumbered.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    numbers: std::collections::HashMap<u32, u32>,
}

impl Texts {
    fn number(&mut self, places: &Places, text: u32) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(text).or_insert_with(|| {
            // Control characters, and so newlines, never come into a table.
            self.bytes.extend(places.text(text).bytes());
            self.bytes.push(b'\n');
            next
        })
    }
}

fn range_columns<A: Copy + Ord + Into<u128>>(segments: &Segments<A>, number: &[u32]) -> [Vec<u8>; 3] {
    let [mut powers, mut factors, mut values]: [Vec<u8>; 3] = Default::default();
    let starts: Vec<u128> = segments.iter().map(|range| range.start.into()).collect();
    for pair in starts.windows(2) {
        let size = pair[1] - pair[0];
        let power = size.trailing_zeros();
        powers.push(power as u8);
        put(&mut factors, size >> power);
    }
    for range in segments.iter() {
        put(&mut values, number[range.value as usize].into());
    }
    [powers, factors, values]
}

fn put(column: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        column.push(number as u8 | 0x80);
        number >>= 7;
    }
    column.push(number as u8);
}

/// Turns columns into places.
///
/// # Errors
/// Says what is wrong.
pub fn decode_places(bytes: &[u8]) -> Result<Places> {
    let [texts, mut code, mut country, mut city, mut asn, mut org] = split(bytes)?.map(Numbers);
    let texts = str::from_utf8(texts.0).context("a text is not UTF-8")?;
    let mut places = Vec::new();
    while !code.0.is_empty() {
        places.push(Place {
            code: CountryCode(u16::try_from(code.next()?)?.to_be_bytes()),
            country: country.next()?,
            city: city.next()?,
            asn: asn.next()?,
            org: org.next()?,
        });
    }
    Ok(Places::new(texts.split_terminator('\n'), places.into()))
}

/// Turns columns into ranges.
///
/// # Errors
/// Says what is wrong.
pub fn decode_ranges<A: Copy + Ord + Into<u128> + TryFrom<u128>>(bytes: &[u8]) -> Result<Segments<A>> {
    let [powers, factors, values] = split(bytes)?;
    let (mut factors, mut values) = (Numbers(factors), Numbers(values));
    let mut ranges = Vec::with_capacity(powers.len() + 1);
    let mut at = 0_u128;
    let address = |at: u128| A::try_from(at).ok().context("a range reaches beyond the last address");
    for power in powers {
        ranges.push(Range { start: address(at)?, value: values.next()? });
        let size = factors.next_wide()?.checked_shl((*power).into()).context("a range is too big")?;
        at = at.checked_add(size).context("a range reaches beyond the last address")?;
    }
    if !values.0.is_empty() {
        ranges.push(Range { start: address(at)?, value: values.next()? });
    }
    ensure!(factors.0.is_empty() && values.0.is_empty(), "the columns differ in length");
    Ok(Segments::new(ranges))
}

/// The columns, as many as are asked for.
fn split<const N: usize>(mut rest: &[u8]) -> Result<[&[u8]; N]> {
    let mut columns = [&[][..]; N];
    for column in &mut columns {
        let (length, after) = rest.split_first_chunk().context("a column is missing")?;
        let length = u32::from_le_bytes(*length) as usize;
        (*column, rest) = after.split_at_checked(length).context("a column ends early")?;
    }
    ensure!(rest.is_empty(), "something follows the last column");
    Ok(columns)
}

/// A column of LEB128 numbers.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    #[inline]
    fn next(&mut self) -> Result<u32> {
        self.next_short().map_or_else(|| u32::try_from(self.next_long()?).context("a number is too big"), Ok)
    }

    #[inline]
    fn next_wide(&mut self) -> Result<u128> {
        self.next_short().map_or_else(|| self.next_long(), |number| Ok(number.into()))
    }

    /// A number of one byte to three: most are.
    #[inline]
    fn next_short(&mut self) -> Option<u32> {
        let part = |byte: u8, shift: u32| u32::from(byte & 0x7f) << shift;
        let (number, rest) = match self.0 {
            [a @ ..0x80, rest @ ..] => (part(*a, 0), rest),
            [a, b @ ..0x80, rest @ ..] => (part(*a, 0) | part(*b, 7), rest),
            [a, b, c @ ..0x80, rest @ ..] => (part(*a, 0) | part(*b, 7) | part(*c, 14), rest),
            _ => return None,
        };
        self.0 = rest;
        Some(number)
    }

    fn next_long(&mut self) -> Result<u128> {
        let (mut number, mut shift) = (0_u128, 0);
        loop {
            let (byte, rest) = self.0.split_first().context("a column ends early")?;
            self.0 = rest;
            ensure!(shift < 128, "a number is too long");
            number |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }
}
