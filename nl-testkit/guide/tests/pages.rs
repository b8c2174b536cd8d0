//! The pages of the guide: those made of the sources are what the sources say today, and no block of code is left uncompiled.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use nl_guide::manuals::MANUALS;
use nl_guide::{commands, root, unsafe_blocks};

/// Compares a page with what it is made of; with `NL_TESTKIT_BLESS=1` it is written.
fn assert_made(page: &str, wanted: &str) {
    let path = root().join(page);
    if env::var("NL_TESTKIT_BLESS").is_ok_and(|value| value == "1") {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        return;
    }
    let differing = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    panic!(
        "{page} is not what the sources say: NL_TESTKIT_BLESS=1 cargo test -p nl-guide --test pages\n{differing:?}"
    );
}

/// Every page of the guide; pictures are beside them.
fn pages() -> Vec<PathBuf> {
    let (mut pages, mut folders) = (Vec::new(), vec![root().join("docs/src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root().join("docs/src")).unwrap().display().to_string()
}

#[test]
fn table_of_commands_is_made_of_the_sources() {
    let rows = commands::rows().unwrap();
    assert!(rows.len() >= 150, "{} commands", rows.len());
    assert_made("docs/src/commands.md", &commands::page().unwrap());
}

#[test]
fn links_to_calls_are_made_of_the_sources() {
    assert_made("nl-testkit/guide/calls.md", &commands::links().unwrap());
}

#[test]
fn table_of_unsafe_blocks_is_made_of_the_sources() {
    assert_made("docs/src/unsafe.md", &unsafe_blocks::page().unwrap());
}

#[test]
fn manuals_are_made_of_the_sources() {
    for manual in &MANUALS {
        assert_made(manual.page, &manual.text().unwrap());
    }
}

/// A block of Rust is compiled if its page is one of the documentation tests here, or made of a module whose crate compiles it.
#[test]
fn every_block_of_rust_is_compiled() {
    let library = fs::read_to_string(root().join("nl-testkit/guide/src/lib.rs")).unwrap();
    let mut blocks = 0;
    for page in pages() {
        let name = shown(&page);
        let text = fs::read_to_string(&page).unwrap();
        let made = MANUALS.iter().any(|manual| manual.page.ends_with(&name));
        let compiled = made || library.contains(&format!("docs/src/{name}\""));
        for line in text.lines().filter_map(|line| line.strip_prefix("```rust")) {
            blocks += 1;
            assert!(compiled, "{name} has Rust that nobody compiles");
            assert!(!line.contains("ignore"), "{name} has a block that is ignored");
        }
    }
    assert!(blocks >= 20, "{blocks} blocks");
}

#[test]
fn summary_names_every_page_once() {
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    let mut named = BTreeSet::new();
    for target in summary.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
        assert!(named.insert(target.0.to_owned()), "{} is named twice", target.0);
    }
    let pages: BTreeSet<String> =
        pages().iter().map(|path| shown(path)).filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(named, pages);
}

/// Links from page to page lead somewhere.
#[test]
fn every_link_inside_the_guide_has_a_page() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let folder = page.parent().unwrap();
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = target.split('#').next().unwrap_or_default();
            if target.ends_with(".md") && !target.contains("://") {
                assert!(folder.join(target).is_file(), "{}: there is no {target}", shown(&page));
            }
        }
    }
}
