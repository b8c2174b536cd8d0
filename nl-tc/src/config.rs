use std::fmt;

use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::check::Invalid;
use nl_core::error::Names;

use crate::TcVerb;

/// The options of one kind of class or qdisc. The defaults are those of a kind without options.
pub(crate) trait Config: Clone + PartialEq {
    /// The names of the attributes.
    const NAMES: &'static Names;

    /// Reads the value of `TCA_OPTIONS`. `None` if there is more than this type holds, such as an attribute of a newer kernel: then
    /// the options are kept as bytes.
    fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError>;

    /// Writes `TCA_OPTIONS`.
    fn encode(&self, _w: &mut AttrWriter<'_>, _verb: TcVerb) {}

    /// Refuses options that the kernel would refuse, clamp or misread.
    fn check(&self, _verb: TcVerb) -> Result<(), Invalid> {
        Ok(())
    }

    /// The options that are read back after these were applied to an object with the options `current`: rounded as the kernel
    /// rounds them, with unset options taken from `current`.
    fn as_read_back(&self, _current: &Self) -> Self {
        self.clone()
    }

    /// The words of `tc` that follow the kind, each with a space in front.
    fn write_options(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
