//! The qdiscs without classes of their own: every option.

use std::time::Duration;

use nl_tc::leaf::{
    BfifoConfig, CakeAckFilter, CakeAtm, CakeConfig, CakeDiffserv, CakeFlows, Clsact, FqCodelConfig,
    FqConfig, Ingress, NetemConfig, NetemLoss, NetemRate, NetemSlot, PfifoConfig, PrioConfig, SfqConfig,
    SfqRed, TbfConfig,
};
use nl_tc::{LinkLayer, Overhead, Probability, Rate};

use super::{QdiscLine, ms};

fn percent(percent: f64) -> Probability {
    Probability::percent(percent).unwrap()
}

pub(crate) fn ingress() -> Vec<QdiscLine> {
    vec![("clsact", Clsact.into()), ("ingress", Ingress.into())]
}

pub(crate) fn fifos() -> Vec<QdiscLine> {
    vec![
        ("pfifo", PfifoConfig::new().into()),
        ("pfifo limit 10", PfifoConfig::new().limit(10).into()),
        ("bfifo", BfifoConfig::new().into()),
        ("bfifo limit 10k", BfifoConfig::new().limit(10 * 1024).into()),
    ]
}

pub(crate) fn tbf() -> Vec<QdiscLine> {
    let tbf = |rate, burst: u32| TbfConfig::new(rate, burst);
    let mut overhead = Overhead::default();
    (overhead.bytes, overhead.mpu) = (24, 64);
    let mut atm = Overhead::default();
    atm.link_layer = LinkLayer::Atm;
    vec![
        ("tbf rate 1mbit burst 5kb limit 10k", tbf(Rate::mbit(1), 5120).limit(10_240).into()),
        ("tbf rate 1mbit burst 5kb latency 70ms", tbf(Rate::mbit(1), 5120).latency(ms(70)).into()),
        ("tbf rate 7mbit burst 1599b latency 50ms", tbf(Rate::mbit(7), 1599).latency(ms(50)).into()),
        ("tbf rate 1gbit burst 125kb latency 1ms", tbf(Rate::gbit(1), 128_000).latency(ms(1)).into()),
        ("tbf rate 40gbit burst 1mb limit 10mb", tbf(Rate::gbit(40), 1 << 20).limit(10 << 20).into()),
        (
            "tbf rate 1mbit burst 5kb limit 10k peakrate 2mbit mtu 2000",
            tbf(Rate::mbit(1), 5120).limit(10_240).peak_rate(Rate::mbit(2), 2000).into(),
        ),
        (
            "tbf rate 1mbit burst 5kb limit 10k peakrate 100gbit mtu 20000",
            tbf(Rate::mbit(1), 5120).limit(10_240).peak_rate(Rate::gbit(100), 20_000).into(),
        ),
        (
            "tbf rate 1mbit burst 5kb limit 10k overhead 24 mpu 64",
            tbf(Rate::mbit(1), 5120).limit(10_240).overhead(overhead).into(),
        ),
        (
            "tbf rate 1mbit burst 5kb limit 10k linklayer atm",
            tbf(Rate::mbit(1), 5120).limit(10_240).overhead(atm).into(),
        ),
    ]
}

pub(crate) fn fq_codel() -> Vec<QdiscLine> {
    let fq = FqCodelConfig::new;
    vec![
        ("fq_codel", fq().into()),
        ("fq_codel limit 100 flows 16", fq().limit(100).flows(16).into()),
        ("fq_codel target 5ms interval 100ms", fq().target(ms(5)).interval(ms(100)).into()),
        ("fq_codel target 1us", fq().target(Duration::from_micros(1)).into()),
        ("fq_codel quantum 256 noecn", fq().quantum(256).ecn(false).into()),
        ("fq_codel ecn memory_limit 1mb", fq().ecn(true).memory_limit(1 << 20).into()),
        ("fq_codel ce_threshold 1ms", fq().ce_threshold(ms(1)).into()),
        ("fq_codel drop_batch 32", fq().drop_batch(32).into()),
        (
            "fq_codel ce_threshold 1ms ce_threshold_selector 0x1/0x3",
            fq().ce_threshold(ms(1)).ce_threshold_selector((1, 3)).into(),
        ),
    ]
}

