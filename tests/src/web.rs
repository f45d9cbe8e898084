//! A dashboard beside a monitor, asked as browsers, programs and attackers do.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{
    Message, WebSocket,
    protocol::{Role, frame::coding::CloseCode},
};

use crate::{monitor::Monitor, program};

/// The key of RFC 6455's example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Where a dashboard is, and its token.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it wants to be told.
    pub token: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status; 0: there was none.
    pub status: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }
}

impl Dashboard {
    /// The one that a monitor has announced.
    pub fn of(monitor: &Monitor) -> Self {
        let said = program::wait_for(|| Some(monitor.said()).filter(|said| said.contains("#t="))).expect("an address");
        Self::announced(&said)
    }

    /// The one of this announcement.
    pub fn announced(said: &str) -> Self {
        let url = said.split("http://").nth(1).expect("an address").split_whitespace().next().expect("an address");
        let (address, token) = url.split_once("/#t=").expect("a token");
        let dashboard = Self { address: address.parse().expect("an address"), token: token.into() };
        let ready = program::wait_for(|| (dashboard.get("/health").status == 200).then_some(()));
        assert!(ready.is_some(), "the dashboard does not answer");
        dashboard
    }

    /// Connects.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connecting");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        stream
    }

    /// What comes back of these bytes.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::read(&answer)
    }

    /// What comes back of a request with these headers, a line each.
    pub fn ask(&self, line: &str, headers: &[&str]) -> Answer {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.raw(format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    }

    /// The headers of a program that may look.
    pub fn headers(&self) -> [String; 2] {
        [format!("Host: {}", self.address), format!("Authorization: Bearer {}", self.token)]
    }

    /// What a program gets at a path.
    pub fn get(&self, path: &str) -> Answer {
        let [host, token] = self.headers();
        self.ask(&format!("GET {path}"), &[&host, &token])
    }

    /// The same; `None`: nobody is there yet.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        TcpStream::connect(self.address).ok().map(|_| self.get(path))
    }

    /// Opens a WebSocket as a browser does, the token as a subprotocol.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub fn socket(&self, path: &str) -> Result<Client, Answer> {
        let mut stream = self.connect();
        let token = BASE64_URL_SAFE_NO_PAD.encode(&self.token);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: nettop.v1, nettop.token.{token}\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("asking for a WebSocket");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
            head.push(byte[0]);
        }
        let answer = Answer::read(&head);
        if answer.status != 101 {
            return Err(answer);
        }
        Ok(Client { socket: WebSocket::from_raw_socket(stream, Role::Client, None), head: answer.head })
    }
}

/// A WebSocket.
pub struct Client {
    /// It.
    pub socket: WebSocket<TcpStream>,
    /// How it was answered.
    pub head: String,
}

impl Client {
    /// Sends a text.
    pub fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("sending");
    }

    /// The next message, as JSON.
    pub fn message(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message of this type.
    pub fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message();
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Why it is closed, however much comes before.
    pub fn closed(&mut self) -> Option<CloseCode> {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends bytes as they are, below the protocol.
    ///
    /// # Errors
    /// The server has gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.get_mut().write_all(bytes)
    }
}

/// `nettop web` over a running monitor; killed when dropped.
pub struct Over {
    /// What it serves.
    pub web: Dashboard,
    child: Child,
    _folder: TempDir,
}

impl Over {
    /// Over the one of this socket.
    pub fn of(socket: &Path) -> Self {
        Self::with(socket, &[])
    }

    /// Over the one of this socket, with further arguments.
    pub fn with(socket: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program::path("nettop"));
        command.arg("web").arg(socket).args(["--web", "0"]).args(arguments);
        Self::start(command)
    }

    /// Started by this command.
    pub fn start(mut command: Command) -> Self {
        let folder = TempDir::new().expect("a folder");
        let err = folder.path().join("err");
        let mut child = program::spawn(command.stderr(fs::File::create(&err).expect("a file")));
        let said = program::wait_for(|| {
            let ended = child.try_wait().expect("asking about a child");
            let said = fs::read_to_string(&err).ok()?;
            assert!(ended.is_none(), "it has ended: {said}");
            said.contains("#t=").then_some(said)
        });
        Self { web: Dashboard::announced(&said.expect("an address")), child, _folder: folder }
    }
}

impl Over {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
