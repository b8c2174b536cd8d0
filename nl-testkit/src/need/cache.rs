//! Remembering answers: all of them for the process, the good ones on disk until the next boot.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
    process,
    sync::{LazyLock, Mutex},
};

use super::{Need, probe::try_it};
use crate::{record::lock, sandbox};

/// Probes a need, or returns what is known about it.
pub(super) fn probe(need: &Need) -> Result<(), String> {
    let mut known = lock(&KNOWN);
    if let Some(result) = known.get(need) {
        return result.clone();
    }
    let on_disk = match need {
        Need::BridgeVlanFiltering
        | Need::Genl(_)
        | Need::Link(_)
        | Need::Qdisc(_)
        | Need::SockDiag(_)
        | Need::Sysctl(_) => Disk::path(),
        Need::Cached(_)
        | Need::HostRoot
        | Need::Iproute2(_)
        | Need::Kernel(_)
        | Need::NetemDistribution(_)
        | Need::Netdevsim
        | Need::Tool(_)
        | Need::Vm => None,
    };
    let result = match on_disk {
        Some(path) => Disk(path).probe(need),
        None => try_it(need),
    };
    known.insert(need.clone(), result.clone());
    result
}

/// A file of needs once met. Unmet ones are asked again: a module may have been loaded since.
struct Disk(PathBuf);

impl Disk {
    /// In the target folder that holds this program; nowhere when there is none, as no other place is safe to share.
    fn path() -> Option<PathBuf> {
        let program = env::current_exe().ok()?;
        let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file())?;
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
        let boot = read("/proc/sys/kernel/random/boot_id")?;
        let release = read("/proc/sys/kernel/osrelease")?.replace('/', "_");
        let who = if sandbox::is_real_root() { "root" } else { "user" };
        Some(target.join("nl-testkit").join(format!("probes-{boot}-{release}-{who}.txt")))
    }

    fn probe(&self, need: &Need) -> Result<(), String> {
        let text = need.to_string();
        let mut met: BTreeSet<String> =
            fs::read_to_string(&self.0).unwrap_or_default().lines().map(str::to_owned).collect();
        if met.contains(&text) {
            return Ok(());
        }
        try_it(need)?;
        met.insert(text);
        self.write(&met);
        Ok(())
    }

    /// Replaces the file as a whole; without it the next process merely asks the kernel again.
    fn write(&self, met: &BTreeSet<String>) {
        let Some(folder) = self.0.parent() else { return };
        let new = self.0.with_extension(format!("{}.new", process::id()));
        let lines: String = met.iter().map(|line| format!("{line}\n")).collect();
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&new, lines))
            .and_then(|()| fs::rename(&new, &self.0));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
    }
}

static KNOWN: LazyLock<Mutex<BTreeMap<Need, Result<(), String>>>> =
    LazyLock::new(|| Mutex::new(BTreeMap::new()));
