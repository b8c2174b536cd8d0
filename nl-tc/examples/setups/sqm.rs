//! The shapers of sqm-scripts, as a tree for each of their devices.

use std::time::Duration;

use nl_tc::action::Mirred;
use nl_tc::filter::{Filter, Matchall, U32};
use nl_tc::leaf::{CakeConfig, CakeDiffserv, FqCodelConfig, Ingress, TbfConfig};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle};

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);

/// `simplest_tbf` of sqm-scripts: a shaper for each direction, what comes in by way of an ifb.
pub(crate) fn simplest_tbf(dev: &str, ifb: &str, up: Rate, down: Rate) -> Vec<(String, Tree)> {
    let shaped = |rate| {
        let tbf = TbfConfig::new(rate, 1600).latency(Duration::from_millis(300));
        let leaf = FqCodelConfig::new().ecn(false);
        Tree::new().qdisc(ROOT, ONE, tbf).qdisc(ONE, TcHandle::new(0x110, 0), leaf)
    };
    // What comes in is shaped where it goes out of the ifb.
    let all = U32::all(ONE.class(1)).action(Mirred::redirect(ifb));
    let redirect = Filter::on(TcHandle::CLSACT_INGRESS, all).priority(10);
    vec![
        (ifb.to_owned(), shaped(down)),
        (dev.to_owned(), shaped(up).qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(redirect)),
    ]
}

/// `piece_of_cake` of sqm-scripts: the same with cake.
pub(crate) fn cake(dev: &str, ifb: &str, up: Rate, down: Rate) -> Vec<(String, Tree)> {
    let shaped = |rate| CakeConfig::new().bandwidth(rate).diffserv(CakeDiffserv::BestEffort);
    let all = Matchall::actions([Mirred::redirect(ifb)]);
    let redirect = Filter::on(TcHandle::CLSACT_INGRESS, all).priority(10);
    let out = Tree::new().qdisc(ROOT, ONE, shaped(up));
    vec![
        (ifb.to_owned(), Tree::new().qdisc(ROOT, ONE, shaped(down).ingress(true))),
        (dev.to_owned(), out.qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(redirect)),
    ]
}
