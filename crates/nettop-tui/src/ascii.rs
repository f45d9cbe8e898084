//! For terminals without Unicode: what was drawn, in ASCII. One pass over the picture, so that no panel needs to know.

use ratatui::buffer::Buffer;

/// Puts something alike in the place of every cell that is not ASCII.
pub fn reduce(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let replacement = cell.symbol().chars().next().map_or(' ', alike);
            cell.set_char(replacement);
        }
    }
}

fn alike(character: char) -> char {
    match character {
        '─' | '┄' | '╌' => '-',
        '│' => '|',
        '…' => '~',
        '≥' => '>',
        '≠' => '!',
        '↑' => '^',
        '↓' => 'v',
        '←' => '<',
        '→' => '>',
        '·' => '.',
        '▼' => 'v',
        // Braille, by its dots.
        '\u{2800}'..='\u{28ff}' => match (u32::from(character) - 0x2800).count_ones() {
            0 => ' ',
            1..=2 => '.',
            3..=4 => ':',
            5..=6 => '+',
            _ => '#',
        },
        '▁' => '.',
        '▂' | '▃' => ':',
        '▄' | '▅' => '+',
        '▆' | '▇' => '#',
        '█' | '▉' | '▊' | '▋' => '#',
        '▌' | '▍' | '▎' | '▏' => '-',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    #[test]
    fn nothing_but_ascii_is_left() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        buffer.set_string(0, 0, "── a… ▁▃▅█▌⣀⣤⣶⣿ 日本 é", Style::new());
        reduce(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert!(text.starts_with("-- a~ .:+#-.:+# ?"), "{text}");
        assert!(text.is_ascii());
    }
}