pub(crate) fn sfq() -> Vec<QdiscLine> {
    let sfq = SfqConfig::new;
    vec![
        ("sfq", sfq().into()),
        ("sfq perturb 10", sfq().perturb(Duration::from_secs(10)).into()),
        ("sfq limit 100 quantum 3000", sfq().limit(100).quantum(3000).into()),
        ("sfq divisor 512 flows 64 depth 32", sfq().divisor(512).flows(64).depth(32).into()),
        ("sfq headdrop", sfq().headdrop(true).into()),
    ]
}

/// `tc` computes these numbers and does not print them.
pub(crate) fn sfq_red() -> Vec<QdiscLine> {
    let red = SfqRed {
        limit: 100_000,
        min: 8000,
        max: 60_000,
        wlog: 5,
        plog: 19,
        scell_log: 0,
        flags: 1,
        max_probability: 0x1999_9999,
    };
    vec![
        (
            "sfq redflowlimit 100000 min 8000 max 60000 avpkt 1000 burst 20 probability 0.1 ecn headdrop",
            SfqConfig::new().red(red).headdrop(true).into(),
        ),
        (
            "sfq redflowlimit 100000 min 8000 max 60000 avpkt 1000 burst 20 probability 0.1 harddrop",
            SfqConfig::new().red(SfqRed { flags: 2, ..red }).into(),
        ),
    ]
}

/// An old `tc` makes it 960 ns.
pub(crate) fn netem_of_no_ticks() -> Vec<QdiscLine> {
    vec![("netem delay 1us", NetemConfig::new().delay(Duration::from_micros(1)).into())]
}

