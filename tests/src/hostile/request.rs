//! Requests of control clients, and what a running engine makes of them.

use std::sync::LazyLock;

use clap::Parser as _;
use nettop::cli::Cli;
use nettop_collect::demo::Demo;
use nettop_engine::{Engine, overhead::Overhead, sinks::Sinks};
use nettop_model::{
    answer,
    clock::Moment,
    request::{self, Request},
    snapshot::Mode,
};
use nettop_requests::Requests;
use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

use super::expect_visible;

/// An engine over the demonstration, which runs as long as the process.
static ENGINE: LazyLock<(Runtime, Requests)> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starting a runtime");
    let (requests, received) = mpsc::channel(1);
    let source = Box::new(Demo::new(1));
    let options = Cli::parse_from(["nettop", "--max-sources", "1000", "--max-events", "100"]).run.common;
    let settings = options.settings(Mode::Demo).expect("settings");
    let (engine, _) = Engine::new(source, settings, None, Sinks::default(), Overhead::new(Moment::now()));
    runtime.spawn(engine.run(received));
    (runtime, requests)
});

/// Reads `data` as a request, and has it answered.
pub fn request(data: &[u8]) {
    let reply = match request::parse(data) {
        Err(error) => Err(error),
        // The engine is needed for those that follow.
        Ok(Request::Stop) => return,
        Ok(request) => {
            let (runtime, requests) = &*ENGINE;
            runtime.block_on(nettop_requests::ask(requests, request))
        }
    };
    let mut answer = Vec::new();
    answer::write_json(&reply, &mut answer).expect("writing to memory");
    let text = String::from_utf8(answer).expect("JSON is UTF-8");
    let line = text.strip_suffix('\n').expect("an answer is a line");
    expect_visible("the answer", line);
    let answer: Value = serde_json::from_str(line).expect("an answer is JSON");
    assert_eq!(answer["ok"], reply.is_ok());
    assert_eq!(answer.get("error").and_then(Value::as_str), reply.as_ref().err().map(String::as_str));
}
