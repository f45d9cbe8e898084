//! What is read as which request, and what is said of what is none.

use super::*;
use crate::snapshot::Group;

#[test]
fn requests_are_read_as_the_classic_writes_them() {
    let change = |change| Ok(Request::Set(change));
    let text = |text: &str| Some(text.to_string());
    for (line, expected) in [
        (r#"{"cmd":"status"}"#, Ok(Request::Status(Status { limit: 1000 }))),
        ("{}", Ok(Request::Status(Status { limit: 1000 }))),
        (r#"{"cmd":"snapshot","limit":0}"#, Ok(Request::Snapshot(Snapshot { limit: 0, form: Form::Flat }))),
        (r#"{"cmd":"subscribe","limit":5}"#, Ok(Request::Subscribe(Subscribe { limit: 5, form: Form::Flat }))),
        (
            r#"{"cmd":"subscribe","limit":5,"schema":2}"#,
            Ok(Request::Subscribe(Subscribe { limit: 5, form: Form::whole() })),
        ),
        (
            r#"{"cmd":"snapshot","limit":5,"schema":99,"groups":["host","traffic","host"]}"#,
            Ok(Request::Snapshot(Snapshot { limit: 5, form: Form::Grouped(vec![Group::Traffic, Group::Host]) })),
        ),
        (r#"{"cmd":"snapshot","limit":5,"schema":1}"#, Ok(Request::Snapshot(Snapshot { limit: 5, form: Form::Flat }))),
        (r#"{"cmd":"top","top":30}"#, Ok(Request::Top(Top { count: 30 }))),
        (r#"{"cmd":"top","top":"7"}"#, Ok(Request::Top(Top { count: 7 }))),
        (r#"{"cmd":"pause"}"#, Ok(Request::Pause)),
        (r#"{"cmd":"resume"}"#, Ok(Request::Resume)),
        (r#"{"cmd":"set","dst":"10.0.0.1"}"#, change(FilterChange { dst: text("10.0.0.1"), ..Default::default() })),
        (r#"{"cmd":"set","ports":[443,80]}"#, change(FilterChange { port: text("443,80"), ..Default::default() })),
        (r#"{"cmd":"set","port":80}"#, change(FilterChange { port: text("80"), ..Default::default() })),
        (r#"{"cmd":"set"}"#, change(FilterChange::default())),
        (r#"{"cmd":"stop"}"#, Ok(Request::Stop)),
        (r#"{"cmd":"history","port":443}"#, Ok(Request::History(Subject::Port(443)))),
        (
            r#"{"cmd":"history","prefix":"192.0.2.0/24"}"#,
            Ok(Request::History(Subject::Prefix("192.0.2.0/24".parse().unwrap()))),
        ),
    ] {
        assert_eq!(parse(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn bad_requests_say_what_is_wrong() {
    for (line, part) in [
        ("", "not a JSON request"),
        ("[1]", "JSON object"),
        (r#"{"cmd":"dance"}"#, "unknown command \"dance\""),
        (r#"{"cmd":5}"#, "cmd must be text"),
        (r#"{"cmd":"set","dst":[]}"#, "dst must be text"),
        (r#"{"cmd":"set","ports":["x"]}"#, "not a port"),
        (r#"{"cmd":"top"}"#, "needs a number"),
        (r#"{"cmd":"top","top":1.5}"#, "whole number"),
        (r#"{"cmd":"snapshot","limit":-1}"#, "whole number"),
        (r#"{"cmd":"snapshot","schema":"2"}"#, "schema must be a whole number"),
        (r#"{"cmd":"snapshot","schema":0}"#, "schema must be a whole number"),
        (r#"{"cmd":"snapshot","groups":["host"]}"#, "\"schema\": 2"),
        (r#"{"cmd":"snapshot","schema":2,"groups":"host"}"#, "must be a list"),
        (r#"{"cmd":"subscribe","schema":2,"groups":["ips"]}"#, "no group \"ips\"; there are meta, "),
        (r#"{"cmd":"history"}"#, "needs one of"),
        (r#"{"cmd":"history","port":1,"dst":"192.0.2.1"}"#, "needs one of"),
        (r#"{"cmd":"history","prefix":"192.0.2.0/20"}"#, "no prefix whose"),
        (r#"{"cmd":"history","source":"here"}"#, "no source whose"),
    ] {
        let error = parse(line.as_bytes()).unwrap_err();
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let samples = Request::samples();
    assert!(samples.len() >= COMMANDS.len());
    for request in samples {
        let json = request.to_json();
        assert_eq!(parse(json.to_string().as_bytes()), Ok(request), "{json}");
    }
}

#[test]
fn every_command_has_its_request() {
    let samples = Request::samples();
    for Command { name, effect, .. } in COMMANDS {
        let mut named = samples.iter().filter(|request| request.to_json()["cmd"] == *name).peekable();
        assert!(named.peek().is_some(), "{name}");
        assert!(named.all(|request| request.effect() == *effect), "{name}");
    }
}
