use std::fmt;

use super::Link;
use super::codec::{
    self, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND, IFLA_LINKINFO,
};
use super::verb::LinkVerb;
use crate::addr::Dev;
use crate::attr::{AttrWriter, Attrs, DecodeError};
use crate::check::Invalid;
use crate::error::{AttrName, KernelError, Names, Since};

/// A kind of virtual device, or what such a device keeps for each of its ports.
///
/// Mostly made with [`link_kind!`](crate::link_kind), which takes a line for each option:
///
/// ```
/// use nl_core::link::{Link, LinkKind};
///
/// nl_core::link_kind! {
///     /// A network card for tests (`type netdevsim`), which has no options.
///     #[derive(Clone, Debug, Default, PartialEq)]
///     pub struct NetDevSim("netdevsim") {}
/// }
/// nl_core::link_kind! {
///     /// What a team keeps for a port.
///     #[derive(Clone, Debug, Default, PartialEq)]
///     pub struct TeamPort("team") {
///         /// Whether the port may be used.
///         enabled: bool = TEAM_PORT_ENABLED(1) "enabled";
///     }
/// }
/// # fn example(link: &Link) -> Result<(), nl_core::attr::DecodeError> {
/// if let Some(port) = link.port::<TeamPort>() {
///     println!("{}", port?);
/// }
/// # Ok(())
/// # }
/// ```
pub trait LinkKind: fmt::Debug + fmt::Display + Clone + Send + Sync + 'static {
    /// The name of the kind, as in `ip link add … type KIND`.
    const KIND: &'static str;

    /// The options by name, for errors.
    const NAMES: &'static [AttrName];

    /// Whether such a device is on top of another one and cannot be created without it.
    const NEEDS_LINK: bool = false;

    /// Writes the options.
    fn encode(&self, w: &mut AttrWriter<'_>, verb: LinkVerb);

    /// Reads the options.
    ///
    /// # Errors
    /// They are malformed.
    fn decode(options: Attrs<'_>) -> Result<Self, DecodeError>;

    /// Refuses what the kernel would refuse, or accept and do something else.
    ///
    /// # Errors
    /// The reason, with the limit.
    fn check(&self, verb: LinkVerb) -> Result<(), Invalid> {
        let _ = verb;
        Ok(())
    }

    /// The devices that the options name. A handle puts indexes in place of names before they are encoded.
    fn devs(&mut self) -> Vec<&mut Dev> {
        Vec::new()
    }

    /// The feature that a kernel is too old for, if its refusal means that: what it is, and since when kernels have it.
    fn refused(&self, refusal: &KernelError) -> Option<(&'static str, Since)> {
        let _ = refusal;
        None
    }

    /// What to change where the kernel refuses: the setting that is missing or in the way. It is the error's
    /// [hint](crate::Error::hint).
    fn hint(&self, refusal: &KernelError) -> Option<&'static str> {
        let _ = refusal;
        None
    }

    /// For an option that no kernel reports: writes it with a value that every kernel with the option refuses, and returns what
    /// the option is and since when kernels have it.
    ///
    /// A handle sends it as a request of its own after the option was set. Success means that the kernel ignored the option.
    fn probe(&self, w: &mut AttrWriter<'_>) -> Option<(&'static str, Since)> {
        let _ = w;
        None
    }

    /// What was set and the kernel silently ignored because it is too old for it, seen in what it reports afterwards: what
    /// that is, and since when kernels have it.
    ///
    /// A handle calls it with nothing reported to learn whether something can be ignored at all, and only then reads the device
    /// back.
    fn ignored(&self, reported: &Self) -> Option<(&'static str, Since)> {
        let _ = reported;
        None
    }
}

/// A [`LinkKind`] whichever it is.
pub(super) trait AnyKind: fmt::Debug + Send + Sync {
    fn boxed(&self) -> Box<dyn AnyKind>;
    fn kind(&self) -> &'static str;
    fn names(&self) -> &'static Names;
    fn encode_as(&self, w: &mut AttrWriter<'_>, place: Place, verb: LinkVerb);
    fn check_as(&self, place: Place, verb: LinkVerb, has_link: bool) -> Result<(), Invalid>;
    fn all_devs(&mut self) -> Vec<&mut Dev>;
    fn refused_by(&self, refusal: &KernelError) -> Option<(&'static str, Since)>;
    fn hint_of(&self, refusal: &KernelError) -> Option<&'static str>;
    fn probe_as(&self, w: &mut AttrWriter<'_>, place: Place) -> Option<(&'static str, Since)>;
    fn ignored_by(&self, reported: &[u8]) -> Result<Option<(&'static str, Since)>, DecodeError>;
}

/// Whether options are of a device or of a port of one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Device,
    Port,
}

impl Place {
    /// Where the name of the kind is, and where its options are.
    const fn attributes(self) -> (u16, u16) {
        match self {
            Self::Device => (IFLA_INFO_KIND, IFLA_INFO_DATA),
            Self::Port => (IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA),
        }
    }
}

/// The names of the attributes of a request about a device of this kind.
struct NamesOf<T>(std::marker::PhantomData<T>);

impl<T: LinkKind> NamesOf<T> {
    const INFO: &'static [AttrName] = &[
        AttrName::new(IFLA_INFO_KIND, "IFLA_INFO_KIND"),
        AttrName::nest(IFLA_INFO_DATA, "IFLA_INFO_DATA", T::NAMES),
        AttrName::new(IFLA_INFO_SLAVE_KIND, "IFLA_INFO_SLAVE_KIND"),
        AttrName::nest(IFLA_INFO_SLAVE_DATA, "IFLA_INFO_SLAVE_DATA", T::NAMES),
    ];
    const TOP: &'static [AttrName] = &[AttrName::nest(IFLA_LINKINFO, "IFLA_LINKINFO", Self::INFO)];
    const ALL: &'static Names = &codec::NAMES.with(Self::TOP);
}

impl<T: LinkKind> AnyKind for T {
    fn boxed(&self) -> Box<dyn AnyKind> {
        Box::new(self.clone())
    }

    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn names(&self) -> &'static Names {
        NamesOf::<T>::ALL
    }

