//! Qdiscs without classes: those for the leaves of a class tree, and [`Clsact`] and [`Ingress`] for filters.

mod clsact;
mod fifo;
mod fq_codel;
mod netem;
mod sfq;
mod tbf;

pub use clsact::{Clsact, Ingress};
pub use fifo::{BfifoConfig, PfifoConfig};
pub use fq_codel::FqCodelConfig;
pub use netem::{NetemConfig, NetemLoss, NetemRate, NetemSlot};
pub use sfq::{SfqConfig, SfqRed};
pub use tbf::TbfConfig;
