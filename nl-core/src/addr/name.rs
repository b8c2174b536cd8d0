use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// The longest interface name, without the terminating NUL (`IFNAMSIZ - 1`).
pub const IFNAME_MAX: usize = 15;

/// The longest alternative interface name, without the terminating NUL (`ALTIFNAMSIZ - 1`).
pub const ALTIFNAME_MAX: usize = 127;

/// A name of the kernel's, such as that of a device or of a kind. One of up to 15 bytes takes no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Short([u8; IFNAME_MAX], u8),
    Long(Box<str>),
}

impl Name {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self
    }
}

impl Default for Name {
    fn default() -> Self {
        Self(Repr::Short([0; IFNAME_MAX], 0))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Repr::Short(bytes, len) => {
                let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
                // They were UTF-8 when they were stored.
                std::str::from_utf8(bytes).unwrap_or_default()
            }
            Repr::Long(name) => name,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let mut bytes = [0; IFNAME_MAX];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(name.as_bytes());
                Self(Repr::Short(bytes, len))
            }
            _ => Self(Repr::Long(name.into())),
        }
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(self))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A name from the kernel or a caller as it stands in a text: the kernel allows control characters in names of devices, and
/// a terminal would obey them.
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    if name.chars().any(char::is_control) {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        return name.chars().map(escape).collect::<String>().into();
    }
    name.into()
}
