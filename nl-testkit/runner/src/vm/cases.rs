//! The kernel's own tests of traffic control, for the tests that run them: out of Debian's newest kernel source, once.

use std::{env, fs, io::Write, path::PathBuf};

use nl_testkit::Result;
use nl_testkit_tdc as tdc;

use super::{apt::Apt, cpio::Archive, image::cache};

/// Fetches the cases if they are not there; what needs them says so if that fails.
pub(crate) fn ensure() {
    // Old packages lack this one.
    let is_there = matches!(tdc::cached("infra/qdiscs.json"), Ok(Some(_)));
    if is_there && env::var_os("NL_TESTKIT_REFRESH").is_none() {
        return;
    }
    match fetch() {
        Ok(folder) => eprintln!("tdc: cases in {}", folder.display()),
        Err(error) => eprintln!("tdc: the kernel's tests of traffic control cannot be fetched: {error}"),
    }
}

/// All lanes run the cases of one kernel, the newest: those of older ones know less, and are not fewer on old kernels.
fn fetch() -> Result<PathBuf> {
    let cache = cache()?;
    let apt = Apt::update(&cache, SUITE)?;
    let packages = apt.names(r"^linux-source-[0-9.]+$")?;
    let package =
        packages.iter().max_by_key(|name| numbers(name)).ok_or("there is no linux-source package")?;
    eprintln!("tdc: fetching the kernel's tests of traffic control, out of {package}");
    let work = cache.join(format!("source-{}", std::process::id()));
    let kept = apt.download(&[package], &work).and_then(|archives| {
        let archive = archives.first().ok_or("apt-get download left no package")?;
        tdc::keep(archive)
    });
    fs::remove_dir_all(&work)?;
    kept
}

/// Puts the cases into a virtual machine, where its tests look for them.
pub(crate) fn pack(archive: &mut Archive<impl Write>) -> Result {
    let Some(folder) = tdc::newest()? else { return Ok(()) };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut place = HOME.to_owned();
    for part in [".cache", "nl-testkit", "tdc", &name] {
        place = format!("{place}/{part}");
        archive.folder(&place)?;
    }
    Ok(archive.tree(&place, &folder)?)
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

const SUITE: &str = "sid";
/// Of the user the tests run as.
const HOME: &str = "root";
