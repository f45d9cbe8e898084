//! `location.csv`.
//!
//! The first line names the columns, in any order and case: `cidr`, or `start` and `end`; and of `country_code`,
//! `country`, `city`, `asn` and `org` what there is. Other columns are passed over. Each further line is one range.
//! Ranges may overlap: the smallest that has a field gives it, of two equal ones the lower in the file.
//!
//! A row is bad, and is passed over, when its range cannot be read, runs backwards (it is more likely to be a slip than
//! meant) or has two families, or its country code or AS number cannot be read. A quoted field must end on its line.

use std::{
    borrow::Cow,
    io::{BufRead, Seek},
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use csv_core::{ReadRecordResult, Reader};
use ipnet::IpNet;

use crate::{
    CountryCode, Location, Provides,
    flatten::Refused,
    lines::{Line, Lines},
    prefix,
    table::{Builder, Order, RangeTable},
    text,
};

/// How many bad rows are told.
const TOLD: usize = 5;

/// Fields of a line at most.
const FIELDS: usize = 64;

/// Rows between two looks at whether to stop.
const STRETCH: u64 = 4096;

/// A file that was read.
#[derive(Debug)]
pub struct Csv {
    pub table: RangeTable<'static>,
    pub rows: u64,
    pub bad_rows: u64,
    pub problems: Vec<String>,
    pub provides: Provides,
}

impl Csv {
    /// Reads a whole file, until `stop` is set.
    ///
    /// # Errors
    /// The file cannot be read, is not a `location.csv`, or has not one good row.
    pub fn read<R: BufRead + Seek>(mut reader: R, stop: &AtomicBool) -> Result<Self> {
        // Databases are sorted; only for one that is not all rows must be kept and sorted.
        match Self::read_in(&mut reader, Order::ByStart, stop)? {
            Some(csv) => Ok(csv),
            None => {
                reader.rewind()?;
                Self::read_in(&mut reader, Order::Any, stop)?.context("its rows cannot be sorted")
            }
        }
    }

    /// As [`read`](Self::read); none when the rows are not in that order.
    fn read_in(reader: impl BufRead, order: Order, stop: &AtomicBool) -> Result<Option<Self>> {
        let mut lines = Lines::new(reader);
        let columns = header(&mut lines)?;
        let mut splitter = Splitter::new();
        let mut builder = Builder::new(order);
        let (mut rows, mut bad_rows, mut problems, mut provides) = (0, 0, Vec::new(), Provides::default());
        while let Some(line) = lines.next()? {
            let row = match line {
                Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Line::Whole(line) => splitter.split(line).and_then(|fields| columns.row(&fields)),
                Line::TooLong => Err("it is too long".into()),
            };
            let pushed = row.map(|Row { start, end, code, country, city, asn, org }| {
                let location = Location { country_code: code, country: &country, city: &city, asn, org: &org };
                provides.add(&location);
                builder.push(start, end, location)
            });
            match pushed {
                Ok(Ok(())) => rows += 1,
                Ok(Err(Refused::OutOfOrder)) => return Ok(None),
                Ok(Err(refused)) => bail!("line {}: {refused}", lines.number),
                Err(error) => {
                    bad_rows += 1;
                    if problems.len() < TOLD {
                        problems.push(format!("line {}: {error}", lines.number));
                    }
                }
            }
            ensure!(!lines.number.is_multiple_of(STRETCH) || !stop.load(Relaxed), "reading was stopped");
        }
        if rows == 0 {
            match problems.first() {
                Some(problem) => bail!("it has no good row; {problem}"),
                None => bail!("it has no row after the header"),
            }
        }
        let table = builder.finish().map_err(|refused| anyhow!("{refused}"))?;
        Ok(Some(Self { table, rows, bad_rows, problems, provides }))
    }

    /// Why it is of no use, by the name it has for the user. Bad rows are told apart.
    pub fn problem(&self, name: &str) -> Option<String> {
        (self.provides == Provides::default()).then(|| {
            format!(
                "{name} provides nothing: none of its {} rows has a country, a city or a network; fill in country_code, country, \
                 city, asn or org, and name them in its first line",
                self.rows
            )
        })
    }

    /// Whether a file begins as a `location.csv` does.
    ///
    /// # Errors
    /// Says why not.
    pub fn probe(reader: impl BufRead) -> Result<()> {
        header(&mut Lines::new(reader)).map(drop)
    }
}

/// Which field of a line is which.
#[derive(Clone, Copy, Debug, Default)]
struct Columns {
    cidr: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    code: Option<usize>,
    country: Option<usize>,
    city: Option<usize>,
    asn: Option<usize>,
    org: Option<usize>,
}

/// One good row.
struct Row<'a> {
    start: IpAddr,
    end: IpAddr,
    code: CountryCode,
    country: Cow<'a, str>,
    city: Cow<'a, str>,
    asn: u32,
    org: Cow<'a, str>,
}

