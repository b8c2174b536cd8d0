//! Bad input never reaches the kernel, and the error says the limit.

use std::time::Duration;

use nl_tc::class::{Class, ClassConfig, ClassFilter};
use nl_tc::drr::DrrClassConfig;
use nl_tc::ets::{EtsClassConfig, EtsConfig};
use nl_tc::filter::{Filter, Matchall, U32, U32Key};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::{
    Clsact, FqCodelConfig, NetemConfig, NetemDistribution, NetemLoss, NetemRate, NetemSlot, PfifoConfig,
    SfqConfig, TbfConfig,
};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::qfq::QfqClassConfig;
use nl_tc::stats::Estimator;
use nl_tc::{LinkLayer, Overhead, Probability, Rate, TcHandle, TcVerb};

use crate::refused;

const QDISC: TcHandle = TcHandle::new(1, 0);
const CLASS: TcHandle = TcHandle::new(1, 0x10);

#[track_caller]
fn class_refused(config: impl Into<ClassConfig>, why: &str) {
    let error = refused(Class::new(2, CLASS, config).request(TcVerb::Replace));
    assert!(error.ends_with(why), "{error}\nexpected: {why}");
}

#[track_caller]
fn qdisc_refused(config: impl Into<QdiscConfig>, why: &str) {
    let error = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Replace));
    assert!(error.ends_with(why), "{error}\nexpected: {why}");
}

fn htb() -> HtbClassConfig {
    HtbClassConfig::new(Rate::mbit(1))
}

#[test]
fn htb_class_beyond_the_limits_is_refused() {
    class_refused(HtbClassConfig::new(Rate::ZERO), "rate 0bit; 8bit, one byte per second, is the minimum");
    class_refused(HtbClassConfig::new(Rate::bit(7)), "rate 0bit; 8bit, one byte per second, is the minimum");
    class_refused(htb().ceil(Rate::ZERO), "ceil 0bit; 8bit, one byte per second, is the minimum");
    class_refused(
        HtbClassConfig::new(Rate::tbit(u64::MAX)),
        "rate is too high; 18446744073709551614 bytes per second are possible",
    );
    class_refused(htb().prio(8), "prio 8; 0 to 7 are possible");
    class_refused(htb().quantum(0), "quantum 0; 1 is the minimum, and unset means the rate divided by r2q");
    class_refused(
        HtbClassConfig::new(Rate::bit(8)),
        "burst of 1600 bytes takes 1600 s at 8bit; 274.877 s are possible",
    );
    class_refused(htb().burst(Duration::from_secs(275)), "burst of 275 s; 274.877 s are possible");
    class_refused(htb().cburst(0), "cburst of 0 bytes; 1 is the minimum");
    class_refused(htb().link_layer(LinkLayer::Other(16)), "link layer 16; 0 to 15 are possible");
}

#[test]
fn htb_qdisc_beyond_the_limits_is_refused() {
    qdisc_refused(HtbConfig::new().r2q(0), "r2q 0; 1 to 4294967295 are possible");
    let mut config = HtbConfig::new();
    config.default_class = 0x1_0000;
    qdisc_refused(config, "default class 65536; 0 to 65535 are possible");
}

#[test]
fn invalid_hfsc_curves_are_refused() {
    let class = HfscClassConfig::new;
    class_refused(class(), "no curve; real_time() or link_share() is needed");
    class_refused(
        class().real_time(Rate::mbit(1)).upper_limit(Rate::mbit(2)),
        "an upper limit without a link-sharing curve, which it limits",
    );
    class_refused(
        class().link_share(Rate::gbit(35)),
        "ls m2 4375000000 bytes per second; 4294967295 (34.3Gbit) are possible",
    );
    class_refused(
        class().real_time(Rate::ZERO),
        "rt curve of rate 0; the kernel ignores it, and cannot remove a curve",
    );
    class_refused(
        class().real_time(ServiceCurve::delay(1500, Duration::ZERO, Rate::mbit(1))),
        "rt umax 1500 without dmax; a time is needed",
    );
    class_refused(
        class().service(ServiceCurve::two_piece(Rate::mbit(1), Duration::from_nanos(10), Rate::mbit(1))),
        "rt d 10ns; the kernel counts whole microseconds",
    );
    class_refused(
        class().service(ServiceCurve::two_piece(Rate::mbit(1), Duration::from_secs(5000), Rate::mbit(1))),
        "rt d 5000s; 4294.967295s are possible",
    );
}

