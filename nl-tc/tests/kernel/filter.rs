//! Filters: every verb, chains, marks, and blocks that devices share.

use nl_tc::filter::{FilterConfig, Flower, FlowerKey, Fw, IPV4, Matchall, U32};
use nl_tc::leaf::Clsact;
use nl_tc::{Tc, TcHandle};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, filter_lines, htb, lines, mbit, wired};

/// The priority, the chain and the kind of each filter with a handle.
async fn listed(list: nl_tc::Filters) -> Vec<(u16, Option<u32>, String)> {
    let all = list.list().await.unwrap().collect_all().await.unwrap();
    let own = all.into_iter().filter(|filter| filter.handle & 0xfff != 0);
    own.map(|filter| (filter.priority, filter.chain, filter.config.kind().to_owned())).collect()
}

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn filter_is_changed_replaced_read_and_flushed(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let other = QDISC.class(0x11);
    tc.class(DEV, other).add(mbit(1)).await?;
    let filter = || tc.filter(DEV, QDISC).priority(5).protocol(IPV4).handle(7);
    assert!(filter().change(Fw::new(CLASS)).await.unwrap_err().is_not_found());
    filter().add(Fw::new(CLASS)).await?;
    assert!(filter().add(Fw::new(CLASS)).await.unwrap_err().is_exists());
    let shown = node.tc("filter show dev eth0").await;
    assert!(shown.contains("fw") && shown.contains("handle 0x7 classid 1:10"), "{shown}");
    filter().change(Fw::new(other)).await?;
    assert_eq!(filter().get().await?.config, Fw::new(other).into());
    filter().replace(Fw::new(CLASS)).await?;
    assert_eq!(filter().get().await?.config, Fw::new(CLASS).into());
    let error = filter().handle(8).get().await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().starts_with("get filter dev eth0 parent 1: "),
        "{error}"
    );

    // Of `tc`, with a mask, read by us.
    node.tc("filter add dev eth0 parent 1: prio 6 protocol ip handle 6/0xf fw classid 1:10").await;
    let read = tc.filter(DEV, QDISC).priority(6).protocol(IPV4).handle(6).get().await?;
    assert_eq!(read.config, Fw::new(CLASS).mask(0xf).into());
    tc.filter(DEV, QDISC).priority(1).protocol(IPV4).add(U32::to("192.0.2.7".parse()?, CLASS)).await?;
    assert_eq!(listed(tc.filters(DEV, QDISC)).await.len(), 3);
    tc.filters(DEV, QDISC).flush().await?;
    assert_eq!(lines(&node, "filter show dev eth0").await, [] as [String; 0]);
    Ok(())
}

#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn filters_of_a_chain_are_added_listed_and_flushed(lab: Lab) -> Result {
    use nl_tc::action::Action;
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let parent = TcHandle::CLSACT_INGRESS;
    tc.filter(DEV, parent).priority(1).add(Matchall::actions([Action::goto_chain(7)])).await?;
    tc.filter(DEV, parent).priority(2).chain(7).add(Matchall::actions([Action::drop()])).await?;
    node.tc("filter add dev eth0 ingress chain 7 prio 3 matchall action pass").await;
    let kind = || "matchall".to_owned();
    assert_eq!(listed(tc.filters(DEV, parent).chain(7)).await, [(2, Some(7), kind()), (3, Some(7), kind())]);
    assert_eq!(listed(tc.filters(DEV, parent)).await.len(), 3);
    // In the list of one chain, `tc` does not print its number.
    let shown = node.tc("filter show dev eth0 ingress").await;
    assert!(shown.contains("pref 2 matchall chain 7"), "{shown}");
    // What was read is written to the same chain.
    let all = tc.filters(DEV, parent).chain(7).list().await?.collect_all().await?;
    let read = all.into_iter().find(|filter| filter.priority == 3 && filter.handle != 0).unwrap();
    tc.filter(DEV, parent).priority(3).chain(7).delete().await?;
    tc.batch([(nl_tc::TcVerb::Add, read)]).summarize(1).await?.into_result()?;
    assert_eq!(listed(tc.filters(DEV, parent).chain(7)).await.len(), 2);
    tc.filters(DEV, parent).chain(7).flush().await?;
    assert_eq!(listed(tc.filters(DEV, parent)).await, [(1, Some(0), kind())]);
    Ok(())
}