/// Reads the first line.
fn header(lines: &mut Lines<impl BufRead>) -> Result<Columns> {
    const FORMS: &str = "the first line must name the columns: \
        \"cidr,country_code,country,city,asn,org\" or \"start,end,country_code,country,city,asn,org\"";
    let line = match lines.next()? {
        None => bail!("it is empty; {FORMS}"),
        Some(Line::TooLong) => bail!("its first line is too long; {FORMS}"),
        Some(Line::Whole(line)) => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
    };
    let mut splitter = Splitter::new();
    let names = splitter.split(line).map_err(|error| anyhow!("its first line: {error}; {FORMS}"))?;
    let mut columns = Columns::default();
    for (at, name) in names.iter().enumerate() {
        let column = match name.to_ascii_lowercase().as_str() {
            "cidr" => &mut columns.cidr,
            "start" => &mut columns.start,
            "end" => &mut columns.end,
            "country_code" => &mut columns.code,
            "country" => &mut columns.country,
            "city" => &mut columns.city,
            "asn" => &mut columns.asn,
            "org" => &mut columns.org,
            _ => continue,
        };
        ensure!(column.is_none(), "the column {} stands twice in the first line", text::quote(name));
        *column = Some(at);
    }
    ensure!(
        columns.cidr.is_some() || (columns.start.is_some() && columns.end.is_some()),
        "it begins with {}; {FORMS}",
        text::quote(&String::from_utf8_lossy(line))
    );
    Ok(columns)
}

/// What is wrong with a row. No `anyhow::Error`: there may be millions, and each could carry a backtrace.
type Bad<T> = Result<T, String>;

impl Columns {
    fn row<'a>(&self, fields: &[&'a str]) -> Bad<Row<'a>> {
        let field = |column: Option<usize>| column.and_then(|at| fields.get(at)).copied().unwrap_or_default();
        let (start, end) = match self.cidr {
            Some(_) => prefix(field(self.cidr))?,
            None => range(field(self.start), field(self.end))?,
        };
        let code = field(self.code);
        let Some(code) = CountryCode::parse(code) else {
            return Err(format!("{} is not a country code of two letters", text::quote(code)));
        };
        let asn = field(self.asn);
        let Some(asn) = text::as_number(asn) else {
            return Err(format!("{} is not an AS number", text::quote(asn)));
        };
        Ok(Row {
            start,
            end,
            code,
            country: text::clean(field(self.country)),
            city: text::clean(field(self.city)),
            asn,
            org: text::clean(field(self.org)),
        })
    }
}

/// An address; IPv4-mapped ones are IPv4.
fn address(text: &str) -> Bad<IpAddr> {
    let address: IpAddr = text.parse().map_err(|_| format!("{} is not an address", text::quote(text)))?;
    Ok(address.to_canonical())
}

/// The first and the last address of a range.
fn range(start: &str, end: &str) -> Bad<(IpAddr, IpAddr)> {
    let (start, end) = (address(start)?, address(end)?);
    if start.is_ipv4() != end.is_ipv4() {
        return Err(format!("{start} and {end} are of two families"));
    }
    if start > end {
        return Err(format!("{start} is above {end}"));
    }
    Ok((start, end))
}

/// The first and the last address of a prefix; bits beyond its length do not count, and a bare address is its own range.
fn prefix(text: &str) -> Bad<(IpAddr, IpAddr)> {
    if !text.contains('/') {
        return address(text).map(|address| (address, address));
    }
    let net: IpNet = text.parse().map_err(|_| format!("{} is not a prefix like 192.0.2.0/24", text::quote(text)))?;
    let net = prefix::canonical(net);
    Ok((net.network(), net.broadcast()))
}

/// Splits lines into fields; one buffer serves all lines.
struct Splitter {
    reader: Reader,
    text: Vec<u8>,
}

impl Splitter {
    fn new() -> Self {
        Self { reader: Reader::new(), text: Vec::new() }
    }

