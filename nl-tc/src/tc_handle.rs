use std::fmt;
use std::str::FromStr;

use nl_core::{Error, Result};

/// The handle of a qdisc, such as `1:`, or the classid of a class in it, such as `1:10`. The numbers are hexadecimal.
///
/// ```
/// use nl_tc::TcHandle;
///
/// let class: TcHandle = "1:10".parse()?;
/// assert_eq!(class, TcHandle::new(0x1, 0x10));
/// assert_eq!(class.qdisc().to_string(), "1:");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcHandle(u32);

impl TcHandle {
    /// No handle. For a new qdisc, the kernel chooses one from `8001:` on.
    pub const NONE: Self = Self(0);
    /// The device itself, as a parent (`root`).
    pub const ROOT: Self = Self(u32::MAX);
    /// The parent of an ingress qdisc (`ffff:fff1`).
    pub const INGRESS: Self = Self(0xffff_fff1);
    /// The parent of a clsact qdisc; the same as [`INGRESS`](Self::INGRESS).
    pub const CLSACT: Self = Self::INGRESS;
    /// The parent of filters on ingress, in a clsact or ingress qdisc (`ffff:fff2`).
    pub const CLSACT_INGRESS: Self = Self(0xffff_fff2);
    /// The parent of filters on egress, in a clsact qdisc (`ffff:fff3`).
    pub const CLSACT_EGRESS: Self = Self(0xffff_fff3);

    /// `major:minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self((major as u32) << 16 | minor as u32)
    }

    /// A handle from the 32 bits of the kernel.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 32 bits of the kernel.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The number of the qdisc.
    #[must_use]
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The number of the class, 0 for the qdisc itself.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub const fn minor(self) -> u16 {
        self.0 as u16
    }

    /// The handle of the qdisc of a class: `1:` for `1:10`.
    #[must_use]
    pub const fn qdisc(self) -> Self {
        Self(self.0 & 0xffff_0000)
    }

    /// The classid with this minor number in the same qdisc.
    #[must_use]
    pub const fn class(self, minor: u16) -> Self {
        Self::new(self.major(), minor)
    }

    /// Whether this is [`NONE`](Self::NONE).
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this is [`ROOT`](Self::ROOT).
    #[must_use]
    pub const fn is_root(self) -> bool {
        self.0 == Self::ROOT.0
    }

    /// Whether this can be the handle of a qdisc: `1:` to `fffe:`, or `ffff:` for ingress and clsact.
    #[must_use]
    pub const fn is_qdisc(self) -> bool {
        self.minor() == 0 && self.major() != 0
    }
}

/// Prints like `tc`: `1:`, `1:10`, `:10`, `root`, `none`.
impl fmt::Display for TcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.major(), self.minor()) {
            _ if self.is_root() => f.write_str("root"),
            (0, 0) => f.write_str("none"),
            (0, minor) => write!(f, ":{minor:x}"),
            (major, 0) => write!(f, "{major:x}:"),
            (major, minor) => write!(f, "{major:x}:{minor:x}"),
        }
    }
}

/// The words of `tc` for a parent, with a space in front: ` root`, ` parent 1:`, nothing for none.
pub(crate) fn write_parent(f: &mut fmt::Formatter<'_>, parent: TcHandle) -> fmt::Result {
    match parent {
        TcHandle::NONE => Ok(()),
        TcHandle::ROOT => f.write_str(" root"),
        parent => write!(f, " parent {parent}"),
    }
}

impl fmt::Debug for TcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses `1:`, `1:10`, `0x1:0x10`, `:10`, `root`, `none`, and `ingress` or `clsact` for their parent. A number without a colon is an error,
/// because `tc` reads it as a qdisc in one place and as a class in another.
impl FromStr for TcHandle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!(
                "\"{text}\" is not a handle: hexadecimal 1: or 1:10, each up to ffff, or root"
            ))
        };
        let hex = |digits: &str| match digits {
            "" => Ok(0),
            digits if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u16::from_str_radix(digits, 16).map_err(|_| bad())
            }
            _ => Err(bad()),
        };
        let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            // As `strtoul` reads it.
            Some(digits) if !digits.is_empty() => hex(digits),
            _ => hex(part),
        };
        match text {
            "root" => Ok(Self::ROOT),
            "none" => Ok(Self::NONE),
            "ingress" | "clsact" => Ok(Self::INGRESS),
            ":" => Err(bad()),
            _ => {
                let (major, minor) = text.split_once(':').ok_or_else(bad)?;
                Ok(Self::new(number(major)?, number(minor)?))
            }
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TcHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
