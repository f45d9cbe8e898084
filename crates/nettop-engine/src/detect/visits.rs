//! What logs tell of single addresses: requests and logins. What is measured of them is in `logs/measures`; here each kind has its row.

use std::net::IpAddr;

use nettop_model::{
    format,
    snapshot::{Origin, Severity},
};

use super::{
    DetectInput, Effect, Finding,
    rule::{Each, Finds, Rule},
};

/// More addresses than this at once are told as one event.
const FEW: usize = 3;
/// What they rest on that look at lines alone.
const CLAIMED: &str = "lines of logs, which somebody may have forged: seen says whether packets came from there";

/// What they rest on that look for lines that do not come.
const COUNTED: &str = "packets and connections that the kernel counted, and lines of logs that did not come: a server that logs nothing looks the same";
/// What an earlier session has kept.
const KEPT: &str = "what an earlier session has kept with --state, and a line of a log";

/// Somebody who does what a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// The kind of the rule.
    pub kind: &'static str,
    /// Who.
    pub ip: IpAddr,
    /// How much of it.
    pub value: f64,
    /// Whether that is over the threshold, or just goes on.
    pub is_over: bool,
    /// In words.
    pub text: String,
}

/// A row whose findings are those of the suspects of its kind.
macro_rules! rule {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $severity:ident, $title:literal, $about:literal, $counted:literal from $usual:literal, unit $unit:literal, $evidence:ident, $advice:literal) => {
        $(#[$doc])*
        pub const $name: Rule = Rule {
            kind: $kind,
            title: $title,
            about: $about,
            threshold: Some(($counted, $usual)),
            evidence: $evidence,
            advice: $advice,
            finds: Finds::Each(Each {
                severity: Some(Severity::$severity),
                yields: false,
                learned: None,
                unit: $unit,
                find: |scene| find(scene, $kind),
                tell: |finding, _, _| tell($title, finding),
            }),
        };
    };
}

rule!(
    /// Known ways to break in.
    EXPLOIT_PATH, "exploit-path", Warn, "exploit",
    "requests for what only whoever breaks in asks for: `../` above the root, `/etc/passwd`, `${jndi:`, `.env`, `.git/` and the like, however it is escaped",
    "such requests of one address" from 1, unit "such requests", CLAIMED,
    "look at the answer: a 2xx may have told something; block the address if its packets are seen"
);
rule!(
    /// Products that are not here.
    PROBE_PATH, "probe-path", Warn, "probing",
    "different paths of products that scanners look for (wp-login, phpMyAdmin, actuator, …), answered 400 or above, in a minute",
    "such paths of one address" from 3, unit "different paths", CLAIMED,
    "none needed where the products are not here; block the address if it goes on"
);
rule!(
    /// Paths that fail.
    HTTP_PROBING, "http-probing", Warn, "probing",
    "different paths answered 400, 403 or 404, of which one in ten seconds is forgotten",
    "such paths of one address" from 10, unit "different paths", CLAIMED,
    "block the address if it is no crawler that you want"
);
rule!(
    /// Requests in a minute.
    HTTP_BURST, "http-burst", Warn, "burst of requests",
    "requests of one address in a minute",
    "requests of one address in a minute" from 60, unit "requests a minute", CLAIMED,
    "limit requests per address (limit_req of nginx, mod_evasive of Apache); block it if it is no user"
);
rule!(
    /// Pages at once.
    HTTP_CRAWL, "http-crawl", Info, "crawler",
    "different pages answered below 400, of which two in a second are forgotten",
    "different pages of one address" from 40, unit "different pages", CLAIMED,
    "look who it is (Enter); robots.txt asks those that heed it to go slower"
);
rule!(
    /// Names of scanners.
    SCANNER_AGENT, "scanner-agent", Info, "scanner",
    "an agent that is the name of a scanner",
    "such requests of one address" from 1, unit "such requests", CLAIMED,
    "none needed: who means harm gives another name; look at what it asks for"
);
rule!(
    /// Logins of web sites.
    HTTP_LOGIN, "http-login", Warn, "brute force of a web login",
    "POSTs answered 401 or 403, of which one in ten seconds is forgotten",
    "such requests of one address" from 5, unit "such requests", CLAIMED,
    "block the address; have the site limit how often one may try"
);
rule!(
    /// Failed logins.
    SSH_BRUTE_FORCE, "ssh-brute-force", Warn, "brute force of logins",
    "failed logins (sshd, dovecot, postfix) of one address, of which one in ten seconds is forgotten; or twice as many, of which one in a minute is",
    "failed logins of one address" from 5, unit "failed logins", CLAIMED,
    "block the address; allow keys only (PasswordAuthentication no)"
);
rule!(
    /// Names that are tried.
    SSH_USERS, "ssh-users", Warn, "guessing of names",
    "different names of failed logins of one address, of which one in ten seconds is forgotten",
    "different names of one address" from 5, unit "different names", CLAIMED,
    "block the address; allow keys only (PasswordAuthentication no)"
);
rule!(
    /// Somebody has guessed it.
    LOGIN_AFTER_FAILURES, "login-after-failures", Critical, "login after failures",
    "a login from an address that failed before",
    "failed logins of that address before" from 5, unit "failed logins", CLAIMED,
    "ask its user whether that was them; if not, end the session, change the password and look at what was done"
);

