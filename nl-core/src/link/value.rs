use std::fmt::{self, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::{Dev, MacAddr, Name};
use crate::attr::{Attr, AttrWriter, DecodeError};

/// A value that fills one attribute: what [`link_kind!`](crate::link_kind) makes the options of a device's kind of.
///
/// Numbers are in the machine's byte order, `bool` is one byte, and [`Be16`] and [`Be32`] are in network byte order. Types of
/// one's own implement it for nests and structures.
pub trait AttrValue: Sized {
    /// Writes the attribute.
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16);

    /// Reads the attribute's value.
    ///
    /// # Errors
    /// The value is malformed.
    fn read(attr: Attr<'_>) -> Result<Self, DecodeError>;

    /// Writes what `ip link` shows of it: a blank, its word, and the value.
    ///
    /// # Errors
    /// Those of the formatter.
    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result;

    /// The device that the value names, if it is one. It has to be an index when it is written.
    fn dev(&mut self) -> Option<&mut Dev> {
        None
    }
}

macro_rules! numbers {
    ($($type:ident)+) => {$(
        impl AttrValue for $type {
            fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
                w.$type(kind, *self);
            }

            fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
                attr.$type()
            }

            fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, " {word} {self}")
            }
        }
    )+};
}
numbers! { u8 u16 u32 u64 i32 }

/// One byte, 0 or 1.
impl AttrValue for bool {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.u8(kind, u8::from(*self));
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(attr.u8()? != 0)
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {}", if *self { "on" } else { "off" })
    }
}

/// An attribute without a value, whose presence is the message (`NLA_FLAG`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Flag;

impl AttrValue for Flag {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.flag(kind);
    }

    fn read(_: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word}")
    }
}

macro_rules! big_endian {
    ($($(#[$doc:meta])* $name:ident($type:ty) $method:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $name(pub $type);

        impl AttrValue for $name {
            fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
                w.$method(kind, self.0);
            }

            fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
                attr.$method().map(Self)
            }

            fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, " {word} {self}")
            }
        }

        impl From<$type> for $name {
            fn from(value: $type) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $type {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}
big_endian! {
    /// A 16-bit number in network byte order.
    Be16(u16) be16;
    /// A 32-bit number in network byte order.
    Be32(u32) be32;
}

impl AttrValue for MacAddr {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, &self.octets());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Self::from_attr(attr)
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

impl AttrValue for Ipv4Addr {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, &self.octets());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(attr.array::<4>()?.into())
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

impl AttrValue for Ipv6Addr {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.bytes(kind, &self.octets());
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(attr.array::<16>()?.into())
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

/// 4 or 16 bytes.
impl AttrValue for IpAddr {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.ip(kind, *self);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.ip()
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

/// The index of a device.
impl AttrValue for Dev {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        // A handle has put an index in place of a name; a codec's check refuses what is still a name.
        w.u32(kind, self.index().unwrap_or(0));
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(Self::Index(attr.u32()?))
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }

    fn dev(&mut self) -> Option<&mut Dev> {
        Some(self)
    }
}

/// Text that ends with a NUL byte.
impl AttrValue for Name {
    fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
        w.str(kind, self);
    }

    fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        Ok(attr.text().as_str().into())
    }

    fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {word} {self}")
    }
}

/// An enum for a number of the kernel, which keeps numbers it does not know, with its words in iproute2.
///
/// ```
/// nl_core::attr_enum! {
///     /// What to do.
///     pub enum Mode: u8 {
///         /// Nothing.
///         Off = 0 "off",
///         /// Something.
///         On = 1 "on",
///     }
/// }
/// assert_eq!(Mode::from(7), Mode::Other(7));
/// assert_eq!(Mode::On.to_string(), "on");
/// assert_eq!("on".parse::<Mode>()?, Mode::On);
/// # Ok::<(), nl_core::Error>(())
/// ```
#[macro_export]
macro_rules! attr_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident: $type:ident {
            $($(#[$doc:meta])* $variant:ident = $number:literal $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$doc])* $variant,)+
            /// A number this crate does not know.
            Other($type),
        }

        impl From<$type> for $name {
            fn from(number: $type) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for $type {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => $number,)+
                    $name::Other(number) => number,
                }
            }
        }

        /// The word of iproute2 for it, or the number.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($word),)+
                    Self::Other(number) => write!(f, "{number}"),
                }
            }
        }

        /// From the word of iproute2, or the number.
        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::Error> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => match text.parse::<$type>() {
                        Ok(number) => Ok(Self::from(number)),
                        Err(_) => Err($crate::Error::usage(format!(
                            "\"{text}\"; {} are possible, and numbers",
                            [$($word),+].join(", "),
                        ))),
                    },
                }
            }
        }

        impl $crate::link::AttrValue for $name {
            fn write(&self, w: &mut $crate::attr::AttrWriter<'_>, kind: u16) {
                $crate::link::AttrValue::write(&$type::from(*self), w, kind);
            }

            fn read(attr: $crate::attr::Attr<'_>) -> ::std::result::Result<Self, $crate::attr::DecodeError> {
                <$type as $crate::link::AttrValue>::read(attr).map(Self::from)
            }

            fn words(&self, word: &str, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, " {word} {self}")
            }
        }
    };
}
