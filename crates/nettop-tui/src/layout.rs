//! The layout: one allocator over the rows of [`PANELS`]. A pure function of the picture and the size of the screen.
//!
//! ```text
//! from 95 columns                              under 95 columns
//! ┌──────────────────────────────────────┐    ┌──────────────────────┐
//! │ header                               │    │ header               │
//! │ degraded, if anything is             │    │ degraded             │
//! │ tabs                                 │    │ tabs                 │
//! │ ── chart, from 100x35 on ─────────── │    │ table of the sources │
//! │ ⋮                                    │    │ ⋮                    │
//! │ table of the sources                 │    │ ⋮                    │
//! │ ⋮                                    │    │ ⋮                    │
//! │ ── alerts, if there are any ──────── │    │ ── alerts ────────── │
//! │ ⋮                                    │    │ ⋮                    │
//! │ ── traffic ────────────── ── macs ── │    │ ── traffic ───────── │
//! │ ⋮                         ⋮          │    │ ⋮                    │
//! │ ── countries ── ── networks ──────── │    │ ── macs ──────────── │
//! │ ⋮               ⋮                    │    │ ⋮                    │
//! │ ── prefixes ─── ── self ──────────── │    │ countries, networks  │
//! │ ⋮               ⋮                    │    │ ── prefixes, self ── │
//! │ control                              │    │ control              │
//! │ footer                               │    │ footer               │
//! └──────────────────────────────────────┘    └──────────────────────┘
//! ```
//! Where the width allows, the prefixes stand beside the networks, and the monitor's own cost beside the MACs.
//! Any other view has all the room between tabs and control for itself, but for a strip of alerts below it.

#[cfg(test)]
mod tests;

use nettop_model::order;
use ratatui::{Frame, layout::Rect};

use super::{
    ascii, flags,
    panel::{
        PANELS, Panel, Picture,
        row::{Body, Height, Room, Stands, Width},
    },
};

/// Columns between two panels side by side.
const GUTTER: u16 = 2;

/// Where each panel of [`PANELS`] stands; an empty area is a panel that found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas([Rect; PANELS.len()]);

impl Areas {
    /// Where the panel of this name stands.
    pub fn of(&self, name: &str) -> Rect {
        self.all().find(|(panel, _)| panel.name == name).map(|(_, area)| area).unwrap_or_default()
    }

    /// Every panel, and where it stands.
    pub fn all(&self) -> impl Iterator<Item = (&'static Panel, Rect)> {
        PANELS.iter().zip(self.0)
    }
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, picture: &Picture) {
    let screen = frame.area();
    for (panel, area) in areas(picture, screen).all() {
        let area = area.intersection(screen);
        if !area.is_empty() {
            (panel.render)(frame, area, picture);
        }
    }
    if picture.state.options.ascii {
        ascii::reduce(frame.buffer_mut());
    }
    flags::split(frame.buffer_mut());
}

/// Computes the area of every panel: first of those at the top and the bottom, then of those between them.
pub fn areas(picture: &Picture, screen: Rect) -> Areas {
    let size = screen.as_size();
    let room = Room { picture, body: Body::of(picture), screen: size, width: size.width, height: size.height };
    let is_bar = |band: &Vec<usize>| matches!(PANELS[band[0]].stands, Stands::Top | Stands::Bottom);
    let (bars, bands): (Vec<_>, Vec<_>) = bands(&room).into_iter().partition(is_bar);
    let (mut areas, mut rest) = (Areas::default(), screen);

    let heights = heights(&bars, &room);
    let is_top = |band: &[usize]| matches!(PANELS[band[0]].stands, Stands::Top);
    for (band, height) in bars.iter().zip(&heights).filter(|(band, _)| is_top(band)) {
        areas.0[band[0]] = top(&mut rest, *height);
    }
    for (band, height) in bars.iter().zip(&heights).rev().filter(|(band, _)| !is_top(band)) {
        areas.0[band[0]] = bottom(&mut rest, *height);
    }

    let heights = self::heights(&bands, &Room { height: rest.height, ..room });
    for (band, height) in bands.iter().zip(heights) {
        let area = top(&mut rest, height);
        let mut x = area.x;
        for (at, width) in band.iter().zip(widths(band, area.width)) {
            areas.0[*at] = Rect { x, width, ..area };
            x += width + GUTTER;
        }
    }
    areas
}

