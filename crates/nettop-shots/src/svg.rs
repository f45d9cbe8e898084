//! A screen as SVG, for places that show neither fonts nor colours of our choice: every run of cells is stretched to its
//! columns, and what bars and charts are made of is drawn, not written.

use std::{collections::BTreeMap, fmt::Write as _};

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

/// What a terminal has of its own: background, text, and the sixteen colours.
pub struct Paper {
    background: &'static str,
    text: &'static str,
    colours: [&'static str; 16],
}

/// A dark terminal.
pub const DARK: Paper = Paper {
    background: "#16181d",
    text: "#d6d9de",
    colours: [
        "#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#5c6370", "#e88388",
        "#a8cc8c", "#f0d197", "#8cc8ff", "#d7a1e7", "#7fd1da", "#ffffff",
    ],
};

/// A light one.
pub const LIGHT: Paper = Paper {
    background: "#fbfbf8",
    text: "#24272e",
    colours: [
        "#24272e", "#b3261e", "#2e7d32", "#8a6100", "#1f5fa8", "#7b2d8b", "#0f6f7a", "#6b7078", "#8b9098", "#c8423a",
        "#3c8f40", "#a37400", "#2f74c0", "#9343a4", "#1b8793", "#000000",
    ],
};

/// A cell, and where the text stands in it, in tenths of a pixel.
const WIDTH: usize = 84;
const HEIGHT: usize = 180;
const BASE: usize = 135;
const MARGIN: usize = 120;

/// How a run of cells looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    colour: String,
    bold: bool,
    dim: bool,
}

/// The picture.
pub fn from(buffer: &Buffer, paper: &Paper) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN);
    let mut shapes: BTreeMap<Look, String> = BTreeMap::new();
    let (mut behind, mut texts) = (BTreeMap::<String, String>::new(), String::new());
    for (row, cells) in buffer.content().chunks(columns.max(1)).enumerate() {
        let y = MARGIN + row * HEIGHT;
        let mut at = 0;
        while at < columns {
            let (look, background, drawn) = (look(&cells[at], paper), background(&cells[at], paper), shape(&cells[at]));
            let same = |cell: &&Cell| {
                self::look(cell, paper) == look && self::background(cell, paper) == background && shape(cell) == drawn
            };
            let length = 1 + cells[at + 1..].iter().take_while(same).count();
            let (x, span) = (MARGIN + at * WIDTH, length * WIDTH);
            if background != paper.background {
                rectangle(behind.entry(background).or_default(), x, y, span, HEIGHT);
            }
            for (left, top, part, tall) in &drawn {
                let path = shapes.entry(look.clone()).or_default();
                if *part == WIDTH {
                    rectangle(path, x + left, y + top, span, *tall);
                } else {
                    (0..length).for_each(|n| rectangle(path, x + n * WIDTH + left, y + top, *part, *tall));
                }
            }
            if drawn.is_empty() {
                write(&mut texts, &cells[at..at + length], x, y + BASE, &look);
            }
            if cells[at].modifier.contains(Modifier::UNDERLINED) {
                let look = self::look(&cells[at], paper);
                rectangle(shapes.entry(look).or_default(), x, y + HEIGHT - 20, span, 8);
            }
            at += length;
        }
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\">\n\
         <style>text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{background}\"/>\n",
        w = pixels(width),
        h = pixels(height),
        background = paper.background,
    );
    // Writing to a string does not fail.
    for (colour, path) in &behind {
        let _ = writeln!(svg, "<path fill=\"{colour}\" d=\"{path}\"/>");
    }
    for (look, path) in &shapes {
        let faint = if look.dim { " opacity=\".55\"" } else { "" };
        let _ = writeln!(svg, "<path fill=\"{}\"{faint} d=\"{path}\"/>", look.colour);
    }
    svg + &texts + "</svg>\n"
}

