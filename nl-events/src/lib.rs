//! nl-events
