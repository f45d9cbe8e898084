//! Making one table of two: where a range lies, and whose it is.

use std::io;

use anyhow::{Context as _, Result};
use nettop_geo::CountryCode;

use super::rows::{Position, RangeRows, Row};

/// Where addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Two capital letters (ISO 3166-1).
    pub country_code: String,
    /// In DB-IP's spelling, or empty.
    pub city: String,
}

/// Whose addresses they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Number of the autonomous system.
    pub asn: u32,
    /// Its organisation.
    pub org: String,
}

/// The header of what is made.
const HEADER: [&str; 7] = ["start", "end", "country_code", "country", "city", "asn", "org"];
/// DB-IP's code for addresses that nobody has.
const NOWHERE: &str = "ZZ";

/// The columns `country`.
pub fn country_row(fields: &[&str]) -> Option<Location> {
    let [code, ..] = fields else { return None };
    location(code, "")
}

/// The columns `continent,country,stateprov,city,…`.
pub fn city_row(fields: &[&str]) -> Option<Location> {
    let [_, code, _, city, ..] = fields else { return None };
    location(code, city)
}

/// The columns `asn,org`.
pub fn network_row(fields: &[&str]) -> Option<Network> {
    let [asn, org, ..] = fields else { return None };
    Some(Network { asn: asn.parse().ok()?, org: (*org).to_string() })
}

fn location(code: &str, city: &str) -> Option<Location> {
    let is_code = code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase());
    is_code.then(|| Location { country_code: code.into(), city: city.into() })
}

/// The English name of a country, or nothing for a code that ISO 3166-1 does not know.
fn country_name(code: &str) -> &'static str {
    let code: Option<[u8; 2]> = code.as_bytes().try_into().ok();
    code.and_then(|code| CountryCode(code).name()).unwrap_or_default()
}

/// Writes the union of both tables: a row for each range of which they say the same. Returns how many rows.
///
/// # Errors
/// When a table is not as it should be, or the output cannot be written.
pub fn merge(
    mut locations: impl FnMut() -> Result<Option<Row<Location>>>,
    mut networks: impl FnMut() -> Result<Option<Row<Network>>>,
    output: impl io::Write,
) -> Result<u64> {
    const WRITING: &str = "writing the new table";
    let mut output = csv::Writer::from_writer(output);
    output.write_record(HEADER).context(WRITING)?;
    let mut rows = 0;
    let (mut location, mut network) = (locations()?, networks()?);
    loop {
        let starts = [location.as_ref().map(|row| row.first), network.as_ref().map(|row| row.first)];
        let Some(first) = starts.into_iter().flatten().min() else { break };
        let reaches = [location.as_ref().map(|row| reach(row, first)), network.as_ref().map(|row| reach(row, first))];
        let Some(last) = reaches.into_iter().flatten().min() else { break };
        let here = location.as_ref().filter(|row| row.first == first && row.facts.country_code != NOWHERE);
        let whose = network.as_ref().filter(|row| row.first == first);
        if here.is_some() || whose.is_some() {
            let (code, city) = here.map_or(("", ""), |row| (&row.facts.country_code, &row.facts.city));
            let (asn, org) = whose.map_or((String::new(), ""), |row| (row.facts.asn.to_string(), &row.facts.org));
            let [start, end] = [first, last].map(|position| position.address().to_string());
            output.write_record([&start, &end, code, country_name(code), city, &asn, org]).context(WRITING)?;
            rows += 1;
        }
        advance(&mut location, last, &mut locations)?;
        advance(&mut network, last, &mut networks)?;
    }
    output.flush().context(WRITING)?;
    Ok(rows)
}

/// How far a piece that begins at `first` may go before this row begins or ends.
fn reach<T>(row: &Row<T>, first: Position) -> Position {
    match row.first {
        start if start == first => row.last,
        // The row begins later, in this family or the other one.
        start if start.v6 == first.v6 => Position { bits: start.bits - 1, ..start },
        _ => Position { bits: u32::MAX.into(), ..first },
    }
}

/// Cuts off what was written up to `last`; takes the next row where nothing remains.
fn advance<T>(
    row: &mut Option<Row<T>>,
    last: Position,
    next: &mut impl FnMut() -> Result<Option<Row<T>>>,
) -> Result<()> {
    if let Some(present) = row {
        if present.last <= last {
            *row = next()?;
        } else if present.first <= last {
            present.first = Position { bits: last.bits + 1, ..last };
        }
    }
    Ok(())
}

