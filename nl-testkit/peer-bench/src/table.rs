//! Results as Markdown, readable as it is.

use std::fmt;

/// A heading, a line about the base of the ratios, and rows of equal length.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self {
            title: title.into(),
            header: header.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.header.len()];
        for line in std::iter::once(&self.header).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        writeln!(f, "### {}\n", self.title)?;
        line(f, &self.header, &widths)?;
        for (column, width) in widths.iter().enumerate() {
            let rule = "-".repeat(width + 1);
            if column == 0 { write!(f, "|{rule}-")? } else { write!(f, "|{rule}:")? }
        }
        writeln!(f, "|")?;
        for row in &self.rows {
            line(f, row, &widths)?;
        }
        Ok(())
    }
}

/// "2.2x", with as many decimals as mean something.
pub(crate) fn ratio(value: f64, base: f64) -> String {
    if base <= 0.0 {
        return "-".to_owned();
    }
    let ratio = value / base;
    let decimals = if ratio < 9.95 { 2 } else { usize::from(ratio < 99.5) };
    format!("{ratio:.decimals$}x")
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if column == 0 { write!(f, "| {cell:<width$} ")? } else { write!(f, "| {cell:>width$} ")? }
    }
    writeln!(f, "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_ratio_has_fewer_decimals() {
        assert_eq!(ratio(1.0, 1.0), "1.00x");
        assert_eq!(ratio(25.04, 1.0), "25.0x");
        assert_eq!(ratio(250.4, 1.0), "250x");
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new("T", &["a", "long"]);
        table.row(["wide cell".to_owned(), "1".to_owned()]);
        assert_eq!(
            table.to_string(),
            "### T\n\n| a         | long |\n|-----------|-----:|\n| wide cell |    1 |\n"
        );
    }
}
