//! WebSockets: the handshake of RFC 6455, and bounds on what comes and goes.

use std::{future::Future, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderValue},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use nettop_model::pulse::Pulses;
use sha1::{Digest as _, Sha1};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    guard::{PROTOCOL, protocols},
    reply::{self, Reply},
    route::Asked,
    web::Web,
};

/// What RFC 6455 has behind the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest message that may come, bytes; and how many in a second.
const MAX_MESSAGE: usize = 4 << 10;
const MAX_RATE: u32 = 10;
/// How long a client may take for a message.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// The time between two pulses that are sent, and the least: after one that was late the next may come sooner.
const STEP: Duration = Duration::from_millis(100);
const LEAST_STEP: Duration = Duration::from_millis(50);

/// A WebSocket.
pub struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// The second that is counted in, and what came in it.
    second: Instant,
    came: u32,
}

/// What has come.
pub enum Came {
    /// A text.
    Text(String),
    /// Nothing any more.
    End,
}

/// Pulses as they are sent: at most ten in a second, however often there are any.
pub struct Pace {
    pulses: watch::Receiver<Pulses>,
    due: Instant,
}

impl Pace {
    /// Of these.
    pub fn new(pulses: watch::Receiver<Pulses>) -> Self {
        Self { pulses, due: Instant::now() }
    }

    /// Waits for the next one; `false`: there is none any more.
    pub async fn next(&mut self) -> bool {
        sleep_until(self.due).await;
        let changed = self.pulses.changed().await.is_ok();
        self.due = (self.due + STEP).max(Instant::now() + LEAST_STEP);
        changed
    }
}

/// Makes a WebSocket of a request, and has it served.
pub fn upgrade<F: Future<Output = ()> + Send + 'static>(
    web: Arc<Web>,
    asked: Asked,
    serve: fn(Arc<Web>, Socket) -> F,
) -> Reply {
    let (mut request, place) = asked.into_parts();
    let accept = match accept(request.headers()) {
        Ok(accept) => accept,
        Err(why) => return reply::refused(StatusCode::UPGRADE_REQUIRED, why),
    };
    let Ok(permit) = web.sockets.clone().try_acquire_owned() else {
        let why = "all 16 WebSockets are taken; close one of the pages that show this dashboard";
        return reply::refused(StatusCode::SERVICE_UNAVAILABLE, why);
    };
    let speaks_ours = protocols(request.headers()).any(|word| word == PROTOCOL);
    let upgrading = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // The places, too, are given back at the end of this.
        let (_permit, _place) = (permit, place);
        let Ok(upgraded) = upgrading.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(MAX_MESSAGE)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let now = Instant::now();
        serve(web, Socket { stream, second: now, came: 0 }).await;
    });
    let mut reply = reply::bytes(StatusCode::SWITCHING_PROTOCOLS, "", Vec::new());
    let headers = reply.headers_mut();
    headers.clear();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if speaks_ours {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    reply
}

/// The answer to the key of a handshake.
fn accept(headers: &HeaderMap) -> Result<HeaderValue, &'static str> {
    let has = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err("this path is a WebSocket");
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err("only version 13 of WebSockets is spoken");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or("a WebSocket has a key")?;
    let is_key = BASE64_STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
    if !is_key {
        return Err("the key of a WebSocket is 16 bytes in base64");
    }
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    HeaderValue::try_from(BASE64_STANDARD.encode(digest)).map_err(|_| "the key of a WebSocket is text")
}

impl Socket {
    /// Sends a text, which its client has to take in time.
    pub async fn send(&mut self, text: String) -> Result<(), ()> {
        match timeout(SEND_DEADLINE, self.stream.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }

    /// Waits for what the client says. One that breaks the rules is told which, and is let go.
    pub async fn came(&mut self) -> Came {
        loop {
            let message = match self.stream.next().await {
                None => return Came::End,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    let code = match error {
                        Error::Capacity(_) => CloseCode::Size,
                        Error::Utf8(_) => CloseCode::Invalid,
                        Error::Protocol(_) => CloseCode::Protocol,
                        _ => return Came::End,
                    };
                    return self.close(code).await;
                }
            };
            if self.second.elapsed() >= Duration::from_secs(1) {
                (self.second, self.came) = (Instant::now(), 0);
            }
            self.came += 1;
            if self.came > MAX_RATE {
                return self.close(CloseCode::Policy).await;
            }
            match message {
                Message::Text(text) => return Came::Text(text.to_string()),
                Message::Binary(_) => return self.close(CloseCode::Unsupported).await,
                Message::Close(_) => {
                    // tungstenite has the answer ready, which goes with the next flush.
                    let _ = timeout(SEND_DEADLINE, self.stream.flush()).await;
                    return Came::End;
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    async fn close(&mut self, code: CloseCode) -> Came {
        let frame = CloseFrame { code, reason: "".into() };
        let _ = timeout(SEND_DEADLINE, self.stream.send(Message::Close(Some(frame)))).await;
        Came::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_pulses_are_sent_in_a_second_however_many_there_are() {
        for (name, every, rate) in [("in a flood", 13, 10.0), ("as it should be", 100, 10.0), ("slower", 250, 4.0)] {
            let sender = watch::Sender::new(Pulses::default());
            let (mut pace, began) = (Pace::new(sender.subscribe()), Instant::now());
            let pushes = tokio::spawn(async move {
                for at in 0..10_000 / every {
                    // Late now and then.
                    tokio::time::sleep(Duration::from_millis(every + at % 3)).await;
                    sender.send_modify(|pulses| pulses.count += 1);
                }
            });
            let mut sent = 0;
            while pace.next().await {
                sent += 1;
            }
            pushes.await.unwrap();
            let measured = f64::from(sent) / began.elapsed().as_secs_f64();
            assert!((measured - rate).abs() < rate / 20.0, "{name}: {measured} in a second");
        }
    }

    /// The answer to a handshake with these headers; one of them left out or replaced.
    fn answered(changed: Option<(&'static str, Option<&'static str>)>) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            let value = changed.filter(|(one, _)| *one == name).map_or(Some(value), |(_, value)| value);
            value.map(|value| headers.insert(name, HeaderValue::from_static(value)));
        }
        accept(&headers).map(|value| value.to_str().unwrap().to_string())
    }

    #[test]
    fn the_key_of_the_rfc_is_answered_as_there() {
        assert_eq!(answered(None).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for (name, value) in [
            ("connection", None),
            ("upgrade", Some("h2c")),
            ("sec-websocket-version", Some("8")),
            ("sec-websocket-key", None),
            ("sec-websocket-key", Some("c2hvcnQ=")),
            ("sec-websocket-key", Some("not base64")),
        ] {
            assert!(answered(Some((name, value))).is_err(), "{name}: {value:?}");
        }
    }
}
