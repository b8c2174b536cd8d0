//! Whether this machine's processor can run guests, found out by running one.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
    time::Duration,
};

use nl_testkit::Result;

use super::{
    image::{self, Image},
    job::Job,
    qemu::{Accel, Limits, Machine},
};

/// A device that opens is no proof: a guest has to run, which is tried once per boot of this machine.
pub(crate) fn find(image: &Image) -> Result<Accel> {
    if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accel::Emulation);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let note = image::cache()?.join("kvm.txt");
    let known = fs::read_to_string(&note).unwrap_or_default();
    match known.trim().split_once(' ') {
        Some((when, "yes")) if when == boot.trim() => return Ok(Accel::Kvm),
        Some((when, "no")) if when == boot.trim() => return Ok(Accel::Emulation),
        _ => {}
    }
    let folder = tempfile("kvm")?;
    let machine = Machine { image: image.clone(), accel: Accel::Kvm, processors: 2, folder, limits: PROBE };
    let ended = machine.boot(&Job::default(), &mut |_| {}).is_ok_and(|ending| ending.complaint.is_none());
    let _ = fs::remove_dir_all(&machine.folder);
    // A kernel of the caller's may be the reason why it did not end.
    if ended || image.debian {
        fs::write(note, format!("{} {}\n", boot.trim(), if ended { "yes" } else { "no" }))?;
    }
    Ok(if ended { Accel::Kvm } else { Accel::Emulation })
}

/// A folder of this process's own; those of processes that were killed are removed.
pub(crate) fn tempfile(what: &str) -> Result<PathBuf> {
    let name = format!("nl-testkit-{what}-");
    let temporary = std::env::temp_dir();
    for entry in fs::read_dir(&temporary).into_iter().flatten().flatten() {
        let owner = entry.file_name().to_str().and_then(|text| text.strip_prefix(&name)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !PathBuf::from(format!("/proc/{owner}")).exists()) {
            // It may be another user's.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = temporary.join(format!("{name}{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

const PROBE: Limits =
    Limits { hello: Duration::from_secs(6), silence: Duration::from_secs(6), whole: Duration::from_secs(8) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_process_that_was_killed_is_removed() {
        let mut process = std::process::Command::new("true").spawn().unwrap();
        let gone = std::env::temp_dir().join(format!("nl-testkit-sweep-{}", process.id()));
        fs::create_dir_all(&gone).unwrap();
        // A process that waits to be reaped has a folder in /proc still.
        process.wait().unwrap();
        let own = tempfile("sweep").unwrap();
        assert!(own.is_dir() && !gone.exists(), "{gone:?}");
        assert!(tempfile("sweep").unwrap().is_dir());
        fs::remove_dir_all(own).unwrap();
    }
}