/// Words that stand close together are one text; what is farther apart has a place of its own, since not everybody keeps blanks.
fn write(svg: &mut String, cells: &[Cell], x: usize, y: usize, look: &Look) {
    let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
    let faint = if look.dim { " opacity=\".55\"" } else { "" };
    let blank = |at: usize| cells.get(at).is_none_or(|cell| cell.symbol() == " ");
    let mut at = 0;
    while at < cells.len() {
        if blank(at) {
            at += 1;
            continue;
        }
        let length = (1..).find(|length| blank(at + length) && blank(at + length + 1)).unwrap_or(1);
        let text: String = cells[at..at + length].iter().map(Cell::symbol).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" textLength=\"{}\" fill=\"{}\"{weight}{faint}>{}</text>",
            pixels(x + at * WIDTH),
            pixels(y),
            pixels(length * WIDTH),
            look.colour,
            text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        );
        at += length;
    }
}

/// The rectangles of the characters that charts, bars and rules are made of: left, top, width and height in the cell. None of text.
fn shape(cell: &Cell) -> Vec<(usize, usize, usize, usize)> {
    let character = cell.symbol().chars().next().map_or(0, |character| character as usize);
    let bar = match character {
        // Eighths from below, and from the left.
        0x2581..=0x2588 => {
            let tall = HEIGHT * (character - 0x2580) / 8;
            Some((0, HEIGHT - tall, WIDTH, tall))
        }
        0x2589..=0x258f => Some((0, 0, WIDTH * (0x2590 - character) / 8, HEIGHT)),
        0x2500 => Some((0, HEIGHT / 2 - 4, WIDTH, 8)),
        0x2800..=0x28ff => return area(character & 0xff),
        _ => None,
    };
    bar.into_iter().collect()
}

/// Of a cell of a filled area, each column of dots as a bar from below.
fn area(dots: usize) -> Vec<(usize, usize, usize, usize)> {
    let (left, right) = ((dots & 0x47).count_ones() as usize, (dots & 0xb8).count_ones() as usize);
    let tall = |dots: usize| HEIGHT * dots / 4;
    if left == right {
        return vec![(0, HEIGHT - tall(left), WIDTH, tall(left))];
    }
    let bars = [(0, left), (WIDTH / 2, right)].into_iter().filter(|(_, dots)| *dots > 0);
    bars.map(|(x, dots)| (x, HEIGHT - tall(dots), WIDTH / 2, tall(dots))).collect()
}

fn rectangle(path: &mut String, x: usize, y: usize, width: usize, height: usize) {
    let [x, y, width, height] = [x, y, width, height].map(pixels);
    let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
}

fn look(cell: &Cell, paper: &Paper) -> Look {
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    let colour = if reversed { colour(cell.bg, paper.background, paper) } else { colour(cell.fg, paper.text, paper) };
    Look { colour, bold: cell.modifier.contains(Modifier::BOLD), dim: cell.modifier.contains(Modifier::DIM) }
}

fn background(cell: &Cell, paper: &Paper) -> String {
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    if reversed { colour(cell.fg, paper.text, paper) } else { colour(cell.bg, paper.background, paper) }
}

fn colour(colour: Color, own: &str, paper: &Paper) -> String {
    let sixteen = |at: usize| paper.colours[at].to_string();
    match colour {
        Color::Reset => own.into(),
        Color::Black => sixteen(0),
        Color::Red => sixteen(1),
        Color::Green => sixteen(2),
        Color::Yellow => sixteen(3),
        Color::Blue => sixteen(4),
        Color::Magenta => sixteen(5),
        Color::Cyan => sixteen(6),
        Color::Gray => sixteen(7),
        Color::DarkGray => sixteen(8),
        Color::LightRed => sixteen(9),
        Color::LightGreen => sixteen(10),
        Color::LightYellow => sixteen(11),
        Color::LightBlue => sixteen(12),
        Color::LightMagenta => sixteen(13),
        Color::LightCyan => sixteen(14),
        Color::White => sixteen(15),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Indexed(at @ 0..16) => sixteen(at.into()),
        // xterm's cube of six by six by six, and its greys.
        Color::Indexed(at @ 16..232) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
            let at = at - 16;
            format!("#{:02x}{:02x}{:02x}", level(at / 36), level(at / 6 % 6), level(at % 6))
        }
        Color::Indexed(at) => format!("#{0:02x}{0:02x}{0:02x}", 8 + (at - 232) * 10),
    }
}

/// Tenths of a pixel as pixels.
fn pixels(tenths: usize) -> String {
    if tenths.is_multiple_of(10) { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}
