//! Fetching Debian packages of another suite, with apt's checks of signatures and without touching the system's apt.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nl_testkit::Result;

use super::sources::Mirror;
use crate::tools::{command, run};

/// A private apt that knows one suite of Debian.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    keyring: PathBuf,
}

impl Apt {
    /// Fetches the lists of a suite, with its updates and security updates where it has them.
    pub(crate) fn update(cache: &Path, suite: &str) -> Result<Self> {
        match Self::lists(cache, suite, &keyring(Path::new("/"))) {
            // The keys of this machine may be older than the suite; Debian publishes the new ones signed with the old.
            Err(error) if error.to_string().contains("NO_PUBKEY") => {
                let keyring = Self::newer_keyring(cache)
                    .map_err(|why| format!("{error}\nno newer keys could be had: {why}"))?;
                Self::lists(cache, suite, &keyring)
            }
            other => other,
        }
    }

    fn lists(cache: &Path, suite: &str, keyring: &Path) -> Result<Self> {
        if !keyring.is_file() {
            return Err(format!(
                "Debian's keys are not in {}; install them with: apt-get install debian-archive-keyring",
                keyring.display()
            )
            .into());
        }
        let folder = cache.join("apt").join(suite);
        for path in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(path))?;
        }
        let mirror = Mirror::find()?;
        let mut text = stanza(&mirror.archive, suite, keyring);
        let (release, _) = suite.split_once('-').unwrap_or((suite, ""));
        if release != "sid" {
            // What is installed together must fit together: backports are built on their release.
            if release != suite {
                text += &stanza(&mirror.archive, release, keyring);
            }
            if let Some(security) = mirror.security {
                text += &stanza(&security, &format!("{release}-security"), keyring);
            }
        }
        put(&folder.join("suite.sources"), &text)?;
        // Backports as good as what they are for: the newest of both.
        let preferences = if suite == release {
            String::new()
        } else {
            format!("Package: *\nPin: release n={suite}\nPin-Priority: 500\n")
        };
        put(&folder.join("preferences"), &preferences)?;
        // Nothing is installed where these packages go.
        put(&folder.join("status"), "")?;
        let apt = Self { folder, keyring: keyring.to_owned() };
        apt.run("apt-get", &["update", "-qq", "-o", "APT::Update::Error-Mode=any"])?;
        Ok(apt)
    }

    /// The names of the packages of the suite that fit a regular expression.
    pub(crate) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &["search", "--names-only", pattern])?;
        Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// The version that a download would fetch.
    pub(crate) fn version(&self, package: &str) -> Result<String> {
        let text = self.run("apt-cache", &["show", "--no-all-versions", package])?;
        let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
        version.map(str::to_owned).ok_or_else(|| format!("the package {package} has no version").into())
    }

    /// The versions there are of a package.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let text = self.run("apt-cache", &["madison", package])?;
        // NAME | VERSION | WHERE
        let versions = text.lines().filter_map(|line| line.split('|').nth(1));
        Ok(versions.map(|version| version.trim().to_owned()).collect())
    }

    /// The packages with everything they depend on, by name.
    pub(crate) fn with_dependencies(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut words = vec!["install", "--print-uris", "-qq", "-y", "--no-install-recommends"];
        words.extend(packages);
        let text = self.run("apt-get", &words)?;
        // 'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE HASH
        let files = text.lines().filter_map(|line| line.split_whitespace().nth(1));
        Ok(files.filter_map(|file| Some(file.split_once('_')?.0.to_owned())).collect())
    }

    /// Downloads packages into a new folder, and returns their files.
    pub(crate) fn download(&self, packages: &[impl AsRef<str>], into: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(into)?;
        let mut words = vec!["download", "-qq"];
        words.extend(packages.iter().map(AsRef::as_ref));
        let mut get = self.command("apt-get", &words);
        run(get.current_dir(into))?;
        let entries: std::io::Result<Vec<_>> = fs::read_dir(into)?.collect();
        Ok(entries?.into_iter().map(|entry| entry.path()).collect())
    }

    /// Downloads packages and unpacks them over each other in a folder.
    pub(crate) fn unpack(&self, packages: &[impl AsRef<str>], into: &Path) -> Result {
        let debs = into.join("debs");
        for archive in self.download(packages, &debs)? {
            run(command("dpkg-deb").arg("-x").arg(archive).arg(into))?;
        }
        Ok(fs::remove_dir_all(&debs)?)
    }

    /// Debian's newest keys, from the newest release this machine's own keys vouch for.
    fn newer_keyring(cache: &Path) -> Result<PathBuf> {
        let mut problems = String::new();
        for suite in ["trixie", "bookworm"] {
            match Self::lists(cache, suite, &keyring(Path::new("/"))) {
                Ok(apt) => {
                    let into = cache.join("apt/keys");
                    apt.unpack(&["debian-archive-keyring"], &into)?;
                    return Ok(keyring(&into));
                }
                Err(error) => problems += &format!("{error}\n"),
            }
        }
        Err(problems.into())
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        run(&mut self.command(program, words))
    }

    fn command(&self, program: &str, words: &[&str]) -> std::process::Command {
        // Two runs of the kit may share a cache, and apt does not wait for another apt's lists.
        let mut command = command("flock");
        command.arg(self.folder.join("lock")).arg(program);
        let at = |name: &str| self.folder.join(name).display().to_string();
        for (key, value) in [
            ("Dir::Etc::sourcelist", at("suite.sources")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", at("preferences")),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::Etc::trusted", self.keyring.display().to_string()),
            ("Dir::Etc::trustedparts", "/dev/null".to_owned()),
            ("Dir::State::lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("")),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Architectures", "amd64".to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
            // As root apt downloads as a user of its own, who may not write here.
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            // Without a network there is a kernel from the last time.
            ("Acquire::http::Timeout", "20".to_owned()),
            ("Acquire::https::Timeout", "20".to_owned()),
            ("Acquire::Retries", "2".to_owned()),
        ] {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        command.args(words);
        command
    }
}

/// Writes a file unless it is there with this text: another lane may be reading it.
fn put(path: &Path, text: &str) -> Result {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}

fn stanza(address: &str, suite: &str, keyring: &Path) -> String {
    format!(
        "Types: deb\nURIs: {address}\nSuites: {suite}\nComponents: main\nTargets: Packages\nSigned-By: {}\n\n",
        keyring.display()
    )
}

/// Debian's keys below a folder; their name changed with time.
fn keyring(root: &Path) -> PathBuf {
    let folder = root.join("usr/share/keyrings");
    let older = folder.join("debian-archive-keyring.gpg");
    if older.is_file() { older } else { folder.join("debian-archive-keyring.pgp") }
}
