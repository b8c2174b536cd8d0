use std::fmt;

use nl_core::Dev;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::check::Invalid;

use super::common::Common;
use super::connmark::Connmark;
use super::ctinfo::Ctinfo;
use super::gact::Gact;
use super::mirred::Mirred;
use super::police::Police;
use super::skbedit::Skbedit;
use super::verdict::Verdict;

/// What an action does, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ActionConfig {
    /// Marks packets as their connection is marked.
    Connmark(Connmark),
    /// Takes a DSCP or a mark from the connection.
    Ctinfo(Ctinfo),
    /// A verdict alone.
    Gact(Gact),
    /// Redirects or mirrors.
    Mirred(Mirred),
    /// Another kind, or options that the kind's type does not hold whole, with the value of its `TCA_ACT_OPTIONS`.
    Other {
        /// The name of the kind, up to 15 bytes.
        kind: String,
        /// The options as bytes; `None` if the action has none, as where an existing action is named by its index.
        options: Option<Vec<u8>>,
    },
    /// Limits a rate.
    Police(Police),
    /// Changes the mark, the priority, the queue or the type.
    Skbedit(Skbedit),
}

impl ActionConfig {
    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Connmark(_) => "connmark",
            Self::Ctinfo(_) => "ctinfo",
            Self::Gact(_) => "gact",
            Self::Mirred(_) => "mirred",
            Self::Other { kind, .. } => kind,
            Self::Police(_) => "police",
            Self::Skbedit(_) => "skbedit",
        }
    }

    /// The verdict that `tc` has for the kind where none is given.
    pub(super) fn default_verdict(&self) -> Verdict {
        match self {
            Self::Gact(_) => Verdict::Pass,
            Self::Mirred(mirred) if !mirred.mirror => Verdict::Stolen,
            Self::Police(_) => Verdict::Reclassify,
            _ => Verdict::Pipe,
        }
    }

    /// The device that the action names.
    pub(super) fn dev_mut(&mut self) -> Option<&mut Dev> {
        match self {
            Self::Mirred(mirred) => mirred.dev_mut(),
            _ => None,
        }
    }

    pub(super) fn decode(kind: &str, options: Option<&[u8]>) -> Result<(Common, Self), DecodeError> {
        let attrs = Attrs::new(options.unwrap_or_default());
        let known = match kind {
            "connmark" => Connmark::decode(attrs)?.map(|(common, c)| (common, Self::Connmark(c))),
            "ctinfo" => Ctinfo::decode(attrs)?.map(|(common, c)| (common, Self::Ctinfo(c))),
            "gact" => Gact::decode(attrs)?.map(|(common, c)| (common, Self::Gact(c))),
            "mirred" => Mirred::decode(attrs)?.map(|(common, c)| (common, Self::Mirred(c))),
            "police" => Police::decode(attrs)?.map(|(common, c)| (common, Self::Police(c))),
            "skbedit" => Skbedit::decode(attrs)?.map(|(common, c)| (common, Self::Skbedit(c))),
            _ => None,
        };
        let other = || Self::Other { kind: kind.to_owned(), options: options.map(<[u8]>::to_vec) };
        Ok(known.unwrap_or_else(|| (Common::default(), other())))
    }

    /// Writes the options of an action into their nest.
    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        match self {
            Self::Connmark(c) => c.encode(common, w),
            Self::Ctinfo(c) => c.encode(common, w),
            Self::Gact(c) => c.encode(common, w),
            Self::Mirred(c) => c.encode(common, w),
            Self::Other { options, .. } => {
                w.raw(options.as_deref().unwrap_or_default());
            }
            Self::Police(c) => c.encode(common, w),
            Self::Skbedit(c) => c.encode(common, w),
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Connmark(_) => Ok(()),
            Self::Ctinfo(c) => c.check(),
            Self::Gact(c) => c.check(),
            Self::Mirred(c) => c.check(),
            Self::Other { kind, .. } if kind.is_empty() => Err("an action needs a kind".into()),
            Self::Other { kind, .. } if kind.len() > 15 => {
                Err(format!("kind \"{kind}\" has {} bytes; 15 are possible", kind.len()).into())
            }
            Self::Other { .. } => Ok(()),
            Self::Police(c) => c.check(),
            Self::Skbedit(c) => c.check(),
        }
    }

    /// Whether an action that reads as `current` already has this configuration. Allows for the kernel's rounding.
    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        match (self, current) {
            (Self::Police(desired), Self::Police(current)) => desired.as_read_back(current) == *current,
            (desired, current) => desired == current,
        }
    }

    /// The words of `tc` that follow the kind, each with a space in front.
    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connmark(c) => c.write_options(f),
            Self::Ctinfo(c) => c.write_options(f),
            Self::Gact(c) => c.write_options(f),
            Self::Mirred(c) => c.write_options(f),
            Self::Other { .. } => Ok(()),
            Self::Police(c) => c.write_options(f),
            Self::Skbedit(c) => c.write_options(f),
        }
    }
}

macro_rules! from {
    ($($kind:ident)+) => {$(
        impl From<$kind> for ActionConfig {
            fn from(config: $kind) -> Self {
                Self::$kind(config)
            }
        }
    )+};
}

from!(Connmark Ctinfo Gact Mirred Police Skbedit);