    fn encode_as(&self, w: &mut AttrWriter<'_>, place: Place, verb: LinkVerb) {
        let (kind, data) = place.attributes();
        w.str(kind, T::KIND);
        self.encode(&mut w.nested_unless_empty(data), verb);
    }

    fn check_as(&self, place: Place, verb: LinkVerb, has_link: bool) -> Result<(), Invalid> {
        if T::NEEDS_LINK && place == Place::Device && verb == LinkVerb::Add && !has_link {
            return Err(format!("a {} is on top of another device: add link()", T::KIND).into());
        }
        self.check(verb)
    }

    fn all_devs(&mut self) -> Vec<&mut Dev> {
        self.devs()
    }

    fn refused_by(&self, refusal: &KernelError) -> Option<(&'static str, Since)> {
        self.refused(refusal)
    }

    fn hint_of(&self, refusal: &KernelError) -> Option<&'static str> {
        self.hint(refusal)
    }

    fn probe_as(&self, w: &mut AttrWriter<'_>, place: Place) -> Option<(&'static str, Since)> {
        let (kind, data) = place.attributes();
        w.str(kind, T::KIND);
        self.probe(&mut w.nested_unless_empty(data))
    }

    fn ignored_by(&self, reported: &[u8]) -> Result<Option<(&'static str, Since)>, DecodeError> {
        Ok(self.ignored(&T::decode(Attrs::new(reported))?))
    }
}

impl Link {
    /// The options of the device, if it is of this kind.
    ///
    /// # Errors
    /// They are malformed.
    #[must_use]
    pub fn kind<T: LinkKind>(&self) -> Option<Result<T, DecodeError>> {
        self.is_kind(T::KIND).then(|| T::decode(Attrs::new(&self.kind_data)))
    }

    /// What the device's master keeps for it as a port, if the master is of this kind.
    ///
    /// # Errors
    /// It is malformed.
    #[must_use]
    pub fn port<T: LinkKind>(&self) -> Option<Result<T, DecodeError>> {
        self.is_port_of(T::KIND).then(|| T::decode(Attrs::new(&self.port_data)))
    }
}