rule!(
    /// Connections that are asked for, and nothing else.
    SYN_NO_REQUEST, "syn-no-request", Info, "connections without a request",
    "SYNs of one address in a minute to ports whose requests or logins are logged, and for 30 s no line of it",
    "such SYNs of one address in a minute" from 5, unit "SYNs a minute", COUNTED,
    "look at its connections (C): a health check looks the same; block the address if they hold places that others need"
);
rule!(
    /// Connections that are held open.
    MANY_CONNS, "many-conns", Warn, "connections without requests",
    "connections of one address, held open for 5 s and longer with less than 16 KiB at ports whose use is logged, with one line of it at most; where connections are not \
     known, four times as many SYNs in a minute",
    "such connections of one address" from 5, unit "connections", COUNTED,
    "have the server close what asks for nothing sooner (client_header_timeout of nginx, RequestReadTimeout of Apache, LoginGraceTime of sshd); \
     block the address"
);
rule!(
    /// Somebody whom an earlier session had a reason to suspect.
    RETURNS, "returns", Info, "somebody returns",
    "a line of an address that a rule of severity warn or worse found in an earlier session",
    "earlier sessions in which it was found" from 1, unit "earlier sessions", KEPT,
    "look what it does this time (Enter)"
);

/// The kinds of all of them: what raises these is no packet.
pub const KINDS: [&str; 13] = [
    EXPLOIT_PATH.kind,
    PROBE_PATH.kind,
    HTTP_PROBING.kind,
    HTTP_BURST.kind,
    HTTP_CRAWL.kind,
    SCANNER_AGENT.kind,
    HTTP_LOGIN.kind,
    SSH_BRUTE_FORCE.kind,
    SSH_USERS.kind,
    LOGIN_AFTER_FAILURES.kind,
    SYN_NO_REQUEST.kind,
    MANY_CONNS.kind,
    RETURNS.kind,
];

fn find(scene: &DetectInput, kind: &str) -> Vec<Finding> {
    let mut all: Vec<_> = scene.suspects.iter().filter(|suspect| suspect.kind == kind).collect();
    all.sort_by(|one, other| other.value.total_cmp(&one.value).then_with(|| one.ip.cmp(&other.ip)));
    // Two measures of one kind may have found the same one.
    let mut known = Vec::new();
    all.retain(|suspect| {
        !known.contains(&suspect.ip) && {
            known.push(suspect.ip);
            known.len() <= 1024
        }
    });
    if all.len() > FEW {
        let value = all.iter().map(|suspect| suspect.value).fold(0.0, f64::max);
        let effect = if all.iter().any(|suspect| suspect.is_over) { Effect::Raise } else { Effect::Hold };
        let note = all.iter().take(FEW).map(|suspect| suspect.ip.to_string()).collect::<Vec<_>>().join(", ");
        return vec![Finding { value, count: all.len() as u64, effect, note, ..Finding::default() }];
    }
    let finding = |suspect: &&Suspect| Finding {
        source: Some(Origin::Ip(suspect.ip)),
        value: suspect.value,
        count: 1,
        effect: if suspect.is_over { Effect::Raise } else { Effect::Hold },
        note: suspect.text.clone(),
        ..Finding::default()
    };
    all.iter().map(finding).collect()
}

fn tell(title: &str, finding: &Finding) -> String {
    match finding.source {
        Some(ip) => format!("{title} by {ip}: {}", finding.note),
        None => format!("{title} by {} addresses, most by {}", format::count(finding.count, 11), finding.note),
    }
}
