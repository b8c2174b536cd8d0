//! Puts what the program printed into the READMEs, between marks: a table of chosen rows, and all tables as they are.

use std::fmt::Write as _;

use crate::Result;

/// Everything from here on is replaced.
const BEGIN: &str = "<!-- peer-bench readme -->";
/// Up to here.
const END: &str = "<!-- /peer-bench -->";
/// Drawn beside the README of this program.
const CHART: &str = "![CPU time, raw netlink socket = 1](nl-testkit/peer-bench/chart.svg)";
const HEADER: &str = "| | raw socket | nl-* | nlink | rtnetlink | iproute2 |\n|---|--:|--:|--:|--:|--:|\n";

/// A line of the table: one line of a printed table for each contestant.
struct Line {
    /// How the title of the printed table begins.
    table: &'static str,
    /// In place of the words of the title, or behind them where these begin with a comma.
    words: &'static str,
    /// The column with the figures, and what stands behind each that is no ratio.
    column: &'static str,
    unit: &'static str,
    /// How the lines begin: raw socket, ours, nlink, rtnetlink, iproute2. Empty where there is none.
    contestants: [&'static str; 5],
}

const fn line(table: &'static str, words: &'static str, contestants: [&'static str; 5]) -> Line {
    Line { table, words, column: "CPU", unit: "", contestants }
}

const LINES: &[Line] = &[
    line(
        "12. ",
        ", by index",
        ["raw socket, by index", "ours, by index", "nlink, by index", "rtnetlink, by index", ""],
    ),
    line(
        "12. ",
        ", by name",
        ["raw socket, by name", "ours, by name", "nlink, by name", "rtnetlink, by name", ""],
    ),
    line("13. ", "", ["raw socket", "ours", "nlink", "rtnetlink", ""]),
    line("14. ", "", ["raw socket", "ours", "nlink", "rtnetlink", ""]),
    line("15. Create", "", ["raw socket", "ours", "nlink", "", "tc class add"]),
    line("16. Add", "", ["raw socket", "ours", "nlink", "", "ip mptcp endpoint"]),
    line("17. ", "", ["raw socket", "ours", "nlink", "rtnetlink", ""]),
    line("1. ", "", ["raw socket", "ours", "nlink", "rtnetlink", "bridge fdb show"]),
    line("2. ", "", ["raw socket", "ours", "nlink batch", "rtnetlink", "bridge -batch"]),
    line("3. ", "", ["raw socket, one bulk request", "ours", "nlink batch", "rtnetlink", "bridge fdb flush"]),
    line("8. Create", "", ["raw socket", "ours", "nlink", "", "tc -batch"]),
    line("9. List", "", ["raw socket", "ours", "nlink", "", "tc class show"]),
    line("10. Change", "", ["raw socket", "ours", "nlink", "", "tc -batch"]),
    line("21. ", "", ["raw socket", "ours", "nlink", "rtnetlink", ""]),
    Line {
        column: "time",
        ..line("4. Decode one bridge", "", ["hand-written", "ours", "nlink", "netlink-packet-route", ""])
    },
    Line {
        column: "beside list",
        unit: " µs",
        ..line(
            "22. ",
            "Latency of a look-up while another task lists a large table, median",
            ["raw sockets", "ours", "nlink, two", "rtnetlink, two", ""],
        )
    },
    Line {
        column: "open",
        unit: " KiB",
        ..line("18. ", "Memory of an idle connection", ["raw socket", "ours", "nlink", "rtnetlink", ""])
    },
    Line {
        column: "KiB each",
        unit: " KiB",
        ..line("19. ", "", ["raw socket", "ours", "nlink", "rtnetlink", ""])
    },
    Line {
        column: "peak above idle",
        ..line("5. ", "", ["raw socket", "ours", "nlink dump_stream", "rtnetlink", "bridge fdb show"])
    },
];

/// A table that was printed.
#[derive(Debug, PartialEq)]
struct Table<'a> {
    title: &'a str,
    header: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Table<'a> {
    /// What stands in a column of the first line that begins so.
    fn cell(&self, column: &str, contestant: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|name| *name == column)?;
        let row =
            self.rows.iter().find(|row| row.first().is_some_and(|name| name.starts_with(contestant)))?;
        row.get(at).copied()
    }

