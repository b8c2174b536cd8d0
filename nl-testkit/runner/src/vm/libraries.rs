//! Shared libraries: which a program loads, and which C library goes into a virtual machine when this machine and the
//! suite have different ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use nl_testkit::Result;

use crate::tools::{command, run};

/// The C library of a suite, as noted beside its image.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    version: Vec<u32>,
    names: BTreeSet<String>,
}

impl Suite {
    /// The version of the C library that a loader belongs to, and the names of all the libraries.
    pub(crate) fn of(loader: &Path, names: impl IntoIterator<Item = String>) -> Result<Self> {
        Ok(Self { version: version(loader)?, names: names.into_iter().collect() })
    }

    /// The same with more libraries, among them the C library of another loader if there is one.
    pub(crate) fn grow(
        mut self,
        loader: Option<&Path>,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        if let Some(loader) = loader {
            self.version = version(loader)?;
        }
        self.names.extend(names);
        Ok(self)
    }

    pub(crate) fn write(&self, to: &Path) -> Result {
        let version: Vec<String> = self.version.iter().map(u32::to_string).collect();
        let mut text = version.join(".") + "\n";
        text.extend(self.names.iter().map(|name| format!("{name}\n")));
        Ok(fs::write(to, text)?)
    }

    pub(crate) fn read(from: &Path) -> Result<Self> {
        let text = fs::read_to_string(from)?;
        let mut lines = text.lines();
        let version = numbers(lines.next().unwrap_or_default());
        Ok(Self { version, names: lines.map(str::to_owned).collect() })
    }

    /// The libraries of this machine that a program of this machine needs beside those of the suite, and the loader if
    /// it has to be this machine's too. Newer C libraries run older programs, so the newer of the two serves all.
    pub(crate) fn lacks(
        &self,
        loader: &Path,
        program: &Path,
    ) -> Result<(BTreeMap<String, PathBuf>, Option<PathBuf>)> {
        let text = run(command(loader).arg("--list").arg(program))?;
        let mut needed = listed(&text);
        if version(loader)? <= self.version {
            needed.retain(|name, _| !self.names.contains(name));
            return Ok((needed, None));
        }
        let folder = needed.get("libc.so.6").and_then(|path| path.parent()).map(Path::to_owned);
        for name in C_LIBRARY {
            if let Some(path) = folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file())
            {
                needed.insert((*name).to_owned(), path);
            }
        }
        Ok((needed, Some(loader.to_owned())))
    }
}

/// Reads lines like `libmnl.so.0 => /usr/lib/libmnl.so.0 (0x00007f…)`.
pub(crate) fn listed(text: &str) -> BTreeMap<String, PathBuf> {
    let line = |line: &str| {
        let (name, rest) = line.trim().split_once(" => ")?;
        let path = rest.split(" (").next()?;
        Some((name.to_owned(), PathBuf::from(path)))
    };
    text.lines().filter_map(line).filter(|(name, _)| !name.contains('/')).collect()
}

/// The version of the C library a loader belongs to, from `… stable release version 2.36.`.
fn version(loader: &Path) -> Result<Vec<u32>> {
    let text = run(command(loader).arg("--version"))?;
    let version = text.lines().next().and_then(|line| line.rsplit_once("version "));
    Ok(numbers(version.map_or("", |(_, version)| version)))
}

fn numbers(text: &str) -> Vec<u32> {
    text.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// What has to be of one version.
pub(crate) const C_LIBRARY: &[&str] = &[
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list_is_read() {
        let text = "\
\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)
\t/lib64/ld-linux-x86-64.so.2 => /usr/lib/ld-linux-x86-64.so.2 (0x00007f01)
";
        let libraries = listed(text);
        assert_eq!(libraries.len(), 1);
        assert_eq!(libraries["libc.so.6"], Path::new("/lib/x86_64-linux-gnu/libc.so.6"));
    }
}
