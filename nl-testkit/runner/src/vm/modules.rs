//! The kernel modules that tests of networking need, with the ones those need.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use nl_testkit::Result;

use crate::tools::{command, run};

/// Copies modules out of unpacked packages into the tree of a file system, and returns where the packages had them.
pub(crate) fn take(unpacked: &Path, release: &str, tree: &Path) -> Result<PathBuf> {
    let from = folder(unpacked, release);
    let root = from.ancestors().nth(3).ok_or("the packages hold no modules")?;
    // A folder of the caller's has it, and is not written to.
    if !from.join("modules.dep").is_file() {
        depmod(root, release)?;
    }
    let to = tree.join("usr/lib/modules").join(release);
    fs::create_dir_all(&to)?;
    for path in wanted(&fs::read_to_string(from.join("modules.dep"))?) {
        copy(&from, &path, &to)?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        // A kernel of the caller's may have been packed without them.
        if from.join(name).is_file() {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    depmod(&tree.join("usr"), release)?;
    // The other modprobe reads the text.
    for entry in fs::read_dir(&to)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            fs::remove_file(path)?;
        }
    }
    Ok(from)
}

/// Where unpacked packages have a kernel's modules.
pub(crate) fn folder(unpacked: &Path, release: &str) -> PathBuf {
    let merged = unpacked.join("usr/lib/modules").join(release);
    if merged.is_dir() { merged } else { unpacked.join("lib/modules").join(release) }
}

fn depmod(root: &Path, release: &str) -> Result {
    run(command("depmod").arg("-b").arg(root).arg(release)).map(drop)
}

/// Modules of the chosen folders, and what they depend on, from lines like `a.ko: b.ko c.ko`.
fn wanted(modules_dep: &str) -> BTreeSet<String> {
    let lines = modules_dep.lines().filter_map(|line| line.split_once(':'));
    let needs: BTreeMap<&str, &str> = lines.collect();
    let is_chosen = |path: &str| {
        FOLDERS.iter().any(|folder| path.starts_with(folder))
            && !WITHOUT.iter().any(|folder| path.starts_with(folder))
    };
    let mut wanted = BTreeSet::new();
    for (path, others) in needs.iter().filter(|(path, _)| is_chosen(path)) {
        wanted.insert((*path).to_owned());
        wanted.extend(others.split_whitespace().map(str::to_owned));
    }
    wanted
}

/// Copies one module, uncompressed.
fn copy(from: &Path, path: &str, to: &Path) -> Result {
    let source = from.join(path);
    let (plain, program) = match path.rsplit_once(".ko") {
        Some((stem, ".gz")) => (format!("{stem}.ko"), Some("gzip")),
        Some((stem, ".xz")) => (format!("{stem}.ko"), Some("xz")),
        Some((stem, ".zst")) => (format!("{stem}.ko"), Some("zstd")),
        _ => (path.to_owned(), None),
    };
    let target = to.join(plain);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let Some(program) = program else {
        fs::copy(source, target)?;
        return Ok(());
    };
    let mut command = command(program);
    let output = command.arg("-dcq").arg(&source).stdout(Stdio::piped()).output()?;
    if !output.status.success() {
        return Err(format!("{program} cannot unpack {}", source.display()).into());
    }
    Ok(fs::File::create(target)?.write_all(&output.stdout)?)
}

const FOLDERS: &[&str] = &[
    // Modules of others than the kernel's own source.
    "extra/",
    "kernel/arch/x86/crypto/",
    "kernel/crypto/",
    "kernel/drivers/net/",
    "kernel/lib/",
    "kernel/net/",
    "updates/",
];
/// Hardware, and networks that nothing here speaks.
const WITHOUT: &[&str] = &[
    "kernel/drivers/net/ethernet/",
    "kernel/drivers/net/fjes/",
    "kernel/drivers/net/hyperv/",
    "kernel/drivers/net/mdio/",
    "kernel/drivers/net/mhi",
    "kernel/drivers/net/phy/",
    "kernel/drivers/net/usb/",
    "kernel/drivers/net/vmxnet3/",
    "kernel/drivers/net/wireless/",
    "kernel/drivers/net/wwan/",
    "kernel/drivers/net/xen",
    "kernel/net/9p/",
    "kernel/net/bluetooth/",
    "kernel/net/ceph/",
    "kernel/net/mac80211/",
    "kernel/net/nfc/",
    "kernel/net/rds/",
    "kernel/net/rxrpc/",
    "kernel/net/sunrpc/",
    "kernel/net/vmw_vsock/",
    "kernel/net/wireless/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_depends_on_comes_along() {
        let text = "\
kernel/drivers/net/veth.ko.xz:
kernel/net/bridge/bridge.ko.xz: kernel/net/802/stp.ko.xz kernel/misc/odd.ko.xz
kernel/drivers/net/ethernet/card.ko.xz: kernel/drivers/ptp/ptp.ko.xz
kernel/fs/some.ko.xz: kernel/lib/crc.ko.xz
updates/mine.ko:
";
        let expected = [
            "kernel/drivers/net/veth.ko.xz",
            "kernel/misc/odd.ko.xz",
            "kernel/net/802/stp.ko.xz",
            "kernel/net/bridge/bridge.ko.xz",
            "updates/mine.ko",
        ];
        assert_eq!(wanted(text).into_iter().collect::<Vec<_>>(), expected);
    }
}
