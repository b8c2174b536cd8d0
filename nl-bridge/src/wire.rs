//! How options are written whose types say more than their bytes.

use std::fmt::{self, Formatter};
use std::time::Duration;

use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::link::AttrValue;

use crate::time::{NANOS_PER_TICK, TICKS_PER_SECOND, of_ticks};

macro_rules! wire {
    ($(#[$doc:meta])* $name:ident($type:ty) $write:expr, $read:expr, $words:expr;) => {
        $(#[$doc])*
        pub(crate) struct $name($type);

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

        impl AttrValue for $name {
            fn write(&self, w: &mut AttrWriter<'_>, kind: u16) {
                let write: fn(&$type, &mut AttrWriter<'_>, u16) = $write;
                write(&self.0, w, kind);
            }

            fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
                let read: fn(Attr<'_>) -> Result<$type, DecodeError> = $read;
                read(attr).map(Self)
            }

            fn words(&self, word: &str, f: &mut Formatter<'_>) -> fmt::Result {
                let words: fn(&$type, &str, &mut Formatter<'_>) -> fmt::Result = $words;
                words(&self.0, word, f)
            }
        }
    };
}

wire! {
    /// One byte, shown as `1` or `0`.
    Switch(bool)
    |on, w, kind| { w.u8(kind, u8::from(*on)); },
    |attr| Ok(attr.u8()? != 0),
    |on, word, f| write!(f, " {word} {}", u8::from(*on));
}
wire! {
    /// One byte, shown as its word, or as the word with `no` before it.
    Word(bool)
    |on, w, kind| { w.u8(kind, u8::from(*on)); },
    |attr| Ok(attr.u8()? != 0),
    |on, word, f| write!(f, " {}{word}", if *on { "" } else { "no" });
}
wire! {
    /// An attribute that is there or not. Some kernels report it with a byte, which then counts.
    Presence(bool)
    |on, w, kind| if *on { w.flag(kind); },
    |attr| Ok(attr.value().is_empty() || attr.u8()? != 0),
    |on, word, f| if *on { write!(f, " {word}") } else { Ok(()) };
}
wire! {
    /// Eight bits, shown in hexadecimal, which iproute2 takes them for anyway.
    Hex8(u8)
    |bits, w, kind| { w.u8(kind, *bits); },
    |attr| attr.u8(),
    |bits, word, f| write!(f, " {word} {bits:#x}");
}
wire! {
    /// 16 bits of a mask.
    Mask16(u16)
    |mask, w, kind| { w.u16(kind, *mask); },
    |attr| attr.u16(),
    |mask, word, f| write!(f, " {word} {mask:#x}");
}
wire! {
    /// Hundredths of a second in 32 bits.
    Ticks32(Duration)
    |time, w, kind| { w.u32(kind, u32::try_from(ticks(*time)).unwrap_or(u32::MAX)); },
    |attr| Ok(of_ticks(attr.u32()?.into())),
    |time, word, f| write!(f, " {word} {}", ticks(*time));
}
wire! {
    /// Hundredths of a second in 64 bits.
    Ticks64(Duration)
    |time, w, kind| { w.u64(kind, ticks(*time)); },
    |attr| Ok(of_ticks(attr.u64()?)),
    |time, word, f| write!(f, " {word} {}", ticks(*time));
}
wire! {
    /// Seconds in 32 bits.
    Seconds32(Duration)
    |time, w, kind| { w.u32(kind, u32::try_from(time.as_secs()).unwrap_or(u32::MAX)); },
    |attr| Ok(Duration::from_secs(attr.u32()?.into())),
    |time, word, f| write!(f, " {word} {}", time.as_secs());
}

/// A time in hundredths of a second; what is less has to be refused before.
pub(crate) fn ticks(time: Duration) -> u64 {
    let whole = time.as_secs().saturating_mul(TICKS_PER_SECOND);
    whole.saturating_add(u64::from(time.subsec_nanos() / NANOS_PER_TICK))
}