/// Groups the panels that stand side by side on a screen: indices into [`PANELS`], from top to bottom.
fn bands(room: &Room) -> Vec<Vec<usize>> {
    let mut bands: Vec<Vec<usize>> = Vec::with_capacity(PANELS.len());
    for (at, panel) in PANELS.iter().enumerate() {
        let beside = match panel.stands {
            Stands::Beside(_, beside) => {
                beside.iter().find(|(from, _)| room.screen.width >= *from).map(|(_, name)| *name)
            }
            Stands::With(..) if (panel.height)(room) == Height::NONE => continue,
            Stands::With(name, ..) => Some(name),
            Stands::Top | Stands::Bottom | Stands::Across => None,
        };
        match beside.and_then(|name| bands.iter_mut().find(|band| PANELS[band[0]].name == name)) {
            Some(band) => band.push(at),
            None => bands.push(vec![at]),
        }
    }
    bands
}

/// The width of each panel of a band, in columns.
fn widths(band: &[usize], width: u16) -> impl Iterator<Item = u16> {
    let wanted = move |at: &usize| match PANELS[*at].stands {
        Stands::Beside(wanted, _) if band.len() > 1 => wanted,
        Stands::With(_, tenths, most) => {
            Width::Fixed((u32::from(width) * u32::from(tenths) / 10).min(most.into()) as u16)
        }
        _ => Width::Share(10, u16::MAX),
    };
    let gutters = GUTTER * (band.len() as u16).saturating_sub(1);
    let fixed = band.iter().map(wanted).map(|wanted| if let Width::Fixed(width) = wanted { width } else { 0 });
    let shared = width.saturating_sub(gutters + fixed.sum::<u16>());
    let mut left = shared;
    band.iter().map(wanted).map(move |wanted| match wanted {
        Width::Fixed(width) => width,
        Width::Share(tenths, most) => {
            let share = (u32::from(shared) * u32::from(tenths) / 10) as u16;
            let granted = share.min(most).min(left);
            left -= granted;
            granted
        }
    })
}

/// The height of each band, in lines. Grants by rank until no line is left: the least lines all or none, further ones as far as
/// they go.
fn heights(bands: &[Vec<usize>], room: &Room) -> Vec<u16> {
    let mut steps = Vec::with_capacity(3 * bands.len());
    for (at, band) in bands.iter().enumerate() {
        let heights = band.iter().zip(widths(band, room.screen.width));
        let height = heights.map(|(at, width)| (PANELS[*at].height)(&Room { width, ..*room }));
        let Height { least, wanted, most } = height.fold(Height::NONE, Height::beside);
        let rank = PANELS[band[0]].rank;
        let rank = if room.is_stacked() { rank.stacked } else { rank.beside };
        steps.extend([least, wanted, most].into_iter().enumerate().map(|(nth, lines)| (rank[nth], at, nth, lines)));
    }
    order::sort_by_key(&mut steps, |step| *step);
    let mut left = room.height;
    let mut granted: Vec<Option<u16>> = vec![None; bands.len()];
    for (_, at, nth, lines) in steps {
        let more = match granted[at] {
            None if nth == 0 && lines <= left => lines,
            None => continue,
            Some(has) => lines.saturating_sub(has).min(left),
        };
        left -= more;
        granted[at] = Some(granted[at].unwrap_or_default() + more);
    }
    granted.into_iter().map(Option::unwrap_or_default).collect()
}

fn top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let area = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    area
}

fn bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect { y: rest.y + rest.height, height, ..*rest }
}
