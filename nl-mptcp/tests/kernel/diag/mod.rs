//! Socket statistics against what `ss` says.

mod bytes;
mod filters;
mod join;
mod oracle;
mod scale;
mod selftest;
pub(crate) mod ss;
pub(crate) mod world;
