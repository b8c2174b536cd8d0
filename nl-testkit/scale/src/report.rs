//! The measurements as a table, as charts, and as complaints about what grows faster than it should.

use std::fmt::Write as _;
use std::time::Duration;

use nl_testkit::Result;

use crate::chart::{Chart, Line};
use crate::measure::Row;
use crate::tables::Table;

/// A list that takes this many times as long for each entry as one of a tenth of its length does not grow in proportion.
const MOST: f64 = 1.8;
/// By how many KiB a stream of the largest size may take more memory than one of the smallest.
const SLACK: u64 = 1024;
/// Shorter times are within the noise of a clock that counts microseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The charts beside a page of the guide.
pub(crate) const TIME: &str = "scale-time.svg";
pub(crate) const MEMORY: &str = "scale-memory.svg";

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    made: String,
    tables: Vec<(Table, Vec<Row>)>,
}

impl Report {
    /// With the kernel and the date.
    pub(crate) const fn new(made: String) -> Self {
        Self { made, tables: Vec::new() }
    }

    pub(crate) fn add(&mut self, table: Table, rows: Vec<Row>) {
        self.tables.push((table, rows));
    }

    /// In Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (table, rows) in &self.tables {
            let name = table.name();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "### {name}\n");
            let _ = writeln!(
                text,
                "| {name} | add, ours (µs each) | add, kernel (µs each) | list, ours (ms) | list, kernel (ms) | stream (KiB) | \
                 kernel (KiB) |"
            );
            let _ = writeln!(text, "|---:|---:|---:|---:|---:|---:|---:|");
            for row in rows {
                let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(row.added.max(1));
                let ms = |time: Duration| time.as_secs_f64() * 1e3;
                let _ = writeln!(
                    text,
                    "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} |",
                    row.size,
                    each(row.grow.ours),
                    each(row.grow.kernel),
                    ms(row.list.ours),
                    ms(row.list.kernel),
                    row.stream,
                    row.kernel
                );
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{}.", self.made);
        text
    }

    /// A page of the guide: the charts, and the tables as they are.
    pub(crate) fn page(&self) -> String {
        format!(
            "{HEAD}\n![Time of a list by its length]({TIME})\n\n![Memory by the length of a table]({MEMORY})\n\n{}",
            self.table().replace("### ", "## ")
        )
    }

    /// The time of a list, ours and the kernel's.
    pub(crate) fn time_chart(&self) -> Result<String> {
        let lines =
            self.lines(|row| row.list.ours.as_secs_f64() * 1e3, |row| row.list.kernel.as_secs_f64() * 1e3);
        let chart = Chart { title: "Listing a whole table: CPU time in ms, by its length", made: &self.made };
        chart.draw(&lines)
    }

    /// The memory of a stream, and that of the table in the kernel.
    pub(crate) fn memory_chart(&self) -> Result<String> {
        let lines = self.lines(|row| row.stream as f64, |row| row.kernel as f64);
        let title = "Streaming a whole table, and holding it in the kernel: memory in KiB, by its length";
        Chart { title, made: &self.made }.draw(&lines)
    }

    fn lines(&self, ours: impl Fn(&Row) -> f64, kernel: impl Fn(&Row) -> f64) -> Vec<Line> {
        let points = |rows: &[Row], of: &dyn Fn(&Row) -> f64| -> Vec<(f64, f64)> {
            rows.iter().map(|row| (f64::from(row.size), of(row))).collect()
        };
        self.tables
            .iter()
            .flat_map(|(table, rows)| {
                let ours = Line { table: *table, is_kernel: false, points: points(rows, &ours) };
                [ours, Line { table: *table, is_kernel: true, points: points(rows, &kernel) }]
            })
            .collect()
    }

    /// What grows faster than it should, in words. The kernel's share is its own.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (table, rows) in &self.tables {
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { continue };
            let tenth = rows.iter().rev().find(|row| row.size <= last.size / 10);
            if let Some(tenth) = tenth.filter(|row| row.list.ours >= SHORTEST) {
                let each = |row: &Row| row.list.ours.as_secs_f64() / f64::from(row.size.max(1));
                let ratio = each(last) / each(tenth);
                if ratio > MOST {
                    complaints.push(format!(
                        "listing {} {} takes {ratio:.1} times as long for each as listing {}",
                        last.size,
                        table.name(),
                        tenth.size
                    ));
                }
            }
            if last.stream > first.stream + SLACK {
                complaints.push(format!(
                    "streaming {} {} takes {} KiB, and {} take {} KiB",
                    last.size,
                    table.name(),
                    last.stream,
                    first.size,
                    first.stream
                ));
            }
        }
        complaints
    }
}

const HEAD: &str = "\
# Large tables

<!-- In nl-testkit/scale: cargo run --release -- --page ../../docs/src/scale.md -->

What large tables of the kernel cost: the CPU time of an entry that is added through a batch and of a list of the whole table, in the
program and in the kernel, the memory that the program takes while it reads the list as a stream, and what the kernel holds. What grows in
proportion to the table rises by one decade for each decade to the right.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Cost;

    fn row(size: u32, ms: u64, stream: u64) -> Row {
        let cost = Cost { ours: Duration::from_millis(ms), kernel: Duration::from_millis(2 * ms) };
        Row { size, added: size, grow: cost, list: cost, stream, kernel: u64::from(size) }
    }

    fn report(rows: Vec<Row>) -> Report {
        let mut report = Report::new("Linux 6.18, 2026-11-29".to_owned());
        report.add(Table::Routes, rows);
        report
    }

    #[test]
    fn growth_in_proportion_is_no_complaint_and_faster_growth_is() {
        let linear = report(vec![row(1000, 2, 64), row(10_000, 20, 80), row(100_000, 200, 96)]);
        assert_eq!(linear.complaints(), [] as [String; 0]);
        let quadratic = report(vec![row(1000, 2, 64), row(10_000, 200, 64)]);
        let text = "listing 10000 routes takes 10.0 times as long for each as listing 1000";
        assert_eq!(quadratic.complaints(), [text]);
        let collected = report(vec![row(1000, 2, 64), row(10_000, 20, 6400)]);
        assert_eq!(collected.complaints(), ["streaming 10000 routes takes 6400 KiB, and 1000 take 64 KiB"]);
    }

    #[test]
    fn table_has_each_size_and_the_kernel_and_the_date() {
        let text = report(vec![row(1000, 2, 64)]).table();
        assert!(text.contains("| 1000 | 2.00 | 4.00 | 2.00 | 4.00 | 64 | 1000 |"), "{text}");
        assert!(text.ends_with("Linux 6.18, 2026-11-29.\n"));
    }

    #[test]
    fn charts_have_each_table_twice() {
        let report = report(vec![row(1000, 2, 64), row(10_000, 20, 64)]);
        for svg in [report.time_chart().unwrap(), report.memory_chart().unwrap()] {
            assert!(svg.contains("routes") && svg.contains("routes, kernel") && svg.contains("Linux 6.18"));
        }
    }

    #[test]
    fn page_has_the_charts_the_tables_and_the_date() {
        let page = report(vec![row(1000, 2, 64)]).page();
        assert!(
            page.starts_with("# Large tables\n") && page.ends_with("Linux 6.18, 2026-11-29.\n"),
            "{page}"
        );
        for words in ["(scale-time.svg)", "(scale-memory.svg)", "\n## routes\n", "| 1000 | 2.00 | 4.00 |"] {
            assert!(page.contains(words), "{words} is not in {page}");
        }
    }
}
