//! What is usual, as it is kept from one start to the next.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{BUCKETS, Key, MOST, Of, Sketch, Usual};
use crate::detect::{RULES, rule::place};

/// The form of the file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    usual: Vec<Row>,
}

/// One target and kind: how many sums of ten seconds were in each bucket.
#[derive(Serialize, Deserialize)]
struct Row {
    /// `None`: all targets that are not looked at one by one, or what the next two say.
    target: Option<IpAddr>,
    /// What there is at a port of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Remote addresses that were not sent anything before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    new_remotes: bool,
    kind: String,
    newer: Vec<(u8, u16)>,
    older: Vec<(u8, u16)>,
}

impl Usual {
    /// Everything learned, as JSON.
    pub fn save(&self) -> Vec<u8> {
        let row = |((of, rule), sketch): (&Key, &Sketch)| {
            let (target, port, new_remotes) = match of {
                Of::All => (None, None, false),
                Of::Target(who) => (Some(who.to_ip()), None, false),
                Of::Port(port) => (None, Some(*port), false),
                Of::NewRemotes => (None, None, true),
            };
            let (newer, older) = (counts(&sketch.newer), counts(&sketch.older));
            Row { target, port, new_remotes, kind: RULES[*rule].kind.into(), newer, older }
        };
        let known = self.sketches.iter().filter(|(_, sketch)| sketch.quantile().is_some());
        let file = File { version: VERSION, usual: known.map(row).collect() };
        serde_json::to_vec(&file).unwrap_or_default()
    }

    /// Takes what was saved before. Returns how many rows mean nothing to this version, and were left out.
    ///
    /// # Errors
    /// It is not what [`save`](Self::save) writes; nothing was taken.
    pub fn load(&mut self, content: &[u8]) -> Result<usize, String> {
        let File { version, usual } = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("it is of version {version}, and this nettop knows version {VERSION}"));
        }
        let all = usual.len();
        let rows = usual.into_iter().filter_map(|Row { target, port, new_remotes, kind, newer, older }| {
            let rule = place(&kind)?;
            let (newer, older) = (buckets(&newer)?, buckets(&older)?);
            let sums = newer.iter().map(|count| u32::from(*count)).sum();
            let of = match (target, port) {
                (Some(target), _) => Of::Target(target.into()),
                (None, Some(port)) => Of::Port(port),
                (None, None) if new_remotes => Of::NewRemotes,
                (None, None) => Of::All,
            };
            Some(((of, rule), Sketch { newer, older, sums, open: 0.0, is_suspect: false, is_heavy: false }))
        });
        self.sketches.extend(rows.take(MOST));
        self.has_past = !self.sketches.is_empty();
        Ok(all.saturating_sub(self.sketches.len()))
    }
}

fn counts(buckets: &[u16; BUCKETS]) -> Vec<(u8, u16)> {
    (0..).zip(buckets).filter(|(_, count)| **count > 0).map(|(bucket, count)| (bucket, *count)).collect()
}

fn buckets(counts: &[(u8, u16)]) -> Option<[u16; BUCKETS]> {
    let mut buckets = [0; BUCKETS];
    for (bucket, count) in counts {
        *buckets.get_mut(usize::from(*bucket))? = *count;
    }
    Some(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_what_is_not_understood_is_counted() {
        let mut usual = Usual::default();
        let keys = [
            Of::Target("192.0.2.1".parse::<IpAddr>().unwrap().into()),
            Of::All,
            Of::Port(443),
            Of::Port(80),
            Of::NewRemotes,
        ];
        let keys = keys.map(|of| (of, 3));
        let rates = || keys.iter().zip(1..).map(|(key, times)| (*key, 5_000.0 * f64::from(times), false));
        (0..600).for_each(|_| usual.learn(1.0, rates().chain([((Of::All, 2), 70.0, false)])));
        let (saved, mut loaded) = (usual.save(), Usual::default());
        assert_eq!(loaded.load(&saved), Ok(0));
        for key in keys.into_iter().chain([(Of::All, 2)]) {
            assert_eq!(loaded.of(&key), usual.of(&key), "{key:?}");
            assert!(loaded.of(&key).is_some(), "{key:?}");
        }
        assert!(loaded.has_past() && !usual.has_past());
        let text = String::from_utf8(saved).unwrap();
        for (name, content, expected) in [
            ("a kind of a newer version", text.replace(RULES[2].kind, "mind-flood"), Ok(1)),
            ("a bucket that there is not", text.replacen("[[", "[[200,1],[", 1), Ok(1)),
            ("another version", text.replace("\"version\":1", "\"version\":2"), Err(())),
            ("cut short", text[..text.len() / 2].to_string(), Err(())),
            ("nothing", String::new(), Err(())),
            ("not this", "[1, 2]".into(), Err(())),
        ] {
            let mut loaded = Usual::default();
            assert_eq!(loaded.load(content.as_bytes()).map_err(|_| ()), expected, "{name}");
            assert_eq!(loaded.has_past(), expected.is_ok(), "{name}");
        }
    }
}
