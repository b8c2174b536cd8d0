//! The comparison of requests and the parsers of frames, tested with planted differences and byte vectors; programs that are followed.

mod both_ways;
mod follow;
mod planted;
mod vectors;
