//! A network card with several queues, as a tree.

use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{CakeConfig, Mq};
use nl_tc::tree::Tree;
use nl_tc::{Rate, TcHandle};

const ROOT: TcHandle = TcHandle::ROOT;
const ONE: TcHandle = TcHandle::new(1, 0);

/// A host's network card: an HTB on each queue, which shapes nobody's traffic but its own, with cake below.
pub(crate) fn host_queues(dev: &str, queues: u16, rate: Rate) -> Vec<(String, Tree)> {
    let mut tree = Tree::new().qdisc(ROOT, ONE, Mq);
    for queue in 1..=queues {
        let htb = TcHandle::new(queue + 1, 0);
        let leaf = TcHandle::new(0x100 + queue, 0);
        tree = tree
            .qdisc(ONE.class(queue), htb, HtbConfig::new().default_class(1))
            .class(htb, htb.class(1), HtbClassConfig::new(rate))
            .qdisc(htb.class(1), leaf, CakeConfig::new());
    }
    vec![(dev.to_owned(), tree)]
}
