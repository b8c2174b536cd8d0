//! The fixed headers of VLAN and tunnel messages.

use nl_core::attr::DecodeError;
use nl_core::message::{AF_BRIDGE, FixedHeader, MessageRef};

macro_rules! headers {
    ($($(#[$doc:meta])* $name:ident $kernel:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            /// Address family; [`AF_BRIDGE`] always.
            pub(crate) family: u8,
            /// Flags; 0 but for tunnels.
            pub(crate) flags: u8,
            /// The interface.
            pub(crate) index: u32,
        }

        impl $name {
            /// For this interface; 0 for all.
            pub(crate) const fn new(index: u32) -> Self {
                Self { family: AF_BRIDGE, flags: 0, index }
            }

            /// The header of a message of one of these types, and its attributes.
            pub(crate) fn of<'a>(
                message: MessageRef<'a>,
                kinds: &[u16],
            ) -> Result<(Self, nl_core::attr::Attrs<'a>), DecodeError> {
                let wrong = DecodeError::Kind(message.kind());
                if !kinds.contains(&message.kind()) {
                    return Err(wrong);
                }
                let (header, attrs) = message.header::<Self>()?;
                if header.family == AF_BRIDGE { Ok((header, attrs)) } else { Err(wrong) }
            }
        }

        impl FixedHeader for $name {
            const LEN: usize = 8;
            const NAME: &'static str = $kernel;

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&[self.family, self.flags, 0, 0]);
                out.extend_from_slice(&self.index.to_ne_bytes());
            }

            fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
                let short = DecodeError::Short { what: $kernel, needed: Self::LEN, got: payload.len() };
                let Some(([family, flags, _, _, a, b, c, d], rest)) = payload.split_first_chunk::<8>() else {
                    return Err(short);
                };
                let index = u32::from_ne_bytes([*a, *b, *c, *d]);
                Ok((Self { family: *family, flags: *flags, index }, rest))
            }
        }
    )+};
}

#[cfg(feature = "vlan_db")]
headers! {
    /// `struct br_vlan_msg` of `include/uapi/linux/if_bridge.h`.
    BrVlanMsg "br_vlan_msg";
}

#[cfg(feature = "vni")]
headers! {
    /// `struct tunnel_msg` of `include/uapi/linux/if_link.h`.
    TunnelMsg "tunnel_msg";
}
