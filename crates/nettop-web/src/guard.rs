//! Who may ask at all: judged before anything else is looked at, upgrades to WebSockets included.
//!
//! Any page in a browser, any user of this host and any name that a page has point here (DNS rebinding) may send requests. So: a request names a
//! host that is ours, comes from no page that is not, and has the token, which no page can read.

use std::net::SocketAddr;

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{self, HeaderName},
};

use crate::token::{WebToken, equal};

/// The longest path with its query, bytes.
const LONGEST: usize = 2048;
/// The WebSocket subprotocol of the page, and how the one begins that has the token behind it.
pub const PROTOCOL: &str = "nettop.v1";
const TOKEN_PROTOCOL: &str = "nettop.token.";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Why a request is refused.
pub type Refusal = (StatusCode, String);

/// What a request is judged by.
pub struct Guard {
    token: WebToken,
    /// Hosts as `Host` has them, in lower case.
    hosts: Vec<String>,
}

/// What a route demands.
#[derive(Clone, Copy)]
pub struct Demands {
    /// The token.
    pub token: bool,
    /// It changes something: posted, and only by our own page or a program.
    pub posted: bool,
    /// It is the page itself, to which others may link.
    pub page: bool,
}

impl Guard {
    /// For a server at `address`, which is also called by these names.
    pub fn new(token: WebToken, address: SocketAddr, names: &[String]) -> Self {
        let port = address.port();
        let mut hosts: Vec<_> = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).into();
        if !address.ip().is_unspecified() {
            hosts.push(SocketAddr::new(address.ip(), port).to_string());
        }
        for name in names {
            hosts.push(name.clone());
            let has_port = name.parse::<SocketAddr>().is_ok() || (name.contains(':') && !name.ends_with(']'));
            if !has_port {
                hosts.push(format!("{name}:{port}"));
            }
        }
        if port == 80 {
            hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(String::from));
        }
        Self { token, hosts }
    }

    /// What does not depend on the route.
    ///
    /// # Errors
    /// The request is none that is answered here.
    pub fn admit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let (uri, headers) = (request.uri(), request.headers());
        let misdirected = |why: &str| Err((StatusCode::MISDIRECTED_REQUEST, why.into()));
        if uri.authority().is_some() || uri.scheme().is_some() {
            return misdirected("a request names a path, not a whole address");
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return misdirected("a request has one Host");
        };
        let host = host.to_str().unwrap_or_default().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            return misdirected("this host is called otherwise; --web-name NAME gives it a further name");
        }
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > LONGEST) {
            return Err((StatusCode::URI_TOO_LONG, format!("a path has at most {LONGEST} bytes")));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if origins.any(|origin| !origin.to_str().is_ok_and(|origin| self.is_ours(origin))) {
            return Err((StatusCode::FORBIDDEN, "asked by a page that is not this server's".into()));
        }
        Ok(())
    }

    /// What the route demands.
    ///
    /// # Errors
    /// The request has it not.
    pub fn allow<B>(&self, request: &Request<B>, demands: Demands) -> Result<(), Refusal> {
        let headers = request.headers();
        let expected = if demands.posted { Method::POST } else { Method::GET };
        if *request.method() != expected {
            return Err((StatusCode::METHOD_NOT_ALLOWED, format!("only {expected} is answered here")));
        }
        let may_come = is_own_site(headers) || demands.page && is_visit(headers);
        if !may_come {
            return Err((StatusCode::FORBIDDEN, "asked by a page of another site".into()));
        }
        if demands.posted {
            let is_json = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
            if !headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_json) {
                return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "what is posted is application/json".into()));
            }
            if !headers.contains_key(header::ORIGIN) {
                return Err((StatusCode::FORBIDDEN, "what changes something says who asks (Origin)".into()));
            }
        }
        if demands.token && !self.knows(headers) {
            let why = "this needs the token: Authorization: Bearer TOKEN, which nettop printed with the address";
            return Err((StatusCode::UNAUTHORIZED, why.into()));
        }
        Ok(())
    }

    /// Whether an origin is a page of ours; a proxy in front may encrypt.
    fn is_ours(&self, origin: &str) -> bool {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.hosts.contains(&host.to_ascii_lowercase()))
    }

    /// Whether the token came, in the header or, of a browser's WebSocket, as a subprotocol.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
            return self.token.is(token.trim());
        }
        let expected = self.token.as_protocol();
        protocols(headers).filter_map(|word| word.strip_prefix(TOKEN_PROTOCOL)).any(|word| equal(word, &expected))
    }
}

