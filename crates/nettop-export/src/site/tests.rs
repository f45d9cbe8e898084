//! What is there stays what it is.

use std::{
    io::Read as _,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, symlink},
        net::UnixListener,
    },
    thread,
};

use rustix::fs::{CWD, makedev, mknodat};

use super::*;

const TEXT: &str = "what is written";
const PATIENCE: Option<Duration> = Some(Duration::from_millis(200));

fn put(path: &Path) -> io::Result<Option<Kept>> {
    write(path, PATIENCE, |out| out.write_all(TEXT.as_bytes()))
}

fn node(path: &Path, kind: FileType, device: u64) -> io::Result<()> {
    Ok(mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?)
}

#[test]
fn a_file_is_replaced_and_a_link_to_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/old"), "old, and longer than what is written").unwrap();
    symlink("sub/old", at("relative")).unwrap();
    symlink(at("relative"), at("twice")).unwrap();
    symlink("sub/nothing", at("dangling")).unwrap();
    for (name, end) in [
        ("fresh", "fresh"),
        ("fresh", "fresh"),
        ("relative", "sub/old"),
        ("twice", "sub/old"),
        ("dangling", "sub/nothing"),
        ("dangling", "sub/nothing"),
    ] {
        let kept = put(&at(name)).unwrap();
        assert_eq!(kept.is_some(), name != end, "{name}");
        assert_eq!(fs::read_to_string(at(end)).unwrap(), TEXT, "{name}");
        assert_eq!(at(name).symlink_metadata().unwrap().is_symlink(), name != end, "{name}");
        assert!(at(end).symlink_metadata().unwrap().is_file());
    }
    assert_eq!(fs::read_dir(at("sub")).unwrap().count(), 2, "no temporary file stays");
}

#[test]
fn a_pipe_is_written_to_if_somebody_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
    node(&pipe, FileType::Fifo, 0).unwrap();
    symlink("pipe", &link).unwrap();
    for path in [&pipe, &link] {
        let error = put(path).unwrap_err();
        assert!(error.to_string().contains("nobody reads it"), "{error}");
        let mut reader = File::from(openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap());
        assert_eq!(put(path).unwrap(), Some(Kept::Stream("a pipe")));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, TEXT);
        assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    }
}

#[test]
fn a_full_pipe_is_given_up_and_a_slow_one_gets_everything() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    node(&pipe, FileType::Fifo, 0).unwrap();
    let open = || File::from(openat(CWD, &pipe, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap());
    let much = vec![b'x'; 1 << 20];
    let reader = open();
    let error = write(&pipe, PATIENCE, |out| out.write_all(&much)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    drop(reader);

    let mut reader = open();
    let slow = thread::spawn(move || {
        let (mut all, mut buffer) = (0, vec![0; 100_000]);
        while all < 1 << 20 {
            thread::sleep(Duration::from_millis(2));
            all += reader.read(&mut buffer).unwrap_or_default();
        }
        all
    });
    write(&pipe, Some(Duration::from_secs(60)), |out| out.write_all(&much)).unwrap();
    assert_eq!(slow.join().unwrap(), much.len());
}

#[test]
fn what_cannot_be_written_to_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let _listener = UnixListener::bind(at("socket")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("socket", at("to-socket")).unwrap();
    symlink("loop", at("loop")).unwrap();
    for (name, why) in [
        ("socket", "a socket"),
        ("folder", "a folder"),
        ("to-socket", "a socket"),
        ("loop", "symbolic links"),
        ("none/file", "No such file"),
    ] {
        let before = at(name).symlink_metadata().map(|facts| facts.ino()).ok();
        let error = put(&at(name)).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
        assert_eq!(at(name).symlink_metadata().map(|facts| facts.ino()).ok(), before, "{name}");
    }
}

/// Devices of its own, which only root can make.
#[test]
fn a_device_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    if node(&at("null"), FileType::CharacterDevice, makedev(1, 3)).is_err() || File::open(at("null")).is_err() {
        return;
    }
    node(&at("full"), FileType::CharacterDevice, makedev(1, 7)).unwrap();
    // A number that no device has.
    node(&at("disk"), FileType::BlockDevice, makedev(240, 77)).unwrap();
    symlink("null", at("link")).unwrap();
    for name in ["null", "link"] {
        assert_eq!(put(&at(name)).unwrap(), Some(Kept::Stream("a device")), "{name}");
    }
    assert_eq!(put(&at("full")).unwrap_err().kind(), io::ErrorKind::StorageFull);
    let error = put(&at("disk")).unwrap_err();
    assert!(error.to_string().contains("a block device"), "{error}");
    for name in ["null", "full"] {
        assert!(at(name).symlink_metadata().unwrap().file_type().is_char_device(), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

/// As root: somebody else's link.
#[test]
fn somebody_elses_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    fs::write(&file, "precious").unwrap();
    symlink("file", &link).unwrap();
    if std::os::unix::fs::lchown(&link, Some(65_534), None).is_err() {
        return;
    }
    let error = put(&link).unwrap_err();
    assert!(error.to_string().contains("a link of user 65534"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let error = open_here(&link).unwrap_err();
    assert!(error.to_string().contains("a link"), "{error}");
}

#[test]
fn a_descriptor_of_its_own_is_written_to_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join("file")).unwrap();
    file.write_all(b"before ").unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    for path in [format!("/proc/self/fd/{number}"), format!("/dev/fd/{number}")] {
        assert_eq!(put(Path::new(&path)).unwrap(), Some(Kept::Stream("an open descriptor")), "{path}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), format!("before {TEXT}{TEXT}"));
    assert!(put(Path::new("/proc/self/fd/99999")).is_err());
    // A file that is called after a number.
    put(&folder.path().join("1")).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("1")).unwrap(), TEXT);
}
