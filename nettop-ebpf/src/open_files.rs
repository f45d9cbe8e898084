//! Telling which process has which socket open: run by the kernel for each open file of each process, when somebody reads.

use aya_ebpf::{
    bindings::{file, seq_file},
    helpers::generated::{bpf_seq_write, bpf_sock_from_file},
};
use nettop_common::sockets::{Field, OpenSocket};

use crate::{
    maps::NAMESPACE,
    sockets::{Structure, TCP, is_inet, namespace, read},
};

/// `IPPROTO_UDP`.
const UDP: u16 = 17;

/// What the kernel passes to a program over open files (`struct bpf_iter__task_file`, kernel/bpf/task_iter.c).
#[repr(C)]
pub struct TaskFile {
    /// Of what is read; the place of its sequence is its first member.
    meta: *const *mut seq_file,
    /// A thread that has open files of its own, mostly the first one of its process; null behind the last.
    task: Structure,
    /// The descriptor.
    _fd: u32,
    /// Null likewise.
    file: *mut file,
}

/// Tells an open file, if it is a socket of the network namespace that is asked for, and somebody knows it by a cookie, as who has listed it
/// does, or by its file.
#[inline(always)]
pub fn tell(context: &TaskFile) {
    let TaskFile { meta, task, file, .. } = *context;
    if task.is_null() || file.is_null() {
        return;
    }
    // SAFETY: a file, as the kernel passed it.
    let socket: Structure = unsafe { bpf_sock_from_file(file) }.cast::<u8>().cast_const();
    if socket.is_null() {
        return;
    }
    // SAFETY: a socket; what its fields lead to is read as far as the kernel has it: a pointer that leads nowhere reads as zero.
    unsafe {
        let sock: Structure = read(socket, Field::Sock);
        let wanted = NAMESPACE.load();
        if wanted != 0 && namespace(sock) != wanted {
            return;
        }
        // Not by the helper, which gives a socket one that has none: not every kernel lets it have a pointer that was read from a structure.
        let cookie: u64 = read(sock, Field::Cookie);
        let inode: u64 = match read::<u16>(sock, Field::Protocol) {
            TCP | UDP => 0,
            _ => read(read(file.cast(), Field::Inode), Field::InodeNumber),
        };
        // Those of TCP and UDP have one when they were listed. Others of these families are known by their file where lists tell none.
        if cookie == 0 && (inode == 0 || !is_inet(read(sock, Field::Family))) {
            return;
        }
        let (leader, credentials): (Structure, Structure) = (read(task, Field::Leader), read(task, Field::Credentials));
        let record = OpenSocket {
            cookie,
            began_ns: read(leader, Field::Began),
            process: read(task, Field::Process),
            uid: read(credentials, Field::User),
            comm: read(leader, Field::Comm),
            inode,
        };
        // What does not fit is asked for again, when there is room.
        bpf_seq_write(*meta, (&raw const record).cast(), size_of::<OpenSocket>() as u32);
    }
}
