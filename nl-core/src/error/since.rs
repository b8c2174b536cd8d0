use std::fmt;

/// A release of Linux by its first two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl KernelVersion {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the start of a release as `uname -r` prints it: `6.12.41+deb13-amd64`.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}.{}", self.major, self.minor)
    }
}

/// What has a feature: a release of Linux and later ones, a module or an option of the kernel's configuration, or both.
///
/// ```
/// use nl_core::error::Since;
///
/// let since = Since::linux(5, 9).with("CONFIG_INET_MPTCP_DIAG");
/// assert_eq!(since.to_string(), "Linux 5.9 with CONFIG_INET_MPTCP_DIAG");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    version: Option<KernelVersion>,
    option: Option<&'static str>,
}

impl Since {
    /// Linux `major.minor`: every kernel of that release or a later one has the feature.
    #[must_use]
    pub const fn linux(major: u16, minor: u16) -> Self {
        Self { version: Some(KernelVersion::new(major, minor)), option: None }
    }

    /// A module or an option, whatever the release.
    #[must_use]
    pub const fn option(option: &'static str) -> Self {
        Self { version: None, option: Some(option) }
    }

    /// And this module or option.
    #[must_use]
    pub const fn with(self, option: &'static str) -> Self {
        Self { version: self.version, option: Some(option) }
    }

    /// The release from which on the feature is there, `None` where that also depends on something else.
    #[must_use]
    pub const fn version(&self) -> Option<KernelVersion> {
        match self.option {
            None => self.version,
            Some(_) => None,
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, self.option) {
            (Some(version), None) => version.fmt(f),
            (Some(version), Some(option)) => write!(f, "{version} with {option}"),
            (None, option) => f.write_str(option.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_from_what_uname_prints() {
        assert_eq!(KernelVersion::parse("6.12.41+deb13-amd64"), Some(KernelVersion::new(6, 12)));
        assert_eq!(KernelVersion::parse("7.0-rc1"), Some(KernelVersion::new(7, 0)));
        assert_eq!(KernelVersion::parse("next"), None);
        assert!(KernelVersion::new(6, 9) < KernelVersion::new(6, 12));
    }
}
