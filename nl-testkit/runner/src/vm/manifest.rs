//! What a workspace wants in its virtual machines beside the kit's own: `guest.txt` in the folder of its lanes.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use nl_testkit::Result;

/// Debian packages, and files of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) packages: Vec<String>,
    pub(crate) files: Vec<Extra>,
}

/// A file or a folder of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) from: PathBuf,
    /// Where it is in the guest, without a slash in front.
    pub(crate) place: String,
}

impl Manifest {
    /// Reads the file; nothing is wanted if there is none.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Self::parse(&text, folder).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// Paths that are not absolute begin at the folder.
    fn parse(text: &str, folder: &Path) -> std::result::Result<Self, String> {
        let mut manifest = Self::default();
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let wrong = |what: String| format!("line {}: {what}", at + 1);
            match words.as_slice() {
                [] => {}
                ["package", names @ ..] if !names.is_empty() => {
                    if let Some(name) = names.iter().find(|name| !is_package(name)) {
                        return Err(wrong(format!("{name:?} is no name of a package")));
                    }
                    manifest.packages.extend(names.iter().map(|name| (*name).to_owned()));
                }
                ["file", path] | ["file", path, _] => {
                    let place = words.get(2).copied().map_or_else(|| usual_place(path), str::to_owned);
                    let place = merged(&place).map_err(wrong)?;
                    let from = folder.join(path);
                    if !from.exists() {
                        return Err(wrong(format!("{} does not exist", from.display())));
                    }
                    manifest.files.push(Extra { from, place });
                }
                _ => {
                    return Err(wrong(format!(
                        "`{line}` is neither `package NAME…` nor `file PATH [PLACE]`"
                    )));
                }
            }
        }
        manifest.packages.sort();
        manifest.packages.dedup();
        Ok(manifest)
    }
}

/// A package by its name alone, by the rules of Debian: what else apt takes, as a version, is not for here.
fn is_package(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() > 1
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || b"+-.".contains(&byte))
        && !name.ends_with('-')
}

/// The same place for an absolute path; with the programs for another.
fn usual_place(path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!("/usr/bin/{name}")
}

/// A place in the guest, where `/bin` and the like are links to `/usr/bin`, without its first slash.
fn merged(place: &str) -> std::result::Result<String, String> {
    let path = Path::new(place);
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    let inner = place.trim_matches('/');
    if !path.is_absolute() || inner.is_empty() || !path.components().all(is_plain) {
        return Err(format!("{place:?} is no place in the guest: it begins with / and has no .. in it"));
    }
    let (first, _) = inner.split_once('/').unwrap_or((inner, ""));
    match first {
        "dev" | "proc" | "run" | "sys" | "testkit" | "tmp" => {
            Err(format!("/{first} of the guest is taken: put {place} elsewhere"))
        }
        "bin" | "lib" | "lib64" | "sbin" => Ok(format!("usr/{inner}")),
        _ => Ok(inner.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Manifest, String> {
        Manifest::parse(text, Path::new("/dev/.."))
    }

    #[test]
    fn packages_and_files_are_read() {
        let text = "\
# what the tests start
package nftables conntrack   # two
package conntrack

file /bin/sh
file dev/null /opt/nothing
file proc/version
";
        let manifest = parse(text).unwrap();
        assert_eq!(manifest.packages, ["conntrack", "nftables"]);
        let places: Vec<&str> = manifest.files.iter().map(|file| file.place.as_str()).collect();
        assert_eq!(places, ["usr/bin/sh", "opt/nothing", "usr/bin/version"]);
        assert_eq!(manifest.files[0].from, Path::new("/bin/sh"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            ("\npackages nft", "line 2: `packages nft` is neither"),
            ("package", "line 1: `package` is neither"),
            ("package nftables=1.0", "\"nftables=1.0\" is no name of a package"),
            ("package -oDir=/", "is no name of a package"),
            ("package nftables-", "is no name of a package"),
            ("file /nowhere/at/all", "/nowhere/at/all does not exist"),
            ("file /bin/sh opt/sh", "is no place in the guest"),
            ("file /bin/sh /opt/../etc/sh", "is no place in the guest"),
            ("file /dev/null", "/dev of the guest is taken"),
            ("file /bin/sh /tmp/sh", "/tmp of the guest is taken"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_workspace_without_the_file_wants_nothing() {
        assert_eq!(Manifest::read(Path::new("/nowhere/guest.txt")).unwrap(), Manifest::default());
    }
}
