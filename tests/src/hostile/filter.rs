//! Filters as people write them, against a second reading of the same text that knows nothing of the first.

use std::net::IpAddr;

use nettop_common::Packet;
use nettop_model::filter::FilterText;

use crate::naive::passes;

/// Reads `data`, four lines, as a filter: destination, source, ports, protocols.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    let filter = FilterText { dst: line(), src: line(), port: line(), proto: line() };
    let Ok(parsed) = filter.parse() else { return };

    let view = parsed.view(&["eth0".into()]);
    assert!(view.ports.is_sorted());
    let again = parsed.text.parse().expect("the text of a filter is one");
    assert_eq!((&again.text, &again.filter), (&parsed.text, &parsed.filter), "read twice");

    let addresses = words(&filter).filter_map(|word| word.split('/').next()?.parse().ok());
    let ports = words(&filter).flat_map(|word| word.split('-')).filter_map(|word| word.trim().parse().ok());
    let addresses: Vec<IpAddr> = addresses.take(8).chain(["192.0.2.1", "2001:db8::1"].map(parse)).collect();
    let ports: Vec<u16> = ports.take(8).chain([0, 443, 65_535]).collect();
    for (at, source) in addresses.iter().enumerate() {
        let destination = addresses[(at + 1) % addresses.len()];
        for (port, protocol) in ports.iter().zip([6, 17, 47, 1, 58, 132, 0, 255].iter().cycle()) {
            let packet = Packet {
                source: (*source).into(),
                destination: destination.into(),
                destination_port: *port,
                protocol: *protocol,
                ..Packet::default()
            };
            let passed = parsed.filter.as_ref().is_none_or(|filter| filter.matches(&packet));
            assert_eq!(passed, passes(&filter, &packet), "{filter:?} {packet:?}");
        }
    }
}

fn parse(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn words(filter: &FilterText) -> impl Iterator<Item = &str> {
    let FilterText { dst, src, port, proto } = filter;
    [dst, src, port, proto].into_iter().flat_map(|part| part.split(',')).map(|item| item.trim().trim_start_matches('!'))
}
