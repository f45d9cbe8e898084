//! Sends answers: no more of them is in memory than the client will read next.

use std::{
    io::{self, Write as _},
    sync::Arc,
    thread,
    time::Duration,
};

use nettop_model::{
    answer::{Answer, Reply, write_json},
    request::Form,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::timeout,
};

use super::{
    chunks::chunks,
    clients::ClientDeadline,
    fair::Asker,
    pool::{Made, Pool},
};

/// How long a client may take to read a chunk of its answer, whether it reads nothing or drips; and all of the answer.
const CHUNK_DEADLINE: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(600);
/// Bytes of the stack of a thread that writes an answer.
const STACK: usize = 1 << 20;

/// How a snapshot is written, of which the same may be made for several clients.
#[derive(Debug)]
pub struct Written {
    /// In which form.
    pub form: Form,
    /// With what the user has set beside it.
    pub runtime: bool,
}

/// Sends a short answer.
///
/// # Errors
/// The client has gone, or does not read.
pub async fn short(stream: &mut (impl AsyncWrite + Unpin), turn: &ClientDeadline, reply: &Reply) -> io::Result<()> {
    let mut text = Vec::new();
    write_json(reply, &mut text)?;
    send(stream, turn, &text).await?;
    stream.shutdown().await
}

/// Sends an answer of any size, written by a thread of its own while it is sent. That thread is this client's: it waits for this
/// client, ends with it, and is nobody else's loss.
///
/// # Errors
/// The client has gone, or does not read as fast as it has to; no thread is left.
pub async fn long(
    stream: &mut (impl AsyncWrite + Unpin),
    (turn, asker): (&ClientDeadline, Asker),
    pool: &Pool,
    made: Arc<Made>,
    written: Written,
) -> io::Result<()> {
    let all = async {
        let next = pool.write(asker).await;
        let mut written = write(made, written)?;
        let mut chunk = written.recv().await;
        // Nobody holds a turn while its client reads.
        drop(next);
        while let Some(bytes) = chunk {
            send(stream, turn, &bytes).await?;
            let next = pool.write(asker).await;
            chunk = written.recv().await;
            drop(next);
        }
        stream.shutdown().await
    };
    timeout(DEADLINE, all).await?
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), turn: &ClientDeadline, bytes: &[u8]) -> io::Result<()> {
    turn.waits_for_client();
    timeout(CHUNK_DEADLINE, stream.write_all(bytes)).await??;
    turn.has_read(bytes.len());
    Ok(())
}

/// Writes it as JSON, as far ahead as there is room for.
fn write(made: Arc<Made>, Written { form, runtime }: Written) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (mut chunks, written) = chunks();
    let write = move || {
        let reply = Ok(match &made.answer {
            Answer::Snapshot { snapshot, .. } => Answer::Snapshot { snapshot: snapshot.clone(), form, runtime },
            other => other.clone(),
        });
        // It fails when the client has gone.
        let _ = write_json(&reply, &mut chunks).and_then(|()| chunks.flush());
    };
    thread::Builder::new().name("nettop-answer".into()).stack_size(STACK).spawn(write)?;
    Ok(written)
}
