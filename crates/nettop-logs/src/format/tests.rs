use super::*;
use crate::reading::Marks;

fn access() -> Access {
    Access { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Access::default() }
}

/// What a line says, in one line.
fn said(access: &Access, format: &mut Format, line: &str) -> String {
    match access.read(format, line) {
        Ok(Parsed::Request { at_ns, client, request, .. }) => format!(
            "{} {} {}|{} {} {} {}",
            at_ns.map_or(0, |ns| ns / 1_000_000_000),
            client.map_or("nobody".into(), |ip| ip.to_string()),
            request.method,
            request.target,
            request.status,
            request.bytes,
            request.agent
        ),
        Ok(Parsed::Remark) => "remark".into(),
        Err(Miss::Other) => "other".into(),
        Err(Miss::Malformed) => "malformed".into(),
    }
}

fn preset(name: &str) -> Format {
    Format::parse(name, &[]).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

#[test]
fn every_preset_reads_its_lines() {
    for (name, lines) in [
        (
            "combined",
            &[
                (
                    r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8""#,
                    "1233918854 203.0.113.7 GET|/a 200 512 curl/8",
                ),
                (
                    r#"2001:db8::7 - a user [06/Feb/2009:12:14:14 +0100] "GET / HTTP/2.0" 304 - "-" "a \"quoted\" agent""#,
                    "1233918854 2001:db8::7 GET|/ 304 0 a \"quoted\" agent",
                ),
                (
                    r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "\x16\x03\x01" 400 150 "-" "-""#,
                    "1233918854 203.0.113.7 |\u{16}\u{3}\u{1} 400 150 ",
                ),
                (r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "" 400 0 "-" "-""#, "1233918854 203.0.113.7 | 400 0 "),
                (
                    r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "-" 408 0 "-" "-""#,
                    "1233918854 203.0.113.7 |- 408 0 ",
                ),
                (r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET / HTTP/1.1" abc 0 "-" "-""#, "malformed"),
                (r#"203.0.113.7 - - [06/Nix/2009:12:14:14 +0100] "GET / HTTP/1.1" 200 0 "-" "-""#, "malformed"),
                (
                    r#"example.com - - [06/Feb/2009:12:14:14 +0100] "GET / HTTP/1.1" 200 0 "-" "-""#,
                    "1233918854 nobody GET|/ 200 0 ",
                ),
                ("something else", "other"),
                ("", "other"),
            ][..],
        ),
        (
            "common",
            &[(
                r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "HEAD / HTTP/1.1" 200 512"#,
                "1233918854 203.0.113.7 HEAD|/ 200 512 ",
            )],
        ),
        (
            "vhost_combined",
            &[(
                r#"www.example.org:443 203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET / HTTP/1.1" 200 512 "-" "curl""#,
                "1233918854 203.0.113.7 GET|/ 200 512 curl",
            )],
        ),
        (
            "npm",
            &[(
                r#"[06/Feb/2009:12:14:14 +0100] - 200 200 - GET https example.org "/x" [Client 203.0.113.7] [Length 12] [Gzip -] [Sent-to 10.0.0.2] "curl" "-""#,
                "1233918854 203.0.113.7 GET|/x 200 12 curl",
            )],
        ),
        (
            "haproxy",
            &[
                (
                    r#"Feb  6 12:14:14 lb haproxy[14389]: 203.0.113.7:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
                    "1233922454 203.0.113.7 GET|/index.html 200 2750 ",
                ),
                (
                    r#"Feb  6 12:14:14 lb haproxy[14389]: 203.0.113.7:33317 [06/Feb/2009:12:14:14.655] http-in http-in/<NOSRV> -1/-1/-1/-1/0 400 187 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>""#,
                    "1233922454 203.0.113.7 |<BADREQ> 400 187 ",
                ),
            ],
        ),
        (
            "caddy",
            &[
                (
                    r#"{"level":"info","ts":1233918854.5,"request":{"remote_ip":"203.0.113.7","remote_port":"1","client_ip":"6.6.6.6","method":"GET","host":"x","uri":"/a?b","headers":{"User-Agent":["curl/8","x"],"Accept":["*/*"]}},"bytes_read":0,"size":512,"status":200}"#,
                    "1233918854 203.0.113.7 GET|/a 200 512 curl/8",
                ),
                (
                    r#"{"ts":1233918854.5,"request":{"remote_ip":"10.0.0.9","client_ip":"198.51.100.9","method":"GET","uri":"/"},"status":200}"#,
                    "1233918854 198.51.100.9 GET|/ 200 0 ",
                ),
                (r#"{"ts":1233918854.5,"request":{"remote_ip":5,"method":"GET","uri":"/"},"status":200}"#, "malformed"),
                (
                    r#"{"ts":1233918854.5,"request":{"remote_ip":"203.0.113.7","method":"GET","uri":"/"},"status":"abc"}"#,
                    "malformed",
                ),
                ("[]", "malformed"),
                ("{}", "0 nobody | 0 0 "),
                (r#"{"status":200"#, "malformed"),
                ("plain text", "other"),
            ],
        ),
        (
            "traefik",
            &[
                (
                    r#"{"ClientAddr":"203.0.113.7:5","ClientHost":"203.0.113.7","DownstreamContentSize":19,"DownstreamStatus":404,"RequestMethod":"GET","RequestPath":"/x?y","StartUTC":"2009-02-06T11:14:14.5Z","request_User-Agent":"curl"}"#,
                    "1233918854 203.0.113.7 GET|/x 404 19 curl",
                ),
                (
                    r#"{"ClientAddr":"10.0.0.9:5","ClientHost":"6.6.6.6, 198.51.100.9","DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/"}"#,
                    "0 198.51.100.9 GET|/ 200 0 ",
                ),
                (
                    r#"{"ClientAddr":"203.0.113.7:5","ClientHost":"6.6.6.6","DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/"}"#,
                    "0 203.0.113.7 GET|/ 200 0 ",
                ),
                (
                    r#"{"ClientHost":"203.0.113.7","DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/"}"#,
                    "0 203.0.113.7 GET|/ 200 0 ",
                ),
            ],
        ),
        (
            "envoy",
            &[
                (
                    r#"2009-02-06T12:14:14.493035218+01:00 stdout F {":authority":"x","bytes_sent":12,"downstream_remote_address":"[2001:db8::7]:59292","method":"GET","response_code":200,"start_time":"2009-02-06T11:14:14.479Z","upstream_host":null,"user-agent":"curl","x-envoy-origin-path":"/a?b","x-forwarded-for":"6.6.6.6"}"#,
                    "1233918854 2001:db8::7 GET|/a 200 12 curl",
                ),
                (
                    r#"{"downstream_remote_address":"10.0.0.9:5","method":"GET","response_code":200,"x-envoy-origin-path":"/","x-forwarded-for":"198.51.100.9, 10.0.0.8"}"#,
                    "0 198.51.100.9 GET|/ 200 0 ",
                ),
            ],
        ),
        (
            "alb",
            &[
                (
                    r#"https 2009-02-06T11:14:14.186641Z app/a/1 203.0.113.7:44740 10.0.0.1:80 0.086 0.048 0.037 404 404 9 57 "GET https://example.com:443/a?b=c HTTP/1.1" "curl 7" ECDHE TLSv1.2 - "Root=1" "x""#,
                    "1233918854 203.0.113.7 GET|/a 404 57 curl 7",
                ),
                (
                    r#"http 2009-02-06T11:14:14.186641Z app/a/1 203.0.113.7:44740 - -1 -1 -1 400 - 0 272 "GET http://example.com:80 HTTP/1.1" "-" - -"#,
                    "1233918854 203.0.113.7 GET|/ 400 272 ",
                ),
                (
                    r#"http 2009-02-06T11:14:14.186641Z app/a/1 2001:db8::7:44740 - -1 -1 -1 400 - 0 272 "GET http://example.com:80/ HTTP/1.1" "-" - -"#,
                    "1233918854 nobody GET|/ 400 272 ",
                ),
            ],
        ),
        (
            "cloudfront",
            &[(
                "2009-02-06\t11:14:14\tCDG50-P2\t703\t203.0.113.7\tGET\tx.cloudfront.net\t/a\t400\t-\tcurl/7\tb=c\t-\tError",
                "1233918854 203.0.113.7 GET|/a 400 703 curl/7",
            )],
        ),
        (
            "json",
            &[(
                r#"{"time_iso8601":"2009-02-06T12:14:14+01:00","remote_addr":"203.0.113.7","request":"POST /x HTTP/1.1","status":"403","body_bytes_sent":"7","http_user_agent":"curl"}"#,
                "1233918854 203.0.113.7 POST|/x 403 7 curl",
            )],
        ),
        (
            "w3c",
            &[
                ("2009-02-06 11:14:14 GET / 203.0.113.7 200", "other"),
                ("#Software: Microsoft Internet Information Services 10.0", "remark"),
                (
                    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-bytes",
                    "remark",
                ),
                (
                    "2009-02-06 11:14:14 10.0.0.1 GET /a.aspx b=c 443 - 203.0.113.7 curl+8 - 200 99",
                    "1233918854 203.0.113.7 GET|/a.aspx 200 99 curl 8",
                ),
                ("#Fields: date time c-ip cs-method cs-uri-stem sc-status", "remark"),
                ("2009-02-06\t11:14:14\t203.0.113.7\tGET\t/a\t200", "1233918854 203.0.113.7 GET|/a 200 0 "),
            ],
        ),
    ] {
        let mut format = preset(name);
        for (line, expected) in lines {
            assert_eq!(said(&access(), &mut format, line), *expected, "{name}: {line}");
        }
    }
}

#[test]
fn every_preset_is_compiled() {
    for preset in PRESETS {
        preset.format().unwrap_or_else(|error| panic!("{}: {error:#}", preset.name));
    }
}

#[test]
fn formats_of_ones_own_are_read_and_what_is_none_is_refused() {
    for (text, line, expected) in [
        (r#"$remote_addr|$msec|$request_method|$uri$is_args"#, "", "two fields stand side by side"),
        (
            r#"$remote_addr|$msec|$request_method|$uri?$args|$status"#,
            "203.0.113.7|1233918854.1|GET|/a?b|200",
            "1233918854 203.0.113.7 GET|/a 200 0 ",
        ),
        (r#"${remote_addr}x$status"#, "203.0.113.7x200", "0 203.0.113.7 | 200 0 "),
        (
            r#"$http_x_forwarded_for - $remote_addr "$request" $status"#,
            r#"198.51.100.1, 10.0.0.8 - 10.0.0.9 "GET / HTTP/1.1" 200"#,
            "0 198.51.100.1 GET|/ 200 0 ",
        ),
        ("$status", "", "no address"),
        (
            r#"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""#,
            r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET / HTTP/1.1" 200 512 "-" "curl""#,
            "1233918854 203.0.113.7 GET|/ 200 512 curl",
        ),
        (r#"%{X-Forwarded-For}i %{c}a %m %U%q %s"#, "", "two fields"),
        (r#"%{X-Forwarded-For}i %{c}a %m %U %s"#, "198.51.100.1 10.0.0.9 GET /x 200", "0 198.51.100.1 GET|/x 200 0 "),
        ("json:client=a.b.c,status=s", r#"{"a":{"b":{"c":["203.0.113.7","x"]}},"s":200}"#, "0 203.0.113.7 | 200 0 "),
        (r"json:client=a\.b,status=s", r#"{"a.b":"203.0.113.7","s":"200"}"#, "0 203.0.113.7 | 200 0 "),
        ("json:status=s", "", "no address"),
        ("json:who=s", "", "there is no field"),
        ("combimed", "", "is no format: there are auto"),
    ] {
        match Format::parse(text, &[]) {
            Ok(mut format) => assert_eq!(said(&access(), &mut format, line), expected, "{text}"),
            Err(error) => {
                let error = format!("{error:#}");
                assert!(error.contains(expected) && !expected.is_empty(), "{text}: {error}");
            }
        }
    }
}

#[test]
fn formats_are_read_from_a_configuration_of_nginx() {
    let conf = r#"
        http { # log_format not this one;
            log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                            '$status $body_bytes_sent';
            log_format js escape=json '{"a":"$remote_addr"}';
            server { access_log /var/log/x main; }
            log_format "second" "$status $remote_addr";
        }"#;
    let formats = compile::named(conf).unwrap();
    assert_eq!(formats.iter().map(|format| &*format.name).collect::<Vec<_>>(), ["main", "second"]);
    let mut main = Format::parse("main", &formats).unwrap();
    let line = r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET / HTTP/1.1" 200 512"#;
    assert_eq!(said(&access(), &mut main, line), "1233918854 203.0.113.7 GET|/ 200 512 ");
    let error = format!("{:#}", compile::named("log_format bad '$status';").unwrap_err());
    assert!(error.starts_with("log_format bad: it has no address"), "{error}");
}

#[test]
fn the_format_of_a_file_is_told_from_its_lines_and_told_anew_when_it_changes() {
    let combined = r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET /a HTTP/1.1" 200 512 "-" "curl""#;
    let caddy = r#"{"ts":1233918854.5,"request":{"remote_ip":"203.0.113.8","method":"GET","uri":"/b"},"status":200}"#;
    let mut auto = Auto::new(&Choice::default());
    let sample = format!("{}broken\n", format!("{combined}\n").repeat(20));
    auto.learn(&access(), sample.as_bytes());
    assert_eq!(auto.name(), "combined");
    // One line that says something else is no reason.
    assert_eq!(auto.read(&access(), caddy), Err(Miss::Other));
    assert!(auto.read(&access(), combined).is_ok());
    let missed = (0..40).filter(|_| auto.read(&access(), caddy).is_err()).count();
    assert_eq!((missed, auto.name()), (20, "caddy"));
    let mut fresh = Auto::new(&Choice::default());
    assert_eq!((fresh.read(&access(), "garbage"), fresh.name()), (Err(Miss::Other), ""));
    assert!(fresh.read(&access(), combined).is_ok());
    assert_eq!(fresh.name(), "combined");
    let mut fixed = Auto::new(&Choice::One(preset("common")));
    assert!((0..40).all(|_| fixed.read(&access(), caddy) == Err(Miss::Other)) && fixed.name() == "common");
}

#[test]
fn queries_are_looked_at_and_kept_only_where_that_is_wanted() {
    let line = r#"203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] "GET /a?token=secret&x=../../../etc/passwd HTTP/1.1" 200 512 "-" "sqlmap/1.7""#;
    let mut format = preset("combined");
    for (query, expected) in [(false, "/a"), (true, "/a?token=secret&x=../../../etc/passwd")] {
        let access = Access { query, ..access() };
        let Ok(Parsed::Request { request, .. }) = access.read(&mut format, line) else { panic!("no request") };
        assert_eq!(&*request.target, expected);
        assert!(request.marks.has(Marks::EXPLOIT) && request.marks.has(Marks::SCANNER), "{:?}", request.marks);
    }
}
