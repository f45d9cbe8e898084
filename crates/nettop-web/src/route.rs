//! What is answered where: a row for each path.

use std::{future::Future, pin::Pin, sync::Arc};

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use nettop_export::sorted;
use nettop_model::{
    answer, json,
    request::{self, COMMANDS, Effect},
};
use nettop_process::cause;
use serde_json::{Map, Value, value::RawValue};
use tokio::time::{Duration, timeout};

use crate::{
    args::Parts,
    assets, compat, guard,
    listen::Left,
    reply::{self, Reply},
    socket, stream, view,
    web::Web,
};

/// The longest answer of a monitor that is passed on, bytes; and how long it may take.
const MAX_ANSWER: u64 = 256 << 20;
const DEADLINE: Duration = Duration::from_secs(60);
/// What may be posted, bytes, and how long it may take.
const MAX_BODY: usize = 4 << 10;
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// Where the requests of the control channel are.
const COMMANDS_AT: &str = "/api/v1/";
/// Those that send more than one line: over a WebSocket instead.
const STREAMS: [&str; 2] = ["subscribe", "pulse"];

/// A request, and the place of who asks.
pub struct Asked {
    request: Request<Incoming>,
    place: Arc<Left>,
}

type Answer = fn(Arc<Web>, Asked) -> Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A path, and what is answered there.
pub struct Route {
    /// The path.
    pub path: &'static str,
    /// Whether the token is needed.
    pub token: bool,
    /// Whether it is posted to.
    pub posted: bool,
    /// With which of `--web-parts` it is served.
    pub part: Parts,
    /// What it answers.
    pub about: &'static str,
    answer: Answer,
}

/// Defines [`ROUTES`]: path, what it demands, the part it belongs to, what it answers, and how.
macro_rules! routes {
    ($($path:literal $token:ident $part:ident $about:literal => $answer:expr;)+) => {
        /// Every path, beside the files of the page and the requests of the control channel.
        pub const ROUTES: &[Route] = &[$(Route {
            path: $path,
            token: routes!(@token $token),
            posted: routes!(@posted $token),
            part: Parts::$part,
            about: $about,
            answer: |web, asked| Box::pin(async move {
                let answer: fn(Arc<Web>, Asked) -> _ = $answer;
                answer(web, asked).await
            }),
        },)+];
    };
    (@token open) => { false };
    (@token token) => { true };
    (@token post) => { true };
    (@posted post) => { true };
    (@posted $other:ident) => { false };
}

routes! {
    "/" token Api "name, version and status" => |_, _| async { compat::root() };
    "/health" open Metrics "whether the monitor is heard; 503 if it is not" => |web, _| async move { compat::health(&web) };
    "/api/connections" token Api "the connections of the host, the busiest first" => |web, _| async move {
        compat::connections(&web)
    };
    "/api/stats" token Api "what is sent and received" => |web, _| async move { compat::stats(&web) };
    "/api/bandwidth-history" token Api
        "the last 30 seconds, ten values each; with ?window=3600 the last hour, second by second" => |web, asked| async move {
            compat::history(&web, &asked)
        };
    "/ws" token Api "a WebSocket: everything of the three above, ten times a second" => |web, asked| async move {
        socket::upgrade(web, asked, compat::serve)
    };
    "/api/v1/stream" token Api "a WebSocket: what the page shows" => |web, asked| async move {
        socket::upgrade(web, asked, stream::serve)
    };
    "/api/v1/export.csv" token Api "a view as CSV: ?view=NAME&filter=TEXT" => |web, asked| async move {
        view::csv(&web, &asked)
    };
    "/api/v1/control" post Api "a request of the control channel; only with --web-control" => control;
    "/metrics" token Metrics "OpenMetrics, for Prometheus" => |web, _| async move { web.openmetrics() };
}

impl Asked {
    /// The values of the query, decoded.
    pub(crate) fn query(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()))
    }

    /// A value of the query.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.query().find(|(one, _)| one == name).map(|(_, value)| value)
    }

    /// The request, and the place of who asks.
    pub(crate) fn into_parts(self) -> (Request<Incoming>, Arc<Left>) {
        (self.request, self.place)
    }
}

/// Answers.
pub async fn answer(web: Arc<Web>, request: Request<Incoming>, place: Arc<Left>) -> Reply {
    if let Err((status, why)) = web.guard.admit(&request) {
        return reply::refused(status, &why);
    }
    let path = request.uri().path().to_string();
    let asked = Asked { request, place };
    if let Some(asset) = assets::find(&path, asked.request.headers()).filter(|_| web.parts == Parts::All) {
        return match web
            .guard
            .allow(&asked.request, guard::Demands { token: false, posted: false, page: asset.is_page() })
        {
            Ok(()) => asset.reply(asked.request.headers()),
            Err((status, why)) => reply::refused(status, &why),
        };
    }
    let route = ROUTES.iter().find(|route| route.path == path);
    let command = path.strip_prefix(COMMANDS_AT).and_then(reading_command);
    let (token, posted, part) = match (route, command) {
        (Some(route), _) => (route.token, route.posted, route.part),
        (None, Some(_)) => (true, false, Parts::Api),
        (None, None) => {
            return reply::refused(StatusCode::NOT_FOUND, "there is nothing at this path; docs/web.md lists them");
        }
    };
    if part < web.parts {
        return reply::refused(StatusCode::NOT_FOUND, "--web-parts leaves this out");
    }
    if let Err((status, why)) = web.guard.allow(&asked.request, guard::Demands { token, posted, page: false }) {
        return reply::refused(status, &why);
    }
    match (route, command) {
        (Some(route), _) => {
            let _looking = web.looks.look().await;
            (route.answer)(web, asked).await
        }
        (None, command) => pass_on(&web, command.unwrap_or_default(), &asked).await,
    }
}

