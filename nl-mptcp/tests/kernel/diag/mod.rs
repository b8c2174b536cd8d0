//! Socket statistics compared with `ss`.

mod bytes;
mod filters;
mod join;
mod oracle;
mod scale;
mod selftest;
pub(crate) mod ss;
pub(crate) mod world;
