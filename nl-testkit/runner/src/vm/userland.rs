//! The programs inside the virtual machine: Debian's newest iproute2, a shell and small tools with their libraries, and
//! beside them the iproute2 of the kernel's own suite.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use nl_testkit::Result;

use super::{
    apt::Apt,
    cpio::Archive,
    elf,
    libraries::{C_LIBRARY, Suite, listed},
};
use crate::tools::{command, run};

/// Fetches the programs and puts them, with the libraries they load, into the tree of a file system;
/// `note` becomes a file about the libraries.
pub(crate) fn take(apt: &Apt, unpacked: &Path, tree: &Path, note: &Path) -> Result {
    unpack(apt, PACKAGES, unpacked)?;
    let bin = tree.join("usr/bin");
    let libraries = tree.join("usr").join(LIBRARIES);
    for folder in [&bin, &libraries, &tree.join("usr/sbin"), &tree.join("usr/lib64")] {
        fs::create_dir_all(folder)?;
    }
    let loader = loader(unpacked)?;
    fs::copy(&loader, tree.join("usr/lib64").join(LOADER))?;
    let mut needed = BTreeMap::new();
    for program in PROGRAMS.iter().chain(IPROUTE2) {
        let from = find(unpacked, program)?;
        fs::copy(&from, bin.join(program))?;
        if elf::interpreter(&from)?.is_some() {
            needed.extend(loaded(&loader, unpacked, &from)?);
        }
    }
    for name in C_LIBRARY {
        if let Ok(path) = locate(unpacked, &format!("{LIBRARIES}/{name}")) {
            needed.insert((*name).to_owned(), path);
        }
    }
    for (name, from) in &needed {
        fs::copy(from, libraries.join(name))?;
    }
    Suite::of(&loader, needed.into_keys())?.write(note)?;
    // Distributions for netem.
    let tables = unpacked.join("usr/lib/tc");
    if tables.is_dir() {
        fs::create_dir_all(tree.join("usr/lib/tc"))?;
        for entry in fs::read_dir(tables)? {
            let path = entry?.path();
            if let (Some("dist"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_name())
            {
                fs::copy(&path, tree.join("usr/lib/tc").join(name))?;
            }
        }
    }
    symlink("dash", bin.join("sh"))?;
    for applet in APPLETS {
        let path = bin.join(applet);
        if !path.exists() {
            symlink("busybox", path)?;
        }
    }
    // The kernel asks for this path.
    Ok(symlink("../bin/busybox", tree.join("usr/sbin/modprobe"))?)
}

/// Fetches the iproute2 of another suite and puts it where tests look for it that name it: not on the search path, with a loader and
/// libraries of its own.
pub(crate) fn take_native(apt: &Apt, unpacked: &Path, tree: &Path) -> Result {
    unpack(apt, &["iproute2"], unpacked)?;
    let native = tree.join(NATIVE);
    for folder in ["bin", "lib", "programs"] {
        fs::create_dir_all(native.join(folder))?;
    }
    let loader = loader(unpacked)?;
    fs::copy(&loader, native.join("lib").join(LOADER))?;
    let mut needed = BTreeMap::new();
    for program in IPROUTE2 {
        let from = find(unpacked, program)?;
        fs::copy(&from, native.join("programs").join(program))?;
        needed.extend(loaded(&loader, unpacked, &from)?);
        let script = format!(
            "#!/bin/sh\nexec /{NATIVE}/lib/{LOADER} --library-path /{NATIVE}/lib /{NATIVE}/programs/{program} \"$@\"\n"
        );
        let path = native.join("bin").join(program);
        fs::write(&path, script)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    for (name, from) in needed {
        fs::copy(from, native.join("lib").join(name))?;
    }
    Ok(())
}

/// Downloads packages and what they depend on, but for what only installing needs.
fn unpack(apt: &Apt, packages: &[&str], into: &Path) -> Result {
    let packages = apt.with_dependencies(packages)?;
    let packages: Vec<_> = packages.into_iter().filter(|name| !UNUSED.contains(&name.as_str())).collect();
    apt.unpack(&packages, into)
}

/// The loader among unpacked packages.
pub(super) fn loader(unpacked: &Path) -> Result<PathBuf> {
    locate(unpacked, &format!("{LIBRARIES}/{LOADER}"))
}

/// Where a loader looks for libraries among unpacked packages.
pub(super) fn library_folders(unpacked: &Path) -> [PathBuf; 2] {
    ["usr", ""].map(|folder| unpacked.join(folder).join(LIBRARIES))
}

fn find(unpacked: &Path, program: &str) -> Result<PathBuf> {
    let mut places = FOLDERS.iter().map(|folder| unpacked.join(folder).join(program));
    places.find(|path| path.is_file()).ok_or_else(|| format!("the packages hold no program {program}").into())
}

/// Writes the tree and the folders every system has.
pub(crate) fn pack(tree: &Path, to: impl Write) -> Result {
    let mut archive = Archive::new(to);
    for folder in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
        archive.folder(folder)?;
    }
    for name in ["bin", "lib", "lib64", "sbin"] {
        archive.link(name, &format!("usr/{name}"))?;
    }
    // Before /dev is mounted the first program needs these.
    archive.device("dev/console", 0o600, 5, 1)?;
    archive.device("dev/null", 0o666, 1, 3)?;
    archive.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    )?;
    archive.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n")?;
    archive.tree("usr", &tree.join("usr"))?;
    archive.finish()?;
    Ok(())
}

/// The libraries a program loads, by asking the loader that came with them.
fn loaded(loader: &Path, unpacked: &Path, program: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let path = format!("{0}/usr/{LIBRARIES}:{0}/{LIBRARIES}", unpacked.display());
    let text =
        run(command(loader).args(["--inhibit-cache", "--library-path", &path, "--list"]).arg(program))?;
    Ok(listed(&text))
}

fn locate(unpacked: &Path, path: &str) -> Result<PathBuf> {
    let places = [unpacked.join("usr").join(path), unpacked.join(path)];
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("the packages hold no {path}").into())
}

const PACKAGES: &[&str] = &["busybox-static", "dash", "iproute2", "iputils-ping"];
/// Dependencies that only installing needs.
const UNUSED: &[&str] = &["debconf", "debianutils", "dpkg", "libc-gconv-modules-extra", "perl-base", "tar"];
const PROGRAMS: &[&str] = &["busybox", "dash", "ping"];
const IPROUTE2: &[&str] = &["bridge", "devlink", "genl", "ip", "nstat", "ss", "tc"];
/// `nl_testkit::native_iproute2` names it too.
const NATIVE: &str = "usr/native";
const FOLDERS: &[&str] = &["usr/bin", "usr/sbin", "bin", "sbin"];
const LIBRARIES: &str = "lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";
/// What busybox stands in for. It has an `ip` of its own, which nobody wants here.
const APPLETS: &[&str] = &[
    "awk",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "dmesg",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "hexdump",
    "id",
    "kill",
    "ln",
    "ls",
    "lsmod",
    "mkdir",
    "mktemp",
    "modprobe",
    "mount",
    "mv",
    "nc",
    "nproc",
    "poweroff",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setpriv",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "sysctl",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "xargs",
];
