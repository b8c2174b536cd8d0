use nl_core::attr::{Attrs, DecodeError};

/// Structures of counters from a line for each: number of the attribute, name, how it is read.
macro_rules! counters {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($read:ident: $type:ty) {
            $($(#[$doc:meta])* $field:ident = $number:literal,)+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl $name {
            /// Nothing was counted.
            pub const ZERO: Self = Self { $($field: 0,)+ };

            #[inline]
            pub(crate) fn fill(&mut self, mut attrs: Attrs<'_>) -> Result<(), DecodeError> {
                // The kernel sends them in this order.
                $(if let Some(value) = attrs.next_array($number) {
                    self.$field = <$type>::from_ne_bytes(value);
                })+
                for attr in attrs {
                    let attr = attr?;
                    match attr.kind() {
                        $($number => self.$field = attr.$read()?,)+
                        _ => {}
                    }
                }
                Ok(())
            }

            /// Each counter with that of another reading.
            pub(crate) fn zip(&self, last: &Self, mut with: impl FnMut($type, $type) -> $type) -> Self {
                Self { $($field: with(self.$field, last.$field),)+ }
            }
        }
    )+};
}

counters! {
    /// Counters of a device (`MACSEC_SECY_STATS_ATTR_*`).
    pub struct SecyStats(u64: u64) {
        /// Frames sent without a tag, because `protect` is off.
        out_packets_untagged = 1,
        /// Frames received without a tag and delivered, because validation is not strict.
        in_packets_untagged = 2,
        /// Frames not sent because they are larger than the MTU of the device below.
        out_packets_too_long = 3,
        /// Frames received without a tag and dropped, because validation is strict.
        in_packets_no_tag = 4,
        /// Frames received with a malformed tag, or with packet number 0.
        in_packets_bad_tag = 5,
        /// Frames of a channel that does not exist here, and delivered all the same, because validation is not strict and they are
        /// not encrypted.
        in_packets_unknown_sci = 6,
        /// Frames of a channel that does not exist here, and dropped.
        in_packets_no_sci = 7,
        /// Frames dropped for lack of resources. The kernel never counts it; drivers that offload may.
        in_packets_overrun = 8,
    }

    /// Counters of what is sent (`MACSEC_TXSC_STATS_ATTR_*`).
    pub struct TxScStats(u64: u64) {
        /// Frames that were authenticated, but not encrypted.
        packets_protected = 1,
        /// Frames that were encrypted.
        packets_encrypted = 2,
        /// Bytes of frames that were authenticated, but not encrypted.
        octets_protected = 3,
        /// Bytes of frames that were encrypted.
        octets_encrypted = 4,
    }

    /// Counters of an association that sends (`MACSEC_SA_STATS_ATTR_OUT_*`). 32 bits: they wrap. They begin at 0 with each
    /// association.
    pub struct TxSaStats(u32: u32) {
        /// Frames that were authenticated, but not encrypted.
        packets_protected = 6,
        /// Frames that were encrypted.
        packets_encrypted = 7,
    }

    /// Counters of a channel that is received (`MACSEC_RXSC_STATS_ATTR_*`).
    pub struct RxScStats(u64: u64) {
        /// Bytes of frames that were verified, and not encrypted.
        octets_validated = 1,
        /// Bytes of frames that were decrypted.
        octets_decrypted = 2,
        /// Frames delivered without being verified, because validation is disabled and they are not encrypted.
        packets_unchecked = 3,
        /// Frames delivered although their packet number is older than the window allows, because replay protection is off.
        packets_delayed = 4,
        /// Frames that were verified and delivered.
        packets_ok = 5,
        /// Frames that failed verification and were delivered, because validation is `check` and they are not encrypted.
        packets_invalid = 6,
        /// Frames dropped by replay protection.
        packets_late = 7,
        /// Frames that failed verification and were dropped: forged, or of another key.
        packets_not_valid = 8,
        /// Frames of an association that does not exist here, and dropped.
        packets_not_using_sa = 9,
        /// Frames of an association that does not exist here, and delivered, because validation is not strict.
        packets_unused_sa = 10,
    }

    /// Counters of an association that receives (`MACSEC_SA_STATS_ATTR_IN_*`). 32 bits: they wrap. They begin at 0 with each
    /// association.
    pub struct RxSaStats(u32: u32) {
        /// Frames that were verified and delivered.
        packets_ok = 1,
        /// Frames that failed verification and were delivered.
        packets_invalid = 2,
        /// Frames that failed verification and were dropped.
        packets_not_valid = 3,
        /// The kernel never counts it; drivers that offload may.
        packets_not_using_sa = 4,
        /// The kernel never counts it; drivers that offload may.
        packets_unused_sa = 5,
    }
}
