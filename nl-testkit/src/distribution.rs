//! The distributions of netem, which come with `tc` as files.

use std::{env, fs, path::PathBuf};

use crate::Result;

/// The file of a distribution that `tc` reads for `netem delay TIME JITTER distribution NAME`, such as `normal`.
///
/// As `tc` does, looks only in the folder of `$TC_LIB_DIR` if that is set. Otherwise looks where distributions of Linux put it, which
/// is `/usr/lib/tc`, or `/usr/lib/x86_64-linux-gnu/tc` in newer ones of Debian.
///
/// A test that reads it declares [`needs(netem_distribution = "normal")`](crate::Need::NetemDistribution).
///
/// # Errors
///
/// When it is in none of the folders, which the text names.
pub fn netem_distribution(name: &str) -> Result<PathBuf> {
    let folders = folders();
    let files = folders.iter().map(|folder| folder.join(format!("{name}.dist")));
    let shown = || folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut found = files.filter(|file| file.is_file());
    found.next().ok_or_else(|| format!("no {name}.dist of tc in {}", shown()).into())
}

fn folders() -> Vec<PathBuf> {
    if let Some(folder) = env::var_os("TC_LIB_DIR").filter(|folder| !folder.is_empty()) {
        return vec![folder.into()];
    }
    let mut folders: Vec<PathBuf> = USUAL.iter().map(PathBuf::from).collect();
    let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let of_machines = entries.filter(|entry| entry.file_name().to_string_lossy().contains("-linux-gnu"));
    let mut of_machines: Vec<PathBuf> = of_machines.map(|entry| entry.path().join("tc")).collect();
    of_machines.sort();
    folders.extend(of_machines);
    folders
}

const USUAL: &[&str] = &["/usr/lib/tc", "/usr/lib64/tc", "/usr/share/tc", "/lib/tc"];
