//! A kernel of the caller's: a bzImage or a package of Debian's form, and modules for it.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nl_testkit::Result;

use super::modules;
use crate::tools::{command, run};

/// Files that a kernel is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    lane: String,
    kernel: PathBuf,
    /// Packages, or one folder with `lib/modules` in it.
    modules: Vec<PathBuf>,
}

/// What was in the files.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kernel: PathBuf,
    pub(crate) release: String,
    /// The folder with `lib/modules/RELEASE` or `usr/lib/modules/RELEASE` in it.
    pub(crate) modules: Option<PathBuf>,
}

impl Own {
    /// Reads `PATH` or `NAME=PATH`.
    pub(crate) fn of(word: &str, modules: &[&str]) -> Result<Self> {
        let (name, path) = word.split_once('=').unwrap_or((USUAL, word));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(fits) {
            return Err(format!(
                "--kernel {word}: a name in front of a file is letters, digits, -, . and _, not {name:?}"
            )
            .into());
        }
        let kernel = fs::canonicalize(path).map_err(|error| format!("--kernel {path}: {error}"))?;
        if !kernel.is_file() {
            return Err(format!("--kernel {path}: not a file").into());
        }
        if !is_package(&kernel) {
            release(&kernel)?;
        }
        let mut found = Vec::new();
        for given in modules {
            let path = fs::canonicalize(given).map_err(|error| format!("--modules {given}: {error}"))?;
            if path.is_dir() && modules.len() > 1 {
                return Err(format!("--modules {given}: a folder goes with no other --modules").into());
            }
            if !path.is_dir() && !is_package(&path) {
                return Err(format!("--modules {given}: neither a folder nor a .deb").into());
            }
            found.push(path);
        }
        Ok(Self { lane: format!("vm-{name}"), kernel, modules: found })
    }

    pub(crate) fn lane(&self) -> &str {
        &self.lane
    }

    pub(crate) fn kernel(&self) -> &Path {
        &self.kernel
    }

    /// A name for what is in the files, another one whenever that changes; begins with [`Self::place`].
    pub(crate) fn key(&self) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        for path in self.paths() {
            let named = |error: io::Error| format!("{}: {error}", path.display());
            if path.is_dir() {
                read_tree(path, &mut hasher).map_err(named)?;
            } else {
                hasher.write(&fs::read(path).map_err(named)?);
            }
        }
        Ok(format!("{}{:016x}", self.place(), hasher.finish()))
    }

    /// A name for these files, whatever is in them.
    pub(crate) fn place(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.kernel, &self.modules).hash(&mut hasher);
        format!("own-{:016x}-", hasher.finish())
    }

    /// Takes packages apart in a folder, and finds the kernel and the modules that fit it.
    pub(crate) fn unpack(&self, into: &Path) -> Result<Found> {
        fs::create_dir_all(into)?;
        let mut root = None;
        for path in self.paths() {
            if is_package(path) {
                run(command("dpkg-deb").arg("-x").arg(path).arg(into))?;
                root = Some(into.to_owned());
            } else if path.is_dir() {
                root = Some(path.to_owned());
            }
        }
        let kernel = if is_package(&self.kernel) { self.inside(into)? } else { self.kernel.clone() };
        let release = release(&kernel)?;
        let Some(root) = root else { return Ok(Found { kernel, release, modules: None }) };
        let releases: Vec<String> = MODULES.iter().flat_map(|folder| names(&root.join(folder))).collect();
        if !releases.contains(&release) {
            if self.modules.is_empty() && releases.is_empty() {
                return Ok(Found { kernel, release, modules: None });
            }
            let other = if releases.is_empty() { "no kernel".to_owned() } else { releases.join(", ") };
            return Err(format!("the kernel is Linux {release}, and the modules are for {other}").into());
        }
        let folder = modules::folder(&root, &release);
        if root != into && !folder.join("modules.dep").is_file() {
            return Err(format!(
                "{} has no modules.dep: `depmod -b {} {release}` makes it",
                folder.display(),
                root.display()
            )
            .into());
        }
        Ok(Found { kernel, release, modules: Some(root) })
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.kernel].into_iter().chain(&self.modules).map(PathBuf::as_path)
    }

    /// The kernel in an unpacked package: in `boot`, or beside its modules.
    fn inside(&self, root: &Path) -> Result<PathBuf> {
        let boot = root.join("boot");
        let in_boot = names(&boot).into_iter().filter(|name| name.starts_with("vmlinuz-"));
        let mut found: Vec<PathBuf> = in_boot.map(|name| boot.join(name)).collect();
        for folder in MODULES.iter().map(|folder| root.join(folder)) {
            found.extend(names(&folder).into_iter().map(|name| folder.join(name).join("vmlinuz")));
        }
        found.retain(|path| path.is_file());
        match found.as_slice() {
            [kernel] => Ok(kernel.clone()),
            [] => Err(format!("the package {} holds no kernel", self.kernel.display()).into()),
            _ => Err(format!("the package {} holds several kernels", self.kernel.display()).into()),
        }
    }
}

