//! nl-core
