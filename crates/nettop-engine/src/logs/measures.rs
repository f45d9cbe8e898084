//! What rules measure of the lines of logs. A measure is a row of [`MEASURES`]: what of a line counts for it, how fast that is forgotten, and how it is put
//! into words. The rule that raises an alert for it is the row of its kind in `detect/visits`.

use std::{collections::BTreeMap, net::IpAddr};

use nettop_collect::logs::{AuthEvent, Entry, Login, Marks, Request, What, cut};

use super::{
    buckets::Buckets,
    flagged::Flagged,
    visits::{Visit, VisitTable, hash},
};
use crate::detect::{Suspect, Thresholds, visits as rules};

/// An alert goes on down to this share of the threshold.
const HOLDS: f64 = 0.5;
/// Addresses of one rule that are told at once; further ones wait.
pub const MOST_RAISED: usize = 256;
/// Bytes of what is quoted.
const MOST_QUOTED: usize = 60;
/// So many failed logins in all are a reason, and no alert.
const SOME_FAILURES: u32 = 3;

/// What counts.
struct Counted {
    times: f64,
    /// Whether only what differs counts, and what.
    different: Option<u64>,
}

/// How much it is.
enum Level {
    /// What came, less so much in each second.
    Leaky(f64),
    /// Requests of the last minute.
    Minute,
    /// Failures before somebody was let in.
    BeforeAccepted,
}

/// From where on it is something.
enum From {
    /// When there is more than the threshold, times so much.
    Over(f64),
    /// When there is as much.
    At,
}

/// A measure.
struct Measure {
    /// The kind of the rule.
    kind: &'static str,
    level: Level,
    from: From,
    /// What of a line counts.
    counts: fn(&Entry) -> Option<Counted>,
    /// In words.
    words: fn(&Entry, f64) -> String,
}

const fn one() -> Option<Counted> {
    Some(Counted { times: 1.0, different: None })
}

fn request(entry: &Entry) -> Option<&Request> {
    match &entry.what {
        What::Request(request) => Some(request),
        What::Auth(_) => None,
    }
}

fn auth(entry: &Entry, login: Login) -> Option<&AuthEvent> {
    match &entry.what {
        What::Auth(event) if event.login == login => Some(event),
        _ => None,
    }
}

/// What a request asks for, quoted.
fn target(entry: &Entry) -> String {
    let text = request(entry).map(|request| &*request.target).unwrap_or_default();
    let shown = cut(text, MOST_QUOTED);
    if shown.len() < text.len() { format!("{shown:?}…") } else { format!("{text:?}") }
}

fn status(entry: &Entry) -> u16 {
    request(entry).map_or(0, |request| request.status)
}

const MEASURES: &[Measure] = &[
    Measure {
        kind: rules::EXPLOIT_PATH.kind,
        level: Level::Leaky(1.0 / 60.0),
        from: From::At,
        counts: |entry| request(entry).filter(|request| request.marks.has(Marks::EXPLOIT)).and_then(|_| one()),
        words: |entry, _| format!("a way to break in: {}, answered {}", target(entry), status(entry)),
    },
    Measure {
        kind: rules::PROBE_PATH.kind,
        level: Level::Leaky(1.0 / 60.0),
        from: From::At,
        counts: |entry| {
            let probe = |request: &&Request| request.marks.has(Marks::PRODUCT) && request.status >= 400;
            request(entry).filter(probe).map(|request| Counted { times: 1.0, different: Some(request.path) })
        },
        words: |entry, level| {
            format!(
                "{level:.0} paths of products that are not here, such as {}, answered {}",
                target(entry),
                status(entry)
            )
        },
    },
    Measure {
        kind: rules::HTTP_PROBING.kind,
        level: Level::Leaky(0.1),
        from: From::Over(1.0),
        counts: |entry| {
            let fails = |request: &&Request| matches!(request.status, 400 | 403 | 404);
            request(entry).filter(fails).map(|request| Counted { times: 1.0, different: Some(request.path) })
        },
        words: |entry, level| format!("{level:.0} different paths answered 400, 403 or 404, such as {}", target(entry)),
    },
    Measure {
        kind: rules::HTTP_BURST.kind,
        level: Level::Minute,
        from: From::Over(1.0),
        counts: |entry| request(entry).and_then(|_| one()),
        words: |_, level| format!("{level:.0} requests in a minute"),
    },
    Measure {
        kind: rules::HTTP_CRAWL.kind,
        level: Level::Leaky(2.0),
        from: From::Over(1.0),
        counts: |entry| {
            let page = |request: &&Request| request.status < 400 && request.path().is_some();
            request(entry).filter(page).map(|request| Counted { times: 1.0, different: Some(request.path) })
        },
        words: |_, level| format!("{level:.0} different pages at once"),
    },
    Measure {
        kind: rules::SCANNER_AGENT.kind,
        level: Level::Leaky(1.0 / 60.0),
        from: From::At,
        counts: |entry| request(entry).filter(|request| request.marks.has(Marks::SCANNER)).and_then(|_| one()),
        words: |entry, _| {
            let agent = request(entry).map(|request| &*request.agent).unwrap_or_default();
            format!("says that it is a scanner: {:?}", cut(agent, MOST_QUOTED))
        },
    },
    Measure {
        kind: rules::HTTP_LOGIN.kind,
        level: Level::Leaky(0.1),
        from: From::Over(1.0),
        counts: |entry| {
            let fails = |request: &&Request| &*request.method == "POST" && matches!(request.status, 401 | 403);
            request(entry).filter(fails).and_then(|_| one())
        },
        words: |entry, level| format!("{level:.0} POSTs answered 401 or 403, the last to {}", target(entry)),
    },
    Measure {
        kind: rules::SSH_BRUTE_FORCE.kind,
        level: Level::Leaky(0.1),
        from: From::Over(1.0),
        counts: failed,
        words: |entry, level| format!("{level:.0} failed logins at once{}", of_service(entry)),
    },
    Measure {
        kind: rules::SSH_BRUTE_FORCE.kind,
        level: Level::Leaky(1.0 / 60.0),
        from: From::Over(2.0),
        counts: failed,
        words: |entry, level| format!("{level:.0} failed logins, slowly{}", of_service(entry)),
    },
    Measure {
        kind: rules::SSH_USERS.kind,
        level: Level::Leaky(0.1),
        from: From::Over(1.0),
        counts: |entry| {
            let user = |event: &AuthEvent| Counted { times: 1.0, different: Some(hash(&event.user)) };
            auth(entry, Login::Failed).filter(|event| !event.user.is_empty()).map(user)
        },
        words: |entry, level| format!("{level:.0} different names tried{}", of_service(entry)),
    },
    Measure {
        kind: rules::LOGIN_AFTER_FAILURES.kind,
        level: Level::BeforeAccepted,
        from: From::At,
        counts: |entry| auth(entry, Login::Accepted).and_then(|_| one()),
        words: |entry, level| {
            let user = auth(entry, Login::Accepted).map(|event| &*event.user).unwrap_or_default();
            format!("let in as {user:?} after {level:.0} failed logins")
        },
    },
];