    /// The fields of a line with its line feed.
    fn split(&mut self, line: &[u8]) -> Bad<Vec<&str>> {
        self.reader.reset();
        self.text.resize(line.len(), 0);
        let mut ends = [0; FIELDS];
        let (result, read, written, count) = self.reader.read_record(line, &mut self.text, &mut ends);
        match result {
            ReadRecordResult::Record if matches!(line.get(read..), Some(b"" | b"\n")) => {}
            ReadRecordResult::Record => return Err("a carriage return stands within it".into()),
            ReadRecordResult::OutputEndsFull => return Err(format!("it has more than {FIELDS} fields")),
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::End => {
                return Err("a quoted field does not end on this line".into());
            }
        }
        let text = self.text.get(..written).unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let starts = std::iter::once(0).chain(ends);
        Ok(starts.zip(ends).take(count).map(|(start, end)| text.get(start..end).unwrap_or_default().trim()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn read(file: &[u8]) -> Result<Csv> {
        Csv::read(Cursor::new(file), &AtomicBool::new(false))
    }

    fn at<'a>(csv: &'a Csv, ip: &str) -> Location<'a> {
        csv.table.look_up(ip.parse().unwrap())
    }

    #[test]
    fn both_forms_are_read() {
        for (name, file) in [
            ("cidr", "cidr,country_code,country,city,asn,org\n192.0.2.0/24,DE,Germany,Berlin,AS64500,Example\n"),
            (
                "range",
                "start,end,country_code,country,city,asn,org\n192.0.2.0,192.0.2.255,DE,Germany,Berlin,64500,Example\n",
            ),
            (
                "any order",
                "ORG,Asn,City,x,Country,CIDR,country_code\nExample,as64500,Berlin,y,Germany,192.0.2.7/24,de\n",
            ),
            (
                "marks",
                "\u{feff}cidr,country_code,country,city,asn,org\r\n192.0.2.0/24,DE,Germany,Berlin,AS64500,Example\r\n",
            ),
            (
                "quotes",
                "\"cidr\" , country_code,country,city,asn,org\n \n\"192.0.2.0/24\", DE ,\"Germany\",\"Berlin\",64500,\"Example\"",
            ),
            (
                "mapped",
                "cidr,country_code,country,city,asn,org\n::ffff:192.0.2.0/120,DE,Germany,Berlin,64500,Example\n",
            ),
            (
                "mapped range",
                "start,end,country_code,country,city,asn,org\n::ffff:192.0.2.0,192.0.2.255,DE,Germany,Berlin,64500,Example\n",
            ),
        ] {
            let csv = read(file.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert_eq!((csv.rows, csv.bad_rows), (1, 0), "{name}: {:?}", csv.problems);
            let all = Location {
                country_code: CountryCode(*b"DE"),
                country: "Germany",
                city: "Berlin",
                asn: 64500,
                org: "Example",
            };
            for ip in ["192.0.2.0", "192.0.2.255"] {
                assert_eq!(at(&csv, ip), all, "{name}: {ip}");
            }
            for ip in ["192.0.1.255", "192.0.3.0", "::", "2001:db8::"] {
                assert_eq!(at(&csv, ip), Location::default(), "{name}: {ip}");
            }
        }
    }

    #[test]
    fn the_smallest_range_wins_in_any_order_of_rows() {
        let rows =
            ["10.0.0.0/8,DE,,,1,Big", "10.1.0.0/16,FR,,Paris,,", "10.1.2.0/24,,,,2,Small", "2001:db8::/32,JP,,,,"];
        let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]];
        for order in orders {
            let file = "cidr,country_code,country,city,asn,org\n".to_owned() + &order.map(|at| rows[at]).join("\n");
            let csv = read(file.as_bytes()).unwrap();
            for (ip, code, city, asn, org) in [
                ("10.0.0.1", b"DE", "", 1, "Big"),
                ("10.1.0.1", b"FR", "Paris", 1, "Big"),
                ("10.1.2.1", b"FR", "Paris", 2, "Small"),
                ("10.1.3.0", b"FR", "Paris", 1, "Big"),
                ("10.2.0.0", b"DE", "", 1, "Big"),
                ("10.255.255.255", b"DE", "", 1, "Big"),
                ("2001:db8:ffff::1", b"JP", "", 0, ""),
            ] {
                let expected = Location { country_code: CountryCode(*code), country: "", city, asn, org };
                assert_eq!(at(&csv, ip), expected, "{ip}, {order:?}");
            }
        }
    }

    #[test]
    fn of_two_equal_ranges_the_lower_one_wins() {
        let csv = read(b"cidr,city\n192.0.2.0/24,old\n192.0.2.0/24,new\n").unwrap();
        assert_eq!(at(&csv, "192.0.2.1").city, "new");
    }

