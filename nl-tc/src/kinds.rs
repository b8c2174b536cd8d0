use nl_core::attr::{Attr, Attrs};

/// An enum over the kinds, and what all of them can do.
macro_rules! kinds {
    (
        $(#[$doc:meta])* $name:ident;
        $($(#[$about:meta])* $feature:literal $variant:ident($config:ty) $kind:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* #[cfg(feature = $feature)] $variant($config),)+
            /// A kind that this crate does not know or whose feature is off, or options that the kind's type does not hold whole,
            /// with the value of its `TCA_OPTIONS`.
            Other {
                /// The name of the kind, up to 15 bytes.
                kind: String,
                /// The options as bytes; `None` if the message has none.
                options: Option<Vec<u8>>,
            },
        }

        impl $name {
            /// The name of the kind.
            #[must_use]
            pub fn kind(&self) -> &str {
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(_) => $kind,)+
                    Self::Other { kind, .. } => kind,
                }
            }

            /// Whether an object that reads as `current` already has this configuration.
            ///
            /// Allows for the kernel's rounding. Unset options are not compared. Of a kind that is given as bytes, each attribute
            /// must be reported with the same value.
            #[must_use]
            pub fn is_met_by(&self, current: &Self) -> bool {
                match (self, current) {
                    $(#[cfg(feature = $feature)] (Self::$variant(desired), Self::$variant(current)) => {
                        $crate::config::Config::as_read_back(desired, current) == *current
                    })+
                    (desired, current) => desired.is_met_as_bytes(current),
                }
            }

            /// A configuration that is given as bytes, and read as bytes or as a type.
            fn is_met_as_bytes(&self, current: &Self) -> bool {
                if self.kind() != current.kind() {
                    return false;
                }
                match (self.bytes(), current.bytes()) {
                    // Nothing is set.
                    (Some(None), _) => true,
                    (Some(desired), Some(current)) => $crate::kinds::is_reported(desired, current),
                    (Some(desired), None) => Self::decode(self.kind(), desired)
                        .is_ok_and(|desired| desired.bytes().is_none() && desired.is_met_by(current)),
                    _ => false,
                }
            }

            /// The options, if this is a configuration in bytes.
            fn bytes(&self) -> Option<Option<&[u8]>> {
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(_) => None,)+
                    Self::Other { options, .. } => Some(options.as_deref()),
                }
            }

            /// No configuration, which is enough to delete an object.
            pub(crate) const fn unset() -> Self {
                Self::Other { kind: String::new(), options: None }
            }

            #[inline]
            pub(crate) fn decode(kind: &str, options: Option<&[u8]>) -> Result<Self, nl_core::attr::DecodeError> {
                let known = match kind {
                    $(#[cfg(feature = $feature)]
                    $kind => $crate::config::Config::decode(options.unwrap_or_default())?.map(Self::$variant),)+
                    _ => None,
                };
                Ok(known.unwrap_or_else(|| Self::Other {
                    kind: kind.to_owned(),
                    options: options.map(<[u8]>::to_vec),
                }))
            }

            pub(crate) fn encode(&self, w: &mut nl_core::attr::AttrWriter<'_>, verb: $crate::TcVerb) {
                let _ = verb;
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(config) => $crate::config::Config::encode(config, w, verb),)+
                    Self::Other { options, .. } => {
                        w.opt($crate::message::TCA_OPTIONS, options.as_deref(), nl_core::attr::AttrWriter::bytes);
                    }
                }
            }

            pub(crate) fn check(&self, verb: $crate::TcVerb) -> Result<(), nl_core::check::Invalid> {
                match self {
                    _ if !verb.writes() => Ok(()),
                    $(#[cfg(feature = $feature)] Self::$variant(config) => $crate::config::Config::check(config, verb),)+
                    Self::Other { kind, .. } if kind.is_empty() => Err("a configuration is needed".into()),
                    Self::Other { kind, .. } if kind.len() > 15 => {
                        Err(format!("kind \"{kind}\" has {} bytes; 15 are possible", kind.len()).into())
                    }
                    Self::Other { .. } => Ok(()),
                }
            }

            /// The words of an object's command from the kind on, with a space in front; none if this is unset.
            pub(crate) fn write_words(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if self.kind().is_empty() { Ok(()) } else { write!(f, " {self}") }
            }

            pub(crate) fn names(&self) -> &'static nl_core::error::Names {
                match self {
                    $(#[cfg(feature = $feature)]
                    Self::$variant(_) => <$config as $crate::config::Config>::NAMES,)+
                    Self::Other { .. } => &$crate::message::NAMES,
                }
            }
        }

        /// The kind and its options in the words of `tc`.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.kind())?;
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(config) => {
                        $crate::config::Config::write_options(config, f)
                    })+
                    Self::Other { .. } => Ok(()),
                }
            }
        }

        $(#[cfg(feature = $feature)]
        impl From<$config> for $name {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })+
    };
}
pub(crate) use kinds;

/// Whether the kernel reports these options, of which it reports more: each attribute is there with the same value, or what is no
/// attributes begins with them.
pub(crate) fn is_reported(desired: Option<&[u8]>, current: Option<&[u8]>) -> bool {
    let Some(desired) = desired else { return true };
    let current = current.unwrap_or_default();
    if current.starts_with(desired) {
        return true;
    }
    let all = |bytes| Attrs::new(bytes).collect::<Result<Vec<_>, _>>();
    let (Ok(desired), Ok(current)) = (all(desired), all(current)) else { return false };
    desired.iter().all(|attr| {
        let same = |is: &Attr<'_>| is.kind() == attr.kind() && is.value() == attr.value();
        current.iter().any(same)
    })
}
