//! Results that were predicted and not measured yet. A wrong one fails its test, which prints the line for
//! [`EXCEPTIONS`](super::expected) that is right; a right one is printed as such a line too.

use super::expected::Exception;

pub(super) const PREDICTED: &[Exception] = &[];
