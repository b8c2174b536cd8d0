//! The guides that the crates have in their documentation, as pages of the book. Their examples are compiled there.

use std::{fs, io};

use crate::sources::root;
use crate::text::without_item_links;

/// A page made of the documentation of a module.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// The file of the module, from the folder of the repository.
    pub source: &'static str,
    /// The file of the page, from the folder of the repository.
    pub page: &'static str,
    title: &'static str,
}

/// All of them.
pub const MANUALS: [Manual; 4] = [
    Manual {
        source: "nl-bridge/src/leaf/manual.rs",
        page: "docs/src/manual/evpn-leaf.md",
        title: "An EVPN leaf",
    },
    Manual {
        source: "nl-macsec/src/manual.rs",
        page: "docs/src/manual/macsec.md",
        title: "Encrypting a link",
    },
    Manual { source: "nl-mptcp/src/manual.rs", page: "docs/src/manual/mptcp.md", title: "Multipath TCP" },
    Manual { source: "nl-srv6/src/manual.rs", page: "docs/src/manual/srv6.md", title: "An SRv6 policy" },
];

impl Manual {
    /// The text of the page.
    ///
    /// # Errors
    /// The module's file cannot be read.
    pub fn text(&self) -> io::Result<String> {
        let text = fs::read_to_string(root().join(self.source))?;
        let mut page = format!(
            "# {}\n\n<!-- Made of {}: NL_TESTKIT_BLESS=1 cargo test -p nl-guide --test pages -->\n\n",
            self.title, self.source
        );
        let mut in_code = false;
        for line in text.lines() {
            let Some(line) = documentation(line) else { break };
            let Some(line) = line else { continue };
            let line = match line.strip_prefix("```") {
                // As the book knows it: what is no other language is Rust.
                Some("" | "no_run") if !in_code => {
                    in_code = true;
                    "```rust,no_run".to_owned()
                }
                Some(_) => {
                    in_code = !in_code;
                    line.to_owned()
                }
                None if in_code => line.to_owned(),
                None => without_item_links(&as_heading(line)),
            };
            page.push_str(&line);
            page.push('\n');
        }
        Ok(page)
    }
}

/// What a line says: `None` behind the documentation, `Some(None)` for an attribute that says nothing.
fn documentation(line: &str) -> Option<Option<&str>> {
    if let Some(line) = line.strip_prefix("//!") {
        return Some(Some(line.strip_prefix(' ').unwrap_or(line)));
    }
    // A block that is compiled where a feature is on has an attribute for either case.
    let condition = line.strip_prefix("#![cfg_attr(")?;
    if condition.starts_with("not(") {
        return Some(None);
    }
    Some(condition.split('"').nth_back(1))
}

/// The page has the first heading.
fn as_heading(line: &str) -> String {
    if line.starts_with("# ") { format!("#{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_documentation_are_distinguished_from_code() {
        assert_eq!(documentation("//! Text."), Some(Some("Text.")));
        assert_eq!(documentation("//!"), Some(Some("")));
        assert_eq!(
            documentation("#![cfg_attr(feature = \"x\", doc = \"```no_run\")]"),
            Some(Some("```no_run"))
        );
        assert_eq!(documentation("#![cfg_attr(not(feature = \"x\"), doc = \"```ignore\")]"), Some(None));
        assert_eq!(documentation("use std::fmt;"), None);
    }
}
