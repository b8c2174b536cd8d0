//! Where the kernel's cases come from: a Debian source package, cached.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nl_testkit::{Error, Result};

use crate::case::Case;

/// Where the cases are kept: the folder `tdc` of the [cache](nl_testkit::cache_dir).
///
/// # Errors
///
/// When the environment names no folder for the cache.
pub fn cache_dir() -> Result<PathBuf> {
    Ok(nl_testkit::cache_dir()?.join("tdc"))
}

/// The folder of the newest kernel's cases in the cache, named after the package and its version; `None` if there is none.
///
/// # Errors
///
/// When the environment names no folder for the cache.
pub fn newest() -> Result<Option<PathBuf>> {
    let folder = cache_dir()?;
    Ok(versions(&folder).pop().map(|newest| folder.join(newest)))
}

/// The cases of one file, such as `qdiscs/htb.json`, of the [newest] kernel in the cache; `None` if it is not there.
///
/// # Errors
///
/// When the file cannot be read or understood.
pub fn cached(file: &str) -> Result<Option<Vec<Case>>> {
    let Some(folder) = newest()? else { return Ok(None) };
    let path = folder.join(file);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    Case::parse(&text).map(Some).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Downloads the newest `linux-source` package that apt knows, and [keeps](keep) its cases.
///
/// Needs a network and the programs `apt-get` and `apt-cache` beside those of [`keep`]; about 150 MB come and go. Nothing is
/// installed. apt checks signatures as always; for other packages than the system's, set `APT_CONFIG` to a configuration
/// with lists of its own.
///
/// # Errors
///
/// When there is no such package, or one of the programs fails.
pub fn fetch() -> Result<PathBuf> {
    let found = output(Command::new("apt-cache").args(["search", "--names-only", "^linux-source-[0-9.]+$"]))?;
    let mut packages: Vec<&str> = found.lines().filter_map(|line| line.split_whitespace().next()).collect();
    packages.sort_by_key(|name| numbers(name));
    let package = packages.pop().ok_or("apt knows no linux-source package")?;
    let work = cache_dir()?.join(format!(".fetch-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let kept = output(Command::new("apt-get").args(["download", package]).current_dir(&work))
        .and_then(|_| {
            let entries = fs::read_dir(&work)?.flatten().map(|entry| entry.path());
            let mut archives = entries.filter(|path| path.extension().is_some_and(|end| end == "deb"));
            archives.next().ok_or_else(|| "apt-get download left no package".into())
        })
        .and_then(|archive| keep(&archive));
    fs::remove_dir_all(&work)?;
    kept
}

/// Takes the cases out of a `linux-source` package into the cache, and returns their folder. The package is not touched.
///
/// Needs the programs `dpkg-deb`, `tar` and `xz`.
///
/// # Errors
///
/// When it is no such package, or one of the programs fails.
pub fn keep(archive: &Path) -> Result<PathBuf> {
    let field = |name: &str| {
        let text = output(Command::new("dpkg-deb").arg("--field").arg(archive).arg(name))?;
        Ok::<_, Error>(text.trim().to_owned())
    };
    let (package, version) = (field("Package")?, field("Version")?);
    let folder = cache_dir()?;
    let target = folder.join(format!("{package}_{}", version.replace(':', "-")));
    if target.exists() {
        return Ok(target);
    }
    let work = folder.join(format!(".{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let kept = unpack(archive, &package, &work).and_then(|()| Ok(fs::rename(&work, &target)?));
    if kept.is_err() {
        fs::remove_dir_all(&work)?;
    }
    // Another process may have been faster.
    if target.exists() { Ok(target) } else { kept.map(|()| target) }
}

/// Takes the cases out of a package into a folder.
fn unpack(archive: &Path, package: &str, cases: &Path) -> Result {
    // Package, the tar in it, the compressed tar in that, and of its folders what is below tc-tests.
    let mut package_data =
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(archive).stdout(Stdio::piped()).spawn()?;
    let source = format!("./usr/src/{package}.tar.xz");
    let mut source_data = Command::new("tar")
        .args(["-xO", "--occurrence", &source])
        .stdin(stdout(package_data.stdout.take())?)
        .stdout(Stdio::piped())
        .spawn()?;
    let strip = format!("{TC_TESTS}/*");
    let taken = Command::new("tar")
        .args(["-xJ", "--wildcards", "--strip-components=6"])
        .arg(format!("--directory={}", cases.display()))
        .arg(format!("*/{strip}"))
        .stdin(stdout(source_data.stdout.take())?)
        .status()?;
    // The first two may learn that nobody reads any more; what counts is that the last found what it wants.
    let (_, _) = (source_data.wait()?, package_data.wait()?);
    if !taken.success() || !cases.join("qdiscs").is_dir() {
        return Err(format!("{package} has no cases in {TC_TESTS}").into());
    }
    Ok(())
}

/// The folders in the cache, oldest kernel first.
fn versions(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions: Vec<String> = names.filter(|name| name.starts_with("linux-source-")).collect();
    versions.sort_by_key(|name| numbers(name));
    versions
}

/// The numbers in a text, to sort by.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn stdout(pipe: Option<std::process::ChildStdout>) -> Result<Stdio> {
    pipe.map(Stdio::from).ok_or_else(|| Error::from("no pipe"))
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("run {name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

const TC_TESTS: &str = "tools/testing/selftests/tc-testing/tc-tests";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_the_last() {
        let mut names =
            ["linux-source-6.12_6.12.9-1", "linux-source-6.1_6.1.192-2", "linux-source-6.12_6.12.117-1"];
        names.sort_by_key(|name| numbers(name));
        assert_eq!(
            names,
            ["linux-source-6.1_6.1.192-2", "linux-source-6.12_6.12.9-1", "linux-source-6.12_6.12.117-1"]
        );
    }

    #[test]
    fn a_folder_without_cases_has_no_versions() {
        assert_eq!(versions(Path::new("/nowhere")), Vec::<String>::new());
    }
}
