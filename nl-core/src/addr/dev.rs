use std::fmt;

use super::name::{ALTIFNAME_MAX, IFNAME_MAX, Name, escaped};
use crate::error::{Error, Result};

/// A network device as a caller names it: by index, which is exact and costs nothing, or by name, which is looked up first.
///
/// ```
/// use nl_core::addr::Dev;
///
/// assert_eq!(Dev::from(5), Dev::Index(5));
/// assert_eq!(Dev::from("swp1").to_string(), "swp1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dev {
    /// The interface index, above 0.
    Index(u32),
    /// The interface name, up to 15 bytes, or an alternative name, up to 127.
    Name(Name),
}

impl Dev {
    /// The index, if the device is named by index.
    #[must_use]
    pub const fn index(&self) -> Option<u32> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Name(_) => None,
        }
    }

    /// Checks what can be checked before the kernel is asked.
    ///
    /// # Errors
    /// Index 0, an index over the kernel's limit of 2³¹−1, or a name that is empty, over 127 bytes, `.` or `..`,
    /// or holds a slash, a blank or a NUL.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Index(0) => Err(Error::usage("interface index 0; the first one is 1")),
            Self::Index(index) if i32::try_from(*index).is_err() => {
                Err(Error::usage(format!("interface index {index}; the largest is {}", i32::MAX)))
            }
            Self::Index(_) => Ok(()),
            Self::Name(name) => check_name(name),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > ALTIFNAME_MAX {
        let (len, rest) = (name.len(), if name.is_empty() { "" } else { "…" });
        // Not the whole name: the words for the operation contain it.
        let start = escaped(&name.chars().take(IFNAME_MAX).collect::<String>()).into_owned();
        return Err(Error::usage(format!(
            "interface name \"{start}{rest}\" has {len} bytes; 1 to {IFNAME_MAX} are possible, \
             or {ALTIFNAME_MAX} for an alternative name"
        )));
    }
    if matches!(name, "." | "..") || name.bytes().any(|b| matches!(b, b'/' | 0) || b.is_ascii_whitespace()) {
        return Err(Error::usage(format!(
            "invalid interface name {name:?}: no '/', blanks or NUL, not '.' or '..'"
        )));
    }
    Ok(())
}

impl fmt::Display for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "#{index}"),
            Self::Name(name) => f.write_str(&escaped(name)),
        }
    }
}

/// The index as a number, or the name.
#[cfg(feature = "serde")]
impl serde::Serialize for Dev {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Index(index) => serializer.serialize_u32(*index),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

/// From a number, the index, or a text, the name. What [`check`](Dev::check) refuses is refused.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Dev {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Read {
            Index(u32),
            Name(String),
        }

        let dev = match <Read as serde::Deserialize>::deserialize(deserializer)? {
            Read::Index(index) => Self::from(index),
            Read::Name(name) => Self::from(name),
        };
        dev.check().map_err(<D::Error as serde::de::Error>::custom)?;
        Ok(dev)
    }
}

impl fmt::Debug for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<u32> for Dev {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Dev {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Dev {
    fn from(name: String) -> Self {
        Self::Name(name.as_str().into())
    }
}

impl From<Name> for Dev {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl From<&Dev> for Dev {
    fn from(dev: &Dev) -> Self {
        dev.clone()
    }
}
