//! Datagrams of ctnetlink, lines of the table, and what the engine makes of the flows in them.

use nettop_collect::flows::{FlowEvent, FlowReading, FlowRow, FlowTable, Told, events, row_of_line, row_of_message};
use nettop_engine::flows::FlowState;
use nettop_model::clock::Moment;

use super::expect_visible;

/// Reads `data` as a datagram of events, as a message by itself, and as lines; all flows of it are told, read twice, and told to end.
pub fn flows(data: &[u8]) {
    let mut told = Told::default();
    events(data, &mut |event| told.push(event));
    let mut rows: Vec<FlowRow> = row_of_message(data).into_iter().collect();
    rows.extend(String::from_utf8_lossy(data).lines().filter_map(|line| row_of_line(line, 1 << 60)));
    for row in &rows {
        for tuple in [row.key.original, row.key.reply] {
            assert_eq!(tuple.source.is_ipv4(), tuple.destination.is_ipv4(), "{row:?}");
        }
        let again: FlowRow = serde_json::from_value(serde_json::to_value(row).expect("JSON")).expect("a flow");
        assert_eq!(again, *row, "recorded and read");
    }
    let mut state = FlowState::default();
    for second in 0..4 {
        let at = Moment { monotonic_ns: second * 1_000_000_000, unix_ns: second * 1_000_000_000 };
        let flows = if second < 2 { rows.clone() } else { Vec::new() };
        let mut after = Told::default();
        if second == 1 {
            rows.iter().for_each(|row| after.push(FlowEvent::Ended(row.clone())));
        }
        let table = Some(FlowTable { at, flows, ..FlowTable::default() });
        state.enter(FlowReading { at, before: told.clone(), table, after, ..FlowReading::default() });
        let flows = state.group(0).expect("a reading was entered");
        assert!(flows.accounting.holds, "{:?}", flows.accounting);
        assert_eq!(flows.live.len() as u64, flows.accounting.live, "listed and counted");
        for row in flows.live.iter().chain(&flows.ended) {
            assert!([row.tx_bps, row.rx_bps].iter().flatten().all(|rate| rate.is_finite() && *rate >= 0.0), "{row:?}");
            assert!(row.idle_share().is_none_or(|share| (0.0..=1.0).contains(&share)), "{row:?}");
            expect_visible("a protocol", &row.protocol);
            row.state.iter().for_each(|state| expect_visible("a state", state));
        }
    }
}
