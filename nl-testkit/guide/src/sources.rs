//! The crates' sources: their files, and the public paths of what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The folders of the crates, and the names under which they are imported.
pub(crate) const CRATES: [(&str, &str); 7] = [
    ("nl-core", "nl_core"),
    ("nl-bridge", "nl_bridge"),
    ("nl-events", "nl_events"),
    ("nl-macsec", "nl_macsec"),
    ("nl-mptcp", "nl_mptcp"),
    ("nl-srv6", "nl_srv6"),
    ("nl-tc", "nl_tc"),
];

/// The folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// The text of each module of a crate, by the names of the module; no name for the crate's root.
pub(crate) struct Modules {
    name: &'static str,
    texts: BTreeMap<Vec<String>, String>,
}

impl Modules {
    pub(crate) fn read(folder: &str, name: &'static str) -> io::Result<Self> {
        let source = root().join(folder).join("src");
        let (mut texts, mut folders) = (BTreeMap::new(), vec![source.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let inside = path.strip_prefix(&source).unwrap_or(&path).with_extension("");
                    let names = inside.iter().map(|name| name.to_string_lossy().into_owned());
                    let mut names: Vec<String> = names.collect();
                    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
                        names.pop();
                    }
                    texts.insert(names, fs::read_to_string(&path)?);
                }
            }
        }
        Ok(Self { name, texts })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[String], &str)> {
        self.texts.iter().map(|(names, text)| (names.as_slice(), text.as_str()))
    }

    /// The path by which others reach what a module has: what is in a private module is handed on by the one around it.
    pub(crate) fn public(&self, module: &[String]) -> String {
        let mut path = self.name.to_owned();
        let mut around = Vec::new();
        for name in module {
            let declaration = format!("pub mod {name};");
            let is_public =
                self.texts.get(&around).is_some_and(|text| text.lines().any(|line| line == declaration));
            if !is_public {
                break;
            }
            path = format!("{path}::{name}");
            around.push(name.clone());
        }
        path
    }

    /// The module that defines a type which a module implements: itself, or else the nearest around it that has it in itself or
    /// below.
    pub(crate) fn defining(&self, module: &[String], owner: &str) -> Vec<String> {
        let definitions = ["struct", "enum", "trait"].map(|word| format!("pub {word} {owner}"));
        let defines = |text: &str| {
            text.lines().any(|line| {
                definitions.iter().any(|definition| {
                    line.strip_prefix(definition.as_str()).is_some_and(|rest| {
                        !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
                    })
                })
            })
        };
        if self.texts.get(module).is_some_and(|text| defines(text)) {
            return module.to_vec();
        }
        let mut around = module.to_vec();
        while around.pop().is_some() {
            let found = self.texts.iter().find(|(names, text)| names.starts_with(&around) && defines(text));
            if let Some((names, _)) = found {
                return names.clone();
            }
        }
        module.to_vec()
    }
}
