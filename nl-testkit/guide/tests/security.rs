//! What the page about security says of dependencies and build scripts is so.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::fs;

use nl_guide::root;

/// Which crates depend on something.
type Dependants = BTreeMap<String, Vec<String>>;

/// The folders of the workspace's members, in its order.
fn members() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    line.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// The dependencies on crates of others, of all members that are published.
fn depended_on(section: &str) -> Dependants {
    let mut found = Dependants::new();
    for folder in members() {
        let manifest = fs::read_to_string(root().join(&folder).join("Cargo.toml")).unwrap();
        if manifest.lines().any(|line| line == "publish = false") {
            continue;
        }
        let package = manifest.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap();
        let package = package.trim_end_matches('"');
        let mut is_inside = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                is_inside = line == format!("[{section}]");
            } else if is_inside && !line.is_empty() && !line.starts_with('#') {
                let name = line.split(['.', ' ', '=']).next().unwrap();
                if !name.starts_with("nl-") {
                    found.entry(name.to_owned()).or_default().push(package.to_owned());
                }
            }
        }
    }
    found
}

/// A row of a table: the dependency, and the crates that have it.
fn row(line: &str) -> (String, Vec<String>) {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [dependency, crates, why]: [&str; 3] = cells.try_into().unwrap();
    assert!(!why.is_empty(), "{dependency} has no reason");
    (dependency.to_owned(), crates.split(", ").map(ToOwned::to_owned).collect())
}

/// The tables of the page.
fn listed() -> Vec<Dependants> {
    let page = fs::read_to_string(root().join("docs/src/security.md")).unwrap();
    let tables = page.split("| dependency | of | why |\n|---|---|---|\n").skip(1);
    tables.map(|table| table.lines().take_while(|line| line.starts_with('|')).map(row).collect()).collect()
}

#[test]
fn each_dependency_has_a_reason() {
    let listed = listed();
    assert_eq!(listed.len(), 2);
    for (section, listed) in ["dependencies", "dev-dependencies"].iter().zip(listed) {
        let wanted = depended_on(section);
        assert!(wanted.len() > 10, "{wanted:?}");
        assert_eq!(listed, wanted, "[{section}], left the page and right the manifests");
    }
}

#[test]
fn no_crate_has_a_build_script() {
    let members = members();
    assert!(members.len() >= 12, "{members:?}");
    for folder in members {
        let folder = root().join(folder);
        assert!(!folder.join("build.rs").exists(), "{} has a build script", folder.display());
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(!manifest.lines().any(|line| line.starts_with("build =")), "{}", folder.display());
    }
}
