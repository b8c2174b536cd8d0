//! Two devices of which each is the way out of the other, as a tree for each.

use nl_tc::TcHandle;
use nl_tc::action::Mirred;
use nl_tc::filter::{Filter, Matchall};
use nl_tc::leaf::Ingress;
use nl_tc::tree::Tree;

/// A container runtime's pair, such as the veth of a pod and the tap of its virtual machine: every frame of one goes out of the other.
pub(crate) fn pair(one: &str, other: &str) -> Vec<(String, Tree)> {
    let to = |dev: &str| {
        let all = Matchall::actions([Mirred::redirect(dev)]);
        let redirect = Filter::on(TcHandle::CLSACT_INGRESS, all).priority(1);
        Tree::new().qdisc(TcHandle::INGRESS, TcHandle::NONE, Ingress).filter(redirect)
    };
    vec![(one.to_owned(), to(other)), (other.to_owned(), to(one))]
}