pub(crate) fn netem() -> Vec<QdiscLine> {
    let netem = NetemConfig::new;
    let slot = NetemSlot::between(ms(1), ms(2)).max_packets(10).max_bytes(20_000);
    let rate = NetemRate { rate: Rate::mbit(1), packet_overhead: 20, cell_size: 100, cell_overhead: -5 };
    vec![
        ("netem", netem().into()),
        ("netem limit 5", netem().limit(5).into()),
        ("netem delay 100ms", netem().delay(ms(100)).into()),
        ("netem delay 100ms 10ms", netem().delay(ms(100)).jitter(ms(10)).into()),
        (
            "netem delay 100ms 10ms 25%",
            netem().delay(ms(100)).jitter(ms(10)).delay_correlation(percent(25.0)).into(),
        ),
        ("netem delay 8us", netem().delay(Duration::from_micros(8)).into()),
        ("netem delay 274s 2s", netem().delay(ms(274_000)).jitter(ms(2000)).into()),
        ("netem loss 1%", netem().loss(NetemLoss::random(percent(1.0))).into()),
        (
            "netem loss random 0.3% 25%",
            netem().loss(NetemLoss::correlated(percent(0.3), percent(25.0))).into(),
        ),
        (
            "netem loss state 1% 2% 3% 4% 5%",
            netem()
                .loss(NetemLoss::State {
                    p13: percent(1.0),
                    p31: percent(2.0),
                    p32: percent(3.0),
                    p23: percent(4.0),
                    p14: percent(5.0),
                })
                .into(),
        ),
        (
            "netem loss gemodel 1% 10% 70% 0.1%",
            netem()
                .loss(NetemLoss::GilbertElliott {
                    p: percent(1.0),
                    r: percent(10.0),
                    bad: percent(70.0),
                    good: percent(0.1),
                })
                .into(),
        ),
        // Unset options have the defaults of tc-netem(8).
        (
            "netem loss state 1%",
            netem()
                .loss(NetemLoss::State {
                    p13: percent(1.0),
                    p31: percent(99.0),
                    p32: Probability::NEVER,
                    p23: Probability::ALWAYS,
                    p14: Probability::NEVER,
                })
                .into(),
        ),
        (
            "netem loss gemodel 1% 10%",
            netem()
                .loss(NetemLoss::GilbertElliott {
                    p: percent(1.0),
                    r: percent(10.0),
                    bad: Probability::ALWAYS,
                    good: Probability::NEVER,
                })
                .into(),
        ),
        ("netem loss 1% ecn", netem().loss(NetemLoss::random(percent(1.0))).ecn(true).into()),
        ("netem duplicate 1%", netem().duplicate(percent(1.0)).into()),
        // Alone, tc does not send the correlation.
        (
            "netem delay 100ms 10ms 25% duplicate 1% 50%",
            netem()
                .delay(ms(100))
                .jitter(ms(10))
                .delay_correlation(percent(25.0))
                .duplicate(percent(1.0))
                .duplicate_correlation(percent(50.0))
                .into(),
        ),
        ("netem corrupt 0.1%", netem().corrupt(percent(0.1)).into()),
        ("netem corrupt 0.1% 25%", netem().corrupt(percent(0.1)).corrupt_correlation(percent(25.0)).into()),
        ("netem delay 10ms reorder 25% 50%", {
            netem().delay(ms(10)).reorder(percent(25.0)).reorder_correlation(percent(50.0)).into()
        }),
        ("netem delay 10ms reorder 100% gap 5", netem().delay(ms(10)).reorder(percent(100.0)).gap(5).into()),
        ("netem rate 1mbit", netem().rate(Rate::mbit(1)).into()),
        ("netem rate 40gbit", netem().rate(Rate::gbit(40)).into()),
        ("netem rate 1mbit 20 100 -5", netem().rate(rate).into()),
        ("netem slot 1ms 2ms packets 10 bytes 20000", netem().slot(slot).into()),
    ]
}

/// The TBF lines whose rate tables are in the golden file.
pub(crate) const STORED: &[&str] = &[
    "tbf rate 1mbit burst 5kb latency 70ms",
    "tbf rate 40gbit burst 1mb limit 10mb",
    "tbf rate 1mbit burst 5kb limit 10k peakrate 2mbit mtu 2000",
    "tbf rate 1mbit burst 5kb limit 10k overhead 24 mpu 64",
];

