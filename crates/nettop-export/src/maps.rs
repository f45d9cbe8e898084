//! What the kernel's maps hold as a table, CSV: one number a row, those that are zero left out.

use std::io::{self, Write};

use nettop_model::json;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cell::inert;

const COLUMNS: [&str; 5] = ["map", "key", "cpu", "counter", "value"];

#[derive(Deserialize)]
struct Answer {
    maps: Vec<Map>,
}

#[derive(Deserialize)]
struct Map {
    name: String,
    counters: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    sum: Vec<u64>,
    cpus: Vec<Vec<u64>>,
}

/// The answer to `maps` as CSV, header first. The sum over all CPUs has `sum` for a CPU, and comes first.
///
/// # Errors
/// When it is not such an answer, or what `out` says.
pub fn of_json(answer: &RawValue, out: &mut dyn Write) -> io::Result<()> {
    let Answer { maps } = json::read(answer.get().as_bytes())?;
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for Map { name, counters, rows } in &maps {
        for Row { key, sum, cpus } in rows {
            let cpus = (0..).map(|cpu: usize| cpu.to_string()).zip(cpus);
            for (cpu, numbers) in [("sum".to_string(), sum)].into_iter().chain(cpus) {
                for (counter, number) in counters.iter().zip(numbers).filter(|(_, number)| **number > 0) {
                    csv.write_record([inert(name), inert(key), cpu.clone(), inert(counter), number.to_string()])?;
                }
            }
        }
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_but_zero_has_a_row() {
        let raw = |answer: serde_json::Value| serde_json::value::to_raw_value(&answer).unwrap();
        let answer = serde_json::json!({"maps": [
            {"name": "CONFIG", "counters": [], "rows": []},
            {"name": "SOURCES", "counters": ["packets", "bytes"], "rows": [
                {"key": "192.0.2.1", "sum": [3, 180], "cpus": [[0, 0], [3, 180]]},
            ]},
        ]});
        let mut text = Vec::new();
        of_json(&raw(answer), &mut text).unwrap();
        let expected = "map,key,cpu,counter,value\nSOURCES,192.0.2.1,sum,packets,3\nSOURCES,192.0.2.1,sum,bytes,180\n\
                        SOURCES,192.0.2.1,1,packets,3\nSOURCES,192.0.2.1,1,bytes,180\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert!(of_json(&raw(serde_json::json!({"maps": 5})), &mut Vec::new()).is_err());
    }
}
