//! The packages that a workspace wants in its virtual machines, with what they depend on: another part of the initial file
//! system, made once and kept.

use std::{
    collections::BTreeSet,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::BufWriter,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use nl_testkit::Result;

use super::{
    apt::Apt,
    cpio::Archive,
    image::{Image, NEWEST, cache},
    libraries::Suite,
    userland,
};

/// An image with the packages in it.
pub(crate) fn add(image: Image, packages: &[String], lane: &str) -> Result<Image> {
    if packages.is_empty() {
        return Ok(image);
    }
    let guests = cache()?.join("guests");
    let folder = guests.join(key(&image, packages)?);
    if !folder.is_dir() || env::var_os("NL_TESTKIT_REFRESH").is_some() {
        eprintln!("{lane}: fetching {}", packages.join(" "));
        let new = guests.join(format!("new-{lane}-{}", process::id()));
        if let Err(error) = build(&image, packages, &new).and_then(|()| put(&new, &folder)) {
            let _ = fs::remove_dir_all(&new);
            // Another lane may have been faster.
            if !folder.is_dir() {
                return Err(format!("packages of guest.txt: {error}").into());
            }
        }
    }
    fs::write(folder.join(USED), "")?;
    forget_unused(&guests);
    Ok(Image { libraries: folder.join(LIBRARIES), more: Some(folder.join(ARCHIVE)), ..image })
}

/// Names the packages and what they are put on: other libraries may want other packages.
fn key(image: &Image, packages: &[String]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    (FORMAT, packages, fs::read(&image.libraries)?).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

fn build(image: &Image, packages: &[String], into: &Path) -> Result {
    let apt = Apt::update(&cache()?, NEWEST)?;
    let unpacked = into.join("unpacked");
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    apt.unpack(&apt.with_dependencies(&names)?, &unpacked)?;
    for folder in WITHOUT.iter().map(|folder| unpacked.join(folder)).filter(|folder| folder.is_dir()) {
        fs::remove_dir_all(folder)?;
    }
    let mut archive = Archive::new(BufWriter::new(fs::File::create(into.join(ARCHIVE))?));
    for (from, place) in TREES {
        let from = unpacked.join(from);
        if from.is_dir() && !from.is_symlink() {
            archive.folder(place)?;
            archive.tree(place, &from)?;
        }
    }
    archive.finish()?;
    let loader = userland::loader(&unpacked).ok();
    let suite = Suite::read(&image.libraries)?.grow(loader.as_deref(), libraries(&unpacked))?;
    suite.write(&into.join(LIBRARIES))?;
    Ok(fs::remove_dir_all(unpacked)?)
}

/// Puts what was built in its place, also of an older one.
fn put(new: &Path, folder: &Path) -> Result {
    if folder.is_dir() {
        // A machine that starts now may read from it: its files are replaced one by one.
        for name in [LIBRARIES, ARCHIVE] {
            fs::rename(new.join(name), folder.join(name))?;
        }
        return Ok(fs::remove_dir_all(new)?);
    }
    Ok(fs::rename(new, folder)?)
}

/// The names of the libraries that a loader finds in its default places.
fn libraries(unpacked: &Path) -> BTreeSet<String> {
    let folders = userland::library_folders(unpacked);
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.contains(".so")).collect()
}

/// Deletes what no run has used for long.
fn forget_unused(guests: &Path) {
    let folders = fs::read_dir(guests).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_old = |folder: &PathBuf| {
        let used = fs::metadata(folder.join(USED)).and_then(|data| data.modified()).ok();
        used.is_some_and(|time| time.elapsed().is_ok_and(|age| age > LONG))
    };
    for folder in folders.filter(is_old) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Changes whenever the part is made differently.
const FORMAT: &str = "g1";
const ARCHIVE: &str = "packages.cpio";
const LIBRARIES: &str = "libraries.txt";
/// Written by each run, for its time.
const USED: &str = "used";
const LONG: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Folders of packages, and where they are in the guest; the outer ones of old packages are links there.
const TREES: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("etc", "etc"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("opt", "opt"),
    ("sbin", "usr/sbin"),
    ("srv", "srv"),
    ("usr", "usr"),
    ("var", "var"),
];
/// What nobody reads in a test.
const WITHOUT: &[&str] = &[
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];
