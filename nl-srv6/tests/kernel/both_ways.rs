//! Every mode and every action both ways: what we set iproute2 shows, what iproute2 sets we read, and it is the same.

use nl_core::nexthop::Nexthops;
use nl_core::route::{NextHop, Route, RouteVerb, Routes};
use nl_core::{Connection, Dev};
use nl_srv6::encap::Seg6;
use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
use nl_srv6::routes::Srv6Routes;
use nl_srv6::sid::{Flavors, Seg6Local, Sid, SidAction, Sids};
use nl_testkit::oracle::both_ways::{Case, Object, Step, check};
use nl_testkit::{Lab, Node, Result, kernel_version};
use serde_json::Value;

use crate::commands::{actions, addr, segments};
use crate::support::{add_vrf, generic, routes, shown, world};

/// One route through the library.
#[derive(Debug)]
struct Ours {
    prefix: &'static str,
    seg6: Seg6,
}

struct Table<'a> {
    node: &'a Node,
    conn: &'a Connection,
}

impl Object for Table<'_> {
    type Ours = Ours;
    type Read = Route;

    async fn set(&self, ours: &Ours) -> Result {
        let routes = Srv6Routes::new(self.conn.clone());
        routes.entry(ours.prefix.parse()?, &ours.seg6).dev("d0").add().await?;
        Ok(())
    }

    async fn remove(&self, ours: &Ours) -> Result {
        let routes = Srv6Routes::new(self.conn.clone());
        routes.entry(ours.prefix.parse()?, &ours.seg6).dev("d0").delete().await?;
        Ok(())
    }

    async fn read(&self, ours: &Ours, _: Step) -> Result<Option<Route>> {
        let routes = Srv6Routes::new(self.conn.clone());
        match routes.entry(ours.prefix.parse()?, &ours.seg6).get().await {
            Ok(found) => Ok(Some(found.route.without_ages())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn iproute2_sets(&self, ours: &Ours, words: &str) -> Result {
        let family = if ours.prefix.contains(':') { "-6" } else { "-4" };
        self.node.ip(&format!("{family} route add {} encap {words} dev d0", ours.prefix)).await;
        Ok(())
    }

    async fn iproute2_removes(&self, ours: &Ours, _: &str) -> Result {
        let family = if ours.prefix.contains(':') { "-6" } else { "-4" };
        self.node.ip(&format!("{family} route del {} dev d0", ours.prefix)).await;
        Ok(())
    }

    async fn shown(&self, ours: &Ours, _: Step) -> Result<Value> {
        Ok(shown(self.node, ours.prefix).await.pop().unwrap_or(Value::Null))
    }

    fn compare(&self, ours: &Ours, read: &Route) -> Result {
        match read.encap::<Seg6>()? {
            Some(seg6) if seg6 == ours.seg6 => Ok(()),
            other => Err(format!("read {other:?}").into()),
        }
    }

    async fn write_back(&self, _: &Ours, read: &Route) -> Result<bool> {
        let routes = Routes::new(self.conn.clone());
        routes.batch([(RouteVerb::Replace, read.clone())]).summarize(1).await?.into_result()?;
        Ok(true)
    }

    fn words(&self, ours: &Ours) -> Option<String> {
        Some(ours.seg6.to_string())
    }
}

/// Without the key, what is signed is refused.
async fn set_key(node: &Node) -> Result {
    let keys = HmacKeys::new(generic(node).await?);
    keys.key(42).set(HmacAlgorithm::Sha256, &HmacSecret::new(b"secret".to_vec())).await?;
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, genl = "SEG6", link = "veth", tool = "ip"), timeout = 120)]
async fn route_with_segments_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    set_key(&node).await?;
    let mut cases = Vec::new();
    for (make, mode) in [
        (Seg6::inline as fn(Vec<std::net::Ipv6Addr>) -> Seg6, "inline"),
        (Seg6::encap, "encap"),
        (Seg6::encap_red, "encap.red"),
        (Seg6::l2encap, "l2encap"),
        (Seg6::l2encap_red, "l2encap.red"),
    ] {
        for count in 1..=3 {
            let list: Vec<_> = segments(count).iter().map(ToString::to_string).collect();
            let words = format!("seg6 mode {mode} segs {}", list.join(","));
            let plain = make(segments(count));
            let signed = Case::new(
                Ours { prefix: "2001:db8:2::/48", seg6: plain.clone().hmac(42) },
                format!("{words} hmac 42"),
            );
            cases
                .extend([Case::new(Ours { prefix: "2001:db8:2::/48", seg6: plain.clone() }, &words), signed]);
            if mode != "inline" {
                cases.push(Case::new(Ours { prefix: "198.51.100.0/24", seg6: plain }, &words));
            }
        }
    }
    check(&Table { node: &node, conn: &conn }, cases).await;
    Ok(())
}

