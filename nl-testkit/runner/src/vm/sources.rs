//! Where this machine gets its Debian packages from; the virtual machines' come from the same place.

use std::{env, fs, path::Path};

use nl_testkit::Result;

/// The addresses of Debian's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) archive: String,
    /// Security updates, which some mirrors do not carry.
    pub(crate) security: Option<String>,
}

/// One source: an address and the suites taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    address: String,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Mirror {
    /// Reads apt's own configuration; `NL_TESTKIT_DEBIAN_MIRROR` is for machines that run no Debian.
    pub(crate) fn find() -> Result<Self> {
        let given = |name: &str| env::var(name).ok().filter(|address| !address.is_empty());
        if let Some(archive) = given("NL_TESTKIT_DEBIAN_MIRROR") {
            return Ok(Self { archive, security: given("NL_TESTKIT_DEBIAN_SECURITY_MIRROR") });
        }
        let mut sources = Vec::new();
        let mut paths = vec![Path::new(APT).join("sources.list")];
        let mut more: Vec<_> = fs::read_dir(Path::new(APT).join("sources.list.d"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        more.sort();
        paths.extend(more);
        for path in paths {
            let text = fs::read_to_string(&path).unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("list") => sources.extend(text.lines().filter_map(one_line)),
                Some("sources") => sources.extend(stanzas(&text)),
                _ => {}
            }
        }
        Self::among(&sources).ok_or_else(|| {
            "apt's sources on this machine name no archive of Debian: set NL_TESTKIT_DEBIAN_MIRROR to one's address"
                .into()
        })
    }

    fn among(sources: &[Source]) -> Option<Self> {
        let is_debian = |source: &&Source| {
            source.components.iter().any(|component| component == "main")
                && source.suites.iter().any(|suite| CODENAMES.contains(&suite.as_str()))
        };
        // Others use Debian's names of suites too, but what is not signed by Debian is refused later anyway.
        let is_named_so = |source: &&Source| source.address.trim_end_matches('/').ends_with("debian");
        let archives: Vec<&Source> = sources.iter().filter(is_debian).collect();
        let archive = archives.iter().copied().find(is_named_so).or_else(|| archives.first().copied())?;
        let is_security = |source: &&Source| {
            source.suites.iter().any(|suite| suite.trim_end_matches('/').ends_with("-security"))
        };
        let security = sources.iter().find(is_security).map(|source| source.address.clone());
        Some(Self { archive: archive.address.clone(), security })
    }
}

/// Reads `deb [options] ADDRESS SUITE COMPONENT…`.
fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    if rest.starts_with('[') {
        rest = rest.split_once(']')?.1;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source { address: words.next()?, suites: vec![words.next()?], components: words.collect() })
}

/// Reads the paragraphs of a `.sources` file.
fn stanzas(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let words = |key: &str| -> Vec<String> {
            let mut inside = false;
            let mut words = Vec::new();
            for line in stanza {
                let value = match line.split_once(':') {
                    _ if line.starts_with([' ', '\t']) => line,
                    Some((name, value)) => {
                        inside = name.eq_ignore_ascii_case(key);
                        value
                    }
                    None => continue,
                };
                if inside {
                    words.extend(value.split_whitespace().map(str::to_owned));
                }
            }
            words
        };
        let off = words("Enabled").first().is_some_and(|word| word == "no" || word == "false");
        if off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for address in words("URIs") {
            found.push(Source { address, suites: words("Suites"), components: words("Components") });
        }
    }
    found
}

const APT: &str = "/etc/apt";
const CODENAMES: &[&str] =
    &["bookworm", "bullseye", "duke", "forky", "oldstable", "sid", "stable", "testing", "trixie", "unstable"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_read() {
        let text = "\
Types: deb deb-src
# a remark
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Enabled: no
Types: deb
URIs: http://mirror.example/other
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";
        let expected = Mirror {
            archive: "http://mirror.example/debian".to_owned(),
            security: Some("http://mirror.example/debian-security".to_owned()),
        };
        assert_eq!(Mirror::among(&stanzas(text)), Some(expected));
    }

    #[test]
    fn lines_are_read_and_strangers_passed_over() {
        let text = "\
deb [arch=amd64 signed-by=/x] https://packages.example/tool bookworm main
#deb http://mirror.example/off trixie main
deb-src http://mirror.example/source trixie main
deb http://mirror.example/debian/ trixie main contrib # yes
";
        let sources: Vec<Source> = text.lines().filter_map(one_line).collect();
        assert_eq!(sources.len(), 2);
        let mirror = Mirror::among(&sources).unwrap();
        assert_eq!((mirror.archive.as_str(), mirror.security), ("http://mirror.example/debian/", None));
    }

    #[test]
    fn no_debian_is_no_mirror() {
        let line = "deb http://archive.example/ubuntu noble main";
        assert_eq!(Mirror::among(&[one_line(line).unwrap()]), None);
    }
}