#[test]
fn drr_qfq_and_ets_beyond_the_limits_are_refused() {
    class_refused(DrrClassConfig::new().quantum(255), "quantum 255; 256 to 1048576 are possible");
    class_refused(
        DrrClassConfig::new().quantum((1 << 20) + 1),
        "quantum 1048577; 256 to 1048576 are possible",
    );
    class_refused(QfqClassConfig::new(0), "weight 0; 1 to 1024 are possible");
    class_refused(QfqClassConfig::new(5000), "weight 5000; 1 to 1024 are possible");
    class_refused(QfqClassConfig::new(1).maxpkt(511), "maxpkt 511; 512 to 65536 are possible");
    class_refused(QfqClassConfig::new(1).maxpkt(65_537), "maxpkt 65537; 512 to 65536 are possible");
    // A change without options is valid, and no difference.
    let nothing = ClassConfig::from(EtsClassConfig::default());
    assert!(Class::new(2, CLASS, nothing.clone()).request(TcVerb::Change).encoded().is_ok());
    assert!(nothing.is_met_by(&EtsClassConfig::new(1500).into()));
    class_refused(EtsClassConfig::new(255), "quantum 255; 256 to 1048576 are possible");
    let add = refused(Class::new(2, CLASS, EtsClassConfig::new(1500)).request(TcVerb::Add));
    assert!(add.ends_with("the classes of an ets qdisc are its bands: change() them"), "{add}");
    qdisc_refused(EtsConfig::new(0), "bands 0; 1 to 16 are possible");
    qdisc_refused(EtsConfig::new(17), "bands 17; 1 to 16 are possible");
    qdisc_refused(EtsConfig::new(2).strict(3), "strict bands 3; 0 to 2 are possible");
    qdisc_refused(
        EtsConfig::new(3).strict(2).quanta([1500, 1500]),
        "number of quanta 2; 0 to 1 are possible",
    );
    qdisc_refused(EtsConfig::new(3).quanta([0]), "quantum 0; 256 to 1048576 are possible");
    qdisc_refused(EtsConfig::new(3).priomap([3]), "priomap band 3; 0 to 2 are possible");
    qdisc_refused(EtsConfig::new(3).priomap([0; 17]), "number of priorities 17; 0 to 16 are possible");
}

#[test]
fn invalid_classids_are_refused() {
    let drr = DrrClassConfig::new;
    let refused_as = |handle, config: ClassConfig, verb| refused(Class::new(2, handle, config).request(verb));
    for handle in [TcHandle::NONE, TcHandle::new(0, 1), TcHandle::ROOT] {
        let error = refused_as(handle, drr().into(), TcVerb::Add);
        assert!(error.ends_with("a classid like 1:10 is needed, the kernel chooses none"), "{error}");
    }
    for config in [drr().into(), QfqClassConfig::new(1).into()] {
        let error = refused_as(QDISC, config, TcVerb::Add);
        assert!(
            error.ends_with("classid 1:; minors 1 to ffff are possible, because 1: could not be deleted")
        );
    }
    let error = refused_as(QDISC, htb().into(), TcVerb::Add);
    assert!(error.contains("minors 1 to ffff are possible"), "{error}");
    let hfsc: ClassConfig = HfscClassConfig::new().service(Rate::mbit(1)).into();
    for verb in [TcVerb::Add, TcVerb::Delete] {
        let error = refused_as(QDISC, hfsc.clone(), verb);
        assert!(
            error.ends_with("class 1: is the root class: it can be changed, not added or deleted"),
            "{error}"
        );
    }
    Class::new(2, QDISC, hfsc).request(TcVerb::Change).encoded().unwrap();
    refused(Class::at(2, QDISC).request(TcVerb::Delete));
    refused(Class::at(0, CLASS).request(TcVerb::Delete));
    Class::at(2, CLASS).request(TcVerb::Delete).encoded().unwrap();
    let error = refused(Class::at(2, CLASS).request(TcVerb::Add));
    assert!(error.ends_with("a configuration is needed"), "{error}");
}

