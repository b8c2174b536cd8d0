//! Public futures and streams are `Send`.

use std::future::Future;

use nl_tc::class::{Class, ClassConfig};
use nl_tc::filter::Matchall;
use nl_tc::qdisc::QdiscConfig;
use nl_tc::tree::Tree;
use nl_tc::{Tc, TcHandle, TcVerb};

const fn future<F: Future + Send>(_: &F) {}
const fn shared<T: Send + Sync + 'static>() {}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "checked by the compiler")]
fn every_future_is_send(tc: &Tc, handle: TcHandle, config: ClassConfig, qdisc: QdiscConfig, tree: &Tree) {
    let class = || tc.class("lo", handle);
    future(&class().add(config.clone()));
    future(&class().change(config.clone()));
    future(&class().replace(config.clone()));
    future(&class().delete());
    future(&class().get());
    future(&tc.classes("lo").list());
    future(&tc.qdisc("lo", handle).add(qdisc));
    future(&tc.qdisc("lo", handle).delete());
    future(&tc.qdisc("lo", handle).get());
    future(&tc.qdiscs().list());
    future(&tc.filter("lo", handle).add(Matchall::new(handle)));
    future(&tc.filter("lo", handle).delete());
    future(&tc.filters("lo", handle).list());
    future(&tc.snapshot("lo"));
    future(&tc.apply("lo", tree));
    future(&tc.batch([(TcVerb::Delete, Class::at(1, handle))]).summarize(1));
}

const _: () = {
    shared::<Tc>();
    shared::<Tree>();
};
