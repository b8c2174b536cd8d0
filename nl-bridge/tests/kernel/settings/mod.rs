//! Settings of bridges and of their ports.

mod bridge;
mod port;