fn failed(entry: &Entry) -> Option<Counted> {
    let event = auth(entry, Login::Failed).filter(|event| event.times > 0)?;
    Some(Counted { times: f64::from(event.times), different: None })
}

fn of_service(entry: &Entry) -> String {
    match &entry.what {
        What::Auth(event) => format!(", {} as {:?}", event.service, event.user),
        What::Request(_) => String::new(),
    }
}

/// What was measured.
pub struct Measured {
    /// One for each of [`MEASURES`].
    buckets: Vec<Buckets>,
    /// Who is over the threshold of a measure, and how much there was at most since the last second.
    raised: BTreeMap<(usize, IpAddr), Raised>,
}

/// One that is over the threshold.
struct Raised {
    /// Whether it went over since the last second.
    is_fresh: bool,
    level: f64,
    text: String,
}

impl Default for Measured {
    fn default() -> Self {
        Self { buckets: MEASURES.iter().map(|_| Buckets::default()).collect(), raised: BTreeMap::new() }
    }
}

impl Measured {
    /// A line of an address has been entered into its visit.
    pub fn enter(
        &mut self,
        ip: IpAddr,
        entry: &Entry,
        visit: &mut Visit,
        flagged: &mut Flagged,
        thresholds: &Thresholds,
    ) {
        for (at, measure) in MEASURES.iter().enumerate() {
            let Some(Counted { times, different }) = (measure.counts)(entry) else { continue };
            let threshold = thresholds.of(measure.kind) as f64;
            if threshold == 0.0 {
                continue;
            }
            let level = match measure.level {
                Level::Leaky(leak) => self.buckets[at].add(ip, entry.at_ns, leak, times, different),
                Level::Minute => visit.minute(entry.at_ns).0 as f64,
                Level::BeforeAccepted => f64::from(std::mem::take(&mut visit.since_accepted)),
            };
            if !measure.from.is_reached(level, threshold) {
                continue;
            }
            let text = (measure.words)(entry, level);
            visit.note(measure.kind, text.clone(), entry.at_ns);
            flagged.note(ip, measure.kind, entry.at_ns);
            if self.raised.len() < MOST_RAISED * MEASURES.len() || self.raised.contains_key(&(at, ip)) {
                self.raised.insert((at, ip), Raised { is_fresh: true, level, text });
            }
        }
        if auth(entry, Login::Accepted).is_some() {
            visit.since_accepted = 0;
        }
        if let Some(event) = auth(entry, Login::Failed)
            && visit.failures >= SOME_FAILURES
        {
            visit.note(
                "failed-logins",
                format!("{} failed logins, the last as {:?}", visit.failures, event.user),
                entry.at_ns,
            );
        }
    }

    /// Who is over a threshold at the end of a second, or still near it.
    pub fn suspects(&mut self, visits: &VisitTable, now_ns: u64, thresholds: &Thresholds) -> Vec<Suspect> {
        let buckets = &self.buckets;
        let mut suspects = Vec::new();
        self.raised.retain(|(at, ip), raised| {
            let measure = &MEASURES[*at];
            let level = match measure.level {
                Level::Leaky(leak) => buckets[*at].level(ip, now_ns, leak),
                Level::Minute => visits.get(ip).map_or(0.0, |visit| visit.minute(now_ns).0 as f64),
                Level::BeforeAccepted => 0.0,
            };
            let threshold = thresholds.of(measure.kind) as f64;
            let is_over = std::mem::take(&mut raised.is_fresh) || measure.from.is_reached(level, threshold);
            let lasts = is_over || level > measure.from.least(threshold) * HOLDS;
            if lasts {
                suspects.push(Suspect {
                    kind: measure.kind,
                    ip: *ip,
                    value: if is_over { raised.level.max(level) } else { level },
                    is_over,
                    text: raised.text.clone(),
                });
            }
            lasts
        });
        suspects
    }
}

impl From {
    fn is_reached(&self, level: f64, threshold: f64) -> bool {
        match self {
            Self::Over(_) => level > self.least(threshold),
            Self::At => level >= threshold,
        }
    }

    fn least(&self, threshold: f64) -> f64 {
        match self {
            Self::Over(times) => threshold * times,
            Self::At => threshold,
        }
    }
}
