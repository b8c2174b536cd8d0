use std::fmt;

/// A sysctl of a signed number with an escape for numbers that are not known here.
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $number:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$doc])* $variant, )+
            /// A number that this crate has no name for.
            Other(i32),
        }

        impl From<i32> for $name {
            fn from(number: i32) -> Self {
                match number {
                    $( $number => Self::$variant, )+
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for i32 {
            fn from(value: $name) -> Self {
                match value {
                    $( $name::$variant => $number, )+
                    $name::Other(number) => number,
                }
            }
        }

        /// The value of the sysctl.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", i32::from(*self))
            }
        }
    };
}

numbers! {
    /// Which packets need an HMAC (`seg6_require_hmac`). In kernel order.
    pub enum RequireHmac {
        /// None: an HMAC is not looked at.
        Never = -1,
        /// An HMAC that is there must be right.
        IfPresent = 0,
        /// All: an HMAC must be there and right.
        Always = 1,
    }
}

numbers! {
    /// The flow label of outer headers (`seg6_flowlabel`). In kernel order.
    pub enum FlowLabel {
        /// 0.
        Zero = -1,
        /// That of an inner IPv6 packet; 0 for IPv4 and Ethernet.
        Copy = 0,
        /// Computed from the flow, so that routers can share flows among their paths.
        Hash = 1,
    }
}
