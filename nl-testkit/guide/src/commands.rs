//! The table of commands and calls, made of the lines in the crates' documentation that begin with `Equivalent:`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use crate::sources::{CRATES, Modules};
use crate::text::without_item_links;

/// What is a command in such a line, and no other word in backticks.
const PROGRAMS: [&str; 7] = ["bridge", "genl", "ip", "nstat", "ss", "sysctl", "tc"];

/// A command, and the call that does the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The command, like `ip link add`.
    pub command: String,
    /// The path of the call, like `nl_core::link::DeviceEntry::add`, or of the module.
    pub call: String,
    /// The first sentence of the call's documentation.
    pub what: String,
}

impl Row {
    /// The command without options and without what it acts on: the heading under which it stands.
    #[must_use]
    pub fn family(&self) -> String {
        let mut words = self.command.split(' ').filter(|word| !word.starts_with('-'));
        let program = words.next().unwrap_or_default();
        match words.next() {
            Some(object) if object.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                format!("{program} {object}")
            }
            _ => program.to_owned(),
        }
    }
}

/// All rows, sorted by the command.
///
/// # Errors
/// A source cannot be read, or documentation with such a line belongs to nothing that can be called.
pub fn rows() -> io::Result<Vec<Row>> {
    let mut rows = BTreeSet::new();
    for (folder, name) in CRATES {
        let modules = Modules::read(folder, name)?;
        for (module, text) in modules.iter() {
            of_module(&modules, module, text, &mut rows)?;
        }
    }
    Ok(rows.into_iter().collect())
}

fn of_module(modules: &Modules, module: &[String], text: &str, rows: &mut BTreeSet<Row>) -> io::Result<()> {
    let inner: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    add(rows, &inner, modules.public(module));

    let (mut docs, mut owner, mut above) = (Vec::new(), None, "");
    for line in text.lines() {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            docs.push(doc.trim());
            continue;
        }
        if code.starts_with("#[") {
            continue;
        }
        if line.starts_with("impl") {
            owner = implemented(line);
        } else if line.starts_with('}') {
            owner = None;
        }
        if docs.iter().any(|doc| doc.contains("Equivalent:")) {
            let call = match (item(code), owner) {
                (Some(item), Some(owner)) if line.starts_with(' ') => {
                    format!("{}::{owner}::{item}", modules.public(&modules.defining(module, owner)))
                }
                (Some(item), _) => format!("{}::{item}", modules.public(module)),
                // The macro of watches: `LinkWatch, LinkWatchBuilder: LinkSource of Link;`, documentation, and then `open`.
                (None, _) if code == "open" => {
                    let builder =
                        above.split([',', ':']).map(str::trim).find(|name| name.ends_with("Builder"));
                    format!("{}::{}::open", modules.public(module), builder.unwrap_or("?"))
                }
                _ => {
                    let place = module.join("::");
                    return Err(io::Error::other(format!(
                        "{place}: `Equivalent:` belongs to no item: {code}"
                    )));
                }
            };
            add(rows, &docs, call);
        }
        docs.clear();
        above = code;
    }
    Ok(())
}

/// The name of the type of `impl Type {` or `impl<'a> Type<'a> {`, and that of the trait of `impl Trait for Type {`.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ").map_or(generic, |(_, rest)| rest),
        None => rest,
    };
    name(rest.trim_start())
}

/// The name of what a line declares.
fn item(code: &str) -> Option<&str> {
    let mut words = code.split(' ');
    loop {
        match words.next()? {
            "enum" | "fn" | "struct" | "trait" | "type" => break,
            "const" => {
                let next = words.next()?;
                if next == "fn" {
                    break;
                }
                return name(next);
            }
            "pub" | "async" => {}
            _ => return None,
        }
    }
    name(words.next()?)
}

fn name(word: &str) -> Option<&str> {
    word.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// A row for each command in the paragraphs of documentation that have an `Equivalent:`.
fn add(rows: &mut BTreeSet<Row>, docs: &[&str], call: String) {
    for paragraph in docs.split(|line| line.is_empty()) {
        let text = paragraph.join(" ");
        let Some((_, text)) = text.split_once("Equivalent:") else { continue };
        let spans = text.split('`').skip(1).step_by(2);
        for command in
            spans.filter(|span| span.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word)))
        {
            rows.insert(Row { command: command.to_owned(), call: call.clone(), what: sentence(docs) });
        }
    }
}

