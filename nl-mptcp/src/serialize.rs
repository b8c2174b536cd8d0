//! `Serialize` for flags.

/// Flags are serialized as their number.
macro_rules! serialize_bits {
    ($($flags:ty),+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $flags {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&self.bits(), serializer)
            }
        }
    )+};
}
