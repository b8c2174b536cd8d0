//! Qdiscs without classes of one's own: those for the leaves of a class tree, [`PrioConfig`] and [`Mq`] with a qdisc for each band or
//! queue, and [`Clsact`] and [`Ingress`] for filters.

mod cake;
mod cake_mq;
mod cbs;
mod clsact;
mod codel;
mod codel_time;
mod etf;
mod fifo;
mod fq;
mod fq_codel;
mod fq_pie;
mod mqprio;
mod netem;
mod netem_distribution;
mod netem_slot;
mod pie;
mod pie_shared;
mod prio;
mod red;
mod red_table;
mod sfq;
mod taprio;
mod tbf;
mod traffic_classes;

pub use cake::{CakeAckFilter, CakeAtm, CakeConfig, CakeDiffserv, CakeFlows};
pub use cake_mq::CakeMqConfig;
pub use cbs::CbsConfig;
pub use clsact::{Clsact, Ingress};
pub use codel::CodelConfig;
pub use etf::EtfConfig;
pub use fifo::{BfifoConfig, PfifoConfig};
pub use fq::FqConfig;
pub use fq_codel::FqCodelConfig;
pub use fq_pie::FqPieConfig;
pub use mqprio::MqprioConfig;
pub use netem::{NetemConfig, NetemLoss, NetemRate};
pub use netem_distribution::NetemDistribution;
pub use netem_slot::NetemSlot;
pub use pie::PieConfig;
pub use prio::{Mq, PrioConfig};
pub use red::{RedAverage, RedConfig};
pub use sfq::{SfqConfig, SfqRed};
pub use taprio::{TaprioConfig, TaprioEntry};
pub use tbf::TbfConfig;
pub use traffic_classes::{TcQueues, TrafficClasses};