/// The rows of a table, for [`merge`]; none where there is no table.
pub fn rows_of<T>(table: Option<&mut RangeRows<T>>) -> impl FnMut() -> Result<Option<Row<T>>> {
    let mut table = table;
    move || table.as_mut().map_or(Ok(None), |table| table.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<T>(first: &str, last: &str, facts: T) -> Row<T> {
        let position = |text: &str| text.parse::<std::net::IpAddr>().unwrap().into();
        Row { first: position(first), last: position(last), facts }
    }

    /// The pieces that come of both tables, without the header and the names of countries.
    fn merged(locations: &[(&str, &str, &str)], networks: &[(&str, &str, u32)]) -> Vec<String> {
        let mut locations = locations
            .iter()
            .map(|(first, last, code)| row(first, last, location(code, "").unwrap()))
            .collect::<Vec<_>>()
            .into_iter();
        let mut networks = networks
            .iter()
            .map(|(first, last, asn)| row(first, last, Network { asn: *asn, org: String::new() }))
            .collect::<Vec<_>>()
            .into_iter();
        let mut output = Vec::new();
        let rows = merge(|| Ok(locations.next()), || Ok(networks.next()), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<_> = text
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<_> = line.split(',').collect();
                format!("{}-{} {}{}", fields[0], fields[1], fields[2], fields[5])
            })
            .collect();
        assert_eq!(rows, lines.len() as u64);
        lines
    }

    #[test]
    fn every_address_gets_what_both_tables_say() {
        let cases: &[(&str, &[_], &[_], &[&str])] = &[
            ("nothing", &[], &[], &[]),
            ("same", &[("1.0.0.0", "1.0.0.9", "AU")], &[("1.0.0.0", "1.0.0.9", 7)], &["1.0.0.0-1.0.0.9 AU7"]),
            (
                "apart",
                &[("1.0.0.0", "1.0.0.9", "AU")],
                &[("2.0.0.0", "2.0.0.9", 7)],
                &["1.0.0.0-1.0.0.9 AU", "2.0.0.0-2.0.0.9 7"],
            ),
            (
                "one inside the other",
                &[("1.0.0.0", "1.0.0.9", "AU")],
                &[("1.0.0.3", "1.0.0.5", 7)],
                &["1.0.0.0-1.0.0.2 AU", "1.0.0.3-1.0.0.5 AU7", "1.0.0.6-1.0.0.9 AU"],
            ),
            (
                "overlapping",
                &[("1.0.0.0", "1.0.0.5", "AU"), ("1.0.0.6", "1.0.0.7", "NZ")],
                &[("1.0.0.4", "1.0.0.9", 7)],
                &["1.0.0.0-1.0.0.3 AU", "1.0.0.4-1.0.0.5 AU7", "1.0.0.6-1.0.0.7 NZ7", "1.0.0.8-1.0.0.9 7"],
            ),
            (
                "both families",
                &[("1.0.0.0", "1.0.0.9", "AU"), ("2001:db8::", "2001:db8::f", "NL")],
                &[("2001:db8::8", "2001:db8::ff", 7)],
                &[
                    "1.0.0.0-1.0.0.9 AU",
                    "2001:db8::-2001:db8::7 NL",
                    "2001:db8::8-2001:db8::f NL7",
                    "2001:db8::10-2001:db8::ff 7",
                ],
            ),
            (
                "the ends of both families",
                &[("0.0.0.0", "255.255.255.255", "AU"), ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "NL")],
                &[("255.255.255.255", "255.255.255.255", 1), ("::", "::", 2)],
                &[
                    "0.0.0.0-255.255.255.254 AU",
                    "255.255.255.255-255.255.255.255 AU1",
                    "::-:: NL2",
                    "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff NL",
                ],
            ),
            ("nowhere", &[("10.0.0.0", "10.0.0.9", "ZZ")], &[("10.0.0.8", "10.0.0.9", 7)], &["10.0.0.8-10.0.0.9 7"]),
        ];
        for (name, locations, networks, expected) in cases {
            assert_eq!(merged(locations, networks), *expected, "{name}");
        }
    }

    #[test]
    fn countries_have_names() {
        assert_eq!(country_name("NL").split(' ').next(), Some("Netherlands"));
        assert_eq!(country_name(""), "");
    }
}
