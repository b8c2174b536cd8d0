use std::time::Duration;

use bitflags::bitflags;

bitflags! {
    /// The state of an entry (`NUD_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbState: u16 {
        /// Dynamic: ages out.
        const REACHABLE = 0x02;
        /// Aged out and not collected yet; only read, never set.
        const STALE = 0x04;
        /// Static: forwarded to, never ages.
        const NOARP = 0x40;
        /// Local: an address of the bridge or the port itself, never forwarded to. On a VXLAN device: never ages.
        const PERMANENT = 0x80;
        const _ = !0;
    }
}

bitflags! {
    /// Flags of an entry (`NTF_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbFlags: u8 {
        /// Inserted or refreshed as if learned from a frame. In the filter of a flush of a bridge: added by a user, which the
        /// bridge's own addresses are not.
        const USE = 0x01;
        /// In the device's own table.
        const SELF = 0x02;
        /// In the table of the bridge above the device.
        const MASTER = 0x04;
        /// Put there by a control plane: never ages, may roam.
        const EXT_LEARNED = 0x10;
        /// In hardware; only read, ignored when set.
        const OFFLOADED = 0x20;
        /// Does not move to another port when a frame comes from there.
        const STICKY = 0x40;
        /// VXLAN: the remote is a router.
        const ROUTER = 0x80;
        const _ = !0;
    }
}

bitflags! {
    /// Further flags (`NTF_EXT_*`), on every entry since Linux 6.2; bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbFlagsExt: u32 {
        /// Kept alive by the kernel.
        const MANAGED = 0x1;
        /// Seen on a locked port and not let through (MAC authentication bypass); only read, refused when set.
        const LOCKED = 0x2;
        /// Validated by a control plane.
        const EXT_VALIDATED = 0x4;
        const _ = !0;
    }
}

bitflags! {
    /// Activity tracking of static and externally learned entries (`FDB_NOTIFY_*`, Linux 5.14).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FdbNotify: u8 {
        /// Events report when the address falls silent and when it is seen again.
        const ACTIVITY = 0x1;
        /// The address is silent. An update without it does not clear it: only a frame, or switching the tracking off, does.
        const INACTIVE = 0x2;
        const _ = !0;
    }
}

/// How long ago an entry was used and updated, to a hundredth of a second (`struct nda_cacheinfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FdbAges {
    /// Since it was confirmed; the bridge does not count this and says 0.
    pub confirmed: Duration,
    /// Since a frame was last forwarded to it.
    pub used: Duration,
    /// Since it was last learned, moved or changed.
    pub updated: Duration,
    /// References held to it; the bridge does not count them and says 0.
    pub references: u32,
}

macro_rules! serialize_bits {
    ($($name:ident)+) => {$(
        /// The bits as a number.
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.bits().serialize(serializer)
            }
        }
    )+};
}
serialize_bits! { FdbState FdbFlags FdbFlagsExt FdbNotify }
