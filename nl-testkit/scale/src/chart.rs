//! A chart with logarithmic axes both ways: what grows in proportion is a line at the slope of the grid's diagonal.

use std::fmt::Display;

use nl_testkit::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::tables::Table;

/// Pixels.
const WIDTH: i32 = 900;
const HEIGHT: i32 = 560;
const LEFT: i32 = 70;
const RIGHT: i32 = 170;
const TOP: i32 = 50;
const BOTTOM: i32 = 60;
const LEGEND: i32 = 18;

/// What a chart is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// The kernel and the date.
    pub(crate) made: &'a str,
}

/// The values of a table by its size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) table: Table,
    /// The kernel's share, or ours.
    pub(crate) is_kernel: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Line {
    fn name(&self) -> String {
        format!("{}{}", self.table.name(), if self.is_kernel { ", kernel" } else { "" })
    }

    /// Distinguishable without colours too, by their lightness.
    const fn color(&self) -> RGBColor {
        match self.table {
            Table::Links => RGBColor(0xe0, 0x8a, 0x1e),
            Table::Routes => RGBColor(0x1b, 0x5e, 0x9b),
            Table::Fdb => RGBColor(0x5a, 0x8f, 0x3c),
            Table::Classes => RGBColor(0x8a, 0x3a, 0x6b),
        }
    }

    /// The kernel's lines are faint.
    const fn strength(&self) -> f64 {
        if self.is_kernel { 0.35 } else { 1.0 }
    }
}

impl Chart<'_> {
    /// As SVG.
    pub(crate) fn draw(&self, lines: &[Line]) -> Result<String> {
        let values = |of: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|line| &line.points).map(of);
        let x = Axis::over(values(|point| point.0), LEFT, WIDTH - RIGHT);
        // Up is less in pixels.
        let y = Axis::over(values(|point| point.1), HEIGHT - BOTTOM, TOP);

        let mut svg = String::new();
        let size = (WIDTH.unsigned_abs(), HEIGHT.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let text = |words: String, at: (i32, i32), side: HPos, size: i32| {
            let style = ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
            area.draw(&Text::new(words, at, style)).map_err(failed)
        };
        let path = |points: Vec<(i32, i32)>, color: RGBAColor, width: u32| {
            area.draw(&PathElement::new(points, color.stroke_width(width))).map_err(failed)
        };

        text(self.title.to_owned(), (WIDTH / 2, 18), HPos::Center, 16)?;
        for value in x.decades() {
            let at = x.pixel(value);
            path(vec![(at, TOP), (at, HEIGHT - BOTTOM)], BLACK.mix(0.15), 1)?;
            text(short(value), (at, HEIGHT - BOTTOM + 14), HPos::Center, 12)?;
        }
        for value in y.decades() {
            let at = y.pixel(value);
            path(vec![(LEFT, at), (WIDTH - RIGHT, at)], BLACK.mix(0.15), 1)?;
            text(short(value), (LEFT - 8, at), HPos::Right, 12)?;
        }
        let mut legend = TOP + LEGEND;
        for line in lines {
            let color = line.color().mix(line.strength());
            // Nothing has no place on a logarithmic axis.
            let points: Vec<_> = line.points.iter().filter(|point| point.0 > 0.0 && point.1 > 0.0).collect();
            let points: Vec<_> =
                points.into_iter().map(|point| (x.pixel(point.0), y.pixel(point.1))).collect();
            for point in &points {
                area.draw(&Circle::new(*point, 3, color.filled())).map_err(failed)?;
            }
            if points.len() > 1 {
                path(points, color, 2)?;
            }
            let start = WIDTH - RIGHT + 14;
            path(vec![(start, legend), (start + 18, legend)], color, 2)?;
            text(line.name(), (start + 24, legend), HPos::Left, 12)?;
            legend += LEGEND;
        }
        text(self.made.to_owned(), (WIDTH / 2, HEIGHT - 16), HPos::Center, 11)?;
        area.present().map_err(failed)?;
        drop(area);
        Ok(svg)
    }
}

/// From a power of ten to another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    lowest: i32,
    highest: i32,
    start: i32,
    end: i32,
}

impl Axis {
    /// Over all values, between two pixels.
    fn over(values: impl Iterator<Item = f64>, start: i32, end: i32) -> Self {
        let logarithms = values.filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) =
            logarithms.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (lowest, highest) = if low > high { (0, 1) } else { (whole(low.floor()), whole(high.ceil())) };
        Self { lowest, highest: highest.max(lowest + 1), start, end }
    }

    fn decades(self) -> impl Iterator<Item = f64> {
        (self.lowest..=self.highest).map(|exponent| 10_f64.powi(exponent))
    }

    fn pixel(self, value: f64) -> i32 {
        let part = (value.log10() - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        self.start + whole((part.clamp(0.0, 1.0) * f64::from(self.end - self.start)).round())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an exponent of ten, or between the edges of the chart")]
fn whole(value: f64) -> i32 {
    value as i32
}

/// 100, 1k, 1M; 0.01.
fn short(value: f64) -> String {
    match value {
        million if million >= 1e6 => format!("{}M", million / 1e6),
        thousand if thousand >= 1e3 => format!("{}k", thousand / 1e3),
        small => format!("{small}"),
    }
}

fn failed(error: impl Display) -> nl_testkit::Error {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_goes_from_a_power_of_ten_to_another() {
        let axis = Axis::over([3.0, 0.0, 250.0].into_iter(), 0, 300);
        assert_eq!((axis.lowest, axis.highest), (0, 3));
        assert_eq!([1.0, 10.0, 100.0, 1000.0].map(|value| axis.pixel(value)), [0, 100, 200, 300]);
        assert_eq!(axis.decades().count(), 4);
        let none = Axis::over(std::iter::empty(), 0, 300);
        assert_eq!((none.lowest, none.highest), (0, 1));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.1, 100.0, 1000.0, 1e6].map(short), ["0.1", "100", "1k", "1M"]);
    }

    #[test]
    fn chart_is_whole_and_names_each_line() {
        let points = vec![(100.0, 1.0), (1000.0, 10.0), (10_000.0, 0.0)];
        let lines =
            [false, true].map(|is_kernel| Line { table: Table::Fdb, is_kernel, points: points.clone() });
        let svg = Chart { title: "a title", made: "Linux 6.18" }.draw(&lines).unwrap();
        for words in ["a title", "FDB entries", "FDB entries, kernel", "Linux 6.18", "10k"] {
            assert!(svg.contains(words), "{words} is not in the chart");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
