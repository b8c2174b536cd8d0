//! netdevsim, which no kernel of Debian has: built from Debian's own source of one of them, with the compiler that kernel
//! was built with. All of it is unpacked into a root of its own, so that this machine may be any Debian, or none.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use nl_testkit::{Need, Result};

use super::apt::Apt;
use crate::tools::{command, run};

/// What a kernel's module is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The release that modules are built for.
    release: String,
    package: String,
    version: String,
}

impl Source {
    /// The newest of the releases that has headers and a source of the same version.
    pub(crate) fn newest(apt: &Apt, number: &str, mut releases: Vec<String>) -> Result<(String, Self)> {
        let package = format!("linux-source-{number}");
        let sources = apt.versions(&package)?;
        let dotted = number.replace('.', r"\.");
        let headers = apt.names(&format!(r"^linux-headers-{dotted}\..*-amd64$"))?;
        while let Some(release) = releases.pop() {
            let name = format!("linux-headers-{release}");
            if !headers.contains(&name) {
                continue;
            }
            let version = apt.version(&name)?;
            if sources.contains(&version) {
                return Ok((release.clone(), Self { release, package, version }));
            }
        }
        Err(format!("no kernel {number} has headers, and a source in {package}, of one version").into())
    }

    /// Builds the module in a folder and puts it among the kernel's own modules.
    pub(crate) fn build(&self, apt: &Apt, root: &Path, modules: &Path) -> Result {
        let headers = format!("linux-headers-{}", self.release);
        let kernel = format!("linux-image-{}", self.release);
        let mut wanted: Vec<&str> = TOOLS.to_vec();
        wanted.push(&headers);
        let mut packages = apt.with_dependencies(&wanted)?;
        packages.retain(|name| *name != kernel && !UNUSED.contains(&name.as_str()));
        apt.unpack(&packages, root)?;
        for (program, link) in [("mawk", "usr/bin/awk"), ("dash", "bin/sh")] {
            if !root.join(link).exists() {
                symlink(program, root.join(link))?;
            }
        }
        let module = root.join("module");
        for folder in ["dev", "module", "tmp"] {
            fs::create_dir_all(root.join(folder))?;
        }
        self.take_source(apt, &root.join("source"), &module)?;
        // Compilers read and write it.
        fs::write(root.join("dev/null"), "")?;
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let script = format!(
            "mount --bind /dev/null dev/null && exec chroot . /bin/sh -ec \
             'make -s -j{jobs} -C /usr/src/{headers} M=/module CONFIG_NETDEVSIM=m modules && \
             strip --strip-debug /module/netdevsim.ko'"
        );
        let mut build = command("unshare");
        if Need::HostRoot.probe().is_err() {
            build.arg("--map-root-user");
        }
        build.args(["--mount", "sh", "-c", &script]).current_dir(root);
        build.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TMPDIR", "/tmp");
        // What cargo and a make outside say is not meant for this one.
        for name in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARCH", "CROSS_COMPILE", "KBUILD_OUTPUT"] {
            build.env_remove(name);
        }
        run(&mut build)?;
        let target = modules.join("kernel/drivers/net/netdevsim");
        fs::create_dir_all(&target)?;
        fs::copy(module.join("netdevsim.ko"), target.join("netdevsim.ko"))?;
        Ok(())
    }

    /// Takes the driver's folder out of the source package, an archive in an archive.
    fn take_source(&self, apt: &Apt, work: &Path, into: &Path) -> Result {
        let Self { package, version, .. } = self;
        apt.unpack(&[format!("{package}={version}")], work)?;
        let archive = work.join(format!("usr/src/{package}.tar.xz"));
        let mut unpack = Command::new("xz");
        let mut unpacking = unpack.arg("-dcq").arg(&archive).stdout(Stdio::piped()).spawn()?;
        let tar = unpacking.stdout.take().ok_or("xz has no output")?;
        let mut take = command("tar");
        take.args(["-x", "--strip-components=4", "-C"])
            .arg(into)
            .arg(format!("{package}/drivers/net/netdevsim"));
        let taken = run(take.stdin(tar));
        unpacking.wait()?;
        taken?;
        Ok(fs::remove_dir_all(work)?)
    }
}

/// Beside the compiler, which the headers bring along.
const TOOLS: &[&str] = &["bash", "coreutils", "dash", "findutils", "grep", "gzip", "make", "mawk", "sed"];
/// Dependencies that only installing needs.
const UNUSED: &[&str] = &[
    "adduser",
    "cpio",
    "debconf",
    "dpkg",
    "initramfs-tools",
    "initramfs-tools-core",
    "klibc-utils",
    "kmod",
    "libklibc",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam0g",
    "libsemanage-common",
    "libsemanage2",
    "libsepol2",
    "linux-base",
    "logsave",
    "passwd",
    "tar",
    "udev",
];
