//! The tables that the program prints, as a chart: the ratios as bars, of which the raw socket is 1.

use std::fmt::Display;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 330;
const RIGHT: i32 = 70;
const TOP: i32 = 62;
const BOTTOM: i32 = 34;
const BAR: i32 = 14;
const GAP: i32 = 12;
/// The ratios at which there is a line.
const TICKS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Whose bar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Ours,
    Nlink,
    Rtnetlink,
    Iproute2,
}

impl Contestant {
    const ALL: [Self; 4] = [Self::Ours, Self::Nlink, Self::Rtnetlink, Self::Iproute2];

    /// Whose line of a table it is; `None` for the raw socket.
    fn of(name: &str) -> Option<Self> {
        let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        if starts(&["ours"]) {
            Some(Self::Ours)
        } else if starts(&["nlink"]) {
            Some(Self::Nlink)
        } else if starts(&["rtnetlink", "netlink-packet-route"]) {
            Some(Self::Rtnetlink)
        } else if starts(&["bridge ", "ip ", "ss ", "tc "]) {
            Some(Self::Iproute2)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "nl-*",
            Self::Nlink => "nlink",
            Self::Rtnetlink => "rtnetlink",
            Self::Iproute2 => "iproute2",
        }
    }

    /// Distinguishable without colours too, by their lightness.
    const fn color(self) -> RGBColor {
        match self {
            Self::Ours => RGBColor(0x1b, 0x5e, 0x9b),
            Self::Nlink => RGBColor(0xe0, 0x8a, 0x1e),
            Self::Rtnetlink => RGBColor(0x8c, 0xb3, 0x69),
            Self::Iproute2 => RGBColor(0xb8, 0xb8, 0xb8),
        }
    }
}

/// The bars of one table.
#[derive(Debug, PartialEq)]
struct Group {
    title: String,
    bars: Vec<(Contestant, f64)>,
}

/// What the program printed.
#[derive(Debug, PartialEq)]
struct Printed {
    groups: Vec<Group>,
    /// The line with the kernel and the date.
    made: String,
}

/// The chart of what the program printed, as SVG.
pub(crate) fn chart(text: &str) -> Result<String> {
    draw(&parse(text)?)
}

fn parse(text: &str) -> Result<Printed> {
    let (mut groups, mut made) = (Vec::<Group>::new(), None);
    // The place of the ratio in the rows of a table, once one of them was read.
    let (mut title, mut ratio, mut is_table) = (String::new(), None, false);
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            title = heading.split(" (").next().unwrap_or_default().to_owned();
            (ratio, is_table) = (None, false);
        } else if line.starts_with("Linux ") {
            made = Some(line.to_owned());
        } else if let Some(row) = line.strip_prefix('|') {
            let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            if cells.first() == Some(&"contestant") {
                is_table = true;
                groups.push(Group { title: title.clone(), bars: Vec::new() });
                continue;
            }
            let at = ratio.or_else(|| cells.iter().position(|cell| as_ratio(cell).is_some()));
            let (true, Some(at), Some(group)) = (is_table, at, groups.last_mut()) else { continue };
            ratio = Some(at);
            let contestant = cells.first().and_then(|name| Contestant::of(name));
            let value = cells.get(at).and_then(|cell| as_ratio(cell));
            // Of several ways of one contestant, the first is the one it would choose.
            if let (Some(contestant), Some(value)) = (contestant, value)
                && !group.bars.iter().any(|(known, _)| *known == contestant)
            {
                group.bars.push((contestant, value));
            }
        }
    }
    // A row without a peer compares nothing.
    groups.retain(|group| group.bars.len() > 1 && group.bars.iter().any(|(who, _)| *who == Contestant::Ours));
    if groups.is_empty() {
        return Err("there is no table with ratios of ours and of somebody else".into());
    }
    let made = made.ok_or("no line says with which kernel and when the tables were made")?;
    Ok(Printed { groups, made })
}

fn as_ratio(cell: &str) -> Option<f64> {
    cell.strip_suffix('x')?.parse().ok().filter(|ratio| *ratio > 0.0)
}

