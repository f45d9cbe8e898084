//! A process of its own that moves an exact number of bytes, for tests of what is counted by process:
//! `mover serve ADDRESS:PORT CONNECTIONS RECEIVED SENT`, `mover connect ADDRESS:PORT CONNECTIONS SENT RECEIVED`,
//! `mover datagrams ADDRESS:PORT DATAGRAMS BYTES`, `mover drain ADDRESS:PORT DATAGRAMS`.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, address, numbers @ ..] = arguments.as_slice() else { return Err(io::Error::other("see the source")) };
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let numbers: Result<Vec<usize>, _> = numbers.iter().map(|number| number.parse()).collect();
    match (what.as_str(), numbers.map_err(io::Error::other)?.as_slice()) {
        ("serve", &[connections, received, sent]) => {
            let listener = TcpListener::bind(address)?;
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
        _ => return Err(io::Error::other("see the source")),
    }
    Ok(())
}

fn receive(from: &mut TcpStream, bytes: usize) -> io::Result<()> {
    match io::copy(&mut from.take(bytes as u64), &mut io::sink())? == bytes as u64 {
        true => Ok(()),
        false => Err(io::Error::other("less came than should")),
    }
}
