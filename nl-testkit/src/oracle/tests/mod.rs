//! The comparison of requests and the parsers of frames, tested with planted differences and byte vectors.

mod both_ways;
mod planted;
mod vectors;
