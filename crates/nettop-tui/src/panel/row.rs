//! What the row of a panel states for the layout: where the panel stands, its width, its height and its rank.

use nettop_views::view::SOURCES;
use ratatui::layout::Size;

use super::picture::Picture;
use crate::action::layer;

/// Screens narrower than this, in columns, stack all panels; wider ones put lower panels side by side.
pub const STACK_BELOW: u16 = 95;
/// Lines of the rule with the title of a panel.
pub const RULE: u16 = 1;

/// Where a panel stands.
///
/// `Top` and `Bottom` get their lines first. The others share what is left, in the order of the rows.
#[derive(Clone, Copy, Debug)]
pub enum Stands {
    /// Full width, at the top of the screen.
    Top,
    /// Full width, at the bottom of the screen.
    Bottom,
    /// Full width, between top and bottom.
    Across,
    /// As `Across`, or beside another panel. Each pair is the least width of the screen, in columns, and the name of the panel
    /// on whose right it stands then; the first pair that applies holds. The widest comes first.
    Beside(Width, &'static [(u16, &'static str)]),
    /// While it wants any lines, on the right of the panel of this name, which has the rest of the width: so many tenths of the screen, at most so many
    /// columns.
    With(&'static str, u16, u16),
}

/// The width of a panel that has others beside it, in columns. A panel without neighbours has the full width.
#[derive(Clone, Copy, Debug)]
pub enum Width {
    /// Columns.
    Fixed(u16),
    /// Tenths of the columns that fixed neighbours and gutters leave; at most this many columns.
    Share(u16, u16),
}

/// The height of a panel, in lines, its rule and heads included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Height {
    /// With fewer lines the panel is not shown.
    pub least: u16,
    /// Granted before any panel of a higher rank gets its share.
    pub wanted: u16,
    /// More lines would stay blank.
    pub most: u16,
}

impl Height {
    /// Not shown; beside another panel, as high as that panel.
    pub const NONE: Self = Self { least: 0, wanted: 0, most: 0 };
    /// All lines that other panels leave.
    pub const REST: Self = Self { least: 0, wanted: 0, most: u16::MAX };

    /// Exactly `lines`, or not shown.
    pub const fn exactly(lines: u16) -> Self {
        Self { least: lines, wanted: lines, most: lines }
    }

    /// At most `lines`; never left out for want of room.
    pub const fn up_to(lines: u16) -> Self {
        Self { least: 0, wanted: lines, most: lines }
    }

    /// The height of two panels side by side.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            least: self.least.max(other.least),
            wanted: self.wanted.max(other.wanted),
            most: self.most.max(other.most),
        }
    }
}

/// The order in which lines are granted: for the least, the wanted and the most lines of a panel, lowest rank first. Where height
/// is scarce, the highest rank gives way. Of panels side by side the rank of the leftmost counts.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// On screens narrower than [`STACK_BELOW`].
    pub stacked: [u8; 3],
    /// On wider screens.
    pub beside: [u8; 3],
}

impl Rank {
    /// One rank for all lines and all widths.
    pub const fn of(rank: u8) -> Self {
        Self::steps([rank; 3])
    }

    /// The same ranks for all widths.
    pub const fn steps(ranks: [u8; 3]) -> Self {
        Self { stacked: ranks, beside: ranks }
    }
}

/// What the height of a panel may depend on.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    /// State, snapshot and theme.
    pub picture: &'a Picture<'a>,
    /// What stands between tabs and controls.
    pub body: Body,
    /// Columns and lines of the screen.
    pub screen: Size,
    /// Columns of the panel.
    pub width: u16,
    /// Lines to share: of the screen for `Top` and `Bottom`, for other panels those that `Top` and `Bottom` leave.
    pub height: u16,
}

impl Room<'_> {
    /// Whether panels stand one below the other.
    pub fn is_stacked(&self) -> bool {
        self.screen.width < STACK_BELOW
    }

    /// All lines that are left if `body` is open, else none.
    pub fn rest_if(&self, body: Body) -> Height {
        if self.body == body { Height::REST } else { Height::NONE }
    }
}

/// What stands between the tabs and the controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The table of the sources, and all panels that find room.
    Overview,
    /// What is known before anything was counted.
    Waiting,
    /// The table of a view.
    Table,
    /// Everything known of one thing.
    Detail,
    /// What is known of one alert.
    Alert,
    /// The list of columns.
    Columns,
    /// The list of views.
    Views,
    /// The hooks.
    Hooks,
    /// The help.
    Help,
}

impl Body {
    /// The body that the state asks for.
    pub(crate) fn of(picture: &Picture) -> Self {
        let (state, snapshot) = (picture.state, picture.snapshot);
        match state.layer() {
            layer::HELP => Self::Help,
            layer::COLUMNS => Self::Columns,
            layer::VIEWS => Self::Views,
            layer::HOOKS => Self::Hooks,
            layer::DETAIL => Self::Detail,
            layer::ALERT => Self::Alert,
            _ if state.view != SOURCES => Self::Table,
            _ if snapshot.traffic.packets == 0 => Self::Waiting,
            _ if state.without_panels => Self::Table,
            _ => Self::Overview,
        }
    }
}
