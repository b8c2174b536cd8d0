//! Public futures can be spawned on a runtime of many threads.

use std::net::Ipv6Addr;

use nl_core::{Connection, IpPrefix};
use nl_srv6::doctor::{Doctor, Facts, Finding};
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
use nl_srv6::policy::{Headend, Plan, PolicySet, Snapshot};
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::{Sid, SidSampler, Sids};
use nl_srv6::srh::Srh;

const fn future<F: Future + Send>(_: &F) {}
const fn shared<T: Send + Sync + 'static>() {}

/// Never runs: that it compiles is the test.
#[expect(dead_code, reason = "checked by the compiler")]
fn every_future_is_send(conn: &Connection, to: IpPrefix, seg6: &Seg6, secret: &HmacSecret, set: &PolicySet) {
    let sids = Sids::new(conn.clone());
    future(&sids.end(to).add());
    future(&sids.end_dt46(to, 100).replace());
    future(&sids.end(to).delete());
    future(&sids.sid(to).get());
    future(&sids.sid(to).delete());
    future(&sids.entries().list());
    let routes = Srv6Routes::new(conn.clone());
    future(&routes.entry(to, seg6).add());
    future(&routes.entry(to, seg6).append());
    future(&routes.entry(to, seg6).replace());
    future(&routes.entry(to, seg6).delete());
    future(&routes.entry(to, seg6).get());
    future(&routes.entries().list());
    let keys = HmacKeys::new(conn.clone());
    future(&keys.key(1).set(HmacAlgorithm::Sha256, secret));
    future(&keys.key(1).delete());
    future(&keys.list());
    let headend = Headend::new(conn.clone());
    future(&headend.snapshot(set));
    future(&headend.apply(set));
    future(&headend.remove(set));
    future(&headend.selections(set));
    future(&Doctor::new(conn.clone()).facts());
    future(&Doctor::new(conn.clone()).examine());
    #[cfg(feature = "tunnel-source")]
    {
        let source = nl_srv6::tunnel_source::TunnelSource::new(conn.clone());
        future(&source.get());
        future(&source.set(Ipv6Addr::UNSPECIFIED));
        future(&source.clear());
    }
}

const _: () = {
    shared::<Sids>();
    shared::<Sid>();
    shared::<SidSampler<Ipv6Addr>>();
    shared::<Srv6Routes>();
    shared::<HmacSecret>();
    shared::<Srh>();
    shared::<Headend>();
    shared::<PolicySet>();
    shared::<Snapshot>();
    shared::<Plan>();
    shared::<Facts>();
    shared::<Finding>();
};
