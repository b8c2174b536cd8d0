//! Many routes at once.

use std::net::Ipv6Addr;

use nl_core::IpPrefix;
use nl_core::route::{Route, RouteVerb, Routes};
use nl_srv6::encap::Seg6;
use nl_srv6::routes::Srv6Routes;
use nl_testkit::{Lab, Node, Result, scaled};

use crate::commands::segments;
use crate::support::world;

const TABLE: u32 = 1000;

fn network(number: u32) -> IpPrefix {
    let [a, b, c, d] = number.to_be_bytes();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    IpPrefix::new(Ipv6Addr::new(0x2001, 0xdb9, high, low, 0, 0, 0, 0).into(), 64).unwrap()
}

/// How many routes iproute2 sees.
async fn count(node: &Node) -> usize {
    let routes = node.json(&format!("ip -j -6 route show table {TABLE}")).await;
    routes.as_array().unwrap().len()
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 120)]
async fn thousands_of_routes_are_added_in_a_burst_and_deleted_by_one_list(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let all = scaled(20_000, 2_000);
    let index = conn.link_index("d0").await?;
    let path = Seg6::encap(segments(3));
    let adds = {
        let path = path.clone();
        let route = move |number| Route::new(network(number)).table(TABLE).oif(index).with_encap(&path);
        (0..all).map(move |number| (RouteVerb::Add, route(number)))
    };
    // The kernel allocates memory for the per-CPU caches of these routes in the background.
    let summary = Routes::new(conn.clone()).batch(adds).retry_enomem().summarize(3).await?;
    assert_eq!((summary.succeeded, summary.failed), (u64::from(all), 0), "{:?}", summary.failures);
    let all = usize::try_from(all)?;
    assert_eq!(count(&node).await, all);

    let routes = Srv6Routes::new(conn);
    let other = Seg6::encap(segments(1));
    let entry = |number: u32, path: &Seg6| routes.entry(network(number), path).table(TABLE);
    let entries = [
        entry(0, &path),
        entry(1, &other),
        // A second time.
        entry(0, &path),
        entry(u32::MAX, &path),
        entry(2, &other).unchecked(),
        entry(3, &path).dev("nodev"),
        entry(4, &path).dev("d0"),
        entry(5, &path).dev("d1"),
    ];
    let outcomes = routes.delete_all(entries).await?;
    let went_well: Vec<_> = outcomes.iter().map(std::result::Result::is_ok).collect();
    assert_eq!(went_well, [true, false, false, false, true, false, true, false], "{outcomes:?}");
    let errors: Vec<_> = outcomes.into_iter().filter_map(std::result::Result::err).collect();
    assert!(errors.iter().all(nl_core::Error::is_not_found), "{errors:?}");
    let told = errors[0].to_string();
    assert!(told.starts_with("delete route 2001:db9:0:1::/64 encap seg6 mode encap segs "), "{told}");
    assert!(told.contains(" where 2001:db9:0:1::/64 encap seg6 mode encap segs "), "{told}");
    assert!(errors[3].to_string().contains(" dev nodev"), "{}", errors[3]);
    assert_eq!(count(&node).await, all - 3);
    Ok(())
}
