//! A client's connection to a monitor, for what comes in more than one line, and for clients that do other things meanwhile.

use std::{io, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{dial, peer::peer, server::Stream, socket::Endpoint, token::Token};

/// The longest line of a subscriber, bytes. A full one has about one or two million; sources with many ports each make it some
/// more.
pub const MAX_LINE: u64 = 32 << 20;
/// How long connecting and sending the request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes read at once.
const BUFFER: usize = 64 << 10;

/// A monitor to talk to.
#[derive(Clone)]
pub struct Monitor {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Whether it was found there, and not named: then only somebody known may answer.
    found: bool,
    /// The word that it wants, over tcp://.
    token: Option<Token>,
}

/// A connection on which a request was sent.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// The user at the other end; `None`: nobody can tell.
    pub user: Option<u32>,
}

impl Monitor {
    /// The one at `named`, whoever that is, or the one that is found.
    pub fn new(named: Option<Endpoint>, token: Option<Token>) -> Self {
        Self { found: named.is_none(), endpoint: named.unwrap_or_else(Endpoint::of_running), token }
    }

    /// Connects, and sends a request.
    ///
    /// # Errors
    /// There is nobody, or nobody that this user may talk to.
    pub async fn send(&self, mut request: Value) -> Result<Connection> {
        if let Some(token) = &self.token {
            request["token"] = token.text().into();
        }
        let send = async {
            let (mut stream, user) = self.connect().await?;
            // A monitor may refuse before it has read everything: its answer is there all the same.
            let sent = stream.write_all(format!("{request}\n").as_bytes()).await;
            sent.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })?;
            Ok(Connection { stream: BufReader::with_capacity(BUFFER, stream), user })
        };
        let late = || Err(io::Error::from(io::ErrorKind::TimedOut).into());
        let sent: Result<_> = timeout(DEADLINE, send).await.unwrap_or_else(|_| late());
        sent.with_context(|| format!("no running monitor at {}", self.endpoint))
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, Option<u32>)> {
        match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                let peer = peer(&stream).context("asking who answers")?;
                if self.found {
                    dial::expect_known(&peer, path)?;
                }
                Ok((Box::new(stream), Some(peer.uid)))
            }
            Endpoint::Tcp(address) => Ok((Box::new(TcpStream::connect(address).await?), None)),
        }
    }
}

impl Connection {
    /// The next line, without its end; `None`: there is none any more.
    ///
    /// # Errors
    /// It has more than `most` bytes, takes longer than `deadline`, or the connection is broken.
    pub async fn line(&mut self, most: u64, deadline: Duration) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(most + 1);
        let read = timeout(deadline, bounded.read_until(b'\n', &mut line)).await;
        read.with_context(|| format!("nothing whole came within {} s", deadline.as_secs()))?
            .context("reading from the monitor")?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() as u64 >= most => bail!("a line of more than {most} bytes: that is no monitor"),
            Some(_) => bail!("the monitor has ended, within a line"),
        }
    }
}
