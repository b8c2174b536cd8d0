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

use super::{
    apt::Apt,
    kernel::Kernel,
    modules,
    netdevsim::Source,
    own::{Found, Own},
    series::Series,
    userland,
};
use crate::cargo::text;

/// A kernel and the file system it starts with.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) kernel: PathBuf,
    /// The first part of the initial file system; what a run adds comes last.
    pub(crate) base: PathBuf,
    /// What the workspace adds to it, if that is anything: the second part.
    pub(crate) more: Option<PathBuf>,
    /// A note about the libraries in both.
    pub(crate) libraries: PathBuf,
    /// For people: the versions of the kernel and of iproute2.
    pub(crate) about: String,
    /// Whether the kernel is Debian's, which is known to boot.
    pub(crate) debian: bool,
}

/// What an image is made of.
struct Plan {
    origin: Origin,
    about: String,
    name: String,
}

/// Where the kernel comes from.
enum Origin {
    Debian { apt: Apt, release: String, packages: Vec<String>, netdevsim: Option<Source> },
    Own(Own),
}

impl Image {
    /// The newest kernel of a series, or one of the caller's; asks Debian once a day, and uses what is there when that cannot be
    /// reached.
    pub(crate) fn get(kernel: &Kernel) -> Result<Self> {
        let cache = cache()?;
        let (key, debian) = match kernel {
            Kernel::Debian(series) => (series.lane.to_owned(), true),
            Kernel::Own(own) => (own.key()?, false),
        };
        let known = Self::read(&cache, &note(&cache, &key), debian);
        if let Some((image, checked)) = &known
            && env::var_os("NL_TESTKIT_REFRESH").is_none()
            && checked.is_some_and(|time| time.elapsed().is_ok_and(|age| age < DAY))
        {
            return Ok(image.clone());
        }
        match (Self::resolve(&cache, kernel, &key), known) {
            (Ok(image), _) => Ok(image),
            (Err(error), Some((image, _))) => {
                eprintln!("{}: Debian cannot be asked, using {}: {error}", kernel.lane(), image.about);
                Ok(image)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn read(cache: &Path, note: &Path, debian: bool) -> Option<(Self, Option<SystemTime>)> {
        let value: Value = serde_json::from_str(&fs::read_to_string(note).ok()?).ok()?;
        let name = text(&value, "/image");
        if !name.contains(FORMAT) {
            return None;
        }
        let image = Self::at(&cache.join("images").join(name), text(&value, "/about"), debian);
        let checked = fs::metadata(note).and_then(|data| data.modified()).ok();
        (image.kernel.is_file() && image.base.is_file()).then_some((image, checked))
    }

    fn at(folder: &Path, about: String, debian: bool) -> Self {
        Self {
            kernel: folder.join("vmlinuz"),
            base: folder.join("base.cpio"),
            more: None,
            libraries: folder.join(LIBRARIES),
            about,
            debian,
        }
    }

    fn resolve(cache: &Path, kernel: &Kernel, key: &str) -> Result<Self> {
        let lane = kernel.lane();
        if let Kernel::Debian(series) = kernel {
            eprintln!("{lane}: looking for the newest kernel in {}", series.suite);
        }
        let newest = Apt::update(cache, NEWEST)?;
        let plan = match kernel {
            Kernel::Debian(series) => Plan::of(Apt::update(cache, series.suite)?, &newest, *series)?,
            Kernel::Own(own) => Plan::own(own, key, &newest)?,
        };
        let images = cache.join("images");
        let folder = images.join(&plan.name);
        if !folder.is_dir() {
            eprintln!("{lane}: fetching {}", plan.about);
            let new = images.join(format!("new-{lane}-{}", process::id()));
            let built = plan.build(&newest, &new).and_then(|()| Ok(fs::rename(&new, &folder)?));
            if let Err(error) = built {
                let _ = fs::remove_dir_all(&new);
                // Another run may have been faster.
                if !folder.is_dir() {
                    return Err(error);
                }
            }
        }
        let value = json!({ "image": plan.name, "about": plan.about });
        fs::write(note(cache, key), format!("{value}\n"))?;
        match kernel {
            Kernel::Debian(_) => forget_others(&images, &format!("{FORMAT}_{lane}_"), &plan.name),
            Kernel::Own(own) => {
                forget_others(&images, &format!("{FORMAT}_{}", own.place()), &plan.name);
                forget_others(cache, &own.place(), &note_name(key));
            }
        }
        Ok(Self::at(&folder, plan.about, matches!(kernel, Kernel::Debian(_))))
    }
}

impl Plan {
    fn of(apt: Apt, newest: &Apt, series: Series) -> Result<Self> {
        let dotted = series.number.replace('.', r"\.");
        let names = apt.names(&format!(r"^linux-(image|binary)-{dotted}\..*-cloud-amd64$"))?;
        let releases = names.iter().filter_map(|name| name.strip_prefix("linux-image-"));
        let mut releases: Vec<String> =
            releases.filter(|release| !release.starts_with("unsigned")).map(str::to_owned).collect();
        releases.sort_by_key(|release| numbers(release));
        let (release, netdevsim) = if series.netdevsim {
            let (release, source) = Source::newest(&apt, series.number, releases)?;
            (release, Some(source))
        } else {
            let newest = releases.pop();
            (newest.ok_or_else(|| format!("{} has no kernel {}", series.suite, series.number))?, None)
        };
        // Newer releases are split.
        let split = names.contains(&format!("linux-binary-{release}"));
        let parts: &[&str] = if split { &["binary", "modules", "base"] } else { &["image"] };
        let packages: Vec<String> = parts.iter().map(|part| format!("linux-{part}-{release}")).collect();
        let version = apt.version(packages.first().map_or("", String::as_str))?;
        let (iproute2, native) = (newest.version("iproute2")?, apt.version("iproute2")?);
        let about = format!("Linux {release} ({version}), iproute2 {iproute2} and {native}");
        let name = format!("{FORMAT}_{}_{release}_{version}_{iproute2}_{native}", series.lane)
            .replace(['/', ':'], "-");
        Ok(Self { origin: Origin::Debian { apt, release, packages, netdevsim }, about, name })
    }

    fn own(own: &Own, key: &str, newest: &Apt) -> Result<Self> {
        let iproute2 = newest.version("iproute2")?;
        let about = format!("{}, iproute2 {iproute2}", own.kernel().display());
        let name = format!("{FORMAT}_{key}_{iproute2}").replace(['/', ':'], "-");
        Ok(Self { origin: Origin::Own(own.clone()), about, name })
    }

    fn build(&self, newest: &Apt, into: &Path) -> Result {
        let (unpacked, tree) = (into.join("kernel"), into.join("root"));
        let (programs, native) = (into.join("programs"), into.join("native"));
        match &self.origin {
            Origin::Debian { apt, release, packages, netdevsim } => {
                apt.unpack(packages, &unpacked)?;
                if let Some(source) = netdevsim {
                    let root = into.join("build");
                    source.build(apt, &root, &modules::folder(&unpacked, release))?;
                    fs::remove_dir_all(root)?;
                }
                let modules = modules::take(&unpacked, release, &tree)?;
                let places = [unpacked.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
                let kernel = places.iter().find(|path| path.is_file());
                fs::copy(kernel.ok_or("the packages hold no kernel")?, into.join("vmlinuz"))?;
                userland::take_native(apt, &native, &tree)?;
            }
            // No suite of Debian goes with it, so it has no iproute2 of its own.
            Origin::Own(own) => {
                let Found { kernel, release, modules } = own.unpack(&unpacked)?;
                if let Some(root) = modules {
                    modules::take(&root, &release, &tree)?;
                }
                fs::copy(kernel, into.join("vmlinuz"))?;
            }
        }
        userland::take(newest, &programs, &tree, &into.join(LIBRARIES))?;
        let base = BufWriter::new(fs::File::create(into.join("base.cpio"))?);
        userland::pack(&tree, base)?;
        for path in [unpacked, tree, programs, native].iter().filter(|path| path.exists()) {
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

/// Which image a kernel is in. Each format has a note of its own, for clones of different age may share a cache.
fn note(cache: &Path, key: &str) -> PathBuf {
    cache.join(note_name(key))
}

fn note_name(key: &str) -> String {
    format!("{key}-{FORMAT}.json")
}

/// Deletes images and notes that are not used any more: all of a prefix but one.
fn forget_others(folder: &Path, prefix: &str, current: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let names: BTreeSet<_> = names.filter(|name| name.starts_with(prefix) && name != current).collect();
    for path in names.iter().map(|name| folder.join(name)) {
        // Another run may have been faster.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

/// The numbers in a version, for comparing.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Changes whenever images are made differently.
const FORMAT: &str = "f6";
/// The suite whose iproute2 is on the search path under every kernel, and which further packages come from.
pub(super) const NEWEST: &str = "sid";
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