/// A kind of device from a line for each option: a structure, its setters, and [`LinkKind`](crate::link::LinkKind).
///
/// Each option is `name: Type = ATTRIBUTE(number) "word";`, with the type one that implements
/// [`AttrValue`](crate::link::AttrValue). `name: Type as Wire = …` keeps a value of another type than the one that is written,
/// with conversions both ways, and `= ATTRIBUTE(number) | ATTRIBUTE6(number) "word"` is an address that has the second attribute
/// for IPv6. Options that can only be read stand in a second block, `read { … }`.
///
/// Behind the structure may stand, in this order:
/// - `needs_link = true;`
/// - `check = function;` for what [`LinkKind::check`](crate::link::LinkKind::check) does.
/// - `refused = function;` for what [`LinkKind::refused`](crate::link::LinkKind::refused) does.
/// - `hint = function;` for what [`LinkKind::hint`](crate::link::LinkKind::hint) does.
/// - `probe = function;` for what [`LinkKind::probe`](crate::link::LinkKind::probe) does.
/// - `ignored = function;` for what [`LinkKind::ignored`](crate::link::LinkKind::ignored) does.
/// - `other = name;` for a field that keeps what is read and has no line. It is not written, because it may be what can only be
///   read.
#[macro_export]
macro_rules! link_kind {
    (@write $value:expr, $w:expr, $kind:expr;) => {
        $crate::link::AttrValue::write($value, $w, $kind)
    };
    (@write $value:expr, $w:expr, $kind:expr; $wire:ty) => {
        $crate::link::AttrValue::write(&<$wire>::from(::std::clone::Clone::clone($value)), $w, $kind)
    };
    (@read $attr:expr;) => { $crate::link::AttrValue::read($attr)? };
    (@read $attr:expr; $wire:ty) => { <$wire as $crate::link::AttrValue>::read($attr)?.into() };
    (@words $value:expr, $word:expr, $f:expr;) => {
        $crate::link::AttrValue::words($value, $word, $f)
    };
    (@words $value:expr, $word:expr, $f:expr; $wire:ty) => {
        $crate::link::AttrValue::words(&<$wire>::from(::std::clone::Clone::clone($value)), $word, $f)
    };
    (@dev $devs:expr, $option:expr;) => {
        $devs.extend($option.as_mut().and_then($crate::link::AttrValue::dev))
    };
    (@dev $devs:expr, $option:expr; $wire:ty) => {};
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident($kind:literal) {
            $(
                $(#[$doc:meta])*
                $field:ident: $type:ty $(as $wire:ty)? =
                    $attr:ident($number:literal) $(| $attr6:ident($number6:literal))? $word:literal;
            )*
        }
        $(read {
            $(
                $(#[$rdoc:meta])*
                $rfield:ident: $rtype:ty $(as $rwire:ty)? = $rattr:ident($rnumber:literal) $rword:literal;
            )*
        })?
        $(needs_link = $needs_link:literal;)?
        $(check = $check:path;)?
        $(refused = $refused:path;)?
        $(hint = $hint:path;)?
        $(probe = $probe:path;)?
        $(ignored = $ignored:path;)?
        $(other = $other:ident;)?
    ) => {
        $(const $attr: u16 = $number; $(const $attr6: u16 = $number6;)?)*
        $($(const $rattr: u16 = $rnumber;)*)?

        $(#[$meta])*
        #[non_exhaustive]
        $vis struct $name {
            $($(#[$doc])* pub $field: Option<$type>,)*
            $($($(#[$rdoc])* pub $rfield: Option<$rtype>,)*)?
            $(
                /// Options of later kernels, as they were read.
                pub $other: $crate::attr::RawAttrs,
            )?
        }

        impl $name {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, $field: impl Into<$type>) -> Self {
                    self.$field = Some($field.into());
                    self
                }
            )*
        }

        impl $crate::link::LinkKind for $name {
            const KIND: &'static str = $kind;
            const NAMES: &'static [$crate::error::AttrName] = &[
                $(
                    $crate::error::AttrName::new($attr, stringify!($attr)),
                    $($crate::error::AttrName::new($attr6, stringify!($attr6)),)?
                )*
                $($($crate::error::AttrName::new($rattr, stringify!($rattr)),)*)?
            ];
            $(const NEEDS_LINK: bool = $needs_link;)?

            fn encode(&self, w: &mut $crate::attr::AttrWriter<'_>, _: $crate::link::LinkVerb) {
                $(if let Some(value) = &self.$field {
                    let kind = $attr;
                    $(let kind = if value.is_ipv6() { $attr6 } else { kind };)?
                    $crate::link_kind!(@write value, w, kind; $($wire)?);
                })*
                let _ = w;
            }

            fn decode(options: $crate::attr::Attrs<'_>) -> ::std::result::Result<Self, $crate::attr::DecodeError> {
                let mut out = Self::default();
                // A kind without options changes nothing.
                let _ = &mut out;
                for attr in options {
                    let attr = attr?;
                    match attr.kind() {
                        $($attr $(| $attr6)? => {
                            out.$field = Some($crate::link_kind!(@read attr; $($wire)?));
                        })*
                        $($($rattr => out.$rfield = Some($crate::link_kind!(@read attr; $($rwire)?)),)*)?
                        _ => { $(out.$other.push(attr);)? }
                    }
                }
                Ok(out)
            }

            $(fn check(&self, verb: $crate::link::LinkVerb) -> ::std::result::Result<(), $crate::check::Invalid> {
                $check(self, verb)
            })?

            $(fn refused(
                &self,
                refusal: &$crate::error::KernelError,
            ) -> Option<(&'static str, $crate::error::Since)> {
                $refused(self, refusal)
            })?

            $(fn hint(&self, refusal: &$crate::error::KernelError) -> Option<&'static str> {
                $hint(self, refusal)
            })?

            $(fn probe(
                &self,
                w: &mut $crate::attr::AttrWriter<'_>,
            ) -> Option<(&'static str, $crate::error::Since)> {
                $probe(self, w)
            })?

            $(fn ignored(&self, reported: &Self) -> Option<(&'static str, $crate::error::Since)> {
                $ignored(self, reported)
            })?

            fn devs(&mut self) -> Vec<&mut $crate::addr::Dev> {
                let mut devs: Vec<&mut $crate::addr::Dev> = Vec::new();
                let _ = &mut devs;
                $($crate::link_kind!(@dev devs, self.$field; $($wire)?);)*
                devs
            }
        }

        /// The kind and its options in the words of `ip link`.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($kind)?;
                $(if let Some(value) = &self.$field {
                    $crate::link_kind!(@words value, $word, f; $($wire)?)?;
                })*
                $($(if let Some(value) = &self.$rfield {
                    $crate::link_kind!(@words value, $rword, f; $($rwire)?)?;
                })*)?
                Ok(())
            }
        }
    };
}