/// Every option, from tc-cake(8).
pub(crate) fn cake() -> Vec<QdiscLine> {
    let cake = CakeConfig::new;
    vec![
        ("cake", cake().into()),
        ("cake unlimited", cake().bandwidth(Rate::ZERO).into()),
        ("cake bandwidth 20mbit", cake().bandwidth(Rate::mbit(20)).into()),
        ("cake bandwidth 40gbit", cake().bandwidth(Rate::gbit(40)).into()),
        ("cake bandwidth 20mbit autorate-ingress", cake().bandwidth(Rate::mbit(20)).autorate(true).into()),
        ("cake diffserv3", cake().diffserv(CakeDiffserv::Diffserv3).into()),
        ("cake diffserv4", cake().diffserv(CakeDiffserv::Diffserv4).into()),
        ("cake diffserv8", cake().diffserv(CakeDiffserv::Diffserv8).into()),
        ("cake besteffort", cake().diffserv(CakeDiffserv::BestEffort).into()),
        ("cake precedence", cake().diffserv(CakeDiffserv::Precedence).into()),
        ("cake flowblind", cake().flows(CakeFlows::None).into()),
        ("cake srchost", cake().flows(CakeFlows::SrcHost).into()),
        ("cake dsthost", cake().flows(CakeFlows::DstHost).into()),
        ("cake hosts", cake().flows(CakeFlows::Hosts).into()),
        ("cake flows", cake().flows(CakeFlows::Flows).into()),
        ("cake dual-srchost", cake().flows(CakeFlows::DualSrcHost).into()),
        ("cake dual-dsthost", cake().flows(CakeFlows::DualDstHost).into()),
        ("cake triple-isolate", cake().flows(CakeFlows::Triple).into()),
        ("cake nat", cake().nat(true).into()),
        ("cake nonat", cake().nat(false).into()),
        ("cake wash", cake().wash(true).into()),
        ("cake nowash", cake().wash(false).into()),
        ("cake ingress", cake().ingress(true).into()),
        ("cake egress", cake().ingress(false).into()),
        ("cake ack-filter", cake().ack_filter(CakeAckFilter::Filter).into()),
        ("cake ack-filter-aggressive", cake().ack_filter(CakeAckFilter::Aggressive).into()),
        ("cake no-ack-filter", cake().ack_filter(CakeAckFilter::None).into()),
        ("cake split-gso", cake().split_gso(true).into()),
        ("cake no-split-gso", cake().split_gso(false).into()),
        ("cake rtt 50ms", cake().rtt(ms(50)).into()),
        ("cake atm overhead 32", cake().atm(CakeAtm::Atm).overhead(32).into()),
        ("cake ptm overhead -10 mpu 64", cake().atm(CakeAtm::Ptm).overhead(-10).mpu(64).into()),
        ("cake noatm overhead 0", cake().atm(CakeAtm::None).overhead(0).into()),
        ("cake raw", cake().raw().into()),
        ("cake memlimit 4mb", cake().memory_limit(4 << 20).into()),
        ("cake fwmark 0xff", cake().mark(0xff).into()),
    ]
}

/// The bands of Linux 6.7 and newer. An older kernel ignores them.
pub(crate) fn fq_bands() -> Vec<QdiscLine> {
    let priomap = [0, 1, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2];
    vec![
        ("fq bands 3 priomap 0 1 2 2 1 2 0 0 1 1 1 1 1 1 1 2", FqConfig::new().priomap(priomap).into()),
        ("fq weights 600000 200000 70000", FqConfig::new().weights([600_000, 200_000, 70_000]).into()),
    ]
}

/// Every option of all kernels, from tc-fq(8).
pub(crate) fn fq() -> Vec<QdiscLine> {
    let fq = FqConfig::new;
    vec![
        ("fq", fq().into()),
        ("fq limit 5000 flow_limit 50", fq().limit(5000).flow_limit(50).into()),
        ("fq quantum 3000 initial_quantum 9000", fq().quantum(3000).initial_quantum(9000).into()),
        ("fq buckets 512", fq().buckets_log(9).into()),
        ("fq maxrate 100mbit", fq().max_rate(Rate::mbit(100)).into()),
        ("fq low_rate_threshold 1mbit", fq().low_rate_threshold(Rate::mbit(1)).into()),
        ("fq nopacing", fq().pacing(false).into()),
        ("fq pacing", fq().pacing(true).into()),
        ("fq refill_delay 80ms", fq().refill_delay(ms(80)).into()),
        ("fq orphan_mask 511", fq().orphan_mask(511).into()),
        ("fq ce_threshold 4ms", fq().ce_threshold(ms(4)).into()),
        ("fq timer_slack 20us", fq().timer_slack(Duration::from_micros(20)).into()),
        ("fq horizon 2s horizon_cap", fq().horizon(ms(2000)).horizon_drop(false).into()),
        ("fq horizon 5s horizon_drop", fq().horizon(ms(5000)).horizon_drop(true).into()),
    ]
}

pub(crate) fn prio() -> Vec<QdiscLine> {
    let map = [1, 2, 2, 0, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 3];
    vec![
        ("prio", PrioConfig::new().into()),
        (
            "prio bands 4 priomap 1 2 2 0 1 2 0 0 1 1 1 1 1 1 1 3",
            PrioConfig::new().bands(4).priomap(map).into(),
        ),
    ]
}
