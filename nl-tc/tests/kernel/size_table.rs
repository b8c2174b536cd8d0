//! Size tables: the size of packets.

use nl_tc::htb::HtbConfig;
use nl_tc::leaf::PfifoConfig;
use nl_tc::qdisc::Qdisc;
use nl_tc::{LinkLayer, Rate, SizeTable, Tc, TcHandle, TcVerb};
use nl_testkit::{EthFrame, Lab, Node, Result};

use crate::support::{CLASS, DEV, QDISC, htb, lines, mbit, wired};
use crate::tables::size_tables;

/// Set by `tc` and read by the crate, set by the crate and shown by `tc`, and written back.
#[nl_testkit::test(needs(qdisc = "pfifo", tool = "tc"), timeout = 60)]
async fn size_tables_match_tc(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    for (words, table) in size_tables() {
        node.tc(&format!("qdisc replace dev eth0 root handle 1: stab {words} pfifo")).await;
        let (by_them, read) = (lines(&node, "-d qdisc show dev eth0").await, there(&tc).await.unwrap());
        for packet in (0..3000).chain([9000, 65_535, 200_000]) {
            assert_eq!(read.size(packet), table.size(packet), "{words}: {packet} bytes");
        }
        for (how, table) in [("installed", table), ("written back", read)] {
            tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
            let entry = tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).stab(table);
            entry.add(PfifoConfig::new()).await?;
            assert_eq!(lines(&node, "-d qdisc show dev eth0").await, by_them, "{words}: {how}");
            assert_eq!(there(&tc).await, Some(read), "{words}: {how}");
        }
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
        // `Display` prints the words of `tc`.
        node.tc(&format!("qdisc add dev eth0 root handle 1: {table} pfifo")).await;
        assert_eq!(lines(&node, "-d qdisc show dev eth0").await, by_them, "{words}: printed as {table}");
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    Ok(())
}

/// Real packets, and the kernel's own count of them.
#[nl_testkit::test(needs(qdisc = "pfifo", tool = "tc"), timeout = 60)]
async fn packets_count_as_the_size_table_says(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    for (words, table) in size_tables() {
        tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).stab(table).add(PfifoConfig::new()).await?;
        for length in [60, 64, 65, 96, 97, 100, 110, 500, 1000, 1499, 1514] {
            let before = sent_bytes(&node).await;
            let frame =
                EthFrame::new([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], EthFrame::TEST, &vec![0; length - 14]);
            node.send_frame(DEV, &frame.to_bytes()).await?;
            let counted = sent_bytes(&node).await - before;
            let size = table.size(u32::try_from(length).unwrap());
            assert_eq!(size.map(u64::from), Some(counted), "{words}: a packet of {length} bytes");
        }
        tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    }
    Ok(())
}

/// The kernel counts like this, and a change without the table removes it.
#[nl_testkit::test(needs(qdisc = "tbf", tool = "tc"))]
async fn change_without_the_size_table_removes_it(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let tbf = |rate| nl_tc::leaf::TbfConfig::new(rate, 5120).limit(10_240);
    let table = SizeTable::new().link_layer(LinkLayer::Atm).overhead(10);
    let entry = || tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC);
    entry().stab(table).add(tbf(Rate::mbit(1))).await?;
    entry().stab(table.overhead(20)).change(tbf(Rate::mbit(2))).await?;
    assert_eq!(there(&tc).await.map(|table| table.overhead), Some(20));
    let shown = node.tc("-d qdisc show dev eth0").await;
    assert!(shown.contains("linklayer atm overhead 20 mtu 2047 tsize 512"), "{shown}");
    // A tree without this option does not change it.
    let tree = nl_tc::tree::Tree::new().qdisc(TcHandle::ROOT, QDISC, tbf(Rate::mbit(4)));
    tc.apply(DEV, &tree).await?;
    let shown = node.tc("-d qdisc show dev eth0").await;
    assert!(shown.contains("rate 4Mbit") && shown.contains("overhead 20"), "{shown}");
    entry().change(tbf(Rate::mbit(3))).await?;
    assert_eq!(there(&tc).await, None);
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn size_table_below_the_root_is_refused(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let line = "tc qdisc add dev eth0 parent 1:10 stab overhead 10 pfifo";
    let theirs = node.command(line.split_whitespace()).await;
    assert!(theirs.stderr.contains("STAB not supported on a non root"), "{theirs:?}");
    let error = tc.qdisc(DEV, CLASS).stab(SizeTable::new().overhead(10)).add(PfifoConfig::new()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("a size table on 1:10; only the root qdisc can have one"), "{error}");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"))]
async fn size_table_limits_equal_those_of_the_kernel(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    let longest = SizeTable::new().mpu(64).mtu(1 << 20).slots(32_748);
    let entry = || tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC);
    entry().stab(longest).add(HtbConfig::new()).await?;
    let shown = node.tc("-d qdisc show dev eth0").await;
    assert!(shown.contains("mpu 64 mtu 1048576 tsize 32748"), "{shown}");
    // The kernel also refuses a slot of 2³¹ bytes.
    let coarse = SizeTable::new().mpu(64).mtu(1 << 30).slots(1);
    let mut request = Qdisc::new(node.index_of(DEV).await?, TcHandle::ROOT, HtbConfig::new())
        .handle(TcHandle::new(2, 0))
        .stab(coarse)
        .request(TcVerb::Replace);
    let error = request.encoded().unwrap_err().to_string();
    assert!(error.contains("a slot has at most 2^30 bytes"), "{error}");
    let line = "tc qdisc replace dev eth0 root handle 2: stab mpu 64 mtu 1073741824 tsize 1 htb";
    let theirs = node.command(line.split_whitespace()).await;
    assert!(theirs.stderr.contains("Invalid logarithmic size of size table"), "{theirs:?}");
    Ok(())
}

#[cfg(test)]
async fn there(tc: &Tc) -> Option<SizeTable> {
    tc.qdisc(DEV, TcHandle::ROOT).get().await.unwrap().stab
}

#[cfg(test)]
async fn sent_bytes(node: &Node) -> u64 {
    node.json("tc -j -s qdisc show dev eth0 root").await[0]["bytes"].as_u64().unwrap()
}
