//! A process of its own that moves an exact number of bytes, for tests of what is counted by process:
//! `mover serve ADDRESS:PORT CONNECTIONS RECEIVED SENT`, `mover connect ADDRESS:PORT CONNECTIONS SENT RECEIVED`,
//! `mover datagrams ADDRESS:PORT DATAGRAMS BYTES`, `mover drain ADDRESS:PORT DATAGRAMS`, and in ways that are easily counted wrong:
//! `mover peek ADDRESS:PORT BYTES` looks at what it receives before it reads it, `mover sendfile ADDRESS:PORT BYTES` has the kernel copy a file,
//! `mover segments ADDRESS:PORT DATAGRAMS BYTES` has it cut one call into datagrams, `mover refused ADDRESS:PORT CONNECTIONS` asks for
//! connections where nobody listens, `mover asks ADDRESS:PORT CONNECTIONS MILLISECONDS` does so without waiting in the call, and no longer than that, `mover forked ADDRESS:PORT RECEIVED SENT` has a child answer.
//! `mover splice ADDRESS:PORT BYTES` receives without a call that does, `mover closes ADDRESS:PORT CONNECTIONS` accepts and closes,
//! `mover silent ADDRESS:PORT CONNECTIONS` waits for that,
//! `mover hold ADDRESS:PORT CONNECTIONS` has both ends of them until its standard input ends, and says when they are there.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, RawFd},
    process::Command,
    thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, address, numbers @ ..] = arguments.as_slice() else { return Err(io::Error::other("see the source")) };
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let numbers: Result<Vec<usize>, _> = numbers.iter().map(|number| number.parse()).collect();
    match (what.as_str(), numbers.map_err(io::Error::other)?.as_slice()) {
        ("serve", &[connections, received, sent]) => {
            let listener = TcpListener::bind(address)?;
            println!("{connections}");
            for _ in 0..connections {
                let (mut client, _) = listener.accept()?;
                receive(&mut client, received)?;
                client.write_all(&vec![1; sent])?;
            }
        }
        ("connect", &[connections, sent, received]) => {
            for _ in 0..connections {
                let mut server = TcpStream::connect(address)?;
                server.write_all(&vec![1; sent])?;
                receive(&mut server, received)?;
            }
        }
        ("datagrams", &[datagrams, bytes]) => {
            let socket = UdpSocket::bind(("0.0.0.0", 0))?;
            for _ in 0..datagrams {
                socket.send_to(&vec![1; bytes], address)?;
                // Each is answered, so that none is lost for want of room.
                socket.recv_from(&mut [0; 1])?;
            }
        }
        ("drain", &[datagrams]) => {
            let (socket, mut buffer) = (UdpSocket::bind(address)?, vec![0; 1 << 16]);
            for _ in 0..datagrams {
                let (_, from) = socket.recv_from(&mut buffer)?;
                socket.send_to(&[1], from)?;
            }
        }
        ("peek", &[bytes]) => {
            let (mut client, _) = TcpListener::bind(address)?.accept()?;
            let mut buffer = vec![0; bytes];
            while client.peek(&mut buffer)? < bytes {
                thread::sleep(Duration::from_millis(1));
            }
            client.read_exact(&mut buffer)?;
        }
        ("sendfile", &[bytes]) => {
            let server = TcpStream::connect(address)?;
            let mut file = tempfile::tempfile()?;
            file.write_all(&vec![1; bytes])?;
            let (mut at, mut left) = (0, bytes);
            while left > 0 {
                left -= rustix::fs::sendfile(&server, &file, Some(&mut at), left)?;
            }
        }
        // What comes goes into a pipe, and from there into nothing, without a call that receives.
        ("splice", &[bytes]) => {
            let (client, _) = TcpListener::bind(address)?.accept()?;
            let (nothing, (output, input)) = (std::fs::OpenOptions::new().write(true).open("/dev/null")?, io::pipe()?);
            let mut left = bytes;
            while left > 0 {
                let mut piped = splice(client.as_raw_fd(), input.as_raw_fd(), left)?;
                left -= piped;
                while piped > 0 {
                    piped -= splice(output.as_raw_fd(), nothing.as_raw_fd(), piped)?;
                }
            }
        }
        // Accepts and closes, and nothing else.
        ("closes", &[connections]) => {
            let listener = TcpListener::bind(address)?;
            for _ in 0..connections {
                drop(listener.accept()?);
            }
        }
        // Waits until the other end closes.
        ("silent", &[connections]) => {
            for _ in 0..connections {
                TcpStream::connect(address)?.read_to_end(&mut Vec::new())?;
            }
        }
        ("segments", &[datagrams, bytes]) => {
            let socket = UdpSocket::bind(("0.0.0.0", 0))?;
            let size: libc::c_int = bytes.try_into().map_err(io::Error::other)?;
            // SAFETY: the option is a number, of the size that is told.
            let set = unsafe {
                let value = (&raw const size).cast();
                let length = size_of_val(&size) as libc::socklen_t;
                libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, length)
            };
            if set != 0 {
                return Err(io::Error::last_os_error());
            }
            socket.send_to(&vec![1; datagrams * bytes], address)?;
        }
        ("refused", &[connections]) => {
            for _ in 0..connections {
                TcpStream::connect(address).expect_err("nobody listens");
            }
        }
        ("asks", &[connections, milliseconds]) => {
            for _ in 0..connections {
                let patience = Duration::from_millis(milliseconds as u64);
                TcpStream::connect_timeout(&address, patience).expect_err("nobody answers");
            }
        }
        ("hold", &[connections]) => {
            let listener = TcpListener::bind(address)?;
            let connect = |_| Ok((TcpStream::connect(address)?, listener.accept()?.0));
            let _ends = (0..connections).map(connect).collect::<io::Result<Vec<_>>>()?;
            println!("{connections}");
            io::copy(&mut io::stdin(), &mut io::sink())?;
        }
        ("forked", &[received, sent]) => {
            let (mut client, _) = TcpListener::bind(address)?.accept()?;
            receive(&mut client, received)?;
            // The child has the connection as its standard output.
            let output = std::os::fd::OwnedFd::from(client);
            let mut child = Command::new("head").args(["-c", &sent.to_string(), "/dev/zero"]).stdout(output).spawn()?;
            println!("{}", child.id());
            child.wait()?;
        }
        _ => return Err(io::Error::other("see the source")),
    }
    Ok(())
}

/// Moves at most so many bytes from one descriptor to another within the kernel; none is an error.
fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<usize> {
    // SAFETY: numbers, and no places.
    match unsafe { libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), most, 0) } {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        moved => usize::try_from(moved).map_err(|_| io::Error::last_os_error()),
    }
}

fn receive(from: &mut TcpStream, bytes: usize) -> io::Result<()> {
    match io::copy(&mut from.take(bytes as u64), &mut io::sink())? == bytes as u64 {
        true => Ok(()),
        false => Err(io::Error::other("less came than should")),
    }
}
