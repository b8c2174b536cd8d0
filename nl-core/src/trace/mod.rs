//! What the crate records for a subscriber of `tracing`. Without the feature of that name nothing is compiled.

#[cfg(feature = "tracing")]
mod recorded;
#[cfg(not(feature = "tracing"))]
mod silent;

#[cfg(feature = "tracing")]
pub(crate) use recorded::{Losses, RequestSpan};
#[cfg(not(feature = "tracing"))]
pub(crate) use silent::{Losses, RequestSpan};