/// The first sentence.
fn sentence(docs: &[&str]) -> String {
    let first =
        docs.split(|line| line.is_empty()).find(|paragraph| !paragraph.is_empty()).unwrap_or_default();
    let text = without_item_links(&first.join(" "));
    // The method of a trait, or the macro of watches, which has a sentence for them all.
    if text.starts_with("Equivalent:") {
        return if docs.iter().any(|line| line.contains(" together")) {
            WATCH.to_owned()
        } else {
            String::new()
        };
    }
    match text.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => text,
    }
}

/// The page: a table for each object.
///
/// # Errors
/// As for [`rows`].
pub fn page() -> io::Result<String> {
    let rows = rows()?;
    let mut families: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        families.entry(row.family()).or_default().push(row);
    }
    let mut page = String::from(HEAD);
    let _ = writeln!(
        page,
        "{} commands. The search of this book (key `s`) finds each of them, and each call.",
        rows.len()
    );
    for (family, rows) in families {
        let _ = write!(page, "\n## {family}\n\n| command | call | what it does |\n|---|---|---|\n");
        for row in rows {
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(page, "| `{}` | `{}` | {} |", cell(&row.command), row.call, cell(&row.what));
        }
    }
    Ok(page)
}

/// The same calls as links, which `cargo doc` checks.
///
/// # Errors
/// As for [`rows`].
pub fn links() -> io::Result<String> {
    let calls: BTreeSet<String> = rows()?.into_iter().map(|row| row.call).collect();
    Ok(calls.into_iter().map(|call| format!("* [`{call}`]\n")).collect())
}

const WATCH: &str = "Opens a copy of the table that events keep up to date, also when some are lost.";

const HEAD: &str = "\
# Commands and calls

<!-- Made of the sources: NL_TESTKIT_BLESS=1 cargo test -p nl-guide --test pages -->

A call is the last part of a builder: the type is what the handle returns, as `Links::device` returns a `DeviceEntry`. Its
documentation has an example, the privilege, the errors and the kernel that has it.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_implementation_is_found() {
        assert_eq!(implemented("impl Select<MptcpSocket> {"), Some("Select"));
        assert_eq!(implemented("impl<'a> Dump<'a> {"), Some("Dump"));
        assert_eq!(implemented("impl SecyOps for KernelSecy {"), Some("SecyOps"));
    }

    #[test]
    fn the_name_of_an_item_is_found() {
        assert_eq!(item("pub fn list(self) -> Pending<Dump<Link>> {"), Some("list"));
        assert_eq!(item("pub const FDB: Self = Self {"), Some("FDB"));
        assert_eq!(item("pub const fn new() -> Self {"), Some("new"));
        assert_eq!(item("fn create_secy(&self, options: MacsecDevice) -> Pending<Sci>"), Some("create_secy"));
        assert_eq!(item("let pub_fn = 1;"), None);
    }

    #[test]
    fn each_command_of_a_line_is_a_row() {
        let mut rows = BTreeSet::new();
        let docs = [
            "Reads both.",
            "",
            "Equivalent: `ip link show` and `ip monitor link`. Needs no `CAP_NET_ADMIN`.",
        ];
        add(&mut rows, &docs, "a::b".into());
        let rows: Vec<_> = rows.into_iter().map(|row| (row.command, row.what)).collect();
        let what = "Reads both.".to_owned();
        assert_eq!(rows, [("ip link show".into(), what.clone()), ("ip monitor link".into(), what)]);
    }

    #[test]
    fn options_are_no_part_of_a_heading() {
        let row = |command: &str| Row { command: command.into(), call: String::new(), what: String::new() };
        assert_eq!(row("ip -6 -s route show").family(), "ip route");
        assert_eq!(row("ss -M -a").family(), "ss");
        assert_eq!(row("sysctl net.mptcp").family(), "sysctl");
    }
}