    /// The title without its number and without what is in parentheses.
    fn words(&self) -> &'a str {
        let words = self.title.split_once(". ").map_or(self.title, |(_, words)| words);
        words.split(" (").next().unwrap_or(words)
    }
}

/// The tables of a text, and the lines that say with which kernel and when they were made.
fn parse(text: &str) -> (Vec<Table<'_>>, Vec<&str>) {
    let (mut tables, mut made) = (Vec::<Table<'_>>::new(), Vec::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            tables.push(Table { title, header: Vec::new(), rows: Vec::new() });
        } else if line.starts_with("Linux ") {
            let words = line.split(" Load average").next().unwrap_or(line);
            if !made.contains(&words) {
                made.push(words);
            }
        } else if let (Some(row), Some(table)) = (line.strip_prefix('|'), tables.last_mut()) {
            let cells: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            if table.header.is_empty() {
                table.header = cells;
            } else if !cells.iter().all(|cell| cell.trim_matches(['-', ':']).is_empty()) {
                table.rows.push(cells);
            }
        }
    }
    (tables, made)
}

/// The table for the README of the project. A line that was not measured is left out.
fn chosen(text: &str) -> Result<String> {
    let (tables, made) = parse(text);
    if made.is_empty() {
        return Err("no line says with which kernel and when the tables were made".into());
    }
    let mut out = format!("{CHART}\n\n{HEADER}");
    let mut lines = 0;
    for line in LINES {
        let Some(table) = tables.iter().find(|table| table.title.starts_with(line.table)) else { continue };
        let [_, ours, ..] = line.contestants;
        if table.cell(line.column, ours).is_none() {
            continue;
        }
        let words = match line.words {
            more if more.is_empty() || more.starts_with(',') => format!("{}{more}", table.words()),
            words => words.to_owned(),
        };
        let _ = write!(out, "| {words} ");
        for contestant in line.contestants {
            let cell = Some(contestant).filter(|name| !name.is_empty());
            let cell = cell.and_then(|contestant| table.cell(line.column, contestant));
            let unit = if cell.is_some() { line.unit } else { "" };
            let (bold, cell) = (if contestant == ours { "**" } else { "" }, cell.unwrap_or_default());
            let _ = write!(out, "| {bold}{cell}{unit}{bold} ");
        }
        out.push_str("|\n");
        lines += 1;
    }
    if lines == 0 {
        return Err("there is no table with a line for the README".into());
    }
    if let Some(builds) = tables.iter().find(|table| table.title.starts_with("6. ")) {
        let title = builds.title.trim_start_matches("6. ");
        let _ = write!(out, "\n{title}:\n\n| | CPU | crates |\n|---|--:|--:|\n");
        for row in &builds.rows {
            let name = row.first().copied().unwrap_or_default();
            let cell = |column| builds.cell(column, name).unwrap_or_default();
            let _ = writeln!(out, "| {name} | {} | {} |", cell("CPU"), cell("crates"));
        }
    }
    let _ = write!(out, "\n{}\n", made.join(" "));
    Ok(out)
}

/// All tables as they are, with the kernel and the date, without what a run said meanwhile.
fn all(text: &str) -> String {
    let is_kept = |line: &&str| {
        line.is_empty() || line.starts_with("### ") || line.starts_with('|') || line.starts_with("Linux ")
    };
    let mut out = String::new();
    let mut was_empty = true;
    for line in text.lines().filter(is_kept) {
        // One empty line before a heading, and one at most elsewhere.
        if line.starts_with("### ") && !was_empty {
            out.push('\n');
        }
        if !(line.is_empty() && was_empty) {
            out.push_str(line);
            out.push('\n');
        }
        was_empty = line.is_empty();
    }
    out
}

