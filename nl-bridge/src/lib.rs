//! nl-bridge
