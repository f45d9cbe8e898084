//! The bytes that make a terminal show the next picture instead of the one it shows.

use std::{io, mem};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::{Buffer, Cell, CellDiffOption},
    layout::{Position, Rect, Size},
};

/// What the terminal shows; to ratatui it is the terminal.
#[derive(Debug)]
pub struct Page {
    bytes: Vec<u8>,
    shown: Buffer,
    cursor: Option<Position>,
}

impl Page {
    /// An empty page of this size, with its cursor hidden.
    pub fn new(size: Size) -> Self {
        let shown = Buffer::empty(Rect::from((Position::ORIGIN, size)));
        Self { bytes: Vec::new(), shown, cursor: None }
    }

    /// The terminal has another size; what it shows now is for ratatui to find out.
    pub fn resize(&mut self, size: Size) {
        self.shown.resize(Rect::from((Position::ORIGIN, size)));
    }

    /// What is to be written; none where nothing has changed.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
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
        if changed.is_empty() { Ok(()) } else { self.writer().draw(changed.into_iter()) }
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor.take().is_some() { self.writer().hide_cursor() } else { Ok(()) }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.cursor.is_none() { self.writer().show_cursor() } else { Ok(()) }
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
    use crate::tui::flags;

    /// The bytes for one text after another.
    fn written(texts: &[&str]) -> Vec<String> {
        let mut terminal = Terminal::new(Page::new(Size::new(12, 1))).expect("a page");
        let mut draw = |text: &&str| {
            let render = |frame: &mut ratatui::Frame| {
                frame.render_widget(Paragraph::new(*text), frame.area());
                flags::split(frame.buffer_mut());
            };
            terminal.draw(render).expect("drawing");
            String::from_utf8(terminal.backend_mut().take()).expect("UTF-8")
        };
        texts.iter().map(|text| draw(text)).collect()
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
    fn a_cursor_that_stays_is_not_written() {
        let mut terminal = Terminal::new(Page::new(Size::new(12, 1))).expect("a page");
        let mut draw = |at: Option<u16>| {
            terminal
                .draw(|frame| {
                    if let Some(x) = at {
                        frame.set_cursor_position((x, 0))
                    }
                })
                .expect("drawing");
            String::from_utf8(terminal.backend_mut().take()).expect("UTF-8")
        };
        let pictures = [None, Some(3), Some(3), Some(4), None, None].map(&mut draw);
        assert_eq!(pictures, ["", "\x1b[?25h\x1b[1;4H", "", "\x1b[1;5H", "\x1b[?25l", ""]);
    }
}