    #[test]
    fn bad_rows_are_counted_and_told() {
        let rows: [(&[u8], &str); 12] = [
            (b"192.0.2.0,192.0.2.9,DE,1", ""),
            (b"192.0.2.9,192.0.2.0,DE,1", "192.0.2.9 is above 192.0.2.0"),
            (b"192.0.2.0,2001:db8::,DE,1", "two families"),
            (b"192.0.2.0,,DE,1", "\"\" is not an address"),
            (b"192.0.2.0/24,192.0.2.9,DE,1", "is not an address"),
            (b"192.0.2.0,192.0.2.9,DEU,1", "country code"),
            (b"192.0.2.0,192.0.2.9,DE,4294967296", "AS number"),
            (b"192.0.2.0,192.0.2.9,DE,ASx", "AS number"),
            (b"192.0.2.0,192.0.2.9,\xff\xfe,1", "UTF-8"),
            (b"192.0.2.0,192.0.2.9,\"DE,1", "quoted"),
            (b"192.0.2.0,192.0.2.9\r,DE,1", "carriage return"),
            (b"192.0.2.0\0,192.0.2.9,DE,1", "not an address"),
        ];
        for (row, problem) in rows {
            let file = [&b"start,end,country_code,asn\n198.51.100.0,198.51.100.1,US,2\n"[..], row].concat();
            let csv = read(&file).unwrap();
            assert_eq!(csv.bad_rows, u64::from(!problem.is_empty()), "{problem}");
            assert!(csv.problems.concat().contains(problem), "{:?}: {problem}", csv.problems);
            assert!(problem.is_empty() || csv.problems.concat().starts_with("line 3: "), "{:?}", csv.problems);
        }
    }

    #[test]
    fn what_is_no_location_csv_says_so() {
        for (name, file, expected) in [
            ("empty", &b""[..], "it is empty"),
            ("only a header", b"cidr,city\n", "no row after the header"),
            ("no header", b"192.0.2.0/24,DE,,,,\n", "must name the columns"),
            ("another file", b"\x7fELF\x02\x01\0\0\n", "must name the columns"),
            ("not text", b"\xff\xff\n", "must name the columns"),
            ("a column twice", b"cidr,city,CITY\n", "twice"),
            ("bad rows only", b"cidr,city\nx,y\n", "no good row; line 2"),
        ] {
            let error = format!("{:#}", read(file).unwrap_err());
            assert!(error.contains(expected), "{name}: {error}");
        }
        let error = Csv::read(Cursor::new(vec![b'x'; 100 << 20]), &AtomicBool::new(false)).unwrap_err();
        assert!(format!("{error:#}").contains("first line is too long"));
    }

    #[test]
    fn what_provides_nothing_is_told() {
        for (name, file, expected) in [
            ("ranges alone", &b"cidr\n192.0.2.0/24\n"[..], Some("none of its 1 rows")),
            ("other columns", b"start,end,latitude\n192.0.2.0,192.0.2.9,52.5\n", Some("none of its 1 rows")),
            (
                "empty fields",
                b"cidr,country_code,city,asn\n192.0.2.0/24,,,0\n10.0.0.0/8,,,\n",
                Some("none of its 2 rows"),
            ),
            ("one city", b"cidr,city\n192.0.2.0/24,\n10.0.0.0/8,Here\n", None),
            ("one network", b"cidr,asn\n192.0.2.0/24,64500\n", None),
        ] {
            let problem = read(file).unwrap().problem("x.csv");
            assert_eq!(problem.is_some(), expected.is_some(), "{name}: {problem:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{name}");
        }
    }

    #[test]
    fn control_characters_are_dropped() {
        let csv = read(b"cidr,city,org\n192.0.2.0/24,Be\x1b[31mrlin\0,\x07\n").unwrap();
        assert_eq!((at(&csv, "192.0.2.1").city, at(&csv, "192.0.2.1").org), ("Be[31mrlin", ""));
    }

    #[test]
    fn reading_stops_when_told() {
        let rows = "192.0.2.0/24,x\n".repeat(2 * STRETCH as usize);
        let error = Csv::read(Cursor::new(format!("cidr,city\n{rows}")), &AtomicBool::new(true)).unwrap_err();
        assert!(error.to_string().contains("stopped"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(file in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&file);
            let _ = read(&[&b"cidr,country_code,country,city,asn,org\n"[..], &file].concat());
        }

        #[test]
        fn no_text_makes_it_panic(rows in prop::collection::vec("[0-9a-f:./,\"\r AS]{0,40}", 0..40)) {
            let _ = read(format!("start,end,country_code,country,city,asn,org\n{}", rows.join("\n")).as_bytes());
        }
    }
}