#[test]
fn invalid_parents_are_refused() {
    let under = |parent, config: ClassConfig| {
        refused(Class::new(2, CLASS, config).parent(parent).request(TcVerb::Add))
    };
    let error = under(TcHandle::new(2, 1), htb().into());
    assert!(error.ends_with("parent 2:1; a parent in the same qdisc, 1:, is needed"), "{error}");
    assert!(under(CLASS, htb().into()).ends_with("parent 1:10 is the class itself"));
    let error = under(TcHandle::new(1, 1), DrrClassConfig::new().into());
    assert!(error.ends_with("parent 1:1; drr classes are children of the qdisc, 1:"), "{error}");
    Class::new(2, CLASS, DrrClassConfig::new()).parent(QDISC).request(TcVerb::Add).encoded().unwrap();
}

#[test]
fn invalid_parents_and_handles_of_qdiscs_are_refused() {
    let pfifo = PfifoConfig::new;
    let error = |qdisc: Qdisc| refused(qdisc.request(TcVerb::Add));
    let at_root = |handle| Qdisc::new(2, TcHandle::ROOT, pfifo()).handle(handle);
    assert!(
        error(at_root(CLASS))
            .ends_with("handle 1:10; a qdisc's handle has no minor number: 1: to ffff: are possible")
    );
    assert!(error(at_root(TcHandle::new(0xffff, 0))).ends_with("1: to fffe: are possible"));
    assert!(error(Qdisc::new(2, TcHandle::NONE, pfifo())).ends_with("root, a class, or clsact"));
    assert!(error(Qdisc::new(0, TcHandle::ROOT, pfifo())).ends_with("interface index 0; the first one is 1"));
    assert!(error(Qdisc::new(2, TcHandle::ROOT, Clsact)).ends_with("clsact needs the parent ffff:fff1"));
    assert!(
        error(Qdisc::new(2, TcHandle::CLSACT, pfifo()))
            .ends_with("parent ffff:fff1 is for ingress and clsact, not for pfifo")
    );
    for parent in [TcHandle::INGRESS.qdisc(), TcHandle::CLSACT_INGRESS, TcHandle::new(0xffff, 1)] {
        assert!(
            error(Qdisc::new(2, parent, pfifo()).handle(QDISC))
                .ends_with(&format!("parent {parent}; ingress and clsact have no qdiscs below them"))
        );
    }
    assert!(
        error(Qdisc::new(2, CLASS, pfifo()).handle(QDISC))
            .ends_with("parent 1:10 is a class of the qdisc itself")
    );
    assert!(error(Qdisc::at(2, TcHandle::ROOT)).ends_with("a configuration is needed"));
    let mut request = Qdisc::new(2, TcHandle::CLSACT, Clsact).request(TcVerb::Add);
    // The handle is set automatically: ffff:.
    assert_eq!(request.encoded().unwrap()[24..28], 0xffff_0000_u32.to_ne_bytes());
}

#[test]
fn invalid_estimators_are_refused() {
    let with = |interval, average| {
        let estimator = Estimator::new(Duration::from_millis(interval), Duration::from_millis(average));
        refused(Class::new(2, CLASS, htb()).estimator(estimator).request(TcVerb::Add))
    };
    assert!(with(9000, 100_000).ends_with("estimator interval; over 0 and up to 8 s are possible"));
    assert!(with(0, 1000).ends_with("estimator interval; over 0 and up to 8 s are possible"));
    assert!(with(1000, 1000).contains("estimator average; over 1.44 times"));
}