/// A README with other lines between its marks.
fn replaced(readme: &str, inside: &str) -> Result<String> {
    let missing = "the README has no marks for the tables";
    let (before, rest) = readme.split_once(BEGIN).ok_or(missing)?;
    let (_, after) = rest.split_once(END).ok_or(missing)?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", inside.trim_matches('\n')))
}

/// The README of the project with the chosen rows, and that of this program with all tables.
pub(crate) fn readmes(tables: &str, project: &str, own: &str) -> Result<(String, String)> {
    Ok((replaced(project, &chosen(tables)?)?, replaced(own, &all(tables))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
== row 12
### 12. One awaited change of an FDB entry (1.00x = 0.96 ms CPU)

| contestant                   |   CPU |  wall |
|------------------------------|------:|------:|
| raw socket, by index (floor) | 1.00x | 1.00x |
| ours, by index               | 1.24x | 1.25x |
| nlink, by index              | 1.79x | 1.79x |


### 18. Memory of 1000 open connections, KiB each

| contestant                     | open | after one look-up |
|--------------------------------|-----:|------------------:|
| raw socket, one buffer for all |  0.0 |               0.0 |
| ours                           |  0.6 |               1.0 |

### 6. Clean build (1.00x = 16.7 s CPU, 9.9 s wall; runs: 1)

| depends on |   CPU |  wall | crates |
|------------|------:|------:|-------:|
| nl-bridge  | 1.00x | 1.00x |     27 |

Linux 6.18, 2026-11-29. Runs: 7. Load average at the end: 0.1 0.2 0.3
Linux 6.18, 2026-11-29. Runs: 7. Load average at the end: 0.4 0.2 0.3
";
    const MARKS: &str = "# a\n\n<!-- peer-bench readme -->\nold\n<!-- /peer-bench -->\n\nz\n";

    #[test]
    fn chosen_rows_have_the_figures_that_were_printed_and_no_other() {
        let wanted = "\
![CPU time, raw netlink socket = 1](nl-testkit/peer-bench/chart.svg)

| | raw socket | nl-* | nlink | rtnetlink | iproute2 |
|---|--:|--:|--:|--:|--:|
| One awaited change of an FDB entry, by index | 1.00x | **1.24x** | 1.79x |  |  |
| Memory of an idle connection | 0.0 KiB | **0.6 KiB** |  |  |  |

Clean build (1.00x = 16.7 s CPU, 9.9 s wall; runs: 1):

| | CPU | crates |
|---|--:|--:|
| nl-bridge | 1.00x | 27 |

Linux 6.18, 2026-11-29. Runs: 7.
";
        assert_eq!(chosen(PRINTED).unwrap(), wanted);
    }

    #[test]
    fn readmes_keep_what_is_outside_of_their_marks() {
        let (project, own) = readmes(PRINTED, MARKS, MARKS).unwrap();
        for readme in [&project, &own] {
            assert!(readme.starts_with("# a\n\n<!-- peer-bench readme -->\n"), "{readme}");
            assert!(readme.ends_with("\n<!-- /peer-bench -->\n\nz\n") && !readme.contains("old"), "{readme}");
        }
        assert!(own.contains("| nlink, by index              | 1.79x | 1.79x |\n\n### 18."), "{own}");
        assert!(!own.contains("== row"), "{own}");
        // A second time nothing changes.
        assert_eq!(readmes(PRINTED, &project, &own).unwrap(), (project, own));
    }

    #[test]
    fn tables_without_a_date_and_readmes_without_marks_are_refused() {
        let error = |tables: &str, readme| readmes(tables, readme, MARKS).unwrap_err().to_string();
        assert!(error("### 1. List\n", MARKS).starts_with("no line says with which kernel"));
        assert!(error("Linux 6.18, 2026-11-29.\n", MARKS).starts_with("there is no table"));
        assert!(error(PRINTED, "# a\n").contains("no marks"));
    }
}
