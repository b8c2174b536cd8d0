use std::fmt;

use crate::attr::{HEADER_LEN, NLA_TYPE_MASK, align};
use crate::message::HEADER_LEN as NLMSG_HEADER_LEN;

/// The attributes of a kind of message by name, so that an error can say which one it is about.
///
/// Written with [`attr_names!`](crate::attr_names), one per message family. It costs nothing until something fails.
pub struct Names {
    header_len: usize,
    attrs: &'static [AttrName],
    base: &'static [AttrName],
}

impl Names {
    /// For messages about whose attributes nothing is known.
    pub const UNKNOWN: &'static Self = &Self { header_len: usize::MAX, attrs: &[], base: &[] };

    /// Names of the attributes that follow a fixed header of this length.
    #[must_use]
    pub const fn new(header_len: usize, attrs: &'static [AttrName]) -> Self {
        Self { header_len, attrs, base: &[] }
    }

    /// The same with other top-level attributes, which go before those that are there: nests that several kinds fill in their
    /// own way.
    #[must_use]
    pub const fn with(&self, attrs: &'static [AttrName]) -> Self {
        Self { header_len: self.header_len, attrs, base: self.attrs }
    }

    fn find(&self, kind: u16) -> Option<&'static AttrName> {
        find(self.attrs, kind).or_else(|| find(self.base, kind))
    }

    /// The name of a top-level attribute.
    #[must_use]
    pub fn name(&self, kind: u16) -> Option<&'static str> {
        self.find(kind).map(|attr| attr.name)
    }

    /// The path of the attribute that begins at, or holds, byte `offset` of `request`.
    #[must_use]
    pub fn path_at(&self, request: &[u8], offset: u32) -> Option<AttrPath> {
        let offset = usize::try_from(offset).ok()?;
        let mut path = AttrPath(Vec::new());
        let mut names: Option<&'static [AttrName]> = None;
        let mut at = align(NLMSG_HEADER_LEN.checked_add(self.header_len)?);
        let mut end = request.len();
        // Every round steps over one attribute or into it, so the walk ends at the latest with the bytes.
        while at < end && at <= offset {
            let head = request.get(at..)?.first_chunk::<HEADER_LEN>()?;
            let len = usize::from(u16::from_ne_bytes([head[0], head[1]]));
            if len < HEADER_LEN {
                return None;
            }
            let next = at + align(len);
            if offset >= next {
                at = next;
                continue;
            }
            let kind = u16::from_ne_bytes([head[2], head[3]]) & NLA_TYPE_MASK;
            let known = names.map_or_else(|| self.find(kind), |names| find(names, kind));
            path.0.push((kind, known.map(|attr| attr.name)));
            if offset < at + HEADER_LEN {
                return Some(path);
            }
            let nested = known.map_or(&[][..], |attr| attr.nested);
            if nested.is_empty() {
                return Some(path);
            }
            names = Some(nested);
            end = (at + len).min(request.len());
            at += HEADER_LEN;
        }
        (!path.0.is_empty()).then_some(path)
    }

    /// The path of an attribute of type `kind` that is missing in the nest at byte `nest`, or at the top.
    pub(super) fn missing(&self, request: &[u8], nest: Option<u32>, kind: u16) -> AttrPath {
        let mut path = nest
            .filter(|at| *at != 0)
            .and_then(|at| self.path_at(request, at))
            .unwrap_or(AttrPath(Vec::new()));
        let within = |names: Option<&'static [AttrName]>, kind| {
            names.map_or_else(|| self.find(kind), |names| find(names, kind))
        };
        let nest = path
            .0
            .iter()
            .fold(None, |names, (kind, _)| Some(within(names, *kind).map_or(&[][..], |attr| attr.nested)));
        path.0.push((kind, within(nest, kind).map(|attr| attr.name)));
        path
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("attrs", &self.attrs.len()).finish_non_exhaustive()
    }
}

