//! Checks of input before the kernel is asked: what cannot be is refused with the limit in the text.
//!
//! ```
//! use nl_core::check::{Invalid, check_index, within};
//!
//! fn check(index: u32, priority: u32) -> Result<(), Invalid> {
//!     check_index(index)?;
//!     within("prio", priority, 0, 7)
//! }
//! assert_eq!(check(1, 9).unwrap_err().to_string(), "prio 9; 0 to 7 are possible");
//! ```

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// Why something is bad input, with the limit in the text.
///
/// [`Request::invalid_if`](crate::Request::invalid_if) marks a request with it; as an [`Error`](crate::Error) it is of the kind
/// [`Usage`](crate::error::ErrorKind::Usage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// Bad input for this reason.
    #[must_use]
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }

    /// `Err` with this reason if the condition holds.
    ///
    /// # Errors
    /// The condition holds.
    pub fn when(condition: bool, why: &'static str) -> Result<(), Self> {
        if condition { Err(Self(Cow::Borrowed(why))) } else { Ok(()) }
    }

    pub(crate) fn into_text(self) -> Cow<'static, str> {
        self.0
    }
}

impl Display for Invalid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

impl From<Cow<'static, str>> for Invalid {
    fn from(why: Cow<'static, str>) -> Self {
        Self(why)
    }
}

impl From<&'static str> for Invalid {
    fn from(why: &'static str) -> Self {
        Self(why.into())
    }
}

impl From<String> for Invalid {
    fn from(why: String) -> Self {
        Self(why.into())
    }
}

/// Refuses an interface index that no device has.
///
/// # Errors
/// Index 0, or over 2³¹−1.
pub fn check_index(index: u32) -> Result<(), Invalid> {
    match index {
        0 => Err("interface index 0; the first one is 1".into()),
        _ if i32::try_from(index).is_err() => {
            Err(format!("interface index {index}; the largest is {}", i32::MAX).into())
        }
        _ => Ok(()),
    }
}

/// Refuses a value outside of its limits.
///
/// # Errors
/// The value is below `min` or above `max`.
pub fn within<T: PartialOrd + Display>(name: &str, value: T, min: T, max: T) -> Result<(), Invalid> {
    match min <= value && value <= max {
        true => Ok(()),
        false => Err(format!("{name} {value}; {min} to {max} are possible").into()),
    }
}

/// [`within`] for a value that may be absent.
///
/// # Errors
/// The value is there and outside of its limits.
pub fn opt_within<T: PartialOrd + Display>(
    name: &str,
    value: Option<T>,
    min: T,
    max: T,
) -> Result<(), Invalid> {
    value.map_or(Ok(()), |value| within(name, value, min, max))
}
