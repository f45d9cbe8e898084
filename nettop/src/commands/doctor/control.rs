//! The control socket.

use std::{fs, io, os::unix::fs::FileTypeExt as _, time::Duration};

use nettop_control::{dial::dial_unix, peer::peer, socket_dir::SocketDir};

use super::Finding;

const ANOTHER: &str = "choose another with --control-socket";
/// How long whoever holds the socket may take to accept.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a monitor can listen where it does by default.
pub fn socket() -> Finding {
    look_at(&SocketDir::of_monitor(nettop_sandbox::later_uid(), false))
}

fn look_at(place: &SocketDir) -> Finding {
    let path = place.socket();
    let shown = path.display();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match place.try_out() {
            Ok(()) => Finding::good(format!("{shown} is free")),
            Err(error) => Finding::failed(&error, ANOTHER),
        },
        Err(error) => Finding::missing(format!("{shown}: {error}"), ANOTHER),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Finding::missing(format!("{shown} is in the way and not a socket"), ANOTHER)
        }
        Ok(_) => match dial_unix(&path, PATIENCE) {
            Ok(stream) => {
                let holder = peer(&stream).map_or_else(|_| "another process".into(), |peer| peer.to_string());
                Finding::missing(
                    format!("a monitor runs already: {shown} is held by {holder}"),
                    format!("nettopctl stop ends it, or {ANOTHER}"),
                )
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Finding::good(format!("{shown} was left behind by a crash; the next monitor replaces it"))
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Finding::missing(format!("{shown} is held, and {error}"), ANOTHER)
            }
            Err(error) => Finding::missing(format!("{shown} belongs to somebody else: {error}"), ANOTHER),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_there_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let place = SocketDir::of_session(folder.path().into());
        let path = place.socket();
        let expect = |finding: Finding, good: bool, part: &str| {
            assert!(
                matches!(finding, Finding::Good(_)) == good && format!("{finding:?}").contains(part),
                "{finding:?}"
            );
        };
        expect(look_at(&place), true, "is free");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let listener = UnixListener::bind(&path).unwrap();
        expect(look_at(&place), false, &format!("process {}", std::process::id()));
        drop(listener);
        expect(look_at(&place), true, "left behind");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "data").unwrap();
        expect(look_at(&place), false, "not a socket");
        expect(look_at(&SocketDir::of_session(folder.path().join("no"))), false, "cannot be made");
    }
}
