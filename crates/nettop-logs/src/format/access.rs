//! From the fields of a line to what it says.

use std::{hash::BuildHasher as _, net::IpAddr};

use foldhash::fast::FixedState;
use nettop_model::net::Net;

use super::{
    Format,
    fields::{Fields, Miss, Variable},
};
use crate::{
    address::{canonical, client},
    patterns::Patterns,
    reading::{MOST_TEXT, Request},
    time,
};

/// The longest method that is taken for one.
const MOST_METHOD: usize = 20;
/// Bytes that are kept of an agent.
const MOST_AGENT: usize = 160;
/// Two paths that are the same have the same hash, in this run and in a replay of it.
const PATHS: FixedState = FixedState::with_seed(0x6e65_7474_6f70);

/// What is wanted of requests.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Proxies that are believed.
    pub trusted: Vec<Net>,
    /// Whether queries are kept.
    pub query: bool,
    /// What is notable.
    pub patterns: Patterns,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// A request.
    Request {
        /// When, Unix nanoseconds; `None`: it does not say.
        at_ns: Option<u64>,
        /// Whose it is.
        client: Option<IpAddr>,
        /// The other end of the connection.
        peer: Option<IpAddr>,
        /// What was asked for, and answered.
        request: Request,
    },
    /// It is part of the format, and says nothing.
    Remark,
}

impl Access {
    /// Whether a format understands a line, and finds an address and a status in it.
    pub(super) fn understands(&self, format: &mut Format, line: &str) -> bool {
        match format.read(line) {
            Ok(fields) if fields.is_remark() => true,
            Ok(fields) => {
                let address = fields.get(Variable::Peer).or(fields.get(Variable::Client));
                address.is_some_and(|text| canonical(text).is_some() || text == "unix:")
                    && (fields.get(Variable::Request).is_some() || fields.get(Variable::Target).is_some())
                    && status(&fields).is_ok()
            }
            Err(_) => false,
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is of another format, or contradicts this one.
    pub fn read(&self, format: &mut Format, line: &str) -> Result<Parsed, Miss> {
        let fields = format.read(line)?;
        if fields.is_remark() {
            return Ok(Parsed::Remark);
        }
        let at_ns = at(&fields)?;
        let status = status(&fields)?;
        let bytes = match fields.get(Variable::Bytes) {
            None | Some("-" | "") => 0,
            Some(text) => text.parse().map_err(|_| Miss::Malformed)?,
        };
        let (peer, client) = self.ends(&fields);
        let mut request = Request { status, bytes, ..Request::default() };
        let agent = fields.get(Variable::Agent).filter(|agent| *agent != "-").unwrap_or_default();
        request.agent = cut(agent, MOST_AGENT).into();
        self.fill(&mut request, &fields, agent);
        Ok(Parsed::Request { at_ns, client, peer, request })
    }

    /// The other end of the connection, and whom that is for.
    fn ends(&self, fields: &Fields<'_>) -> (Option<IpAddr>, Option<IpAddr>) {
        let peer = fields.get(Variable::Peer).and_then(canonical);
        let said = fields.get(Variable::Client);
        let Some(peer) = peer else { return (None, said.and_then(canonical)) };
        // What the server has worked out goes by its own list of proxies; that counts where the peer is on ours.
        let worked_out = said.map(|said| client(peer, said, &self.trusted)).filter(|said| *said != peer);
        let forwarded = || client(peer, fields.get(Variable::Forwarded).unwrap_or_default(), &self.trusted);
        (Some(peer), Some(worked_out.unwrap_or_else(forwarded)))
    }

    fn fill(&self, request: &mut Request, fields: &Fields<'_>, agent: &str) {
        let (method, target) = match (fields.get(Variable::Request), fields.get(Variable::Method)) {
            (_, Some(method)) if is_method(method) => {
                (method, path_of(fields.get(Variable::Target).unwrap_or_default()))
            }
            (Some(whole), _) => split(whole),
            (None, Some(method)) => ("", method),
            (None, None) => ("", fields.get(Variable::Target).unwrap_or_default()),
        };
        let joined;
        let target = match fields.get(Variable::Query).filter(|query| !matches!(*query, "" | "-")) {
            Some(query) if !target.contains('?') => {
                joined = format!("{target}?{}", query.trim_start_matches('?'));
                &joined
            }
            _ => target,
        };
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        request.method = method.into();
        request.marks = self.patterns.marks(target, agent);
        request.path = PATHS.hash_one(path);
        request.target = cut(if self.query || method.is_empty() { target } else { path }, MOST_TEXT).into();
    }
}

/// The beginning of a text, of at most so many bytes.
pub fn cut(text: &str, most: usize) -> &str {
    let end = if text.len() <= most {
        text.len()
    } else {
        (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    &text[..end]
}

fn is_method(text: &str) -> bool {
    (1..=MOST_METHOD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte))
}

/// What is asked for, without the server: load balancers write the whole URL.
fn path_of(target: &str) -> &str {
    let rest = target.strip_prefix("https://").or(target.strip_prefix("http://"));
    rest.map_or(target, |rest| rest.find(['/', '?']).map_or("/", |at| &rest[at..]))
}

/// The method and target of a first line of a request; where it is none, no method and all of it.
fn split(whole: &str) -> (&str, &str) {
    let (Some((method, rest)), true) = (whole.split_once(' '), whole != "-") else { return ("", whole) };
    if !is_method(method) {
        return ("", whole);
    }
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        _ => rest,
    };
    (method, target)
}

fn at(fields: &Fields<'_>) -> Result<Option<u64>, Miss> {
    match (fields.get(Variable::Date), fields.get(Variable::Time)) {
        (_, None | Some("-" | "")) => Ok(None),
        (None, Some(text)) => time::any(text).map(Some).ok_or(Miss::Malformed),
        (Some(date), Some(text)) => time::any(&format!("{date} {text}")).map(Some).ok_or(Miss::Malformed),
    }
}

fn status(fields: &Fields<'_>) -> Result<u16, Miss> {
    match fields.get(Variable::Status) {
        // HAProxy has -1 where there was no answer.
        None | Some("-" | "" | "-1") => Ok(0),
        Some(text) => text.parse().ok().filter(|status| *status < 1000).ok_or(Miss::Malformed),
    }
}
