//! Who is refused, and with what.

use nettop_tests::{monitor::Monitor, net::Net, skip, web::Dashboard};

use super::start;

/// Every kind of path.
const PATHS: [&str; 7] = ["/", "/app.js", "/api/stats", "/api/v1/snapshot", "/ws", "/metrics", "/health"];

#[test]
fn requests_that_are_not_ours_are_refused_wherever_they_go() {
    let (_monitor, dashboard) = start("");
    let host = format!("Host: {}", dashboard.address);
    let token = format!("Authorization: Bearer {}", dashboard.token);
    let port = dashboard.address.port();
    for (name, headers, expected) in [
        ("a name pointed here", &[&format!("Host: evil.example:{port}"), &token][..], 421),
        ("a host without its port", &[&"Host: 127.0.0.1".into(), &token], 421),
        ("no host", &[&token], 421),
        ("two hosts", &[&host, &host, &token], 400),
        ("another port", &[&host, &token, &"Origin: http://127.0.0.1:8080".into()], 403),
        ("a sandboxed page", &[&host, &token, &"Origin: null".into()], 403),
        ("a page of another site", &[&host, &token, &"Sec-Fetch-Site: cross-site".into()], 403),
        ("a page of another port", &[&host, &token, &"Sec-Fetch-Site: same-site".into()], 403),
    ] {
        let headers: Vec<_> = headers.iter().map(|header| header.as_str()).collect();
        for path in PATHS {
            let answer = dashboard.ask(&format!("GET {path}"), &headers);
            // Two hosts hyper may refuse by itself.
            let fits = answer.status == expected || (expected == 400 && answer.status == 421);
            assert!(fits, "{name}: {path}: {answer:?}");
            let head = answer.head.to_lowercase();
            assert!(!head.contains("access-control") && !head.contains("set-cookie"), "{name}: {head}");
        }
    }
    for path in ["/api/stats", "/api/v1/snapshot", "/ws", "/api/v1/stream", "/metrics", "/api/v1/control"] {
        let method = if path.ends_with("control") { "POST" } else { "GET" };
        let [origin, json] = [format!("Origin: http://{}", dashboard.address), "Content-Type: application/json".into()];
        let answer = dashboard.ask(&format!("{method} {path}"), &[&host, &origin, &json]);
        assert_eq!(answer.status, 401, "{path} without the token: {answer:?}");
        let answer = dashboard.ask(&format!("DELETE {path}"), &[&host, &token]);
        assert_eq!(answer.status, 405, "{path}");
    }
    let absolute = dashboard.ask(&format!("GET http://{}/api/stats", dashboard.address), &[&host, &token]);
    assert_eq!(absolute.status, 421);
    for (name, header, expected) in [
        ("a long head", format!("X: {}", "x".repeat(40_000)), 431),
        ("many headers", (0..70).map(|at| format!("X{at}: x")).collect::<Vec<_>>().join("\r\n"), 431),
    ] {
        assert_eq!(dashboard.ask("GET /health", &[&host, &header]).status, expected, "{name}");
    }
    assert_eq!(dashboard.ask(&format!("GET /{}", "x".repeat(3000)), &[&host]).status, 414);
    assert_eq!(dashboard.get("/nowhere").status, 404);
    assert_eq!(dashboard.get("/api/stats").status, 200, "and who may look is served");
}

#[test]
fn the_page_tells_browsers_what_it_may_load_and_may_be_linked_to() {
    let (_monitor, dashboard) = start("");
    let host = format!("Host: {}", dashboard.address);
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    let headers: Vec<_> = [host.as_str(), "Accept: text/html"].into_iter().chain(link).collect();
    let page = dashboard.ask("GET /", &headers);
    assert_eq!(page.status, 200);
    for part in ["default-src 'none'", "frame-ancestors 'none'", "nosniff", "no-referrer", "text/html; charset=utf-8"] {
        assert!(page.head.contains(part), "{part}: {}", page.head);
    }
    let tag = page.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let again = dashboard.ask("GET /", &[&host, "Accept: text/html", &format!("If-None-Match: {tag}")]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(!String::from_utf8_lossy(&page.body).contains(&dashboard.token));
}

#[test]
fn every_answer_tells_browsers_the_same() {
    const POLICY: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
                          'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let (_monitor, dashboard) = start("");
    let [host, token] = dashboard.headers();
    for (path, headers) in [
        ("/", &[host.as_str(), "Accept: text/html"][..]),
        ("/app.js", &[&host]),
        ("/health", &[&host]),
        ("/api/stats", &[&host, &token]),
        ("/api/v1/status", &[&host, &token]),
        ("/metrics", &[&host, &token]),
        ("/api/stats", &[&host]),
        ("/nowhere", &[&host, &token]),
        ("/", &[]),
    ] {
        let answer = dashboard.ask(&format!("GET {path}"), headers);
        for line in [
            POLICY,
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "x-frame-options: DENY",
        ] {
            assert!(answer.head.lines().any(|one| one == line), "{path}: {line}: {}", answer.head);
        }
        let cached = if answer.head.contains("etag: ") { "no-cache" } else { "no-store" };
        assert!(answer.head.contains(&format!("cache-control: {cached}")), "{path}: {}", answer.head);
    }
}

#[test]
fn the_token_is_taken_from_no_address_and_written_to_no_log() {
    if !skip::privileged() {
        return;
    }
    let directory = tempfile::TempDir::new().unwrap();
    let log = directory.path().join("log");
    let net = Net::new(1);
    net.receiver.ip("link set dev lo up");
    let arguments = format!("--iface in0 --web 127.0.0.1:0 --log {} --log-level debug", log.display());
    let monitor = Monitor::live(&net.receiver, &arguments);
    let token = net.receiver.run(|| {
        let dashboard = Dashboard::of(&monitor);
        tries_to_have_it_written(&dashboard);
        dashboard.token
    });
    assert_eq!(monitor.said().matches(&token).count(), 1, "it is told once");
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(!written.is_empty() && !written.contains(&token), "{written}");
}

fn tries_to_have_it_written(dashboard: &Dashboard) {
    let (host, token) = (format!("Host: {}", dashboard.address), dashboard.token.clone());
    for query in ["t", "token", "access_token", "authorization"] {
        for path in ["/api/stats", "/ws", "/metrics"] {
            let answer = dashboard.ask(&format!("GET {path}?{query}={token}"), &[&host]);
            assert_eq!(answer.status, 401, "{path}?{query}");
        }
    }
    let cookie = format!("Cookie: nettop.token={token}; token={token}");
    assert_eq!(dashboard.ask("GET /api/stats", &[&host, &cookie]).status, 401);
    assert_eq!(dashboard.get("/api/stats").status, 200);
}
