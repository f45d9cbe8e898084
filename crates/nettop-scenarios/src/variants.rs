//! Variants of a scenario: each is the scenario with other values of some keys, of its own or of its flows.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// Keys of a scenario; every other key of a variant is one of its flows, those that are there all along excepted.
const OF_SCENARIO: [&str; 17] = [
    "expect",
    "target",
    "source",
    "within",
    "most",
    "background",
    "before",
    "seconds",
    "after",
    "ipv6",
    "tcp_open",
    "udp_open",
    "alive",
    "backlog",
    "forms",
    "flow",
    "name",
];

/// A scenario's variants, by themselves; itself, where it has none.
///
/// # Errors
/// They are no tables, or their names no texts.
pub fn variants(mut table: Table) -> Result<Vec<Table>> {
    let Some(variants) = table.remove("variants") else { return Ok(vec![table]) };
    let variants: Vec<Table> = variants.try_into().context("variants are tables")?;
    let each = |variant: Table| {
        let mut scenario = table.clone();
        // It tells which flows are to be left as they are, and so comes last.
        let mut keys: Vec<_> = variant.into_iter().collect();
        keys.sort_by_key(|(key, _)| key == "always");
        for (key, value) in keys {
            match key.as_str() {
                "name" => {
                    let base = table.get("name").and_then(Value::as_str).unwrap_or_default();
                    let own = value.as_str().context("a name is a text")?;
                    scenario.insert(key, format!("{base}-{own}").into());
                }
                key if OF_SCENARIO.contains(&key) => drop(scenario.insert(key.into(), value)),
                _ => {
                    let flows = scenario.get_mut("flow").and_then(Value::as_array_mut).into_iter().flatten();
                    let flows = flows.filter_map(Value::as_table_mut).filter(|flow| !flow.contains_key("always"));
                    flows.for_each(|flow| drop(flow.insert(key.clone(), value.clone())));
                }
            }
        }
        Ok(scenario)
    };
    variants.into_iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_is_there_all_along_has_its_other_values_too() {
        let text = "name = \"x\"\nvariants = [{ name = \"y\", always = true, rate = 9 }]\nflow = [{ rate = 1 }]";
        let all = variants(text.parse().expect("a table")).expect("variants");
        let flow = &all[0]["flow"].as_array().expect("flows")[0];
        assert_eq!((flow["rate"].as_integer(), flow["always"].as_bool()), (Some(9), Some(true)));
    }

    #[test]
    fn a_variant_changes_what_it_names_and_nothing_else() {
        let text = r#"
            name = "syn"
            seconds = 5
            variants = [{ name = "fast", rate = 9 }, { name = "long", seconds = 60 }]
            flow = [{ rate = 1 }, { rate = 2, always = true }]
        "#;
        let table: Table = text.parse().expect("a table");
        let told = |variant: &Table| {
            let rates = variant["flow"]
                .as_array()
                .expect("flows")
                .iter()
                .map(|flow| flow["rate"].as_integer().expect("a rate"));
            let name = variant["name"].as_str().expect("a name").to_string();
            (name, variant["seconds"].as_integer().expect("seconds"), rates.collect::<Vec<_>>())
        };
        let all: Vec<_> = variants(table).expect("variants").iter().map(told).collect();
        assert_eq!(all, [("syn-fast".into(), 5, vec![9, 2]), ("syn-long".into(), 60, vec![1, 2])]);
    }
}