/// The subprotocols that a WebSocket asks for.
pub fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// Whether no page of another site asks, as far as the browser tells; programs say nothing.
fn is_own_site(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether somebody has followed a link.
fn is_visit(headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|found: &header::HeaderValue| found == value);
    is(FETCH_MODE, "navigate") && is(FETCH_DEST, "document")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Demands = Demands { token: false, posted: false, page: true };
    const DATA: Demands = Demands { token: true, posted: false, page: false };
    const CHANGE: Demands = Demands { token: true, posted: true, page: false };

    fn guard() -> Guard {
        Guard::new(WebToken::new("secret"), "127.0.0.1:9595".parse().unwrap(), &["box.example".into()])
    }

    /// The status of a request: `METHOD target`, and its headers, `Name: value` each.
    fn status(line: &str, headers: &[&str], demands: Demands) -> u16 {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        let guard = guard();
        match guard.admit(&request).and_then(|()| guard.allow(&request, demands)) {
            Ok(()) => 200,
            Err((status, _)) => status.as_u16(),
        }
    }

    #[test]
    fn hosts_are_ours_or_misdirected() {
        for (name, line, headers, expected) in [
            ("loopback", "GET /", &["Host: 127.0.0.1:9595"][..], 200),
            ("its name", "GET /", &["Host: LOCALHOST:9595"], 200),
            ("IPv6", "GET /", &["Host: [::1]:9595"], 200),
            ("a name given", "GET /", &["Host: box.example"], 200),
            ("with the port", "GET /", &["Host: box.example:9595"], 200),
            ("with another port", "GET /", &["Host: box.example:80"], 421),
            ("without the port", "GET /", &["Host: 127.0.0.1"], 421),
            ("a name pointed here", "GET /", &["Host: evil.example:9595"], 421),
            ("none", "GET /", &[], 421),
            ("two", "GET /", &["Host: 127.0.0.1:9595", "Host: 127.0.0.1:9595"], 421),
            ("absolute form", "GET http://127.0.0.1:9595/", &["Host: 127.0.0.1:9595"], 421),
        ] {
            assert_eq!(status(line, headers, PAGE), expected, "{name}");
        }
        let long = format!("GET /{}", "x".repeat(LONGEST));
        assert_eq!(status(&long, &["Host: 127.0.0.1:9595"], PAGE), 414);
    }

    #[test]
    fn pages_of_others_are_refused_and_links_are_not() {
        const HOST: &str = "Host: 127.0.0.1:9595";
        for (name, headers, page, data) in [
            ("no browser", &[][..], 200, 401),
            ("our page", &["Origin: http://127.0.0.1:9595", "Sec-Fetch-Site: same-origin"], 200, 401),
            ("through a proxy that encrypts", &["Origin: https://box.example"], 200, 401),
            ("another port", &["Origin: http://127.0.0.1:8080"], 403, 403),
            ("a sandboxed page", &["Origin: null"], 403, 403),
            ("another page, without Origin", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], 403, 403),
            ("another port of this host", &["Sec-Fetch-Site: same-site"], 403, 403),
            (
                "a link",
                &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
                200,
                403,
            ),
            (
                "a frame",
                &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
                403,
                403,
            ),
            ("with a token", &["Authorization: Bearer secret"], 200, 200),
            ("with another one", &["Authorization: Bearer secreT"], 200, 401),
            ("as a subprotocol", &["Sec-WebSocket-Protocol: nettop.v1, nettop.token.c2VjcmV0"], 200, 200),
            ("with another one there", &["Sec-WebSocket-Protocol: nettop.v1, nettop.token.c2VjcmVU"], 200, 401),
            (
                "a hostile page that knows it",
                &["Origin: http://evil.example", "Authorization: Bearer secret"],
                403,
                403,
            ),
        ] {
            let headers: Vec<_> = [HOST].into_iter().chain(headers.iter().copied()).collect();
            assert_eq!(status("GET /", &headers, PAGE), page, "{name}: the page");
            assert_eq!(status("GET /", &headers, DATA), data, "{name}: data");
        }
        assert_eq!(status("POST /", &[HOST], PAGE), 405);
        assert_eq!(status("HEAD /", &[HOST], DATA), 405);
    }

    #[test]
    fn changes_are_posted_as_json_by_who_says_who_asks() {
        let all = [
            "Host: 127.0.0.1:9595",
            "Origin: http://127.0.0.1:9595",
            "Content-Type: application/json",
            "Authorization: Bearer secret",
        ];
        assert_eq!(status("POST /", &all, CHANGE), 200);
        for (missing, expected) in [(0, 421), (1, 403), (2, 415), (3, 401)] {
            let headers: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, it)| *it).collect();
            assert_eq!(status("POST /", &headers, CHANGE), expected, "without {}", all[missing]);
        }
        assert_eq!(status("GET /", &all, CHANGE), 405);
    }
}