fn find(names: &'static [AttrName], kind: u16) -> Option<&'static AttrName> {
    names.iter().find(|attr| attr.kind == kind)
}

/// Writes the number and the name of each attribute once: a constant for each, and a table of names for errors.
///
/// With a header type it makes a [`Names`](crate::error::Names), without one a slice for nests that several tables share.
/// Nested attributes stand in braces behind theirs, or are taken from a slice with `in`.
///
/// ```
/// use nl_core::attr_names;
/// use nl_core::message::NdMsg;
///
/// attr_names! { EXT {
///     /// Whether activity is reported.
///     NFEA_ACTIVITY_NOTIFY = 1,
///     NFEA_DONT_REFRESH = 2,
/// } }
/// attr_names! { NAMES: NdMsg {
///     NDA_VLAN = 5,
///     NDA_FDB_EXT_ATTRS = 14 in EXT,
/// } }
/// assert_eq!(NAMES.name(NDA_VLAN), Some("NDA_VLAN"));
/// assert_eq!(EXT.len(), 2);
/// ```
#[macro_export]
macro_rules! attr_names {
    ($vis:vis $names:ident: $header:ty { $($body:tt)* }) => {
        $crate::attr_names!(@consts [$vis] $($body)*);
        $vis static $names: $crate::error::Names = $crate::error::Names::new(
            <$header as $crate::message::FixedHeader>::LEN,
            $crate::attr_names!(@table $($body)*),
        );
    };
    ($vis:vis $names:ident { $($body:tt)* }) => {
        $crate::attr_names!(@consts [$vis] $($body)*);
        $vis const $names: &[$crate::error::AttrName] = $crate::attr_names!(@table $($body)*);
    };

    (@consts [$vis:vis]) => {};
    (@consts [$vis:vis] $(#[$doc:meta])* $name:ident = $kind:literal { $($nested:tt)* } $(, $($rest:tt)*)?) => {
        $(#[$doc])* $vis const $name: u16 = $kind;
        $crate::attr_names!(@consts [$vis] $($nested)*);
        $($crate::attr_names!(@consts [$vis] $($rest)*);)?
    };
    (@consts [$vis:vis] $(#[$doc:meta])* $name:ident = $kind:literal in $nested:expr $(, $($rest:tt)*)?) => {
        $(#[$doc])* $vis const $name: u16 = $kind;
        $($crate::attr_names!(@consts [$vis] $($rest)*);)?
    };
    (@consts [$vis:vis] $(#[$doc:meta])* $name:ident = $kind:literal $(, $($rest:tt)*)?) => {
        $(#[$doc])* $vis const $name: u16 = $kind;
        $($crate::attr_names!(@consts [$vis] $($rest)*);)?
    };

    (@table $($body:tt)*) => { $crate::attr_names!(@entry [] $($body)*) };
    (@entry [$($done:expr,)*]) => { &[$($done,)*] };
    (@entry [$($done:expr,)*] $(#[$doc:meta])* $name:ident = $kind:literal { $($nested:tt)* } $(, $($rest:tt)*)?) => {
        $crate::attr_names!(@entry [
            $($done,)*
            $crate::error::AttrName::nest($name, stringify!($name), $crate::attr_names!(@table $($nested)*)),
        ] $($($rest)*)?)
    };
    (@entry [$($done:expr,)*] $(#[$doc:meta])* $name:ident = $kind:literal in $nested:expr $(, $($rest:tt)*)?) => {
        $crate::attr_names!(@entry [
            $($done,)*
            $crate::error::AttrName::nest($name, stringify!($name), $nested),
        ] $($($rest)*)?)
    };
    (@entry [$($done:expr,)*] $(#[$doc:meta])* $name:ident = $kind:literal $(, $($rest:tt)*)?) => {
        $crate::attr_names!(@entry [
            $($done,)*
            $crate::error::AttrName::new($name, stringify!($name)),
        ] $($($rest)*)?)
    };
}

/// The name of an attribute, and of those nested in it.
#[derive(Clone, Copy, Debug)]
pub struct AttrName {
    kind: u16,
    name: &'static str,
    nested: &'static [AttrName],
}

impl AttrName {
    /// An attribute with a plain value.
    #[must_use]
    pub const fn new(kind: u16, name: &'static str) -> Self {
        Self { kind, name, nested: &[] }
    }

    /// An attribute that holds others.
    #[must_use]
    pub const fn nest(kind: u16, name: &'static str, nested: &'static [AttrName]) -> Self {
        Self { kind, name, nested }
    }
}

/// A copy of a table in which the attribute `kind` holds others: for nests whose content another crate knows.
#[cfg(feature = "route")]
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling: an index out of bounds is no program"
)]
pub(crate) const fn with_nest<const N: usize>(
    attrs: &'static [AttrName],
    kind: u16,
    nested: &'static [AttrName],
) -> [AttrName; N] {
    let mut copy = [AttrName::new(0, ""); N];
    let mut i = 0;
    while i < N {
        copy[i] = attrs[i];
        if attrs[i].kind == kind {
            copy[i].nested = nested;
        }
        i += 1;
    }
    copy
}

/// Where an attribute stands in a request: `MACSEC_ATTR_SA_CONFIG → MACSEC_SA_ATTR_KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrPath(Vec<(u16, Option<&'static str>)>);

impl AttrPath {
    pub(crate) fn single(kind: u16, name: Option<&'static str>) -> Self {
        Self(vec![(kind, name)])
    }

    /// The types from the outermost nest to the attribute.
    pub fn kinds(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().map(|(kind, _)| *kind)
    }

    /// The name of the attribute itself, where it is known.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.0.last().and_then(|(_, name)| *name)
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (kind, name)) in self.0.iter().enumerate() {
            let sep = if i == 0 { "" } else { " → " };
            match name {
                Some(name) => write!(f, "{sep}{name}")?,
                None => write!(f, "{sep}attribute {kind}")?,
            }
        }
        Ok(())
    }
}
