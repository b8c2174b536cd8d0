//! The enums over kinds of classes and qdiscs.

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
            /// A kind this crate does not know, or whose feature is off, with the value of its `TCA_OPTIONS`.
            Other {
                /// The kind's name, up to 15 bytes.
                kind: String,
                /// Its options, as they are on the wire; `None` where there are none.
                options: Option<Vec<u8>>,
            },
        }

        impl $name {
            /// The kind's name.
            #[must_use]
            pub fn kind(&self) -> &str {
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(_) => $kind,)+
                    Self::Other { kind, .. } => kind,
                }
            }

            /// Whether a class or qdisc that reads as `current` is as this says: the kernel's rounding allowed for, and
            /// what this does not say left to it.
            #[must_use]
            pub fn is_met_by(&self, current: &Self) -> bool {
                match (self, current) {
                    $(#[cfg(feature = $feature)] (Self::$variant(wanted), Self::$variant(current)) => {
                        $crate::kind::Config::kept(wanted, current) == *current
                    })+
                    (wanted, current) => wanted == current,
                }
            }

            #[inline]
            pub(crate) fn decode(kind: &str, options: Option<&[u8]>) -> Result<Self, nl_core::attr::DecodeError> {
                Ok(match kind {
                    $(#[cfg(feature = $feature)]
                    $kind => Self::$variant($crate::kind::Config::decode(options.unwrap_or_default())?),)+
                    _ => Self::Other { kind: kind.to_owned(), options: options.map(<[u8]>::to_vec) },
                })
            }

            pub(crate) fn encode(&self, w: &mut nl_core::attr::AttrWriter<'_>, verb: $crate::TcVerb) {
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(config) => $crate::kind::Config::encode(config, w, verb),)+
                    Self::Other { options: Some(options), .. } => {
                        w.bytes($crate::message::TCA_OPTIONS, options);
                    }
                    Self::Other { options: None, .. } => {
                        let _ = verb;
                    }
                }
            }

            pub(crate) fn refusal(&self, verb: $crate::TcVerb) -> $crate::units::Refusal {
                match self {
                    _ if !verb.writes() => None,
                    $(#[cfg(feature = $feature)] Self::$variant(config) => $crate::kind::Config::refusal(config, verb),)+
                    Self::Other { kind, .. } if kind.is_empty() => Some("a configuration is needed".into()),
                    Self::Other { kind, .. } if kind.len() > 15 => {
                        Some(format!("kind \"{kind}\" has {} bytes; 15 are possible", kind.len()).into())
                    }
                    Self::Other { .. } => None,
                }
            }

            pub(crate) fn names(&self) -> &'static nl_core::error::Names {
                match self {
                    $(#[cfg(feature = $feature)]
                    Self::$variant(_) => <$config as $crate::kind::Config>::NAMES,)+
                    Self::Other { .. } => &$crate::message::PLAIN,
                }
            }

            pub(crate) const fn nothing() -> Self {
                Self::Other { kind: String::new(), options: None }
            }

            pub(crate) const fn is_nothing(&self) -> bool {
                matches!(self, Self::Other { kind, .. } if kind.is_empty())
            }
        }

        /// The kind and its options in the words of a `tc` command.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.kind())?;
                match self {
                    $(#[cfg(feature = $feature)] Self::$variant(config) => $crate::kind::Config::write_words(config, f),)+
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
