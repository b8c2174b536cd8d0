//! The structure of the workspace: no file uses one that uses it, and no file is too long to read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Tests at the end of a file are not counted.
const LONGEST: usize = 600;

/// The folders that have the `src` of a library.
fn crates() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [own.parent().unwrap(), own].map(|folder| fs::read_dir(folder).unwrap());
    let mut found: Vec<_> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("src/lib.rs").is_file())
        .collect();
    found.sort();
    assert!(found.len() >= 8, "{found:?}");
    found
}

/// The module of each file below `src`, by its path of names, with the text.
fn modules(src: &Path) -> BTreeMap<Vec<String>, (PathBuf, String)> {
    let (mut modules, mut folders) = (BTreeMap::new(), vec![src.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(src).unwrap().with_extension("");
            let mut names: Vec<String> =
                inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                names.pop();
            }
            if path.extension().is_some_and(|e| e == "rs") && !names.iter().any(|name| name == "tests") {
                modules.insert(names, (path.clone(), without_tests(&fs::read_to_string(&path).unwrap())));
            }
        }
    }
    modules
}

/// The text without comments and without a module of tests at its end.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = code.split("#[cfg(test)]\n#[cfg(feature").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths of `use` declarations, with braces taken apart, and whether they only hand a name on.
fn uses(text: &str) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("use ") {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = text[line_start..at].trim();
        if !(before.is_empty() || before.starts_with("pub")) {
            continue;
        }
        let tree: String = text[at + 4..].split(';').next().unwrap_or_default().split_whitespace().collect();
        let mut paths = Vec::new();
        take_apart(&[], &tree, &mut paths);
        found.extend(paths.into_iter().map(|path| (path, !before.is_empty())));
    }
    found
}

/// The paths into this crate that stand in the code itself: `crate::a::f()`, `super::b::C`.
fn written_out(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with("use ") || (code.starts_with("pub") && code.contains(" use ")) {
            continue;
        }
        for root in ["crate::", "super::"] {
            for (at, _) in code.match_indices(root) {
                // `$crate` is the crate of whoever calls the macro, `super::super` is one path, and `pub(in …)` uses nothing.
                let before = &code[..at];
                if before.ends_with("(in ")
                    || before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '$' | '_' | ':'))
                {
                    continue;
                }
                let end = code[at..].find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')));
                let path = &code[at..end.map_or(code.len(), |end| at + end)];
                found.push(path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect());
            }
        }
    }
    found
}

fn take_apart(before: &[String], tree: &str, found: &mut Vec<Vec<String>>) {
    let (mut depth, mut start) = (0_usize, 0);
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let (names, inner) = part.split_once('{').unwrap_or((part, ""));
        let mut path = before.to_vec();
        path.extend(names.split("::").filter(|name| !name.is_empty()).map(str::to_owned));
        match inner.strip_suffix('}') {
            Some(inner) => take_apart(&path, inner, found),
            None => found.push(path),
        }
    }
}

/// Which files each file uses. A `mod.rs` that only hands a name on is passed through.
fn edges(modules: &BTreeMap<Vec<String>, (PathBuf, String)>) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let faces: BTreeMap<_, _> = modules
        .iter()
        .map(|(own, (_, text))| {
            let handed: Vec<_> = uses(text).into_iter().filter(|(_, on)| *on).map(|(path, _)| path).collect();
            (own.clone(), handed)
        })
        .collect();
    let resolve = |path: &[String]| {
        let mut path = path.to_vec();
        // No chain of faces is longer.
        for _ in 0..8 {
            let depth = (0..=path.len()).rev().find(|depth| modules.contains_key(&path[..*depth]))?;
            let (module, rest) = path.split_at(depth);
            let Some(name) = rest.first() else { return Some(module.to_vec()) };
            let next = faces[module].iter().find(|handed| {
                handed.last() == Some(name) && modules.contains_key(&[module, &handed[..1]].concat())
            });
            match next {
                Some(handed) => path = [module, &handed[..]].concat(),
                None => return Some(module.to_vec()),
            }
        }
        None
    };
    modules
        .iter()
        .map(|(own, (_, text))| {
            let declared = uses(text).into_iter().filter(|(_, hands_on)| !hands_on).map(|(path, _)| path);
            let used = declared.chain(written_out(text)).filter_map(|path| {
                let absolute = match path.first()?.as_str() {
                    "crate" => path[1..].to_vec(),
                    "self" => [&own[..], &path[1..]].concat(),
                    "super" => {
                        let ups = path.iter().take_while(|name| *name == "super").count();
                        [&own[..own.len().checked_sub(ups)?], &path[ups..]].concat()
                    }
                    // A child, or another crate.
                    first if modules.contains_key(&[&own[..], &[first.to_owned()]].concat()) => {
                        [&own[..], &path[..]].concat()
                    }
                    _ => return None,
                };
                resolve(&absolute).filter(|target| target != own)
            });
            (own.clone(), used.collect())
        })
        .collect()
}

/// Whether `to` can be reached from `from`.
fn reaches(
    edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    from: &Vec<String>,
    to: &Vec<String>,
) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for used in &edges[file] {
            if used == to {
                return true;
            }
            if seen.insert(used) {
                next.push(used);
            }
        }
    }
    false
}

#[test]
fn no_file_uses_a_file_that_uses_it() {
    let mut circles = Vec::new();
    for folder in crates() {
        let modules = modules(&folder.join("src"));
        let edges = edges(&modules);
        assert!(modules.len() == 1 || edges.values().any(|used| !used.is_empty()), "{folder:?}");
        for (own, (path, _)) in &modules {
            for used in edges[own].iter().filter(|used| reaches(&edges, used, own)) {
                circles.push(format!(
                    "{} uses {}, which leads back",
                    path.display(),
                    modules[used].0.display()
                ));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_file_of_a_library_is_too_long() {
    let mut long = Vec::new();
    for folder in crates() {
        for (path, text) in modules(&folder.join("src")).into_values() {
            let lines = text.lines().count();
            if lines > LONGEST {
                long.push(format!("{}: {lines} lines; {LONGEST} are possible", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let file = |names: &[&str], text: &str| {
        (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), (PathBuf::new(), text.to_owned()))
    };
    let modules: BTreeMap<_, _> = [
        file(&[], "mod a;\npub use a::b::B;"),
        file(&["a"], "mod b;\nmod c;\nmod d;\nmod e;\npub use b::B;"),
        file(&["a", "b"], "use super::c::{\n    C,\n};"),
        file(&["a", "c"], "use crate::B;"),
        file(&["a", "d"], "fn f() { crate::a::e::g() }"),
        file(&["a", "e"], "fn g() { super::d::f($crate::a::B) }"),
    ]
    .into();
    let edges = edges(&modules);
    let b: Vec<_> = ["a", "b"].map(str::to_owned).into();
    assert!(reaches(&edges, &b, &b));
    let [d, e]: [Vec<_>; 2] = ["d", "e"].map(|name| ["a", name].map(str::to_owned).into());
    assert!(reaches(&edges, &d, &d) && !reaches(&edges, &e, &b));
    assert!(!reaches(&edges, &Vec::new(), &Vec::new()));
}
