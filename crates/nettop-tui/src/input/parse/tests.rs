//! Every byte that may come, at once and one by one.

use super::*;

/// All that comes of the bytes, in pieces of so many; then nothing more comes.
fn parsed(bytes: &[u8], piece: usize) -> Vec<Input> {
    let mut parser = Parser::default();
    let mut inputs = Vec::new();
    for piece in bytes.chunks(piece) {
        parser.take(piece);
        inputs.extend(std::iter::from_fn(|| parser.next()));
    }
    parser.give_up();
    inputs.extend(std::iter::from_fn(|| parser.next()));
    inputs
}

fn mouse_at(kind: MouseEventKind, column: u16, row: u16) -> Input {
    Input::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

#[test]
fn sequences_mean_what_terminals_mean_by_them() {
    let plain = |code| vec![key(code, KeyModifiers::NONE)];
    let paste = |text: &str| vec![Input::Event(Event::Paste(text.into()))];
    let cases: &[(&[u8], Vec<Input>)] = &[
        (b"q", plain(KeyCode::Char('q'))),
        ("ß".as_bytes(), plain(KeyCode::Char('ß'))),
        ("🇩".as_bytes(), plain(KeyCode::Char('🇩'))),
        (b"\r", plain(KeyCode::Enter)),
        (b"\x7f", plain(KeyCode::Backspace)),
        (b"\x03", vec![key(KeyCode::Char('c'), KeyModifiers::CONTROL)]),
        (b"\x1b", plain(KeyCode::Esc)),
        (b"\x1b\x1b[A", vec![key(KeyCode::Esc, KeyModifiers::NONE), key(KeyCode::Up, KeyModifiers::NONE)]),
        (b"\x1bx", vec![key(KeyCode::Char('x'), KeyModifiers::ALT)]),
        (b"\x1b[B", plain(KeyCode::Down)),
        (b"\x1bOB", plain(KeyCode::Down)),
        (b"\x1b[1;5C", vec![key(KeyCode::Right, KeyModifiers::CONTROL)]),
        (b"\x1b[Z", vec![key(KeyCode::BackTab, KeyModifiers::SHIFT)]),
        (b"\x1b[5~\x1b[6~", [plain(KeyCode::PageUp), plain(KeyCode::PageDown)].concat()),
        (b"\x1b[3;2~", vec![key(KeyCode::Delete, KeyModifiers::SHIFT)]),
        (b"\x1bOP\x1b[11~\x1b[[A", [plain(KeyCode::F(1)), plain(KeyCode::F(1)), plain(KeyCode::F(1))].concat()),
        (b"\x1b[24~", plain(KeyCode::F(12))),
        (b"\x1b[<0;52;4M", vec![mouse_at(MouseEventKind::Down(MouseButton::Left), 51, 3)]),
        (b"\x1b[<0;52;4m", vec![mouse_at(MouseEventKind::Up(MouseButton::Left), 51, 3)]),
        (b"\x1b[<65;1;1M", vec![mouse_at(MouseEventKind::ScrollDown, 0, 0)]),
        (b"\x1b[M !!j", plain(KeyCode::Char('j'))),
        (b"\x1b[0n", vec![Input::Answer]),
        (b"\x1b[200~one\ntwo\x1b[A\x1b[201~q", [paste("one\ntwo\x1b[A"), plain(KeyCode::Char('q'))].concat()),
        (b"\x1b]11;rgb:00/00/00\x1b\\q", plain(KeyCode::Char('q'))),
        (b"\x1bP1$r0m\x07q", plain(KeyCode::Char('q'))),
        // Answers to questions that nobody asked, and what is broken: nothing.
        (b"\x1b[?62;c\x1b[24;80R\x1b[99~\x1b[<1;0;0M\x1b[<;;M\x1b[99999~\xff\xc3\xc3", vec![]),
        (b"\x1b[1\x03", vec![key(KeyCode::Char('c'), KeyModifiers::CONTROL)]),
    ];
    for (bytes, expected) in cases {
        for piece in [1, 2, 3, 100] {
            assert_eq!(parsed(bytes, piece), *expected, "{:?} in pieces of {piece}", bytes.escape_ascii().to_string());
        }
    }
}

#[test]
fn a_key_works_after_anything() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let alphabet = b"\x1b\x1b\x1b[[O<0;12~MmnP]\x07\\ABR?q\xc3\xa9";
        let mut bytes: Vec<u8> = (0..random.usize(..24)).map(|_| *random.choice(alphabet).expect("some")).collect();
        // Ends whatever has begun, a paste included.
        bytes.extend(b"\x1b[201~\x07\x1b\\\r\r\r\r\r");
        let inputs = parsed(&bytes, random.usize(1..9));
        assert_eq!(inputs.last(), Some(&key(KeyCode::Enter, KeyModifiers::NONE)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn nothing_grows_without_end() {
    for start in [&b"\x1b[200~"[..], b"\x1b]", b"\x1b[", b"\x1b[<"] {
        let mut parser = Parser::default();
        parser.take(start);
        for _ in 0..100 {
            parser.take(&[b'1'; 4096]);
            while parser.next().is_some() {}
            assert!(parser.bytes.len() <= LONGEST + PASTE_ENDS.len());
            assert!(parser.paste.as_ref().is_none_or(|paste| paste.len() <= PASTE));
        }
    }
}