/// The release that is written in the head of a bzImage.
fn release(kernel: &Path) -> Result<String> {
    let named = |error: io::Error| format!("{}: {error}", kernel.display());
    let wrong = || format!("{} is no bzImage: `make bzImage` makes one for x86-64", kernel.display());
    let mut file = File::open(kernel).map_err(named)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(HEAD).read_to_end(&mut head).map_err(named)?;
    let at = head.get(VERSION..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_le_bytes(*bytes));
    let is_kernel = head.get(MAGIC..).is_some_and(|rest| rest.starts_with(b"HdrS"));
    let at = at.filter(|at| is_kernel && *at != 0).ok_or_else(wrong)?;
    let mut text = [0; 128];
    let length = file.read_at(&mut text, u64::from(at) + BASE).map_err(named)?;
    let text = text.get(..length).and_then(|text| text.split(|byte| *byte == 0).next()).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    Ok(text.split_whitespace().next().ok_or_else(wrong)?.to_owned())
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "deb")
}

/// The names in a folder; none if there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The names, sizes and times of everything below a folder.
fn read_tree(folder: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        entry.file_name().hash(hasher);
        let data = entry.metadata()?;
        if data.is_dir() {
            read_tree(&entry.path(), hasher)?;
        } else {
            (data.len(), data.modified()?).hash(hasher);
        }
    }
    Ok(())
}

/// What a kernel without a name in front of its file is called.
const USUAL: &str = "own";
const MODULES: &[&str] = &["usr/lib/modules", "lib/modules"];
// Documentation/arch/x86/boot.rst: the header's magic number, and the place of the version's text, counted from the header's.
const HEAD: u64 = 0x210;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x20e;
const BASE: u64 = 0x200;

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a kernel of this release.
    fn image(release: &str) -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        bytes[VERSION..VERSION + 2].copy_from_slice(&0x100_u16.to_le_bytes());
        let text = format!("{release} (somebody@somewhere) #1 SMP\0");
        bytes[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    /// A folder with a kernel and, for `modules`, a folder of modules, both as a caller would name them.
    fn files(name: &str, modules: &str) -> (PathBuf, String, String) {
        let folder = std::env::temp_dir().join(format!("nl-testkit-own-{name}-{}", std::process::id()));
        let inside = folder.join("root/lib/modules").join(modules);
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("modules.dep"), "").unwrap();
        fs::write(folder.join("bzImage"), image("6.12.9-own")).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        (folder.clone(), text(folder.join("bzImage")), text(folder.join("root")))
    }

    #[test]
    fn the_modules_of_a_kernel_are_found_by_its_release() {
        let (folder, kernel, modules) = files("fits", "6.12.9-own");
        let own = Own::of(&kernel, &[&modules]).unwrap();
        assert_eq!(own.lane(), "vm-own");
        let found = own.unpack(&folder.join("unpacked")).unwrap();
        assert_eq!((found.release.as_str(), found.modules.is_some()), ("6.12.9-own", true));
        let alone = Own::of(&format!("mine={kernel}"), &[]).unwrap();
        assert_eq!(alone.lane(), "vm-mine");
        assert!(alone.unpack(&folder.join("unpacked")).unwrap().modules.is_none());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn modules_of_another_release_are_refused() {
        let (folder, kernel, modules) = files("other", "6.1.0-other");
        let own = Own::of(&kernel, &[&modules]).unwrap();
        let error = own.unpack(&folder.join("unpacked")).unwrap_err().to_string();
        assert_eq!(error, "the kernel is Linux 6.12.9-own, and the modules are for 6.1.0-other");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_content_has_another_key_in_the_same_place() {
        let (folder, kernel, _) = files("key", "x");
        let own = Own::of(&kernel, &[]).unwrap();
        let before = own.key().unwrap();
        assert_eq!(own.key().unwrap(), before);
        fs::write(&kernel, image("6.12.10-own")).unwrap();
        let after = own.key().unwrap();
        assert!(after != before && after.starts_with(&own.place()) && before.starts_with(&own.place()));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let (folder, kernel, _) = files("none", "x");
        fs::write(&kernel, "#!/bin/sh\n").unwrap();
        let error = Own::of(&kernel, &[]).unwrap_err().to_string();
        assert!(error.contains("is no bzImage"), "{error}");
        assert!(Own::of("../x=/dev/null", &[]).is_err());
        assert!(Own::of("/nowhere/bzImage", &[]).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