/// iproute2 has no word for more than about a hundred segments.
#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn longest_lists_are_made_and_read(lab: Lab) -> Result {
    let (_node, conn) = world(&lab).await?;
    let routes = Srv6Routes::new(conn);
    for seg6 in [Seg6::encap(segments(127)), Seg6::inline(segments(126)), Seg6::encap_red(segments(127))] {
        let entry = || routes.entry("2001:db8:2::/48".parse().unwrap(), &seg6).dev("d0");
        entry().add().await?;
        assert_eq!(entry().get().await?.paths, std::slice::from_ref(&seg6));
        entry().delete().await?;
    }
    Ok(())
}

/// One local SID through the library.
struct SidTable<'a> {
    node: &'a Node,
    sids: &'a Sids,
}

const SID: &str = "fcbb:0:a::/48";

impl Object for SidTable<'_> {
    type Ours = Seg6Local;
    type Read = Sid;

    async fn set(&self, ours: &Seg6Local) -> Result {
        self.entry(ours).dev("d0").add().await?;
        Ok(())
    }

    async fn remove(&self, ours: &Seg6Local) -> Result {
        self.entry(ours).delete().await?;
        Ok(())
    }

    async fn read(&self, _: &Seg6Local, _: Step) -> Result<Option<Sid>> {
        match self.sids.sid(SID.parse()?).get().await {
            Ok(mut sid) => {
                sid.route = sid.route.without_ages();
                Ok(Some(sid))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn iproute2_sets(&self, _: &Seg6Local, words: &str) -> Result {
        self.node.ip(&format!("-6 route add {SID} encap {words} dev d0")).await;
        Ok(())
    }

    async fn iproute2_removes(&self, _: &Seg6Local, _: &str) -> Result {
        self.node.ip(&format!("-6 route del {SID} dev d0")).await;
        Ok(())
    }

    async fn shown(&self, _: &Seg6Local, _: Step) -> Result<Value> {
        Ok(shown(self.node, SID).await.pop().unwrap_or(Value::Null))
    }

    fn compare(&self, ours: &Seg6Local, read: &Sid) -> Result {
        let mut read = read.local.clone();
        if let (SidAction::EndDx2 { oif: ours }, SidAction::EndDx2 { oif: read }) =
            (&ours.action, &mut read.action)
        {
            *read = ours.clone();
        }
        match ours.is_same_behavior(&read) {
            true => Ok(()),
            false => Err(format!("read {read:?}").into()),
        }
    }

    async fn write_back(&self, _: &Seg6Local, read: &Sid) -> Result<bool> {
        let routes = Routes::new(self.sids.connection().clone());
        routes.batch([(RouteVerb::Replace, read.route.clone())]).summarize(1).await?.into_result()?;
        Ok(true)
    }

    fn words(&self, ours: &Seg6Local) -> Option<String> {
        Some(ours.to_string())
    }
}

impl SidTable<'_> {
    fn entry(&self, ours: &Seg6Local) -> nl_srv6::sid::SidEntry {
        let mut entry = self.sids.entry(SID.parse().unwrap(), ours.action.clone());
        if let Some(flavors) = ours.flavors {
            entry = entry.flavors(flavors);
        }
        if ours.counters.is_some() { entry.counters() } else { entry }
    }
}

#[nl_testkit::test(
    needs(vm, host_root, genl = "SEG6", link = "veth", link = "vrf", tool = "ip"),
    timeout = 120
)]
async fn local_sid_set_by_either_reads_equally(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    add_vrf(&node).await?;
    set_key(&node).await?;
    let sids = Sids::new(conn);
    let mut cases: Vec<_> = actions()
        .into_iter()
        .map(|(ours, words)| Case::new(ours, format!("seg6local action {words}")))
        .collect();
    if kernel_version() >= (6, 3) {
        let psp = Seg6Local::new(SidAction::End).flavors(Flavors::psp());
        cases.push(Case::new(psp, "seg6local action End flavors psp"));
    }
    if kernel_version() >= (6, 6) {
        let end_x = Seg6Local::new(SidAction::EndX { nh6: addr("2001:db8::9") });
        let words = "seg6local action End.X nh6 2001:db8::9 flavors next-csid lblen 40 nflen 24 count";
        cases.push(Case::new(end_x.flavors(Flavors::next_csid(40, 24)).counters(), words));
    }
    check(&SidTable { node: &node, sids: &sids }, cases).await;
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", link = "vrf", tool = "ip"), timeout = 60)]
async fn sid_with_a_vrf_table_is_on_the_vrf_unless_said(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    add_vrf(&node).await?;
    let sids = Sids::new(conn);
    sids.end_dt46("fcbb:0:a:d46::".parse()?, 100).counters().add().await?;
    let sid = sids.sid("fcbb:0:a:d46::".parse()?).get().await?;
    assert_eq!(sid.route.oif, Some(node.index_of("red").await?));
    assert_eq!(shown(&node, "fcbb:0:a:d46::").await[0]["dev"], "red");
    assert!(sid.local.counters.is_some_and(|counters| counters.packets == 0));
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn sids_of_all_tables_are_listed_and_other_routes_left_out(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let sids = Sids::new(conn.clone());
    sids.end("fcbb:0:a::/48".parse()?).dev("d0").add().await?;
    sids.end_t("fcbb:0:b::/48".parse()?, 300).dev("d1").table(90).metric(7).add().await?;
    Srv6Routes::new(conn)
        .entry("2001:db8:2::/48".parse()?, &Seg6::encap(segments(1)))
        .dev("d0")
        .add()
        .await?;
    let listed = |entries: nl_srv6::sid::SidEntries| async move {
        let list = entries.list().await.unwrap().collect_all().await.unwrap();
        list.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let [d0, d1] = [node.index_of("d0").await?, node.index_of("d1").await?];
    let end =
        format!("fcbb:0:a::/48 encap seg6local action End dev #{d0} proto boot metric 1024 pref medium");
    let end_t = format!(
        "fcbb:0:b::/48 encap seg6local action End.T table 300 dev #{d1} table 90 proto boot metric 7 pref medium"
    );
    let mut all = listed(sids.entries()).await;
    all.sort();
    assert_eq!(all, [end.clone(), end_t.clone()]);
    assert_eq!(listed(sids.entries().table(90)).await, std::slice::from_ref(&end_t));
    assert_eq!(listed(sids.entries().dev("d0")).await, [end]);
    sids.sid("fcbb:0:b::/48".parse()?).table(90).delete().await?;
    assert_eq!(listed(sids.entries().dev("d1")).await, [] as [String; 0]);
    Ok(())
}

#[nl_testkit::test(needs(vm, link = "veth", tool = "ip"), timeout = 60)]
async fn nexthop_object_and_paths_have_segments(lab: Lab) -> Result {
    let (node, conn) = world(&lab).await?;
    let nexthops = Nexthops::new(conn.clone());
    let seg6 = Seg6::encap(segments(2));
    nexthops.entry(1).ipv6().dev("d0").encap(&seg6).add().await?;
    // By its number iproute2 7 asks for counters, which Linux 6.1 does not know.
    let shown_by_us = node.json("ip -j nexthop show").await;
    assert_eq!(nexthops.entry(1).get().await?.encap::<Seg6>()?, Some(seg6.clone()));
    nexthops.entry(1).delete().await?;
    node.ip("-6 nexthop add id 1 encap seg6 mode encap segs fcbb:0:1::,fcbb:0:2:: dev d0").await;
    assert_eq!(node.json("ip -j nexthop show").await, shown_by_us);

    // A local SID is a nexthop object too, and a route over it is listed.
    nexthops.entry(2).ipv6().dev("d0").encap(&Seg6Local::new(SidAction::End)).add().await?;
    node.ip("-6 route add fcbb:0:a::/48 nhid 2").await;
    assert_eq!(
        Sids::new(conn.clone()).sid("fcbb:0:a::/48".parse()?).get().await?.local.action,
        SidAction::End
    );

    let other = Seg6::encap(segments(1));
    let hop =
        |via: &str, seg6: &Seg6| NextHop::via(via.parse().unwrap()).dev(Dev::from("d0")).with_encap(seg6);
    let hops = [hop("2001:db8::1", &seg6), hop("2001:db8::2", &other)];
    Routes::new(conn).entry("2001:db8:2::/48".parse()?).nexthops(hops).add().await?;
    let text = node.ip("-6 route show exact 2001:db8:2::/48").await;
    assert!(
        text.contains("segs 2 [ fcbb:0:1:: fcbb:0:2:: ]") && text.contains("segs 1 [ fcbb:0:1:: ]"),
        "{text}"
    );

    // One path goes, the other stays.
    let routes = routes(&node).await?;
    let entry = |seg6| routes.entry("2001:db8:2::/48".parse().unwrap(), seg6);
    assert_eq!(entry(&other).get().await?.paths.len(), 2);
    entry(&other).delete().await?;
    assert_eq!(entry(&seg6).get().await?.paths, std::slice::from_ref(&seg6));
    assert!(entry(&other).delete().await.unwrap_err().is_not_found());
    Ok(())
}
