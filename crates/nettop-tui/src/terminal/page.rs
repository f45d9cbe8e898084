//! The bytes that make a terminal show the next picture instead of the one it shows.

use std::{io, mem};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::{Buffer, Cell, CellDiffOption},
    layout::{Position, Rect, Size},
};

use nettop_views::text;

/// Moving the cursor takes at least so many bytes.
const BRIDGE: u16 = 6;

/// What the terminal shows; to ratatui it is the terminal.
#[derive(Debug)]
pub struct Page {
    bytes: Vec<u8>,
    shown: Buffer,
    /// Where the cursor is, as far as that is known, and whether it can be seen.
    cursor: Option<Position>,
    shows_cursor: bool,
}

impl Page {
    /// An empty page of this size, with its cursor hidden.
    pub fn new(size: Size) -> Self {
        let shown = Buffer::empty(Rect::from((Position::ORIGIN, size)));
        Self { bytes: Vec::new(), shown, cursor: None, shows_cursor: false }
    }

    /// The terminal has another size; what it shows now is for ratatui to find out.
    pub fn resize(&mut self, size: Size) {
        self.shown.resize(Rect::from((Position::ORIGIN, size)));
    }

    /// The terminal was somebody else's meanwhile: its cursor is hidden again, and what it shows is nothing of ours.
    pub fn forget(&mut self) {
        (self.cursor, self.shows_cursor) = (None, false);
        self.shown.reset();
    }

    /// What is to be written; none where nothing has changed.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }

    /// The changed cells, and those between two of them on a line, where it takes fewer bytes to write these again than to move
    /// the cursor over them: half of a picture's bytes would be such moves.
    fn bridged<'a>(&'a self, changed: &[(u16, u16, &'a Cell)]) -> Vec<(u16, u16, &'a Cell)> {
        let style = |cell: &Cell| (cell.fg, cell.bg, cell.modifier);
        let mut all = Vec::with_capacity(changed.len() * 2);
        for &(x, y, cell) in changed {
            if let Some(&(before, line, last)) = all.last()
                && line == y
                && x > before + 1
                && x - before <= BRIDGE
                && text::width(Cell::symbol(last)) == 1
            {
                let between = (before + 1..x).map(|x| Some((x, y, self.shown.cell((x, y))?)));
                let plain = |cell: &Cell| cell.symbol().len() == 1 && style(cell) == style(last);
                let between: Option<Vec<_>> = between.map(|cell| cell.filter(|(.., cell)| plain(cell))).collect();
                all.extend(between.unwrap_or_default());
            }
            all.push((x, y, cell));
        }
        all
    }

    fn writer(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.bytes)
    }
}

impl Backend for Page {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, cells: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut cells = cells.peekable();
        let mut changed = Vec::new();
        while let Some(cell) = cells.next() {
            // The halves of a flag are always here, and belong together.
            let second = cells.next_if(|_| cell.2.diff_option == CellDiffOption::AlwaysUpdate);
            let here = [Some(cell), second].into_iter().flatten();
            if here.clone().any(|(x, y, cell)| self.shown.cell((x, y)) != Some(cell)) {
                changed.extend(here);
            }
        }
        for (x, y, cell) in &changed {
            if let Some(shown) = self.shown.cell_mut((*x, *y)) {
                shown.clone_from(cell);
            }
        }
        // Of nothing it would make the bytes that reset the colours.
        if changed.is_empty() {
            return Ok(());
        }
        let mut bytes = mem::take(&mut self.bytes);
        let drawn = CrosstermBackend::new(&mut bytes).draw(self.bridged(&changed).into_iter());
        self.bytes = bytes;
        drawn
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor = None;
        if mem::take(&mut self.shows_cursor) { self.writer().hide_cursor() } else { Ok(()) }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if mem::replace(&mut self.shows_cursor, true) { Ok(()) } else { self.writer().show_cursor() }
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        // Painting has moved it.
        if self.cursor.replace(position) != Some(position) || !self.bytes.is_empty() {
            self.writer().set_cursor_position(position)?;
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.shown.reset();
        self.writer().clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        match region {
            ClearType::All => self.clear(),
            other => self.writer().clear_region(other),
        }
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.shown.area.as_size())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.shown.area.as_size(), pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, widgets::Paragraph};

    use super::*;
    use crate::flags;

    /// The bytes for one text after another.
    fn written(texts: &[&str]) -> Vec<String> {
        let mut terminal = Terminal::new(Page::new(Size::new(12, 1))).expect("a page");
        let draw = |text: &&str| {
            let render = |frame: &mut ratatui::Frame| {
                frame.render_widget(Paragraph::new(*text), frame.area());
                flags::split(frame.buffer_mut());
            };
            terminal.draw(render).expect("drawing");
            String::from_utf8(terminal.backend_mut().take()).expect("UTF-8")
        };
        texts.iter().map(draw).collect()
    }

    #[test]
    fn what_is_shown_already_is_not_written() {
        let pictures = written(&["🇩🇪 one", "🇩🇪 one", "🇩🇪 two", "🇩🇰 two"]);
        assert!(pictures[0].contains("🇩🇪") && pictures[0].contains("one"), "{:?}", pictures[0]);
        assert_eq!(pictures[1], "");
        assert!(pictures[2].contains("tw") && !pictures[2].contains('🇩'), "{:?}", pictures[2]);
        assert!(pictures[3].contains("🇩🇰") && !pictures[3].contains("tw"), "{:?}", pictures[3]);
    }

    #[test]
    fn a_few_cells_are_written_again_rather_than_passed_over() {
        let pictures = written(&["1,234,567", "1,235,568", "日本 1", "日本 2", "9日本 2", "8日本 3"]);
        assert!(pictures[1].starts_with("\x1b[1;5H5,568"), "{:?}", pictures[1]);
        // What is wide stays whole.
        assert!(pictures[5].contains("\x1b[1;1H8\x1b[1;7H3"), "{:?}", pictures[5]);
    }

    #[test]
    fn whoever_had_the_terminal_meanwhile_has_left_nothing_of_it() {
        let mut terminal = Terminal::new(Page::new(Size::new(12, 1))).expect("a page");
        let draw = |terminal: &mut Terminal<Page>| {
            let render = |frame: &mut ratatui::Frame| {
                frame.render_widget(Paragraph::new("one"), frame.area());
                frame.set_cursor_position((3, 0));
            };
            terminal.draw(render).expect("drawing");
            String::from_utf8(terminal.backend_mut().take()).expect("UTF-8")
        };
        let first = draw(&mut terminal);
        assert_eq!(draw(&mut terminal), "");
        terminal.backend_mut().forget();
        terminal.clear().expect("clearing");
        let again = draw(&mut terminal);
        for part in ["one", "\x1b[?25h", "\x1b[1;4H"] {
            assert!(first.contains(part) && again.contains(part), "{first:?} {again:?}");
        }
    }

    #[test]
    fn a_cursor_that_stays_is_not_written() {
        let mut terminal = Terminal::new(Page::new(Size::new(12, 1))).expect("a page");
        let mut draw = |at: Option<u16>| {
            terminal
                .draw(|frame| {
                    if let Some(x) = at {
                        frame.set_cursor_position((x, 0));
                    }
                })
                .expect("drawing");
            String::from_utf8(terminal.backend_mut().take()).expect("UTF-8")
        };
        let pictures = [None, Some(3), Some(3), Some(4), None, None].map(&mut draw);
        assert_eq!(pictures, ["", "\x1b[?25h\x1b[1;4H", "", "\x1b[1;5H", "\x1b[?25l", ""]);
    }
}
