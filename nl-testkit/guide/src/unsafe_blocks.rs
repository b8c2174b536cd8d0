//! The table of unsafe blocks, made of their SAFETY comments.

use std::fmt::Write as _;
use std::io;

use crate::sources::Modules;

/// The crates that have some. The compiler forbids them in the others.
const CRATES: [(&str, &str); 2] = [("nl-core", "nl_core"), ("nl-testkit", "nl_testkit")];

/// An unsafe block, or an implementation of an unsafe trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The module, like `sys::netlink`.
    pub module: String,
    /// The function it is in, or what is implemented.
    pub place: String,
    /// Why it is sound.
    pub reason: String,
}

/// The unsafe blocks of a text.
///
/// # Errors
/// One of them has no SAFETY comment.
fn of_module(module: &str, text: &str) -> io::Result<Vec<Block>> {
    let (mut blocks, mut reason, mut place) = (Vec::new(), Vec::new(), String::new());
    let mut is_reason = false;
    for line in text.lines().map(str::trim_start) {
        if let Some(first) = line.strip_prefix("// SAFETY:") {
            (reason, is_reason) = (vec![first.trim()], true);
        } else if let Some(comment) = line.strip_prefix("//") {
            if is_reason {
                reason.push(comment.trim());
            }
        } else {
            is_reason = false;
            if let Some(name) = function(line) {
                place = format!("{name}()");
            }
            let implemented = line.strip_prefix("unsafe impl ");
            if implemented.is_some() || line.contains("unsafe {") {
                if reason.is_empty() {
                    return Err(io::Error::other(format!("{module}: no SAFETY comment: {line}")));
                }
                let place = implemented
                    .map_or(place.clone(), |text| text.trim_end_matches([' ', '{', '}']).to_owned());
                blocks.push(Block { module: module.to_owned(), place, reason: reason.join(" ") });
                reason.clear();
            }
        }
    }
    Ok(blocks)
}

/// The name of the function that begins in a line.
fn function(line: &str) -> Option<&str> {
    let begins =
        ["fn ", "pub", "unsafe fn ", "async fn ", "const fn "].iter().any(|word| line.starts_with(word));
    let (_, name) = line.split_once("fn ").filter(|_| begins)?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// The page.
///
/// # Errors
/// A source cannot be read, or an unsafe block has no reason.
pub fn page() -> io::Result<String> {
    let mut page = String::from(HEAD);
    for (folder, name) in CRATES {
        let _ = write!(page, "\n## {folder}\n\n| module | place | why it is sound |\n|---|---|---|\n");
        let modules = Modules::read(folder, name)?;
        for (module, text) in modules.iter() {
            for block in of_module(&module.join("::"), text)? {
                let reason = block.reason.replace('|', "\\|");
                let _ = writeln!(page, "| `{}` | `{}` | {reason} |", block.module, block.place);
            }
        }
    }
    Ok(page)
}

const HEAD: &str = "\
# Unsafe blocks

<!-- Made of the sources: NL_TESTKIT_BLESS=1 cargo test -p nl-guide --test pages -->

Every unsafe block of the crates, with the reason that its SAFETY comment gives. nl-core has them in the module `sys`, behind safe
functions. nl-testkit, which is for tests, has them where it makes system calls and in its allocator. All other crates have
`#![forbid(unsafe_code)]`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_place_and_its_reason() {
        let text = "\
fn ids() -> u32 {
    // SAFETY: the call only returns a number
    // and cannot fail.
    unsafe { libc::getuid() }
}";
        let blocks = of_module("sys", text).unwrap();
        let reason = "the call only returns a number and cannot fail.".to_owned();
        assert_eq!(blocks, [Block { module: "sys".into(), place: "ids()".into(), reason }]);
    }

    #[test]
    fn a_block_without_a_reason_is_refused() {
        let error = of_module("sys", "fn a() {\n    unsafe { b() }\n}").unwrap_err();
        assert_eq!(error.to_string(), "sys: no SAFETY comment: unsafe { b() }");
    }
}