#[test]
fn leaf_qdiscs_beyond_the_limits_are_refused() {
    qdisc_refused(FqCodelConfig::new().flows(65_537), "flows 65537; 1 to 65536 are possible");
    qdisc_refused(FqCodelConfig::new().quantum(255), "quantum 255; 256 to 1048576 are possible");
    qdisc_refused(
        FqCodelConfig::new().target(Duration::from_nanos(1)),
        "target 1ns; the kernel counts whole microseconds",
    );
    let change = Qdisc::new(2, TcHandle::ROOT, FqCodelConfig::new().flows(1)).request(TcVerb::Change);
    assert!(refused(change).contains("flows cannot be changed"));
    qdisc_refused(SfqConfig::new().divisor(3), "divisor 3; powers of two up to 65536 are possible");
    qdisc_refused(SfqConfig::new().depth(128), "depth 128; 1 to 127 are possible");
    qdisc_refused(
        SfqConfig::new().limit(11).depth(2).flows(5),
        "limit 11; up to flows times depth, 10, are possible",
    );
    qdisc_refused(
        SfqConfig::new().limit(16_257),
        "limit 16257; up to flows times depth, 16256, are possible",
    );
    qdisc_refused(
        SfqConfig::new().perturb(Duration::from_millis(1500)),
        "perturb 1.5s; whole seconds up to 2147483647 are possible",
    );
    qdisc_refused(TbfConfig::new(Rate::ZERO, 1500), "rate 0bit; 8bit, one byte per second, is the minimum");
    qdisc_refused(TbfConfig::new(Rate::mbit(1), 0), "burst of 0 bytes; 1 is the minimum");
    qdisc_refused(TbfConfig::new(Rate::mbit(1), 1500).limit(0), "limit 0 bytes; 1 is the minimum");
    qdisc_refused(
        TbfConfig::new(Rate::gbit(100), 1500).latency(Duration::from_secs(10)),
        "limit is too high; 4294967294 bytes are possible",
    );
    qdisc_refused(
        TbfConfig::new(Rate::mbit(2), 1500).peak_rate(Rate::mbit(2), 1500),
        "peak rate 2Mbit; more than the rate, 2Mbit, is possible",
    );
    let mut overhead = Overhead::default();
    overhead.link_layer = LinkLayer::Unaware;
    qdisc_refused(
        TbfConfig::new(Rate::mbit(2), 1500).overhead(overhead),
        "link layer unaware needs a rate table, which is not sent; Ethernet and ATM are possible",
    );
}

#[test]
fn cake_and_fq_beyond_the_limits_are_refused() {
    use nl_tc::leaf::{CakeConfig, FqConfig};
    let (cake, fq) = (CakeConfig::new, FqConfig::new);
    qdisc_refused(cake().overhead(-65), "overhead -65; -64 to 256 are possible");
    qdisc_refused(cake().mpu(257), "mpu 257; 0 to 256 are possible");
    qdisc_refused(cake().target(Duration::ZERO), "target 0; 1us is the minimum");
    qdisc_refused(cake().rtt(Duration::from_nanos(1500)), "rtt 1.5µs; the kernel counts whole microseconds");
    qdisc_refused(fq().quantum(0), "quantum 0; 1 to 1048576 are possible");
    qdisc_refused(fq().buckets_log(19), "buckets_log 19; 1 to 18 are possible");
    qdisc_refused(
        fq().max_rate(Rate::gbit(40)),
        "maxrate in bytes per second 5000000000; 0 to 4294967295 are possible",
    );
    qdisc_refused(fq().timer_slack(Duration::from_secs(5)), "timer_slack 5s; 4.294967295s are possible");
    qdisc_refused(fq().priomap([3; 16]), "priomap band 3; 0 to 2 are possible");
    qdisc_refused(nl_tc::leaf::PrioConfig::new().bands(17), "bands 17; 2 to 16 are possible");
    qdisc_refused(nl_tc::leaf::PrioConfig::new().priomap([3; 16]), "priomap band 3; 0 to 2 are possible");
    qdisc_refused(fq().weights([1; 3]), "weight 1; 16384 to 2147483647 are possible");
}

