//! What a line of an access log may say.

use std::borrow::Cow;

/// What is read of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The other end of the connection.
    Peer,
    /// Whom that is for, as the server has worked it out, or a PROXY protocol told.
    Client,
    /// X-Forwarded-For.
    Forwarded,
    /// When.
    Time,
    /// The date, where the time stands in another place.
    Date,
    /// The first line of the request.
    Request,
    /// Its method.
    Method,
    /// What it asks for.
    Target,
    /// The query, where that stands in another place.
    Query,
    /// The status of the answer.
    Status,
    /// Bytes of the answer.
    Bytes,
    /// User-Agent.
    Agent,
    /// Something else.
    Skip,
}

impl Variable {
    /// How many there are that are kept.
    pub const COUNT: usize = Self::Skip as usize;
}

/// Which variables of servers are which; each is called so by nginx (`$…`), Apache (`%…`) or in paths of JSON (`…=PATH`). What is not here is skipped.
pub const VARIABLES: &[(&str, Variable)] = &[
    ("remote_addr", Variable::Peer),
    ("realip_remote_addr", Variable::Peer),
    ("binary_remote_addr", Variable::Skip),
    ("proxy_protocol_addr", Variable::Client),
    ("http_x_forwarded_for", Variable::Forwarded),
    ("http_x_real_ip", Variable::Skip),
    ("date", Variable::Date),
    ("time_local", Variable::Time),
    ("time_iso8601", Variable::Time),
    ("msec", Variable::Time),
    ("request", Variable::Request),
    ("request_method", Variable::Method),
    ("request_uri", Variable::Target),
    ("uri", Variable::Target),
    ("document_uri", Variable::Target),
    ("args", Variable::Query),
    ("query_string", Variable::Query),
    ("status", Variable::Status),
    ("body_bytes_sent", Variable::Bytes),
    ("bytes_sent", Variable::Bytes),
    ("http_user_agent", Variable::Agent),
    // Apache's.
    ("h", Variable::Peer),
    ("a", Variable::Client),
    ("{c}a", Variable::Peer),
    ("{c}h", Variable::Peer),
    ("{X-Forwarded-For}i", Variable::Forwarded),
    ("t", Variable::Time),
    ("r", Variable::Request),
    ("m", Variable::Method),
    ("U", Variable::Target),
    ("q", Variable::Query),
    ("s", Variable::Status),
    ("b", Variable::Bytes),
    ("B", Variable::Bytes),
    ("O", Variable::Bytes),
    ("{User-Agent}i", Variable::Agent),
    // Paths of JSON.
    ("client", Variable::Client),
    ("peer", Variable::Peer),
    ("forwarded", Variable::Forwarded),
    ("time", Variable::Time),
    ("method", Variable::Method),
    ("path", Variable::Target),
    ("query", Variable::Query),
    ("bytes", Variable::Bytes),
    ("agent", Variable::Agent),
];

/// The variable that is called so.
pub fn variable(name: &str) -> Option<Variable> {
    VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable)
}

/// What a line says, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'a>([Option<Cow<'a, str>>; Variable::COUNT], bool);

impl<'a> Fields<'a> {
    /// A line that is part of the format, and says nothing of a request.
    pub fn remark() -> Self {
        Self(Default::default(), true)
    }

    /// Whether it is such a line.
    pub fn is_remark(&self) -> bool {
        self.1
    }

    /// What it says of one.
    pub fn get(&self, variable: Variable) -> Option<&str> {
        self.0.get(variable as usize)?.as_deref()
    }

    /// Notes what it says; of two the first holds.
    pub fn set(&mut self, variable: Variable, value: Cow<'a, str>) {
        if let Some(place) = self.0.get_mut(variable as usize) {
            place.get_or_insert(value);
        }
    }
}

/// Why a line is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// It is of another format.
    Other,
    /// It is of this one, and contradicts it.
    Malformed,
}
