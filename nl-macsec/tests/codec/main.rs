//! The codec without a kernel.
