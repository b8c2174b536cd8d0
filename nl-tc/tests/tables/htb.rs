//! HTB: every option of its qdisc and classes.

use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::{LinkLayer, Rate};

use super::{ClassLine, QdiscLine};

fn mbit(n: u64) -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(n))
}

pub(crate) fn qdiscs() -> Vec<QdiscLine> {
    vec![
        ("htb", HtbConfig::new().into()),
        ("htb default 20", HtbConfig::new().default_class(0x20).into()),
        ("htb default ffff", HtbConfig::new().default_class(0xffff).into()),
        ("htb r2q 1", HtbConfig::new().r2q(1).into()),
        ("htb direct_qlen 5", HtbConfig::new().direct_qlen(5).into()),
        (
            "htb default 1 r2q 100 direct_qlen 0",
            HtbConfig::new().default_class(1).r2q(100).direct_qlen(0).into(),
        ),
    ]
}

/// Options that need hardware support, which these kernels refuse.
pub(crate) fn qdiscs_of_hardware() -> Vec<QdiscLine> {
    vec![("htb offload", HtbConfig::new().offload(true).into())]
}

/// Bursts that even an old `tc` converts exactly.
pub(crate) fn exact_classes() -> Vec<ClassLine> {
    let rate = HtbClassConfig::new;
    vec![
        ("rate 1mbit", mbit(1).into()),
        ("rate 100mbit", mbit(100).into()),
        ("rate 5mbit", mbit(5).into()),
        ("rate 1000kbit", mbit(1).into()),
        ("rate 0.5mbit", rate(Rate::kbit(500)).into()),
        ("rate 125000bps", mbit(1).into()),
        ("rate 100kbps", rate(Rate::kbps(100)).into()),
        ("rate 1mbps ceil 2mbps", rate(Rate::mbps(1)).ceil(Rate::mbps(2)).into()),
        ("rate 8kbit", rate(Rate::kbit(8)).into()),
        ("rate 1kibit", rate(Rate::kibit(1)).into()),
        (
            "rate 1mibit burst 131072b cburst 131072b",
            rate(Rate::mibit(1)).burst(131_072).cburst(131_072).into(),
        ),
        ("rate 1mbit ceil 2mbit", mbit(1).ceil(Rate::mbit(2)).into()),
        ("rate 2mbit ceil 1mbit", mbit(2).ceil(Rate::mbit(1)).into()),
        ("rate 1mbit burst 15k", mbit(1).burst(15 * 1024).into()),
        ("rate 1mbit buffer 15k", mbit(1).burst(15 * 1024).into()),
        ("rate 1mbit maxburst 15k", mbit(1).burst(15 * 1024).into()),
        ("rate 1mbit cburst 3k", mbit(1).cburst(3 * 1024).into()),
        ("rate 1mbit burst 1b", mbit(1).burst(1).into()),
        (
            "rate 1mbit ceil 2mbit burst 15k cburst 3k",
            mbit(1).ceil(Rate::mbit(2)).burst(15 * 1024).cburst(3 * 1024).into(),
        ),
        ("rate 1mbit mtu 3000", mbit(1).mtu(3000).into()),
        ("rate 1mbit mpu 64", mbit(1).mpu(64).into()),
        ("rate 1mbit overhead 24", mbit(1).overhead(24).into()),
        ("rate 1mbit linklayer ethernet", mbit(1).into()),
        ("rate 1mbit linklayer atm", mbit(1).link_layer(LinkLayer::Atm).into()),
        ("rate 1mbit linklayer adsl", mbit(1).link_layer(LinkLayer::Atm).into()),
        (
            "rate 1mbit linklayer atm overhead 8 mpu 53",
            mbit(1).link_layer(LinkLayer::Atm).overhead(8).mpu(53).into(),
        ),
        ("rate 1mbit prio 0", mbit(1).into()),
        ("rate 1mbit prio 7", mbit(1).prio(7).into()),
        ("rate 1mbit quantum 1", mbit(1).quantum(1).into()),
        ("rate 1mbit quantum 1514", mbit(1).quantum(1514).into()),
        ("rate 1mbit quantum 200000", mbit(1).quantum(200_000).into()),
        (
            "rate 1gbit burst 125000b cburst 125000b",
            rate(Rate::gbit(1)).burst(125_000).cburst(125_000).into(),
        ),
        (
            "rate 34gbit burst 340000b cburst 340000b",
            rate(Rate::gbit(34)).burst(340_000).cburst(340_000).into(),
        ),
        (
            "rate 40gbit burst 40000b cburst 40000b quantum 60000",
            rate(Rate::gbit(40)).burst(40_000).cburst(40_000).quantum(60_000).into(),
        ),
        (
            "rate 1gbit ceil 100gbit burst 125000b cburst 100000b quantum 60000",
            rate(Rate::gbit(1)).ceil(Rate::gbit(100)).burst(125_000).cburst(100_000).quantum(60_000).into(),
        ),
        (
            "rate 1tbit burst 1000000b cburst 1000000b quantum 60000",
            rate(Rate::tbit(1)).burst(1_000_000).cburst(1_000_000).quantum(60_000).into(),
        ),
        (
            "rate 1mbit ceil 10mbit burst 15k cburst 5k mpu 64 overhead 24 prio 3 quantum 3000",
            mbit(1)
                .ceil(Rate::mbit(10))
                .burst(15 * 1024)
                .cburst(5 * 1024)
                .mpu(64)
                .overhead(24)
                .prio(3)
                .quantum(3000)
                .into(),
        ),
    ]
}

/// Bursts that only a `tc` that rounds up converts exactly.
pub(crate) fn classes_of_ticks() -> Vec<ClassLine> {
    let rate = HtbClassConfig::new;
    vec![
        ("rate 1gbit", rate(Rate::gbit(1)).into()),
        ("rate 10gbit", rate(Rate::gbit(10)).into()),
        ("rate 40gbit quantum 60000", rate(Rate::gbit(40)).quantum(60_000).into()),
        ("rate 100gbit quantum 60000", rate(Rate::gbit(100)).quantum(60_000).into()),
        ("rate 3mbit", mbit(3).into()),
        ("rate 7mbit ceil 11mbit", mbit(7).ceil(Rate::mbit(11)).into()),
        ("rate 1kibps", rate(Rate::kibps(1)).into()),
        ("rate 1mibit", rate(Rate::mibit(1)).into()),
        ("rate 1.5mbit burst 1599b", rate(Rate::kbit(1500)).burst(1599).into()),
    ]
}

/// The lines whose rate tables are in the golden file.
pub(crate) const STORED: &[&str] = &[
    "rate 1mbit",
    "rate 1gbit",
    "rate 7mbit ceil 11mbit",
    "rate 1mbit ceil 2mbit burst 15k cburst 3k",
    "rate 1mbit mtu 3000",
    "rate 1mbit linklayer atm overhead 8 mpu 53",
    "rate 1gbit ceil 100gbit burst 125000b cburst 100000b quantum 60000",
    "rate 1mbit ceil 10mbit burst 15k cburst 5k mpu 64 overhead 24 prio 3 quantum 3000",
];
