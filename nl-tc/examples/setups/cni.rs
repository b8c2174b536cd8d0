//! The bandwidth plugin of CNI, as a tree for each of its devices.

use std::time::Duration;

use nl_tc::action::Mirred;
use nl_tc::filter::{Filter, U32};
use nl_tc::leaf::{Ingress, TbfConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle};

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);

/// The bandwidth plugin of CNI: the host's end of a container's veth, and an ifb for what the container sends.
pub(crate) fn cni_bandwidth(
    veth: &str,
    ifb: &str,
    to: (Rate, u32),
    from: (Rate, u32),
) -> Vec<(String, Tree)> {
    let shaped = |(rate, burst): (Rate, u32)| {
        let tbf = TbfConfig::new(rate, burst).latency(Duration::from_millis(25));
        Tree::new().qdisc(ROOT, ONE, tbf)
    };
    let all = U32::all(ONE.class(1)).action(Mirred::redirect(ifb));
    let redirect = Filter::on(TcHandle::CLSACT_INGRESS, all).priority(1);
    vec![
        (ifb.to_owned(), shaped(from)),
        (veth.to_owned(), shaped(to).qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(redirect)),
    ]
}