fn draw(printed: &Printed) -> Result<String> {
    let bars: usize = printed.groups.iter().map(|group| group.bars.len()).sum();
    let height = TOP + i32::try_from(bars)? * BAR + i32::try_from(printed.groups.len())? * GAP + BOTTOM;
    let scale = Scale::of(printed);

    let mut svg = String::new();
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let text = |words: String, at: (i32, i32), side: HPos, size: i32| {
        let style = ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
        area.draw(&Text::new(words, at, style)).map_err(failed)
    };

    text("CPU time, raw netlink socket = 1, lower is better".to_owned(), (WIDTH / 2, 14), HPos::Center, 16)?;
    let mut x = LEFT;
    for contestant in Contestant::ALL {
        let square = Rectangle::new([(x, 34), (x + 10, 44)], contestant.color().filled());
        area.draw(&square).map_err(failed)?;
        text(contestant.name().to_owned(), (x + 15, 39), HPos::Left, 13)?;
        x += 110;
    }
    for tick in TICKS.into_iter().filter(|tick| *tick <= scale.largest) {
        let x = scale.x(tick);
        let strength = if tick <= 1.0 { 0.9 } else { 0.2 };
        let line = PathElement::new(vec![(x, TOP - 8), (x, height - BOTTOM)], BLACK.mix(strength));
        area.draw(&line).map_err(failed)?;
        text(tick.to_string(), (x, TOP - 13), HPos::Center, 11)?;
    }

    let mut y = TOP;
    for group in &printed.groups {
        let middle = y + i32::try_from(group.bars.len())? * BAR / 2;
        text(group.title.clone(), (LEFT - 10, middle), HPos::Right, 13)?;
        for (contestant, ratio) in &group.bars {
            let end = scale.x(*ratio);
            let bar = Rectangle::new([(LEFT, y + 1), (end, y + BAR - 1)], contestant.color().filled());
            area.draw(&bar).map_err(failed)?;
            text(shown(*ratio), (end + 5, y + BAR / 2), HPos::Left, 11)?;
            y += BAR;
        }
        y += GAP;
    }
    text(printed.made.clone(), (WIDTH / 2, height - 14), HPos::Center, 11)?;
    area.present().map_err(failed)?;
    drop(area);
    Ok(svg)
}

/// Where a ratio is, on a logarithmic scale.
struct Scale {
    smallest: f64,
    largest: f64,
}

impl Scale {
    fn of(printed: &Printed) -> Self {
        let ratios = || printed.groups.iter().flat_map(|group| &group.bars).map(|(_, ratio)| *ratio);
        // Room below 1, so that the bar of a ratio of 1 is seen.
        let smallest = ratios().fold(0.5, |least, ratio| f64::min(least, ratio / 2.0));
        Self { smallest, largest: ratios().fold(10.0, f64::max) }
    }

    fn x(&self, ratio: f64) -> i32 {
        let part = (ratio / self.smallest).ln() / (self.largest / self.smallest).ln();
        LEFT + pixels(part.clamp(0.0, 1.0) * f64::from(WIDTH - LEFT - RIGHT))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "between 0 and the width of the chart")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

/// With as many decimals as the tables have.
fn shown(ratio: f64) -> String {
    let decimals = if ratio < 9.95 { 2 } else { usize::from(ratio < 99.5) };
    format!("{ratio:.decimals$}")
}

fn failed(error: impl Display) -> Box<dyn std::error::Error + Send + Sync> {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
### 1. List 20000 FDB entries (1.00x = 9.0 ms CPU)

| contestant             |   CPU |  wall |
|------------------------|------:|------:|
| raw socket (floor)     | 1.00x | 1.00x |
| ours                   | 1.02x | 1.05x |
| nlink get_fdb_by_index | 1.47x | 1.47x |
| nlink another way      | 9.99x | 9.99x |
| bridge fdb show        | 263x  | 2.68x |

### 18. Connections

| contestant | open |
|------------|-----:|
| ours       |  0.6 |
| nlink      |  1.0 |

Linux 6.18, 2026-11-29. Runs: 7.
";

    #[test]
    fn tables_with_ratios_become_groups_of_bars() {
        let printed = parse(PRINTED).unwrap();
        let bars = vec![(Contestant::Ours, 1.02), (Contestant::Nlink, 1.47), (Contestant::Iproute2, 263.0)];
        assert_eq!(printed.groups, [Group { title: "1. List 20000 FDB entries".into(), bars }]);
        assert_eq!(printed.made, "Linux 6.18, 2026-11-29. Runs: 7.");
    }

    #[test]
    fn tables_without_a_kernel_and_a_date_are_refused() {
        let text = PRINTED.replace("Linux 6.18, 2026-11-29. ", "");
        assert!(parse(&text).unwrap_err().to_string().starts_with("no line says with which kernel"));
    }

    #[test]
    fn chart_has_each_title_each_ratio_and_the_kernel() {
        let svg = chart(PRINTED).unwrap();
        for words in ["1. List 20000 FDB entries", "1.02", "1.47", "263", "Linux 6.18, 2026-11-29."] {
            assert!(svg.contains(words), "{words} is not in the chart");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