/// A value that was set is read back, and written again as the same bytes.
#[test]
fn cake_fq_prio_and_mq_round_trip() {
    use nl_core::message::MessageRef;
    use nl_tc::leaf::{CakeAckFilter, CakeAtm, CakeConfig, CakeDiffserv, CakeFlows, FqConfig};
    let cake = CakeConfig::new()
        .bandwidth(Rate::gbit(40))
        .autorate(false)
        .diffserv(CakeDiffserv::Other(9))
        .flows(CakeFlows::DualSrcHost)
        .nat(false)
        .wash(true)
        .ingress(true)
        .ack_filter(CakeAckFilter::Aggressive)
        .split_gso(false)
        .rtt(Duration::from_millis(80))
        .atm(CakeAtm::Ptm)
        .overhead(-8)
        .mpu(64)
        .memory_limit(1 << 20)
        .mark(0xf0);
    let fq = FqConfig::new()
        .limit(1)
        .flow_limit(2)
        .quantum(3)
        .initial_quantum(4)
        .pacing(true)
        .max_rate(FqConfig::UNLIMITED)
        .buckets_log(10)
        .refill_delay(Duration::from_millis(40))
        .orphan_mask(7)
        .low_rate_threshold(Rate::kbit(8))
        .ce_threshold(Duration::from_micros(u32::MAX.into()))
        .timer_slack(Duration::from_nanos(10_001))
        .horizon(Duration::from_secs(3))
        .horizon_drop(false)
        .priomap([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
        .weights([16_384, 20_000, 30_000]);
    let others: [QdiscConfig; 2] = [nl_tc::leaf::PrioConfig::new().bands(5).into(), nl_tc::leaf::Mq.into()];
    for config in
        [QdiscConfig::from(cake), fq.into(), CakeConfig::new().raw().into()].into_iter().chain(others)
    {
        let mut request = Qdisc::new(2, TcHandle::ROOT, config.clone()).request(TcVerb::Add);
        let bytes = request.encoded().unwrap().to_vec();
        let read = Qdisc::decode(MessageRef::parse(&bytes).unwrap()).unwrap();
        assert_eq!(read.config, config);
        assert!(config.is_met_by(&read.config));
        assert_eq!(read.request(TcVerb::Add).encoded().unwrap(), bytes);
    }
}

#[test]
fn contradictory_netem_options_are_refused() {
    let half = Probability(u32::MAX / 2);
    let netem = NetemConfig::new;
    qdisc_refused(netem().reorder(half), "reorder needs a delay");
    // The kernel lowers a larger value to this.
    qdisc_refused(netem().jitter(Duration::from_secs(3)), "jitter 3s; 2.147483647s are possible");
    qdisc_refused(netem().gap(5), "gap needs reorder");
    qdisc_refused(netem().ecn(true), "ecn needs loss, which it replaces");
    qdisc_refused(netem().rate(Rate::ZERO), "rate 0bit; 8bit, one byte per second, is the minimum");
    let slot = NetemSlot::between(Duration::from_millis(2), Duration::ZERO);
    qdisc_refused(netem().slot(slot), "slot min_delay is above max_delay");
    let (spread, normal) =
        (NetemSlot::spread(Duration::from_millis(2), Duration::from_millis(1)), NetemDistribution::normal);
    // As it is read, because the kernel does not report the distribution.
    qdisc_refused(
        netem().slot(spread),
        "a slot delay and jitter need a slot distribution, which the kernel does not report",
    );
    qdisc_refused(
        netem().slot_distribution(normal()),
        "a slot distribution needs slots, whose times it spreads",
    );
    qdisc_refused(
        netem().slot(NetemSlot::spread(Duration::from_millis(2), Duration::ZERO)).slot_distribution(normal()),
        "a slot distribution needs a slot jitter, which it spreads",
    );
    let mut both = spread;
    both.max_delay = Duration::from_millis(3);
    qdisc_refused(
        netem().slot(both).slot_distribution(normal()),
        "a slot distribution beside min_delay or max_delay",
    );
    let long = NetemSlot::spread(Duration::ZERO, Duration::from_secs(3));
    qdisc_refused(
        netem().slot(long).slot_distribution(normal()),
        "slot jitter 3s; 2.147483647s are possible",
    );
    let large = || NetemDistribution::new("large", vec![1; 16_384]);
    qdisc_refused(
        netem()
            .jitter(Duration::from_millis(1))
            .distribution(large())
            .slot(spread)
            .slot_distribution(large()),
        "values of both distributions 32768; 0 to 32000 are possible",
    );
    let ok = netem()
        .delay(Duration::from_millis(1))
        .reorder(half)
        .loss(NetemLoss::random(half))
        .ecn(true)
        .rate(NetemRate { rate: Rate::gbit(100), ..NetemRate::default() });
    Qdisc::new(2, TcHandle::ROOT, ok).request(TcVerb::Add).encoded().unwrap();
}

#[test]
fn invalid_filters_are_refused() {
    let on =
        |config: nl_tc::filter::FilterConfig| refused(Filter::new(2, QDISC, config).request(TcVerb::Add));
    assert!(on(Matchall::new(QDISC).into()).ends_with("classid 1:; a classid like 1:10 is needed"));
    assert!(on(U32::new(CLASS, []).into()).ends_with("number of keys 0; 1 to 128 are possible"));
    let key = U32Key { offset: 2, ..U32Key::default() };
    assert!(on(U32::new(CLASS, [key]).into()).ends_with("key at byte 2; multiples of 4 are possible"));
    let delete = refused(Filter::new(2, QDISC, Matchall::new(CLASS)).request(TcVerb::Delete));
    assert!(delete.contains("priority 0, which means all filters here"), "{delete}");
}

/// The chain, the block and the mark of a filter are written and read.
#[test]
fn filter_round_trips_with_its_chain_and_block() {
    use nl_core::message::MessageRef;
    use nl_tc::filter::{BLOCK, Fw, flush_request};
    let filters = [
        Filter::new(2, QDISC, Fw::new(CLASS).mask(0xff)).priority(5).handle(7).chain(3),
        Filter::in_block(22, Matchall::new(CLASS)).priority(5),
    ];
    for filter in filters {
        let mut request = filter.request(TcVerb::Add);
        let read = Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
        assert_eq!(read, filter);
    }
    let text = Filter::in_block(22, Fw::new(CLASS)).priority(5).handle(7).chain(3).to_string();
    assert_eq!(text, "filter block 22 protocol all prio 5 chain 3 handle 0x7 fw classid 1:10");
    let far = Filter::new(2, QDISC, Fw::new(CLASS)).chain(1 << 28);
    assert!(refused(far.request(TcVerb::Add)).ends_with("chain 268435456; 0 to 268435455 are possible"));
    assert_eq!(flush_request(2, QDISC, None).describe(), "flush filters dev #2 parent 1:");
    assert_eq!(flush_request(BLOCK, TcHandle::from_bits(9), Some(1)).describe(), "flush filters block 9");
}

/// The kernel reports the number of a program, and takes its descriptor.
#[test]
fn bpf_filter_that_was_read_is_not_written_without_its_program() {
    use nl_core::message::MessageRef;
    use nl_tc::filter::{Bpf, FilterConfig};
    let file = std::fs::File::open("/dev/null").unwrap();
    let bpf = Bpf::new(&file, "drop_syn").direct_action(true);
    let mut request = Filter::new(2, QDISC, bpf.clone()).request(TcVerb::Add);
    let read = Filter::decode(MessageRef::parse(request.encoded().unwrap()).unwrap()).unwrap();
    assert_eq!(read.config, bpf.clone().into());
    assert_eq!(read.config.to_string(), "bpf drop_syn direct-action");
    let mut reported = bpf.clone();
    (reported.fd, reported.id) = (None, Some(7));
    assert!(FilterConfig::from(bpf).is_met_by(&reported.clone().into()));
    let error = refused(Filter::new(2, QDISC, reported).request(TcVerb::Add));
    assert!(error.ends_with("a program without its file descriptor, which the kernel needs"), "{error}");
}

#[test]
fn class_list_without_a_device_is_refused() {
    let error = refused(ClassFilter::default().list_request());
    assert_eq!(error, "list classes dev #0: interface index 0; the first one is 1");
}

#[test]
fn long_kind_name_is_refused() {
    let config = QdiscConfig::Other { kind: "a_kind_of_16_byt".into(), options: None };
    qdisc_refused(config, "kind \"a_kind_of_16_byt\" has 16 bytes; 15 are possible");
    let _ = HfscConfig::new();
}
