//! What a virtual machine boots: a kernel, its modules, the newest tools and the suite's own iproute2, made once per version and kept.

use std::{
    collections::BTreeSet,
    env, fs,
    io::BufWriter,
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

use nl_testkit::Result;
use serde_json::{Value, json};

use super::{apt::Apt, modules, netdevsim::Source, series::Series, userland};
use crate::cargo::text;

/// A kernel and the file system it starts with.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) kernel: PathBuf,
    /// The first part of the initial file system; what a run adds comes behind it.
    pub(crate) base: PathBuf,
    /// A note about the libraries in it.
    pub(crate) libraries: PathBuf,
    /// For people: the versions of the kernel and of iproute2.
    pub(crate) about: String,
}

/// The packages an image is made of.
struct Plan {
    release: String,
    kernel: Vec<String>,
    netdevsim: Option<Source>,
    about: String,
    name: String,
}

impl Image {
    /// The newest kernel of the series; asks Debian once a day, and uses what is there when that cannot be reached.
    pub(crate) fn get(series: Series) -> Result<Self> {
        let cache = cache()?;
        let note = note(&cache, series);
        let known = Self::read(&cache, &note);
        if let Some((image, checked)) = &known
            && env::var_os("NL_TESTKIT_REFRESH").is_none()
            && checked.is_some_and(|time| time.elapsed().is_ok_and(|age| age < DAY))
        {
            return Ok(image.clone());
        }
        match (Self::resolve(&cache, series), known) {
            (Ok(image), _) => Ok(image),
            (Err(error), Some((image, _))) => {
                eprintln!("{}: Debian cannot be asked, using {}: {error}", series.lane, image.about);
                Ok(image)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn read(cache: &Path, note: &Path) -> Option<(Self, Option<SystemTime>)> {
        let value: Value = serde_json::from_str(&fs::read_to_string(note).ok()?).ok()?;
        let name = text(&value, "/image");
        if !name.contains(FORMAT) {
            return None;
        }
        let image = Self::at(&cache.join("images").join(name), text(&value, "/about"));
        let checked = fs::metadata(note).and_then(|data| data.modified()).ok();
        (image.kernel.is_file() && image.base.is_file()).then_some((image, checked))
    }

    fn at(folder: &Path, about: String) -> Self {
        Self {
            kernel: folder.join("vmlinuz"),
            base: folder.join("base.cpio"),
            libraries: folder.join(LIBRARIES),
            about,
        }
    }

    fn resolve(cache: &Path, series: Series) -> Result<Self> {
        eprintln!("{}: looking for the newest kernel in {}", series.lane, series.suite);
        let apt = Apt::update(cache, series.suite)?;
        let newest = Apt::update(cache, NEWEST)?;
        let plan = Plan::of(&apt, &newest, series)?;
        let images = cache.join("images");
        let folder = images.join(&plan.name);
        if !folder.is_dir() {
            eprintln!("{}: fetching {}", series.lane, plan.about);
            let new = images.join(format!("new-{}-{}", series.lane, process::id()));
            let built = plan.build(&apt, &newest, &new).and_then(|()| Ok(fs::rename(&new, &folder)?));
            if let Err(error) = built {
                let _ = fs::remove_dir_all(&new);
                // Another run may have been faster.
                if !folder.is_dir() {
                    return Err(error);
                }
            }
        }
        let value = json!({ "image": plan.name, "about": plan.about });
        fs::write(note(cache, series), format!("{value}\n"))?;
        forget_others(&images, series.lane, &plan.name);
        Ok(Self::at(&folder, plan.about))
    }
}

impl Plan {
    fn of(apt: &Apt, newest: &Apt, series: Series) -> Result<Self> {
        let dotted = series.number.replace('.', r"\.");
        let names = apt.names(&format!(r"^linux-(image|binary)-{dotted}\..*-cloud-amd64$"))?;
        let releases = names.iter().filter_map(|name| name.strip_prefix("linux-image-"));
        let mut releases: Vec<String> =
            releases.filter(|release| !release.starts_with("unsigned")).map(str::to_owned).collect();
        releases.sort_by_key(|release| numbers(release));
        let (release, netdevsim) = if series.netdevsim {
            let (release, source) = Source::newest(apt, series.number, releases)?;
            (release, Some(source))
        } else {
            let newest = releases.pop();
            (newest.ok_or_else(|| format!("{} has no kernel {}", series.suite, series.number))?, None)
        };
        // Newer releases are split.
        let split = names.contains(&format!("linux-binary-{release}"));
        let parts: &[&str] = if split { &["binary", "modules", "base"] } else { &["image"] };
        let kernel: Vec<String> = parts.iter().map(|part| format!("linux-{part}-{release}")).collect();
        let version = apt.version(kernel.first().map_or("", String::as_str))?;
        let (iproute2, native) = (newest.version("iproute2")?, apt.version("iproute2")?);
        let about = format!("Linux {release} ({version}), iproute2 {iproute2} and {native}");
        let name = format!("{FORMAT}_{}_{release}_{version}_{iproute2}_{native}", series.lane)
            .replace(['/', ':'], "-");
        Ok(Self { release, kernel, netdevsim, about, name })
    }

    fn build(&self, apt: &Apt, newest: &Apt, into: &Path) -> Result {
        let unpacked = into.join("kernel");
        apt.unpack(&self.kernel, &unpacked)?;
        let tree = into.join("root");
        let release = &self.release;
        if let Some(source) = &self.netdevsim {
            let root = into.join("build");
            source.build(apt, &root, &modules::folder(&unpacked, release))?;
            fs::remove_dir_all(root)?;
        }
        let modules = modules::take(&unpacked, release, &tree)?;
        let places = [unpacked.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
        let kernel = places.iter().find(|path| path.is_file()).ok_or("the packages hold no kernel")?;
        fs::copy(kernel, into.join("vmlinuz"))?;
        let programs = into.join("programs");
        userland::take(newest, &programs, &tree, &into.join(LIBRARIES))?;
        let native = into.join("native");
        userland::take_native(apt, &native, &tree)?;
        let base = BufWriter::new(fs::File::create(into.join("base.cpio"))?);
        userland::pack(&tree, base)?;
        for path in [unpacked, tree, programs, native] {
            fs::remove_dir_all(path)?;
        }
        Ok(())
    }
}

/// Where images are kept: the same place for every clone of the project.
pub(crate) fn cache() -> Result<PathBuf> {
    let folder = std::path::absolute(nl_testkit::cache_dir()?)?;
    fs::create_dir_all(folder.join("images"))?;
    Ok(folder)
}

/// Which image a lane boots. Each format has a note of its own, for clones of different age may share a cache.
fn note(cache: &Path, series: Series) -> PathBuf {
    cache.join(format!("{}-{FORMAT}.json", series.lane))
}

/// Deletes images of the lane that are not used any more.
fn forget_others(images: &Path, lane: &str, current: &str) {
    let names: BTreeSet<_> = fs::read_dir(images)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&format!("{FORMAT}_{lane}_")) && name != current)
        .collect();
    for name in names {
        let _ = fs::remove_dir_all(images.join(name));
    }
}

/// The numbers in a version, for comparing.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Changes whenever images are made differently.
const FORMAT: &str = "f6";
/// The suite whose iproute2 is on the search path under every kernel.
const NEWEST: &str = "sid";
const LIBRARIES: &str = "libraries.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        let mut releases = ["6.12.9+deb13", "6.12.115+deb13.1", "6.12.115+deb13", "6.12.90+deb13.1"];
        releases.sort_by_key(|release| numbers(release));
        assert_eq!(releases, ["6.12.9+deb13", "6.12.90+deb13.1", "6.12.115+deb13", "6.12.115+deb13.1"]);
    }
}
