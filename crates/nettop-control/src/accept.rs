//! Who comes to the control channel, what they may do, and what they ask.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixListener as StdUnixListener},
    sync::Arc,
};

use nettop_model::request::{COMMANDS, Effect, Request, parse, token_of};
use nettop_requests::Caller;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use super::{
    fair::{Asker, Whose},
    peer::{Access, peer},
    token::Token,
};

/// The longest request, bytes.
const MAX_REQUEST: usize = 64 << 10;

/// What the server listens on.
pub enum Listener {
    /// A Unix socket; its peers are checked. The group whose members may look.
    Unix(UnixListener, Option<u32>),
    /// TCP; clients have to know the token, if there is one.
    Tcp(TcpListener, Option<Arc<Token>>),
}

impl Listener {
    /// From a socket bound before the runtime was there.
    ///
    /// # Errors
    /// When it cannot be polled.
    pub fn unix(listener: StdUnixListener, readers: Option<u32>) -> io::Result<Self> {
        UnixListener::from_std(listener).map(|listener| Self::Unix(listener, readers))
    }
}

/// Either kind of stream.
pub trait Stream: AsyncRead + AsyncWrite + AsFd + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + AsFd + Send + Unpin> Stream for T {}

/// A client, and what it may do.
pub struct Client {
    /// What it sends and reads.
    pub stream: Box<dyn Stream>,
    /// Who it is.
    pub asker: Asker,
    /// What it may do.
    pub access: Access,
    /// What it is called where it may not do something.
    name: String,
    token: Option<Arc<Token>>,
}

impl Client {
    /// Reads a request, and who asks. What it may not ask for is refused; what acts then goes to the engine all the same, which writes down
    /// that it was asked.
    ///
    /// # Errors
    /// In words for the client: it may not, or it is no request.
    pub fn request(&self, line: &[u8]) -> Result<(Caller, Request), String> {
        let pid = Some(self.asker.pid).filter(|pid| *pid != 0);
        let from = match self.asker.whose {
            Whose::Host(ip) => Some(ip.to_canonical()),
            _ => None,
        };
        let caller = Caller { name: self.name.clone(), pid, from, refused: None };
        match self.permitted(line) {
            Ok(request) => Ok((caller, request)),
            Err(why) => match parse(line).ok().filter(|request| request.effect() == Effect::Acts) {
                Some(request) => Ok((Caller { refused: Some(why), ..caller }, request)),
                None => Err(why),
            },
        }
    }

    /// Reads a request that it may make.
    fn permitted(&self, line: &[u8]) -> Result<Request, String> {
        let name = &self.name;
        if self.access == Access::Nothing {
            return Err(format!("{name} may not command this monitor: only its own user and root"));
        }
        let knows = |token: &Arc<Token>| token_of(line).is_some_and(|sent| token.is(&sent));
        if !self.token.as_ref().is_none_or(knows) {
            return Err("this monitor wants a token, in the file named with --control-token".into());
        }
        let request = parse(line)?;
        if self.access == Access::Read && request.effect() != Effect::Reads {
            let readers = COMMANDS.iter().filter(|command| command.effect == Effect::Reads);
            let names: Vec<_> = readers.map(|command| command.name).collect();
            return Err(format!("{name} may look ({}), and change nothing", names.join(", ")));
        }
        if matches!(self.asker.whose, Whose::Host(_)) && self.token.is_none() {
            let why = match request.effect() {
                Effect::Confides => "command lines may hold secrets",
                Effect::Acts => "it changes what becomes of packets",
                Effect::Reads | Effect::Changes => "",
            };
            if !why.is_empty() {
                return Err(format!("this is done over tcp:// only for who knows a token (--control-token): {why}"));
            }
        }
        Ok(request)
    }
}

/// Waits for a client.
///
/// # Errors
/// No file descriptor is left, or the client has gone again.
pub async fn accept(listener: &Listener) -> io::Result<Client> {
    match listener {
        Listener::Tcp(listener, token) => {
            let (stream, from) = listener.accept().await?;
            let (access, name, token) = (Access::Command, from.to_string(), token.clone());
            let asker = Asker { whose: Whose::Host(from.ip()), pid: 0 };
            Ok(Client { stream: Box::new(stream), asker, access, name, token })
        }
        Listener::Unix(listener, readers) => {
            let (stream, _) = listener.accept().await?;
            let (asker, access, name) = match peer(&stream) {
                Ok(peer) => {
                    let asker = Asker { whose: Whose::User(peer.uid), pid: peer.pid };
                    (asker, peer.access(*readers), format!("user {}", peer.uid))
                }
                Err(error) => {
                    let asker = Asker { whose: Whose::Unknown, pid: 0 };
                    (asker, Access::Nothing, format!("somebody who cannot be told ({error})"))
                }
            };
            Ok(Client { stream: Box::new(stream), asker, access, name, token: None })
        }
    }
}

/// Reads up to a newline, or to the end.
///
/// # Errors
/// In words for the client: it is too long, or cannot be read.
pub async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.map_err(|error| format!("reading the request: {error}"))?;
        let end = chunk[..count].iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&chunk[..end.unwrap_or(count)]);
        if line.len() > MAX_REQUEST {
            return Err(format!("a request has at most {MAX_REQUEST} bytes"));
        }
        if end.is_some() || count == 0 {
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_may_have_64_kibibytes_and_not_one_more() {
        for (length, expected) in [(MAX_REQUEST, true), (MAX_REQUEST + 1, false)] {
            let text = [vec![b'x'; length], b"\n".to_vec()].concat();
            assert_eq!(read_line(&mut &*text).await.is_ok(), expected, "{length}");
        }
    }
}
