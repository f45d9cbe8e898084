//! A tiny HTTP server on loopback that misbehaves as it is told.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What is sent for a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status line and headers, without the empty line behind them.
    head: String,
    body: Vec<u8>,
    then: Then,
}

/// What follows what was sent.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    /// Nothing, while the client waits.
    Wait,
    /// A byte now and then.
    Trickle,
}

impl Answer {
    /// A whole file.
    pub fn file(body: Vec<u8>) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
        Self { head, body, then: Then::Close }
    }

    /// A status, and a page about it.
    pub fn status(status: &str) -> Self {
        Self { head: format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n"), body: b"page".into(), then: Then::Close }
    }

    /// None at all, while the client waits.
    pub fn silence() -> Self {
        Self { head: String::new(), body: Vec::new(), then: Then::Wait }
    }

    /// On to another place of this server.
    pub fn redirect(path: &str) -> Self {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n");
        Self { head, body: Vec::new(), then: Then::Close }
    }

    /// Another length announced than that of the body.
    pub fn announcing(self, length: u64) -> Self {
        Self { head: format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n"), ..self }
    }

    /// No length announced: the end is where the connection ends.
    pub fn unannounced(self) -> Self {
        Self { head: "HTTP/1.1 200 OK\r\n".into(), ..self }
    }

    /// Never ends, and sends nothing more.
    pub fn stuck(self) -> Self {
        Self { then: Then::Wait, ..self }
    }

    /// Never ends, and sends a byte now and then.
    pub fn trickling(self) -> Self {
        Self { then: Then::Trickle, ..self }
    }

    fn send(&self, mut client: &TcpStream) -> io::Result<()> {
        if !self.head.is_empty() {
            write!(client, "{}Connection: close\r\n\r\n", self.head)?;
        }
        client.write_all(&self.body)?;
        match self.then {
            Then::Close => Ok(()),
            // Until the client has gone: it never sends anything more.
            Then::Wait => client.peek(&mut [0]).map(drop),
            Then::Trickle => loop {
                client.write_all(b"x")?;
                thread::sleep(Duration::from_millis(10));
            },
        }
    }
}

/// The server. It ends with the test.
#[derive(Debug)]
pub struct Mirror {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    /// Answers each request by its path, and by how many requests for this table, of any month, there were before.
    pub fn new(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening on loopback");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (log, answer) = (log.clone(), answer.clone());
                // Whoever goes away half-way has seen enough.
                thread::spawn(move || serve(&client, &log, &*answer));
            }
        });
        Self { address, requests }
    }

    /// Where it is: for `--url`.
    pub fn url(&self) -> String {
        format!("http://{}/free", self.address)
    }

    /// The paths asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn serve(
    client: &TcpStream,
    log: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str, usize) -> Answer + ?Sized),
) -> io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let table = |path: &str| path.split("-lite-").next().map(str::to_string);
    let before = {
        let mut log = log.lock().expect("no panic");
        let before = log.iter().filter(|other| table(other) == table(&path)).count();
        log.push(path.clone());
        before
    };
    answer(&path, before).send(client)
}