/// The request of this name, if it leaves everything as it is and has one answer.
fn reading_command(name: &str) -> Option<&'static str> {
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    (command.effect == Effect::Reads && !STREAMS.contains(&name)).then_some(command.name)
}

/// Has the monitor answer, in the words and the bytes of `nettopctl`.
async fn pass_on(web: &Web, command: &str, asked: &Asked) -> Reply {
    let mut fields = Map::new();
    for (name, value) in asked.query() {
        match name.as_str() {
            "groups" => {
                fields.insert("schema".into(), nettop_model::snapshot::SCHEMA.into());
                if value != "all" {
                    fields.insert(name, value.split(',').map(str::trim).collect());
                }
            }
            "limit" => {
                let number = value.parse::<u64>().map_or_else(|_| Value::from(value.as_str()), Value::from);
                fields.insert(name, number);
            }
            _ => {
                fields.insert(name, value.into());
            }
        }
    }
    fields.insert("cmd".into(), command.into());
    ask(web, &Value::Object(fields)).await
}

/// A request of the control channel that was posted.
async fn control(web: Arc<Web>, asked: Asked) -> Reply {
    if !web.control {
        let why = "this dashboard only shows things; --web-control lets it change them";
        return reply::refused(StatusCode::FORBIDDEN, why);
    }
    let body = Limited::new(asked.request.into_body(), MAX_BODY);
    let Ok(Ok(body)) = timeout(BODY_DEADLINE, body.collect()).await else {
        return reply::refused(StatusCode::PAYLOAD_TOO_LARGE, "a request has at most 4,096 bytes, and comes in 5 s");
    };
    match json::read::<Value>(&body.to_bytes()) {
        Ok(request) => ask(&web, &request).await,
        Err(error) => reply::refused(StatusCode::BAD_REQUEST, &format!("not a JSON request: {error}")),
    }
}

async fn ask(web: &Web, fields: &Value) -> Reply {
    let request = match request::parse(fields.to_string().as_bytes()) {
        Ok(request) => request.to_json(),
        Err(why) => return reply::refused(StatusCode::BAD_REQUEST, &why),
    };
    // One at a time: some are as large as everything that was counted.
    let Ok(_place) = web.large.acquire().await else {
        return reply::refused(StatusCode::SERVICE_UNAVAILABLE, "the dashboard is ending");
    };
    let exchange = async { web.monitor.send(request).await?.line(MAX_ANSWER, DEADLINE).await };
    let line = match timeout(DEADLINE, exchange).await {
        Ok(Ok(Some(line))) => line,
        Ok(Err(error)) => return reply::refused(StatusCode::BAD_GATEWAY, &cause::told(&error)),
        Ok(Ok(None)) | Err(_) => return reply::refused(StatusCode::BAD_GATEWAY, "the monitor does not answer"),
    };
    let status = if answer::head(&line).is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    match tokio::task::block_in_place(|| indented(&line)) {
        Ok(text) => reply::bytes(status, "application/json", text),
        Err(error) => reply::refused(StatusCode::BAD_GATEWAY, &format!("the monitor's answer cannot be read: {error}")),
    }
}

/// As `nettopctl` prints it.
fn indented(line: &[u8]) -> std::io::Result<Vec<u8>> {
    let answer: &RawValue = json::read(line)?;
    let mut text = Vec::with_capacity(line.len() * 2);
    sorted::pretty(answer, &mut text).map(|()| text)
}

/// Has a browser ask again each time, but not be sent what it has.
pub(crate) fn revalidated(reply: &mut Reply, tag: HeaderValue) {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply.headers_mut().insert(header::ETAG, tag);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_path_is_documented() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/web.md")).unwrap();
        for route in ROUTES {
            assert!(text.contains(&format!("| `{}`", route.path)), "{}: {}", route.path, route.about);
        }
    }

    #[test]
    fn requests_that_change_something_are_no_paths() {
        for command in COMMANDS {
            let is_path = reading_command(command.name).is_some();
            assert_eq!(
                is_path,
                command.effect == Effect::Reads && !STREAMS.contains(&command.name),
                "{}",
                command.name
            );
        }
        assert_eq!(reading_command("nothing"), None);
    }
}
