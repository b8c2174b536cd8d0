//! Whether this machine's processor can run guests, found out by running one.

use std::{
    fs::{self, OpenOptions},
    time::Duration,
};

use nl_testkit::Result;

use super::{
    image::{self, Image},
    job::Job,
    qemu::{Limits, Machine},
};

/// How a guest's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    Emulation,
    Kvm,
}

impl Accel {
    /// A device that opens is no proof: a guest has to run, which is tried once per boot of this machine.
    pub(crate) fn find(image: &Image) -> Result<Self> {
        if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Self::Emulation);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let note = image::cache()?.join("kvm.txt");
        let known = fs::read_to_string(&note).unwrap_or_default();
        match known.trim().split_once(' ') {
            Some((when, "yes")) if when == boot.trim() => return Ok(Self::Kvm),
            Some((when, "no")) if when == boot.trim() => return Ok(Self::Emulation),
            _ => {}
        }
        let folder = tempfile("kvm")?;
        let machine = Machine { image: image.clone(), accel: Self::Kvm, folder, limits: PROBE };
        let ended = machine.boot(&Job::default(), &mut |_| {}).is_ok_and(|ending| ending.complaint.is_none());
        let _ = fs::remove_dir_all(&machine.folder);
        fs::write(note, format!("{} {}\n", boot.trim(), if ended { "yes" } else { "no" }))?;
        Ok(if ended { Self::Kvm } else { Self::Emulation })
    }
}

/// A folder of this process's own.
pub(crate) fn tempfile(what: &str) -> Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("nl-testkit-{what}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

const PROBE: Limits =
    Limits { hello: Duration::from_secs(6), silence: Duration::from_secs(6), whole: Duration::from_secs(8) };
