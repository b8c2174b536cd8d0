//! Actions: what a filter does with a packet, besides sending it into a class.
//!
//! ```
//! use nl_tc::Rate;
//! use nl_tc::action::{Action, Mirred, Police, Verdict};
//! use nl_tc::filter::Matchall;
//!
//! // matchall action mirred egress redirect dev ifb0
//! let to_ifb = Matchall::actions([Mirred::redirect("ifb0")]);
//! // matchall action police rate 1mbit burst 10k conform-exceed drop/pipe action mirred egress mirror dev ifb0
//! let police = Police::new(Rate::mbit(1), 10 * 1024).conform(Verdict::Pipe);
//! let both = [Action::from(police).verdict(Verdict::Drop), Mirred::mirror("ifb0").into()];
//! let limited = Matchall::actions(both);
//! ```
//!
//! A filter carries out its actions one after another while the [verdict](Verdict) of each is [`Pipe`](Verdict::Pipe). An action
//! belongs to one filter, or several share it by its [index](Action::index), with one limit and one count for all of them.
//!
//! Header: `include/uapi/linux/pkt_cls.h` and `include/uapi/linux/tc_act/`.

mod codec;
mod common;
mod config;
mod connmark;
mod ctinfo;
mod gact;
mod handle;
mod message;
mod mirred;
mod police;
mod skbedit;
mod verdict;

pub use codec::Action;
pub(crate) use codec::LIST;
pub use common::{CtinfoStats, Times};
pub use config::ActionConfig;
pub use connmark::Connmark;
pub use ctinfo::Ctinfo;
pub use gact::{Gact, GactRandom};
pub(crate) use handle::resolve;
pub use handle::{ActionEntry, Actions};
pub use message::{RTM_DELACTION, RTM_GETACTION, RTM_NEWACTION, flush_request, list_request};
pub use mirred::{Mirred, MirredTo};
pub use police::{PacketRate, Police};
pub use skbedit::Skbedit;
pub use verdict::Verdict;