/// One block for two devices: a filter of the block is one of both.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"))]
async fn filters_of_a_block_are_shared_by_its_devices(lab: Lab) -> Result {
    use nl_tc::action::Action;
    let ([node, _peer], tc) = wired(&lab).await?;
    let block = 22;
    let share =
        async |tc: &Tc, dev: &str| tc.qdisc(dev, TcHandle::CLSACT).ingress_block(block).add(Clsact).await;
    share(&tc, DEV).await?;
    share(&tc, "lo").await?;
    tc.block_filter(block).priority(4).add(Matchall::actions([Action::drop()])).await?;
    let shown = node.tc("filter show block 22").await;
    assert!(shown.contains("pref 4 matchall") && shown.contains("gact action drop"), "{shown}");
    assert_eq!(listed(tc.block_filters(block)).await, [(4, Some(0), "matchall".to_owned())]);
    let error = tc.block_filter(23).priority(4).add(Matchall::actions([Action::drop()])).await.unwrap_err();
    assert!(error.to_string().starts_with("add filter block 23 protocol all prio 4 matchall"), "{error}");
    tc.block_filters(block).flush().await?;
    assert_eq!(node.tc("filter show block 22").await, "");
    let unset = FilterConfig::Other { kind: String::new(), options: None };
    assert!(tc.block_filter(block).add(unset).await.unwrap_err().is_usage());
    Ok(())
}

/// Each line set by us and by `tc`: the same is shown, and read.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 120)]
async fn flower_filters_are_the_same_both_ways(lab: Lab) -> Result {
    use nl_tc::action::Action;
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let (v4, tcp) = (Flower::ipv4, || Flower::ipv4().key(FlowerKey::IpProto(6)));
    let cases = [
        ("dst_ip 192.0.2.0/24", v4().dst_ip("192.0.2.0".parse()?, 24)),
        ("src_ip 192.0.2.7", v4().src_ip("192.0.2.7".parse()?, 32)),
        ("ip_proto tcp dst_port 443", tcp().key(FlowerKey::TcpDst(443, 0xffff))),
        ("ip_proto tcp src_port 1024", tcp().key(FlowerKey::TcpSrc(1024, 0xffff))),
        ("ip_proto udp dst_port 53", v4().key(FlowerKey::IpProto(17)).key(FlowerKey::UdpDst(53, 0xffff))),
        ("ip_proto tcp tcp_flags 0x2/0x17", tcp().key(FlowerKey::TcpFlags(2, 0x17))),
        ("ip_tos 0x28/0xfc", v4().key(FlowerKey::IpTos(0x28, 0xfc))),
        ("ip_ttl 64", v4().key(FlowerKey::IpTtl(64, 0xff))),
        (
            "ip_proto icmp type 8 code 0",
            v4().key(FlowerKey::IpProto(1))
                .key(FlowerKey::Icmpv4Type(8, 0xff))
                .key(FlowerKey::Icmpv4Code(0, 0xff)),
        ),
        ("dst_mac 02:00:00:00:00:09", v4().key(FlowerKey::EthDst([2, 0, 0, 0, 0, 9], [0xff; 6]))),
        (
            "ip_proto tcp dst_port 1000-2000",
            tcp().key(FlowerKey::PortDstMin(1000)).key(FlowerKey::PortDstMax(2000)),
        ),
    ];
    let parent = TcHandle::CLSACT_INGRESS;
    for (words, flower) in cases {
        let flower = flower.action(Action::drop());
        let filter = || tc.filter(DEV, parent).priority(5).protocol(IPV4);
        filter().add(flower.clone()).await?;
        let ours = filter_lines(&node, "filter show dev eth0 ingress").await;
        filter().delete().await?;
        node.tc(&format!("filter add dev eth0 ingress prio 5 protocol ip flower {words} action drop")).await;
        assert_eq!(filter_lines(&node, "filter show dev eth0 ingress").await, ours, "{words}");
        let all = tc.filters(DEV, parent).list().await?.collect_all().await?;
        let read = all.into_iter().find(|filter| filter.handle != 0).unwrap().config;
        assert!(FilterConfig::from(flower).is_met_by(&read), "{words}: {read:?}");
        filter().delete().await?;
    }
    Ok(())
}

/// Fault 4: a mark that `tc` set disappeared when it was read.
#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"))]
async fn mark_of_a_u32_filter_is_read_and_written(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let words = "u32 match ip dst 192.0.2.7 match mark 6 0xff classid 1:10";
    let filter = || tc.filter(DEV, QDISC).priority(5).protocol(IPV4);
    filter().add(U32::to("192.0.2.7".parse()?, CLASS).mark(6, 0xff)).await?;
    let ours = lines(&node, "filter show dev eth0").await;
    filter().delete().await?;
    node.tc(&format!("filter add dev eth0 parent 1: prio 5 protocol ip {words}")).await;
    let shown = lines(&node, "filter show dev eth0").await;
    // The kernel has CONFIG_CLS_U32_MARK.
    assert!(shown.iter().any(|line| line.contains("mark")), "{shown:#?}");
    assert_eq!(shown, ours);
    let all = tc.filters(DEV, QDISC).list().await?.collect_all().await?;
    let expected = U32::to("192.0.2.7".parse()?, CLASS).mark(6, 0xff);
    assert!(all.iter().any(|filter| filter.config == expected.clone().into()), "{all:?}");
    Ok(())
}
