//! From a thread that writes to a task that sends, in bounded memory: the thread waits while the task does.

use std::io;

use tokio::sync::mpsc;

/// Bytes of a chunk.
const CHUNK: usize = 32 << 10;
/// Chunks on their way.
const WAITING: usize = 1;

/// Where the thread writes.
#[derive(Debug)]
pub struct Chunks {
    filled: mpsc::Sender<Vec<u8>>,
    chunk: Vec<u8>,
}

/// Both ends.
pub fn chunks() -> (Chunks, mpsc::Receiver<Vec<u8>>) {
    let (filled, receiver) = mpsc::channel(WAITING);
    (Chunks { filled, chunk: Vec::new() }, receiver)
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        let taken = &bytes[..bytes.len().min(CHUNK)];
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Fails when nobody reads any more.
    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.filled.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn everything_arrives_in_order_and_a_reader_that_leaves_ends_it() {
        let text: Vec<u8> = (0..CHUNK as u32).flat_map(u32::to_le_bytes).collect();
        let (mut chunks, mut receiver) = chunks();
        let copy = text.clone();
        let writer = std::thread::spawn(move || {
            copy.chunks(1000).try_for_each(|some| chunks.write_all(some))?;
            chunks.flush()?;
            io::Result::Ok(chunks)
        });
        let mut received = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            assert!(chunk.len() <= CHUNK);
            received.extend(chunk);
            if received.len() == text.len() {
                break;
            }
        }
        assert_eq!(received, text);
        let mut chunks = writer.join().unwrap().unwrap();
        drop(receiver);
        assert_eq!(chunks.write_all(&text).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
