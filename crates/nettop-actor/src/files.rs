//! Opening logs for a monitor that may not: both ends. A request and its answer are a line of JSON each; with the answer comes the open file.

use std::{
    fs::File,
    io::{self, BufReader, IoSlice, IoSliceMut, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nettop_logs::tail::{Folders, Id, Opener};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::{
    job::{MOST_ANSWER, MOST_JOB},
    serve::read_line,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked. Patterns are called by their numbers in the role.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
enum Wish {
    /// Tell the files that a pattern names.
    List { index: usize },
    /// Open one of them.
    Open { index: usize, name: PathBuf },
}

/// What comes of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// The files, each with device and inode.
    Files(Vec<(PathBuf, Id)>),
    /// The file comes with this.
    Opened,
    /// It cannot be done: the number of the error, where it is one of the system's, and its text.
    Refused(Option<i32>, String),
}

/// What a request comes to, and a file that is to go with that.
fn act(folders: &Folders, line: &[u8]) -> (Answer, Option<File>) {
    let refused = |error: &io::Error| (Answer::Refused(error.raw_os_error(), error.to_string()), None);
    match serde_json::from_slice(line) {
        Ok(Wish::List { index }) => match folders.files(index) {
            Ok(files) => (Answer::Files(files), None),
            Err(error) => refused(&error),
        },
        Ok(Wish::Open { index, name }) => match folders.open_file(index, &name) {
            Ok(file) => (Answer::Opened, Some(file)),
            Err(error) => refused(&error),
        },
        Err(error) => (Answer::Refused(None, format!("that is no request: {error}")), None),
    }
}

/// Has a request of any bytes done, for whoever tries how that ends.
pub fn try_out(folders: &Folders, line: &[u8]) -> bool {
    act(folders, line).1.is_some()
}

/// Serves until the other end is gone.
///
/// # Errors
/// An answer cannot be written as JSON, or a request is too long.
pub(crate) fn serve(asker: &UnixStream, mut lines: BufReader<UnixStream>, folders: &Folders) -> Result<()> {
    while let Some(line) = read_line(&mut lines, MOST_JOB)? {
        let (answer, file) = act(folders, &line);
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        let sent = match file {
            Some(file) => send(asker, &text, &file),
            None => (&mut &*asker).write_all(&text),
        };
        if sent.is_err() {
            break;
        }
    }
    Ok(())
}

fn send(asker: &UnixStream, text: &[u8], file: &File) -> io::Result<()> {
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&files));
    let sent = sendmsg(asker, &[IoSlice::new(text)], &mut beside, SendFlags::NOSIGNAL)?;
    (&mut &*asker).write_all(&text[sent..])
}

/// The monitor's end.
#[derive(Debug)]
pub struct Files {
    socket: UnixStream,
    is_lost: bool,
}

impl Files {
    /// To be made before the sandbox is entered.
    ///
    /// # Errors
    /// Nothing can be set for the socket.
    pub(crate) fn new(socket: UnixStream) -> Result<Self> {
        let set = socket.set_read_timeout(Some(PATIENCE)).and(socket.set_write_timeout(Some(PATIENCE)));
        set.context("setting how long a process that opens logs may take")?;
        Ok(Self { socket, is_lost: false })
    }

    fn ask(&mut self, wish: &Wish) -> io::Result<(Answer, Option<File>)> {
        let mut text = serde_json::to_vec(wish).map_err(io::Error::from)?;
        text.push(b'\n');
        if text.len() > MOST_JOB {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name is too long"));
        }
        if !self.is_lost {
            match self.exchange(&text) {
                Ok((Answer::Refused(Some(number), _), _)) => return Err(io::Error::from_raw_os_error(number)),
                Ok((Answer::Refused(None, why), _)) => return Err(io::Error::other(why)),
                Ok(answer) => return Ok(answer),
                // What comes later would be taken for another's answer.
                Err(_) => self.is_lost = true,
            }
        }
        Err(io::Error::other("the process that opens it has ended, or does not answer; start nettop again"))
    }

    fn exchange(&mut self, text: &[u8]) -> io::Result<(Answer, Option<File>)> {
        self.socket.write_all(text)?;
        let (mut line, mut file) = (Vec::new(), None);
        let mut buffer = [0; 4096];
        while line.last() != Some(&b'\n') {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let into = &mut [IoSliceMut::new(&mut buffer)];
            let length = recvmsg(&self.socket, into, &mut beside, RecvFlags::CMSG_CLOEXEC)?.bytes;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    file = files.last().map(|file: OwnedFd| File::from(file));
                }
            }
            line.extend_from_slice(&buffer[..length]);
            if length == 0 || line.len() > MOST_ANSWER {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((serde_json::from_slice(&line)?, file))
    }
}

impl Opener for Files {
    fn files(&mut self, index: usize) -> io::Result<Vec<(PathBuf, Id)>> {
        match self.ask(&Wish::List { index })? {
            (Answer::Files(files), _) => Ok(files),
            _ => Err(io::Error::other("the process that opens it answers something else")),
        }
    }

    fn open(&mut self, index: usize, path: &Path) -> io::Result<File> {
        match self.ask(&Wish::Open { index, name: path.into() })? {
            (Answer::Opened, Some(file)) => Ok(file),
            _ => Err(io::Error::other("the process that opens it answers something else")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, thread};

    use nettop_logs::tail::glob::Glob;

    use super::*;

    #[test]
    fn files_come_over_the_socket_and_what_is_refused_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.log"), "of a").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        let folders = Folders::open(vec![Glob::default(), Glob::new(&at("*.log"))]);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let lines = BufReader::new(theirs.try_clone().unwrap());
            serve(&theirs, lines, &folders)
        });
        let mut files = Files::new(ours.try_clone().unwrap()).unwrap();
        let mut text = String::new();
        files.open(1, &at("a.log")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "of a");
        let listed: Vec<_> = files.files(1).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(listed, [at("a.log")]);
        for (index, name, part) in [
            (1, "secret", "no pattern names it"),
            (0, "secret", "no pattern names it"),
            (7, "a.log", "invalid"),
            (1, "gone.log", "No such file"),
        ] {
            let error = files.open(index, &at(name)).unwrap_err().to_string();
            assert!(error.contains(part), "{index} {name}: {error}");
        }
        assert_eq!(files.open(1, &at("gone.log")).unwrap_err().kind(), io::ErrorKind::NotFound);
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        server.join().unwrap().unwrap();
        for _ in 0..2 {
            assert!(files.open(1, &at("a.log")).unwrap_err().to_string().contains("start nettop again"));
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let folders = Folders::open(vec![Glob::new(Path::new("/etc/hostname"))]);
        for line in ["", "{}", "[]", r#"{"verb":"open","index":-1,"name":"/etc/hostname"}"#, r#"{"verb":"write"}"#] {
            assert!(matches!(act(&folders, line.as_bytes()), (Answer::Refused(None, _), None)), "{line}");
        }
    }
}
