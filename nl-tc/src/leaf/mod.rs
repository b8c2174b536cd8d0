//! Qdiscs without classes of one's own: those for the leaves of a class tree, [`PrioConfig`] and [`Mq`] with a qdisc for each band or
//! queue, and [`Clsact`] and [`Ingress`] for filters.

mod cake;
mod clsact;
mod codel;
mod codel_time;
mod fifo;
mod fq;
mod fq_codel;
mod fq_pie;
mod netem;
mod pie;
mod pie_time;
mod prio;
mod sfq;
mod tbf;

pub use cake::{CakeAckFilter, CakeAtm, CakeConfig, CakeDiffserv, CakeFlows};
pub use clsact::{Clsact, Ingress};
pub use codel::CodelConfig;
pub use fifo::{BfifoConfig, PfifoConfig};
pub use fq::FqConfig;
pub use fq_codel::FqCodelConfig;
pub use fq_pie::FqPieConfig;
pub use netem::{NetemConfig, NetemLoss, NetemRate, NetemSlot};
pub use pie::PieConfig;
pub use prio::{Mq, PrioConfig};
pub use sfq::{SfqConfig, SfqRed};
pub use tbf::TbfConfig;
