//! Compiles the examples of the repository's README.md as documentation tests.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
